//! Exploration: every task is driven through success, every error and silence, and every Choice
//! state through its ways out, to find what can go wrong.
//!
//! Values are made from what the states ask for. What they cannot do is guess: a state that needs
//! a value of a kind that is not written in the definition is said not to have been got past.

mod asks;
mod decisions;
mod finding;
mod needs;
mod origin;
mod places;
mod runs;
mod shrink;
mod ways;

pub use finding::{Finding, FindingKind, Script};

use crate::coverage::{Coverage, Hits, Part};
use asks::asks;
use finding::Found;
use needs::{Need, Needs};
use origin::{Lead, Of, Origins, Place, Source};
use runs::{Ending, Ran, Runner};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use stepwright_asl::Definition;
use stepwright_json::{Json, Object, Str, json};
use stepwright_program::{Kind, Program, StateId};
use ways::{Fate, UNFORESEEN, fates, leads_to, states, waits, ways};

/// How much is tried.
#[derive(Clone, Debug)]
pub struct ExploreOptions {
    /// The input; None for one that is made.
    pub input: Option<Json>,
    /// The most runs.
    pub runs: usize,
    /// The name of the machine, for its ARN.
    pub machine: String,
}

impl Default for ExploreOptions {
    fn default() -> Self {
        Self { input: None, runs: 2_000, machine: "machine".to_owned() }
    }
}

/// What was found.
#[derive(Clone, Debug)]
pub struct Exploration {
    /// What can go wrong, in the order of the definition.
    pub findings: Vec<Finding>,
    /// How much of the definition was reached.
    pub coverage: Coverage,
    /// How many runs were made.
    pub runs: usize,
    /// Whether there was more to try.
    pub is_cut_off: bool,
    /// States that made values did not get past, and why.
    pub blocked: BTreeMap<Str, String>,
}

impl Exploration {
    /// As JSON, for scripts. `definition` is the one that was explored.
    pub fn to_json(&self, definition: &Definition) -> Json {
        let mut object = Object::new();
        let findings: Vec<Json> =
            self.findings.iter().map(|finding| finding.to_json(definition)).collect();
        object.insert("findings", findings.into());
        object.insert("coverage", self.coverage.to_json());
        object.insert("runs", self.runs.into());
        object.insert("cutOff", Json::Bool(self.is_cut_off));
        let blocked = self.blocked.iter();
        let blocked: Object =
            blocked.map(|(state, why)| (state.clone(), Json::from(why.as_str()))).collect();
        object.insert("blocked", blocked.into());
        object.into()
    }

    /// A test file with a case for each finding that a run shows; `definition_file` is the name of
    /// the definition from where the test file will stand.
    pub fn test_file(&self, definition_file: &str) -> String {
        finding::test_file(definition_file, &self.findings)
    }
}

/// What is made otherwise than in the plain run.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Plan {
    overrides: Vec<Need>,
    fates: BTreeMap<Str, Fate>,
    /// The states whose results are made large.
    large: BTreeSet<Str>,
    /// What stands at places of what is made up, when all the rest is made; `None` for nothing.
    placed: Vec<(Place, Option<Json>)>,
}

impl Plan {
    /// Says what stands at a place, instead of what was said before. Returns whether that is new.
    fn say(&mut self, place: Place, value: Option<Json>) -> bool {
        if self.placed.iter().any(|(one, said)| *one == place && *said == value) {
            return false;
        }
        self.placed.retain(|(one, _)| *one != place);
        self.placed.push((place, value));
        true
    }

    /// Puts what is said of a source into it.
    fn put(&self, source: &Source, value: &mut Json) {
        for ((of, path), leaf) in &self.placed {
            if of == source {
                places::place(value, path, leaf.as_ref());
            }
        }
    }
}

/// Deviations from the plain run that are tried together.
const MOST_DEVIATIONS: usize = 4;

/// How often a way out of a Choice state is tried from different runs.
const TRIES_OF_A_WAY: usize = 4;

/// How often a plan is mended because a state cannot use what was made.
const MOST_MENDS: usize = 40;

/// Explores a definition. `is_over` is asked before each run; once it says so, no more are made.
pub fn explore(
    definition: &Definition,
    program: &Program,
    options: &ExploreOptions,
    is_over: &dyn Fn() -> bool,
) -> Exploration {
    let json = definition.to_json();
    let mut explorer = Explorer {
        program,
        runner: Runner::new(program, Needs::of(&json), options, states(&json)),
        fates: fates(program),
        choices: choices(program, &states(&json)),
        most: options.runs.max(1),
        hits: Hits::new(program),
        tried: BTreeSet::new(),
        tried_ways: BTreeMap::new(),
        tried_values: BTreeSet::new(),
        filled: BTreeSet::new(),
        queue: VecDeque::from([Plan::default()]),
        found: Found::default(),
        blocked: BTreeMap::new(),
        runs: 0,
    };
    explorer.explore(is_over);
    if !is_over() {
        explorer.look_for_large_payloads();
    }
    explorer.finish()
}

type Ways = BTreeMap<StateId, Vec<Vec<Need>>>;

fn choices(program: &Program, states: &BTreeMap<Str, Object>) -> Ways {
    let mut found = Ways::new();
    for (at, state) in program.states.iter().enumerate() {
        if matches!(state.kind, Kind::Choice(_))
            && let Some(json) = states.get(&state.name)
        {
            found.insert(StateId(at as u32), ways(json));
        }
    }
    found
}

struct Explorer<'p> {
    program: &'p Program,
    runner: Runner<'p>,
    fates: BTreeMap<Str, Vec<Fate>>,
    choices: Ways,
    most: usize,
    hits: Hits,
    tried: BTreeSet<(Str, Fate)>,
    tried_ways: BTreeMap<(StateId, usize), usize>,
    /// Values that were tried at places because nothing said what a state wants there.
    tried_values: BTreeSet<(Str, Place, String)>,
    /// Maps that were given items.
    filled: BTreeSet<StateId>,
    queue: VecDeque<Plan>,
    found: Found,
    blocked: BTreeMap<Str, String>,
    runs: usize,
}

impl Explorer<'_> {
    fn explore(&mut self, is_over: &dyn Fn() -> bool) {
        while let Some(plan) = self.queue.pop_front() {
            if self.runs >= self.most || (self.runs > 0 && is_over()) {
                self.queue.push_front(plan);
                return;
            }
            let (plan, ran) = self.run_and_mend(plan, is_over);
            let is_new = self.is_new(&ran.hits);
            self.hits.add(&ran.hits);
            self.judge(&plan, &ran);
            let size = plan.fates.len() + usize::from(!plan.overrides.is_empty());
            if (is_new || size <= 1) && size < MOST_DEVIATIONS {
                self.go_on(&plan, &ran);
            }
        }
    }

    /// Runs. Where a state cannot use what was made for it, that is made otherwise, and it is run again.
    fn run_and_mend(&mut self, mut plan: Plan, is_over: &dyn Fn() -> bool) -> (Plan, Ran) {
        self.runs += 1;
        let mut ran = self.runner.run(&plan);
        for _ in 0..MOST_MENDS {
            if self.runs >= self.most || is_over() || !is_blocked(&plan, &ran) {
                break;
            }
            let Some(mended) = self.mended(&plan, &ran) else { break };
            self.runs += 1;
            let again = self.runner.run(&mended);
            self.hits.add(&ran.hits);
            (plan, ran) = (mended, again);
        }
        (plan, ran)
    }

    /// The plan with what the states ask for that a run stood in when it failed.
    fn mended(&mut self, plan: &Plan, ran: &Ran) -> Option<Plan> {
        let states = self.runner.states();
        let origins = Origins::new(self.program, states, &ran.events, &ran.children);
        let mut next = plan.clone();
        let mut places: Vec<(Str, Place)> = Vec::new();
        let mut is_new = false;
        for state in origins.open() {
            let (Some(fields), Some(spot)) = (states.get(&state), origins.entered(&state)) else {
                continue;
            };
            for ask in asks(fields) {
                for lead in origins.of(&ask.of, ask.path, spot) {
                    let (place, value) = match lead {
                        Lead::Is(place) => (place, ask.value.clone()),
                        Lead::DependsOn(place, value) => (place, value),
                    };
                    let stands = ran.at(&place);
                    if stands.is_none_or(|stands| !would_do(&stands, &value)) {
                        is_new |= next.say(place.clone(), Some(value));
                    }
                    places.push((state.clone(), place));
                }
            }
            if is_new {
                return Some(next);
            }
        }
        // All is there, and does not do: one thing after the other is made of another kind.
        for (state, place) in places {
            for (number, value) in other_kinds().into_iter().enumerate() {
                if self.tried_values.insert((state.clone(), place.clone(), number.to_string()))
                    && next.say(place.clone(), Some(value))
                {
                    return Some(next);
                }
            }
        }
        None
    }

    /// Whether a run used a part of the program that none before did.
    fn is_new(&self, hits: &Hits) -> bool {
        hits.used().any(|part| self.hits.of(part) == Some(0))
    }

    /// Puts the plans on the queue that deviate from this one by one thing more.
    fn go_on(&mut self, plan: &Plan, ran: &Ran) {
        let states = self.runner.states().clone();
        let origins = Origins::new(self.program, &states, &ran.events, &ran.children);
        self.go_other_ways(plan, ran, &states, &origins);
        self.fill_maps(plan, ran, &origins);
        for state in ran.called.keys() {
            for fate in self.fates.get(state).into_iter().flatten() {
                let key = (state.clone(), fate.clone());
                if plan.fates.contains_key(state) || self.tried.contains(&key) {
                    continue;
                }
                self.tried.insert(key);
                let mut next = plan.clone();
                next.fates.insert(state.clone(), fate.clone());
                self.queue.push_back(next);
            }
        }
    }

    /// Plans for the ways out of Choice states that no run took.
    fn go_other_ways(
        &mut self,
        plan: &Plan,
        ran: &Ran,
        states: &BTreeMap<Str, Object>,
        origins: &Origins<'_>,
    ) {
        for (state, ways) in &self.choices {
            if ran.hits.of(Part::State(*state)).unwrap_or(0) == 0 {
                continue;
            }
            let name = &self.program.state(*state).name;
            for (way, needs) in ways.iter().enumerate() {
                let is_done = self.hits.of(Part::Rule(*state, way)) != Some(0);
                let tries = self.tried_ways.entry((*state, way)).or_insert(0);
                if is_done || *tries >= TRIES_OF_A_WAY {
                    continue;
                }
                *tries += 1;
                let mut next = plan.clone();
                next.overrides.extend(needs.iter().cloned());
                let mut vague: Vec<(Place, Json)> = Vec::new();
                if let (Some(spot), Some(choice)) = (origins.entered(name), states.get(name)) {
                    for (of, path, value) in decisions::changes(choice, way, origins, spot) {
                        for lead in origins.of(&of, path, spot) {
                            match lead {
                                Lead::Is(place) => {
                                    next.say(place, value.clone());
                                }
                                Lead::DependsOn(place, asked) => vague.push((place, asked)),
                            }
                        }
                    }
                }
                // What is computed from something is tried with one thing after the other.
                for (place, asked) in vague {
                    let kinds = other_kinds().into_iter().chain([json!([])]).map(Some);
                    for value in std::iter::once(Some(asked)).chain(kinds).chain([None]) {
                        let key = (name.clone(), place.clone(), format!("{way} {value:?}"));
                        let mut other = next.clone();
                        if other.say(place.clone(), value) && self.tried_values.insert(key) {
                            self.queue.push_back(other);
                        }
                    }
                }
                self.queue.push_back(next);
            }
        }
    }

    /// Plans that give items to Maps which had none: what stands within them is reached then.
    fn fill_maps(&mut self, plan: &Plan, ran: &Ran, origins: &Origins<'_>) {
        for (at, state) in self.program.states.iter().enumerate() {
            let (Kind::Map(map), id) = (&state.kind, StateId(at as u32)) else { continue };
            let is_entered = ran.hits.of(Part::State(id)) != Some(0);
            let has_items = self.hits.of(Part::State(map.processor.start)) != Some(0);
            let spot = origins.entered(&state.name).filter(|_| is_entered && !has_items);
            let Some(spot) = spot else { continue };
            let mut next = plan.clone();
            for lead in origins.of(&Of::Item, Vec::new(), spot) {
                let (place, value) = match lead {
                    Lead::Is((source, path)) => {
                        let list = path.split_last().map(|(_, list)| list.to_vec());
                        ((source, list.unwrap_or_default()), json!([{}, {}]))
                    }
                    Lead::DependsOn(place, value) => (place, value),
                };
                if ran.at(&place).is_none_or(|stands| !would_do(&stands, &value)) {
                    next.say(place, Some(value));
                }
            }
            if next != *plan && self.filled.insert(id) {
                self.queue.push_back(next);
            }
        }
    }

    /// What a run shows.
    fn judge(&mut self, plan: &Plan, ran: &Ran) {
        let last = ran.last_state.clone();
        match &ran.ending {
            Ending::Succeeded | Ending::FailedByState => {}
            Ending::Stuck(states) => {
                for state in states {
                    let is_silent = plan.fates.get(state) == Some(&Fate::Silent);
                    if is_silent && self.hangs(state) {
                        self.found.add(FindingKind::CanHang, state, None, plan, ran);
                    }
                }
            }
            Ending::Looping(states) => {
                let first = states.first().cloned().unwrap_or_default();
                self.found.add(
                    FindingKind::EndlessLoop,
                    &first,
                    Some(states.join(" → ")),
                    plan,
                    ran,
                );
            }
            Ending::Failed(failure) => {
                let deviating = plan.fates.iter().next_back();
                let error = failure.name();
                if let Some((state, fate)) = cause_of(plan, ran, error) {
                    // An error that the definition itself names is said with its name.
                    let error = match fate {
                        Fate::Silent => "States.Timeout".to_owned(),
                        _ => error.to_owned(),
                    };
                    self.found.add(FindingKind::UnhandledError, &state, Some(error), plan, ran);
                } else if error == "States.DataLimitExceeded" {
                    self.found.add(FindingKind::LargePayload, &last, None, plan, ran);
                } else if deviating.is_none() && error != "States.Timeout" {
                    // A value that was made does not do.
                    let why = failure.cause.as_deref().unwrap_or_default();
                    self.blocked.entry(last).or_insert_with(|| format!("{error}: {why}"));
                }
            }
        }
    }

    /// Whether a task can be waited for without end.
    fn hangs(&self, state: &str) -> bool {
        let id = self.program.state_named(state);
        match id.map(|id| &self.program.state(id).kind) {
            Some(Kind::Task(task)) => waits(task),
            _ => false,
        }
    }

    /// Makes all results large, as large as a result may be, and then as few as will do.
    fn look_for_large_payloads(&mut self) {
        let plain = self.runner.run(&Plan::default());
        let mut large: BTreeSet<Str> = plain.called.keys().cloned().collect();
        let is_too_large = |runner: &mut Runner<'_>, large: &BTreeSet<Str>| {
            let plan = Plan { large: large.clone(), ..Plan::default() };
            let ran = runner.run(&plan);
            let fails = matches!(&ran.ending, Ending::Failed(failure)
                if failure.name() == "States.DataLimitExceeded");
            fails.then_some((plan, ran))
        };
        self.runs += 2;
        let Some(mut shortest) = is_too_large(&mut self.runner, &large) else { return };
        for state in large.clone() {
            let mut fewer = large.clone();
            fewer.remove(&state);
            self.runs += 1;
            if let Some(found) = is_too_large(&mut self.runner, &fewer) {
                large = fewer;
                shortest = found;
            }
        }
        let (plan, ran) = shortest;
        let which: Vec<String> = plan.large.iter().map(|state| format!("`{state}`")).collect();
        let which = which.join(" and ");
        // The state that was entered last may lie within the one whose results are too large together.
        let named = match &ran.ending {
            Ending::Failed(failure) => failure.cause.as_deref().and_then(state_in),
            _ => None,
        };
        let at = named.map_or_else(|| ran.last_state.clone(), Str::from);
        self.found.add(FindingKind::LargePayload, &at, Some(which), &plan, &ran);
    }

    fn finish(mut self) -> Exploration {
        let reached = self.reachable();
        for (at, state) in self.program.states.iter().enumerate() {
            let id = StateId(at as u32);
            let is_entered = self.hits.of(Part::State(id)).is_some_and(|count| count > 0);
            if is_entered {
                continue;
            }
            let kind = if reached.contains(&id) {
                FindingKind::NotReached
            } else {
                FindingKind::Unreachable
            };
            // What lies behind a state that is not reached needs no words of its own.
            let behind = self
                .leading_to(id)
                .into_iter()
                .any(|before| self.hits.of(Part::State(before)).is_some_and(|count| count > 0));
            if behind || kind == FindingKind::Unreachable {
                self.found.add_bare(kind, &state.name);
            }
        }
        let order: BTreeMap<&str, usize> = self
            .program
            .states
            .iter()
            .enumerate()
            .map(|(at, state)| (state.name.as_str(), at))
            .collect();
        let mut findings = self.found.into_findings(&mut self.runner);
        findings.sort_by_key(|finding| (order.get(finding.state.as_str()).copied(), finding.kind));
        Exploration {
            findings,
            coverage: Coverage::of(self.program, &self.hits),
            runs: self.runs,
            is_cut_off: !self.queue.is_empty(),
            blocked: self.blocked,
        }
    }

    /// The states that transitions lead to, from the start on.
    fn reachable(&self) -> BTreeSet<StateId> {
        let mut reached = BTreeSet::new();
        let mut open = vec![self.program.start];
        while let Some(id) = open.pop() {
            if !reached.insert(id) {
                continue;
            }
            let kind = &self.program.state(id).kind;
            open.extend(leads_to(kind));
            match kind {
                Kind::Parallel(parallel) => open.extend(&parallel.branches),
                Kind::Map(map) => open.push(map.processor.start),
                _ => {}
            }
        }
        reached
    }

    /// The states that lead to one, or hold it as their first.
    fn leading_to(&self, id: StateId) -> Vec<StateId> {
        let leads = |kind: &Kind| {
            leads_to(kind).contains(&id)
                || match kind {
                    Kind::Parallel(parallel) => parallel.branches.contains(&id),
                    Kind::Map(map) => map.processor.start == id,
                    _ => false,
                }
        };
        let all = self.program.states.iter().enumerate();
        all.filter(|(_, state)| leads(&state.kind)).map(|(at, _)| StateId(at as u32)).collect()
    }
}

/// Whether a run ended because a state could not use a value that was made.
fn is_blocked(plan: &Plan, ran: &Ran) -> bool {
    let Ending::Failed(failure) = &ran.ending else { return false };
    let error = failure.name();
    cause_of(plan, ran, error).is_none()
        && !["States.DataLimitExceeded", "States.Timeout"].contains(&error)
        && plan.large.is_empty()
}

/// Whether what stands somewhere is of the kind that is asked for. Where nothing is known of that, anything will
/// do.
fn would_do(stands: &Json, asked: &Json) -> bool {
    match (stands, asked) {
        (_, Json::String(text)) if text == "value" => true,
        (Json::Int(_) | Json::Float(_), Json::Int(_) | Json::Float(_)) => true,
        (Json::Array(items), Json::Array(asked)) => {
            asked.is_empty()
                || items.first().is_some_and(|item| {
                    asked.first().is_none_or(|asked| {
                        matches!(asked, Json::Object(_)) || would_do(item, asked)
                    })
                })
        }
        (Json::String(text), Json::String(asked)) => text != "value" || asked.is_empty(),
        (stands, asked) => std::mem::discriminant(stands) == std::mem::discriminant(asked),
    }
}

/// One value of each kind.
fn other_kinds() -> [Json; 7] {
    [
        Json::Int(1),
        json!([{}, {}]),
        json!({}),
        "2024-01-01T00:00:00Z".into(),
        "{}".into(),
        Json::Bool(true),
        json!([1, 2]),
    ]
}

/// The task whose failure has ended the run.
fn cause_of(plan: &Plan, ran: &Ran, error: &str) -> Option<(Str, Fate)> {
    let is_it = |fate: &Fate| match fate {
        Fate::Fails(name) | Fate::FailsOnce(name) => name == error,
        Fate::Silent => error == "States.Timeout",
    };
    let by_name = plan
        .fates
        .iter()
        .filter(|(state, fate)| ran.called.contains_key(*state) && is_it(fate))
        .map(|(state, fate)| (state.clone(), fate.clone()));
    let by_name: Vec<_> = by_name.collect();
    let last = by_name.iter().find(|(state, _)| *state == ran.last_called);
    if let Some(found) = last.or_else(|| by_name.first()) {
        return Some(found.clone());
    }
    // A distributed Map that tolerates no failure says so in words of its own.
    let of_map = error == "States.ExceedToleratedFailureThreshold";
    plan.fates.iter().next().filter(|_| of_map).map(|(s, f)| (s.clone(), f.clone()))
}

/// Whether an error stands for one that the definition does not know.
pub(crate) fn is_unforeseen(error: &str) -> bool {
    error == UNFORESEEN
}

/// The state that the text of a failure names.
fn state_in(cause: &str) -> Option<&str> {
    let name = cause.strip_prefix("The state/task '")?;
    name.split_once("' returned").map(|(name, _)| name)
}
