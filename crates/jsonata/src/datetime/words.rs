//! Numbers in English words.

const FEW: [&str; 20] = [
    "Zero",
    "One",
    "Two",
    "Three",
    "Four",
    "Five",
    "Six",
    "Seven",
    "Eight",
    "Nine",
    "Ten",
    "Eleven",
    "Twelve",
    "Thirteen",
    "Fourteen",
    "Fifteen",
    "Sixteen",
    "Seventeen",
    "Eighteen",
    "Nineteen",
];
const ORDINALS: [&str; 20] = [
    "Zeroth",
    "First",
    "Second",
    "Third",
    "Fourth",
    "Fifth",
    "Sixth",
    "Seventh",
    "Eighth",
    "Ninth",
    "Tenth",
    "Eleventh",
    "Twelfth",
    "Thirteenth",
    "Fourteenth",
    "Fifteenth",
    "Sixteenth",
    "Seventeenth",
    "Eighteenth",
    "Nineteenth",
];
const TENS: [&str; 8] =
    ["Twenty", "Thirty", "Forty", "Fifty", "Sixty", "Seventy", "Eighty", "Ninety"];
const LARGE: [(&str, f64); 4] =
    [("Thousand", 1e3), ("Million", 1e6), ("Billion", 1e9), ("Trillion", 1e12)];

/// The words of a number that is not negative.
pub(crate) fn write(value: f64, ordinal: bool) -> String {
    let mut out = String::new();
    push(value, false, ordinal, &mut out);
    out
}

fn push(value: f64, after: bool, ordinal: bool, out: &mut String) {
    if value < 100.0 {
        if after {
            out.push_str(" and ");
        }
        let small = value as usize;
        if small < 20 {
            out.push_str(if ordinal { ORDINALS[small] } else { FEW[small] });
            return;
        }
        out.push_str(TENS[small / 10 - 2]);
        if !small.is_multiple_of(10) {
            out.push('-');
            push((small % 10) as f64, false, ordinal, out);
        } else if ordinal {
            out.pop();
            out.push_str("ieth");
        }
        return;
    }
    if after {
        out.push_str(", ");
    }
    let (factor, word) = if value < 1000.0 {
        (100.0, "Hundred")
    } else {
        let index = LARGE.iter().rposition(|(_, factor)| value >= *factor).unwrap_or(0);
        (LARGE[index].1, LARGE[index].0)
    };
    let count = (value / factor).floor();
    let rest = value - count * factor;
    push(count, false, false, out);
    out.push(' ');
    out.push_str(word);
    if rest > 0.0 {
        push(rest, true, ordinal, out);
    } else if ordinal {
        out.push_str("th");
    }
}

/// The value of a single word in small letters.
fn value_of(word: &str) -> Option<f64> {
    let same = |other: &str| other.eq_ignore_ascii_case(word);
    if let Some(at) = FEW.iter().position(|few| same(few)) {
        return Some(at as f64);
    }
    if let Some(at) = ORDINALS.iter().position(|ordinal| same(ordinal)) {
        return Some(at as f64);
    }
    for (at, tens) in TENS.iter().enumerate() {
        let stem = &tens[..tens.len() - 1];
        if same(tens)
            || word.strip_suffix("ieth").is_some_and(|rest| rest.eq_ignore_ascii_case(stem))
        {
            return Some((at + 2) as f64 * 10.0);
        }
    }
    let cardinal = word.strip_suffix("th").unwrap_or(word);
    if cardinal == "hundred" {
        return Some(100.0);
    }
    LARGE.iter().find(|(name, _)| name.eq_ignore_ascii_case(cardinal)).map(|(_, factor)| *factor)
}

/// The number that words in small letters mean; not a number if one is unknown.
pub(crate) fn read(text: &str) -> f64 {
    let mut segments = vec![0.0f64];
    for word in split(text) {
        let Some(value) = value_of(word) else { return f64::NAN };
        let top = segments.pop().unwrap_or(0.0);
        if value < 100.0 {
            if top >= 1000.0 {
                segments.push(top);
                segments.push(value);
            } else {
                segments.push(top + value);
            }
        } else {
            segments.push(top * value);
        }
    }
    segments.iter().sum()
}

/// Words between commas, dashes, spaces and `and`.
fn split(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut start = 0;
    let mut at = 0;
    let space = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_whitespace);
    let bytes = text.as_bytes();
    while at < bytes.len() {
        let length = if bytes[at] == b',' && space(bytes.get(at + 1)) {
            2
        } else if space(bytes.get(at))
            && text[at + 1..].starts_with("and")
            && space(bytes.get(at + 4))
        {
            5
        } else {
            usize::from(space(bytes.get(at)) || matches!(bytes[at], b'-' | b'\\'))
        };
        if length > 0 {
            words.push(&text[start..at]);
            at += length;
            start = at;
        } else {
            at += 1;
            while !text.is_char_boundary(at) {
                at += 1;
            }
        }
    }
    words.push(&text[start..]);
    words
}

/// Every word that can be part of a number, longest first.
pub(crate) fn all() -> Vec<String> {
    let mut words: Vec<String> =
        FEW.iter().chain(&ORDINALS).chain(&TENS).map(|word| word.to_lowercase()).collect();
    words.extend(TENS.iter().map(|word| format!("{}ieth", &word[..word.len() - 1]).to_lowercase()));
    for word in ["hundred", "thousand", "million", "billion", "trillion"] {
        words.push(word.to_owned());
        words.push(format!("{word}th"));
    }
    words.push("and".to_owned());
    words.sort_by_key(|word| std::cmp::Reverse(word.len()));
    words
}
