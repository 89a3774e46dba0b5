//! ECS: task definitions, clusters in name, and tasks whose containers run as processes of this machine.

mod clusters;
mod definitions;
mod describe;
mod run;
mod state;
mod tags;
mod tasks;

use crate::call::{Answer, Call, Refusal};
use crate::delivery::World;
use crate::kept::Kept;
use crate::substitutes::Substitutes;
use crate::{Answered, LocalService, Setup, Supported};
use parking_lot::Mutex;
use state::Tasks;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock, Weak};
use stepwright_engine::Clock;
use stepwright_json::Json;
use tokio::sync::{Semaphore, watch};

/// The most tasks that run at once; others are pending.
const MOST_RUNNING: usize = 64;

/// The tasks of one account in one region.
pub(crate) struct Ecs {
    kept: Kept<Tasks>,
    clock: Arc<dyn Clock>,
    account: String,
    region: String,
    /// The folder of what tasks print.
    logs: Option<PathBuf>,
    substitutes: Substitutes,
    world: OnceLock<Arc<dyn World>>,
    /// What ends a task, by its id.
    stops: Mutex<BTreeMap<String, watch::Sender<bool>>>,
    room: Semaphore,
    this: Weak<Self>,
}

const OPERATIONS: &[Supported] = &[
    Supported::new("CreateCluster", &["clusterName", "tags"]),
    Supported::new("DeleteCluster", &["cluster"]),
    Supported::new("DeregisterTaskDefinition", &["taskDefinition"]),
    Supported::new("DescribeClusters", &["clusters", "include"]),
    Supported::new("DescribeTaskDefinition", &["taskDefinition", "include"]),
    Supported::new("DescribeTasks", &["cluster", "tasks", "include"]),
    Supported::new("ListClusters", &["nextToken", "maxResults"]),
    Supported::new("ListTagsForResource", &["resourceArn"]),
    Supported::new(
        "ListTaskDefinitions",
        &["familyPrefix", "status", "sort", "nextToken", "maxResults"],
    ),
    Supported::new(
        "ListTasks",
        &["cluster", "family", "startedBy", "desiredStatus", "nextToken", "maxResults"],
    ),
    Supported::new(
        "RegisterTaskDefinition",
        &[
            "family",
            "taskRoleArn",
            "executionRoleArn",
            "networkMode",
            "containerDefinitions",
            "volumes",
            "requiresCompatibilities",
            "cpu",
            "memory",
            "tags",
            "ephemeralStorage",
            "runtimePlatform",
        ],
    ),
    Supported::new(
        "RunTask",
        &[
            "capacityProviderStrategy",
            "cluster",
            "count",
            "enableECSManagedTags",
            "group",
            "launchType",
            "networkConfiguration",
            "overrides",
            "platformVersion",
            "propagateTags",
            "startedBy",
            "tags",
            "taskDefinition",
            "clientToken",
        ],
    ),
    Supported::new("StopTask", &["cluster", "task", "reason"]),
    Supported::new("TagResource", &["resourceArn", "tags"]),
    Supported::new("UntagResource", &["resourceArn", "tagKeys"]),
];

impl LocalService for Ecs {
    fn operations(&self) -> &'static [Supported] {
        OPERATIONS
    }

    fn missing(&self, member: &str) -> Refusal {
        invalid(format!("{member} can not be blank."))
    }

    fn call<'s>(&'s self, call: Call<'s>) -> Answered<'s> {
        Box::pin(self.answer(call))
    }
}

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::new("InvalidParameterException", message)
}

fn client(message: impl Into<String>) -> Refusal {
    Refusal::new("ClientException", message)
}

impl Ecs {
    pub(crate) fn new(setup: &Setup) -> Arc<Self> {
        Arc::new_cyclic(|this| Self {
            kept: Kept::alone(setup.store.clone()),
            clock: setup.clock.clone(),
            account: setup.account.clone(),
            region: setup.region.clone(),
            logs: setup.jobs.clone(),
            substitutes: setup.substitutes.clone(),
            world: OnceLock::new(),
            stops: Mutex::default(),
            room: Semaphore::new(MOST_RUNNING),
            this: this.clone(),
        })
    }

    async fn answer(&self, call: Call<'_>) -> Answer {
        let operation: Answered<'_> = match call.operation.name.as_str() {
            "CreateCluster" => Box::pin(self.create_cluster(&call)),
            "DeleteCluster" => Box::pin(self.delete_cluster(&call)),
            "DeregisterTaskDefinition" => Box::pin(self.deregister_task_definition(&call)),
            "DescribeClusters" => Box::pin(self.describe_clusters(&call)),
            "DescribeTaskDefinition" => Box::pin(self.describe_task_definition(&call)),
            "DescribeTasks" => Box::pin(self.describe_tasks(&call)),
            "ListClusters" => Box::pin(self.list_clusters(&call)),
            "ListTagsForResource" => Box::pin(self.list_tags_for_resource(&call)),
            "ListTaskDefinitions" => Box::pin(self.list_task_definitions(&call)),
            "ListTasks" => Box::pin(self.list_tasks(&call)),
            "RegisterTaskDefinition" => Box::pin(self.register_task_definition(&call)),
            "RunTask" => Box::pin(self.run_task(&call)),
            "StopTask" => Box::pin(self.stop_task(&call)),
            "TagResource" => Box::pin(self.tag_resource(&call)),
            "UntagResource" => Box::pin(self.untag_resource(&call)),
            name => {
                return Err(self.unsupported(format!("the local service `ecs` has no `{name}`")));
            }
        };
        operation.await
    }

    /// Now, in seconds since 1970.
    fn now(&self) -> Json {
        Json::Float(self.clock.now().0 as f64 / 1_000.0)
    }

    fn arn(&self, kind: &str, name: &str) -> String {
        format!("arn:aws:ecs:{}:{}:{kind}/{name}", self.region, self.account)
    }

    /// The name in an ARN of this account and region, or the text itself.
    fn name_of<'n>(&self, kind: &str, text: &'n str) -> &'n str {
        text.strip_prefix(self.arn(kind, "").as_str()).unwrap_or(text)
    }

    /// The name of the cluster that a request means.
    fn cluster<'c>(&self, call: &'c Call<'_>) -> &'c str {
        let text = call.text("cluster").filter(|text| !text.is_empty());
        self.name_of("cluster", text.unwrap_or(clusters::DEFAULT))
    }
}
