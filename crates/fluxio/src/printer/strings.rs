//! Strings and numbers as Python prints them, and the choice of triple quotes.

use ruff_python_ast::Number;
use rustpython_literal::escape::{AsciiEscape, UnicodeEscape};
use rustpython_literal::float;

/// Shorter strings never get triple quotes.
const LEAST_FOR_TRIPLE: usize = 20;

/// Strings in lines that would be longer get triple quotes.
const LONGEST_LINE: usize = 100;

/// `repr` of a string.
pub(crate) fn repr(text: &str) -> String {
    let escape = UnicodeEscape::new_repr(text);
    escape.str_repr().to_string().unwrap_or_default()
}

/// `repr` of bytes.
pub(super) fn bytes(bytes: &[u8]) -> String {
    let escape = AsciiEscape::new_repr(bytes);
    escape.bytes_repr().to_string().unwrap_or_default()
}

/// `repr` of a number.
pub(super) fn number(number: &Number) -> String {
    let part = |value: f64| {
        if value.is_infinite() { "1e1000".to_owned() } else { float::to_string(value) }
    };
    match number {
        // A number in any base is printed in decimal. One that does not fit into 64 bits is printed
        // as it was written.
        Number::Int(int) => {
            int.as_u64().map_or_else(|| int.to_string().replace('_', ""), |small| small.to_string())
        }
        Number::Float(value) => part(*value),
        Number::Complex { real, imag } if *real == 0.0 => format!("{}j", part(*imag)),
        Number::Complex { real, imag } => format!("({}+{}j)", part(*real), part(*imag)),
    }
}

/// A string with the quotes that astor chooses. `embedded` is how deep in a statement it stands,
/// and `line` what precedes it on its line.
pub(super) fn pretty(text: &str, embedded: u8, line: &str) -> String {
    let plain = repr(text);
    let length = plain.chars().count();
    if !line.trim().is_empty() {
        let width = line.chars().count();
        let has_lines = text.contains('\n');
        if embedded > 1 && !has_lines || length < LEAST_FOR_TRIPLE || embedded > 0 && !has_lines {
            return plain;
        }
        let indentation = width - line.trim_start().chars().count();
        if width + length < LONGEST_LINE && !is_indented(text, indentation) {
            return plain;
        }
    }
    if text.contains(['\r', '\0']) {
        return plain;
    }
    format!("\"\"\"{}\"\"\"", escaped(text))
}

/// Whether all lines but the first are indented by at least this much.
fn is_indented(text: &str, indentation: usize) -> bool {
    let mut lines = text.split('\n').skip(1).map(str::trim_end).filter(|line| !line.is_empty());
    let indents = |line: &str| line.chars().count() - line.trim_start().chars().count();
    match lines.next() {
        None => false,
        Some(first) => {
            indents(first) >= indentation && lines.all(|line| indents(line) >= indentation)
        }
    }
}

/// Escapes a string for triple quotes.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if c == '\\' {
            out.push_str("\\\\");
            rest = &rest[1..];
        } else if let Some(after) = rest.strip_prefix("\"\"\"") {
            out.push_str("\"\"\\\"");
            rest = after;
        } else if rest == "\"" {
            out.push_str("\\\"");
            rest = "";
        } else {
            out.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    out
}
