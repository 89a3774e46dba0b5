//! Map runs, read from the history of their execution.

use crate::{Engine, Refused};
use stepwright_history::{Event, EventKind, MapPlan, TaskId};
use stepwright_interpreter::Stimulus;
use stepwright_json::Json;
use stepwright_program::{Kind, Program, StateId};
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
        let events = self.events(row.execution).await?;
        let live = self.describe(&execution.about.arn).await?;
        let Some(snapshot) = live else { return Ok(None) };
        let run = tell(&events, arn, &snapshot.facts.revision.program);
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

/// Reads a map run from the events of its execution.
fn tell(events: &[Event], arn: &str, program: &Program) -> Option<MapRun> {
    use EventKind as E;
    let begun = events.iter().position(
        |event| matches!(&event.kind, E::MapRunStarted { arn: found, .. } if found == arn),
    )?;
    let E::MapRunStarted { run, .. } = events[begun].kind else { return None };
    let frame = events[begun].frame;
    let before = || events[..begun].iter().rev().filter(|event| event.frame == frame);
    let plan: &MapPlan = before().find_map(|event| match &event.kind {
        E::MapStarted { plan, .. } => Some(&**plan),
        _ => None,
    })?;
    let is_batched = before()
        .find_map(|event| match &event.kind {
            E::StateEntered { state, .. } => Some(StateId(*state)),
            _ => None,
        })
        .is_some_and(|state| match &program.state(state).kind {
            Kind::Map(map) => map.item_batcher.is_some(),
            _ => false,
        });
    let mut map = MapRun {
        arn: arn.to_owned(),
        execution: ExecutionId(0),
        execution_arn: String::new(),
        machine: String::new(),
        run,
        status: MapRunStatus::Running,
        started_at: events[begun].at.0,
        stopped_at: None,
        max_concurrency: plan.max_concurrency,
        tolerated_count: plan.tolerated_count.unwrap_or_default(),
        tolerated_percentage: plan.tolerated_percentage.unwrap_or_default(),
        executions: Counts::default(),
        items: Counts::default(),
        redriven: None,
    };
    let mut children: Vec<Child> = Vec::new();
    let mut sizes: Vec<u64> = Vec::new();
    let mut is_written = false;
    for event in &events[begun + 1..] {
        let is_end = matches!(
            event.kind,
            E::ExecutionAborted { .. } | E::ExecutionTimedOut { .. } | E::ExecutionFailed { .. }
        );
        if is_end && map.status == MapRunStatus::Running {
            map.status = MapRunStatus::Aborted;
            map.stopped_at = Some(event.at.0);
        }
        if event.frame != frame {
            continue;
        }
        match &event.kind {
            E::MapRunItems { inputs } => {
                children = vec![Child::Pending; inputs.len()];
                let size = |input: &Json| {
                    if is_batched {
                        input.get("Items").and_then(Json::as_array).map_or(1, |i| i.len())
                    } else {
                        1
                    }
                };
                sizes = inputs.iter().map(|input| size(input) as u64).collect();
            }
            E::ChildStarted { index } => set(&mut children, *index, Child::Running),
            E::ChildFinished { index, result } => {
                let child = if result.is_ok() { Child::Succeeded } else { Child::Failed };
                set(&mut children, *index, child);
            }
            E::MapRunWriting { .. } => is_written = true,
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
            // The state was left, or was entered again with another map run.
            E::StateExited { .. } | E::MapRunStarted { .. } => break,
            _ => {}
        }
    }
    let is_over = map.status != MapRunStatus::Running;
    for (child, size) in children.iter().zip(&sizes) {
        map.executions.add(*child, 1, is_over, is_written);
        map.items.add(*child, *size, is_over, is_written);
    }
    Some(map)
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
