//! Where a value that a state sees comes from: the input of the execution, or the result of a task.
//!
//! A run shows in which order states followed each other; their fields say what each hands on. Read backwards, a
//! path into a state's data becomes a path into what was made up, where it can be made otherwise.

use super::asks::{Ask, asks_of_text};
use super::places::{Step, steps};
use crate::trace::ChildHistory;
use regex::Regex;
use std::collections::BTreeMap;
use std::sync::LazyLock;
use stepwright_history::{Event, EventKind, To};
use stepwright_json::{Json, Object, Str};
use stepwright_program::{Kind, Program, StateId};

/// What is made up, and can be made otherwise.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Source {
    /// The input of the execution.
    Input,
    /// What the task of a state returns.
    Result(Str),
    /// What the items of objects are that readers ask for.
    Items,
}

/// A place in what is made up.
pub(super) type Place = (Source, Vec<Step>);

/// A place that a value comes from.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Lead {
    /// The value stands there.
    Is(Place),
    /// The value is computed from what stands there; the expression asks for something like this.
    DependsOn(Place, Json),
}

/// What a place in a template is.
enum Part {
    Path(Of, Vec<Step>),
    /// A text that computes something, of whose value a place is asked.
    Text(String, Vec<Step>),
}

/// What a path in a state's fields is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Of {
    /// What the state was entered with.
    Entered,
    /// What `InputPath` lets through of it.
    Input,
    /// The result, as it comes.
    Raw,
    /// The result, when `ResultSelector` has been applied.
    Result,
    /// What `OutputPath` is applied to.
    Combined,
    /// An item of the Map around.
    Item,
    /// A variable.
    Variable(Str),
    /// The input of the execution.
    Execution,
}

/// Where a state was entered or left: the history, and the event in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spot {
    history: usize,
    event: usize,
}

/// The histories of a run, to be read backwards.
pub(super) struct Origins<'r> {
    program: &'r Program,
    states: &'r BTreeMap<Str, Object>,
    around: BTreeMap<StateId, StateId>,
    histories: Vec<&'r [Event]>,
}

/// Steps that are gone back, at most.
const MOST: usize = 1_000;

/// Places that one value depends on, at most.
const MOST_LEADS: usize = 12;

static FIELDS: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^\$(states\.input|states\.result|states\.context\.Execution\.Input|states\.context\.Map\.Item\.Value|[A-Za-z]\w*)((?:\.\w+|\.`[^`]+`|\[-?\d+\])*)$")
        .expect("the pattern is one")
});

/// A comment in JSONata.
pub(super) static COMMENT: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?s)/\*.*?\*/").expect("the pattern is one"));

/// `$parse(PATH).field`
static PARSED: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^\$parse\(\s*(\$[\w.\[\]]+)\s*\)((?:\.\w+)*)$").expect("the pattern is one")
});

/// What a text is about, if it is nothing but a path of either language.
pub(super) fn path_of(text: &str, here: Of) -> Option<(Of, Vec<Step>)> {
    let text = text.trim();
    if let Some(inner) = text.strip_prefix("{%").and_then(|text| text.strip_suffix("%}")) {
        let inner = COMMENT.replace_all(inner, "");
        let inner = inner.trim();
        if let Some(found) = PARSED.captures(inner) {
            let (of, mut path) = path_of(&format!("{{%{}%}}", &found[1]), here)?;
            path.push(Step::Text);
            path.extend(steps(&found[2]));
            return Some((of, path));
        }
        let found = FIELDS.captures(inner)?;
        let of = match &found[1] {
            "states.input" => Of::Entered,
            "states.result" => Of::Raw,
            "states.context.Execution.Input" => Of::Execution,
            "states.context.Map.Item.Value" => Of::Item,
            "states" => return None,
            name => Of::Variable(name.into()),
        };
        return Some((of, steps(&found[2])));
    }
    if let Some(inner) =
        text.strip_prefix("States.StringToJson(").and_then(|text| text.strip_suffix(')'))
    {
        let (of, mut path) = path_of(inner, here)?;
        path.push(Step::Text);
        return Some((of, path));
    }
    if let Some(rest) = text.strip_prefix("$$") {
        let item = rest.strip_prefix(".Map.Item.Value").map(|rest| (Of::Item, steps(rest)));
        return item
            .or_else(|| rest.strip_prefix(".Execution.Input").map(|r| (Of::Execution, steps(r))));
    }
    let rest = text.strip_prefix('$')?;
    if rest.is_empty() || rest.starts_with(['.', '[']) {
        return Some((here, steps(rest)));
    }
    let end = rest.find(['.', '[']).unwrap_or(rest.len());
    let name = &rest[..end];
    let is_name = name.chars().all(|c| c.is_alphanumeric() || c == '_');
    is_name.then(|| (Of::Variable(name.into()), steps(&rest[end..])))
}

/// What a text in a template is about, of which a place is asked.
fn within_text(text: &str, path: &[Step], here: &Of) -> Part {
    match path_of(text, here.clone()) {
        Some((of, mut from)) => {
            from.extend_from_slice(path);
            Part::Path(of, from)
        }
        None => Part::Text(text.to_owned(), path.to_vec()),
    }
}

/// What a place in the value of a template is about.
fn within_template(template: &Json, path: &[Step], here: &Of) -> Option<Part> {
    match template {
        Json::String(text) => Some(within_text(text, path, here)),
        Json::Object(members) => {
            let (first, rest) = path.split_first()?;
            let Step::Key(key) = first else { return None };
            if let Some(text) = members.get(&format!("{key}.$")).and_then(Json::as_str) {
                return Some(within_text(text, rest, here));
            }
            match members.get(key)? {
                // A text of JSONPath is what it is.
                Json::String(text) if !text.trim_start().starts_with("{%") => None,
                member => within_template(member, rest, here),
            }
        }
        Json::Array(items) => {
            let (first, rest) = path.split_first()?;
            let item = match first {
                Step::At(index) => items.get(*index)?,
                _ => items.first()?,
            };
            within_template(item, rest, here)
        }
        _ => None,
    }
}

impl<'r> Origins<'r> {
    pub(super) fn new(
        program: &'r Program,
        states: &'r BTreeMap<Str, Object>,
        events: &'r [Event],
        children: &'r [ChildHistory],
    ) -> Self {
        let histories =
            std::iter::once(events).chain(children.iter().map(|(_, events)| events.as_slice()));
        let around = super::ways::around(program);
        Self { program, states, around, histories: histories.collect() }
    }

    /// Where a state was entered last.
    pub(super) fn entered(&self, state: &str) -> Option<Spot> {
        for (history, events) in self.histories.iter().enumerate().rev() {
            let found = events.iter().rposition(|event| {
                matches!(&event.kind, EventKind::StateEntered { name, .. } if name == state)
            });
            if let Some(event) = found {
                return Some(Spot { history, event });
            }
        }
        None
    }

    /// The states that were entered and never left, where the runs ended.
    pub(super) fn open(&self) -> Vec<Str> {
        let mut open = Vec::new();
        for events in &self.histories {
            let mut within: BTreeMap<_, Str> = BTreeMap::new();
            for event in *events {
                match &event.kind {
                    EventKind::StateEntered { name, .. } => {
                        within.insert(event.frame, name.clone());
                    }
                    EventKind::StateExited { .. } => {
                        within.remove(&event.frame);
                    }
                    _ => {}
                }
            }
            // The innermost first.
            open.extend(within.into_values().rev());
        }
        open
    }

    /// What a state was entered with.
    pub(super) fn input(&self, spot: Spot) -> &'r Json {
        match &self.histories[spot.history][spot.event].kind {
            EventKind::StateEntered { input, .. } => input,
            _ => &Json::Null,
        }
    }

    /// The variables when a state was entered.
    pub(super) fn variables(&self, spot: Spot) -> Object {
        let mut variables = Object::new();
        for (history, events) in self.histories.iter().enumerate().take(spot.history + 1) {
            if history != 0 && history != spot.history {
                continue;
            }
            let until = if history == spot.history { spot.event } else { events.len() };
            for event in &events[..until] {
                if let EventKind::StateExited { assigned: Some(assigned), .. } = &event.kind {
                    for (name, value) in assigned.iter() {
                        variables.insert(name.clone(), value.clone());
                    }
                }
            }
        }
        variables
    }

    /// Where a path of a state comes from, that was entered there. Nothing if that cannot be made otherwise.
    pub(super) fn of(&self, of: &Of, path: Vec<Step>, spot: Spot) -> Vec<Lead> {
        let mut fuel = MOST;
        self.about(of, path, spot, &mut fuel).unwrap_or_default()
    }

    /// Where a place in the value of a template comes from, of a state that was entered there.
    fn template(
        &self,
        (template, here): (&Json, &Of),
        path: &[Step],
        spot: Spot,
        fuel: &mut usize,
    ) -> Option<Vec<Lead>> {
        *fuel = fuel.checked_sub(1)?;
        match within_template(template, path, here)? {
            Part::Path(of, path) => self.about(&of, path, spot, fuel),
            Part::Text(text, path) => Some(self.text(&text, here, &path, spot, fuel)),
        }
    }

    /// What a place in the value of a text depends on.
    fn text(
        &self,
        text: &str,
        here: &Of,
        within: &[Step],
        spot: Spot,
        fuel: &mut usize,
    ) -> Vec<Lead> {
        let mut leads = Vec::new();
        for Ask { of, path, value } in asks_of_text(text, here) {
            // `$merge([$a, $b])` and the like hand on the members of what they are given.
            if !matches!(value, Json::Array(_)) && !within.is_empty() {
                let path = [path.as_slice(), within].concat();
                let perhaps = self.about(&of, path, spot, fuel).unwrap_or_default();
                leads.extend(perhaps.into_iter().take(MOST_LEADS.saturating_sub(leads.len())));
                continue;
            }
            for lead in self.about(&of, path, spot, fuel).unwrap_or_default() {
                let lead = match lead {
                    Lead::Is(place) => Lead::DependsOn(place, value.clone()),
                    further @ Lead::DependsOn(..) => further,
                };
                if !leads.contains(&lead) && leads.len() < MOST_LEADS {
                    leads.push(lead);
                }
            }
        }
        leads
    }

    fn about(&self, of: &Of, path: Vec<Step>, spot: Spot, fuel: &mut usize) -> Option<Vec<Lead>> {
        *fuel = fuel.checked_sub(1)?;
        match of {
            Of::Entered => self.before(path, spot, fuel),
            Of::Input => self.through_input(path, spot, fuel),
            Of::Raw => self.raw(path, spot, fuel),
            Of::Result => self.result(path, spot, fuel),
            Of::Combined => self.combined(path, spot, fuel),
            Of::Item => self.item(path, spot, fuel),
            Of::Variable(name) => self.variable(name, path, spot, fuel),
            Of::Execution => Some(vec![Lead::Is((Source::Input, path))]),
        }
    }

    fn name(&self, spot: Spot) -> Option<&'r Str> {
        match &self.histories[spot.history][spot.event].kind {
            EventKind::StateEntered { name, .. } => Some(name),
            _ => None,
        }
    }

    fn fields(&self, spot: Spot) -> Option<&'r Object> {
        self.states.get(self.name(spot)?)
    }

    fn kind(&self, spot: Spot) -> Option<&'r Kind> {
        match &self.histories[spot.history][spot.event].kind {
            EventKind::StateEntered { state, .. } => {
                Some(&self.program.state(StateId(*state)).kind)
            }
            _ => None,
        }
    }

    /// What a state was entered with: what the one before it handed on, or what is around.
    fn before(&self, path: Vec<Step>, spot: Spot, fuel: &mut usize) -> Option<Vec<Lead>> {
        *fuel = fuel.checked_sub(1)?;
        let events = self.histories[spot.history];
        let frame = events[spot.event].frame;
        let left = events[..spot.event].iter().rposition(|event| {
            event.frame == frame && matches!(event.kind, EventKind::StateExited { .. })
        });
        if let Some(left) = left {
            let from = self.entry_of(Spot { history: spot.history, event: left })?;
            // Through a catcher comes the error, or what the state was entered with.
            match self.catcher(from, spot) {
                Some(catcher) if hands_on_the_error(catcher, &path) => return None,
                Some(_) => return self.before(path, from, fuel),
                None => {}
            }
            return self.output(path, from, fuel);
        }
        let EventKind::StateEntered { state, .. } = &events[spot.event].kind else { return None };
        let Some(outer) = self.around.get(&StateId(*state)) else {
            return Some(vec![Lead::Is((Source::Input, path))]);
        };
        let outer = self.entered(&self.program.state(*outer).name)?;
        match self.kind(outer)? {
            Kind::Parallel(_) => self.parameters(path, outer, fuel),
            _ => self.child_input(path, outer, fuel),
        }
    }

    /// Where the state was entered that was left there.
    fn entry_of(&self, left: Spot) -> Option<Spot> {
        let events = self.histories[left.history];
        let frame = events[left.event].frame;
        let event = events[..left.event].iter().rposition(|event| {
            event.frame == frame && matches!(event.kind, EventKind::StateEntered { .. })
        })?;
        Some(Spot { history: left.history, event })
    }

    /// The catcher that led from one state to another, if one did.
    fn catcher(&self, from: Spot, to: Spot) -> Option<&'r Json> {
        let target = Some(self.name(to)?.as_str());
        let fields = self.fields(from)?;
        if fields.get("Next").and_then(Json::as_str) == target {
            return None;
        }
        let mut catchers = fields.get("Catch").and_then(Json::as_array)?.iter();
        catchers.find(|one| one.get("Next").and_then(Json::as_str) == target)
    }

    /// What a state hands on.
    fn output(&self, path: Vec<Step>, spot: Spot, fuel: &mut usize) -> Option<Vec<Lead>> {
        *fuel = fuel.checked_sub(1)?;
        let fields = self.fields(spot)?;
        if let Some(output) = fields.get("Output") {
            return self.template((output, &Of::Input), &path, spot, fuel);
        }
        match fields.get("OutputPath") {
            Some(Json::Null) => None,
            Some(Json::String(text)) => {
                let (of, mut from) = path_of(text, Of::Combined)?;
                from.extend(path);
                self.about(&of, from, spot, fuel)
            }
            _ => self.combined(path, spot, fuel),
        }
    }

    /// The input with the result in it.
    fn combined(&self, path: Vec<Step>, spot: Spot, fuel: &mut usize) -> Option<Vec<Lead>> {
        let fields = self.fields(spot)?;
        if !matches!(
            self.kind(spot)?,
            Kind::Task(_) | Kind::Map(_) | Kind::Parallel(_) | Kind::Pass(_)
        ) {
            return self.through_input(path, spot, fuel);
        }
        match fields.get("ResultPath") {
            Some(Json::Null) => self.before(path, spot, fuel),
            Some(Json::String(text)) => {
                let at = steps(text.trim_start_matches('$'));
                match path.strip_prefix(at.as_slice()) {
                    Some(rest) => self.result(rest.to_vec(), spot, fuel),
                    None => self.before(path, spot, fuel),
                }
            }
            _ => self.result(path, spot, fuel),
        }
    }

    fn result(&self, path: Vec<Step>, spot: Spot, fuel: &mut usize) -> Option<Vec<Lead>> {
        let fields = self.fields(spot)?;
        if matches!(self.kind(spot)?, Kind::Pass(_)) {
            if fields.get("Result").is_some() {
                return None;
            }
            return self.parameters(path, spot, fuel);
        }
        match fields.get("ResultSelector") {
            Some(selector) => self.template((selector, &Of::Raw), &path, spot, fuel),
            None => self.raw(path, spot, fuel),
        }
    }

    /// The result of a task, or of what a state runs within it.
    fn raw(&self, path: Vec<Step>, spot: Spot, fuel: &mut usize) -> Option<Vec<Lead>> {
        *fuel = fuel.checked_sub(1)?;
        let (starts, rest) = match self.kind(spot)? {
            Kind::Task(_) => {
                return Some(vec![Lead::Is((Source::Result(self.name(spot)?.clone()), path))]);
            }
            Kind::Pass(_) => return self.before(path, spot, fuel),
            Kind::Parallel(parallel) => match path.split_first() {
                Some((Step::At(index), rest)) => (vec![*parallel.branches.get(*index)?], rest),
                // `$merge($states.result)`, or a field of any of them.
                Some((Step::Any, rest)) => (parallel.branches.clone(), rest),
                _ => (parallel.branches.clone(), path.as_slice()),
            },
            Kind::Map(map) => match path.split_first() {
                Some((Step::At(_) | Step::Any, rest)) => (vec![map.processor.start], rest),
                _ => (vec![map.processor.start], path.as_slice()),
            },
            _ => return None,
        };
        let ends = starts.into_iter().filter_map(|start| self.end_of(start, spot));
        let leads = ends.filter_map(|last| self.output(rest.to_vec(), last, fuel)).flatten();
        Some(leads.take(MOST_LEADS).collect())
    }

    /// Where the state was entered that ended a branch or an item last.
    fn end_of(&self, start: StateId, outer: Spot) -> Option<Spot> {
        let mut within = vec![start];
        let mut open = vec![start];
        while let Some(id) = open.pop() {
            for next in super::ways::leads_to(&self.program.state(id).kind) {
                if !within.contains(&next) {
                    within.push(next);
                    open.push(next);
                }
            }
        }
        let names: Vec<&Str> = within.iter().map(|id| &self.program.state(*id).name).collect();
        let own = std::iter::once(outer.history);
        let others = (0..self.histories.len()).rev().filter(|history| *history != outer.history);
        for history in own.chain(others) {
            let found = self.histories[history].iter().rposition(|event| {
                matches!(&event.kind, EventKind::StateExited { name, to: To::End, .. } if names.contains(&name))
            });
            if let Some(event) = found {
                return self.entry_of(Spot { history, event });
            }
        }
        None
    }

    /// What `InputPath` lets through.
    fn through_input(&self, path: Vec<Step>, spot: Spot, fuel: &mut usize) -> Option<Vec<Lead>> {
        match self.fields(spot)?.get("InputPath") {
            Some(Json::Null) => None,
            Some(Json::String(text)) => {
                let (of, mut from) = path_of(text, Of::Entered)?;
                from.extend(path);
                self.about(&of, from, spot, fuel)
            }
            _ => self.before(path, spot, fuel),
        }
    }

    /// What `Parameters` or `Arguments` make.
    fn parameters(&self, path: Vec<Step>, spot: Spot, fuel: &mut usize) -> Option<Vec<Lead>> {
        let fields = self.fields(spot)?;
        match fields.get("Parameters").or_else(|| fields.get("Arguments")) {
            Some(template) => self.template((template, &Of::Input), &path, spot, fuel),
            None => self.through_input(path, spot, fuel),
        }
    }

    /// What the children of a Map are entered with.
    fn child_input(&self, path: Vec<Step>, map: Spot, fuel: &mut usize) -> Option<Vec<Lead>> {
        let fields = self.fields(map)?;
        let mut path = path;
        if let Some(batcher) = fields.get("ItemBatcher") {
            match path.split_first()? {
                (Step::Key(key), rest) if key == "Items" => {
                    path = rest.split_first().map(|(_, rest)| rest.to_vec()).unwrap_or_default();
                }
                (Step::Key(key), rest) if key == "BatchInput" => {
                    let input = batcher.get("BatchInput")?;
                    return self.template((input, &Of::Input), rest, map, fuel);
                }
                _ => return None,
            }
        }
        let selector = fields.get("ItemSelector").or_else(|| fields.get("Parameters"));
        let Some(selector) = selector else { return self.item_of(path, map, fuel) };
        self.template((selector, &Of::Input), &path, map, fuel)
    }

    /// An item of the Map that is around a state, or of the state itself.
    fn item(&self, path: Vec<Step>, spot: Spot, fuel: &mut usize) -> Option<Vec<Lead>> {
        if matches!(self.kind(spot)?, Kind::Map(_)) {
            return self.item_of(path, spot, fuel);
        }
        let mut id = self.program.state_named(self.name(spot)?)?;
        loop {
            id = *self.around.get(&id)?;
            if matches!(self.program.state(id).kind, Kind::Map(_)) {
                return self.item_of(path, self.entered(&self.program.state(id).name)?, fuel);
            }
        }
    }

    fn item_of(&self, path: Vec<Step>, map: Spot, fuel: &mut usize) -> Option<Vec<Lead>> {
        let fields = self.fields(map)?;
        let mut item = vec![Step::Any];
        item.extend(path);
        if fields.contains_key("ItemReader") {
            return Some(vec![Lead::Is((Source::Items, item))]);
        }
        let from = fields.get("ItemsPath").or_else(|| fields.get("Items"));
        match from {
            Some(Json::String(text)) => {
                self.template((&Json::from(text.as_str()), &Of::Input), &item, map, fuel)
            }
            Some(_) => None,
            None => self.through_input(item, map, fuel),
        }
    }

    /// What a variable was set to.
    fn variable(
        &self,
        name: &Str,
        path: Vec<Step>,
        spot: Spot,
        fuel: &mut usize,
    ) -> Option<Vec<Lead>> {
        *fuel = fuel.checked_sub(1)?;
        let sets = |event: &Event| matches!(&event.kind, EventKind::StateExited { assigned: Some(set), .. } if set.contains_key(name));
        let events = self.histories[spot.history];
        let here = events[..spot.event].iter().rposition(sets);
        let set = match here {
            Some(event) => Spot { history: spot.history, event },
            None => Spot { history: 0, event: self.histories[0].iter().rposition(sets)? },
        };
        let state = self.entry_of(set)?;
        let mut full = vec![Step::Key(name.as_str().to_owned())];
        full.extend(path);
        let here = match self.kind(state)? {
            Kind::Task(_) | Kind::Map(_) | Kind::Parallel(_) | Kind::Pass(_) => Of::Result,
            _ => Of::Input,
        };
        self.template((self.fields(state)?.get("Assign")?, &here), &full, state, fuel)
    }
}

/// Whether what stands at a path behind a catcher is the error, or computed from it.
fn hands_on_the_error(catcher: &Json, path: &[Step]) -> bool {
    let at = catcher.get("ResultPath").and_then(Json::as_str).unwrap_or("$");
    path.starts_with(&steps(at.trim_start_matches('$'))) || catcher.get("Output").is_some()
}
