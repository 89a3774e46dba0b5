//! Values that are neither indexed nor shown.

use std::borrow::Cow;
use stepwright_history::{Event, EventKind};
use stepwright_json::{Array, Json, Object};

/// What stands in the place of a value that is not shown.
const SHOWN: &str = "[redacted]";

/// Paths whose values are neither indexed nor shown in the console: `$.card.number`, `$.items[*].secret`,
/// or `$..password` at any depth. A path is looked for in every value by itself: in an input, in an
/// output, in the variables of a state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Redaction {
    paths: Vec<Vec<Step>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Key(String),
    /// Every member, or every item.
    Any,
    /// A key at any depth.
    Below(String),
}

/// A path that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` in `redact` is no path; write $.card.number, $.items[*].secret or $..password")]
pub struct RedactionError(String);

impl Redaction {
    /// Reads paths.
    ///
    /// ```
    /// use stepwright_json::json;
    /// use stepwright_search::Redaction;
    ///
    /// let redaction = Redaction::new(["$.card.number", "$..pin"]).unwrap();
    /// let value = json!({"card": {"number": 4711, "name": "Ada"}, "more": {"pin": 1}});
    /// assert_eq!(
    ///     redaction.apply(&value),
    ///     json!({"card": {"number": "[redacted]", "name": "Ada"}, "more": {"pin": "[redacted]"}})
    /// );
    /// ```
    pub fn new<'p>(paths: impl IntoIterator<Item = &'p str>) -> Result<Self, RedactionError> {
        let paths = paths
            .into_iter()
            .map(|path| steps(path).ok_or_else(|| RedactionError(path.to_owned())));
        Ok(Self { paths: paths.collect::<Result<_, _>>()? })
    }

    /// Whether everything is shown.
    pub fn is_empty(&self) -> bool {
        self.paths.is_empty()
    }

    /// The value without what is not shown.
    pub fn apply(&self, value: &Json) -> Json {
        if self.is_empty() {
            return value.clone();
        }
        let paths: Vec<&[Step]> = self.paths.iter().map(Vec::as_slice).collect();
        without(value, &paths)
    }
}

impl Redaction {
    /// A text without what is not shown, if it is JSON; the text itself if it is not.
    pub fn text<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if self.is_empty() {
            return Cow::Borrowed(text);
        }
        match stepwright_json::parse(text) {
            Ok(value) => Cow::Owned(self.apply(&value).to_string()),
            Err(_) => Cow::Borrowed(text),
        }
    }

    /// What is meant by a value that somebody has made of `original` as it is shown: where that still says that
    /// something is not shown, it is what it was. `None` where that cannot be told, for example of a list whose
    /// items have changed.
    ///
    /// ```
    /// use stepwright_json::json;
    /// use stepwright_search::Redaction;
    ///
    /// let redaction = Redaction::new(["$..pin"]).unwrap();
    /// let (original, sent) = (json!({"n": 1, "pin": 4711}), json!({"n": 2, "pin": "[redacted]"}));
    /// assert_eq!(redaction.restore(&sent, &original), Some(json!({"n": 2, "pin": 4711})));
    /// assert_eq!(redaction.restore(&json!({"other": "[redacted]"}), &original), None);
    /// ```
    pub fn restore(&self, sent: &Json, original: &Json) -> Option<Json> {
        let restored = put_back(sent, &self.apply(original), original);
        (is_whole(&restored) || !is_whole(original)).then_some(restored)
    }

    /// An event without what is not shown. It folds like the event itself.
    pub fn event<'e>(&self, event: &'e Event) -> Cow<'e, Event> {
        use EventKind as E;
        if self.is_empty() {
            return Cow::Borrowed(event);
        }
        let mut event = event.clone();
        let hide = |value: &mut Json| *value = self.apply(value);
        let hide_all =
            |values: &mut Array| *values = values.iter().map(|one| self.apply(one)).collect();
        match &mut event.kind {
            E::ExecutionStarted(start) => {
                hide(&mut start.input);
                start.input_text = None;
                start.map_context.iter_mut().for_each(hide);
                if let Json::Object(shown) = self.apply(&Json::Object(start.variables.clone())) {
                    start.variables = shown;
                }
            }
            E::ExecutionSucceeded { output: value }
            | E::StateEntered { input: value, .. }
            | E::TaskSubmitted { output: value, .. }
            | E::TaskSucceeded { output: value, .. }
            | E::ParallelStarted { input: value, .. }
            | E::MapIterationStarted { input: value, .. }
            | E::MapIterationSucceeded { output: value, .. }
            | E::MapRunWriting { request: value }
            | E::WholeAnswered { result: Ok(value), .. }
            | E::ChildFinished { result: Ok(value), .. } => hide(value),
            E::StateExited { output, assigned, .. } => {
                hide(output);
                if let Some(assigned) = assigned
                    && let Json::Object(shown) = self.apply(&Json::Object(assigned.clone()))
                {
                    *assigned = shown;
                }
            }
            E::TaskScheduled { call, .. } | E::WholeAsked { call, .. } => {
                hide(&mut call.parameters);
            }
            E::MapStarted { plan, .. } => hide_all(&mut plan.items),
            E::MapRunItems { inputs } => hide_all(inputs),
            E::MapRunPage(page) => {
                hide_all(&mut page.inputs);
                hide_all(&mut page.batch);
            }
            _ => {}
        }
        Cow::Owned(event)
    }
}

/// A value with the rest of the paths that may lead into it.
fn without(value: &Json, paths: &[&[Step]]) -> Json {
    if paths.is_empty() {
        return value.clone();
    }
    match value {
        Json::Object(members) => {
            let members = members.iter().map(|(key, value)| {
                let rest: Vec<&[Step]> =
                    paths.iter().flat_map(|path| after(path, Some(key.as_str()))).collect();
                (key.clone(), inner(value, &rest))
            });
            Json::Object(members.collect::<Object>())
        }
        Json::Array(items) => {
            let rest: Vec<&[Step]> = paths.iter().flat_map(|path| after(path, None)).collect();
            Json::Array(items.iter().map(|item| inner(item, &rest)).collect::<Array>())
        }
        plain => plain.clone(),
    }
}

fn inner(value: &Json, rest: &[&[Step]]) -> Json {
    if rest.iter().any(|path| path.is_empty()) {
        return SHOWN.into();
    }
    without(value, rest)
}

/// A value that was sent, with what it was where it is as it was shown.
fn put_back(sent: &Json, shown: &Json, original: &Json) -> Json {
    if sent == shown {
        return original.clone();
    }
    match (sent, shown, original) {
        (Json::Object(members), Json::Object(_), Json::Object(_)) => {
            let members = members.iter().map(|(key, value)| {
                let value = match (shown.get(key), original.get(key)) {
                    (Some(shown), Some(original)) => put_back(value, shown, original),
                    _ => value.clone(),
                };
                (key.clone(), value)
            });
            Json::Object(members.collect::<Object>())
        }
        // Which item of several has become which is not known, unless it is the same.
        (Json::Array(items), Json::Array(seen), Json::Array(were)) if items.len() == seen.len() => {
            let is_one = items.len() == 1;
            let items = items.iter().zip(seen.iter().zip(were.iter()));
            let items = items.map(|(item, (seen, was))| {
                if item == seen || is_one { put_back(item, seen, was) } else { item.clone() }
            });
            Json::Array(items.collect::<Array>())
        }
        _ => sent.clone(),
    }
}

/// Whether a value says nowhere that something is not shown.
fn is_whole(value: &Json) -> bool {
    match value {
        Json::String(text) => text.as_str() != SHOWN,
        Json::Array(items) => items.iter().all(is_whole),
        Json::Object(members) => members.values().all(is_whole),
        _ => true,
    }
}

/// What is left of a path behind a member, or behind an item.
fn after<'p>(path: &'p [Step], key: Option<&str>) -> Vec<&'p [Step]> {
    let Some((first, rest)) = path.split_first() else { return Vec::new() };
    match first {
        Step::Any => vec![rest],
        Step::Key(name) if Some(name.as_str()) == key => vec![rest],
        Step::Key(_) => Vec::new(),
        Step::Below(name) if Some(name.as_str()) == key => vec![rest, path],
        Step::Below(_) => vec![path],
    }
}

fn steps(path: &str) -> Option<Vec<Step>> {
    let mut rest = path.strip_prefix('$')?;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix("[*]") {
            steps.push(Step::Any);
            rest = after;
            continue;
        }
        let (is_below, named) = match rest.strip_prefix("..") {
            Some(named) => (true, named),
            None => (false, rest.strip_prefix('.')?),
        };
        let end = named.find(['.', '[']).unwrap_or(named.len());
        let (name, after) = named.split_at(end);
        match name {
            "" => return None,
            "*" if !is_below => steps.push(Step::Any),
            name if is_below => steps.push(Step::Below(name.to_owned())),
            name => steps.push(Step::Key(name.to_owned())),
        }
        rest = after;
    }
    (!steps.is_empty()).then_some(steps)
}

#[cfg(test)]
mod tests {
    use super::*;
    use stepwright_json::json;

    #[test]
    fn values_are_left_out_wherever_their_path_leads() {
        let redaction = Redaction::new(["$.items[*].secret", "$.*.key", "$..a..b"]).expect("paths");
        let value = json!({
            "items": [{"secret": {"x": 1}, "open": 2}, 3],
            "one": {"key": [1], "deep": {"key": 2}},
            "a": {"c": [{"b": 1}], "b": 2},
            "b": 3
        });
        let expected = json!({
            "items": [{"secret": "[redacted]", "open": 2}, 3],
            "one": {"key": "[redacted]", "deep": {"key": 2}},
            "a": {"c": [{"b": "[redacted]"}], "b": "[redacted]"},
            "b": 3
        });
        assert_eq!(redaction.apply(&value), expected);
        assert_eq!(Redaction::default().apply(&value), value);
    }

    #[test]
    fn what_is_not_shown_is_put_back() {
        let redaction = Redaction::new(["$..pin"]).expect("a path");
        let original = json!({"a": {"pin": 1, "x": 1}, "list": [{"pin": 2}, {"pin": 3}], "pin": 4});
        let shown = redaction.apply(&original);
        assert_eq!(redaction.restore(&shown, &original).as_ref(), Some(&original));
        let sent = json!({"a": {"pin": "[redacted]", "x": 2}, "list": [{"pin": "[redacted]"}, {"pin": 9}], "new": 1});
        let meant = json!({"a": {"pin": 1, "x": 2}, "list": [{"pin": 2}, {"pin": 9}], "new": 1});
        assert_eq!(redaction.restore(&sent, &original), Some(meant));
        for unclear in [
            json!({"list": [{"pin": "[redacted]"}]}),
            json!({"list": [{"pin": "[redacted]", "x": 1}, {"pin": 9}]}),
            json!({"b": {"pin": "[redacted]"}}),
            json!("[redacted]"),
        ] {
            assert_eq!(redaction.restore(&unclear, &original), None, "{unclear}");
        }
        // Who says so from the beginning may go on saying so.
        let said = json!({"note": "[redacted]", "pin": 1});
        assert_eq!(
            redaction.restore(&json!({"note": "[redacted]"}), &said),
            Some(json!({"note": "[redacted]"}))
        );
    }

    #[test]
    fn what_is_no_path_is_named() {
        for wrong in ["", "card", "$", "$card", "$.", "$.a[0]", "$...a", "$.a..", "$..*"] {
            let error = Redaction::new([wrong]).err();
            // `*` at any depth would leave nothing.
            let is_everything = wrong == "$..*";
            assert_eq!(error.is_some(), !is_everything, "{wrong}");
        }
    }
}
