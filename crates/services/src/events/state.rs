//! Buses, rules and targets, and their documents in the store.

use super::{DEFAULT, not_found};
use crate::call::{Refusal, members, texts};
use crate::kept::{Changes, Contents};
use crate::pattern::Pattern;
use std::collections::BTreeMap;
use stepwright_aws::schedule::Schedule;
use stepwright_json::{Json, Object};

type Texts = BTreeMap<String, String>;

/// Everything that is there.
#[derive(Debug, Default)]
pub(super) struct Rules {
    /// The buses besides the one that is always there.
    pub(super) buses: BTreeMap<String, Bus>,
    /// By bus and name.
    pub(super) rules: BTreeMap<(String, String), Rule>,
    /// Until when schedules have been fired, if several nodes share the store.
    pub(super) fired: Option<i64>,
}

/// A bus.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Bus {
    pub(super) description: Option<String>,
    /// In milliseconds since 1970.
    pub(super) created: i64,
    pub(super) tags: Texts,
}

/// A rule.
#[derive(Clone, Debug, Default)]
pub(super) struct Rule {
    /// The text of the pattern, and what it means.
    pub(super) pattern: Option<(String, Pattern)>,
    pub(super) schedule: Option<(String, Schedule)>,
    /// `ENABLED`, `DISABLED`
    pub(super) state: String,
    pub(super) description: Option<String>,
    pub(super) role: Option<String>,
    pub(super) tags: Texts,
    /// When it came to be, or its schedule: a rate counts from there. In milliseconds since 1970.
    pub(super) since: i64,
    /// The targets by their ids, as they were given, with whoever gave them.
    pub(super) targets: BTreeMap<String, Target>,
}

/// A target of a rule.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Target {
    /// As it was given.
    pub(super) given: Object,
    /// On whose behalf executions act that it starts.
    pub(super) owner: Option<String>,
}

impl Contents for Rules {
    const PREFIX: &'static str = "services/events/";

    fn read(&mut self, key: &str, value: &Json) {
        match key.split_once('/') {
            Some(("bus", name)) => {
                self.buses.insert(name.to_owned(), Bus::read(value));
            }
            Some(("rule", rest)) => {
                let Some((bus, name)) = rest.split_once('/') else { return };
                self.rules.insert((bus.to_owned(), name.to_owned()), Rule::read(value));
            }
            None if key == FIRED => self.fired = value.as_i64(),
            _ => {}
        }
    }
}

/// The key of the moment until when schedules have been fired.
const FIRED: &str = "fired";

impl Rules {
    pub(super) fn has_fired(&mut self, until: i64, changes: &mut Changes) {
        self.fired = Some(until);
        changes.put(FIRED, &until.into());
    }

    pub(super) fn has_bus(&self, bus: &str) -> Result<(), Refusal> {
        if bus == DEFAULT || self.buses.contains_key(bus) {
            return Ok(());
        }
        Err(not_found(format!("Event bus {bus}")))
    }

    pub(super) fn rule(&self, bus: &str, name: &str) -> Result<&Rule, Refusal> {
        self.has_bus(bus)?;
        let found = self.rules.get(&(bus.to_owned(), name.to_owned()));
        found.ok_or_else(|| not_found(format!("Rule {name}")).renamed_for_bus(bus, name))
    }

    pub(super) fn put_rule(&mut self, bus: &str, name: &str, rule: Rule, changes: &mut Changes) {
        changes.put(format!("rule/{bus}/{name}"), &rule.write());
        self.rules.insert((bus.to_owned(), name.to_owned()), rule);
    }

    pub(super) fn remove_rule(&mut self, bus: &str, name: &str, changes: &mut Changes) {
        if self.rules.remove(&(bus.to_owned(), name.to_owned())).is_some() {
            changes.remove(format!("rule/{bus}/{name}"));
        }
    }

    pub(super) fn put_bus(&mut self, name: &str, bus: Bus, changes: &mut Changes) {
        changes.put(format!("bus/{name}"), &bus.write());
        self.buses.insert(name.to_owned(), bus);
    }

    pub(super) fn remove_bus(&mut self, name: &str, changes: &mut Changes) {
        if self.buses.remove(name).is_some() {
            changes.remove(format!("bus/{name}"));
        }
    }

    /// The rules of a bus.
    pub(super) fn of_bus<'r>(&'r self, bus: &'r str) -> impl Iterator<Item = (&'r str, &'r Rule)> {
        let all = self.rules.iter().filter(move |((of, _), _)| of == bus);
        all.map(|((_, name), rule)| (name.as_str(), rule))
    }
}

impl Refusal {
    /// Says on which bus a rule is missing.
    fn renamed_for_bus(self, bus: &str, name: &str) -> Self {
        Self { message: format!("Rule {name} does not exist on EventBus {bus}."), ..self }
    }
}

fn write_texts(given: &Texts) -> Json {
    Json::Object(given.iter().map(|(name, text)| (name.as_str(), text.as_str().into())).collect())
}

fn read_texts(document: &Json, member: &str) -> Texts {
    let object = document.get(member).and_then(Json::as_object);
    let pairs = object.into_iter().flat_map(texts);
    pairs.map(|(name, text)| (name.to_owned(), text.to_owned())).collect()
}

impl Bus {
    fn write(&self) -> Json {
        members([
            ("description", self.description.as_deref().map(Json::from)),
            ("created", Some(self.created.into())),
            ("tags", Some(write_texts(&self.tags))),
        ])
    }

    fn read(document: &Json) -> Self {
        Self {
            description: document.get("description").and_then(Json::as_str).map(str::to_owned),
            created: document.get("created").and_then(Json::as_i64).unwrap_or_default(),
            tags: read_texts(document, "tags"),
        }
    }
}

impl Rule {
    pub(super) fn is_enabled(&self) -> bool {
        self.state != "DISABLED"
    }

    fn write(&self) -> Json {
        let targets = self.targets.iter().map(|(id, target)| {
            let written = members([
                ("given", Some(Json::Object(target.given.clone()))),
                ("owner", target.owner.as_deref().map(Json::from)),
            ]);
            (id.as_str(), written)
        });
        members([
            ("pattern", self.pattern.as_ref().map(|(text, _)| text.as_str().into())),
            ("schedule", self.schedule.as_ref().map(|(text, _)| text.as_str().into())),
            ("state", Some(self.state.as_str().into())),
            ("description", self.description.as_deref().map(Json::from)),
            ("role", self.role.as_deref().map(Json::from)),
            ("tags", Some(write_texts(&self.tags))),
            ("since", Some(self.since.into())),
            ("targets", Some(Json::Object(targets.collect()))),
        ])
    }

    fn read(document: &Json) -> Self {
        let text = |name: &str| document.get(name).and_then(Json::as_str).map(str::to_owned);
        // Both were checked before they were kept.
        let pattern = text("pattern").and_then(|text| {
            let pattern = Pattern::read(&stepwright_json::parse(&text).ok()?).ok()?;
            Some((text, pattern))
        });
        let schedule = text("schedule").and_then(|text| {
            let schedule = Schedule::parse(&text).ok()?;
            Some((text, schedule))
        });
        let targets = document.get("targets").and_then(Json::as_object);
        let targets = targets.into_iter().flat_map(Object::iter).filter_map(|(id, target)| {
            let given = target.get("given")?.as_object()?.clone();
            let owner = target.get("owner").and_then(Json::as_str).map(str::to_owned);
            Some((id.to_string(), Target { given, owner }))
        });
        Self {
            pattern,
            schedule,
            state: text("state").unwrap_or_default(),
            description: text("description"),
            role: text("role"),
            tags: read_texts(document, "tags"),
            since: document.get("since").and_then(Json::as_i64).unwrap_or_default(),
            targets: targets.collect(),
        }
    }
}
