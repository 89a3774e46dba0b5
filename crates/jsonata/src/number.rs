//! Numbers as JavaScript has them, with integers kept apart as long as it makes no difference.

use std::fmt::Write as _;
use stepwright_json::Json;

/// The largest integer up to which every integer is a float.
pub(crate) const SAFE: i64 = 1 << 53;

#[derive(Clone, Copy, Debug)]
pub(crate) enum Number {
    Int(i64),
    Float(f64),
}

impl Number {
    #[inline]
    pub(crate) fn as_f64(self) -> f64 {
        match self {
            Self::Int(value) => value as f64,
            Self::Float(value) => value,
        }
    }

    /// The integer it is, if JavaScript's arithmetic would leave it one.
    #[inline]
    pub(crate) fn as_int(self) -> Option<i64> {
        match self {
            Self::Int(value) if value.unsigned_abs() <= SAFE as u64 => Some(value),
            Self::Int(_) => None,
            Self::Float(value) => int(value),
        }
    }
}

/// The integer that a float without fraction is, if it is small enough to be exact.
#[inline]
pub(crate) fn int(value: f64) -> Option<i64> {
    let whole = value as i64;
    (whole as f64 == value
        && whole.unsigned_abs() <= SAFE as u64
        && !(whole == 0 && value.is_sign_negative()))
    .then_some(whole)
}

pub(crate) fn to_json(value: f64) -> Json {
    match int(value) {
        Some(value) => Json::Int(value),
        None if value == 0.0 => Json::Int(0),
        // What JavaScript still writes without exponent.
        None if value.fract() == 0.0 && value.abs() < 9.2e18 => Json::Int(value as i64),
        None => Json::Float(value),
    }
}

/// Writes a number as JavaScript does.
pub(crate) fn write(value: f64, out: &mut String) {
    if let Some(value) = int(value) {
        let _ = write!(out, "{value}");
        return;
    }
    if value == 0.0 {
        out.push('0');
        return;
    }
    if !value.is_finite() {
        out.push_str(if value.is_nan() {
            "NaN"
        } else if value > 0.0 {
            "Infinity"
        } else {
            "-Infinity"
        });
        return;
    }
    // The shortest digits that read back as the same float, as d.ddde±x.
    let scientific = format!("{:e}", value.abs());
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let digits: String = mantissa.chars().filter(|c| *c != '.').collect();
    let count = digits.len() as i32;
    if value < 0.0 {
        out.push('-');
    }
    if (-6..21).contains(&exponent) {
        if exponent < 0 {
            out.push_str("0.");
            out.extend(std::iter::repeat_n('0', (-exponent - 1) as usize));
            out.push_str(&digits);
        } else if count <= exponent + 1 {
            out.push_str(&digits);
            out.extend(std::iter::repeat_n('0', (exponent + 1 - count) as usize));
        } else {
            let (whole, fraction) = digits.split_at((exponent + 1) as usize);
            out.push_str(whole);
            out.push('.');
            out.push_str(fraction);
        }
    } else {
        out.push_str(&digits[..1]);
        if count > 1 {
            out.push('.');
            out.push_str(&digits[1..]);
        }
        let _ = write!(out, "e{}{}", if exponent < 0 { '-' } else { '+' }, exponent.abs());
    }
}

/// Writes a number of few decimals, if it is one.
fn write_short(value: f64, out: &mut String) -> bool {
    const PLACES: [(f64, usize); 4] = [(10.0, 1), (100.0, 2), (1e4, 4), (1e6, 6)];
    for (scale, places) in PLACES {
        let scaled = (value * scale).round();
        // Decimals of up to 15 digits are all different floats, so that these are its digits.
        if scaled.abs() >= 1e15 || value.abs() < 1e-3 {
            return false;
        }
        if scaled / scale == value {
            let digits = scaled.abs() as u64;
            let whole = digits / scale as u64;
            let mut rest = digits % scale as u64;
            if value < 0.0 {
                out.push('-');
            }
            let mut places = places;
            while rest.is_multiple_of(10) && places > 1 {
                rest /= 10;
                places -= 1;
            }
            let _ = write!(out, "{whole}.{rest:0places$}");
            return true;
        }
    }
    false
}

/// Writes a number as JSONata does: fractions are cut to 15 digits.
pub(crate) fn write_rounded(value: f64, out: &mut String) {
    if value.fract() == 0.0 || !value.is_finite() || !write_short(value, out) {
        write(rounded(value), out);
    }
}

/// The number cut to 15 digits, which is how JSONata writes fractions.
pub(crate) fn rounded(value: f64) -> f64 {
    if !value.is_finite() || value.fract() == 0.0 {
        return value;
    }
    format!("{value:.14e}").parse().unwrap_or(value)
}

/// JavaScript's `Math.round`.
pub(crate) fn js_round(value: f64) -> f64 {
    let floor = value.floor();
    if value - floor >= 0.5 { floor + 1.0 } else { floor }
}

/// Rounds half to even at `precision` decimal digits.
pub(crate) fn round(value: f64, precision: i32) -> f64 {
    let shifted = if precision == 0 { value } else { shift(value, precision) };
    let mut result = js_round(shifted);
    if (result - shifted).abs() == 0.5 && (result % 2.0).abs() == 1.0 {
        result -= 1.0;
    }
    if precision != 0 {
        result = shift(result, -precision);
    }
    if result == 0.0 { 0.0 } else { result }
}

/// Moves the decimal point as text, so that no binary error comes in.
fn shift(value: f64, by: i32) -> f64 {
    if !value.is_finite() {
        return value;
    }
    let mut text = String::new();
    write(value, &mut text);
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent = exponent.parse::<i32>().unwrap_or(0).saturating_add(by);
    format!("{mantissa}e{exponent}").parse().unwrap_or(f64::NAN)
}
