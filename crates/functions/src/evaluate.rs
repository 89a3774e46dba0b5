//! Evaluates the CDK's `EvaluateExpression`: a JavaScript expression in which paths stand for
//! values. No function is needed for it.
//!
//! The CDK deploys a small Node.js function that replaces each path by the JSON of its value and
//! calls `eval`. A built-in JavaScript engine does the same here, with limits on time and memory
//! and without access to the machine.

use crate::answer::Answer;
use rquickjs::promise::MaybePromise;
use rquickjs::{CatchResultExt as _, CaughtError, Context, Runtime};
use std::time::{Duration, Instant};
use stepwright_json::{Json, Object};

/// The time limit of an expression: that of the CDK's function, which has Lambda's default.
pub(crate) const TIME_LIMIT: Duration = Duration::from_secs(3);

/// The memory limit of an expression, in bytes.
const MEMORY_LIMIT: usize = 64 << 20;

/// The stack limit of an expression, in bytes.
const STACK_LIMIT: usize = 512 << 10;

/// A request to the function of `EvaluateExpression`.
#[derive(Debug)]
pub(crate) struct Expression<'a> {
    expression: &'a str,
    values: &'a Object,
}

impl<'a> Expression<'a> {
    /// Recognises a payload that has `expression`, `expressionAttributeValues`, and nothing else.
    pub(crate) fn of(payload: &'a Json) -> Option<Self> {
        let members = payload.as_object()?;
        let expression = members.get("expression")?.as_str()?;
        let values = members.get("expressionAttributeValues")?.as_object()?;
        (members.len() == 2).then_some(Self { expression, values })
    }

    /// The expression, with each path replaced by the JSON of its value.
    fn script(&self) -> String {
        let mut script = String::with_capacity(self.expression.len());
        let mut rest = self.expression;
        while let Some(at) = rest.find('$') {
            let (before, from) = rest.split_at(at);
            script.push_str(before);
            let longest = self
                .values
                .iter()
                .filter(|(path, _)| path.starts_with('$') && from.starts_with(path.as_str()))
                .max_by_key(|(path, _)| path.len());
            rest = match longest {
                Some((path, value)) => {
                    script.push_str(&value.to_string());
                    &from[path.len()..]
                }
                None => {
                    script.push('$');
                    &from[1..]
                }
            };
        }
        script.push_str(rest);
        script
    }

    /// Evaluates the expression. Blocks until it has ended or its time is up.
    pub(crate) fn evaluate(&self, request_id: &str, time_limit: Duration) -> Answer {
        let end = Instant::now() + time_limit;
        match run(self.script(), end) {
            Ok(json) => Answer::returned(json),
            Err(_) if Instant::now() >= end => Answer::timed_out(request_id, time_limit),
            Err(thrown) => Answer::error(&thrown.name, thrown.message),
        }
    }
}

/// What a script threw.
struct Thrown {
    name: String,
    message: String,
}

impl From<CaughtError<'_>> for Thrown {
    fn from(caught: CaughtError<'_>) -> Self {
        match caught {
            CaughtError::Exception(exception) => {
                let name = exception.get::<_, String>("name").unwrap_or_else(|_| "Error".into());
                Self { name, message: exception.message().unwrap_or_default() }
            }
            CaughtError::Value(value) => {
                let text = value.get::<rquickjs::Coerced<String>>();
                Self { name: "string".into(), message: text.map(|text| text.0).unwrap_or_default() }
            }
            CaughtError::Error(error) => Self { name: "Error".into(), message: error.to_string() },
        }
    }
}

/// Runs a script and returns its value as JSON, written as Node.js's runtime on Lambda writes it.
fn run(script: String, end: Instant) -> Result<String, Thrown> {
    let broken = |error: rquickjs::Error| Thrown {
        name: "Runtime.ExitError".to_owned(),
        message: format!("the expression could not be evaluated: {error}"),
    };
    let runtime = Runtime::new().map_err(broken)?;
    runtime.set_memory_limit(MEMORY_LIMIT);
    runtime.set_max_stack_size(STACK_LIMIT);
    runtime.set_interrupt_handler(Some(Box::new(move || Instant::now() >= end)));
    let context = Context::full(&runtime).map_err(broken)?;
    context.with(|ctx| {
        let value = ctx
            .eval::<MaybePromise<'_>, _>(script)
            .and_then(|value| value.finish::<rquickjs::Value<'_>>())
            .catch(&ctx)?;
        let text = ctx.json_stringify(value).catch(&ctx)?;
        let text = text.map(|text| text.to_string().catch(&ctx)).transpose()?;
        // A value without JSON, such as `undefined` or a function, becomes `null`.
        Ok(text.unwrap_or_else(|| "null".to_owned()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use stepwright_json::json;

    #[track_caller]
    fn check(expression: &str, values: Json, expected: Json) {
        let payload = json!({"expression": expression, "expressionAttributeValues": values});
        let expression = Expression::of(&payload).expect("it is a request");
        let answer = expression.evaluate("id", Duration::from_millis(300));
        assert_eq!(stepwright_json::parse_bytes(&answer.payload).unwrap(), expected);
    }

    #[test]
    fn paths_stand_for_values() {
        check("$.waitMilliseconds / 1000", json!({"$.waitMilliseconds": 5000}), Json::Int(5));
        check(
            "`Now waiting ${$.waitSeconds} seconds...`",
            json!({"$.waitSeconds": 5}),
            json!("Now waiting 5 seconds..."),
        );
        check("$.a + $.ab", json!({"$.a": 1, "$.ab": 10}), Json::Int(11));
        check("$.name.toUpperCase()", json!({"$.name": "it's \"me\""}), json!("IT'S \"ME\""));
        check("$.xs.map(x => x * 2)", json!({"$.xs": [1, 2.5]}), json!([2, 5]));
        check("({sum: $['a'][0] + 1})", json!({"$['a'][0]": 1}), json!({"sum": 2}));
        check("let a = 2; a ** 3", json!({}), Json::Int(8));
        check("'cost: $' + 5", json!({}), json!("cost: $5"));
        check("undefined", json!({}), Json::Null);
        check("(async () => 7)()", json!({}), Json::Int(7));
        check("new Date(0).toISOString()", json!({}), json!("1970-01-01T00:00:00.000Z"));
    }

    #[test]
    fn what_goes_wrong_is_an_error_of_the_function() {
        check(
            "nobody + 1",
            json!({}),
            json!({"errorType": "ReferenceError", "errorMessage": "nobody is not defined"}),
        );
        check(
            "throw new TypeError('no')",
            json!({}),
            json!({"errorType": "TypeError", "errorMessage": "no"}),
        );
        check("throw 'text'", json!({}), json!({"errorType": "string", "errorMessage": "text"}));
        check(
            "process.exit(1)",
            json!({}),
            json!({"errorType": "ReferenceError", "errorMessage": "process is not defined"}),
        );
    }

    #[track_caller]
    fn check_error(expression: &str, expected: &str) {
        let payload = json!({"expression": expression, "expressionAttributeValues": {}});
        let expression = Expression::of(&payload).expect("it is a request");
        let answer = expression.evaluate("id", Duration::from_millis(300));
        let text = String::from_utf8_lossy(&answer.payload).into_owned();
        assert!(answer.is_error && text.contains(expected), "{text}");
    }

    #[test]
    fn nothing_goes_on_for_ever() {
        check_error("for (;;) {}", "Task timed out after 0.30 seconds");
        check_error("let x = ['a']; for (;;) x = x.concat(x)", "errorMessage");
        check_error("(function f() { return f() })()", "errorMessage");
        check_error("'a'.repeat(1e12)", "errorMessage");
        check_error("(((((", "SyntaxError");
        check_error("new Promise(() => {})", "errorMessage");
    }

    #[test]
    fn other_payloads_are_not_taken_for_expressions() {
        for payload in [
            json!({"expression": "1"}),
            json!({"expression": 1, "expressionAttributeValues": {}}),
            json!({"expression": "1", "expressionAttributeValues": {}, "more": 1}),
            json!([1]),
        ] {
            assert!(Expression::of(&payload).is_none());
        }
    }
}
