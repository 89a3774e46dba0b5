//! The page of an execution.

use crate::act::{self, What};
use crate::drawing::Drawing;
use crate::fields::link;
use crate::fork;
use crate::page::{self, Answer, Page, Refusal, block, moment, tree};
use crate::status::{self, badge};
use crate::story::{Fate, Run, Story, Visited};
use crate::text::{Foreign, json, name, short, uncoloured, visible};
use crate::why::{rounded, waits};
use crate::{Ask, Console, Visit};
use maud::{Markup, PreEscaped, html};
use std::sync::Arc;
use stepwright_engine::{Facts, Parked};
use stepwright_history::{Failure, Moment, TaskId};
use stepwright_interpreter::Status as Outcome;
use stepwright_json::{Json, Object, Str};
use stepwright_store::{ExecutionRow, Filter, Page as Part, Status};
use tokio::sync::OwnedMutexGuard;

/// An execution, with what its page shows.
pub(crate) struct Known {
    pub(crate) row: ExecutionRow,
    pub(crate) facts: Facts,
    pub(crate) story: OwnedMutexGuard<Story>,
    pub(crate) drawing: Arc<Drawing>,
    parked: Option<Parked>,
    now: Moment,
}

/// Reads the execution that a URL names.
pub(crate) async fn known(
    console: &Console,
    visit: &dyn Visit,
    ask: &Ask,
) -> Result<Known, Refusal> {
    let engine = visit.engine();
    let arn = ask.query.get("arn").ok_or_else(|| Refusal::unclear("the URL names no execution"))?;
    let row = engine.execution_row(arn).await?;
    let row = row.ok_or_else(|| Refusal::missing(missing(arn)))?;
    let facts = engine.recorded_facts(row.clone()).await?;
    let story = console.stories.of(engine, &row, &facts.revision, &console.redaction).await;
    let parked = if row.status.is_over() {
        None
    } else {
        engine.parked().await?.into_iter().find(|parked| parked.arn == row.about.arn)
    };
    let drawing = console.drawings.of(engine, &facts.revision).await;
    Ok(Known { row, facts, story, drawing, parked, now: engine.now() })
}

fn missing(arn: &str) -> String {
    let arn = short(arn, 300);
    format!(
        "There is no execution `{arn}`. It may have been deleted after its retention; Express executions \
         are not recorded."
    )
}

pub(crate) async fn page(console: &Console, visit: &dyn Visit, ask: &Ask) -> Answer {
    let known = known(console, visit, ask).await?;
    let Known { row, drawing, story, .. } = &known;
    let arn = row.about.arn.as_str();
    let states = states(story);
    let main = html! {
        div class="title" {
            div {
                (known.trail(visit).await)
                h1 { (Foreign(name(arn))) }
            }
            div class="acts" { (known.acts(visit)) }
        }
        div data-part="facts" { (known.facts_shown()) }
        div data-part="notices" { (known.notices(visit)) }
        div class="split" {
            section class="panel graph" aria-label="Drawing of the state machine" {
                @if drawing.svg.is_empty() {
                    p class="none" { "The state machine is too large to be drawn." }
                } @else {
                    sw-graph data-states=(states.to_string()) { (PreEscaped(&drawing.svg)) }
                }
            }
            section class="panel detail" id="detail" aria-label="Data" tabindex="-1" {
                div id="chosen" hidden {}
                div id="whole" data-part="data" { (known.data()) }
            }
        }
        div data-part="around" { (known.around(visit).await?) }
        (history(arn, story))
        div data-part="visits" { (known.visits()) }
        details class="section" id="definition" {
            summary { h2 { "Definition" } }
            @if known.is_old(visit) { p class="dim" { "This is what the execution runs. Its state machine has another definition by now." } }
            (code(&drawing.text))
        }
    };
    Page {
        title: name(arn).to_owned(),
        belongs_to: "/console/executions",
        live: Some(link("/console/execution/live", &[("arn", arn)])),
        main,
        visit,
        looks: ask.looks,
    }
    .answer()
}

/// What changes on the page, as JSON.
pub(crate) async fn parts(console: &Console, visit: &dyn Visit, ask: &Ask) -> Answer {
    let known = known(console, visit, ask).await?;
    let mut parts = Object::new();
    let mut add = |name: &str, part: Markup| drop(parts.insert(name, part.into_string().into()));
    add("facts", known.facts_shown());
    add("notices", known.notices(visit));
    // The input is on the page already, and may be long.
    if known.row.status.is_over() {
        add("data", known.data());
    }
    add("around", known.around(visit).await?);
    add("visits", known.visits());
    let is_over = known.row.status.is_over();
    Ok(page::json_answer(&stepwright_json::json!({
        "rows": (Json::Int(known.story.rows.len() as i64)),
        "isOver": (Json::Bool(is_over)),
        "states": (states(&known.story)),
        "parts": (Json::Object(parts)),
        "acts": (known.acts(visit).into_string().as_str())
    })))
}

/// What became of each state: its class, the number beside it and the counts in words.
fn states(story: &Story) -> Json {
    let shown = |(state, fate): (&u32, &Fate)| {
        let count = fate.count();
        let count = if count > 1 { count.to_string() } else { String::new() };
        let shown =
            stepwright_json::json!([(fate.class()), (count.as_str()), (fate.words().as_str())]);
        (state.to_string(), shown)
    };
    story.states.iter().map(shown).collect::<Object>().into()
}

/// The lines of the history, which the script fetches as they come into view.
fn history(arn: &str, story: &Story) -> Markup {
    html! {
        section class="section" aria-labelledby="history-title" {
            div class="heading" {
                h2 id="history-title" { "History" }
                div class="filters" id="filters" {
                    label { input type="checkbox" id="only-failures"; "Failures only" }
                    label { input type="checkbox" id="newest-first"; "Newest first" }
                    button type="button" class="chip" id="of-state" hidden {}
                }
            }
            noscript { p class="none" { "The history needs the script of this page. " code { "stepwright history " (visible(arn)) } " shows it too." } }
            sw-events data-source=(link("/console/execution/events", &[("arn", arn)]))
                data-details=(link("/console/execution/event", &[("arn", arn)]))
                data-rows=(story.rows.len()) {}
        }
    }
}

/// A definition, with the numbers of its lines.
pub(crate) fn code(text: &str) -> Markup {
    html! {
        pre class="code" tabindex="0" aria-label="Definition" {
            @for line in text.lines() { span class="line" { (visible(line)) "\n" } }
        }
    }
}

impl Known {
    async fn trail(&self, visit: &dyn Visit) -> Markup {
        let about = &self.row.about;
        let mut steps = vec![(name(&about.machine).to_owned(), page::to_machine(&about.machine))];
        if let Some(parent) = self.facts.parent
            && let Ok(Some(row)) = visit.engine().numbered_row(parent.execution).await
            && visit.may("states:DescribeExecution", &row.about.arn)
        {
            let arn = &row.about.arn;
            steps.push((name(arn).to_owned(), page::to_execution(arn)));
        }
        if let Some(run) = &about.map_run {
            let label = run.rsplit_once('/').map_or("Map run", |(_, rest)| rest);
            let label = label.split(':').next().unwrap_or(label);
            steps.push((format!("Map run {label}"), link("/console/map-run", &[("arn", run)])));
        }
        let steps: Vec<(&str, String)> =
            steps.iter().map(|(name, path)| (name.as_str(), path.clone())).collect();
        page::trail(&steps, name(&about.arn))
    }

    /// Whether the machine has another revision than the one that the execution runs.
    fn is_old(&self, visit: &dyn Visit) -> bool {
        let machine = visit.engine().catalogue().machine(&self.row.about.machine);
        machine.is_some_and(|machine| machine.revision != self.facts.revision.id)
    }

    fn status(&self) -> &'static str {
        if self.parked.is_some() { "PARKED" } else { self.row.status.name() }
    }

    fn facts_shown(&self) -> Markup {
        let row = &self.row;
        let began = row.about.started_at;
        let took = rounded(row.stopped_at.unwrap_or(self.now.0) - began);
        let of = |arn: &Option<String>| arn.as_deref().map(|arn| name(arn).to_owned());
        html! {
            dl class="facts" {
                div { dt { "Status" } dd { (badge(self.status())) } }
                div { dt { "State machine" } dd { a href=(page::to_machine(&row.about.machine)) { (Foreign(name(&row.about.machine))) } } }
                @if let Some(version) = of(&row.about.version) { div { dt { "Version" } dd { (visible(&version)) } } }
                @if let Some(alias) = of(&row.about.alias) { div { dt { "Alias" } dd { (visible(&alias)) } } }
                @if let Some(fork) = &self.facts.fork {
                    div { dt { "Forked from" } dd { a href=(page::to_execution(&fork.from)) { (Foreign(name(&fork.from))) } " at " (Foreign(&fork.state)) } }
                }
                @if let Some(case) = &self.facts.test_case { div { dt { "Test case" } dd { (visible(case)) } } }
                div { dt { "Started (UTC)" } dd { (moment(began)) } }
                @if let Some(at) = row.stopped_at { div { dt { "Ended (UTC)" } dd { (moment(at)) } } }
                div { dt { (if row.stopped_at.is_some() { "Took" } else { "Running for" }) } dd { (took) } }
                @if let Some((count, at)) = row.redriven { div { dt { "Redriven" } dd { (count) " ×, last " (moment(at)) } } }
                div { dt { "ARN" } dd class="arn" { code { (visible(&row.about.arn)) } } }
            }
        }
    }

    /// What can be done about it.
    fn acts(&self, visit: &dyn Visit) -> Markup {
        let arn = self.row.about.arn.as_str();
        let machine = self.row.about.machine.as_str();
        let status = self.row.status;
        let what = |button, says| What { button, says, resource: arn, is_dangerous: false };
        let again = link("/console/machine", &[("arn", machine), ("input_of", arn)]) + "#start";
        let may_start = visit.token().is_some() && visit.may("states:StartExecution", machine);
        html! {
            @if self.parked.is_some() {
                (act::form(visit, "RetryParked", &What { resource: "*", ..what("Try again", "Takes up the execution where its history ends. What made it stop may happen again.") }, &act::hidden("executionArn", arn)))
                (act::form(visit, "AbortParked", &What { resource: "*", is_dangerous: true, ..what("Abort", "Ends the execution as ABORTED, although its history cannot be read.") }, &act::hidden("executionArn", arn)))
            } @else if status == Status::Running {
                (act::form(visit, "StopExecution", &What { is_dangerous: true, ..what("Stop", "Ends the execution as ABORTED. What its open tasks do elsewhere goes on unless they can be cancelled. It can be redriven later.") }, &html! {
                    (act::hidden("executionArn", arn))
                    label { "Error (may be left out)" input name="error" maxlength="256"; }
                    label { "Cause (may be left out)" textarea name="cause" rows="2" {} }
                }))
            } @else if matches!(status, Status::Failed | Status::TimedOut | Status::Aborted) && self.row.about.map_run.is_none() {
                (act::form(visit, "RedriveExecution", &what("Redrive", "Goes on where it failed, with the same input and definition. What succeeded is not done again; the states that failed or were given up are, with fresh retries."), &act::hidden("executionArn", arn)))
            }
            @if may_start && self.row.about.map_run.is_none() { a class="button" href=(again) { "Start again…" } }
            @if fork::can(&self.row) && fork::may(visit, machine) {
                a class="button" href=(fork::path(arn, "", None)) { "Run again from a state…" }
            }
            @if visit.token().is_some() && visit.may("states:TestState", "*") {
                a class="button" href=(link("/console/test", &[("arn", machine), ("execution", arn)])) { "Test a state…" }
            }
            @if status.is_over() && self.facts.fork.is_none() {
                a class="button" href=(link("/console/execution/test.yaml", &[("arn", arn)])) download="" { "Save as a test" }
            }
        }
    }

    /// Why it waits, and why it failed.
    fn notices(&self, visit: &dyn Visit) -> Markup {
        html! {
            @if let Some(parked) = &self.parked {
                section class="notice bad" role="note" {
                    h2 { (status::mark("PARKED")) "It is left alone" }
                    p { "Since " (moment(parked.since)) " (Stepwright " (visible(&parked.release)) "), because of a fault of the server's own. Nothing happens to it until somebody tries it again or aborts it." }
                    (block(&parked.reason))
                }
            }
            @if let Some(why) = &self.story.broken {
                section class="notice bad" role="note" {
                    h2 { "Its history cannot be read any further" }
                    p { "What is shown is what came before. " code { "stepwright doctor" } " says more." }
                    (block(why))
                }
            }
            @if self.row.status == Status::Running && self.parked.is_none() { (self.waits(visit)) }
            @if let Some(failure) = self.failure(visit) { (failure) }
        }
    }

    fn waits(&self, visit: &dyn Visit) -> Markup {
        let (waits, more) = waits(&self.story, self.now);
        let deadline = self.story.timeline.execution().and_then(|it| it.start()?.deadline);
        let arn = self.row.about.arn.as_str();
        html! {
            section class="notice waiting" {
                h2 { "Why is it waiting?" }
                @if waits.is_empty() { p { "It is under way." } }
                ul class="waits" {
                    @for wait in &waits {
                        li {
                            p {
                                b { (Foreign(&wait.state)) } @if !wait.item.is_empty() { " " (visible(&wait.item)) }
                                " " (marked(&wait.what)) " " span class="dim" { (marked(&wait.wakes)) }
                            }
                            @if let Some(token) = &wait.token { (self.answers(visit, token)) }
                        }
                    }
                    @if more > 0 { li { "… and " (more) " more." } }
                }
                @if let Some((due, _)) = deadline {
                    p class="dim" { "The execution as a whole times out at " (moment(due.0)) " UTC, as its definition says." }
                }
                @if waits.iter().any(|wait| wait.token.is_some()) && visit.token().is_some() && !visit.may("states:SendTaskSuccess", arn) {
                    p class="dim" { "Your key may not answer task tokens." }
                }
            }
        }
    }

    /// The token of a task that waits for somebody to return it.
    pub(crate) fn open_token(&self, task: TaskId) -> Option<Str> {
        let open = self.story.timeline.execution()?.task(task)?;
        open.call.token.clone().filter(|_| !open.call.is_sync() && self.parked.is_none())
    }

    /// The token and the forms that answer it, for whoever may.
    pub(crate) fn token_shown(&self, visit: &dyn Visit, token: &str) -> Markup {
        let may = |action: &str| visit.may(action, &self.row.about.arn);
        let may_answer = visit.token().is_some()
            && (may("states:SendTaskSuccess") || may("states:SendTaskFailure"));
        html! {
            h3 { "It waits for its task token" }
            @if may_answer { (block(token)) (self.answers(visit, token)) }
            @else { p class="dim" { "Your key may not answer task tokens." } }
        }
    }

    /// Forms that answer a task token by hand.
    fn answers(&self, visit: &dyn Visit, token: &str) -> Markup {
        let arn = self.row.about.arn.as_str();
        let hidden = act::hidden("taskToken", token);
        html! {
            div class="acts" {
                (act::form(visit, "SendTaskSuccess", &What { button: "Answer with success", says: "Returns the task token, as the one would whom the task has asked. The state's result is what you write here.", resource: arn, is_dangerous: false }, &html! {
                    (hidden) label { "Output (JSON)" textarea name="output" rows="4" spellcheck="false" required { "{}" } }
                }))
                (act::form(visit, "SendTaskFailure", &What { button: "Answer with a failure", says: "Fails the task with this error. Its Retry and Catch decide what follows.", resource: arn, is_dangerous: true }, &html! {
                    (hidden) label { "Error" input name="error" maxlength="256"; }
                    label { "Cause" textarea name="cause" rows="2" {} }
                }))
            }
        }
    }

    fn failure(&self, visit: &dyn Visit) -> Option<Markup> {
        let failure =
            match self.story.timeline.execution().map(|execution| execution.status().clone()) {
                Some(
                    Outcome::Failed { failure }
                    | Outcome::TimedOut { failure }
                    | Outcome::Aborted { failure },
                ) => failure,
                _ if self.row.status.is_over() && self.row.status != Status::Succeeded => {
                    Failure::default()
                }
                _ => return None,
            };
        let culprit = self.story.timeline.culprit().cloned().unwrap_or_default();
        let definition = self.drawing.definition.as_ref().map(|tree| ("definition", tree));
        // It is drawn for a terminal; of its colours nothing is left here.
        let told = uncoloured(&stepwright_timeline::explain(&culprit, definition, None, 120));
        let told = told.split_once('\n').map_or(String::new(), |(_, rest)| rest.to_owned());
        let state = culprit.state.to_string();
        let path = self.row.status;
        Some(html! {
            section class=(if path == Status::Aborted { "notice aborted" } else { "notice bad" }) {
                h2 {
                    (status::mark(path.name()))
                    @if state.is_empty() { (status::word(path.name())) } @else { (Foreign(&state)) " failed" }
                    @if !culprit.item.0.is_empty() { " (item " (visible(&culprit.item.to_string())) ")" }
                    @if !failure.name().is_empty() { " with " code { (Foreign(&short(failure.name(), 200))) } }
                }
                @if !told.trim().is_empty() { (block(told.trim_end())) }
                @if !state.is_empty() && visit.token().is_some() && visit.may("states:TestState", "*") {
                    p { a href=(link("/console/test", &[("arn", &self.row.about.machine), ("state", &state), ("execution", &self.row.about.arn)])) { "Try this state with its input…" } }
                }
            }
        })
    }

    /// The input and the output of the whole.
    fn data(&self) -> Markup {
        let Some(execution) = self.story.timeline.execution() else {
            return html! { p class="none" { "The data cannot be read." } };
        };
        let input = execution.start().map(|start| {
            start.input_text.as_ref().map_or_else(|| start.input.to_string(), ToString::to_string)
        });
        let output = match execution.status() {
            Outcome::Succeeded { output } => Some(output.to_string()),
            _ => None,
        };
        html! {
            h2 { "Input" } (tree(&input.unwrap_or_default(), "Input of the execution"))
            @if let Some(output) = output { h2 { "Output" } (tree(&output, "Output of the execution")) }
            p class="dim hint" { "Choose a line of the history or a state of the drawing to see its data." }
        }
    }

    /// Map runs and nested executions, failures first.
    async fn around(&self, visit: &dyn Visit) -> Result<Markup, Refusal> {
        let mut runs = Vec::new();
        for run in self.story.runs.iter().rev().take(MOST_RUNS) {
            let filter = Filter {
                map_run: Some(run.arn.clone()),
                status: Some(Status::Failed),
                ..Filter::default()
            };
            let failed = visit.engine().executions(filter, Part { after: None, most: 5 }).await?;
            let mut shown = Vec::new();
            for row in failed {
                shown.push((row.about.arn.clone(), why_failed(visit, &row.about.arn).await));
            }
            runs.push((run, shown));
        }
        let mut nested = Vec::new();
        for one in self.story.nested.iter().rev().take(MOST_NESTED) {
            let row = if visit.may("states:DescribeExecution", &one.arn) {
                visit.engine().execution_row(&one.arn).await?
            } else {
                None
            };
            nested.push((one, row));
        }
        let rank = |row: &Option<ExecutionRow>| match row.as_ref().map(|row| row.status) {
            Some(Status::Failed | Status::TimedOut) => 0,
            Some(Status::Aborted) => 1,
            Some(Status::Running | Status::PendingRedrive) => 2,
            Some(Status::Succeeded) => 3,
            None => 4,
        };
        nested.sort_by_key(|(_, row)| rank(row));
        let count = self.story.nested.len();
        Ok(html! {
            @if !runs.is_empty() {
                section class="section" {
                    h2 { "Map runs" }
                    @for (run, failed) in &runs {
                        div class="panel run" {
                            div class="heading" {
                                h3 { a href=(link("/console/map-run", &[("arn", &run.arn)])) { (Foreign(if run.state.is_empty() { "Map run" } else { &run.state })) } " " (badge(run.status)) }
                                span class="dim" { (counts(run)) }
                            }
                            (progress(run.succeeded, run.failed, run.started.saturating_sub(run.succeeded + run.failed), run.all))
                            @if !failed.is_empty() {
                                ul class="failures" {
                                    @for (arn, why) in failed {
                                        li { (status::mark("FAILED")) a href=(page::to_execution(arn)) { (Foreign(name(arn))) } " " span class="dim" { (visible(why)) } }
                                    }
                                }
                                @if run.failed as usize > failed.len() {
                                    p { a href=(link("/console/map-run", &[("arn", &run.arn), ("status", "FAILED")])) { "All " (run.failed) " failed children" } }
                                }
                            }
                        }
                    }
                }
            }
            @if !nested.is_empty() {
                section class="section" {
                    h2 { "Nested executions " span class="dim" { (count) } }
                    div class="scrolled" tabindex="0" role="region" aria-label="Table of nested executions" { table data-list {
                        thead { tr { th { "Status" } th { "Execution" } th { "State machine" } th { "Started by" } th class="n" { "Took" } } }
                        tbody {
                            @for (one, row) in &nested {
                                tr {
                                    td { @if let Some(row) = row { (badge(row.status.name())) } @else { span class="dim" { "not shown" } } }
                                    td { @if row.is_some() { a href=(page::to_execution(&one.arn)) { (Foreign(name(&one.arn))) } } @else { (Foreign(name(&one.arn))) } }
                                    td { (Foreign(one.arn.split(':').nth(6).unwrap_or_default())) }
                                    td { (Foreign(&one.state)) }
                                    td class="n" { @if let Some(row) = row { (took(row, self.now)) } }
                                }
                            }
                        }
                    } }
                }
            }
        })
    }

    /// When each state was visited, and its attempts.
    fn visits(&self) -> Markup {
        let visits = &self.story.visits;
        let began = self.row.about.started_at;
        let end = self.row.stopped_at.unwrap_or(self.now.0).max(began + 1);
        let at = |millis: i64| 1_000.0 * (millis - began).max(0) as f64 / (end - began) as f64;
        let bar = |visit: &Visited| {
            let (from, until) = (at(visit.from), at(visit.until.unwrap_or(end)));
            html! {
                svg class="when" viewBox="0 0 1000 10" preserveAspectRatio="none" aria-hidden="true" {
                    rect class=(visit.outcome) x=(format!("{from:.1}")) y="1" width=(format!("{:.1}", (until - from).max(3.0))) height="8" {}
                    @for attempt in visit.attempts.iter().skip(1).take(50) {
                        rect class="attempt" x=(format!("{:.1}", at(*attempt))) y="0" width="2" height="10" {}
                    }
                }
            }
        };
        html! {
            details class="section" {
                summary { h2 { "Timeline " span class="dim" { (self.story.visit_count) " visits of states" } } }
                div class="scrolled" tabindex="0" role="region" aria-label="Table of timeline" { table class="visits" {
                    thead { tr { th { "State" } th class="n" { "After" } th class="n" { "Took" } th class="n" { "Attempts" } th class="wide" { "When" } } }
                    tbody {
                        @for visit in visits {
                            tr data-state=(visit.state) {
                                td class={ "in-" (visit.depth.min(6)) } { (Foreign(&visit.name)) @if !visit.item.is_empty() { " " span class="dim" { (visible(&visit.item)) } } }
                                td class="n" { (rounded(visit.from - began)) }
                                td class="n" { @if let Some(until) = visit.until { (rounded(until - visit.from)) } @else { "…" } }
                                td class="n" { @if visit.attempts.len() > 1 { (visit.attempts.len()) } }
                                td { (bar(visit)) span class="unseen" { (visit.outcome) } }
                            }
                        }
                    }
                } }
                @if self.story.visit_count > visits.len() { p class="dim" { "These are the first " (visits.len()) "; the history has all." } }
            }
        }
    }
}

/// How many map runs and nested executions are shown on the page of an execution.
const MOST_RUNS: usize = 20;
const MOST_NESTED: usize = 100;

/// The error of an execution that has failed, in a few words; nothing if the visitor may not see it.
pub(crate) async fn why_failed(visit: &dyn Visit, arn: &str) -> String {
    if !visit.may("states:DescribeExecution", arn) {
        return String::new();
    }
    let Ok(Some(ended)) = visit.engine().describe(arn).await else {
        return "its history cannot be read".to_owned();
    };
    match ended.result() {
        Ok(_) => String::new(),
        Err(Failure { error, cause }) => {
            let parts = [error, cause].into_iter().flatten().map(|text| short(&text, 160));
            parts.collect::<Vec<_>>().join(": ")
        }
    }
}

/// How long an execution took, or has taken so far.
pub(crate) fn took(row: &ExecutionRow, now: Moment) -> String {
    rounded(row.stopped_at.unwrap_or(now.0) - row.about.started_at)
}

fn counts(run: &Run) -> String {
    let running = run.started.saturating_sub(run.succeeded + run.failed);
    let mut parts = vec![match run.all {
        Some(all) => format!("{} of {all} ended", run.succeeded + run.failed),
        None => "its items are being read".to_owned(),
    }];
    for (count, word) in [(run.failed, "failed"), (running, "running")] {
        if count > 0 {
            parts.push(format!("{count} {word}"));
        }
    }
    parts.join(" · ")
}

/// A bar of what has ended well, what has failed and what runs.
pub(crate) fn progress(succeeded: u64, failed: u64, running: u64, all: Option<u64>) -> Markup {
    let all = all.unwrap_or(succeeded + failed + running).max(1) as f64;
    let mut x = 0.0;
    let mut part = |count: u64, class: &'static str| {
        let width = 1_000.0 * count as f64 / all;
        let (at, width) = (x, if count > 0 { width.max(2.0) } else { 0.0 });
        x += width;
        html! { @if count > 0 { rect class=(class) x=(format!("{at:.1}")) y="0" width=(format!("{width:.1}")) height="6" {} } }
    };
    let parts = [part(failed, "failed"), part(succeeded, "succeeded"), part(running, "running")];
    html! {
        svg class="progress" viewBox="0 0 1000 6" preserveAspectRatio="none" role="img"
            aria-label={ (failed) " failed, " (succeeded) " succeeded, " (running) " running" } {
            @for part in &parts { (part) }
        }
    }
}

/// A sentence in which what stands between backticks is code.
fn marked(text: &str) -> Markup {
    html! {
        @for (at, part) in text.split('`').enumerate() {
            @if at % 2 == 1 { code { (visible(part)) } } @else { (visible(part)) }
        }
    }
}

/// JSON as an attribute or answer holds it.
pub(crate) fn data_text(value: &Json) -> String {
    json(&value.to_string()).into_owned()
}
