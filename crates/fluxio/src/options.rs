//! Keyword arguments of task calls, `map`, `retry` and decorators.

use crate::literal;
use crate::refused::{Result, refused, refused_with};
use crate::syntax::{name, text};
use ruff_python_ast::{Expr, ExprCall};
use ruff_text_size::Ranged as _;
use std::collections::BTreeMap;
use stepwright_json::{Json, Object, Str};

/// The kind of value that an option takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Text,
    Number,
    /// A dict of literals.
    Dict,
    /// A dict of literals and of parts of `data`.
    DataDict,
    /// A list of exception classes.
    Errors,
    /// `True` or `False`. The original accepts neither.
    Flag,
    /// The name of a class.
    Class,
}

/// A known option: its name, and the kind of its value.
pub(crate) type Known = (&'static str, Form);

/// The options that a call gives.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    given: BTreeMap<&'static str, Json>,
}

impl Options {
    /// Reads the keyword arguments of a call.
    pub(crate) fn read(call: &ExprCall, known: &[Known]) -> Result<Self> {
        let mut given = BTreeMap::new();
        for keyword in &call.arguments.keywords {
            let known_names = || known.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
            let found = keyword
                .arg
                .as_ref()
                .and_then(|written| known.iter().find(|(name, _)| *name == written.as_str()));
            let Some((name, form)) = found else {
                let what = keyword.arg.as_ref().map_or("**", |name| name.as_str());
                let message = format!("there is no option `{what}` here");
                return refused_with(
                    keyword.range(),
                    message,
                    format!("options: {}", known_names()),
                );
            };
            given.insert(*name, read(name, *form, &keyword.value)?);
        }
        Ok(Self { given })
    }

    /// The value of an option that is given.
    pub(crate) fn get(&self, name: &str) -> Option<&Json> {
        self.given.get(name)
    }

    /// The value of an option, or a default.
    pub(crate) fn get_or(&self, name: &str, default: impl Into<Json>) -> Json {
        self.get(name).cloned().unwrap_or_else(|| default.into())
    }
}

fn read(option: &str, form: Form, value: &Expr) -> Result<Json> {
    let wrong = |what: &str| refused(value.range(), format!("the option `{option}` is {what}"));
    match (form, value) {
        (Form::Text, _) => text(value).map_or_else(|| wrong("a text"), |text| Ok(text.into())),
        (Form::Number, Expr::NumberLiteral(literal)) => {
            literal::number(&literal.value).map_or_else(|| wrong("a number"), Ok)
        }
        (Form::Number, _) => wrong("a number that is written down"),
        (Form::Dict, Expr::Dict(_)) => literal::evaluate(value),
        (Form::DataDict, Expr::Dict(_)) => data_dict(value),
        (Form::Dict | Form::DataDict, _) => wrong("a dict"),
        (Form::Errors, Expr::List(list)) => {
            list.elts.iter().map(error_name).collect::<Result<Vec<_>>>().map(Json::from)
        }
        (Form::Errors, _) => wrong("a list of exception classes"),
        (Form::Flag, Expr::BooleanLiteral(literal)) => Ok(Json::Bool(literal.value)),
        (Form::Flag, _) => wrong("True or False"),
        (Form::Class, _) => {
            name(value).map_or_else(|| wrong("the name of a class"), |name| Ok(name.into()))
        }
    }
}

/// The name of an exception: `KeyError` or `States.Timeout`.
pub(crate) fn error_name(expression: &Expr) -> Result<Json> {
    if let Some(name) = name(expression) {
        return Ok(name.into());
    }
    if let Expr::Attribute(attribute) = expression
        && name(&attribute.value) == Some("States")
    {
        return Ok(format!("States.{}", attribute.attr).into());
    }
    refused_with(
        expression.range(),
        "an exception is a class by its name alone, or one of `States`",
        "write `KeyError` or `States.Timeout`",
    )
}

/// The JSONPath of a reference to a part of the data: `data['a']` is `$['a']`.
pub(crate) fn path(expression: &Expr, place: crate::printer::Place) -> Str {
    let source = crate::printer::expression(expression, place);
    match source.strip_prefix("data") {
        Some(rest) => format!("${rest}").into(),
        None => source.into(),
    }
}

/// A dict that may contain parts of the data. Where the original looks for them, the key gets the
/// suffix `.$` that marks a path. Inside a dict that is itself a value, it does not look.
fn data_dict(expression: &Expr) -> Result<Json> {
    let Expr::Dict(dict) = expression else { return within(expression) };
    let mut object = Object::new();
    for item in &dict.items {
        let Some(key) = item.key.as_ref().and_then(text) else {
            return refused(expression.range(), "the keys of this dict are texts");
        };
        match &item.value {
            Expr::Subscript(_) => {
                object.insert(
                    format!("{key}.$"),
                    path(&item.value, crate::printer::Place::Alone).into(),
                );
            }
            Expr::Dict(inner) => {
                let mut members = Object::new();
                for item in &inner.items {
                    let Some(key) = item.key.as_ref().and_then(text) else {
                        return refused(expression.range(), "the keys of this dict are texts");
                    };
                    members.insert(key, data_dict(&item.value)?);
                }
                object.insert(key, members.into());
            }
            other => {
                object.insert(key, within(other)?);
            }
        }
    }
    Ok(object.into())
}

fn within(expression: &Expr) -> Result<Json> {
    match expression {
        Expr::Subscript(_) => Ok(path(expression, crate::printer::Place::Alone).into()),
        Expr::List(list) => {
            list.elts.iter().map(data_dict).collect::<Result<Vec<_>>>().map(Json::from)
        }
        other => literal::evaluate(other),
    }
}
