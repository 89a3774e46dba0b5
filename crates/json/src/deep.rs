//! What goes through a whole value does so without recursion, however deep the value is.

use crate::{Array, Json, Object};

fn is_container(value: &Json) -> bool {
    matches!(value, Json::Array(_) | Json::Object(_))
}

/// How many levels are taken apart by recursion, which is faster.
const LEVELS: usize = 32;

/// Empties what is in `values` so that dropping them cannot overflow the stack.
pub(crate) fn dismantle(values: &mut [Json]) {
    dismantle_within(values, LEVELS);
}

fn dismantle_within(values: &mut [Json], levels: usize) {
    for value in values {
        let Some(mut inner) = take_values(value) else { continue };
        if levels > 0 {
            dismantle_within(&mut inner, levels - 1);
            continue;
        }
        let mut pending = inner;
        while let Some(mut value) = pending.pop() {
            pending.extend(take_values(&mut value).into_iter().flatten());
        }
    }
}

/// What is in an array or object that nobody else holds.
#[inline]
fn take_values(value: &mut Json) -> Option<Vec<Json>> {
    match value {
        Json::Array(array) => array.take_values(),
        Json::Object(object) => object.take_values(),
        _ => None,
    }
}

/// How two values are compared that are not both arrays or both objects.
pub(crate) type Compare = fn(&Json, &Json) -> bool;

/// What is still to be compared.
type Pairs<'j> = Vec<(&'j Json, &'j Json)>;

pub(crate) fn equal(a: &Json, b: &Json, scalars: Compare) -> bool {
    match (a, b) {
        (Json::Array(a), Json::Array(b)) => equal_arrays(a, b, scalars),
        (Json::Object(a), Json::Object(b)) => equal_objects(a, b, scalars),
        _ => scalars(a, b),
    }
}

pub(crate) fn equal_arrays(a: &Array, b: &Array, scalars: Compare) -> bool {
    let mut pairs = Vec::new();
    add_arrays(a, b, scalars, &mut pairs) && finish(pairs, scalars)
}

pub(crate) fn equal_objects(a: &Object, b: &Object, scalars: Compare) -> bool {
    let mut pairs = Vec::new();
    add_objects(a, b, scalars, &mut pairs) && finish(pairs, scalars)
}

fn finish(mut pairs: Pairs<'_>, scalars: Compare) -> bool {
    while let Some((a, b)) = pairs.pop() {
        let equal = match (a, b) {
            (Json::Array(a), Json::Array(b)) => add_arrays(a, b, scalars, &mut pairs),
            (Json::Object(a), Json::Object(b)) => add_objects(a, b, scalars, &mut pairs),
            _ => scalars(a, b),
        };
        if !equal {
            return false;
        }
    }
    true
}

fn add_arrays<'j>(a: &'j Array, b: &'j Array, scalars: Compare, pairs: &mut Pairs<'j>) -> bool {
    a.is_same(b)
        || a.len() == b.len() && a.iter().zip(b.iter()).all(|(a, b)| add(a, b, scalars, pairs))
}

fn add_objects<'j>(a: &'j Object, b: &'j Object, scalars: Compare, pairs: &mut Pairs<'j>) -> bool {
    if a.is_same(b) {
        return true;
    }
    if a.shares_shape(b) {
        return a.values().zip(b.values()).all(|(a, b)| add(a, b, scalars, pairs));
    }
    a.len() == b.len()
        && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| add(a, b, scalars, pairs)))
}

/// Compares two values at once if they are simple; else they are left for later.
fn add<'j>(a: &'j Json, b: &'j Json, scalars: Compare, pairs: &mut Pairs<'j>) -> bool {
    if is_container(a) && is_container(b) {
        pairs.push((a, b));
        return true;
    }
    scalars(a, b)
}
