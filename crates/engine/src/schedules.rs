//! Schedules: start executions repeatedly, by the engine's own timers.
//!
//! Of several nodes, the one that has a schedule's shard fires it. The others watch the same moments and
//! remember them for a while: whoever gets the shard fires those that it knows of. What was fired before
//! is not started again, for the moment is in the name of the execution.

use crate::nodes::Place;
use crate::{Engine, StartError, StartRequest, Started};
use parking_lot::Mutex;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use stepwright_history::Moment;
use stepwright_json::Json;
use stepwright_store::{ExecutionId, Shards, StoreError};

/// How long a moment is remembered that another node should have seen to. This is much longer than a
/// takeover takes.
const REMEMBERED_MILLIS: i64 = 15 * 60_000;

/// The most moments that are remembered for a schedule.
const MOST_REMEMBERED: usize = 1_000;

/// A node that has just begun sees to the moments of so long ago: the one before it in its place may have
/// died over them.
const LOOK_BACK_MILLIS: i64 = 60_000;

/// How long a start is tried again whose fate the store does not tell, and the pause before that.
const PATIENCE: Duration = Duration::from_mins(10);
const PAUSE: Duration = Duration::from_secs(1);

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
    /// Moments that were another node's to see to, the earliest first.
    missed: VecDeque<Moment>,
}

impl Entry {
    fn shard(&self) -> u8 {
        Shards::of_name(&self.name)
    }

    fn miss(&mut self, due: Moment, now: Moment) {
        self.missed.push_back(due);
        let is_old = |due: &Moment| due.0 < now.0 - REMEMBERED_MILLIS;
        while self.missed.len() > MOST_REMEMBERED || self.missed.front().is_some_and(is_old) {
            self.missed.pop_front();
        }
    }
}

pub(crate) fn is_schedule(id: ExecutionId) -> bool {
    id.0 & SCHEDULE != 0
}

impl Engine {
    /// Activates a schedule under a name, in place of any other with that name. Moments before now
    /// are not made up for; but if other nodes can share the store, the last minute is, as far as the
    /// schedule `exists_since` then. Returns when it is due next.
    pub fn follow(
        &self,
        name: &str,
        schedule: Arc<dyn Schedule>,
        exists_since: Moment,
    ) -> Option<Moment> {
        self.unfollow(name);
        let now = self.now();
        let due = schedule.after(now);
        let mut entry = Entry {
            name: name.to_owned(),
            schedule,
            due: due.unwrap_or(now),
            missed: VecDeque::default(),
        };
        if self.has_nodes() {
            let mut before = Moment(exists_since.0.max(now.0 - LOOK_BACK_MILLIS));
            while let Some(missed) = entry.schedule.after(before).filter(|missed| *missed <= now) {
                entry.miss(missed, now);
                before = missed;
            }
        }
        if due.is_none() && entry.missed.is_empty() {
            return None;
        }
        let number = {
            let mut followed = self.inner.schedules.0.lock();
            let number = followed.next;
            followed.next += 1;
            followed.by_number.insert(number, entry);
            number
        };
        if let Some(due) = due {
            self.inner.timers.wake_at(due, ExecutionId(number | SCHEDULE));
        }
        self.fire_missed();
        due
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
            let next = entry.schedule.after(now.max(due));
            if let Some(next) = next {
                entry.due = next;
            }
            // Whoever gets the shard looks at what was missed under the same lock.
            let is_here = self.place_of(entry.shard()) == Place::Here;
            if !is_here {
                entry.miss(due, now);
            }
            let schedule = is_here.then(|| entry.schedule.clone());
            if next.is_none() && is_here {
                followed.by_number.remove(&number);
            }
            (schedule, due, next)
        };
        if let Some(next) = next {
            self.inner.timers.wake_at(next, id);
        }
        if let Some(schedule) = schedule {
            let engine = self.clone();
            tokio::spawn(async move { engine.see_to(&*schedule, due).await });
        }
    }

    /// Fires what this node remembers of the schedules whose shards it has, as another node may not have
    /// done so.
    pub(crate) fn fire_missed(&self) {
        let mut all = Vec::new();
        for entry in self.inner.schedules.0.lock().by_number.values_mut() {
            if !entry.missed.is_empty() && self.place_of(entry.shard()) == Place::Here {
                all.push((entry.schedule.clone(), std::mem::take(&mut entry.missed)));
            }
        }
        if all.is_empty() {
            return;
        }
        let engine = self.clone();
        tokio::spawn(async move {
            for (schedule, missed) in all {
                for due in missed {
                    engine.see_to(&*schedule, due).await;
                }
            }
        });
    }

    /// Starts the execution of a moment, unless it was started before.
    async fn see_to(&self, schedule: &dyn Schedule, due: Moment) {
        let end = tokio::time::Instant::now() + PATIENCE;
        let result = loop {
            let result = self.start_scheduled(schedule, due).await;
            let is_open = match &result {
                Err(
                    error @ (ScheduleError::Store(_) | ScheduleError::Start(StartError::Store(_))),
                ) => {
                    let machine = schedule.machine();
                    tracing::warn!(machine, %error, "what a schedule starts is tried again");
                    true
                }
                _ => false,
            };
            if !is_open || self.is_closing() || tokio::time::Instant::now() >= end {
                break result;
            }
            tokio::time::sleep(PAUSE).await;
        };
        // An attempt before, or another node, has started it.
        if !matches!(result, Err(ScheduleError::Start(StartError::Exists { .. }))) {
            schedule.fired(due, &result);
        }
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
