//! What those around an execution ask it: about its map runs, tasks and timers.

use crate::execution::{Execution, MapRun, Phase, RunStage};
use stepwright_history::{FrameId, Moment, TaskCall, TaskId, TimerId};
use stepwright_json::Str;

/// A task that the execution waits for.
#[derive(Clone, Copy, Debug)]
pub struct OpenTaskView<'e> {
    /// What is called, with what.
    pub call: &'e TaskCall,
    /// Whether a worker has taken it on.
    pub started: bool,
    /// Whether what it calls has answered already and only the end is awaited.
    pub submitted: bool,
    /// When it is timed out for want of a heartbeat, if ever.
    pub heartbeat_deadline: Option<Moment>,
}

/// A map run that is under way, or that a redrive would go on with.
#[derive(Clone, Debug, PartialEq)]
pub struct MapRunView {
    /// By which commands and stimuli name it.
    pub run: TaskId,
    /// AWS's `mapRunArn`.
    pub arn: Str,
    /// How many child executions may run at once; 0 for no limit.
    pub max_concurrency: u32,
    /// How many child executions may fail.
    pub tolerated_count: Option<u64>,
    /// How many per cent of child executions may fail.
    pub tolerated_percentage: Option<f64>,
    /// How many child executions there are to be; 0 while the items are being read.
    pub total: u64,
    /// How many have not begun.
    pub pending: u64,
    /// How many run.
    pub running: u64,
    /// How many ended well.
    pub succeeded: u64,
    /// How many ended badly.
    pub failed: u64,
    /// How often it was redriven.
    pub redrive_count: u32,
}

impl Execution {
    /// A task that is waited for.
    pub fn task(&self, task: TaskId) -> Option<OpenTaskView<'_>> {
        match &self.frame(*self.tasks.get(&task)?).phase {
            Phase::Task(open) => Some(OpenTaskView {
                call: &open.call,
                started: open.started,
                submitted: open.submitted,
                heartbeat_deadline: open.heartbeat_deadline,
            }),
            _ => None,
        }
    }

    /// Whether the end of a task is waited for, or (with an index) that of a child of a map run.
    pub fn wants(&self, task: TaskId, index: Option<u32>) -> bool {
        let Some(frame) = self.tasks.get(&task) else { return false };
        let Some(index) = index else {
            return match &self.frame(*frame).phase {
                Phase::MapRun(map) => !matches!(map.stage, RunStage::Running(_)),
                _ => true,
            };
        };
        match &self.frame(*frame).phase {
            Phase::MapRun(map) => match &map.stage {
                RunStage::Running(children) => children.running.contains(&index),
                _ => false,
            },
            _ => false,
        }
    }

    /// How many tasks there were so far: the next one gets this number.
    pub fn task_count(&self) -> u64 {
        self.next_task
    }

    /// Whether an appointment still stands.
    pub fn awaits(&self, timer: TimerId) -> bool {
        self.timers.contains_key(&timer)
    }

    /// When it began.
    pub fn started_at(&self) -> Moment {
        self.started_at
    }

    /// When it was last redriven.
    pub fn redriven_at(&self) -> Option<Moment> {
        self.redriven_at
    }

    /// The map run of this number, while it is under way or could be redriven.
    pub fn map_run_view(&self, run: TaskId) -> Option<MapRunView> {
        (0..self.frames.len() as u32)
            .filter_map(|id| self.find(FrameId(id)))
            .find_map(|frame| within(&frame.phase).filter(|map| map.run == run))
            .map(view)
    }
}

fn within(phase: &Phase) -> Option<&MapRun> {
    match phase {
        Phase::MapRun(map) => Some(map),
        Phase::Broken { inner: Some(inner) } => within(inner),
        _ => None,
    }
}

fn view(map: &MapRun) -> MapRunView {
    let (mut succeeded, mut failed) = (0, 0);
    let (mut total, mut running) = (0, 0);
    if let RunStage::Running(children) = &map.stage {
        for result in children.results.iter().flatten() {
            match result {
                Ok(_) => succeeded += 1,
                Err(_) => failed += 1,
            }
        }
        total = children.inputs.len() as u64;
        running = children.running.len() as u64;
    }
    MapRunView {
        run: map.run,
        arn: map.arn.clone(),
        max_concurrency: map.plan.max_concurrency,
        tolerated_count: map.plan.tolerated_count,
        tolerated_percentage: map.plan.tolerated_percentage,
        total,
        pending: total - running - succeeded - failed,
        running,
        succeeded,
        failed,
        redrive_count: map.redrives,
    }
}
