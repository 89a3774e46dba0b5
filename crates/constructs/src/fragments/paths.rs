use crate::param::{At, kind};
use crate::value::Value;
use std::fmt;

/// A path into the data that can be assembled from parts: `request`, `$.request.id`.
///
/// ```
/// use stepwright_constructs::fragments::JsonReferencePath;
///
/// let path = JsonReferencePath::new("$.request").extend(&["user", "name"]);
/// assert_eq!(path.as_reference(), "$.request.user.name");
/// assert_eq!(path.as_key(), "request.user.name.$");
/// // A path into the context object stays one.
/// assert_eq!(JsonReferencePath::new("$$.Execution.Id").as_reference(), "$$.Execution.Id");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonReferencePath {
    path: String,
    in_context: bool,
}

impl JsonReferencePath {
    /// Creates a path from its text, with or without `$.` in front.
    pub fn new(path: &str) -> Self {
        Self { in_context: path.starts_with("$$"), ..Self::in_data(path) }
    }

    /// Creates a path that always leads into the data, as in the published library.
    pub fn in_data(path: &str) -> Self {
        let parts = path.split(['$', '.']).filter(|part| !part.is_empty());
        Self { path: parts.collect::<Vec<_>>().join("."), in_context: false }
    }

    /// The path of the whole data.
    pub fn empty() -> Self {
        Self::new("")
    }

    /// The path extended by parts.
    #[must_use]
    pub fn extend(&self, parts: &[&str]) -> Self {
        let joined = parts.iter().fold(self.path.clone(), |path, part| format!("{path}.{part}"));
        Self { in_context: self.in_context, ..Self::in_data(&joined) }
    }

    /// The path as a key of a payload template: `request.id.$`.
    pub fn as_key(&self) -> String {
        if self.path.is_empty() { "$".to_owned() } else { format!("{}.$", self.path) }
    }

    /// The path as an expression: `$.request.id`.
    pub fn as_reference(&self) -> String {
        let root = if self.in_context { "$$" } else { "$" };
        if self.path.is_empty() { root.to_owned() } else { format!("{root}.{}", self.path) }
    }

    /// The text at the path.
    pub fn as_jsonpath_string(&self) -> At<kind::Text> {
        At::new(self.as_reference())
    }

    /// The object at the path.
    pub fn as_jsonpath_object(&self) -> At<kind::Object> {
        At::new(self.as_reference())
    }

    /// The value at the path, written as JSON text.
    pub fn as_jsonpath_json_to_string(&self) -> At<kind::Text> {
        crate::json_path::json_to_string(self.as_jsonpath_object())
    }

    /// The list at the path.
    pub fn as_jsonpath_list(&self) -> At<kind::List> {
        At::new(self.as_reference())
    }

    /// The number at the path.
    pub fn as_jsonpath_number(&self) -> At<kind::Number> {
        At::new(self.as_reference())
    }

    /// The text without repeated periods, and without periods at its edges.
    ///
    /// ```
    /// use stepwright_constructs::fragments::JsonReferencePath;
    ///
    /// assert_eq!(JsonReferencePath::sanitize(".a..b."), "a.b");
    /// ```
    pub fn sanitize(text: &str) -> String {
        let parts = text.split('.').filter(|part| !part.is_empty());
        parts.collect::<Vec<_>>().join(".")
    }

    /// Whether a text is a path.
    pub fn is_reference(text: &str) -> bool {
        text.starts_with('$')
    }
}

impl fmt::Display for JsonReferencePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)
    }
}

/// Turns every text that is a path or an intrinsic function into an expression.
///
/// Paths are not evaluated within lists, so a list that contains one is built with `States.Array`.
///
/// ```
/// use stepwright_constructs::fragments::convert_reference_paths;
/// use stepwright_constructs::prelude::*;
///
/// let value = convert_reference_paths(value!({"id": "$.id", "command": ["echo", "$.text"]}));
/// assert_eq!(
///     value.to_json(QueryLanguage::JsonPath).to_string(),
///     r#"{"id.$":"$.id","command.$":"States.Array('echo', $.text)"}"#,
/// );
/// ```
pub fn convert_reference_paths(value: Value) -> Value {
    match value {
        Value::Text(text) => match text.as_literal() {
            Some(path) if path.starts_with('$') || path.starts_with("States.") => {
                Value::Expression(path.into())
            }
            _ => Value::Text(text),
        },
        Value::List(items) => {
            let items: Vec<Value> = items.into_iter().map(convert_reference_paths).collect();
            if items.iter().any(|item| matches!(item, Value::Expression(_))) {
                crate::json_path::array(items).into()
            } else {
                Value::List(items)
            }
        }
        Value::Object(members) => Value::Object(
            members.into_iter().map(|(key, value)| (key, convert_reference_paths(value))).collect(),
        ),
        other => other,
    }
}

/// Converts keys to the spelling of AWS SDK integrations: `jobName` becomes `JobName`.
pub fn convert_to_sfn_api_action_case(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let mut converted: Vec<(String, Value)> = Vec::new();
            for (key, value) in members {
                let (key, value) = (pascal_case(&key), convert_to_sfn_api_action_case(value));
                match converted.iter_mut().find(|(known, _)| *known == key) {
                    Some((_, known)) => *known = value,
                    None => converted.push((key, value)),
                }
            }
            Value::Object(converted)
        }
        Value::List(items) => {
            Value::List(items.into_iter().map(convert_to_sfn_api_action_case).collect())
        }
        other => other,
    }
}

/// Converts a key to Pascal case; `_`, `-` and spaces separate words. A key that begins with a
/// separator is left unchanged, and separators at its end are kept.
fn pascal_case(key: &str) -> String {
    let is_separator = |c: char| c == '_' || c == '-' || c == ' ';
    if key.starts_with(is_separator) {
        return key.to_owned();
    }
    let inner = key.trim_end_matches(is_separator);
    let mut pascal = String::new();
    for word in inner.split(is_separator) {
        let mut characters = word.chars();
        if let Some(first) = characters.next() {
            pascal.extend(first.to_uppercase());
            pascal.push_str(characters.as_str());
        }
    }
    pascal + &key[inner.len()..]
}
