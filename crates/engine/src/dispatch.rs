//! What a turn owes, sent out.

use crate::drive::Message;
use crate::executions::Begun;
use crate::facts::More;
use crate::live::Live;
use crate::objects::Bound;
use crate::tasks::Destination;
use crate::{Call, Engine, Facts, Parent, Report};
use std::sync::Arc;
use stepwright_history::{Failure, Stage, TaskCall, TaskId, TaskKind};
use stepwright_interpreter::{Beginning, Status, Stimulus, items};
use stepwright_json::{Json, Str};
use stepwright_program::{Kind, StateId};
use tokio::sync::watch;

impl Engine {
    pub(crate) fn run_task(
        &self,
        live: &mut Live,
        task: TaskId,
        call: Box<TaskCall>,
        submitted: bool,
    ) {
        // A task may have ended within the turn that began it.
        let Some(open) = live.execution.task(task) else { return };
        if (submitted && call.waits_for_token())
            || (open.started && call.kind == TaskKind::Activity)
        {
            // Whoever has the token is awaited, and nobody else.
            return;
        }
        let id = live.facts.id;
        let (call_off, cancelled) = watch::channel(false);
        live.errands.insert((task, None), call_off);
        self.inner.metrics.tasks.add_one();
        if call.kind == TaskKind::Activity && live.facts.test_case.is_none() {
            if !self.inner.activities.schedule(&call.resource, id, task) {
                let failure = Failure::new(
                    "ActivityDoesNotExist",
                    format!("Activity Does Not Exist: '{}'", call.resource),
                );
                let stimulus = Stimulus::TaskFailed { task, failure, stage: Stage::Schedule };
                self.deliver(id, Message::new(stimulus));
            }
            return;
        }
        let report =
            Report { engine: self.clone(), task, to: Destination::Execution(id), cancelled };
        let map_path = live.execution.map_path(task);
        let call = Call { facts: live.facts.clone(), task, call, submitted, map_path };
        self.inner.options.tasks.run(call, report);
    }

    pub(crate) fn read_items(&self, live: &mut Live, run: TaskId, request: Json) {
        live.errands.insert((run, None), watch::channel(false).0);
        let (engine, id) = (self.clone(), live.facts.id);
        let objects = self.inner.options.objects.clone();
        tokio::spawn(async move {
            let read = move || items::read(&request, &Bound(&*objects));
            let items = tokio::task::spawn_blocking(read)
                .await
                .unwrap_or_else(|_| Err(Failure::new("States.ItemReaderFailed", BROKEN_OFF)));
            engine.deliver(id, Message::new(Stimulus::ItemsRead { run, items }));
        });
    }

    pub(crate) fn write_results(&self, live: &mut Live, run: TaskId, request: Json) {
        live.errands.insert((run, None), watch::channel(false).0);
        let (engine, id) = (self.clone(), live.facts.id);
        let objects = self.inner.options.objects.clone();
        tokio::spawn(async move {
            let write = move || items::write(&request, &mut Bound(&*objects));
            let result = tokio::task::spawn_blocking(write)
                .await
                .unwrap_or_else(|_| Err(Failure::new("States.ResultWriterFailed", BROKEN_OFF)));
            engine.deliver(id, Message::new(Stimulus::ResultsWritten { run, result }));
        });
    }

    pub(crate) fn start_child(
        &self,
        live: &mut Live,
        run: TaskId,
        index: u32,
        map_run: Str,
        input: Json,
        first: StateId,
    ) {
        let (call_off, cancelled) = watch::channel(false);
        live.errands.insert((run, Some(index)), call_off);
        let start = live.execution.start().expect("whoever has children has begun");
        let beginning = Beginning::child(start, run, index, &map_run, input, first);
        let is_express = is_express(&live.facts, first);
        let parent = Parent { execution: live.facts.id, task: run, index: Some(index) };
        let (engine, parent_facts) = (self.clone(), live.facts.clone());
        let redriven_at = live.execution.redriven_at();
        tokio::spawn(async move {
            let child = Child { parent_facts, parent, map_run, is_express, redriven_at };
            let result = tokio::select! {
                result = engine.run_child(&child, beginning.clone()) => result,
                () = called_off(cancelled) => {
                    engine.stop_child(&beginning.identity.execution_arn).await;
                    return;
                }
            };
            let stimulus = Stimulus::ChildFinished { run, index, result };
            engine.deliver(parent.execution, Message::new(stimulus));
        });
    }

    /// Runs a child to its end: begins it, or finds it where it is already.
    async fn run_child(&self, child: &Child, beginning: Beginning) -> Result<Json, Failure> {
        let arn = beginning.identity.execution_arn.to_string();
        if child.is_express {
            let facts = Arc::new(child.facts(self, &arn, self.now().0));
            let ended = self.run_in_memory(facts, beginning).await;
            return end_of(&ended.status);
        }
        loop {
            let facts = Arc::new(child.facts(self, &arn, self.now().0));
            match self.begin(facts, beginning.clone()).await {
                Ok(()) => break,
                Err(Begun::Exists) => {
                    self.redrive_child(child, &arn).await;
                    break;
                }
                Err(Begun::Store(error)) => {
                    tracing::warn!(arn, %error, "a child execution could not be begun");
                    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
                }
                Err(Begun::Closing) => return std::future::pending().await,
            }
        }
        match self.ended(&arn).await {
            Some(snapshot) => end_of(&snapshot.status),
            None => Err(Failure::new("States.Runtime", "The child execution is gone.")),
        }
    }

    /// A child that failed before its parent was redriven goes on from where it failed.
    async fn redrive_child(&self, child: &Child, arn: &str) {
        let Some(redriven_at) = child.redriven_at else { return };
        let Ok(Some(row)) = self.store().execution_by_arn(arn).await else { return };
        let is_older = row.stopped_at.is_some_and(|at| at <= redriven_at.0);
        let has_failed = row.status.is_over() && row.status != stepwright_store::Status::Succeeded;
        if is_older && has_failed {
            self.inner.recent.forget(arn);
            // A child that cannot be redriven has ended: its parent hears of it.
            drop(self.ask(row.id, Stimulus::Redrive).await);
        }
    }

    async fn stop_child(&self, arn: &str) {
        let failure = Failure::default();
        if let Ok(Some(row)) = self.store().execution_by_arn(arn).await {
            // It may have ended by itself in the meantime.
            drop(self.ask(row.id, Stimulus::Stop { failure }).await);
        }
    }
}

const BROKEN_OFF: &str = "The transfer was broken off.";

/// A child execution of a map run, as its parent sees it.
struct Child {
    parent_facts: Arc<Facts>,
    parent: Parent,
    map_run: Str,
    is_express: bool,
    redriven_at: Option<stepwright_history::Moment>,
}

impl Child {
    fn facts(&self, engine: &Engine, arn: &str, now: i64) -> Facts {
        let id = if self.is_express { self.parent.execution } else { engine.store().new_id() };
        let mut about = self.parent_facts.about.clone();
        arn.clone_into(&mut about.arn);
        about.map_run = Some(self.map_run.to_string());
        about.started_at = now;
        about.more = More {
            revision: self.parent_facts.revision.id.clone(),
            test_case: self.parent_facts.test_case.clone(),
            trace_header: self.parent_facts.trace_header.clone(),
            parent: Some(self.parent),
        }
        .write();
        Facts {
            id,
            about,
            revision: self.parent_facts.revision.clone(),
            test_case: self.parent_facts.test_case.clone(),
            trace_header: self.parent_facts.trace_header.clone(),
            parent: Some(self.parent),
            is_express: self.is_express,
        }
    }
}

/// Whether the Map whose iterations begin at this state has Express children.
fn is_express(facts: &Facts, first: StateId) -> bool {
    let program = &facts.revision.program;
    program.states.iter().any(|state| match &state.kind {
        Kind::Map(map) => map.processor.start == first && map.processor.express,
        _ => false,
    })
}

async fn called_off(mut cancelled: watch::Receiver<bool>) {
    if cancelled.wait_for(|cancelled| *cancelled).await.is_err() {
        // Nobody can call it off any more.
        std::future::pending::<()>().await;
    }
}

fn end_of(status: &Status) -> Result<Json, Failure> {
    match status {
        Status::Succeeded { output } => Ok(output.clone()),
        Status::Failed { failure } | Status::TimedOut { failure } | Status::Aborted { failure } => {
            Err(failure.clone())
        }
        Status::NotStarted | Status::Running => Err(Failure::default()),
    }
}
