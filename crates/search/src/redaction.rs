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
    fn what_is_no_path_is_named() {
        for wrong in ["", "card", "$", "$card", "$.", "$.a[0]", "$...a", "$.a..", "$..*"] {
            let error = Redaction::new([wrong]).err();
            // `*` at any depth would leave nothing.
            let is_everything = wrong == "$..*";
            assert_eq!(error.is_some(), !is_everything, "{wrong}");
        }
    }
}
