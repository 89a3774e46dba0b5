//! Executions that are found by what is in them.

use crate::execution::took;
use crate::fields::link;
use crate::list::number;
use crate::page::{self, when};
use crate::status::badge;
use crate::text::{Foreign, name, short, visible};
use crate::{Ask, Console, Visit};
use maud::{Markup, html};
use std::time::Duration;
use stepwright_search::{Behind, Found, Query};

/// How many executions are on a page.
const SHOWN: usize = 50;

/// An index that is this far behind is said to be.
const LATE: Duration = Duration::from_secs(2);

/// What was found.
pub(crate) enum Contents {
    /// The search is turned off.
    Off,
    On(Found),
}

impl Contents {
    pub(crate) fn is_empty(&self) -> bool {
        match self {
            Self::Off => true,
            Self::On(found) => found.rows.is_empty() && found.next.is_none(),
        }
    }
}

/// Looks for executions whose history the visitor may see. Fails with what is wrong with the query.
pub(crate) async fn found(
    console: &Console,
    visit: &dyn Visit,
    ask: &Ask,
    wanted: &str,
) -> Result<Contents, String> {
    let Some(search) = console.search() else { return Ok(Contents::Off) };
    let engine = visit.engine();
    let query = Query::parse(wanted, engine.now().0).map_err(|error| error.to_string())?;
    if query.is_empty() {
        return Ok(Contents::On(Found { behind: search.behind(), ..Found::default() }));
    }
    let below = ask.query.number("below");
    // Who finds what is in an execution learns of it.
    let may_see = |row: &stepwright_store::ExecutionRow| {
        visit.may("states:DescribeExecution", &row.about.arn)
            && visit.may("states:GetExecutionHistory", &row.about.arn)
    };
    let found = search.find(engine, &query, below, SHOWN, may_see).await;
    Ok(Contents::On(found.map_err(|error| error.to_string())?))
}

impl Contents {
    /// The list, and what is to be said of it.
    pub(crate) fn shown(&self, visit: &dyn Visit, wanted: &str, is_all: bool) -> Markup {
        let Self::On(found) = self else {
            return html! {
                @if is_all { p class="none" { "Nothing here is called " b { (Foreign(&short(wanted, 200))) } "." } }
                (help(false))
            };
        };
        let now = visit.engine().now();
        html! {
            @if found.rows.is_empty() {
                @if is_all { p class="none" { "Nothing here is called " b { (Foreign(&short(wanted, 200))) } ", and no execution matches it." } }
                (help(true))
            } @else {
                h2 { "Executions" }
                div class="scrolled" tabindex="0" role="region" aria-label="Table of executions" { table data-list {
                    thead { tr { th { "Status" } th { "Execution" } th { "State machine" } th { "Started (UTC)" } th class="n" { "Took" } th class="n" { "Events" } } }
                    tbody { @for row in &found.rows { tr {
                        td { (badge(row.status.name())) }
                        td { a href=(page::to_execution(&row.about.arn)) { (Foreign(name(&row.about.arn))) } }
                        td { a href=(page::to_machine(&row.about.machine)) { (Foreign(name(&row.about.machine))) } }
                        td class="dim" { (when(row.about.started_at)) }
                        td class="n" { (took(row, now)) }
                        td class="n" { (number(row.len)) }
                    } } }
                } }
            }
            nav class="pages" aria-label="More executions" {
                @if let Some(next) = found.next { a href=(link("/console/find", &[("q", wanted), ("below", &next.to_string())])) rel="next" { "Older" } }
            }
            (said_of(found.behind, found.missing))
        }
    }
}

/// How far the index is behind, if it is.
fn said_of(behind: Behind, missing: usize) -> Markup {
    html! {
        @if missing > 0 {
            p class="notice" role="status" { (number(missing as u64)) @if missing == 1 { " node does" } @else { " nodes do" } " not answer, so that executions of theirs are not found." }
        }
        @if behind.is_comparing {
            p class="dim" { "The index is being compared with the store, so that some executions may not be found yet." }
        } @else if behind.since > LATE {
            p class="dim" { "The index is " (behind.since.as_secs()) " seconds behind: " (number(behind.executions as u64)) " executions are not found yet as they are." }
        }
    }
}

/// What can be written into the field.
pub(crate) fn help(is_on: bool) -> Markup {
    let examples = [
        (
            "order-17",
            "a word of an input, an output, an error, a cause, a variable, or the name of a state",
        ),
        ("\"card declined\"", "words that follow one another"),
        ("ord*", "the beginning of a word"),
        ("status:failed", "or running, succeeded, timed_out, aborted"),
        ("after:yesterday", "or before:, with today, 2h, 3d, 2026-11-30 or 2026-11-30T14:05 (UTC)"),
        (
            "error:CardDeclined",
            "in one field: input, output, error, state, variable, name or machine",
        ),
    ];
    html! {
        p class="none" { "A state machine is found by a part of its name; an execution by its name, or its ARN" @if is_on { ", or by what is in it" } "." }
        @if is_on {
            table { tbody { @for (text, what) in examples { tr {
                td { a href=(link("/console/find", &[("q", text)])) { code { (visible(text)) } } }
                td { (what) }
            } } } }
        }
    }
}
