//! Integers by picture: decimals, letters, roman numerals and words.

use super::words;
use crate::error::{Fault, Result};
use crate::number;

#[derive(Clone, Debug)]
pub(crate) struct Format {
    pub(crate) style: Style,
    pub(crate) case: Case,
    pub(crate) ordinal: bool,
    pub(crate) mandatory: usize,
    pub(crate) optional: usize,
    /// How many digits exactly are read, when another number follows right after.
    pub(crate) width: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Case {
    Upper,
    Lower,
    Title,
}

#[derive(Clone, Debug)]
pub(crate) enum Style {
    Decimal {
        zero: u32,
        grouping: Grouping,
    },
    Letters,
    Roman,
    Words,
    /// A sequence that is not supported.
    Sequence(String),
}

#[derive(Clone, Debug)]
pub(crate) enum Grouping {
    Regular {
        every: usize,
        separator: char,
    },
    /// Separators with how many digits come after them.
    At(Vec<(usize, char)>),
}

/// The code points of zeros.
const ZEROS: [u32; 37] = [
    0x30, 0x0660, 0x06F0, 0x07C0, 0x0966, 0x09E6, 0x0A66, 0x0AE6, 0x0B66, 0x0BE6, 0x0C66, 0x0CE6,
    0x0D66, 0x0DE6, 0x0E50, 0x0ED0, 0x0F20, 0x1040, 0x1090, 0x17E0, 0x1810, 0x1946, 0x19D0, 0x1A80,
    0x1A90, 0x1B50, 0x1BB0, 0x1C40, 0x1C50, 0xA620, 0xA8D0, 0xA900, 0xA9D0, 0xA9F0, 0xAA50, 0xABF0,
    0xFF10,
];

impl Format {
    pub(crate) fn new(picture: &str) -> Result<Self> {
        let (primary, modifier) = picture.rsplit_once(';').unwrap_or((picture, ""));
        let mut format = Self {
            style: Style::Words,
            case: Case::Lower,
            ordinal: modifier.starts_with('o'),
            mandatory: 0,
            optional: 0,
            width: None,
        };
        (format.style, format.case) = match primary {
            "A" => (Style::Letters, Case::Upper),
            "a" => (Style::Letters, Case::Lower),
            "I" => (Style::Roman, Case::Upper),
            "i" => (Style::Roman, Case::Lower),
            "W" => (Style::Words, Case::Upper),
            "Ww" => (Style::Words, Case::Title),
            "w" => (Style::Words, Case::Lower),
            _ => (format.decimal(primary)?, Case::Lower),
        };
        Ok(format)
    }

    fn decimal(&mut self, primary: &str) -> Result<Style> {
        let mut zero = None;
        let mut digits = 0;
        let mut separators = Vec::new();
        for char in primary.chars().rev() {
            let code = u32::from(char);
            if let Some(group) = ZEROS.iter().find(|group| (**group..**group + 10).contains(&code))
            {
                self.mandatory += 1;
                digits += 1;
                if *zero.get_or_insert(*group) != *group {
                    return Err(Fault::new("D3131"));
                }
            } else if char == '#' {
                self.optional += 1;
                digits += 1;
            } else {
                separators.push((digits, char));
            }
        }
        let Some(zero) = zero else { return Ok(Style::Sequence(primary.to_owned())) };
        let grouping = match separators.first() {
            Some((_, separator)) if every(&separators) > 0 => {
                Grouping::Regular { every: every(&separators), separator: *separator }
            }
            _ => Grouping::At(separators),
        };
        Ok(Style::Decimal { zero, grouping })
    }

    pub(crate) fn is_regular(&self) -> bool {
        matches!(self.style, Style::Decimal { grouping: Grouping::Regular { .. }, .. })
    }

    /// The separator of regular groups.
    pub(crate) fn separator(&self) -> Option<char> {
        match self.style {
            Style::Decimal { grouping: Grouping::Regular { separator, .. }, .. } => Some(separator),
            _ => None,
        }
    }
}

/// The distance of equal separators at regular distances, else 0.
fn every(separators: &[(usize, char)]) -> usize {
    fn gcd(a: usize, b: usize) -> usize {
        if b == 0 { a } else { gcd(b, a % b) }
    }
    let Some((_, first)) = separators.first() else { return 0 };
    if separators.iter().any(|(_, char)| char != first) {
        return 0;
    }
    let factor = separators.iter().map(|(place, _)| *place).reduce(gcd).unwrap_or(0);
    let all = (1..=separators.len())
        .all(|index| separators.iter().any(|(place, _)| *place == index * factor));
    if all { factor } else { 0 }
}

/// Writes a whole number.
pub(crate) fn write(value: f64, format: &Format) -> Result<String> {
    let negative = value < 0.0;
    let value = value.abs();
    let cased = |text: String| match format.case {
        Case::Upper => text.to_uppercase(),
        Case::Lower => text.to_lowercase(),
        Case::Title => text,
    };
    let text = match &format.style {
        Style::Letters => cased(letters(value)),
        Style::Roman => cased(roman(value)),
        Style::Words => cased(words::write(value, format.ordinal)),
        Style::Decimal { zero, grouping } => decimal(value, format, *zero, grouping),
        Style::Sequence(token) => {
            return Err(Fault::new("D3130").value(Some(token.as_str().into())));
        }
    };
    Ok(if negative { format!("-{text}") } else { text })
}

fn decimal(value: f64, format: &Format, zero: u32, grouping: &Grouping) -> String {
    let mut text = String::new();
    number::write(value, &mut text);
    let mut digits: Vec<char> = text.chars().collect();
    let missing = format.mandatory.min(100_000).saturating_sub(digits.len());
    digits.splice(..0, std::iter::repeat_n('0', missing));
    if zero != 0x30 {
        for digit in &mut digits {
            *digit = char::from_u32(u32::from(*digit) + zero - 0x30).unwrap_or(*digit);
        }
    }
    match grouping {
        Grouping::Regular { every, separator } => {
            let groups = digits.len().saturating_sub(1) / every;
            for group in (1..=groups).rev() {
                digits.insert(digits.len() - group * every, *separator);
                // Those already put in are to the left.
            }
            let _ = groups;
        }
        Grouping::At(separators) => {
            for (place, separator) in separators.iter().rev() {
                let at = digits.len().saturating_sub(*place);
                digits.insert(at, *separator);
            }
        }
    }
    if format.ordinal {
        let last = digits.last().copied();
        let teen = digits.len() > 1 && digits[digits.len() - 2] == '1';
        digits.extend(match last {
            Some('1') if !teen => "st".chars(),
            Some('2') if !teen => "nd".chars(),
            Some('3') if !teen => "rd".chars(),
            _ => "th".chars(),
        });
    }
    digits.into_iter().collect()
}

fn letters(value: f64) -> String {
    let mut rest = value.min(1e15) as u64;
    let mut letters = Vec::new();
    while rest > 0 {
        letters.push(char::from(b'a' + ((rest - 1) % 26) as u8));
        rest = (rest - 1) / 26;
    }
    letters.iter().rev().collect()
}

const ROMAN: [(u64, &str); 13] = [
    (1000, "m"),
    (900, "cm"),
    (500, "d"),
    (400, "cd"),
    (100, "c"),
    (90, "xc"),
    (50, "l"),
    (40, "xl"),
    (10, "x"),
    (9, "ix"),
    (5, "v"),
    (4, "iv"),
    (1, "i"),
];

fn roman(value: f64) -> String {
    // Beyond this there are only more and more thousands.
    let mut rest = value.min(10_000_000.0) as u64;
    let mut out = String::new();
    for (worth, numeral) in ROMAN {
        while rest >= worth {
            out.push_str(numeral);
            rest -= worth;
        }
    }
    out
}

/// What [`read`] takes, as a regular expression without groups.
pub(crate) fn pattern(format: &Format) -> Result<String> {
    let upper = format.case == Case::Upper;
    Ok(match &format.style {
        Style::Letters => if upper { "[A-Z]+" } else { "[a-z]+" }.to_owned(),
        Style::Roman => if upper { "[MDCLXVI]+" } else { "[mdclxvi]+" }.to_owned(),
        Style::Words => format!("(?:{}|[-, ])+", words::all().join("|")),
        Style::Decimal { .. } => {
            let count = match format.width {
                Some(width) => format!("{{{width}}}"),
                None => "+".to_owned(),
            };
            let suffix = if format.ordinal { "(?:th|st|nd|rd)" } else { "" };
            format!("[0-9]{count}{suffix}")
        }
        Style::Sequence(token) => {
            return Err(Fault::new("D3130").value(Some(token.as_str().into())));
        }
    })
}

/// Reads a whole number; not a number if the text is none.
pub(crate) fn read(text: &str, format: &Format) -> Result<f64> {
    Ok(match &format.style {
        Style::Letters => {
            let first = if format.case == Case::Upper { 'A' } else { 'a' };
            text.chars().rev().enumerate().fold(0.0, |sum, (at, char)| {
                let letter = f64::from(u32::from(char)) - f64::from(u32::from(first)) + 1.0;
                sum + letter * 26f64.powi(at as i32)
            })
        }
        Style::Roman => read_roman(&text.to_uppercase()),
        Style::Words => words::read(&text.to_lowercase()),
        Style::Decimal { zero, grouping } => {
            let mut digits: String = text.to_owned();
            if format.ordinal {
                for _ in 0..2 {
                    digits.pop();
                }
            }
            let separators: Vec<char> = match grouping {
                Grouping::Regular { .. } => vec![','],
                Grouping::At(separators) => separators.iter().map(|(_, char)| *char).collect(),
            };
            let digits: String = digits
                .chars()
                .filter(|char| !separators.contains(char))
                .map(|char| {
                    u32::from(char)
                        .checked_sub(*zero)
                        .and_then(|digit| char::from_digit(digit, 10))
                        .unwrap_or(char)
                })
                .collect();
            parse_int(&digits)
        }
        Style::Sequence(token) => {
            return Err(Fault::new("D3130").value(Some(token.as_str().into())));
        }
    })
}

/// JavaScript's `parseInt`.
pub(crate) fn parse_int(text: &str) -> f64 {
    let text = text.trim_start();
    let sign = usize::from(text.starts_with(['+', '-']));
    let digits = text[sign..].bytes().take_while(u8::is_ascii_digit).count();
    if digits == 0 {
        return f64::NAN;
    }
    text[..sign + digits].parse().unwrap_or(f64::NAN)
}

fn read_roman(text: &str) -> f64 {
    let mut sum = 0.0;
    let mut most = 1.0;
    for char in text.chars().rev() {
        let value = match char {
            'M' => 1000.0,
            'D' => 500.0,
            'C' => 100.0,
            'L' => 50.0,
            'X' => 10.0,
            'V' => 5.0,
            'I' => 1.0,
            _ => return f64::NAN,
        };
        if value < most {
            sum -= value;
        } else {
            most = value;
            sum += value;
        }
    }
    sum
}
