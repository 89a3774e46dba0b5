//! Executions that are in memory or ended a short while ago, and those who wait for an end.

use crate::Ended;
use crate::snapshot::News;
use crate::underway::Underway;
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use std::collections::VecDeque;
use stepwright_store::ExecutionId;
use tokio::sync::oneshot;

/// What `DescribeExecution` is answered from without a look at the store.
#[derive(Default)]
pub(crate) struct Recent(Mutex<Known>);

#[derive(Default)]
struct Known {
    /// Those that have ended.
    ended: FxHashMap<String, Ended>,
    /// Those that run and are in memory.
    running: FxHashMap<String, Ended>,
    /// The ended ones, the one that ended first in front.
    order: VecDeque<String>,
    waiting: FxHashMap<ExecutionId, Vec<oneshot::Sender<News>>>,
}

/// How many ended executions stay in memory.
const MOST_ENDED: usize = 512;

impl Recent {
    pub(crate) fn ended(&self, id: ExecutionId, snapshot: Ended, underway: &Underway) {
        let mut known = self.0.lock();
        let arn = snapshot.facts.about.arn.clone();
        let waiting = known.waiting.remove(&id);
        known.running.remove(&arn);
        known.ended.insert(arn.clone(), snapshot.clone());
        known.order.push_back(arn);
        let oldest = (known.order.len() > MOST_ENDED).then(|| known.order.pop_front()).flatten();
        let gone = oldest.and_then(|arn| known.ended.remove(&arn));
        drop(known);
        drop(gone);
        for waiting in waiting.into_iter().flatten() {
            // Whoever waited may have gone.
            drop(waiting.send((snapshot.clone(), underway.begin())));
        }
    }

    /// An execution that runs is in memory: it is described from there.
    pub(crate) fn began(&self, snapshot: Ended) {
        self.0.lock().running.insert(snapshot.facts.about.arn.clone(), snapshot);
    }

    /// An execution has left the memory.
    pub(crate) fn left(&self, arn: &str) {
        self.0.lock().running.remove(arn);
    }

    /// An execution, running or ended, if it is known.
    pub(crate) fn find(&self, arn: &str) -> Option<Ended> {
        let known = self.0.lock();
        known.ended.get(arn).or_else(|| known.running.get(arn)).cloned()
    }

    /// An execution that has ended, if it is known.
    pub(crate) fn find_ended(&self, arn: &str) -> Option<Ended> {
        self.0.lock().ended.get(arn).cloned()
    }

    /// An execution that has ended goes on, or is not kept any more.
    pub(crate) fn forget(&self, arn: &str) {
        let mut known = self.0.lock();
        known.ended.remove(arn);
        known.order.retain(|other| other != arn);
    }

    pub(crate) fn clear(&self) {
        let mut known = self.0.lock();
        known.ended.clear();
        known.order.clear();
    }

    /// Hears of the end of an execution.
    pub(crate) fn watch(&self, id: ExecutionId) -> oneshot::Receiver<News> {
        let (sender, receiver) = oneshot::channel();
        let mut known = self.0.lock();
        let waiting = known.waiting.entry(id).or_default();
        waiting.retain(|sender| !sender.is_closed());
        waiting.push(sender);
        receiver
    }
}
