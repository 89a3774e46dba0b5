//! Runs with made values.

use super::needs::{Needs, Seg, is_plain, only_path, part, put, segments};
use super::origin::{Place, Source};
use super::places;
use super::shrink::Shrinking;
use super::ways::Fate;
use super::{ExploreOptions, Plan};
use crate::coverage::Hits;
use crate::trace::{ChildHistory, Trace};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use stepwright_history::{Event, EventKind, Failure, Identity, StateType};
use stepwright_interpreter::{Command, Execution};
use stepwright_json::{Json, Object, Str};
use stepwright_program::Program;
use stepwright_simulator::{Answer, Call, MemoryObjects, Outcome, Simulation, Status, Tasks};

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
    /// What tasks returned last, by the names of their states.
    pub(super) results: BTreeMap<Str, Json>,
    pub(super) events: Vec<Event>,
    pub(super) children: Vec<ChildHistory>,
}

impl Ran {
    /// What stands at a place of what was made up.
    pub(super) fn at(&self, (source, path): &Place) -> Option<Cow<'_, Json>> {
        let whole = match source {
            Source::Input => &self.input,
            Source::Result(state) => self.results.get(state)?,
            Source::Items => return None,
        };
        places::at(whole, path)
    }
}

pub(super) struct Runner<'p> {
    program: &'p Program,
    needs: Needs,
    input: Option<Json>,
    states: BTreeMap<Str, Object>,
    identity: Identity,
    /// The objects that readers asked for: bucket and key.
    wanted: Vec<(String, String)>,
    /// What they hold.
    objects: MemoryObjects,
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
        let objects = MemoryObjects::default();
        let input = options.input.clone();
        Self { program, needs, input, states, identity, wanted: Vec::new(), objects, made: None }
    }

    /// The fields of each state.
    pub(super) fn states(&self) -> &BTreeMap<Str, Object> {
        &self.states
    }

    pub(super) fn run(&mut self, plan: &Plan) -> Ran {
        self.run_for(plan, MOST_TURNS)
    }

    /// Runs as long as a test would.
    pub(super) fn run_whole(&mut self, plan: &Plan) -> Ran {
        self.run_for(plan, crate::run::MOST_TURNS)
    }

    /// What takes out of scripts what they do not need.
    pub(super) fn shrinking(&self) -> Shrinking<'_> {
        let Self { program, identity, objects, .. } = self;
        Shrinking { program, identity, objects }
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
        let input = self.input.clone().unwrap_or_else(|| {
            let first = self.program.state(self.program.start).name.as_str();
            let is_list = asks_for_list(self.states.get(first));
            let mut input = if is_list { Needs::list(&value) } else { value.clone() };
            plan.put(&Source::Input, &mut input);
            input
        });
        self.fill_objects(plan, &value);
        let mut ran = self.run_with(plan, turns, &value, &input);
        // A reader says which object it misses: there it is.
        for _ in 0..MOST_OBJECTS {
            let Ending::Failed(failure) = &ran.ending else { break };
            let Some(missing) = missing_object(failure) else { break };
            self.wanted.push(missing);
            self.fill_objects(plan, &value);
            ran = self.run_with(plan, turns, &value, &input);
        }
        ran
    }

    fn fill_objects(&mut self, plan: &Plan, value: &Json) {
        if self.wanted.is_empty() {
            return;
        }
        let content = self.content(plan, value);
        let none = MemoryObjects::default();
        self.objects = self
            .wanted
            .iter()
            .fold(none, |objects, (bucket, key)| objects.with(bucket, key, content.clone()));
    }

    /// What an object holds: items in the form that the first reader asks for.
    fn content(&self, plan: &Plan, value: &Json) -> String {
        let form = self.states.values().find_map(|state| {
            let config = state.get("ItemReader")?.get("ReaderConfig")?;
            config.get("InputType")?.as_str()
        });
        let mut items = Needs::list(value);
        plan.put(&Source::Items, &mut items);
        let items: Vec<&Json> =
            items.as_array().into_iter().flat_map(|items| items.iter()).collect();
        match form {
            Some("CSV") => table(&items),
            Some("JSONL") => lines(&items),
            _ => Json::from(items.into_iter().cloned().collect::<Vec<_>>()).to_string(),
        }
    }

    fn run_with(&self, plan: &Plan, turns: u64, value: &Json, input: &Json) -> Ran {
        let mut answering = Answering {
            plan,
            value: value.clone(),
            states: &self.states,
            called: BTreeMap::new(),
            last_called: Str::default(),
            results: BTreeMap::new(),
            children: Vec::new(),
        };
        let run = Simulation::new(self.program)
            .input(input.clone())
            .identity(self.identity.clone())
            .objects(self.objects.clone())
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
            input: input.clone(),
            results: answering.results,
            events: run.events,
            children: answering.children,
        }
    }
}

/// Objects that are made for one run.
const MOST_OBJECTS: usize = 4;

/// Items as lines of JSON.
fn lines(items: &[&Json]) -> String {
    items.iter().fold(String::new(), |mut text, item| {
        writeln!(text, "{item}").expect("text grows");
        text
    })
}

/// Items as rows of a CSV, with a column for each member that is a plain value.
fn table(items: &[&Json]) -> String {
    let mut columns = vec!["id".to_owned(), "name".to_owned(), "value".to_owned()];
    let members = items.first().and_then(|item| item.as_object());
    for (key, value) in members.into_iter().flat_map(Object::iter) {
        let is_plain = !matches!(value, Json::Object(_) | Json::Array(_));
        if is_plain && !key.contains([',', '"', '\n']) && !columns.iter().any(|one| one == key) {
            columns.push(key.to_string());
        }
    }
    let mut text = columns.join(",");
    for item in items {
        let cells = columns.iter().map(|column| match item.get(column) {
            Some(Json::String(text)) => format!("\"{}\"", text.replace('"', "\"\"")),
            Some(value) => value.to_string(),
            None => "x".to_owned(),
        });
        text.push('\n');
        text.push_str(&cells.collect::<Vec<_>>().join(","));
    }
    text.push('\n');
    text
}

/// The object that an item reader did not find: bucket and key.
fn missing_object(failure: &Failure) -> Option<(String, String)> {
    let rest = failure.cause.as_deref()?.strip_prefix("There is no object '")?;
    let (key, rest) = rest.split_once("' in the bucket '")?;
    Some((rest.trim_end_matches('\'').to_owned(), key.to_owned()))
}

/// Whether a state takes its input for a list.
fn asks_for_list(state: Option<&Object>) -> bool {
    let Some(state) = state else { return false };
    let text = |key: &str| state.get(key).and_then(Json::as_str);
    let is_whole = text("Items").is_some_and(|items| {
        items.trim_start_matches("{%").trim_end_matches("%}").trim() == "$states.input"
    });
    let is_map = text("Type") == Some("Map")
        && ["Items", "ItemReader", "InputPath"].iter().all(|key| !state.contains_key(key))
        && text("ItemsPath").is_none_or(|path| path == "$");
    // What a state that computes a result hands on is its result.
    let has_result = text("Type").is_some_and(|kind| ["Task", "Map", "Parallel"].contains(&kind));
    let mut fields = state.iter().filter(|(key, _)| !(has_result && *key == "OutputPath"));
    is_whole || is_map || fields.any(|(key, value)| begins_with_item(key, value, 0))
}

/// Whether a JSONPath there begins with an index.
fn begins_with_item(key: &str, value: &Json, depth: usize) -> bool {
    // What stands in the states within, or is asked of the result, sees other data.
    if depth > 32 || ["ItemProcessor", "Iterator", "Branches", "ResultSelector"].contains(&key) {
        return false;
    }
    match value {
        Json::String(text) => {
            let is_path = key.ends_with(".$") || key.ends_with("Path") || key == "Variable";
            is_path && text.starts_with("$[")
        }
        Json::Array(items) => items.iter().any(|item| begins_with_item(key, item, depth + 1)),
        Json::Object(members) => {
            members.iter().any(|(key, value)| begins_with_item(key, value, depth + 1))
        }
        _ => false,
    }
}

fn is_history_full(failure: &Failure) -> bool {
    failure.cause.as_deref().is_some_and(|cause| cause.contains("maximum number of history events"))
}

fn unfinished(events: &[Event]) -> Ending {
    let Ok(execution) = Execution::replay(events) else { return Ending::Stuck(Vec::new()) };
    let goes_on =
        execution.commands().iter().any(|command| !matches!(command, Command::RunTask { .. }));
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
    // A round begins where the loop was entered.
    let first = entered.iter().find(|name| states.contains(name));
    let at = first.and_then(|first| states.iter().position(|state| state == *first)).unwrap_or(0);
    states.rotate_left(at);
    states
}

struct Answering<'r> {
    plan: &'r Plan,
    value: Json,
    states: &'r BTreeMap<Str, Object>,
    called: BTreeMap<Str, Vec<Answer>>,
    last_called: Str,
    results: BTreeMap<Str, Json>,
    children: Vec<ChildHistory>,
}

impl Answering<'_> {
    /// A result that has what is asked of it where it ends up.
    fn result(&self, call: &Call<'_>) -> Json {
        let state = call.call.state.as_str();
        let mut result = self.value.as_object().cloned().unwrap_or_default();
        self.select(state, &mut result);
        let mut add = |more: Option<&Json>| {
            for (key, value) in more.and_then(Json::as_object).into_iter().flat_map(Object::iter) {
                result.insert(key.clone(), value.clone());
            }
        };
        let path = self.states.get(state).and_then(|state| state.get("ResultPath")?.as_str());
        if let Some(path) = path {
            let at = part(&self.value, &segments(path));
            let is_told = |at: &&Json| !matches!(at, Json::Object(_)) && !is_plain(at);
            if let Some(scalar) = at.filter(is_told) {
                // The result itself is what is asked for.
                return scalar.clone();
            }
            add(at);
        }
        // Once more, for what was added may have the names that are read.
        self.select(state, &mut result);
        let next = self.states.get(state).and_then(|state| state.get("Next")?.as_str());
        let own = self.states.get(state).and_then(|state| state.get("ResultSelector"));
        let is_list = own.is_some_and(|own| begins_with_item("", own, 0))
            || path.is_none() && asks_for_list(next.and_then(|next| self.states.get(next)));
        let resource = call.call.resource.as_str();
        let wrapper = match resource {
            _ if resource.contains(":::lambda:invoke") => Some("Payload"),
            _ if resource.contains(":::states:startExecution.sync:2") => Some("Output"),
            _ => None,
        };
        match wrapper {
            Some(key) => {
                let mut inner = result.clone();
                let own = result.get(key).and_then(Json::as_object).cloned().unwrap_or_default();
                inner.remove(key);
                own.iter().for_each(|(key, value)| {
                    inner.insert(key.clone(), value.clone());
                });
                let inner = Json::Object(inner);
                result.insert(key, if is_list { Needs::list(&inner) } else { inner });
                result.insert("StatusCode", Json::Int(200));
            }
            None if is_list => return Needs::list(&result.into()),
            None => {}
        }
        if self.plan.large.contains(state) {
            let size = Json::Object(result.clone()).to_string().len();
            result.insert("large", "x".repeat(LARGE.saturating_sub(size)).into());
        }
        result.into()
    }
}

impl Answering<'_> {
    /// What is asked of the members that a `ResultSelector` or an `Output` makes is put where it reads
    /// them.
    fn select(&self, state: &str, result: &mut Object) {
        let Some(fields) = self.states.get(state) else { return };
        let path = fields.get("ResultPath").and_then(Json::as_str).unwrap_or("$");
        let asked = part(&self.value, &segments(path)).unwrap_or(&self.value);
        let mut whole = Json::Object(std::mem::take(result));
        for field in ["ResultSelector", "Output"] {
            let made = fields.get(field).and_then(Json::as_object);
            for (key, from) in made.into_iter().flat_map(Object::iter) {
                let Some(text) = from.as_str() else { continue };
                let from = match key.strip_suffix(".$") {
                    Some(_) if text.starts_with("$.") => Some(segments(text)),
                    Some(_) => None,
                    None if text.contains("$states.result") => only_path(text),
                    None => None,
                };
                let name = key.strip_suffix(".$").unwrap_or(key);
                let (Some(from), Some(wanted)) = (from, asked.get(name)) else { continue };
                let is_plain_path = from.iter().all(|seg| matches!(seg, Seg::Key(_)));
                if is_plain_path && !matches!(wanted, Json::Object(_)) {
                    put(&mut whole, &from, wanted, 0);
                }
            }
        }
        if let Json::Object(members) = whole {
            *result = members;
        }
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
            _ => {
                let mut result = self.result(call);
                self.plan.put(&Source::Result(state.clone()), &mut result);
                self.results.insert(state.clone(), result.clone());
                Answer::returns(result)
            }
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
