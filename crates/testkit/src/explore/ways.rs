//! What can be made otherwise: the ways out of Choice states, and what becomes of tasks.

use super::needs::{Need, compared, only_path, satisfying, segments, violating};
use std::collections::BTreeMap;
use stepwright_json::{Json, Object, Str};
use stepwright_program::{
    Catcher, Integration, Kind, Pattern, Program, Retrier, StateId, Task, Transition,
};

/// An error that no definition names.
pub(super) const UNFORESEEN: &str = "Stepwright.Unforeseen";

/// What becomes of a task's calls, other than success.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fate {
    /// Each call fails with this error.
    Fails(Str),
    /// The first call fails with it, later ones succeed.
    FailsOnce(Str),
    /// No call is ever answered.
    Silent,
}

/// The JSON of every state, by its name.
pub(super) fn states(definition: &Json) -> BTreeMap<Str, Object> {
    fn walk(value: &Json, found: &mut BTreeMap<Str, Object>, depth: usize) {
        if depth > 64 {
            return;
        }
        let Some(states) = value.get("States").and_then(Json::as_object) else { return };
        for (name, state) in states.iter() {
            let Some(state) = state.as_object() else { continue };
            found.insert(name.clone(), state.clone());
            for key in ["ItemProcessor", "Iterator"] {
                if let Some(inner) = state.get(key) {
                    walk(inner, found, depth + 1);
                }
            }
            let branches = state.get("Branches").and_then(Json::as_array);
            branches.into_iter().flat_map(|list| list.iter()).for_each(|branch| {
                walk(branch, found, depth + 1);
            });
        }
    }
    let mut found = BTreeMap::new();
    walk(definition, &mut found, 0);
    found
}

/// For each way out of a Choice state, the values that lead there: the rules in order, then the
/// default.
pub(super) fn ways(choice: &Object) -> Vec<Vec<Need>> {
    let rules = choice.get("Choices").and_then(Json::as_array).cloned().unwrap_or_default();
    let mut ways: Vec<Vec<Need>> = Vec::new();
    let mut against: Vec<Need> = Vec::new();
    for rule in &rules {
        let mut holds = against.clone();
        conditions(rule, true, &mut holds, 0);
        ways.push(holds);
        conditions(rule, false, &mut against, 0);
    }
    ways.push(against);
    ways
}

fn conditions(rule: &Json, should_hold: bool, needs: &mut Vec<Need>, depth: usize) {
    let Some(rule) = rule.as_object().filter(|_| depth < 32) else { return };
    for (key, of) in [("And", true), ("Or", false)] {
        let Some(parts) = rule.get(key).and_then(Json::as_array) else { continue };
        // One part is enough to make an Or hold, and to make an And not hold.
        let count = if of == should_hold { parts.len() } else { 1 };
        parts.iter().take(count).for_each(|part| conditions(part, should_hold, needs, depth + 1));
    }
    if let Some(part) = rule.get("Not") {
        conditions(part, !should_hold, needs, depth + 1);
    }
    if let Some(variable) = rule.get("Variable").and_then(Json::as_str) {
        for (operator, operand) in rule.iter() {
            let value = if should_hold {
                satisfying(operator, operand)
            } else {
                violating(operator, operand)
            };
            needs.extend(value.map(|value| (segments(variable), value)));
        }
    }
    if let Some(text) = rule.get("Condition").and_then(Json::as_str) {
        needs.extend(only_path(text).map(|path| (path, Json::Bool(should_hold))));
        for (path, value) in compared(text) {
            let value = match (should_hold, &value) {
                (true, _) => value,
                (false, Json::Bool(flag)) => Json::Bool(!flag),
                (false, Json::Int(_) | Json::Float(_)) => Json::Int(-1),
                (false, _) => "something-else".into(),
            };
            needs.push((path, value));
        }
    }
}

/// What can become of each Task state's calls, in the order in which it is tried.
pub(super) fn fates(program: &Program) -> BTreeMap<Str, Vec<Fate>> {
    let around = around(program);
    let mut all = BTreeMap::new();
    for (at, state) in program.states.iter().enumerate() {
        let Kind::Task(task) = &state.kind else { continue };
        let mut names: Vec<Str> = Vec::new();
        let mut retried: Vec<Str> = Vec::new();
        let mut scope = Some(StateId(at as u32));
        while let Some(id) = scope {
            let (retry, catch) = handlers(&program.state(id).kind);
            retried.extend(retry.iter().flat_map(|retrier| retrier.errors.clone()));
            names.extend(catch.iter().flat_map(|catcher| catcher.errors.clone()));
            scope = around.get(&id).copied();
        }
        names.extend(retried.iter().cloned());
        let mut fates = vec![Fate::Fails(UNFORESEEN.into())];
        if can_time_out(task) || waits(task) {
            fates.push(Fate::Silent);
        }
        if let Some(first) = retried.first() {
            let error = if first == "States.ALL" { UNFORESEEN.into() } else { first.clone() };
            fates.push(Fate::FailsOnce(error));
        }
        for name in names {
            // These stand for many errors, which one that nobody names is among.
            let fate = Fate::Fails(name.clone());
            if name != "States.ALL" && !fates.contains(&fate) {
                fates.push(fate);
            }
        }
        all.insert(state.name.clone(), fates);
    }
    all
}

pub(super) fn handlers(kind: &Kind) -> (&[Retrier], &[Catcher]) {
    match kind {
        Kind::Task(task) => (&task.retry, &task.catch),
        Kind::Parallel(parallel) => (&parallel.retry, &parallel.catch),
        Kind::Map(map) => (&map.retry, &map.catch),
        _ => (&[], &[]),
    }
}

fn can_time_out(task: &Task) -> bool {
    task.timeout.is_some() || task.heartbeat.is_some()
}

/// Whether a task waits for somebody who may never come: a function or a service's answer does not.
pub(super) fn waits(task: &Task) -> bool {
    match &task.resource.integration {
        Integration::Activity => true,
        Integration::Lambda => false,
        Integration::Service { pattern, .. } => *pattern != Pattern::RequestResponse,
    }
}

/// The Parallel or Map state around each state.
pub(super) fn around(program: &Program) -> BTreeMap<StateId, StateId> {
    let mut found = BTreeMap::new();
    for (at, state) in program.states.iter().enumerate() {
        let starts = match &state.kind {
            Kind::Parallel(parallel) => parallel.branches.clone(),
            Kind::Map(map) => vec![map.processor.start],
            _ => continue,
        };
        let mut open = starts;
        while let Some(inner) = open.pop() {
            if found.insert(inner, StateId(at as u32)).is_none() {
                open.extend(leads_to(&program.state(inner).kind));
            }
        }
    }
    found
}

/// The states of the same scope that a state leads to.
pub(super) fn leads_to(kind: &Kind) -> Vec<StateId> {
    let next = |next: Transition| match next {
        Transition::Next(to) => vec![to],
        Transition::End => Vec::new(),
    };
    let mut to = match kind {
        Kind::Task(task) => next(task.next),
        Kind::Pass(pass) => next(pass.next),
        Kind::Wait(wait) => next(wait.next),
        Kind::Parallel(parallel) => next(parallel.next),
        Kind::Map(map) => next(map.next),
        Kind::Choice(choice) => {
            choice.rules.iter().map(|rule| rule.next).chain(choice.default).collect()
        }
        Kind::Succeed | Kind::Fail(_) => Vec::new(),
    };
    to.extend(handlers(kind).1.iter().map(|catcher| catcher.next));
    to
}
