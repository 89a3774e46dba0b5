use super::number_at;
use crate::datetime::{self, integer};
use crate::error::{Fault, Result};
use crate::eval::{Caller, Evaluator};
use crate::signature::Args;
use crate::value::Value;

/// Counts what pictures and texts cost. Separators in a picture are compared with each other.
fn charge<'a>(evaluator: &mut Evaluator<'a>, arguments: &Args<'a>) -> Result<()> {
    for argument in arguments {
        if let Some(text) = argument.as_str() {
            evaluator.charge(text.len().saturating_mul(16))?;
            evaluator.steps(16 + squared(text.len()))?;
        }
    }
    Ok(())
}

/// What comparing everything in a text of this length with everything costs.
pub(super) fn squared(length: usize) -> usize {
    length.saturating_mul(length) / 64 + length / 4
}

/// What it costs to make the regular expression of a picture.
const EXPRESSION: usize = 2_000;

pub(super) fn format_integer<'a>(
    evaluator: &mut Evaluator<'a>,
    arguments: Args<'a>,
    _: &Caller<'_, 'a>,
) -> Result<Value<'a>> {
    charge(evaluator, &arguments)?;
    let Some(value) = number_at(&arguments, 0) else { return Ok(Value::Undefined) };
    let picture = arguments.get(1).and_then(Value::as_str).unwrap_or_default();
    let format = integer::Format::new(picture)?;
    evaluator.text(integer::write(value.floor(), &format)?)
}

pub(super) fn parse_integer<'a>(
    evaluator: &mut Evaluator<'a>,
    arguments: Args<'a>,
    _: &Caller<'_, 'a>,
) -> Result<Value<'a>> {
    charge(evaluator, &arguments)?;
    let Some(text) = arguments.first().and_then(Value::as_str) else {
        return Ok(Value::Undefined);
    };
    let picture = arguments.get(1).and_then(Value::as_str).unwrap_or_default();
    Ok(Value::float(integer::read(text, &integer::Format::new(picture)?)?))
}

pub(super) fn to_millis<'a>(
    evaluator: &mut Evaluator<'a>,
    arguments: Args<'a>,
    _: &Caller<'_, 'a>,
) -> Result<Value<'a>> {
    charge(evaluator, &arguments)?;
    let Some(text) = arguments.first().and_then(Value::as_str) else {
        return Ok(Value::Undefined);
    };
    let millis = match arguments.get(1).and_then(Value::as_str) {
        Some(picture) => {
            let parts = picture.len() + 8;
            evaluator.steps(EXPRESSION + parts * 32 + text.len().saturating_mul(parts) / 8)?;
            datetime::parse(
                text,
                picture,
                evaluator.environment.now_millis,
                evaluator.dialect.newer(),
            )?
        }
        None => match datetime::parse_iso(text) {
            Some(millis) => Some(millis),
            None => return Err(Fault::new("D3110").value(Some(text.into()))),
        },
    };
    Ok(millis.map(Value::float).unwrap_or_default())
}

pub(super) fn from_millis<'a>(
    evaluator: &mut Evaluator<'a>,
    arguments: Args<'a>,
    _: &Caller<'_, 'a>,
) -> Result<Value<'a>> {
    let Some(millis) = number_at(&arguments, 0) else { return Ok(Value::Undefined) };
    written(evaluator, millis, &arguments, 1)
}

fn written<'a>(
    evaluator: &mut Evaluator<'a>,
    millis: f64,
    arguments: &Args<'a>,
    picture_at: usize,
) -> Result<Value<'a>> {
    charge(evaluator, arguments)?;
    let text = datetime::format(
        millis,
        arguments.get(picture_at).and_then(Value::as_str),
        arguments.get(picture_at + 1).and_then(Value::as_str),
        evaluator.dialect.newer(),
    )?;
    evaluator.text(text)
}

pub(super) fn now<'a>(
    evaluator: &mut Evaluator<'a>,
    arguments: Args<'a>,
    _: &Caller<'_, 'a>,
) -> Result<Value<'a>> {
    let millis = evaluator.environment.now_millis as f64;
    written(evaluator, millis, &arguments, 0)
}

pub(super) fn millis<'a>(
    evaluator: &mut Evaluator<'a>,
    _: Args<'a>,
    _: &Caller<'_, 'a>,
) -> Result<Value<'a>> {
    Ok(Value::Int(evaluator.environment.now_millis))
}
