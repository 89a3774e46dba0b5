//! Operations on several items: batches and transactions.

use super::evaluate::project;
use super::expression::{self, Placeholders, Step};
use super::items::{Write, consumed, invalid, item, read_units};
use super::table::plain_name;
use super::{DynamoDb, validation, value};
use crate::call::{Answer, Call, Refusal, answer, list, members, text};
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use stepwright_json::{Json, Object, json};

/// The most of a batch.
const MOST_WRITES: usize = 25;
const MOST_READS: usize = 100;

/// The most of a transaction.
const MOST_OF_TRANSACTION: usize = 100;

/// How long a transaction is known by its token, in milliseconds.
const KNOWN: i64 = 10 * 60_000;

/// A read of one item.
struct Read {
    table: String,
    key: Object,
    paths: Option<Vec<Vec<Step>>>,
    is_consistent: bool,
}

impl Read {
    fn new(table: &str, key: Option<&Object>, given: &Object) -> Result<Self, Refusal> {
        let mut of = Placeholders::read(given).map_err(validation)?;
        let paths = match text(given, "ProjectionExpression") {
            Some(text) => Some(
                expression::projection(text, &mut of)
                    .map_err(|why| invalid("ProjectionExpression", &why))?,
            ),
            None => None,
        };
        of.finish(paths.is_some()).map_err(validation)?;
        Ok(Self {
            table: plain_name(table).to_owned(),
            key: item(key)?,
            paths,
            is_consistent: given.get("ConsistentRead").and_then(Json::as_bool).unwrap_or_default(),
        })
    }
}

fn refuse_legacy(given: &Object, names: &[&str]) -> Result<(), Refusal> {
    match names.iter().find(|name| given.get(name).is_some_and(|value| !value.is_null())) {
        None => Ok(()),
        Some(name) => {
            let why = format!("the local service `dynamodb` does not have the parameter `{name}`");
            Err(Refusal::new("UnsupportedOperation", why).status(501))
        }
    }
}

impl DynamoDb {
    pub(super) async fn batch_get_item(&self, call: &Call<'_>) -> Answer {
        let none = Object::new();
        let mut reads = Vec::new();
        for (table, given) in call.object("RequestItems").unwrap_or(&none).iter() {
            let given = given.as_object().unwrap_or(&none);
            refuse_legacy(given, &["AttributesToGet"])?;
            for key in list(given, "Keys") {
                reads.push((table.to_string(), Read::new(table, key.as_object(), given)?));
            }
        }
        if reads.is_empty() {
            return Err(validation(
                "1 validation error detected: Value '{}' at 'requestItems' failed to satisfy constraint: Member must \
                 have length greater than or equal to 1",
            ));
        }
        if reads.len() > MOST_READS {
            return Err(validation("Too many items requested for the BatchGetItem call"));
        }
        let now = self.now();
        let found = self
            .kept
            .with(|tables, changes| {
                let mut seen = BTreeSet::new();
                let mut found: BTreeMap<String, (Vec<Json>, f64)> = BTreeMap::new();
                for (name, read) in &reads {
                    tables.sweep(&read.table, now, changes);
                    let table = tables.table(&read.table)?;
                    let key = table.keys.of_key(&read.key)?;
                    if !seen.insert((read.table.clone(), key.clone())) {
                        return Err(validation("Provided list of item keys contains duplicates"));
                    }
                    let (items, units) = found.entry(name.clone()).or_default();
                    let item = table.items.get(&key);
                    let size = item.map_or(0, |item| value::item_size(item));
                    *units += read_units(size, read.is_consistent);
                    if let Some(item) = item {
                        items.push(Json::Object(match &read.paths {
                            Some(paths) => project(item, paths),
                            None => (**item).clone(),
                        }));
                    }
                }
                Ok::<_, Refusal>(found)
            })
            .await??;
        let units: Vec<(&str, f64)> =
            found.iter().map(|(name, (_, units))| (name.as_str(), *units)).collect();
        let capacity = consumed(call, &units);
        let responses: Object =
            found.iter().map(|(name, (items, _))| (name.as_str(), items.clone().into())).collect();
        answer(members([
            ("Responses", Some(Json::Object(responses))),
            ("UnprocessedKeys", Some(Json::Object(Object::new()))),
            ("ConsumedCapacity", (!capacity.is_empty()).then(|| capacity.into())),
        ]))
    }

    pub(super) async fn batch_write_item(&self, call: &Call<'_>) -> Answer {
        let none = Object::new();
        let mut writes = Vec::new();
        for (table, requests) in call.object("RequestItems").unwrap_or(&none).iter() {
            let requests = requests.as_array().cloned().unwrap_or_default();
            if requests.is_empty() {
                return Err(validation(
                    "The batch write request list for a table cannot be null or empty",
                ));
            }
            for request in &requests {
                let part = |kind: &str| request.get(kind).and_then(Json::as_object);
                let (kind, given) = match (part("PutRequest"), part("DeleteRequest")) {
                    (Some(put), None) => ("Put", put),
                    (None, Some(delete)) => ("Delete", delete),
                    _ => {
                        return Err(validation(
                            "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the \
                             supported datatypes",
                        ));
                    }
                };
                let mut given = given.clone();
                given.insert("TableName", table.as_str().into());
                writes.push((table.to_string(), Write::read(kind, &given)?));
            }
        }
        if writes.is_empty() || writes.len() > MOST_WRITES {
            return Err(validation(format!(
                "1 validation error detected: Value at 'requestItems' failed to satisfy constraint: Map value must \
                 satisfy constraint: [Member must have length less than or equal to {MOST_WRITES}, Member must have \
                 length greater than or equal to 1]"
            )));
        }
        let units = self
            .kept
            .with(|tables, changes| {
                let mut seen = BTreeSet::new();
                let mut outcomes = Vec::new();
                for (_, write) in &writes {
                    let written = write.outcome(tables.table(&write.table)?)?;
                    if !seen.insert((write.table.clone(), written.key.clone())) {
                        return Err(validation("Provided list of item keys contains duplicates"));
                    }
                    outcomes.push(written);
                }
                let mut units: BTreeMap<String, f64> = BTreeMap::new();
                for ((name, write), written) in writes.iter().zip(&outcomes) {
                    let size = [written.before.as_deref(), written.after.as_ref()];
                    let size = size.into_iter().flatten().map(value::item_size).max();
                    let of_write = size.unwrap_or_default().div_ceil(1_024).max(1) as f64;
                    *units.entry(name.clone()).or_default() += of_write;
                    write.carry_out(tables, written, changes);
                }
                Ok::<_, Refusal>(units)
            })
            .await??;
        let units: Vec<(&str, f64)> =
            units.iter().map(|(name, units)| (name.as_str(), *units)).collect();
        let capacity = consumed(call, &units);
        answer(members([
            ("UnprocessedItems", Some(Json::Object(Object::new()))),
            ("ConsumedCapacity", (!capacity.is_empty()).then(|| capacity.into())),
        ]))
    }

    pub(super) async fn transact_get_items(&self, call: &Call<'_>) -> Answer {
        let none = Object::new();
        let given = call.list("TransactItems");
        check_count(given.len())?;
        let mut reads = Vec::new();
        for one in given {
            let get = one.get("Get").and_then(Json::as_object).unwrap_or(&none);
            let table = text(get, "TableName").unwrap_or_default();
            let key = get.get("Key").and_then(Json::as_object);
            reads.push(Read::new(table, key, get)?);
        }
        let (found, units) = self
            .kept
            .with(|tables, _| {
                let mut units: BTreeMap<String, f64> = BTreeMap::new();
                let mut found = Vec::new();
                for read in &reads {
                    let table = tables.table(&read.table)?;
                    let item = table.items.get(&table.keys.of_key(&read.key)?);
                    let size = item.map_or(0, |item| value::item_size(item));
                    *units.entry(read.table.clone()).or_default() += 2.0 * read_units(size, true);
                    let shown = item.map(|item| match &read.paths {
                        Some(paths) => project(item, paths),
                        None => (**item).clone(),
                    });
                    found.push(members([("Item", shown.map(Json::Object))]));
                }
                Ok::<_, Refusal>((found, units))
            })
            .await??;
        let units: Vec<(&str, f64)> =
            units.iter().map(|(name, units)| (name.as_str(), *units)).collect();
        let capacity = consumed(call, &units);
        answer(members([
            ("Responses", Some(found.into())),
            ("ConsumedCapacity", (!capacity.is_empty()).then(|| capacity.into())),
        ]))
    }

    pub(super) async fn transact_write_items(&self, call: &Call<'_>) -> Answer {
        let given = call.list("TransactItems");
        check_count(given.len())?;
        let mut writes = Vec::new();
        for one in given {
            let parts = one.as_object().into_iter().flat_map(Object::iter);
            let mut parts = parts.filter(|(_, value)| !value.is_null());
            let (Some((kind, value)), None) = (parts.next(), parts.next()) else {
                return Err(validation(
                    "TransactItems can only contain one of Check, Put, Update or Delete",
                ));
            };
            let value = value.as_object().cloned().unwrap_or_default();
            writes.push(Write::read(kind, &value)?);
        }
        let token = call.text("ClientRequestToken").filter(|token| !token.is_empty());
        let hash = hex::encode(Sha256::digest(Json::from(given.to_vec()).to_string()));
        let now = self.now();
        let units = self
            .kept
            .with(|tables, changes| {
                let old: Vec<String> = tables
                    .transactions
                    .iter()
                    .filter(|(_, (_, until))| *until <= now)
                    .map(|(token, _)| token.clone())
                    .collect();
                for token in old {
                    tables.transactions.remove(&token);
                    changes.remove(format!("transaction/{token}"));
                }
                let mut units: BTreeMap<String, f64> = BTreeMap::new();
                for write in &writes {
                    *units.entry(write.table.clone()).or_default() += 2.0;
                }
                match token.and_then(|token| tables.transactions.get(token)) {
                    // It was done before.
                    Some((known, _)) if *known == hash => return Ok(units),
                    Some(_) => {
                        let why = "Failed to start a transaction with the same token and other parameters";
                        return Err(Refusal::new("IdempotentParameterMismatchException", why));
                    }
                    None => {}
                }
                let mut seen = BTreeSet::new();
                let mut outcomes = Vec::new();
                for write in &writes {
                    let key = (write.table.clone(), write.key(tables.table(&write.table)?)?);
                    if !seen.insert(key) {
                        return Err(validation(
                            "Transaction request cannot include multiple operations on one item",
                        ));
                    }
                }
                for write in &writes {
                    outcomes.push(write.outcome(tables.table(&write.table)?));
                }
                if outcomes.iter().any(Result::is_err) {
                    return Err(cancelled(&outcomes));
                }
                for (write, written) in writes.iter().zip(outcomes.into_iter().flatten()) {
                    write.carry_out(tables, &written, changes);
                }
                if let Some(token) = token {
                    let document = json!({"hash": (hash.as_str()), "until": (now + KNOWN)});
                    changes.put(format!("transaction/{token}"), &document);
                    tables.transactions.insert(token.to_owned(), (hash, now + KNOWN));
                }
                Ok(units)
            })
            .await??;
        let units: Vec<(&str, f64)> =
            units.iter().map(|(name, units)| (name.as_str(), *units)).collect();
        let capacity = consumed(call, &units);
        answer(members([("ConsumedCapacity", (!capacity.is_empty()).then(|| capacity.into()))]))
    }
}

fn check_count(count: usize) -> Result<(), Refusal> {
    if (1..=MOST_OF_TRANSACTION).contains(&count) {
        return Ok(());
    }
    Err(validation(format!(
        "1 validation error detected: Value at 'transactItems' failed to satisfy constraint: Member must have length \
         less than or equal to {MOST_OF_TRANSACTION}"
    )))
}

/// The refusal of a transaction of which something cannot be done.
fn cancelled(outcomes: &[Result<super::items::Written, Refusal>]) -> Refusal {
    let mut codes = Vec::new();
    let mut reasons = Vec::new();
    for outcome in outcomes {
        match outcome {
            Ok(_) => {
                codes.push("None");
                reasons.push(json!({"Code": "None"}));
            }
            Err(refusal) => {
                let code = match refusal.name.as_ref() {
                    "ConditionalCheckFailedException" => "ConditionalCheckFailed",
                    _ => "ValidationError",
                };
                codes.push(code);
                reasons.push(members([
                    ("Code", Some(code.into())),
                    ("Message", Some(refusal.message.as_str().into())),
                    ("Item", refusal.detail.get("Item").cloned()),
                ]));
            }
        }
    }
    let message = format!(
        "Transaction cancelled, please refer cancellation reasons for specific reasons [{}]",
        codes.join(", ")
    );
    Refusal::new("TransactionCanceledException", message).with("CancellationReasons", reasons)
}
