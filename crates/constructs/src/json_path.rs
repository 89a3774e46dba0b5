//! Values taken from the execution: paths, the context object, intrinsic functions.

use crate::param::{At, kind};
use crate::text::Text;
use crate::value::Value;

/// Refers to text at a path: `string_at("$.order.id")`.
pub fn string_at(path: &str) -> At<kind::Text> {
    At::new(path)
}

/// Refers to a number at a path.
pub fn number_at(path: &str) -> At<kind::Number> {
    At::new(path)
}

/// Refers to a boolean at a path.
pub fn flag_at(path: &str) -> At<kind::Flag> {
    At::new(path)
}

/// Refers to a list at a path.
pub fn list_at(path: &str) -> At<kind::List> {
    At::new(path)
}

/// Refers to an object at a path.
pub fn object_at(path: &str) -> At<kind::Object> {
    At::new(path)
}

/// Refers to any value at a path, or to the value of an expression such as `States.UUID()`.
pub fn value_at(path: &str) -> At<kind::Any> {
    At::new(path)
}

/// For `result_path`: throws the result away, so that the input is passed on.
pub const DISCARD: Discard = Discard;

/// See [`DISCARD`].
#[derive(Clone, Copy, Debug)]
pub struct Discard;

macro_rules! context {
    ($($(#[$doc:meta])* $name:ident: $kind:ident = $path:literal;)*) => {$(
        $(#[$doc])*
        pub fn $name() -> At<kind::$kind> {
            At::new($path)
        }
    )*};
}
context! {
    /// The whole input of the state: `$`.
    entire_payload: Any = "$";
    /// The whole context object: `$$`.
    entire_context: Any = "$$";
    /// The token of the task, with which somebody can report on it.
    task_token: Text = "$$.Task.Token";
    /// The ARN of the execution.
    execution_id: Text = "$$.Execution.Id";
    /// The input of the execution.
    execution_input: Any = "$$.Execution.Input";
    /// The name of the execution.
    execution_name: Text = "$$.Execution.Name";
    /// The ARN of the role of the execution.
    execution_role_arn: Text = "$$.Execution.RoleArn";
    /// When the execution was started.
    execution_start_time: Text = "$$.Execution.StartTime";
    /// When the state was entered.
    state_entered_time: Text = "$$.State.EnteredTime";
    /// The name of the state.
    state_name: Text = "$$.State.Name";
    /// How often the state has been retried.
    state_retry_count: Number = "$$.State.RetryCount";
    /// The ARN of the state machine.
    state_machine_id: Text = "$$.StateMachine.Id";
    /// The name of the state machine.
    state_machine_name: Text = "$$.StateMachine.Name";
}

/// `States.Array`: a list of the values.
pub fn array<T: Into<Value>>(values: impl IntoIterator<Item = T>) -> At<kind::List> {
    call("Array", values.into_iter().map(Into::into))
}

/// `States.ArrayPartition`: the list in chunks of `size`.
pub fn array_partition(list: impl Into<Value>, size: impl Into<Value>) -> At<kind::List> {
    call("ArrayPartition", [list.into(), size.into()])
}

/// `States.ArrayContains`: whether the list contains `value`.
pub fn array_contains(list: impl Into<Value>, value: impl Into<Value>) -> At<kind::Flag> {
    call("ArrayContains", [list.into(), value.into()])
}

/// `States.ArrayRange`: the numbers from `start` to `end` by `step`.
pub fn array_range(
    start: impl Into<Value>,
    end: impl Into<Value>,
    step: impl Into<Value>,
) -> At<kind::List> {
    call("ArrayRange", [start.into(), end.into(), step.into()])
}

/// `States.ArrayGetItem`: the item at `index`, from 0.
pub fn array_get_item(list: impl Into<Value>, index: impl Into<Value>) -> At<kind::Any> {
    call("ArrayGetItem", [list.into(), index.into()])
}

/// `States.ArrayLength`: the number of items.
pub fn array_length(list: impl Into<Value>) -> At<kind::Number> {
    call("ArrayLength", [list.into()])
}

/// `States.ArrayUnique`: the list without repetitions.
pub fn array_unique(list: impl Into<Value>) -> At<kind::List> {
    call("ArrayUnique", [list.into()])
}

/// `States.Base64Encode`
pub fn base64_encode(text: impl Into<Value>) -> At<kind::Text> {
    call("Base64Encode", [text.into()])
}

/// `States.Base64Decode`
pub fn base64_decode(text: impl Into<Value>) -> At<kind::Text> {
    call("Base64Decode", [text.into()])
}

/// `States.Hash`: `algorithm` is `MD5`, `SHA-1`, `SHA-256`, `SHA-384` or `SHA-512`.
pub fn hash(data: impl Into<Value>, algorithm: impl Into<Value>) -> At<kind::Text> {
    call("Hash", [data.into(), algorithm.into()])
}

/// `States.JsonMerge`: the members of both objects. Those of `second` take precedence.
pub fn json_merge(first: impl Into<Value>, second: impl Into<Value>) -> At<kind::Object> {
    call("JsonMerge", [first.into(), second.into(), false.into()])
}

/// `States.StringToJson`: parses JSON text.
pub fn string_to_json(text: impl Into<Value>) -> At<kind::Any> {
    call("StringToJson", [text.into()])
}

/// `States.JsonToString`: a value as JSON text.
pub fn json_to_string(value: impl Into<Value>) -> At<kind::Text> {
    call("JsonToString", [value.into()])
}

/// `States.MathRandom`: a random number from `start` to below `end`.
pub fn math_random(start: impl Into<Value>, end: impl Into<Value>) -> At<kind::Number> {
    call("MathRandom", [start.into(), end.into()])
}

/// `States.MathAdd`: the sum.
pub fn math_add(first: impl Into<Value>, second: impl Into<Value>) -> At<kind::Number> {
    call("MathAdd", [first.into(), second.into()])
}

/// `States.StringSplit`: the parts of the text between the characters of `splitter`.
pub fn string_split(text: impl Into<Value>, splitter: impl Into<Value>) -> At<kind::List> {
    call("StringSplit", [text.into(), splitter.into()])
}

/// `States.UUID`: a random identifier.
pub fn uuid() -> At<kind::Text> {
    call("UUID", [])
}

/// `States.Format`: the template with each `{}` replaced by the next value.
///
/// ```
/// use stepwright_constructs::prelude::*;
///
/// let text = format_text("{}/{}", [execution_name(), string_at("$.id")]);
/// assert_eq!(text.expression(), "States.Format('{}/{}', $$.Execution.Name, $.id)");
/// ```
pub fn format_text<T: Into<Value>>(
    template: impl Into<Value>,
    values: impl IntoIterator<Item = T>,
) -> At<kind::Text> {
    call("Format", std::iter::once(template.into()).chain(values.into_iter().map(Into::into)))
}

fn call<K>(function: &str, arguments: impl IntoIterator<Item = Value>) -> At<K> {
    let mut expression = Text::from(format!("States.{function}("));
    for (index, value) in arguments.into_iter().enumerate() {
        expression = expression.and(if index == 0 { "" } else { ", " }).and(argument(&value));
    }
    At::new(expression.and(")"))
}

/// The value as an argument of an intrinsic function.
///
/// Lists and objects cannot be written as arguments. They become text that the check of expressions
/// refuses.
fn argument(value: &Value) -> Text {
    match value {
        Value::Expression(expression) => expression.clone(),
        Value::Text(text) => quote(text),
        Value::Input => "$".into(),
        other => other.to_json(crate::QueryLanguage::JsonPath).to_string().into(),
    }
}

/// Quotes text with single quotes. A backslash before a brace is kept, because templates escape
/// braces in this way.
fn quote(text: &Text) -> Text {
    let escaped = text.map_literals(|literal| {
        let mut escaped = String::new();
        let mut characters = literal.chars().peekable();
        while let Some(character) = characters.next() {
            match character {
                '\'' => escaped.push_str("\\'"),
                '\\' if !matches!(characters.peek(), Some('{' | '}')) => escaped.push_str("\\\\"),
                other => escaped.push(other),
            }
        }
        escaped
    });
    Text::from("'").and(escaped).and("'")
}
