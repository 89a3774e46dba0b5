//! Batch: job definitions, queues, and jobs that run as processes of this machine.

mod definitions;
mod jobs;
mod queues;
mod run;
mod state;
mod submit;
mod tags;

use crate::call::{Answer, Call, Refusal};
use crate::delivery::World;
use crate::kept::Kept;
use crate::substitutes::Substitutes;
use crate::{Answered, LocalService, Setup, Supported};
use parking_lot::Mutex;
use state::Jobs;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock, Weak};
use stepwright_engine::Clock;
use tokio::sync::oneshot::Sender;

/// The jobs of one account in one region.
pub(crate) struct Batch {
    kept: Kept<Jobs>,
    clock: Arc<dyn Clock>,
    account: String,
    region: String,
    /// The folder of what jobs print.
    logs: Option<PathBuf>,
    substitutes: Substitutes,
    world: OnceLock<Arc<dyn World>>,
    /// What ends a running job, by its id.
    stops: Mutex<BTreeMap<String, Sender<()>>>,
    this: Weak<Self>,
}

const OPERATIONS: &[Supported] = &[
    Supported::new("CancelJob", &["jobId", "reason"]),
    Supported::new(
        "CreateComputeEnvironment",
        &["computeEnvironmentName", "type", "state", "computeResources", "serviceRole", "tags"],
    ),
    Supported::new(
        "CreateJobQueue",
        &["jobQueueName", "state", "priority", "computeEnvironmentOrder", "tags"],
    ),
    Supported::new("DeleteComputeEnvironment", &["computeEnvironment"]),
    Supported::new("DeleteJobQueue", &["jobQueue"]),
    Supported::new("DeregisterJobDefinition", &["jobDefinition"]),
    Supported::new(
        "DescribeComputeEnvironments",
        &["computeEnvironments", "maxResults", "nextToken"],
    ),
    Supported::new(
        "DescribeJobDefinitions",
        &["jobDefinitions", "jobDefinitionName", "status", "maxResults", "nextToken"],
    ),
    Supported::new("DescribeJobQueues", &["jobQueues", "maxResults", "nextToken"]),
    Supported::new("DescribeJobs", &["jobs"]),
    Supported::new("ListJobs", &["jobQueue", "arrayJobId", "jobStatus", "maxResults", "nextToken"]),
    Supported::new("ListTagsForResource", &["resourceArn"]),
    Supported::new(
        "RegisterJobDefinition",
        &[
            "jobDefinitionName",
            "type",
            "parameters",
            "containerProperties",
            "retryStrategy",
            "propagateTags",
            "timeout",
            "tags",
            "platformCapabilities",
        ],
    ),
    Supported::new(
        "SubmitJob",
        &[
            "jobName",
            "jobQueue",
            "arrayProperties",
            "dependsOn",
            "jobDefinition",
            "parameters",
            "containerOverrides",
            "retryStrategy",
            "propagateTags",
            "timeout",
            "tags",
        ],
    ),
    Supported::new("TagResource", &["resourceArn", "tags"]),
    Supported::new("TerminateJob", &["jobId", "reason"]),
    Supported::new("UntagResource", &["resourceArn", "tagKeys"]),
    Supported::new("UpdateJobQueue", &["jobQueue", "state", "priority", "computeEnvironmentOrder"]),
];

impl LocalService for Batch {
    fn operations(&self) -> &'static [Supported] {
        OPERATIONS
    }

    fn missing(&self, member: &str) -> Refusal {
        refused(format!("{member} is required."))
    }

    fn call<'s>(&'s self, call: Call<'s>) -> Answered<'s> {
        Box::pin(self.answer(call))
    }
}

/// The refusal of a request that is wrong.
fn refused(message: impl std::fmt::Display) -> Refusal {
    Refusal::new("ClientException", format!("Error executing request, Exception : {message}"))
}

impl Batch {
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
            this: this.clone(),
        })
    }

    async fn answer(&self, call: Call<'_>) -> Answer {
        let operation: Answered<'_> = match call.operation.name.as_str() {
            "CancelJob" => Box::pin(self.end_job(&call, false)),
            "CreateComputeEnvironment" => Box::pin(self.create_compute_environment(&call)),
            "CreateJobQueue" => Box::pin(self.create_job_queue(&call)),
            "DeleteComputeEnvironment" => Box::pin(self.delete_compute_environment(&call)),
            "DeleteJobQueue" => Box::pin(self.delete_job_queue(&call)),
            "DeregisterJobDefinition" => Box::pin(self.deregister_job_definition(&call)),
            "DescribeComputeEnvironments" => Box::pin(self.describe_compute_environments(&call)),
            "DescribeJobDefinitions" => Box::pin(self.describe_job_definitions(&call)),
            "DescribeJobQueues" => Box::pin(self.describe_job_queues(&call)),
            "DescribeJobs" => Box::pin(self.describe_jobs(&call)),
            "ListJobs" => Box::pin(self.list_jobs(&call)),
            "ListTagsForResource" => Box::pin(self.list_tags_for_resource(&call)),
            "RegisterJobDefinition" => Box::pin(self.register_job_definition(&call)),
            "SubmitJob" => Box::pin(self.submit_job(&call)),
            "TagResource" => Box::pin(self.tag_resource(&call)),
            "TerminateJob" => Box::pin(self.end_job(&call, true)),
            "UntagResource" => Box::pin(self.untag_resource(&call)),
            "UpdateJobQueue" => Box::pin(self.update_job_queue(&call)),
            name => {
                return Err(self.unsupported(format!("the local service `batch` has no `{name}`")));
            }
        };
        operation.await
    }

    fn now(&self) -> i64 {
        self.clock.now().0
    }

    fn arn(&self, kind: &str, name: &str) -> String {
        format!("arn:aws:batch:{}:{}:{kind}/{name}", self.region, self.account)
    }

    /// The name in an ARN of this account and region, or the text itself.
    fn name_of<'n>(&self, kind: &str, text: &'n str) -> &'n str {
        text.strip_prefix(self.arn(kind, "").as_str()).unwrap_or(text)
    }
}

/// Whether a text can be the name of a thing of Batch.
fn is_name(text: &str) -> bool {
    let is_right = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    text.len() <= 128
        && text.bytes().all(is_right)
        && text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric())
}

fn check_name(what: &str, text: &str) -> Result<(), Refusal> {
    if is_name(text) {
        return Ok(());
    }
    Err(refused(format!(
        "{what} should match valid pattern: it has up to 128 letters, digits, hyphens and underscores, and \
         begins with a letter or digit"
    )))
}
