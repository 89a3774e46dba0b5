//! The first page: the machines with their counts, what failed last and what began last.

use crate::execution::{took, why_failed};
use crate::fields::link;
use crate::list::{counted, latest, number};
use crate::page::{self, Answer, Page, when};
use crate::status::{self, badge};
use crate::text::{Foreign, name, visible};
use crate::{Ask, Visit};
use maud::{Markup, html};
use std::sync::Arc;
use stepwright_engine::Machine;
use stepwright_store::{ExecutionRow, Filter, Status};

/// How many machines are on a page.
const MACHINES: usize = 100;

/// How many executions are in each of the two short lists.
const SHOWN: usize = 8;

pub(crate) async fn page(visit: &dyn Visit, ask: &Ask) -> Answer {
    let machines = visit.machines();
    let from = ask.query.number("from").unwrap_or(0) as usize;
    // Children of map runs are no executions of a machine, so that they are in no list and not counted.
    let mut counts = Vec::new();
    for machine in &machines {
        let filter = Filter { machine: Some(machine.arn.clone()), ..Filter::default() };
        counts.push((machine, counted(visit, filter).await?));
    }
    let all = |status| counts.iter().map(|(_, of)| of(status)).sum::<u64>();
    let shown = &counts[from.min(counts.len())..(from + MACHINES).min(counts.len())];
    let failures = latest(visit, Some(Status::Failed), None, SHOWN).await?;
    let mut failed = Vec::new();
    for row in failures {
        let why = why_failed(visit, &row.about.arn).await;
        failed.push((row, why));
    }
    let recent = latest(visit, None, None, SHOWN).await?;
    let parked = match visit.engine().parked_executions() {
        0 => 0,
        _ => crate::parked::owned(visit).await?.len(),
    };
    let main = html! {
        div class="title" {
            h1 { "Home" }
            ul class="tally" data-fresh="tally" {
                @for status in [Status::Running, Status::Succeeded, Status::Failed, Status::TimedOut, Status::Aborted] {
                    li { a href=(link("/console/executions", &[("status", status.name())])) {
                        (status::mark(status.name())) b { (number(all(status))) } " " (status::word(status.name()).to_lowercase())
                    } }
                }
            }
        }
        @if parked > 0 {
            section class="notice bad" role="note" {
                h2 { (status::mark("PARKED")) (parked) " left alone" }
                p { "A fault of the server's own keeps them from going on." @if visit.may("stepwright:ManageParkedExecutions", "*") { " " a href="/console/parked" { "See which" } "." } }
            }
        }
        section class="section" aria-labelledby="machines" data-fresh="machines" {
            h2 id="machines" { "State machines " span class="dim" { (machines.len()) } }
            @if machines.is_empty() {
                p class="none" { "None yet. Create one with " code { "CreateStateMachine" } ", or serve a file with " code { "stepwright dev order.asl.yaml" } "." }
            } @else {
                (machine_table(shown))
                nav class="pages" aria-label="More state machines" {
                    @if from > 0 { a href=(link("/", &[("from", &from.saturating_sub(MACHINES).to_string())])) { "Previous" } }
                    @if from + MACHINES < machines.len() { a href=(link("/", &[("from", &(from + MACHINES).to_string())])) { "Next" } }
                }
            }
        }
        div class="pair" {
            section class="section" aria-labelledby="failures" data-fresh="failures" {
                h2 id="failures" { "Latest failures" }
                @if failed.is_empty() { p class="none" { "None. Executions of state machines that failed appear here." } } @else {
                    ul class="cards" data-list { @for (row, why) in &failed { li {
                        (status::mark("FAILED"))
                        div {
                            a href=(page::to_execution(&row.about.arn)) { (Foreign(name(&row.about.arn))) }
                            " " span class="dim" { (Foreign(name(&row.about.machine))) " · " (when(row.about.started_at)) }
                            p class="why" { (visible(why)) }
                        }
                    } } }
                }
            }
            section class="section" aria-labelledby="recent" data-fresh="recent" {
                h2 id="recent" { "Latest executions" }
                @if recent.is_empty() { p class="none" { "None yet. Start one from the page of a state machine." } } @else {
                    (short_table(visit, &recent))
                }
            }
        }
    };
    Page {
        title: "Home".to_owned(),
        belongs_to: "/",
        live: Some("/console/live".to_owned()),
        main,
        visit,
        looks: ask.looks,
    }
    .answer()
}

fn machine_table(shown: &[(&Arc<Machine>, impl Fn(Status) -> u64)]) -> Markup {
    let cell = |machine: &Machine, status: Status, count: u64| {
        let path =
            link("/console/executions", &[("machine", &machine.arn), ("status", status.name())]);
        html! {
            td class="n" {
                @if count == 0 { span class="zero" { "0" } } @else { a href=(path) class=(status::class(status.name())) { (number(count)) } }
            }
        }
    };
    html! {
        div class="scrolled" tabindex="0" role="region" aria-label="Table of state machines" { table data-list {
            thead { tr {
                th { "Name" } th { "Type" } th class="n" { "Running" } th class="n" { "Succeeded" }
                th class="n" { "Failed" } th class="n" { "Timed out" } th class="n" { "Aborted" } th { "Updated (UTC)" }
            } }
            tbody {
                @for (machine, of) in shown {
                    tr {
                        td { a href=(page::to_machine(&machine.arn)) { (Foreign(&machine.name)) } }
                        td class="dim" { (if machine.is_express { "Express" } else { "Standard" }) }
                        @for status in [Status::Running, Status::Succeeded, Status::Failed, Status::TimedOut, Status::Aborted] {
                            (cell(machine, status, of(status)))
                        }
                        td class="dim" { (when(machine.updated_at)) }
                    }
                }
            }
        } }
    }
}

/// The rows of a short list of executions.
pub(crate) fn short_table(visit: &dyn Visit, rows: &[ExecutionRow]) -> Markup {
    let now = visit.engine().now();
    html! {
        div class="scrolled" tabindex="0" role="region" aria-label="Table of executions" { table data-list {
            thead { tr { th { "Status" } th { "Execution" } th { "Started (UTC)" } th class="n" { "Took" } } }
            tbody {
                @for row in rows {
                    tr {
                        td { (badge(row.status.name())) }
                        td { a href=(page::to_execution(&row.about.arn)) { (Foreign(name(&row.about.arn))) } }
                        td class="dim" { (when(row.about.started_at)) }
                        td class="n" { (took(row, now)) }
                    }
                }
            }
        } }
    }
}
