//! Numbers of `DynamoDB`: decimal, with 38 digits at most.

use std::cmp::Ordering;

/// A number. The value is 0.DIGITS × 10^exponent; zero has no digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Decimal {
    is_negative: bool,
    /// Without zeros at either end.
    digits: Vec<u8>,
    exponent: i32,
}

/// How many digits a number has at most.
const PRECISION: usize = 38;

impl Decimal {
    /// Reads a number. The error is what `DynamoDB` says.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let wrong = || format!("The parameter cannot be converted to a numeric value: {text}");
        let trimmed = text.trim();
        let (is_negative, rest) = match trimmed.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, trimmed.strip_prefix('+').unwrap_or(trimmed)),
        };
        let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().map_err(|_| wrong())?),
            None => (rest, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if (whole.is_empty() && fraction.is_empty()) || !is_digits(whole) || !is_digits(fraction) {
            return Err(wrong());
        }
        if exponent.abs() > 1_000 || mantissa.len() > 500 {
            return Err(wrong());
        }
        let digits = whole.bytes().chain(fraction.bytes()).map(|byte| byte - b'0').collect();
        let number = Self::normal(is_negative, digits, whole.len() as i32 + exponent);
        number.check()
    }

    fn check(self) -> Result<Self, String> {
        if self.digits.len() > PRECISION {
            return Err(
                "Attempting to store more than 38 significant digits in a Number".to_owned()
            );
        }
        if !self.digits.is_empty() && self.exponent > 126 {
            return Err("Number overflow. Attempting to store a number with magnitude larger than supported range".to_owned());
        }
        if !self.digits.is_empty() && self.exponent < -129 {
            return Err("Number underflow. Attempting to store a number with magnitude smaller than supported range".to_owned());
        }
        Ok(self)
    }

    fn normal(is_negative: bool, digits: Vec<u8>, exponent: i32) -> Self {
        let leading = digits.iter().take_while(|digit| **digit == 0).count();
        let mut digits = digits[leading..].to_vec();
        while digits.last() == Some(&0) {
            digits.pop();
        }
        if digits.is_empty() {
            return Self { is_negative: false, digits, exponent: 0 };
        }
        Self { is_negative, digits, exponent: exponent - leading as i32 }
    }

    /// The number as `DynamoDB` writes it.
    pub(super) fn text(&self) -> String {
        if self.digits.is_empty() {
            return "0".to_owned();
        }
        let digits: String = self.digits.iter().map(|digit| char::from(b'0' + digit)).collect();
        let (count, at) = (self.digits.len() as i32, self.exponent);
        let text = if !(-40..=40).contains(&at) {
            let (first, rest) = digits.split_at(1);
            let point = if rest.is_empty() { "" } else { "." };
            format!("{first}{point}{rest}E{:+}", at - 1)
        } else if at <= 0 {
            format!("0.{}{digits}", "0".repeat(-at as usize))
        } else if at >= count {
            format!("{digits}{}", "0".repeat((at - count) as usize))
        } else {
            let (whole, fraction) = digits.split_at(at as usize);
            format!("{whole}.{fraction}")
        };
        if self.is_negative { format!("-{text}") } else { text }
    }

    pub(super) fn negated(mut self) -> Self {
        self.is_negative = !self.is_negative && !self.digits.is_empty();
        self
    }

    /// The sum. The error is what `DynamoDB` says.
    pub(super) fn plus(&self, other: &Self) -> Result<Self, String> {
        if self.digits.is_empty() {
            return Ok(other.clone());
        }
        if other.digits.is_empty() {
            return Ok(self.clone());
        }
        // Both as whole numbers of the same unit.
        let lowest = |one: &Self| one.exponent - one.digits.len() as i32;
        let unit = lowest(self).min(lowest(other));
        let highest = self.exponent.max(other.exponent);
        if highest - unit > 300 {
            // The smaller one is beyond what can be kept.
            let (large, _) =
                if self.exponent > other.exponent { (self, other) } else { (other, self) };
            return Ok(large.clone());
        }
        let width = (highest - unit + 1) as usize;
        let spread = |one: &Self| {
            let mut digits = vec![0_i16; width];
            let start = width as i32 - (one.exponent - unit);
            for (at, digit) in one.digits.iter().enumerate() {
                digits[start as usize + at] = i16::from(*digit);
            }
            digits
        };
        let (mut first, second) = (spread(self), spread(other));
        let is_same_sign = self.is_negative == other.is_negative;
        let mut is_negative = self.is_negative;
        if is_same_sign {
            let mut carry = 0;
            for at in (0..width).rev() {
                let sum = first[at] + second[at] + carry;
                first[at] = sum % 10;
                carry = sum / 10;
            }
        } else {
            let mut second = second;
            if first < second {
                std::mem::swap(&mut first, &mut second);
                is_negative = other.is_negative;
            }
            let mut borrow = 0;
            for at in (0..width).rev() {
                let mut difference = first[at] - second[at] - borrow;
                borrow = 0;
                if difference < 0 {
                    difference += 10;
                    borrow = 1;
                }
                first[at] = difference;
            }
        }
        let digits = first.into_iter().map(|digit| digit as u8).collect();
        Self::normal(is_negative, digits, unit + width as i32).check()
    }

    /// Bytes that are ordered as the numbers are.
    pub(super) fn ordered(&self) -> Vec<u8> {
        if self.digits.is_empty() {
            return vec![0x80];
        }
        let exponent = (self.exponent + 0x4000) as u16;
        let mut bytes = exponent.to_be_bytes().to_vec();
        bytes.extend(self.digits.iter().map(|digit| digit + 1));
        // Longer is larger; of negative numbers, it is smaller.
        bytes.push(0);
        if self.is_negative {
            for byte in &mut bytes {
                *byte = !*byte;
            }
            bytes.insert(0, 0x40);
        } else {
            bytes.insert(0, 0xc0);
        }
        bytes
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        self.ordered().cmp(&other.ordered())
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Decimal {
        Decimal::read(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn numbers_are_written_in_one_way() {
        for (given, expected) in [
            ("0", "0"),
            ("-0.0", "0"),
            ("007", "7"),
            ("1.50", "1.5"),
            ("1e3", "1000"),
            ("-1.5E-2", "-0.015"),
            ("123456789012345678901234567890.12345678", "123456789012345678901234567890.12345678"),
            (".5", "0.5"),
            ("1E100", "1E+100"),
            ("+3", "3"),
        ] {
            assert_eq!(number(given).text(), expected, "{given}");
        }
        for wrong in ["", "a", "1.2.3", "1e", "--1", "NaN", "1e999", "1e126000", "1e-200"] {
            assert!(Decimal::read(wrong).is_err(), "{wrong}");
        }
        assert!(Decimal::read(&"1".repeat(39)).is_err());
    }

    #[test]
    fn numbers_are_ordered_and_added() {
        let ordered = [
            "-1e20", "-10", "-9.5", "-1", "-0.1", "-0.01", "0", "0.01", "0.1", "0.11", "1", "9",
            "10", "1e20",
        ];
        for (at, one) in ordered.iter().enumerate() {
            for (other_at, other) in ordered.iter().enumerate() {
                assert_eq!(number(one).cmp(&number(other)), at.cmp(&other_at), "{one} {other}");
            }
        }
        for (one, other, sum) in [
            ("1", "2", "3"),
            ("0.1", "0.2", "0.3"),
            ("5", "-7", "-2"),
            ("-5", "7", "2"),
            ("999", "1", "1000"),
            ("1.5", "-1.5", "0"),
            ("1e20", "1", "100000000000000000001"),
            ("-0.5", "-0.5", "-1"),
        ] {
            assert_eq!(number(one).plus(&number(other)).unwrap().text(), sum, "{one} {other}");
        }
    }
}
