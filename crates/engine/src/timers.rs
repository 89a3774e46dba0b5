use crate::drive::Message;
use crate::{Clock, Engine};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use stepwright_history::Moment;
use stepwright_store::ExecutionId;
use tokio::sync::Notify;

/// Which executions must be woken when: 16 bytes each.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    agenda: Mutex<BinaryHeap<Reverse<(Moment, ExecutionId)>>>,
    /// Told when the first appointment has become an earlier one, and at the end.
    changed: Arc<Notify>,
    is_closed: AtomicBool,
}

/// The longest sleep: a clock that is set forward is noticed after this long.
const LONGEST_SLEEP: Duration = Duration::from_mins(1);

impl Timers {
    pub(crate) fn wake_at(&self, due: Moment, execution: ExecutionId) {
        let mut agenda = self.agenda.lock().unwrap_or_else(PoisonError::into_inner);
        let is_first = agenda.peek().is_none_or(|Reverse((first, _))| due < *first);
        agenda.push(Reverse((due, execution)));
        drop(agenda);
        if is_first {
            self.changed.notify_one();
        }
    }

    pub(crate) fn close(&self) {
        self.is_closed.store(true, Ordering::SeqCst);
        self.changed.notify_one();
    }

    /// The executions whose time has come, and when the next one's comes.
    fn due(&self, now: Moment) -> (Vec<ExecutionId>, Option<Moment>) {
        let mut agenda = self.agenda.lock().unwrap_or_else(PoisonError::into_inner);
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

    /// Wakes executions until it is closed.
    pub(crate) async fn run(&self, engine: &Engine, clock: &dyn Clock) {
        while !self.is_closed.load(Ordering::SeqCst) {
            let (due, next) = self.due(clock.now());
            for execution in due {
                engine.deliver(execution, Message::wake());
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
