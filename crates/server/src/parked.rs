//! `/parked`: the executions that are left alone, for whoever looks after the server. AWS has no
//! such operation.

use crate::api::{Reply, store_failed};
use crate::door::Caller;
use crate::http::{Shared, answer, parse};
use axum::Extension;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::response::Response;
use stepwright_engine::{Engine, Parked, ParkedError};
use stepwright_json::{Json, Object, json};
use stepwright_protocol::{ApiError, timestamp};

/// `POST /parked` lists them with `{}`, and acts on one with `{"executionArn": …, "action":
/// "retry"}` or `"abort"`.
pub(crate) async fn call(
    State(serving): Shared,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Response {
    let engine = serving.api.engine();
    // The door has read the body, within the limits.
    let bytes = to_bytes(request.into_body(), usize::MAX).await.unwrap_or_default();
    let reply = match parse(&bytes) {
        Ok(body) => act(engine, &caller, &body).await,
        Err(error) => Err(error),
    };
    answer(&engine.new_uuid(), reply)
}

async fn act(engine: &Engine, caller: &Caller, body: &Json) -> Reply {
    let text = |key: &str| body.get(key).and_then(Json::as_str).unwrap_or_default();
    let arn = text("executionArn");
    let done = match text("action") {
        "" => {
            let parked = engine.parked().await.map_err(store_failed)?;
            let shown: Vec<Json> =
                parked.iter().filter(|one| caller.owns(&one.arn)).map(show).collect();
            return Ok(json!({"executions": (Json::from(shown))}));
        }
        "retry" => engine.retry_parked(arn).await,
        "abort" => engine.abort_parked(arn).await,
        other => {
            let what = format!("`action` must be `retry` or `abort`, and is `{other}`");
            return Err(ApiError::validation(what));
        }
    };
    match done {
        Ok(()) => Ok(Object::new().into()),
        Err(ParkedError::Store(error)) => Err(store_failed(error)),
        Err(error @ ParkedError::NotParked { .. }) => {
            Err(ApiError::new("ExecutionDoesNotExist", error.to_string()))
        }
        Err(error @ ParkedError::Refused(_)) => Err(ApiError::internal(error.to_string())),
    }
}

fn show(parked: &Parked) -> Json {
    let mut object = Object::new();
    object.insert("executionArn", parked.arn.as_str().into());
    object.insert("reason", parked.reason.as_str().into());
    object.insert("since", timestamp(parked.since));
    object.insert("release", parked.release.as_str().into());
    object.into()
}
