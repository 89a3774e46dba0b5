use super::take;
use crate::error::{Fault, Result};
use crate::eval::{Caller, Each, Evaluator, append, compare_text, merge_sort};
use crate::number::Number;
use crate::signature::Args;
use crate::stack;
use crate::value::{Items, Kind, Value};
use rustc_hash::{FxHashMap, FxHasher};
use smallvec::SmallVec;
use std::hash::{Hash, Hasher};

pub(super) fn append_to<'a>(
    evaluator: &mut Evaluator<'a>,
    mut arguments: Args<'a>,
    _: &Caller<'_, 'a>,
) -> Result<Value<'a>> {
    let second = take(&mut arguments, 1);
    let first = take(&mut arguments, 0);
    // A single value is a sequence of one only together with another.
    append(evaluator, first, second)
}

pub(super) fn zip<'a>(
    evaluator: &mut Evaluator<'a>,
    arguments: Args<'a>,
    _: &Caller<'_, 'a>,
) -> Result<Value<'a>> {
    let length = arguments.iter().map(|list| list.items().map_or(0, Items::len)).min().unwrap_or(0);
    evaluator.steps(length)?;
    evaluator.charge_slots(length.saturating_mul(arguments.len() + 3))?;
    let rows = (0..length)
        .map(|at| {
            let row = arguments
                .iter()
                .map(|list| list.items().and_then(|items| items.get(at)).unwrap_or_default());
            Value::array(row.collect())
        })
        .collect();
    Ok(Value::array(rows))
}

pub(super) fn reverse<'a>(
    evaluator: &mut Evaluator<'a>,
    mut arguments: Args<'a>,
    _: &Caller<'_, 'a>,
) -> Result<Value<'a>> {
    let value = take(&mut arguments, 0);
    match value.items() {
        Some(items) if items.len() > 1 => {
            evaluator.charge_items(items.len())?;
            evaluator.steps(items.len() / 8)?;
            let mut reversed: Vec<Value<'a>> = items.iter().collect();
            reversed.reverse();
            Ok(Value::array(reversed))
        }
        _ => Ok(value),
    }
}

pub(super) fn shuffle<'a>(
    evaluator: &mut Evaluator<'a>,
    mut arguments: Args<'a>,
    _: &Caller<'_, 'a>,
) -> Result<Value<'a>> {
    let value = take(&mut arguments, 0);
    match value.items() {
        Some(items) if items.len() > 1 => {
            evaluator.charge_items(items.len())?;
            evaluator.steps(items.len())?;
            let mut shuffled: Vec<Value<'a>> = items.iter().collect();
            for at in (1..shuffled.len()).rev() {
                let other = (evaluator.chance() * (at + 1) as f64) as usize;
                shuffled.swap(at, other.min(at));
            }
            Ok(Value::array(shuffled))
        }
        _ => Ok(value),
    }
}

pub(super) fn sort<'a>(
    evaluator: &mut Evaluator<'a>,
    mut arguments: Args<'a>,
    caller: &Caller<'_, 'a>,
) -> Result<Value<'a>> {
    let comparator = take(&mut arguments, 1);
    let value = take(&mut arguments, 0);
    let items = match value.items() {
        Some(items) if items.len() > 1 => items,
        _ => return Ok(value),
    };
    evaluator.charge_slots(items.len() * 2)?;
    let mut items: Vec<Value<'a>> = items.iter().collect();
    if comparator.is_undefined() {
        let texts: usize = items.iter().filter_map(Value::as_str).map(str::len).sum();
        evaluator.steps(items.len() * 4 + texts / 16)?;
        sort_plain(&mut items)?;
        return Ok(Value::array(items));
    }
    let mut each = Each::new(&comparator, caller);
    let mut order: Vec<u32> = (0..items.len() as u32).collect();
    merge_sort(&mut order, &mut |a, b| {
        let pair = SmallVec::from_iter([items[a as usize].clone(), items[b as usize].clone()]);
        Ok(each.call_with(evaluator, pair)?.is_truthy())
    })?;
    Ok(Value::array(order.into_iter().map(|at| items[at as usize].clone()).collect()))
}

fn sort_plain(items: &mut [Value<'_>]) -> Result<()> {
    let number = |item: &Value<'_>| item.number().map_or(f64::NAN, Number::as_f64);
    if items.iter().all(|item| item.number().is_some()) {
        if let Some(wrong) = items.iter().find(|item| number(item).is_infinite()) {
            return Err(Fault::new("D1001").value(wrong.shown()));
        }
        items
            .sort_by(|a, b| number(a).partial_cmp(&number(b)).unwrap_or(std::cmp::Ordering::Equal));
        return Ok(());
    }
    if items.iter().all(|item| item.as_str().is_some()) {
        items.sort_by(|a, b| {
            compare_text(a.as_str().unwrap_or_default(), b.as_str().unwrap_or_default())
        });
        return Ok(());
    }
    Err(Fault::new("D3070").index(1))
}

pub(super) fn distinct<'a>(
    evaluator: &mut Evaluator<'a>,
    mut arguments: Args<'a>,
    _: &Caller<'_, 'a>,
) -> Result<Value<'a>> {
    let value = take(&mut arguments, 0);
    let items = match value.items() {
        Some(items) if items.len() > 1 => items,
        _ => return Ok(value),
    };
    evaluator.charge_slots(items.len() * 2)?;
    let mut found: Vec<Value<'a>> = Vec::new();
    let mut places: FxHashMap<u64, SmallVec<[usize; 1]>> = FxHashMap::default();
    for item in items.iter() {
        evaluator.step()?;
        let mut hasher = FxHasher::default();
        let budget = evaluator.steps_left();
        let mut left_over = budget;
        hash(&item, &mut hasher, &mut left_over);
        evaluator.steps(budget - left_over)?;
        let alike = places.entry(hasher.finish()).or_default();
        evaluator.steps(alike.len())?;
        let mut known = false;
        for at in alike.iter() {
            known = known || evaluator.equal(&found[*at], &item)?;
        }
        if !known {
            alike.push(found.len());
            found.push(item);
        }
    }
    Ok(if value.is_sequence() { Value::sequence(found) } else { Value::array(found) })
}

/// A hash that equal values share.
fn hash(value: &Value<'_>, hasher: &mut FxHasher, budget: &mut usize) {
    if *budget == 0 {
        return;
    }
    *budget -= 1;
    match value.kind() {
        Kind::Undefined => 0u8.hash(hasher),
        Kind::Null => 1u8.hash(hasher),
        Kind::Bool(value) => value.hash(hasher),
        Kind::Number(number) => {
            let float = number.as_f64();
            (if float == 0.0 { 0.0 } else { float }).to_bits().hash(hasher);
        }
        Kind::Text(text) => {
            *budget = budget.saturating_sub(text.len() / 64);
            text.hash(hasher);
        }
        Kind::Function => 2u8.hash(hasher),
        Kind::Array(items) => {
            items.len().hash(hasher);
            items.iter().for_each(|item| stack::deeper(|| hash(&item, hasher, budget)));
        }
        Kind::Object(members) => {
            // Whatever the order of the keys.
            let mut sum = 0u64;
            for (key, value) in members.iter() {
                let mut inner = FxHasher::default();
                *budget = budget.saturating_sub(key.len() / 64);
                key.hash(&mut inner);
                stack::deeper(|| hash(&value, &mut inner, budget));
                sum = sum.wrapping_add(inner.finish());
            }
            sum.hash(hasher);
        }
    }
}
