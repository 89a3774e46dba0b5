use super::{number_at, take};
use crate::error::{Fault, Result};
use crate::eval::{Caller, Evaluator};
use crate::number::{self, Number};
use crate::signature::Args;
use crate::value::{Kind, Value};
use stepwright_json::Json;

pub(super) fn number<'a>(
    evaluator: &mut Evaluator<'a>,
    mut arguments: Args<'a>,
    _: &Caller<'_, 'a>,
) -> Result<Value<'a>> {
    let value = take(&mut arguments, 0);
    evaluator.look(value.as_str().map_or(0, str::len) * 8)?;
    let parsed = match value.kind() {
        Kind::Undefined => return Ok(Value::Undefined),
        Kind::Number(_) => return Ok(value),
        Kind::Bool(value) => Some(f64::from(value)),
        Kind::Text(text) => decimal(text).or_else(|| radix(text)),
        _ => None,
    };
    match parsed {
        Some(number) => Ok(Value::float(number)),
        None => Err(Fault::new("D3030").value(value.shown()).index(1)),
    }
}

/// A decimal number as JSON has it, but with leading zeros allowed.
fn decimal(text: &str) -> Option<f64> {
    let rest = text.strip_prefix('-').unwrap_or(text);
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let whole = digits(rest);
    if whole == 0 {
        return None;
    }
    let mut rest = &rest[whole..];
    if let Some(fraction) = rest.strip_prefix('.') {
        let count = digits(fraction);
        if count == 0 {
            return None;
        }
        rest = &fraction[count..];
    }
    if let Some(exponent) = rest.strip_prefix(['e', 'E']) {
        let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        let count = digits(exponent);
        if count == 0 {
            return None;
        }
        rest = &exponent[count..];
    }
    if !rest.is_empty() {
        return None;
    }
    text.parse::<f64>().ok().filter(|number| number.is_finite())
}

/// A number such as `0x1F`, `0o17`, `0b11`.
fn radix(text: &str) -> Option<f64> {
    let (radix, digits) = match text.get(..2)? {
        "0x" | "0X" => (16, &text[2..]),
        "0o" | "0O" => (8, &text[2..]),
        "0b" | "0B" => (2, &text[2..]),
        _ => return None,
    };
    if digits.is_empty() {
        return None;
    }
    if let Ok(value) = u128::from_str_radix(digits, radix) {
        return (!digits.starts_with('+')).then_some(value as f64);
    }
    digits.chars().try_fold(0.0, |sum, digit| {
        Some(sum * f64::from(radix) + f64::from(digit.to_digit(radix)?))
    })
}

/// Applies `change` to the first argument if it is a number.
fn changed<'a>(arguments: &Args<'a>, change: impl FnOnce(f64) -> f64) -> Value<'a> {
    match number_at(arguments, 0) {
        Some(number) => Value::float(change(number)),
        None => Value::Undefined,
    }
}

pub(super) fn floor<'a>(
    _: &mut Evaluator<'a>,
    arguments: Args<'a>,
    _: &Caller<'_, 'a>,
) -> Result<Value<'a>> {
    Ok(changed(&arguments, f64::floor))
}

pub(super) fn ceil<'a>(
    _: &mut Evaluator<'a>,
    arguments: Args<'a>,
    _: &Caller<'_, 'a>,
) -> Result<Value<'a>> {
    Ok(changed(&arguments, f64::ceil))
}

pub(super) fn abs<'a>(
    _: &mut Evaluator<'a>,
    arguments: Args<'a>,
    _: &Caller<'_, 'a>,
) -> Result<Value<'a>> {
    Ok(changed(&arguments, f64::abs))
}

pub(super) fn round<'a>(
    _: &mut Evaluator<'a>,
    arguments: Args<'a>,
    _: &Caller<'_, 'a>,
) -> Result<Value<'a>> {
    let precision = number_at(&arguments, 1).unwrap_or(0.0);
    Ok(changed(&arguments, |value| number::round(value, precision as i32)))
}

pub(super) fn sqrt<'a>(
    _: &mut Evaluator<'a>,
    arguments: Args<'a>,
    _: &Caller<'_, 'a>,
) -> Result<Value<'a>> {
    if let Some(number) = number_at(&arguments, 0)
        && number < 0.0
    {
        return Err(Fault::new("D3060").value(arguments[0].shown()).index(1));
    }
    Ok(changed(&arguments, f64::sqrt))
}

pub(super) fn power<'a>(
    _: &mut Evaluator<'a>,
    arguments: Args<'a>,
    _: &Caller<'_, 'a>,
) -> Result<Value<'a>> {
    let Some(base) = number_at(&arguments, 0) else { return Ok(Value::Undefined) };
    let exponent = number_at(&arguments, 1).unwrap_or(f64::NAN);
    // JavaScript has no number for one to the power of infinity.
    let result = if exponent.is_nan() { f64::NAN } else { base.powf(exponent) };
    if !result.is_finite() {
        return Err(Fault::new("D3061")
            .value(arguments[0].shown())
            .value2(arguments.get(1).and_then(Value::shown))
            .index(1));
    }
    Ok(Value::float(result))
}

pub(super) fn random<'a>(
    evaluator: &mut Evaluator<'a>,
    _: Args<'a>,
    _: &Caller<'_, 'a>,
) -> Result<Value<'a>> {
    Ok(Value::float(evaluator.chance()))
}

pub(super) fn format_base<'a>(
    evaluator: &mut Evaluator<'a>,
    arguments: Args<'a>,
    _: &Caller<'_, 'a>,
) -> Result<Value<'a>> {
    let Some(value) = number_at(&arguments, 0) else { return Ok(Value::Undefined) };
    let value = number::round(value, 0);
    let radix = number_at(&arguments, 1).map_or(10.0, |radix| number::round(radix, 0));
    if !(2.0..=36.0).contains(&radix) {
        return Err(Fault::new("D3100").value(Some(number::to_json(radix))));
    }
    let mut out = String::new();
    if radix == 10.0 || value.abs() >= 1e36 || !value.is_finite() {
        number::write(value, &mut out);
    } else {
        let radix = radix as u128;
        let mut rest = value.abs() as u128;
        let mut digits = Vec::new();
        loop {
            digits.push(char::from_digit((rest % radix) as u32, 36).unwrap_or('0'));
            rest /= radix;
            if rest == 0 {
                break;
            }
        }
        if value < 0.0 {
            out.push('-');
        }
        out.extend(digits.iter().rev());
    }
    evaluator.text(out)
}

impl Evaluator<'_> {
    /// The next 64 random bits.
    pub(crate) fn bits(&mut self) -> u64 {
        self.chance = self.chance.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.chance;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^ (bits >> 31)
    }

    /// A random number from 0 up to but not including 1.
    pub(crate) fn chance(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// The number as JSON for an error.
pub(super) fn json(number: f64) -> Json {
    Value::from(Number::Float(number)).shown().unwrap_or_default()
}
