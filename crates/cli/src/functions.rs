//! The functions of `stepwright.toml`, for tasks that belong to no engine, as in tests.

use crate::config::Config;
use crate::report::{self, Failure};
use std::sync::Arc;
use stepwright_engine::Trace;
use stepwright_functions::{Functions, LogSink};
use stepwright_history::{Stage, TaskCall};
use stepwright_integrations::{AwsServices, Integrations, Mocked};
use stepwright_json::Json;
use stepwright_simulator::Outcome;
use tokio::runtime::Runtime;

/// Calls functions and waits for their results.
pub(crate) struct Called {
    runtime: Runtime,
    functions: Functions,
    integrations: Integrations,
}

/// How a task ended.
pub(crate) type Ended = Result<Json, (stepwright_history::Failure, Stage)>;

impl Called {
    /// Creates the functions. No process is started before a function is called. What has no function
    /// is called only if it is an HTTP task whose connection is among the services.
    pub(crate) fn new(config: &Config, services: Arc<AwsServices>) -> Result<Self, Failure> {
        let functions =
            config.functions(LogSink::new(|line| report::function_printed(line.text)))?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .map_err(|error| Failure::new(format!("functions cannot be called: {error}")))?;
        let integrations = Integrations::new(functions.clone(), Mocked::default(), None, services);
        Ok(Self { runtime, functions, integrations })
    }

    /// Runs a task with the function of this name, or with the function configured for the task.
    /// Returns the result, and the delay of a fixed answer in milliseconds. Returns `None` if no
    /// function is configured for the task.
    pub(crate) fn call(
        &self,
        name: Option<&str>,
        call: &TaskCall,
        trace: Option<&Trace>,
    ) -> Option<(i64, Ended)> {
        let answer = self.runtime.block_on(self.integrations.answer(call, name, trace))?;
        let ended = match answer.outcome {
            Outcome::Returns(output) => Ok(output),
            Outcome::Fails(failure, stage) => Err((failure, stage)),
            Outcome::Stops(failure) => Err((failure, Stage::Run)),
            // A task that waits for its token gets the function's answer as its result, because
            // nobody else reports one.
            Outcome::Never => Ok(answer.submitted.unwrap_or_default()),
        };
        Some((answer.after_millis, ended))
    }

    /// Ends the processes that were started.
    pub(crate) fn shut_down(&self) {
        self.runtime.block_on(self.functions.shutdown());
    }
}
