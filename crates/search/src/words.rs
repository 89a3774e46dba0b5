//! What of an execution is in the index.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use stepwright_history::{Event, EventKind, Failure};
use stepwright_json::{Json, Str};

/// The longest text of each field, in bytes; the rest is not found.
const MOST: usize = 16 << 10;

/// The texts of an execution.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Words {
    pub(crate) input: String,
    pub(crate) output: String,
    pub(crate) error: String,
    pub(crate) states: String,
    pub(crate) variables: String,
    known: BTreeSet<Str>,
}

impl Words {
    /// Takes what an event tells.
    pub(crate) fn take(&mut self, event: &Event) {
        match &event.kind {
            EventKind::ExecutionStarted(start) => {
                add(&mut self.input, &start.input);
                if !start.variables.is_empty() {
                    add(&mut self.variables, &Json::Object(start.variables.clone()));
                }
            }
            EventKind::ExecutionSucceeded { output } => add(&mut self.output, output),
            EventKind::StateEntered { name, .. }
                if self.states.len() + name.len() < MOST && self.known.insert(name.clone()) =>
            {
                line(&mut self.states, name);
            }
            EventKind::StateExited { assigned: Some(assigned), .. } => {
                add(&mut self.variables, &Json::Object(assigned.clone()));
            }
            EventKind::ExecutionFailed { failure }
            | EventKind::ExecutionTimedOut { failure }
            | EventKind::ExecutionAborted { failure }
            | EventKind::EvaluationFailed { failure, .. }
            | EventKind::TaskFailed { failure, .. }
            | EventKind::TaskTimedOut { failure, .. }
            | EventKind::MapRunFailed { failure } => self.failure(failure),
            _ => {}
        }
    }

    fn failure(&mut self, failure: &Failure) {
        for text in [&failure.error, &failure.cause].into_iter().flatten() {
            // A retried task fails again and again for the same reason.
            if self.error.len() < MOST && !self.error.contains(text.as_str()) {
                line(&mut self.error, text);
            }
        }
    }
}

/// What stands between two texts: a word of its own, that nobody writes, so that a phrase is not found
/// where one text ends and the next one begins.
const BETWEEN: &str = " \u{F8FF}\n";

/// Adds the keys and plain values of a value.
fn add(out: &mut String, value: &Json) {
    let mut open = vec![value];
    while let Some(value) = open.pop() {
        if out.len() >= MOST {
            return;
        }
        match value {
            Json::Null => {}
            Json::Bool(_) | Json::Int(_) | Json::Float(_) | Json::BigInt(_) => {
                write!(out, "{value}{BETWEEN}").expect("strings grow");
            }
            Json::String(text) => line(out, text),
            // The last one that is put there is the first one that is taken.
            Json::Array(items) => open.extend(items.iter().rev()),
            Json::Object(members) => {
                for key in members.keys() {
                    if out.len() < MOST {
                        line(out, key);
                    }
                }
                open.extend(members.values().rev());
            }
        }
    }
}

fn line(out: &mut String, text: &str) {
    let room = MOST.saturating_sub(out.len());
    out.push_str(&text[..text.floor_char_boundary(room.min(text.len()))]);
    out.push_str(BETWEEN);
}

#[cfg(test)]
mod tests {
    use super::*;
    use stepwright_json::json;

    #[test]
    fn keys_and_values_are_words_and_there_is_an_end() {
        let mut out = String::new();
        add(&mut out, &json!({"order": {"id": "o-1", "paid": true}, "items": [1, null, 2.5]}));
        let expected = ["order", "items", "id", "paid", "o-1", "true", "1", "2.5", ""];
        assert_eq!(out, expected.join(BETWEEN));
        let mut out = String::new();
        add(&mut out, &json!([("ä".repeat(MOST)), "b"]));
        assert!(out.len() <= MOST + BETWEEN.len() && out.contains("ä \u{F8FF}"));
    }
}
