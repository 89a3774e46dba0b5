//! What tasks call: the resource of a task, made an action. One file for each integration.
//!
//! To add one: a file with a function that takes the [`Task`] and runs it to its end, and a row in
//! [`find`].

mod lambda;
mod mocked;
mod start_execution;
mod step_functions_sdk;

pub use lambda::call_function;

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use stepwright_engine::{Call, Report, Tasks};
use stepwright_functions::Functions;
use stepwright_history::{Failure, Stage, TaskKind};
use stepwright_json::{Json, Object};
use stepwright_protocol::ApiError;
use stepwright_simulator::MockConfig;

/// An answer that takes a while.
pub type Pending<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// The operations of Step Functions itself, for tasks that call them.
pub trait StepFunctions: Send + Sync + 'static {
    /// Calls an operation with the body of a request.
    fn call(&self, operation: String, body: Json) -> Pending<Result<Json, ApiError>>;
}

/// Tasks that are done here, before any integration is asked: those of a project, say.
pub trait LocalTasks: Send + Sync + 'static {
    /// Takes a task on and says how it goes, or gives it back. Must not block.
    fn run(&self, call: Call, report: Report) -> Result<(), (Call, Report)>;
}

/// Runs tasks by what their resources name.
#[derive(Clone)]
pub struct Integrations {
    services: Arc<Services>,
}

/// What integrations call.
pub(crate) struct Services {
    pub(crate) functions: Functions,
    pub(crate) mocks: Option<mocked::Mocked>,
    pub(crate) local: Option<Arc<dyn LocalTasks>>,
    pub(crate) step_functions: OnceLock<Arc<dyn StepFunctions>>,
}

/// A task on its way, and where it says how it goes.
#[derive(Clone)]
pub(crate) struct Task {
    pub(crate) call: Call,
    pub(crate) report: Report,
    pub(crate) services: Arc<Services>,
}

/// How a task ended, if it has: one whose end comes from elsewhere has not.
pub(crate) enum End {
    Succeeded(Json),
    Failed(Failure, Stage),
    Elsewhere,
}

impl std::fmt::Debug for Integrations {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Integrations").finish_non_exhaustive()
    }
}

impl Integrations {
    /// Integrations with these functions, with the test cases of a mock file, and with tasks that
    /// are done here.
    pub fn new(
        functions: Functions,
        mocks: Option<MockConfig>,
        local: Option<Arc<dyn LocalTasks>>,
    ) -> Self {
        let mocks = mocks.map(mocked::Mocked::new);
        let services = Services { functions, mocks, local, step_functions: OnceLock::new() };
        Self { services: Arc::new(services) }
    }

    /// Gives them Step Functions itself. To be called once, when it is there.
    pub fn connect(&self, step_functions: Arc<dyn StepFunctions>) {
        // A second one would be the same.
        self.services.step_functions.get_or_init(|| step_functions);
    }
}

impl Tasks for Integrations {
    fn run(&self, mut call: Call, mut report: Report) {
        let services = self.services.clone();
        if let Some(mocks) = &services.mocks
            && mocks.answer(&call, &report)
        {
            return;
        }
        if let Some(local) = &services.local {
            match local.run(call, report) {
                Ok(()) => return,
                Err(back) => (call, report) = back,
            }
        }
        let task = Task { call, report, services };
        tokio::spawn(async move {
            let report = task.report.clone();
            match find(task).await {
                End::Succeeded(output) => report.succeeded(output),
                End::Failed(failure, stage) => report.failed(failure, stage),
                End::Elsewhere => {}
            }
        });
    }
}

/// Runs a task by what its resource names.
async fn find(task: Task) -> End {
    let (service, action) = match &task.call.call.kind {
        TaskKind::Lambda => return lambda::run_arn(task).await,
        TaskKind::Activity => return unknown(&task),
        TaskKind::Service { service, action } => (service.clone(), action.clone()),
    };
    match (service.as_str(), action.as_str()) {
        ("lambda", "invoke" | "invoke.waitForTaskToken") => lambda::run_invoke(task).await,
        (
            "states",
            "startExecution"
            | "startExecution.sync"
            | "startExecution.sync:2"
            | "startExecution.waitForTaskToken",
        ) => start_execution::run(task).await,
        ("aws-sdk:sfn", _) => step_functions_sdk::run(task).await,
        _ => unknown(&task),
    }
}

fn unknown(task: &Task) -> End {
    let cause = format!(
        "Stepwright has no integration for the resource '{}' (state '{}'). Mock it with \
         `--mock-config`, or see the list of integrations in the manual's page on compatibility.",
        task.call.call.resource, task.call.call.state
    );
    End::Failed(Failure::new("States.TaskFailed", cause), Stage::Run)
}

/// What AWS's optimised integrations say of the HTTP answer that they got. The headers come as they
/// were sent; AWS lists them a second time by their names.
pub(crate) fn insert_metadata(object: &mut Object, request_id: &str, headers: &[(&str, &str)]) {
    let all: Object =
        headers.iter().map(|(key, value)| (*key, Json::from(vec![Json::from(*value)]))).collect();
    let mut by_name = headers.to_vec();
    by_name.sort_by_key(|(key, _)| key.to_ascii_lowercase());
    let single: Object = by_name.iter().map(|(key, value)| (*key, Json::from(*value))).collect();
    let mut http = Object::new();
    http.insert("AllHttpHeaders", all.into());
    http.insert("HttpHeaders", single.into());
    http.insert("HttpStatusCode", Json::Int(200));
    object.insert("SdkHttpMetadata", http.into());
    let mut response = Object::new();
    response.insert("RequestId", request_id.into());
    object.insert("SdkResponseMetadata", response.into());
}
