//! Moments on the wire.

use crate::shapes::TimestampFormat;
use jiff::Timestamp;
use jiff::fmt::{rfc2822, temporal};
use stepwright_json::Json;

/// Reads a moment in any of the formats: a number of seconds, ISO 8601, or that of HTTP.
pub(super) fn read(value: &Json) -> Option<Timestamp> {
    match value {
        Json::Int(seconds) => Timestamp::from_second(*seconds).ok(),
        Json::Float(seconds) => of_seconds(*seconds),
        Json::String(text) => read_text(text),
        _ => None,
    }
}

pub(super) fn read_text(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if let Ok(moment) = temporal::DateTimeParser::new().parse_timestamp(text) {
        return Some(moment);
    }
    if let Ok(seconds) = text.parse::<f64>() {
        return of_seconds(seconds);
    }
    // Without a zone it is UTC, and a date is its midnight.
    if let Ok(local) = text.parse::<jiff::civil::DateTime>() {
        return local.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|zoned| zoned.timestamp());
    }
    if let Ok(moment) = rfc2822::DateTimeParser::new().relaxed_weekday(true).parse_timestamp(text) {
        return Some(moment);
    }
    // The format of HTTP with a fraction of a second: `Sun, 02 Jan 2000 20:34:56.456 GMT`.
    let (head, tail) = text.split_once('.')?;
    let (digits, zone) = tail.split_once(' ')?;
    let whole = read_text(&format!("{head} {zone}"))?;
    let fraction: f64 = format!("0.{digits}").parse().ok()?;
    of_seconds(whole.as_second() as f64 + fraction)
}

fn of_seconds(seconds: f64) -> Option<Timestamp> {
    // A float has no more than microseconds of today's dates.
    let micros = (seconds * 1e6).round();
    (micros.abs() < 9e17).then(|| Timestamp::from_microsecond(micros as i64).ok()).flatten()
}

/// The text of a moment. Fractions have three, six or nine digits, or none.
pub(super) fn text(moment: Timestamp, format: TimestampFormat) -> String {
    match format {
        TimestampFormat::Iso8601 => {
            let nanos = moment.subsec_nanosecond();
            let precision = match nanos {
                0 => 0,
                _ if nanos % 1_000_000 == 0 => 3,
                _ if nanos % 1_000 == 0 => 6,
                _ => 9,
            };
            let printer = temporal::DateTimePrinter::new().precision(Some(precision));
            printer.timestamp_to_string(&moment)
        }
        TimestampFormat::Unix => number(moment).to_string(),
        TimestampFormat::Rfc822 => rfc2822::DateTimePrinter::new()
            .timestamp_to_rfc9110_string(&moment)
            .unwrap_or_else(|_| text(moment, TimestampFormat::Iso8601)),
    }
}

/// The seconds of a moment since 1970.
pub(super) fn number(moment: Timestamp) -> Json {
    match moment.as_microsecond() {
        micros if micros % 1_000_000 == 0 => Json::Int(micros / 1_000_000),
        micros => Json::Float(micros as f64 / 1e6),
    }
}
