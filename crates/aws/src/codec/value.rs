//! Single values on the wire: as JSON has them, and as texts.

use super::{DecodeError, EncodeError, time};
use crate::shapes::{Kind, Reference, TimestampFormat};
use crate::table::Service;
use base64::Engine as _;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::engine::{DecodePaddingMode, general_purpose};
use stepwright_json::Json;

/// Takes texts with and without the padding at the end.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

pub(super) fn base64(bytes: &[u8]) -> String {
    general_purpose::STANDARD.encode(bytes)
}

/// The bytes of a text in base64.
pub(super) fn bytes(text: &str) -> Option<Vec<u8>> {
    let plain: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    LENIENT.decode(plain).ok()
}

/// What a value is, with its article.
pub(super) fn kind(value: &Json) -> &'static str {
    match value {
        Json::Null => "null",
        Json::Bool(_) => "a boolean",
        Json::Int(_) | Json::Float(_) | Json::BigInt(_) => "a number",
        Json::String(_) => "a text",
        Json::Array(_) => "an array",
        Json::Object(_) => "an object",
    }
}

/// The texts for numbers that are not finite.
pub(super) fn is_special(text: &str) -> bool {
    matches!(text, "NaN" | "Infinity" | "-Infinity")
}

/// Checks a value that is neither structure, list nor map.
pub(super) fn check(kind: &Kind, value: &Json) -> Result<(), EncodeError> {
    let expected = match (kind, value) {
        (Kind::String { .. }, Json::String(_)) | (Kind::Boolean, Json::Bool(_)) => return Ok(()),
        (Kind::Integer, Json::Int(number)) if i32::try_from(*number).is_ok() => return Ok(()),
        (Kind::Long, Json::Int(_)) | (Kind::Document, _) => return Ok(()),
        (Kind::Integer | Kind::Long, Json::Float(number)) if number.fract() == 0.0 => return Ok(()),
        (Kind::Float | Kind::Double, Json::Int(_) | Json::Float(_) | Json::BigInt(_)) => {
            return Ok(());
        }
        (Kind::Float | Kind::Double, Json::String(text)) if is_special(text) => return Ok(()),
        (Kind::Timestamp, value) if time::read(value).is_some() => return Ok(()),
        (Kind::Blob, Json::String(text)) if bytes(text).is_some() => return Ok(()),
        (Kind::String { .. }, _) => "a text",
        (Kind::Boolean, _) => "a boolean",
        (Kind::Integer, Json::Int(_)) => return Err(EncodeError::new("is too large for 32 bits")),
        (Kind::Integer | Kind::Long, _) => "an integer",
        (Kind::Float | Kind::Double, _) => "a number",
        (Kind::Timestamp, Json::String(_)) => {
            return Err(EncodeError::new("must be a moment such as `2015-01-25T08:00:00Z`"));
        }
        (Kind::Timestamp, _) => "a moment",
        (Kind::Blob, Json::String(_)) => return Err(EncodeError::new("must be base64")),
        (Kind::Blob, _) => "a text in base64",
        (Kind::Structure(_) | Kind::Map(..), _) => "an object",
        (Kind::List(_), _) => "an array",
    };
    Err(EncodeError::wrong(expected, value))
}

/// A value as JSON has it.
pub(super) fn to_json(
    service: &Service,
    reference: &Reference,
    value: &Json,
) -> Result<Json, EncodeError> {
    let kind = &service.shape(reference).kind;
    check(kind, value)?;
    Ok(match kind {
        Kind::Timestamp => {
            let moment = time::read(value).ok_or_else(|| EncodeError::wrong("a moment", value))?;
            match service.traits(reference).timestamp.unwrap_or(TimestampFormat::Unix) {
                TimestampFormat::Unix => time::number(moment),
                format => time::text(moment, format).into(),
            }
        }
        Kind::Integer | Kind::Long => value.as_i64().map_or_else(|| value.clone(), Json::Int),
        _ => value.clone(),
    })
}

/// A value that JSON has.
pub(super) fn of_json(
    service: &Service,
    reference: &Reference,
    name: &str,
    value: &Json,
) -> Result<Json, DecodeError> {
    Ok(match (&service.shape(reference).kind, value) {
        (Kind::Timestamp, value) => match time::read(value) {
            Some(moment) => time::text(moment, TimestampFormat::Iso8601).into(),
            None => return Err(DecodeError::wrong(name, "a moment")),
        },
        (Kind::Blob, Json::String(text)) => match bytes(text) {
            Some(bytes) => base64(&bytes).into(),
            None => return Err(DecodeError::wrong(name, "base64")),
        },
        (Kind::Blob, _) => return Err(DecodeError::wrong(name, "a text")),
        (Kind::Boolean, Json::String(text)) => of_text(service, reference, name, text)?,
        (Kind::Boolean, Json::Bool(_)) => value.clone(),
        (Kind::Boolean, _) => return Err(DecodeError::wrong(name, "a boolean")),
        (Kind::Integer | Kind::Long, value) => match value.as_i64() {
            Some(number) => Json::Int(number),
            None if matches!(value, Json::BigInt(_)) => value.clone(),
            None => return Err(DecodeError::wrong(name, "an integer")),
        },
        (Kind::Float | Kind::Double, Json::String(text)) if !is_special(text) => {
            of_text(service, reference, name, text)?
        }
        (Kind::Float | Kind::Double, Json::String(_)) => value.clone(),
        (Kind::Float | Kind::Double, value) if !value.is_number() => {
            return Err(DecodeError::wrong(name, "a number"));
        }
        _ => value.clone(),
    })
}

/// A value as a text, in paths, queries, headers, forms and XML.
pub(super) fn to_text(
    service: &Service,
    reference: &Reference,
    value: &Json,
    format: TimestampFormat,
) -> Result<String, EncodeError> {
    let kind = &service.shape(reference).kind;
    check(kind, value)?;
    Ok(match (kind, value) {
        (Kind::Timestamp, value) => {
            let moment = time::read(value).ok_or_else(|| EncodeError::wrong("a moment", value))?;
            time::text(moment, service.traits(reference).timestamp.unwrap_or(format))
        }
        (Kind::Integer | Kind::Long, value) => {
            value.as_i64().map_or_else(|| value.to_string(), |number| number.to_string())
        }
        (Kind::Document, value) => value.to_string(),
        (_, Json::String(text)) => text.to_string(),
        (_, value) => value.to_string(),
    })
}

/// The value of a text.
pub(super) fn of_text(
    service: &Service,
    reference: &Reference,
    name: &str,
    text: &str,
) -> Result<Json, DecodeError> {
    let wrong = |expected| DecodeError::wrong(name, expected);
    Ok(match &service.shape(reference).kind {
        Kind::Timestamp => {
            let moment = time::read_text(text).ok_or_else(|| wrong("a moment"))?;
            time::text(moment, TimestampFormat::Iso8601).into()
        }
        Kind::Blob => base64(&bytes(text).ok_or_else(|| wrong("base64"))?).into(),
        Kind::Boolean => match text.trim().to_ascii_lowercase().as_str() {
            "true" => Json::Bool(true),
            "false" => Json::Bool(false),
            _ => return Err(wrong("`true` or `false`")),
        },
        Kind::Integer | Kind::Long => match text.trim().parse() {
            Ok(number) => Json::Int(number),
            Err(_) => return Err(wrong("an integer")),
        },
        Kind::Float | Kind::Double => match text.trim() {
            text if is_special(text) => text.into(),
            text => match text.parse::<f64>() {
                Ok(number) if number.is_finite() => Json::Float(number),
                _ => return Err(wrong("a number")),
            },
        },
        Kind::Document => stepwright_json::parse(text).unwrap_or_else(|_| text.into()),
        Kind::String { .. } | Kind::Structure(_) | Kind::List(_) | Kind::Map(..) => text.into(),
    })
}
