use std::borrow::Cow;
use std::cmp::Ordering;
use stepwright_json::Json;

/// A number inside a filter. Jayway makes a `BigDecimal` of every number there: they are compared
/// exactly, and as text they look as `BigDecimal` prints them.
#[derive(Clone, Debug)]
pub(crate) enum Number<'n> {
    Int(i64),
    Float(f64),
    Decimal(Cow<'n, Decimal>),
}

impl<'n> Number<'n> {
    /// The number in a value, if it is one.
    pub(crate) fn of(value: &Json) -> Option<Self> {
        match value {
            Json::Int(value) => Some(Self::Int(*value)),
            Json::Float(value) => Some(Self::Float(*value)),
            Json::BigInt(digits) => Decimal::parse(digits).map(Self::owned),
            _ => None,
        }
    }

    /// The number a text spells, if it does.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let decimal = Decimal::parse(text)?;
        match text.parse() {
            Ok(int) => Some(Self::Int(int)),
            Err(_) => Some(Self::owned(decimal)),
        }
    }

    fn owned(decimal: Decimal) -> Self {
        Self::Decimal(Cow::Owned(decimal))
    }

    pub(crate) fn borrowed(decimal: &'n Decimal) -> Self {
        Self::Decimal(Cow::Borrowed(decimal))
    }

    fn decimal(&self) -> Cow<'_, Decimal> {
        match self {
            Self::Int(value) => Cow::Owned(Decimal::of_int(*value)),
            // The shortest digits that read back as the same float: what Java prints, too.
            Self::Float(value) => Cow::Owned(
                Decimal::parse(&format!("{value:?}")).unwrap_or_else(|| Decimal::of_int(0)),
            ),
            Self::Decimal(decimal) => Cow::Borrowed(decimal),
        }
    }

    pub(crate) fn compare(&self, other: &Self) -> Ordering {
        const EXACT: i64 = 1 << 53;
        match (self, other) {
            (Self::Int(a), Self::Int(b)) => a.cmp(b),
            (Self::Float(a), Self::Float(b)) => a.partial_cmp(b).unwrap_or(Ordering::Equal),
            (Self::Int(a), Self::Float(b)) if a.abs_diff(0) < EXACT.unsigned_abs() => {
                (*a as f64).partial_cmp(b).unwrap_or(Ordering::Equal)
            }
            (Self::Float(_), Self::Int(b)) if b.abs_diff(0) < EXACT.unsigned_abs() => {
                other.compare(self).reverse()
            }
            _ => self.decimal().compare(&other.decimal()),
        }
    }

    /// As `BigDecimal.toString` prints it.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Int(value) => value.to_string(),
            Self::Float(value) => {
                // Java's text of the double, read as a decimal: 100.0 keeps its fraction.
                match Decimal::parse(&Json::Float(*value).to_string()) {
                    Some(decimal) => decimal.text(),
                    None => "0".to_owned(),
                }
            }
            Self::Decimal(decimal) => decimal.text(),
        }
    }

    /// As `BigDecimal.intValue`: the fraction is dropped, and so are bits past the thirty-second.
    pub(crate) fn as_i32(&self) -> i32 {
        match self {
            Self::Int(value) => *value as i32,
            Self::Float(value) => *value as i64 as i32,
            Self::Decimal(decimal) => decimal.compact().map_or(0, |value| value as i64 as i32),
        }
    }
}

/// A number without limits: `digits` times ten to the minus `scale`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Decimal {
    negative: bool,
    /// No leading zeros, but at least one digit.
    digits: String,
    scale: i64,
}

impl Decimal {
    fn of_int(value: i64) -> Self {
        Self { negative: value < 0, digits: value.unsigned_abs().to_string(), scale: 0 }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (negative, text) = match text.as_bytes().first()? {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
            None => (text, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = || whole.bytes().chain(fraction.bytes());
        if all().next().is_none() || !all().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let digits = format!("{whole}{fraction}");
        let digits = digits.trim_start_matches('0');
        let digits = if digits.is_empty() { "0" } else { digits }.to_owned();
        let scale = fraction.len() as i64 - i64::from(exponent);
        Some(Self { negative: negative && digits != "0", digits, scale })
    }

    /// The nearest float.
    fn compact(&self) -> Option<f64> {
        format!("{}{}e{}", if self.negative { "-" } else { "" }, self.digits, -self.scale)
            .parse()
            .ok()
    }

    fn is_zero(&self) -> bool {
        self.digits == "0"
    }

    fn compare(&self, other: &Self) -> Ordering {
        let sign = |decimal: &Self| match decimal {
            zero if zero.is_zero() => 0,
            negative if negative.negative => -1,
            _ => 1,
        };
        match (sign(self), sign(other)) {
            (-1, -1) => other.compare_magnitude(self),
            (1, 1) => self.compare_magnitude(other),
            (a, b) => a.cmp(&b),
        }
    }

    fn compare_magnitude(&self, other: &Self) -> Ordering {
        let exponent = |decimal: &Self| decimal.digits.len() as i64 - decimal.scale;
        let significant = |decimal: &'_ Self| decimal.digits.trim_end_matches('0').len();
        exponent(self)
            .cmp(&exponent(other))
            .then_with(|| self.digits[..significant(self)].cmp(&other.digits[..significant(other)]))
    }

    /// As `BigDecimal.toString` prints it.
    fn text(&self) -> String {
        let sign = if self.negative { "-" } else { "" };
        let digits = &self.digits;
        let adjusted = digits.len() as i64 - 1 - self.scale;
        if self.scale == 0 {
            format!("{sign}{digits}")
        } else if self.scale > 0 && adjusted >= -6 {
            let scale = self.scale as usize;
            if digits.len() > scale {
                let (whole, fraction) = digits.split_at(digits.len() - scale);
                format!("{sign}{whole}.{fraction}")
            } else {
                format!("{sign}0.{digits:0>scale$}")
            }
        } else {
            let (first, rest) = digits.split_at(1);
            let point = if rest.is_empty() { "" } else { "." };
            format!("{sign}{first}{point}{rest}E{adjusted:+}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(left: &str, expected: Ordering, right: &str) {
        let read = |text| Number::parse(text).expect(text);
        assert_eq!(read(left).compare(&read(right)), expected, "{left} {right}");
        assert_eq!(read(right).compare(&read(left)), expected.reverse(), "{right} {left}");
    }

    #[test]
    fn comparing() {
        check("1", Ordering::Equal, "1.00");
        check("10", Ordering::Greater, "9.99");
        check("-1e-10", Ordering::Less, "-0.0E0");
        check("1e400", Ordering::Greater, "9e399");
        check("9007199254740993", Ordering::Greater, "9007199254740992.0");
        check("-5", Ordering::Less, "-4.5");
        assert_eq!(Number::Int(8).compare(&Number::Float(8.95)), Ordering::Less);
        assert_eq!(
            Number::Float(0.1).compare(&Number::parse("0.1").expect("a number")),
            Ordering::Equal
        );
    }

    #[test]
    fn printing() {
        for (text, expected) in [
            ("1.50", "1.50"),
            ("1e10", "1E+10"),
            ("1.0e10", "1.0E+10"),
            ("0.0000001", "1E-7"),
            ("0.000001", "0.000001"),
            ("-12.5", "-12.5"),
            ("007", "7"),
        ] {
            assert_eq!(Decimal::parse(text).expect(text).text(), expected);
        }
        assert_eq!(Number::Float(1.0e10).text(), "1.0E+10");
        assert_eq!(Number::Float(100.0).text(), "100.0");
    }

    #[test]
    fn not_numbers() {
        for text in ["", "-", ".", "1e", "abc", "1 ", "--1", "0x1"] {
            assert!(Number::parse(text).is_none(), "{text}");
        }
    }
}
