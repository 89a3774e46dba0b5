//! What goes through a whole value does so without recursion, however deep the value is.

use crate::object::Walk;
use crate::{Array, Json, Object};
use std::hash::{DefaultHasher, Hash, Hasher as _};

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

/// How a value is folded into one thing, from the inside out.
pub(crate) struct Fold<H> {
    /// What a value becomes that is neither array nor object.
    pub(crate) scalar: fn(&Json) -> H,
    /// What an array begins as, and how an item joins it.
    pub(crate) array: H,
    pub(crate) item: fn(H, H) -> H,
    /// What an object begins as, and how a member joins it.
    pub(crate) object: H,
    pub(crate) member: fn(H, &str, H) -> H,
}

/// An array or object that is being folded.
enum Folded<'j, H> {
    Array { rest: std::slice::Iter<'j, Json>, so_far: H },
    Object { rest: Walk<'j>, key: &'j str, so_far: H },
}

/// Folds a value.
pub(crate) fn fold<H: Copy>(value: &Json, how: &Fold<H>) -> H {
    let mut open: Vec<Folded<'_, H>> = Vec::new();
    let mut value = value;
    loop {
        let mut done = match value {
            Json::Array(items) => {
                open.push(Folded::Array { rest: items.iter(), so_far: how.array });
                None
            }
            Json::Object(members) => {
                let (rest, so_far) = (members.walk(), how.object);
                open.push(Folded::Object { rest, key: "", so_far });
                None
            }
            scalar => Some((how.scalar)(scalar)),
        };
        value = loop {
            let next = match (open.last_mut(), done.take()) {
                (None, Some(done)) => return done,
                (None, None) => return (how.scalar)(&Json::Null),
                (Some(Folded::Array { rest, so_far }), inner) => {
                    if let Some(inner) = inner {
                        *so_far = (how.item)(*so_far, inner);
                    }
                    rest.next()
                }
                (Some(Folded::Object { rest, key, so_far }), inner) => {
                    if let Some(inner) = inner {
                        *so_far = (how.member)(*so_far, key, inner);
                    }
                    rest.next().map(|(name, value)| {
                        *key = name;
                        value
                    })
                }
            };
            match next {
                Some(next) => break next,
                None => {
                    done = open.pop().map(|folded| match folded {
                        Folded::Array { so_far, .. } | Folded::Object { so_far, .. } => so_far,
                    });
                }
            }
        };
    }
}

/// A hash that equal values share, whatever the order of their keys. Nobody can choose values that
/// have the same one.
pub(crate) fn hash(value: &Json) -> u64 {
    fn of(part: impl Hash) -> u64 {
        let mut hasher = DefaultHasher::new();
        part.hash(&mut hasher);
        hasher.finish()
    }
    let scalar = |value: &Json| match value {
        Json::Null | Json::Array(_) | Json::Object(_) => of(0u8),
        Json::Bool(value) => of((1u8, value)),
        Json::Int(value) => of((2u8, value)),
        // The two zeros are equal.
        Json::Float(value) => of((3u8, if *value == 0.0 { 0 } else { value.to_bits() })),
        Json::BigInt(digits) => of((4u8, digits)),
        Json::String(text) => of((5u8, text.as_str())),
    };
    fold(
        value,
        &Fold {
            scalar,
            array: 6,
            item: |all, item| of((all, item)),
            object: 7,
            member: |all: u64, key, value| all.wrapping_add(of((key, value))),
        },
    )
}
