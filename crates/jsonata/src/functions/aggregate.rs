use crate::error::Result;
use crate::eval::{Caller, Evaluator};
use crate::number::{Number, SAFE};
use crate::signature::Args;
use crate::value::{Items, Value};
use stepwright_json::Json;

pub(super) fn count<'a>(
    _: &mut Evaluator<'a>,
    arguments: Args<'a>,
    _: &Caller<'_, 'a>,
) -> Result<Value<'a>> {
    let count = arguments.first().and_then(Value::items).map_or(0, Items::len);
    Ok(Value::Int(count as i64))
}

/// The sum of `items`, in integers as long as they are exact.
fn total(items: Items<'_, '_>) -> Number {
    match items {
        Items::Json(items) => sum_of(items.iter().map(|json| match json {
            Json::Int(value) => Number::Int(*value),
            Json::Float(value) => Number::Float(*value),
            other => Number::Float(other.as_f64().unwrap_or(f64::NAN)),
        })),
        Items::Made(items) => {
            sum_of(items.iter().map(|item| item.number().unwrap_or(Number::Float(f64::NAN))))
        }
    }
}

#[inline]
fn sum_of(mut numbers: impl Iterator<Item = Number>) -> Number {
    let mut whole = 0i64;
    for number in numbers.by_ref() {
        let sum = match number {
            Number::Int(value) if value.unsigned_abs() <= SAFE as u64 => whole.checked_add(value),
            _ => None,
        };
        match sum {
            Some(sum) if sum.unsigned_abs() <= SAFE as u64 => whole = sum,
            _ => {
                let start = whole as f64 + number.as_f64();
                return Number::Float(numbers.fold(start, |sum, number| sum + number.as_f64()));
            }
        }
    }
    Number::Int(whole)
}

pub(super) fn sum<'a>(
    evaluator: &mut Evaluator<'a>,
    arguments: Args<'a>,
    _: &Caller<'_, 'a>,
) -> Result<Value<'a>> {
    let Some(items) = arguments.first().and_then(Value::items) else {
        return Ok(Value::Undefined);
    };
    evaluator.steps(items.len() / 8)?;
    Ok(total(items).into())
}

pub(super) fn average<'a>(
    evaluator: &mut Evaluator<'a>,
    arguments: Args<'a>,
    _: &Caller<'_, 'a>,
) -> Result<Value<'a>> {
    match arguments.first().and_then(Value::items) {
        Some(items) if items.len() > 0 => {
            evaluator.steps(items.len() / 8)?;
            Ok(Value::float(total(items).as_f64() / items.len() as f64))
        }
        _ => Ok(Value::Undefined),
    }
}

fn extreme<'a>(
    evaluator: &mut Evaluator<'a>,
    arguments: &Args<'a>,
    better: fn(f64, f64) -> bool,
) -> Result<Value<'a>> {
    let Some(items) = arguments.first().and_then(Value::items) else {
        return Ok(Value::Undefined);
    };
    evaluator.steps(items.len() / 8)?;
    let mut best: Option<f64> = None;
    for item in items.iter() {
        let value = item.number().map_or(f64::NAN, Number::as_f64);
        if best.is_none_or(|best| better(value, best) || value.is_nan()) {
            best = Some(value);
        }
    }
    Ok(best.map(Value::float).unwrap_or_default())
}

pub(super) fn max<'a>(
    evaluator: &mut Evaluator<'a>,
    arguments: Args<'a>,
    _: &Caller<'_, 'a>,
) -> Result<Value<'a>> {
    extreme(evaluator, &arguments, |value, best| value > best)
}

pub(super) fn min<'a>(
    evaluator: &mut Evaluator<'a>,
    arguments: Args<'a>,
    _: &Caller<'_, 'a>,
) -> Result<Value<'a>> {
    extreme(evaluator, &arguments, |value, best| value < best)
}
