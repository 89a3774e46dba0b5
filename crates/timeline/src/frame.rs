//! What is known of each scope that runs.

use crate::line::ItemPath;
use stepwright_history::{Failure, FrameId, Moment, StateType, TaskId};
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
pub enum Doing {
    /// Nothing from outside.
    #[default]
    Nothing,
    /// A task.
    Task {
        /// Which.
        task: TaskId,
        /// What it calls: the function or the action.
        what: String,
        /// Since when.
        since: Moment,
        /// Whether nobody but the holder of its token ends it.
        for_token: bool,
        /// When it times out, if ever.
        deadline: Option<Moment>,
    },
    /// The end of a Wait state.
    Wait {
        /// When that is, once it is known.
        until: Option<Moment>,
    },
    /// The next attempt.
    Retry {
        /// When that is, once it is known.
        until: Option<Moment>,
        /// The error of the last attempt.
        error: String,
    },
    /// Branches.
    Branches(usize),
    /// The items of a Map.
    Items(Items),
}

/// How far a Map has come.
#[derive(Clone, Debug, Default)]
pub struct Items {
    /// How many there are; `None` while they are read.
    pub all: Option<u64>,
    /// How many were read so far.
    pub read: u64,
    /// How many have begun.
    pub begun: u64,
    /// How many are done.
    pub done: u64,
    /// How many have failed.
    pub failed: u64,
    /// When the Map began.
    pub since: Moment,
}

impl Items {
    /// How many are under way.
    pub fn running(&self) -> u64 {
        self.begun.saturating_sub(self.done + self.failed)
    }
}

/// A state that the execution is in.
#[derive(Clone, Copy, Debug)]
pub struct Standing<'t> {
    /// Its name.
    pub state: &'t str,
    /// The items of Maps around it.
    pub item: &'t ItemPath,
    /// What it waits for.
    pub doing: &'t Doing,
}
