//! What a target gets of an event: all of it, a part, a fixed text, or a template that is filled in.
//!
//! <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-transform-target-input.html>

use std::collections::BTreeMap;
use stepwright_json::{Json, Object};

/// A path such as `$.detail.items[0]['a b']`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Path(Vec<Step>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Key(String),
    Index(usize),
}

impl Path {
    pub(super) fn read(text: &str) -> Option<Self> {
        let mut rest = text.trim().strip_prefix('$')?;
        let mut steps = Vec::new();
        while !rest.is_empty() {
            if let Some(after) = rest.strip_prefix('.') {
                let end = after.find(['.', '[']).unwrap_or(after.len());
                if end == 0 {
                    return None;
                }
                steps.push(Step::Key(after[..end].to_owned()));
                rest = &after[end..];
            } else {
                let after = rest.strip_prefix('[')?;
                let (inner, behind) = after.split_once(']')?;
                let inner = inner.trim();
                let quoted = ['\'', '"']
                    .into_iter()
                    .find_map(|mark| inner.strip_prefix(mark)?.strip_suffix(mark));
                steps.push(match quoted {
                    Some(key) => Step::Key(key.to_owned()),
                    None => Step::Index(inner.parse().ok()?),
                });
                rest = behind;
            }
        }
        Some(Self(steps))
    }

    pub(super) fn find<'e>(&self, event: &'e Json) -> Option<&'e Json> {
        self.0.iter().try_fold(event, |value, step| match step {
            Step::Key(key) => value.get(key),
            Step::Index(index) => value.at(*index),
        })
    }
}

/// What stands for the event as a whole, and for its rule.
pub(super) struct Around<'a> {
    pub(super) event: &'a Json,
    pub(super) rule_arn: &'a str,
    pub(super) rule_name: &'a str,
    /// When the event came, as text.
    pub(super) ingested: &'a str,
}

/// What is known besides the paths of a transformer.
const RESERVED: [&str; 5] = [
    "aws.events.rule-arn",
    "aws.events.rule-name",
    "aws.events.event.ingestion-time",
    "aws.events.event",
    "aws.events.event.json",
];

/// Checks a transformer: its paths, and that its template names only what there is.
pub(super) fn check(transformer: &Json) -> Result<(), String> {
    let none = Object::new();
    let paths = transformer.get("InputPathsMap").and_then(Json::as_object).unwrap_or(&none);
    if paths.len() > 100 {
        return Err("InputPathsMap has more than 100 entries".to_owned());
    }
    for (name, path) in paths.iter() {
        if path.as_str().and_then(Path::read).is_none() {
            return Err(format!("the path of `{name}` is not valid"));
        }
        if name.starts_with("AWS") || name.starts_with("aws.") {
            return Err(format!("the name `{name}` is reserved"));
        }
    }
    let template = transformer.get("InputTemplate").and_then(Json::as_str).unwrap_or_default();
    if template.is_empty() {
        return Err("InputTemplate is empty".to_owned());
    }
    for part in parts(template) {
        if let Part::Name(name, _) = part
            && !paths.contains_key(name)
            && !RESERVED.contains(&name)
        {
            return Err(format!("the placeholder <{name}> is not defined"));
        }
    }
    Ok(())
}

/// Fills in a transformer's template.
pub(super) fn fill(transformer: &Json, around: &Around<'_>) -> String {
    let paths = transformer.get("InputPathsMap").and_then(Json::as_object);
    let paths = paths.into_iter().flat_map(Object::iter);
    let values: BTreeMap<&str, Json> = paths
        .map(|(name, path)| {
            let path = path.as_str().and_then(Path::read);
            let found = path.and_then(|path| path.find(around.event).cloned());
            // What is not there is an empty text.
            (name.as_str(), found.unwrap_or_else(|| "".into()))
        })
        .collect();
    let template = transformer.get("InputTemplate").and_then(Json::as_str).unwrap_or_default();
    let mut filled = String::new();
    for part in parts(template) {
        let (name, is_in_text) = match part {
            Part::Text(text) => {
                filled.push_str(text);
                continue;
            }
            Part::Name(name, is_in_text) => (name, is_in_text),
        };
        let value = match name {
            "aws.events.rule-arn" => around.rule_arn.into(),
            "aws.events.rule-name" => around.rule_name.into(),
            "aws.events.event.ingestion-time" => around.ingested.into(),
            "aws.events.event.json" => around.event.clone(),
            // Without its detail.
            "aws.events.event" => match around.event {
                Json::Object(members) => {
                    let mut members = members.clone();
                    members.remove("detail");
                    Json::Object(members)
                }
                event => event.clone(),
            },
            name => values.get(name).cloned().unwrap_or_default(),
        };
        match (&value, is_in_text) {
            (Json::String(text), true) => {
                // In a text, it is a part of the text.
                let quoted = Json::from(text.clone()).to_string();
                filled.push_str(&quoted[1..quoted.len() - 1]);
            }
            (value, true) => {
                let quoted = Json::from(value.to_string()).to_string();
                filled.push_str(&quoted[1..quoted.len() - 1]);
            }
            (value, false) => filled.push_str(&value.to_string()),
        }
    }
    filled
}

enum Part<'t> {
    Text(&'t str),
    /// A placeholder, and whether it stands within a text.
    Name(&'t str, bool),
}

/// Takes a template apart.
fn parts(template: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut is_in_text = false;
    let mut start = 0;
    let mut at = 0;
    let bytes = template.as_bytes();
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if is_in_text => at += 1,
            b'"' => is_in_text = !is_in_text,
            b'<' => {
                let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
                let rest = &template[at + 1..];
                if let Some(end) = rest.find('>')
                    && end > 0
                    && rest[..end].chars().all(is_name)
                {
                    parts.push(Part::Text(&template[start..at]));
                    parts.push(Part::Name(&rest[..end], is_in_text));
                    at += end + 1;
                    start = at + 1;
                }
            }
            _ => {}
        }
        at += 1;
    }
    parts.push(Part::Text(&template[start.min(template.len())..]));
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use stepwright_json::json;

    #[track_caller]
    fn check_filled(template: &str, expected: &str) {
        let event = json!({
            "id": "1", "detail": {"name": "A \"b\"", "n": 7, "list": [1, {"x y": true}], "o": {"k": "v"}}
        });
        let transformer = json!({
            "InputPathsMap": {
                "name": "$.detail.name", "n": "$.detail.n", "x": "$.detail.list[1]['x y']", "o": "$.detail.o",
                "none": "$.detail.none"
            },
            "InputTemplate": template
        });
        check(&transformer).unwrap();
        let around = Around { event: &event, rule_arn: "arn", rule_name: "r", ingested: "t" };
        assert_eq!(fill(&transformer, &around), expected);
    }

    #[test]
    fn templates_are_filled_in() {
        check_filled("\"Hi <name>, <n>\"", "\"Hi A \\\"b\\\", 7\"");
        check_filled("{\"n\": <n>, \"s\": <name>}", "{\"n\": 7, \"s\": \"A \\\"b\\\"\"}");
        check_filled(
            "{\"o\": <o>, \"t\": \"<o>\"}",
            "{\"o\": {\"k\":\"v\"}, \"t\": \"{\\\"k\\\":\\\"v\\\"}\"}",
        );
        check_filled("<x>", "true");
        check_filled("{\"a\": \"<none>\"}", "{\"a\": \"\"}");
        check_filled("<aws.events.rule-name>", "\"r\"");
        check_filled("<aws.events.event>", "{\"id\":\"1\"}");
        check_filled("1 < 2", "1 < 2");
    }

    #[test]
    fn wrong_transformers_are_refused() {
        for (path, template) in
            [("detail", "<a>"), ("$.", "<a>"), ("$.a", "<b>"), ("$.a", ""), ("$[x]", "<a>")]
        {
            let one = json!({"InputPathsMap": {"a": path}, "InputTemplate": template});
            assert!(check(&one).is_err(), "{path} {template}");
        }
    }
}
