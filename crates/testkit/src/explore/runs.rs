//! Runs with made values.

use super::needs::{Needs, part, segments};
use super::ways::Fate;
use super::{ExploreOptions, Plan};
use crate::coverage::Hits;
use crate::trace::{ChildHistory, Trace};
use std::collections::BTreeMap;
use stepwright_history::{Event, EventKind, Failure, Identity, StateType};
use stepwright_interpreter::{Command, Execution};
use stepwright_json::{Json, Object, Str};
use stepwright_program::Program;
use stepwright_simulator::{Answer, Call, Outcome, Simulation, Status, Tasks};

/// Turns that a run may take: a loop has shown itself by then.
const MOST_TURNS: u64 = 3_000;

/// A state that was entered more often than this is in a loop.
const LOOP_AFTER: usize = 60;

/// The size of a large result: as large as AWS lets it be, nearly.
const LARGE: usize = 200 * 1024;

/// Calls of one state that a script remembers.
const MOST_CALLS: usize = 100;

/// How a run ended.
#[derive(Clone, Debug)]
pub(super) enum Ending {
    Succeeded,
    /// In a Fail state: somebody meant it to.
    FailedByState,
    Failed(Failure),
    /// Nothing will ever wake it; the states it stands in.
    Stuck(Vec<Str>),
    /// It goes round and round; the states of the loop.
    Looping(Vec<Str>),
}

/// A run.
#[derive(Clone, Debug)]
pub(super) struct Ran {
    pub(super) ending: Ending,
    pub(super) hits: Hits,
    /// What was answered to each state's calls.
    pub(super) called: BTreeMap<Str, Vec<Answer>>,
    pub(super) last_state: Str,
    pub(super) last_called: Str,
    pub(super) status: Status,
    pub(super) input: Json,
}

pub(super) struct Runner<'p> {
    program: &'p Program,
    needs: Needs,
    input: Option<Json>,
    states: BTreeMap<Str, Object>,
    identity: Identity,
    /// What was made last, and with which overrides: plans that follow each other often agree.
    made: Option<(Vec<super::Need>, Json)>,
}

impl<'p> Runner<'p> {
    pub(super) fn new(
        program: &'p Program,
        needs: Needs,
        options: &ExploreOptions,
        states: BTreeMap<Str, Object>,
    ) -> Self {
        let machine = options.machine.as_str();
        let arn = |kind: &str, rest: &str| -> Str {
            format!("arn:aws:states:us-east-1:123456789012:{kind}:{rest}").into()
        };
        let identity = Identity {
            execution_arn: arn("execution", &format!("{machine}:test")),
            name: "test".into(),
            role_arn: "arn:aws:iam::123456789012:role/stepwright".into(),
            state_machine_arn: arn("stateMachine", machine),
            state_machine_name: machine.into(),
            region: "us-east-1".into(),
        };
        Self { program, needs, input: options.input.clone(), states, identity, made: None }
    }

    pub(super) fn run(&mut self, plan: &Plan) -> Ran {
        self.run_for(plan, MOST_TURNS)
    }

    /// Runs as long as a test would.
    pub(super) fn run_whole(&mut self, plan: &Plan) -> Ran {
        self.run_for(plan, crate::run::MOST_TURNS)
    }

    fn run_for(&mut self, plan: &Plan, turns: u64) -> Ran {
        let value = match &self.made {
            Some((overrides, value)) if *overrides == plan.overrides => value.clone(),
            _ => {
                let value = self.needs.value(&plan.overrides);
                self.made = Some((plan.overrides.clone(), value.clone()));
                value
            }
        };
        let input = self.input.clone().unwrap_or_else(|| value.clone());
        let mut answering = Answering {
            plan,
            value,
            states: &self.states,
            called: BTreeMap::new(),
            last_called: Str::default(),
            children: Vec::new(),
        };
        let run = Simulation::new(self.program)
            .input(input.clone())
            .identity(self.identity.clone())
            .most_turns(turns)
            .run(&mut answering);
        let trace = Trace::read(self.program, &run.events, &answering.children);
        let last = run.events.iter().rev().find_map(|event| match &event.kind {
            EventKind::StateEntered { name, kind, .. } => Some((name.clone(), *kind)),
            _ => None,
        });
        let (last_state, kind) = last.unwrap_or((Str::default(), StateType::Pass));
        let ending = match &run.status {
            Status::Succeeded { .. } => Ending::Succeeded,
            Status::Failed { .. } if kind == StateType::Fail => Ending::FailedByState,
            Status::Failed { failure } if is_history_full(failure) => {
                Ending::Looping(round(&run.events))
            }
            Status::Failed { failure }
            | Status::TimedOut { failure }
            | Status::Aborted { failure } => Ending::Failed(failure.clone()),
            Status::NotStarted | Status::Running => unfinished(&run.events),
        };
        Ran {
            ending,
            hits: trace.hits,
            called: answering.called,
            last_state,
            last_called: answering.last_called,
            status: run.status,
            input,
        }
    }
}

fn is_history_full(failure: &Failure) -> bool {
    failure.cause.as_deref().is_some_and(|cause| cause.contains("maximum number of history events"))
}

fn unfinished(events: &[Event]) -> Ending {
    let Ok(execution) = Execution::replay(events) else { return Ending::Stuck(Vec::new()) };
    let goes_on = execution
        .commands()
        .iter()
        .any(|command| !matches!(command, Command::RunTask { .. }));
    let looped = round(events);
    if goes_on && !looped.is_empty() {
        return Ending::Looping(looped);
    }
    if goes_on {
        // A long run that is not over, a Map over many items say: nothing can be said of it.
        return Ending::Succeeded;
    }
    Ending::Stuck(execution.current_states().into_iter().map(Str::from).collect())
}

/// The states of the loop that a history ends in, in the order of one round.
fn round(events: &[Event]) -> Vec<Str> {
    let entered: Vec<&Str> = events
        .iter()
        .filter_map(|event| match &event.kind {
            EventKind::StateEntered { name, .. } => Some(name),
            _ => None,
        })
        .collect();
    let tail = &entered[entered.len() - entered.len().min(400)..];
    let Some(last) = tail.last() else { return Vec::new() };
    let often = tail.iter().filter(|name| *name == last).count();
    if often < LOOP_AFTER.min(tail.len() / 12 + 2) || entered.len() < LOOP_AFTER {
        return Vec::new();
    }
    let mut states: Vec<Str> = Vec::new();
    for name in tail {
        if states.contains(name) {
            continue;
        }
        states.push((*name).clone());
    }
    states
}

struct Answering<'r> {
    plan: &'r Plan,
    value: Json,
    states: &'r BTreeMap<Str, Object>,
    called: BTreeMap<Str, Vec<Answer>>,
    last_called: Str,
    children: Vec<ChildHistory>,
}

impl Answering<'_> {
    /// A result that has what is asked of it where it ends up.
    fn result(&self, call: &Call<'_>) -> Json {
        let state = call.call.state.as_str();
        let mut result = self.value.as_object().cloned().unwrap_or_default();
        let mut add = |more: Option<&Json>| {
            for (key, value) in more.and_then(Json::as_object).into_iter().flat_map(Object::iter) {
                result.insert(key.clone(), value.clone());
            }
        };
        let path = self.states.get(state).and_then(|state| state.get("ResultPath")?.as_str());
        if let Some(path) = path {
            let at = part(&self.value, &segments(path));
            if let Some(scalar) = at.filter(|at| !matches!(at, Json::Object(_))) {
                // The result itself is what is asked for.
                return scalar.clone();
            }
            add(at);
        }
        let payload: Json = result.clone().into();
        let resource = call.call.resource.as_str();
        if resource.contains(":::lambda:invoke") {
            result.get_or_insert_with("Payload", || payload.clone());
            result.insert("StatusCode", Json::Int(200));
        } else if resource.contains(":::states:startExecution.sync:2") {
            result.get_or_insert_with("Output", || payload.clone());
        }
        if self.plan.large.contains(state) {
            let size = Json::Object(result.clone()).to_string().len();
            result.insert("large", "x".repeat(LARGE.saturating_sub(size)).into());
        }
        result.into()
    }
}

impl Tasks for Answering<'_> {
    fn answer(&mut self, call: &Call<'_>) -> Answer {
        let state = &call.call.state;
        let number = self.called.get(state).map_or(0, Vec::len);
        let fails = |error: &Str| Answer::fails(error.clone(), "made by explore");
        let answer = match self.plan.fates.get(state) {
            Some(Fate::Fails(error)) => fails(error),
            Some(Fate::FailsOnce(error)) if number == 0 => fails(error),
            Some(Fate::Silent) => Answer::new(Outcome::Never),
            _ => Answer::returns(self.result(call)),
        };
        self.last_called = state.clone();
        let answers = self.called.entry(state.clone()).or_default();
        if answers.len() < MOST_CALLS {
            answers.push(answer.clone());
        }
        answer
    }

    fn watch_child(&mut self, around: &[(Str, u32)], events: &[Event]) {
        self.children.push((around.to_vec(), events.to_vec()));
    }
}
