//! What happened to an execution.
//!
//! An [`Event`] is a fact: the result of every evaluation is in it, so that an execution can be
//! folded back from its events without its program. [`aws::project`] shows events as AWS's
//! `GetExecutionHistory` does. [`stored`] has the bytes that a store keeps.

pub mod aws;
mod duration;
mod event;
pub mod stored;

pub use duration::{duration, parse_duration};
pub use event::{
    Event, EventKind, Failure, Identity, Keeps, MapPage, MapPlan, Stage, Start, StateType,
    TaskCall, TaskKind, To,
};

/// A point in time: milliseconds since 1970 began (UTC).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(pub i64);

impl Moment {
    /// The moment `millis` later. Stays at the end of time rather than going round.
    #[must_use]
    pub fn after_millis(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    /// The moment `seconds` later; a negative or senseless number adds nothing.
    #[must_use]
    pub fn after_seconds(self, seconds: f64) -> Self {
        self.after_millis((seconds.max(0.0) * 1_000.0) as i64)
    }
}

/// A scope of an execution: the top level, a branch, an iteration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FrameId(pub u32);

impl FrameId {
    /// The top level.
    pub const ROOT: Self = Self(0);
}

/// One attempt of one task of one execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId(pub u64);

/// One appointment of one execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimerId(pub u64);
