use crate::mailbox::Message;
use crate::underway::Errand;
use crate::{Ended, Engine, Facts};
use std::sync::Arc;
use std::time::Duration;
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

    /// Whether this task of an activity is run like any other, and no worker gets it: a mock answers it,
    /// say.
    fn answers_activity(&self, _call: &Call) -> bool {
        false
    }

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
    engine: Engine,
    task: TaskId,
    to: Destination,
    cancelled: watch::Receiver<bool>,
    errand: Errand,
}

#[derive(Clone, Debug)]
enum Destination {
    Execution(ExecutionId),
    /// Whoever made a call that belongs to no execution.
    Caller(mpsc::UnboundedSender<Stimulus>),
}

impl Report {
    pub(crate) fn to_execution(
        engine: &Engine,
        execution: ExecutionId,
        task: TaskId,
        cancelled: watch::Receiver<bool>,
    ) -> Self {
        let (to, errand) = (Destination::Execution(execution), engine.inner.underway.begin());
        Self { engine: engine.clone(), task, to, cancelled, errand }
    }

    pub(crate) fn to_caller(
        engine: &Engine,
        caller: mpsc::UnboundedSender<Stimulus>,
        task: TaskId,
        cancelled: watch::Receiver<bool>,
    ) -> Self {
        let (to, errand) = (Destination::Caller(caller), engine.inner.underway.begin());
        Self { engine: engine.clone(), task, to, cancelled, errand }
    }

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

    /// The task had the whole execution stopped, which ends as `ABORTED`.
    pub fn stopped(&self, failure: Failure) {
        self.send(Stimulus::Stop { failure });
    }

    /// The task gives a sign of life.
    pub fn heartbeat(&self) {
        self.send(Stimulus::TaskHeartbeat { task: self.task });
    }

    /// A worker took the task on.
    pub fn started(&self, worker: Option<Str>) {
        self.send(Stimulus::TaskStarted { task: self.task, worker });
    }

    /// Plays what was written beforehand: each stimulus after so many milliseconds. Returns at once;
    /// what is due at once has been said by then.
    pub fn play(self, mut stimuli: Vec<(i64, Stimulus)>) {
        stimuli.sort_by_key(|(after, _)| *after);
        let later = stimuli.split_off(stimuli.partition_point(|(after, _)| *after <= 0));
        for (_, stimulus) in stimuli {
            self.send(stimulus);
        }
        if later.is_empty() {
            return;
        }
        tokio::spawn(async move {
            let mut passed = 0;
            for (after, stimulus) in later {
                tokio::time::sleep(Duration::from_millis((after - passed) as u64)).await;
                passed = after;
                self.send(stimulus);
            }
        });
    }

    /// Waits until another execution has ended, which is all that is done for the task meanwhile; None
    /// where there is none.
    pub async fn ended(&self, arn: &str) -> Option<Ended> {
        self.errand.rest();
        let news = self.engine.news_of(arn).await;
        self.errand.resume();
        news.map(|(ended, _)| ended)
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
            // Whoever called may have given up.
            Destination::Caller(sender) => drop(sender.send(stimulus)),
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
