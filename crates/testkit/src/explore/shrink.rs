//! Takes out of a script what it does not need, so that a person sees what matters.

use super::finding::{FindingKind, Script};
use stepwright_history::{Event, EventKind, Identity};
use stepwright_json::tree::Node;
use stepwright_json::{Json, Object, Str};
use stepwright_program::Program;
use stepwright_simulator::{MemoryObjects, Mocks, Simulation, Status};
use stepwright_source::Span;

/// Runs that may be made for one script.
const MOST_RUNS: usize = 300;

/// Turns of such a run. A script that needs more is left as it is.
const MOST_TURNS: u64 = 500;

/// How deep members are taken out.
const DEPTH: usize = 3;

/// A script and what it is run with.
pub(super) struct Shrinking<'p> {
    pub(super) program: &'p Program,
    pub(super) identity: &'p Identity,
    pub(super) objects: &'p MemoryObjects,
}

impl Shrinking<'_> {
    /// The script without the members of its input and its answers that change nothing: it passes
    /// through the same states and ends alike.
    pub(super) fn shrink(&self, kind: FindingKind, script: Script) -> Script {
        if matches!(kind, FindingKind::LargePayload | FindingKind::EndlessLoop) {
            return script;
        }
        let Some(shown) = self.shown(&script) else { return script };
        let mut script = script;
        let mut left = MOST_RUNS;
        // Large parts first: what is gone as a whole needs no further runs.
        for depth in 1..=DEPTH {
            for path in paths(&script, depth) {
                if left == 0 {
                    return script;
                }
                let mut smaller = script.clone();
                if !take_out(&mut smaller, &path) {
                    continue;
                }
                left -= 1;
                if self.shown(&smaller).as_ref() == Some(&shown) {
                    script = smaller;
                }
            }
        }
        script
    }

    /// How the script ends, and through which states it goes.
    fn shown(&self, script: &Script) -> Option<(Status, Vec<Str>)> {
        let mocks: Object = script.mocks.iter().cloned().collect();
        let mocks = Node::from_json(&mocks.into(), Span::default());
        let mut mocks = Mocks::parse(&mocks).ok()?;
        let run = Simulation::new(self.program)
            .input(script.input.clone())
            .identity(self.identity.clone())
            .objects(self.objects.clone())
            .most_turns(MOST_TURNS)
            .run(&mut mocks);
        let has_all = mocks.unmocked().is_empty();
        has_all.then(|| (without_data(run.status), entered(&run.events)))
    }
}

/// A status whose output may be smaller.
fn without_data(status: Status) -> Status {
    match status {
        Status::Succeeded { .. } => Status::Succeeded { output: Json::Null },
        Status::Failed { mut failure } => {
            // The cause may tell the data.
            failure.cause = None;
            Status::Failed { failure }
        }
        other => other,
    }
}

fn entered(events: &[Event]) -> Vec<Str> {
    let name = |event: &Event| match &event.kind {
        EventKind::StateEntered { name, .. } => Some(name.clone()),
        _ => None,
    };
    events.iter().filter_map(name).collect()
}

/// A member: of the input, or of the answers of the state at this position; then the keys.
type Path = (Option<usize>, Vec<Str>);

fn paths(script: &Script, depth: usize) -> Vec<Path> {
    fn walk(value: &Json, depth: usize, before: &mut Vec<Str>, found: &mut Vec<Vec<Str>>) {
        for (key, value) in value.as_object().into_iter().flat_map(Object::iter) {
            before.push(key.clone());
            if depth == 1 {
                found.push(before.clone());
            } else {
                walk(value, depth - 1, before, found);
            }
            before.pop();
        }
    }
    let mut all = Vec::new();
    let mut add = |of: Option<usize>, value: &Json| {
        let mut found = Vec::new();
        walk(value, depth, &mut Vec::new(), &mut found);
        all.extend(found.into_iter().map(|keys| (of, keys)));
    };
    add(None, &script.input);
    for (at, (_, mock)) in script.mocks.iter().enumerate() {
        if let Some(returned) = mock.get("return") {
            add(Some(at), returned);
        }
    }
    all
}

fn take_out(script: &mut Script, (of, keys): &Path) -> bool {
    let mut value = match of {
        None => &mut script.input,
        Some(at) => {
            let Some((_, Json::Object(mock))) = script.mocks.get_mut(*at) else { return false };
            mock.get_or_insert_with("return", || Json::Null)
        }
    };
    let Some((last, before)) = keys.split_last() else { return false };
    for key in before {
        let Json::Object(members) = value else { return false };
        if !members.contains_key(key) {
            return false;
        }
        value = members.get_or_insert_with(key, || Json::Null);
    }
    match value {
        Json::Object(members) => members.remove(last).is_some(),
        _ => false,
    }
}
