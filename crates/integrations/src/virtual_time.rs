//! Answers the tasks of a simulation with the code that answers those of an engine.

use crate::Integrations;
use crate::lambda::{self, Circumstances};
use crate::mocked::Met;
use crate::route::Route;
use std::collections::BTreeMap;
use std::sync::Arc;
use stepwright_history::{Event, Stage};
use stepwright_program::Program;
use stepwright_simulator::{
    Answer, Call, MOST_TURNS, MemoryObjects, Nesting, Outcome, Tasks, machine_of, refused,
};
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
    /// events as they happen. The seeds of nested executions are derived from `seed`.
    pub fn new(
        integrations: &'m Integrations,
        machines: &'m BTreeMap<String, Arc<Program>>,
        runtime: Handle,
        (execution, machine): (String, String),
        seed: [u64; 2],
        watch: &'m Watch<'m>,
    ) -> Self {
        Self { integrations, machines, runtime, machine, seed, nested: 0, execution, watch }
    }

    /// Runs a nested execution for a task.
    fn nest(&mut self, call: &Call<'_>) -> Answer {
        let arn = machine_of(call.call);
        let request_id = uuid::Uuid::new_v4().to_string();
        let Some(program) = self.machines.get(arn) else {
            let message = format!("State Machine Does Not Exist: '{arn}'");
            let failure = refused("StateMachineDoesNotExist", 400, &message, &request_id);
            return Answer::new(Outcome::Fails(failure, Stage::Run));
        };
        self.nested += 1;
        let seed = self.seed.map(|part| part.wrapping_add(self.nested));
        let nesting = Nesting {
            call,
            program,
            machine: arn,
            name: format!("nested-{}", self.nested),
            seed,
            request_id,
            objects: MemoryObjects::default(),
            most_turns: MOST_TURNS,
        };
        let mut within = VirtualTasks {
            machine: arn.to_owned(),
            runtime: self.runtime.clone(),
            seed,
            execution: nesting.execution_arn(),
            ..*self
        };
        let (_, answer) = nesting.run(&mut within);
        self.nested = within.nested;
        answer
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
                    Circumstances { now: call.at, is_instant: true, ..Circumstances::default() };
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
