//! Job queues, and the compute environments behind them: all of them are this machine.

use super::definitions::paged;
use super::state::{Jobs, Status};
use super::{Batch, check_name, refused};
use crate::call::{Answer, Call, Refusal, answer, empty, list};
use crate::kept::Changes;
use stepwright_json::{Json, Object, json};

/// A state that queues and environments have.
fn check_state(call: &Call<'_>) -> Result<(), Refusal> {
    match call.text("state") {
        None | Some("ENABLED" | "DISABLED") => Ok(()),
        Some(other) => {
            Err(refused(format!("state must be one of [ENABLED, DISABLED], not {other}")))
        }
    }
}

impl Batch {
    pub(super) async fn create_compute_environment(&self, call: &Call<'_>) -> Answer {
        let name = call.required("computeEnvironmentName").to_owned();
        check_name("computeEnvironmentName", &name)?;
        check_state(call)?;
        let kind = call.required("type");
        if kind != "MANAGED" && kind != "UNMANAGED" {
            return Err(refused(format!("type must be one of [MANAGED, UNMANAGED], not {kind}")));
        }
        if kind == "MANAGED" && call.object("computeResources").is_none() {
            return Err(refused(
                "computeResources must be specified when creating a MANAGED environment",
            ));
        }
        let arn = self.arn("compute-environment", &name);
        let mut kept = call.input.clone();
        kept.get_or_insert_with("state", || "ENABLED".into());
        kept.insert("status", "VALID".into());
        kept.insert("statusReason", "ComputeEnvironment Healthy".into());
        kept.insert("computeEnvironmentArn", arn.as_str().into());
        let cluster = format!("arn:aws:ecs:{}:{}:cluster/{name}", self.region, self.account);
        kept.insert("ecsClusterArn", cluster.into());
        self.kept
            .with(|state, changes| {
                if state.environments.contains_key(&name) {
                    return Err(refused("Object already exists"));
                }
                changes.put(format!("environment/{name}"), &kept.clone().into());
                state.environments.insert(name.clone(), kept);
                Ok(())
            })
            .await??;
        answer(json!({"computeEnvironmentName": (name), "computeEnvironmentArn": (arn)}))
    }

    pub(super) async fn delete_compute_environment(&self, call: &Call<'_>) -> Answer {
        let name = self.name_of("compute-environment", call.required("computeEnvironment"));
        let arn = self.arn("compute-environment", name);
        self.kept
            .with(|state, changes| {
                let uses = |queue: &Object| {
                    let places = list(queue, "computeEnvironmentOrder").iter();
                    places
                        .filter_map(|one| one.get("computeEnvironment")?.as_str())
                        .any(|one| one == arn)
                };
                if state.queues.values().any(uses) {
                    return Err(refused("Cannot delete, found existing JobQueue relationship"));
                }
                if state.environments.remove(name).is_some() {
                    changes.remove(format!("environment/{name}"));
                }
                Ok(())
            })
            .await??;
        empty()
    }

    pub(super) async fn describe_compute_environments(&self, call: &Call<'_>) -> Answer {
        let found = self.kept.with(|state, _| state.environments.clone()).await?;
        self.listed(call, "compute-environment", "computeEnvironments", found)
    }

    pub(super) async fn describe_job_queues(&self, call: &Call<'_>) -> Answer {
        let found = self.kept.with(|state, _| state.queues.clone()).await?;
        self.listed(call, "job-queue", "jobQueues", found)
    }

    fn listed(
        &self,
        call: &Call<'_>,
        kind: &str,
        member: &'static str,
        all: std::collections::BTreeMap<String, Object>,
    ) -> Answer {
        let wanted = call.texts(member);
        let wanted: Vec<&str> = wanted.iter().map(|text| self.name_of(kind, text)).collect();
        let found = all
            .into_iter()
            .filter(|(name, _)| wanted.is_empty() || wanted.contains(&name.as_str()));
        paged(call, member, found.map(|(name, one)| (name, one.into())).collect())
    }

    pub(super) async fn create_job_queue(&self, call: &Call<'_>) -> Answer {
        let name = call.required("jobQueueName").to_owned();
        check_name("jobQueueName", &name)?;
        let arn = self.arn("job-queue", &name);
        self.kept
            .with(|state, changes| {
                if state.queues.contains_key(&name) {
                    return Err(refused("Object already exists"));
                }
                let mut kept = call.input.clone();
                kept.get_or_insert_with("state", || "ENABLED".into());
                kept.insert("status", "VALID".into());
                kept.insert("statusReason", "JobQueue Healthy".into());
                kept.insert("jobQueueArn", arn.as_str().into());
                self.set_queue(state, changes, call, &name, kept)
            })
            .await??;
        answer(json!({"jobQueueName": (name), "jobQueueArn": (arn)}))
    }

    pub(super) async fn update_job_queue(&self, call: &Call<'_>) -> Answer {
        let name = self.name_of("job-queue", call.required("jobQueue")).to_owned();
        let arn = self.arn("job-queue", &name);
        self.kept
            .with(|state, changes| {
                let Some(mut kept) = state.queues.get(&name).cloned() else {
                    return Err(refused(format!("{arn} does not exist")));
                };
                for member in ["state", "priority", "computeEnvironmentOrder"] {
                    if let Some(value) = call.input.get(member) {
                        kept.insert(member, value.clone());
                    }
                }
                self.set_queue(state, changes, call, &name, kept)
            })
            .await??;
        self.go_on().await?;
        answer(json!({"jobQueueName": (name), "jobQueueArn": (arn)}))
    }

    fn set_queue(
        &self,
        state: &mut Jobs,
        changes: &mut Changes,
        call: &Call<'_>,
        name: &str,
        mut queue: Object,
    ) -> Result<(), Refusal> {
        check_state(call)?;
        let mut places = Vec::new();
        for place in list(&queue, "computeEnvironmentOrder") {
            let named = place.get("computeEnvironment").and_then(Json::as_str).unwrap_or_default();
            let environment = self.name_of("compute-environment", named);
            if !state.environments.contains_key(environment) {
                return Err(refused(format!("computeEnvironment {named} does not exist")));
            }
            let order = place.get("order").and_then(Json::as_i64).unwrap_or_default();
            let arn = self.arn("compute-environment", environment);
            places.push(json!({"order": (order), "computeEnvironment": (arn)}));
        }
        if !(1..=3).contains(&places.len()) {
            return Err(refused("At least 1 and at most 3 compute environments must be provided"));
        }
        queue.insert("computeEnvironmentOrder", places.into());
        changes.put(format!("queue/{name}"), &queue.clone().into());
        state.queues.insert(name.to_owned(), queue);
        Ok(())
    }

    pub(super) async fn delete_job_queue(&self, call: &Call<'_>) -> Answer {
        let name = self.name_of("job-queue", call.required("jobQueue")).to_owned();
        let open = self
            .kept
            .with(|state, changes| {
                let Some(queue) = state.queues.get(&name) else { return Ok(Vec::new()) };
                if queue.get("state").and_then(Json::as_str) != Some("DISABLED") {
                    return Err(refused("Cannot delete, found ENABLED JobQueue: disable it first"));
                }
                state.queues.remove(&name);
                changes.remove(format!("queue/{name}"));
                // Its jobs end with it, as on AWS.
                let is_open = |job: &&super::state::Job| {
                    job.queue() == name && job.parent.is_none() && job.status < Status::Succeeded
                };
                Ok(state.jobs.values().filter(is_open).map(|job| job.id.clone()).collect())
            })
            .await??;
        for id in open {
            self.end(&id, "The job queue was deleted", true).await?;
        }
        empty()
    }
}
