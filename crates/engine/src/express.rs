//! Express executions: the same core, in memory.

use crate::facts::More;
use crate::tasks::Destination;
use crate::{Call, Engine, Facts, Report, Revision, StartRequest};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::Duration;
use stepwright_history::{Event, Failure, Moment, Stage, TaskCall, TaskId, TimerId};
use stepwright_interpreter::{Beginning, Command, Execution, Status, Stimulus, items, step};
use stepwright_json::Json;
use stepwright_store::{About, ExecutionId};
use tokio::sync::{mpsc, watch};

/// How an Express execution ended.
#[derive(Clone, Debug)]
pub struct ExpressEnd {
    /// The execution's ARN.
    pub arn: String,
    /// Its status, with output or failure.
    pub status: Status,
    /// Its input.
    pub input: Json,
    /// When it began, in milliseconds since 1970.
    pub started_at: i64,
    /// When it ended, in milliseconds since 1970.
    pub stopped_at: i64,
}

/// The longest an Express execution may take: five minutes.
const LONGEST_SECONDS: u64 = 300;

impl Engine {
    /// Runs an Express execution to its end.
    pub async fn run_express(&self, request: StartRequest) -> ExpressEnd {
        let facts = Arc::new(self.facts_of(&request));
        let mut beginning = self.beginning_of(&facts, &request);
        beginning.timeout_seconds = Some(LONGEST_SECONDS);
        self.run_in_memory(facts, beginning).await
    }

    /// Begins an Express execution and does not wait for it. Its ARN, and when it began.
    pub fn start_express(&self, request: StartRequest) -> (String, i64) {
        let facts = Arc::new(self.facts_of(&request));
        let mut beginning = self.beginning_of(&facts, &request);
        beginning.timeout_seconds = Some(LONGEST_SECONDS);
        let begun = (facts.about.arn.clone(), facts.about.started_at);
        let engine = self.clone();
        tokio::spawn(async move { engine.run_in_memory(facts, beginning).await });
        begun
    }

    /// Makes one call that belongs to no execution, and waits for its end.
    pub async fn call_once(
        &self,
        revision: Arc<Revision>,
        arn: &str,
        call: TaskCall,
    ) -> Result<Json, (Failure, Stage)> {
        let started_at = self.now().0;
        let more = More { revision: revision.id.clone(), ..More::default() };
        let about = About {
            arn: arn.to_owned(),
            machine: String::new(),
            version: None,
            alias: None,
            map_run: None,
            started_at,
            more: more.write(),
        };
        let facts = Arc::new(Facts {
            id: ExecutionId(0),
            about,
            revision,
            test_case: None,
            trace_header: None,
            parent: None,
            is_express: true,
        });
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let (_call_off, cancelled) = watch::channel(false);
        let seconds = call.timeout_seconds.map_or(LONGEST_SECONDS, i64::unsigned_abs);
        let task = TaskId(0);
        let to = Destination::Express(sender);
        let report = Report { engine: self.clone(), task, to, cancelled };
        let call =
            Call { facts, task, call: Box::new(call), submitted: false, map_path: Vec::new() };
        self.options().tasks.run(call, report);
        let ends = async {
            loop {
                match receiver.recv().await {
                    Some(Stimulus::TaskSucceeded { output, .. }) => return Ok(output),
                    Some(Stimulus::TaskFailed { failure, stage, .. }) => {
                        return Err((failure, stage));
                    }
                    Some(_) => {}
                    None => return Err((Failure::default(), Stage::Run)),
                }
            }
        };
        let limit = Duration::from_secs(seconds.min(LONGEST_SECONDS));
        tokio::time::timeout(limit, ends).await.unwrap_or_else(|_| {
            Err((Failure { error: Some("States.Timeout".into()), cause: None }, Stage::Run))
        })
    }

    pub(crate) async fn run_in_memory(
        &self,
        facts: Arc<Facts>,
        beginning: Beginning,
    ) -> ExpressEnd {
        let input = beginning.input.clone();
        let arn = facts.about.arn.clone();
        let started_at = facts.about.started_at;
        let (status, stopped_at) = Run::new(self, facts).run_to_end(beginning).await;
        ExpressEnd { arn, status, input, started_at, stopped_at }
    }
}

/// An Express execution on its way.
struct Run<'e> {
    engine: &'e Engine,
    facts: Arc<Facts>,
    execution: Execution,
    agenda: BinaryHeap<Reverse<(Moment, TimerId)>>,
    sender: mpsc::UnboundedSender<Stimulus>,
    receiver: mpsc::UnboundedReceiver<Stimulus>,
    /// Dropped with it: then nobody can call its tasks off, and none is needed any more.
    call_off: watch::Sender<bool>,
}

impl<'e> Run<'e> {
    fn new(engine: &'e Engine, facts: Arc<Facts>) -> Self {
        let (sender, receiver) = mpsc::unbounded_channel();
        Self {
            engine,
            facts,
            execution: Execution::default(),
            agenda: BinaryHeap::new(),
            sender,
            receiver,
            call_off: watch::channel(false).0,
        }
    }

    async fn run_to_end(mut self, beginning: Beginning) -> (Status, i64) {
        let mut next = Some(Stimulus::Start(Box::new(beginning)));
        let mut at = Moment(self.facts.about.started_at);
        loop {
            let stimulus = match next.take() {
                Some(stimulus) => stimulus,
                None => self.next().await,
            };
            at = at.max(self.engine.now());
            let program = self.facts.revision.program.clone();
            let Ok(turn) = step(&program, &mut self.execution, stimulus, at) else { continue };
            self.observe(&turn.events);
            for command in turn.commands {
                self.obey(command);
            }
            if self.execution.is_over() {
                // Those who run its tasks may go on; nobody listens.
                self.call_off.send_replace(true);
                return (self.execution.status().clone(), at.0);
            }
        }
    }

    async fn next(&mut self) -> Stimulus {
        loop {
            let Some(Reverse((due, timer))) = self.agenda.peek().copied() else {
                return self.receiver.recv().await.expect("it holds a sender itself");
            };
            let wait = (due.0 - self.engine.now().0).max(0) as u64;
            tokio::select! {
                biased;
                stimulus = self.receiver.recv() => {
                    return stimulus.expect("it holds a sender itself");
                }
                () = tokio::time::sleep(Duration::from_millis(wait)) => {
                    if self.engine.now() >= due {
                        self.agenda.pop();
                        if self.execution.awaits(timer) {
                            return Stimulus::TimerDue { timer };
                        }
                    }
                }
            }
        }
    }

    fn observe(&self, events: &[Event]) {
        self.engine.tell(&self.facts, events);
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::WakeAt { timer, due } => self.agenda.push(Reverse((due, timer))),
            Command::Continue => drop(self.sender.send(Stimulus::Continue)),
            Command::RunTask { task, call, submitted } => {
                if !self.execution.waits_for(task) {
                    return;
                }
                let report = Report {
                    engine: self.engine.clone(),
                    task,
                    to: Destination::Express(self.sender.clone()),
                    cancelled: self.call_off.subscribe(),
                };
                let map_path = self.execution.map_path(task);
                let call = Call { facts: self.facts.clone(), task, call, submitted, map_path };
                self.engine.options().tasks.run(call, report);
            }
            Command::ReadItems { run, request } => {
                let objects = self.engine.options().objects.clone();
                let sender = self.sender.clone();
                tokio::task::spawn_blocking(move || {
                    let items = items::read(&request, &crate::objects::Bound(&*objects));
                    drop(sender.send(Stimulus::ItemsRead { run, items }));
                });
            }
            Command::WriteResults { run, request } => {
                let objects = self.engine.options().objects.clone();
                let sender = self.sender.clone();
                tokio::task::spawn_blocking(move || {
                    let result = items::write(&request, &mut crate::objects::Bound(&*objects));
                    drop(sender.send(Stimulus::ResultsWritten { run, result }));
                });
            }
            Command::StartChild { run, index, .. } => self.refuse_child(run, index),
        }
    }

    /// AWS refuses distributed Maps in Express machines when they are created.
    fn refuse_child(&self, run: TaskId, index: u32) {
        let failure = Failure::new(
            "States.Runtime",
            "A distributed Map cannot run within an Express execution.",
        );
        let stimulus = Stimulus::ChildFinished { run, index, result: Err(failure) };
        drop(self.sender.send(stimulus));
    }
}
