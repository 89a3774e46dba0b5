//! Starts an execution at a state of another one, with its data: a fork.

use crate::act;
use crate::execution::{self, Known};
use crate::fields::link;
use crate::page::{self, Answer, Page, Refusal};
use crate::redacted;
use crate::text::{Foreign, json, name, visible};
use crate::{ACT, Ask, Console, Fields, Visit};
use maud::{Markup, PreEscaped, html};
use stepwright_engine::Engine;
use stepwright_json::{Json, Object};
use stepwright_search::Redaction;
use stepwright_store::{ExecutionRow, StoreError};

/// Data that is longer is not put into a form. It is carried over as it is.
const MOST_TEXT: usize = 256 << 10;

/// What a form asks for. What it leaves out stays as it was.
pub(crate) fn asked(form: &Fields) -> Result<Json, String> {
    let mut body = Object::new();
    for member in ["executionArn", "state", "name", "input", "variables", "definition"] {
        if let Some(value) = form.get(member) {
            // Browsers end the lines of a form as mail does.
            body.insert(member, value.replace("\r\n", "\n").into());
        }
    }
    if let Some(event) = form.get("eventId") {
        let number = event.parse().ok().filter(|number: &i64| *number > 0);
        let number = number.ok_or("`eventId` must be the number of an event")?;
        body.insert("eventId", Json::Int(number));
    }
    Ok(body.into())
}

/// Whether a visitor may fork executions of a machine.
pub(crate) fn may(visit: &dyn Visit, machine: &str) -> bool {
    let rights = ["states:StartExecution", "stepwright:ForkExecution"];
    visit.token().is_some() && rights.iter().all(|right| visit.may(right, machine))
}

/// Whether an execution can be forked: a child of a map run begins within a state.
pub(crate) fn can(row: &ExecutionRow) -> bool {
    row.about.map_run.is_none()
}

/// The page from which an execution is forked at a state.
pub(crate) fn path(arn: &str, state: &str, event: Option<u64>) -> String {
    let event = event.map(|event| event.to_string()).unwrap_or_default();
    link("/console/fork", &[("arn", arn), ("state", state), ("event", &event)])
}

/// The data that a fork goes on with.
struct Before {
    /// The event with which the state was entered; `None` if it was not.
    event: Option<u64>,
    input: Json,
    variables: Object,
}

impl Before {
    async fn of(
        engine: &Engine,
        row: &ExecutionRow,
        state: &str,
        event: Option<u64>,
    ) -> Result<Self, StoreError> {
        if let Some(entered) = engine.entered(row.id, state, event).await? {
            let (event, input, variables) = (Some(entered.event), entered.input, entered.variables);
            return Ok(Self { event, input, variables });
        }
        let whole = engine.describe(&row.about.arn).await?;
        let input = whole.map(|whole| whole.input.clone()).unwrap_or_default();
        Ok(Self { event: None, input, variables: Object::new() })
    }

    /// The input and the variables as a form begins with them; `None` if that would be too long.
    fn texts(&self, redaction: &Redaction) -> [Option<String>; 2] {
        let variables = Json::Object(self.variables.clone());
        [&self.input, &variables].map(|value| {
            let text = json(&redaction.apply(value).pretty()).into_owned();
            (text.len() <= MOST_TEXT).then_some(text)
        })
    }
}

/// Forks the execution, and leads to the page of the new one.
pub(crate) async fn fork(console: &Console, visit: &dyn Visit, body: &Json) -> Answer {
    let text = |member: &str| body.get(member).and_then(Json::as_str);
    let engine = visit.engine();
    let arn = text("executionArn").unwrap_or_default();
    let row = engine.execution_row(arn).await?;
    let row = row.ok_or_else(|| Refusal::missing("there is no such execution"))?;
    let event = body.get("eventId").and_then(Json::as_i64).map(|id| id as u64);
    let before = Before::of(engine, &row, text("state").unwrap_or_default(), event).await?;
    let texts = before.texts(&console.redaction);
    let variables = Json::Object(before.variables.clone());
    let mut body = body.as_object().cloned().unwrap_or_default();
    // What was left as it was shown is what it was, also where not all of it is shown.
    for (member, shown) in ["input", "variables"].into_iter().zip(texts) {
        let is_same = match (body.get(member).and_then(Json::as_str), &shown) {
            (Some(sent), Some(shown)) => sent.trim() == shown.trim(),
            (None, None) => true,
            _ => false,
        };
        if is_same {
            body.remove(member);
        } else if let Some(sent) = body.get(member).and_then(Json::as_str)
            && !console.redaction.is_empty()
            && let Ok(sent) = stepwright_json::parse(sent)
        {
            let was = if member == "input" { &before.input } else { &variables };
            let meant = console.redaction.restore(&sent, was).ok_or_else(redacted::unclear)?;
            body.insert(member, meant.to_string().into());
        }
    }
    if before.event.is_none() && !body.contains_key("input") {
        body.insert("input", before.input.to_string().into());
    }
    let reply = visit.fork(body.into()).await?;
    let started = reply.get("executionArn").and_then(Json::as_str).unwrap_or_default();
    Ok(page::elsewhere(&page::to_execution(started)))
}

/// The form, for a state that the URL names, or the one that has failed, or the first one.
pub(crate) async fn page(console: &Console, visit: &dyn Visit, ask: &Ask) -> Answer {
    let known = execution::known(console, visit, ask).await?;
    let (row, revision) = (&known.row, &known.facts.revision);
    let machine = row.about.machine.as_str();
    let arn = row.about.arn.as_str();
    if !can(row) {
        let why = "This is a child of a map run, which begins within a state. Fork the execution that the map run belongs to.";
        return Err(Refusal::unclear(why));
    }
    let program = &revision.program;
    let start = program.state(program.start).name.to_string();
    let culprit = known.story.timeline.culprit().map(|culprit| culprit.state.to_string());
    let wanted = ask.query.get("state").map(str::to_owned).or(culprit).unwrap_or_default();
    let is_top = |state: &str| program.top_level().iter().any(|known| known.name == *state);
    let around = if is_top(&wanted) { None } else { around(&revision.definition, &wanted) };
    let state = match (&around, is_top(&wanted)) {
        (_, true) => wanted.clone(),
        (Some(around), false) => around.clone(),
        (None, false) => start,
    };
    let event = ask.query.number("event").filter(|_| state == wanted);
    let before = Before::of(visit.engine(), row, &state, event).await?;
    let main = html! {
        (page::trail(&[(name(machine), page::to_machine(machine)), (name(arn), page::to_execution(arn))], "Fork"))
        h1 { "Run again from a state" }
        p class="dim" { "Starts a new execution at a state of this one, with the data that it had there. What comes before is not done again. This execution stays as it is." }
        @if let Some(around) = &around {
            p class="notice" role="note" { b { (Foreign(&wanted)) } " is within " b { (Foreign(around)) } ". An execution cannot begin within a Map or Parallel state, so that it begins with all of " b { (Foreign(around)) } "." }
        }
        div class="split" {
            section class="panel" aria-label="What is started" {
                form class="filters" id="fork-at" action="/console/fork" {
                    (act::hidden("arn", arn))
                    label { "Begin at" select name="state" {
                        @for known in program.top_level() { option value=(known.name) selected[known.name == *state] { (visible(&known.name)) } }
                    } }
                    button type="submit" { "Show its data" }
                }
                @if may(visit, machine) { (known.form(console, visit, &state, &before)) }
                @else { p class="none" { "To fork it, a key needs the rights to " code { "states:StartExecution" } " and " code { "stepwright:ForkExecution" } " on its state machine." } }
            }
            section class="panel graph" aria-label="Drawing of the state machine" {
                @if known.drawing.svg.is_empty() { p class="none" { "The state machine is too large to be drawn." } } @else {
                    sw-graph data-picks="fork-at" data-mark=(at(&known, &state)) { (PreEscaped(&known.drawing.svg)) }
                }
            }
        }
    };
    let title = format!("Fork {}", name(arn));
    let belongs_to = "/console/executions";
    Page { title, belongs_to, live: None, main, visit, looks: ask.looks }.answer()
}

/// The position of a state.
fn at(known: &Known, state: &str) -> String {
    let found = known.facts.revision.program.state_named(state);
    found.map(|id| id.0.to_string()).unwrap_or_default()
}

impl Known {
    fn form(&self, console: &Console, visit: &dyn Visit, state: &str, before: &Before) -> Markup {
        let Some(token) = visit.token() else { return html! {} };
        let machine = self.row.about.machine.as_str();
        let [input, variables] = before.texts(&console.redaction);
        let definition = self.facts.revision.definition.as_str();
        let may_change =
            visit.may("states:UpdateStateMachine", machine) && definition.len() <= MOST_TEXT;
        let names: Vec<&str> = before.variables.keys().map(stepwright_json::Str::as_str).collect();
        let is_redacted = !console.redaction.is_empty();
        html! {
            form method="post" action=(ACT) class="stack" {
                input type="hidden" name="token" value=(token);
                (act::hidden("operation", "ForkExecution"))
                (act::hidden("executionArn", &self.row.about.arn))
                (act::hidden("state", state))
                @if let Some(event) = before.event { (act::hidden("eventId", &event.to_string())) }
                p {
                    "The new execution of " b { (Foreign(name(machine))) } " begins at " b { (Foreign(state)) } ". From there on, its tasks call what they call. "
                    @if let Some(event) = before.event { "Its input is what the state got with event " (event) "." }
                    @else { "The state was not entered, so that the input is that of the whole execution." }
                    " " @if names.is_empty() { "No variables were assigned by then." }
                    @else { "The variables are those of that moment: " @for (at, name) in names.iter().take(20).enumerate() { @if at > 0 { ", " } code { "$" (visible(name)) } } @if names.len() > 20 { " and more" } "." }
                }
                @if is_redacted { p class="dim" { "Values that are not shown here are passed on as they are where " code { "[redacted]" } " is left in its place." } }
                @match &input {
                    Some(input) => label { "Input (JSON)" textarea name="input" rows="8" spellcheck="false" { "\n" (input) } },
                    None => p class="dim" { "The input is too long to be changed here, and is passed on as it is." },
                }
                @match &variables {
                    Some(variables) => label { "Variables (JSON object)" textarea name="variables" rows="4" spellcheck="false" { "\n" (variables) } },
                    None => p class="dim" { "The variables are too long to be changed here, and are passed on as they are." },
                }
                label { "Name (may be left out)" input name="name" maxlength="80" autocomplete="off" spellcheck="false"; }
                @if may_change {
                    details {
                        summary { "Change the definition" }
                        p { "A changed definition is run by the new execution only, and by its redrives. The state machine stays as it is." }
                        label { "Definition" textarea name="definition" rows="18" spellcheck="false" { "\n" (definition) } }
                    }
                } @else { p class="dim" { "It runs the definition that this execution runs." } }
                p class="dim" { "In the context object, " code { "Execution.Input" } " is the input of the new execution." }
                button type="submit" class="main" { "Fork" }
            }
        }
    }
}

/// The state of the top level that a state is within.
fn around(definition: &str, state: &str) -> Option<String> {
    fn has(value: &Json, state: &str) -> bool {
        match value {
            Json::Object(members) => members.iter().any(|(key, value)| {
                let is_here = key.as_str() == "States" && value.get(state).is_some();
                is_here || has(value, state)
            }),
            Json::Array(items) => items.iter().any(|item| has(item, state)),
            _ => false,
        }
    }
    let definition = stepwright_json::parse(definition).ok()?;
    let states = definition.get("States")?.as_object()?;
    let found = states.iter().find(|(_, value)| has(value, state));
    found.map(|(name, _)| name.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_around_another_one_is_found() {
        let definition = r#"{"StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "P"},
            "P": {"Type": "Parallel", "Branches": [{"StartAt": "M", "States": {"M": {"Type": "Map",
                "ItemProcessor": {"StartAt": "I", "States": {"I": {"Type": "Pass"}}}}}}]}}}"#;
        for (state, expected) in [("I", Some("P")), ("M", Some("P")), ("A", None), ("", None)] {
            assert_eq!(around(definition, state).as_deref(), expected, "{state}");
        }
    }

    #[test]
    fn a_form_leaves_out_what_is_as_it_was() {
        let form =
            Fields::read(b"executionArn=a&state=S&eventId=7&input=%7B%0D%0A%7D&name=&token=t");
        let body = asked(&form).expect("it is clear");
        assert_eq!(
            body,
            stepwright_json::json!({"executionArn": "a", "state": "S", "input": "{\n}", "eventId": 7})
        );
        assert!(asked(&Fields::read(b"eventId=x")).is_err());
    }
}
