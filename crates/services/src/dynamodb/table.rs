//! A table: its keys and indexes, and its items in their order.

use super::{validation, value};
use crate::call::{Refusal, list, members, text};
use crate::kept::{Changes, Contents};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use stepwright_json::{Json, Object};

/// The tables by their names, and the transactions of the last minutes.
#[derive(Debug, Default)]
pub(super) struct Tables {
    pub(super) by_name: BTreeMap<String, Table>,
    /// By their tokens: what was asked for, and until when that is known.
    pub(super) transactions: BTreeMap<String, (String, i64)>,
    read: Vec<(String, String, Json)>,
}

/// The key of an item, or its place in an index: ordered bytes.
pub(super) type Key = (Vec<u8>, Vec<u8>);

/// The attributes that a key consists of, with their types.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct KeySchema {
    pub(super) hash: (String, String),
    pub(super) range: Option<(String, String)>,
}

/// A secondary index.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    pub(super) keys: KeySchema,
    /// The description, as it was given.
    pub(super) given: Object,
    pub(super) is_local: bool,
    /// The keys of the items by their place in the index.
    entries: BTreeSet<(Key, Key)>,
}

/// A table.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    pub(super) keys: KeySchema,
    pub(super) indexes: BTreeMap<String, Index>,
    /// What it was given besides.
    pub(super) settings: Settings,
    pub(super) items: BTreeMap<Key, Arc<Object>>,
    pub(super) bytes: usize,
    /// When expired items are looked for next.
    pub(super) swept: i64,
}

/// What a table was given besides its keys.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Settings {
    pub(super) definitions: Vec<Json>,
    pub(super) schema: Vec<Json>,
    pub(super) billing: String,
    pub(super) throughput: Option<Json>,
    /// In milliseconds since 1970.
    pub(super) created: i64,
    pub(super) id: String,
    pub(super) tags: BTreeMap<String, String>,
    /// The attribute that says when an item expires.
    pub(super) expiry: Option<String>,
    pub(super) is_protected: bool,
}

impl Contents for Tables {
    const PREFIX: &'static str = "services/dynamodb/";

    fn read(&mut self, key: &str, value: &Json) {
        match key.split_once('/') {
            Some(("table", name)) => {
                if let Ok(table) = Table::read(value) {
                    self.by_name.insert(name.to_owned(), table);
                }
            }
            // They come before the tables.
            Some(("item", rest)) => {
                let Some((name, key)) = rest.split_once('/') else { return };
                self.read.push((name.to_owned(), key.to_owned(), value.clone()));
            }
            Some(("transaction", token)) => {
                let hash = value.get("hash").and_then(Json::as_str).unwrap_or_default().to_owned();
                let until = value.get("until").and_then(Json::as_i64).unwrap_or_default();
                self.transactions.insert(token.to_owned(), (hash, until));
            }
            _ => {}
        }
    }

    fn complete(&mut self) {
        for (name, _, item) in std::mem::take(&mut self.read) {
            let (Some(table), Json::Object(item)) = (self.by_name.get_mut(&name), item) else {
                continue;
            };
            if let Ok(key) = table.keys.of_item(&item) {
                table.put(key, item);
            }
        }
    }
}

impl Tables {
    pub(super) fn table(&self, name: &str) -> Result<&Table, Refusal> {
        self.by_name.get(plain_name(name)).ok_or_else(missing)
    }

    pub(super) fn table_mut(&mut self, name: &str) -> Result<&mut Table, Refusal> {
        self.by_name.get_mut(plain_name(name)).ok_or_else(missing)
    }

    /// Puts an item. Returns the one that was there.
    pub(super) fn put(
        &mut self,
        name: &str,
        key: Key,
        item: Object,
        changes: &mut Changes,
    ) -> Option<Arc<Object>> {
        let name = plain_name(name);
        changes.put(item_key(name, &key), &Json::Object(item.clone()));
        self.by_name.get_mut(name)?.put(key, item)
    }

    /// Removes an item. Returns it if it was there.
    pub(super) fn remove(
        &mut self,
        name: &str,
        key: &Key,
        changes: &mut Changes,
    ) -> Option<Arc<Object>> {
        let name = plain_name(name);
        let removed = self.by_name.get_mut(name)?.remove(key);
        if removed.is_some() {
            changes.remove(item_key(name, key));
        }
        removed
    }

    /// Removes items that have expired, now and then.
    pub(super) fn sweep(&mut self, name: &str, now: i64, changes: &mut Changes) {
        const EVERY: i64 = 5_000;
        let name = plain_name(name);
        let Some(table) = self.by_name.get_mut(name).filter(|table| table.swept <= now) else {
            return;
        };
        table.swept = now + EVERY;
        let Some(attribute) = table.settings.expiry.clone() else { return };
        let is_over = |item: &Arc<Object>| {
            let (kind, held) = item.get(&attribute).and_then(value::parts)?;
            let at: f64 = held.as_str()?.parse().ok()?;
            // What is more than five years old was not meant as a moment.
            let (now, five_years) = (now as f64 / 1_000.0, 5.0 * 31_536_000.0);
            (kind == "N").then_some(at < now && at > now - five_years)
        };
        let expired: Vec<Key> = table
            .items
            .iter()
            .filter(|(_, item)| is_over(item).unwrap_or_default())
            .map(|(key, _)| key.clone())
            .collect();
        for key in expired {
            self.remove(name, &key, changes);
        }
    }
}

/// The name of a table that a request means by its name or its ARN.
pub(super) fn plain_name(name: &str) -> &str {
    match name.split_once(":table/") {
        Some((before, name)) if before.starts_with("arn:") => {
            name.split('/').next().unwrap_or(name)
        }
        _ => name,
    }
}

pub(super) fn missing() -> Refusal {
    Refusal::new("ResourceNotFoundException", "Requested resource not found")
}

pub(super) fn table_key(name: &str) -> String {
    format!("table/{name}")
}

pub(super) fn item_key(table: &str, (hash, range): &Key) -> String {
    format!("item/{table}/{}-{}", hex::encode(hash), hex::encode(range))
}

impl KeySchema {
    /// Reads a key schema.
    pub(super) fn read(schema: &[Json], definitions: &[Json]) -> Result<Self, Refusal> {
        let kind = |name: &str| {
            let found = definitions
                .iter()
                .find(|one| one.get("AttributeName").and_then(Json::as_str) == Some(name));
            let kind = found.and_then(|one| one.get("AttributeType")).and_then(Json::as_str);
            kind.map(str::to_owned).ok_or_else(|| {
                validation(format!(
                    "One or more parameter values were invalid: Some index key attributes are not defined in \
                     AttributeDefinitions. Keys: [{name}]"
                ))
            })
        };
        let named = |wanted: &str| {
            let mut found = schema
                .iter()
                .filter(|one| one.get("KeyType").and_then(Json::as_str) == Some(wanted));
            (
                found.next().and_then(|one| one.get("AttributeName")?.as_str()),
                found.next().is_some(),
            )
        };
        let ((hash, hashes), (range, ranges)) = (named("HASH"), named("RANGE"));
        let Some(hash) = hash.filter(|_| !hashes && !ranges && schema.len() <= 2) else {
            return Err(validation(
                "Invalid KeySchema: The first KeySchemaElement is not a HASH key type",
            ));
        };
        if range == Some(hash) {
            return Err(validation(
                "Both the Hash Key and the Range Key element in the KeySchema have the same name",
            ));
        }
        let range = match range {
            Some(range) => Some((range.to_owned(), kind(range)?)),
            None if schema.len() == 2 => {
                return Err(validation(
                    "Invalid KeySchema: The second KeySchemaElement is not a RANGE key type",
                ));
            }
            None => None,
        };
        Ok(Self { hash: (hash.to_owned(), kind(hash)?), range })
    }

    /// The attributes of the key.
    pub(super) fn attributes(&self) -> impl Iterator<Item = &(String, String)> {
        std::iter::once(&self.hash).chain(&self.range)
    }

    /// The key of a new item.
    pub(super) fn of_item(&self, item: &Object) -> Result<Key, Refusal> {
        let part = |(name, kind): &(String, String)| {
            let invalid = |what: String| {
                validation(format!("One or more parameter values were invalid: {what}"))
            };
            let value = item
                .get(name)
                .ok_or_else(|| invalid(format!("Missing the key {name} in the item")))?;
            let actual = value::parts(value).map_or("", |(kind, _)| kind);
            if actual != kind {
                return Err(invalid(format!(
                    "Type mismatch for key {name} expected: {kind} actual: {actual}"
                )));
            }
            let bytes = value::ordered(value).unwrap_or_default();
            if bytes.is_empty() {
                let what = if kind == "B" { "binary" } else { "string" };
                return Err(validation(format!(
                    "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain \
                     an empty {what} value. Key: {name}"
                )));
            }
            Ok(bytes)
        };
        let hash = part(&self.hash)?;
        if hash.len() > 2_048 {
            return Err(validation(
                "One or more parameter values were invalid: Size of hashkey has exceeded the maximum size limit of2048 bytes",
            ));
        }
        let range = self.range.as_ref().map(part).transpose()?.unwrap_or_default();
        if range.len() > 1_024 {
            return Err(validation(
                "One or more parameter values were invalid: Aggregated size of all range keys has exceeded the size limit of 1024 bytes",
            ));
        }
        Ok((hash, range))
    }

    /// The key that a request names, which has the attributes of the key and no others.
    pub(super) fn of_key(&self, given: &Object) -> Result<Key, Refusal> {
        let wrong = || validation("The provided key element does not match the schema");
        if given.len() != self.attributes().count() {
            return Err(wrong());
        }
        for (name, kind) in self.attributes() {
            let found = given.get(name).and_then(value::parts);
            if found.is_none_or(|(actual, _)| actual != kind) {
                return Err(wrong());
            }
        }
        self.of_item(given)
    }

    /// The place of an item in an index; `None` if it is not in it.
    fn place(&self, item: &Object) -> Option<Key> {
        let part = |(name, kind): &(String, String)| {
            let value = item.get(name)?;
            (value::parts(value)?.0 == kind).then(|| value::ordered(value))?
        };
        let hash = part(&self.hash)?;
        let range = match &self.range {
            Some(range) => part(range)?,
            None => Vec::new(),
        };
        Some((hash, range))
    }

    /// The attributes of the key, with an item's values.
    pub(super) fn shown(&self, item: &Object) -> Object {
        let attributes = self.attributes();
        attributes.filter_map(|(name, _)| Some((name.as_str(), item.get(name)?.clone()))).collect()
    }
}

impl Index {
    pub(super) fn read(
        given: &Object,
        definitions: &[Json],
        is_local: bool,
    ) -> Result<Self, Refusal> {
        let keys = KeySchema::read(list(given, "KeySchema"), definitions)?;
        Ok(Self { keys, given: given.clone(), is_local, entries: BTreeSet::new() })
    }

    /// `ALL`, `KEYS_ONLY`, `INCLUDE`
    pub(super) fn projection(&self) -> &str {
        let projection = self.given.get("Projection").and_then(Json::as_object);
        projection.and_then(|one| text(one, "ProjectionType")).unwrap_or("ALL")
    }

    /// Whether an attribute is in the index.
    pub(super) fn has(&self, name: &str, table: &KeySchema) -> bool {
        let is_key = self.keys.attributes().chain(table.attributes()).any(|(key, _)| key == name);
        let is_included = || {
            let projection = self.given.get("Projection").and_then(Json::as_object);
            let included = projection.map(|one| list(one, "NonKeyAttributes")).unwrap_or_default();
            included.iter().any(|one| one.as_str() == Some(name))
        };
        is_key || self.projection() == "ALL" || is_included()
    }

    /// The keys of the items in the order of the index, with their places.
    pub(super) fn entries(&self) -> impl DoubleEndedIterator<Item = &(Key, Key)> {
        self.entries.iter()
    }

    /// The entries of one partition.
    pub(super) fn partition(&self, hash: &[u8]) -> Vec<(Key, Key)> {
        let start = ((hash.to_vec(), Vec::new()), (Vec::new(), Vec::new()));
        let entries = self.entries.range(start..);
        entries.take_while(|((of, _), _)| of == hash).cloned().collect()
    }
}

impl Table {
    /// Puts an item. Returns the one that was there.
    pub(super) fn put(&mut self, key: Key, item: Object) -> Option<Arc<Object>> {
        let before = self.remove(&key);
        for index in self.indexes.values_mut() {
            if let Some(place) = index.keys.place(&item) {
                index.entries.insert((place, key.clone()));
            }
        }
        self.bytes += value::item_size(&item);
        self.items.insert(key, Arc::new(item));
        before
    }

    pub(super) fn remove(&mut self, key: &Key) -> Option<Arc<Object>> {
        let item = self.items.remove(key)?;
        self.bytes -= value::item_size(&item);
        for index in self.indexes.values_mut() {
            if let Some(place) = index.keys.place(&item) {
                index.entries.remove(&(place, key.clone()));
            }
        }
        Some(item)
    }

    /// Adds an index over the items that are there.
    pub(super) fn add_index(&mut self, name: &str, mut index: Index) {
        for (key, item) in &self.items {
            if let Some(place) = index.keys.place(item) {
                index.entries.insert((place, key.clone()));
            }
        }
        self.indexes.insert(name.to_owned(), index);
    }

    /// The entries of one partition, as in an index.
    pub(super) fn partition(&self, hash: &[u8]) -> Vec<(Key, Key)> {
        let items = self.items.range((hash.to_vec(), Vec::new())..).map(|(key, _)| key);
        items.take_while(|(of, _)| of == hash).map(|key| (key.clone(), key.clone())).collect()
    }

    /// Checks what indexes want of an item.
    pub(super) fn check_indexes(&self, item: &Object) -> Result<(), Refusal> {
        for (name, index) in &self.indexes {
            for (attribute, kind) in index.keys.attributes() {
                let Some(value) = item.get(attribute) else { continue };
                let actual = value::parts(value).map_or("", |(kind, _)| kind);
                if actual != kind {
                    return Err(validation(format!(
                        "One or more parameter values were invalid: Type mismatch for Index Key {attribute} Expected: \
                         {kind} Actual: {actual} IndexName: {name}"
                    )));
                }
                if value::ordered(value).is_none_or(|bytes| bytes.is_empty()) {
                    return Err(validation(format!(
                        "One or more parameter values are not valid. A value specified for a secondary index key is not \
                         supported. The AttributeValue for a key attribute cannot contain an empty string value. \
                         IndexName: {name}, IndexKey: {attribute}"
                    )));
                }
            }
        }
        Ok(())
    }

    pub(super) fn write(&self) -> Json {
        let settings = &self.settings;
        let indexes = |is_local: bool| -> Json {
            let of_kind = self.indexes.values().filter(|index| index.is_local == is_local);
            of_kind.map(|index| Json::Object(index.given.clone())).collect::<Vec<_>>().into()
        };
        let tags = settings.tags.iter().map(|(key, value)| (key.as_str(), value.as_str().into()));
        members([
            ("definitions", Some(settings.definitions.clone().into())),
            ("schema", Some(settings.schema.clone().into())),
            ("local", Some(indexes(true))),
            ("global", Some(indexes(false))),
            ("billing", Some(settings.billing.as_str().into())),
            ("throughput", settings.throughput.clone()),
            ("created", Some(settings.created.into())),
            ("id", Some(settings.id.as_str().into())),
            ("tags", Some(Json::Object(tags.collect()))),
            ("expiry", settings.expiry.as_deref().map(Json::from)),
            ("protected", Some(settings.is_protected.into())),
        ])
    }

    fn read(document: &Json) -> Result<Self, Refusal> {
        let none = Object::new();
        let object = document.as_object().unwrap_or(&none);
        let definitions = list(object, "definitions").to_vec();
        let schema = list(object, "schema").to_vec();
        let mut table = Self { keys: KeySchema::read(&schema, &definitions)?, ..Self::default() };
        for (member, is_local) in [("local", true), ("global", false)] {
            for index in list(object, member) {
                let Some(given) = index.as_object() else { continue };
                let name = text(given, "IndexName").unwrap_or_default().to_owned();
                table.indexes.insert(name, Index::read(given, &definitions, is_local)?);
            }
        }
        let tags = object.get("tags").and_then(Json::as_object).cloned().unwrap_or_default();
        table.settings = Settings {
            definitions,
            schema,
            billing: text(object, "billing").unwrap_or_default().to_owned(),
            throughput: object.get("throughput").cloned(),
            created: object.get("created").and_then(Json::as_i64).unwrap_or_default(),
            id: text(object, "id").unwrap_or_default().to_owned(),
            tags: crate::call::texts(&tags)
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .collect(),
            expiry: text(object, "expiry").map(str::to_owned),
            is_protected: object.get("protected").and_then(Json::as_bool).unwrap_or_default(),
        };
        Ok(table)
    }
}
