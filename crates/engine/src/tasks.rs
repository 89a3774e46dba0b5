use crate::mailbox::Message;
use crate::underway::Errand;
use crate::{Ended, Engine, Facts};
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;
use stepwright_history::aws::Calls;
use stepwright_history::{Event, Failure, Stage, TaskCall, TaskId};
use stepwright_interpreter::Stimulus;
use stepwright_json::{Json, Str};
use stepwright_store::{ExecutionId, Shards};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

/// Runs the tasks that executions schedule.
pub trait Tasks: Send + Sync + 'static {
    /// Begins a task and returns at once. Progress and result are reported through `report`, from
    /// any thread.
    ///
    /// A task may be handed out more than once with the same id, for example after a restart.
    fn run(&self, call: Call, report: Report);

    /// Whether this activity task is run like any other task instead of waiting for a worker, for
    /// example because a mock answers it.
    fn answers_activity(&self, _call: &Call) -> bool {
        false
    }

    /// Why a definition must not name this resource; `None` if it may.
    fn refuses(&self, _resource: &str) -> Option<String> {
        None
    }
}

/// A task to be run.
#[derive(Clone, Debug)]
pub struct Call {
    /// Which execution it belongs to.
    pub facts: Arc<Facts>,
    /// Which of the execution's tasks it is.
    pub task: TaskId,
    /// The resource to call, and its arguments.
    pub call: Box<TaskCall>,
    /// Whether it was submitted before, so that only its end is awaited.
    pub submitted: bool,
    /// The Map states around it, the outermost first, each with the index of its item.
    pub map_path: Vec<(Str, u32)>,
}

impl Call {
    /// A text that identifies the task: the same each time it is handed out, and different from
    /// every other task's.
    pub fn idempotency_key(&self) -> String {
        format!("{}:{}", self.facts.about.arn, self.task.0)
    }

    /// The id of the request with which the task calls a function.
    pub fn request_id(&self) -> String {
        request_id(&self.facts.about.arn, self.task)
    }
}

/// The id of the request with which a task of the execution with this ARN calls a function: a UUID. Each
/// attempt is a task of its own, so that what a function prints can be told by attempts.
pub fn request_id(execution: &str, task: TaskId) -> String {
    use sha2::Digest as _;
    let digest = sha2::Sha256::digest(format!("{execution}:{}", task.0));
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
}

/// What a task fails with if whatever runs it panics.
const PANICKED: &str =
    "Stepwright could not run the task, because of an error of its own. Its log says more.";

/// Reports the progress and the result of a task.
#[derive(Clone, Debug)]
pub struct Report {
    engine: Engine,
    task: TaskId,
    to: Destination,
    cancelled: watch::Receiver<bool>,
    errand: Errand,
    trace: Option<Arc<Trace>>,
    since: Instant,
}

/// Takes the request that an HTTP task sends and the response that it gets, as they are on the wire.
#[derive(Debug, Default)]
pub struct Trace {
    reveals_secrets: bool,
    seen: Mutex<Option<Json>>,
}

impl Trace {
    /// A trace that shows what a connection adds to a request, or leaves it out.
    pub fn new(reveals_secrets: bool) -> Self {
        Self { reveals_secrets, seen: Mutex::default() }
    }

    /// Whether what a connection adds is shown.
    pub fn reveals_secrets(&self) -> bool {
        self.reveals_secrets
    }

    /// Keeps what was exchanged: an object with `request` and, if there was one, `response`.
    pub fn record(&self, exchanged: Json) {
        *self.seen.lock() = Some(exchanged);
    }

    /// What was exchanged, if anything was.
    pub fn take(&self) -> Option<Json> {
        self.seen.lock().take()
    }
}

#[derive(Clone, Debug)]
enum Destination {
    Execution(ExecutionId),
    /// A caller whose call belongs to no execution.
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
        let (engine, since) = (engine.clone(), Instant::now());
        Self { engine, task, to, cancelled, errand, trace: None, since }
    }

    pub(crate) fn to_caller(
        engine: &Engine,
        caller: mpsc::UnboundedSender<Stimulus>,
        task: TaskId,
        cancelled: watch::Receiver<bool>,
        trace: Option<Arc<Trace>>,
    ) -> Self {
        let (to, errand) = (Destination::Caller(caller), engine.inner.underway.begin());
        let (engine, since) = (engine.clone(), Instant::now());
        Self { engine, task, to, cancelled, errand, trace, since }
    }

    /// Where an HTTP task records what it exchanges, if somebody wants to see it.
    pub fn trace(&self) -> Option<&Trace> {
        self.trace.as_deref()
    }

    /// The engine that the task belongs to.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The call of a `.sync` or `.waitForTaskToken` task has been answered. The task's end is still
    /// to come.
    pub fn submitted(&self, output: Json) {
        self.send(Stimulus::TaskSubmitted { task: self.task, output });
    }

    fn over(&self) {
        self.engine.inner.metrics.task.observe(self.since.elapsed());
    }

    /// The task succeeded.
    pub fn succeeded(&self, output: Json) {
        self.over();
        self.send(Stimulus::TaskSucceeded { task: self.task, output });
    }

    /// The task failed.
    pub fn failed(&self, failure: Failure, stage: Stage) {
        self.over();
        self.send(Stimulus::TaskFailed { task: self.task, failure, stage });
    }

    /// The task stops the whole execution, which ends as `ABORTED`.
    pub fn stopped(&self, failure: Failure) {
        self.send(Stimulus::Stop { failure });
    }

    /// The task is still alive.
    pub fn heartbeat(&self) {
        self.send(Stimulus::TaskHeartbeat { task: self.task });
    }

    /// A worker took the task.
    pub fn started(&self, worker: Option<Str>) {
        self.send(Stimulus::TaskStarted { task: self.task, worker });
    }

    /// Reports prepared stimuli, each after the given number of milliseconds. Returns at once;
    /// stimuli with no delay have been reported by then.
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

    /// Waits until another execution has ended. The task counts as idle meanwhile. Returns `None`
    /// if there is no such execution.
    pub async fn ended(&self, arn: &str) -> Option<Ended> {
        self.errand.rest();
        let news = self.engine.news_of(arn).await;
        self.errand.resume();
        news.map(|(ended, _)| ended)
    }

    /// Waits until nobody waits for the task's end any more.
    pub async fn cancelled(&self) {
        let mut cancelled = self.cancelled.clone();
        if cancelled.wait_for(|cancelled| *cancelled).await.is_err() {
            // Whoever could cancel it is gone without doing so: the engine was dropped.
            std::future::pending::<()>().await;
        }
    }

    fn send(&self, stimulus: Stimulus) {
        match &self.to {
            Destination::Execution(id) => self.engine.deliver(*id, Message::new(stimulus)),
            // The caller may have stopped waiting.
            Destination::Caller(sender) => drop(sender.send(stimulus)),
        }
    }
}

impl Drop for Report {
    /// Whoever runs a task and panics cannot report its end any more. The task fails, so that its
    /// execution does not wait for ever.
    fn drop(&mut self) {
        if std::thread::panicking() && tokio::runtime::Handle::try_current().is_ok() {
            tracing::error!(task = self.task.0, "what runs a task panicked");
            self.failed(Failure::new("States.TaskFailed", PANICKED), Stage::Run);
        }
    }
}

/// Notified of every turn, after it is durable. Must not block.
pub trait Observer: Send + Sync + 'static {
    /// Called after a turn.
    fn turn(&self, facts: &Facts, turn: &ObservedTurn<'_>);

    /// Called when this engine has come to drive the executions of these shards, which another node drove, or
    /// nobody did. Called for the shards that it has from the beginning as well.
    fn taken_over(&self, _shards: &Shards) {}
}

/// A turn, with what is needed to show its events as AWS does.
#[derive(Clone, Copy, Debug)]
pub struct ObservedTurn<'t> {
    /// The events, at least one.
    pub events: &'t [Event],
    /// The kinds of the tasks that are open, or were until this turn.
    pub calls: &'t Calls,
    /// How often the execution was redriven.
    pub redrive_count: u32,
}

/// An observer that does nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Observer for Silent {
    fn turn(&self, _: &Facts, _: &ObservedTurn<'_>) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_attempt_has_a_request_of_its_own() {
        let id = request_id("arn:aws:states:us-east-1:123456789012:execution:order:one", TaskId(3));
        assert!(uuid::Uuid::parse_str(&id).is_ok_and(|id| id.get_version_num() == 4), "{id}");
        let of = |name: &str, task| {
            let arn = format!("arn:aws:states:us-east-1:123456789012:execution:order:{name}");
            request_id(&arn, TaskId(task))
        };
        assert_eq!(of("one", 3), id);
        assert!(of("one", 4) != id && of("two", 3) != id);
    }
}
