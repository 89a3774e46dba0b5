//! Parameters and their versions, and their documents in the store.

use crate::call::{members, texts};
use crate::kept::{Changes, Contents};
use std::collections::{BTreeMap, BTreeSet};
use stepwright_json::Json;

/// The parameters by their names.
#[derive(Debug, Default)]
pub(super) struct Parameters {
    pub(super) by_name: BTreeMap<String, Parameter>,
}

/// A parameter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Parameter {
    pub(super) tags: BTreeMap<String, String>,
    pub(super) versions: BTreeMap<i64, Version>,
}

/// A version of a parameter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Version {
    /// `String`, `StringList`, `SecureString`
    pub(super) kind: String,
    /// Sealed, if it is a `SecureString`.
    pub(super) value: String,
    pub(super) description: Option<String>,
    pub(super) allowed: Option<String>,
    /// In milliseconds since 1970.
    pub(super) modified: i64,
    pub(super) labels: BTreeSet<String>,
}

impl Contents for Parameters {
    const PREFIX: &'static str = "services/ssm/";

    fn read(&mut self, key: &str, value: &Json) {
        self.by_name.insert(key.to_owned(), Parameter::read(value));
    }
}

impl Parameters {
    pub(super) fn put(&mut self, name: &str, parameter: Parameter, changes: &mut Changes) {
        changes.put(name, &parameter.write());
        self.by_name.insert(name.to_owned(), parameter);
    }

    pub(super) fn remove(&mut self, name: &str, changes: &mut Changes) -> bool {
        let is_there = self.by_name.remove(name).is_some();
        if is_there {
            changes.remove(name);
        }
        is_there
    }
}

impl Parameter {
    /// The latest version and its number.
    pub(super) fn latest(&self) -> Option<(i64, &Version)> {
        self.versions.last_key_value().map(|(number, version)| (*number, version))
    }

    /// The version with a number or a label.
    pub(super) fn selected(&self, selector: &str) -> Option<(i64, &Version)> {
        match selector.parse::<i64>() {
            Ok(number) => self.versions.get(&number).map(|version| (number, version)),
            Err(_) => {
                let mut versions = self.versions.iter();
                let found = versions.find(|(_, version)| version.labels.contains(selector))?;
                Some((*found.0, found.1))
            }
        }
    }

    fn write(&self) -> Json {
        let tags = self.tags.iter().map(|(key, value)| (key.as_str(), value.as_str().into()));
        let versions = self.versions.iter().map(|(number, version)| {
            let labels = version.labels.iter().map(|label| label.as_str().into());
            let written = members([
                ("kind", Some(version.kind.as_str().into())),
                ("value", Some(version.value.as_str().into())),
                ("description", version.description.as_deref().map(Json::from)),
                ("allowed", version.allowed.as_deref().map(Json::from)),
                ("modified", Some(version.modified.into())),
                ("labels", Some(Json::Array(labels.collect()))),
            ]);
            (number.to_string(), written)
        });
        members([
            ("tags", Some(Json::Object(tags.collect()))),
            ("versions", Some(Json::Object(versions.collect()))),
        ])
    }

    fn read(document: &Json) -> Self {
        let object = |name: &str| document.get(name).and_then(Json::as_object).cloned();
        let tags = object("tags").unwrap_or_default();
        let versions = object("versions").unwrap_or_default();
        let version = |value: &Json| {
            let text = |name: &str| value.get(name).and_then(Json::as_str).map(str::to_owned);
            let labels = value.get("labels").and_then(Json::as_array).cloned().unwrap_or_default();
            Version {
                kind: text("kind").unwrap_or_default(),
                value: text("value").unwrap_or_default(),
                description: text("description"),
                allowed: text("allowed"),
                modified: value.get("modified").and_then(Json::as_i64).unwrap_or_default(),
                labels: labels.iter().filter_map(Json::as_str).map(str::to_owned).collect(),
            }
        };
        Self {
            tags: texts(&tags).map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
            versions: versions
                .iter()
                .filter_map(|(number, value)| Some((number.parse().ok()?, version(value))))
                .collect(),
        }
    }
}

impl Version {
    pub(super) fn is_secure(&self) -> bool {
        self.kind == "SecureString"
    }
}
