//! The start page: the machines and their latest executions.

use crate::http::Shared;
use axum::extract::State;
use axum::response::Html;
use std::fmt::Write as _;
use stepwright_program::time;
use stepwright_store::{Filter, Page, Status};

/// The number of executions on the page.
const SHOWN: usize = 50;

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;\
    padding:0 1rem;color:#1c2733}h1{font-size:1.4rem}h2{font-size:1.1rem;margin-top:2rem}\
    table{border-collapse:collapse;width:100%}th{text-align:left;font-weight:600}\
    th,td{padding:.3rem .8rem .3rem 0;border-bottom:1px solid #dfe5ea}\
    td.n{text-align:right;font-variant-numeric:tabular-nums}\
    code{font-size:.9em}.SUCCEEDED{color:#1a7f37}.RUNNING{color:#0b5cad}\
    .FAILED,.TIMED_OUT{color:#b3261e}.ABORTED{color:#8a5a00}p.none{color:#6b7885}";

pub(crate) async fn first(State(serving): Shared) -> Html<String> {
    let engine = serving.api.engine();
    let mut body = String::new();
    let out = &mut body;
    let machines = engine.catalogue().machines();
    push(out, "<h1>Stepwright</h1><h2>State machines</h2>");
    if machines.is_empty() {
        push(out, "<p class=none>None yet. Create one with CreateStateMachine.</p>");
    } else {
        push(out, "<table><tr><th>Name<th>Type<th>Running<th>Succeeded<th>Failed</tr>");
        for machine in &machines {
            let filter = Filter { machine: Some(machine.arn.clone()), ..Filter::default() };
            let counts = engine.count(filter).await.unwrap_or_default();
            let of = |wanted: &[Status]| -> u64 {
                let found = counts.iter().filter(|(status, _)| wanted.contains(status));
                found.map(|(_, count)| count).sum()
            };
            let kind = if machine.is_express { "EXPRESS" } else { "STANDARD" };
            let failed = of(&[Status::Failed, Status::TimedOut, Status::Aborted]);
            let row = format!(
                "<tr><td title=\"{}\">{}<td>{kind}<td class=n>{}<td class=n>{}<td class=n>{failed}</tr>",
                escape(&machine.arn),
                escape(&machine.name),
                of(&[Status::Running]),
                of(&[Status::Succeeded]),
            );
            push(out, &row);
        }
        push(out, "</table>");
    }
    push(out, "<h2>Latest executions</h2>");
    let rows = engine.executions(Filter::default(), Page { after: None, most: SHOWN }).await;
    let rows = rows.unwrap_or_default();
    if rows.is_empty() {
        push(out, "<p class=none>None yet. Start one with StartExecution.</p>");
    } else {
        push(out, "<table><tr><th>Status<th>State machine<th>Execution<th>Started<th>Took</tr>");
        for row in rows {
            let name = row.about.arn.rsplit(':').next().unwrap_or_default();
            let machine = row.about.machine.rsplit(':').next().unwrap_or_default();
            let took = row.stopped_at.map_or_else(String::new, |at| {
                stepwright_history::duration(at - row.about.started_at)
            });
            let status = row.status.name();
            let line = format!(
                "<tr><td class={status}>{status}<td>{}<td><code>{}</code><td>{}<td class=n>{took}</tr>",
                escape(machine),
                escape(name),
                time::format(row.about.started_at),
            );
            push(out, &line);
        }
        push(out, "</table>");
    }
    Html(format!(
        "<!doctype html><html lang=en><meta charset=utf-8><title>Stepwright</title>\
         <meta name=viewport content=\"width=device-width\"><style>{STYLE}</style>{body}</html>"
    ))
}

fn push(out: &mut String, text: &str) {
    out.push_str(text);
}

/// Escapes text for HTML.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' | '>' | '&' | '"' | '\'' => {
                write!(escaped, "&#{};", u32::from(c)).expect("text grows");
            }
            c => escaped.push(c),
        }
    }
    escaped
}
