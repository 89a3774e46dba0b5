//! An execution in memory, and its turns.

use crate::{Engine, Facts};
use rustc_hash::FxHashMap;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use stepwright_history::{Event, EventKind, Moment, TaskId, TaskKind, TimerId, stored};
use stepwright_interpreter::{Command, Execution, Stale, Status, Stimulus, Turn, step};
use stepwright_store::{self as store, Append, ExecutionId, MapRunRow};
use tokio::sync::watch;

/// What is out in the world for an execution: a task, or a child of a map run.
pub(crate) type Errand = (TaskId, Option<u32>);

/// An execution in memory.
pub(crate) struct Live {
    pub(crate) facts: Arc<Facts>,
    pub(crate) execution: Execution,
    /// How many events it has in the store.
    pub(crate) len: u64,
    /// Its appointments, the earliest first; some may not stand any more.
    appointments: BinaryHeap<Reverse<(Moment, TimerId)>>,
    /// When the engine's timers were asked to wake it.
    pub(crate) woken_at: Option<Moment>,
    /// What is out, with the means to call it off.
    pub(crate) errands: FxHashMap<Errand, watch::Sender<bool>>,
    pub(crate) redriven: Option<(u32, i64)>,
}

/// What came of the stimuli of one append.
#[derive(Default)]
pub(crate) struct Taken {
    pub(crate) events: Vec<Event>,
    pub(crate) commands: Vec<Command>,
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
            redriven: None,
        };
        live.redriven =
            live.execution.redriven_at().map(|at| (live.execution.redrive_count(), at.0));
        for command in live.execution.commands() {
            live.note(&command);
            if let Command::RunTask { task, call, .. } = &command
                && call.kind == TaskKind::Activity
            {
                // It stands in the activity's queue until a worker takes it.
                live.errands.insert((*task, None), watch::channel(false).0);
            }
        }
        live
    }

    /// Takes a turn, in memory only. A turn that panics leaves the execution unusable.
    pub(crate) fn step(&mut self, stimulus: Stimulus, at: Moment) -> Result<Turn, Stale> {
        let program = &self.facts.revision.program;
        step(program, &mut self.execution, stimulus, at)
    }

    fn note(&mut self, command: &Command) {
        if let Command::WakeAt { timer, due } = command {
            self.appointments.push(Reverse((*due, *timer)));
        }
    }

    /// The next appointment that still stands.
    pub(crate) fn next_appointment(&mut self) -> Option<(Moment, TimerId)> {
        while let Some(Reverse((due, timer))) = self.appointments.peek().copied() {
            if self.execution.awaits(timer) {
                return Some((due, timer));
            }
            self.appointments.pop();
        }
        None
    }

    /// The append that makes a turn durable.
    pub(crate) fn append(&mut self, taken: &Taken, is_new: bool) -> Append {
        for command in &taken.commands {
            self.note(command);
        }
        let status = status_of(&self.execution);
        let last = taken.events.last().map_or(0, |event| event.at.0);
        for event in &taken.events {
            if let EventKind::ExecutionRedriven { count, .. } = event.kind {
                self.redriven = Some((count, event.at.0));
            }
        }
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
            map_runs: map_runs(self.facts.id, &taken.events),
        }
    }

    /// Whether something that is out, or about to go out, must go out again after a restart.
    fn is_owed(&self, commands: &[Command]) -> bool {
        if self.execution.is_over() {
            return false;
        }
        let is_lasting = |command: &Command| !matches!(command, Command::WakeAt { .. });
        commands.iter().any(is_lasting)
            || self.errands.keys().any(|(task, _)| self.execution.waits_for(*task))
    }

    /// Forgets the errands that these events have brought to an end, and calls off those that
    /// nobody waits for any more.
    pub(crate) fn settle(&mut self, events: &[Event]) {
        use EventKind as E;
        let mut given_up = self.execution.is_over();
        for event in events {
            let settled = match &event.kind {
                E::TaskStarted { task, .. } if self.is_activity(*task) => (*task, None),
                E::TaskSubmitted { task, .. } if self.waits_for_token(*task) => (*task, None),
                E::TaskSucceeded { task, .. } | E::TaskFailed { task, .. } => (*task, None),
                E::ChildFinished { .. }
                | E::MapRunItems { .. }
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
            self.errands.retain(|(task, index), call_off| {
                let is_wanted = execution.wants(*task, *index);
                if !is_wanted {
                    // Whoever runs it may be done already.
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

    /// Whether what a command asks for is under way.
    pub(crate) fn is_out(&self, command: &Command) -> bool {
        let errand = match command {
            Command::RunTask { task, .. } => (*task, None),
            Command::ReadItems { run, .. } | Command::WriteResults { run, .. } => (*run, None),
            Command::StartChild { run, index, .. } => (*run, Some(*index)),
            Command::WakeAt { .. } | Command::Continue => return false,
        };
        self.errands.contains_key(&errand)
    }

    /// Whether it can be folded back from the store when it is wanted again.
    pub(crate) fn can_rest(&self) -> bool {
        self.errands.keys().all(|(task, index)| index.is_none() && self.is_activity(*task))
    }
}

/// The rows of the map runs that these events begin.
fn map_runs(execution: ExecutionId, events: &[Event]) -> Vec<MapRunRow> {
    let begun = events.iter().filter_map(|event| match &event.kind {
        EventKind::MapRunStarted { run, arn } => Some(MapRunRow {
            arn: arn.to_string(),
            execution,
            started_at: event.at.0,
            more: run.0.to_string().into_bytes(),
        }),
        _ => None,
    });
    begun.collect()
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
    /// Counts what a turn has brought and tells the observer.
    pub(crate) fn tell(&self, facts: &Facts, events: &[Event]) {
        let metrics = &self.inner.metrics;
        metrics.turns.add_one();
        metrics.events.add(events.len() as u64);
        for event in events {
            match event.kind {
                EventKind::ExecutionStarted(_) => metrics.started.add_one(),
                EventKind::ExecutionSucceeded { .. } => metrics.succeeded.add_one(),
                EventKind::ExecutionFailed { .. } => metrics.failed.add_one(),
                EventKind::ExecutionTimedOut { .. } => metrics.timed_out.add_one(),
                EventKind::ExecutionAborted { .. } => metrics.aborted.add_one(),
                _ => {}
            }
        }
        self.inner.options.observer.turn(facts, events);
    }
}
