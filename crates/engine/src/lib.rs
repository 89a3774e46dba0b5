//! Runs executions durably.
//!
//! Every execution is driven by one task at a time. The driver takes the messages that have come
//! for the execution, lets the interpreter take a turn, and appends the turn to the store. Only
//! then does it answer the callers and send out what the turn owes. An execution that waits need
//! not be in memory: when something comes for it, it is folded back from its history.
//!
//! Everything that the engine needs from the outside is a port: [`stepwright_store::Store`],
//! [`Clock`], [`Tasks`], [`ObjectStore`] and [`Observer`].

mod activities;
mod authorizer;
mod bells;
mod catalogue;
mod children;
mod clock;
mod collector;
mod counting;
mod dispatch;
mod doctor;
mod drive;
mod ends;
mod errors;
mod facts;
mod forks;
mod histories;
mod live;
mod load;
mod long;
mod mailbox;
mod map_runs;
mod memory;
mod metrics;
mod nodes;
mod objects;
mod once;
mod parked;
mod peers;
mod query;
mod recent;
mod recorded;
mod recovery;
mod retention;
mod run_rows;
mod schedules;
mod snapshot;
mod starts;
mod tasks;
mod timers;
mod tokens;
mod underway;

pub use activities::{ActivityTask, Handed};
pub use authorizer::{Authorizer, Denied, Principal, Unrestricted};
pub use catalogue::{
    Activity, Alias, Catalogue, DefinitionError, Machine, MachineStatus, Revision, Route, Version,
};
pub use clock::{Clock, SystemClock};
pub use collector::{Collector, ExecutionEvent};
pub use doctor::{Examination, Finding, Progress};
pub use errors::{ParkedError, RedriveError, Refused, StartError, StopError, TokenError};
pub use facts::{Facts, Parent};
pub use forks::{Entered, Fork, Forking};
pub use histories::{HistoryPage, HistoryRequest};
pub use map_runs::{Counts, MapRun, MapRunStatus};
pub use metrics::{Counter, Histogram, Metrics, Told};
pub use nodes::{NodesView, Place, Staying};
pub use objects::{NoObjects, ObjectStore, Upload, Whole};
pub use parked::Parked;
pub use peers::{PeerError, Peers};
pub use recovery::OpenError;
pub use retention::{Archive, LeftOut};
pub use run_rows::ListedRun;
pub use schedules::{Schedule, ScheduleError};
pub use snapshot::{Ended, Snapshot};
pub use starts::{StartRequest, Started};
pub use tasks::{Call, ObservedTurn, Observer, Report, Silent, Tasks, Trace, request_id};

use activities::Activities;
use long::LongTurns;
use mailbox::Mailboxes;
use map_runs::Readings;
use memory::Memory;
use nodes::Nodes;
use parking_lot::Mutex;
use recent::Recent;
use recorded::Pages;
use rustc_hash::FxHashSet;
use schedules::Schedules;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use stepwright_program::{Limits, Vintage};
use stepwright_store::{ExecutionId, Store};
use timers::Timers;
use underway::Underway;

/// The parts and settings of an engine.
#[derive(Clone)]
pub struct Options {
    /// Where executions are kept.
    pub store: Arc<dyn Store>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Runs tasks.
    pub tasks: Arc<dyn Tasks>,
    /// Where distributed Maps read and write.
    pub objects: Arc<dyn ObjectStore>,
    /// Notified of every turn once it is durable.
    pub observer: Arc<dyn Observer>,
    /// Decides what executions may do.
    pub authorizer: Arc<dyn Authorizer>,
    /// The account in ARNs.
    pub account: String,
    /// The region in ARNs.
    pub region: String,
    /// The limits that executions are held to.
    pub limits: Limits,
    /// The vintage of AWS whose histories are reproduced.
    pub vintage: Vintage,
    /// How long executions are kept after their end, in milliseconds; `None` keeps them forever.
    pub retention_millis: Option<i64>,
    /// Keeps what is about to be forgotten; without it, it is gone.
    pub archive: Option<Arc<dyn Archive>>,
    /// Reaches the other nodes that share the store. Without it, no other node may use the store.
    pub peers: Option<Arc<dyn Peers>>,
}

impl Options {
    /// Options with AWS's limits, no object store, no observer, unrestricted rights and unlimited
    /// retention, in the account 123456789012 and the region us-east-1.
    pub fn new(store: Arc<dyn Store>, tasks: Arc<dyn Tasks>) -> Self {
        Self {
            store,
            clock: Arc::new(SystemClock),
            tasks,
            objects: Arc::new(NoObjects),
            observer: Arc::new(Silent),
            authorizer: Arc::new(Unrestricted),
            account: "123456789012".to_owned(),
            region: "us-east-1".to_owned(),
            limits: Limits::default(),
            vintage: Vintage::TODAY,
            retention_millis: None,
            archive: None,
            peers: None,
        }
    }
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("account", &self.account)
            .field("region", &self.region)
            .finish_non_exhaustive()
    }
}

/// The engine, which runs executions. Cheap to clone: all clones are one engine.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

/// An engine, for whoever must not keep it alive: what the engine itself holds.
#[derive(Clone)]
pub struct WeakEngine {
    inner: Weak<Inner>,
}

impl WeakEngine {
    /// The engine, unless it is gone.
    pub fn upgrade(&self) -> Option<Engine> {
        self.inner.upgrade().map(|inner| Engine { inner })
    }
}

impl std::fmt::Debug for WeakEngine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WeakEngine").finish_non_exhaustive()
    }
}

struct Inner {
    options: Options,
    nodes: Option<Box<Nodes>>,
    catalogue: Catalogue,
    mailboxes: Mailboxes,
    timers: Timers,
    schedules: Schedules,
    counting: counting::Counting,
    underway: Underway,
    activities: Activities,
    recent: Recent,
    metrics: Metrics,
    /// Executions past their retention that could not be read, and so not be archived.
    unarchived: Mutex<FxHashSet<ExecutionId>>,
    long: LongTurns,
    memory: Memory,
    pages: Pages,
    spread: children::Spread,
    readings: Readings,
    next_in_memory: AtomicU64,
    /// Held for reading by whoever starts an execution, from the look at its machine on.
    starting: tokio::sync::RwLock<()>,
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

    /// The engine, without keeping it alive.
    pub fn downgrade(&self) -> WeakEngine {
        WeakEngine { inner: Arc::downgrade(&self.inner) }
    }

    /// The engine's counters.
    pub fn metrics(&self) -> &Metrics {
        &self.inner.metrics
    }

    /// The options that the engine was opened with.
    pub fn options(&self) -> &Options {
        &self.inner.options
    }

    /// Accepts nothing new and waits until no turn is under way. Executions that run are resumed
    /// when the store is opened again.
    pub async fn shutdown(&self) {
        self.inner.closing.store(true, Ordering::SeqCst);
        self.inner.timers.close();
        // What was lost is not waited for.
        while self.inner.mailboxes.driving() > 0 && !self.is_lost() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        self.store().close().await;
        // What this node had is free now.
        self.ring_others().await;
    }

    /// Whether [`Self::shutdown`] was called.
    pub fn is_closing(&self) -> bool {
        self.inner.closing.load(Ordering::SeqCst)
    }

    /// The number of executions that are left alone.
    pub fn parked_executions(&self) -> usize {
        self.inner.mailboxes.parked()
    }

    /// The number of executions in memory, driven or resting.
    pub fn executions_in_memory(&self) -> usize {
        self.inner.mailboxes.len()
    }

    /// How many bytes the data of the executions in memory takes, about.
    pub fn executions_bytes(&self) -> usize {
        self.inner.memory.taken()
    }

    /// How many turns take long now: those that are under way, and those that wait with a thread.
    pub fn long_turns(&self) -> (usize, usize) {
        self.inner.long.counts()
    }

    pub(crate) fn store(&self) -> &dyn Store {
        &*self.inner.options.store
    }

    /// Does something that may take long: there are few processors for all that does, so that
    /// others have theirs.
    pub async fn aside<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        self.inner.long.aside(work).await
    }

    /// The current time by the engine's clock.
    pub fn now(&self) -> stepwright_history::Moment {
        self.inner.options.clock.now()
    }
}
