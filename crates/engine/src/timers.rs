use crate::mailbox::Message;
use crate::schedules::is_schedule;
use crate::{Clock, Engine};
use parking_lot::Mutex;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use stepwright_history::Moment;
use stepwright_store::ExecutionId;
use tokio::sync::Notify;
use tokio::task::AbortHandle;

/// When executions must be woken and schedules are due: 16 bytes for each.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    agenda: Mutex<BinaryHeap<Reverse<(Moment, ExecutionId)>>>,
    /// Notified when an earlier appointment becomes the first one, and when the engine closes.
    changed: Arc<Notify>,
    is_closed: AtomicBool,
}

/// The longest sleep, so that a clock that is set forward is noticed within this time.
const LONGEST_SLEEP: Duration = Duration::from_mins(1);

impl Timers {
    pub(crate) fn wake_at(&self, due: Moment, execution: ExecutionId) {
        let mut agenda = self.agenda.lock();
        let is_first = agenda.peek().is_none_or(|Reverse((first, _))| due < *first);
        agenda.push(Reverse((due, execution)));
        drop(agenda);
        if is_first {
            self.changed.notify_one();
        }
    }

    /// Whether there are no appointments.
    pub(crate) fn is_empty(&self) -> bool {
        self.agenda.lock().is_empty()
    }

    pub(crate) fn close(&self) {
        self.is_closed.store(true, Ordering::SeqCst);
        self.changed.notify_one();
    }

    /// Returns the executions that are due, and the time of the next appointment.
    fn due(&self, now: Moment) -> (Vec<ExecutionId>, Option<Moment>) {
        let mut agenda = self.agenda.lock();
        let mut due = Vec::new();
        while let Some(Reverse((at, execution))) = agenda.peek().copied() {
            if at > now {
                return (due, Some(at));
            }
            due.push(execution);
            agenda.pop();
        }
        (due, None)
    }

    /// Wakes executions until the timers are closed.
    pub(crate) async fn run(&self, engine: &Engine, clock: &dyn Clock) {
        while !self.is_closed.load(Ordering::SeqCst) {
            let now = clock.now();
            let (due, next) = self.due(now);
            for id in due {
                if is_schedule(id) {
                    engine.fire(id, now);
                } else {
                    engine.deliver(id, Message::wake());
                }
            }
            let sleep = next.map_or(LONGEST_SLEEP, |next| {
                let millis = next.0.saturating_sub(clock.now().0).max(1);
                Duration::from_millis(millis as u64).min(LONGEST_SLEEP)
            });
            tokio::select! {
                () = tokio::time::sleep(sleep) => {}
                () = self.changed.notified() => {}
            }
        }
    }
}

/// The timer of an execution that is in memory only. Dropping it cancels it, so no appointments of
/// ended executions are left behind.
#[derive(Debug)]
pub(crate) struct Alarm(AbortHandle);

impl Drop for Alarm {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Engine {
    /// Wakes an execution at a given time.
    pub(crate) fn alarm(&self, due: Moment, execution: ExecutionId) -> Alarm {
        let engine = self.clone();
        let waiting = tokio::spawn(async move {
            loop {
                let left = due.0 - engine.now().0;
                if left <= 0 {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(left as u64).min(LONGEST_SLEEP)).await;
            }
            engine.deliver(execution, Message::wake());
        });
        Alarm(waiting.abort_handle())
    }
}
