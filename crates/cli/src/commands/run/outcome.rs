//! How a run went.

use stepwright_history::{Event, Moment};
use stepwright_interpreter::{Execution, Status};
use stepwright_json::{Json, Object};
use stepwright_program::{MAX_HISTORY_EVENTS, MAX_PAYLOAD_BYTES};

/// How it went.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) status: Status,
    pub(super) events: Vec<Event>,
    pub(super) start: Moment,
    pub(super) end: Moment,
    /// The mocks that nothing asked for.
    pub(super) unused: Vec<String>,
}

impl Outcome {
    pub(super) fn to_json(&self) -> Json {
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

    /// Where AWS would have failed.
    pub(super) fn remarks(&self) -> Vec<String> {
        let mut remarks = Vec::new();
        let shown = self.events.iter().map(|event| event.id).max().unwrap_or(0);
        if shown > MAX_HISTORY_EVENTS {
            remarks.push(format!(
                "AWS would have failed this execution: its history has {shown} events, more than \
                 {MAX_HISTORY_EVENTS}"
            ));
        }
        let large = self.events.iter().find_map(|event| match &event.kind {
            stepwright_history::EventKind::StateExited { name, output, .. } => {
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

    /// The states it stands in, if it never ended.
    pub(super) fn stuck_in(&self) -> Vec<String> {
        match Execution::replay(&self.events) {
            Ok(execution) => execution.current_states().into_iter().map(str::to_owned).collect(),
            Err(_) => Vec::new(),
        }
    }
}
