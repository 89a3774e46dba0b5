use crate::lex::plain_until;
use crate::{Json, Str};
use std::fmt::{self, Write as _};

impl fmt::Display for Json {
    /// Compact, keys in order, as AWS prints.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = String::new();
        self.write(&mut out);
        f.write_str(&out)
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Json {
    /// Adds the compact text of the value to `out`.
    pub fn write(&self, out: &mut String) {
        print::<false>(self, out);
    }

    /// Indented by two spaces, for people.
    pub fn pretty(&self) -> String {
        let mut out = String::new();
        print::<true>(self, &mut out);
        out
    }
}

/// What is left to print of an array or object.
enum Open<'j> {
    Array(std::slice::Iter<'j, Json>),
    Object {
        /// Keys, or as `labelled` says, keys with comma, quotes and colon.
        keys: std::slice::Iter<'j, Str>,
        labelled: bool,
        values: std::slice::Iter<'j, Json>,
    },
}

/// A key as it is printed behind another member.
fn label(key: &str) -> Str {
    let mut out = String::with_capacity(key.len() + 4);
    out.push(',');
    write_string(key, &mut out);
    out.push(':');
    out.into()
}

/// Prints without recursion, so that depth does not matter.
fn print<const PRETTY: bool>(value: &Json, out: &mut String) {
    let mut open: Vec<Open<'_>> = Vec::new();
    let mut value = value;
    loop {
        let mut first = false;
        match value {
            Json::Array(array) if !array.is_empty() => {
                out.push('[');
                open.push(Open::Array(array.iter()));
                first = true;
            }
            Json::Object(object) if !object.is_empty() => {
                out.push('{');
                let labels = if PRETTY { None } else { object.labels(label) };
                open.push(Open::Object {
                    keys: labels.unwrap_or_else(|| object.names()).iter(),
                    labelled: labels.is_some(),
                    values: object.slots().iter(),
                });
                first = true;
            }
            scalar => write_scalar(scalar, out),
        }
        value = loop {
            let depth = open.len();
            let Some(last) = open.last_mut() else { return };
            let (next, close) = match last {
                Open::Array(items) => (items.next(), ']'),
                Open::Object { values, .. } => (values.next(), '}'),
            };
            if let Some(value) = next {
                if let Open::Object { keys, labelled: true, .. } = last {
                    let label = keys.next().map_or(",", Str::as_str);
                    out.push_str(if first { &label[1..] } else { label });
                    break value;
                }
                if !first {
                    out.push(',');
                }
                if PRETTY {
                    line(out, depth);
                }
                if let Open::Object { keys, .. } = last
                    && let Some(key) = keys.next()
                {
                    write_string(key, out);
                    out.push_str(if PRETTY { ": " } else { ":" });
                }
                break value;
            }
            open.pop();
            if PRETTY {
                line(out, depth - 1);
            }
            out.push(close);
            first = false;
        };
    }
}

/// How many levels are indented: further in, the indentation would outgrow the text.
const INDENTED: usize = 64;

fn line(out: &mut String, depth: usize) {
    out.push('\n');
    out.extend(std::iter::repeat_n("  ", depth.min(INDENTED)));
}

#[inline]
fn write_scalar(value: &Json, out: &mut String) {
    match value {
        Json::Null => out.push_str("null"),
        Json::Bool(true) => out.push_str("true"),
        Json::Bool(false) => out.push_str("false"),
        Json::Int(value) => write_int(*value, out),
        Json::Float(value) => write_float(*value, out),
        Json::BigInt(digits) => out.push_str(digits),
        Json::String(text) => write_string(text, out),
        Json::Array(_) => out.push_str("[]"),
        Json::Object(_) => out.push_str("{}"),
    }
}

fn write_int(value: i64, out: &mut String) {
    // Nineteen digits and a sign.
    let mut digits = [0; 20];
    let mut at = digits.len();
    let mut rest = value.unsigned_abs();
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if value < 0 {
        at -= 1;
        digits[at] = b'-';
    }
    out.push_str(std::str::from_utf8(&digits[at..]).unwrap_or_default());
}

/// As Java's `Double.toString` prints it: plain from 0.001 up to ten million, else with an
/// exponent; always with a fraction, so that it reads back as a float.
pub(crate) fn write_float(value: f64, out: &mut String) {
    if !value.is_finite() {
        out.push_str("null");
        return;
    }
    let magnitude = value.abs();
    if magnitude == 0.0 || (1e-3..1e7).contains(&magnitude) {
        if !write_thousandths(value, out) {
            out.push_str(ryu::Buffer::new().format_finite(value));
        }
        return;
    }
    let start = out.len();
    write!(out, "{value:E}").expect("strings grow");
    if !out[start..].contains('.') {
        let exponent = start + out[start..].find('E').expect("written with an exponent");
        out.insert_str(exponent, ".0");
    }
}

/// Prints a float below ten million that has three decimals at most, as most written by people do.
/// With so few digits no other text as short stands for the same float.
fn write_thousandths(value: f64, out: &mut String) -> bool {
    let magnitude = value.abs();
    let thousandths = (magnitude * 1e3).round();
    if thousandths / 1e3 != magnitude {
        return false;
    }
    if value.is_sign_negative() {
        out.push('-');
    }
    let thousandths = thousandths as i64;
    write_int(thousandths / 1_000, out);
    let fraction = (thousandths % 1_000) as u16;
    let digits =
        [fraction / 100, fraction / 10 % 10, fraction % 10].map(|digit| b'0' + digit as u8);
    let len = match digits {
        [_, b'0', b'0'] => 1,
        [_, _, b'0'] => 2,
        _ => 3,
    };
    out.push('.');
    out.push_str(std::str::from_utf8(&digits[..len]).unwrap_or_default());
    true
}

/// Escapes as Jackson does: quotes, backslashes and control characters, nothing else.
#[inline]
fn write_string(text: &str, out: &mut String) {
    out.push('"');
    if plain_until(text.as_bytes(), 0) == text.len() {
        out.push_str(text);
        out.push('"');
    } else {
        write_escaped(text, out);
    }
}

fn write_escaped(text: &str, out: &mut String) {
    let mut plain = 0;
    loop {
        let at = plain_until(text.as_bytes(), plain);
        out.push_str(&text[plain..at]);
        let Some(&byte) = text.as_bytes().get(at) else { break };
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            0x08 => out.push_str("\\b"),
            0x0c => out.push_str("\\f"),
            _ => write!(out, "\\u{byte:04X}").expect("strings grow"),
        }
        plain = at + 1;
    }
    out.push('"');
}
