//! The conditions of requests, and the ranges that they ask for.

use super::errors;
use crate::call::{Call, Refusal};
use stepwright_aws::codec;
use stepwright_json::Json;

/// What a condition looks at.
#[derive(Clone, Copy, Debug)]
pub(super) struct State<'o> {
    pub(super) etag: &'o str,
    /// In seconds since 1970.
    pub(super) modified: i64,
}

/// Whether an entity tag is one of those that a header names.
fn names(header: &str, etag: &str) -> bool {
    let plain = |text: &str| text.trim().trim_start_matches("W/").trim_matches('"').to_owned();
    header.split(',').any(|one| one.trim() == "*" || plain(one) == plain(etag))
}

fn failed(condition: &str) -> Refusal {
    errors::known("PreconditionFailed").with("Condition", condition)
}

/// The conditions of a write: what must be there, or must not.
pub(super) fn of_write(call: &Call<'_>, present: Option<State<'_>>) -> Result<(), Refusal> {
    if let Some(header) = call.text("IfNoneMatch") {
        if header.trim() != "*" {
            return Err(errors::said("NotImplemented", "If-None-Match takes `*` only in a write"));
        }
        if present.is_some() {
            return Err(failed("If-None-Match"));
        }
    }
    match (call.text("IfMatch"), present) {
        (Some(_), None) => Err(errors::known("NoSuchKey")),
        (Some(header), Some(state)) if !names(header, state.etag) => Err(failed("If-Match")),
        _ => Ok(()),
    }
}

/// The condition of a deletion: the object has one of these tags.
pub(super) fn matches(tags: &str, state: State<'_>) -> Result<(), Refusal> {
    if names(tags, state.etag) { Ok(()) } else { Err(failed("If-Match")) }
}

/// The conditions of a read. `prefix` is `CopySource` for the source of a copy.
pub(super) fn of_read(call: &Call<'_>, prefix: &str, state: State<'_>) -> Result<(), Refusal> {
    let text = |name: &str| call.text(&format!("{prefix}{name}"));
    let moment = |name: &str| {
        let given = call.input.get(&format!("{prefix}{name}"))?;
        Some(codec::millis(given)? / 1_000)
    };
    let not_modified = || match prefix {
        "" => errors::known("NotModified"),
        _ => errors::known("PreconditionFailed"),
    };
    match text("IfMatch") {
        Some(header) if !names(header, state.etag) => return Err(failed("If-Match")),
        // A tag that matches tells more than a moment.
        Some(_) => {}
        None => {
            if moment("IfUnmodifiedSince").is_some_and(|since| state.modified > since) {
                return Err(failed("If-Unmodified-Since"));
            }
        }
    }
    match text("IfNoneMatch") {
        Some(header) if names(header, state.etag) => Err(not_modified()),
        Some(_) => Ok(()),
        None if moment("IfModifiedSince").is_some_and(|since| state.modified <= since) => {
            Err(not_modified())
        }
        None => Ok(()),
    }
}

/// The bytes that a range stands for: where they begin, and how many they are. `None` if the header is
/// none that means something, which is as if it were not there.
pub(super) fn range(header: &str, size: u64) -> Result<Option<(u64, u64)>, Refusal> {
    let Some(given) = header.trim().strip_prefix("bytes=") else { return Ok(None) };
    let Some((first, last)) = given.split_once('-') else { return Ok(None) };
    let number = |text: &str| text.trim().parse::<u64>().ok();
    let unsatisfiable = || {
        errors::known("InvalidRange")
            .with("ActualObjectSize", Json::from(size.to_string()))
            .with("RangeRequested", header)
    };
    let (start, end) = match (first.trim(), last.trim()) {
        ("", last) => match number(last) {
            None => return Ok(None),
            Some(0) => return Err(unsatisfiable()),
            Some(last) => (size.saturating_sub(last), size),
        },
        (first, "") => match number(first) {
            None => return Ok(None),
            Some(first) => (first, size),
        },
        (first, last) => match (number(first), number(last)) {
            (Some(first), Some(last)) if first <= last => (first, last.saturating_add(1).min(size)),
            _ => return Ok(None),
        },
    };
    if start >= size {
        return Err(unsatisfiable());
    }
    Ok(Some((start, end - start)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_in_http() {
        let check = |header: &str, expected: Option<Option<(u64, u64)>>| {
            assert_eq!(range(header, 10).ok(), expected, "{header}");
        };
        check("bytes=0-4", Some(Some((0, 5))));
        check("bytes=5-", Some(Some((5, 5))));
        check("bytes=-3", Some(Some((7, 3))));
        check("bytes=-30", Some(Some((0, 10))));
        check("bytes=9-99999999999999999999", Some(None));
        check("bytes=9-18446744073709551615", Some(Some((9, 1))));
        check("bytes=10-", None);
        check("bytes=-0", None);
        check("bytes=5-4", Some(None));
        check("bytes=a-b", Some(None));
        check("lines=1-2", Some(None));
    }

    #[test]
    fn tags_are_compared_without_their_quotes() {
        assert!(names("\"a\", \"b\"", "\"b\""));
        assert!(names("*", "\"b\""));
        assert!(names("b", "\"b\""));
        assert!(!names("\"a\"", "\"b\""));
    }
}
