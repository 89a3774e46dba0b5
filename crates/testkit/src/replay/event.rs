//! Events in AWS's form.

use stepwright_history::Failure;
use stepwright_json::{Json, Object, Str};

/// The type of a history event.
pub fn type_of(event: &Json) -> &str {
    event.get("type").and_then(Json::as_str).unwrap_or_default()
}

pub(crate) fn id_of(event: &Json) -> Option<i64> {
    event.get("id").and_then(Json::as_i64)
}

pub(crate) fn previous_of(event: &Json) -> Option<i64> {
    event.get("previousEventId").and_then(Json::as_i64)
}

/// What an event says besides its ids: the object under `…EventDetails`.
pub(crate) fn details(event: &Json) -> Option<&Object> {
    event
        .as_object()?
        .iter()
        .find(|(key, _)| key.ends_with("EventDetails"))
        .and_then(|(_, value)| value.as_object())
}

/// A text of an event's details; JSON that stands there is given as text.
pub(crate) fn detail(event: &Json, key: &str) -> Option<Str> {
    match details(event)?.get(key)? {
        Json::String(text) => Some(text.clone()),
        Json::Null => None,
        other => Some(other.to_string().into()),
    }
}

/// A value of an event's details: AWS writes it as text, recordings may have it parsed.
pub(crate) fn value(event: &Json, key: &str) -> Option<Json> {
    match details(event)?.get(key)? {
        Json::String(text) => {
            Some(stepwright_json::parse(text).unwrap_or_else(|_| text.clone().into()))
        }
        other => Some(other.clone()),
    }
}

pub(crate) fn name_of(event: &Json) -> &str {
    details(event).and_then(|found| found.get("name")).and_then(Json::as_str).unwrap_or_default()
}

pub(crate) fn failure(event: &Json) -> Failure {
    Failure { error: detail(event, "error"), cause: detail(event, "cause") }
}

/// When an event happened, in milliseconds since 1970: our numbers, AWS's seconds with a fraction,
/// or a time as the AWS CLI prints it. None where the recording does not say.
pub(crate) fn moment(event: &Json) -> Option<i64> {
    match event.get("timestamp")? {
        Json::Int(number) if *number > 100_000_000_000 => Some(*number),
        Json::Int(seconds) => Some(seconds * 1_000),
        Json::Float(number) if *number > 100_000_000_000.0 => Some(*number as i64),
        Json::Float(seconds) => Some((seconds * 1_000.0).round() as i64),
        Json::String(text) => stepwright_program::time::parse(text),
        _ => None,
    }
}
