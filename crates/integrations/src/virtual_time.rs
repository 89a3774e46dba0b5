//! Answers the tasks of a simulation with the code that answers those of an engine.

use crate::Integrations;
use crate::lambda::{self, Circumstances};
use crate::mocked::Met;
use crate::route::Route;
use crate::start_execution::{self, Form, Nested};
use std::collections::BTreeMap;
use std::sync::Arc;
use stepwright_history::{Event, Failure, Identity, Moment, Stage};
use stepwright_json::{Json, json};
use stepwright_program::Program;
use stepwright_simulator::{Answer, Call, Outcome, Simulation, Tasks};
use tokio::runtime::Handle;

/// Told of the events of an execution and of those nested in it, as they happen: the execution's ARN,
/// that of its state machine, and the events.
pub type Watch<'m> = dyn Fn(&str, &str, &[Event]) + 'm;

/// Answers the tasks of a simulation. Functions are really called, but take no virtual time; only
/// fixed answers take the time they are configured with. Nested executions of known machines are
/// simulations of their own.
pub struct VirtualTasks<'m> {
    integrations: &'m Integrations,
    /// The machines that can be nested, by ARN.
    machines: &'m BTreeMap<String, Arc<Program>>,
    /// The runtime on which functions are called.
    runtime: Handle,
    /// The ARN of the machine whose tasks these are.
    machine: String,
    start: Moment,
    seed: [u64; 2],
    /// The number of nested executions so far, at any depth.
    nested: u64,
    execution: String,
    watch: &'m Watch<'m>,
}

impl std::fmt::Debug for VirtualTasks<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VirtualTasks").field("machine", &self.machine).finish_non_exhaustive()
    }
}

impl<'m> VirtualTasks<'m> {
    /// Creates the tasks of this execution of the machine with this ARN. `watch` is called with the
    /// events as they happen. Nested executions begin at `start`, with seeds derived
    /// from `seed`.
    pub fn new(
        integrations: &'m Integrations,
        machines: &'m BTreeMap<String, Arc<Program>>,
        runtime: Handle,
        (execution, machine): (String, String),
        start: Moment,
        seed: [u64; 2],
        watch: &'m Watch<'m>,
    ) -> Self {
        Self { integrations, machines, runtime, machine, start, seed, nested: 0, execution, watch }
    }

    /// Runs a nested execution for a task.
    fn nest(&mut self, call: &Call<'_>) -> Answer {
        let text = |key: &str| call.call.parameters.get(key).and_then(Json::as_str);
        let arn = text("StateMachineArn").unwrap_or_default();
        let Some(program) = self.machines.get(arn) else {
            let cause = format!(
                "State Machine Does Not Exist: '{arn}' (Service: AWSStepFunctions; Status Code: 400; \
                 Error Code: StateMachineDoesNotExist; Request ID: {}; Proxy: null)",
                uuid::Uuid::new_v4()
            );
            let name = "StepFunctions.StateMachineDoesNotExistException";
            let failure = Failure::new(name, cause);
            return Answer::new(Outcome::Fails(failure, Stage::Run));
        };
        self.nested += 1;
        let name = text("Name").map_or_else(|| format!("nested-{}", self.nested), str::to_owned);
        let machine_name = arn.rsplit(':').next().unwrap_or_default();
        let execution = format!("{}:{name}", arn.replacen(":stateMachine:", ":execution:", 1));
        let input = start_execution::input(&call.call.parameters);
        let seed = self.seed.map(|part| part.wrapping_add(self.nested));
        let mut within = VirtualTasks {
            machine: arn.to_owned(),
            runtime: self.runtime.clone(),
            seed,
            execution: execution.clone(),
            ..*self
        };
        let run = Simulation::new(program)
            .input(input.clone())
            .identity(Identity {
                execution_arn: execution.as_str().into(),
                name: name.as_str().into(),
                role_arn: "arn:aws:iam::123456789012:role/stepwright".into(),
                state_machine_arn: arn.into(),
                state_machine_name: machine_name.into(),
                region: arn.split(':').nth(3).unwrap_or_default().into(),
            })
            .seed(seed)
            .start(self.start)
            .run(&mut within);
        self.nested = within.nested;
        let reply = json!({
            "executionArn": (execution.as_str()),
            "startDate": (Json::Float(run.start.0 as f64 / 1_000.0))
        });
        let submitted = start_execution::started(&execution, &reply, self.start);
        let form = Form::of(call.call);
        let nested = Nested {
            arn: &execution,
            machine: arn,
            input: &input,
            status: &run.status,
            started_at: run.start.0,
            stopped_at: Some(run.end.0),
            redrive_count: 0,
        };
        match form {
            Form::RequestResponse => Answer::returns(submitted),
            Form::TaskToken => Answer { submitted: Some(submitted), ..Answer::new(Outcome::Never) },
            Form::Sync | Form::Sync2 => {
                let outcome = match start_execution::result(&nested, form) {
                    Ok(output) => Outcome::Returns(output),
                    Err(failure) => Outcome::Fails(failure, Stage::Run),
                };
                let answer = Answer::new(outcome).after(run.elapsed_millis());
                Answer { submitted: Some(submitted), ..answer }
            }
        }
    }
}

impl Tasks for VirtualTasks<'_> {
    fn answer(&mut self, call: &Call<'_>) -> Answer {
        let services = &self.integrations.services;
        let machine_name = self.machine.rsplit(':').next().unwrap_or_default();
        let (instead, after) = match services.mocked.meet(machine_name, None, call) {
            Some(Met::Answer(answer)) => return answer,
            Some(Met::Function { name, after_millis }) => (name, after_millis),
            None => (None, 0),
        };
        if let (Some(local), None) = (&services.local, &instead)
            && let Some(outcome) = local.run_here(&self.machine, call.call)
        {
            return Answer::new(outcome);
        }
        match Route::of(call.call, &services.functions, &services.aws, instead) {
            Route::Function(callee) => {
                let delay = services.functions.delay(callee.name());
                let delay = delay.map_or(0, |delay| delay.as_millis() as i64);
                let around =
                    Circumstances { now: self.start, is_instant: true, ..Circumstances::default() };
                let called = lambda::call(&services.functions, call.call, &callee, &around);
                let answer = self.runtime.block_on(called);
                answer.after(if after > 0 { after } else { delay })
            }
            Route::StartExecution => self.nest(call),
            Route::StepFunctions
            | Route::AwsSdk(..)
            | Route::Optimised(..)
            | Route::Http
            | Route::ApiGateway(_)
            | Route::Kubernetes(_) => Answer::fails(
                "States.Runtime",
                format!(
                    "The state '{}' calls {}, which cannot be called in virtual time: give it a mock.",
                    call.call.state, call.call.resource
                ),
            ),
            Route::Nowhere(failure) => Answer::new(Outcome::Fails(failure, Stage::Run)),
        }
    }

    fn watch(&mut self, events: &[Event]) {
        (self.watch)(&self.execution, &self.machine, events);
    }
}
