//! `$formatNumber`: decimal pictures of `XPath`.

use super::time::squared;
use super::{number_at, take};
use crate::error::{Fault, Result};
use crate::eval::{Caller, Evaluator};
use crate::number;
use crate::signature::Args;
use crate::value::Value;

struct Symbols {
    decimal: char,
    grouping: char,
    exponent: char,
    minus: String,
    percent: char,
    per_mille: char,
    zero: char,
    digit: char,
    pattern: char,
}

impl Symbols {
    fn from(options: &Value<'_>) -> Self {
        let text = |name: &str, default: &str| {
            options
                .members()
                .and_then(|members| members.get(name).to_str())
                .map_or_else(|| default.to_owned(), |text| text.to_string())
        };
        let char = |name: &str, default: char| text(name, "").chars().next().unwrap_or(default);
        Self {
            decimal: char("decimal-separator", '.'),
            grouping: char("grouping-separator", ','),
            exponent: char("exponent-separator", 'e'),
            minus: text("minus-sign", "-"),
            percent: char("percent", '%'),
            per_mille: char("per-mille", '\u{2030}'),
            zero: char("zero-digit", '0'),
            digit: char("digit", '#'),
            pattern: char("pattern-separator", ';'),
        }
    }

    /// Whether it is one of the ten digits that begin at the zero digit.
    fn is_decimal(&self, char: char) -> bool {
        (u32::from(self.zero)..u32::from(self.zero) + 10).contains(&u32::from(char))
    }

    fn is_active(&self, char: char) -> bool {
        self.is_decimal(char)
            || [self.decimal, self.exponent, self.grouping, self.digit, self.pattern]
                .contains(&char)
    }

    /// A number of so many decimals in the digits of the picture.
    fn fixed(&self, value: f64, decimals: usize) -> String {
        let value = value.abs();
        let text = if value >= 1e21 {
            let mut text = String::new();
            number::write(value, &mut text);
            text
        } else {
            to_fixed(value, decimals)
        };
        text.chars()
            .map(|char| match char.to_digit(10) {
                Some(digit) => char::from_u32(u32::from(self.zero) + digit).unwrap_or(char),
                None => char,
            })
            .collect()
    }
}

/// JavaScript's `toFixed`: exact decimals, a half away from zero.
fn to_fixed(value: f64, decimals: usize) -> String {
    let decimals = decimals.min(100);
    // All the digits there are, so that a half is one only if it is exactly that.
    let exact = format!("{value:.1100}");
    let (whole, fraction) = exact.split_once('.').unwrap_or((&exact, ""));
    let mut digits: Vec<u8> = whole.bytes().chain(fraction.bytes().take(decimals)).collect();
    if fraction.as_bytes().get(decimals).is_some_and(|digit| *digit >= b'5') {
        let mut at = digits.len();
        loop {
            if at == 0 {
                digits.insert(0, b'1');
                break;
            }
            at -= 1;
            if digits[at] == b'9' {
                digits[at] = b'0';
            } else {
                digits[at] += 1;
                break;
            }
        }
    }
    let point = digits.len() - decimals;
    let mut out: String = digits[..point].iter().map(|digit| char::from(*digit)).collect();
    if decimals > 0 {
        out.push('.');
        out.extend(digits[point..].iter().map(|digit| char::from(*digit)));
    }
    out
}

struct Parts {
    prefix: Vec<char>,
    suffix: Vec<char>,
    active: Vec<char>,
    mantissa: Vec<char>,
    exponent: Option<Vec<char>>,
    integer: Vec<char>,
    fraction: Vec<char>,
    picture: Vec<char>,
}

fn part(chars: &[char], from: usize, to: usize) -> Vec<char> {
    let to = to.min(chars.len());
    chars[from.min(to)..to].to_vec()
}

impl Parts {
    fn new(picture: &[char], symbols: &Symbols) -> Self {
        let counts = |char: &char| symbols.is_active(*char) && *char != symbols.exponent;
        let before = picture.iter().position(counts).unwrap_or(0);
        let after = picture.iter().rposition(counts).map_or(picture.len(), |at| at + 1);
        let prefix = picture[..before].to_vec();
        let suffix = picture[after..].to_vec();
        let active = part(picture, before, after);
        let exponent_at = picture
            .iter()
            .skip(before)
            .position(|char| *char == symbols.exponent)
            .map(|at| at + before)
            .filter(|at| *at <= after);
        let (mantissa, exponent) = match exponent_at {
            None => (active.clone(), None),
            // The place is that in the whole picture, as jsonata-js has it.
            Some(at) => (part(&active, 0, at), Some(part(&active, at + 1, active.len()))),
        };
        let (integer, fraction) = match mantissa.iter().position(|char| *char == symbols.decimal) {
            None => (mantissa.clone(), suffix.clone()),
            Some(at) => (mantissa[..at].to_vec(), mantissa[at + 1..].to_vec()),
        };
        Self {
            prefix,
            suffix,
            active,
            mantissa,
            exponent,
            integer,
            fraction,
            picture: picture.to_vec(),
        }
    }

    /// The last rule that the picture breaks.
    fn broken(&self, symbols: &Symbols) -> Option<&'static str> {
        let count = |wanted: char| self.picture.iter().filter(|char| **char == wanted).count();
        let decimal_at = self.picture.iter().position(|char| *char == symbols.decimal);
        let mut error = None;
        let mut rule = |broken: bool, code: &'static str| {
            if broken {
                error = Some(code);
            }
        };
        rule(count(symbols.decimal) > 1, "D3081");
        rule(count(symbols.percent) > 1, "D3082");
        rule(count(symbols.per_mille) > 1, "D3083");
        rule(count(symbols.percent) > 0 && count(symbols.per_mille) > 0, "D3084");
        let digit = |char: &char| symbols.is_decimal(*char) || *char == symbols.digit;
        rule(!self.mantissa.iter().any(digit), "D3085");
        rule(self.active.iter().any(|char| !symbols.is_active(*char)), "D3086");
        match decimal_at {
            Some(at) => {
                let beside = |at: Option<usize>| {
                    at.and_then(|at| self.picture.get(at)) == Some(&symbols.grouping)
                };
                rule(beside(at.checked_sub(1)) || beside(Some(at + 1)), "D3087");
            }
            None => rule(self.integer.last() == Some(&symbols.grouping), "D3088"),
        }
        rule(
            self.picture.windows(2).any(|pair| pair == [symbols.grouping, symbols.grouping]),
            "D3089",
        );
        if let Some(at) = self.integer.iter().position(|char| *char == symbols.digit) {
            rule(self.integer[..at].iter().any(|char| symbols.is_decimal(*char)), "D3090");
        }
        if let Some(at) = self.fraction.iter().rposition(|char| *char == symbols.digit) {
            rule(self.fraction[at..].iter().any(|char| symbols.is_decimal(*char)), "D3091");
        }
        if let Some(exponent) = &self.exponent {
            let scaled = count(symbols.percent) > 0 || count(symbols.per_mille) > 0;
            rule(!exponent.is_empty() && scaled, "D3092");
            let digits = exponent.iter().all(|char| symbols.is_decimal(*char));
            rule(exponent.is_empty() || !digits, "D3093");
        }
        error
    }
}

struct Format {
    grouping: Vec<usize>,
    regular: usize,
    integer_least: usize,
    scaling: i32,
    prefix: String,
    fraction_grouping: Vec<usize>,
    fraction_least: usize,
    fraction_most: usize,
    exponent_least: usize,
    suffix: String,
    picture: Vec<char>,
}

impl Format {
    fn new(parts: Parts, symbols: &Symbols) -> Self {
        let digit = |char: &&char| symbols.is_decimal(**char) || **char == symbols.digit;
        let decimals =
            |part: &[char]| part.iter().filter(|char| symbols.is_decimal(**char)).count();
        let separators = |part: &[char], left: bool| {
            let mut places = Vec::new();
            let mut at = part.iter().position(|char| *char == symbols.grouping);
            while let Some(here) = at {
                let side = if left {
                    &part[..here.min(part.len())]
                } else {
                    &part[here.min(part.len())..]
                };
                places.push(side.iter().filter(digit).count());
                // jsonata-js looks for the next one in the integer part, whichever part it is in.
                at = parts
                    .integer
                    .iter()
                    .skip(here + 1)
                    .position(|char| *char == symbols.grouping)
                    .map(|next| next + here + 1);
            }
            places
        };
        let grouping = separators(&parts.integer, false);
        let fraction_grouping = separators(&parts.fraction, true);
        let mut integer_least = decimals(&parts.integer);
        let scaling = integer_least as i32;
        let mut fraction_least = decimals(&parts.fraction);
        let mut fraction_most = parts.fraction.iter().filter(digit).count();
        let has_exponent = parts.exponent.is_some();
        if integer_least == 0 && fraction_most == 0 {
            if has_exponent {
                fraction_least = 1;
                fraction_most = 1;
            } else {
                integer_least = 1;
            }
        }
        if has_exponent && integer_least == 0 && parts.integer.contains(&symbols.digit) {
            integer_least = 1;
        }
        if integer_least == 0 && fraction_least == 0 {
            fraction_least = 1;
        }
        Self {
            regular: regular(&grouping),
            grouping,
            integer_least,
            scaling,
            prefix: parts.prefix.iter().collect(),
            fraction_grouping,
            fraction_least,
            fraction_most,
            exponent_least: parts.exponent.as_deref().map_or(0, decimals),
            suffix: parts.suffix.iter().collect(),
            picture: parts.picture,
        }
    }
}

/// The distance of separators that come at regular distances, else 0.
fn regular(places: &[usize]) -> usize {
    fn gcd(a: usize, b: usize) -> usize {
        if b == 0 { a } else { gcd(b, a % b) }
    }
    let Some(factor) = places.iter().copied().reduce(gcd) else { return 0 };
    let all = (1..=places.len()).all(|index| places.contains(&(index * factor)));
    if all { factor } else { 0 }
}

pub(super) fn format_number<'a>(
    evaluator: &mut Evaluator<'a>,
    mut arguments: Args<'a>,
    _: &Caller<'_, 'a>,
) -> Result<Value<'a>> {
    let options = take(&mut arguments, 2);
    let picture = take(&mut arguments, 1);
    let Some(value) = number_at(&arguments, 0) else { return Ok(Value::Undefined) };
    let picture: Vec<char> = picture.as_str().unwrap_or_default().chars().collect();
    evaluator.charge(picture.len().saturating_mul(64))?;
    // All digits that a number has are written first.
    evaluator.steps(1_000 + squared(picture.len()))?;
    let symbols = Symbols::from(&options);
    let pictures: Vec<&[char]> = picture.split(|char| *char == symbols.pattern).collect();
    if pictures.len() > 2 {
        return Err(Fault::new("D3080"));
    }
    let parts: Vec<Parts> = pictures.iter().map(|picture| Parts::new(picture, &symbols)).collect();
    if let Some(code) = parts.iter().find_map(|parts| parts.broken(&symbols)) {
        return Err(Fault::new(code));
    }
    let mut formats = parts.into_iter().map(|parts| Format::new(parts, &symbols));
    let (Some(mut format), second) = (formats.next(), formats.next()) else {
        return Ok(Value::Undefined);
    };
    if value.is_nan() || value < 0.0 {
        match second {
            Some(negative) => format = negative,
            None => format.prefix.insert_str(0, &symbols.minus),
        }
    }
    let text = formatted(value, &format, &symbols);
    evaluator.text(text)
}

fn formatted(value: f64, format: &Format, symbols: &Symbols) -> String {
    let scaled = if format.picture.contains(&symbols.percent) {
        value * 100.0
    } else if format.picture.contains(&symbols.per_mille) {
        value * 1000.0
    } else {
        value
    };
    let mut mantissa = scaled;
    let mut exponent = None;
    if format.exponent_least > 0 {
        let most = 10f64.powi(format.scaling);
        let least = 10f64.powi(format.scaling - 1);
        let mut power = 0i32;
        if mantissa != 0.0 && mantissa.is_finite() {
            while mantissa.abs() < least {
                mantissa *= 10.0;
                power -= 1;
            }
            while mantissa.abs() > most {
                mantissa /= 10.0;
                power += 1;
            }
        }
        exponent = Some(power);
    }
    let rounded = number::round(mantissa, format.fraction_most as i32);
    let mut text: Vec<char> = symbols.fixed(rounded, format.fraction_most).chars().collect();
    match text.iter().position(|char| *char == '.') {
        None => text.push(symbols.decimal),
        Some(at) => text[at] = symbols.decimal,
    }
    let leading = text.iter().take_while(|char| **char == symbols.zero).count();
    text.drain(..leading);
    while text.last() == Some(&symbols.zero) {
        text.pop();
    }
    let point =
        |text: &[char]| text.iter().position(|char| *char == symbols.decimal).unwrap_or(text.len());
    let left = format.integer_least.saturating_sub(point(&text));
    text.splice(..0, std::iter::repeat_n(symbols.zero, left));
    let decimals = text.len() - (point(&text) + 1).min(text.len());
    let right = format.fraction_least.saturating_sub(decimals);
    text.extend(std::iter::repeat_n(symbols.zero, right));
    let mut at = point(&text);
    if let Some(groups) = at.saturating_sub(1).checked_div(format.regular) {
        for group in 1..=groups {
            text.insert(at - group * format.regular, symbols.grouping);
        }
    } else {
        for place in &format.grouping {
            if let Some(place) = at.checked_sub(*place) {
                text.insert(place, symbols.grouping);
                at += 1;
            }
        }
    }
    let at = point(&text);
    for place in &format.fraction_grouping {
        let place = (place + at + 1).min(text.len());
        text.insert(place, symbols.grouping);
    }
    let at = point(&text);
    if !format.picture.contains(&symbols.decimal) || at + 1 == text.len() {
        text.pop();
    }
    let mut out = format.prefix.clone();
    out.extend(text);
    if let Some(exponent) = exponent {
        let digits = symbols.fixed(f64::from(exponent), 0);
        out.push(symbols.exponent);
        if exponent < 0 {
            out.push_str(&symbols.minus);
        }
        let missing = format.exponent_least.saturating_sub(digits.chars().count());
        out.extend(std::iter::repeat_n(symbols.zero, missing));
        out.push_str(&digits);
    }
    out.push_str(&format.suffix);
    out
}
