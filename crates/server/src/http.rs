//! The API over HTTP: `POST /` with `X-Amz-Target`, and the pages for operators.

use crate::bodies;
use crate::connections::Connection;
use crate::door::{self, Access, Caller, Credentials, Door, Hosts, Route, Sessions};
use crate::oidc::Oidc;
use crate::otlp::Otlp;
use crate::rate::Rate;
use crate::reload::Reloader;
use crate::resources::Resources;
use crate::tls::Tls;
use crate::{Api, console, fork, nodes, parked, printed, prometheus};
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
use stepwright_console::{Console, LOGIN, LOGOUT, Need, OIDC, OIDC_CALLBACK, ROUTES};
use stepwright_functions::{FUNCTIONS, Functions, INVOCATIONS, MOST_PAYLOAD, serve_invocation};
use stepwright_json::{Json, Object};
use stepwright_protocol::{ApiError, keep_known, operation, validate};
use stepwright_services::{NAMES, Services};
use stepwright_store::KeyChange;
use tokio::sync::Semaphore;

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
    /// The longest time that sending the head or the body of a request may take.
    pub longest_request: Duration,
    /// The longest time that reading an answer may take, besides a second for each 128 KiB.
    pub longest_answer: Duration,
    /// The longest time that a TLS handshake may take.
    pub longest_handshake: Duration,
    /// The largest number of connections at once.
    pub most_connections: usize,
    /// The largest number of bytes of requests and answers in memory at once.
    pub most_bytes: usize,
    pub(crate) hosts: Hosts,
    /// The key of the nodes that share the store, if there may be several.
    pub(crate) node_key: Option<String>,
    /// Whether, without credentials, every user of this machine is served.
    pub(crate) any_user: bool,
    pub(crate) tls: Option<Tls>,
    pub(crate) rate: Option<Arc<Rate>>,
    /// Sends logs and traces to a collector. To be flushed at the end.
    pub otlp: Option<Arc<Otlp>>,
    /// The local services of AWS, if they are served.
    pub services: Option<Services>,
    /// What is made in them before the first request is answered.
    pub resources: Option<Resources>,
    /// The pages.
    pub console: Arc<Console>,
    /// The browsers that are logged in.
    pub(crate) sessions: Arc<Sessions>,
    /// The identity provider that they may log in with.
    pub(crate) oidc: Option<Arc<Oidc>>,
    /// Replaces the keys of the store, if it is encrypted.
    pub(crate) key_change: Option<KeyChange>,
}

/// The variable by which AWS's SDKs and tools learn where a service is.
fn endpoint_variable(service: &str) -> String {
    let id = match service {
        "secretsmanager" => "SECRETS_MANAGER".to_owned(),
        name => name.to_uppercase(),
    };
    format!("AWS_ENDPOINT_URL_{id}")
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
            longest_answer: Duration::from_secs(30),
            longest_handshake: Duration::from_secs(10),
            most_connections: 10_000,
            most_bytes: 256 << 20,
            hosts: Hosts::default(),
            node_key: None,
            any_user: false,
            tls: None,
            rate: None,
            otlp: None,
            services: None,
            resources: None,
            console: Arc::default(),
            sessions: Arc::default(),
            oidc: None,
            key_change: None,
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

    /// Replaces keys, roles, grants and certificates while the server runs.
    pub fn reloader(&self) -> Reloader {
        Reloader {
            credentials: self.credentials.clone(),
            tls: self.tls.clone(),
            oidc: self.oidc.clone(),
            sessions: self.sessions.clone(),
            key_change: self.key_change.clone(),
        }
    }

    /// Tells functions and tasks where the local services are, now that this is known.
    pub(crate) fn tell_functions(&self, address: Option<SocketAddr>) {
        let (Some(services), Some(address)) = (&self.services, address) else { return };
        let scheme = if self.is_encrypted() { "https" } else { "http" };
        let address = if address.ip().is_unspecified() {
            SocketAddr::from(([127, 0, 0, 1], address.port()))
        } else {
            address
        };
        let url = format!("{scheme}://{address}");
        services.served_at(&url);
        // A service that is not here is elsewhere: it must not be looked for at this node.
        let names: Vec<String> = if services.are_shared() {
            let local = NAMES.into_iter().filter(|name| services.have(name));
            let here = ["sfn", "lambda"].into_iter().chain(local);
            here.map(endpoint_variable).collect()
        } else {
            vec!["AWS_ENDPOINT_URL".to_owned()]
        };
        let mut variables: Vec<(String, String)> =
            names.into_iter().map(|name| (name, url.clone())).collect();
        // Where there are keys, a function has the ones that its configuration gives it.
        if self.credentials.is_empty() {
            for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
                variables.push((name.to_owned(), "stepwright".to_owned()));
            }
        }
        self.functions.offer(variables);
    }

    /// Every route of the server: the method, and the path with its parameters in braces.
    pub fn routes(&self) -> Vec<(Method, &'static str)> {
        let routes = routes(self).known;
        routes.into_iter().map(|(method, path, _)| (method, path)).collect()
    }

    /// The largest body of a request for a route, or for a path that does not exist: its sender
    /// must be known before it can be told so.
    pub(crate) fn most_bytes_of(&self, access: Option<Access>) -> usize {
        match access {
            Some(Access::Operation) => self.most_body_bytes,
            Some(Access::Invocation) => MOST_PAYLOAD,
            Some(Access::Console(Need::Nothing)) => MOST_LOGIN,
            Some(Access::Console(_)) => self.most_body_bytes,
            Some(Access::Service("s3")) => self.most_body_bytes.max(MOST_OBJECT),
            _ => self.most_body_bytes.max(MOST_PAYLOAD),
        }
    }
}

/// The largest object, or part of one, that a request brings.
const MOST_OBJECT: usize = 64 << 20;

/// The largest form of a login.
const MOST_LOGIN: usize = 16 << 10;

/// A body of more bytes than this is large: its JSON takes many times as much memory.
const LARGE: usize = 256 << 10;

/// How many large bodies are parsed at once.
static LARGE_BODIES: Semaphore = Semaphore::const_new(2);

/// The deepest nesting of a request body.
const MOST_DEPTH: usize = 200;

pub(crate) fn router(serving: Serving) -> Router {
    let serving = Arc::new(serving);
    let Routes { paths, known } = routes(&serving);
    let door = Arc::new(Door { serving: serving.clone(), routes: known });
    let mut router = Router::new();
    for (path, methods) in paths {
        router = router.route(path, methods);
    }
    router.with_state(serving).layer(middleware::from_fn_with_state(door, door::pass))
}

/// All routes. Only the routes marked here as open are open to everybody.
fn routes(serving: &Serving) -> Routes {
    let mut routes = Routes::default();
    for route in &ROUTES {
        let (method, access) = (route.method.clone(), Access::Console(route.need));
        routes = match route.path {
            LOGIN => routes.add(method, route.path, access, console::login),
            OIDC | OIDC_CALLBACK if serving.oidc.is_none() => routes,
            OIDC => routes.add(method, route.path, access, console::provider),
            OIDC_CALLBACK => routes.add(method, route.path, access, console::callback),
            LOGOUT => routes.add(method, route.path, access, console::logout),
            _ => routes.add(method, route.path, access, console::answer),
        };
    }
    let routes = routes
        .add(Method::POST, "/", Access::Operation, call)
        .add(Method::GET, "/health", Access::Open, health)
        .add(Method::GET, "/ready", Access::Open, ready)
        .add(Method::GET, "/metrics", Access::Metrics, metrics)
        .add(Method::POST, "/parked", Access::Parked, parked::call)
        .add(Method::POST, "/logs", Access::Logs, printed::call)
        .add(Method::POST, "/fork", Access::Fork, fork::call)
        .add(Method::POST, INVOCATIONS, Access::Invocation, invoke)
        .add(Method::GET, FUNCTIONS, Access::Functions, functions);
    if serving.node_key.is_none() {
        return routes;
    }
    routes.add(Method::GET, "/nodes", Access::Metrics, nodes::list).add(
        Method::POST,
        nodes::CALLS,
        Access::Node,
        nodes::call,
    )
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
    Extension(line): Extension<Connection>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let id = serving.api.engine().new_uuid();
    let Some(name) = target(&parts.headers) else {
        let error = ApiError::new(
            "UnknownOperationException",
            "the header X-Amz-Target must be AWSStepFunctions.<Operation>",
        );
        return answer(&id, Err(error));
    };
    // The door has read the body, within the limits.
    let bytes = to_bytes(body, usize::MAX).await.unwrap_or_default();
    let engine = serving.api.engine();
    let (now, nodes) = (engine.now(), engine.living_nodes());
    let scope = caller.scope();
    // An account at its own limit takes nothing of what all accounts have together.
    if scope.as_ref().is_some_and(|scope| !scope.lets_through(now, nodes)) {
        return answer(&id, Err(ApiError::new("ThrottlingException", "Rate exceeded")));
    }
    if serving.rate.as_ref().is_some_and(|rate| !rate.lets_through(now, nodes)) {
        return answer(&id, Err(ApiError::new("ThrottlingException", "Rate exceeded")));
    }
    let reply = match read(name, bytes).await {
        Ok(body) => {
            let api = serving.api.within(scope);
            api.call_over(Some(&line), caller.principal(), name, body).await
        }
        Err(error) => Err(error),
    };
    answer(&id, reply)
}

/// The operation that a request names, if it names one.
pub(crate) fn target(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all("x-amz-target").iter();
    let value = values.next()?;
    // Of two, nobody could say which one was meant.
    if values.next().is_some() {
        return None;
    }
    value.to_str().ok()?.strip_prefix("AWSStepFunctions.")
}

/// Parses the body of an operation's request. Of a large one, only what the operation knows is kept,
/// and few are in memory as a whole at once.
pub(crate) async fn read(name: &str, bytes: Bytes) -> Result<Json, ApiError> {
    if bytes.len() <= LARGE {
        return parse(&bytes);
    }
    let _turn = LARGE_BODIES.acquire().await;
    let body = parse(&bytes)?;
    let Some(operation) = operation(name) else { return Ok(Json::Object(Object::new())) };
    validate(operation, &body)?;
    Ok(keep_known(operation, body))
}

/// Parses the body of a request as JSON; an empty body counts as an empty object.
pub(crate) fn parse(bytes: &[u8]) -> Result<Json, ApiError> {
    if bytes.is_empty() {
        return Ok(Json::Object(Object::new()));
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

/// Lists the functions, as Lambda's `ListFunctions` does.
async fn functions(State(serving): Shared) -> ([(header::HeaderName, &'static str); 1], String) {
    let content_type = (header::CONTENT_TYPE, "application/json");
    ([content_type], serving.functions.list().to_string())
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
    if bodies::leaves_body(status) {
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
    ([content_type], prometheus::text(serving.api.engine(), serving.console.search()))
}

/// Whether an address is reachable from this machine only.
pub fn is_loopback(address: SocketAddr) -> bool {
    address.ip().is_loopback()
}
