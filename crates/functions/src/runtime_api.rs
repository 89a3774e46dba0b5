//! The Lambda Runtime API, as one process sees it. Each process has its own port, and only the
//! process and those that it started may use it. The clients of all runtimes connect to a host and a
//! port, so there is no place for a secret; the system is asked who has connected.

use crate::answer::{Answer, MOST_ANSWER};
use crate::peer;
use crate::sandbox::{Refused, Sandbox};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body::Body as _;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// The path that the operations have in common.
const PREFIX: &str = "/2018-06-01/runtime/";

const REQUEST_ID: HeaderName = HeaderName::from_static("lambda-runtime-aws-request-id");
const DEADLINE: HeaderName = HeaderName::from_static("lambda-runtime-deadline-ms");
const FUNCTION_ARN: HeaderName = HeaderName::from_static("lambda-runtime-invoked-function-arn");
const TRACE_ID: HeaderName = HeaderName::from_static("lambda-runtime-trace-id");
const CLIENT_CONTEXT: HeaderName = HeaderName::from_static("lambda-runtime-client-context");
const ERROR_TYPE: HeaderName = HeaderName::from_static("lambda-runtime-function-error-type");

/// Serves one process until it is dropped.
pub(crate) async fn serve(listener: TcpListener, sandbox: Arc<Sandbox>) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
        };
        let Ok((stream, from)) = accepted else {
            // There may be no resources for a connection at the moment.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        // Answers are short, and the process waits for them. If this fails, they are only slower.
        drop(stream.set_nodelay(true));
        let sandbox = sandbox.clone();
        connections.spawn(async move {
            if !is_own(&stream, from, &sandbox).await {
                let function = sandbox.log().function();
                tracing::warn!(
                    function,
                    "another process tried to use the Runtime API of the function"
                );
                return;
            }
            let service = service_fn(move |request| {
                let sandbox = sandbox.clone();
                async move { Ok::<_, Infallible>(answer(&sandbox, request).await) }
            });
            let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            // A process that disconnects cannot be told about errors.
            drop(connection.await);
        });
    }
}

/// Whether a connection comes from the process or one that it started.
async fn is_own(stream: &TcpStream, from: SocketAddr, sandbox: &Sandbox) -> bool {
    let (Ok(own), tree) = (stream.local_addr(), sandbox.tree()) else { return false };
    let asked = tokio::task::spawn_blocking(move || peer::is_of(&tree.members(), from, own));
    asked.await.unwrap_or(false)
}

async fn answer(sandbox: &Sandbox, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    let Some(path) = head.uri.path().strip_prefix(PREFIX) else {
        return refusal(StatusCode::NOT_FOUND, "InvalidPath", "There is nothing at this path");
    };
    match (&head.method, path) {
        (&Method::GET, "invocation/next") => next(sandbox).await,
        (&Method::POST, "init/error") => match read(body).await {
            Read::Whole { bytes, .. } => {
                let accepted = sandbox.fail_init(Answer::failed(bytes));
                acknowledge(accepted)
            }
            Read::TooLarge(_) => too_large(),
            Read::Broken => broken(),
        },
        (&Method::POST, path) => {
            let Some((id, what)) =
                path.strip_prefix("invocation/").and_then(|rest| rest.split_once('/'))
            else {
                return refusal(
                    StatusCode::NOT_FOUND,
                    "InvalidPath",
                    "There is nothing at this path",
                );
            };
            let is_error = match what {
                "response" => false,
                "error" => true,
                _ => {
                    return refusal(
                        StatusCode::NOT_FOUND,
                        "InvalidPath",
                        "An invocation has `response` and `error`",
                    );
                }
            };
            match read(body).await {
                // A streamed response reports a failure at its end.
                Read::Whole { bytes, failed } => acknowledge(sandbox.complete(
                    id,
                    Answer { payload: bytes, is_error: is_error || failed, log_tail: None },
                )),
                Read::TooLarge(size) => match sandbox.complete(id, Answer::too_large(size)) {
                    Ok(()) => too_large(),
                    Err(refused) => acknowledge(Err(refused)),
                },
                Read::Broken => broken(),
            }
        }
        _ => refusal(StatusCode::METHOD_NOT_ALLOWED, "InvalidMethod", "Use GET or POST"),
    }
}

async fn next(sandbox: &Sandbox) -> Response<Full<Bytes>> {
    let Ok(delivery) = sandbox.next().await else {
        return refusal(
            StatusCode::FORBIDDEN,
            "InvalidStateTransition",
            "The process is ending or has an invocation that it has not answered",
        );
    };
    let request = &delivery.request;
    let mut response = Response::new(Full::new(request.payload.clone()));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(DEADLINE, HeaderValue::from(delivery.deadline as u64));
    let texts = [
        (REQUEST_ID, Some(&request.id)),
        (FUNCTION_ARN, Some(&request.arn)),
        (TRACE_ID, Some(&request.trace_header)),
        (CLIENT_CONTEXT, request.client_context.as_ref()),
    ];
    for (name, text) in texts {
        if let Some(value) = text.and_then(|text| HeaderValue::from_bytes(text.as_bytes()).ok()) {
            headers.insert(name, value);
        }
    }
    response
}

enum Read {
    Whole {
        bytes: Bytes,
        failed: bool,
    },
    /// The response is too large. The size is given if the process announced it.
    TooLarge(Option<u64>),
    Broken,
}

async fn read(body: Incoming) -> Read {
    let size = body.size_hint().exact();
    match Limited::new(body, MOST_ANSWER).collect().await {
        Ok(collected) => {
            let failed =
                collected.trailers().is_some_and(|trailers| trailers.contains_key(&ERROR_TYPE));
            Read::Whole { bytes: collected.to_bytes(), failed }
        }
        Err(error) if error.is::<LengthLimitError>() => Read::TooLarge(size),
        Err(_) => Read::Broken,
    }
}

fn acknowledge(accepted: Result<(), Refused>) -> Response<Full<Bytes>> {
    match accepted {
        Ok(()) => json(StatusCode::ACCEPTED, "{\"status\":\"OK\"}\n".to_owned()),
        Err(Refused) => refusal(
            StatusCode::BAD_REQUEST,
            "InvalidRequestID",
            "The process does not have this invocation",
        ),
    }
}

fn too_large() -> Response<Full<Bytes>> {
    refusal(
        StatusCode::PAYLOAD_TOO_LARGE,
        "RequestEntityTooLarge",
        &format!("Exceeded maximum allowed payload size ({MOST_ANSWER} bytes)."),
    )
}

fn broken() -> Response<Full<Bytes>> {
    refusal(StatusCode::BAD_REQUEST, "InvalidRequest", "The body did not arrive")
}

fn refusal(status: StatusCode, kind: &str, message: &str) -> Response<Full<Bytes>> {
    let body = format!("{{\"errorMessage\":\"{message}\",\"errorType\":\"{kind}\"}}\n");
    json(status, body)
}

fn json(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
