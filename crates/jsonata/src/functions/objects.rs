use super::take;
use crate::error::Result;
use crate::eval::{Caller, Evaluator, append};
use crate::map::Map;
use crate::signature::Args;
use crate::stack;
use crate::value::{Items, Kind, Value};
use rustc_hash::FxHashSet;
use stepwright_json::{Json, Object, Str};

pub(super) fn keys<'a>(
    evaluator: &mut Evaluator<'a>,
    mut arguments: Args<'a>,
    _: &Caller<'_, 'a>,
) -> Result<Value<'a>> {
    let mut found = Vec::new();
    let mut seen = FxHashSet::default();
    collect_keys(evaluator, &take(&mut arguments, 0), &mut seen, &mut found)?;
    evaluator.charge_items(found.len())?;
    Ok(Value::sequence(found.into_iter().map(Value::text).collect()))
}

fn collect_keys<'a>(
    evaluator: &mut Evaluator<'a>,
    value: &Value<'a>,
    seen: &mut FxHashSet<Str>,
    found: &mut Vec<Str>,
) -> Result<()> {
    evaluator.step()?;
    match value.kind() {
        Kind::Array(items) => {
            for item in items.iter() {
                stack::deeper(|| collect_keys(evaluator, &item, seen, found))?;
            }
        }
        Kind::Object(members) => {
            evaluator.steps(members.len())?;
            for (key, _) in members.iter() {
                evaluator.look(key.len())?;
                if seen.insert(key.clone()) {
                    found.push(key.clone());
                }
            }
        }
        _ => {}
    }
    Ok(())
}

pub(super) fn lookup<'a>(
    evaluator: &mut Evaluator<'a>,
    arguments: Args<'a>,
    _: &Caller<'_, 'a>,
) -> Result<Value<'a>> {
    let (Some(input), Some(key)) = (arguments.first(), arguments.get(1).and_then(Value::as_str))
    else {
        return Ok(Value::Undefined);
    };
    evaluator.steps(input.items().map_or(0, Items::len))?;
    evaluator.look(key.len())?;
    evaluator.lookup(input, key)
}

pub(super) fn spread<'a>(
    evaluator: &mut Evaluator<'a>,
    mut arguments: Args<'a>,
    _: &Caller<'_, 'a>,
) -> Result<Value<'a>> {
    spread_value(evaluator, take(&mut arguments, 0))
}

fn spread_value<'a>(evaluator: &mut Evaluator<'a>, value: Value<'a>) -> Result<Value<'a>> {
    evaluator.step()?;
    match value.kind() {
        Kind::Array(items) => {
            let mut result = Value::sequence(Vec::new());
            for item in items.iter() {
                let spread = stack::deeper(|| spread_value(evaluator, item))?;
                result = append(evaluator, result, spread)?;
            }
            Ok(result)
        }
        Kind::Object(members) => {
            evaluator.charge(members.len() * 128)?;
            let single = members
                .iter()
                .map(|(key, value)| {
                    let mut map = Map::with_capacity(1);
                    map.push_new(key.clone(), value);
                    Value::object(map)
                })
                .collect();
            Ok(Value::sequence(single))
        }
        _ => Ok(value),
    }
}

/// The members of objects that all are JSON.
fn merge_json<'a>(
    evaluator: &mut Evaluator<'a>,
    items: Items<'_, 'a>,
) -> Result<Option<Value<'a>>> {
    let mut merged: Option<Object> = None;
    for item in items.iter() {
        let Value::Json(Json::Object(object)) = item else { return Ok(None) };
        evaluator.steps(object.len())?;
        evaluator.charge(object.len() * 56)?;
        match &mut merged {
            None => merged = Some(object.clone()),
            Some(merged) => object.iter().for_each(|(key, value)| {
                merged.insert(key.clone(), value.clone());
            }),
        }
    }
    Ok(merged.map(|merged| evaluator.borrow(merged.into())))
}

pub(super) fn merge<'a>(
    evaluator: &mut Evaluator<'a>,
    arguments: Args<'a>,
    _: &Caller<'_, 'a>,
) -> Result<Value<'a>> {
    let Some(items) = arguments.first().and_then(Value::items) else {
        return Ok(Value::Undefined);
    };
    if let Some(merged) = merge_json(evaluator, items)? {
        return Ok(merged);
    }
    let mut merged: Option<Map<'a>> = None;
    for item in items.iter() {
        evaluator.step()?;
        let Some(members) = item.members() else { continue };
        evaluator.steps(members.len())?;
        evaluator.charge(members.len() * 56)?;
        for (key, _) in members.iter() {
            evaluator.look(key.len())?;
        }
        match &mut merged {
            None => {
                let mut map = Map::with_capacity(members.len() + 4);
                members.iter().for_each(|(key, value)| map.push_new(key.clone(), value));
                merged = Some(map);
            }
            Some(map) => {
                members.iter().for_each(|(key, value)| map.insert(key.clone(), value));
            }
        }
    }
    Ok(Value::object(merged.unwrap_or_default()))
}
