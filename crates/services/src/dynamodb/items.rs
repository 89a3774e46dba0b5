//! Operations on single items, and what one write does.

use super::evaluate::{find, project};
use super::expression::{self, Condition, Placeholders, Step, Update};
use super::table::{Key, Table, Tables, plain_name};
use super::{DynamoDb, validation, value};
use crate::call::{Answer, Call, Refusal, answer, members, text};
use crate::kept::Changes;
use std::sync::Arc;
use stepwright_json::{Json, Object, json};

/// The largest item, in bytes.
const MOST_BYTES: usize = 400 << 10;

/// A write of one item, read and checked as far as that is possible without the table.
pub(super) struct Write {
    pub(super) table: String,
    pub(super) act: Act,
    condition: Option<Condition>,
    /// Whether a failed condition shows the item.
    shows_item: bool,
}

/// What a write does.
pub(super) enum Act {
    Put(Object),
    Delete(Object),
    Update(Object, Update),
    /// Only the condition is checked.
    Check(Object),
}

/// What a write has done.
pub(super) struct Written {
    pub(super) before: Option<Arc<Object>>,
    pub(super) after: Option<Object>,
    pub(super) key: Key,
}

/// An item that a request gives.
pub(super) fn item(given: Option<&Object>) -> Result<Object, Refusal> {
    let given = given.cloned().unwrap_or_default();
    let mut item = Object::new();
    for (name, one) in given.iter() {
        if name.is_empty() {
            return Err(validation(
                "One or more parameter values were invalid: Empty attribute name in the item",
            ));
        }
        item.insert(name.clone(), value::checked(one)?);
    }
    Ok(item)
}

fn check_size(item: &Object) -> Result<(), Refusal> {
    if value::item_size(item) > MOST_BYTES {
        return Err(validation("Item size has exceeded the maximum allowed size"));
    }
    Ok(())
}

/// An expression's error with the name of its member.
pub(super) fn invalid(member: &str, why: &str) -> Refusal {
    validation(format!("Invalid {member}: {why}"))
}

impl Write {
    /// Reads the members that all writes share.
    pub(super) fn read(kind: &str, given: &Object) -> Result<Self, Refusal> {
        let mut of = Placeholders::read(given).map_err(validation)?;
        let object = |name: &str| given.get(name).and_then(Json::as_object);
        let condition = match text(given, "ConditionExpression") {
            Some(text) => Some(
                expression::condition(text, &mut of)
                    .map_err(|why| invalid("ConditionExpression", &why))?,
            ),
            None => None,
        };
        let update = match text(given, "UpdateExpression") {
            Some(text) => Some(
                expression::update(text, &mut of)
                    .map_err(|why| invalid("UpdateExpression", &why))?,
            ),
            None => None,
        };
        of.finish(condition.is_some() || update.is_some()).map_err(validation)?;
        let act = match kind {
            "Put" => Act::Put(item(object("Item"))?),
            "Delete" => Act::Delete(item(object("Key"))?),
            "Update" => Act::Update(item(object("Key"))?, update.unwrap_or_default()),
            _ => Act::Check(item(object("Key"))?),
        };
        if let Act::Put(item) = &act {
            check_size(item)?;
        }
        Ok(Self {
            table: plain_name(text(given, "TableName").unwrap_or_default()).to_owned(),
            act,
            condition,
            shows_item: text(given, "ReturnValuesOnConditionCheckFailure") == Some("ALL_OLD"),
        })
    }

    /// The key of the item that is written.
    pub(super) fn key(&self, table: &Table) -> Result<Key, Refusal> {
        match &self.act {
            Act::Put(item) => table.keys.of_item(item),
            Act::Delete(key) | Act::Update(key, _) | Act::Check(key) => table.keys.of_key(key),
        }
    }

    /// What the item would be: the item before, and the one after. Nothing is changed.
    pub(super) fn outcome(&self, table: &Table) -> Result<Written, Refusal> {
        let key = self.key(table)?;
        let before = table.items.get(&key).cloned();
        let none = Object::new();
        let seen = before.as_deref().unwrap_or(&none);
        if self.condition.as_ref().is_some_and(|condition| !condition.holds(seen)) {
            let refusal =
                Refusal::new("ConditionalCheckFailedException", "The conditional request failed");
            return Err(match before {
                Some(before) if self.shows_item => {
                    refusal.with("Item", Json::Object((*before).clone()))
                }
                _ => refusal,
            });
        }
        let after = match &self.act {
            Act::Put(item) => Some(item.clone()),
            Act::Delete(_) => None,
            Act::Check(_) => before.as_deref().cloned(),
            Act::Update(given, update) => {
                let keys: Vec<&str> =
                    table.keys.attributes().map(|(name, _)| name.as_str()).collect();
                if let Some(name) = update.attributes().into_iter().find(|name| keys.contains(name))
                {
                    return Err(validation(format!(
                        "One or more parameter values were invalid: Cannot update attribute {name}. This attribute is \
                         part of the key"
                    )));
                }
                let mut start = seen.clone();
                for (name, value) in given.iter() {
                    start.insert(name.clone(), value.clone());
                }
                let after = update.apply(&start)?;
                check_size(&after)?;
                Some(after)
            }
        };
        if let Some(after) = &after {
            table.check_indexes(after)?;
        }
        Ok(Written { before, after, key })
    }

    /// Carries out what was found to be possible.
    pub(super) fn carry_out(&self, tables: &mut Tables, written: &Written, changes: &mut Changes) {
        match (&self.act, &written.after) {
            (Act::Check(_), _) => {}
            (_, Some(after)) => {
                tables.put(&self.table, written.key.clone(), after.clone(), changes);
            }
            (_, None) => {
                tables.remove(&self.table, &written.key, changes);
            }
        }
    }
}

impl DynamoDb {
    pub(super) async fn put_item(&self, call: &Call<'_>) -> Answer {
        self.write(call, "Put", &["NONE", "ALL_OLD"]).await
    }

    pub(super) async fn delete_item(&self, call: &Call<'_>) -> Answer {
        self.write(call, "Delete", &["NONE", "ALL_OLD"]).await
    }

    pub(super) async fn update_item(&self, call: &Call<'_>) -> Answer {
        let values = ["NONE", "ALL_OLD", "UPDATED_OLD", "ALL_NEW", "UPDATED_NEW"];
        self.write(call, "Update", &values).await
    }

    async fn write(&self, call: &Call<'_>, kind: &str, returned: &[&str]) -> Answer {
        let returns = call.text("ReturnValues").unwrap_or("NONE");
        if !returned.contains(&returns) {
            return Err(validation(format!(
                "Return values set to invalid value: `{returns}`; it can be {}",
                returned.join(", ")
            )));
        }
        let write = Write::read(kind, &call.input)?;
        let now = self.now();
        let written = self
            .kept
            .with(|tables, changes| {
                tables.sweep(&write.table, now, changes);
                let written = write.outcome(tables.table(&write.table)?)?;
                write.carry_out(tables, &written, changes);
                Ok::<_, Refusal>(written)
            })
            .await??;
        let shown = |item: Option<&Object>, updated: bool| {
            let item = item?;
            let shown = match (&write.act, updated) {
                (Act::Update(_, update), true) => updated_part(item, update),
                _ => item.clone(),
            };
            (!shown.is_empty()).then_some(Json::Object(shown))
        };
        let attributes = match returns {
            "ALL_OLD" => shown(written.before.as_deref(), false),
            "UPDATED_OLD" => shown(written.before.as_deref(), true),
            "ALL_NEW" => shown(written.after.as_ref(), false),
            "UPDATED_NEW" => shown(written.after.as_ref(), true),
            _ => None,
        };
        let size = [written.before.as_deref(), written.after.as_ref()]
            .into_iter()
            .flatten()
            .map(value::item_size)
            .max()
            .unwrap_or_default();
        let units = size.div_ceil(1_024).max(1) as f64;
        answer(members([
            ("Attributes", attributes),
            ("ConsumedCapacity", consumed(call, &[(&write.table, units)]).into_iter().next()),
        ]))
    }

    pub(super) async fn get_item(&self, call: &Call<'_>) -> Answer {
        let table = call.required("TableName");
        let mut of = Placeholders::read(&call.input).map_err(validation)?;
        let paths = projection(call, &mut of)?;
        of.finish(paths.is_some()).map_err(validation)?;
        let key = item(call.object("Key"))?;
        let now = self.now();
        let found = self
            .kept
            .with(|tables, changes| {
                tables.sweep(table, now, changes);
                let table = tables.table(table)?;
                let key = table.keys.of_key(&key)?;
                Ok::<_, Refusal>(table.items.get(&key).cloned())
            })
            .await??;
        let size = found.as_deref().map_or(0, value::item_size);
        let units = read_units(size, call.flag("ConsistentRead"));
        let shown = found.map(|item| match &paths {
            Some(paths) => project(&item, paths),
            None => (*item).clone(),
        });
        answer(members([
            ("Item", shown.map(Json::Object)),
            ("ConsumedCapacity", consumed(call, &[(table, units)]).into_iter().next()),
        ]))
    }
}

/// The attributes that an update is about, as they are in an item.
fn updated_part(item: &Object, update: &Update) -> Object {
    let whole: Vec<Vec<Step>> =
        update.attributes().into_iter().map(|name| vec![Step::Name(name.to_owned())]).collect();
    let paths: Vec<Vec<Step>> = (update.set.iter().map(|(path, _)| path))
        .chain(&update.remove)
        .chain(update.add.iter().map(|(path, _)| path))
        .chain(update.delete.iter().map(|(path, _)| path))
        .filter(|path| find(item, path).is_some())
        .cloned()
        .collect();
    let is_nested = paths.iter().any(|path| path.len() > 1);
    if is_nested { project(item, &paths) } else { project(item, &whole) }
}

/// The projection of a request, if it has one.
pub(super) fn projection(
    call: &Call<'_>,
    of: &mut Placeholders,
) -> Result<Option<Vec<Vec<Step>>>, Refusal> {
    let Some(text) = call.text("ProjectionExpression") else { return Ok(None) };
    let paths = expression::projection(text, of);
    paths.map(Some).map_err(|why| invalid("ProjectionExpression", &why))
}

/// The units of a read.
pub(super) fn read_units(size: usize, is_consistent: bool) -> f64 {
    let units = size.div_ceil(4_096).max(1) as f64;
    if is_consistent { units } else { units / 2.0 }
}

/// What a request says it has consumed, if it is asked to.
pub(super) fn consumed(call: &Call<'_>, tables: &[(&str, f64)]) -> Vec<Json> {
    let asked = call.text("ReturnConsumedCapacity").unwrap_or("NONE");
    if !["TOTAL", "INDEXES"].contains(&asked) {
        return Vec::new();
    }
    tables
        .iter()
        .map(|(table, units)| {
            members([
                ("TableName", Some((*table).into())),
                ("CapacityUnits", Some(Json::Float(*units))),
                (
                    "Table",
                    (asked == "INDEXES").then(|| json!({"CapacityUnits": (Json::Float(*units))})),
                ),
            ])
        })
        .collect()
}
