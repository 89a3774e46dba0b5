//! `/logs`: what functions have printed lately. AWS has it in another service.

use crate::api::Reply;
use crate::http::{Shared, answer, parse};
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::response::Response;
use stepwright_functions::{Functions, Printed};
use stepwright_json::{Json, json};

/// `POST /logs` with `{"after": NUMBER}` gives the lines after the one with this number.
pub(crate) async fn call(State(serving): Shared, request: Request) -> Response {
    // The door has read the body, within the limits.
    let bytes = to_bytes(request.into_body(), usize::MAX).await.unwrap_or_default();
    let reply = parse(&bytes).and_then(|body| lines(&serving.functions, &body));
    answer(&serving.api.engine().new_uuid(), reply)
}

fn lines(functions: &Functions, body: &Json) -> Reply {
    let after = body.get("after").and_then(Json::as_i64).unwrap_or(0);
    let shown = |line: Printed| {
        json!({
            "number": (Json::Int(line.number as i64)),
            "atMillis": (Json::Int(line.at_millis)),
            "function": (line.function.as_str()),
            "requestId": (line.request_id.as_str()),
            "text": (line.text.as_str())
        })
    };
    let lines = functions.printed(u64::try_from(after).unwrap_or(0));
    let lines: Vec<Json> = lines.into_iter().map(shown).collect();
    Ok(json!({ "lines": lines }))
}
