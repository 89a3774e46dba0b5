use crate::drive::Message;
use crate::{Engine, Facts};
use std::sync::Arc;
use stepwright_history::{Event, Failure, Stage, TaskCall, TaskId};
use stepwright_interpreter::Stimulus;
use stepwright_json::{Json, Str};
use stepwright_store::ExecutionId;
use tokio::sync::{mpsc, watch};

/// Who runs the tasks that executions schedule.
pub trait Tasks: Send + Sync + 'static {
    /// Begins a task and returns at once. How it goes is said through `report`, from wherever.
    ///
    /// A task may be handed out more than once, with the same id: after a restart, say.
    fn run(&self, call: Call, report: Report);

    /// Whether a definition may name this resource: None for yes, else what is wrong with it.
    fn refuses(&self, _resource: &str) -> Option<String> {
        None
    }
}

/// A task to be run.
#[derive(Clone, Debug)]
pub struct Call {
    /// Which execution it belongs to.
    pub facts: Arc<Facts>,
    /// Which of its tasks.
    pub task: TaskId,
    /// What is called, with what.
    pub call: Box<TaskCall>,
    /// Whether it has been taken on before and only its end is awaited.
    pub submitted: bool,
    /// The Map states around it, from the outside in, with the index of the item.
    pub map_path: Vec<(Str, u32)>,
}

impl Call {
    /// A text that stays the same however often the task is handed out, and no other task has.
    pub fn idempotency_key(&self) -> String {
        format!("{}:{}", self.facts.about.arn, self.task.0)
    }
}

/// Where a task says how it goes.
#[derive(Clone, Debug)]
pub struct Report {
    pub(crate) engine: Engine,
    pub(crate) task: TaskId,
    pub(crate) to: Destination,
    pub(crate) cancelled: watch::Receiver<bool>,
}

#[derive(Clone, Debug)]
pub(crate) enum Destination {
    Execution(ExecutionId),
    Express(mpsc::UnboundedSender<Stimulus>),
}

impl Report {
    /// The engine that the task belongs to.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// What a `.sync` or `.waitForTaskToken` task calls has answered; the end is still to come.
    pub fn submitted(&self, output: Json) {
        self.send(Stimulus::TaskSubmitted { task: self.task, output });
    }

    /// The task is done.
    pub fn succeeded(&self, output: Json) {
        self.send(Stimulus::TaskSucceeded { task: self.task, output });
    }

    /// The task failed.
    pub fn failed(&self, failure: Failure, stage: Stage) {
        self.send(Stimulus::TaskFailed { task: self.task, failure, stage });
    }

    /// The task gives a sign of life.
    pub fn heartbeat(&self) {
        self.send(Stimulus::TaskHeartbeat { task: self.task });
    }

    /// A worker took the task on.
    pub fn started(&self, worker: Option<Str>) {
        self.send(Stimulus::TaskStarted { task: self.task, worker });
    }

    /// Waits until nobody wants the task's end any more.
    pub async fn cancelled(&self) {
        let mut cancelled = self.cancelled.clone();
        if cancelled.wait_for(|cancelled| *cancelled).await.is_err() {
            // Whoever could cancel it is gone without having done so: the engine was dropped.
            std::future::pending::<()>().await;
        }
    }

    fn send(&self, stimulus: Stimulus) {
        match &self.to {
            Destination::Execution(id) => self.engine.deliver(*id, Message::new(stimulus)),
            // An express execution that is over has dropped its end.
            Destination::Express(sender) => drop(sender.send(stimulus)),
        }
    }
}

/// Who is told of what has happened, after it is durable. Must not block.
pub trait Observer: Send + Sync + 'static {
    /// A turn was taken.
    fn turn(&self, facts: &Facts, events: &[Event]);
}

/// Tells nobody.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Observer for Silent {
    fn turn(&self, _facts: &Facts, _events: &[Event]) {}
}
