//! The content of a drawing: scopes of nodes and edges.

use stepwright_program::{Catcher, Kind, Program, StateId, Transition};

/// A scope: the machine, a branch, or a processor.
#[derive(Clone, Debug)]
pub(crate) struct Scope {
    pub(crate) start: usize,
    pub(crate) nodes: Vec<Node>,
    pub(crate) edges: Vec<Edge>,
}

#[derive(Clone, Debug)]
pub(crate) struct Node {
    /// Unique within the machine.
    pub(crate) id: u32,
    pub(crate) name: String,
    pub(crate) kind: &'static str,
    /// The text below the name: what a task calls, or how long a wait is.
    pub(crate) note: String,
    pub(crate) ends: bool,
    pub(crate) inner: Vec<Scope>,
}

#[derive(Clone, Debug)]
pub(crate) struct Edge {
    pub(crate) from: usize,
    pub(crate) to: usize,
    pub(crate) label: String,
    pub(crate) is_catch: bool,
}

/// The scope that begins at this state.
pub(crate) fn scope(program: &Program, start: StateId) -> Scope {
    // The states of the scope, in the order in which they are reached.
    let mut order = vec![start];
    let mut at = 0;
    while at < order.len() {
        for (to, ..) in leads(program, order[at]) {
            if !order.contains(&to) {
                order.push(to);
            }
        }
        at += 1;
    }
    // In the order of the definition, because the compiler numbers them so.
    order.sort_unstable();
    let place = |id: StateId| order.iter().position(|other| *other == id).unwrap_or(0);
    let nodes = order.iter().map(|id| node(program, *id)).collect();
    let mut edges: Vec<Edge> = Vec::new();
    for id in &order {
        for (to, label, is_catch) in leads(program, *id) {
            let (from, to) = (place(*id), place(to));
            let same = edges
                .iter_mut()
                .find(|edge| edge.from == from && edge.to == to && edge.is_catch == is_catch);
            match same {
                Some(edge) if edge.label.len() + label.len() < 60 => {
                    edge.label = format!("{} / {label}", edge.label);
                }
                Some(_) => {}
                None => edges.push(Edge { from, to, label, is_catch }),
            }
        }
    }
    Scope { start: place(start), nodes, edges }
}

fn node(program: &Program, id: StateId) -> Node {
    let state = program.state(id);
    let (note, next, inner) = match &state.kind {
        Kind::Task(task) => {
            let arn = task.resource.arn.as_str();
            (stepwright_aws::arn::short(arn).to_owned(), Some(task.next), Vec::new())
        }
        Kind::Pass(pass) => (String::new(), Some(pass.next), Vec::new()),
        Kind::Wait(wait) => (String::new(), Some(wait.next), Vec::new()),
        Kind::Parallel(parallel) => (
            String::new(),
            Some(parallel.next),
            parallel.branches.iter().map(|start| scope(program, *start)).collect(),
        ),
        Kind::Map(map) => {
            let note = if map.processor.distributed { "distributed" } else { "for each item" };
            (note.to_owned(), Some(map.next), vec![scope(program, map.processor.start)])
        }
        Kind::Choice(_) => (String::new(), None, Vec::new()),
        Kind::Succeed | Kind::Fail(_) => (String::new(), Some(Transition::End), Vec::new()),
    };
    Node {
        id: id.0,
        name: state.name.to_string(),
        kind: state.kind.name(),
        note: shorten(&note, 34),
        ends: next == Some(Transition::End),
        inner,
    }
}

/// The transitions of a state: the target, the condition, and whether a catcher leads there.
fn leads(program: &Program, id: StateId) -> Vec<(StateId, String, bool)> {
    let next = |next: Transition| match next {
        Transition::Next(to) => vec![(to, String::new(), false)],
        Transition::End => Vec::new(),
    };
    let caught = |catchers: &[Catcher]| {
        catchers
            .iter()
            .map(|catcher| (catcher.next, catcher.errors.join(", "), true))
            .collect::<Vec<_>>()
    };
    match &program.state(id).kind {
        Kind::Task(task) => [next(task.next), caught(&task.catch)].concat(),
        Kind::Parallel(parallel) => [next(parallel.next), caught(&parallel.catch)].concat(),
        Kind::Map(map) => [next(map.next), caught(&map.catch)].concat(),
        Kind::Pass(pass) => next(pass.next),
        Kind::Wait(wait) => next(wait.next),
        Kind::Choice(choice) => {
            let rules = choice
                .rules
                .iter()
                .map(|rule| (rule.next, shorten(&rule.condition.to_string(), 44), false));
            let default = choice.default.iter().map(|to| (*to, "Default".to_owned(), false));
            rules.chain(default).collect()
        }
        Kind::Succeed | Kind::Fail(_) => Vec::new(),
    }
}

fn shorten(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most - 1).chain(['…']).collect()
}
