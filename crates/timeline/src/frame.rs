//! What is known of each scope that runs.

use crate::line::ItemPath;
use stepwright_history::{Failure, FrameId, Moment, StateType};
use stepwright_json::{Json, Str};

/// A scope that is being run.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    /// The scope around it.
    pub(crate) parent: FrameId,
    pub(crate) depth: usize,
    pub(crate) item: ItemPath,
    /// Whether it is one of very many.
    pub(crate) is_crowded: bool,
    /// The state that it is in, or was in last.
    pub(crate) state: Str,
    pub(crate) kind: StateType,
    pub(crate) input: Json,
    /// The id of its last event.
    pub(crate) last: u64,
    pub(crate) doing: Doing,
    /// How often the state has been tried again.
    pub(crate) retries: u32,
    /// The failure that nothing has handled yet.
    pub(crate) failure: Option<(Failure, Option<Str>)>,
    /// The moment of its last line.
    pub(crate) shown_at: Moment,
}

/// What a scope waits for.
#[derive(Clone, Debug, Default)]
pub(crate) enum Doing {
    /// Nothing from outside.
    #[default]
    Nothing,
    /// A task.
    Task { what: String, since: Moment, for_token: bool, deadline: Option<Moment> },
    /// The end of a Wait state.
    Wait { until: Option<Moment> },
    /// The next attempt.
    Retry { until: Option<Moment>, error: String },
    /// Branches.
    Branches(usize),
    /// The items of a Map.
    Items(Items),
}

/// How far a Map has come.
#[derive(Clone, Debug, Default)]
pub(crate) struct Items {
    /// How many there are; `None` while they are read.
    pub(crate) all: Option<u64>,
    /// How many were read so far.
    pub(crate) read: u64,
    pub(crate) begun: u64,
    pub(crate) done: u64,
    pub(crate) failed: u64,
    pub(crate) since: Moment,
}

impl Items {
    pub(crate) fn running(&self) -> u64 {
        self.begun.saturating_sub(self.done + self.failed)
    }
}
