use super::take;
use crate::error::{Fault, Result};
use crate::eval::{Caller, Evaluator};
use crate::signature::Args;
use crate::value::{Kind, Value};
use stepwright_json::Json;

pub(super) fn boolean_of<'a>(
    evaluator: &mut Evaluator<'a>,
    mut arguments: Args<'a>,
    _: &Caller<'_, 'a>,
) -> Result<Value<'a>> {
    let value = take(&mut arguments, 0);
    if value.is_undefined() {
        return Ok(value);
    }
    Ok(Value::bool(evaluator.is_true(&value)?))
}

pub(super) fn not<'a>(
    evaluator: &mut Evaluator<'a>,
    mut arguments: Args<'a>,
    _: &Caller<'_, 'a>,
) -> Result<Value<'a>> {
    let value = take(&mut arguments, 0);
    if value.is_undefined() {
        return Ok(value);
    }
    Ok(Value::bool(!evaluator.is_true(&value)?))
}

pub(super) fn exists<'a>(
    _: &mut Evaluator<'a>,
    mut arguments: Args<'a>,
    _: &Caller<'_, 'a>,
) -> Result<Value<'a>> {
    Ok(Value::bool(!take(&mut arguments, 0).is_undefined()))
}

pub(super) fn error<'a>(
    _: &mut Evaluator<'a>,
    arguments: Args<'a>,
    _: &Caller<'_, 'a>,
) -> Result<Value<'a>> {
    let message = arguments.first().and_then(Value::as_str).filter(|text| !text.is_empty());
    Err(Fault::new("D3137").text(message.unwrap_or("$error() function evaluated")))
}

pub(super) fn assert<'a>(
    _: &mut Evaluator<'a>,
    arguments: Args<'a>,
    _: &Caller<'_, 'a>,
) -> Result<Value<'a>> {
    if arguments.first().is_some_and(Value::is_truthy) {
        return Ok(Value::Undefined);
    }
    let message = arguments.get(1).and_then(Value::as_str).filter(|text| !text.is_empty());
    Err(Fault::new("D3141").text(message.unwrap_or("$assert() statement failed")))
}

pub(super) fn type_of<'a>(
    _: &mut Evaluator<'a>,
    mut arguments: Args<'a>,
    _: &Caller<'_, 'a>,
) -> Result<Value<'a>> {
    Ok(Value::text(match take(&mut arguments, 0).kind() {
        Kind::Undefined => return Ok(Value::Undefined),
        Kind::Null => "null",
        Kind::Bool(_) => "boolean",
        Kind::Number(number) if number.as_f64().is_infinite() => {
            return Err(Fault::new("D1001").value(Some(Json::Float(number.as_f64()))));
        }
        Kind::Number(_) => "number",
        Kind::Text(_) => "string",
        Kind::Array(_) => "array",
        Kind::Object(_) => "object",
        Kind::Function => "function",
    }))
}

pub(super) fn clone_of<'a>(
    evaluator: &mut Evaluator<'a>,
    mut arguments: Args<'a>,
    _: &Caller<'_, 'a>,
) -> Result<Value<'a>> {
    let value = take(&mut arguments, 0);
    if value.is_undefined() {
        return Ok(value);
    }
    evaluator.own(&value)
}

pub(super) fn eval<'a>(
    evaluator: &mut Evaluator<'a>,
    arguments: Args<'a>,
    caller: &Caller<'_, 'a>,
) -> Result<Value<'a>> {
    let Some(text) = arguments.first().and_then(Value::as_str) else {
        return Ok(Value::Undefined);
    };
    let input = match arguments.get(1) {
        Some(focus) if !focus.is_undefined() => Evaluator::wrapped(focus.clone()),
        _ => caller.input.clone(),
    };
    evaluator.eval_text(text, &input, caller.frame)
}
