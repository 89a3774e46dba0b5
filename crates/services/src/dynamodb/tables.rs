//! Operations on tables as a whole.

use super::table::{Index, KeySchema, Settings, Table, item_key, missing, plain_name, table_key};
use super::{DynamoDb, validation};
use crate::call::{Answer, Call, Refusal, answer, empty, list, members, text};
use crate::kept::Changes;
use std::collections::BTreeMap;
use stepwright_json::{Json, Object, json};

/// The largest numbers of indexes.
const MOST_GLOBAL: usize = 20;
const MOST_LOCAL: usize = 5;

fn check_name(name: &str) -> Result<(), Refusal> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if (3..=255).contains(&name.len()) && name.chars().all(is_plain) {
        return Ok(());
    }
    Err(validation(
        "TableName must be at least 3 characters long and at most 255 characters long, of a-z, A-Z, 0-9, '_', '-' and '.'",
    ))
}

fn read_tags(call: &Call<'_>) -> BTreeMap<String, String> {
    let tag = |tag: &Json| {
        let text = |member: &str| tag.get(member).and_then(Json::as_str).map(str::to_owned);
        Some((text("Key")?, text("Value").unwrap_or_default()))
    };
    call.list("Tags").iter().filter_map(tag).collect()
}

fn read_index(
    given: &Json,
    definitions: &[Json],
    is_local: bool,
) -> Result<(String, Index), Refusal> {
    let none = Object::new();
    let given = given.as_object().unwrap_or(&none);
    let name = text(given, "IndexName").unwrap_or_default();
    check_name(name)?;
    for member in ["OnDemandThroughput", "WarmThroughput"] {
        if given.get(member).is_some_and(|value| !value.is_null()) {
            let why = format!("the local service `dynamodb` does not have `{member}` of indexes");
            return Err(Refusal::new("UnsupportedOperation", why).status(501));
        }
    }
    let projection = given.get("Projection").and_then(Json::as_object);
    let kind = projection.and_then(|one| text(one, "ProjectionType"));
    let included = projection.map(|one| list(one, "NonKeyAttributes")).unwrap_or_default();
    match kind {
        Some("INCLUDE") if included.is_empty() => {
            return Err(validation(
                "One or more parameter values were invalid: ProjectionType is INCLUDE, but NonKeyAttributes is not \
                 specified",
            ));
        }
        Some(kind @ ("ALL" | "KEYS_ONLY")) if !included.is_empty() => {
            return Err(validation(format!(
                "One or more parameter values were invalid: ProjectionType is {kind}, but NonKeyAttributes is specified"
            )));
        }
        Some("ALL" | "KEYS_ONLY" | "INCLUDE") => {}
        _ => {
            return Err(validation(
                "One or more parameter values were invalid: Unknown ProjectionType: null",
            ));
        }
    }
    Ok((name.to_owned(), Index::read(given, definitions, is_local)?))
}

impl DynamoDb {
    pub(super) async fn create_table(&self, call: &Call<'_>) -> Answer {
        let name = call.required("TableName");
        check_name(name)?;
        let definitions = call.list("AttributeDefinitions").to_vec();
        let schema = call.list("KeySchema").to_vec();
        let billing = call.text("BillingMode").unwrap_or("PROVISIONED");
        let throughput = call.input.get("ProvisionedThroughput").cloned();
        match (billing, &throughput) {
            ("PROVISIONED", None) => {
                return Err(validation(
                    "One or more parameter values were invalid: ReadCapacityUnits and WriteCapacityUnits must both be \
                     specified when BillingMode is PROVISIONED",
                ));
            }
            ("PAY_PER_REQUEST", Some(_)) => {
                return Err(validation(
                    "One or more parameter values were invalid: Neither ReadCapacityUnits nor WriteCapacityUnits can be \
                     specified when BillingMode is PAY_PER_REQUEST",
                ));
            }
            ("PROVISIONED" | "PAY_PER_REQUEST", _) => {}
            _ => return Err(validation(format!("Unknown BillingMode: {billing}"))),
        }
        let keys = KeySchema::read(&schema, &definitions)?;
        let mut table = Table { keys, ..Table::default() };
        for (member, is_local, most) in [
            ("LocalSecondaryIndexes", true, MOST_LOCAL),
            ("GlobalSecondaryIndexes", false, MOST_GLOBAL),
        ] {
            let given = call.list(member);
            if call.input.contains_key(member) && given.is_empty() {
                return Err(validation(format!(
                    "One or more parameter values were invalid: List of {member} is empty"
                )));
            }
            if given.len() > most {
                let why = format!(
                    "One or more parameter values were invalid: {member} count exceeds the limit of {most}"
                );
                return Err(validation(why));
            }
            for index in given {
                let (name, index) = read_index(index, &definitions, is_local)?;
                if is_local && (index.keys.hash != table.keys.hash || table.keys.range.is_none()) {
                    return Err(validation(format!(
                        "One or more parameter values were invalid: Table KeySchema and the local index {name} must have \
                         the same hash key, and the table a range key"
                    )));
                }
                if table.indexes.insert(name.clone(), index).is_some() {
                    return Err(validation(format!(
                        "One or more parameter values were invalid: Duplicate index name: {name}"
                    )));
                }
            }
        }
        table.settings = Settings {
            definitions,
            schema,
            billing: billing.to_owned(),
            throughput,
            created: self.now(),
            id: uuid::Uuid::new_v4().to_string(),
            tags: read_tags(call),
            expiry: None,
            is_protected: call.flag("DeletionProtectionEnabled"),
        };
        check_definitions(&table)?;
        let shown = self
            .kept
            .with(|tables, changes| {
                if tables.by_name.contains_key(name) {
                    let why = format!("Table already exists: {name}");
                    return Err(Refusal::new("ResourceInUseException", why));
                }
                changes.put(table_key(name), &table.write());
                let shown = self.described(name, &table, "ACTIVE");
                tables.by_name.insert(name.to_owned(), table);
                Ok(shown)
            })
            .await??;
        answer(json!({"TableDescription": shown}))
    }

    pub(super) async fn delete_table(&self, call: &Call<'_>) -> Answer {
        let name = plain_name(call.required("TableName"));
        let shown = self
            .kept
            .with(|tables, changes| {
                let table = tables.by_name.get(name).ok_or_else(|| no_table(name))?;
                if table.settings.is_protected {
                    let why = format!(
                        "Resource cannot be deleted as it is currently protected against deletion. Disable deletion \
                         protection first: {name}"
                    );
                    return Err(validation(why));
                }
                let shown = self.described(name, table, "DELETING");
                for key in table.items.keys() {
                    changes.remove(item_key(name, key));
                }
                changes.remove(table_key(name));
                tables.by_name.remove(name);
                Ok(shown)
            })
            .await??;
        answer(json!({"TableDescription": shown}))
    }

    pub(super) async fn describe_table(&self, call: &Call<'_>) -> Answer {
        let name = plain_name(call.required("TableName"));
        let shown = self
            .kept
            .with(|tables, _| {
                let table = tables.by_name.get(name).ok_or_else(|| no_table(name))?;
                Ok::<_, Refusal>(self.described(name, table, "ACTIVE"))
            })
            .await??;
        answer(json!({"Table": shown}))
    }

    fn described(&self, name: &str, table: &Table, status: &str) -> Json {
        let arn = self.arn(name);
        let settings = &table.settings;
        let units = |given: Option<&Json>| {
            let unit = |member: &str| {
                given.and_then(|given| given.get(member)?.as_i64()).unwrap_or_default()
            };
            json!({
                "NumberOfDecreasesToday": 0,
                "ReadCapacityUnits": (unit("ReadCapacityUnits")),
                "WriteCapacityUnits": (unit("WriteCapacityUnits"))
            })
        };
        let indexes = |is_local: bool| {
            let of_kind = table.indexes.iter().filter(|(_, index)| index.is_local == is_local);
            let shown: Vec<Json> = of_kind
                .map(|(index_name, index)| {
                    let mut shown = index.given.clone();
                    let count = index.entries().count();
                    shown.insert("IndexArn", format!("{arn}/index/{index_name}").into());
                    shown.insert("ItemCount", count.into());
                    shown.insert("IndexSizeBytes", 0_i64.into());
                    if !is_local {
                        shown.insert("IndexStatus", "ACTIVE".into());
                        shown.insert(
                            "ProvisionedThroughput",
                            units(index.given.get("ProvisionedThroughput")),
                        );
                    }
                    Json::Object(shown)
                })
                .collect();
            (!shown.is_empty()).then_some(Json::from(shown))
        };
        let on_demand = settings.billing == "PAY_PER_REQUEST";
        members([
            ("AttributeDefinitions", Some(settings.definitions.clone().into())),
            ("TableName", Some(name.into())),
            ("KeySchema", Some(settings.schema.clone().into())),
            ("TableStatus", Some(status.into())),
            ("CreationDateTime", Some(Json::Float(settings.created as f64 / 1_000.0))),
            ("ProvisionedThroughput", Some(units(settings.throughput.as_ref()))),
            ("TableSizeBytes", Some(table.bytes.into())),
            ("ItemCount", Some(table.items.len().into())),
            ("TableArn", Some(arn.as_str().into())),
            ("TableId", Some(settings.id.as_str().into())),
            ("BillingModeSummary", on_demand.then(|| json!({"BillingMode": "PAY_PER_REQUEST"}))),
            ("LocalSecondaryIndexes", indexes(true)),
            ("GlobalSecondaryIndexes", indexes(false)),
            ("DeletionProtectionEnabled", Some(settings.is_protected.into())),
        ])
    }

    pub(super) async fn list_tables(&self, call: &Call<'_>) -> Answer {
        let after = call.text("ExclusiveStartTableName").unwrap_or_default();
        let most = call.int("Limit").unwrap_or(100);
        if !(1..=100).contains(&most) {
            return Err(validation(format!(
                "1 validation error detected: Value '{most}' at 'limit' failed to satisfy constraint: Member must have \
                 value less than or equal to 100"
            )));
        }
        let mut names: Vec<String> = self
            .kept
            .with(|tables, _| {
                let names = tables.by_name.keys().filter(|name| name.as_str() > after);
                names.take(most as usize + 1).cloned().collect()
            })
            .await?;
        let has_more = names.len() > most as usize;
        names.truncate(most as usize);
        let last = names.last().filter(|_| has_more).cloned();
        let names: Vec<Json> = names.into_iter().map(Json::from).collect();
        answer(members([
            ("TableNames", Some(names.into())),
            ("LastEvaluatedTableName", last.map(Json::from)),
        ]))
    }

    pub(super) async fn update_table(&self, call: &Call<'_>) -> Answer {
        let name = plain_name(call.required("TableName"));
        let shown = self
            .kept
            .with(|tables, changes| {
                let known = tables.by_name.get(name).ok_or_else(|| no_table(name))?;
                let mut settings = known.settings.clone();
                for definition in call.list("AttributeDefinitions") {
                    let attribute = definition.get("AttributeName");
                    settings.definitions.retain(|one| one.get("AttributeName") != attribute);
                    settings.definitions.push(definition.clone());
                }
                if let Some(billing) = call.text("BillingMode") {
                    billing.clone_into(&mut settings.billing);
                    if billing == "PAY_PER_REQUEST" {
                        settings.throughput = None;
                    }
                }
                if let Some(throughput) = call.input.get("ProvisionedThroughput") {
                    settings.throughput = Some(throughput.clone());
                }
                if let Some(is_protected) =
                    call.input.get("DeletionProtectionEnabled").and_then(Json::as_bool)
                {
                    settings.is_protected = is_protected;
                }
                let mut added = Vec::new();
                let mut removed = Vec::new();
                for update in call.list("GlobalSecondaryIndexUpdates") {
                    let index_name = |one: &Json| {
                        one.get("IndexName").and_then(Json::as_str).unwrap_or_default().to_owned()
                    };
                    if let Some(create) = update.get("Create") {
                        let (index_name, index) = read_index(create, &settings.definitions, false)?;
                        if known.indexes.contains_key(&index_name) {
                            return Err(validation(format!(
                                "One or more parameter values were invalid: Duplicate index name: {index_name}"
                            )));
                        }
                        added.push((index_name, index));
                    } else if let Some(one) = update.get("Delete").or_else(|| update.get("Update")) {
                        let index_name = index_name(one);
                        if known.indexes.get(&index_name).is_none_or(|index| index.is_local) {
                            return Err(missing());
                        }
                        if update.get("Delete").is_some() {
                            removed.push(index_name);
                        }
                    }
                }
                let table = tables.table_mut(name)?;
                table.settings = settings;
                for index in removed {
                    table.indexes.remove(&index);
                }
                for (index_name, index) in added {
                    table.add_index(&index_name, index);
                }
                // Attributes that no key has any more are not described.
                let used: Vec<String> = (table.keys.attributes())
                    .chain(table.indexes.values().flat_map(|index| index.keys.attributes()))
                    .map(|(name, _)| name.clone())
                    .collect();
                table.settings.definitions.retain(|one| {
                    let attribute = one.get("AttributeName").and_then(Json::as_str);
                    used.iter().any(|used| Some(used.as_str()) == attribute)
                });
                save(name, table, changes);
                Ok(self.described(name, table, "ACTIVE"))
            })
            .await??;
        answer(json!({"TableDescription": shown}))
    }

    pub(super) async fn update_time_to_live(&self, call: &Call<'_>) -> Answer {
        let name = plain_name(call.required("TableName"));
        let given = call.object("TimeToLiveSpecification").cloned().unwrap_or_default();
        let attribute = text(&given, "AttributeName").unwrap_or_default().to_owned();
        let is_enabled = given.get("Enabled").and_then(Json::as_bool).unwrap_or_default();
        if attribute.is_empty() {
            return Err(validation("TimeToLiveSpecification has no AttributeName"));
        }
        self.kept
            .with(|tables, changes| {
                let table = tables.table_mut(name)?;
                match (&table.settings.expiry, is_enabled) {
                    (Some(_), true) => return Err(validation("TimeToLive is already enabled")),
                    (None, false) => return Err(validation("TimeToLive is already disabled")),
                    _ => {}
                }
                table.settings.expiry = is_enabled.then_some(attribute);
                save(name, table, changes);
                Ok(())
            })
            .await??;
        answer(json!({"TimeToLiveSpecification": given}))
    }

    pub(super) async fn describe_time_to_live(&self, call: &Call<'_>) -> Answer {
        let name = plain_name(call.required("TableName"));
        let expiry = self
            .kept
            .with(|tables, _| Ok::<_, Refusal>(tables.table(name)?.settings.expiry.clone()));
        let expiry = expiry.await??;
        let status = if expiry.is_some() { "ENABLED" } else { "DISABLED" };
        answer(json!({"TimeToLiveDescription": (members([
            ("TimeToLiveStatus", Some(status.into())),
            ("AttributeName", expiry.map(Json::from)),
        ]))}))
    }

    pub(super) async fn list_tags_of_resource(&self, call: &Call<'_>) -> Answer {
        let mut tags = BTreeMap::new();
        self.change_tags(call, |of| tags = of.clone()).await?;
        let shown = |(key, value): (&String, &String)| json!({"Key": (key.as_str()), "Value": (value.as_str())});
        answer(json!({"Tags": (tags.iter().map(shown).collect::<Vec<Json>>())}))
    }

    pub(super) async fn tag_resource(&self, call: &Call<'_>) -> Answer {
        let given = read_tags(call);
        self.change_tags(call, |tags| tags.extend(given)).await
    }

    pub(super) async fn untag_resource(&self, call: &Call<'_>) -> Answer {
        let keys = call.texts("TagKeys");
        self.change_tags(call, |tags| tags.retain(|key, _| !keys.contains(key))).await
    }

    async fn change_tags(
        &self,
        call: &Call<'_>,
        change: impl FnOnce(&mut BTreeMap<String, String>) + Send,
    ) -> Answer {
        let name = plain_name(call.required("ResourceArn"));
        self.kept
            .with(|tables, changes| {
                let table = tables.table_mut(name)?;
                let before = table.settings.tags.clone();
                change(&mut table.settings.tags);
                if table.settings.tags != before {
                    save(name, table, changes);
                }
                Ok::<_, Refusal>(())
            })
            .await??;
        empty()
    }
}

fn save(name: &str, table: &Table, changes: &mut Changes) {
    changes.put(table_key(name), &table.write());
}

fn no_table(name: &str) -> Refusal {
    let why = format!("Requested resource not found: Table: {name} not found");
    Refusal::new("ResourceNotFoundException", why)
}

/// Every attribute that is defined must be in a key.
fn check_definitions(table: &Table) -> Result<(), Refusal> {
    let used: Vec<&str> = (table.keys.attributes())
        .chain(table.indexes.values().flat_map(|index| index.keys.attributes()))
        .map(|(name, _)| name.as_str())
        .collect();
    for definition in &table.settings.definitions {
        let text = |member: &str| definition.get(member).and_then(Json::as_str).unwrap_or_default();
        if !["S", "N", "B"].contains(&text("AttributeType")) {
            return Err(validation(format!(
                "1 validation error detected: Value '{}' at 'attributeDefinitions.1.member.attributeType' failed to \
                 satisfy constraint: Member must satisfy enum value set: [B, N, S]",
                text("AttributeType")
            )));
        }
        if !used.contains(&text("AttributeName")) {
            return Err(validation(
                "One or more parameter values were invalid: Number of attributes in KeySchema does not exactly match \
                 number of attributes defined in AttributeDefinitions",
            ));
        }
    }
    Ok(())
}
