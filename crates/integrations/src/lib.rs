//! What tasks call: the resource of a task, made an action. One file for each integration.
//!
//! [`Integrations`] is the [`Tasks`] of an engine; [`VirtualTasks`] answers the tasks of a simulation,
//! by the same code, in virtual time. To add an integration: a file with a function that takes the
//! [`Task`] and runs it to its end, and a row in [`find`].

mod buckets;
mod lambda;
mod metadata;
mod mocked;
mod route;
mod start_execution;
mod step_functions_sdk;
mod virtual_time;

pub use buckets::MemoryBuckets;
pub use lambda::call_function;
pub use mocked::Mocked;
pub use virtual_time::VirtualTasks;

use lambda::Circumstances;
use mocked::Met;
use route::Route;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use stepwright_engine::{Call, Clock as _, Report, SystemClock, Tasks};
use stepwright_functions::Functions;
use stepwright_history::{Failure, Stage, TaskCall};
use stepwright_json::Json;
use stepwright_protocol::ApiError;
use stepwright_simulator::{Answer, Outcome};

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

    /// Does a task of a machine (its ARN) in virtual time: waits for its end and says how it ended. None
    /// for a task that is not done here.
    fn run_here(&self, machine: &str, call: &TaskCall) -> Option<Outcome>;
}

/// Runs tasks by what their resources name.
#[derive(Clone)]
pub struct Integrations {
    services: Arc<Services>,
}

/// What integrations call.
pub(crate) struct Services {
    functions: Functions,
    mocked: Mocked,
    local: Option<Arc<dyn LocalTasks>>,
    step_functions: OnceLock<Arc<dyn StepFunctions>>,
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
    /// Integrations with these functions, with mocks that answer first, and with tasks that are done
    /// here.
    pub fn new(functions: Functions, mocked: Mocked, local: Option<Arc<dyn LocalTasks>>) -> Self {
        let services = Services { functions, mocked, local, step_functions: OnceLock::new() };
        Self { services: Arc::new(services) }
    }

    /// Gives them Step Functions itself. To be called once, when it is there.
    pub fn connect(&self, step_functions: Arc<dyn StepFunctions>) {
        // A second one would be the same.
        self.services.step_functions.get_or_init(|| step_functions);
    }

    /// What a function answers to a task that belongs to no execution, at once; `after_millis` says how
    /// long a fixed answer would have taken. `instead` names another function than the task does. None
    /// where no function is configured for it.
    pub async fn answer(&self, call: &TaskCall, instead: Option<&str>) -> Option<Answer> {
        let functions = &self.services.functions;
        let route = Route::of(call, functions, instead.map(str::to_owned));
        let Route::Function(callee) = route else { return None };
        if !functions.has(callee.name()) && !lambda::is_expression(call) {
            return None;
        }
        let around =
            Circumstances { now: SystemClock.now(), is_instant: true, ..Circumstances::default() };
        let answer = lambda::call(functions, call, &callee, &around).await;
        let delay = functions.delay(callee.name());
        Some(answer.after(delay.map_or(0, |delay| delay.as_millis() as i64)))
    }

    /// The mocks, with what they have answered.
    pub fn mocked(&self) -> &Mocked {
        &self.services.mocked
    }
}

impl Tasks for Integrations {
    fn run(&self, mut call: Call, mut report: Report) {
        let services = self.services.clone();
        let instead = match services.mocked.meet_task(&call) {
            Some(Met::Answer(answer)) => return report.play(answer.stimuli(call.task)),
            Some(Met::Function { name, .. }) => name,
            None => None,
        };
        if let (Some(local), None) = (&services.local, &instead) {
            match local.run(call, report) {
                Ok(()) => return,
                Err(back) => (call, report) = back,
            }
        }
        let task = Task { call, report, services };
        tokio::spawn(async move {
            let report = task.report.clone();
            match find(task, instead).await {
                End::Succeeded(output) => report.succeeded(output),
                End::Failed(failure, stage) => report.failed(failure, stage),
                End::Elsewhere => {}
            }
        });
    }

    fn answers_activity(&self, call: &Call) -> bool {
        self.services.mocked.has(call) || self.services.functions.is_configured(&call.call.state)
    }
}

/// Runs a task by what its resource names; by a function of this name, where a mock says so.
async fn find(task: Task, instead: Option<String>) -> End {
    match Route::of(&task.call.call, &task.services.functions, instead) {
        Route::Function(callee) => {
            let around = Circumstances {
                trace_header: task.call.facts.trace_header.clone(),
                now: task.report.engine().now(),
                is_instant: false,
            };
            let functions = &task.services.functions;
            let answer = lambda::call(functions, &task.call.call, &callee, &around).await;
            task.report.play(answer.stimuli(task.call.task));
            End::Elsewhere
        }
        Route::StartExecution => start_execution::run(task).await,
        Route::StepFunctions => step_functions_sdk::run(task).await,
        Route::Nowhere(failure) => End::Failed(failure, Stage::Run),
    }
}
