//! Opens an engine on an existing store.

use crate::activities::Activities;
use crate::children::Spread;
use crate::facts::More;
use crate::live::Live;
use crate::long::LongTurns;
use crate::mailbox::{Mailboxes, Message};
use crate::map_runs::Readings;
use crate::memory::Memory;
use crate::nodes::Nodes;
use crate::recent::Recent;
use crate::recorded::Pages;
use crate::retention::retain;
use crate::schedules::Schedules;
use crate::timers::Timers;
use crate::underway::Underway;
use crate::{Catalogue, Engine, Inner, Metrics, Options};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Duration;
use stepwright_history::{Failure, Moment};
use stepwright_interpreter::Stimulus;
use stepwright_store::{ExecutionId, ExecutionRow, Shards, StoreError};

/// Why an engine could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The store cannot be read.
    #[error("the store cannot be read")]
    Store(#[from] StoreError),
    /// Another node uses the store, and this one was not told how nodes reach each other.
    #[error(
        "the node at {address} uses the store; stop it, or give both a section \
         `[server.nodes]` in stepwright.toml to share the work"
    )]
    Shared {
        /// Where it is reached.
        address: String,
    },
    /// A node answers at the address that this one was given.
    #[error(
        "another node answers at {address}; give each node its own `address` in `[server.nodes]`, \
         or stop the other one"
    )]
    SameAddress {
        /// The address.
        address: String,
    },
    /// This machine's clock and the store's differ by so much that one of them is wrong.
    #[error(
        "this machine's clock is {} seconds {} that of the store; set both, for timers and schedules \
         follow the clocks of the nodes", millis.abs() / 1_000, if *millis > 0 { "ahead of" } else { "behind" }
    )]
    Clock {
        /// How far this machine's clock is ahead, in milliseconds.
        millis: i64,
    },
}

/// The parent that was checked last, folded back. The children of one map run follow one another,
/// so ten thousand children need their parent folded only once.
#[derive(Default)]
pub(crate) struct Parents(Option<(ExecutionId, Option<Box<Live>>)>);

/// The number of rows that are read at once.
const PAGE: usize = 1_000;

impl Engine {
    /// Opens an engine. Machines and activities are available when this returns; timers and owed
    /// work are resumed in the background. Must be called within a tokio runtime.
    pub async fn open(options: Options) -> Result<Self, OpenError> {
        let engine = Self::closed(options).await?;
        engine.resume_parked().await?;
        let timers = engine.clone();
        tokio::spawn(async move {
            let clock = timers.inner.options.clock.clone();
            timers.inner.timers.run(&timers, &*clock).await;
        });
        let tidying = engine.clone();
        if engine.nodes().is_some() {
            if let Err(error) = engine.join().await {
                engine.shutdown().await;
                return Err(error);
            }
            tokio::spawn(async move { tidying.tidy().await });
        } else {
            // Only executions that began before now are resumed. Later ones are already driven.
            let end = engine.store().new_id();
            tokio::spawn(async move {
                tidying.tidy().await;
                tidying.resume(Shards::ALL, Some(end)).await;
            });
        }
        if let Some(kept) = engine.inner.options.retention_millis {
            tokio::spawn(retain(engine.downgrade(), kept));
        }
        Ok(engine)
    }

    /// Like [`Self::open`], but nothing is woken: for looking at what a store holds.
    pub async fn closed(options: Options) -> Result<Self, OpenError> {
        let catalogue = Catalogue::load(&*options.store).await?;
        let activities = Activities::default();
        for activity in catalogue.activities() {
            activities.open(&activity.arn);
        }
        let membership = options.store.membership();
        let peers = options.peers.clone();
        let nodes = membership.map(|membership| Box::new(Nodes::new(membership, peers)));
        let inner = Inner {
            options,
            nodes,
            catalogue,
            mailboxes: Mailboxes::new(),
            timers: Timers::default(),
            schedules: Schedules::default(),
            counting: crate::counting::Counting::default(),
            underway: Underway::default(),
            activities,
            recent: Recent::default(),
            metrics: Metrics::default(),
            unarchived: Mutex::default(),
            long: LongTurns::default(),
            memory: Memory::default(),
            pages: Pages::default(),
            spread: Spread::default(),
            readings: Readings::default(),
            next_in_memory: AtomicU64::new(0),
            starting: tokio::sync::RwLock::default(),
            closing: AtomicBool::new(false),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Removes what is left of state machines that were deleted.
    async fn tidy(&self) {
        // One node does so: the one that changes machines, and so knows which there are.
        if self.nodes().is_some_and(|nodes| !nodes.changes_machines()) {
            return;
        }
        if let Err(error) = self.remove_old_revisions().await {
            tracing::warn!(%error, "revisions of deleted state machines could not be removed");
        }
    }

    /// Wakes everything in these shards that was running when the store was closed, or when they were
    /// claimed. With `end`, that is what began before it.
    pub(crate) async fn resume(self, shards: Shards, end: Option<ExecutionId>) {
        let mut after: Option<ExecutionRow> = None;
        let mut parents = Parents::default();
        loop {
            let rows = match self.store().live(&shards, after.as_ref(), PAGE).await {
                Ok(rows) => rows,
                Err(error) => {
                    tracing::error!(%error, "cannot read the live executions");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    continue;
                }
            };
            let Some(last) = rows.last() else { return };
            after = Some(last.clone());
            for row in rows {
                if self.is_closing() {
                    return;
                }
                if end.is_some_and(|end| row.id > end) {
                    continue;
                }
                if let Some(wake_at) = row.wake_at {
                    self.inner.timers.wake_at(Moment(wake_at), row.id);
                }
                self.note_parent_of(&row);
                if self.is_orphan(&row, &mut parents).await {
                    let failure = Failure::default();
                    self.deliver(row.id, Message::new(Stimulus::Stop { failure }));
                } else if row.is_owed {
                    self.deliver(row.id, Message::resume(true));
                }
            }
        }
    }

    /// Whether the execution that this one was begun for does not wait for it any more.
    pub(crate) async fn is_orphan(&self, row: &ExecutionRow, parents: &mut Parents) -> bool {
        let Some(parent) = More::read(&row.about.more).and_then(|more| more.parent) else {
            return false;
        };
        if parents.0.as_ref().is_none_or(|(id, _)| *id != parent.execution) {
            parents.0 = match self.load(parent.execution).await {
                Ok(found) => Some((parent.execution, found)),
                Err(error) => {
                    let child = &row.about.arn;
                    tracing::warn!(child, %error, "the execution that waits for it cannot be read");
                    return false;
                }
            };
        }
        match &parents.0 {
            Some((_, Some(live))) => !live.execution.wants(parent.task, parent.index),
            // A parent that is no longer in the store waits for nobody.
            _ => true,
        }
    }
}
