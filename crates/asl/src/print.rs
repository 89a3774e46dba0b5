use crate::bare;
use crate::load::Format;
use std::fmt;
use stepwright_json::tree::{self, Node, Value};
use stepwright_json::{Json, Limits, ParseError, Syntax};

/// Why a file cannot be formatted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PrintError {
    /// It is not JSON.
    Json(ParseError),
    /// It is YAML, whose layout and comments are up to the author.
    Yaml,
    /// It is JSON but for a `${name}` where a value must stand.
    Placeholder(String),
    /// It has comments or trailing commas, which would be lost.
    Comments,
}

impl fmt::Display for PrintError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(_) => f.write_str("the text is not JSON"),
            Self::Yaml => f.write_str("YAML files are left as they are"),
            Self::Placeholder(name) => write!(
                f,
                "`${{{name}}}` stands where a value must stand; such files are left as they are"
            ),
            Self::Comments => f.write_str("files with comments are left as they are"),
        }
    }
}

impl std::error::Error for PrintError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Json(error) => Some(error),
            Self::Yaml | Self::Placeholder(_) | Self::Comments => None,
        }
    }
}

/// The largest width of a list that is printed on one line.
const WIDTH: usize = 80;

/// Prints a definition in its canonical form: indented by two spaces, keys in the order they were
/// written, short lists of plain values on one line. Numbers and strings are spelled as before.
pub fn print(text: &str, file: &str) -> Result<String, PrintError> {
    match Format::of(file, text) {
        Format::Yaml => return Err(PrintError::Yaml),
        Format::Comments => return Err(PrintError::Comments),
        Format::Json => {}
    }
    let root =
        tree::parse(text, Syntax::Strict, Limits::default()).map_err(|error| match tree::parse(
            text,
            Syntax::Comments,
            Limits::default(),
        ) {
            Ok(_) => PrintError::Comments,
            Err(_) => match bare::find(text).and_then(|found| found.into_iter().next()) {
                Some((name, _)) => PrintError::Placeholder(name),
                None => PrintError::Json(error),
            },
        })?;
    let mut out = String::new();
    write(&root, text, 0, &mut out);
    out.push('\n');
    Ok(out)
}

fn write(node: &Node, text: &str, depth: usize, out: &mut String) {
    match &node.value {
        Value::Scalar(_) => out.push_str(&text[node.span.range()]),
        Value::Array(items) if items.is_empty() => out.push_str("[]"),
        Value::Object(members) if members.is_empty() => out.push_str("{}"),
        Value::Array(items) => {
            if let Some(line) = one_line(items, text, depth) {
                return out.push_str(&line);
            }
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                new_line(at, depth, out);
                write(item, text, depth + 1, out);
            }
            end(depth, ']', out);
        }
        Value::Object(members) => {
            out.push('{');
            for (at, member) in members.iter().enumerate() {
                new_line(at, depth, out);
                out.push_str(&text[member.key_span.range()]);
                out.push_str(": ");
                write(&member.value, text, depth + 1, out);
            }
            end(depth, '}', out);
        }
    }
}

fn one_line(items: &[Node], text: &str, depth: usize) -> Option<String> {
    let mut line = "[".to_owned();
    for (at, item) in items.iter().enumerate() {
        let scalar: &Json = item.as_scalar()?;
        if at > 0 {
            line.push_str(", ");
        }
        line.push_str(&text[item.span.range()]);
        let long_text = scalar.as_str().is_some_and(|text| text.len() > WIDTH / 2);
        if line.len() + depth * 2 > WIDTH || (long_text && items.len() > 1) {
            return None;
        }
    }
    line.push(']');
    Some(line)
}

/// Beyond this depth, the indentation would be longer than the text.
const INDENTED: usize = 64;

fn new_line(at: usize, depth: usize, out: &mut String) {
    out.push_str(if at == 0 { "\n" } else { ",\n" });
    out.extend(std::iter::repeat_n("  ", (depth + 1).min(INDENTED)));
}

fn end(depth: usize, close: char, out: &mut String) {
    out.push('\n');
    out.extend(std::iter::repeat_n("  ", depth.min(INDENTED)));
    out.push(close);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printed_for_people() {
        let text = r#"{"a":[1,2.50,"x\u0041"],"b":{"c":[{"d":null}],"e":[],"f":{}}}"#;
        let printed = print(text, "x.json").unwrap();
        let expected = "{\n  \"a\": [1, 2.50, \"x\\u0041\"],\n  \"b\": {\n    \"c\": [\n      {\n        \"d\": null\n      }\n    ],\n    \"e\": [],\n    \"f\": {}\n  }\n}\n";
        assert_eq!(printed, expected);
        assert_eq!(print(&printed, "x.json").unwrap(), printed);
    }

    #[test]
    fn what_is_left_alone() {
        assert_eq!(print("a: 1", "x.yaml"), Err(PrintError::Yaml));
        assert_eq!(print("{} // x", "x.json"), Err(PrintError::Comments));
        assert!(matches!(print("{", "x.json"), Err(PrintError::Json(_))));
    }
}
