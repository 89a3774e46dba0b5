//! Error handling that both ways of compiling share: `retry(…)`, `try` and `except`.

use crate::Mode;
use crate::options::{Form, Known, Options, error_name};
use crate::refused::{Result, refused, refused_with};
use crate::syntax::{Try, With, call};
use ruff_python_ast::{Expr, ExprCall};
use ruff_text_size::Ranged as _;
use stepwright_json::{Json, Object};

/// The options of `retry`.
const RETRY: &[Known] = &[
    ("on_exceptions", Form::Errors),
    ("interval", Form::Number),
    ("max_attempts", Form::Number),
    ("backoff_rate", Form::Number),
];

/// Checks the rules for every `try`.
pub(crate) fn check_try(inner: &Try<'_>) -> Result<()> {
    if inner.body.len() != 1 {
        return refused_with(
            inner.range,
            "one task at a time can have its exceptions handled",
            "write a `try` around each task",
        );
    }
    if let Some(first) = inner.orelse.first() {
        return refused(
            first.range(),
            "the `else` of a `try` is not supported: let it follow the `try`",
        );
    }
    if let Some(first) = inner.finalbody.first() {
        return refused(first.range(), "`finally` is not supported: let it follow the `try`");
    }
    if inner.handlers.is_empty() {
        return refused(inner.range, "a `try` has at least one `except`");
    }
    Ok(())
}

/// The call of `retry` in a `with` statement.
pub(crate) fn retry_call<'a>(with: &With<'a>, mode: Mode) -> Result<&'a ExprCall> {
    if mode == Mode::Documented
        && let Some(item) = with.items.get(1)
    {
        return refused(item.range(), "`with` takes one `retry(…)`");
    }
    if mode == Mode::Documented
        && let Some(name) = with.items.first().and_then(|item| item.optional_vars.as_ref())
    {
        return refused(name.range(), "`retry(…)` gives nothing that could have a name");
    }
    match with.items.first().and_then(|item| call(&item.context_expr)) {
        Some(("retry", retry)) => Ok(retry),
        _ => refused(with.range, "the one thing that `with` is for is `retry(…)`"),
    }
}

/// The retrier that `retry(…)` describes.
pub(crate) fn retrier(retry: &ExprCall, mode: Mode) -> Result<Json> {
    let options = Options::read(retry, RETRY)?;
    if mode == Mode::Documented {
        check_retry(&options, retry)?;
    }
    let all = match mode {
        Mode::Compat => "Exception",
        Mode::Documented => "States.ALL",
    };
    let retrier: [(&str, Json); 4] = [
        ("ErrorEquals", options.get_or("on_exceptions", vec![Json::from(all)])),
        ("IntervalSeconds", options.get_or("interval", Json::Int(1))),
        ("MaxAttempts", options.get_or("max_attempts", Json::Int(3))),
        ("BackoffRate", options.get_or("backoff_rate", Json::Float(2.0))),
    ];
    Ok(retrier.into_iter().collect::<Object>().into())
}

/// Refuses what Step Functions does not accept in a retrier.
fn check_retry(options: &Options, retry: &ExprCall) -> Result<()> {
    if let Some(argument) = retry.arguments.args.first() {
        return refused_with(
            argument.range(),
            "retry takes its arguments by name",
            "write `retry(on_exceptions=[KeyError], max_attempts=3)`",
        );
    }
    for (name, least, what) in [
        ("interval", 1, "whole seconds, from 1"),
        ("max_attempts", 0, "a whole number, from 0"),
        ("backoff_rate", 1, "a number, from 1"),
    ] {
        let Some(value) = options.get(name) else { continue };
        let holds = match name {
            "backoff_rate" => value.as_f64().is_some_and(|rate| rate >= 1.0),
            _ => value.as_i64().is_some_and(|value| (least..=99_999_999).contains(&value)),
        };
        if !holds {
            return refused(retry.range(), format!("`{name}` is {what}, not {value}"));
        }
    }
    Ok(())
}

/// The retriers that a task has by default: AWS's advice for Lambda.
pub(crate) fn default_retries(service: &str) -> Vec<Json> {
    if !service.starts_with("lambda") {
        return Vec::new();
    }
    vec![stepwright_json::json!({
        "ErrorEquals": [
            "Lambda.ServiceException",
            "Lambda.AWSLambdaException",
            "Lambda.SdkClientException"
        ],
        "IntervalSeconds": 2,
        "MaxAttempts": 6,
        "BackoffRate": 2
    })]
}

/// The names of the errors that an `except` catches.
pub(crate) fn caught(errors: Option<&Expr>) -> Result<Vec<Json>> {
    match errors {
        None => Ok(vec!["States.ALL".into()]),
        Some(Expr::Tuple(tuple)) => tuple.elts.iter().map(error_name).collect(),
        Some(one) => Ok(vec![error_name(one)?]),
    }
}
