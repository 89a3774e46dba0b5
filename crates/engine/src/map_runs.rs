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

/// The status of a child execution.
#[derive(Clone, Copy, PartialEq)]
enum Child {
    Pending,
    Running,
    Succeeded,
    Failed,
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
        let run = reading.found.clone().map(Found::finish);
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
#[derive(Clone)]
struct Found {
    map: MapRun,
    frame: FrameId,
    is_batched: bool,
    children: Vec<Child>,
    /// The number of items of each child.
    sizes: Vec<u32>,
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
            children: Vec::new(),
            sizes: Vec::new(),
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
            E::ChildStarted { index } => set(&mut self.children, *index, Child::Running),
            E::ChildFinished { index, result } => {
                let child = if result.is_ok() { Child::Succeeded } else { Child::Failed };
                set(&mut self.children, *index, child);
            }
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
        self.children.resize(self.children.len() + inputs.len(), Child::Pending);
        let size = |input: &Json| {
            let items = input.get("Items").and_then(Json::as_array).filter(|_| self.is_batched);
            items.map_or(1, |items| items.len() as u32)
        };
        self.sizes.extend(inputs.iter().map(size));
    }

    fn finish(mut self) -> MapRun {
        let is_over = self.map.status != MapRunStatus::Running;
        for (child, size) in self.children.iter().zip(&self.sizes) {
            self.map.executions.add(*child, 1, is_over, self.is_written);
            self.map.items.add(*child, u64::from(*size), is_over, self.is_written);
        }
        self.map
    }
}

fn set(children: &mut [Child], index: u32, child: Child) {
    if let Some(slot) = children.get_mut(index as usize) {
        *slot = child;
    }
}

impl Counts {
    fn add(&mut self, child: Child, size: u64, is_over: bool, is_written: bool) {
        self.total += size;
        match child {
            Child::Succeeded => self.succeeded += size,
            Child::Failed => self.failed += size,
            Child::Running if is_over => self.aborted += size,
            Child::Running => self.running += size,
            Child::Pending => self.pending += size,
        }
        let is_done = matches!(child, Child::Succeeded | Child::Failed);
        if is_written && is_done {
            self.results_written += size;
        }
    }
}
