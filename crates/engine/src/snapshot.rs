use crate::Facts;
use crate::live::Live;
use crate::underway::Errand;
use std::sync::Arc;
use stepwright_history::Failure;
use stepwright_interpreter::Status;
use stepwright_json::{Json, Str};

/// An execution as it stands.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// What never changes.
    pub facts: Arc<Facts>,
    /// Its status, with output or failure.
    pub status: Status,
    /// Its input.
    pub input: Json,
    /// The text of the input as it was sent, where we would write it otherwise.
    pub input_text: Option<Str>,
    /// When it ended, in milliseconds since 1970.
    pub stopped_at: Option<i64>,
    /// How often it was redriven, and when last.
    pub redriven: Option<(u32, i64)>,
    /// How many events its history has in AWS's count.
    pub event_count: u64,
}

/// An execution that has ended.
pub type Ended = Arc<Snapshot>;

/// The news of an end, which is under way until somebody has acted on it.
pub(crate) type News = (Ended, Errand);

impl Snapshot {
    /// Whether its map run would redrive it.
    pub fn is_redrivable_by_map_run(&self) -> bool {
        let has_failed =
            !matches!(self.status, Status::NotStarted | Status::Running | Status::Succeeded { .. });
        has_failed && self.facts.about.map_run.is_some()
    }

    /// The output of an execution that ended well, or the failure that it ended with.
    pub fn result(&self) -> Result<Json, Failure> {
        match &self.status {
            Status::Succeeded { output } => Ok(output.clone()),
            Status::Failed { failure }
            | Status::TimedOut { failure }
            | Status::Aborted { failure } => Err(failure.clone()),
            Status::NotStarted | Status::Running => Err(Failure::default()),
        }
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
