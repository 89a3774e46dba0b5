//! Secrets and their versions, and their documents in the store.

use super::missing;
use crate::call::{Refusal, members, texts};
use crate::kept::{Changes, Contents};
use std::collections::{BTreeMap, BTreeSet};
use stepwright_json::{Json, json};

/// The secrets by their names.
#[derive(Debug, Default)]
pub(super) struct Secrets {
    pub(super) by_name: BTreeMap<String, Secret>,
}

/// A secret.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Secret {
    /// The end of its ARN.
    pub(super) suffix: String,
    pub(super) description: Option<String>,
    pub(super) tags: BTreeMap<String, String>,
    /// Moments are in milliseconds since 1970.
    pub(super) created: i64,
    pub(super) changed: i64,
    pub(super) accessed: Option<i64>,
    /// When it was deleted, and until when it can be restored.
    pub(super) deleted: Option<(i64, i64)>,
    pub(super) versions: BTreeMap<String, Version>,
}

/// A version of a secret.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Version {
    /// Sealed.
    pub(super) value: String,
    /// Whether it was given as bytes.
    pub(super) is_binary: bool,
    pub(super) stages: BTreeSet<String>,
    pub(super) created: i64,
}

impl Contents for Secrets {
    const PREFIX: &'static str = "services/secretsmanager/";

    fn read(&mut self, key: &str, value: &Json) {
        self.by_name.insert(key.to_owned(), Secret::read(value));
    }
}

impl Secrets {
    /// The name of the secret that a text means: a name, a whole ARN, or one without its end.
    pub(super) fn name_of(&self, id: &str) -> Option<String> {
        if self.by_name.contains_key(id) {
            return Some(id.to_owned());
        }
        let (before, rest) = id.split_once(":secret:")?;
        if !before.starts_with("arn:") {
            return None;
        }
        let whole = rest.rsplit_once('-').and_then(|(name, suffix)| {
            (self.by_name.get(name)?.suffix == suffix).then(|| name.to_owned())
        });
        whole.or_else(|| self.by_name.contains_key(rest).then(|| rest.to_owned()))
    }

    /// A secret with its name.
    pub(super) fn find(&self, id: &str) -> Result<(String, Secret), Refusal> {
        let name = self.name_of(id).ok_or_else(missing)?;
        let secret = self.by_name[&name].clone();
        Ok((name, secret))
    }

    pub(super) fn put(&mut self, name: &str, secret: Secret, changes: &mut Changes) {
        changes.put(name, &secret.write());
        self.by_name.insert(name.to_owned(), secret);
    }

    pub(super) fn remove(&mut self, name: &str, changes: &mut Changes) {
        if self.by_name.remove(name).is_some() {
            changes.remove(name);
        }
    }
}

impl Secret {
    /// The version that has a stage.
    pub(super) fn staged(&self, stage: &str) -> Option<(&str, &Version)> {
        let mut versions = self.versions.iter();
        let found = versions.find(|(_, version)| version.stages.contains(stage))?;
        Some((found.0, found.1))
    }

    fn write(&self) -> Json {
        let tags = self.tags.iter().map(|(key, value)| (key.as_str(), value.as_str().into()));
        let versions = self.versions.iter().map(|(id, version)| {
            let stages: Vec<Json> =
                version.stages.iter().map(|stage| stage.as_str().into()).collect();
            let written = json!({
                "value": (version.value.as_str()),
                "binary": (version.is_binary),
                "stages": stages,
                "created": (version.created)
            });
            (id.as_str(), written)
        });
        members([
            ("suffix", Some(self.suffix.as_str().into())),
            ("description", self.description.as_deref().map(Json::from)),
            ("tags", Some(Json::Object(tags.collect()))),
            ("created", Some(self.created.into())),
            ("changed", Some(self.changed.into())),
            ("accessed", self.accessed.map(Json::from)),
            ("deleted", self.deleted.map(|(at, until)| Json::from(vec![at.into(), until.into()]))),
            ("versions", Some(Json::Object(versions.collect()))),
        ])
    }

    fn read(document: &Json) -> Self {
        let text = |name: &str| document.get(name).and_then(Json::as_str).map(str::to_owned);
        let int = |name: &str| document.get(name).and_then(Json::as_i64);
        let object = |name: &str| document.get(name).and_then(Json::as_object).cloned();
        let version = |value: &Json| {
            let stages = value.get("stages").and_then(Json::as_array).cloned().unwrap_or_default();
            Version {
                value: value.get("value").and_then(Json::as_str).unwrap_or_default().to_owned(),
                is_binary: value.get("binary").and_then(Json::as_bool).unwrap_or_default(),
                stages: stages.iter().filter_map(Json::as_str).map(str::to_owned).collect(),
                created: value.get("created").and_then(Json::as_i64).unwrap_or_default(),
            }
        };
        let deleted = document.get("deleted");
        let at = |index: usize| deleted.and_then(|pair| pair.at(index)?.as_i64());
        let tags = object("tags").unwrap_or_default();
        let versions = object("versions").unwrap_or_default();
        Self {
            suffix: text("suffix").unwrap_or_default(),
            description: text("description"),
            tags: texts(&tags).map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
            created: int("created").unwrap_or_default(),
            changed: int("changed").unwrap_or_default(),
            accessed: int("accessed"),
            deleted: at(0).zip(at(1)),
            versions: versions.iter().map(|(id, value)| (id.to_string(), version(value))).collect(),
        }
    }
}
