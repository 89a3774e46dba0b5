//! Tries a state of a definition, with data of an execution or one's own.

use crate::act::hidden;
use crate::execution::code;
use crate::machine;
use crate::page::{Answer, Page, Refusal, block, tree};
use crate::redacted::INPUT_OF;
use crate::status::badge;
use crate::text::{Foreign, json, visible};
use crate::{ACT, Ask, Console, Visit};
use maud::{Markup, html};
use stepwright_json::{Json, Object};
use stepwright_search::Redaction;

pub(crate) async fn page(console: &Console, visit: &dyn Visit, ask: &Ask) -> Answer {
    let machine = machine::find(visit, ask.query.text("arn"))?;
    let revision = visit.engine().revision(&machine.revision).await?;
    let first = revision.program.state(revision.program.start).name.to_string();
    let state = ask.query.get("state").map_or(first, str::to_owned);
    let input = input(console, visit, ask, &state).await?;
    let mut body = Object::new();
    body.insert("definition", revision.definition.as_str().into());
    body.insert("stateName", state.as_str().into());
    body.insert("input", input.as_deref().unwrap_or("{}").into());
    body.insert("roleArn", revision.role_arn.as_str().into());
    let names: Vec<String> =
        revision.program.states.iter().map(|state| state.name.to_string()).collect();
    if let Some(execution) = ask.query.get("execution") {
        body.insert(INPUT_OF, execution.into());
    }
    shown(console, visit, ask, &Json::Object(body), &names, None)
}

/// The input that a test begins with: of the state that failed in the execution that the URL names, or
/// of the execution.
async fn input(
    console: &Console,
    visit: &dyn Visit,
    ask: &Ask,
    state: &str,
) -> Result<Option<String>, Refusal> {
    let rights = ["states:DescribeExecution", "states:GetExecutionHistory"];
    let may_see = |arn: &&str| rights.iter().all(|right| visit.may(right, arn));
    let Some(arn) = ask.query.get("execution").filter(may_see) else { return Ok(None) };
    let engine = visit.engine();
    let Some(row) = engine.execution_row(arn).await? else { return Ok(None) };
    let revision = engine.recorded_facts(row.clone()).await?.revision;
    let story = console.stories.of(engine, &row, &revision, &console.redaction).await;
    let culprit = story.timeline.culprit().filter(|culprit| culprit.state.as_str() == state);
    let start = || story.timeline.execution()?.start().map(|start| start.input.pretty());
    Ok(culprit.map(|culprit| culprit.input.pretty()).or_else(start))
}

/// The page after a test.
pub(crate) fn tried(
    console: &Console,
    visit: &dyn Visit,
    ask: &Ask,
    body: &Json,
    reply: &Json,
) -> Answer {
    shown(console, visit, ask, body, &[], Some(reply))
}

fn shown(
    console: &Console,
    visit: &dyn Visit,
    ask: &Ask,
    body: &Json,
    names: &[String],
    reply: Option<&Json>,
) -> Answer {
    let text = |member: &str| body.get(member).and_then(Json::as_str).unwrap_or_default();
    let mocked = |member: &str| {
        let mock = body.get("mock")?;
        let inner = match member {
            "result" => mock.get("result"),
            other => mock.get("errorOutput").and_then(|error| error.get(other)),
        };
        inner.and_then(Json::as_str)
    };
    let definition = text("definition");
    let main = html! {
        h1 { "Test a state" }
        p class="dim" { "Runs one state by itself, as " code { "TestState" } " does. A Task calls what it calls unless you say what it answers." }
        div class="split" {
            section class="panel" {
                @if let Some(token) = visit.token() {
                    form method="post" action=(ACT) class="stack" {
                        input type="hidden" name="token" value=(token);
                        input type="hidden" name="operation" value="TestState";
                        input type="hidden" name="inspectionLevel" value="DEBUG";
                        @if !text(INPUT_OF).is_empty() { (hidden(INPUT_OF, text(INPUT_OF))) }
                        label { "State" input name="stateName" list="states" value=(text("stateName")) autocomplete="off" spellcheck="false"; }
                        datalist id="states" { @for name in names { option value=(name) {} } }
                        label { "Input (JSON)" textarea name="input" rows="8" spellcheck="false" { "\n" (json(text("input"))) } }
                        label { "Variables (JSON object, may be left out)" textarea name="variables" rows="2" spellcheck="false" { "\n" (text("variables")) } }
                        fieldset {
                            legend { "Instead of the call (may be left out)" }
                            label { "Result (JSON)" textarea name="mockResult" rows="3" spellcheck="false" { "\n" (mocked("result").unwrap_or_default()) } }
                            label { "Error" input name="mockError" value=(mocked("error").unwrap_or_default()) spellcheck="false"; }
                            label { "Cause" input name="mockCause" value=(mocked("cause").unwrap_or_default()); }
                        }
                        label { "Role" input name="roleArn" value=(text("roleArn")) spellcheck="false"; }
                        details { summary { "Definition" }
                            label { "Definition, or the state alone" textarea name="definition" rows="16" spellcheck="false" { "\n" (definition) } }
                        }
                        button type="submit" class="main" { "Test" }
                    }
                } @else { p class="none" { "Log in with a key to test states." } }
            }
            section class="panel detail" aria-label="Result" { @match reply { Some(reply) => (result(&console.redaction, reply)), None => (code(definition)) } }
        }
    };
    let title = "Test a state".to_owned();
    Page { title, belongs_to: "", live: None, main, visit, looks: ask.looks }.answer()
}

fn result(redaction: &Redaction, reply: &Json) -> Markup {
    let text = |member: &str| reply.get(member).and_then(Json::as_str).unwrap_or_default();
    let status = text("status");
    let note = match status {
        "RETRIABLE" => "The error matches a Retry: on a server the state would be tried again.",
        "CAUGHT_ERROR" => "The error matches a Catch.",
        _ => "",
    };
    let inspected =
        reply.get("inspectionData").and_then(Json::as_object).cloned().unwrap_or_default();
    html! {
        h2 { "Result " (badge(if note.is_empty() { status } else { "FAILED" })) }
        @if !note.is_empty() { p { (note) } }
        @if !text("error").is_empty() { h3 { code { (Foreign(text("error"))) } } }
        @if !text("cause").is_empty() { (block(text("cause"))) }
        @if !text("output").is_empty() { h3 { "Output" } (tree(&redaction.text(text("output")), "Output")) }
        @if !text("nextState").is_empty() { p { "Next: " b { (Foreign(text("nextState"))) } } }
        @for (name, value) in inspected.iter() {
            @let shown = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            @let shown = redaction.text(&shown);
            h3 { (visible(name)) }
            @if stepwright_json::parse(&shown).is_ok() { (tree(&shown, name)) } @else { (block(&shown)) }
        }
        p { a href="/" { "Home" } }
    }
}
