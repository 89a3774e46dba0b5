//! Schedules: start executions repeatedly, by the engine's own timers.

use crate::{Engine, StartError, StartRequest, Started};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use stepwright_history::Moment;
use stepwright_json::Json;
use stepwright_store::{ExecutionId, StoreError};

/// Set in the numbers of schedules among the timers; the numbers of executions do not have this
/// bit.
const SCHEDULE: u64 = 1 << 62;

/// Something that starts executions of a machine when it is due.
pub trait Schedule: Send + Sync + 'static {
    /// The first moment after `moment` at which it is due; `None` if it never is again.
    fn after(&self, moment: Moment) -> Option<Moment>;

    /// The ARN of the machine that it starts.
    fn machine(&self) -> &str;

    /// The name of the execution that starts at a due moment. The name depends on the moment only,
    /// so a start that is repeated gives one execution.
    fn name(&self, due: Moment) -> String;

    /// The input of the execution that starts at a due moment.
    fn input(&self, due: Moment) -> Json;

    /// Called with the result of a start.
    fn fired(&self, due: Moment, result: &Result<Started, ScheduleError>);
}

/// Why a schedule started nothing.
#[derive(Debug, thiserror::Error)]
pub enum ScheduleError {
    /// The machine is gone.
    #[error("there is no state machine `{machine}`")]
    NoSuchMachine {
        /// Its ARN.
        machine: String,
    },
    /// The machine's revision cannot be read.
    #[error("the state machine cannot be read")]
    Store(#[source] StoreError),
    /// The start failed.
    #[error(transparent)]
    Start(StartError),
}

/// The schedules that are active, by number and by name.
#[derive(Default)]
pub(crate) struct Schedules(Mutex<Followed>);

#[derive(Default)]
struct Followed {
    next: u64,
    by_number: BTreeMap<u64, Entry>,
}

struct Entry {
    name: String,
    schedule: Arc<dyn Schedule>,
    due: Moment,
}

pub(crate) fn is_schedule(id: ExecutionId) -> bool {
    id.0 & SCHEDULE != 0
}

impl Engine {
    /// Activates a schedule under a name, in place of any other with that name. Moments before now
    /// are not made up for. Returns when it is due next.
    pub fn follow(&self, name: &str, schedule: Arc<dyn Schedule>) -> Option<Moment> {
        self.unfollow(name);
        let due = schedule.after(self.now())?;
        let number = {
            let mut followed = self.inner.schedules.0.lock();
            let number = followed.next;
            followed.next += 1;
            followed.by_number.insert(number, Entry { name: name.to_owned(), schedule, due });
            number
        };
        self.inner.timers.wake_at(due, ExecutionId(number | SCHEDULE));
        Some(due)
    }

    /// Deactivates the schedule with this name.
    pub fn unfollow(&self, name: &str) {
        self.inner.schedules.0.lock().by_number.retain(|_, entry| entry.name != name);
    }

    /// Called when a schedule's timer fires. If it was due several times meanwhile, because the
    /// computer slept, it starts one execution.
    pub(crate) fn fire(&self, id: ExecutionId, now: Moment) {
        let number = id.0 & !SCHEDULE;
        let (schedule, due, next) = {
            let mut followed = self.inner.schedules.0.lock();
            let Some(entry) = followed.by_number.get_mut(&number) else { return };
            let due = entry.due;
            let schedule = entry.schedule.clone();
            let next = schedule.after(now.max(due));
            match next {
                Some(next) => entry.due = next,
                None => drop(followed.by_number.remove(&number)),
            }
            (schedule, due, next)
        };
        if let Some(next) = next {
            self.inner.timers.wake_at(next, id);
        }
        let engine = self.clone();
        tokio::spawn(async move {
            let result = engine.start_scheduled(&*schedule, due).await;
            schedule.fired(due, &result);
        });
    }

    async fn start_scheduled(
        &self,
        schedule: &dyn Schedule,
        due: Moment,
    ) -> Result<Started, ScheduleError> {
        let arn = schedule.machine();
        let machine = self.catalogue().machine(arn);
        let machine =
            machine.ok_or_else(|| ScheduleError::NoSuchMachine { machine: arn.to_owned() })?;
        let revision = self.revision(&machine.revision).await.map_err(ScheduleError::Store)?;
        let request = StartRequest::new(machine, revision, schedule.name(due), schedule.input(due));
        self.start(request).await.map_err(ScheduleError::Start)
    }
}
