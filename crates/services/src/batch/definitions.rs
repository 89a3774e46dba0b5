//! Job definitions, and what of a container a process can have.

use super::{Batch, check_name, refused};
use crate::call::{Answer, Call, Refusal, answer, empty, list, members, text};
use crate::pages::page;
use crate::substitutes::Substitutes;
use stepwright_json::{Json, Object, json};

/// The properties of a container that a process has, or that say nothing about how it runs.
const PROPERTIES: [&str; 17] = [
    "image",
    "vcpus",
    "memory",
    "command",
    "jobRoleArn",
    "executionRoleArn",
    "volumes",
    "environment",
    "mountPoints",
    "instanceType",
    "resourceRequirements",
    "logConfiguration",
    "networkConfiguration",
    "fargatePlatformConfiguration",
    "ephemeralStorage",
    "runtimePlatform",
    "ulimits",
];

/// What a container of its own can have besides.
const OF_CONTAINERS: [&str; 2] = ["user", "readonlyRootFilesystem"];

/// Checks that a process, or a container where those are run, can be what is said of it.
pub(super) fn check_container(
    container: &Object,
    substitutes: &Substitutes,
) -> Result<(), Refusal> {
    let is_contained = substitutes.is_contained();
    for (name, value) in container.iter() {
        let is_nothing = value.is_null()
            || value.as_bool() == Some(false)
            || value.as_array().is_some_and(|items| items.is_empty());
        let is_had = name != "ulimits" && PROPERTIES.contains(&name.as_str())
            || is_contained && OF_CONTAINERS.contains(&name.as_str());
        if !is_had && !is_nothing {
            let what = if is_contained { "a container" } else { "a process" };
            return Err(refused(format!(
                "`containerProperties.{name}` cannot be had by a job of this machine, which is {what}"
            )));
        }
    }
    let is_empty = |item: &Json| item.as_str().is_none_or(str::is_empty);
    if is_contained && text(container, "image").is_none_or(str::is_empty) {
        return Err(refused("`containerProperties.image` is required"));
    }
    let command = list(container, "command").first();
    let has_entry_point = !substitutes.line(text(container, "image"), Vec::new()).is_empty();
    if !is_contained && !has_entry_point && command.is_none_or(is_empty) {
        return Err(refused(
            "`containerProperties.command` is required: a job of this machine is a process, and the command \
             of the image is not known; [server.images] in stepwright.toml can say it",
        ));
    }
    for requirement in list(container, "resourceRequirements") {
        let kind = requirement.get("type").and_then(Json::as_str).unwrap_or_default();
        if kind != "VCPU" && kind != "MEMORY" {
            return Err(refused(format!(
                "a job of this machine cannot have the resource `{kind}`"
            )));
        }
        let value = requirement.get("value").and_then(Json::as_str).unwrap_or_default();
        if !value.parse::<f64>().is_ok_and(|value| value > 0.0) {
            return Err(refused(format!("`{value}` is not a value of the resource `{kind}`")));
        }
    }
    substitutes.check_mounts(container, list(container, "volumes")).map_err(refused)
}

/// Checks how often a job is tried, and for how long.
pub(super) fn check_attempts(input: &Object) -> Result<(), Refusal> {
    let retries = input.get("retryStrategy").and_then(Json::as_object);
    let attempts = retries.and_then(|retries| retries.get("attempts")).and_then(Json::as_i64);
    if attempts.is_some_and(|attempts| !(1..=10).contains(&attempts)) {
        return Err(refused("RetryStrategy.attempts must be between 1 and 10"));
    }
    let rules = retries.map(|retries| list(retries, "evaluateOnExit")).unwrap_or_default();
    if rules.len() > 5 {
        return Err(refused("RetryStrategy.evaluateOnExit has at most 5 items"));
    }
    for rule in rules {
        let action = rule.get("action").and_then(Json::as_str).unwrap_or_default();
        if !action.eq_ignore_ascii_case("RETRY") && !action.eq_ignore_ascii_case("EXIT") {
            return Err(refused(format!(
                "`{action}` is no action of evaluateOnExit: RETRY or EXIT"
            )));
        }
    }
    let timeout = input.get("timeout").and_then(|timeout| timeout.get("attemptDurationSeconds"));
    if timeout.and_then(Json::as_i64).is_some_and(|seconds| seconds < 1) {
        return Err(refused("timeout.attemptDurationSeconds must be at least 1"));
    }
    Ok(())
}

impl Batch {
    pub(super) async fn register_job_definition(&self, call: &Call<'_>) -> Answer {
        let name = call.required("jobDefinitionName").to_owned();
        check_name("jobDefinitionName", &name)?;
        if call.required("type") != "container" {
            return Err(refused(format!(
                "the type `{}` is not known here: a job definition is a `container`",
                call.required("type")
            )));
        }
        let Some(container) = call.object("containerProperties") else {
            return Err(refused("containerProperties must be specified"));
        };
        check_container(container, &self.substitutes)?;
        check_attempts(&call.input)?;
        let mut kept = call.input.clone();
        kept.insert("status", "ACTIVE".into());
        let kind = self.arn("job-definition", &name);
        let (revision, arn) = self
            .kept
            .with(|state, changes| {
                let last = state
                    .definitions
                    .range((name.clone(), 0)..=(name.clone(), i64::MAX))
                    .next_back()
                    .map_or(0, |((_, revision), _)| *revision);
                let revision = last + 1;
                let arn = format!("{kind}:{revision}");
                kept.insert("jobDefinitionArn", arn.as_str().into());
                kept.insert("revision", revision.into());
                changes.put(format!("definition/{name}/{revision}"), &kept.clone().into());
                state.definitions.insert((name.clone(), revision), kept);
                (revision, arn)
            })
            .await?;
        answer(json!({
            "jobDefinitionName": (name), "jobDefinitionArn": (arn), "revision": (revision)
        }))
    }

    pub(super) async fn deregister_job_definition(&self, call: &Call<'_>) -> Answer {
        let named = self.name_of("job-definition", call.required("jobDefinition")).to_owned();
        let key = named
            .rsplit_once(':')
            .and_then(|(name, revision)| Some((name.to_owned(), revision.parse::<i64>().ok()?)));
        let Some(key) = key else {
            return Err(refused(format!("Job definition {named} must have a revision")));
        };
        self.kept
            .with(|state, changes| {
                // One that is not there is as good as deregistered, as on AWS.
                if let Some(definition) = state.definitions.get_mut(&key) {
                    definition.insert("status", "INACTIVE".into());
                    let document = Json::Object(definition.clone());
                    changes.put(format!("definition/{}/{}", key.0, key.1), &document);
                }
            })
            .await?;
        empty()
    }

    pub(super) async fn describe_job_definitions(&self, call: &Call<'_>) -> Answer {
        let wanted: Vec<String> = call
            .texts("jobDefinitions")
            .iter()
            .map(|text| self.name_of("job-definition", text).to_owned())
            .collect();
        let (name, status) = (call.text("jobDefinitionName"), call.text("status"));
        let found = self
            .kept
            .with(|state, _| {
                let is_wanted = |key: &(String, i64), definition: &Object| {
                    let full = format!("{}:{}", key.0, key.1);
                    (wanted.is_empty() || wanted.iter().any(|one| *one == full || *one == key.0))
                        && name.is_none_or(|name| name == key.0)
                        && status.is_none_or(|status| text(definition, "status") == Some(status))
                };
                let all = state.definitions.iter();
                // Pages go by names, and revisions by number.
                all.filter(|(key, definition)| is_wanted(key, definition))
                    .map(|(key, definition)| {
                        (format!("{}:{:020}", key.0, key.1), Json::Object(definition.clone()))
                    })
                    .collect::<Vec<_>>()
            })
            .await?;
        paged(call, "jobDefinitions", found)
    }
}

/// A page of things by their names.
pub(super) fn paged(call: &Call<'_>, list: &'static str, found: Vec<(String, Json)>) -> Answer {
    let most = call.int("maxResults").unwrap_or(100).clamp(1, 1_000) as usize;
    let mut found: std::collections::BTreeMap<String, Json> = found.into_iter().collect();
    let names = found.keys().cloned().collect();
    let page = page(names, call.text("nextToken"), most)
        .ok_or_else(|| refused("The nextToken is invalid."))?;
    let items: Vec<Json> = page.items.iter().filter_map(|name| found.remove(name)).collect();
    answer(members([(list, Some(items.into())), ("nextToken", page.next.map(Json::from))]))
}
