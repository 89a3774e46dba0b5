//! Child executions of map runs, from the parent's side.

use crate::facts::More;
use crate::live::Live;
use crate::mailbox::Message;
use crate::starts::Begun;
use crate::underway::Errand;
use crate::{Engine, Facts, Parent, Refused};
use std::sync::Arc;
use std::time::Duration;
use stepwright_history::{Failure, Moment, Start, TaskId};
use stepwright_interpreter::{Beginning, ChildInput, Stimulus};
use stepwright_json::{Json, Str};
use stepwright_program::{Kind, StateId};
use stepwright_store::{About, ExecutionId};
use tokio::sync::{SemaphorePermit, watch};

/// How long a child that could not be stored waits before it is begun again.
const PAUSE: Duration = Duration::from_millis(200);

impl Engine {
    pub(crate) fn start_child(
        &self,
        live: &mut Live,
        run: TaskId,
        index: u32,
        map_run: Str,
        input: ChildInput,
        first: StateId,
    ) {
        let (call_off, cancelled) = watch::channel(false);
        live.errands.insert((run, Some(index)), call_off);
        let child = Child { run: Run::of(live, run, map_run, first), index };
        let engine = self.clone();
        let errand = self.inner.underway.begin();
        tokio::spawn(async move {
            // Thousands may wait here: what they need afterwards is made only then.
            let turn = engine.inner.memory.turn_to_begin().await;
            let input = match input {
                ChildInput::Given(input) => input,
                ChildInput::Recorded { after, at } => {
                    engine.lasting_input(child.run.parent_facts.id, after, at).await
                }
            };
            Box::pin(engine.run_to_end(child, input, cancelled, errand, turn)).await;
        });
    }

    /// Runs a child, and tells its parent what came of it.
    async fn run_to_end(
        &self,
        child: Child,
        input: Json,
        cancelled: watch::Receiver<bool>,
        errand: Errand,
        turn: Option<SemaphorePermit<'_>>,
    ) {
        let beginning = child.beginning(input);
        let result = if child.run.is_express {
            self.run_express_child(&child, beginning, cancelled, &errand, turn).await
        } else {
            self.run_child(&child, beginning, cancelled, &errand, turn).await
        };
        let Some(result) = result else { return };
        let (run, parent) = (child.run.task, child.run.parent_facts.id);
        self.report_child(parent, Stimulus::ChildFinished { run, index: child.index, result }).await;
    }

    /// What a child begins with, looked up until the store answers.
    async fn lasting_input(&self, parent: ExecutionId, after: u64, at: u32) -> Json {
        loop {
            match self.recorded_input(parent, after, at).await {
                Ok(input) => return input,
                Err(error) => {
                    tracing::warn!(%error, "what a child execution begins with cannot be read");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    /// Reports the end of a child to its parent. Until the parent has heard of it, the result takes
    /// memory, and others wait for that.
    async fn report_child(&self, parent: ExecutionId, stimulus: Stimulus) {
        let mut share = self.inner.memory.share();
        if let Stimulus::ChildFinished { result: Ok(output), .. } = &stimulus {
            share.set(output.measure().map_or(0, |measure| measure.memory));
        }
        while let Err(Refused::Store { .. }) = self.ask(parent, stimulus.clone()).await {
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Runs a child in memory to its end. Returns `None` once nobody waits for it any more.
    async fn run_express_child(
        &self,
        child: &Child,
        beginning: Beginning,
        cancelled: watch::Receiver<bool>,
        errand: &Errand,
        turn: Option<SemaphorePermit<'_>>,
    ) -> Option<Result<Json, Failure>> {
        let arn = beginning.identity.execution_arn.to_string();
        let facts = Arc::new(child.facts(self, &arn));
        let id = facts.id;
        self.inner.memory.room_for_child().await;
        let begun = self.begin_in_memory(facts, beginning).await;
        drop(turn);
        let ended = match begun {
            Ok(ended) => ended,
            Err(Begun::Panicked(reason)) => {
                return Some(Err(Failure::new("States.Runtime", reason)));
            }
            Err(_) => return None,
        };
        errand.rest();
        tokio::select! {
            news = ended => {
                // The execution is dropped before its end only when the engine closes.
                let (ended, _news) = news.ok()?;
                errand.resume();
                Some(ended.result())
            }
            () = called_off(cancelled) => {
                let failure = Failure::default();
                self.deliver(id, Message::new(Stimulus::Stop { failure }));
                None
            }
        }
    }

    /// Runs a child to its end; begins it unless it has begun already. Returns `None` once nobody
    /// waits for it any more.
    async fn run_child(
        &self,
        child: &Child,
        beginning: Beginning,
        cancelled: watch::Receiver<bool>,
        errand: &Errand,
        turn: Option<SemaphorePermit<'_>>,
    ) -> Option<Result<Json, Failure>> {
        let arn = beginning.identity.execution_arn.to_string();
        tokio::select! {
            result = self.child_result(child, &arn, beginning, errand, turn) => Some(result),
            () = called_off(cancelled) => {
                self.stop_child(&arn).await;
                None
            }
        }
    }

    async fn child_result(
        &self,
        child: &Child,
        arn: &str,
        beginning: Beginning,
        errand: &Errand,
        turn: Option<SemaphorePermit<'_>>,
    ) -> Result<Json, Failure> {
        let watched = loop {
            let facts = Arc::new(child.facts(self, arn));
            let id = facts.id;
            self.inner.memory.room_for_child().await;
            // It may have ended by the time that it has begun.
            let news = self.inner.recent.watch(id);
            let begun = self.begin(facts, beginning.clone()).await;
            if begun.is_err() {
                self.inner.recent.unwatch(id);
            }
            match begun {
                Ok(()) => break Some(news),
                Err(Begun::Exists) => {
                    self.redrive_child(child, arn).await;
                    break None;
                }
                Err(Begun::Store(error)) => {
                    tracing::warn!(arn, %error, "a child execution could not be begun");
                    tokio::time::sleep(PAUSE).await;
                }
                Err(Begun::Moved) => tokio::time::sleep(PAUSE).await,
                Err(Begun::Panicked(reason)) => {
                    return Err(Failure::new("States.Runtime", reason));
                }
                Err(Begun::Closing) => return std::future::pending().await,
            }
        };
        drop(turn);
        errand.rest();
        let news = match watched {
            Some(news) => news.await.ok(),
            None => None,
        };
        let news = match news {
            None => self.news_of(arn).await,
            news => news,
        };
        errand.resume();
        match news {
            Some((snapshot, _)) => snapshot.result(),
            None => Err(Failure::new("States.Runtime", "The child execution is gone.")),
        }
    }

    /// Redrives a child that failed before its parent was redriven.
    async fn redrive_child(&self, child: &Child, arn: &str) {
        let Some(redriven_at) = child.run.redriven_at else { return };
        let Ok(Some(row)) = self.store().execution_by_arn(arn).await else { return };
        let is_older = row.stopped_at.is_some_and(|at| at <= redriven_at.0);
        let has_failed = row.status.is_over() && row.status != stepwright_store::Status::Succeeded;
        if is_older && has_failed {
            self.inner.recent.forget(arn);
            // If the child cannot be redriven, it has ended, and its parent is told so.
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

/// What the children of a map run have in common.
pub(crate) struct Run {
    parent_facts: Arc<Facts>,
    /// What the parent began with.
    start: Start,
    task: TaskId,
    map_run: Str,
    /// The state that they begin in.
    first: StateId,
    is_express: bool,
    redriven_at: Option<Moment>,
}

impl Run {
    /// That of a map run, which is made once for all its children, and again after a redrive.
    fn of(live: &mut Live, task: TaskId, map_run: Str, first: StateId) -> Arc<Self> {
        let redriven_at = live.execution.redriven_at();
        let known = live.runs.get(&task).filter(|run| run.redriven_at == redriven_at);
        if let Some(run) = known {
            return run.clone();
        }
        let run = Arc::new(Self {
            parent_facts: live.facts.clone(),
            start: live.execution.start().expect("whoever has children has begun").clone(),
            task,
            map_run,
            first,
            is_express: has_express_children(live, task),
            redriven_at,
        });
        live.runs.insert(task, run.clone());
        run
    }
}

/// A child execution of a map run, as its parent sees it.
struct Child {
    run: Arc<Run>,
    index: u32,
}

impl Child {
    fn beginning(&self, input: Json) -> Beginning {
        let Run { start, task, map_run, first, .. } = &*self.run;
        Beginning::child(start, *task, self.index, map_run, input, *first)
    }

    fn facts(&self, engine: &Engine, arn: &str) -> Facts {
        let Run { parent_facts: parent, is_express, task, map_run, .. } = &*self.run;
        let id: ExecutionId =
            if *is_express { engine.new_in_memory_id() } else { engine.new_stored_id() };
        let own = Parent { execution: parent.id, task: *task, index: Some(self.index) };
        let more = More {
            revision: parent.revision.id.clone(),
            test_case: parent.test_case.clone(),
            trace_header: parent.trace_header.clone(),
            parent: Some(own),
            principal: parent.principal.clone(),
        };
        let about = About {
            arn: arn.to_owned(),
            machine: parent.about.machine.clone(),
            version: parent.about.version.clone(),
            alias: parent.about.alias.clone(),
            map_run: Some(map_run.to_string()),
            started_at: engine.now().0,
            more: more.write(),
        };
        Facts {
            id,
            about,
            revision: parent.revision.clone(),
            test_case: more.test_case,
            trace_header: more.trace_header,
            parent: more.parent,
            principal: more.principal,
            is_express: *is_express,
        }
    }
}

/// Whether the children of a map run are Express executions.
fn has_express_children(live: &Live, run: TaskId) -> bool {
    let execution = &live.execution;
    let state = execution.frame_of(run).and_then(|frame| execution.state_in(frame));
    state.is_some_and(|state| match &live.facts.revision.program.state(state).kind {
        Kind::Map(map) => map.processor.express,
        _ => false,
    })
}

async fn called_off(mut cancelled: watch::Receiver<bool>) {
    if cancelled.wait_for(|cancelled| *cancelled).await.is_err() {
        // Nobody is left who could cancel it.
        std::future::pending::<()>().await;
    }
}
