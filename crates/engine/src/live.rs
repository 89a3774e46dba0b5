//! An execution in memory, and its turns.

use crate::children::Run;
use crate::dispatch::KeptReader;
use crate::long::Aside;
use crate::memory::Share;
use crate::run_rows::RunRows;
use crate::snapshot::News;
use crate::timers::Alarm;
use crate::{Engine, Facts, ObservedTurn};
use rustc_hash::FxHashMap;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use stepwright_history::aws::Calls;
use stepwright_history::{Event, EventKind, Moment, TaskId, TaskKind, TimerId, stored};
use stepwright_interpreter::{
    Command, Execution, PAGE, Stale, Status, Stimulus, Turn, step_watched,
};
use stepwright_store::{self as store, Append};
use tokio::sync::{oneshot, watch};

/// Something sent out on behalf of an execution: a task, or a child of a map run.
pub(crate) type Errand = (TaskId, Option<u32>);

/// An execution in memory.
pub(crate) struct Live {
    pub(crate) facts: Arc<Facts>,
    pub(crate) execution: Execution,
    /// The number of its events in the store.
    pub(crate) len: u64,
    /// The moments at which its timers fire, the earliest first. Some timers may have been
    /// cancelled since.
    appointments: BinaryHeap<Reverse<(Moment, TimerId)>>,
    /// When the engine's timers have been asked to wake it.
    pub(crate) woken_at: Option<Moment>,
    /// What has been sent out, each with the sender that cancels it.
    pub(crate) errands: FxHashMap<Errand, watch::Sender<bool>>,
    /// The readers of map runs between two pages.
    pub(crate) readers: FxHashMap<TaskId, KeptReader>,
    /// What the children of map runs have in common.
    pub(crate) runs: FxHashMap<TaskId, Arc<Run>>,
    /// What the store keeps of its map runs.
    pub(crate) run_rows: RunRows,
    pub(crate) redriven: Option<(u32, i64)>,
    /// The kinds of its open tasks.
    calls: Calls,
    /// What it takes of the memory that all executions take together.
    pub(crate) share: Option<Share>,
    /// Takes the place of the store, for an Express execution.
    pub(crate) in_memory: Option<InMemory>,
}

/// The state of an execution that is not stored.
#[derive(Default)]
pub(crate) struct InMemory {
    /// Receives the news of its end, if somebody waits for it.
    ended: Option<oneshot::Sender<News>>,
    /// What wakes it next.
    pub(crate) alarm: Option<Alarm>,
}

impl InMemory {
    /// Creates the state, and a receiver that gets the news of the end.
    pub(crate) fn watched() -> (Self, oneshot::Receiver<News>) {
        let (sender, receiver) = oneshot::channel();
        (Self { ended: Some(sender), alarm: None }, receiver)
    }
}

/// The results of the stimuli that go into one append.
#[derive(Default)]
pub(crate) struct Taken {
    pub(crate) events: Vec<Event>,
    pub(crate) commands: Vec<Command>,
    /// The map run children whose ends were reported, and the pages that were read.
    pub(crate) settled: Vec<Errand>,
    /// The bytes of data that the events record.
    pub(crate) bytes: usize,
    /// What the evaluations have cost.
    pub(crate) steps: u64,
}

impl Taken {
    pub(crate) fn add(&mut self, turn: Turn) {
        self.events.extend(turn.events);
        self.commands.extend(turn.commands);
        self.bytes += turn.bytes;
        self.steps += turn.steps;
    }
}

/// Why a turn was not taken.
#[derive(Debug)]
pub(crate) enum NotTaken {
    /// The execution does not wait for the stimulus. It is unchanged.
    Stale,
    /// The interpreter panicked, with this text. The execution must not be used any more.
    Panicked(String),
}

/// The text of a panic.
pub(crate) fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "a panic without a text".to_owned())
}

impl Live {
    pub(crate) fn new(facts: Arc<Facts>, execution: Execution, len: u64) -> Self {
        let mut live = Self {
            facts,
            execution,
            len,
            appointments: BinaryHeap::new(),
            woken_at: None,
            errands: FxHashMap::default(),
            readers: FxHashMap::default(),
            runs: FxHashMap::default(),
            run_rows: RunRows::default(),
            redriven: None,
            calls: Calls::default(),
            share: None,
            in_memory: None,
        };
        live.redriven =
            live.execution.redriven_at().map(|at| (live.execution.redrive_count(), at.0));
        for command in live.execution.commands() {
            live.note_appointment(&command);
            let Command::RunTask { task, call, .. } = &command else { continue };
            live.calls.open(*task, &call.kind);
            if call.kind == TaskKind::Activity {
                // The task stands in the activity's queue until a worker takes it.
                live.errands.insert((*task, None), watch::channel(false).0);
            }
        }
        live
    }

    /// Takes a turn, in memory only.
    pub(crate) fn step(
        &mut self,
        stimulus: Stimulus,
        at: Moment,
        aside: &Aside<'_>,
    ) -> Result<Turn, NotTaken> {
        let program = &self.facts.revision.program;
        let execution = &mut self.execution;
        let watch = |steps| aside.watch(steps);
        aside.next_turn();
        let stepped = catch_unwind(AssertUnwindSafe(|| {
            step_watched(program, execution, stimulus, at, &watch)
        }));
        match stepped {
            Ok(Ok(turn)) => {
                self.weigh();
                Ok(turn)
            }
            Ok(Err(Stale)) => Err(NotTaken::Stale),
            Err(panic) => Err(NotTaken::Panicked(panic_text(&*panic))),
        }
    }

    /// The bytes of memory that it takes, and rather more than less.
    pub(crate) fn weight(&self) -> usize {
        self.execution.memory()
    }

    /// Its share of the memory is what it takes now.
    fn weigh(&mut self) {
        let weight = self.weight();
        if let Some(share) = &mut self.share {
            share.set(weight);
        }
    }

    /// It has this share of the memory.
    pub(crate) fn takes(&mut self, share: Share) {
        self.share = Some(share);
        self.weigh();
    }

    /// Records what turns have changed, before they are made durable.
    pub(crate) fn note(&mut self, taken: &Taken) {
        for command in &taken.commands {
            self.note_appointment(command);
        }
        for event in &taken.events {
            if let EventKind::ExecutionRedriven { count, .. } = event.kind {
                self.redriven = Some((count, event.at.0));
            }
        }
    }

    fn note_appointment(&mut self, command: &Command) {
        if let Command::WakeAt { timer, due } = command {
            self.appointments.push(Reverse((*due, *timer)));
        }
    }

    /// Reports the end of an execution that is in memory only.
    pub(crate) fn end_in_memory(&mut self, news: News) {
        // The receivers may be gone, because their errands are done.
        self.errands.values().for_each(|call_off| _ = call_off.send_replace(true));
        if let Some(ended) = self.in_memory.as_mut().and_then(|kept| kept.ended.take()) {
            // The caller may have stopped waiting.
            drop(ended.send(news));
        }
    }

    /// The next moment at which a timer fires that has not been cancelled.
    pub(crate) fn next_appointment(&mut self) -> Option<(Moment, TimerId)> {
        while let Some(Reverse((due, timer))) = self.appointments.peek().copied() {
            if self.execution.awaits(timer) {
                return Some((due, timer));
            }
            self.appointments.pop();
        }
        None
    }

    /// The append that makes the noted turns durable.
    pub(crate) fn append(&mut self, taken: &Taken, is_new: bool) -> Append {
        let status = status_of(&self.execution);
        let last = taken.events.last().map_or(0, |event| event.at.0);
        Append {
            execution: self.facts.id,
            expected_len: self.len,
            len: self.len + taken.events.len() as u64,
            chunk: stored::encode(&taken.events),
            about: is_new.then(|| Box::new(self.facts.about.clone())),
            status,
            stopped_at: status.is_over().then_some(last),
            wake_at: self.next_appointment().map(|(due, _)| due.0),
            is_owed: self.is_owed(&taken.commands),
            redriven: self.redriven,
            map_runs: self.run_rows.rows(self.facts.id, &taken.events),
        }
    }

    /// Whether anything that is out, or about to go out, must go out again after a restart.
    fn is_owed(&self, commands: &[Command]) -> bool {
        if self.execution.is_over() {
            return false;
        }
        let is_lasting = |command: &Command| !matches!(command, Command::WakeAt { .. });
        commands.iter().any(is_lasting)
            || self.errands.keys().any(|(task, _)| self.execution.waits_for(*task))
    }

    /// Drops errands that have ended, and cancels those that nobody waits for any more. Looks at
    /// all of them only if the turns contain an event that can give errands up.
    pub(crate) fn settle(&mut self, taken: &Taken) {
        use EventKind as E;
        for errand in &taken.settled {
            self.errands.remove(errand);
        }
        let mut given_up = self.execution.is_over();
        for event in &taken.events {
            let settled = match &event.kind {
                E::TaskStarted { task, .. } if self.is_activity(*task) => (*task, None),
                E::TaskSubmitted { task, .. } if self.waits_for_token(*task) => (*task, None),
                E::TaskSucceeded { task, .. } | E::TaskFailed { task, .. } => (*task, None),
                E::MapRunWriting { .. }
                | E::MapRunSucceeded
                | E::MapRunFailed { .. }
                | E::TaskTimedOut { .. }
                | E::ParallelFailed
                | E::MapFailed
                | E::StateAborted { .. } => {
                    given_up = true;
                    continue;
                }
                _ => continue,
            };
            self.errands.remove(&settled);
        }
        if given_up {
            let execution = &self.execution;
            self.readers.retain(|run, _| execution.waits_for(*run));
            self.runs.retain(|run, _| execution.waits_for(*run));
            self.errands.retain(|(task, index), call_off| {
                let is_wanted = execution.wants(*task, *index);
                if !is_wanted {
                    // The receiver may be gone, because the errand is done.
                    call_off.send_replace(true);
                }
                is_wanted
            });
        }
    }

    fn is_activity(&self, task: TaskId) -> bool {
        let open = self.execution.task(task);
        open.is_some_and(|open| open.call.kind == TaskKind::Activity)
    }

    fn waits_for_token(&self, task: TaskId) -> bool {
        self.execution.task(task).is_some_and(|open| open.call.waits_for_token())
    }

    /// Whether what a command asks for has been sent out already.
    pub(crate) fn is_out(&self, command: &Command) -> bool {
        let errand = match command {
            Command::RunTask { task, .. } => (*task, None),
            Command::ReadItems { run, .. } => (*run, Some(PAGE)),
            Command::WriteResults { run, .. } => (*run, None),
            Command::StartChild { run, index, .. } => (*run, Some(*index)),
            Command::WakeAt { .. } | Command::Continue => return false,
        };
        self.errands.contains_key(&errand)
    }

    /// Whether the execution can leave memory, to be folded back from the store when it is needed
    /// again.
    pub(crate) fn can_rest(&self) -> bool {
        let is_queued = |(task, index): &Errand| index.is_none() && self.is_activity(*task);
        self.in_memory.is_none() && self.errands.keys().all(is_queued)
    }
}

pub(crate) fn status_of(execution: &Execution) -> store::Status {
    match execution.status() {
        Status::NotStarted | Status::Running => store::Status::Running,
        Status::Succeeded { .. } => store::Status::Succeeded,
        Status::Failed { .. } => store::Status::Failed,
        Status::TimedOut { .. } => store::Status::TimedOut,
        Status::Aborted { .. } => store::Status::Aborted,
    }
}

impl Engine {
    /// Counts the events of a turn and notifies the observer.
    pub(crate) fn tell(&self, live: &mut Live, events: &[Event]) {
        let metrics = &self.inner.metrics;
        metrics.turns.add_one();
        metrics.events.add(events.len() as u64);
        for event in events {
            live.calls.note(event);
            match event.kind {
                EventKind::ExecutionStarted(_) => metrics.started.add_one(),
                EventKind::ExecutionSucceeded { .. } => metrics.succeeded.add_one(),
                EventKind::ExecutionFailed { .. } => metrics.failed.add_one(),
                EventKind::ExecutionTimedOut { .. } => metrics.timed_out.add_one(),
                EventKind::ExecutionAborted { .. } => metrics.aborted.add_one(),
                EventKind::TaskFailed { .. } | EventKind::TaskTimedOut { .. } => {
                    metrics.tasks_failed.add_one();
                }
                _ => {}
            }
        }
        let redrive_count = live.redriven.map_or(0, |(count, _)| count);
        let turn = ObservedTurn { events, calls: &live.calls, redrive_count };
        self.inner.options.observer.turn(&live.facts, &turn);
        for event in events {
            live.calls.close(event);
        }
    }
}
