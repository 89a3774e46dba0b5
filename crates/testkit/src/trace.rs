//! What a history shows: the path, what tasks got, what was passed on.

use crate::coverage::Hits;
use std::collections::{BTreeMap, BTreeSet};
use stepwright_history::{Event, EventKind, Failure, FrameId, To};
use stepwright_interpreter::{Execution, Failed, catcher_of};
use stepwright_json::{Json, Object, Str};
use stepwright_program::{Catcher, Kind, Program, StateId, TextField};

/// A history, read.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    /// The states of the top level in the order they were entered.
    pub path: Vec<Visit>,
    /// What happened in each state, by its name.
    pub states: BTreeMap<Str, StateTrace>,
    /// The variables of the top level at the end.
    pub variables: Object,
    /// Which parts of the program were used.
    pub hits: Hits,
    /// The states with which a scope has ended.
    pub ends: BTreeSet<StateId>,
}

/// A state that was entered.
#[derive(Clone, Debug, PartialEq)]
pub struct Visit {
    /// Its name.
    pub name: Str,
    /// What was entered within: for each branch or item, by its index.
    pub within: BTreeMap<u32, Vec<Visit>>,
}

/// What happened in a state.
#[derive(Clone, Debug, Default)]
pub struct StateTrace {
    /// Its input each time it was entered.
    pub inputs: Vec<Json>,
    /// What its task was called with, each time.
    pub calls: Vec<Json>,
    /// Its output each time it was left.
    pub outputs: Vec<Json>,
}

/// A child execution of a distributed Map: the Map states around it with the index of the item,
/// and its history.
pub type ChildHistory = (Vec<(Str, u32)>, Vec<Event>);

impl Trace {
    /// Reads the history of an execution of `program`, and those of its child executions.
    pub fn read(program: &Program, events: &[Event], children: &[ChildHistory]) -> Self {
        let mut trace = Self { hits: Hits::new(program), ..Self::default() };
        Reader::new(program).read(events, &[], &mut trace);
        // Those outside come first, so that there is a place for those within.
        let mut ordered: Vec<&ChildHistory> = children.iter().collect();
        ordered.sort_by_key(|(around, _)| around.len());
        for (around, events) in ordered {
            Reader::new(program).read(events, around, &mut trace);
        }
        trace
    }
}

/// The list of visits in the scope at `place`.
fn scope_at<'v>(path: &'v mut Vec<Visit>, place: &[(Str, u32)]) -> &'v mut Vec<Visit> {
    let Some(((name, index), rest)) = place.split_first() else { return path };
    let at = match path.iter().rposition(|visit| visit.name == *name) {
        Some(at) => at,
        None => {
            path.push(Visit { name: name.clone(), within: BTreeMap::new() });
            path.len() - 1
        }
    };
    scope_at(path[at].within.entry(*index).or_default(), rest)
}

struct Reader<'p> {
    program: &'p Program,
    execution: Execution,
    /// The states that have just failed, by their frames.
    failed: BTreeMap<FrameId, bool>,
    /// The last failure, and what failed.
    failure: (Failure, Failed),
    /// The variables of the top level: they are gone when it has ended.
    variables: Object,
}

impl<'p> Reader<'p> {
    fn new(program: &'p Program) -> Self {
        Self {
            program,
            execution: Execution::default(),
            failed: BTreeMap::new(),
            failure: (Failure::default(), Failed::State),
            variables: Object::new(),
        }
    }

    fn read(mut self, events: &[Event], around: &[(Str, u32)], trace: &mut Trace) {
        for event in events {
            self.event(event, around, trace);
            if self.execution.apply(event).is_err() {
                // It is no history of ours that does not fold; what was read so far stands.
                break;
            }
        }
        if around.is_empty() {
            trace.variables = self.variables;
        }
    }

    fn event(&mut self, event: &Event, around: &[(Str, u32)], trace: &mut Trace) {
        use EventKind as E;
        let frame = event.frame;
        match &event.kind {
            E::StateEntered { state, name, input, .. } => {
                let mut place = around.to_vec();
                place.extend(self.execution.scopes_around(frame));
                let visit = Visit { name: name.clone(), within: BTreeMap::new() };
                scope_at(&mut trace.path, &place).push(visit);
                trace.states.entry(name.clone()).or_default().inputs.push(input.clone());
                trace.hits.state(StateId(*state));
                if matches!(self.program.state(StateId(*state)).kind, Kind::Fail(_)) {
                    trace.ends.insert(StateId(*state));
                }
                self.failed.remove(&frame);
                if let Kind::Fail(fail) = &self.program.state(StateId(*state)).kind {
                    let text = |field: &Option<TextField>| match field {
                        Some(TextField::Literal(text)) => Some(text.clone()),
                        _ => None,
                    };
                    self.failure = (
                        Failure { error: text(&fail.error), cause: text(&fail.cause) },
                        Failed::State,
                    );
                }
            }
            E::StateExited { name, output, assigned, to, .. } => {
                trace.states.entry(name.clone()).or_default().outputs.push(output.clone());
                if let (FrameId(0), Some(assigned)) = (frame, assigned) {
                    let set = assigned.iter().map(|(name, value)| (name.clone(), value.clone()));
                    set.for_each(|(name, value)| {
                        self.variables.insert(name, value);
                    });
                }
                if let Some(from) = self.execution.state_in(frame) {
                    self.left(event, from, *to, trace);
                }
            }
            E::TaskScheduled { call, .. } => {
                let state = trace.states.entry(call.state.clone()).or_default();
                state.calls.push(call.parameters.clone());
                self.failed.remove(&frame);
            }
            E::TaskSucceeded { .. } => {
                self.failed.remove(&frame);
            }
            E::TaskFailed { failure, .. } => {
                self.failed.insert(frame, true);
                self.failure = (failure.clone(), Failed::Task);
            }
            E::WholeAnswered { result: Err(failure), .. } => {
                self.failed.insert(frame, true);
                self.failure = (failure.clone(), Failed::State);
            }
            E::TaskTimedOut { failure, heartbeat, .. } => {
                self.failed.insert(frame, true);
                let what = if *heartbeat { Failed::Heartbeat } else { Failed::Task };
                self.failure = (failure.clone(), what);
            }
            E::EvaluationFailed { failure, .. } | E::MapRunFailed { failure } => {
                self.failed.insert(frame, true);
                self.failure = (failure.clone(), Failed::State);
            }
            E::ParallelFailed | E::MapFailed => {
                self.failed.insert(frame, true);
                self.failure.1 = Failed::State;
            }
            E::RetryScheduled { retrier, .. } => {
                if let Some(state) = self.execution.state_in(frame) {
                    trace.hits.retrier(state, *retrier as usize);
                }
                self.failed.remove(&frame);
            }
            _ => {}
        }
    }

    /// A state was left: by a rule, a catcher, or its `Next`.
    fn left(&self, event: &Event, from: StateId, to: To, trace: &mut Trace) {
        let To::Next(target) = to else {
            trace.ends.insert(from);
            return;
        };
        let target = StateId(target);
        let state = self.program.state(from);
        let (next, catchers): (_, &[Catcher]) = match &state.kind {
            Kind::Choice(choice) => {
                let ways = choice.rules.iter().map(|rule| Some(rule.next));
                let ways: Vec<_> = ways.chain([choice.default]).collect();
                let mut same = (0..ways.len()).filter(|way| ways[*way] == Some(target));
                let way = match (same.next(), same.next()) {
                    (Some(only), None) => only,
                    // Several rules lead there: the one that applies is looked for.
                    _ => self
                        .execution
                        .rule_that_applies(
                            event.frame,
                            (&state.io, choice),
                            event.at,
                            &self.program.limits,
                        )
                        .unwrap_or(choice.rules.len()),
                };
                trace.hits.rule(from, way);
                trace.hits.edge(from, target, false);
                return;
            }
            Kind::Task(task) => (Some(task.next), &task.catch),
            Kind::Parallel(parallel) => (Some(parallel.next), &parallel.catch),
            Kind::Map(map) => (Some(map.next), &map.catch),
            _ => (None, &[]),
        };
        let leads_there = next == Some(stepwright_program::Transition::Next(target));
        let has_failed = self.failed.contains_key(&event.frame);
        let mut same = catchers.iter().enumerate().filter(|(_, catcher)| catcher.next == target);
        let caught = match (same.next(), same.next()) {
            (None, _) => None,
            (Some(_), _) if leads_there && !has_failed => None,
            (Some((only, _)), None) => Some(only),
            (Some((first, _)), Some(_)) => {
                let (failure, what) = &self.failure;
                Some(catcher_of(catchers, failure, *what).unwrap_or(first))
            }
        };
        if let Some(index) = caught {
            trace.hits.catcher(from, index);
        }
        trace.hits.edge(from, target, caught.is_some());
    }
}
