//! The map runs of all executions, the latest first.

use crate::execution::progress;
use crate::fields::link;
use crate::list::{counted, machines, moment, number};
use crate::page::{self, Answer, Page, Refusal, when};
use crate::status::{self, badge};
use crate::text::{Foreign, name, visible};
use crate::why::rounded;
use crate::{Ask, Visit};
use maud::html;
use stepwright_engine::{ListedRun, MapRunStatus};
use stepwright_store::{Filter, Status, StoreError};

/// How many map runs are on a page.
const SHOWN: usize = 50;

/// How many are looked at for one page. If few of them match, the page ends before it is full.
const LOOKED_AT: usize = 1_000;
const AT_ONCE: usize = 250;

/// Where a page begins: a start time and an ARN.
type Place = (i64, String);

pub(crate) async fn page(visit: &dyn Visit, ask: &Ask) -> Answer {
    let engine = visit.engine();
    let query = &ask.query;
    let machine = query.get("machine");
    let status = query.get("status").map(|text| {
        MapRunStatus::named(text)
            .ok_or_else(|| Refusal::unclear(format!("there is no status `{}`", visible(text))))
    });
    let status = status.transpose()?;
    let until = query.get("until").map(moment).transpose()?;
    let after = match query.get("after") {
        Some(text) => Some(read_place(text)?),
        None => until.map(|at| (at, String::new())),
    };
    let is_wanted = |run: &ListedRun| {
        machine.is_none_or(|machine| is_of(&run.arn, machine))
            && status.is_none_or(|status| run.status == Some(status))
            && visit.may("states:DescribeMapRun", &run.arn)
    };
    let (found, next) = found(visit, after, is_wanted).await?;
    let now = engine.now();
    let mut shown = Vec::new();
    for run in &found {
        let filter = Filter { map_run: Some(run.arn.clone()), ..Filter::default() };
        shown.push((run, counted(visit, filter).await?, engine.numbered_row(run.execution).await?));
    }
    let with = |status: &str, after: &str| {
        let given = [
            ("machine", query.text("machine")),
            ("until", query.text("until")),
            ("status", status),
            ("after", after),
        ];
        link("/console/map-runs", &given)
    };
    let main = html! {
        h1 { "Map runs" }
        nav class="tabs" aria-label="By status" {
            a href=(with("", "")) aria-current=[status.is_none().then_some("true")] { "All" }
            @for one in MapRunStatus::ALL {
                a href=(with(one.name(), "")) aria-current=[(status == Some(one)).then_some("true")] { (status::mark(one.name())) (status::word(one.name())) }
            }
        }
        form class="filters" action="/console/map-runs" {
            @if let Some(status) = status { input type="hidden" name="status" value=(status.name()); }
            label { "State machine" (machines(visit, machine)) }
            label { "Started before (UTC)" input type="datetime-local" name="until" step="1" value=(query.text("until")); }
            button type="submit" { "Show" }
        }
        div data-fresh="rows" {
            @if shown.is_empty() {
                p class="none" { (if next.is_some() { "None of the map runs that were looked at match." } else { "There are none that match. A Map state in distributed mode begins one." }) }
            } @else {
                div class="scrolled" tabindex="0" role="region" aria-label="Table of map runs" { table data-list {
                    thead { tr { th { "Status" } th { "Map run" } th { "Execution" } th { "Started (UTC)" } th class="n" { "Took" } th class="n" { "Failed" } th class="n" { "Running" } th class="n" { "Succeeded" } th class="wide" { "Children" } } }
                    tbody { @for (run, counts, row) in &shown {
                        @let failed = counts(Status::Failed) + counts(Status::TimedOut) + counts(Status::Aborted);
                        @let running = counts(Status::Running) + counts(Status::PendingRedrive);
                        tr {
                            td { @if let Some(status) = run.status { (badge(status.name())) } @else { span class="dim" { "not known" } } }
                            td { a href=(link("/console/map-run", &[("arn", &run.arn)])) { (Foreign(label(&run.arn))) } }
                            td { @if let Some(row) = row {
                                a href=(page::to_execution(&row.about.arn)) { (Foreign(name(&row.about.arn))) }
                                " " span class="dim" { (Foreign(name(&row.about.machine))) }
                            } }
                            td class="dim" { (when(run.started_at)) }
                            td class="n" { @if let Some(at) = run.stopped_at { (rounded(at - run.started_at)) } @else if run.status == Some(MapRunStatus::Running) { (rounded(now.0 - run.started_at)) } }
                            td class="n" { @if failed > 0 { a class="failed" href=(link("/console/map-run", &[("arn", &run.arn), ("status", "FAILED")])) { (number(failed)) } } @else { span class="zero" { "0" } } }
                            td class="n" { (number(running)) }
                            td class="n" { (number(counts(Status::Succeeded))) }
                            td { (progress(counts(Status::Succeeded), failed, running, None)) }
                        }
                    } }
                } }
            }
        }
        nav class="pages" aria-label="More map runs" {
            @if query.get("after").is_some() || until.is_some() { a href=(link("/console/map-runs", &[("machine", query.text("machine")), ("status", query.text("status"))])) { "Newest" } }
            @if let Some((at, arn)) = &next { a href=(with(status.map_or("", MapRunStatus::name), &format!("{at}.{arn}"))) rel="next" { "Older" } }
        }
    };
    // Older pages stay as they are.
    let is_live = query.get("after").is_none() && visit.may("states:ListExecutions", "*");
    Page {
        title: "Map runs".to_owned(),
        belongs_to: "/console/map-runs",
        live: is_live.then(|| "/console/live".to_owned()),
        main,
        visit,
        looks: ask.looks,
    }
    .answer()
}

/// The map runs of a page, and where the next one begins.
async fn found(
    visit: &dyn Visit,
    mut after: Option<Place>,
    is_wanted: impl Fn(&ListedRun) -> bool,
) -> Result<(Vec<ListedRun>, Option<Place>), StoreError> {
    let mut found: Vec<ListedRun> = Vec::new();
    for _ in 0..LOOKED_AT / AT_ONCE {
        let runs = visit.engine().latest_map_runs(after.clone(), AT_ONCE).await?;
        let is_last = runs.len() < AT_ONCE;
        for run in runs {
            if found.len() == SHOWN {
                return Ok((found, after));
            }
            after = Some((run.started_at, run.arn.clone()));
            if is_wanted(&run) {
                found.push(run);
            }
        }
        if is_last {
            return Ok((found, None));
        }
    }
    Ok((found, after))
}

fn read_place(text: &str) -> Result<Place, Refusal> {
    let parts = text.split_once('.').and_then(|(at, arn)| Some((at.parse().ok()?, arn.to_owned())));
    parts.ok_or_else(|| Refusal::unclear("`after` is no place in a list"))
}

/// Whether a map run is one of a machine's executions: `…:mapRun:MACHINE/LABEL:ID`.
fn is_of(arn: &str, machine: &str) -> bool {
    let before = machine.replacen(":stateMachine:", ":mapRun:", 1);
    arn.strip_prefix(&*before).is_some_and(|rest| rest.starts_with('/'))
}

/// The label of the Map state.
fn label(arn: &str) -> &str {
    let rest = arn.rsplit_once('/').map_or(arn, |(_, rest)| rest);
    rest.split(':').next().unwrap_or(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_run_belongs_to_a_machine_and_has_a_label() {
        let run = "arn:aws:states:us-east-1:123456789012:mapRun:order/Each:17";
        let machine = |name| format!("arn:aws:states:us-east-1:123456789012:stateMachine:{name}");
        assert!(is_of(run, &machine("order")));
        assert!(!is_of(run, &machine("ord")) && !is_of(run, &machine("other")));
        assert_eq!(label(run), "Each");
        assert_eq!(read_place(&format!("17.{run}")).expect("a place"), (17, run.to_owned()));
        assert!(read_place("x").is_err());
    }
}
