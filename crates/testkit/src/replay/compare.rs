//! The first place at which two histories differ.

use super::Recording;
use super::matcher::{Chance, Matcher, parallel_normalise};
use super::times::Times;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use stepwright_history::EventKind;
use stepwright_json::{Json, Object, Str};
use stepwright_program::Program;
use stepwright_simulator::Run;
use stepwright_timeline::recorded::{Scope, Within, places};
use stepwright_timeline::recorded::{details, id_of, moment, name_of, type_of};

/// Where a run departs from a recording.
#[derive(Clone, Debug, PartialEq)]
pub struct Departure {
    /// The id of the recorded event; None where the run goes on after the end of the recording.
    pub event: Option<i64>,
    /// The type of the event that was recorded, or that was not.
    pub kind: String,
    /// The state it belongs to; empty for the execution itself.
    pub state: Str,
    /// Where: branches and items, in words.
    pub scope: String,
    /// What differs: `type`, or a path into the event.
    pub what: String,
    /// What was recorded there; None where there is nothing.
    pub expected: Option<Json>,
    /// What there is now; None where there is nothing.
    pub actual: Option<Json>,
}

impl fmt::Display for Departure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |value: &Option<Json>| {
            value.as_ref().map_or_else(|| "nothing".to_owned(), Json::to_string)
        };
        let Self { kind, state, what, .. } = self;
        let place = if state.is_empty() { String::new() } else { format!(" of `{state}`") };
        write!(f, "{kind}{place}: {what}: recorded {}, ", text(&self.expected))?;
        write!(f, "now {}", text(&self.actual))
    }
}

pub(super) struct Compared {
    pub(super) agreed: usize,
    pub(super) departure: Option<Departure>,
}

/// An hour before and after are still the same run: clocks of AWS's services differ a little.
const SLACK: i64 = 3_600_000;

pub(super) fn compare(
    program: &Program,
    recording: &Recording,
    run: &Run,
    events: &[Json],
) -> Compared {
    let mut recorded = recording.events.clone();
    let mut events = events.to_vec();
    if recording.is_open {
        events.truncate(recorded.len());
    }
    drop_activities_that_are_gone(&recorded, &mut events);
    let chance = chance(recording, run);
    if recording.is_unordered {
        events = parallel_normalise(&events);
        // A replay that agrees may still be compared a second time: only the order is not known.
        for list in [&mut recorded, &mut events] {
            *list = sorted_regions(list);
        }
    }
    let timed: &[Json] = if recording.has_times { &recorded } else { &[] };
    let times = Times::new(program, timed, &events);
    // Event by event first: most executions do one thing at a time.
    let straight = in_order(&recorded, &events, &chance, &times);
    if straight.departure.is_none() || recording.is_unordered {
        return straight;
    }
    // What runs side by side may be recorded in another order; within a scope there is only one.
    let scoped = by_scope(&recorded, &events, &chance, &times);
    match scoped.departure {
        None => scoped,
        // The order of scopes says nothing; of an execution that does one thing at a time it does.
        Some(_) if has_scopes(&recorded) || has_scopes(&events) => scoped,
        Some(_) => straight,
    }
}

fn chance(recording: &Recording, run: &Run) -> Chance {
    let last = recording.events.last().and_then(moment).unwrap_or(recording.start.0);
    let token = |kind: &EventKind| match kind {
        EventKind::TaskScheduled { call, .. } => call.token.as_ref().map(Str::to_string),
        _ => None,
    };
    Chance {
        spans: [
            (recording.start.0 - SLACK, last + SLACK),
            (run.start.0 - SLACK, run.end.0 + SLACK),
        ],
        tokens: run.events.iter().filter_map(|event| token(&event.kind)).collect(),
    }
}

/// AWS fails a task whose activity is gone before it is scheduled; here the event is there.
fn drop_activities_that_are_gone(recorded: &[Json], events: &mut Vec<Json>) {
    let at = events.iter().position(|event| type_of(event) == "ActivityScheduled");
    let Some(at) = at else { return };
    let ends = |event: Option<&Json>| event.is_some_and(|e| type_of(e) == "ExecutionFailed");
    let was_never = !recorded.iter().any(|event| type_of(event) == "ActivityScheduled");
    if was_never && ends(events.get(at + 1)) && ends(recorded.get(at)) {
        events.remove(at);
        for event in &mut events[at..] {
            if let Json::Object(event) = event {
                event.insert("id", Json::Int(at as i64 + 1));
                event.insert("previousEventId", Json::Int(at as i64));
            }
        }
    }
}

/// Sorts the regions whose order a recorder has lost: by type, name and data.
fn sorted_regions(events: &[Json]) -> Vec<Json> {
    let is_lost = |event: &Json| event.get("id").is_some_and(|id| id.as_array().is_some());
    let mut sorted = events.to_vec();
    let mut at = 0;
    while at < sorted.len() {
        let end = (at..sorted.len()).find(|at| !is_lost(&sorted[*at])).unwrap_or(sorted.len());
        sorted[at..end].sort_by_key(|event| (type_of(event).to_owned(), name_of(event).to_owned()));
        at = end + 1;
    }
    sorted
}

fn has_scopes(events: &[Json]) -> bool {
    events
        .iter()
        .any(|event| matches!(type_of(event), "ParallelStateStarted" | "MapIterationStarted"))
}

/// An event without what the run of time and the order of scopes give it.
fn plain(event: &Json, with_ids: bool) -> Json {
    let mut plain = event.as_object().cloned().unwrap_or_default();
    plain.remove("timestamp");
    if !with_ids || event.get("id").is_some_and(|id| id.as_array().is_some()) {
        plain.remove("id");
        plain.remove("previousEventId");
    }
    Json::Object(plain)
}

fn in_order(recorded: &[Json], events: &[Json], chance: &Chance, times: &Times<'_>) -> Compared {
    let mut comparing = Comparing::new(true, chance, times);
    let states = places(recorded);
    let theirs = places(events);
    for at in 0..recorded.len().max(events.len()) {
        let (expected, actual) = (recorded.get(at), events.get(at));
        let place = states.get(at).or(theirs.get(at));
        let state = place.map(|place| place.state.clone()).unwrap_or_default();
        let scope = place.map(|place| in_words(&place.scope)).unwrap_or_default();
        if let Some(departure) = comparing.differ(expected, actual, state, scope) {
            return Compared { agreed: at, departure: Some(departure) };
        }
    }
    Compared { agreed: recorded.len(), departure: None }
}

/// Compares the events of each scope. The difference that was recorded first counts.
fn by_scope(recorded: &[Json], events: &[Json], chance: &Chance, times: &Times<'_>) -> Compared {
    let mut comparing = Comparing::new(false, chance, times);
    let of = |events: &[Json]| -> BTreeMap<Scope, Vec<(usize, Str)>> {
        let mut scopes: BTreeMap<Scope, Vec<(usize, Str)>> = BTreeMap::new();
        for (at, place) in places(events).into_iter().enumerate() {
            scopes.entry(place.scope).or_default().push((at, place.state));
        }
        scopes
    };
    let (ours, theirs) = (of(recorded), of(events));
    let keys: BTreeSet<&Scope> = ours.keys().chain(theirs.keys()).collect();
    let nothing = Vec::new();
    let mut first: Option<(usize, Departure)> = None;
    for key in keys {
        let left = ours.get(key).unwrap_or(&nothing);
        let right = theirs.get(key).unwrap_or(&nothing);
        for at in 0..left.len().max(right.len()) {
            let (expected, actual) = (left.get(at), right.get(at));
            let state = expected.or(actual).map(|(_, state)| state.clone()).unwrap_or_default();
            let found = comparing.differ(
                expected.map(|(at, _)| &recorded[*at]),
                actual.map(|(at, _)| &events[*at]),
                state,
                in_words(key),
            );
            let Some(departure) = found else { continue };
            // What only happens now is as early as the last thing of its scope that was recorded.
            let place = expected.map_or_else(
                || left.last().map_or(recorded.len(), |(at, _)| at + 1),
                |(at, _)| *at,
            );
            if first.as_ref().is_none_or(|(before, _)| place < *before) {
                first = Some((place, departure));
            }
            break;
        }
    }
    match first {
        Some((at, departure)) => Compared { agreed: at, departure: Some(departure) },
        None => Compared { agreed: recorded.len(), departure: None },
    }
}

fn in_words(scope: &Scope) -> String {
    let words = scope.iter().map(|step| match step {
        Within::Item(map, index) => format!("item {index} of `{map}`"),
        Within::Branch(first) => format!("the branch that begins with `{first}`"),
    });
    words.collect::<Vec<_>>().join(", ")
}

/// Compares events one by one.
struct Comparing<'t> {
    matcher: Matcher,
    /// Whether the ids count.
    with_ids: bool,
    times: &'t Times<'t>,
}

impl<'t> Comparing<'t> {
    fn new(with_ids: bool, chance: &Chance, times: &'t Times<'t>) -> Self {
        Self { matcher: Matcher::between_runs(chance.clone()), with_ids, times }
    }

    fn differ(
        &mut self,
        expected: Option<&Json>,
        actual: Option<&Json>,
        state: Str,
        scope: String,
    ) -> Option<Departure> {
        let departure = |what: &str, wanted: Option<Json>, found: Option<Json>| Departure {
            event: expected.and_then(id_of),
            kind: expected.or(actual).map(type_of).unwrap_or_default().to_owned(),
            state: match expected.or(actual) {
                Some(event) if type_of(event).starts_with("Execution") => Str::default(),
                _ => state.clone(),
            },
            scope: scope.clone(),
            what: what.to_owned(),
            expected: wanted,
            actual: found,
        };
        let kind = |event: &Json| Json::from(shown_type(event));
        let (expected, actual) = match (expected, actual) {
            (Some(expected), Some(actual)) => (expected, actual),
            (expected, actual) => {
                return Some(departure("type", expected.map(kind), actual.map(kind)));
            }
        };
        if type_of(expected) != type_of(actual)
            || (type_of(expected).contains("State") && name_of(expected) != name_of(actual))
        {
            return Some(departure("type", Some(kind(expected)), Some(kind(actual))));
        }
        let (left, right) = (plain(expected, self.with_ids), plain(actual, self.with_ids));
        let Err(message) = self.matcher.compare(&left, &right, "") else {
            let late = self.times.differ(expected, actual, &state)?;
            let (recorded, now) = (Json::Float(late.recorded), Json::Float(late.now));
            return Some(departure(&late.what, Some(recorded), Some(now)));
        };
        // The matcher says where before the first colon: `.stateExitedEventDetails.output: expected …`.
        let path = message.split(": ").next().unwrap_or_default().trim_start_matches('.');
        // JSON in texts is compared as what it holds.
        let path = &path.replace("(json)", "");
        let field: Vec<&str> = path.split('.').take(2).collect();
        let key = field.get(1).map(|key| key.split(['(', '[']).next().unwrap_or(key));
        let of = |event: &Json| -> Option<Json> {
            match key {
                Some(key) => details(event).and_then(|found: &Object| found.get(key)).cloned(),
                None => event.get(field[0]).cloned(),
            }
        };
        Some(departure(path, of(expected), of(actual)))
    }
}

/// The type of an event, with the name of the state that was entered or left.
fn shown_type(event: &Json) -> String {
    match name_of(event) {
        "" => type_of(event).to_owned(),
        name => format!("{} {name}", type_of(event)),
    }
}
