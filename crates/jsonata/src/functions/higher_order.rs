use super::take;
use crate::error::{Fault, Result};
use crate::eval::{Caller, Each, Evaluator};
use crate::map::Map;
use crate::signature::Args;
use crate::value::Value;

pub(super) fn map<'a>(
    evaluator: &mut Evaluator<'a>,
    mut arguments: Args<'a>,
    caller: &Caller<'_, 'a>,
) -> Result<Value<'a>> {
    let function = take(&mut arguments, 1);
    let list = take(&mut arguments, 0);
    let Some(items) = list.items() else { return Ok(Value::Undefined) };
    evaluator.charge_items(items.len())?;
    let mut each = Each::new(&function, caller);
    let mut results = Vec::with_capacity(items.len());
    for (at, item) in items.iter().enumerate() {
        let result = each.call(evaluator, item, || Value::Int(at as i64), &list)?;
        if !result.is_undefined() {
            results.push(result);
        }
    }
    Ok(Value::sequence(results))
}

pub(super) fn filter<'a>(
    evaluator: &mut Evaluator<'a>,
    mut arguments: Args<'a>,
    caller: &Caller<'_, 'a>,
) -> Result<Value<'a>> {
    let function = take(&mut arguments, 1);
    let list = take(&mut arguments, 0);
    let Some(items) = list.items() else { return Ok(Value::Undefined) };
    let mut each = Each::new(&function, caller);
    let mut results = Vec::new();
    for (at, item) in items.iter().enumerate() {
        let result = each.call(evaluator, item.clone(), || Value::Int(at as i64), &list)?;
        if evaluator.is_true(&result)? {
            results.push(item);
        }
    }
    evaluator.charge_items(results.len())?;
    Ok(Value::sequence(results))
}

pub(super) fn single<'a>(
    evaluator: &mut Evaluator<'a>,
    mut arguments: Args<'a>,
    caller: &Caller<'_, 'a>,
) -> Result<Value<'a>> {
    let function = take(&mut arguments, 1);
    let list = take(&mut arguments, 0);
    let Some(items) = list.items() else { return Ok(Value::Undefined) };
    let mut each = (!function.is_undefined()).then(|| Each::new(&function, caller));
    let mut found: Option<Value<'a>> = None;
    for (at, item) in items.iter().enumerate() {
        evaluator.step()?;
        let matches = match &mut each {
            Some(each) => {
                let result = each.call(evaluator, item.clone(), || Value::Int(at as i64), &list)?;
                evaluator.is_true(&result)?
            }
            None => true,
        };
        if matches {
            if found.is_some() {
                return Err(Fault::new("D3138").index(at));
            }
            found = Some(item);
        }
    }
    found.ok_or_else(|| Fault::new("D3139"))
}

pub(super) fn reduce<'a>(
    evaluator: &mut Evaluator<'a>,
    mut arguments: Args<'a>,
    caller: &Caller<'_, 'a>,
) -> Result<Value<'a>> {
    let initial = take(&mut arguments, 2);
    let function = take(&mut arguments, 1);
    let list = take(&mut arguments, 0);
    let Some(items) = list.items() else { return Ok(Value::Undefined) };
    let mut each = Each::new(&function, caller);
    if each.arity < 2 {
        return Err(Fault::new("D3050").index(1));
    }
    let mut rest = items.iter().enumerate();
    let mut result = initial;
    if result.is_undefined() && items.len() > 0 {
        result = rest.next().map(|(_, item)| item).unwrap_or_default();
    }
    for (at, item) in rest {
        let mut arguments = Args::new();
        arguments.push(result);
        arguments.push(item);
        if each.arity >= 3 {
            arguments.push(Value::Int(at as i64));
        }
        if each.arity >= 4 {
            arguments.push(list.clone());
        }
        result = each.call_with(evaluator, arguments)?;
        Evaluator::check_height(&result)?;
    }
    Ok(result)
}

pub(super) fn each<'a>(
    evaluator: &mut Evaluator<'a>,
    mut arguments: Args<'a>,
    caller: &Caller<'_, 'a>,
) -> Result<Value<'a>> {
    let function = take(&mut arguments, 1);
    let object = take(&mut arguments, 0);
    let mut results = Vec::new();
    if let Some(members) = object.members() {
        let mut each = Each::new(&function, caller);
        for (key, value) in members.iter() {
            let result = each.call(evaluator, value, || Value::text(key.clone()), &object)?;
            if !result.is_undefined() {
                results.push(result);
            }
        }
    }
    evaluator.charge_items(results.len())?;
    Ok(Value::sequence(results))
}

pub(super) fn sift<'a>(
    evaluator: &mut Evaluator<'a>,
    mut arguments: Args<'a>,
    caller: &Caller<'_, 'a>,
) -> Result<Value<'a>> {
    let function = take(&mut arguments, 1);
    let object = take(&mut arguments, 0);
    let Some(members) = object.members() else { return Ok(Value::Undefined) };
    let mut each = Each::new(&function, caller);
    let mut map = Map::with_capacity(members.len());
    evaluator.charge(members.len() * 56)?;
    for (key, value) in members.iter() {
        let result = each.call(evaluator, value.clone(), || Value::text(key.clone()), &object)?;
        if evaluator.is_true(&result)? {
            map.push_new(key.clone(), value);
        }
    }
    Ok(if map.len() == 0 { Value::Undefined } else { Value::object(map) })
}
