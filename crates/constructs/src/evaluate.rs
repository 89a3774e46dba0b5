//! The expressions of `EvaluateExpression`.

use std::collections::BTreeSet;

/// The paths in an expression, without repetitions. A path begins with `$.` or `$[`.
pub fn paths(expression: &str) -> Vec<String> {
    let mut paths = Vec::new();
    for (_, path) in places(expression) {
        if !paths.contains(&path) {
            paths.push(path);
        }
    }
    paths
}

/// The paths that stand in a text of the expression, where they are not evaluated: in quotes, or in
/// a template literal outside of `${…}`.
///
/// ```
/// use stepwright_constructs::evaluate::paths_in_texts;
///
/// assert_eq!(paths_in_texts("'Hello $.name'"), ["$.name"]);
/// assert_eq!(paths_in_texts("`Hello ${$.name}`"), [""; 0]);
/// ```
pub fn paths_in_texts(expression: &str) -> Vec<String> {
    let texts = texts(expression);
    let mut paths = Vec::new();
    for (at, path) in places(expression) {
        if texts.contains(&at) && !paths.contains(&path) {
            paths.push(path);
        }
    }
    paths
}

/// What a position of an expression is within.
#[derive(Clone, Copy)]
enum Within {
    /// Code, and how many braces are open in it. Code in `${…}` ends with the last brace.
    Code {
        braces: usize,
        in_template: bool,
    },
    Quotes(u8),
    Template,
    Pattern,
}

/// The positions of an expression that are text.
fn texts(expression: &str) -> BTreeSet<usize> {
    let bytes = expression.as_bytes();
    let mut texts = BTreeSet::new();
    let mut stack = vec![Within::Code { braces: 0, in_template: false }];
    let mut at = 0;
    while let (Some(&byte), Some(top)) = (bytes.get(at), stack.last().copied()) {
        let mut step = 1;
        match (top, byte) {
            (Within::Quotes(_) | Within::Template, b'\\') => {
                texts.extend([at, at + 1]);
                step = 2;
            }
            (Within::Pattern, b'\\') => step = 2,
            (Within::Quotes(quote), byte) if byte == quote => drop(stack.pop()),
            (Within::Pattern, b'/') | (Within::Template, b'`') => drop(stack.pop()),
            (Within::Template, b'$') if bytes.get(at + 1) == Some(&b'{') => {
                stack.push(Within::Code { braces: 0, in_template: true });
                step = 2;
            }
            (Within::Quotes(_) | Within::Template, _) => drop(texts.insert(at)),
            (Within::Pattern, _) => {}
            (Within::Code { .. }, b'\'' | b'"') => stack.push(Within::Quotes(byte)),
            (Within::Code { .. }, b'`') => stack.push(Within::Template),
            (Within::Code { .. }, b'/') if begins_pattern(&bytes[..at]) => {
                stack.push(Within::Pattern);
            }
            (Within::Code { braces, in_template }, b'{') => {
                stack.pop();
                stack.push(Within::Code { braces: braces + 1, in_template });
            }
            (Within::Code { braces: 0, in_template: true }, b'}') => drop(stack.pop()),
            (Within::Code { braces, in_template }, b'}') => {
                stack.pop();
                stack.push(Within::Code { braces: braces.saturating_sub(1), in_template });
            }
            (Within::Code { .. }, _) => {}
        }
        at += step;
    }
    texts
}

/// Whether a slash after this code begins a regular expression, and does not divide.
fn begins_pattern(before: &[u8]) -> bool {
    let last = before.iter().rev().find(|byte| !byte.is_ascii_whitespace());
    last.is_none_or(|byte| !(byte.is_ascii_alphanumeric() || b"_$)]".contains(byte)))
}

/// The paths in an expression, with their positions.
fn places(expression: &str) -> Vec<(usize, String)> {
    let mut paths = Vec::new();
    let mut end = 0;
    for (start, _) in expression.match_indices('$') {
        let rest = &expression[start + 1..];
        if start < end || !rest.starts_with(['.', '[']) {
            continue;
        }
        let belongs = |c: char| c.is_ascii_alphanumeric() || ".[]-_".contains(c);
        let length = rest[1..].find(|c| !belongs(c)).unwrap_or(rest.len() - 1);
        if length == 0 {
            continue;
        }
        end = start + length + 2;
        paths.push((start, format!("${}", &rest[..=length])));
    }
    paths
}
