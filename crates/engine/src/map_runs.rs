//! Map runs, read from the history of their execution.

use crate::{Engine, Refused, Revision};
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use std::collections::VecDeque;
use std::sync::Arc;
use stepwright_history::{Event, EventKind, FrameId, MapPlan, StateType, TaskId};
use stepwright_interpreter::Stimulus;
use stepwright_json::{Array, Json};
use stepwright_program::{Kind, StateId};
use stepwright_store::{ExecutionId, StoreError};

/// The current state of a map run.
#[derive(Clone, Debug, PartialEq)]
pub struct MapRun {
    /// Its ARN.
    pub arn: String,
    /// The number of the execution that it belongs to.
    pub execution: ExecutionId,
    /// The execution's ARN.
    pub execution_arn: String,
    /// The state machine's ARN.
    pub machine: String,
    /// The task id by which stimuli refer to it.
    pub run: TaskId,
    /// Its status.
    pub status: MapRunStatus,
    /// When it began, in milliseconds since 1970.
    pub started_at: i64,
    /// When it ended, in milliseconds since 1970.
    pub stopped_at: Option<i64>,
    /// How many child executions may run at once; 0 for no limit.
    pub max_concurrency: u32,
    /// The number of child executions that may fail.
    pub tolerated_count: u64,
    /// The percentage of child executions that may fail.
    pub tolerated_percentage: f64,
    /// Counts child executions by status.
    pub executions: Counts,
    /// Counts items by status.
    pub items: Counts,
    /// The number of redrives, and the time of the last one in milliseconds since 1970.
    pub redriven: Option<(u32, i64)>,
}

/// The status of a map run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapRunStatus {
    /// `RUNNING`
    Running,
    /// `SUCCEEDED`
    Succeeded,
    /// `FAILED`
    Failed,
    /// `ABORTED`
    Aborted,
}

impl MapRunStatus {
    /// AWS's name for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "RUNNING",
            Self::Succeeded => "SUCCEEDED",
            Self::Failed => "FAILED",
            Self::Aborted => "ABORTED",
        }
    }

    /// Every status.
    pub const ALL: [Self; 4] = [Self::Running, Self::Succeeded, Self::Failed, Self::Aborted];

    /// The status with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }
}

/// Counts child executions, or items, by status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Not started yet.
    pub pending: u64,
    /// Running.
    pub running: u64,
    /// Succeeded.
    pub succeeded: u64,
    /// Failed.
    pub failed: u64,
    /// Aborted.
    pub aborted: u64,
    /// All of them.
    pub total: u64,
    /// Those whose results have been written.
    pub results_written: u64,
}

impl Engine {
    /// The map run with this ARN.
    pub async fn map_run(&self, arn: &str) -> Result<Option<MapRun>, StoreError> {
        let Some(row) = self.store().map_run(arn).await? else { return Ok(None) };
        let Some(execution) = self.store().execution(row.execution).await? else { return Ok(None) };
        let live = self.describe(&execution.about.arn).await?;
        let Some(snapshot) = live else { return Ok(None) };
        // A map run that is asked about is soon asked about again: what was read of its history is
        // not read again.
        let at_hand = self.inner.readings.take(arn);
        let revision = &snapshot.facts.revision;
        let mut reading = at_hand.unwrap_or_else(|| Reading::new(arn, revision.clone()));
        let after = reading.after;
        reading.after =
            self.each_event_after(row.execution, after, |event| reading.take(event)).await?;
        let run = reading.found.as_ref().map(Found::shown);
        self.inner.readings.keep(reading);
        Ok(run.map(|run| MapRun {
            execution: row.execution,
            execution_arn: execution.about.arn,
            machine: execution.about.machine,
            ..run
        }))
    }

    /// Changes the limits of a running map run.
    pub async fn update_map_run(
        &self,
        run: &MapRun,
        max_concurrency: Option<u32>,
        tolerated_count: Option<u64>,
        tolerated_percentage: Option<f64>,
    ) -> Result<(), Refused> {
        let stimulus = Stimulus::MapRunUpdated {
            run: run.run,
            max_concurrency,
            tolerated_count,
            tolerated_percentage,
        };
        self.ask(run.execution, stimulus).await
    }
}

/// How many map runs are remembered that were asked about.
const MOST_READINGS: usize = 8;

/// The map runs that were asked about last, as far as their histories have been read.
#[derive(Default)]
pub(crate) struct Readings(Mutex<VecDeque<Reading>>);

impl Readings {
    fn take(&self, arn: &str) -> Option<Reading> {
        let mut readings = self.0.lock();
        let at = readings.iter().position(|reading| reading.arn == arn)?;
        readings.remove(at)
    }

    fn keep(&self, reading: Reading) {
        let mut readings = self.0.lock();
        readings.push_back(reading);
        if readings.len() > MOST_READINGS {
            readings.pop_front();
        }
    }
}

/// A map run that is being read from the events of its execution, one after another.
struct Reading {
    arn: String,
    revision: Arc<Revision>,
    /// How many events were read.
    after: u64,
    /// The Map states that a frame is in and has begun, before the map run has begun: by frame, the
    /// plan and the number of the state.
    begun: FxHashMap<FrameId, (Option<MapPlan>, u32)>,
    found: Option<Found>,
}

/// A map run that has begun.
struct Found {
    map: MapRun,
    frame: FrameId,
    is_batched: bool,
    children: Children,
    is_written: bool,
    /// Whether the state was left, or was entered again with another map run.
    is_left: bool,
}

impl Reading {
    fn new(arn: &str, revision: Arc<Revision>) -> Self {
        Self { arn: arn.to_owned(), revision, after: 0, begun: FxHashMap::default(), found: None }
    }

    fn take(&mut self, event: &Event) {
        match &mut self.found {
            Some(found) => found.take(event),
            None => self.look(event),
        }
    }

    /// Looks for the event that begins the map run.
    fn look(&mut self, event: &Event) {
        use EventKind as E;
        match &event.kind {
            E::StateEntered { state, kind: StateType::Map, .. } => {
                self.begun.insert(event.frame, (None, *state));
            }
            E::MapStarted { plan, .. } => {
                if let Some((begun, _)) = self.begun.get_mut(&event.frame) {
                    *begun = Some((**plan).clone());
                }
            }
            E::StateExited { .. } => _ = self.begun.remove(&event.frame),
            E::MapRunStarted { run, arn } if *arn == *self.arn => {
                let Some((Some(plan), state)) = self.begun.remove(&event.frame) else { return };
                self.found = Some(self.begin(event, *run, &plan, StateId(state)));
                self.begun.clear();
            }
            _ => {}
        }
    }

    fn begin(&self, event: &Event, run: TaskId, plan: &MapPlan, state: StateId) -> Found {
        let map = MapRun {
            arn: self.arn.clone(),
            execution: ExecutionId(0),
            execution_arn: String::new(),
            machine: String::new(),
            run,
            status: MapRunStatus::Running,
            started_at: event.at.0,
            stopped_at: None,
            max_concurrency: plan.max_concurrency,
            tolerated_count: plan.tolerated_count.unwrap_or_default(),
            tolerated_percentage: plan.tolerated_percentage.unwrap_or_default(),
            executions: Counts::default(),
            items: Counts::default(),
            redriven: None,
        };
        let is_batched = match &self.revision.program.state(state).kind {
            Kind::Map(map) => map.item_batcher.is_some(),
            _ => false,
        };
        Found {
            map,
            frame: event.frame,
            is_batched,
            children: Children::default(),
            is_written: false,
            is_left: false,
        }
    }
}

impl Found {
    fn take(&mut self, event: &Event) {
        use EventKind as E;
        if self.is_left {
            return;
        }
        let map = &mut self.map;
        let is_end = matches!(
            event.kind,
            E::ExecutionAborted { .. } | E::ExecutionTimedOut { .. } | E::ExecutionFailed { .. }
        );
        if is_end && map.status == MapRunStatus::Running {
            map.status = MapRunStatus::Aborted;
            map.stopped_at = Some(event.at.0);
        }
        if event.frame != self.frame {
            return;
        }
        match &event.kind {
            E::MapRunItems { inputs } => self.add(inputs),
            E::MapRunPage(page) => self.add(&page.inputs),
            E::ChildStarted { index } => self.children.started(*index),
            E::ChildFinished { index, result } => self.children.finished(*index, result.is_ok()),
            E::MapRunWriting { .. } => self.is_written = true,
            E::MapRunUpdated { max_concurrency, tolerated_count, tolerated_percentage } => {
                map.max_concurrency = max_concurrency.unwrap_or(map.max_concurrency);
                map.tolerated_count = tolerated_count.unwrap_or(map.tolerated_count);
                map.tolerated_percentage = tolerated_percentage.unwrap_or(map.tolerated_percentage);
            }
            E::MapRunRedriven { count, .. } => {
                map.redriven = Some((*count, event.at.0));
                map.status = MapRunStatus::Running;
                map.stopped_at = None;
            }
            E::MapRunSucceeded => {
                map.status = MapRunStatus::Succeeded;
                map.stopped_at = Some(event.at.0);
            }
            E::MapRunFailed { .. } => {
                map.status = MapRunStatus::Failed;
                map.stopped_at = Some(event.at.0);
            }
            E::StateExited { .. } | E::MapRunStarted { .. } => self.is_left = true,
            _ => {}
        }
    }

    fn add(&mut self, inputs: &Array) {
        let size = |input: &Json| {
            let items = input.get("Items").and_then(Json::as_array).filter(|_| self.is_batched);
            items.map_or(1, |items| items.len() as u32)
        };
        self.children.waiting.extend(inputs.iter().map(size));
    }

    fn shown(&self) -> MapRun {
        let is_over = self.map.status != MapRunStatus::Running;
        let (executions, items) = self.children.succeeded;
        let count = |succeeded, of: fn(u32) -> u64| {
            self.children.count(succeeded, of, is_over, self.is_written)
        };
        MapRun {
            executions: count(executions, |_| 1),
            items: count(items, u64::from),
            ..self.map.clone()
        }
    }
}

/// The children of a map run, each as the number of its items. Of those that have succeeded there are
/// only counts, so that they take no memory.
#[derive(Default)]
struct Children {
    /// Those that have not begun, the next one first, and its index.
    waiting: VecDeque<u32>,
    next: u32,
    running: FxHashMap<u32, u32>,
    failed: FxHashMap<u32, u32>,
    /// How many have succeeded, and of how many items.
    succeeded: (u64, u64),
}

impl Children {
    fn started(&mut self, index: u32) {
        if index == self.next {
            let Some(size) = self.waiting.pop_front() else { return };
            self.next += 1;
            self.running.insert(index, size);
        } else if let Some(size) = self.failed.remove(&index) {
            // It runs again.
            self.running.insert(index, size);
        }
    }

    fn finished(&mut self, index: u32, is_well: bool) {
        let Some(size) = self.running.remove(&index) else { return };
        if is_well {
            self.succeeded.0 += 1;
            self.succeeded.1 += u64::from(size);
        } else {
            self.failed.insert(index, size);
        }
    }

    /// Counts them: those that have succeeded, and of each other one what its number of items counts for.
    fn count(&self, succeeded: u64, of: fn(u32) -> u64, is_over: bool, is_written: bool) -> Counts {
        let sum = |size: &u32| of(*size);
        let pending = self.waiting.iter().map(sum).sum();
        let begun = self.running.values().map(sum).sum();
        let failed: u64 = self.failed.values().map(sum).sum();
        let (running, aborted) = if is_over { (0, begun) } else { (begun, 0) };
        Counts {
            pending,
            running,
            succeeded,
            failed,
            aborted,
            total: pending + begun + failed + succeeded,
            results_written: if is_written { succeeded + failed } else { 0 },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn children_are_counted_and_those_that_succeed_are_not_kept() {
        let mut children = Children::default();
        for _ in 0..100 {
            children.waiting.extend([2; 1_000]);
            for index in children.next..children.next + 1_000 {
                children.started(index);
                children.finished(index, index % 10_000 != 0);
            }
        }
        children.waiting.extend([2, 2, 1]);
        children.started(100_000);
        let counts = |children: &Children, is_over: bool, is_written: bool| {
            let (executions, items) = children.succeeded;
            let executions = children.count(executions, |_| 1, is_over, is_written);
            (executions, children.count(items, u64::from, is_over, is_written))
        };
        let (executions, items) = counts(&children, false, false);
        let expected = Counts {
            pending: 2,
            running: 1,
            succeeded: 99_990,
            failed: 10,
            total: 100_003,
            ..Counts::default()
        };
        assert_eq!(executions, expected);
        assert_eq!((items.pending, items.running, items.failed), (3, 2, 20));
        assert_eq!((items.succeeded, items.total), (199_980, 200_005));
        let (executions, items) = counts(&children, true, true);
        assert_eq!((executions.running, executions.aborted, executions.pending), (0, 1, 2));
        assert_eq!((executions.results_written, items.results_written), (100_000, 200_000));
        // What failed runs again after a redrive, as does what was given up.
        for index in [0, 10_000, 100_000] {
            children.started(index);
            children.finished(index, true);
        }
        let (executions, items) = counts(&children, false, false);
        assert_eq!(
            (executions.failed, executions.succeeded, executions.total),
            (8, 99_993, 100_003)
        );
        assert_eq!((items.failed, items.total), (16, 200_005));
        assert!(children.running.is_empty() && children.waiting.len() == 2);
    }
}
