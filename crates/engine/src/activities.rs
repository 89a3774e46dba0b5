use crate::Engine;
use parking_lot::{Mutex, MutexGuard};
use rustc_hash::FxHashMap;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use stepwright_history::TaskId;
use stepwright_json::{Json, Str};
use stepwright_store::ExecutionId;
use tokio::sync::Notify;

/// A task that a worker has taken.
#[derive(Clone, Debug)]
pub struct ActivityTask {
    /// The token with which the worker reports on the task.
    pub token: Str,
    /// The task's input.
    pub input: Json,
    /// Puts the task back if it does not reach the worker.
    pub handed: Handed,
}

/// A task of an activity that was handed to a worker.
#[derive(Clone, Debug)]
pub struct Handed {
    engine: Engine,
    activity: String,
    pub(crate) execution: ExecutionId,
    pub(crate) task: TaskId,
    /// The address of the node in whose queue it was, if that is another one.
    by: Option<String>,
}

/// How often other nodes are asked for tasks.
const ASKED_EVERY: Duration = Duration::from_secs(1);

impl Handed {
    /// Puts the task back in its queue, because the worker is gone. The next worker gets it with
    /// the same token. In the history, it has started once.
    pub fn give_back(self) {
        let Self { engine, activity, execution, task, by } = self;
        if let Some(address) = by {
            engine.give_back_to(address, activity, execution, task);
            return;
        }
        if let Some(queue) = engine.inner.activities.queue(&activity) {
            queue.tasks().push_front(Entry { execution, task, was_handed_out: true });
            queue.added.notify_one();
        }
    }
}

/// A task while it is being taken out of its queue. If the worker is gone before that is done, the
/// task goes back.
struct Taking(Option<Handed>);

impl Drop for Taking {
    fn drop(&mut self) {
        if let Some(handed) = self.0.take() {
            handed.give_back();
        }
    }
}

/// A task that waits for a worker.
#[derive(Clone, Copy)]
struct Entry {
    execution: ExecutionId,
    task: TaskId,
    /// Whether it may have been handed to a worker that is gone.
    was_handed_out: bool,
}

/// The queues of tasks that wait for a worker, by activity.
#[derive(Default)]
pub(crate) struct Activities {
    queues: Mutex<FxHashMap<String, Arc<Queue>>>,
}

#[derive(Default)]
struct Queue {
    tasks: Mutex<VecDeque<Entry>>,
    added: Notify,
}

impl Queue {
    fn tasks(&self) -> MutexGuard<'_, VecDeque<Entry>> {
        self.tasks.lock()
    }
}

impl Activities {
    /// Makes the queue of an activity that exists.
    pub(crate) fn open(&self, arn: &str) {
        let mut queues = self.queues.lock();
        queues.entry(arn.to_owned()).or_default();
    }

    /// Removes the queue of an activity. Its tasks are left to time out.
    pub(crate) fn close(&self, arn: &str) {
        self.queues.lock().remove(arn);
    }

    fn queue(&self, arn: &str) -> Option<Arc<Queue>> {
        self.queues.lock().get(arn).cloned()
    }

    /// Puts a task in its activity's queue. Returns false if there is no such activity.
    pub(crate) fn schedule(&self, arn: &str, execution: ExecutionId, task: TaskId) -> bool {
        let Some(queue) = self.queue(arn) else { return false };
        queue.tasks().push_back(Entry { execution, task, was_handed_out: false });
        queue.added.notify_one();
        true
    }

    /// Another node may have a task for a worker that waits here.
    pub(crate) fn ring(&self, arn: &str) {
        if let Some(queue) = self.queue(arn) {
            queue.added.notify_one();
        }
    }

    /// The number of tasks that wait for a worker.
    pub(crate) fn waiting(&self) -> usize {
        let queues = self.queues.lock();
        queues.values().map(|queue| queue.tasks().len()).sum()
    }
}

impl Engine {
    /// Waits for a task of an activity, for a limited time. Returns `None` if no task came, or if
    /// the activity is gone. If the future is dropped, no task is lost.
    pub async fn poll_activity(
        &self,
        arn: &str,
        worker: Option<Str>,
        longest: Duration,
    ) -> Option<ActivityTask> {
        let end = tokio::time::Instant::now() + longest;
        loop {
            if let Some(task) = self.poll_activity_here(arn, worker.clone()).await {
                return Some(task);
            }
            if let Some(task) = self.poll_others(arn, worker.as_ref()).await {
                return Some(task);
            }
            let queue = self.inner.activities.queue(arn)?;
            // Nobody rings here when another node has a task.
            let has_others = self.nodes().is_some_and(|nodes| nodes.peers.is_some());
            let next = tokio::time::Instant::now() + ASKED_EVERY;
            let until = if has_others { end.min(next) } else { end };
            let rung = tokio::time::timeout_at(until, queue.added.notified()).await.is_ok();
            if self.is_closing() || (!rung && until == end) {
                return None;
            }
        }
    }

    /// Takes a task that waits at this node, if one does.
    pub(crate) async fn poll_activity_here(
        &self,
        arn: &str,
        worker: Option<Str>,
    ) -> Option<ActivityTask> {
        loop {
            let queue = self.inner.activities.queue(arn)?;
            let Entry { execution, task, was_handed_out } = queue.tasks().pop_front()?;
            // Other workers may wait for the tasks behind this one.
            queue.added.notify_one();
            let mut taking = Taking(Some(self.handed(arn, execution, task, None)));
            let taken =
                self.take_activity_task(execution, task, worker.clone(), was_handed_out).await;
            let handed = taking.0.take();
            if let (Some((token, input)), Some(handed)) = (taken, handed) {
                return Some(ActivityTask { token, input, handed });
            }
            // This task has timed out or its execution is over. Try the next one.
        }
    }

    /// A task that was handed to a worker, by this node or by the one with this address.
    pub(crate) fn handed(
        &self,
        arn: &str,
        execution: ExecutionId,
        task: TaskId,
        by: Option<String>,
    ) -> Handed {
        Handed { engine: self.clone(), activity: arn.to_owned(), execution, task, by }
    }

    /// The number of activity tasks that wait for a worker.
    pub fn waiting_activity_tasks(&self) -> usize {
        self.inner.activities.waiting()
    }
}
