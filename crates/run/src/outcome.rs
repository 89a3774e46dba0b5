use std::collections::BTreeSet;
use stepwright_history::{Event, EventKind, Moment};
use stepwright_interpreter::{Command, Execution, Status};
use stepwright_json::{Json, Object};
use stepwright_program::{MAX_HISTORY_EVENTS, MAX_PAYLOAD_BYTES};

/// The advice for a task that waits for its token.
const TOKEN: &str = "it waits for its task token, which nobody can send to a run: use `stepwright \
                     dev`, or give the state a mock";

/// The outcome of a run.
#[derive(Debug)]
pub struct Outcome {
    /// The execution's status, with its output or failure; `RUNNING` if nothing will ever wake it.
    pub status: Status,
    /// The events of the execution.
    pub events: Vec<Event>,
    /// When the execution began.
    pub start: Moment,
    /// When the execution ended.
    pub end: Moment,
    /// The mocks that were not used.
    pub unused: Vec<String>,
}

impl Outcome {
    /// What `--output json` prints.
    pub fn to_json(&self) -> Json {
        let mut object = Object::new();
        object.insert("status", self.status.name().into());
        match &self.status {
            Status::Succeeded { output } => {
                object.insert("output", output.clone());
            }
            Status::Failed { failure }
            | Status::TimedOut { failure }
            | Status::Aborted { failure } => {
                for (key, text) in [("error", &failure.error), ("cause", &failure.cause)] {
                    if let Some(text) = text {
                        object.insert(key, text.clone().into());
                    }
                }
            }
            Status::NotStarted | Status::Running => {}
        }
        object.insert("elapsedMillis", Json::Int(self.end.0 - self.start.0));
        object.insert("events", stepwright_history::aws::project(&self.events).into());
        object.into()
    }

    /// Warnings about limits that AWS would have applied.
    pub fn remarks(&self) -> Vec<String> {
        let mut remarks = Vec::new();
        let shown = self.events.iter().map(|event| event.id).max().unwrap_or(0);
        if shown > MAX_HISTORY_EVENTS {
            remarks.push(format!(
                "AWS would have failed this execution: its history has {shown} events, more than \
                 {MAX_HISTORY_EVENTS}"
            ));
        }
        let large = self.events.iter().find_map(|event| match &event.kind {
            EventKind::StateExited { name, output, .. } => {
                let size = output.to_string().len();
                (size > MAX_PAYLOAD_BYTES).then(|| (name.clone(), size))
            }
            _ => None,
        });
        if let Some((name, size)) = large {
            remarks.push(format!(
                "AWS would have failed this execution: the output of `{name}` has {size} bytes, \
                 more than {MAX_PAYLOAD_BYTES}"
            ));
        }
        remarks
    }

    /// What to do about a task that timed out because it waited for its task token.
    pub fn token_advice(&self) -> Option<&'static str> {
        let mut waiting = BTreeSet::new();
        for event in &self.events {
            match &event.kind {
                EventKind::TaskScheduled { task, call, .. } if call.waits_for_token() => {
                    waiting.insert(*task);
                }
                EventKind::TaskTimedOut { task, .. } if waiting.contains(task) => {
                    return Some(TOKEN);
                }
                _ => {}
            }
        }
        None
    }

    /// Describes what an execution that never ended waits for: the states it is in, and what to do
    /// about it.
    pub fn stuck(&self) -> (String, Option<&'static str>) {
        let Ok(execution) = Execution::replay(&self.events) else {
            return (String::new(), None);
        };
        let waits_for_token = execution.commands().iter().any(
            |command| matches!(command, Command::RunTask { call, .. } if call.waits_for_token()),
        );
        let advice = waits_for_token.then_some(TOKEN);
        (execution.current_states().join(", "), advice)
    }
}
