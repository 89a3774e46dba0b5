//! `/logs`: what functions have printed lately, at this node and at the others. AWS has it in another
//! service.

use crate::api::Reply;
use crate::http::{Serving, Shared, answer, parse};
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::response::Response;
use stepwright_engine::Engine;
use stepwright_functions::{Functions, Printed};
use stepwright_json::{Json, Object, json};

/// `POST /logs` with `{"after": NUMBER}` gives the lines of this node after the one with this number. With
/// `{"nodes": {NODE: NUMBER}}`, which may be empty, those of all nodes, and what is to be sent as `nodes` the next
/// time.
pub(crate) async fn call(State(serving): Shared, request: Request) -> Response {
    // The door has read the body, within the limits.
    let bytes = to_bytes(request.into_body(), usize::MAX).await.unwrap_or_default();
    let reply = match parse(&bytes) {
        Ok(body) => lines(&serving, &body).await,
        Err(error) => Err(error),
    };
    answer(&serving.api.engine().new_uuid(), reply)
}

async fn lines(serving: &Serving, body: &Json) -> Reply {
    let (engine, functions) = (serving.api.engine(), &serving.functions);
    let Some(nodes) = body.get("nodes").and_then(Json::as_object) else {
        let after = body.get("after").and_then(Json::as_i64).unwrap_or(0);
        let lines = functions.printed(u64::try_from(after).unwrap_or(0));
        return Ok(json!({"lines": (lines.iter().map(shown).collect::<Vec<_>>())}));
    };
    let mut last = nodes.clone();
    let mut found = Vec::new();
    for (node, lines) in everywhere(engine, functions, &json!({"nodes": (nodes.clone())})).await {
        if let Some(line) = lines.last() {
            last.insert(node.clone(), Json::Int(line.number as i64));
        }
        found.extend(lines.into_iter().map(|line| (line, node.clone())));
    }
    found.sort_by_key(|(line, _)| line.at_millis);
    let of_node = |(line, node): &(Printed, String)| match shown(line) {
        Json::Object(mut line) => {
            line.insert("node", node.as_str().into());
            Json::from(line)
        }
        other => other,
    };
    let lines: Vec<Json> = found.iter().map(of_node).collect();
    Ok(json!({"lines": (lines), "nodes": (Json::from(last))}))
}

/// What functions have printed at all nodes, all that is remembered or for one request, in the order of the
/// moments.
pub(crate) async fn of_all_nodes(
    engine: &Engine,
    functions: &Functions,
    request_id: Option<&str>,
) -> Vec<Printed> {
    let request = request_id.map_or_else(|| json!({"nodes": {}}), |id| json!({"request": (id)}));
    let found = everywhere(engine, functions, &request).await;
    let mut lines: Vec<Printed> = found.into_iter().flat_map(|(_, lines)| lines).collect();
    lines.sort_by_key(|line| line.at_millis);
    lines
}

/// The lines of each node that answers, with the node's number. The nodes are in the same order whichever of them
/// asks, so that lines of one moment are, too.
async fn everywhere(
    engine: &Engine,
    functions: &Functions,
    request: &Json,
) -> Vec<(String, Vec<Printed>)> {
    let mut asked = request.as_object().cloned().unwrap_or_default();
    asked.insert("do", "printed".into());
    let mut answers = vec![of_this_node(engine, functions, request)];
    // A node that does not answer has none for now, and a node that is lost has lost them.
    answers.extend(engine.ask_others(&asked.into()).await.into_iter().flatten());
    let read = |answer: &Json| {
        let node = answer.get("node")?.as_str()?.to_owned();
        let lines = answer.get("lines")?.as_array()?;
        Some((node, lines.iter().filter_map(read_line).collect()))
    };
    let mut found: Vec<(String, Vec<Printed>)> = answers.iter().filter_map(read).collect();
    found.sort_by(|(a, _), (b, _)| (a.len(), a).cmp(&(b.len(), b)));
    found
}

/// What this node says when another one asks for its lines.
pub(crate) fn of_this_node(engine: &Engine, functions: &Functions, request: &Json) -> Json {
    let node = engine.nodes_view().map_or_else(|| "0".to_owned(), |view| view.me.0.to_string());
    let lines = match request.get("request").and_then(Json::as_str) {
        Some(id) => functions.printed_for(id),
        None => {
            let after = request.get("nodes").and_then(|nodes| nodes.get(&node)?.as_i64());
            functions.printed(after.and_then(|after| u64::try_from(after).ok()).unwrap_or(0))
        }
    };
    let lines: Vec<Json> = lines.iter().map(shown).collect();
    json!({"node": (node.as_str()), "lines": (lines)})
}

fn shown(line: &Printed) -> Json {
    let mut object = Object::new();
    object.insert("number", Json::Int(line.number as i64));
    object.insert("atMillis", Json::Int(line.at_millis));
    object.insert("function", line.function.as_str().into());
    object.insert("requestId", line.request_id.as_str().into());
    object.insert("text", line.text.as_str().into());
    object.into()
}

fn read_line(line: &Json) -> Option<Printed> {
    let number = |key: &str| line.get(key).and_then(Json::as_i64);
    let text = |key: &str| line.get(key).and_then(Json::as_str).map(str::to_owned);
    Some(Printed {
        number: u64::try_from(number("number")?).ok()?,
        at_millis: number("atMillis")?,
        function: text("function")?,
        request_id: text("requestId")?,
        text: text("text")?,
    })
}
