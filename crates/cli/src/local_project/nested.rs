//! Nested state machines: `states:startExecution.sync`.

use super::{ACCOUNT, REGION, Reply};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use stepwright_history::{Failure, Identity, Moment, TaskCall};
use stepwright_json::{Json, Object, Str};
use stepwright_program::Program;
use stepwright_simulator::Status;

/// A nested execution to be.
#[derive(Debug)]
pub(crate) struct Nested {
    /// The machine.
    pub(crate) program: Arc<Program>,
    /// Its input.
    pub(crate) input: Json,
    /// Who it is.
    pub(crate) identity: Identity,
}

impl Nested {
    /// The execution that a state starts.
    pub(crate) fn new(machine: &str, program: Arc<Program>, call: &TaskCall) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let name = format!("{machine}-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let arn = |kind: &str, rest: &str| -> Str {
            format!("arn:aws:states:{REGION}:{ACCOUNT}:{kind}:{rest}").into()
        };
        let identity = Identity {
            execution_arn: arn("execution", &format!("{machine}:{name}")),
            name: name.into(),
            role_arn: format!("arn:aws:iam::{ACCOUNT}:role/stepwright").into(),
            state_machine_arn: arn("stateMachine", machine),
            state_machine_name: machine.into(),
            region: REGION.into(),
        };
        let input = call.parameters.get("Input").cloned();
        Self { program, input: input.unwrap_or_else(|| Object::new().into()), identity }
    }

    /// What the state that waited for it gets. Input and output are text, as with `.sync`.
    pub(crate) fn reply(&self, status: &Status, start: Moment, end: Moment) -> Reply {
        let mut described = Object::new();
        described.insert("ExecutionArn", self.identity.execution_arn.clone().into());
        described.insert("Input", self.input.to_string().into());
        described.insert("Name", self.identity.name.clone().into());
        let mut failed = true;
        match status {
            Status::Succeeded { output } => {
                described.insert("Output", output.to_string().into());
                failed = false;
            }
            Status::Failed { failure }
            | Status::TimedOut { failure }
            | Status::Aborted { failure } => {
                for (key, text) in [("Error", &failure.error), ("Cause", &failure.cause)] {
                    if let Some(text) = text {
                        described.insert(key, text.clone().into());
                    }
                }
            }
            Status::NotStarted | Status::Running => {}
        }
        described.insert("StartDate", Json::Int(start.0));
        described.insert("StateMachineArn", self.identity.state_machine_arn.clone().into());
        described.insert("Status", status.name().into());
        described.insert("StopDate", Json::Int(end.0));
        let described = Json::from(described);
        if failed {
            return Reply::Failed(Failure::new("States.TaskFailed", described.to_string()));
        }
        Reply::Output(described)
    }
}
