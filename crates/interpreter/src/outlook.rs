//! What those around an execution ask it: about its map runs, tasks and timers.

use crate::execution::{Execution, Phase, RunStage};
use stepwright_history::{Moment, TaskCall, TaskId, TimerId};

/// Stands for the next page of a map run's items where others are the indexes of its children.
pub const PAGE: u32 = u32::MAX;

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
            Phase::MapRun(map) => match &map.stage {
                RunStage::Asked(call) => Some(OpenTaskView {
                    call,
                    started: false,
                    submitted: false,
                    heartbeat_deadline: None,
                }),
                _ => None,
            },
            _ => None,
        }
    }

    /// Whether the end of a task is waited for, or (with an index) that of a child of a map run.
    /// The index [`PAGE`] stands for the next page of its items.
    pub fn wants(&self, task: TaskId, index: Option<u32>) -> bool {
        let Some(frame) = self.tasks.get(&task) else { return false };
        let Some(index) = index else {
            return match &self.frame(*frame).phase {
                Phase::MapRun(map) => {
                    matches!(map.stage, RunStage::Writing { .. } | RunStage::Asked(_))
                }
                _ => true,
            };
        };
        match &self.frame(*frame).phase {
            Phase::MapRun(map) if index == PAGE => map.reading().is_some(),
            Phase::MapRun(map) => match &map.stage {
                RunStage::Running(children) => children.running.contains_key(&index),
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
}
