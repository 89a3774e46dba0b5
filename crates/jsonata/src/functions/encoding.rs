use crate::error::{Fault, Result};
use crate::eval::{Caller, Evaluator};
use crate::signature::Args;
use crate::value::Value;
use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};

pub(super) fn base64_encode<'a>(
    evaluator: &mut Evaluator<'a>,
    arguments: Args<'a>,
    _: &Caller<'_, 'a>,
) -> Result<Value<'a>> {
    let Some(text) = arguments.first().and_then(Value::as_str) else {
        return Ok(Value::Undefined);
    };
    evaluator.charge(text.len() * 2)?;
    evaluator.steps(text.len() / 16)?;
    // Step Functions takes the text as UTF-8, jsonata-js each character as a byte.
    let encoded = if evaluator.dialect.step_functions() || text.is_ascii() {
        STANDARD.encode(text)
    } else {
        STANDARD.encode(text.encode_utf16().map(|unit| unit as u8).collect::<Vec<_>>())
    };
    evaluator.text(encoded)
}

/// Decodes Base64 without complaint: the text ends at the first `=`, the characters of both
/// alphabets count, and any other is passed over.
pub fn decode_base64(text: &str) -> Vec<u8> {
    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &alphabet::STANDARD,
        GeneralPurposeConfig::new()
            .with_decode_padding_mode(DecodePaddingMode::Indifferent)
            .with_decode_allow_trailing_bits(true),
    );
    let mut digits: String = text
        .chars()
        .take_while(|char| *char != '=')
        .map(|char| match char {
            '-' => '+',
            '_' => '/',
            other => other,
        })
        .filter(|char| char.is_ascii_alphanumeric() || matches!(char, '+' | '/'))
        .collect();
    if digits.len() % 4 == 1 {
        digits.pop();
    }
    LENIENT.decode(digits).unwrap_or_default()
}

/// Whether Java's strict decoder takes a text: padded rightly or not at all.
fn is_base64(text: &str) -> bool {
    let digits = text.trim_end_matches('=');
    let padding = text.len() - digits.len();
    let is_digit = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    digits.bytes().all(is_digit)
        && digits.len() % 4 != 1
        && (padding == 0 || (padding <= 2 && text.len().is_multiple_of(4)))
}

pub(super) fn base64_decode<'a>(
    evaluator: &mut Evaluator<'a>,
    arguments: Args<'a>,
    _: &Caller<'_, 'a>,
) -> Result<Value<'a>> {
    let Some(text) = arguments.first().and_then(Value::as_str) else {
        return Ok(Value::Undefined);
    };
    evaluator.charge(text.len())?;
    evaluator.steps(text.len() / 4)?;
    if evaluator.dialect.step_functions() && !is_base64(text) {
        return Err(Fault::new("U1005"));
    }
    let bytes = decode_base64(text);
    let decoded = if evaluator.dialect.step_functions() {
        String::from_utf8_lossy(&bytes).into_owned()
    } else {
        bytes.into_iter().map(char::from).collect()
    };
    evaluator.text(decoded)
}

const UNRESERVED: &str = "-_.!~*'()";
const RESERVED: &str = ";/?:@&=+$,#";

fn encode<'a>(
    evaluator: &mut Evaluator<'a>,
    arguments: &Args<'a>,
    keep: &str,
) -> Result<Value<'a>> {
    let Some(text) = arguments.first().and_then(Value::as_str) else {
        return Ok(Value::Undefined);
    };
    evaluator.charge(text.len() * 3)?;
    evaluator.steps(text.len() / 2)?;
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        let char = char::from(byte);
        if char.is_ascii_alphanumeric() || UNRESERVED.contains(char) || keep.contains(char) {
            out.push(char);
        } else {
            const HEX: &[u8; 16] = b"0123456789ABCDEF";
            out.push('%');
            out.push(char::from(HEX[usize::from(byte >> 4)]));
            out.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
    evaluator.text(out)
}

/// Decodes all escapes but those of the characters in `keep`; `None` if one is wrong.
fn decoded(text: &str, keep: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let escape = |at: usize| {
        let digits = text.get(at + 1..at + 3)?;
        if bytes[at] != b'%' || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        u8::from_str_radix(digits, 16).ok()
    };
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] != b'%' {
            let next = text[at..].find('%').map_or(text.len(), |next| at + next);
            out.push_str(&text[at..next]);
            at = next;
            continue;
        }
        let first = escape(at)?;
        if first < 0x80 {
            if keep.contains(char::from(first)) {
                out.push_str(&text[at..at + 3]);
            } else {
                out.push(char::from(first));
            }
            at += 3;
            continue;
        }
        let count = match first {
            0xC0..0xE0 => 2,
            0xE0..0xF0 => 3,
            0xF0..0xF8 => 4,
            _ => return None,
        };
        let mut sequence = Vec::with_capacity(count);
        for index in 0..count {
            if at + index * 3 >= bytes.len() {
                return None;
            }
            sequence.push(escape(at + index * 3)?);
        }
        out.push_str(std::str::from_utf8(&sequence).ok()?);
        at += count * 3;
    }
    Some(out)
}

fn decode<'a>(
    evaluator: &mut Evaluator<'a>,
    arguments: &Args<'a>,
    keep: &str,
    name: &str,
) -> Result<Value<'a>> {
    let Some(text) = arguments.first().and_then(Value::as_str) else {
        return Ok(Value::Undefined);
    };
    evaluator.steps(text.len() / 4)?;
    match decoded(text, keep) {
        Some(text) => evaluator.text(text),
        None => Err(Fault::new("D3140").value(Some(text.into())).text(name)),
    }
}

pub(super) fn encode_url_component<'a>(
    evaluator: &mut Evaluator<'a>,
    arguments: Args<'a>,
    _: &Caller<'_, 'a>,
) -> Result<Value<'a>> {
    encode(evaluator, &arguments, "")
}

pub(super) fn encode_url<'a>(
    evaluator: &mut Evaluator<'a>,
    arguments: Args<'a>,
    _: &Caller<'_, 'a>,
) -> Result<Value<'a>> {
    encode(evaluator, &arguments, RESERVED)
}

pub(super) fn decode_url_component<'a>(
    evaluator: &mut Evaluator<'a>,
    arguments: Args<'a>,
    _: &Caller<'_, 'a>,
) -> Result<Value<'a>> {
    decode(evaluator, &arguments, "", "decodeUrlComponent")
}

pub(super) fn decode_url<'a>(
    evaluator: &mut Evaluator<'a>,
    arguments: Args<'a>,
    _: &Caller<'_, 'a>,
) -> Result<Value<'a>> {
    decode(evaluator, &arguments, RESERVED, "decodeUrl")
}
