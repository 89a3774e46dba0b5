//! What the fields of one state ask of its data, and what kind of value would do.

use super::needs::satisfying;
use super::origin::{COMMENT, Of, path_of};
use super::places::{Step, steps};
use regex::Regex;
use std::sync::LazyLock;
use stepwright_json::{Json, Object, json};
use stepwright_jsonata::{Dialect, Expression};

/// Something that a field asks for.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Ask {
    pub(super) of: Of,
    pub(super) path: Vec<Step>,
    /// A value that would do, as far as the field shows it.
    pub(super) value: Json,
}

/// Stands where nothing is known.
const PLAIN: &str = "value";

/// A JSONPath within an intrinsic function.
static PATH: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\$\$?\w*(?:\.[\w\-]+|\.\.?\*|\[[^\]]*\])*").expect("the pattern is one")
});

/// What a state asks for.
pub(super) fn asks(state: &Object) -> Vec<Ask> {
    let mut found = Vec::new();
    for (key, value) in state.iter() {
        let here = match key.as_str() {
            "InputPath" => Of::Entered,
            "ResultSelector" => Of::Raw,
            "OutputPath" => Of::Combined,
            "Assign" => match state.get("Type").and_then(Json::as_str) {
                Some("Task" | "Map" | "Parallel" | "Pass") => Of::Result,
                _ => Of::Input,
            },
            "ItemProcessor" | "Iterator" | "Branches" | "Catch" | "Comment" | "Next"
            | "ResultPath" | "Type" | "Resource" => continue,
            _ => Of::Input,
        };
        walk(key, value, &here, &mut found, 0);
    }
    found
}

/// What a text in a template asks for.
pub(super) fn asks_of_text(text: &str, here: &Of) -> Vec<Ask> {
    let mut found = Vec::new();
    read(".$", text, here, &mut found);
    found
}

/// What an expression asks for.
pub(super) fn asks_of(expression: &str) -> Vec<Ask> {
    let mut found = Vec::new();
    self::expression(expression, &Json::Bool(true), &mut found);
    found
}

fn walk(key: &str, value: &Json, here: &Of, found: &mut Vec<Ask>, depth: usize) {
    if depth > 64 {
        return;
    }
    match value {
        Json::String(text) => read(key, text, here, found),
        Json::Array(items) => {
            items.iter().for_each(|item| walk(key, item, here, found, depth + 1));
        }
        Json::Object(members) => {
            if let Some(variable) = members.get("Variable").and_then(Json::as_str) {
                let value = members.iter().find_map(|(operator, operand)| {
                    (operator != "IsPresent").then(|| satisfying(operator, operand)).flatten()
                });
                if let (Some((of, path)), Some(value)) = (path_of(variable, here.clone()), value) {
                    found.push(Ask { of, path, value });
                }
            }
            members.iter().filter(|(key, _)| *key != "Variable").for_each(|(key, value)| {
                walk(key, value, here, found, depth + 1);
            });
        }
        _ => {}
    }
}

fn read(key: &str, text: &str, here: &Of, found: &mut Vec<Ask>) {
    let whole = of_field(key);
    if let Some(inner) = text.trim().strip_prefix("{%").and_then(|text| text.strip_suffix("%}")) {
        return expression(inner, &whole, found);
    }
    let is_path = key.ends_with(".$") || key.ends_with("Path") || key == "Condition";
    if !is_path || key == "ResultPath" {
        return;
    }
    if let Some((of, path)) = path_of(text, here.clone()) {
        found.push(Ask { of, path, value: whole });
        return;
    }
    for part in PATH.find_iter(text) {
        let Some((of, path)) = path_of(part.as_str(), here.clone()) else { continue };
        let value = around(text, part.start(), part.end()).unwrap_or_else(|| PLAIN.into());
        found.push(Ask { of, path, value });
    }
}

/// What a field wants, if it is given nothing but a path.
fn of_field(key: &str) -> Json {
    let key = key.trim_end_matches(".$");
    match key {
        "ItemsPath" | "Items" => json!([{}, {}]),
        "InputPath" => json!({}),
        "Condition" => Json::Bool(true),
        "Timestamp" | "TimestampPath" => "2024-01-01T00:00:01Z".into(),
        _ if ["Seconds", "SecondsPath", "MaxConcurrency", "MaxConcurrencyPath", "MaxItems"]
            .iter()
            .any(|end| key.ends_with(end)) =>
        {
            Json::Int(1)
        }
        _ if key.starts_with("Tolerated") => Json::Int(0),
        _ => PLAIN.into(),
    }
}

fn expression(text: &str, whole: &Json, found: &mut Vec<Ask>) {
    let text = &*COMMENT.replace_all(text, " ");
    let Ok(compiled) = Expression::compile(text, Dialect::StepFunctions) else { return };
    for variable in compiled.variables() {
        let names: Vec<&str> = variable.fields.iter().map(|field| field.name.as_str()).collect();
        let (of, taken) = match (variable.name.as_str(), names.as_slice()) {
            ("states", ["input", ..]) => (Of::Entered, 1),
            ("states", ["result", ..]) => (Of::Raw, 1),
            ("states", ["context", "Execution", "Input", ..]) => (Of::Execution, 3),
            ("states", ["context", "Map", "Item", "Value", ..]) => (Of::Item, 4),
            ("states", _) => continue,
            (name, _) => (Of::Variable(name.into()), 0),
        };
        let path: Vec<Step> =
            names[taken..].iter().map(|name| Step::Key((*name).to_owned())).collect();
        let end = variable.fields.last().map_or(variable.span, |field| field.span).end as usize;
        let start = variable.span.start as usize;
        let is_all = text[..start].trim().is_empty() && text[end..].trim().is_empty();
        let value = if is_all { Some(whole.clone()) } else { around(text, start, end) };
        let value = value.unwrap_or_else(|| PLAIN.into());
        found.push(Ask { of: of.clone(), path: path.clone(), value });
        // `$states.input.rows.(name)`
        let bracketed =
            text[end..].trim_start().strip_prefix(".(").and_then(|rest| rest.split_once(')'));
        if let Some((name, _)) = bracketed
            && name.chars().all(|c| c.is_alphanumeric() || "_.".contains(c))
        {
            let path = [path.as_slice(), &[Step::Any], &steps(name)].concat();
            found.push(Ask { of: of.clone(), path, value: PLAIN.into() });
        }
        // `$map($states.input.list, function($v) {$v.name})`: what is asked of the parameter is asked of the
        // items.
        for (asked, value) in
            parameter(text, start).map(|name| fields_of(text, &name)).unwrap_or_default()
        {
            let path = [path.as_slice(), &[Step::Any], &asked].concat();
            found.push(Ask { of: of.clone(), path, value });
        }
    }
}

/// The first parameter of the function that is handed to `$map`, `$filter` and the like beside a list that stands
/// there.
fn parameter(text: &str, list: usize) -> Option<String> {
    static LAMBDA: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"(?:function|λ)\s*\(\s*\$(\w+)").expect("the pattern is one"));
    let (function, 0) = enclosing(text, list)? else { return None };
    let is_each = ["map", "filter", "single", "sort"].contains(&function);
    let found = LAMBDA.captures(&text[list..]).filter(|_| is_each)?;
    Some(found[1].to_owned())
}

/// What is asked of a variable: the fields right after it, with a value that would do.
fn fields_of(text: &str, name: &str) -> Vec<(Vec<Step>, Json)> {
    let mut found = Vec::new();
    let dollar = format!("${name}");
    let mut from = 0;
    while let Some(at) = text[from..].find(&dollar) {
        let start = from + at;
        let after = start + dollar.len();
        let rest = &text[after..];
        let length = rest
            .char_indices()
            .take_while(|(_, c)| c.is_alphanumeric() || *c == '_' || *c == '.')
            .map(|(at, c)| at + c.len_utf8())
            .last()
            .unwrap_or(0);
        if rest.starts_with('.') && length > 1 {
            let end = after + length;
            let value = around(text, start, end).unwrap_or_else(|| PLAIN.into());
            found.push((steps(text[after..end].trim_end_matches('.')), value));
        }
        from = after;
    }
    found
}

/// What kind of value what stands around a path in an expression asks for.
fn around(text: &str, start: usize, end: usize) -> Option<Json> {
    let before = text[..start].trim_end();
    let after = text[end..].trim_start();
    for (sign, by) in [(">=", 0), ("<=", 0), ("!=", 1), (">", 1), ("<", -1), ("=", 0)] {
        let Some(rest) = after.strip_prefix(sign) else { continue };
        let literal = literal(rest.trim_start())?;
        return Some(match literal.as_i64() {
            Some(number) => Json::Int(number + by),
            None if by == 1 => PLAIN.into(),
            None => literal,
        });
    }
    if after.starts_with(['+', '*', '/', '%']) || after.starts_with("- ") {
        return Some(Json::Int(1));
    }
    if before.ends_with(['+', '*', '/', '-']) {
        return Some(Json::Int(1));
    }
    if let Some((function, argument)) = enclosing(text, start) {
        return wanted(function, argument);
    }
    let applied = after.strip_prefix("~>").map(|rest| rest.trim_start().trim_start_matches('$'));
    if let Some(rest) = applied {
        let end = rest.find(|c: char| !c.is_alphanumeric()).unwrap_or(rest.len());
        return wanted(&rest[..end], 0);
    }
    if after.starts_with('[') || after.starts_with(".(") || after.starts_with(".{") {
        return Some(json!([{}, {}]));
    }
    if after.starts_with('?') || before.ends_with(" and") || after.starts_with("and ") {
        return Some(Json::Bool(true));
    }
    None
}

/// A literal at the beginning of a text.
fn literal(text: &str) -> Option<Json> {
    let quote = text.chars().next().filter(|c| ['"', '\''].contains(c));
    if let Some(quote) = quote {
        let rest = &text[1..];
        return rest.find(quote).map(|end| Json::from(&rest[..end]));
    }
    let end = text.find(|c: char| !(c.is_alphanumeric() || "-.".contains(c))).unwrap_or(text.len());
    stepwright_json::parse(&text[..end]).ok()
}

/// The function whose argument stands there, without `$` or `States.`, and which argument it is.
fn enclosing(text: &str, start: usize) -> Option<(&str, usize)> {
    let (mut depth, mut commas) = (0, 0);
    for (at, c) in text[..start].char_indices().rev() {
        match c {
            ')' | ']' | '}' => depth += 1,
            '[' | '{' if depth == 0 => return None,
            '(' if depth == 0 => {
                let before = &text[..at];
                let name = before
                    .rfind(|c: char| !(c.is_alphanumeric() || c == '_'))
                    .map_or(before, |at| {
                        &before[at + before[at..].chars().next().map_or(1, char::len_utf8)..]
                    });
                return (!name.is_empty()).then_some((name, commas));
            }
            '(' | '[' | '{' => depth -= 1,
            ',' if depth == 0 => commas += 1,
            _ => {}
        }
    }
    None
}

/// What a function wants as one of its arguments.
fn wanted(function: &str, argument: usize) -> Option<Json> {
    Some(match (function, argument) {
        (
            "ArrayPartition" | "ArrayContains" | "ArrayLength" | "ArrayUnique" | "ArrayGetItem"
            | "count" | "map" | "filter" | "reduce" | "sort" | "append" | "reverse" | "shuffle"
            | "distinct" | "zip" | "single" | "partition",
            0,
        ) => json!([{}, {}]),
        ("append" | "zip", 1) => json!([{}]),
        ("sum" | "max" | "min" | "average", 0) => json!([1, 2]),
        ("join", 0) => json!(["a", "b"]),
        ("ArrayPartition" | "ArrayGetItem", 1)
        | ("MathAdd" | "MathRandom" | "ArrayRange" | "range", _)
        | (
            "abs" | "floor" | "ceil" | "round" | "power" | "sqrt" | "formatNumber" | "formatBase"
            | "fromMillis" | "random",
            0,
        )
        | ("substring", 1 | 2) => Json::Int(1),
        ("StringToJson" | "parse" | "eval", 0) => "{}".into(),
        ("JsonMerge", 0 | 1) | ("merge" | "keys" | "lookup" | "each" | "spread" | "sift", 0) => {
            json!({})
        }
        ("Base64Decode" | "base64decode", 0) => "e30=".into(),
        ("toMillis", 0) => "2024-01-01T00:00:00Z".into(),
        ("number", 0) => "1".into(),
        ("not" | "boolean", 0) => Json::Bool(true),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_asks(state: Json, expected: &[(Of, &str, Json)]) {
        let found = asks(state.as_object().unwrap());
        for (of, path, value) in expected {
            let ask = Ask { of: of.clone(), path: steps(path), value: value.clone() };
            assert!(found.contains(&ask), "{ask:?} is not among {found:#?}");
        }
    }

    #[test]
    fn a_field_asks_for_what_it_reads() {
        assert_asks(
            json!({"Type": "Task", "InputPath": "$.order", "ResultSelector": {"n.$": "$[1].score"},
                "Parameters": {"a.$": "States.MathAdd($.total, 1)", "b.$": "$$.Map.Item.Value.id"}}),
            &[
                (Of::Entered, ".order", json!({})),
                (Of::Raw, "[1].score", "value".into()),
                (Of::Input, ".total", Json::Int(1)),
                (Of::Item, ".id", "value".into()),
            ],
        );
        assert_asks(
            json!({"Type": "Pass", "Output": {
                "sum": "{% $sum($states.input.prices) %}",
                "names": "{% $map($states.input.people, function($p) { $p.name & 'x' }) %}",
                "is": "{% $count > 3 and $states.context.Execution.Input.at = 'noon' %}"}}),
            &[
                (Of::Entered, ".prices", json!([1, 2])),
                (Of::Entered, ".people", json!([{}, {}])),
                (Of::Entered, ".people[*].name", "value".into()),
                (Of::Execution, ".at", "noon".into()),
            ],
        );
    }
}
