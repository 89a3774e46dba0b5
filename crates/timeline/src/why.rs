//! Why an execution failed, and what to do about it.

use crate::fit::{fit, plain};
use crate::line::ItemPath;
use std::fmt::Write as _;
use stepwright_asl::Definition;
use stepwright_history::Failure;
use stepwright_json::tree::Node;
use stepwright_json::{Json, Object, Str};
use stepwright_source::{Diagnostic, Span};

/// The state that a failure came from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Culprit {
    /// Its name; empty where the failure came from no state.
    pub state: Str,
    /// The items of Maps around it.
    pub item: ItemPath,
    /// Its input.
    pub input: Json,
    /// How often it was tried.
    pub attempts: u32,
    /// The field that could not be evaluated: `Output/result`.
    pub location: Option<Str>,
    /// The failure.
    pub failure: Failure,
}

/// The error of a function, which is the JSON of a cause.
pub(crate) struct Told {
    pub(crate) message: String,
    kind: Option<String>,
    trace: Vec<String>,
    /// What else it says.
    more: Object,
}

impl Told {
    /// Reads a cause as functions give it: `errorMessage`, `errorType`, and a traceback.
    pub(crate) fn read(cause: &str) -> Option<Self> {
        if !cause.trim_start().starts_with('{') {
            return None;
        }
        let Ok(Json::Object(members)) = stepwright_json::parse(cause) else { return None };
        let message = members.get("errorMessage")?;
        let message = message.as_str().map_or_else(|| message.to_string(), str::to_owned);
        let kind = members.get("errorType").and_then(Json::as_str).map(str::to_owned);
        // Python has `stackTrace`, Node.js `trace`.
        let trace = ["stackTrace", "trace"].iter().find_map(|key| members.get(key));
        let lines = trace.and_then(Json::as_array).map(|lines| {
            let text = |line: &Json| line.as_str().map_or_else(|| line.to_string(), str::to_owned);
            lines.iter().map(text).collect::<Vec<_>>()
        });
        let known = ["errorMessage", "errorType", "stackTrace", "trace", "requestId"];
        let more = members.iter().filter(|(key, _)| !known.contains(&key.as_str()));
        let more = more.map(|(key, value)| (key.clone(), value.clone())).collect();
        Some(Self { message, kind, trace: lines.unwrap_or_default(), more })
    }
}

/// The whole story of a failure: the error, the place in the definition's text, the cause with its
/// traceback, and what to do. `definition` is the name of its file, and its tree.
pub fn explain(
    culprit: &Culprit,
    definition: Option<(&str, &Definition)>,
    advice: Option<&str>,
    width: usize,
) -> String {
    let Culprit { state, item, failure, .. } = culprit;
    let error = failure.error.as_deref().filter(|error| !error.is_empty());
    let item = if item.0.is_empty() { String::new() } else { format!(" (item {item})") };
    let message = match (state.is_empty(), error) {
        (false, Some(error)) => format!("`{state}`{item} failed with {}", plain(error)),
        (false, None) => format!("`{state}`{item} failed"),
        (true, Some(error)) => format!("the execution ended with {}", plain(error)),
        (true, None) => "the execution was ended".to_owned(),
    };
    let mut diagnostic = Diagnostic::error("execution-failed", message);
    let mut file_and_text = ("", "");
    if let Some((file, definition)) = definition
        && let Some(span) = place(definition, culprit)
    {
        diagnostic = diagnostic.span(span);
        file_and_text = (file, &*definition.text);
        let mut label = vec![];
        if let Some(location) = &culprit.location {
            label.push(format!("evaluating {location}"));
        }
        if culprit.attempts > 1 {
            label.push(format!("after {} attempts", culprit.attempts));
        }
        if !label.is_empty() {
            diagnostic = diagnostic.label(label.join(", "));
        }
    }
    let (file, text) = file_and_text;
    let mut out = stepwright_source::render(file, text, &diagnostic);
    let bold = anstyle::Style::new().bold();
    let mut section = |name: &str, text: &str| {
        let gap = if text.starts_with('\n') { "" } else { " " };
        write!(out, "\n{bold}{name}:{bold:#}{gap}{text}").expect("strings grow");
    };
    let cause = failure.cause.as_deref().unwrap_or_default();
    match Told::read(cause) {
        Some(told) => {
            let kind = told.kind.filter(|kind| Some(kind.as_str()) != error);
            let kind = kind.map(|kind| format!("{kind}: ")).unwrap_or_default();
            section("cause", &visible(&format!("{kind}{}", told.message)));
            if !told.more.is_empty() {
                section("details", &Json::Object(told.more).pretty());
            }
            if !told.trace.is_empty() {
                let lines = told.trace.iter().flat_map(|line| line.lines());
                let lines: Vec<String> =
                    lines.map(|line| format!("\n    {}", visible(line.trim_end()))).collect();
                section("traceback", &lines.concat());
            }
        }
        None if cause.is_empty() => {}
        None => match stepwright_json::parse(cause) {
            Ok(value @ (Json::Object(_) | Json::Array(_))) => section("cause", &value.pretty()),
            _ => section("cause", &visible(cause)),
        },
    }
    let is_runtime = failure.name() == "States.Runtime" && !cause.contains("input '");
    let has_input = !matches!(culprit.input, Json::Null);
    if has_input && (is_evaluation(failure.name()) || is_runtime) {
        section("input", &fit(&culprit.input, (width.saturating_sub(7)).max(40) * 3));
    }
    let advice = advice.map(str::to_owned).or_else(|| self::advice(culprit, definition));
    if let Some(advice) = advice {
        section("help", &advice);
    }
    out
}

/// A text of several lines, without what a terminal would obey.
fn visible(text: &str) -> String {
    text.lines().map(plain_line).collect::<Vec<_>>().join("\n  ")
}

fn plain_line(line: &str) -> String {
    line.chars().map(|c| if c.is_control() && c != '\t' { '\u{fffd}' } else { c }).collect()
}

fn is_evaluation(error: &str) -> bool {
    matches!(
        error,
        "States.QueryEvaluationError"
            | "States.ParameterPathFailure"
            | "States.ResultPathMatchFailure"
            | "States.IntrinsicFailure"
            | "States.NoChoiceMatched"
    )
}

/// What to do about a failure.
fn advice(culprit: &Culprit, definition: Option<(&str, &Definition)>) -> Option<String> {
    let state = &culprit.state;
    if state.is_empty() {
        return None;
    }
    let node = definition.and_then(|(_, definition)| find(&definition.root, state, 0));
    let field = |name: &str| node.and_then(|(_, node)| node.get(name));
    let kind = field("Type").and_then(Node::as_str).unwrap_or_default();
    let cause = culprit.failure.cause.as_deref().unwrap_or_default();
    Some(match culprit.failure.name() {
        "Lambda.ResourceNotFoundException" => {
            let name = cause.split("function:").nth(1).unwrap_or_default();
            let name = name.split(|c: char| !(c.is_alphanumeric() || c == '-' || c == '_')).next();
            let name = name.filter(|name| !name.is_empty()).unwrap_or("NAME");
            format!(
                "add the function to stepwright.toml as [functions.{name}], or answer `{state}` in a \
                 mocks file"
            )
        }
        "States.Timeout" | "States.HeartbeatTimeout" if kind == "Task" => format!(
            "give `{state}` more time (`TimeoutSeconds`, `HeartbeatSeconds`), or a `Catch` for {}",
            culprit.failure.name()
        ),
        "States.NoChoiceMatched" => format!("give `{state}` a `Default`"),
        "States.DataLimitExceeded" => format!(
            "AWS allows 256 KiB between states: let `{state}` pass on less, or keep the data in S3; \
             `--limits extended` lifts the limit on this machine"
        ),
        "States.Runtime" if cause.contains("mock") || cause.contains("stepwright") => return None,
        "States.Runtime" => {
            "no `Catch` catches States.Runtime: try the state with `stepwright test-state`"
                .to_owned()
        }
        error if is_evaluation(error) => {
            format!("try it with `stepwright test-state FILE --state '{state}' --input JSON`")
        }
        _ if kind == "Fail" => return None,
        error => {
            let error = if error.is_empty() { "States.ALL" } else { error };
            let can = matches!(kind, "Task" | "Map" | "Parallel");
            let has = |name: &str| field(name).is_some();
            match (can, has("Retry"), has("Catch")) {
                (false, ..) => return None,
                (true, _, true) => format!("no `Catch` of `{state}` matches {error}"),
                (true, true, false) if is_named(field("Retry"), error) => {
                    format!(
                        "the retries of `{state}` are used up; a `Catch` for {error} would go on"
                    )
                }
                (true, true, false) => {
                    format!("no `Retry` of `{state}` matches {error}, and there is no `Catch`")
                }
                (true, false, false) => {
                    format!("nothing handles it: give `{state}` a `Retry` or a `Catch` for {error}")
                }
            }
        }
    })
}

/// Whether retriers name an error, or one that stands for it.
fn is_named(retriers: Option<&Node>, error: &str) -> bool {
    let names = retriers.into_iter().flat_map(Node::items).filter_map(|it| it.get("ErrorEquals"));
    names.flat_map(Node::items).filter_map(Node::as_str).any(|name| {
        name == error
            || name == "States.ALL"
            || name == "States.TaskFailed" && !error.starts_with("States.")
    })
}

/// The place of a failure in the definition: the field that could not be evaluated, or the state.
fn place(definition: &Definition, culprit: &Culprit) -> Option<Span> {
    if culprit.state.is_empty() {
        return None;
    }
    let (span, state) = find(&definition.root, &culprit.state, 0)?;
    let mut field = None;
    let mut node = Some(state);
    for part in culprit.location.iter().flat_map(|location| location.split(['/', '[', ']', '.'])) {
        if part.is_empty() {
            continue;
        }
        let Some(inside) = node else { break };
        if let Some(member) = inside.member(part) {
            (field, node) = (Some(member.key_span), Some(&member.value));
        } else if let Some(item) =
            part.parse::<usize>().ok().and_then(|index| inside.items().get(index))
        {
            node = Some(item);
        } else {
            break;
        }
    }
    let named = || quoted(culprit.failure.cause.as_deref()?).find_map(|text| named(state, text, 0));
    Some(field.or_else(named).unwrap_or(span))
}

/// What a cause quotes, as in `the JSONPath '$.a' specified for the field 'b.$'`.
fn quoted(cause: &str) -> impl Iterator<Item = &str> {
    let end = cause.floor_char_boundary(1_000);
    cause[..end].split('\'').skip(1).step_by(2).filter(|text| text.len() > 1)
}

/// Where a state names a field like this, or a value.
fn named(node: &Node, text: &str, depth: usize) -> Option<Span> {
    if depth > 16 {
        return None;
    }
    if node.as_str() == Some(text) {
        return Some(node.span);
    }
    let of_member = node.members().iter().find_map(|member| {
        let is_scope = ["ItemProcessor", "Iterator", "Branches"].contains(&member.key.as_str());
        match member.key == text {
            _ if is_scope => None,
            true => Some(member.key_span),
            false => named(&member.value, text, depth + 1),
        }
    });
    of_member.or_else(|| node.items().iter().find_map(|item| named(item, text, depth + 1)))
}

/// Where the text of a definition names a state.
pub fn state_span(definition: &Definition, name: &str) -> Option<Span> {
    find(&definition.root, name, 0).map(|(span, _)| span)
}

/// A state of a definition: the place of its name, and its fields.
fn find<'d>(node: &'d Node, name: &str, depth: usize) -> Option<(Span, &'d Node)> {
    if depth > 64 {
        return None;
    }
    if let Some(member) = node.get("States").and_then(|states| states.member(name)) {
        return Some((member.key_span, &member.value));
    }
    let mut within = node.members().iter().map(|member| &member.value).chain(node.items());
    within.find_map(|inner| find(inner, name, depth + 1))
}
