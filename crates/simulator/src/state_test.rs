//! One state, run by itself: what `TestState` does.

use crate::{Answer, Call, Outcome, Simulation};
use std::collections::BTreeSet;
use stepwright_asl::Definition;
use stepwright_history::{Event, EventKind, Failure, Identity, Stage, To};
use stepwright_json::{Json, Object, Str};
use stepwright_program::compile;

/// A state, and what it is to be run with.
#[derive(Clone, Debug, Default)]
pub struct StateTest {
    /// The definition of a state, or of a whole machine that has it.
    pub definition: Json,
    /// Which state of the machine; None for its first one, or for a state alone.
    pub state: Option<String>,
    /// The state's input.
    pub input: Json,
    /// The variables it sees.
    pub variables: Object,
    /// Who the execution is: what the context object says.
    pub identity: Option<Identity>,
    /// What the task, branches or iterations come to.
    pub mock: Option<Result<Json, Failure>>,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq)]
pub enum StateOutcome {
    /// The state has ended well.
    Succeeded {
        /// Its output.
        output: Json,
        /// Where to; None for the end.
        next: Option<Str>,
    },
    /// It failed, and a catcher took it.
    Caught {
        /// The failure.
        failure: Failure,
        /// The output for the next state.
        output: Json,
        /// Where to.
        next: Option<Str>,
    },
    /// It failed, and would be tried again.
    Retriable {
        /// The failure.
        failure: Failure,
    },
    /// It failed.
    Failed {
        /// Why.
        failure: Failure,
    },
}

/// A state that cannot be tested.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StateTestError {
    /// The machine has no such state.
    NoSuchState,
    /// A state of this type takes no mock.
    TakesNoMock {
        /// The type.
        kind: String,
    },
    /// The state calls something, and no mock says what comes of it.
    NeedsMock {
        /// The resource, or the type.
        what: String,
    },
    /// The definition cannot be run.
    Invalid {
        /// The first thing that is wrong.
        message: String,
    },
}

/// The name a state gets that has none.
const NAMELESS: &str = "State";

/// What stands before the state and sets the variables.
const BEFORE: &str = "stepwright:before";

/// What branches and iterations are replaced with where a mock says what they come to.
const MOCKED: &str = "arn:aws:lambda:us-east-1:123456789012:function:mocked";

impl StateTest {
    /// Runs the state.
    pub fn run(&self) -> Result<StateOutcome, StateTestError> {
        let (name, mut state, language) = self.find()?;
        let kind = state.get("Type").and_then(Json::as_str).unwrap_or_default().to_owned();
        let is_composite = matches!(kind.as_str(), "Map" | "Parallel");
        if self.mock.is_some() && kind != "Task" && !is_composite {
            return Err(StateTestError::TakesNoMock { kind });
        }
        if self.mock.is_none() && is_composite {
            return Err(StateTestError::NeedsMock { what: kind });
        }
        if is_composite {
            state = as_task(&state);
        }
        let machine = wrap(&name, state, language, &self.variables);
        let program = compile(&Definition::from_json(&machine)).map_err(|diagnostics| {
            let first = diagnostics.into_iter().next();
            StateTestError::Invalid { message: first.map(|d| d.message).unwrap_or_default() }
        })?;
        let mut asked = None;
        let mut simulation = Simulation::new(&program).input(self.input.clone()).most_turns(16);
        if let Some(identity) = &self.identity {
            simulation = simulation.identity(identity.clone());
        }
        let run = simulation.run(&mut |call: &Call<'_>| match &self.mock {
            Some(Ok(output)) => Answer::returns(output.clone()),
            Some(Err(failure)) => Answer::new(Outcome::Fails(failure.clone(), Stage::Run)),
            None => {
                asked = Some(call.call.resource.to_string());
                Answer::new(Outcome::Never)
            }
        });
        if let Some(what) = asked {
            return Err(StateTestError::NeedsMock { what });
        }
        let names: Vec<Str> = program.states.iter().map(|state| state.name.clone()).collect();
        Ok(outcome(&run.events, &name, &names))
    }

    /// The state's name, the state, and the query language around it.
    fn find(&self) -> Result<(String, Object, Option<Json>), StateTestError> {
        let whole = self.definition.as_object().cloned().unwrap_or_default();
        let Some(states) = whole.get("States").and_then(Json::as_object) else {
            let name = self.state.clone().unwrap_or_else(|| NAMELESS.to_owned());
            return Ok((name, whole, None));
        };
        let first = whole.get("StartAt").and_then(Json::as_str);
        let name = self.state.as_deref().or(first).unwrap_or_default();
        let state = find_within(states, name).ok_or(StateTestError::NoSuchState)?;
        Ok((name.to_owned(), state, whole.get("QueryLanguage").cloned()))
    }
}

/// A state of a machine, or of a branch or processor within.
fn find_within(states: &Object, name: &str) -> Option<Object> {
    if let Some(state) = states.get(name) {
        return state.as_object().cloned();
    }
    states.values().find_map(|state| {
        let branches = state.get("Branches").and_then(Json::as_array).cloned().unwrap_or_default();
        let processors = ["ItemProcessor", "Iterator"].iter().filter_map(|key| state.get(key));
        branches
            .iter()
            .chain(processors)
            .filter_map(|scope| scope.get("States")?.as_object())
            .find_map(|states| find_within(states, name))
    })
}

/// The fields of a Map or Parallel that say what becomes of its result.
const OUTSIDE: [&str; 11] = [
    "QueryLanguage",
    "InputPath",
    "ResultSelector",
    "ResultPath",
    "OutputPath",
    "Output",
    "Assign",
    "Retry",
    "Catch",
    "Next",
    "End",
];

/// A Map or Parallel as a task that comes to the same.
fn as_task(state: &Object) -> Object {
    let mut task = Object::new();
    task.insert("Type", "Task".into());
    task.insert("Resource", MOCKED.into());
    for (key, value) in state.iter().filter(|(key, _)| OUTSIDE.contains(&key.as_str())) {
        task.insert(key.clone(), value.clone());
    }
    task
}

/// A machine that sets the variables, runs the state, and has whatever it leads to.
fn wrap(name: &str, state: Object, language: Option<Json>, variables: &Object) -> Json {
    let mut targets = BTreeSet::new();
    collect_targets(&Json::Object(state.clone()), &mut targets);
    let mut states = Object::new();
    let mut before = Object::new();
    before.insert("Type", "Pass".into());
    before.insert("QueryLanguage", "JSONPath".into());
    if !variables.is_empty() {
        before.insert("Assign", variables.clone().into());
    }
    before.insert("Next", name.into());
    if language.is_none() {
        states.insert(BEFORE, before.into());
    } else {
        before.remove("QueryLanguage");
        states.insert(BEFORE, before.into());
    }
    states.insert(name, state.into());
    for target in targets {
        if target != name {
            states.insert(target, stepwright_json::json!({"Type": "Succeed"}));
        }
    }
    let mut machine = Object::new();
    machine.insert("StartAt", BEFORE.into());
    if let Some(language) = language {
        machine.insert("QueryLanguage", language);
    }
    machine.insert("States", states.into());
    machine.into()
}

/// The names that a state, its rules and its catchers lead to.
fn collect_targets(value: &Json, targets: &mut BTreeSet<String>) {
    match value {
        Json::Object(members) => {
            for (key, value) in members.iter() {
                match (key.as_str(), value) {
                    ("Next" | "Default", Json::String(name)) => {
                        targets.insert(name.to_string());
                    }
                    ("Choices" | "Catch", value) => collect_targets(value, targets),
                    _ => {}
                }
            }
        }
        Json::Array(items) => items.iter().for_each(|item| collect_targets(item, targets)),
        _ => {}
    }
}

/// Reads off the events what became of the state.
fn outcome(events: &[Event], name: &str, names: &[Str]) -> StateOutcome {
    let mut failure: Option<Failure> = None;
    for event in events {
        match &event.kind {
            EventKind::TaskFailed { failure: found, .. }
            | EventKind::TaskTimedOut { failure: found, .. }
            | EventKind::EvaluationFailed { failure: found, .. } => failure = Some(found.clone()),
            EventKind::RetryScheduled { .. } => {
                return StateOutcome::Retriable { failure: failure.unwrap_or_default() };
            }
            EventKind::StateExited { name: left, output, to, .. } if left == name => {
                let next = match to {
                    To::Next(state) => names.get(*state as usize).cloned(),
                    To::End => None,
                };
                let output = output.clone();
                return match failure {
                    Some(failure) => StateOutcome::Caught { failure, output, next },
                    None => StateOutcome::Succeeded { output, next },
                };
            }
            EventKind::ExecutionFailed { failure } => {
                return StateOutcome::Failed { failure: failure.clone() };
            }
            EventKind::ExecutionSucceeded { output } => {
                return StateOutcome::Succeeded { output: output.clone(), next: None };
            }
            _ => {}
        }
    }
    // A Wait waits: its end is what a test is about.
    StateOutcome::Failed { failure: failure.unwrap_or_default() }
}
