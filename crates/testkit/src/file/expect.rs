//! Reading what a case expects.

use super::Reader;
use super::fields::Complaints;
use super::machines::Machine;
use std::collections::BTreeMap;
use stepwright_json::tree::{Member, Node};
use stepwright_json::{Json, Str};
use stepwright_program::{Kind, Program};
use stepwright_simulator::Extent;
use stepwright_source::{Span, did_you_mean};

/// What a case expects of a run.
#[derive(Clone, Debug, Default)]
pub struct Expectations {
    /// The status by AWS's name.
    pub status: Option<&'static str>,
    /// The output.
    pub output: Vec<Wanted>,
    /// The error's name.
    pub error: Option<Str>,
    /// The error's cause.
    pub cause: Vec<WantedCause>,
    /// The states entered at the top level, and where given within them.
    pub path: Option<Vec<Step>>,
    /// What is expected of states, by name.
    pub states: BTreeMap<Str, StateExpectations>,
    /// The variables of the top level at the end.
    pub variables: BTreeMap<Str, Json>,
    /// How long it takes, in milliseconds: the least and the most.
    pub elapsed: Option<(i64, i64)>,
    /// What is expected of the executions that its tasks start, in the order in which they begin.
    pub executions: Option<Vec<ExecutionExpectations>>,
    /// The file of the timeline's snapshot. An empty name stands for the usual one.
    pub timeline: Option<String>,
    /// The file of the drawing's snapshot. An empty name stands for the usual one.
    pub graph: Option<String>,
}

/// What is expected of an execution that a task starts.
#[derive(Clone, Debug)]
pub struct ExecutionExpectations {
    /// Of which machine, by its place in [`TestFile::machines`](super::TestFile::machines).
    pub machine: usize,
    /// The state whose task starts it.
    pub state: Option<Str>,
    /// Its name.
    pub name: Option<Str>,
    /// Its input.
    pub input: Vec<Wanted>,
    /// The rest, as of the execution that starts it.
    pub expect: Expectations,
}

/// A value that is expected, whole or in part.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// What.
    pub value: Json,
    /// How much of it.
    pub extent: Extent,
}

/// A cause that is expected.
#[derive(Clone, Debug)]
pub enum WantedCause {
    /// This text.
    Text(Str),
    /// A text with this in it.
    Includes(Str),
    /// JSON as text.
    Json(Wanted),
}

/// A state on the path that is expected.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Its name.
    pub name: Str,
    /// The path of each branch or item within it, if that matters.
    pub within: Option<Vec<Vec<Step>>>,
}

/// What is expected of a state.
#[derive(Clone, Debug, Default)]
pub struct StateExpectations {
    /// How often it is entered.
    pub entered: Option<u64>,
    /// How often its task is called.
    pub called: Option<u64>,
    /// What every call gets, or the state each time it is entered.
    pub input: Vec<Wanted>,
    /// The same one by one.
    pub inputs: Option<Vec<Json>>,
    /// Its output each time it is left.
    pub output: Vec<Wanted>,
}

const KEYS: [&str; 13] = [
    "status",
    "output",
    "output_includes",
    "error",
    "cause",
    "cause_includes",
    "path",
    "states",
    "variables",
    "elapsed",
    "executions",
    "timeline",
    "graph",
];

/// What may be expected of a nested execution besides: all of [`KEYS`] but the snapshots.
const NESTED_KEYS: [&str; 5] = ["machine", "state", "name", "input", "input_includes"];

const STATUSES: [&str; 5] = ["SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED", "RUNNING"];

const STATE_KEYS: [&str; 7] =
    ["entered", "called", "input", "input_includes", "inputs", "output", "output_includes"];

/// Reads what is expected of an execution of the machine at this place.
pub(super) fn read(
    node: &Node,
    machines: &[Machine],
    at: usize,
    complaints: &mut Complaints,
) -> Expectations {
    let members = complaints.members(node, "`expect`", &KEYS);
    expectations(&members, machines, at, complaints)
}

fn expectations(
    members: &[&Member],
    machines: &[Machine],
    at: usize,
    complaints: &mut Complaints,
) -> Expectations {
    let program = &*machines[at].program;
    let mut expect = Expectations::default();
    for Member { key, value, .. } in members {
        match key.as_str() {
            "status" => expect.status = status(value, complaints),
            "output" => expect.output.push(wanted(value, Extent::Whole)),
            "output_includes" => expect.output.push(wanted(value, Extent::Part)),
            "error" => expect.error = complaints.text(value, "`error`").map(Str::from),
            "cause" => expect.cause.push(match value.as_str() {
                Some(text) => WantedCause::Text(text.into()),
                None => WantedCause::Json(wanted(value, Extent::Whole)),
            }),
            "cause_includes" => expect.cause.push(match value.as_str() {
                Some(text) => WantedCause::Includes(text.into()),
                None => WantedCause::Json(wanted(value, Extent::Part)),
            }),
            "path" => expect.path = Some(path(value, program, complaints)),
            "states" => expect.states = states(value, program, complaints),
            "variables" => {
                if value.is_object() {
                    let variables = value.members().iter();
                    expect.variables = variables
                        .map(|member| {
                            let name = member.key.strip_prefix('$').unwrap_or(&member.key);
                            (name.into(), member.value.to_json())
                        })
                        .collect();
                } else {
                    complaints.add(value.span, "`variables` is an object: names and values");
                }
            }
            "elapsed" => expect.elapsed = elapsed(value, complaints),
            "executions" => expect.executions = executions(value, machines, complaints),
            "timeline" => expect.timeline = snapshot(value, "`timeline`", complaints),
            "graph" => expect.graph = snapshot(value, "`graph`", complaints),
            _ => unreachable!("only known members are given"),
        }
    }
    expect
}

/// Where a snapshot is kept: an empty name for the usual place.
fn snapshot(node: &Node, what: &str, complaints: &mut Complaints) -> Option<String> {
    match node.as_scalar() {
        Some(Json::Bool(true)) => Some(String::new()),
        Some(Json::String(file)) if !file.is_empty() => Some(file.to_string()),
        _ => {
            complaints.add(node.span, format!("{what} is `true` or the name of a file"));
            None
        }
    }
}

fn executions(
    node: &Node,
    machines: &[Machine],
    complaints: &mut Complaints,
) -> Option<Vec<ExecutionExpectations>> {
    if !node.is_array() {
        let message = "`executions` is a list, one for each execution that a task starts";
        complaints.add_with_help(node.span, message, "write `[]` if none may be started");
        return None;
    }
    let items = node.items().iter();
    Some(items.filter_map(|item| execution(item, machines, complaints)).collect())
}

fn execution(
    node: &Node,
    machines: &[Machine],
    complaints: &mut Complaints,
) -> Option<ExecutionExpectations> {
    let of_all = KEYS.iter().filter(|key| !["timeline", "graph"].contains(key));
    let known: Vec<&str> = NESTED_KEYS.iter().chain(of_all).copied().collect();
    let members = complaints.members(node, "an execution", &known);
    let get = |key: &str| members.iter().find(|member| member.key == key).map(|m| &m.value);
    let machine = match (get("machine"), machines) {
        (Some(name), _) => {
            let text = complaints.text(name, "`machine`")?;
            Reader::machine_named(complaints, machines, text, name.span)?
        }
        // There is no other.
        (None, [_, _]) => 1,
        (None, _) => {
            if node.is_object() {
                let message = "an execution needs its `machine`: there are several, or none";
                complaints.add(node.span, message);
            }
            return None;
        }
    };
    let mut text = |key: &str| {
        let value = get(key)?;
        complaints.text(value, &format!("`{key}`")).map(Str::from)
    };
    let (state, name) = (text("state"), text("name"));
    let whole = get("input").map(|value| wanted(value, Extent::Whole));
    let part = get("input_includes").map(|value| wanted(value, Extent::Part));
    let is_general = |member: &&&Member| !NESTED_KEYS.contains(&member.key.as_str());
    let rest: Vec<&Member> = members.iter().filter(is_general).copied().collect();
    let expect = expectations(&rest, machines, machine, complaints);
    let input = whole.into_iter().chain(part).collect();
    Some(ExecutionExpectations { machine, state, name, input, expect })
}

fn wanted(node: &Node, extent: Extent) -> Wanted {
    Wanted { value: node.to_json(), extent }
}

fn status(node: &Node, complaints: &mut Complaints) -> Option<&'static str> {
    let text = complaints.text(node, "`status`")?;
    let known = STATUSES.into_iter().find(|status| *status == text);
    if known.is_none() {
        let help = match did_you_mean(text, STATUSES) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("it is one of {}", STATUSES.join(", ")),
        };
        complaints.add_with_help(node.span, format!("`{text}` is no status"), help);
    }
    known
}

fn path(node: &Node, program: &Program, complaints: &mut Complaints) -> Vec<Step> {
    if !node.is_array() {
        complaints.add(node.span, "a path is a list of names of states");
    }
    let mut steps = Vec::new();
    for item in node.items() {
        if let Some(name) = item.as_str() {
            check_name(name, item.span, program, complaints);
            steps.push(Step { name: name.into(), within: None });
            continue;
        }
        let [member] = item.members() else {
            let message = "a path holds names, or a name with a list for each branch or item";
            complaints.add_with_help(
                item.span,
                message,
                "write `Name`, or `Name: [[First], [Second]]`",
            );
            continue;
        };
        check_name(&member.key, member.key_span, program, complaints);
        if !member.value.is_array() {
            complaints.add(member.value.span, "there is one list for each branch or item");
        }
        let within = member.value.items().iter();
        let within = within.map(|scope| path(scope, program, complaints)).collect();
        steps.push(Step { name: member.key.clone(), within: Some(within) });
    }
    steps
}

fn check_name(name: &str, span: Span, program: &Program, complaints: &mut Complaints) {
    if program.state_named(name).is_some() {
        return;
    }
    let names = program.states.iter().map(|state| state.name.as_str());
    let help = match did_you_mean(name, names.clone()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("its states are {}", names.take(20).collect::<Vec<_>>().join(", ")),
    };
    complaints.add_with_help(span, format!("the definition has no state `{name}`"), help);
}

fn states(
    node: &Node,
    program: &Program,
    complaints: &mut Complaints,
) -> BTreeMap<Str, StateExpectations> {
    if !node.is_object() {
        complaints.add(node.span, "`states` is an object: names of states and what is expected");
    }
    let mut states = BTreeMap::new();
    for member in node.members() {
        check_name(&member.key, member.key_span, program, complaints);
        let is_task = program
            .state_named(&member.key)
            .is_none_or(|id| matches!(program.state(id).kind, Kind::Task(_)));
        let mut expect = StateExpectations::default();
        let what = format!("`{}`", member.key);
        for Member { key, key_span, value } in complaints.members(&member.value, &what, &STATE_KEYS)
        {
            match key.as_str() {
                "entered" => expect.entered = complaints.count(value, "`entered`"),
                "called" => {
                    if !is_task {
                        let message = format!("{what} is no Task state and is never called");
                        complaints.add_with_help(*key_span, message, "use `entered`");
                    }
                    expect.called = complaints.count(value, "`called`");
                }
                "input" => expect.input.push(wanted(value, Extent::Whole)),
                "input_includes" => expect.input.push(wanted(value, Extent::Part)),
                "inputs" => {
                    if !value.is_array() {
                        complaints.add(value.span, "`inputs` is a list, one for each time");
                    }
                    expect.inputs = Some(value.items().iter().map(Node::to_json).collect());
                }
                "output" => expect.output.push(wanted(value, Extent::Whole)),
                "output_includes" => expect.output.push(wanted(value, Extent::Part)),
                _ => unreachable!("only known members are given"),
            }
        }
        states.insert(member.key.clone(), expect);
    }
    states
}

fn elapsed(node: &Node, complaints: &mut Complaints) -> Option<(i64, i64)> {
    if !node.is_object() {
        return complaints.duration(node, "`elapsed`").map(|millis| (millis, millis));
    }
    let (mut least, mut most) = (0, i64::MAX);
    for member in complaints.members(node, "`elapsed`", &["at_least", "at_most"]) {
        let millis = complaints.duration(&member.value, &format!("`{}`", member.key))?;
        if member.key == "at_least" {
            least = millis;
        } else {
            most = millis;
        }
    }
    Some((least, most))
}
