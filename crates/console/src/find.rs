//! Finds what a text names, and the pages that addresses of AWS's console mean.

use crate::contents::{self, Contents};
use crate::fields::link;
use crate::page::{self, Answer, Page};
use crate::text::{Foreign, name, visible};
use crate::{Ask, Console, Visit};
use axum::response::Response;
use maud::html;
use stepwright_protocol::Arn;

/// How many machines an execution's name is looked for in.
const MOST_MACHINES: usize = 500;

pub(crate) async fn page(console: &Console, visit: &dyn Visit, ask: &Ask) -> Answer {
    let wanted = ask.query.text("q").trim();
    if let Some(path) = of_arn(wanted) {
        return Ok(page::elsewhere(&path));
    }
    let engine = visit.engine();
    let mut found: Vec<(&str, String, String)> = Vec::new();
    let lower = wanted.to_lowercase();
    let machines = visit.machines();
    let may_see = |arn: &str| visit.may("states:DescribeStateMachine", arn);
    for machine in machines
        .iter()
        .filter(|machine| !wanted.is_empty() && machine.name.to_lowercase().contains(&lower))
        .take(50)
    {
        if may_see(&machine.arn) {
            found.push(("State machine", machine.name.clone(), page::to_machine(&machine.arn)));
        }
    }
    for machine in machines.iter().filter(|_| !wanted.is_empty()).take(MOST_MACHINES) {
        let arn = format!("{}:{wanted}", machine.arn.replacen(":stateMachine:", ":execution:", 1));
        if visit.may("states:DescribeExecution", &arn)
            && engine.execution_row(&arn).await?.is_some()
        {
            found.push((
                "Execution",
                format!("{} of {}", name(&arn), machine.name),
                page::to_execution(&arn),
            ));
        }
    }
    let contents = contents::found(console, visit, ask, wanted).await;
    let is_only = contents.as_ref().is_ok_and(Contents::is_empty);
    if let ([(_, _, only)], true) = (found.as_slice(), is_only) {
        return Ok(page::elsewhere(only));
    }
    let main = html! {
        h1 { "Find" }
        form class="filters" action="/console/find" {
            label { "Name, ARN or contents" input type="search" name="q" size="60" value=(wanted) autocomplete="off" spellcheck="false"; }
            button type="submit" { "Find" }
        }
        @if wanted.is_empty() { (contents::help(console.search().is_some())) }
        @else {
            @if !found.is_empty() {
                ul class="cards" data-list { @for (kind, name, path) in &found { li { div { a href=(path) { (Foreign(name)) } " " span class="dim" { (kind) } } } } }
            }
            @match &contents {
                Ok(contents) => (contents.shown(visit, wanted, found.is_empty())),
                Err(why) => p class="notice bad" role="note" { (visible(why)) },
            }
        }
    };
    let title = "Find".to_owned();
    Page { title, belongs_to: "", live: None, main, visit, looks: ask.looks }.answer()
}

/// The page of what an ARN names.
pub(crate) fn of_arn(text: &str) -> Option<String> {
    let arn = Arn::parse(text).ok()?;
    Some(match arn.kind {
        "stateMachine" => page::to_machine(text),
        "execution" => page::to_execution(text),
        "mapRun" => link("/console/map-run", &[("arn", text)]),
        "activity" => "/console/activities".to_owned(),
        _ => return None,
    })
}

/// The page at `/states/home`: what follows `#` is known to the browser only, so that its script leads
/// on to `?to=`, and from there to the page.
pub(crate) fn of_aws(visit: &dyn Visit, ask: &Ask) -> Response {
    let path =
        ask.query.get("to").map(|fragment| meant(fragment).unwrap_or_else(|| "/".to_owned()));
    if let Some(path) = path {
        return page::elsewhere(&path);
    }
    let main = html! {
        section class="narrow" id="of-aws" {
            h1 { "An address of AWS's console" }
            p { "The script of this page leads to the page that is meant." }
            p { a href="/" { "Home" } }
        }
    };
    let title = "Step Functions".to_owned();
    let page = Page { title, belongs_to: "", live: None, main, visit, looks: ask.looks };
    page.answer().unwrap_or_default()
}

/// The path that the fragment of an address of AWS's console means.
fn meant(fragment: &str) -> Option<String> {
    let path = fragment.trim_start_matches(['#', '/']);
    let path = path.split(['?', '&']).next().unwrap_or_default();
    let at = path.find("arn:")?;
    let (place, arn) = path.split_at(at);
    // Some addresses write the colons of an ARN as `%3A`; the browser has read them already.
    let arn = arn.trim_end_matches('/');
    let known = ["executions/", "statemachines/", "express-executions/", "map-runs/", "mapruns/"];
    known.iter().any(|known| place.contains(known)).then(|| of_arn(arn)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_aws_lead_to_their_pages() {
        let machine = "arn:aws:states:us-east-1:123456789012:stateMachine:order";
        let execution = "arn:aws:states:us-east-1:123456789012:execution:order:one";
        let run = "arn:aws:states:us-east-1:123456789012:mapRun:order/Each:17";
        for (fragment, expected) in [
            (format!("#/v2/executions/details/{execution}"), page::to_execution(execution)),
            (format!("/executions/details/{execution}"), page::to_execution(execution)),
            (format!("#/statemachines/view/{machine}"), page::to_machine(machine)),
            (format!("#/statemachines/view/{machine}?type=standard"), page::to_machine(machine)),
            (format!("#/map-runs/details/{run}"), link("/console/map-run", &[("arn", run)])),
        ] {
            assert_eq!(meant(&fragment), Some(expected), "{fragment}");
        }
        for fragment in [
            "",
            "#",
            "#/statemachines",
            "#/v2/executions/details/https://evil.example",
            "#/x/arn:aws:s3:::b",
        ] {
            assert_eq!(meant(fragment), None, "{fragment}");
        }
    }
}
