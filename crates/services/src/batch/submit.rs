//! Submits jobs: what the definition says and what the request says become one.

use super::definitions::{check_attempts, check_container};
use super::state::{Job, Jobs, Status};
use super::{Batch, check_name, refused};
use crate::call::{Answer, Call, Refusal, answer, list, text};
use std::sync::Arc;
use stepwright_json::{Json, Object, json};

/// The most jobs of an array, as on AWS.
const MOST_CHILDREN: i64 = 10_000;

/// The most jobs that have not ended.
const MOST_OPEN: usize = 100_000;

impl Batch {
    pub(super) async fn submit_job(&self, call: &Call<'_>) -> Answer {
        let name = call.required("jobName");
        check_name("jobName", name)?;
        check_attempts(&call.input)?;
        let size = call.object("arrayProperties").and_then(|array| array.get("size"));
        let size = size.and_then(Json::as_i64);
        if size.is_some_and(|size| !(2..=MOST_CHILDREN).contains(&size)) {
            return Err(refused(format!("Array size must be between 2 and {MOST_CHILDREN}")));
        }
        // A task whose answer was lost submits nothing a second time.
        let id = call.caller.once.clone();
        let id = id.unwrap_or_else(|| uuid::Uuid::new_v4().to_string());
        let now = self.now();
        self.kept
            .with(|state, changes| {
                if state.jobs.contains_key(&id) {
                    return Ok(());
                }
                let given = self.given(state, call, name, size)?;
                if state.ready.len() + state.waiting.len() > MOST_OPEN {
                    return Err(refused("too many jobs wait on this machine"));
                }
                state.last += 1;
                let job = Job {
                    id: id.clone(),
                    number: state.last,
                    given: Arc::new(given),
                    created: now,
                    size,
                    ..Job::default()
                };
                let given = job.given.clone();
                state.jobs.insert(id.clone(), job);
                let Some(size) = size else {
                    state.place(&id, now, changes);
                    return Ok(());
                };
                state.change(&id, changes, |job| job.status = Status::Pending);
                for index in 0..size {
                    state.last += 1;
                    let child = Job {
                        id: format!("{id}:{index}"),
                        number: state.last,
                        given: given.clone(),
                        created: now,
                        parent: Some((id.clone(), index)),
                        ..Job::default()
                    };
                    state.jobs.insert(child.id.clone(), child);
                }
                if let Some(parent) = state.jobs.get_mut(&id) {
                    parent.summary[Status::Submitted as usize] = size;
                }
                for index in 0..size {
                    state.place(&format!("{id}:{index}"), now, changes);
                }
                Ok(())
            })
            .await??;
        self.go_on().await?;
        answer(json!({"jobArn": (self.arn("job", &id)), "jobName": name, "jobId": (id)}))
    }

    /// What a job is, from its definition and the request.
    fn given(
        &self,
        state: &Jobs,
        call: &Call<'_>,
        name: &str,
        size: Option<i64>,
    ) -> Result<Object, Refusal> {
        let queue = self.name_of("job-queue", call.required("jobQueue"));
        let Some(about) = state.queues.get(queue) else {
            return Err(refused(format!("Job queue {queue} does not exist")));
        };
        if text(about, "state") != Some("ENABLED") {
            return Err(refused(format!("Job queue {queue} is not in enabled state")));
        }
        let definition = self.definition(state, call.required("jobDefinition"))?;
        let mut container = definition
            .get("containerProperties")
            .and_then(Json::as_object)
            .cloned()
            .unwrap_or_default();
        if let Some(overrides) = call.object("containerOverrides") {
            merge_container(&mut container, overrides);
        }
        check_container(&container, &self.substitutes)?;
        let mut parameters =
            definition.get("parameters").and_then(Json::as_object).cloned().unwrap_or_default();
        for (name, value) in call.object("parameters").into_iter().flat_map(Object::iter) {
            parameters.insert(name.clone(), value.clone());
        }
        check_dependencies(state, call, size)?;
        let mut given = Object::new();
        given.insert("jobName", name.into());
        given.insert("jobQueue", self.arn("job-queue", queue).into());
        given.insert("priority", about.get("priority").cloned().unwrap_or_default());
        given.insert(
            "jobDefinition",
            definition.get("jobDefinitionArn").cloned().unwrap_or_default(),
        );
        given.insert("parameters", parameters.into());
        given.insert("container", container.into());
        given.insert("dependsOn", Json::from(call.list("dependsOn").to_vec()));
        for member in ["retryStrategy", "timeout"] {
            let value = call.input.get(member).or_else(|| definition.get(member));
            if let Some(value) = value {
                given.insert(member, value.clone());
            }
        }
        for member in ["platformCapabilities", "propagateTags"] {
            if let Some(value) = call.input.get(member).or_else(|| definition.get(member)) {
                given.insert(member, value.clone());
            }
        }
        given.insert(
            "tags",
            call.input.get("tags").cloned().unwrap_or_else(|| Object::new().into()),
        );
        Ok(given)
    }

    /// The definition with an ARN, a name and a revision, or a name, which means the newest.
    fn definition<'s>(&self, state: &'s Jobs, named: &str) -> Result<&'s Object, Refusal> {
        let key = self.name_of("job-definition", named);
        let is_active = |one: &&Object| text(one, "status") == Some("ACTIVE");
        let found = match key
            .rsplit_once(':')
            .and_then(|(name, revision)| Some((name.to_owned(), revision.parse::<i64>().ok()?)))
        {
            Some(key) => state.definitions.get(&key).filter(is_active),
            None => {
                let revisions = (key.to_owned(), 0)..=(key.to_owned(), i64::MAX);
                state.definitions.range(revisions).rev().map(|(_, one)| one).find(is_active)
            }
        };
        found.ok_or_else(|| {
            refused(format!("Job definition {named} does not exist or is not ACTIVE"))
        })
    }
}

/// Puts overrides into what the definition says: variables by their names, the rest as a whole.
fn merge_container(container: &mut Object, overrides: &Object) {
    for (name, value) in overrides.iter() {
        let key = if name == "environment" { "name" } else { "type" };
        if name != "environment" && name != "resourceRequirements" {
            container.insert(name.clone(), value.clone());
            continue;
        }
        let mut merged: Vec<Json> = list(container, name).to_vec();
        for one in list(overrides, name) {
            match merged.iter_mut().find(|other| other.get(key) == one.get(key)) {
                Some(other) => *other = one.clone(),
                None => merged.push(one.clone()),
            }
        }
        container.insert(name.clone(), merged.into());
    }
}

fn check_dependencies(state: &Jobs, call: &Call<'_>, size: Option<i64>) -> Result<(), Refusal> {
    let dependencies = call.list("dependsOn");
    if dependencies.len() > 20 {
        return Err(refused("a job depends on at most 20 jobs"));
    }
    for dependency in dependencies {
        let part = |name: &str| dependency.get(name).and_then(Json::as_str);
        let other = match part("jobId") {
            Some(id) => {
                let other = state.jobs.get(id);
                Some(other.ok_or_else(|| refused(format!("JobId {id} not found")))?)
            }
            None => None,
        };
        match (part("type"), other) {
            (Some("SEQUENTIAL"), None) if size.is_some() => {}
            (Some("SEQUENTIAL"), _) => {
                return Err(refused("SEQUENTIAL is for array jobs, and takes no jobId"));
            }
            (Some("N_TO_N"), Some(other)) if size.is_some() && other.size == size => {}
            (Some("N_TO_N"), _) => {
                return Err(refused(
                    "N_TO_N is for array jobs that depend on one of the same size",
                ));
            }
            (None, Some(_)) => {}
            (None, None) => return Err(refused("a dependency needs a jobId, or a type")),
            (Some(kind), _) => {
                return Err(refused(format!(
                    "{kind} is no type of a dependency: N_TO_N or SEQUENTIAL"
                )));
            }
        }
    }
    Ok(())
}
