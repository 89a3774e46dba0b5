//! What can be asked of executions: starting, stopping, redriving, describing, task tokens.

use crate::facts::More;
use crate::live::{Live, Taken};
use crate::recovery::LoadError;
use crate::{Engine, Facts, Machine, Parent, Revision};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustc_hash::FxHashMap;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use stepwright_history::{Event, Failure, Identity, Stage, TaskId, stored};
use stepwright_interpreter::{Beginning, Execution, Status, Stimulus};
use stepwright_json::{Json, Str};
use stepwright_store::{About, AppendError, ExecutionId, ExecutionRow, StoreError};
use tokio::sync::oneshot;

/// What an execution is started with.
#[derive(Clone, Debug)]
pub struct StartRequest {
    /// Its machine.
    pub machine: Arc<Machine>,
    /// The revision it runs.
    pub revision: Arc<Revision>,
    /// The ARN of the version it was started through or with.
    pub version: Option<String>,
    /// The ARN of the alias it was started through.
    pub alias: Option<String>,
    /// Its name: unique within its machine.
    pub name: String,
    /// Its input.
    pub input: Json,
    /// The text of the input as it was sent, where we would write it otherwise.
    pub input_text: Option<Str>,
    /// AWS X-Ray's header.
    pub trace_header: Option<String>,
    /// The test case that answers its tasks.
    pub test_case: Option<String>,
    /// The execution that waits for it.
    pub parent: Option<Parent>,
}

/// What came of a start.
#[derive(Clone, Debug)]
pub struct Started {
    /// The execution's ARN.
    pub arn: String,
    /// When it began, in milliseconds since 1970.
    pub started_at: i64,
}

/// Why an execution was not started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The machine has had an execution of this name, which is over or has another input.
    #[error("the execution `{arn}` exists already")]
    Exists {
        /// Its ARN.
        arn: String,
    },
    /// It could not be kept.
    #[error("the start could not be recorded")]
    Store(#[source] StoreError),
    /// The engine takes nothing new on.
    #[error("the engine is shutting down")]
    Closing,
}

/// Why something did not concern an execution.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Refused {
    /// It does not wait for it, or not any more.
    #[error("the execution does not wait for this")]
    Stale,
    /// The task token was never given out.
    #[error("the task token is not valid")]
    WrongToken,
    /// There is no such execution.
    #[error("there is no such execution")]
    Gone,
    /// The execution is left alone, for it panicked or cannot be read.
    #[error("the execution is parked: {reason}")]
    Parked {
        /// Why.
        reason: String,
    },
    /// It could not be kept.
    #[error("it could not be recorded: {reason}")]
    Store {
        /// Why.
        reason: String,
    },
    /// The engine takes nothing new on.
    #[error("the engine is shutting down")]
    Closing,
}

/// Why an execution was not stopped.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StopError {
    /// There is none.
    #[error("there is no such execution")]
    NoSuchExecution,
    /// It did not work.
    #[error("the execution could not be stopped")]
    Refused(#[source] Refused),
}

/// Why an execution was not redriven.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RedriveError {
    /// There is none.
    #[error("there is no such execution")]
    NoSuchExecution,
    /// It cannot be.
    #[error("{reason}")]
    NotRedrivable {
        /// Why, in AWS's words.
        reason: String,
    },
    /// It did not work.
    #[error("the execution could not be redriven")]
    Refused(#[source] Refused),
}

/// Why a task token was refused.
#[derive(Clone, Debug, thiserror::Error)]
pub enum TokenError {
    /// It was never given out.
    #[error("the task token is not valid")]
    Invalid,
    /// The task is over.
    #[error("the task is over")]
    TimedOut,
    /// It did not work.
    #[error("the task's end could not be recorded")]
    Refused(#[source] Refused),
}

/// An execution as it stands.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// What never changes.
    pub facts: Arc<Facts>,
    /// Its status, with output or failure.
    pub status: Status,
    /// Its input.
    pub input: Json,
    /// The text of the input as it was sent, where we would write it otherwise.
    pub input_text: Option<Str>,
    /// When it ended, in milliseconds since 1970.
    pub stopped_at: Option<i64>,
    /// How often it was redriven, and when last.
    pub redriven: Option<(u32, i64)>,
    /// How many events its history has in AWS's count.
    pub event_count: u64,
}

/// An execution that has ended.
pub type Ended = Arc<Snapshot>;

impl Snapshot {
    /// Whether its map run would redrive it.
    pub fn is_redrivable_by_map_run(&self) -> bool {
        let has_failed =
            !matches!(self.status, Status::NotStarted | Status::Running | Status::Succeeded { .. });
        has_failed && self.facts.about.map_run.is_some()
    }

    pub(crate) fn of(live: &Live, stopped_at: Option<i64>) -> Self {
        let start = live.execution.start();
        let input = start.map(|start| start.input.clone()).unwrap_or_default();
        let input_text = start.and_then(|start| start.input_text.clone());
        Self {
            facts: live.facts.clone(),
            status: live.execution.status().clone(),
            input,
            input_text,
            stopped_at,
            redriven: live.redriven,
            event_count: live.execution.event_count(),
        }
    }
}

/// Executions that are in memory or ended a short while ago, and those who wait for an end.
#[derive(Default)]
pub(crate) struct Recent(Mutex<Ends>);

#[derive(Default)]
struct Ends {
    by_arn: FxHashMap<String, Ended>,
    /// Those that run and are in memory.
    running: FxHashMap<String, Ended>,
    order: VecDeque<String>,
    waiting: FxHashMap<ExecutionId, Vec<oneshot::Sender<Ended>>>,
}

/// How many ended executions stay in memory.
const MOST_RECENT: usize = 512;

impl Recent {
    pub(crate) fn ended(&self, id: ExecutionId, snapshot: Ended) {
        let mut ends = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let arn = snapshot.facts.about.arn.clone();
        let waiting = ends.waiting.remove(&id);
        ends.running.remove(&arn);
        ends.by_arn.insert(arn.clone(), snapshot.clone());
        ends.order.push_back(arn);
        let oldest = (ends.order.len() > MOST_RECENT).then(|| ends.order.pop_front()).flatten();
        let gone = oldest.and_then(|arn| ends.by_arn.remove(&arn));
        drop(ends);
        drop(gone);
        for waiting in waiting.into_iter().flatten() {
            // Whoever waited may have gone.
            drop(waiting.send(snapshot.clone()));
        }
    }

    /// An execution that runs is in memory: it is described from there.
    pub(crate) fn began(&self, snapshot: Ended) {
        let mut ends = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ends.running.insert(snapshot.facts.about.arn.clone(), snapshot);
    }

    /// An execution has left the memory.
    pub(crate) fn left(&self, arn: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).running.remove(arn);
    }

    fn find_running(&self, arn: &str) -> Option<Ended> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).running.get(arn).cloned()
    }

    fn find(&self, arn: &str) -> Option<Ended> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).by_arn.get(arn).cloned()
    }

    pub(crate) fn forget(&self, arn: &str) {
        let mut ends = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ends.by_arn.remove(arn);
        ends.order.retain(|known| known != arn);
    }

    pub(crate) fn clear(&self) {
        let mut ends = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ends.by_arn.clear();
        ends.order.clear();
    }

    fn watch(&self, id: ExecutionId) -> oneshot::Receiver<Ended> {
        let (sender, receiver) = oneshot::channel();
        let mut ends = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = ends.waiting.entry(id).or_default();
        waiting.retain(|sender| !sender.is_closed());
        waiting.push(sender);
        receiver
    }
}

/// Why an execution has not begun.
#[derive(Debug)]
pub(crate) enum Begun {
    Exists,
    Store(StoreError),
    Closing,
}

impl Engine {
    /// Starts an execution. When this returns, the start is durable, and so is everything the
    /// execution did without having to wait.
    pub async fn start(&self, request: StartRequest) -> Result<Started, StartError> {
        let facts = Arc::new(self.facts_of(&request));
        let beginning = self.beginning_of(&facts, &request);
        let arn = facts.about.arn.clone();
        let started_at = facts.about.started_at;
        match self.begin(facts, beginning).await {
            Ok(()) => Ok(Started { arn, started_at }),
            Err(Begun::Closing) => Err(StartError::Closing),
            Err(Begun::Store(error)) => Err(StartError::Store(error)),
            Err(Begun::Exists) => {
                let before = self.describe(&arn).await.map_err(StartError::Store)?;
                // The same start twice is one start, as long as the execution runs.
                match before {
                    Some(before)
                        if before.status == Status::Running && before.input == request.input =>
                    {
                        Ok(Started { arn, started_at: before.facts.about.started_at })
                    }
                    _ => Err(StartError::Exists { arn }),
                }
            }
        }
    }

    pub(crate) fn facts_of(&self, request: &StartRequest) -> Facts {
        let machine = &request.machine;
        let kind = if request.revision.is_express { "express" } else { "execution" };
        let prefix = machine.arn.replacen(":stateMachine:", &format!(":{kind}:"), 1);
        let arn = if request.revision.is_express {
            format!("{prefix}:{}:{}", request.name, self.new_uuid())
        } else {
            format!("{prefix}:{}", request.name)
        };
        let more = More {
            revision: request.revision.id.clone(),
            test_case: request.test_case.clone(),
            trace_header: request.trace_header.clone(),
            parent: request.parent,
        };
        let id = if request.revision.is_express { ExecutionId(0) } else { self.store().new_id() };
        Facts {
            id,
            about: About {
                arn,
                machine: machine.arn.clone(),
                version: request.version.clone(),
                alias: request.alias.clone(),
                map_run: None,
                started_at: self.now().0,
                more: more.write(),
            },
            revision: request.revision.clone(),
            test_case: request.test_case.clone(),
            trace_header: request.trace_header.clone(),
            parent: request.parent,
            is_express: request.revision.is_express,
        }
    }

    pub(crate) fn beginning_of(&self, facts: &Facts, request: &StartRequest) -> Beginning {
        Beginning {
            input: request.input.clone(),
            input_text: request.input_text.clone(),
            identity: Identity {
                execution_arn: facts.about.arn.as_str().into(),
                name: request.name.as_str().into(),
                role_arn: facts.revision.role_arn.as_str().into(),
                state_machine_arn: facts.about.machine.as_str().into(),
                state_machine_name: request.machine.name.as_str().into(),
                region: self.inner.options.region.as_str().into(),
            },
            first: None,
            seed: [random(), random()],
            map_context: None,
            timeout_seconds: None,
        }
    }

    /// Begins an execution: its first turn is durable when this returns.
    pub(crate) async fn begin(&self, facts: Arc<Facts>, beginning: Beginning) -> Result<(), Begun> {
        if self.is_closing() {
            return Err(Begun::Closing);
        }
        let id = facts.id;
        let now = stepwright_history::Moment(facts.about.started_at);
        let mut live = Box::new(Live::new(facts, Execution::default(), 0));
        let start = Stimulus::Start(Box::new(beginning));
        let turn = live.step(start, now).expect("what has not begun can begin");
        let taken = Taken { events: turn.events, commands: turn.commands };
        let append = live.append(&taken, true);
        live.len = append.len;
        self.inner.mailboxes.begin(id);
        match self.store().append(append).await {
            Ok(()) => {}
            Err(error) => {
                self.inner.mailboxes.cancel(id);
                return Err(match error {
                    AppendError::Exists | AppendError::Conflict => Begun::Exists,
                    AppendError::Store(error) => Begun::Store(error),
                });
            }
        }
        if !live.execution.is_over() {
            self.inner.recent.began(Arc::new(Snapshot::of(&live, None)));
        }
        self.after_commit(&mut live, taken);
        self.inner.mailboxes.release(self, id, live);
        Ok(())
    }

    /// An execution as it stands; None where there is none. Express executions leave no trace.
    pub async fn describe(&self, arn: &str) -> Result<Option<Ended>, StoreError> {
        let known = self.inner.recent.find(arn).or_else(|| self.inner.recent.find_running(arn));
        if known.is_some() {
            return Ok(known);
        }
        let Some(row) = self.store().execution_by_arn(arn).await? else { return Ok(None) };
        let snapshot = self.snapshot(row).await;
        snapshot.map(Some).map_err(|error| StoreError::new(error.to_string()))
    }

    async fn snapshot(&self, row: ExecutionRow) -> Result<Ended, LoadError> {
        let stopped_at = row.stopped_at;
        let live = self.load_row(row).await?;
        Ok(Arc::new(Snapshot::of(&live, stopped_at)))
    }

    /// The events of an execution.
    pub async fn history(&self, arn: &str) -> Result<Option<Vec<Event>>, StoreError> {
        let Some(row) = self.store().execution_by_arn(arn).await? else { return Ok(None) };
        self.events(row.id).await.map(Some)
    }

    pub(crate) async fn events(&self, id: ExecutionId) -> Result<Vec<Event>, StoreError> {
        let mut events = Vec::new();
        for chunk in self.store().history(id).await? {
            let chunk = stored::decode(&chunk)
                .map_err(|error| StoreError::new(format!("the history cannot be read: {error}")))?;
            events.extend(chunk);
        }
        Ok(events)
    }

    /// Waits until an execution has ended; None where there is none.
    pub async fn ended(&self, arn: &str) -> Option<Ended> {
        loop {
            if let Some(ended) = self.inner.recent.find(arn) {
                return Some(ended);
            }
            match self.store().execution_by_arn(arn).await {
                Ok(None) => return None,
                Ok(Some(row)) => {
                    let watch = self.inner.recent.watch(row.id);
                    // It may have ended before anybody watched.
                    if let Ok(Some(now)) = self.store().execution(row.id).await
                        && now.status.is_over()
                        && let Ok(snapshot) = self.snapshot(now).await
                    {
                        return Some(snapshot);
                    }
                    if let Ok(ended) = watch.await {
                        return Some(ended);
                    }
                }
                Err(error) => {
                    tracing::warn!(arn, %error, "cannot read an execution");
                    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
                }
            }
        }
    }

    /// Stops an execution. One that has ended stays as it is. Says when it ended, in milliseconds
    /// since 1970.
    pub async fn stop(&self, arn: &str, failure: Failure) -> Result<i64, StopError> {
        let gone =
            |error: StoreError| StopError::Refused(Refused::Store { reason: error.to_string() });
        let row = self.store().execution_by_arn(arn).await.map_err(gone)?;
        let row = row.ok_or(StopError::NoSuchExecution)?;
        if !row.status.is_over() {
            match self.ask(row.id, Stimulus::Stop { failure }).await {
                Ok(()) | Err(Refused::Stale) => {}
                Err(refused) => return Err(StopError::Refused(refused)),
            }
        }
        let row = self.store().execution(row.id).await.map_err(gone)?;
        Ok(row.and_then(|row| row.stopped_at).unwrap_or(self.now().0))
    }

    /// Has a failed execution go on from where it failed. Says when, in milliseconds since 1970.
    pub async fn redrive(&self, arn: &str) -> Result<i64, RedriveError> {
        let gone =
            |error: StoreError| RedriveError::Refused(Refused::Store { reason: error.to_string() });
        let before = self.describe(arn).await.map_err(gone)?;
        let before = before.ok_or(RedriveError::NoSuchExecution)?;
        if let Some(reason) = self.why_not_redrivable(&before) {
            return Err(RedriveError::NotRedrivable { reason });
        }
        let id = before.facts.id;
        self.inner.recent.forget(arn);
        match self.ask(id, Stimulus::Redrive).await {
            Ok(()) => {
                let row = self.store().execution(id).await.map_err(gone)?;
                Ok(row.and_then(|row| row.redriven).map_or(self.now().0, |(_, at)| at))
            }
            Err(Refused::Stale) => {
                Err(RedriveError::NotRedrivable { reason: NOT_REDRIVABLE.to_owned() })
            }
            Err(refused) => Err(RedriveError::Refused(refused)),
        }
    }

    /// Why an execution cannot be redriven, in AWS's words; None if it can.
    pub fn why_not_redrivable(&self, execution: &Snapshot) -> Option<String> {
        let name = match execution.status {
            Status::NotStarted | Status::Running => Some("RUNNING"),
            Status::Succeeded { .. } => Some("SUCCEEDED"),
            Status::Failed { .. } | Status::TimedOut { .. } | Status::Aborted { .. } => None,
        };
        if let Some(name) = name {
            return Some(format!("Execution is {name} and cannot be redriven"));
        }
        if execution.facts.about.map_run.is_some() {
            return Some(
                "Execution is a child of a Map Run and can only be redriven by it".to_owned(),
            );
        }
        let age = execution.stopped_at.map_or(0, |at| self.now().0 - at);
        (age > REDRIVABLE_MILLIS).then(|| "Execution has exceeded the redrivable period".to_owned())
    }

    /// The ARN of the execution and the task that a token names.
    pub fn read_token(token: &str) -> Option<(String, TaskId)> {
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (version, rest) = bytes.split_first()?;
        let (task, rest) = rest.split_first_chunk::<8>()?;
        let arn = std::str::from_utf8(rest.get(24..)?).ok()?;
        (*version == 1).then(|| (arn.to_owned(), TaskId(u64::from_be_bytes(*task))))
    }

    /// Whoever has the token of a task says that it is done.
    pub async fn task_succeeded(&self, token: &str, output: Json) -> Result<(), TokenError> {
        self.by_token(token, |task| Stimulus::TaskSucceeded { task, output }).await
    }

    /// Whoever has the token of a task says that it failed.
    pub async fn task_failed(&self, token: &str, failure: Failure) -> Result<(), TokenError> {
        let stimulus = |task| Stimulus::TaskFailed { task, failure, stage: Stage::Run };
        self.by_token(token, stimulus).await
    }

    /// Whoever has the token of a task says that they are at it.
    pub async fn task_heartbeat(&self, token: &str) -> Result<(), TokenError> {
        self.by_token(token, |task| Stimulus::TaskHeartbeat { task }).await
    }

    async fn by_token(
        &self,
        token: &str,
        stimulus: impl FnOnce(TaskId) -> Stimulus,
    ) -> Result<(), TokenError> {
        let (arn, task) = Self::read_token(token).ok_or(TokenError::Invalid)?;
        let row =
            self.store().execution_by_arn(&arn).await.map_err(|error| {
                TokenError::Refused(Refused::Store { reason: error.to_string() })
            })?;
        let row = row.ok_or(TokenError::Invalid)?;
        match self.ask_by_token(row.id, task, token.to_owned(), stimulus(task)).await {
            Ok(()) => Ok(()),
            Err(Refused::Stale) => Err(TokenError::TimedOut),
            Err(Refused::WrongToken | Refused::Gone) => Err(TokenError::Invalid),
            Err(refused) => Err(TokenError::Refused(refused)),
        }
    }

    /// A random UUID.
    pub fn new_uuid(&self) -> String {
        let (high, low) = (random(), random());
        uuid(high, low)
    }
}

const NOT_REDRIVABLE: &str = "Execution cannot be redriven";

/// Executions can be redriven for 14 days after their end.
const REDRIVABLE_MILLIS: i64 = 14 * 86_400_000;

/// The text of a UUID (version 4) with these bits.
pub(crate) fn uuid(high: u64, low: u64) -> String {
    format!(
        "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xFFFF,
        high & 0xFFF,
        (low >> 48) & 0x3FFF | 0x8000,
        low & 0xFFFF_FFFF_FFFF
    )
}

/// A number that nobody can guess.
pub(crate) fn random() -> u64 {
    getrandom::u64().expect("the operating system has random numbers")
}
