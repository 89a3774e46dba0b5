//! A history, read once: its lines, what became of each state, what it waits for and why it failed.
//!
//! A story is kept for some time, and reads on where it ended when the execution has gone on.

use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use stepwright_engine::{Engine, Revision};
use stepwright_history::aws::Calls;
use stepwright_history::{Event, EventKind, FrameId, Moment, StateType};
use stepwright_interpreter::Execution;
use stepwright_json::{Json, Str};
use stepwright_search::Redaction;
use stepwright_store::{ExecutionId, ExecutionRow};
use stepwright_timeline::{ItemPath, Line, Timeline, Weight};

/// The stories that were read last.
#[derive(Default)]
pub(crate) struct Stories(Mutex<VecDeque<(ExecutionId, Shared)>>);

type Shared = Arc<tokio::sync::Mutex<Story>>;

impl fmt::Debug for Stories {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stories").finish_non_exhaustive()
    }
}

/// How many stories are kept.
const MOST: usize = 12;

/// The bytes of memory that all stories together take that are kept, about. One that takes more is
/// read again for each look.
const MOST_BYTES: usize = 64 << 20;

impl Stories {
    /// The story of an execution as it is now.
    pub(crate) async fn of(
        &self,
        engine: &Engine,
        row: &ExecutionRow,
        revision: &Arc<Revision>,
        redaction: &Redaction,
    ) -> tokio::sync::OwnedMutexGuard<Story> {
        let shared = self.shared(row.id, revision);
        let mut story = shared.lock_owned().await;
        if story.read > row.len {
            // It was deleted and its number is in use again, which stores do not do.
            *story = Story::new(revision);
        }
        if story.read < row.len && story.broken.is_none() {
            let after = story.read;
            let is_broken = &mut false;
            let read = engine
                .events_after(row.id, after, |event| {
                    let event = redaction.event(event);
                    let taken = catch_unwind(AssertUnwindSafe(|| story.take(&event)));
                    *is_broken |= taken.is_err();
                    !*is_broken
                })
                .await;
            match read {
                Ok(read) => story.read = read,
                Err(error) => story.broken = Some(error.to_string()),
            }
            if *is_broken {
                story.broken = Some("an event cannot follow the ones before it".to_owned());
            }
        }
        self.trim(row.id, story.weight());
        story
    }

    fn shared(&self, id: ExecutionId, revision: &Arc<Revision>) -> Shared {
        let mut kept = self.0.lock();
        let known = kept.iter().position(|(known, _)| *known == id).and_then(|at| kept.remove(at));
        let (_, shared) =
            known.unwrap_or_else(|| (id, Arc::new(tokio::sync::Mutex::new(Story::new(revision)))));
        kept.push_front((id, shared.clone()));
        kept.truncate(MOST);
        shared
    }

    /// Forgets stories, if they take too much together, beginning with those that were looked at least
    /// lately.
    fn trim(&self, id: ExecutionId, weight: usize) {
        let mut kept = self.0.lock();
        let mut all = 0;
        kept.retain(|(known, story)| {
            // One that somebody looks at right now counts when it is looked at next.
            let other = || story.try_lock().map_or(0, |story| story.weight());
            all += if *known == id { weight } else { other() };
            all <= MOST_BYTES
        });
    }
}

/// A history that has been read.
pub(crate) struct Story {
    /// How many events were read, by the store's count.
    read: u64,
    /// How many events were taken in.
    taken: u64,
    /// Why the history cannot be read on from here, if it cannot.
    pub(crate) broken: Option<String>,
    pub(crate) timeline: Timeline,
    calls: Calls,
    pub(crate) rows: Vec<Row>,
    /// What became of each state, by its position.
    pub(crate) states: BTreeMap<u32, Fate>,
    frames: FxHashMap<FrameId, In>,
    /// What frames were in that failed or were given up: a redrive goes on there.
    given_up: BTreeMap<FrameId, In>,
    /// The executions that tasks have started.
    pub(crate) nested: Vec<Nested>,
    pub(crate) runs: Vec<Run>,
    /// The first visits of states.
    pub(crate) visits: Vec<Visited>,
    /// How many visits there were.
    pub(crate) visit_count: usize,
}

/// A line of the history.
pub(crate) struct Row {
    /// How many events come before it.
    pub(crate) place: u64,
    /// AWS's id; 0 if AWS does not show it.
    pub(crate) id: u64,
    pub(crate) at: i64,
    pub(crate) name: Box<str>,
    /// The state's position.
    pub(crate) state: Option<u32>,
    pub(crate) depth: u8,
    pub(crate) item: Box<str>,
    pub(crate) text: Box<str>,
    pub(crate) tone: Tone,
}

/// What a line is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    /// Nothing in particular.
    Plain,
    /// What few want to see.
    Minor,
    /// A failure.
    Bad,
    /// A success of the whole.
    Good,
}

/// What became of a state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fate {
    pub(crate) running: u64,
    pub(crate) retrying: u64,
    pub(crate) succeeded: u64,
    pub(crate) caught: u64,
    pub(crate) failed: u64,
    pub(crate) aborted: u64,
    /// How often it was tried again.
    pub(crate) retries: u64,
}

/// The state that a frame is in.
#[derive(Clone, Copy, Debug)]
struct In {
    state: u32,
    visit: Option<usize>,
    is_failing: bool,
    is_retrying: bool,
    /// Whether a redrive goes on with it, and nothing has been done there yet.
    is_revived: bool,
}

/// An execution that a task has started.
#[derive(Clone, Debug)]
pub(crate) struct Nested {
    pub(crate) arn: String,
    pub(crate) state: String,
}

/// A map run.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) arn: String,
    pub(crate) state: String,
    frame: FrameId,
    /// How many children there are, once that is known.
    pub(crate) all: Option<u64>,
    pub(crate) started: u64,
    pub(crate) succeeded: u64,
    pub(crate) failed: u64,
    pub(crate) status: &'static str,
}

/// A visit of a state.
#[derive(Clone, Debug)]
pub(crate) struct Visited {
    pub(crate) state: u32,
    pub(crate) name: Str,
    pub(crate) item: String,
    pub(crate) depth: u8,
    pub(crate) from: i64,
    pub(crate) until: Option<i64>,
    pub(crate) outcome: &'static str,
    /// When each attempt began.
    pub(crate) attempts: Vec<i64>,
}

/// How many visits are kept.
const MOST_VISITS: usize = 300;

impl Story {
    fn new(revision: &Arc<Revision>) -> Self {
        Self {
            read: 0,
            taken: 0,
            broken: None,
            timeline: Timeline::of(revision.program.clone()),
            calls: Calls::default(),
            rows: Vec::new(),
            states: BTreeMap::new(),
            frames: FxHashMap::default(),
            given_up: BTreeMap::new(),
            nested: Vec::new(),
            runs: Vec::new(),
            visits: Vec::new(),
            visit_count: 0,
        }
    }

    /// The bytes of memory that it takes, about.
    fn weight(&self) -> usize {
        let held = self.timeline.execution().map_or(0, Execution::memory);
        let rows: usize = self.rows.iter().map(|row| 96 + row.text.len() + row.name.len()).sum();
        held + rows
    }

    fn take(&mut self, event: &Event) {
        self.calls.note(event);
        let line = self.timeline.line(event);
        let name = self.calls.name(event);
        self.calls.close(event);
        if let EventKind::StateEntered { state, name, kind, .. } = &event.kind {
            self.enter(event, *state, name, *kind, line.as_ref());
        }
        let state = self.frames.get(&event.frame).map(|frame| frame.state);
        let (text, tone) = match &line {
            Some(line) => (words(line), tone(event, line)),
            None => (String::new(), Tone::Minor),
        };
        let depth = line.as_ref().map_or(0, |line| line.depth.min(255) as u8);
        let item = line.as_ref().map(|line| line.item.to_string()).unwrap_or_default();
        let is_worth_a_row = event.id > 0 || tone != Tone::Minor;
        if is_worth_a_row {
            let verb = line.as_ref().map_or("", Line::word);
            let name = if name.is_empty() { Box::from(verb) } else { Box::from(&*name) };
            let state = state.filter(|_| !event.kind.ends_execution());
            let item = item.into_boxed_str();
            let (text, at) = (text.into_boxed_str(), event.at.0);
            let place = self.taken;
            self.rows.push(Row { place, id: event.id, at, name, state, depth, item, text, tone });
        }
        self.note(event);
        self.taken += 1;
    }

    fn enter(
        &mut self,
        event: &Event,
        state: u32,
        name: &Str,
        kind: StateType,
        line: Option<&Line>,
    ) {
        // A scope that failed leaves its state without an event.
        self.leave(event.frame, event.at, "aborted");
        self.fate(state).running += 1;
        self.visit_count += 1;
        let visit = (self.visits.len() < MOST_VISITS).then(|| {
            let item = line.map_or_else(ItemPath::default, |line| line.item.clone()).to_string();
            self.visits.push(Visited {
                state,
                name: name.clone(),
                item,
                depth: line.map_or(0, |line| line.depth.min(255) as u8),
                from: event.at.0,
                until: None,
                outcome: "running",
                attempts: Vec::new(),
            });
            self.visits.len() - 1
        });
        let is_failing = kind == StateType::Fail;
        self.given_up.remove(&event.frame);
        let entered = In { state, visit, is_failing, is_retrying: false, is_revived: false };
        self.frames.insert(event.frame, entered);
    }

    fn fate(&mut self, state: u32) -> &mut Fate {
        self.states.entry(state).or_default()
    }

    /// A frame leaves the state that it is in, if it is in one.
    fn leave(&mut self, frame: FrameId, at: Moment, otherwise: &'static str) {
        let Some(left) = self.frames.remove(&frame) else { return };
        let outcome = match (left.is_failing, otherwise) {
            (true, "succeeded") => "caught",
            (true, _) => "failed",
            (false, otherwise) => otherwise,
        };
        if matches!(outcome, "failed" | "aborted") {
            self.given_up.insert(frame, left);
        }
        let fate = self.states.entry(left.state).or_default();
        fate.running = fate.running.saturating_sub(1);
        if left.is_revived && outcome == "aborted" {
            // It is entered again.
            return;
        }
        if left.is_retrying {
            fate.retrying = fate.retrying.saturating_sub(1);
        }
        match outcome {
            "succeeded" => fate.succeeded += 1,
            "caught" => fate.caught += 1,
            "failed" => fate.failed += 1,
            _ => fate.aborted += 1,
        }
        if let Some(visit) = left.visit.and_then(|at| self.visits.get_mut(at)) {
            (visit.until, visit.outcome) = (Some(at.0), outcome);
        }
    }

    fn failing(&mut self, frame: FrameId) {
        if let Some(frame) = self.frames.get_mut(&frame) {
            frame.is_failing = true;
        }
    }

    fn retrying(&mut self, frame: FrameId, is_retrying: bool) {
        let Some(frame) = self.frames.get_mut(&frame) else { return };
        if frame.is_retrying == is_retrying {
            return;
        }
        frame.is_retrying = is_retrying;
        let state = frame.state;
        let fate = self.fate(state);
        if is_retrying {
            fate.retrying += 1;
            fate.retries += 1;
        } else {
            fate.retrying = fate.retrying.saturating_sub(1);
        }
    }

    /// A redrive goes on with what failed or was given up, as far as it still stands.
    fn revive(&mut self) {
        for fate in self.states.values_mut() {
            (fate.failed, fate.aborted) = (0, 0);
        }
        let Some(execution) = self.timeline.execution() else { return };
        let stands = |frame: FrameId, left: &In| {
            execution.state_in(frame).is_some_and(|state| state.0 == left.state)
        };
        let revived: Vec<(FrameId, In)> = std::mem::take(&mut self.given_up)
            .into_iter()
            .filter(|(frame, left)| stands(*frame, left))
            .collect();
        for (frame, left) in revived {
            self.fate(left.state).running += 1;
            if let Some(visit) = left.visit.and_then(|at| self.visits.get_mut(at)) {
                (visit.until, visit.outcome) = (None, "running");
            }
            let revived = In { is_failing: false, is_retrying: false, is_revived: true, ..left };
            self.frames.insert(frame, revived);
        }
    }

    fn run(&mut self, frame: FrameId) -> Option<&mut Run> {
        self.runs.iter_mut().rev().find(|run| run.frame == frame)
    }

    /// What the event changes, besides entering a state.
    fn note(&mut self, event: &Event) {
        use EventKind as E;
        let frame = event.frame;
        match &event.kind {
            E::StateExited { .. } => self.leave(frame, event.at, "succeeded"),
            E::StateAborted { .. } => self.leave(frame, event.at, "aborted"),
            E::TaskScheduled { .. } => {
                self.retrying(frame, false);
                if let Some(frame) = self.frames.get_mut(&frame) {
                    (frame.is_failing, frame.is_revived) = (false, false);
                    if let Some(visit) = frame.visit.and_then(|at| self.visits.get_mut(at)) {
                        visit.attempts.push(event.at.0);
                    }
                }
            }
            E::TaskFailed { .. }
            | E::TaskTimedOut { .. }
            | E::EvaluationFailed { .. }
            | E::ParallelFailed
            | E::MapFailed => self.failing(frame),
            E::MapRunFailed { .. } => {
                self.failing(frame);
                if let Some(run) = self.run(frame) {
                    run.status = "FAILED";
                }
            }
            E::RetryScheduled { .. } => self.retrying(frame, true),
            E::TimerFired { .. } => {
                self.retrying(frame, false);
                if let Some(frame) = self.frames.get_mut(&frame) {
                    frame.is_failing = false;
                }
            }
            E::TaskSubmitted { output, .. } | E::TaskSucceeded { output, .. } => {
                self.nest(frame, output);
            }
            E::MapRunStarted { arn, .. } => {
                let state = self.frames.get(&frame).and_then(|frame| frame.visit);
                let state = state.and_then(|at| self.visits.get(at));
                let state = state.map(|visit| visit.name.to_string()).unwrap_or_default();
                self.runs.push(Run {
                    arn: arn.to_string(),
                    state,
                    frame,
                    all: None,
                    started: 0,
                    succeeded: 0,
                    failed: 0,
                    status: "RUNNING",
                });
            }
            E::MapRunItems { inputs } => {
                let all = inputs.len() as u64;
                if let Some(run) = self.run(frame) {
                    run.all = Some(all);
                }
            }
            E::ChildStarted { .. } => {
                if let Some(run) = self.run(frame) {
                    run.started += 1;
                }
            }
            E::ChildFinished { result, .. } => {
                let is_ok = result.is_ok();
                if let Some(run) = self.run(frame) {
                    *(if is_ok { &mut run.succeeded } else { &mut run.failed }) += 1;
                }
            }
            E::ExecutionRedriven { .. } => self.revive(),
            E::MapRunRedriven { .. } => {
                if let Some(run) = self.run(frame) {
                    (run.status, run.failed, run.started) = ("RUNNING", 0, run.succeeded);
                }
            }
            E::MapRunSucceeded => {
                if let Some(run) = self.run(frame) {
                    run.status = "SUCCEEDED";
                }
            }
            kind if kind.ends_execution() => {
                let is_stopped = matches!(kind, E::ExecutionAborted { .. });
                let mut frames: Vec<FrameId> = self.frames.keys().copied().collect();
                frames.sort_unstable();
                // Whatever evaluated itself to a failure has no event of its own but this one.
                let last = frames.last().copied();
                let is_known = self.frames.values().any(|frame| frame.is_failing);
                for frame in frames {
                    let is_last = Some(frame) == last && !is_known && !is_stopped;
                    if is_last && matches!(kind, E::ExecutionFailed { .. }) {
                        self.failing(frame);
                    }
                    self.leave(frame, event.at, "aborted");
                }
                for run in self.runs.iter_mut().filter(|run| run.status == "RUNNING") {
                    run.status = "ABORTED";
                }
            }
            _ => {}
        }
    }

    /// Notes the execution that a task has started, if it has.
    fn nest(&mut self, frame: FrameId, output: &Json) {
        let arn = ["ExecutionArn", "executionArn"].iter().find_map(|key| output.get(key)?.as_str());
        let Some(arn) = arn.filter(|arn| arn.contains(":states:") && arn.contains(":execution:"))
        else {
            return;
        };
        if self.nested.len() < MOST_NESTED
            && !self.nested.iter().rev().take(8).any(|n| n.arn == arn)
        {
            let visit = self.frames.get(&frame).and_then(|frame| frame.visit);
            let state = visit.and_then(|at| self.visits.get(at));
            let state = state.map(|visit| visit.name.to_string()).unwrap_or_default();
            self.nested.push(Nested { arn: arn.to_owned(), state });
        }
    }
}

/// How many executions that tasks have started are kept.
const MOST_NESTED: usize = 1_000;

/// How many characters of a line are kept.
const MOST_TEXT: usize = 160;

/// A line in words, without its state.
fn words(line: &Line) -> String {
    let mut parts: Vec<String> = Vec::new();
    if !line.detail.is_empty() {
        parts.push(line.detail.clone());
    }
    if let Some(failure) = line.failure_text() {
        parts.push(crate::text::short(&failure, MOST_TEXT));
    }
    if !line.why.is_empty() {
        parts.push(line.why.clone());
    }
    if let Some(assigned) = &line.assigned {
        let names: Vec<&str> = assigned.keys().map(Str::as_str).take(6).collect();
        parts.push(format!("sets ${}", names.join(", $")));
    }
    crate::text::short(&parts.join(" "), MOST_TEXT)
}

fn tone(event: &Event, line: &Line) -> Tone {
    match &event.kind {
        EventKind::ExecutionSucceeded { .. } => Tone::Good,
        EventKind::TaskTimedOut { .. }
        | EventKind::ParallelFailed
        | EventKind::MapFailed
        | EventKind::MapIterationFailed { .. } => Tone::Bad,
        _ if line.failure.is_some() => Tone::Bad,
        _ if line.weight == Weight::Minor => Tone::Minor,
        _ => Tone::Plain,
    }
}

impl Fate {
    /// The class by which the style sheet shows it.
    pub(crate) fn class(self) -> &'static str {
        match self {
            _ if self.retrying > 0 => "retrying",
            _ if self.running > 0 => "running",
            _ if self.failed > 0 => "failed",
            _ if self.caught > 0 => "caught",
            _ if self.aborted > 0 => "aborted",
            _ => "succeeded",
        }
    }

    /// The counts, in words.
    pub(crate) fn words(self) -> String {
        let counts = [
            (self.running, "running"),
            (self.succeeded, "succeeded"),
            (self.caught, "caught"),
            (self.failed, "failed"),
            (self.aborted, "aborted"),
            (self.retries, "tried again"),
        ];
        let counts = counts.iter().filter(|(count, _)| *count > 0);
        counts.map(|(count, word)| format!("{count} {word}")).collect::<Vec<_>>().join(" · ")
    }

    /// The number beside the state: how often it was entered, if more than once.
    pub(crate) fn count(self) -> u64 {
        self.running + self.succeeded + self.caught + self.failed + self.aborted
    }
}
