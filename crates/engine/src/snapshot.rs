use crate::Facts;
use crate::live::Live;
use crate::underway::Errand;
use std::sync::Arc;
use stepwright_history::Failure;
use stepwright_interpreter::Status;
use stepwright_json::{Json, Str};

/// The state of an execution at one moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The facts that never change.
    pub facts: Arc<Facts>,
    /// Its status, with its output or failure.
    pub status: Status,
    /// Its input.
    pub input: Json,
    /// The input as it was sent, if writing `input` would give a different text.
    pub input_text: Option<Str>,
    /// When it ended, in milliseconds since 1970.
    pub stopped_at: Option<i64>,
    /// The number of redrives, and the time of the last one in milliseconds since 1970.
    pub redriven: Option<(u32, i64)>,
    /// The number of events in its history, as AWS counts them.
    pub event_count: u64,
}

/// The snapshot of an execution that has ended.
pub type Ended = Arc<Snapshot>;

/// The news of an end. It counts as under way until the receiver has acted on it.
pub(crate) type News = (Ended, Errand);

impl Snapshot {
    /// Whether a redrive of its map run would redrive it.
    pub fn is_redrivable_by_map_run(&self) -> bool {
        let has_failed =
            !matches!(self.status, Status::NotStarted | Status::Running | Status::Succeeded { .. });
        has_failed && self.facts.about.map_run.is_some()
    }

    /// The output of an execution that succeeded, or the failure that it ended with.
    pub fn result(&self) -> Result<Json, Failure> {
        self.status.outcome().unwrap_or_else(|| Err(Failure::default()))
    }

    /// The bytes of memory that it takes, about.
    pub(crate) fn memory(&self) -> usize {
        let of = |value: &Json| value.measure().map_or(0, |measure| measure.memory);
        let ended = match &self.status {
            Status::Succeeded { output } => of(output),
            Status::Failed { failure }
            | Status::TimedOut { failure }
            | Status::Aborted { failure } => failure.cause.as_ref().map_or(0, Str::len),
            Status::NotStarted | Status::Running => 0,
        };
        1_024 + of(&self.input) + ended + self.input_text.as_ref().map_or(0, Str::len)
    }

    pub(crate) fn of(live: &Live, stopped_at: Option<i64>) -> Self {
        let start = live.execution.start();
        let input = start.map(|start| start.input.clone()).unwrap_or_default();
        let input_text = start.and_then(|start| start.input_text.clone());
        Self {
            facts: live.facts.clone(),
            status: live.execution.status().clone(),
            input,
            input_text,
            stopped_at,
            redriven: live.redriven,
            event_count: live.execution.event_count(),
        }
    }
}
