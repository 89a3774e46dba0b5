//! What tasks call: turns the resource of a task into an action. One file for each integration.
//!
//! [`Integrations`] implements an engine's [`Tasks`]. [`VirtualTasks`] answers the tasks of a
//! simulation in virtual time, with the same code. To add an integration, write a file with a
//! function that takes a [`Task`] and runs it to its end, and add a row to [`Route::of`] and an arm to
//! [`find`]. A service of AWS needs none: `services` calls it from its model.

mod api_gateway;
mod buckets;
mod http;
mod kubernetes;
mod lambda;
mod mocked;
mod route;
mod services;
mod start_execution;
mod step_functions_sdk;
mod virtual_time;

pub use buckets::MemoryBuckets;
pub use http::{ApiKeyConfig, BasicConfig, ConnectionConfig, HttpConfig, OAuthConfig, Text};
pub use lambda::{call_function, not_allowed};
pub use mocked::Mocked;
pub use services::{AwsServices, ServiceConfig, ServiceObjects, ServicesError};
pub use virtual_time::{VirtualTasks, Watch};

use lambda::Circumstances;
use mocked::Met;
use route::Route;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use stepwright_engine::{Call, Clock as _, Denied, Facts, Report, SystemClock, Tasks, Trace};
use stepwright_functions::Functions;
use stepwright_history::{Failure, Stage, TaskCall};
use stepwright_json::Json;
use stepwright_protocol::ApiError;
use stepwright_simulator::{Answer, Outcome};

/// The future of an answer.
pub type Pending<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// The operations of Step Functions itself, for tasks that call them.
pub trait StepFunctions: Send + Sync + 'static {
    /// Calls an operation with the body of a request, for a task of the execution with these facts
    /// and within its rights.
    fn call(
        &self,
        facts: Arc<Facts>,
        operation: String,
        body: Json,
    ) -> Pending<Result<Json, ApiError>>;
}

/// Tasks that run on this machine, such as those of a project. They are asked before any
/// integration.
pub trait LocalTasks: Send + Sync + 'static {
    /// Takes a task and reports how it goes, or gives the task back. Must not block.
    fn run(&self, call: Call, report: Report) -> Result<(), (Call, Report)>;

    /// Runs a task of the machine with this ARN in virtual time: blocks until it has ended and
    /// returns its outcome. Returns `None` for a task that does not run here.
    fn run_here(&self, machine: &str, call: &TaskCall) -> Option<Outcome>;
}

/// Runs tasks according to their resources.
#[derive(Clone)]
pub struct Integrations {
    services: Arc<Services>,
}

/// The services that integrations call.
pub(crate) struct Services {
    functions: Functions,
    mocked: Mocked,
    local: Option<Arc<dyn LocalTasks>>,
    aws: Arc<AwsServices>,
    step_functions: OnceLock<Arc<dyn StepFunctions>>,
}

/// A task under way, with the means to report on it.
#[derive(Clone)]
pub(crate) struct Task {
    pub(crate) call: Call,
    pub(crate) report: Report,
    pub(crate) services: Arc<Services>,
}

impl Task {
    /// Checks that the task's execution has a right.
    fn authorize(&self, action: &str, resource: &str) -> Result<(), Denied> {
        let options = self.report.engine().options();
        options.authorizer.authorize(&self.call.facts, action, resource)
    }

    /// Whether the task's execution belongs to the account that the services of this machine belong to.
    fn is_at_home(&self) -> bool {
        self.report.engine().options().authorizer.is_at_home(&self.call.facts)
    }
}

/// How a task ended. The end of some tasks comes from elsewhere, later.
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
    /// Creates integrations with these functions, with mocks that answer first, with tasks that run
    /// on this machine, and with AWS's services where they are called.
    pub fn new(
        functions: Functions,
        mocked: Mocked,
        local: Option<Arc<dyn LocalTasks>>,
        aws: Arc<AwsServices>,
    ) -> Self {
        let step_functions = OnceLock::new();
        let services = Services { functions, mocked, local, aws, step_functions };
        Self { services: Arc::new(services) }
    }

    /// Sets the Step Functions API. To be called once, when the API exists.
    pub fn connect(&self, step_functions: Arc<dyn StepFunctions>) {
        // A second call would pass the same API.
        self.services.step_functions.get_or_init(|| step_functions);
    }

    /// The answer of a function, or of the API that an HTTP task calls, to a task that belongs to no
    /// execution. A fixed answer is given at once; its `after_millis` holds the delay that it is
    /// configured with. `instead` names another function than the task does. Returns `None` if no
    /// function is configured for the task.
    pub async fn answer(
        &self,
        call: &TaskCall,
        instead: Option<&str>,
        trace: Option<&Trace>,
    ) -> Option<Answer> {
        let functions = &self.services.functions;
        let aws = &self.services.aws;
        let callee = match Route::of(call, functions, aws, instead.map(str::to_owned)) {
            Route::Function(callee) => callee,
            Route::Http => {
                return Some(Answer::new(match aws.http().invoke(call, trace).await {
                    Ok(output) => Outcome::Returns(output),
                    Err(failure) => Outcome::Fails(failure, Stage::Run),
                }));
            }
            _ => return None,
        };
        if !functions.has(callee.name()) && !lambda::is_expression(call) {
            return None;
        }
        let around =
            Circumstances { now: SystemClock.now(), is_instant: true, ..Circumstances::default() };
        let answer = lambda::call(functions, call, &callee, &around).await;
        let delay = functions.delay(callee.name());
        Some(answer.after(delay.map_or(0, |delay| delay.as_millis() as i64)))
    }

    /// The mocks, which also know what they have answered.
    pub fn mocked(&self) -> &Mocked {
        &self.services.mocked
    }
}

impl Tasks for Integrations {
    fn run(&self, mut call: Call, mut report: Report) {
        let services = self.services.clone();
        let instead = match services.mocked.meet_task(&call, report.engine().now()) {
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

/// Runs a task according to its resource, or with the function `instead` if a mock names one.
async fn find(task: Task, instead: Option<String>) -> End {
    let Services { functions, aws, .. } = &*task.services;
    let ended: Pin<Box<dyn Future<Output = End> + Send>> =
        match Route::of(&task.call.call, functions, aws, instead) {
            Route::Function(callee) => {
                let around = Circumstances {
                    trace_header: task.call.facts.trace_header.clone(),
                    request_id: Some(task.call.request_id()),
                    now: task.report.engine().now(),
                    is_instant: false,
                    // The task of the runtime that this is a part of is never given up.
                    stays: true,
                };
                let functions = &task.services.functions;
                let function = functions.arn_of(callee.name());
                let answer = match task.authorize(lambda::INVOKE, &function) {
                    Ok(()) => lambda::call(functions, &task.call.call, &callee, &around).await,
                    Err(denied) => lambda::refused(&task.call.call, &denied),
                };
                task.report.play(answer.stimuli(task.call.task));
                return End::Elsewhere;
            }
            Route::StartExecution => Box::pin(start_execution::run(task)),
            Route::StepFunctions => Box::pin(step_functions_sdk::run(task)),
            Route::Http => Box::pin(http::run(task)),
            Route::ApiGateway(action) => {
                Box::pin(async move { api_gateway::run(task, &action).await })
            }
            Route::Kubernetes(action) => {
                Box::pin(async move { kubernetes::run(task, &action).await })
            }
            Route::AwsSdk(service, action) => {
                Box::pin(async move { services::run_aws_sdk(task, &service, &action).await })
            }
            Route::Optimised(row, action) => {
                Box::pin(async move { services::run_optimised(task, row, &action).await })
            }
            Route::Nowhere(failure) => return End::Failed(failure, Stage::Run),
        };
    ended.await
}
