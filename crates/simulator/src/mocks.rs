//! The mocks file: what tasks answer, state by state.

mod condition;
mod read;
mod whole;

use crate::objects::MemoryObjects;
use crate::simulation::{Answer, Call, Tasks};
use condition::Condition;
use rustc_hash::FxHashMap;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use stepwright_interpreter::WholeResult;
use stepwright_json::Str;
use stepwright_json::tree::Node;
use stepwright_program::{Kind, Program, StateId};
use stepwright_source::{Span, did_you_mean};

/// Answers to tasks, as a mocks file gives them: by the name of the state.
#[derive(Clone, Debug, Default)]
pub struct Mocks {
    by_state: BTreeMap<Str, Mock>,
    default: Option<Mock>,
    /// The object store of `objects:`.
    pub objects: MemoryObjects,
    used: FxHashMap<Str, u32>,
    unmocked: Vec<Str>,
}

/// What the calls of one state are answered.
#[derive(Clone, Debug)]
struct Mock {
    /// Where the state is named.
    span: Span,
    /// The first whose condition holds answers.
    cases: Vec<Case>,
}

/// Answers, and when they are given.
#[derive(Clone, Debug)]
struct Case {
    condition: Option<Condition>,
    by: By,
    /// At least one, and where each stands.
    answers: Vec<(Reply, Span)>,
    /// How many calls it has answered.
    calls: usize,
}

/// What counts through a list of answers. The last answer is given again and again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum By {
    /// The calls that it answers, over the whole execution.
    #[default]
    Call,
    /// The attempts within one entry of the state: retries.
    Attempt,
    /// How often the state was entered before, in one iteration or at the top level.
    Entry,
    /// The index of the Map's item around the state: of the nearest Map.
    Item,
}

/// What a mocks file says to a call.
#[derive(Clone, Debug)]
pub enum Reply {
    /// This answer.
    Answer(Answer),
    /// The call goes through to a real function.
    Function {
        /// Which one; None for the one that the task calls.
        name: Option<Str>,
        /// How long it takes, in milliseconds of virtual time.
        after_millis: i64,
    },
}

/// A mocks file says something that cannot be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MocksError {
    /// What.
    pub message: String,
    /// Where.
    pub span: Span,
    /// What to do about it.
    pub help: Option<String>,
}

impl std::fmt::Display for MocksError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for MocksError {}

impl Mocks {
    /// Reads the tree of a mocks file.
    pub fn parse(root: &Node) -> Result<Self, MocksError> {
        let (mocks, mut errors) = read::mocks(root);
        if errors.is_empty() { Ok(mocks) } else { Err(errors.remove(0)) }
    }

    /// Reads the tree of a mocks file, and says of each state what is wrong with its mock. The
    /// mocks that can be read are there all the same.
    pub fn parse_all(root: &Node) -> (Self, Vec<MocksError>) {
        read::mocks(root)
    }

    /// These mocks, and those of `others` for the states that these leave alone.
    #[must_use]
    pub fn over(mut self, others: &Self) -> Self {
        for (state, mock) in &others.by_state {
            self.by_state.entry(state.clone()).or_insert_with(|| mock.clone());
        }
        self.default = self.default.or_else(|| others.default.clone());
        for (place, bytes) in &others.objects.objects {
            self.objects.objects.entry(place.clone()).or_insert_with(|| bytes.clone());
        }
        self
    }

    /// What is wrong with the mocks for a program: states that it does not have, states that call
    /// nothing, and what a Map or Parallel state cannot come to.
    pub fn check(&self, program: &Program) -> Vec<MocksError> {
        let mut found = Vec::new();
        for (name, mock) in &self.by_state {
            let mut wrong = |message: String, help: String| {
                found.push(MocksError { message, span: mock.span, help: Some(help) });
            };
            let states = program.states.iter().filter(|state| is_mocked(&state.kind));
            let states: Vec<&str> = states.map(|state| state.name.as_str()).collect();
            match program.state_named(name).map(|id| program.state(id)) {
                Some(state) if is_mocked(&state.kind) => {
                    if let Some(shape) = WholeResult::of(&state.kind) {
                        whole::check(mock, state.kind.name(), shape, &mut found);
                    }
                }
                Some(state) => wrong(
                    format!("`{name}` is a {} state, which calls nothing", state.kind.name()),
                    format!("only Task, Map and Parallel states are mocked: {}", list(&states)),
                ),
                None => wrong(
                    format!("the definition has no state `{name}`"),
                    match did_you_mean(name, states.iter().copied()) {
                        Some(near) => format!("did you mean `{near}`?"),
                        None => format!("the states that can be mocked are {}", list(&states)),
                    },
                ),
            }
        }
        found.sort_by_key(|error| error.span.start);
        found
    }

    /// The program as these mocks run it: Map and Parallel states that they name are answered as a
    /// whole, and nothing within them runs.
    pub fn applied_to(&self, program: &Arc<Program>) -> Arc<Program> {
        let states = program.states.iter().enumerate();
        let whole: BTreeSet<StateId> = states
            .filter(|(_, state)| WholeResult::of(&state.kind).is_some())
            .filter(|(_, state)| self.by_state.contains_key(&state.name))
            .map(|(at, _)| StateId(at as u32))
            .collect();
        if whole == program.whole {
            return Arc::clone(program);
        }
        Arc::new(Program { whole, ..Program::clone(program) })
    }

    /// The states that are mocked, in order of their names.
    pub fn states(&self) -> impl Iterator<Item = &str> {
        self.by_state.keys().map(Str::as_str)
    }

    /// The mocks that no task asked for.
    pub fn unused(&self) -> Vec<&str> {
        self.states().filter(|state| !self.used.contains_key(*state)).collect()
    }

    /// The conditions of cases that answered no call, with the state that they are for: of mocks that
    /// answer by conditions.
    pub fn never_matched(&self) -> Vec<(Str, String)> {
        let mut never = Vec::new();
        for (state, mock) in &self.by_state {
            for case in mock.cases.iter().filter(|case| case.calls == 0) {
                if let Some(condition) = &case.condition {
                    never.push((state.clone(), condition.to_string()));
                }
            }
        }
        never
    }

    /// The states whose tasks had no mock, in the order they asked.
    pub fn unmocked(&self) -> &[Str] {
        &self.unmocked
    }

    /// Whether there is an answer for a state, if perhaps on a condition.
    pub fn has(&self, state: &str) -> bool {
        self.by_state.contains_key(state) || self.default.is_some()
    }

    /// Where a state's mock stands.
    pub fn span(&self, state: &str) -> Option<Span> {
        self.by_state.get(state).map(|mock| mock.span)
    }

    /// What a call is answered. `None` where no mock is meant for it; the state then counts as
    /// unmocked. A condition that cannot be evaluated does not hold.
    pub fn reply(&mut self, call: &Call<'_>) -> Option<Reply> {
        let state = &call.call.state;
        let mock = match self.by_state.get_mut(state) {
            Some(mock) => Some(mock),
            None => self.default.as_mut(),
        };
        let case = mock.and_then(|mock| {
            mock.cases
                .iter_mut()
                .find(|case| case.condition.as_ref().is_none_or(|condition| condition.holds(call)))
        });
        let Some(case) = case else {
            self.unmocked.push(state.clone());
            return None;
        };
        *self.used.entry(state.clone()).or_insert(0) += 1;
        let number = match case.by {
            By::Call => case.calls,
            By::Attempt => call.attempt as usize,
            By::Entry => call.entry as usize,
            By::Item => call.map_path.last().map_or(0, |(_, index)| *index as usize),
        };
        case.calls += 1;
        Some(case.answers[number.min(case.answers.len() - 1)].0.clone())
    }

    /// The failure of a task that no mock answers. Nothing can catch it: a missing mock is no
    /// failure of the task.
    pub fn missing(&self, call: &Call<'_>) -> Answer {
        let call = call.call;
        let why = if self.has(&call.state) { "No case of the mock of" } else { "No mock answers" };
        let cause = format!("{why} the state '{}', which calls {}.", call.state, call.resource);
        let cause = match why {
            "No mock answers" => cause,
            _ => format!("{} fits its input {}.", cause.trim_end_matches('.'), call.parameters),
        };
        Answer::fails("States.Runtime", cause)
    }
}

impl Tasks for Mocks {
    fn answer(&mut self, call: &Call<'_>) -> Answer {
        match self.reply(call) {
            Some(Reply::Answer(answer)) => answer,
            Some(Reply::Function { .. }) => Answer::fails(
                "States.Runtime",
                format!(
                    "The mock of the state '{}' passes the call on to a function, and there are \
                     none here.",
                    call.call.state
                ),
            ),
            None => self.missing(call),
        }
    }
}

/// Whether states of a kind are mocked.
fn is_mocked(kind: &Kind) -> bool {
    matches!(kind, Kind::Task(_)) || WholeResult::of(kind).is_some()
}

/// Names in a sentence, the first of them where there are many.
fn list(names: &[&str]) -> String {
    const MOST: usize = 8;
    let shown: Vec<String> = names.iter().take(MOST).map(|name| format!("`{name}`")).collect();
    match (shown.is_empty(), names.len().checked_sub(MOST)) {
        (true, _) => "none".to_owned(),
        (false, Some(more)) if more > 0 => format!("{} and {more} more", shown.join(", ")),
        (false, _) => shown.join(", "),
    }
}
