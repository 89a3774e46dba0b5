//! What exploration finds, and the mocks that show it.

use super::runs::{Ran, Runner};
use super::{Plan, is_unforeseen};
use crate::record::answer as shown_answer;
use crate::state_span;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use stepwright_asl::Definition;
use stepwright_json::{Json, Object, Str};
use stepwright_simulator::{Answer, Status};

/// What kind of thing can go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FindingKind {
    /// No transition leads to the state.
    Unreachable,
    /// No run has entered the state; one may.
    NotReached,
    /// An error of the state ends the execution.
    UnhandledError,
    /// The state can be waited for without end.
    CanHang,
    /// A loop through the state never ends as long as the answers stay the same.
    EndlessLoop,
    /// Data can grow past what AWS allows.
    LargePayload,
}

impl FindingKind {
    /// The name that it is said by: `unhandled-error`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable-state",
            Self::NotReached => "state-not-reached",
            Self::UnhandledError => "unhandled-error",
            Self::CanHang => "can-hang",
            Self::EndlessLoop => "endless-loop",
            Self::LargePayload => "large-payload",
        }
    }
}

/// Something that can go wrong.
#[derive(Clone, Debug)]
pub struct Finding {
    /// What kind.
    pub kind: FindingKind,
    /// The state.
    pub state: Str,
    /// What, in words.
    pub message: String,
    /// What can be done about it.
    pub help: String,
    /// The shortest run that shows it; None for what no run shows.
    pub script: Option<Script>,
}

/// A run that shows a finding.
#[derive(Clone, Debug)]
pub struct Script {
    /// The input.
    pub input: Json,
    /// What each task answers, in the form of a mocks file.
    pub mocks: Vec<(Str, Json)>,
    /// How it ends.
    pub status: Status,
}

impl Script {
    /// The mocks of the tasks that do otherwise than succeed; all if none does.
    pub fn telling(&self) -> Vec<&(Str, Json)> {
        let fails =
            |mock: &Json| mock.to_string().contains("\"fail\"") || mock.get("never").is_some();
        let telling: Vec<_> = self.mocks.iter().filter(|(_, mock)| fails(mock)).collect();
        if telling.is_empty() { self.mocks.iter().collect() } else { telling }
    }
}

/// Findings as they come: the first run that shows one is the shortest.
#[derive(Clone, Debug, Default)]
pub(super) struct Found {
    found: BTreeMap<(FindingKind, Str), One>,
}

#[derive(Clone, Debug)]
struct One {
    details: Vec<String>,
    plan: Option<Plan>,
}

impl Finding {
    pub(super) fn to_json(&self, definition: &Definition) -> Json {
        let mut object = Object::new();
        object.insert("code", self.kind.name().into());
        object.insert("state", self.state.clone().into());
        object.insert("message", self.message.as_str().into());
        object.insert("help", self.help.as_str().into());
        if let Some(span) = state_span(definition, &self.state) {
            let text = &definition.text;
            let (start, _) = stepwright_source::LineIndex::new(text).span(text, span);
            object.insert("line", start.line.into());
            object.insert("column", start.column.into());
        }
        if let Some(script) = &self.script {
            let mocks = script.mocks.iter();
            let mocks: Object = mocks.map(|(state, mock)| (state.clone(), mock.clone())).collect();
            object.insert("input", script.input.clone());
            object.insert("mocks", mocks.into());
            object.insert("status", script.status.name().into());
        }
        object.into()
    }
}

impl Found {
    pub(super) fn add(
        &mut self,
        kind: FindingKind,
        state: &Str,
        detail: Option<String>,
        plan: &Plan,
        _ran: &Ran,
    ) {
        let one = self
            .found
            .entry((kind, state.clone()))
            .or_insert_with(|| One { details: Vec::new(), plan: Some(plan.clone()) });
        if let Some(detail) = detail.filter(|detail| !one.details.contains(detail)) {
            one.details.push(detail);
        }
    }

    pub(super) fn add_bare(&mut self, kind: FindingKind, state: &Str) {
        let one = One { details: Vec::new(), plan: None };
        self.found.entry((kind, state.clone())).or_insert(one);
    }

    pub(super) fn into_findings(self, runner: &mut Runner<'_>) -> Vec<Finding> {
        let mut findings = Vec::new();
        for ((kind, state), one) in self.found {
            let script = one.plan.map(|plan| {
                let script = script(&runner.run_whole(&plan));
                runner.shrinking().shrink(kind, script)
            });
            let (message, help) = words(kind, &state, &one.details, script.as_ref());
            findings.push(Finding { kind, state, message, help, script });
        }
        findings
    }
}

fn script(ran: &Ran) -> Script {
    let mocks = ran.called.iter().map(|(state, answers)| (state.clone(), mock(answers)));
    Script { input: ran.input.clone(), mocks: mocks.collect(), status: ran.status.clone() }
}

/// Answers as a mocks file has them: the last one is repeated.
fn mock(answers: &[Answer]) -> Json {
    let mut shown: Vec<Object> = answers.iter().map(shown_answer).collect();
    while let [.., before, last] = &shown[..]
        && before == last
    {
        shown.pop();
    }
    match &shown[..] {
        [only] => only.clone().into(),
        _ => shown.into_iter().map(Json::Object).collect::<Vec<_>>().into(),
    }
}

fn words(
    kind: FindingKind,
    state: &str,
    details: &[String],
    script: Option<&Script>,
) -> (String, String) {
    let help = |text: &str| text.to_owned();
    match kind {
        FindingKind::Unreachable => {
            (format!("no transition leads to `{state}`"), help("lead to it, or take it out"))
        }
        FindingKind::NotReached => (
            format!("`{state}` was not reached by any input or answer that was tried"),
            help("give an input with --input that leads there, or take the state out"),
        ),
        FindingKind::UnhandledError => {
            let named = details.iter().filter(|error| !is_unforeseen(error));
            let mut what: Vec<String> = named.map(|error| format!("`{error}`")).collect();
            if what.len() < details.len() {
                what.push("an unforeseen error".to_owned());
            }
            let last = what.pop().unwrap_or_default();
            let before = if what.is_empty() { String::new() } else { what.join(", ") + " or " };
            let message =
                format!("nothing catches {before}{last} of `{state}`: it ends the execution");
            (message, help("add a catcher for `States.ALL`, here or around it, if it should not"))
        }
        FindingKind::CanHang => (
            format!("nothing wakes the execution when `{state}` is never answered"),
            help(
                "give the state a `TimeoutSeconds` or `HeartbeatSeconds`, or the machine a \
                  `TimeoutSeconds`",
            ),
        ),
        FindingKind::EndlessLoop => {
            let round = details.first().cloned().unwrap_or_default();
            let ends = match script.map(|script| &script.status) {
                Some(Status::Failed { .. }) => "until the history is full",
                _ => "for ever",
            };
            (
                format!("the loop {round} goes on {ends} if the answers stay the same"),
                help(
                    "count the rounds and leave after some, or give the machine a `TimeoutSeconds`",
                ),
            )
        }
        FindingKind::LargePayload => {
            let who = match details.first() {
                Some(who) => format!(
                    "when {who} return{} 200 KiB",
                    if who.contains(" and ") { "" } else { "s" }
                ),
                None => "with the values that were made".to_owned(),
            };
            (
                format!("the data at `{state}` passes 256 KiB {who}"),
                help(
                    "keep large data elsewhere and pass its place, or drop what is not needed \
                      with `ResultSelector`, `OutputPath` or `Output`",
                ),
            )
        }
    }
}

/// A test file with a case for each finding that a run shows.
pub(crate) fn test_file(definition_file: &str, findings: &[Finding]) -> String {
    let text = |text: &str| Json::from(text).to_string();
    let mut out = format!(
        "# Found by `stepwright explore`. Each case expects what happens now.\ndefinition: {}\ncases:\n",
        text(definition_file)
    );
    let mut line = |line: String| writeln!(out, "{line}").expect("strings grow");
    for finding in findings {
        let Some(script) = &finding.script else { continue };
        line(format!(
            "  - name: {}",
            text(&format!("{}: {}", finding.kind.name(), finding.message))
        ));
        line(format!("    input: {}", script.input));
        line("    mocks:".to_owned());
        for (state, mock) in &script.mocks {
            line(format!("      {}: {mock}", text(state)));
        }
        if script.mocks.is_empty() {
            line("      {}".to_owned());
        }
        line(format!("    expect: {{status: {}}}", script.status.name()));
    }
    out
}
