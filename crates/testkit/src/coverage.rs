//! Which parts of a program tests use.

use std::collections::{BTreeMap, BTreeSet};
use stepwright_graph::{Mark, Marks};
use stepwright_json::{Json, Object, Str};
use stepwright_program::{Catcher, Kind, Program, Retrier, StateId, Transition};

/// A part of a program that a test can use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// A state is entered.
    State(StateId),
    /// One state leads to another: by `Next`, a rule, or (true) a catcher.
    Transition(StateId, StateId, bool),
    /// A rule of a Choice state applies; the number after the last rule stands for `Default`.
    Rule(StateId, usize),
    /// A retrier tries again.
    Retrier(StateId, usize),
    /// A catcher takes a failure.
    Catcher(StateId, usize),
}

/// How often each part of a program was used.
#[derive(Clone, Debug, Default)]
pub struct Hits(BTreeMap<Part, u64>);

impl Hits {
    /// None of the parts of a program is used yet.
    pub fn new(program: &Program) -> Self {
        let mut hits = BTreeMap::new();
        for (at, state) in program.states.iter().enumerate() {
            let id = StateId(at as u32);
            hits.insert(Part::State(id), 0);
            let mut transition = |next: Transition| {
                if let Transition::Next(to) = next {
                    hits.insert(Part::Transition(id, to, false), 0);
                }
            };
            let (retry, catch): (&[Retrier], &[Catcher]) = match &state.kind {
                Kind::Task(task) => {
                    transition(task.next);
                    (&task.retry, &task.catch)
                }
                Kind::Parallel(parallel) => {
                    transition(parallel.next);
                    (&parallel.retry, &parallel.catch)
                }
                Kind::Map(map) => {
                    transition(map.next);
                    (&map.retry, &map.catch)
                }
                Kind::Pass(pass) => {
                    transition(pass.next);
                    (&[], &[])
                }
                Kind::Wait(wait) => {
                    transition(wait.next);
                    (&[], &[])
                }
                Kind::Choice(choice) => {
                    let ways = choice.rules.iter().map(|rule| Some(rule.next));
                    for (way, next) in ways.chain([choice.default]).enumerate() {
                        let Some(next) = next else { continue };
                        hits.insert(Part::Transition(id, next, false), 0);
                        hits.insert(Part::Rule(id, way), 0);
                    }
                    (&[], &[])
                }
                Kind::Succeed | Kind::Fail(_) => (&[], &[]),
            };
            for (at, retrier) in retry.iter().enumerate() {
                // One that never tries again only keeps later ones from doing so.
                if retrier.max_attempts > 0 {
                    hits.insert(Part::Retrier(id, at), 0);
                }
            }
            for (at, catcher) in catch.iter().enumerate() {
                hits.insert(Part::Catcher(id, at), 0);
                hits.insert(Part::Transition(id, catcher.next, true), 0);
            }
        }
        Self(hits)
    }

    /// Adds what other runs of the same program used.
    pub fn add(&mut self, other: &Self) {
        for (part, count) in &other.0 {
            *self.0.entry(*part).or_insert(0) += count;
        }
    }

    /// How often a part was used; None for one that the program does not have.
    pub fn of(&self, part: Part) -> Option<u64> {
        self.0.get(&part).copied()
    }

    /// Every part of the program, and how often it was used.
    pub fn parts(&self) -> impl Iterator<Item = (Part, u64)> {
        self.0.iter().map(|(part, count)| (*part, *count))
    }

    /// The parts that were used.
    pub fn used(&self) -> impl Iterator<Item = Part> {
        self.0.iter().filter(|(_, count)| **count > 0).map(|(part, _)| *part)
    }

    fn hit(&mut self, part: Part) {
        if let Some(count) = self.0.get_mut(&part) {
            *count += 1;
        }
    }

    pub(crate) fn state(&mut self, state: StateId) {
        self.hit(Part::State(state));
    }

    pub(crate) fn edge(&mut self, from: StateId, to: StateId, is_catch: bool) {
        self.hit(Part::Transition(from, to, is_catch));
    }

    pub(crate) fn rule(&mut self, state: StateId, way: usize) {
        self.hit(Part::Rule(state, way));
    }

    pub(crate) fn retrier(&mut self, state: StateId, index: usize) {
        self.hit(Part::Retrier(state, index));
    }

    pub(crate) fn catcher(&mut self, state: StateId, index: usize) {
        self.hit(Part::Catcher(state, index));
    }
}

/// How much of a program is used: what kind of part, how many of them were used, of how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// `states`, `transitions`, `rules`, `retriers`, `catchers`.
    pub what: &'static str,
    /// How many were used.
    pub used: usize,
    /// How many there are.
    pub all: usize,
}

impl Share {
    /// In per cent; 100 of nothing.
    pub fn percent(&self) -> f64 {
        if self.all == 0 { 100.0 } else { 100.0 * self.used as f64 / self.all as f64 }
    }
}

/// What tests use of one definition.
#[derive(Clone, Debug)]
pub struct Coverage {
    /// Each kind of part.
    pub shares: [Share; 5],
    /// What no test uses, in words and in the order of the definition.
    pub missed: Vec<String>,
}

const KINDS: [&str; 5] = ["states", "transitions", "rules", "retriers", "catchers"];

impl Coverage {
    /// Counts what was used of a program.
    pub fn of(program: &Program, hits: &Hits) -> Self {
        let mut shares = KINDS.map(|what| Share { what, used: 0, all: 0 });
        let mut missed: Vec<(StateId, usize, Part)> = Vec::new();
        for (part, count) in &hits.0 {
            let (kind, state) = match part {
                Part::State(state) => (0, *state),
                Part::Transition(state, ..) => (1, *state),
                Part::Rule(state, _) => (2, *state),
                Part::Retrier(state, _) => (3, *state),
                Part::Catcher(state, _) => (4, *state),
            };
            shares[kind].all += 1;
            if *count > 0 {
                shares[kind].used += 1;
            } else {
                missed.push((state, kind, *part));
            }
        }
        let is_entered =
            |state: StateId| hits.of(Part::State(state)).is_some_and(|count| count > 0);
        missed.retain(|(state, _, part)| match part {
            Part::State(_) => true,
            // What lies behind a state that is never entered is missed anyway.
            _ if !is_entered(*state) => false,
            // The rule or catcher that is missed says more than its transition.
            Part::Transition(_, _, true) => false,
            Part::Transition(..) => !matches!(program.state(*state).kind, Kind::Choice(_)),
            _ => true,
        });
        missed.sort_by_key(|(state, kind, _)| (*state, *kind));
        let missed = missed.into_iter().map(|(.., part)| describe(program, part)).collect();
        Self { shares, missed }
    }

    /// All parts together.
    pub fn total(&self) -> Share {
        let sum = |of: fn(&Share) -> usize| self.shares.iter().map(of).sum();
        Share { what: "all", used: sum(|share| share.used), all: sum(|share| share.all) }
    }

    /// The figures and what is missed, for scripts.
    pub fn to_json(&self) -> Json {
        let mut object = Object::new();
        for share in self.shares.iter().chain([&self.total()]) {
            let mut figures = Object::new();
            figures.insert("used", share.used.into());
            figures.insert("all", share.all.into());
            figures.insert("percent", Json::Float((share.percent() * 100.0).round() / 100.0));
            object.insert(share.what, figures.into());
        }
        let missed: Vec<Json> = self.missed.iter().map(|text| text.as_str().into()).collect();
        object.insert("missed", missed.into());
        object.into()
    }
}

fn describe(program: &Program, part: Part) -> String {
    let name = |id: StateId| program.state(id).name.clone();
    let errors = |errors: &[Str]| errors.join(", ");
    match part {
        Part::State(state) => format!("`{}` is never entered", name(state)),
        Part::Transition(from, to, false) => {
            format!("`{}` never leads to `{}`", name(from), name(to))
        }
        Part::Transition(from, to, true) => {
            format!("no catcher of `{}` leads to `{}`", name(from), name(to))
        }
        Part::Rule(state, way) => match &program.state(state).kind {
            Kind::Choice(choice) if way < choice.rules.len() => format!(
                "`{}`: rule {} (to `{}`) never applies",
                name(state),
                way + 1,
                name(choice.rules[way].next)
            ),
            _ => format!("`{}`: the default is never taken", name(state)),
        },
        Part::Retrier(state, at) => {
            let retriers: &[Retrier] = match &program.state(state).kind {
                Kind::Task(task) => &task.retry,
                Kind::Parallel(parallel) => &parallel.retry,
                Kind::Map(map) => &map.retry,
                _ => &[],
            };
            let for_errors = retriers.get(at).map(|r| errors(&r.errors)).unwrap_or_default();
            format!("`{}`: retrier {} ({for_errors}) never tries again", name(state), at + 1)
        }
        Part::Catcher(state, at) => {
            let catchers: &[Catcher] = match &program.state(state).kind {
                Kind::Task(task) => &task.catch,
                Kind::Parallel(parallel) => &parallel.catch,
                Kind::Map(map) => &map.catch,
                _ => &[],
            };
            let for_errors = catchers.get(at).map(|c| errors(&c.errors)).unwrap_or_default();
            format!("`{}`: catcher {} ({for_errors}) never catches", name(state), at + 1)
        }
    }
}

impl Hits {
    /// What a drawing of the program shows of them.
    pub fn marks(&self) -> Marks {
        let mut marks = Marks::default();
        // States with rules, retriers or catchers of which some are not used.
        let mut partly: BTreeSet<StateId> = BTreeSet::new();
        for (part, count) in self.parts() {
            match part {
                Part::Transition(from, to, is_catch) => {
                    let mark = if count > 0 { Mark::Used } else { Mark::Missed };
                    marks.transitions.insert((from, to, is_catch), mark);
                }
                Part::Rule(id, _) | Part::Retrier(id, _) | Part::Catcher(id, _) if count == 0 => {
                    partly.insert(id);
                }
                _ => {}
            }
        }
        for (part, count) in self.parts() {
            let Part::State(id) = part else { continue };
            let mark = match (count, partly.contains(&id)) {
                (0, _) => Mark::Missed,
                (_, true) => Mark::Partly,
                (_, false) => Mark::Used,
            };
            let words = match count {
                0 => "never entered".to_owned(),
                1 => "entered once".to_owned(),
                count => format!("entered {count} times"),
            };
            marks.states.insert(id, (mark, words));
        }
        marks
    }
}
