//! Operations on buses, and tags.

use super::state::Bus;
use super::{DEFAULT, Events, invalid, not_found};
use crate::call::{Answer, Call, Refusal, answer, empty, members};
use crate::pages;
use std::collections::BTreeMap;
use stepwright_json::{Json, json};

type Texts = BTreeMap<String, String>;

/// Whether a name is one of letters, digits and four marks.
pub(super) fn check_name(name: &str, most: usize) -> Result<(), Refusal> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if (1..=most).contains(&name.len()) && name.chars().all(is_plain) {
        return Ok(());
    }
    Err(invalid(format!(
        "1 validation error detected: Value '{name}' at 'name' failed to satisfy constraint: Member must \
         satisfy regular expression pattern: [\\.\\-_A-Za-z0-9]+"
    )))
}

pub(super) fn read_tags(call: &Call<'_>) -> Texts {
    let tag = |tag: &Json| {
        let text = |member: &str| tag.get(member).and_then(Json::as_str).map(str::to_owned);
        Some((text("Key")?, text("Value").unwrap_or_default()))
    };
    call.list("Tags").iter().filter_map(tag).collect()
}

impl Events {
    pub(super) async fn create_event_bus(&self, call: &Call<'_>) -> Answer {
        let name = call.required("Name");
        check_name(name, 256)?;
        let bus = Bus {
            description: call.text("Description").map(str::to_owned),
            created: self.now(),
            tags: read_tags(call),
        };
        self.kept
            .with(|rules, changes| {
                if rules.has_bus(name).is_ok() {
                    let why = format!("Event bus {name} already exists.");
                    return Err(Refusal::new("ResourceAlreadyExistsException", why));
                }
                rules.put_bus(name, bus, changes);
                Ok(())
            })
            .await??;
        answer(members([
            ("EventBusArn", Some(self.bus_arn(name).into())),
            ("Description", call.text("Description").map(Json::from)),
        ]))
    }

    pub(super) async fn delete_event_bus(&self, call: &Call<'_>) -> Answer {
        let name = call.required("Name");
        if name == DEFAULT {
            return Err(invalid("Cannot delete event bus default."));
        }
        self.kept
            .with(|rules, changes| {
                if rules.of_bus(name).next().is_some() {
                    return Err(invalid("Event bus can't be deleted since it has rules."));
                }
                rules.remove_bus(name, changes);
                Ok(())
            })
            .await??;
        empty()
    }

    fn shown_bus(&self, name: &str, bus: &Bus) -> Json {
        let moment = (bus.created > 0).then(|| Json::from(bus.created / 1_000));
        members([
            ("Name", Some(name.into())),
            ("Arn", Some(self.bus_arn(name).into())),
            ("Description", bus.description.as_deref().map(Json::from)),
            ("CreationTime", moment.clone()),
            ("LastModifiedTime", moment),
        ])
    }

    pub(super) async fn describe_event_bus(&self, call: &Call<'_>) -> Answer {
        let named = call.text("Name").unwrap_or(DEFAULT);
        let name = named.rsplit('/').next().unwrap_or(named);
        let bus = self
            .kept
            .with(|rules, _| {
                rules.has_bus(name)?;
                Ok::<_, Refusal>(rules.buses.get(name).cloned().unwrap_or_default())
            })
            .await??;
        answer(self.shown_bus(name, &bus))
    }

    pub(super) async fn list_event_buses(&self, call: &Call<'_>) -> Answer {
        let prefix = call.text("NamePrefix").unwrap_or_default();
        let mut buses = self.kept.with(|rules, _| rules.buses.clone()).await?;
        buses.insert(DEFAULT.to_owned(), Bus::default());
        let names = buses.keys().filter(|name| name.starts_with(prefix)).cloned().collect();
        let page = page(call, names)?;
        let shown: Vec<Json> =
            page.items.iter().map(|name| self.shown_bus(name, &buses[name])).collect();
        answer(members([
            ("EventBuses", Some(shown.into())),
            ("NextToken", page.next.map(Json::from)),
        ]))
    }

    pub(super) async fn list_tags_for_resource(&self, call: &Call<'_>) -> Answer {
        let mut tags = Texts::new();
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

    async fn change_tags(&self, call: &Call<'_>, change: impl FnOnce(&mut Texts) + Send) -> Answer {
        let arn = call.required("ResourceARN");
        let named = arn
            .split_once(":rule/")
            .map(|(_, rest)| rest.rsplit_once('/').unwrap_or((DEFAULT, rest)));
        let bus = arn.split_once(":event-bus/").map(|(_, bus)| bus);
        self.kept
            .with(|rules, changes| {
                match (named, bus) {
                    (Some((bus, name)), _) => {
                        let mut rule = rules.rule(bus, name)?.clone();
                        let before = rule.tags.clone();
                        change(&mut rule.tags);
                        if rule.tags != before {
                            rules.put_rule(bus, name, rule, changes);
                        }
                    }
                    (None, Some(name)) => {
                        rules.has_bus(name)?;
                        let mut bus = rules.buses.get(name).cloned().unwrap_or_default();
                        let before = bus.tags.clone();
                        change(&mut bus.tags);
                        if bus.tags != before {
                            rules.put_bus(name, bus, changes);
                        }
                    }
                    (None, None) => return Err(not_found(format!("Resource {arn}"))),
                }
                Ok::<_, Refusal>(())
            })
            .await??;
        empty()
    }
}

/// A page of names.
pub(super) fn page(call: &Call<'_>, names: Vec<String>) -> Result<pages::Page, Refusal> {
    let most = call.int("Limit").unwrap_or(100).clamp(1, 100) as usize;
    pages::page(names, call.text("NextToken"), most)
        .ok_or_else(|| invalid("Invalid token provided for pagination"))
}
