//! Describes and lists tasks.

use super::Ecs;
use super::clusters::paged;
use crate::call::{Answer, Call, answer, text};
use stepwright_json::{Json, Object, json};

impl Ecs {
    /// The id of the task that a text names: an ARN or an id.
    pub(super) fn task_id<'t>(&self, text: &'t str) -> &'t str {
        self.name_of("task", text).rsplit('/').next().unwrap_or_default()
    }

    pub(super) async fn describe_tasks(&self, call: &Call<'_>) -> Answer {
        let (cluster, named) = (self.cluster(call), call.texts("tasks"));
        let wants_tags = call.texts("include").iter().any(|one| one == "TAGS");
        let arn = self.arn("cluster", cluster);
        let (mut found, mut failures) = (Vec::new(), Vec::new());
        self.kept
            .with(|state, _| {
                Self::check_cluster(state, cluster)?;
                for name in &named {
                    let id = self.task_id(name);
                    let task =
                        state.tasks.get(id).filter(|task| text(task, "clusterArn") == Some(&arn));
                    match task {
                        Some(task) => found.push(described(task, wants_tags)),
                        None => {
                            let arn = self.arn("task", &format!("{cluster}/{id}"));
                            failures.push(json!({"arn": (arn), "reason": "MISSING"}));
                        }
                    }
                }
                Ok::<_, crate::call::Refusal>(())
            })
            .await??;
        answer(json!({"tasks": (Json::from(found)), "failures": (Json::from(failures))}))
    }

    pub(super) async fn list_tasks(&self, call: &Call<'_>) -> Answer {
        let cluster = self.cluster(call);
        let arn = self.arn("cluster", cluster);
        let desired = call.text("desiredStatus").unwrap_or("RUNNING");
        let names = self
            .kept
            .with(|state, _| {
                Self::check_cluster(state, cluster)?;
                let is_wanted = |(_, task): &(&String, &Object)| {
                    let family =
                        text(task, "taskDefinitionArn").and_then(|arn| arn.rsplit('/').next());
                    let family = family.and_then(|name| name.split(':').next());
                    text(task, "clusterArn") == Some(&arn)
                        && text(task, "desiredStatus") == Some(desired)
                        && call.text("family").is_none_or(|wanted| family == Some(wanted))
                        && call
                            .text("startedBy")
                            .is_none_or(|by| text(task, "startedBy") == Some(by))
                };
                let found = state.tasks.iter().filter(is_wanted);
                Ok::<_, crate::call::Refusal>(found.map(|(id, _)| id.clone()).collect())
            })
            .await??;
        paged(call, "taskArns", names, |id| self.arn("task", &format!("{cluster}/{id}")).into())
    }
}

/// A task as it is described.
pub(super) fn described(task: &Object, has_tags: bool) -> Json {
    let mut described = task.clone();
    described.remove("clientToken");
    if !has_tags {
        described.remove("tags");
    }
    described.into()
}
