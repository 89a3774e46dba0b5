//! What is looked for.

use std::fmt::Write as _;
use stepwright_history::parse_duration;
use stepwright_program::time;
use stepwright_store::Status;

/// A day in milliseconds.
const DAY: i64 = 86_400_000;

/// How many words a query may have.
const MOST_WORDS: usize = 32;

/// What executions are looked for.
///
/// Every word must be in an execution, in any order. A text in quotes is a phrase, and so is a word
/// with signs in it, `order-17`. A word that ends in `*` is the beginning of one. `FIELD:WORD` looks in
/// one field: `input`, `output`, `error` (names and causes), `state`, `variable`, `name` or `machine`.
/// `status:failed` names a status, `after:` and `before:` when the execution began: `today`,
/// `yesterday`, `2h` (hours ago, as `m` and `d`), `2026-11-30` or `2026-11-30T14:05`, in UTC.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    pub(crate) words: Vec<Word>,
    /// The earliest moment of the start.
    pub(crate) after: Option<i64>,
    /// The first moment that is too late.
    pub(crate) before: Option<i64>,
    /// What was read, and at which moment.
    source: (String, i64),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Word {
    /// The column of the index; any of them but the status if there is none.
    column: Option<&'static str>,
    text: String,
    is_beginning: bool,
}

/// The fields that a query can name, and the columns of the index.
const FIELDS: [(&str, &str); 7] = [
    ("input", "input"),
    ("output", "output"),
    ("error", "error"),
    ("state", "states"),
    ("variable", "variables"),
    ("name", "name"),
    ("machine", "machine"),
];

/// A query that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// There is no such status.
    #[error("`{0}` is no status; it can be running, succeeded, failed, timed_out or aborted")]
    Status(String),
    /// A moment cannot be read.
    #[error("`{0}` is no moment; write today, yesterday, 2h, 3d, 2026-11-30 or 2026-11-30T14:05")]
    Moment(String),
    /// A word has no letter and no digit.
    #[error("`{0}` has no letter and no digit to look for")]
    NoWord(String),
    /// There are too many words.
    #[error("a query has at most {MOST_WORDS} words")]
    TooLong,
}

impl Query {
    /// Reads a query at a moment, in milliseconds since 1970.
    ///
    /// ```
    /// use stepwright_search::Query;
    ///
    /// assert!(Query::parse("order-17 status:failed after:yesterday", 0).is_ok());
    /// assert_eq!(
    ///     Query::parse("status:bad", 0).unwrap_err().to_string(),
    ///     "`bad` is no status; it can be running, succeeded, failed, timed_out or aborted"
    /// );
    /// ```
    pub fn parse(text: &str, now: i64) -> Result<Self, QueryError> {
        let mut query = Self { source: (text.to_owned(), now), ..Self::default() };
        for (field, value, is_quoted) in pieces(text) {
            let is_beginning = !is_quoted && value.len() > 1 && value.ends_with('*');
            let value = if is_beginning { value.trim_end_matches('*') } else { &value };
            match field.as_deref() {
                Some("after") => query.after = Some(moment(value, now)?),
                Some("before") => query.before = Some(moment(value, now)?),
                Some("status") => {
                    let name = value.to_uppercase().replace('-', "_");
                    let status = Status::named(&name);
                    let status = status.ok_or_else(|| QueryError::Status(value.to_owned()))?;
                    query.words.push(Word {
                        column: Some("status"),
                        text: code(status).to_owned(),
                        is_beginning: false,
                    });
                }
                field => {
                    let column = FIELDS.iter().find(|(name, _)| Some(*name) == field);
                    let column = column.map(|(_, column)| *column);
                    if !value.chars().any(char::is_alphanumeric) {
                        return Err(QueryError::NoWord(value.to_owned()));
                    }
                    query.words.push(Word { column, text: value.to_owned(), is_beginning });
                }
            }
            if query.words.len() > MOST_WORDS {
                return Err(QueryError::TooLong);
            }
        }
        Ok(query)
    }

    /// Whether nothing is asked.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty() && self.after.is_none() && self.before.is_none()
    }

    /// What was [read](Self::parse), and at which moment.
    pub(crate) fn source(&self) -> (&str, i64) {
        (&self.source.0, self.source.1)
    }

    /// The words, as FTS5 reads them.
    pub(crate) fn expression(&self) -> String {
        let mut out = String::new();
        for (at, word) in self.words.iter().enumerate() {
            if at > 0 {
                out.push_str(" AND ");
            }
            match word.column {
                Some(column) => write!(out, "{{{column}}} : "),
                None => write!(out, "- {{status}} : "),
            }
            .expect("strings grow");
            write!(out, "\"{}\"", word.text.replace('"', "\"\"")).expect("strings grow");
            if word.is_beginning {
                out.push('*');
            }
        }
        out
    }
}

/// The word for a status in the index. One word each, for `TIMED_OUT` would be two.
pub(crate) fn code(status: Status) -> &'static str {
    match status {
        Status::Running => "running",
        Status::Succeeded => "succeeded",
        Status::Failed => "failed",
        Status::TimedOut => "timedout",
        Status::Aborted => "aborted",
        Status::PendingRedrive => "pendingredrive",
    }
}

/// The pieces between spaces: the field, the value, and whether that is in quotes. What stands before a
/// colon and is no field belongs to the value: ARNs have colons.
fn pieces(text: &str) -> Vec<(Option<String>, String, bool)> {
    let mut found = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let is_field = |name: &str| {
            ["after", "before", "status"].contains(&name)
                || FIELDS.iter().any(|(field, _)| *field == name)
        };
        let field = rest.split_once(':').filter(|(name, _)| is_field(name));
        let (name, value) = match field {
            Some((name, value)) => (Some(name.to_owned()), value),
            None => (None, rest),
        };
        let (value, after, is_quoted) = match value.strip_prefix('"') {
            Some(quoted) => {
                let end = quoted.find('"').unwrap_or(quoted.len());
                (&quoted[..end], quoted.get(end + 1..).unwrap_or_default(), true)
            }
            None => {
                let end = value.find(char::is_whitespace).unwrap_or(value.len());
                (&value[..end], &value[end..], false)
            }
        };
        if !value.is_empty() {
            found.push((name, value.to_owned(), is_quoted));
        }
        rest = after.trim_start();
    }
    found
}

fn moment(text: &str, now: i64) -> Result<i64, QueryError> {
    let wrong = || QueryError::Moment(text.to_owned());
    let today = now - now.rem_euclid(DAY);
    match text {
        "today" => return Ok(today),
        "yesterday" => return Ok(today - DAY),
        _ => {}
    }
    // A number without a unit may be anything.
    if text.ends_with(char::is_alphabetic)
        && let Some(ago) = parse_duration(text)
    {
        return Ok(now.saturating_sub(ago));
    }
    let full = match text.len() {
        10 => format!("{text}T00:00:00Z"),
        16 => format!("{text}:00Z"),
        _ => text.to_owned(),
    };
    time::parse(&full).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expression(text: &str) -> String {
        Query::parse(text, 0).expect("it can be read").expression()
    }

    #[test]
    fn words_phrases_and_fields_are_told_apart() {
        assert_eq!(expression("order-17"), "- {status} : \"order-17\"");
        assert_eq!(
            expression("status:timed_out  error:\"card declined\" Char*"),
            "{status} : \"timedout\" AND {error} : \"card declined\" AND - {status} : \"Char\"*"
        );
        // A colon that belongs to no field, quotes that are left open, and signs of FTS5.
        assert_eq!(expression("arn:aws:sns"), "- {status} : \"arn:aws:sns\"");
        assert_eq!(expression("\"a b"), "- {status} : \"a b\"");
        assert_eq!(
            expression("x\"y (OR) NEAR"),
            "- {status} : \"x\"\"y\" AND - {status} : \"(OR)\" AND - {status} : \"NEAR\""
        );
        assert_eq!(expression("\"a*\""), "- {status} : \"a*\"");
        assert!(Query::parse("  ", 0).expect("it can be read").is_empty());
    }

    #[test]
    fn moments_are_read() {
        let now = time::parse("2026-11-30T14:05:06Z").expect("it is one");
        let at = |text: &str| {
            let query = Query::parse(&format!("after:{text}"), now).expect("it can be read");
            time::format(query.after.expect("it is given"))
        };
        assert_eq!(at("today"), "2026-11-30T00:00:00Z");
        assert_eq!(at("yesterday"), "2026-11-29T00:00:00Z");
        assert_eq!(at("2h"), "2026-11-30T12:05:06Z");
        assert_eq!(at("1.5h"), "2026-11-30T12:35:06Z");
        assert_eq!(at("2026-11-01"), "2026-11-01T00:00:00Z");
        assert_eq!(at("2026-11-01T10:30"), "2026-11-01T10:30:00Z");
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let error = |text: &str| Query::parse(text, 0).expect_err("it is wrong").to_string();
        assert_eq!(
            error("before:soon"),
            "`soon` is no moment; write today, yesterday, 2h, 3d, 2026-11-30 or 2026-11-30T14:05"
        );
        assert!(error("before:5").starts_with("`5` is no moment"));
        assert_eq!(error("a --"), "`--` has no letter and no digit to look for");
        assert_eq!(error(&"a ".repeat(40)), "a query has at most 32 words");
    }
}
