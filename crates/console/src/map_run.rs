//! The page of a map run: its progress, and its children by status, failures first.

use crate::act::{self, What};
use crate::execution::{progress, took, why_failed};
use crate::fields::link;
use crate::list::{counted, number};
use crate::page::{self, Answer, Page, Refusal, when};
use crate::status::{self, badge};
use crate::text::{Foreign, name, short, visible};
use crate::why::rounded;
use crate::{Ask, Visit};
use maud::html;
use stepwright_store::{ExecutionId, Filter, Page as Part, Status};

/// How many children are on a page.
const SHOWN: usize = 50;

/// The statuses in the order in which they matter.
const ORDER: [Status; 5] =
    [Status::Failed, Status::TimedOut, Status::Aborted, Status::Running, Status::Succeeded];

pub(crate) async fn page(visit: &dyn Visit, ask: &Ask) -> Answer {
    let engine = visit.engine();
    let arn = ask.query.text("arn");
    let run = engine.map_run(arn).await?;
    let missing = || Refusal::missing(format!("There is no map run `{}`.", short(arn, 300)));
    let run = run.ok_or_else(missing)?;
    let may_list = visit.may("states:ListExecutions", arn);
    let filter = Filter { map_run: Some(arn.to_owned()), ..Filter::default() };
    let counts = counted(visit, filter.clone()).await?;
    // Failures first.
    let named = ask.query.get("status").and_then(Status::named);
    let status = named.or_else(|| ORDER.into_iter().find(|status| counts(*status) > 0));
    let after = ask.query.get("after").and_then(|text| {
        let (at, id) = text.rsplit_once('-')?;
        Some((at.parse().ok()?, ExecutionId(id.parse().ok()?)))
    });
    let rows = if may_list {
        engine.executions(Filter { status, ..filter }, Part { after, most: SHOWN + 1 }).await?
    } else {
        Vec::new()
    };
    let has_more = rows.len() > SHOWN;
    let mut shown = Vec::new();
    for row in rows.into_iter().take(SHOWN) {
        let has_failed = row.status.is_over() && row.status != Status::Succeeded;
        let why = if has_failed { why_failed(visit, &row.about.arn).await } else { String::new() };
        shown.push((row, why));
    }
    let older = shown.last().filter(|_| has_more);
    let older = older.map(|(row, _)| format!("{}-{}", row.about.started_at, row.id.0));
    let with = |status: &str, after: &str| {
        link("/console/map-run", &[("arn", arn), ("status", status), ("after", after)])
    };
    let now = engine.now();
    let executions = &run.executions;
    let main = html! {
        div class="title" {
            div {
                (page::trail(&[(name(&run.machine), page::to_machine(&run.machine)), (name(&run.execution_arn), page::to_execution(&run.execution_arn))], "Map run"))
                h1 { "Map run" }
            }
            div class="acts" {
                @if run.stopped_at.is_none() {
                    (act::form(visit, "UpdateMapRun", &What { button: "Change limits…", says: "Changes how many children run at once, and how many may fail, from now on. What runs goes on.", resource: arn, is_dangerous: false }, &html! {
                        (act::hidden("mapRunArn", arn))
                        label { "Children at once (0: no limit)" input name="maxConcurrency" inputmode="numeric" value=(run.max_concurrency); }
                        label { "Children that may fail" input name="toleratedFailureCount" inputmode="numeric" value=(run.tolerated_count); }
                    }))
                }
            }
        }
        dl class="facts" data-fresh="facts" {
            div { dt { "Status" } dd { (badge(run.status.name())) } }
            div { dt { "Started (UTC)" } dd { (when(run.started_at)) } }
            @if let Some(at) = run.stopped_at { div { dt { "Ended (UTC)" } dd { (when(at)) } } }
            div { dt { "Took" } dd { (rounded(run.stopped_at.unwrap_or(now.0) - run.started_at)) } }
            div { dt { "At once" } dd { @if run.max_concurrency == 0 { "no limit" } @else { (run.max_concurrency) } } }
            div { dt { "May fail" } dd { (run.tolerated_count) " or " (run.tolerated_percentage) " %" } }
            @if let Some((count, at)) = run.redriven { div { dt { "Redriven" } dd { (count) " ×, last " (when(at)) } } }
            div { dt { "ARN" } dd class="arn" { code { (visible(arn)) } } }
        }
        section class="section" data-fresh="progress" {
            h2 { "Progress " span class="dim" { (number(executions.succeeded + executions.failed + executions.aborted)) " of " (number(executions.total)) " children ended, with " (number(run.items.total)) " items" } }
            (progress(executions.succeeded, executions.failed, executions.running, Some(executions.total)))
        }
        @if may_list { section class="section" data-fresh="children" {
            h2 { "Children" }
            nav class="tabs" aria-label="By status" {
                @for one in ORDER {
                    a href=(with(one.name(), "")) aria-current=[(status == Some(one)).then_some("true")] { (status::mark(one.name())) (status::word(one.name())) " " span class="dim" { (number(counts(one))) } }
                }
                @if executions.pending > 0 { span class="tab dim" { "Not begun " (number(executions.pending)) } }
            }
            @if shown.is_empty() { p class="none" { "None. Children that are Express executions are not recorded." } } @else {
                div class="scrolled" tabindex="0" role="region" aria-label="Table of children" { table data-list {
                    thead { tr { th { "Status" } th { "Child" } th { "Started (UTC)" } th class="n" { "Took" } th class="wide" { "Error" } } }
                    tbody { @for (row, why) in &shown { tr {
                        td { (badge(row.status.name())) }
                        td { a href=(page::to_execution(&row.about.arn)) { (Foreign(name(&row.about.arn))) } }
                        td class="dim" { (when(row.about.started_at)) }
                        td class="n" { (took(row, now)) }
                        td class="why" { (visible(why)) }
                    } } }
                } }
            }
            nav class="pages" aria-label="More children" {
                @if after.is_some() { a href=(with(status.map_or("", Status::name), "")) { "Newest" } }
                @if let Some(older) = &older { a href=(with(status.map_or("", Status::name), older)) rel="next" { "Older" } }
            }
        } }
    };
    Page {
        title: "Map run".to_owned(),
        belongs_to: "/console/map-runs",
        live: after.is_none().then(|| link("/console/live", &[("machine", &run.machine)])),
        main,
        visit,
        looks: ask.looks,
    }
    .answer()
}
