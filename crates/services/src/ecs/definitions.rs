//! Task definitions, and what of a container a process can have.

use super::clusters::paged;
use super::{Ecs, client, invalid};
use crate::call::{Answer, Call, Refusal, answer, list, members, text};
use crate::substitutes::Substitutes;
use std::collections::BTreeSet;
use stepwright_json::{Json, Object, json};

/// The members of a container that a process has, or that say nothing about how it runs.
const PROPERTIES: [&str; 15] = [
    "name",
    "image",
    "cpu",
    "memory",
    "memoryReservation",
    "portMappings",
    "essential",
    "entryPoint",
    "command",
    "environment",
    "mountPoints",
    "dependsOn",
    "stopTimeout",
    "workingDirectory",
    "logConfiguration",
];

/// What a container of its own can have besides.
const OF_CONTAINERS: [&str; 2] = ["user", "readonlyRootFilesystem"];

fn check_containers(input: &Object, substitutes: &Substitutes) -> Result<(), Refusal> {
    let is_contained = substitutes.is_contained();
    let containers = list(input, "containerDefinitions");
    if containers.is_empty() || containers.len() > 10 {
        return Err(client(
            "A task definition has at least 1 and at most 10 container definitions.",
        ));
    }
    let mut names: BTreeSet<&str> = BTreeSet::new();
    let mut has_essential = false;
    let none = Object::new();
    for container in containers {
        let container = container.as_object().unwrap_or(&none);
        let name = text(container, "name").unwrap_or_default();
        let is_right = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if name.is_empty() || name.len() > 255 || !name.bytes().all(is_right) {
            return Err(client(format!(
                "Invalid container name `{name}`: letters, digits, - and _."
            )));
        }
        for (member, value) in container.iter() {
            let is_nothing = value.is_null()
                || value.as_bool() == Some(false)
                || value.as_array().is_some_and(|items| items.is_empty());
            let is_had = PROPERTIES.contains(&member.as_str())
                || is_contained && OF_CONTAINERS.contains(&member.as_str());
            if !is_had && !is_nothing {
                let why = if is_contained { "" } else { ", where containers are processes" };
                return Err(client(format!(
                    "`{member}` of the container `{name}` cannot be had on this machine{why}"
                )));
            }
        }
        substitutes.check_mounts(container, list(input, "volumes")).map_err(client)?;
        if is_contained && text(container, "image").is_none_or(str::is_empty) {
            return Err(client(format!("the container `{name}` has no `image`")));
        }
        has_essential |= is_essential(container);
        for dependency in list(container, "dependsOn") {
            let part = |name: &str| dependency.get(name).and_then(Json::as_str).unwrap_or_default();
            // Only earlier ones, so that none waits for itself.
            if !names.contains(part("containerName")) {
                return Err(client(format!(
                    "the container `{name}` depends on `{}`, which is not defined before it",
                    part("containerName")
                )));
            }
            if !["START", "COMPLETE", "SUCCESS"].contains(&part("condition")) {
                return Err(client(format!(
                    "the condition `{}` cannot be had on this machine: START, COMPLETE or SUCCESS",
                    part("condition")
                )));
            }
        }
        if !names.insert(name) {
            return Err(client(format!(
                "There is more than one container with the name `{name}`."
            )));
        }
    }
    if !has_essential {
        return Err(client("A task definition has at least one essential container."));
    }
    Ok(())
}

pub(super) fn is_essential(container: &Object) -> bool {
    container.get("essential").and_then(Json::as_bool) != Some(false)
}

impl Ecs {
    pub(super) async fn register_task_definition(&self, call: &Call<'_>) -> Answer {
        let family = call.required("family").to_owned();
        let is_right = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if family.is_empty() || family.len() > 255 || !family.bytes().all(is_right) {
            return Err(client("Invalid family: it has letters, digits, - and _."));
        }
        check_containers(&call.input, &self.substitutes)?;
        let mut kept = call.input.clone();
        let tags = kept.remove("tags");
        kept.insert("status", "ACTIVE".into());
        kept.insert("registeredAt", self.now());
        let definition = self
            .kept
            .with(|state, changes| {
                let all = state.definitions.range((family.clone(), 0)..=(family.clone(), i64::MAX));
                let revision = all.last().map_or(0, |((_, revision), _)| *revision) + 1;
                let name = format!("{family}:{revision}");
                kept.insert("taskDefinitionArn", self.arn("task-definition", &name).into());
                kept.insert("revision", revision.into());
                let described = Json::Object(kept.clone());
                if let Some(tags) = &tags {
                    kept.insert("tags", tags.clone());
                }
                changes.put(format!("definition/{family}/{revision}"), &kept.clone().into());
                state.definitions.insert((family.clone(), revision), kept);
                described
            })
            .await?;
        answer(members([("taskDefinition", Some(definition)), ("tags", tags)]))
    }

    pub(super) async fn deregister_task_definition(&self, call: &Call<'_>) -> Answer {
        let name = self.name_of("task-definition", call.required("taskDefinition"));
        if !name.contains(':') {
            return Err(client("Invalid revision number. Number: null"));
        }
        let now = self.now();
        let definition = self
            .kept
            .with(|state, changes| {
                let key = state.definition(name).map(|(key, _)| key.clone()).ok_or_else(unknown)?;
                let definition = state.definitions.get_mut(&key).ok_or_else(unknown)?;
                definition.insert("status", "INACTIVE".into());
                definition.insert("deregisteredAt", now);
                let document = Json::Object(definition.clone());
                changes.put(format!("definition/{}/{}", key.0, key.1), &document);
                Ok::<_, Refusal>(described(definition))
            })
            .await??;
        answer(json!({"taskDefinition": (definition)}))
    }

    pub(super) async fn describe_task_definition(&self, call: &Call<'_>) -> Answer {
        let name = self.name_of("task-definition", call.required("taskDefinition"));
        let found =
            self.kept.with(|state, _| state.definition(name).map(|(_, one)| one.clone())).await?;
        let found = found.ok_or_else(unknown)?;
        let wants_tags = call.texts("include").iter().any(|one| one == "TAGS");
        let tags = Json::from(list(&found, "tags").to_vec());
        answer(members([
            ("taskDefinition", Some(described(&found))),
            ("tags", wants_tags.then_some(tags)),
        ]))
    }

    pub(super) async fn list_task_definitions(&self, call: &Call<'_>) -> Answer {
        let status = call.text("status").unwrap_or("ACTIVE");
        if !["ACTIVE", "INACTIVE"].contains(&status) {
            return Err(invalid(format!("{status} is no status of a task definition here")));
        }
        match call.text("sort") {
            None | Some("ASC") => {}
            Some(other) => return Err(invalid(format!("the order {other} is not had here: ASC"))),
        }
        let prefix = call.text("familyPrefix");
        let names = self
            .kept
            .with(|state, _| {
                let is_wanted = |(key, one): &(&(String, i64), &Object)| {
                    text(one, "status") == Some(status)
                        && prefix.is_none_or(|prefix| key.0 == prefix)
                };
                let found = state.definitions.iter().filter(is_wanted);
                found.map(|(key, _)| format!("{}:{:020}", key.0, key.1)).collect()
            })
            .await?;
        paged(call, "taskDefinitionArns", names, |name| {
            let (family, revision) = name.rsplit_once(':').unwrap_or((name, "0"));
            let revision = revision.trim_start_matches('0');
            self.arn("task-definition", &format!("{family}:{revision}")).into()
        })
    }
}

fn unknown() -> Refusal {
    client("Unable to describe task definition.")
}

/// A definition as it is described: tags stand beside it.
fn described(definition: &Object) -> Json {
    let mut described = definition.clone();
    described.remove("tags");
    described.into()
}
