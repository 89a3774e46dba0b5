//! Values as text.

use crate::error::{Fault, Result};
use crate::number::{self, Number};
use crate::stack;
use crate::value::{Kind, Value};
use std::fmt::Write as _;
use stepwright_json::Json;

/// What `$string` makes of a value, `None` for undefined.
pub(crate) fn string(value: &Value<'_>, pretty: bool, limit: usize) -> Result<Option<String>> {
    let mut out = String::new();
    Ok(push_string(value, pretty, &mut out, limit)?.then_some(out))
}

/// As [`string`], added to `out` as long as that stays within `limit`; `false` for undefined.
pub(crate) fn push_string(
    value: &Value<'_>,
    pretty: bool,
    out: &mut String,
    limit: usize,
) -> Result<bool> {
    match value.kind() {
        Kind::Undefined => return Ok(false),
        Kind::Text(text) => out.push_str(text),
        Kind::Function => {}
        Kind::Number(Number::Float(value)) if !value.is_finite() => {
            return Err(Fault::new("D3001").value(Some(Json::Float(value))));
        }
        _ => {
            let inner;
            let value = match value {
                Value::Array(array) if array.outer => {
                    inner = array.items.first().cloned().unwrap_or_default();
                    &inner
                }
                value => value,
            };
            stringify(value, pretty.then_some(0), out, limit)?;
        }
    }
    Ok(true)
}

/// As JavaScript's `JSON.stringify` with JSONata's replacer: fractions cut to 15 digits, functions
/// as empty text.
fn stringify(
    value: &Value<'_>,
    indent: Option<usize>,
    out: &mut String,
    limit: usize,
) -> Result<()> {
    if out.len() > limit {
        return Err(Fault::new("U1002").value(Some(Json::from(limit))));
    }
    match value.kind() {
        Kind::Undefined | Kind::Null => out.push_str("null"),
        Kind::Bool(value) => out.push_str(if value { "true" } else { "false" }),
        Kind::Number(Number::Int(value)) if value.unsigned_abs() <= number::SAFE as u64 => {
            let _ = write!(out, "{value}");
        }
        Kind::Number(number) => {
            let value = number.as_f64();
            if value.is_nan() {
                out.push_str("null");
            } else if value.is_infinite() {
                return Err(Fault::new("D1001").value(Some(Json::Float(value))));
            } else {
                number::write_rounded(value, out);
            }
        }
        Kind::Text(text) => write_text(text, out),
        Kind::Function => out.push_str("\"\""),
        Kind::Array(items) => {
            out.push('[');
            let deeper = indent.map(|indent| indent + 1);
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                line(deeper, out);
                stack::deeper(|| stringify(&item, deeper, out, limit))?;
            }
            if items.len() > 0 {
                line(indent, out);
            }
            out.push(']');
        }
        Kind::Object(members) => {
            out.push('{');
            let deeper = indent.map(|indent| indent + 1);
            let mut first = true;
            for (key, value) in members.iter() {
                if value.is_undefined() {
                    continue;
                }
                if !first {
                    out.push(',');
                }
                first = false;
                line(deeper, out);
                write_text(key, out);
                out.push_str(if indent.is_some() { ": " } else { ":" });
                stack::deeper(|| stringify(&value, deeper, out, limit))?;
            }
            if !first {
                line(indent, out);
            }
            out.push('}');
        }
    }
    Ok(())
}

fn line(indent: Option<usize>, out: &mut String) {
    if let Some(indent) = indent {
        out.push('\n');
        out.extend(std::iter::repeat_n("  ", indent));
    }
}

fn write_text(text: &str, out: &mut String) {
    out.push('"');
    let mut plain = 0;
    for (at, byte) in text.bytes().enumerate() {
        let escape = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0x08 => "\\b",
            0x0c => "\\f",
            0..0x20 => {
                out.push_str(&text[plain..at]);
                let _ = write!(out, "\\u{byte:04x}");
                plain = at + 1;
                continue;
            }
            _ => continue,
        };
        out.push_str(&text[plain..at]);
        out.push_str(escape);
        plain = at + 1;
    }
    out.push_str(&text[plain..]);
    out.push('"');
}

/// Plain JSON as JavaScript writes it; what is no JSON is null.
pub(crate) fn write_json(value: &Json, out: &mut String) {
    match value {
        Json::Float(value) if value.is_finite() => number::write(*value, out),
        Json::Float(_) | Json::Null => out.push_str("null"),
        Json::Bool(_) | Json::Int(_) | Json::BigInt(_) => {
            let _ = write!(out, "{value}");
        }
        Json::String(text) => write_text(text, out),
        Json::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                stack::deeper(|| write_json(item, out));
            }
            out.push(']');
        }
        Json::Object(object) => {
            out.push('{');
            for (at, (key, value)) in object.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write_text(key, out);
                out.push(':');
                stack::deeper(|| write_json(value, out));
            }
            out.push('}');
        }
    }
}
