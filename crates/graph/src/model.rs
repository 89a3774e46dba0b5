//! The content of a drawing: scopes of nodes and edges.

use stepwright_json::Json;
use stepwright_program::{
    Catcher, Comparison, Condition, Expression, Kind, Operand, Program, StateId, Transition,
};

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
                .map(|rule| (rule.next, shorten(&condition(&rule.condition, 0), 44), false));
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

/// Formats a condition for people.
fn condition(condition_: &Condition, depth: usize) -> String {
    if depth > 8 {
        return "…".to_owned();
    }
    let join = |parts: &[Condition], word: &str| {
        parts.iter().map(|part| condition(part, depth + 1)).collect::<Vec<_>>().join(word)
    };
    match condition_ {
        Condition::And(parts) => join(parts, " and "),
        Condition::Or(parts) => join(parts, " or "),
        Condition::Not(part) => format!("not ({})", condition(part, depth + 1)),
        Condition::Jsonata(Expression::Jsonata { expression, .. }) => expression.text().to_owned(),
        Condition::Jsonata(_) => String::new(),
        Condition::Test(test) => {
            let variable = test.variable.text.as_str();
            let is = |flag: &bool, what: &str| {
                format!("{variable} is {}{what}", if *flag { "" } else { "not " })
            };
            match &test.comparison {
                Comparison::String(orderings, operand)
                | Comparison::Numeric(orderings, operand)
                | Comparison::Timestamp(orderings, operand) => {
                    use std::cmp::Ordering::{Equal, Greater, Less};
                    let sign = match orderings {
                        [Equal] => "==",
                        [Less] => "<",
                        [Greater] => ">",
                        [Less, Equal] => "<=",
                        _ => ">=",
                    };
                    format!("{variable} {sign} {}", operand_text(operand))
                }
                Comparison::Boolean(operand) => match operand {
                    Operand::Literal(Json::Bool(true)) => variable.to_owned(),
                    Operand::Literal(Json::Bool(false)) => format!("not {variable}"),
                    other => format!("{variable} == {}", operand_text(other)),
                },
                Comparison::Matches(pattern) => format!("{variable} ~ '{pattern}'"),
                Comparison::IsNull(flag) => is(flag, "null"),
                Comparison::IsPresent(flag) => is(flag, "present"),
                Comparison::IsString(flag) => is(flag, "a string"),
                Comparison::IsNumeric(flag) => is(flag, "a number"),
                Comparison::IsBoolean(flag) => is(flag, "a boolean"),
                Comparison::IsTimestamp(flag) => is(flag, "a timestamp"),
            }
        }
    }
}

fn operand_text(operand: &Operand) -> String {
    match operand {
        Operand::Literal(Json::String(text)) => format!("'{text}'"),
        Operand::Literal(value) => value.to_string(),
        Operand::Path(path) => path.text.to_string(),
    }
}
