//! The page of a state machine: its drawing, how to start it, its latest executions, its definition.

use crate::act::{self, What};
use crate::execution::code;
use crate::fields::link;
use crate::home::short_table;
use crate::list::{counted, number};
use crate::page::{Answer, Page, when};
use crate::redacted::INPUT_OF;
use crate::status;
use crate::text::{Foreign, json, visible};
use crate::{Ask, Console, Visit};
use maud::{Markup, PreEscaped, html};
use std::sync::Arc;
use stepwright_engine::{Machine, MachineStatus};
use stepwright_protocol::{ApiError, Arn};
use stepwright_store::{Filter, Page as Part, Status};

/// The machine that an ARN names, or one of whose versions or aliases it names.
pub(crate) fn find(visit: &dyn Visit, arn: &str) -> Result<Arc<Machine>, ApiError> {
    let (machine, _) = Arn::parse_kind(arn, &["stateMachine"])?.machine();
    let found = visit.engine().catalogue().machine(&machine);
    let found = found.ok_or_else(|| {
        let message = format!("There is no state machine `{}`.", crate::text::short(arn, 300));
        ApiError::new("StateMachineDoesNotExist", message)
    })?;
    // The right to a version or an alias is none to the machine.
    if !visit.may("states:DescribeStateMachine", &found.arn) {
        let message = format!("You have no right to states:DescribeStateMachine on {}.", found.arn);
        return Err(ApiError::new("AccessDeniedException", message));
    }
    Ok(found)
}

pub(crate) async fn page(console: &Console, visit: &dyn Visit, ask: &Ask) -> Answer {
    let machine = find(visit, ask.query.text("arn"))?;
    let engine = visit.engine();
    let revision = engine.revision(&machine.revision).await?;
    let drawing = console.drawings.of(engine, &revision).await;
    let arn = machine.arn.as_str();
    let filter = Filter { machine: Some(arn.to_owned()), ..Filter::default() };
    let may_list = visit.may("states:ListExecutions", arn);
    let (rows, counts) = if may_list {
        let rows = engine.executions(filter.clone(), Part { after: None, most: 10 }).await?;
        (rows, Some(counted(visit, filter).await?))
    } else {
        (Vec::new(), None)
    };
    let last = rows.first().map(|row| row.about.arn.as_str());
    let input_of = ask.query.get("input_of").or(last);
    let input = input(console, visit, input_of).await;
    let main = html! {
        div class="title" {
            div {
                h1 { (Foreign(&machine.name)) @if machine.status == MachineStatus::Deleting { " " span class="status aborted" { "is being deleted" } } }
                @if let Some(counts) = &counts { ul class="tally" data-fresh="tally" {
                    @for status in [Status::Running, Status::Succeeded, Status::Failed, Status::TimedOut, Status::Aborted] {
                        li { a href=(link("/console/executions", &[("machine", arn), ("status", status.name())])) {
                            (status::mark(status.name())) b { (number(counts(status))) } " " (status::word(status.name()).to_lowercase())
                        } }
                    }
                } }
            }
            div class="acts" {
                (start(visit, &machine, &input, input_of, ask.query.get("input_of").is_some()))
                @if visit.token().is_some() && visit.may("states:TestState", "*") {
                    a class="button" href=(link("/console/test", &[("arn", arn)])) { "Test a state…" }
                }
            }
        }
        dl class="facts" {
            div { dt { "Type" } dd { (if machine.is_express { "Express" } else { "Standard" }) } }
            div { dt { "Role" } dd { code { (visible(&revision.role_arn)) } } }
            div { dt { "Created (UTC)" } dd { (when(machine.created_at)) } }
            div { dt { "Updated (UTC)" } dd { (when(machine.updated_at)) } }
            @if !machine.tags.is_empty() { div { dt { "Tags" } dd { @for (key, value) in &machine.tags { span class="chip" { (Foreign(key)) "=" (Foreign(value)) } " " } } } }
            div { dt { "ARN" } dd class="arn" { code { (visible(arn)) } } }
        }
        div class="split" {
            section class="panel graph" aria-label="Drawing of the state machine" {
                @if drawing.svg.is_empty() { p class="none" { "The state machine is too large to be drawn." } } @else {
                    sw-graph { (PreEscaped(&drawing.svg)) }
                }
            }
            section class="panel detail" aria-labelledby="definition" {
                h2 id="definition" { "Definition" }
                (code(&drawing.text))
            }
        }
        @if may_list { section class="section" aria-labelledby="recent" data-fresh="recent" {
            div class="heading" {
                h2 id="recent" { "Latest executions" }
                @if !rows.is_empty() { a href=(link("/console/executions", &[("machine", arn)])) { "All executions" } }
            }
            @if machine.is_express { p class="none" { "Executions of Express state machines are not recorded." } }
            @else if rows.is_empty() { p class="none" { "None yet." } } @else { (short_table(visit, &rows)) }
        } }
        (versions(&machine))
    };
    Page {
        title: machine.name.clone(),
        belongs_to: "/",
        live: may_list.then(|| link("/console/live", &[("machine", arn)])),
        main,
        visit,
        looks: ask.looks,
    }
    .answer()
}

/// The input that the form for a start begins with: of the execution that the URL names, or the last one.
async fn input(console: &Console, visit: &dyn Visit, arn: Option<&str>) -> String {
    let Some(arn) = arn.filter(|arn| visit.may("states:DescribeExecution", arn)) else {
        return "{}".to_owned();
    };
    let Ok(Some(snapshot)) = visit.engine().describe(arn).await else { return "{}".to_owned() };
    // As it was sent, if it is not what we would write.
    let text = match &snapshot.input_text {
        Some(text) if console.redaction.is_empty() => text.to_string(),
        _ => console.redaction.apply(&snapshot.input).pretty(),
    };
    json(&text).into_owned()
}

fn start(
    visit: &dyn Visit,
    machine: &Machine,
    input: &str,
    input_of: Option<&str>,
    is_asked_for: bool,
) -> Markup {
    let arn = machine.arn.as_str();
    let (operation, says) = if machine.is_express {
        (
            "StartSyncExecution",
            "Runs the state machine with this input, waits for its end and shows what it returns. Tasks call what they call.",
        )
    } else {
        (
            "StartExecution",
            "Starts an execution with this input. Its tasks call what they call; you see it on its page.",
        )
    };
    let what = What { button: "Start…", says, resource: arn, is_dangerous: false };
    let targets: Vec<(String, String)> = machine
        .aliases
        .keys()
        .map(|alias| (format!("{arn}:{alias}"), format!("Alias {alias}")))
        .chain(machine.versions.iter().rev().take(20).map(|version| {
            let number = version.number;
            (format!("{arn}:{number}"), format!("Version {number}"))
        }))
        .collect();
    let fields = html! {
        @if targets.is_empty() { (act::hidden("stateMachineArn", arn)) } @else {
            label { "What" select name="stateMachineArn" {
                option value=(arn) { "The present definition" }
                @for (arn, name) in &targets { option value=(arn) { (visible(name)) } }
            } }
        }
        @if let Some(arn) = input_of { (act::hidden(INPUT_OF, arn)) }
        label { "Name (may be left out)" input name="name" maxlength="80" autocomplete="off" spellcheck="false"; }
        label { "Input (JSON)" textarea name="input" rows="10" spellcheck="false" { "\n" (input) } }
    };
    html! { div id="start" data-open[is_asked_for] { (act::form(visit, operation, &what, &fields)) } }
}

fn versions(machine: &Machine) -> Markup {
    if machine.versions.is_empty() && machine.aliases.is_empty() {
        return html! {};
    }
    let arn = machine.arn.as_str();
    html! {
        div class="pair" {
            section class="section" aria-labelledby="versions" {
                h2 id="versions" { "Versions" }
                div class="scrolled" { table data-list { thead { tr { th { "Number" } th { "Description" } th { "Created (UTC)" } } } tbody {
                    @for version in machine.versions.iter().rev().take(50) { tr {
                        td { a href=(link("/console/executions", &[("machine", arn), ("version", &format!("{arn}:{}", version.number))])) { (version.number) } }
                        td { (Foreign(version.description.as_deref().unwrap_or_default())) }
                        td class="dim" { (when(version.created_at)) }
                    } }
                } } }
            }
            section class="section" aria-labelledby="aliases" {
                h2 id="aliases" { "Aliases" }
                @if machine.aliases.is_empty() { p class="none" { "None." } } @else {
                div class="scrolled" { table data-list { thead { tr { th { "Name" } th { "Leads to" } th { "Updated (UTC)" } } } tbody {
                    @for (name, alias) in &machine.aliases { tr {
                        td { a href=(link("/console/executions", &[("machine", arn), ("alias", &format!("{arn}:{name}"))])) { (Foreign(name)) } }
                        td { @for (at, route) in alias.routes.iter().enumerate() { @if at > 0 { ", " } "version " (route.version) " (" (route.weight) " %)" } }
                        td class="dim" { (when(alias.updated_at)) }
                    } }
                } } }
                }
            }
        }
    }
}
