//! The part of Lambda's own API that invokes functions.

use crate::answer::MOST_PAYLOAD;
use crate::{Error, Functions, Invocation, InvocationType};
use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Query, Request, State};
use axum::response::Response;
use axum::routing::post;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use std::collections::BTreeMap;
use stepwright_json::{Json, Object};

/// The path of an invocation.
pub const INVOCATIONS: &str = "/2015-03-31/functions/{name}/invocations";

/// The path of the list of functions.
pub const FUNCTIONS: &str = "/2015-03-31/functions/";

/// Serves `POST /2015-03-31/functions/{name}/invocations`, so that AWS SDKs and `aws lambda invoke`
/// can call these functions when they are given the endpoint's URL. There is no authentication.
pub fn lambda_api(functions: Functions) -> Router {
    let invoke = |State(functions): State<Functions>,
                  Path(name): Path<String>,
                  Query(query): Query<BTreeMap<String, String>>,
                  request: Request| async move {
        serve_invocation(&functions, name, query, request).await
    };
    Router::new().route(INVOCATIONS, post(invoke)).with_state(functions)
}

/// Runs the function that a request's path and parameters name, as Lambda's API does.
pub async fn serve_invocation(
    functions: &Functions,
    name: String,
    query: BTreeMap<String, String>,
    request: Request,
) -> Response {
    let (head, body) = request.into_parts();
    match invocation(name, query, &head.headers, body).await {
        Ok(invocation) => answer(functions.invoke(invocation).await),
        Err(error) => refusal(&error),
    }
}

async fn invocation(
    name: String,
    mut query: BTreeMap<String, String>,
    headers: &HeaderMap,
    body: Body,
) -> Result<Invocation, Error> {
    let header = |name: &str| {
        headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    let unknown = |header: &str, value: &str, known: &str| Error::InvalidParameterValue {
        message: format!("Value '{value}' of {header} is not one of {known}"),
    };
    let kind = match header("x-amz-invocation-type").as_deref() {
        None | Some("RequestResponse") => InvocationType::RequestResponse,
        Some("Event") => InvocationType::Event,
        Some("DryRun") => InvocationType::DryRun,
        Some(other) => {
            let known = "[RequestResponse, Event, DryRun]";
            return Err(unknown("X-Amz-Invocation-Type", other, known));
        }
    };
    let log_tail = match header("x-amz-log-type").as_deref() {
        None | Some("None") => false,
        Some("Tail") => true,
        Some(other) => return Err(unknown("X-Amz-Log-Type", other, "[None, Tail]")),
    };
    let payload = match Limited::new(body, MOST_PAYLOAD).collect().await {
        Ok(collected) => collected.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => {
            return Err(Error::RequestTooLarge { limit: MOST_PAYLOAD });
        }
        Err(error) => {
            return Err(Error::InvalidRequestContent {
                reason: format!("the request did not arrive: {error}"),
            });
        }
    };
    Ok(Invocation {
        function: name,
        qualifier: query.remove("Qualifier"),
        payload,
        kind,
        client_context: header("x-amz-client-context"),
        trace_header: header("x-amzn-trace-id"),
        log_tail,
        request_id: None,
        is_instant: false,
    })
}

fn answer(outcome: Result<crate::Reply, Error>) -> Response {
    let reply = match outcome {
        Ok(reply) => reply,
        Err(error) => return refusal(&error),
    };
    let mut response = Response::new(Body::from(reply.payload));
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::OK);
    let texts = [
        ("content-type", Some("application/json".to_owned())),
        ("x-amzn-requestid", Some(reply.request_id)),
        ("x-amz-executed-version", Some(reply.executed_version).filter(|_| reply.status == 200)),
        ("x-amz-function-error", reply.function_error),
        ("x-amz-log-result", reply.log_tail),
    ];
    for (name, text) in texts {
        if let Some(value) = text.and_then(|text| HeaderValue::try_from(text).ok()) {
            response.headers_mut().insert(HeaderName::from_static(name), value);
        }
    }
    response
}

/// An error in the format of restJson services.
fn refusal(error: &Error) -> Response {
    let mut object = Object::new();
    if let Error::TooManyRequests { reason } = error {
        object.insert("Reason", (*reason).into());
    }
    object.insert("Type", if error.status() < 500 { "User" } else { "Service" }.into());
    object.insert("message", error.to_string().into());
    let mut response = Response::new(Body::from(Json::from(object).to_string()));
    *response.status_mut() =
        StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    headers.insert("x-amzn-errortype", HeaderValue::from_static(error.name()));
    let id = uuid::Uuid::new_v4().to_string();
    if let Ok(id) = HeaderValue::try_from(id) {
        headers.insert("x-amzn-requestid", id);
    }
    response
}
