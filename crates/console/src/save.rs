//! An execution as a test file, to be kept beside a definition.

use crate::execution::known;
use crate::page::{Answer, Refusal};
use crate::text::{name, short};
use crate::{Ask, Console, Visit};
use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use stepwright_json::{Json, Object};
use stepwright_testkit::Recording;

/// Longer histories are for `stepwright record`.
const MOST_EVENTS: usize = 5_000;

/// Answers with what `stepwright record` writes, with the definition in it.
pub(crate) async fn test_file(console: &Console, visit: &dyn Visit, ask: &Ask) -> Answer {
    let known = known(console, visit, ask).await?;
    let arn = known.row.about.arn.as_str();
    if !console.redaction.is_empty() {
        let why = "values are redacted here; `stepwright record` makes a test file with the API";
        return Err(Refusal::unclear(why));
    }
    if let Some(fork) = &known.facts.fork {
        let why = format!(
            "it was forked at `{}` of another execution, and a test begins where the state machine does",
            short(&fork.state, 100)
        );
        return Err(Refusal::unclear(why));
    }
    let mut events: Vec<Json> = Vec::new();
    let mut token = None;
    loop {
        let mut body = Object::new();
        body.insert("executionArn", arn.into());
        body.insert("includeExecutionData", true.into());
        body.insert("maxResults", 1_000.into());
        if let Some(token) = token {
            body.insert("nextToken", token);
        }
        let page = visit.call("GetExecutionHistory", body.into()).await?;
        let more = page.get("events").and_then(Json::as_array).cloned().unwrap_or_default();
        events.extend(more.iter().cloned());
        if events.len() > MOST_EVENTS {
            let why = format!(
                "the history has more than {MOST_EVENTS} events; `stepwright record` makes a test \
                 file of it"
            );
            return Err(Refusal::unclear(why));
        }
        token = page.get("nextToken").cloned();
        if token.is_none() {
            break;
        }
    }
    let history: Object = [("events", Json::from(events))].into_iter().collect();
    let recording = Recording::read(&history.into())
        .map_err(|error| Refusal::unclear(format!("the history is no recording: {error}")))?
        .of_execution(arn);
    let definition = known.facts.revision.definition.as_str();
    let file = "definition.asl.json";
    let program = &known.facts.revision.program;
    let recorded = visit
        .engine()
        .aside(|| {
            stepwright_testkit::record(&recording, name(arn), program, file, definition.as_bytes())
        })
        .await;
    // One file is easier to keep than two: the definition stands in it.
    let compact = stepwright_json::parse(definition).map(|value| value.to_string());
    let text = match compact {
        Ok(compact) => recorded.text.replacen(&format!("\"{file}\"\n"), &format!("{compact}\n"), 1),
        Err(_) => recorded.text,
    };
    let mut response = Response::new(Body::from(text));
    let kind = HeaderValue::from_static("text/yaml; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    let saved = HeaderValue::from_static("attachment; filename=\"recorded.test.yaml\"");
    response.headers_mut().insert(header::CONTENT_DISPOSITION, saved);
    Ok(response)
}
