//! Starts executions, both durable and Express.

use crate::drive::Fate;
use crate::facts::More;
use crate::live::{InMemory, Live, NotTaken, Taken};
use crate::mailbox::{Message, in_memory_id};
use crate::snapshot::News;
use crate::{
    Ended, Engine, Facts, Forking, Machine, Parent, Principal, Revision, Snapshot, StartError,
};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use stepwright_history::{Identity, Moment};
use stepwright_interpreter::{Beginning, Execution, Status, Stimulus};
use stepwright_json::{Json, Str};
use stepwright_store::{About, AppendError, ExecutionId, Pending, StoreError};
use tokio::sync::oneshot;
use tokio::time::Instant;

/// The longest an Express execution may take: five minutes.
pub(crate) const LONGEST_EXPRESS_SECONDS: u64 = 300;

/// How often a start is tried again while shards move, and the pause before that.
const MOST_ATTEMPTS: u32 = 25;
const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(200);

/// A request to start an execution.
#[derive(Clone, Debug)]
pub struct StartRequest {
    /// Its machine.
    pub machine: Arc<Machine>,
    /// The revision it runs.
    pub revision: Arc<Revision>,
    /// The ARN of the version it was started with, directly or through an alias.
    pub version: Option<String>,
    /// The ARN of the alias it was started through.
    pub alias: Option<String>,
    /// Its name, unique within its machine.
    pub name: String,
    /// Its input.
    pub input: Json,
    /// The input as it was sent, if writing `input` would give a different text.
    pub input_text: Option<Str>,
    /// The value of AWS X-Ray's trace header.
    pub trace_header: Option<String>,
    /// The test case that answers its tasks.
    pub test_case: Option<String>,
    /// The execution that waits for it, if one does.
    pub parent: Option<Parent>,
    /// On whose behalf it will act.
    pub principal: Principal,
    /// Where it begins if it is forked from another execution; `None` begins where the machine does.
    pub fork: Option<Forking>,
    /// The seed of its random numbers and task tokens; `None` picks a seed that nobody can guess.
    pub seed: Option<[u64; 2]>,
}

impl StartRequest {
    /// A start of the machine itself, not through a version or an alias, on behalf of the server.
    pub fn new(machine: Arc<Machine>, revision: Arc<Revision>, name: String, input: Json) -> Self {
        Self {
            machine,
            revision,
            version: None,
            alias: None,
            name,
            input,
            input_text: None,
            trace_header: None,
            test_case: None,
            parent: None,
            principal: Principal::Server,
            fork: None,
            seed: None,
        }
    }
}

/// The result of a start.
#[derive(Clone, Debug)]
pub struct Started {
    /// The execution's ARN.
    pub arn: String,
    /// When it started, in milliseconds since 1970.
    pub started_at: i64,
}

/// The first turn of an execution, on its way into the store.
pub(crate) struct FirstTurn {
    live: Box<Live>,
    taken: Taken,
    kept: Pending<Result<(), AppendError>>,
    since: Instant,
}

impl FirstTurn {
    /// The number of the execution.
    pub(crate) fn id(&self) -> ExecutionId {
        self.live.facts.id
    }
}

/// Why an execution did not begin.
#[derive(Debug)]
pub(crate) enum Begun {
    Exists,
    Panicked(String),
    Store(StoreError),
    Closing,
    /// Its shard was given up meanwhile.
    Moved,
}

impl Engine {
    /// Starts an execution. When this returns, the start is durable, and so is everything the
    /// execution did without having to wait.
    ///
    /// An Express execution is not durable: it has begun, and nobody waits for its end.
    pub async fn start(&self, request: StartRequest) -> Result<Started, StartError> {
        self.inner.memory.room_for_caller().await;
        let mut attempts = 0;
        let (arn, started_at, begun) = loop {
            let facts = Arc::new(self.facts_of(&request));
            let beginning = self.beginning_of(&facts, &request);
            let arn = facts.about.arn.clone();
            let started_at = facts.about.started_at;
            let begun = if facts.is_express {
                self.begin_in_memory(facts, beginning).await.map(drop)
            } else {
                self.begin(facts, beginning).await
            };
            attempts += 1;
            if !matches!(begun, Err(Begun::Moved)) || attempts == MOST_ATTEMPTS {
                break (arn, started_at, begun);
            }
            // The node has just joined, or gives shards to one that has.
            tokio::time::sleep(BETWEEN_ATTEMPTS).await;
        };
        match begun {
            Ok(()) => Ok(Started { arn, started_at }),
            Err(Begun::Closing) => Err(StartError::Closing),
            Err(Begun::Panicked(reason)) => Err(StartError::Panicked { reason }),
            Err(Begun::Store(error)) => Err(StartError::Store(error)),
            Err(Begun::Moved) => {
                let why = "this node drives no executions yet; try again in a moment";
                Err(StartError::Store(StoreError::new(why)))
            }
            Err(Begun::Exists) => {
                let before = self.describe(&arn).await.map_err(StartError::Store)?;
                // Starting twice with the same name and input is one start, as long as the
                // execution runs.
                match before {
                    Some(before)
                        if before.status == Status::Running
                            && before.input == request.input
                            && before.facts.fork.is_none()
                            && request.fork.is_none() =>
                    {
                        Ok(Started { arn, started_at: before.facts.about.started_at })
                    }
                    _ => Err(StartError::Exists { arn }),
                }
            }
        }
    }

    /// Runs an Express execution to its end.
    pub async fn run_express(&self, request: StartRequest) -> Result<Ended, StartError> {
        let facts = Arc::new(self.facts_of(&request));
        let beginning = self.beginning_of(&facts, &request);
        self.inner.memory.room_for_caller().await;
        let ended = self.begin_in_memory(facts, beginning).await.map_err(|begun| match begun {
            Begun::Panicked(reason) => StartError::Panicked { reason },
            _ => StartError::Closing,
        })?;
        // The execution is dropped before its end only when the engine closes.
        ended.await.map(|(ended, _)| ended).map_err(|_| StartError::Closing)
    }

    fn facts_of(&self, request: &StartRequest) -> Facts {
        let machine = &request.machine;
        let is_express = request.revision.is_express;
        let kind = if is_express { "express" } else { "execution" };
        let prefix = machine.arn.replacen(":stateMachine:", &format!(":{kind}:"), 1);
        let arn = if is_express {
            format!("{prefix}:{}:{}", request.name, self.new_uuid())
        } else {
            format!("{prefix}:{}", request.name)
        };
        let more = More {
            revision: request.revision.id.clone(),
            test_case: request.test_case.clone(),
            trace_header: request.trace_header.clone(),
            parent: request.parent,
            principal: request.principal.clone(),
            fork: request.fork.as_ref().map(|forking| forking.fork.clone()),
        };
        Facts {
            id: if is_express { self.new_in_memory_id() } else { self.new_stored_id() },
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
            principal: request.principal.clone(),
            fork: more.fork,
            is_express,
        }
    }

    fn beginning_of(&self, facts: &Facts, request: &StartRequest) -> Beginning {
        let forking = request.fork.as_ref();
        // A fork has the time that its machine gives, although it begins elsewhere.
        let timeout_seconds = forking
            .and_then(|_| facts.revision.program.timeout_seconds)
            .map_or_else(|| facts.is_express.then_some(LONGEST_EXPRESS_SECONDS), Some);
        Beginning {
            input: request.input.clone(),
            input_text: request.input_text.clone(),
            identity: Identity {
                execution_arn: facts.about.arn.as_str().into(),
                name: request.name.as_str().into(),
                role_arn: facts.revision.role_arn.as_str().into(),
                state_machine_arn: facts.about.machine.as_str().into(),
                state_machine_name: request.machine.name.as_str().into(),
                region: region_of(&facts.about.machine)
                    .unwrap_or(&self.inner.options.region)
                    .into(),
            },
            first: forking.map(|forking| forking.first),
            variables: forking.map(|forking| forking.variables.clone()).unwrap_or_default(),
            seed: request.seed.unwrap_or_else(|| [random(), random()]),
            map_context: None,
            timeout_seconds,
        }
    }

    /// A new number for an execution that is not stored.
    pub(crate) fn new_in_memory_id(&self) -> ExecutionId {
        in_memory_id(self.inner.next_in_memory.fetch_add(1, Ordering::Relaxed))
    }

    /// Begins an execution. Its first turn is durable when this returns.
    pub(crate) async fn begin(&self, facts: Arc<Facts>, beginning: Beginning) -> Result<(), Begun> {
        let (live, taken) = self.first_turn(facts, beginning).await?;
        let first = self.store_first(live, taken)?;
        self.confirm_first(first).await
    }

    /// Has a first turn stored.
    pub(crate) fn store_first(
        &self,
        mut live: Box<Live>,
        taken: Taken,
    ) -> Result<FirstTurn, Begun> {
        let id = live.facts.id;
        let append = live.append(&taken, true);
        live.len = append.len;
        self.inner.mailboxes.begin(id);
        // Whoever gives the shard up waits for those that are being driven.
        if self.nodes().is_some_and(|nodes| !nodes.is_open(id)) {
            self.inner.mailboxes.cancel(id);
            return Err(Begun::Moved);
        }
        let since = Instant::now();
        let kept = self.store().append(append);
        Ok(FirstTurn { live, taken, kept, since })
    }

    /// Goes on once a first turn is durable.
    pub(crate) async fn confirm_first(&self, first: FirstTurn) -> Result<(), Begun> {
        let FirstTurn { live, taken, kept, since } = first;
        let id = live.facts.id;
        let appended = kept.await;
        self.inner.metrics.append.observe(since.elapsed());
        if let Err(error) = appended {
            if matches!(error, AppendError::NotWritten(_) | AppendError::Unknown(_)) {
                self.inner.metrics.append_failures.add_one();
            }
            let begun = match error {
                AppendError::Exists | AppendError::Conflict => Begun::Exists,
                AppendError::NotWritten(error) => Begun::Store(error),
                AppendError::Lost => {
                    self.lose();
                    Begun::Closing
                }
                AppendError::Unknown(error) => match self.outcome(id, live.len).await {
                    Fate::Kept => {
                        self.begun(live, taken);
                        return Ok(());
                    }
                    Fate::NotKept => Begun::Store(error),
                    Fate::Unknown => {
                        // If the execution is in the store after all, it is driven as soon as the
                        // store answers again.
                        self.inner.mailboxes.cancel(id);
                        self.deliver(id, Message::resume(false));
                        return Err(Begun::Store(error));
                    }
                },
            };
            self.inner.mailboxes.cancel(id);
            return Err(begun);
        }
        self.begun(live, taken);
        Ok(())
    }

    fn begun(&self, mut live: Box<Live>, taken: Taken) {
        if !live.execution.is_over() {
            self.inner.recent.began(Arc::new(Snapshot::of(&live, None)));
        }
        self.after_commit(&mut live, taken);
        self.release(live.facts.id, live);
    }

    /// Begins an execution that is not stored. The receiver gets the news of its end.
    pub(crate) async fn begin_in_memory(
        &self,
        facts: Arc<Facts>,
        beginning: Beginning,
    ) -> Result<oneshot::Receiver<News>, Begun> {
        let id = facts.id;
        let (mut live, taken) = self.first_turn(facts, beginning).await?;
        let (in_memory, ended) = InMemory::watched();
        live.in_memory = Some(in_memory);
        self.inner.mailboxes.begin(id);
        self.after_commit(&mut live, taken);
        self.release(id, live);
        Ok(ended)
    }

    /// Takes the first turn of an execution, in memory only.
    pub(crate) async fn first_turn(
        &self,
        facts: Arc<Facts>,
        beginning: Beginning,
    ) -> Result<(Box<Live>, Taken), Begun> {
        if self.is_closing() {
            return Err(Begun::Closing);
        }
        let now = Moment(facts.about.started_at);
        let mut live = Box::new(Live::new(facts, Execution::default(), 0));
        live.takes(self.inner.memory.share());
        let mut taken = Taken::default();
        let stepped = {
            let aside = self.inner.long.begin(&live.facts.revision).await;
            let start = Stimulus::Start(Box::new(beginning));
            aside.run(|| live.step(start, now, &aside))
        };
        match stepped {
            Ok(turn) => taken.add(turn),
            Err(NotTaken::Stale) => unreachable!("what has not begun can begin"),
            Err(NotTaken::Panicked(reason)) => {
                let arn = &live.facts.about.arn;
                tracing::error!(arn, reason, "the first turn of an execution panicked");
                return Err(Begun::Panicked(reason));
            }
        }
        live.note(&taken);
        Ok((live, taken))
    }

    /// A random UUID.
    pub fn new_uuid(&self) -> String {
        uuid::Uuid::new_v4().to_string()
    }

    /// A random number below `below` that nobody can predict.
    pub fn draw(&self, below: u64) -> u64 {
        random() % below.max(1)
    }
}

/// The region in an ARN.
fn region_of(arn: &str) -> Option<&str> {
    arn.split(':').nth(3).filter(|region| !region.is_empty())
}

/// A number that nobody can guess.
fn random() -> u64 {
    getrandom::u64().expect("the operating system has random numbers")
}
