//! `^(…)`

use super::operators::{compare_text, shorter};
use super::{Evaluator, Scope};
use crate::error::{Fault, Result};
use crate::node::{Step, Term};
use crate::value::{Items, Kind, Value};
use std::cmp::Ordering;

impl<'a> Evaluator<'a> {
    /// The items in order; `None` if there is nothing to sort.
    pub(super) fn sort_items(
        &mut self,
        step: &'a Step,
        terms: &'a [Term],
        items: &Items<'_, 'a>,
        frame: &Scope<'a>,
    ) -> Result<Option<Vec<Value<'a>>>> {
        if items.len() <= 1 {
            return Ok(None);
        }
        let values: Vec<Value<'a>> = items.iter().collect();
        self.sort_by(step, terms, &values, |evaluator, item, term| {
            evaluator.eval(&term.expression, item, frame)
        })
        .map(Some)
    }

    pub(super) fn sort_tuples(
        &mut self,
        step: &'a Step,
        terms: &'a [Term],
        items: &[Value<'a>],
        flagged: bool,
        frame: &Scope<'a>,
    ) -> Result<Option<Vec<Value<'a>>>> {
        if items.len() <= 1 {
            return Ok(None);
        }
        self.sort_by(step, terms, items, |evaluator, item, term| match item {
            Value::Tuple(tuple) if flagged => {
                let inner = evaluator.tuple_frame(tuple, frame)?;
                evaluator.eval(&term.expression, &tuple.item, &inner)
            }
            Value::Tuple(tuple) => {
                let shown = evaluator.tuple_object(tuple);
                evaluator.eval(&term.expression, &shown, frame)
            }
            item => evaluator.eval(&term.expression, item, frame),
        })
        .map(Some)
    }

    fn sort_by(
        &mut self,
        step: &'a Step,
        terms: &'a [Term],
        items: &[Value<'a>],
        mut key: impl FnMut(&mut Self, &Value<'a>, &'a Term) -> Result<Value<'a>>,
    ) -> Result<Vec<Value<'a>>> {
        self.charge_slots(items.len() * 3)?;
        // The keys of the first term all have to be looked at; others only where those are equal.
        let mut keys: Vec<Vec<Option<Value<'a>>>> = vec![vec![None; items.len()]; terms.len()];
        if let Some(term) = terms.first() {
            for (item, slot) in items.iter().zip(&mut keys[0]) {
                *slot = Some(key(self, item, term)?);
            }
        }
        let mut order: Vec<usize> = (0..items.len()).collect();
        if let [term] = terms
            && let Some(sorted) = plain(&keys[0], term.descending)
        {
            let texts: usize =
                keys[0].iter().flatten().filter_map(Value::as_str).map(str::len).sum();
            self.steps(items.len() * 4 + texts / 16)?;
            order = sorted;
        } else {
            merge_sort(&mut order, &mut |a, b| {
                self.step()?;
                for (index, term) in terms.iter().enumerate() {
                    let mut of = |at: usize| -> Result<Value<'a>> {
                        if let Some(value) = &keys[index][at] {
                            return Ok(value.clone());
                        }
                        let value = key(self, &items[at], term)?;
                        keys[index][at] = Some(value.clone());
                        Ok(value)
                    };
                    let (left, right) = (of(a)?, of(b)?);
                    self.look(shorter(&left, &right))?;
                    match order_of(&left, &right, term.descending)
                        .map_err(|fault| fault.at(step.at, step.span))?
                    {
                        Ordering::Equal => {}
                        ordering => return Ok(ordering.is_gt()),
                    }
                }
                Ok(false)
            })?;
        }
        Ok(order.into_iter().map(|at| items[at].clone()).collect())
    }
}

/// The order of items by a single term whose values are all numbers or all texts.
fn plain(keys: &[Option<Value<'_>>], descending: bool) -> Option<Vec<usize>> {
    let numbers: Option<Vec<f64>> = keys
        .iter()
        .map(|key| key.as_ref()?.number().map(crate::number::Number::as_f64))
        .map(|number| number.filter(|number| !number.is_nan()))
        .collect();
    let mut order: Vec<usize> = (0..keys.len()).collect();
    if let Some(numbers) = numbers {
        let compare =
            |a: &usize, b: &usize| numbers[*a].partial_cmp(&numbers[*b]).unwrap_or(Ordering::Equal);
        if descending {
            order.sort_by(|a, b| compare(b, a));
        } else {
            order.sort_by(compare);
        }
        return Some(order);
    }
    let texts: Vec<&str> = keys.iter().map(|key| key.as_ref()?.as_str()).collect::<Option<_>>()?;
    if descending {
        order.sort_by(|a, b| compare_text(texts[*b], texts[*a]));
    } else {
        order.sort_by(|a, b| compare_text(texts[*a], texts[*b]));
    }
    Some(order)
}

fn order_of<'a>(left: &Value<'a>, right: &Value<'a>, descending: bool) -> Result<Ordering> {
    let ordering = match (left.kind(), right.kind()) {
        (Kind::Undefined, Kind::Undefined) => return Ok(Ordering::Equal),
        // What is missing comes last, whichever way it goes.
        (Kind::Undefined, _) => return Ok(Ordering::Greater),
        (_, Kind::Undefined) => return Ok(Ordering::Less),
        (Kind::Number(a), Kind::Number(b)) => {
            a.as_f64().partial_cmp(&b.as_f64()).unwrap_or(Ordering::Equal)
        }
        (Kind::Text(a), Kind::Text(b)) => compare_text(a, b),
        (a, b) => {
            let sortable = |kind| matches!(kind, Kind::Number(_) | Kind::Text(_));
            if !sortable(a) {
                return Err(Fault::new("T2008").value(left.shown()));
            }
            if !sortable(b) {
                return Err(Fault::new("T2008").value(right.shown()));
            }
            return Err(Fault::new("T2007").value(left.shown()).value2(right.shown()));
        }
    };
    Ok(if descending { ordering.reverse() } else { ordering })
}

/// Sorts `items`, asking whether the first of two comes after the second, in the order in which
/// jsonata-js asks.
pub(crate) fn merge_sort<T: Copy>(
    items: &mut Vec<T>,
    after: &mut dyn FnMut(T, T) -> Result<bool>,
) -> Result<()> {
    if items.len() <= 1 {
        return Ok(());
    }
    let mut right = items.split_off(items.len() / 2);
    let mut left = std::mem::take(items);
    merge_sort(&mut left, after)?;
    merge_sort(&mut right, after)?;
    items.reserve(left.len() + right.len());
    let (mut l, mut r) = (0, 0);
    while l < left.len() && r < right.len() {
        if after(left[l], right[r])? {
            items.push(right[r]);
            r += 1;
        } else {
            items.push(left[l]);
            l += 1;
        }
    }
    items.extend_from_slice(&left[l..]);
    items.extend_from_slice(&right[r..]);
    Ok(())
}
