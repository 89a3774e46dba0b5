//! Lists of executions, page by page, without a scan: every page is read from an index, in its order.

use crate::execution::took;
use crate::fields::link;
use crate::order::{Listed, Order, Wanted, listed};
use crate::page::{self, Answer, Page, Refusal, when};
use crate::status::{self, badge};
use crate::text::{Foreign, name, visible};
use crate::{Ask, Console, Visit};
use maud::{Markup, html};
use stepwright_program::time;
use stepwright_store::{ExecutionId, ExecutionRow, Filter, Page as Part, Status};

/// How many executions are on a page.
const SHOWN: usize = 50;

pub(crate) async fn page(console: &Console, visit: &dyn Visit, ask: &Ask) -> Answer {
    let query = &ask.query;
    let machine = query.get("machine");
    let status = query.get("status").map(|status| {
        Status::named(status)
            .ok_or_else(|| Refusal::unclear(format!("there is no status `{}`", visible(status))))
    });
    let status = status.transpose()?;
    let has_search = console.search().is_some();
    if let Some(error) = query.get("error").filter(|_| has_search) {
        return Ok(page::elsewhere(&with_error(error, machine, status)));
    }
    let more = Filter {
        version: query.get("version").map(str::to_owned),
        alias: query.get("alias").map(str::to_owned),
        is_redriven: query.get("redriven").map(|redriven| redriven == "yes"),
        ..Filter::default()
    };
    let is_narrow = more != Filter::default();
    let prefix = query.get("prefix");
    let after = query.get("after");
    let until = query.get("until").map(moment).transpose()?;
    let order = Order::named(query.text("order"))?;
    let wanted = Wanted { order, machine, status, more, prefix, after, until };
    let Listed { rows, next: older, hint } = listed(visit, wanted, SHOWN).await?;
    let mut counts = Vec::new();
    let all = visit.machines();
    let named = all.iter().map(|machine| machine.arn.as_str());
    let machines_shown: Vec<&str> =
        machine.map_or_else(|| named.collect(), |machine| vec![machine]);
    for machine in machines_shown {
        let filter = Filter { machine: Some(machine.to_owned()), ..Filter::default() };
        counts.push(counted(visit, filter).await?);
    }
    let counts = |status: Status| counts.iter().map(|of| of(status)).sum::<u64>();
    let given = |name: &'static str| (name, query.text(name));
    let with = |changes: &[(&str, &str)]| {
        let kept =
            ["machine", "status", "version", "alias", "redriven", "until", "order", "prefix"]
                .map(given);
        let kept = kept
            .into_iter()
            .filter(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
        let all: Vec<(&str, &str)> = kept.chain(changes.iter().copied()).collect();
        link("/console/executions", &all)
    };
    let now = visit.engine().now();
    // A prefix of names needs their order.
    let by_name = if prefix.is_some() { Order::Name } else { order };
    let can_name = machine.is_some() && status.is_none() && !is_narrow;
    let main = html! {
        @if let Some(machine) = machine { (page::trail(&[(name(machine), page::to_machine(machine))], "Executions")) }
        h1 { "Executions" }
        nav class="tabs" aria-label="By status" data-fresh="tabs" {
            a href=(with(&[("status", "")])) aria-current=[status.is_none().then_some("true")] { "All" @if !is_narrow { " " span class="dim" { (number(Status::ALL.iter().map(|status| counts(*status)).sum())) } } }
            @for one in [Status::Running, Status::Succeeded, Status::Failed, Status::TimedOut, Status::Aborted] {
                a href=(with(&[("status", one.name())])) aria-current=[(status == Some(one)).then_some("true")] {
                    (status::mark(one.name())) (status::word(one.name())) @if !is_narrow { " " span class="dim" { (number(counts(one))) } }
                }
            }
        }
        form class="filters" action="/console/executions" {
            @if order != Order::Newest { input type="hidden" name="order" value=(order.word()); }
            @if let Some(status) = status { input type="hidden" name="status" value=(status.name()); }
            label { "State machine" (machines(visit, machine)) }
            label { "Name begins with" input name="prefix" value=(prefix.unwrap_or_default()) maxlength="80" autocomplete="off" spellcheck="false"; }
            @if has_search { label { "Error" input name="error" maxlength="256" autocomplete="off" spellcheck="false"; } }
            label { (if order == Order::Oldest { "Started from (UTC)" } else { "Started before (UTC)" }) input type="datetime-local" name="until" step="1" value=(query.text("until")); }
            label { "Redriven" select name="redriven" { option value="" { "Either" } option value="yes" selected[query.get("redriven") == Some("yes")] { "Yes" } option value="no" selected[query.get("redriven") == Some("no")] { "No" } } }
            @if let Some(alias) = query.get("alias") { label { "Alias" input name="alias" value=(alias); } }
            @if let Some(version) = query.get("version") { label { "Version" input name="version" value=(version); } }
            button type="submit" { "Show" }
        }
        @if machine.is_none() && query.get("redriven").is_some() { p class="dim" { "Choose a state machine to see which of its executions were redriven." } }
        div data-fresh="rows" { @if let Some(hint) = hint { p class="none" { (hint) } }
        @else if rows.is_empty() { p class="none" { (if older.is_some() { "None of the executions that were looked at match." } else { "There are none that match." }) } } @else {
            div class="scrolled" tabindex="0" role="region" aria-label="Table of executions" { table data-list {
                thead { tr {
                    th { "Status" }
                    (head("Execution", (by_name == Order::Name).then_some("ascending"), (can_name).then(|| with(&[("order", "name"), ("after", "")]))))
                    @if machine.is_none() { th { "State machine" } }
                    (head("Started (UTC)", match by_name { Order::Newest => Some("descending"), Order::Oldest => Some("ascending"), _ => None }, Some(with(&[("order", if by_name == Order::Newest { "oldest" } else { "" }), ("prefix", ""), ("after", "")]))))
                    (head("Ended (UTC)", (by_name == Order::Ended).then_some("descending"), (!is_narrow).then(|| with(&[("order", "ended"), ("prefix", ""), ("until", ""), ("after", "")]))))
                    th class="n" { "Took" } th class="n" { "Events" } th class="n" { "Redrives" }
                } }
                tbody { @for row in &rows { tr {
                    td { (badge(row.status.name())) }
                    td { a href=(page::to_execution(&row.about.arn)) { (Foreign(name(&row.about.arn))) } }
                    @if machine.is_none() { td { a href=(page::to_machine(&row.about.machine)) { (Foreign(name(&row.about.machine))) } } }
                    td class="dim" { (when(row.about.started_at)) }
                    td class="dim" { @if let Some(at) = row.stopped_at { (when(at)) } }
                    td class="n" { (took(row, now)) }
                    td class="n" { (number(row.len)) }
                    td class="n" { @if let Some((count, _)) = row.redriven { (count) } }
                } } }
            } }
        } }
        nav class="pages" aria-label="More executions" {
            @if after.is_some() || query.get("until").is_some() { a href=(with(&[("until", ""), ("after", "")])) { (if by_name == Order::Newest { "Newest" } else { "First page" }) } }
            @if let Some(older) = &older { a href=(with(&[("after", older)])) rel="next" { (if by_name == Order::Newest { "Older" } else { "Next" }) } }
        }
    };
    Page {
        title: "Executions".to_owned(),
        belongs_to: "/console/executions",
        // Older pages stay as they are.
        live: after
            .is_none()
            .then(|| link("/console/live", &[("machine", machine.unwrap_or_default())])),
        main,
        visit,
        looks: ask.looks,
    }
    .answer()
}

pub(crate) fn machines(visit: &dyn Visit, chosen: Option<&str>) -> Markup {
    let mut machines = visit.machines();
    machines.retain(|machine| visit.may("states:ListExecutions", &machine.arn));
    let is_known = machines.iter().any(|machine| Some(machine.arn.as_str()) == chosen);
    html! {
        select name="machine" {
            option value="" { "All" }
            @if let Some(chosen) = chosen.filter(|_| !is_known) { option value=(chosen) selected { (visible(name(chosen))) } }
            @for machine in machines.iter().take(1_000) {
                option value=(machine.arn) selected[Some(machine.arn.as_str()) == chosen] { (visible(&machine.name)) }
            }
        }
    }
}

/// The head of a column, which leads to the list in its order.
fn head(title: &str, sorted: Option<&str>, path: Option<String>) -> Markup {
    html! {
        th aria-sort=[sorted] {
            @if let Some(path) = path {
                a class="sort" href=(path) { (title) span aria-hidden="true" { (match sorted { Some("ascending") => " ▲", Some(_) => " ▼", None => "" }) } }
            } @else { (title) }
        }
    }
}

/// The search for executions with an error.
fn with_error(error: &str, machine: Option<&str>, status: Option<Status>) -> String {
    let quoted = |text: &str| text.replace('"', " ");
    let mut wanted = vec![format!("error:\"{}\"", quoted(error))];
    wanted.extend(machine.map(|arn| format!("machine:\"{}\"", quoted(name(arn)))));
    wanted.extend(status.map(|status| format!("status:{}", status.name().to_lowercase())));
    link("/console/find", &[("q", &wanted.join(" "))])
}

/// A moment as a form gives it.
pub(crate) fn moment(text: &str) -> Result<i64, Refusal> {
    let full = match text.len() {
        16 => format!("{text}:00Z"),
        _ => format!("{text}Z"),
    };
    time::parse(&full).ok_or_else(|| {
        Refusal::unclear(format!("`{}` is no moment: 2026-11-30T14:05", visible(text)))
    })
}

/// How many executions a filter matches, by status.
pub(crate) async fn counted(
    visit: &dyn Visit,
    filter: Filter,
) -> Result<impl Fn(Status) -> u64 + use<>, Refusal> {
    let counts = visit.engine().count(filter).await?;
    Ok(move |wanted| {
        counts.iter().find(|(status, _)| *status == wanted).map_or(0, |(_, count)| *count)
    })
}

/// The latest executions of all machines that have a status. The lists of the machines are read from
/// an index each and merged: among all executions, those with a rare status would have to be searched.
pub(crate) async fn latest(
    visit: &dyn Visit,
    status: Option<Status>,
    after: Option<(i64, ExecutionId)>,
    most: usize,
) -> Result<Vec<ExecutionRow>, Refusal> {
    let engine = visit.engine();
    let mut all = Vec::new();
    for machine in visit.machines().iter().filter(|machine| !machine.is_express) {
        let filter = Filter { machine: Some(machine.arn.clone()), status, ..Filter::default() };
        all.extend(engine.executions(filter, Part { after, most }).await?);
        all.sort_unstable_by_key(|row| std::cmp::Reverse((row.about.started_at, row.id)));
        all.truncate(most);
    }
    Ok(all)
}

/// A number with spaces between its thousands.
pub(crate) fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut shown = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            shown.push('\u{202f}');
        }
        shown.push(digit);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_easily() {
        assert_eq!(number(0), "0");
        assert_eq!(number(1_234_567), "1\u{202f}234\u{202f}567");
        assert_eq!(number(123), "123");
    }

    #[test]
    fn moments_of_forms_are_read() {
        let at = moment("2026-11-30T14:05").expect("it is one");
        assert_eq!(time::format(at), "2026-11-30T14:05:00Z");
        assert!(moment("yesterday").is_err());
    }

    #[test]
    fn an_error_is_searched_for() {
        let path = with_error("Card\"Declined", Some("arn:x:order"), Some(Status::Failed));
        assert_eq!(
            path,
            "/console/find?q=error%3A%22Card+Declined%22+machine%3A%22order%22+status%3Afailed"
        );
    }
}
