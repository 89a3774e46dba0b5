//! The API over HTTP: `POST /` with `X-Amz-Target`, and the pages for operators.

use crate::door::{self, Access, Caller, Credentials, Door, Hosts, LocalAddresses, Route};
use crate::otlp::Otlp;
use crate::rate::Rate;
use crate::{Api, page, prometheus};
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Path, Query, Request, State};
use axum::handler::Handler;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use axum::routing::{MethodFilter, MethodRouter, any};
use axum::{Extension, Router, middleware};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use stepwright_functions::{Functions, INVOCATIONS, MOST_PAYLOAD, serve_invocation};
use stepwright_json::Json;
use stepwright_protocol::ApiError;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;

/// A server and its settings.
#[derive(Clone)]
pub struct Serving {
    /// The operations.
    pub api: Api,
    /// The functions that can be invoked.
    pub functions: Functions,
    /// The credentials of callers. If there are none, everybody who can connect may call.
    pub credentials: Credentials,
    /// The largest request body, in bytes.
    pub most_body_bytes: usize,
    /// The longest time that sending a request may take.
    pub longest_request: Duration,
    /// The longest time that a TLS handshake may take.
    pub longest_handshake: Duration,
    /// The largest number of connections at once.
    pub most_connections: usize,
    pub(crate) hosts: Hosts,
    pub(crate) tls: Option<TlsAcceptor>,
    pub(crate) rate: Option<Arc<Rate>>,
    /// Sends logs and traces to a collector. To be flushed at the end.
    pub otlp: Option<Arc<Otlp>>,
}

impl std::fmt::Debug for Serving {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Serving")
            .field("api", &self.api)
            .field("credentials", &self.credentials)
            .field("is_encrypted", &self.is_encrypted())
            .finish_non_exhaustive()
    }
}

impl Serving {
    /// Creates a server with settings that suit AWS's limits.
    pub fn new(api: Api, functions: Functions, credentials: Credentials) -> Self {
        Self {
            api,
            functions,
            credentials,
            // A definition of 1 MiB may grow sixfold when it is written as a JSON string.
            most_body_bytes: 8 << 20,
            longest_request: Duration::from_secs(30),
            longest_handshake: Duration::from_secs(10),
            most_connections: 10_000,
            hosts: Hosts::default(),
            tls: None,
            rate: None,
            otlp: None,
        }
    }

    /// Limits the number of operations per second.
    #[must_use]
    pub fn at_most_per_second(mut self, operations: u32) -> Self {
        self.rate = Some(Arc::new(Rate::new(operations)));
        self
    }

    /// Whether connections are encrypted, so that its URL begins with `https`.
    pub fn is_encrypted(&self) -> bool {
        self.tls.is_some()
    }

    /// Every route of the server: the method, and the path with its parameters in braces.
    pub fn routes(&self) -> Vec<(Method, &'static str)> {
        let routes = routes().known;
        routes.into_iter().map(|(method, path, _)| (method, path)).collect()
    }

    /// The largest body that is read before its sender is known. It is the same for all routes.
    pub(crate) fn most_signed_bytes(&self) -> usize {
        self.most_body_bytes.max(MOST_PAYLOAD)
    }
}

/// The deepest nesting of a request body.
const MOST_DEPTH: usize = 200;

/// Serves connections until `stop` completes, then gives open connections some time to finish.
pub async fn serve(listener: TcpListener, serving: Serving, stop: impl Future<Output = ()>) {
    let connections = Arc::new(Semaphore::new(serving.most_connections));
    let (longest_request, longest_handshake) = (serving.longest_request, serving.longest_handshake);
    let tls = serving.tls.clone();
    let listens_on = listener.local_addr().ok().map(|address| address.ip());
    let router = router(serving);
    let mut server = hyper::server::conn::http1::Builder::new();
    // Clients that are slow to send their headers are dropped.
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
                // There may be too many open files, for example. Connections that are open
                // continue.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let Ok(permit) = Arc::clone(&connections).try_acquire_owned() else {
            tracing::warn!(%peer, "too many connections; one was closed");
            continue;
        };
        // A client that has disconnected needs no answer.
        let Ok(local) = stream.local_addr() else { continue };
        // An answer is one packet, so waiting for more data is useless.
        drop(stream.set_nodelay(true));
        let local = Extension(LocalAddresses([local.ip(), listens_on.unwrap_or(local.ip())]));
        let router = tower::Layer::layer(&local, router.clone());
        let service = hyper_util::service::TowerToHyperService::new(router);
        let (server, watcher, tls) = (server.clone(), graceful.watcher(), tls.clone());
        tokio::spawn(async move {
            let opening = tokio::time::timeout(longest_handshake, open(stream, tls));
            if let Ok(Some(stream)) = opening.await {
                let stream = hyper_util::rt::TokioIo::new(stream);
                // A client that disconnects cannot be told about errors.
                drop(watcher.watch(server.serve_connection(stream, service)).await);
            }
            drop(permit);
        });
    }
    tokio::select! {
        () = graceful.shutdown() => {}
        () = tokio::time::sleep(Duration::from_secs(10)) => {}
    }
}

/// A connection, encrypted or not.
trait Connection: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Connection for T {}

/// Makes a connection ready for requests. Returns `None` if the TLS handshake fails.
async fn open(stream: TcpStream, tls: Option<TlsAcceptor>) -> Option<Box<dyn Connection>> {
    let Some(tls) = tls else { return Some(Box::new(stream)) };
    match tls.accept(stream).await {
        Ok(stream) => Some(Box::new(stream)),
        Err(error) => {
            tracing::debug!(%error, "a client did not agree on encryption");
            None
        }
    }
}

fn router(serving: Serving) -> Router {
    let serving = Arc::new(serving);
    let Routes { paths, known } = routes();
    let door = Arc::new(Door { serving: serving.clone(), routes: known });
    let mut router = Router::new();
    for (path, methods) in paths {
        router = router.route(path, methods);
    }
    router.with_state(serving).layer(middleware::from_fn_with_state(door, door::pass))
}

/// All routes. Only the routes marked here as open are open to everybody.
fn routes() -> Routes {
    Routes::default()
        .add(Method::POST, "/", Access::Operation, call)
        .add(Method::GET, "/", Access::Page, page::first)
        .add(Method::GET, "/health", Access::Open, health)
        .add(Method::GET, "/ready", Access::Open, ready)
        .add(Method::GET, "/metrics", Access::Metrics, metrics)
        .add(Method::POST, INVOCATIONS, Access::Invocation, invoke)
}

/// The handlers of each path, and what each route requires.
#[derive(Default)]
struct Routes {
    paths: BTreeMap<&'static str, MethodRouter<Arc<Serving>>>,
    known: Vec<Route>,
}

impl Routes {
    fn add<T: 'static>(
        mut self,
        method: Method,
        path: &'static str,
        access: Access,
        handler: impl Handler<T, Arc<Serving>>,
    ) -> Self {
        let filter = MethodFilter::try_from(method.clone()).expect("it is a usual method");
        // The door lets no other method through. `any` keeps the router from adding an `Allow`
        // header to the door's answer, which would tell strangers which paths exist.
        let methods = self.paths.remove(path);
        let methods = methods.unwrap_or_else(|| any(StatusCode::METHOD_NOT_ALLOWED));
        self.paths.insert(path, methods.on(filter, handler));
        self.known.push((method, path, access));
        self
    }
}

pub(crate) type Shared = State<Arc<Serving>>;

/// Handles a call of an operation.
async fn call(
    State(serving): Shared,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let id = serving.api.engine().new_uuid();
    let Some(operation) = target(&parts.headers) else {
        let error = ApiError::new(
            "UnknownOperationException",
            "the header X-Amz-Target must be AWSStepFunctions.<Operation>",
        );
        return answer(&id, Err(error));
    };
    let read = read_body(body, serving.most_body_bytes, serving.longest_request).await;
    let bytes = match read {
        Ok(bytes) => bytes,
        Err(error) => return answer(&id, Err(error)),
    };
    let now = serving.api.engine().options().clock.now();
    if serving.rate.as_ref().is_some_and(|rate| !rate.lets_through(now)) {
        return answer(&id, Err(ApiError::new("ThrottlingException", "Rate exceeded")));
    }
    let reply = match parse(&bytes) {
        Ok(body) => serving.api.call_for(caller.principal(), operation, body).await,
        Err(error) => Err(error),
    };
    answer(&id, reply)
}

/// The operation that a request names.
pub(crate) fn target(headers: &HeaderMap) -> Option<&str> {
    headers.get("x-amz-target")?.to_str().ok()?.strip_prefix("AWSStepFunctions.")
}

/// Reads the body of a request. Fails if it is too large or too slow.
pub(crate) async fn read_body(body: Body, most: usize, time: Duration) -> Result<Bytes, ApiError> {
    match tokio::time::timeout(time, to_bytes(body, most)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(_)) => Err(ApiError {
            status: 413,
            ..ApiError::new("RequestEntityTooLarge", format!("a request has at most {most} bytes"))
        }),
        Err(_) => Err(ApiError { status: 408, ..ApiError::new("RequestTimeout", "too slow") }),
    }
}

/// Parses the body of a request as JSON; an empty body counts as an empty object.
pub(crate) fn parse(bytes: &[u8]) -> Result<Json, ApiError> {
    if bytes.is_empty() {
        return Ok(Json::Object(stepwright_json::Object::new()));
    }
    let refused = |why: String| ApiError::new("SerializationException", why);
    let text = std::str::from_utf8(bytes).map_err(|error| refused(error.to_string()))?;
    let limits = stepwright_json::Limits { bytes: bytes.len(), depth: MOST_DEPTH };
    stepwright_json::parse_with(text, stepwright_json::Syntax::Strict, limits)
        .map_err(|error| refused(error.to_string()))
}

/// Handles the invocation of a function.
async fn invoke(
    State(serving): Shared,
    Path(name): Path<String>,
    Query(query): Query<BTreeMap<String, String>>,
    request: Request,
) -> Response {
    serve_invocation(&serving.functions, name, query, request).await
}

pub(crate) fn answer(id: &str, reply: Result<Json, ApiError>) -> Response {
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
    if matches!(status, StatusCode::PAYLOAD_TOO_LARGE | StatusCode::REQUEST_TIMEOUT) {
        // The rest of the body is not read, so the connection cannot be used again.
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// Whether the process is alive.
async fn health() -> &'static str {
    "{\"status\":\"ok\"}"
}

/// Whether the server accepts work. It does not while it shuts down.
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

/// Whether an address is reachable from this machine only.
pub fn is_loopback(address: SocketAddr) -> bool {
    address.ip().is_loopback()
}
