//! Attribute values: what they may be, how they compare, and how large they are.

use super::number::Decimal;
use super::validation;
use crate::call::Refusal;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::cmp::Ordering;
use std::collections::BTreeSet;
use stepwright_json::{Array, Json, Object};

/// The deepest value.
const DEPTH: usize = 32;

/// The type of a value and what it holds: `S` and a text.
pub(super) fn parts(value: &Json) -> Option<(&str, &Json)> {
    let members = value.as_object()?;
    let mut given = members.iter().filter(|(_, value)| !value.is_null());
    let (kind, value) = given.next()?;
    given.next().is_none().then_some((kind.as_str(), value))
}

/// A value with a type.
pub(super) fn of(kind: &str, value: Json) -> Json {
    Json::Object([(kind, value)].into_iter().collect())
}

/// Checks a value, and writes it in one way: numbers without needless digits.
pub(super) fn checked(value: &Json) -> Result<Json, Refusal> {
    checked_at(value, DEPTH)
}

fn checked_at(value: &Json, depth: usize) -> Result<Json, Refusal> {
    let Some((kind, held)) = parts(value) else {
        return Err(match value.as_object().map(Object::len) {
            Some(0) | None => validation(
                "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes",
            ),
            Some(_) => validation(
                "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported \
                 datatypes",
            ),
        });
    };
    if depth == 0 {
        return Err(validation("Nesting Levels have exceeded supported limits"));
    }
    let wrong = || validation("Supplied AttributeValue is not of its type");
    let number = |value: &Json| {
        let text = value.as_str().ok_or_else(wrong)?;
        Decimal::read(text).map(|number| Json::from(number.text())).map_err(validation)
    };
    let bytes = |value: &Json| {
        let text = value.as_str().filter(|text| STANDARD.decode(text).is_ok());
        text.map(Json::from).ok_or_else(wrong)
    };
    let set = |check: &dyn Fn(&Json) -> Result<Json, Refusal>, name: &str| {
        let items = held.as_array().ok_or_else(wrong)?;
        if items.is_empty() {
            return Err(validation(format!(
                "One or more parameter values were invalid: An {name} set  may not be empty"
            )));
        }
        let mut seen = BTreeSet::new();
        let mut checked = Array::new();
        for item in items {
            let item = check(item)?;
            if !seen.insert(item.as_str().unwrap_or_default().to_owned()) {
                let shown: Vec<&str> = items.iter().filter_map(Json::as_str).collect();
                return Err(validation(format!(
                    "One or more parameter values were invalid: Input collection [{}] contains duplicates.",
                    shown.join(", ")
                )));
            }
            checked.push(item);
        }
        Ok(Json::Array(checked))
    };
    let held = match kind {
        "S" if held.as_str().is_some() => held.clone(),
        "N" => number(held)?,
        "B" => bytes(held)?,
        "BOOL" if held.as_bool().is_some() => held.clone(),
        "NULL" if held.as_bool() == Some(true) => held.clone(),
        "NULL" => {
            return Err(validation(
                "One or more parameter values were invalid: Null attribute value types must have the value of true",
            ));
        }
        "SS" => set(&|one| one.as_str().map(Json::from).ok_or_else(wrong), "string")?,
        "NS" => set(&number, "number")?,
        "BS" => set(&bytes, "binary")?,
        "L" => {
            let items = held.as_array().ok_or_else(wrong)?;
            let items = items.iter().map(|item| checked_at(item, depth - 1));
            Json::Array(items.collect::<Result<Array, Refusal>>()?)
        }
        "M" => {
            let members = held.as_object().ok_or_else(wrong)?;
            let members = members.iter().map(|(name, value)| {
                checked_at(value, depth - 1).map(|value| (name.clone(), value))
            });
            Json::Object(members.collect::<Result<Object, Refusal>>()?)
        }
        _ => return Err(wrong()),
    };
    Ok(of(kind, held))
}

/// The size of a value as `DynamoDB` counts it.
pub(super) fn size(value: &Json) -> usize {
    let Some((kind, held)) = parts(value) else { return 0 };
    let text = |value: &Json| value.as_str().map_or(0, str::len);
    let number = |value: &Json| text(value).div_ceil(2) + 1;
    let bytes = |value: &Json| text(value) / 4 * 3;
    let sum =
        |each: &dyn Fn(&Json) -> usize| held.as_array().map_or(0, |all| all.iter().map(each).sum());
    match kind {
        "S" => text(held),
        "N" => number(held),
        "B" => bytes(held),
        "SS" => sum(&text),
        "NS" => sum(&number),
        "BS" => sum(&bytes),
        "L" => 3 + sum(&|item| 1 + size(item)),
        "M" => {
            3 + held.as_object().map_or(0, |members| {
                members.iter().map(|(name, value)| 1 + name.len() + size(value)).sum()
            })
        }
        _ => 1,
    }
}

/// The size of an item.
pub(super) fn item_size(item: &Object) -> usize {
    item.iter().map(|(name, value)| name.len() + size(value)).sum()
}

/// Compares values of one type that has an order.
pub(super) fn compare(one: &Json, other: &Json) -> Option<Ordering> {
    let ((kind, one), (other_kind, other)) = (parts(one)?, parts(other)?);
    if kind != other_kind {
        return None;
    }
    let (one, other) = (one.as_str()?, other.as_str()?);
    match kind {
        "S" => Some(one.as_bytes().cmp(other.as_bytes())),
        "N" => Some(Decimal::read(one).ok()?.cmp(&Decimal::read(other).ok()?)),
        "B" => Some(STANDARD.decode(one).ok()?.cmp(&STANDARD.decode(other).ok()?)),
        _ => None,
    }
}

/// Whether two values are the same. The order of sets does not matter.
pub(super) fn same(one: &Json, other: &Json) -> bool {
    match (parts(one), parts(other)) {
        (Some((kind, one)), Some((other_kind, other))) if kind == other_kind => match kind {
            "SS" | "NS" | "BS" => {
                let set = |value: &Json| -> BTreeSet<String> {
                    let items = value.as_array().cloned().unwrap_or_default();
                    items.iter().filter_map(Json::as_str).map(str::to_owned).collect()
                };
                set(one) == set(other)
            }
            "L" => match (one.as_array(), other.as_array()) {
                (Some(one), Some(other)) => {
                    one.len() == other.len()
                        && one.iter().zip(other.iter()).all(|(one, other)| same(one, other))
                }
                _ => false,
            },
            "M" => match (one.as_object(), other.as_object()) {
                (Some(one), Some(other)) => {
                    one.len() == other.len()
                        && one.iter().all(|(name, value)| {
                            other.get(name).is_some_and(|other| same(value, other))
                        })
                }
                _ => false,
            },
            _ => one == other,
        },
        _ => false,
    }
}

/// Bytes that are ordered as the values of a key are.
pub(super) fn ordered(value: &Json) -> Option<Vec<u8>> {
    let (kind, held) = parts(value)?;
    let text = held.as_str()?;
    match kind {
        "S" => Some(text.as_bytes().to_vec()),
        "N" => Some(Decimal::read(text).ok()?.ordered()),
        "B" => STANDARD.decode(text).ok(),
        _ => None,
    }
}
