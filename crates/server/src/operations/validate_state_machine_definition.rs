use super::check;
use crate::api::{Api, Reply};
use stepwright_json::{Json, Object};
use stepwright_protocol::Request;

pub(super) async fn call(api: &Api, request: &Request) -> Reply {
    let is_express = request.text("type") == Some("EXPRESS");
    let with_warnings = request.text("severity") == Some("WARNING");
    let most = request.integer("maxResults").filter(|most| *most > 0).unwrap_or(100) as usize;
    let found = check(api, request.required("definition"), is_express).await;
    let is_refused = found.iter().any(stepwright_source::Diagnostic::is_error);
    let mut shown: Vec<Json> = Vec::new();
    let wanted = found.iter().filter(|diagnostic| with_warnings || diagnostic.is_error());
    for diagnostic in wanted {
        let mut item = Object::new();
        let severity = if diagnostic.is_error() { "ERROR" } else { "WARNING" };
        item.insert("severity", severity.into());
        item.insert("code", diagnostic.code.into());
        item.insert("message", diagnostic.message.as_str().into());
        if let Some(location) = &diagnostic.location {
            item.insert("location", location.as_str().into());
        }
        shown.push(item.into());
    }
    let is_truncated = shown.len() > most;
    shown.truncate(most);
    let mut reply = Object::new();
    reply.insert("result", if is_refused { "FAIL" } else { "OK" }.into());
    reply.insert("diagnostics", shown.into());
    reply.insert("truncated", Json::Bool(is_truncated));
    Ok(reply.into())
}
