//! The API over HTTP: `POST /` with `X-Amz-Target`, and what operators look at.

use crate::auth::{Access, Credentials};
use crate::otlp::Otlp;
use crate::rate::Rate;
use crate::{Api, page, prometheus};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use axum::routing::{get, post};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use stepwright_json::Json;
use stepwright_protocol::ApiError;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// What a server is made of.
#[derive(Clone, Debug)]
pub struct Serving {
    /// The operations.
    pub api: Api,
    /// Who may call them. Without any, everybody who can connect may.
    pub credentials: Credentials,
    /// The largest request body, in bytes.
    pub most_body_bytes: usize,
    /// The longest that sending a request may take.
    pub longest_request: Duration,
    /// The most connections at once.
    pub most_connections: usize,
    pub(crate) rate: Option<Arc<Rate>>,
    /// Who sends logs and traces to a collector: to be flushed at the end.
    pub otlp: Option<Arc<Otlp>>,
}

impl Serving {
    /// With limits that fit AWS's.
    pub fn new(api: Api, credentials: Credentials) -> Self {
        Self {
            api,
            credentials,
            // A definition of 1 MiB may take six times as much as JSON text within JSON text.
            most_body_bytes: 8 << 20,
            longest_request: Duration::from_secs(30),
            most_connections: 10_000,
            rate: None,
            otlp: None,
        }
    }

    /// With at most so many operations in a second.
    #[must_use]
    pub fn at_most_per_second(mut self, operations: u32) -> Self {
        self.rate = Some(Arc::new(Rate::new(operations)));
        self
    }
}

/// The largest nesting of a request body.
const MOST_DEPTH: usize = 200;

/// Serves connections until `stop` comes about, then lets those under way finish for a while.
pub async fn serve(
    listener: TcpListener,
    serving: Serving,
    more: Router,
    stop: impl Future<Output = ()>,
) {
    let connections = Arc::new(Semaphore::new(serving.most_connections));
    let longest_request = serving.longest_request;
    let router = router(serving).merge(more);
    let mut server = hyper::server::conn::http1::Builder::new();
    // A client that is slow to send its headers is not waited for.
    server
        .timer(hyper_util::rt::TokioTimer::new())
        .half_close(true)
        .header_read_timeout(longest_request)
        .max_headers(100);
    let graceful = hyper_util::server::graceful::GracefulShutdown::new();
    tokio::pin!(stop);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Too many open files, say: those that are open go on.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let Ok(permit) = Arc::clone(&connections).try_acquire_owned() else {
            tracing::warn!(%peer, "too many connections; one was closed");
            continue;
        };
        // An answer is one packet; it need not wait for more.
        drop(stream.set_nodelay(true));
        let service = hyper_util::service::TowerToHyperService::new(router.clone());
        let connection = server.serve_connection(hyper_util::rt::TokioIo::new(stream), service);
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            // A client that breaks off has nobody to be told.
            drop(connection.await);
            drop(permit);
        });
    }
    tokio::select! {
        () = graceful.shutdown() => {}
        () = tokio::time::sleep(Duration::from_secs(10)) => {}
    }
}

fn router(serving: Serving) -> Router {
    let serving = Arc::new(serving);
    Router::new()
        .route("/", post(call).get(page::first))
        .route("/health", get(health))
        .route("/ready", get(ready))
        .route("/metrics", get(metrics))
        .with_state(serving)
}

pub(crate) type Shared = State<Arc<Serving>>;

/// An operation.
async fn call(State(serving): Shared, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let id = serving.api.engine().new_uuid();
    let target = parts.headers.get("x-amz-target").and_then(|target| target.to_str().ok());
    let operation = target.and_then(|target| target.strip_prefix("AWSStepFunctions."));
    let Some(operation) = operation else {
        let error = ApiError::new(
            "UnknownOperationException",
            "the header X-Amz-Target must be AWSStepFunctions.<Operation>",
        );
        return answer(&id, Err(error));
    };
    let read = to_bytes(body, serving.most_body_bytes);
    let bytes = match tokio::time::timeout(serving.longest_request, read).await {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(_)) => {
            let error = ApiError {
                status: 413,
                ..ApiError::new(
                    "RequestEntityTooLarge",
                    format!("a request has at most {} bytes", serving.most_body_bytes),
                )
            };
            return answer(&id, Err(error));
        }
        Err(_) => {
            let error = ApiError { status: 408, ..ApiError::new("RequestTimeout", "too slow") };
            return answer(&id, Err(error));
        }
    };
    let now = serving.api.engine().options().clock.now();
    let access = Access { operation, parts: &parts, body: &bytes, now };
    if let Err(error) = serving.credentials.check(&access) {
        return answer(&id, Err(error));
    }
    if serving.rate.as_ref().is_some_and(|rate| !rate.lets_through(now)) {
        return answer(&id, Err(ApiError::new("ThrottlingException", "Rate exceeded")));
    }
    let body = if bytes.is_empty() {
        Ok(Json::Object(stepwright_json::Object::new()))
    } else {
        parse(&bytes)
    };
    let reply = match body {
        Ok(body) => serving.api.call(operation, body).await,
        Err(error) => Err(error),
    };
    answer(&id, reply)
}

fn parse(bytes: &[u8]) -> Result<Json, ApiError> {
    let refused = |why: String| ApiError::new("SerializationException", why);
    let text = std::str::from_utf8(bytes).map_err(|error| refused(error.to_string()))?;
    let limits = stepwright_json::Limits { bytes: bytes.len(), depth: MOST_DEPTH };
    stepwright_json::parse_with(text, stepwright_json::Syntax::Strict, limits)
        .map_err(|error| refused(error.to_string()))
}

fn answer(id: &str, reply: Result<Json, ApiError>) -> Response {
    let (status, body, code) = match &reply {
        Ok(reply) => (200, reply.to_string(), None),
        Err(error) => {
            if error.status >= 500 {
                tracing::error!(code = error.code, message = error.message, "an operation failed");
            }
            (error.status, error.body().to_string(), Some(error.code))
        }
    };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-amz-json-1.0"));
    if let Ok(id) = HeaderValue::from_str(id) {
        headers.insert("x-amzn-requestid", id);
    }
    if let Some(code) = code {
        headers.insert("x-amzn-errortype", HeaderValue::from_static(code));
    }
    response
}

/// Whether the process lives.
async fn health() -> &'static str {
    "{\"status\":\"ok\"}"
}

/// Whether it takes work on: it does not while it shuts down.
async fn ready(State(serving): Shared) -> (StatusCode, &'static str) {
    if serving.api.engine().is_closing() {
        (StatusCode::SERVICE_UNAVAILABLE, "{\"status\":\"closing\"}")
    } else {
        (StatusCode::OK, "{\"status\":\"ready\"}")
    }
}

async fn metrics(State(serving): Shared) -> ([(header::HeaderName, &'static str); 1], String) {
    let content_type = (header::CONTENT_TYPE, "text/plain; version=0.0.4");
    ([content_type], prometheus::text(serving.api.engine()))
}

/// Whether an address can be reached from this machine only.
pub fn is_loopback(address: SocketAddr) -> bool {
    address.ip().is_loopback()
}
