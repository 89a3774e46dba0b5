//! Which events of a history belong to one scope: the top level, a branch, an iteration.

use super::{details, id_of, name_of, previous_of, type_of};
use std::collections::BTreeMap;
use stepwright_json::{Json, Str};

/// A step into a scope.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Within {
    /// An item of the Map state of this name.
    Item(Str, u32),
    /// The branch that begins with the state of this name.
    Branch(Str),
}

/// The way to a scope from the top level.
pub type Scope = Vec<Within>;

/// What is known of each event's place.
#[derive(Clone, Debug, Default)]
pub struct Place {
    /// Its scope.
    pub scope: Scope,
    /// The state it belongs to; empty before the first.
    pub state: Str,
}

/// The places of the events of a history, one by one as they come. Events follow each other within a
/// scope by `previousEventId`.
#[derive(Clone, Debug, Default)]
pub struct Places {
    by_id: BTreeMap<i64, (Place, Str)>,
    entered: BTreeMap<Str, Vec<Scope>>,
    /// The state that each scope is in.
    current: BTreeMap<Scope, Str>,
}

impl Places {
    /// The place of the next event.
    pub fn next(&mut self, event: &Json) -> Place {
        let previous = previous_of(event).and_then(|id| self.by_id.get(&id)).cloned();
        let (before, previous_type) = previous.unwrap_or_default();
        let mut place = place(event, before, &previous_type, &self.entered);
        if is_again(type_of(event), &previous_type) {
            // The scope that failed is left, and the state around it is tried again.
            let is_within = |step: &Within| match step {
                Within::Branch(_) => type_of(event) == "ParallelStateStarted",
                Within::Item(..) => type_of(event) == "MapStateStarted",
            };
            if let Some(at) = place.scope.iter().rposition(is_within) {
                place.scope.truncate(at);
            }
            place.state = self.current.get(&place.scope).cloned().unwrap_or_default();
        }
        if type_of(event).ends_with("StateEntered") {
            self.current.insert(place.scope.clone(), place.state.clone());
            self.entered.entry(place.state.clone()).or_default().push(place.scope.clone());
        }
        if let Some(id) = id_of(event) {
            self.by_id.insert(id, (place.clone(), type_of(event).into()));
        }
        place
    }
}

/// Whether a Parallel or Map begins for another time, because of a retrier.
fn is_again(kind: &str, previous_type: &str) -> bool {
    match kind {
        "ParallelStateStarted" => previous_type != "ParallelStateEntered",
        "MapStateStarted" => previous_type != "MapStateEntered",
        _ => false,
    }
}

/// The place of each event of a history.
pub fn places(events: &[Json]) -> Vec<Place> {
    let mut places = Places::default();
    events.iter().map(|event| places.next(event)).collect()
}

fn place(
    event: &Json,
    before: Place,
    previous_type: &str,
    entered: &BTreeMap<Str, Vec<Scope>>,
) -> Place {
    let kind = type_of(event);
    let mut scope = before.scope;
    if kind.ends_with("StateEntered") {
        let state: Str = name_of(event).into();
        if previous_type == "ParallelStateStarted" {
            scope.push(Within::Branch(state.clone()));
        }
        return Place { scope, state };
    }
    if kind.ends_with("StateExited") {
        // The state was entered in this scope, or in one around it.
        let state: Str = name_of(event).into();
        let around = entered.get(&state).into_iter().flatten();
        let around =
            around.filter(|outer| scope.starts_with(outer)).max_by_key(|outer| outer.len());
        return Place { scope: around.cloned().unwrap_or(scope), state };
    }
    if kind.starts_with("MapIteration") {
        let found = details(event);
        let name: Str = name_of(event).into();
        let index = found.and_then(|found| found.get("index")).and_then(Json::as_i64).unwrap_or(0);
        leave_map(&mut scope, Some(&name));
        scope.push(Within::Item(name.clone(), index as u32));
        return Place { scope, state: name };
    }
    match kind {
        "MapStateSucceeded" | "MapStateFailed" if previous_type.starts_with("MapIteration") => {
            leave_map(&mut scope, None);
            Place { scope, state: before.state }
        }
        "ParallelStateSucceeded" | "ParallelStateFailed" => {
            if let Some(at) = scope.iter().rposition(|step| matches!(step, Within::Branch(_))) {
                scope.truncate(at);
            }
            Place { scope, state: before.state }
        }
        "ExecutionSucceeded" | "ExecutionFailed" | "ExecutionAborted" | "ExecutionTimedOut" => {
            Place { scope: Vec::new(), state: before.state }
        }
        _ => Place { scope, state: before.state },
    }
}

/// Cuts a scope off before the item of a Map: of this one, or of the nearest.
fn leave_map(scope: &mut Scope, name: Option<&Str>) {
    let is_meant = |step: &Within| match step {
        Within::Item(of, _) => name.is_none_or(|name| name == of),
        Within::Branch(_) => false,
    };
    if let Some(at) = scope.iter().rposition(is_meant) {
        scope.truncate(at);
    }
}
