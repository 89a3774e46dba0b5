//! Clusters: names under which tasks run, all on this machine.

use super::state::{Tasks, is_stopped};
use super::{Ecs, invalid};
use crate::call::{Answer, Call, Refusal, answer, members, text};
use crate::pages::page;
use stepwright_json::{Json, Object, json};

/// The cluster that is there without being created.
pub(super) const DEFAULT: &str = "default";

impl Ecs {
    pub(super) fn check_cluster(state: &Tasks, name: &str) -> Result<(), Refusal> {
        if name == DEFAULT || state.clusters.contains_key(name) {
            return Ok(());
        }
        Err(Refusal::new("ClusterNotFoundException", "Cluster not found."))
    }

    fn described_cluster(&self, state: &Tasks, name: &str) -> Json {
        let arn = self.arn("cluster", name);
        let of_cluster =
            |task: &&Object| text(task, "clusterArn") == Some(&arn) && !is_stopped(task);
        let is_running = |task: &&Object| text(task, "lastStatus") == Some("RUNNING");
        let open = state.tasks.values().filter(of_cluster).count() as i64;
        let running = state.tasks.values().filter(of_cluster).filter(is_running).count() as i64;
        let tags = state.clusters.get(name).and_then(|cluster| cluster.get("tags")).cloned();
        json!({
            "clusterArn": (arn), "clusterName": name, "status": "ACTIVE",
            "registeredContainerInstancesCount": 0, "runningTasksCount": (running),
            "pendingTasksCount": (open - running), "activeServicesCount": 0,
            "tags": (tags.unwrap_or_else(|| Vec::new().into()))
        })
    }

    pub(super) async fn create_cluster(&self, call: &Call<'_>) -> Answer {
        let name = call.text("clusterName").unwrap_or(DEFAULT);
        let is_right = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if name.is_empty() || name.len() > 255 || !name.bytes().all(is_right) {
            return Err(invalid(
                "Identifier is not valid: a cluster's name has letters, digits, - and _.",
            ));
        }
        let cluster = self
            .kept
            .with(|state, changes| {
                // One that is there is as good as created, as on AWS.
                if !state.clusters.contains_key(name) {
                    let tags = call.input.get("tags").cloned().unwrap_or_else(|| Vec::new().into());
                    let kept: Object = [("tags", tags)].into_iter().collect();
                    changes.put(format!("cluster/{name}"), &kept.clone().into());
                    state.clusters.insert(name.to_owned(), kept);
                }
                self.described_cluster(state, name)
            })
            .await?;
        answer(json!({"cluster": (cluster)}))
    }

    pub(super) async fn delete_cluster(&self, call: &Call<'_>) -> Answer {
        let name = self.cluster(call);
        let cluster = self
            .kept
            .with(|state, changes| {
                Self::check_cluster(state, name)?;
                let described = self.described_cluster(state, name);
                let arn = self.arn("cluster", name);
                let runs =
                    |task: &Object| text(task, "clusterArn") == Some(&arn) && !is_stopped(task);
                if state.tasks.values().any(runs) {
                    let message = "The Cluster cannot be deleted while Tasks are active.";
                    return Err(Refusal::new("ClusterContainsTasksException", message));
                }
                state.clusters.remove(name);
                changes.remove(format!("cluster/{name}"));
                Ok(described)
            })
            .await??;
        answer(json!({"cluster": (cluster)}))
    }

    pub(super) async fn describe_clusters(&self, call: &Call<'_>) -> Answer {
        let mut names = call.texts("clusters");
        if names.is_empty() {
            names.push(DEFAULT.to_owned());
        }
        let (mut found, mut failures) = (Vec::new(), Vec::new());
        self.kept
            .with(|state, _| {
                for named in &names {
                    let name = self.name_of("cluster", named);
                    match Self::check_cluster(state, name) {
                        Ok(()) => found.push(self.described_cluster(state, name)),
                        Err(_) => {
                            let arn = self.arn("cluster", name);
                            failures.push(json!({"arn": (arn), "reason": "MISSING"}));
                        }
                    }
                }
            })
            .await?;
        answer(json!({"clusters": (Json::from(found)), "failures": (Json::from(failures))}))
    }

    pub(super) async fn list_clusters(&self, call: &Call<'_>) -> Answer {
        let names = self.kept.with(|state, _| state.clusters.keys().cloned().collect()).await?;
        let arns = |name: &String| Json::from(self.arn("cluster", name));
        paged(call, "clusterArns", names, arns)
    }
}

/// A page of names.
pub(super) fn paged(
    call: &Call<'_>,
    member: &'static str,
    names: Vec<String>,
    written: impl Fn(&String) -> Json,
) -> Answer {
    let most = call.int("maxResults").unwrap_or(100).clamp(1, 100) as usize;
    let page =
        page(names, call.text("nextToken"), most).ok_or_else(|| invalid("Invalid token."))?;
    let items: Vec<Json> = page.items.iter().map(written).collect();
    answer(members([(member, Some(items.into())), ("nextToken", page.next.map(Json::from))]))
}
