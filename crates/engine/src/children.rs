//! Child executions of map runs, from the parent's side.

mod spread;

pub(crate) use spread::{Spread, read_ends, write_ends};

use crate::facts::More;
use crate::live::Live;
use crate::mailbox::{Message, What};
use crate::memory::Share;
use crate::snapshot::News;
use crate::starts::{Begun, FirstTurn};
use crate::underway::Errand;
use crate::{Engine, Facts, Parent, Refused};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use stepwright_history::{Failure, Moment, Start, TaskId};
use stepwright_interpreter::{Beginning, ChildInput, Stimulus, child_name};
use stepwright_json::{Json, Str};
use stepwright_program::{Kind, StateId};
use stepwright_store::{About, ExecutionId};
use tokio::sync::oneshot::error::TryRecvError;
use tokio::sync::{SemaphorePermit, oneshot, watch};

/// How long a child that could not be stored waits before it is begun again.
const PAUSE: Duration = Duration::from_millis(200);

/// How many children are begun together, so that they are stored and reported together. As many begin as
/// have been reported: smaller groups would make for ever smaller ones.
const MOST: usize = 64;

/// The bytes of memory that their inputs may take, and their results while they are reported.
const TOGETHER_BYTES: usize = 1 << 20;

/// After so many children, whatever else has something to do has its turn.
const OTHERS: u32 = 8;

/// The steps of evaluation after which those that have taken their first turn wait no longer for others.
const TOGETHER_STEPS: u64 = 100_000;

/// Children of one map run that are to be begun.
pub(crate) struct Together {
    run: Arc<Run>,
    children: Vec<Waiting>,
}

/// A child that is to be begun.
struct Waiting {
    index: u32,
    input: ChildInput,
    cancelled: watch::Receiver<bool>,
}

impl Waiting {
    /// The bytes of memory that its input takes.
    fn memory(&self) -> usize {
        match &self.input {
            ChildInput::Given(input) => memory(input),
            ChildInput::Recorded { .. } => 0,
        }
    }
}

/// A child whose first turn was taken.
struct Turned {
    child: Child,
    input: Json,
    cancelled: watch::Receiver<bool>,
    first: FirstTurn,
    /// What came of it, if it has ended already.
    result: Option<Outcome>,
    /// The news of its end, if it has not.
    news: Option<oneshot::Receiver<News>>,
}

type Outcome = Result<Json, Failure>;

/// What has come of children that are begun together.
struct Group {
    turned: Vec<Turned>,
    ended: Vec<(u32, Outcome)>,
    /// What the results take of the memory that all executions take together.
    share: Share,
    /// Those that run, and those that are still to be begun.
    others: Vec<(Child, Stands, watch::Receiver<bool>)>,
    /// The steps of those that have taken their first turn.
    steps: u64,
}

impl Group {
    fn new(share: Share) -> Self {
        Self { turned: Vec::new(), ended: Vec::new(), share, others: Vec::new(), steps: 0 }
    }

    /// A child has come to its end.
    fn end(&mut self, child: &Child, result: Outcome) {
        self.share.add(result.as_ref().map_or(0, memory));
        self.ended.push((child.index, result));
    }
}

impl Engine {
    /// Puts a child together with those that are begun with it.
    pub(crate) fn start_child(
        live: &mut Live,
        starting: &mut Vec<Together>,
        task: TaskId,
        index: u32,
        map_run: Str,
        input: ChildInput,
        first: StateId,
    ) {
        let (call_off, cancelled) = watch::channel(false);
        live.errands.insert((task, Some(index)), call_off);
        let run = Run::of(live, task, map_run, first);
        let child = Waiting { index, input, cancelled };
        match starting.last_mut() {
            Some(last) if Arc::ptr_eq(&last.run, &run) => last.children.push(child),
            _ => starting.push(Together { run, children: vec![child] }),
        }
    }

    /// Begins children, and has them run to their ends: at other nodes, too, unless they may have begun
    /// before.
    pub(crate) fn start_children(&self, starting: Vec<Together>, are_new: bool) {
        for Together { run, children } in starting {
            let mut places: BTreeMap<Option<String>, Vec<Waiting>> = BTreeMap::new();
            for child in children {
                let place = if are_new { self.place_of_child(&run, child.index) } else { None };
                places.entry(place).or_default().push(child);
            }
            for (place, children) in places {
                let (mut group, mut bytes) = (Vec::new(), 0);
                for child in children {
                    let more = child.memory();
                    if group.len() >= MOST || (bytes + more > TOGETHER_BYTES && !group.is_empty()) {
                        self.start_group(run.clone(), place.clone(), std::mem::take(&mut group));
                        bytes = 0;
                    }
                    group.push(child);
                    bytes += more;
                }
                self.start_group(run.clone(), place, group);
            }
        }
    }

    fn start_group(&self, run: Arc<Run>, place: Option<String>, mut children: Vec<Waiting>) {
        let engine = self.clone();
        let errand = self.inner.underway.begin();
        tokio::spawn(async move {
            if let Some(address) = place {
                children = engine.begin_elsewhere(&run, &address, children).await;
            }
            if !children.is_empty() {
                // Thousands may wait here: what they need afterwards is made only then.
                let turn = engine.inner.memory.turn_to_begin(children.len()).await;
                Box::pin(engine.begin_together(run, children, turn)).await;
            }
            drop(errand);
        });
    }

    async fn begin_together(
        &self,
        run: Arc<Run>,
        children: Vec<Waiting>,
        turn: Option<SemaphorePermit<'_>>,
    ) {
        let mut group = Group::new(self.inner.memory.share());
        for Waiting { index, input, cancelled } in children {
            if *cancelled.borrow() {
                continue;
            }
            let child = Child { run: run.clone(), index };
            let input = self.lasting_input(&run, input).await;
            if !self.inner.memory.has_room_for_child() {
                self.settle_group(&run, &mut group).await;
                self.inner.memory.room_for_child().await;
            }
            if run.is_express {
                self.begin_express_child(child, input, cancelled, &mut group).await;
            } else {
                self.take_first_turn(child, input, cancelled, &mut group).await;
            }
            if group.steps >= TOGETHER_STEPS {
                self.settle_group(&run, &mut group).await;
            }
            if index % OTHERS == OTHERS - 1 {
                tokio::task::yield_now().await;
            }
        }
        self.confirm_all(&mut group).await;
        drop(turn);
        self.settle_group(&run, &mut group).await;
    }

    /// Waits until the first turns of children are durable. Those that go on do so by themselves, and the
    /// ends of the others are reported.
    async fn settle_group(&self, run: &Run, group: &mut Group) {
        self.confirm_all(group).await;
        for (child, stands, cancelled) in group.others.drain(..) {
            self.go_on(child, stands, cancelled);
        }
        // From here on it is counted there.
        group.share.set(0);
        self.report_children(run, &mut group.ended).await;
        group.steps = 0;
    }

    /// Takes the first turn of a child, and has it stored.
    async fn take_first_turn(
        &self,
        child: Child,
        input: Json,
        cancelled: watch::Receiver<bool>,
        group: &mut Group,
    ) {
        let beginning = child.beginning(input.clone());
        let facts = Arc::new(child.facts(self, &beginning.identity.execution_arn));
        let id = facts.id;
        let taken = self.first_turn(facts, beginning).await;
        let begun = taken.and_then(|(live, taken)| {
            let (result, steps) = (live.execution.status().outcome(), taken.steps);
            // It may have ended by the time that it is stored.
            let news = result.is_none().then(|| self.inner.recent.watch(id));
            Ok((result, steps, news, self.store_first(live, taken)?))
        });
        match begun {
            Ok((result, steps, news, first)) => {
                group.steps += steps;
                group.turned.push(Turned { child, input, cancelled, first, result, news });
            }
            Err(Begun::Panicked(reason)) => {
                group.end(&child, Err(Failure::new("States.Runtime", reason)));
            }
            Err(Begun::Closing) => {}
            Err(_) => {
                self.inner.recent.unwatch(id);
                group.others.push((child, Stands::Begins(input), cancelled));
            }
        }
    }

    /// Waits until the first turns of children are durable.
    async fn confirm_all(&self, group: &mut Group) {
        for Turned { child, input, cancelled, first, result, news } in
            std::mem::take(&mut group.turned)
        {
            let id = first.id();
            match (self.confirm_first(first).await, result, news) {
                (Ok(()), Some(result), _) => group.end(&child, result),
                (Ok(()), None, Some(news)) => {
                    group.others.push((child, Stands::Runs(id, news), cancelled));
                }
                // It exists already, or could not be stored.
                _ => {
                    self.inner.recent.unwatch(id);
                    group.others.push((child, Stands::Begins(input), cancelled));
                }
            }
        }
    }

    /// Begins a child that is in memory only.
    async fn begin_express_child(
        &self,
        child: Child,
        input: Json,
        cancelled: watch::Receiver<bool>,
        group: &mut Group,
    ) {
        let beginning = child.beginning(input);
        let facts = Arc::new(child.facts(self, &beginning.identity.execution_arn));
        let id = facts.id;
        match self.begin_in_memory(facts, beginning).await {
            Ok(mut news) => match news.try_recv() {
                Ok((snapshot, _)) => group.end(&child, snapshot.result()),
                Err(TryRecvError::Empty) => {
                    group.others.push((child, Stands::Runs(id, news), cancelled));
                }
                // It was dropped before its end, because the engine closes.
                Err(TryRecvError::Closed) => {}
            },
            Err(Begun::Panicked(reason)) => {
                group.end(&child, Err(Failure::new("States.Runtime", reason)));
            }
            Err(_) => {}
        }
    }

    /// Sees a child to its end, beside the others.
    fn go_on(&self, child: Child, stands: Stands, cancelled: watch::Receiver<bool>) {
        let engine = self.clone();
        let errand = self.inner.underway.begin();
        tokio::spawn(async move { engine.run_to_end(child, stands, cancelled, errand).await });
    }

    /// Runs a child to its end, and tells its parent what came of it. Says nothing once nobody waits for it
    /// any more.
    async fn run_to_end(
        &self,
        child: Child,
        stands: Stands,
        cancelled: watch::Receiver<bool>,
        errand: Errand,
    ) {
        let id = match &stands {
            Stands::Runs(id, _) => Some(*id),
            Stands::Begins(_) | Stands::Began => None,
        };
        let ends = Box::pin(self.child_result(&child, stands, &errand));
        tokio::select! {
            result = ends => if let Some(result) = result {
                self.report_children(&child.run, &mut vec![(child.index, result)]).await;
            },
            () = called_off(cancelled) => match id.filter(|_| child.run.is_express) {
                Some(id) => {
                    let failure = Failure::default();
                    self.deliver(id, Message::new(Stimulus::Stop { failure }));
                }
                None => self.stop_child(&child.arn()).await,
            }
        }
    }

    /// What a child begins with, looked up until the store answers.
    async fn lasting_input(&self, run: &Run, input: ChildInput) -> Json {
        let (parent, after, at) = match input {
            ChildInput::Given(input) => return input,
            ChildInput::Recorded { after, at } => (run.parent_facts.id, after, at),
        };
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

    /// Reports the ends of children to their parent. Until the parent has heard of them, the results take
    /// memory, and others wait for that.
    async fn report_children(&self, run: &Run, ended: &mut Vec<(u32, Outcome)>) {
        let mut share = self.inner.memory.share();
        let of = |(_, result): &(u32, Outcome)| result.as_ref().map_or(0, memory);
        while !ended.is_empty() {
            share.set(ended.iter().map(of).sum());
            let mut bytes = 0;
            let takes = |(_, result): &(u32, Outcome)| {
                bytes += result.as_ref().map_or(0, memory);
                bytes > TOGETHER_BYTES
            };
            let most = ended.iter().position(takes).unwrap_or(ended.len()).max(1);
            let what = What::ChildrenEnded { run: run.task, ended: ended.drain(..most).collect() };
            let parent = run.parent_facts.id;
            while let Err(Refused::Store { .. }) = self.ask_with(parent, what.clone()).await {
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    /// What comes of a child; `None` if it is dropped before its end, because the engine closes. It is begun
    /// unless it has begun already.
    async fn child_result(
        &self,
        child: &Child,
        stands: Stands,
        errand: &Errand,
    ) -> Option<Outcome> {
        let news = match stands {
            Stands::Runs(_, news) => Some(news),
            Stands::Began => None,
            Stands::Begins(input) => {
                let beginning = child.beginning(input);
                match self.begin_child(child, beginning).await {
                    Ok(news) => news,
                    Err(Begun::Panicked(reason)) => {
                        return Some(Err(Failure::new("States.Runtime", reason)));
                    }
                    Err(_) => return std::future::pending().await,
                }
            }
        };
        errand.rest();
        let news = match news {
            Some(news) => news.await.ok(),
            None => None,
        };
        let news = match news {
            None if child.run.is_express => return None,
            None => self.news_of(&child.arn()).await,
            news => news,
        };
        errand.resume();
        Some(match news {
            Some((snapshot, _)) => snapshot.result(),
            None => Err(Failure::new("States.Runtime", "The child execution is gone.")),
        })
    }

    /// Begins a stored child; with `None`, it has begun before.
    async fn begin_child(
        &self,
        child: &Child,
        beginning: Beginning,
    ) -> Result<Option<oneshot::Receiver<News>>, Begun> {
        let arn = child.arn();
        loop {
            let turn = self.inner.memory.turn_to_begin(1).await;
            let facts = Arc::new(child.facts(self, &arn));
            let id = facts.id;
            self.inner.memory.room_for_child().await;
            // It may have ended by the time that it has begun.
            let news = self.inner.recent.watch(id);
            let begun = self.begin(facts, beginning.clone()).await;
            drop(turn);
            let why = match begun {
                Ok(()) => return Ok(Some(news)),
                Err(why) => why,
            };
            self.inner.recent.unwatch(id);
            match why {
                Begun::Exists => {
                    self.redrive_child(child, &arn).await;
                    return Ok(None);
                }
                Begun::Store(error) => {
                    tracing::warn!(%arn, %error, "a child execution could not be begun");
                    tokio::time::sleep(PAUSE).await;
                }
                Begun::Moved => tokio::time::sleep(PAUSE).await,
                why => return Err(why),
            }
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
    /// The map run's ARN.
    arn: Str,
    /// The state that they begin in.
    first: StateId,
    is_express: bool,
    redriven_at: Option<Moment>,
    /// The ends that the node of the parent is told of next; `None` while nobody tells it.
    untold: Mutex<Option<Vec<(u32, Outcome, Share)>>>,
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
            arn: map_run,
            first,
            is_express: has_express_children(live, task),
            redriven_at,
            untold: Mutex::default(),
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

/// Where a child stands that has not ended.
enum Stands {
    /// It is to be begun with this input, unless it has begun before.
    Begins(Json),
    /// It runs, under this number.
    Runs(ExecutionId, oneshot::Receiver<News>),
    /// It has begun, wherever it runs.
    Began,
}

impl Child {
    fn arn(&self) -> Str {
        child_name(&self.run.arn, self.index).0
    }

    fn beginning(&self, input: Json) -> Beginning {
        let Run { start, task, arn, first, .. } = &*self.run;
        Beginning::child(start, *task, self.index, arn, input, *first)
    }

    fn facts(&self, engine: &Engine, arn: &str) -> Facts {
        let Run { parent_facts: parent, is_express, task, arn: map_run, .. } = &*self.run;
        let id: ExecutionId =
            if *is_express { engine.new_in_memory_id() } else { engine.new_stored_id() };
        let own = Parent { execution: parent.id, task: *task, index: Some(self.index) };
        let more = More {
            revision: parent.revision.id.clone(),
            test_case: parent.test_case.clone(),
            trace_header: parent.trace_header.clone(),
            parent: Some(own),
            principal: parent.principal.clone(),
            fork: None,
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
            fork: None,
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

fn memory(value: &Json) -> usize {
    value.measure().map_or(0, |measure| measure.memory)
}

async fn called_off(mut cancelled: watch::Receiver<bool>) {
    if cancelled.wait_for(|cancelled| *cancelled).await.is_err() {
        // Nobody is left who could cancel it.
        std::future::pending::<()>().await;
    }
}
