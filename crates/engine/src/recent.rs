//! Executions that are in memory or have just ended, and the callers that wait for an end.

use crate::Ended;
use crate::snapshot::News;
use crate::underway::Underway;
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use std::collections::VecDeque;
use stepwright_store::{ExecutionId, Shards};
use tokio::sync::oneshot;

/// Answers `DescribeExecution` without reading the store.
#[derive(Default)]
pub(crate) struct Recent(Mutex<Known>);

#[derive(Default)]
struct Known {
    /// Executions that have ended.
    ended: FxHashMap<String, Ended>,
    /// Running executions that are in memory.
    running: FxHashMap<String, Ended>,
    /// The ARNs of the ended executions and the bytes of memory that each takes, the one that ended
    /// first in front.
    order: VecDeque<(String, usize)>,
    /// The bytes of memory that all of them take.
    bytes: usize,
    waiting: FxHashMap<ExecutionId, Vec<oneshot::Sender<News>>>,
}

/// The number of ended executions that are remembered, and the bytes of memory that they may take.
const MOST_ENDED: usize = 512;
const MOST_BYTES: usize = 16 << 20;

impl Recent {
    pub(crate) fn ended(&self, id: ExecutionId, snapshot: Ended, underway: &Underway) {
        let mut known = self.0.lock();
        let waiting = known.waiting.remove(&id);
        known.running.remove(&snapshot.facts.about.arn);
        let mut gone = Vec::new();
        // The children of a map run would only displace what is asked for.
        if snapshot.facts.about.map_run.is_none() {
            let (arn, bytes) = (snapshot.facts.about.arn.clone(), snapshot.memory());
            known.ended.insert(arn.clone(), snapshot.clone());
            known.order.push_back((arn, bytes));
            known.bytes += bytes;
            while known.order.len() > MOST_ENDED || known.bytes > MOST_BYTES {
                let Some((oldest, bytes)) = known.order.pop_front() else { break };
                known.bytes -= bytes;
                gone.extend(known.ended.remove(&oldest));
            }
        }
        drop(known);
        drop(gone);
        for waiting in waiting.into_iter().flatten() {
            // The caller may have stopped waiting.
            drop(waiting.send((snapshot.clone(), underway.begin())));
        }
    }

    /// Remembers a running execution that is in memory.
    pub(crate) fn began(&self, snapshot: Ended) {
        self.0.lock().running.insert(snapshot.facts.about.arn.clone(), snapshot);
    }

    /// Forgets a running execution that has left memory.
    pub(crate) fn left(&self, arn: &str) {
        self.0.lock().running.remove(arn);
    }

    /// An execution, running or ended, if it is known.
    pub(crate) fn find(&self, arn: &str) -> Option<Ended> {
        let known = self.0.lock();
        known.ended.get(arn).or_else(|| known.running.get(arn)).cloned()
    }

    /// Whether an execution is in memory whose end is not known here, although it may be stored.
    pub(crate) fn is_running(&self, arn: &str) -> bool {
        self.0.lock().running.contains_key(arn)
    }

    /// An execution that has ended, if it is known.
    pub(crate) fn find_ended(&self, arn: &str) -> Option<Ended> {
        self.0.lock().ended.get(arn).cloned()
    }

    /// Forgets an ended execution, because it was redriven or deleted.
    pub(crate) fn forget(&self, arn: &str) {
        let mut known = self.0.lock();
        if known.ended.remove(arn).is_some() {
            let Known { order, bytes, .. } = &mut *known;
            order.retain(|(other, taken)| {
                let stays = other != arn;
                *bytes -= if stays { 0 } else { *taken };
                stays
            });
        }
    }

    pub(crate) fn clear(&self) {
        let mut known = self.0.lock();
        known.ended.clear();
        known.order.clear();
        known.bytes = 0;
    }

    /// Forgets everything about executions that another node drives from now on. Whoever waits for the
    /// end of one looks for it again.
    pub(crate) fn leave(&self, shards: &Shards) {
        let mut known = self.0.lock();
        known.running.retain(|_, snapshot| !shards.has(snapshot.facts.id.shard()));
        known.waiting.retain(|id, _| !shards.has(id.shard()));
        drop(known);
        self.clear();
    }

    /// Returns a receiver that gets the news of an execution's end.
    pub(crate) fn watch(&self, id: ExecutionId) -> oneshot::Receiver<News> {
        let (sender, receiver) = oneshot::channel();
        let mut known = self.0.lock();
        let waiting = known.waiting.entry(id).or_default();
        waiting.retain(|sender| !sender.is_closed());
        waiting.push(sender);
        receiver
    }

    /// Forgets the receivers of an execution that did not begin.
    pub(crate) fn unwatch(&self, id: ExecutionId) {
        self.0.lock().waiting.remove(&id);
    }
}
