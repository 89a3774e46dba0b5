//! What states are made of that documented projects have: their names, waits, failures and catchers.

use crate::data::{self, Reference};
use crate::errors::caught;
use crate::options::Options;
use crate::refused::{Result, refused, refused_with};
use crate::syntax::{self, Handler, call};
use crate::tasks::STARTED_BY;
use ruff_python_ast as ast;
use ruff_python_ast::{Expr, ExprCall};
use ruff_text_size::{Ranged, TextRange};
use stepwright_json::{Json, Object};

/// The longest name of a state, in characters.
const LONGEST_NAME: usize = 80;

/// The longest timeout of a state and the longest wait, in seconds.
pub(crate) const MOST_SECONDS: i64 = 99_999_999;

/// A name that leaves room for more characters within the longest name of a state.
pub(crate) fn shortened(name: &str, room: usize) -> String {
    let most = LONGEST_NAME - room;
    if name.chars().count() <= most {
        return name.to_owned();
    }
    name.chars().take(most - 1).chain(['…']).collect()
}

/// Checks the name that a call gives its state.
pub(crate) fn check_key(options: &Options, at: TextRange) -> Result<()> {
    let Some(key) = options.get("key").and_then(Json::as_str) else { return Ok(()) };
    let length = key.chars().count();
    if length == 0 || length > LONGEST_NAME {
        return refused_with(
            at,
            format!("the key of a state has 1 to {LONGEST_NAME} characters, and this one {length}"),
            "shorten it: what the state does can be said in a comment",
        );
    }
    Ok(())
}

pub(crate) fn typed(kind: &str) -> Object {
    let mut state = Object::new();
    state.insert("Type", kind.into());
    state
}

/// Python's `Exception` stands for all errors, so nothing else is listed beside it.
pub(crate) fn all_or(errors: Vec<Json>) -> Vec<Json> {
    let is_all =
        |error: &Json| matches!(error.as_str(), Some("Exception" | "BaseException" | "States.ALL"));
    if errors.iter().any(is_all) { vec!["States.ALL".into()] } else { errors }
}

/// The output of a state that starts another machine: the data in which the target is set to the
/// data of the other machine, without what belongs to the call.
pub(crate) fn output_of_nested(target: Option<&Reference>, at: TextRange) -> Result<String> {
    let Some(target) = target else { return Ok("{% $states.input %}".to_owned()) };
    let data = "$states.result.Output";
    let result = format!(
        "$type({data}) = 'object' ? $merge([{{}}, $sift({data}, function($v, $k) {{ $not($k in \
         ['{STARTED_BY}', '__trace']) }})]) : {data}"
    );
    match target.assigned(&result) {
        Some(output) => Ok(format!("{{% {output} %}}")),
        None => refused_with(
            at,
            "the result of a state machine goes to a key, not into a list",
            "write `data['key'] = …`",
        ),
    }
}

pub(crate) fn catcher(handler: &Handler<'_>, is_jsonata: bool) -> Result<Json> {
    let errors = all_or(caught(handler.exceptions)?);
    if errors.is_empty() {
        return refused(handler.range, "no exception is named");
    }
    let mut catcher = Object::new();
    catcher.insert("ErrorEquals", errors.into());
    if is_jsonata {
        let output = "{% $merge([$states.input, {'error': $states.errorOutput}]) %}";
        catcher.insert("Output", output.into());
    } else {
        catcher.insert("ResultPath", "$.error".into());
    }
    Ok(catcher.into())
}

pub(crate) fn wait(call: &ExprCall) -> Result<Object> {
    let mut state = typed("Wait");
    if let Some(argument) = call.arguments.args.first() {
        return refused_with(
            argument.range(),
            "wait takes its argument by name",
            "write `wait(seconds=10)`",
        );
    }
    let [keyword] = &call.arguments.keywords[..] else {
        return refused_with(
            call.range(),
            "wait takes one argument",
            "options: seconds, timestamp",
        );
    };
    let value = &keyword.value;
    match keyword.arg.as_ref().map(ast::Identifier::as_str) {
        Some("seconds") => match value {
            Expr::NumberLiteral(_) => match crate::literal::constant(value) {
                Some(Json::Int(seconds)) if seconds <= MOST_SECONDS => {
                    state.insert("Seconds", Json::Int(seconds))
                }
                _ => {
                    let what = format!("seconds are a whole number from 0 to {MOST_SECONDS}");
                    return refused(value.range(), what);
                }
            },
            _ => state.insert("SecondsPath", data::reference(value)?.path().into()),
        },
        Some("timestamp") => match syntax::text(value) {
            Some(text) if stepwright_program::time::parse(text).is_some() => {
                state.insert("Timestamp", text.into())
            }
            Some(text) => {
                return refused_with(
                    value.range(),
                    format!("`{text}` is no point in time"),
                    "write it like `2024-08-18T17:33:00Z`",
                );
            }
            None => state.insert("TimestampPath", data::reference(value)?.path().into()),
        },
        other => {
            let what = format!("wait takes no `{}`", other.unwrap_or("**"));
            return refused_with(keyword.range(), what, "options: seconds, timestamp");
        }
    };
    Ok(state)
}

pub(crate) fn fail(
    exception: Option<&Expr>,
    cause: Option<&Expr>,
    range: TextRange,
) -> Result<Object> {
    let help = "write `raise SomeError('why')`";
    if let Some(cause) = cause {
        return refused(
            cause.range(),
            "an exception has no other as its cause: name why in its text",
        );
    }
    let (error, cause) = match exception {
        Some(Expr::Name(name)) => (name.id.as_str(), None),
        Some(exception) => match call(exception) {
            Some((error, call)) => {
                let keyword = call.arguments.keywords.first().map(Ranged::range);
                let second = call.arguments.args.get(1).map(Expr::range);
                if let Some(at) = second.or(keyword) {
                    return refused_with(at, "an exception takes one text: why it is raised", help);
                }
                (error, call.arguments.args.first())
            }
            None => {
                return refused_with(
                    range,
                    "what is raised is an exception by its name alone",
                    help,
                );
            }
        },
        None => return refused_with(range, "there is no exception to raise again", help),
    };
    let mut state = typed("Fail");
    state.insert("Error", error.into());
    match cause {
        None => {}
        Some(cause) => match syntax::text(cause) {
            Some(text) => {
                state.insert("Cause", text.into());
            }
            None => {
                return refused_with(
                    cause.range(),
                    "the cause is a text that is written down",
                    help,
                );
            }
        },
    }
    Ok(state)
}
