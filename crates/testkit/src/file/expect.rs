//! Reading what a case expects.

use super::fields::Complaints;
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
    /// The file of the timeline's snapshot. An empty name stands for the usual one.
    pub timeline: Option<String>,
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

const KEYS: [&str; 11] = [
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
    "timeline",
];

const STATUSES: [&str; 5] = ["SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED", "RUNNING"];

const STATE_KEYS: [&str; 7] =
    ["entered", "called", "input", "input_includes", "inputs", "output", "output_includes"];

pub(super) fn read(node: &Node, program: &Program, complaints: &mut Complaints) -> Expectations {
    let mut expect = Expectations::default();
    for Member { key, value, .. } in complaints.members(node, "`expect`", &KEYS) {
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
            "timeline" => match value.as_scalar() {
                Some(Json::Bool(true)) => expect.timeline = Some(String::new()),
                Some(Json::String(file)) if !file.is_empty() => {
                    expect.timeline = Some(file.to_string());
                }
                _ => complaints.add(value.span, "`timeline` is `true` or the name of a file"),
            },
            _ => unreachable!("only known members are given"),
        }
    }
    expect
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
