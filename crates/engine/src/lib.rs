//! Runs executions durably.
//!
//! Every execution is driven by one task at a time: it takes what has come for the execution, has
//! the interpreter take the turn, appends the turn to the store, and only then answers whoever
//! asked and hands out what the turn owes. An execution that waits is folded back from its history
//! when something comes for it.
//!
//! What the engine needs of the outside are ports: [`stepwright_store::Store`], [`Clock`],
//! [`Tasks`], [`ObjectStore`] and [`Observer`].

mod activities;
mod catalogue;
mod children;
mod clock;
mod collector;
mod dispatch;
mod doctor;
mod drive;
mod ends;
mod errors;
mod facts;
mod live;
mod load;
mod mailbox;
mod map_runs;
mod metrics;
mod objects;
mod once;
mod query;
mod recent;
mod recovery;
mod schedules;
mod snapshot;
mod starts;
mod tasks;
mod timers;
mod tokens;
mod underway;

pub use activities::ActivityTask;
pub use catalogue::{
    Activity, Alias, Catalogue, DefinitionError, Machine, MachineStatus, Revision, Route, Version,
};
pub use clock::{Clock, SystemClock};
pub use collector::{Collector, ExecutionEvent};
pub use doctor::{Examination, Finding, Progress};
pub use errors::{RedriveError, Refused, StartError, StopError, TokenError};
pub use facts::{Facts, Parent};
pub use map_runs::{Counts, MapRun, MapRunStatus};
pub use metrics::Metrics;
pub use objects::{NoObjects, ObjectStore};
pub use recovery::OpenError;
pub use schedules::{Schedule, ScheduleError};
pub use snapshot::{Ended, Snapshot};
pub use starts::{StartRequest, Started};
pub use tasks::{Call, Observer, Report, Silent, Tasks};

use activities::Activities;
use mailbox::Mailboxes;
use recent::Recent;
use schedules::Schedules;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use stepwright_program::{Limits, Vintage};
use stepwright_store::Store;
use timers::Timers;
use underway::Underway;

/// What an engine is made of.
#[derive(Clone)]
pub struct Options {
    /// Where executions are kept.
    pub store: Arc<dyn Store>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Who runs tasks.
    pub tasks: Arc<dyn Tasks>,
    /// Where distributed Maps read and write.
    pub objects: Arc<dyn ObjectStore>,
    /// Who is told what happens.
    pub observer: Arc<dyn Observer>,
    /// The account in ARNs.
    pub account: String,
    /// The region in ARNs.
    pub region: String,
    /// What executions are held to.
    pub limits: Limits,
    /// Which AWS their histories show.
    pub vintage: Vintage,
    /// How long executions are kept after their end, in milliseconds; None for ever.
    pub retention_millis: Option<i64>,
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("account", &self.account)
            .field("region", &self.region)
            .finish_non_exhaustive()
    }
}

/// Runs executions. Cheap to clone: all clones are one engine.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

struct Inner {
    options: Options,
    catalogue: Catalogue,
    mailboxes: Mailboxes,
    timers: Timers,
    schedules: Schedules,
    underway: Underway,
    activities: Activities,
    recent: Recent,
    metrics: Metrics,
    next_in_memory: AtomicU64,
    closing: AtomicBool,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("options", &self.inner.options).finish_non_exhaustive()
    }
}

impl Engine {
    /// State machines, their versions and aliases, and activities.
    pub fn catalogue(&self) -> &Catalogue {
        &self.inner.catalogue
    }

    /// What it counts.
    pub fn metrics(&self) -> &Metrics {
        &self.inner.metrics
    }

    /// What it is made of.
    pub fn options(&self) -> &Options {
        &self.inner.options
    }

    /// Takes nothing new on and waits until no turn is under way. What is running goes on when the
    /// store is opened again.
    pub async fn shutdown(&self) {
        self.inner.closing.store(true, Ordering::SeqCst);
        self.inner.timers.close();
        while self.inner.mailboxes.driving() > 0 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        self.store().close().await;
    }

    /// Whether [`Self::shutdown`] was called.
    pub fn is_closing(&self) -> bool {
        self.inner.closing.load(Ordering::SeqCst)
    }

    /// How many executions are in memory: driven, or resting there.
    pub fn executions_in_memory(&self) -> usize {
        self.inner.mailboxes.len()
    }

    pub(crate) fn store(&self) -> &dyn Store {
        &*self.inner.options.store
    }

    /// The present, by the engine's clock.
    pub fn now(&self) -> stepwright_history::Moment {
        self.inner.options.clock.now()
    }
}
