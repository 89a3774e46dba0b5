//! `Query` and `Scan`.

use super::evaluate::project;
use super::expression::{self, Comparator, Condition, Operand, Placeholders, Step};
use super::items::{consumed, invalid, item, projection, read_units};
use super::table::{Key, KeySchema, Table};
use super::{DynamoDb, validation, value};
use crate::call::{Answer, Call, Refusal, answer, members};
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash as _, Hasher as _};
use stepwright_json::{Json, Object};

/// How much is read at a time, in bytes.
const PAGE: usize = 1 << 20;

/// What both ask for.
struct Asked {
    table: String,
    index: Option<String>,
    filter: Option<Condition>,
    paths: Option<Vec<Vec<Step>>>,
    counts: bool,
    all: bool,
    most: usize,
    start: Option<Object>,
}

/// The condition of a query: the partition, and perhaps a part of it.
struct KeyCondition {
    hash: Json,
    range: Option<Condition>,
}

impl Asked {
    fn read(call: &Call<'_>, of: &mut Placeholders) -> Result<Self, Refusal> {
        let filter = match call.text("FilterExpression") {
            Some(text) => Some(
                expression::condition(text, of).map_err(|why| invalid("FilterExpression", &why))?,
            ),
            None => None,
        };
        let paths = projection(call, of)?;
        let select = call.text("Select");
        match (select, &paths) {
            (Some(other), Some(_)) if other != "SPECIFIC_ATTRIBUTES" => {
                return Err(validation(format!(
                    "Cannot specify the ProjectionExpression when choosing to get {other}"
                )));
            }
            (Some("SPECIFIC_ATTRIBUTES"), None) => {
                return Err(validation(
                    "Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES",
                ));
            }
            (Some("ALL_PROJECTED_ATTRIBUTES"), _) if call.text("IndexName").is_none() => {
                return Err(validation(
                    "ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName",
                ));
            }
            (
                Some(
                    "ALL_ATTRIBUTES" | "ALL_PROJECTED_ATTRIBUTES" | "COUNT" | "SPECIFIC_ATTRIBUTES",
                )
                | None,
                _,
            ) => {}
            (Some(unknown), _) => return Err(validation(format!("Unknown Select: {unknown}"))),
        }
        let most = match call.int("Limit") {
            Some(most) if most < 1 => {
                return Err(validation(format!(
                    "1 validation error detected: Value '{most}' at 'limit' failed to satisfy constraint: Member must \
                     have value greater than or equal to 1"
                )));
            }
            Some(most) => most as usize,
            None => usize::MAX,
        };
        let start = match call.object("ExclusiveStartKey") {
            Some(start) => Some(item(Some(start))?),
            None => None,
        };
        Ok(Self {
            table: call.required("TableName").to_owned(),
            index: call.text("IndexName").map(str::to_owned),
            filter,
            paths,
            counts: select == Some("COUNT"),
            all: select == Some("ALL_ATTRIBUTES"),
            most,
            start,
        })
    }

    /// The keys that items are found by: of the index, or of the table.
    fn keys<'t>(&self, table: &'t Table, call: &Call<'_>) -> Result<&'t KeySchema, Refusal> {
        let Some(name) = &self.index else { return Ok(&table.keys) };
        let index = table.indexes.get(name).ok_or_else(|| {
            validation(format!("The table does not have the specified index: {name}"))
        })?;
        if !index.is_local && call.flag("ConsistentRead") {
            return Err(validation(
                "Consistent reads are not supported on global secondary indexes",
            ));
        }
        if !index.is_local && self.all && index.projection() != "ALL" {
            return Err(validation(format!(
                "One or more parameter values were invalid: Select type ALL_ATTRIBUTES is not supported for global \
                 secondary index {name} because its projection type is not ALL"
            )));
        }
        Ok(&index.keys)
    }

    /// Where to begin: behind this entry.
    fn after(&self, table: &Table, keys: &KeySchema) -> Result<Option<(Key, Key)>, Refusal> {
        let Some(start) = &self.start else { return Ok(None) };
        let wrong = || {
            validation(
                "The provided starting key is invalid: The provided key element does not match the schema",
            )
        };
        let part = |keys: &KeySchema| {
            let shown = keys.shown(start);
            keys.of_key(&shown).map_err(|_| wrong())
        };
        let key = part(&table.keys)?;
        let place = part(keys)?;
        let expected = keys.attributes().chain(table.keys.attributes());
        let mut names: Vec<&str> = expected.map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        if start.len() != names.len() {
            return Err(wrong());
        }
        Ok(Some((place, key)))
    }

    /// Reads entries, in order, up to the limits.
    fn page(
        &self,
        table: &Table,
        keys: &KeySchema,
        entries: impl Iterator<Item = (Key, Key)>,
        wanted: impl Fn(&Object) -> bool,
    ) -> Page {
        let mut page = Page::default();
        for (_, key) in entries {
            let Some(item) = table.items.get(&key) else { continue };
            if !wanted(item) {
                continue;
            }
            if page.scanned == self.most || page.bytes >= PAGE {
                page.has_more = true;
                break;
            }
            page.scanned += 1;
            page.bytes += value::item_size(item);
            let mut last = keys.shown(item);
            for (name, value) in table.keys.shown(item).iter() {
                last.insert(name.clone(), value.clone());
            }
            page.last = last;
            let seen: Object = match self.index.as_ref().and_then(|name| table.indexes.get(name)) {
                // A local index fetches the rest from its table when all is asked for.
                Some(index) if !(index.is_local && (self.all || self.paths.is_some())) => item
                    .iter()
                    .filter(|(name, _)| index.has(name, &table.keys))
                    .map(|(name, value)| (name.clone(), value.clone()))
                    .collect(),
                _ => (**item).clone(),
            };
            if self.filter.as_ref().is_some_and(|filter| !filter.holds(&seen)) {
                continue;
            }
            page.items.push(match &self.paths {
                Some(paths) => project(&seen, paths),
                None => seen,
            });
        }
        // With a limit, it is not known whether there is more.
        page.has_more |= page.scanned == self.most && page.scanned > 0;
        page
    }

    fn answer(&self, call: &Call<'_>, page: Page) -> Answer {
        let units = read_units(page.bytes, call.flag("ConsistentRead"));
        let count = page.items.len();
        let items: Vec<Json> = page.items.into_iter().map(Json::Object).collect();
        answer(members([
            ("Items", (!self.counts).then(|| items.into())),
            ("Count", Some(count.into())),
            ("ScannedCount", Some(page.scanned.into())),
            ("LastEvaluatedKey", page.has_more.then(|| Json::Object(page.last))),
            ("ConsumedCapacity", consumed(call, &[(&self.table, units)]).into_iter().next()),
        ]))
    }
}

#[derive(Default)]
struct Page {
    items: Vec<Object>,
    scanned: usize,
    bytes: usize,
    last: Object,
    has_more: bool,
}

impl DynamoDb {
    pub(super) async fn query(&self, call: &Call<'_>) -> Answer {
        let mut of = Placeholders::read(&call.input).map_err(validation)?;
        let Some(text) = call.text("KeyConditionExpression") else {
            return Err(validation(
                "Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.",
            ));
        };
        let condition = expression::condition(text, &mut of)
            .map_err(|why| invalid("KeyConditionExpression", &why))?;
        let asked = Asked::read(call, &mut of)?;
        of.finish(true).map_err(validation)?;
        let is_forward = call.input.get("ScanIndexForward") != Some(&Json::Bool(false));
        let now = self.now();
        let page = self
            .kept
            .with(|tables, changes| {
                tables.sweep(&asked.table, now, changes);
                let table = tables.table(&asked.table)?;
                let keys = asked.keys(table, call)?;
                check_filter(&asked, keys)?;
                let wanted = KeyCondition::of(&condition, keys)?;
                let hash = value::ordered(&wanted.hash).unwrap_or_default();
                let mut entries =
                    match asked.index.as_ref().and_then(|name| table.indexes.get(name)) {
                        Some(index) => index.partition(&hash),
                        None => table.partition(&hash),
                    };
                if !is_forward {
                    entries.reverse();
                }
                let after = asked.after(table, keys)?;
                let entries = entries.into_iter().filter(|entry| {
                    after
                        .as_ref()
                        .is_none_or(|after| if is_forward { entry > after } else { entry < after })
                });
                let in_range =
                    |item: &Object| wanted.range.as_ref().is_none_or(|range| range.holds(item));
                Ok::<_, Refusal>(asked.page(table, keys, entries, in_range))
            })
            .await??;
        asked.answer(call, page)
    }

    pub(super) async fn scan(&self, call: &Call<'_>) -> Answer {
        let mut of = Placeholders::read(&call.input).map_err(validation)?;
        let asked = Asked::read(call, &mut of)?;
        of.finish(asked.filter.is_some() || asked.paths.is_some()).map_err(validation)?;
        let segments = match (call.int("Segment"), call.int("TotalSegments")) {
            (None, None) => None,
            (Some(segment), Some(total)) if (1..=1_000_000).contains(&total) => {
                if !(0..total).contains(&segment) {
                    return Err(validation(format!(
                        "The Segment parameter is zero-based and must be less than parameter TotalSegments: Segment: \
                         {segment} is not less than TotalSegments: {total}"
                    )));
                }
                Some((segment as u64, total as u64))
            }
            (Some(_), None) => {
                return Err(validation(
                    "The TotalSegments parameter is required but was not present in the request when Segment parameter is present",
                ));
            }
            _ => {
                return Err(validation(
                    "The Segment parameter is required but was not present in the request when parameter TotalSegments is present",
                ));
            }
        };
        let now = self.now();
        let page = self
            .kept
            .with(|tables, changes| {
                tables.sweep(&asked.table, now, changes);
                let table = tables.table(&asked.table)?;
                let keys = asked.keys(table, call)?;
                let after = asked.after(table, keys)?;
                let index = asked.index.as_ref().and_then(|name| table.indexes.get(name));
                let entries: Box<dyn Iterator<Item = (Key, Key)> + '_> = match index {
                    Some(index) => Box::new(index.entries().cloned()),
                    None => Box::new(table.items.keys().map(|key| (key.clone(), key.clone()))),
                };
                let is_meant = |hash: &[u8]| {
                    segments.is_none_or(|(segment, total)| {
                        let mut hasher = DefaultHasher::new();
                        hash.hash(&mut hasher);
                        hasher.finish() % total == segment
                    })
                };
                let entries = entries.filter(|entry| {
                    after.as_ref().is_none_or(|after| entry > after) && is_meant(&entry.1.0)
                });
                Ok::<_, Refusal>(asked.page(table, keys, entries, |_| true))
            })
            .await??;
        asked.answer(call, page)
    }
}

/// A filter must not be about the key: that is what the condition of the key is for.
fn check_filter(asked: &Asked, keys: &KeySchema) -> Result<(), Refusal> {
    let Some(filter) = &asked.filter else { return Ok(()) };
    let mut names = Vec::new();
    names_of(filter, &mut names);
    match keys.attributes().find(|(name, _)| names.contains(name)) {
        None => Ok(()),
        Some((name, _)) => Err(validation(format!(
            "Filter Expression can only contain non-primary key attributes: Primary key attribute: {name}"
        ))),
    }
}

/// The attributes that a condition is about.
fn names_of(condition: &Condition, names: &mut Vec<String>) {
    let mut add = |path: &Vec<Step>| {
        if let Some(Step::Name(name)) = path.first() {
            names.push(name.clone());
        }
    };
    let mut operand = |operand: &Operand| match operand {
        Operand::Path(path) | Operand::Size(path) => add(path),
        _ => {}
    };
    match condition {
        Condition::And(one, other) | Condition::Or(one, other) => {
            names_of(one, names);
            names_of(other, names);
        }
        Condition::Not(one) => names_of(one, names),
        Condition::Compare(_, one, other)
        | Condition::BeginsWith(one, other)
        | Condition::Contains(one, other) => {
            operand(one);
            operand(other);
        }
        Condition::Between(one, low, high) => {
            operand(one);
            operand(low);
            operand(high);
        }
        Condition::In(one, others) => {
            operand(one);
            others.iter().for_each(operand);
        }
        Condition::Exists(path, _) | Condition::Type(path, _) => add(path),
    }
}

impl KeyCondition {
    /// What a condition says of the key.
    fn of(condition: &Condition, keys: &KeySchema) -> Result<Self, Refusal> {
        let mut parts = Vec::new();
        flatten(condition, &mut parts)?;
        let (mut hash, mut range) = (None, None);
        for part in parts {
            let name = key_name(part)
                .ok_or_else(|| validation("Invalid operator used in KeyConditionExpression"))?;
            let (slot_is_hash, kind) = if name == keys.hash.0 {
                (true, &keys.hash.1)
            } else if let Some((_, kind)) = keys.range.as_ref().filter(|(range, _)| *range == name)
            {
                (false, kind)
            } else {
                let missed = if hash.is_none() { &keys.hash.0 } else { &name };
                return Err(validation(format!(
                    "Query condition missed key schema element: {missed}"
                )));
            };
            for given in values_of(part) {
                if value::parts(given).is_none_or(|(actual, _)| actual != kind) {
                    return Err(validation(
                        "One or more parameter values were invalid: Condition parameter type does not match schema type",
                    ));
                }
            }
            let already =
                || validation("KeyConditionExpressions must only contain one condition per key");
            if slot_is_hash {
                let Condition::Compare(Comparator::Equal, one, other) = part else {
                    return Err(validation("Query key condition not supported"));
                };
                let given = [one, other].into_iter().find_map(|operand| match operand {
                    Operand::Value(value) => Some(value.clone()),
                    _ => None,
                });
                if hash.replace(given.unwrap_or_default()).is_some() {
                    return Err(already());
                }
            } else {
                if matches!(part, Condition::Compare(Comparator::NotEqual, ..)) {
                    return Err(validation(
                        "Unsupported operator in KeyConditionExpression: operator: <>",
                    ));
                }
                if range.replace(part.clone()).is_some() {
                    return Err(already());
                }
            }
        }
        let hash = hash.ok_or_else(|| {
            validation(format!("Query condition missed key schema element: {}", keys.hash.0))
        })?;
        Ok(Self { hash, range })
    }
}

/// Takes a condition of `AND`s apart.
fn flatten<'c>(condition: &'c Condition, parts: &mut Vec<&'c Condition>) -> Result<(), Refusal> {
    match condition {
        Condition::And(one, other) => {
            flatten(one, parts)?;
            flatten(other, parts)
        }
        Condition::Or(..) => Err(validation("Invalid operator used in KeyConditionExpression: OR")),
        Condition::Not(_) => {
            Err(validation("Invalid operator used in KeyConditionExpression: NOT"))
        }
        part => {
            parts.push(part);
            Ok(())
        }
    }
}

/// The attribute that a part of a key's condition is about.
fn key_name(part: &Condition) -> Option<String> {
    let name = |operand: &Operand| match operand {
        Operand::Path(path) => match path.as_slice() {
            [Step::Name(name)] => Some(name.clone()),
            _ => None,
        },
        _ => None,
    };
    match part {
        Condition::Compare(_, one, other) => name(one).or_else(|| name(other)),
        Condition::Between(one, ..) | Condition::BeginsWith(one, _) => name(one),
        _ => None,
    }
}

/// The values of a part of a key's condition.
fn values_of(part: &Condition) -> Vec<&Json> {
    let operands: Vec<&Operand> = match part {
        Condition::Compare(_, one, other) | Condition::BeginsWith(one, other) => vec![one, other],
        Condition::Between(one, low, high) => vec![one, low, high],
        _ => Vec::new(),
    };
    let value = |operand: &'_ Operand| matches!(operand, Operand::Value(_));
    operands
        .into_iter()
        .filter(|operand| value(operand))
        .filter_map(|operand| match operand {
            Operand::Value(value) => Some(value),
            _ => None,
        })
        .collect()
}
