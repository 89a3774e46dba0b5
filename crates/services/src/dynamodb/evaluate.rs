//! What expressions mean for an item.

use super::expression::{Comparator, Condition, Operand, Path, Step, Update};
use super::number::Decimal;
use super::{validation, value};
use crate::call::Refusal;
use std::cmp::Ordering;
use std::collections::BTreeSet;
use stepwright_json::{Array, Json, Object};

/// The value at a path.
pub(super) fn find<'i>(item: &'i Object, path: &[Step]) -> Option<&'i Json> {
    let (Step::Name(first), rest) = path.split_first()? else { return None };
    let mut value = item.get(first)?;
    for step in rest {
        let (kind, held) = value::parts(value)?;
        value = match (kind, step) {
            ("M", Step::Name(name)) => held.get(name)?,
            ("L", Step::Index(index)) => held.at(*index)?,
            _ => return None,
        };
    }
    Some(value)
}

impl Condition {
    /// Whether the condition holds of an item.
    pub(super) fn holds(&self, item: &Object) -> bool {
        let read = |operand: &Operand| operand.read(item);
        match self {
            Self::And(one, other) => one.holds(item) && other.holds(item),
            Self::Or(one, other) => one.holds(item) || other.holds(item),
            Self::Not(one) => !one.holds(item),
            Self::Exists(path, wanted) => find(item, path).is_some() == *wanted,
            Self::Compare(comparator, one, other) => match (read(one), read(other)) {
                (Some(one), Some(other)) => comparator.holds(&one, &other),
                // What is not there differs from everything.
                _ => *comparator == Comparator::NotEqual,
            },
            Self::Between(one, low, high) => match (read(one), read(low), read(high)) {
                (Some(one), Some(low), Some(high)) => {
                    Comparator::AtLeast.holds(&one, &low) && Comparator::AtMost.holds(&one, &high)
                }
                _ => false,
            },
            Self::In(one, options) => read(one).is_some_and(|one| {
                options.iter().filter_map(read).any(|option| value::same(&one, &option))
            }),
            Self::Type(path, kind) => {
                let kind = read(kind);
                let wanted =
                    kind.as_ref().and_then(value::parts).and_then(|(_, text)| text.as_str());
                find(item, path).and_then(value::parts).map(|(kind, _)| kind) == wanted
                    && wanted.is_some()
            }
            Self::BeginsWith(one, start) => match (read(one), read(start)) {
                (Some(one), Some(start)) => match (value::parts(&one), value::parts(&start)) {
                    (Some((kind, _)), Some((other, _))) if kind == other && kind != "N" => {
                        match (value::ordered(&one), value::ordered(&start)) {
                            (Some(one), Some(start)) => one.starts_with(&start),
                            _ => false,
                        }
                    }
                    _ => false,
                },
                _ => false,
            },
            Self::Contains(one, wanted) => match (read(one), read(wanted)) {
                (Some(one), Some(wanted)) => contains(&one, &wanted),
                _ => false,
            },
        }
    }
}

fn contains(value: &Json, wanted: &Json) -> bool {
    let (Some((kind, held)), Some((wanted_kind, wanted_held))) =
        (value::parts(value), value::parts(wanted))
    else {
        return false;
    };
    let items = || held.as_array().cloned().unwrap_or_default();
    match (kind, wanted_kind) {
        ("S", "S") => match (held.as_str(), wanted_held.as_str()) {
            (Some(text), Some(part)) => text.contains(part),
            _ => false,
        },
        ("B", "B") => match (value::ordered(value), value::ordered(wanted)) {
            (Some(bytes), Some(part)) => {
                part.is_empty() || bytes.windows(part.len()).any(|window| window == part)
            }
            _ => false,
        },
        ("SS", "S") | ("NS", "N") | ("BS", "B") => items().iter().any(|item| item == wanted_held),
        ("L", _) => items().iter().any(|item| value::same(item, wanted)),
        _ => false,
    }
}

impl Comparator {
    fn holds(self, one: &Json, other: &Json) -> bool {
        let order = || value::compare(one, other);
        match self {
            Self::Equal => value::same(one, other),
            Self::NotEqual => !value::same(one, other),
            Self::Less => order() == Some(Ordering::Less),
            Self::AtMost => matches!(order(), Some(Ordering::Less | Ordering::Equal)),
            Self::More => order() == Some(Ordering::Greater),
            Self::AtLeast => matches!(order(), Some(Ordering::Greater | Ordering::Equal)),
        }
    }
}

impl Operand {
    /// The value in a condition.
    fn read(&self, item: &Object) -> Option<Json> {
        match self {
            Self::Value(value) => Some(value.clone()),
            Self::Path(path) => find(item, path).cloned(),
            Self::Size(path) => {
                let (kind, held) = find(item, path).and_then(value::parts)?;
                let size = match kind {
                    "S" => held.as_str()?.encode_utf16().count(),
                    "B" => value::ordered(find(item, path)?)?.len(),
                    "M" => held.as_object()?.len(),
                    "L" | "SS" | "NS" | "BS" => held.as_array()?.len(),
                    _ => return None,
                };
                Some(value::of("N", size.to_string().into()))
            }
            Self::IfNotExists(..) | Self::ListAppend(..) | Self::Sum(..) | Self::Difference(..) => {
                None
            }
        }
    }

    /// The value that a path is set to.
    fn assigned(&self, item: &Object) -> Result<Json, Refusal> {
        let missing = || {
            validation(
                "The provided expression refers to an attribute that does not exist in the item",
            )
        };
        let wrong_type = |operator: &str, found: &Json| {
            let kind = value::parts(found).map_or("", |(kind, _)| kind).to_owned();
            validation(format!(
                "Invalid UpdateExpression: Incorrect operand type for operator or function; operator or function: \
                 {operator}, operand type: {kind}"
            ))
        };
        match self {
            Self::Value(value) => Ok(value.clone()),
            Self::Path(path) => find(item, path).cloned().ok_or_else(missing),
            Self::IfNotExists(path, otherwise) => match find(item, path) {
                Some(value) => Ok(value.clone()),
                None => otherwise.assigned(item),
            },
            Self::ListAppend(one, other) => {
                let (one, other) = (one.assigned(item)?, other.assigned(item)?);
                let list = |value: &Json| match value::parts(value) {
                    Some(("L", held)) => Ok(held.as_array().cloned().unwrap_or_default()),
                    _ => Err(wrong_type("list_append", value)),
                };
                let mut joined = list(&one)?.into_vec();
                joined.extend(list(&other)?.into_vec());
                Ok(value::of("L", joined.into()))
            }
            Self::Sum(one, other) | Self::Difference(one, other) => {
                let (one, other) = (one.assigned(item)?, other.assigned(item)?);
                let operator = if matches!(self, Self::Sum(..)) { "+" } else { "-" };
                let number = |value: &Json| match value::parts(value) {
                    Some(("N", held)) => {
                        Decimal::read(held.as_str().unwrap_or_default()).map_err(validation)
                    }
                    _ => Err(match self {
                        Self::Sum(..) | Self::Difference(..) => wrong_type(operator, value),
                        _ => validation(
                            "An operand in the update expression has an incorrect data type",
                        ),
                    }),
                };
                let (one, other) = (number(&one)?, number(&other)?);
                let other = if operator == "+" { other } else { other.negated() };
                let sum = one.plus(&other).map_err(validation)?;
                Ok(value::of("N", sum.text().into()))
            }
            Self::Size(_) => Err(validation(
                "Invalid UpdateExpression: The function is not allowed in an update expression; function: size",
            )),
        }
    }
}

impl Update {
    /// The names of the attributes at the top that the update is about.
    pub(super) fn attributes(&self) -> BTreeSet<&str> {
        let paths = (self.set.iter().map(|(path, _)| path))
            .chain(&self.remove)
            .chain(self.add.iter().map(|(path, _)| path))
            .chain(self.delete.iter().map(|(path, _)| path));
        paths
            .filter_map(|path| match path.first() {
                Some(Step::Name(name)) => Some(name.as_str()),
                _ => None,
            })
            .collect()
    }

    /// Applies the update. All of it sees the item as it was.
    pub(super) fn apply(&self, before: &Object) -> Result<Object, Refusal> {
        let mut item = before.clone();
        let mut assigned = Vec::new();
        for (path, operand) in &self.set {
            assigned.push((path, operand.assigned(before)?));
        }
        // Items of lists are removed from the end, so that their positions stay what they were.
        let mut removed: Vec<&Path> = self.remove.iter().collect();
        removed.sort();
        for (path, value) in assigned {
            put(&mut item, path, value)?;
        }
        for path in removed.into_iter().rev() {
            remove(&mut item, path)?;
        }
        for (path, value) in &self.add {
            let added = add(find(before, path), value)?;
            put(&mut item, path, added)?;
        }
        for (path, value) in &self.delete {
            match subtract(find(before, path), value)? {
                Some(rest) => put(&mut item, path, rest)?,
                None if find(&item, path).is_some() => remove(&mut item, path)?,
                None => {}
            }
        }
        Ok(item)
    }
}

fn invalid_path() -> Refusal {
    validation("The document path provided in the update expression is invalid for update")
}

fn put(item: &mut Object, path: &[Step], value: Json) -> Result<(), Refusal> {
    let Some((Step::Name(first), rest)) = path.split_first() else { return Err(invalid_path()) };
    if rest.is_empty() {
        item.insert(first.as_str(), value);
        return Ok(());
    }
    let within = item.get_mut(first).ok_or_else(invalid_path)?;
    put_within(within, rest, value)
}

fn put_within(at: &mut Json, path: &[Step], value: Json) -> Result<(), Refusal> {
    let Some((step, rest)) = path.split_first() else {
        *at = value;
        return Ok(());
    };
    let Json::Object(typed) = at else { return Err(invalid_path()) };
    match step {
        Step::Name(name) => {
            let Some(Json::Object(members)) = typed.get_mut("M") else {
                return Err(invalid_path());
            };
            if rest.is_empty() {
                members.insert(name.as_str(), value);
                return Ok(());
            }
            put_within(members.get_mut(name).ok_or_else(invalid_path)?, rest, value)
        }
        Step::Index(index) => {
            let Some(Json::Array(items)) = typed.get_mut("L") else { return Err(invalid_path()) };
            let items = items.make_mut();
            if rest.is_empty() {
                // Behind the end, it becomes the last.
                match items.get_mut(*index) {
                    Some(item) => *item = value,
                    None => items.push(value),
                }
                return Ok(());
            }
            put_within(items.get_mut(*index).ok_or_else(invalid_path)?, rest, value)
        }
    }
}

fn remove(item: &mut Object, path: &[Step]) -> Result<(), Refusal> {
    let Some((Step::Name(first), rest)) = path.split_first() else { return Err(invalid_path()) };
    if rest.is_empty() {
        item.remove(first.as_str());
        return Ok(());
    }
    let within = item.get_mut(first).ok_or_else(invalid_path)?;
    remove_within(within, rest)
}

fn remove_within(at: &mut Json, path: &[Step]) -> Result<(), Refusal> {
    let Some((step, rest)) = path.split_first() else { return Ok(()) };
    let Json::Object(typed) = at else { return Err(invalid_path()) };
    match step {
        Step::Name(name) => {
            let Some(Json::Object(members)) = typed.get_mut("M") else {
                return Err(invalid_path());
            };
            if rest.is_empty() {
                members.remove(name.as_str());
                return Ok(());
            }
            remove_within(members.get_mut(name).ok_or_else(invalid_path)?, rest)
        }
        Step::Index(index) => {
            let Some(Json::Array(items)) = typed.get_mut("L") else { return Err(invalid_path()) };
            let items = items.make_mut();
            if rest.is_empty() {
                if *index < items.len() {
                    items.remove(*index);
                }
                return Ok(());
            }
            remove_within(items.get_mut(*index).ok_or_else(invalid_path)?, rest)
        }
    }
}

fn wrong_operand(section: &str, value: &Json) -> Refusal {
    let kind = value::parts(value).map_or("", |(kind, _)| kind);
    validation(format!(
        "Invalid UpdateExpression: Incorrect operand type for operator or function; operator: {section}, operand \
         type: {kind}"
    ))
}

/// A number or a set with more added to it.
fn add(before: Option<&Json>, value: &Json) -> Result<Json, Refusal> {
    let Some((kind, held)) = value::parts(value) else { return Err(wrong_operand("ADD", value)) };
    if !["N", "SS", "NS", "BS"].contains(&kind) {
        return Err(wrong_operand("ADD", value));
    }
    let Some(before) = before else { return Ok(value.clone()) };
    let (before_kind, before_held) = value::parts(before).unwrap_or(("", &Json::Null));
    if before_kind != kind {
        return Err(validation("An operand in the update expression has an incorrect data type"));
    }
    if kind == "N" {
        let number =
            |value: &Json| Decimal::read(value.as_str().unwrap_or_default()).map_err(validation);
        let sum = number(before_held)?.plus(&number(held)?).map_err(validation)?;
        return Ok(value::of("N", sum.text().into()));
    }
    let mut items: Array = before_held.as_array().cloned().unwrap_or_default();
    for item in &held.as_array().cloned().unwrap_or_default() {
        if !items.contains(item) {
            items.push(item.clone());
        }
    }
    Ok(value::of(kind, Json::Array(items)))
}

/// A set without some of its items; `None` if nothing is left.
fn subtract(before: Option<&Json>, value: &Json) -> Result<Option<Json>, Refusal> {
    let Some((kind @ ("SS" | "NS" | "BS"), held)) = value::parts(value) else {
        return Err(wrong_operand("DELETE", value));
    };
    let Some(before) = before else { return Ok(None) };
    let (before_kind, before_held) = value::parts(before).unwrap_or(("", &Json::Null));
    if before_kind != kind {
        return Err(validation("An operand in the update expression has an incorrect data type"));
    }
    let gone = held.as_array().cloned().unwrap_or_default();
    let items = before_held.as_array().cloned().unwrap_or_default();
    let rest: Vec<Json> = items.iter().filter(|item| !gone.contains(item)).cloned().collect();
    Ok((!rest.is_empty()).then(|| value::of(kind, rest.into())))
}

/// The part of an item that a projection shows.
pub(super) fn project(item: &Object, paths: &[Path]) -> Object {
    let mut shown = Object::new();
    // In order, so that items of lists keep theirs.
    let mut sorted: Vec<&Path> = paths.iter().collect();
    sorted.sort();
    for path in sorted {
        let (Some(found), Some((Step::Name(first), rest))) = (find(item, path), path.split_first())
        else {
            continue;
        };
        let built = rest.iter().rev().fold(found.clone(), |value, step| match step {
            Step::Name(name) => {
                value::of("M", Json::Object([(name.as_str(), value)].into_iter().collect()))
            }
            Step::Index(_) => value::of("L", vec![value].into()),
        });
        match shown.get_mut(first) {
            Some(known) => merge(known, built),
            None => {
                shown.insert(first.as_str(), built);
            }
        }
    }
    shown
}

fn merge(known: &mut Json, more: Json) {
    let (Json::Object(known), Json::Object(more)) = (known, more) else { return };
    if let (Some(Json::Object(known)), Some(Json::Object(more))) =
        (known.get_mut("M"), more.get("M"))
    {
        for (name, value) in more.iter() {
            match known.get_mut(name) {
                Some(known) => merge(known, value.clone()),
                None => {
                    known.insert(name.clone(), value.clone());
                }
            }
        }
    } else if let (Some(Json::Array(known)), Some(Json::Array(more))) =
        (known.get_mut("L"), more.get("L"))
    {
        known.make_mut().extend(more.iter().cloned());
    }
}
