//! Converts Python literals to JSON.

use crate::printer;
use crate::refused::{Result, refused};
use crate::syntax::text;
use ruff_python_ast::{Expr, Number, UnaryOp};
use ruff_text_size::Ranged as _;
use std::fmt::Write as _;
use stepwright_json::{Json, Object, Str};

/// The value of a literal: numbers, strings, booleans, `None`, lists, tuples and dicts.
pub(crate) fn evaluate(expression: &Expr) -> Result<Json> {
    match expression {
        Expr::List(list) => {
            list.elts.iter().map(evaluate).collect::<Result<Vec<_>>>().map(Json::from)
        }
        Expr::Tuple(tuple) => {
            tuple.elts.iter().map(evaluate).collect::<Result<Vec<_>>>().map(Json::from)
        }
        Expr::Dict(dict) => {
            // In Python, `True`, `1` and `1.0` are the same key, and the first one's spelling is
            // kept.
            let mut known: Vec<(Json, Str)> = Vec::new();
            let mut object = Object::new();
            for item in &dict.items {
                let Some(key) = &item.key else { return unusable(expression) };
                let same = same_key(&evaluate(key)?);
                let name = match known.iter().find(|(known, _)| *known == same) {
                    Some((_, name)) => name.clone(),
                    None => {
                        let name = key_of(key)?;
                        known.push((same, name.clone()));
                        name
                    }
                };
                object.insert(name, evaluate(&item.value)?);
            }
            Ok(object.into())
        }
        Expr::UnaryOp(operation) => {
            let number = match &*operation.operand {
                Expr::NumberLiteral(literal) => number(&literal.value),
                _ => None,
            };
            match (operation.op, number) {
                (UnaryOp::UAdd, Some(number)) => Ok(number),
                (UnaryOp::USub, Some(number)) => Ok(negative(&number)),
                _ => unusable(expression),
            }
        }
        _ => match constant(expression) {
            Some(value) => Ok(value),
            None => unusable(expression),
        },
    }
}

fn unusable<T>(expression: &Expr) -> Result<T> {
    refused(
        expression.range(),
        "only values that JSON has can be put into the data: numbers, texts, True, False, None, \
         lists and dicts of them",
    )
}

/// A number, string, boolean or `None`.
pub(crate) fn constant(expression: &Expr) -> Option<Json> {
    match expression {
        Expr::NumberLiteral(literal) => number(&literal.value),
        Expr::BooleanLiteral(literal) => Some(Json::Bool(literal.value)),
        Expr::NoneLiteral(_) => Some(Json::Null),
        _ => text(expression).map(Json::from),
    }
}

/// A number. JSON has no complex numbers.
pub(crate) fn number(number: &Number) -> Option<Json> {
    match number {
        Number::Int(int) => Some(match int.as_i64() {
            Some(small) => Json::Int(small),
            None => stepwright_json::parse(&printer::number(number)).ok()?,
        }),
        Number::Float(float) => Some(Json::Float(*float)),
        Number::Complex { .. } => None,
    }
}

fn negative(number: &Json) -> Json {
    match number {
        Json::Int(int) => Json::Int(-int),
        Json::Float(float) => Json::Float(-float),
        other => stepwright_json::parse(&format!("-{other}")).unwrap_or_default(),
    }
}

/// The canonical form of a key: equal for equal keys.
fn same_key(key: &Json) -> Json {
    match key {
        Json::Bool(flag) => Json::Int(i64::from(*flag)),
        Json::Float(float) if float.fract() == 0.0 && float.abs() < 9e15 => {
            Json::Int(*float as i64)
        }
        other => other.clone(),
    }
}

/// A key as Python's `json` writes it.
fn key_of(key: &Expr) -> Result<Str> {
    Ok(match evaluate(key)? {
        Json::String(text) => text,
        Json::Bool(flag) => if flag { "true" } else { "false" }.into(),
        Json::Null => "null".into(),
        Json::Float(float) => rustpython_literal::float::to_string(float).into(),
        Json::Array(_) | Json::Object(_) => return unusable(key),
        number => number.to_string().into(),
    })
}

/// JSON as Python's `json.dumps` writes it.
pub(crate) fn dumps(value: &Json) -> String {
    match value {
        Json::Array(items) => {
            let items: Vec<String> = items.iter().map(dumps).collect();
            format!("[{}]", items.join(", "))
        }
        Json::Object(members) => {
            let members: Vec<String> = members
                .iter()
                .map(|(key, value)| format!("{}: {}", quoted(key), dumps(value)))
                .collect();
            format!("{{{}}}", members.join(", "))
        }
        Json::String(text) => quoted(text),
        Json::Float(float) => rustpython_literal::float::to_string(*float),
        other => other.to_string(),
    }
}

fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            ' '..='~' => out.push(c),
            other => {
                for unit in other.encode_utf16(&mut [0; 2]) {
                    write!(out, "\\u{unit:04x}").expect("strings grow");
                }
            }
        }
    }
    out.push('"');
    out
}
