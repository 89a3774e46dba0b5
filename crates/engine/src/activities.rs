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
}

/// The queues of tasks that wait for a worker, by activity.
#[derive(Default)]
pub(crate) struct Activities {
    queues: Mutex<FxHashMap<String, Arc<Queue>>>,
}

#[derive(Default)]
struct Queue {
    tasks: Mutex<VecDeque<(ExecutionId, TaskId)>>,
    added: Notify,
}

impl Queue {
    fn tasks(&self) -> MutexGuard<'_, VecDeque<(ExecutionId, TaskId)>> {
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
        queue.tasks().push_back((execution, task));
        queue.added.notify_one();
        true
    }

    /// The number of tasks that wait for a worker.
    pub(crate) fn waiting(&self) -> usize {
        let queues = self.queues.lock();
        queues.values().map(|queue| queue.tasks().len()).sum()
    }
}

impl Engine {
    /// Waits for a task of an activity, for a limited time. Returns `None` if no task came, or if
    /// the activity is gone.
    pub async fn poll_activity(
        &self,
        arn: &str,
        worker: Option<Str>,
        longest: Duration,
    ) -> Option<ActivityTask> {
        let end = tokio::time::Instant::now() + longest;
        loop {
            let queue = self.inner.activities.queue(arn)?;
            let next = queue.tasks().pop_front();
            if let Some((execution, task)) = next {
                // Other workers may wait for the tasks behind this one.
                queue.added.notify_one();
                let taken = self.take_activity_task(execution, task, worker.clone()).await;
                if taken.is_some() {
                    return taken;
                }
                // This task has timed out or its execution is over. Try the next one.
                continue;
            }
            if self.is_closing()
                || tokio::time::timeout_at(end, queue.added.notified()).await.is_err()
            {
                return None;
            }
        }
    }

    /// The number of activity tasks that wait for a worker.
    pub fn waiting_activity_tasks(&self) -> usize {
        self.inner.activities.waiting()
    }
}
