//! Compares what was recorded with what happened.
//!
//! As it stands a [`Matcher`] is no laxer than the reference comparator that comes with AWS's
//! recordings. For histories of other executions it can be told what two runs never have in common.

use regex::Regex;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;
use stepwright_json::{Array, Json, Object};
use stepwright_timeline::recorded::type_of;

/// Compares values in which `<*:name>` stands for anything, and the same thing for the same name.
#[derive(Debug, Default)]
pub struct Matcher {
    /// Whether keys that are not expected are tolerated.
    pub subset: bool,
    /// What differs from run to run, and is no difference.
    pub chance: Option<Chance>,
    bound: BTreeMap<String, String>,
}

/// What two runs of the same definition never have in common.
#[derive(Clone, Debug, Default)]
pub struct Chance {
    /// The times, in milliseconds since 1970, between which a time may be one that was read off
    /// the clock: of the recorded run and of the other one.
    pub spans: [(i64, i64); 2],
    /// The task tokens of the other run.
    pub tokens: BTreeSet<String>,
}

impl Chance {
    /// Whether two texts are the same thing in two runs: a task token, a UUID (also within an
    /// ARN), a time.
    fn allows(&self, expected: &str, actual: &str) -> bool {
        if self.tokens.contains(actual) || fits(actual, expected) {
            return true;
        }
        let moment = |text: &str, (from, to): (i64, i64)| {
            stepwright_program::time::parse(text).is_some_and(|at| from <= at && at <= to)
        };
        if moment(expected, self.spans[0]) && moment(actual, self.spans[1]) {
            return true;
        }
        let (expected, found) = without_uuids(expected);
        let (actual, other) = without_uuids(actual);
        found > 0 && found == other && expected == actual
    }
}

/// Whether a text can come from one with placeholders that nobody has set: `${Table}-x` may have been
/// `orders-x`.
fn fits(with_placeholders: &str, text: &str) -> bool {
    static PLACEHOLDER: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"\$\{[A-Za-z0-9_.:-]+\}").expect("it is one"));
    let parts: Vec<&str> = PLACEHOLDER.split(with_placeholders).collect();
    let [first, middle @ .., last] = parts.as_slice() else { return false };
    let inner = text.strip_prefix(first).and_then(|rest| rest.strip_suffix(last));
    let Some(mut rest) = inner else { return false };
    for part in middle {
        let Some((_, after)) = rest.split_once(part) else { return false };
        rest = after;
    }
    true
}

/// A text with its UUIDs taken out, and how many there were.
fn without_uuids(text: &str) -> (String, usize) {
    static UUID: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new("[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}").expect("it is one")
    });
    let count = UUID.find_iter(text).count();
    (UUID.replace_all(text, "").into_owned(), count)
}

/// Keys that AWS has added to histories over time, or that name what is not known here.
const NOT_COMPARED: [&str; 4] =
    ["RedriveCount", "stateMachineVersionArn", "stateMachineAliasArn", "mapRunArn"];

/// The text of a token that spans a whole value.
fn token(text: &str) -> Option<&str> {
    let name = text.strip_prefix("<*:")?.strip_suffix('>')?;
    (!name.is_empty() && !name.contains('>')).then_some(name)
}

/// Whether a token of this name stands for one value wherever it occurs.
fn is_reference(name: &str) -> bool {
    let digits = name.rsplit_once(':').map(|(_, digits)| digits);
    name.ends_with("idx")
        || digits.is_some_and(|d| !d.is_empty() && d.bytes().all(|byte| byte.is_ascii_digit()))
}

impl Matcher {
    /// One that tolerates keys that are not expected.
    pub fn of_subset() -> Self {
        Self { subset: true, ..Self::default() }
    }

    /// One that tolerates what two runs never have in common.
    pub fn between_runs(chance: Chance) -> Self {
        Self { chance: Some(chance), ..Self::default() }
    }

    /// Whether `actual` is what is expected; if not, where it differs.
    pub fn compare(&mut self, expected: &Json, actual: &Json, path: &str) -> Result<(), String> {
        match (expected, actual) {
            (Json::String(text), _) => self.compare_text(text, actual, path),
            (Json::Object(_) | Json::Array(_), Json::String(text)) => {
                let parsed = stepwright_json::parse(text)
                    .map_err(|_| format!("{path}: expected JSON text, got {text}"))?;
                if matches!(parsed, Json::String(_)) {
                    return Err(format!("{path}: expected {expected}, got {parsed}"));
                }
                self.compare(expected, &parsed, path)
            }
            (Json::Object(expected), Json::Object(actual)) => {
                self.compare_objects(expected, actual, path)
            }
            (Json::Array(expected), Json::Array(actual)) => {
                self.compare_arrays(expected, actual, path)
            }
            (expected, actual) if expected.same(actual) => Ok(()),
            // A recorder may have parsed what AWS gives as text.
            (expected, Json::String(text))
                if self.chance.is_some()
                    && stepwright_json::parse(text).is_ok_and(|parsed| parsed.same(expected)) =>
            {
                Ok(())
            }
            _ => Err(format!("{path}: expected {expected}, got {actual}")),
        }
    }

    fn compare_objects(
        &mut self,
        expected: &Object,
        actual: &Object,
        path: &str,
    ) -> Result<(), String> {
        let is_left_out = |key: &str| self.chance.is_some() && NOT_COMPARED.contains(&key);
        let compared: Vec<_> = expected.iter().filter(|(key, _)| !is_left_out(key)).collect();
        let unexpected = actual
            .keys()
            .find(|key| !expected.contains_key(key) && !is_left_out(key))
            .filter(|_| !self.subset);
        for (key, value) in compared {
            let found = actual.get(key).ok_or_else(|| format!("{path}: missing key {key}"))?;
            self.compare(value, found, &format!("{path}.{key}"))?;
        }
        if let Some(key) = unexpected {
            return Err(format!("{path}: unexpected key {key}"));
        }
        Ok(())
    }

    fn compare_arrays(
        &mut self,
        expected: &Array,
        actual: &Array,
        path: &str,
    ) -> Result<(), String> {
        if expected.len() != actual.len() {
            return Err(format!("{path}: expected {} items, got {}", expected.len(), actual.len()));
        }
        for (at, (expected, actual)) in expected.iter().zip(actual.iter()).enumerate() {
            self.compare(expected, actual, &format!("{path}[{at}]"))?;
        }
        Ok(())
    }

    fn compare_text(&mut self, expected: &str, actual: &Json, path: &str) -> Result<(), String> {
        if let Some(name) = token(expected) {
            return self.bind(name, &text_of(actual), path);
        }
        let Json::String(text) = actual else {
            return Err(format!("{path}: expected {expected:?}, got {actual}"));
        };
        if expected == text {
            return Ok(());
        }
        if self.chance.as_ref().is_some_and(|chance| chance.allows(expected, text)) {
            return Ok(());
        }
        if expected.contains("<*:")
            && let Some(found) = captures(expected, text)
        {
            for (name, value) in found {
                self.bind(&name, &value, path)?;
            }
            return Ok(());
        }
        let both = (stepwright_json::parse(expected), stepwright_json::parse(text));
        if let (Ok(expected @ (Json::Object(_) | Json::Array(_) | Json::String(_))), Ok(actual)) =
            both
        {
            return self.compare(&expected, &actual, &format!("{path}(json)"));
        }
        Err(format!("{path}: expected {expected:?}, got {:?}", text.as_str()))
    }

    fn bind(&mut self, name: &str, value: &str, path: &str) -> Result<(), String> {
        if !is_reference(name) {
            return Ok(());
        }
        let bound = self.bound.entry(name.to_owned()).or_insert_with(|| value.to_owned());
        if bound == value {
            return Ok(());
        }
        Err(format!("{path}: token {name} was {bound:?}, now {value:?}"))
    }
}

fn text_of(value: &Json) -> String {
    match value {
        Json::String(text) => text.to_string(),
        other => other.to_string(),
    }
}

/// What the tokens inside `expected` stand for in `actual`.
fn captures(expected: &str, actual: &str) -> Option<Vec<(String, String)>> {
    let (mut pattern, mut names, mut rest) = (String::from("(?s)^"), Vec::new(), expected);
    while let Some(at) = rest.find("<*:") {
        let end = at + rest[at..].find('>')?;
        pattern.push_str(&regex::escape(&rest[..at]));
        pattern.push_str("(.*?)");
        names.push(rest[at + 3..end].to_owned());
        rest = &rest[end + 1..];
    }
    pattern.push_str(&regex::escape(rest));
    pattern.push('$');
    let found = Regex::new(&pattern).ok()?.captures(actual)?;
    Some(names.into_iter().enumerate().map(|(at, name)| (name, found[at + 1].to_owned())).collect())
}

const PARALLEL_ENDS: [&str; 4] = [
    "ParallelStateSucceeded",
    "ParallelStateAborted",
    "ParallelStateExited",
    "ParallelStateFailed",
];

/// What the recorder did to the histories of cases marked `parallel_unordered`, side effects
/// included: the events of a region are sorted, and an end event that another one follows is lost.
pub fn parallel_normalise(events: &[Json]) -> Vec<Json> {
    let mut events = events.to_vec();
    let (mut start, mut region, mut inside, mut at) = (0, Vec::new(), false, 0);
    while at < events.len() {
        let kind = type_of(&events[at]).to_owned();
        if PARALLEL_ENDS.contains(&kind.as_str()) {
            region.sort_by_key(Json::to_string);
            let end = at.max(start);
            // The recorder sets a slice, and goes on counting as if its length had not changed.
            events.splice(start.min(end)..end, region.iter().cloned());
            inside = false;
        } else if kind == "ParallelStateStarted" {
            (inside, start) = (true, at + 1);
            region.clear();
        } else if inside {
            if let Json::Object(event) = &mut events[at] {
                event.insert("id", Json::Array(vec![Json::Int(0)].into()));
                event.insert("previousEventId", Json::Int(0));
            }
            region.push(events[at].clone());
        }
        at += 1;
    }
    events
}

fn strip(event: &Json, ids: bool) -> Json {
    let mut event = event.as_object().cloned().unwrap_or_default();
    event.remove("timestamp");
    if !ids {
        event.remove("id");
        event.remove("previousEventId");
    }
    Json::Object(event)
}

fn in_region(event: &Json) -> bool {
    event.get("id").is_some_and(|id| id.as_array().is_some())
}

/// Compares two histories, event by event.
pub fn history(expected: &[Json], actual: &[Json], notes: &[&str]) -> Result<(), String> {
    let mut matcher = Matcher::default();
    let has = |note: &str| notes.iter().any(|text| text.starts_with(note));
    let mut actual = actual.to_vec();
    if has("still_running") {
        actual.truncate(expected.len());
    }
    let parallel = notes.contains(&"parallel_unordered");
    if parallel {
        actual = parallel_normalise(&actual);
    }
    if expected.len() != actual.len() {
        let differs = expected.iter().zip(&actual).position(|(e, a)| type_of(e) != type_of(a));
        return Err(format!(
            "{} events expected, {} found; first difference at {}",
            expected.len(),
            actual.len(),
            differs.unwrap_or(expected.len().min(actual.len()))
        ));
    }
    let mut at = 0;
    while at < expected.len() {
        if !(parallel && in_region(&expected[at])) {
            matcher.compare(
                &strip(&expected[at], true),
                &strip(&actual[at], true),
                &format!("$[{at}]"),
            )?;
            at += 1;
            continue;
        }
        let end =
            (at..expected.len()).find(|at| !in_region(&expected[*at])).unwrap_or(expected.len());
        let mut pool: Vec<usize> = (at..end).collect();
        for event in &expected[at..end] {
            let found = pool.iter().position(|candidate| {
                Matcher::default()
                    .compare(&strip(event, false), &strip(&actual[*candidate], false), "$")
                    .is_ok()
            });
            match found {
                Some(found) => pool.remove(found),
                None => {
                    return Err(format!(
                        "no event in the Parallel region matches an expected {}",
                        type_of(event)
                    ));
                }
            };
        }
        at = end;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use stepwright_json::json;

    #[track_caller]
    fn check(expected: Json, actual: Json, same: bool) {
        let found = Matcher::default().compare(&expected, &actual, "$");
        assert_eq!(found.is_ok(), same, "{expected} against {actual}: {found:?}");
    }

    #[test]
    fn tokens_stand_for_anything_but_the_same() {
        check(json!("<*:date>"), json!(5), true);
        check(json!(["<*:a:1>", "<*:a:1>"]), json!(["x", "x"]), true);
        check(json!(["<*:a:1>", "<*:a:1>"]), json!(["x", "y"]), false);
        check(json!("id <*:a> of <*:b>"), json!("id 1 of 2"), true);
        check(json!("id <*:a> of <*:b>"), json!("id 1"), false);
    }

    #[test]
    fn json_texts_are_compared_as_values() {
        check(json!({"a": 1}), json!("{\"a\":1}"), true);
        check(json!("[1, 2]"), json!("[1,2]"), true);
        check(json!({"a": 1}), json!({"a": 1, "b": 2}), false);
        check(json!(1), json!(1.0), true);
        check(json!("1"), json!("1.0"), false);
    }
}
