//! The door: every request passes here, for whatever route, before any other part of the server
//! sees it. A request for a path that is not in the list of routes, or that its caller is not
//! allowed to make, ends here.

mod credentials;
mod hosts;
mod presigned;
mod rights;
mod sessions;
mod signature;
mod tenants;

pub use credentials::{Allowance, Credentials, Key};
pub(crate) use credentials::{Caller, access_denied, matches};
pub(crate) use hosts::Hosts;
pub(crate) use rights::{Access, Right, new_arn};
pub(crate) use sessions::{
    As, Login, Sessions, is_same, login_cookie, secret, set_cookie, set_login_cookie,
};
pub(crate) use tenants::{Scope, Tenants};

use crate::bodies;
use crate::connections::Connection;
use crate::http::{Serving, answer, parse, read, target};
use crate::{console, fork, services};
use axum::RequestPartsExt as _;
use axum::body::{Body, Bytes};
use axum::extract::{MatchedPath, Path, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use presigned::Presigned;
use signature::{Expected, Signature};
use std::net::IpAddr;
use std::sync::Arc;
use stepwright_aws::codec::ServiceError;
use stepwright_console::{Asked, Fields, Need, asked};
use stepwright_json::Json;
use stepwright_protocol::ApiError;
use subtle::ConstantTimeEq as _;

/// Where a connection came in, and from whom.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin {
    /// The address it was made to, and the address that is listened on, which may stand for all of this
    /// machine's addresses.
    pub(crate) local: [IpAddr; 2],
    /// Whether it comes from another user of this machine, who may do nothing without a key.
    pub(crate) is_other_user: bool,
}

/// A route: its method, its path as the router writes it, and what it requires.
pub(crate) type Route = (Method, &'static str, Access);

/// The state of the door.
#[derive(Debug)]
pub(crate) struct Door {
    pub(crate) serving: Arc<Serving>,
    pub(crate) routes: Vec<Route>,
}

/// The layer around the router.
pub(crate) async fn pass(State(door): State<Arc<Door>>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let connection: Connection =
        parts.extensions.get().cloned().expect("the connection is put beside every request");
    connection.begin().await;
    let response = match door.admit(&mut parts, body, &connection).await {
        Ok(Admitted::Service(name, read)) => {
            connection.work();
            let caller = parts.extensions.get::<Caller>().cloned().unwrap_or(Caller::Anybody);
            services::serve(&door.serving, name, &caller, &parts, read).await
        }
        Ok(Admitted::Route(body)) => {
            connection.work();
            next.run(Request::from_parts(parts, body)).await
        }
        Err(refusal) => {
            let id = door.serving.api.engine().new_uuid();
            tracing::debug!(method = %parts.method, path = parts.uri.path(), %refusal, "refused");
            // A script of a page handles it; a browser would ask for a login before it could.
            let mode = parts.headers.get("sec-fetch-mode");
            let wants_login = refusal.status == 401 && mode.is_none_or(|mode| mode == "navigate");
            let access = door.access(&parts);
            let is_of_service = matches!(access, Some(Access::Service(_)));
            if !is_of_service && console::is_for_page(&parts) {
                let response = console::refused(&door.serving, &parts, &refusal);
                return bodies::counted(response, connection).unwrap_or_default();
            }
            let mut response = match access {
                Some(Access::Service(name)) => {
                    let error = services::of_door(name, &refusal);
                    services::refused(name, &parts, error, id)
                }
                _ => answer(&id, Err(refusal)),
            };
            if wants_login {
                let challenge =
                    HeaderValue::from_static("Basic realm=\"Stepwright\", charset=\"UTF-8\"");
                response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
            }
            response
        }
    };
    bodies::counted(response, connection.clone()).unwrap_or_else(|| {
        let id = door.serving.api.engine().new_uuid();
        let refusal = answer(&id, Err(bodies::no_room()));
        // It is too short not to be sent, even if there is no room for it.
        bodies::counted(refusal, connection).unwrap_or_default()
    })
}

/// A request that was let in.
enum Admitted {
    /// For one of the routes, with its body.
    Route(Body),
    /// For a local service: what it asks for, or why that is not clear.
    Service(&'static str, Result<services::Decoded, Box<ServiceError>>),
}

/// The credentials that a request presents.
enum Claim<'a> {
    Nothing,
    Signature(Signature),
    /// The signature of a URL of S3, in its second version.
    Presigned(Presigned),
    /// A key's id and secret, as a browser's login sends them.
    Login(String, String),
    Token(&'a str),
    /// A browser that is logged in.
    Session(Caller, Login),
}

/// Who visits the console, and what they ask for.
#[derive(Clone, Debug)]
pub(crate) struct Visitor {
    pub(crate) caller: Caller,
    /// What they are called, if an identity provider has said so.
    pub(crate) person: Option<String>,
    /// What forms must hold, if the visitor may send any.
    pub(crate) token: Option<String>,
    pub(crate) asked: Option<Asked>,
}

/// Somebody who is identified.
struct Identified {
    caller: Caller,
    /// The body of their request, unless it is of no concern.
    body: Option<Bytes>,
    /// Their login, if a browser sends it by itself.
    login: Option<Login>,
}

impl Identified {
    fn new(caller: Caller, body: Option<Bytes>) -> Self {
        Self { caller, body, login: None }
    }
}

impl Door {
    /// Lets a request in, with its body, or returns the refusal.
    async fn admit(
        &self,
        parts: &mut Parts,
        body: Body,
        connection: &Connection,
    ) -> Result<Admitted, ApiError> {
        let access = self.access(parts);
        if access == Some(Access::Open) {
            return Ok(Admitted::Route(body));
        }
        // Nodes reach each other under whatever name, and act for whoever called them.
        if access == Some(Access::Node) && self.is_node(parts) {
            connection.know();
            return self
                .read(body, access, connection)
                .await
                .map(|body| Admitted::Route(body.into()));
        }
        let Origin { local, is_other_user } =
            *parts.extensions.get().expect("the origin is put beside every request");
        self.serving.hosts.check(parts, &local)?;
        if is_other_user {
            return Err(other_user());
        }
        // What shows nothing of the server is for everybody who may connect.
        if access == Some(Access::Console(Need::Nothing)) {
            let body = self.read_form(parts, body, access, connection).await?;
            let caller = Caller::Anybody;
            parts.extensions.insert(Visitor { caller, person: None, token: None, asked: None });
            return Ok(Admitted::Route(body.into()));
        }
        let credentials = &self.serving.credentials;
        let is_free = credentials.is_empty()
            && !(access == Some(Access::Metrics) && credentials.has_metrics_token());
        if is_free {
            let access = access.ok_or_else(|| nothing_there(parts))?;
            parts.extensions.insert(Caller::Anybody);
            connection.know();
            return match access {
                // A page in a browser cannot sign, so it cannot have processes started.
                Access::Service(name)
                    if services::starts_processes(name)
                        && !parts.headers.contains_key(header::AUTHORIZATION) =>
                {
                    Err(stranger(parts))
                }
                Access::Service(name) => {
                    let bytes = self.read(body, Some(access), connection).await?;
                    Ok(Admitted::Service(name, services::read(name, parts, &bytes)))
                }
                Access::Operation
                | Access::Invocation
                | Access::Parked
                | Access::Logs
                | Access::Fork => self
                    .read(body, Some(access), connection)
                    .await
                    .map(|body| Admitted::Route(body.into())),
                Access::Node => Err(stranger(parts)),
                Access::Console(need) => {
                    let body = self.read_form(parts, body, Some(access), connection).await?;
                    let token = Some(self.serving.sessions.token_of_anybody());
                    let asked = check_form(parts, need, &body, token.as_deref())?;
                    let caller = Caller::Anybody;
                    parts.extensions.insert(Visitor { caller, person: None, token, asked });
                    Ok(Admitted::Route(Body::empty()))
                }
                Access::Open | Access::Metrics | Access::Functions => {
                    Ok(Admitted::Route(Body::empty()))
                }
            };
        }
        let identified = self.identify(parts, access, body, connection).await?;
        let Identified { caller, body, login } = identified;
        connection.know();
        // Only callers who are identified are told which paths exist.
        let access = access.ok_or_else(|| nothing_there(parts))?;
        let bytes = body.clone().unwrap_or_default();
        if let Access::Service(name) = access {
            caller.check_at_home(name)?;
            let read = services::read(name, parts, &bytes);
            if let Ok(decoded) = &read {
                let rights = decoded.rights(&self.serving);
                rights.iter().try_for_each(|right| caller.check(right))?;
            }
            parts.extensions.insert(caller);
            return Ok(Admitted::Service(name, read));
        }
        if let Access::Console(need) = access {
            let (token, person) = login.map(|login| (login.token, login.person)).unzip();
            let asked = check_form(parts, need, &bytes, token.as_deref())?;
            let person = person.flatten();
            let checked = self.check_page(&caller, need, parts, asked.as_ref()).await;
            if checked.is_err() && asked.is_some() {
                console::note(&caller, person.as_deref(), asked.as_ref(), false);
            }
            checked?;
            parts.extensions.insert(Visitor { caller, person, token, asked });
            return Ok(Admitted::Route(Body::empty()));
        }
        self.check(&caller, access, parts, bytes).await?;
        parts.extensions.insert(caller);
        Ok(Admitted::Route(body.map_or_else(Body::empty, Body::from)))
    }

    /// What a request's route requires; `None` if there is no such route.
    fn access(&self, parts: &Parts) -> Option<Access> {
        if self.serving.services.is_some()
            && let Some(name) = services::addressed(parts)
        {
            return Some(Access::Service(name));
        }
        let path = parts.extensions.get::<MatchedPath>()?.as_str();
        // A HEAD request needs the same rights as a GET.
        let method = if parts.method == Method::HEAD { &Method::GET } else { &parts.method };
        let found = self.routes.iter().find(|(m, p, _)| m == method && *p == path);
        found.map(|(_, _, access)| *access)
    }

    /// Whether a request has the key of the nodes.
    fn is_node(&self, parts: &Parts) -> bool {
        let value = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let presented = value.and_then(|value| value.strip_prefix("Bearer "));
        let (Some(presented), Some(key)) = (presented, &self.serving.node_key) else {
            return false;
        };
        presented.as_bytes().ct_eq(key.as_bytes()).into()
    }

    /// Identifies the sender of a request. Nothing of the body is read before the headers have been
    /// checked.
    async fn identify(
        &self,
        parts: &Parts,
        access: Option<Access>,
        body: Body,
        connection: &Connection,
    ) -> Result<Identified, ApiError> {
        let credentials = &self.serving.credentials;
        match self.claim(parts, access)? {
            Claim::Signature(signature) => {
                let key = credentials.key(&signature.key).ok_or_else(unknown_key)?;
                if signature.check_before_body(parts, &key.secret)? {
                    connection.know();
                }
                let body = self.read(body, access, connection).await?;
                signature.check(parts, &body, &key.secret)?;
                // Checked only now, because strangers must not learn which service a path belongs
                // to.
                if let Some(access) = access {
                    signature.check_service(access.service())?;
                }
                if let Some(tenant) = &key.tenant
                    && !tenant.is_in(signature.region())
                {
                    return Err(signature.not_in_region());
                }
                let region = Some(signature.region().to_owned());
                let caller = Caller::Key { id: signature.key, key: key.clone(), region };
                Ok(Identified::new(caller, Some(body)))
            }
            Claim::Presigned(url) if access == Some(Access::Service("s3")) => {
                let key = credentials.key(&url.key).ok_or_else(unknown_key)?;
                let now = self.serving.api.engine().options().clock.now();
                url.check(parts, &key.secret, now)?;
                connection.know();
                let body = self.read(body, access, connection).await?;
                let caller = Caller::Key { id: url.key, key: key.clone(), region: None };
                Ok(Identified::new(caller, Some(body)))
            }
            Claim::Presigned(_) => Err(stranger(parts)),
            Claim::Login(id, secret) => {
                let caller = credentials.with_secret(&id, &secret);
                let caller = caller.ok_or_else(|| stranger(parts))?;
                Ok(Identified::new(caller, None))
            }
            Claim::Session(caller, login) => {
                connection.know();
                let body = self.read_form(parts, body, access, connection).await?;
                Ok(Identified { caller, body: Some(body), login: Some(login) })
            }
            Claim::Token(token) => {
                let caller =
                    credentials.with_token(token).filter(|_| access == Some(Access::Metrics));
                let caller = caller.ok_or_else(|| stranger(parts))?;
                Ok(Identified::new(caller, None))
            }
            Claim::Nothing => Err(stranger(parts)),
        }
    }

    /// Reads the form of a page. Whoever only looks sends none.
    async fn read_form(
        &self,
        parts: &Parts,
        body: Body,
        access: Option<Access>,
        connection: &Connection,
    ) -> Result<Bytes, ApiError> {
        if matches!(parts.method, Method::GET | Method::HEAD) {
            return Ok(Bytes::new());
        }
        self.read(body, access, connection).await
    }

    /// Reads the body of a request within the limits of its route.
    async fn read(
        &self,
        body: Body,
        access: Option<Access>,
        connection: &Connection,
    ) -> Result<Bytes, ApiError> {
        let serving = &self.serving;
        let most = serving.most_bytes_of(access);
        let read = bodies::read(body, most, serving.longest_request, connection).await;
        read.map_err(|error| match (access, error.status) {
            (Some(Access::Invocation), 413) => {
                ApiError { code: "RequestTooLargeException", ..error }
            }
            _ => error,
        })
    }

    /// The credentials in the `Authorization` header, or in the cookie of a login.
    fn claim<'a>(&self, parts: &'a Parts, access: Option<Access>) -> Result<Claim<'a>, ApiError> {
        let options = self.serving.api.engine().options();
        let tenants = self.serving.credentials.tenants();
        let is_served = |region: &str| region == options.region || tenants.are_in(region);
        let expected =
            Expected { region: &options.region, is_served: &is_served, now: options.clock.now() };
        let mut values = parts.headers.get_all(header::AUTHORIZATION).iter();
        let Some(value) = values.next() else {
            let query = parts.uri.query().unwrap_or_default();
            if let Some(signature) = Signature::read_query(query, &parts.headers, expected) {
                return signature.map(Claim::Signature);
            }
            // A browser sends it by itself, so that elsewhere it may only look.
            let is_look = matches!(parts.method, Method::GET | Method::HEAD);
            if (is_look || matches!(access, Some(Access::Console(_)) | None))
                && !matches!(access, Some(Access::Service(_)))
                && let Some(login) =
                    self.serving.sessions.find(&parts.headers, options.clock.now().0)
                && let Some(key) = self.serving.credentials.key(&login.key)
                && login.is_with(&key.secret)
            {
                let (id, key) = (login.key.clone(), key.clone());
                let caller = Caller::Key { id, key, region: None };
                return Ok(Claim::Session(caller, login));
            }
            return Ok(Presigned::read(query).map_or(Claim::Nothing, Claim::Presigned));
        };
        let is_one = values.next().is_none();
        let Some(text) = value.to_str().ok().filter(|_| is_one) else {
            return Err(refusal(
                "IncompleteSignatureException",
                "the header Authorization is unclear",
            ));
        };
        let (scheme, rest) = text.split_once(' ').unwrap_or((text, ""));
        if scheme.starts_with("AWS4-") {
            return Signature::read(text, &parts.headers, expected).map(Claim::Signature);
        }
        // A login may only look. A browser sends it by itself, so it must not change anything.
        let is_look = matches!(parts.method, Method::GET | Method::HEAD);
        Ok(match scheme.to_ascii_lowercase().as_str() {
            "basic" if is_look => read_login(rest.trim()).unwrap_or(Claim::Nothing),
            "bearer" => Claim::Token(rest.trim()),
            _ => Claim::Nothing,
        })
    }

    /// Refuses a caller who lacks the rights for a page.
    async fn check_page(
        &self,
        caller: &Caller,
        need: Need,
        parts: &Parts,
        asked: Option<&Asked>,
    ) -> Result<(), ApiError> {
        let query = parts.uri.query().unwrap_or_default();
        let mut rights = Right::page(need, &Fields::read(query.as_bytes()));
        if let Some(asked) = asked {
            let Serving { api, credentials, .. } = &*self.serving;
            let scope = caller.scope();
            rights.extend(Right::asked(asked, api.engine(), credentials, scope.as_ref()).await);
            if let Asked::Parked { arn, .. } = asked {
                caller.check_parked(arn).map_err(|error| ApiError { status: 403, ..error })?;
            }
        }
        let checked = rights.iter().try_for_each(|right| caller.check(right));
        checked.map_err(|error| ApiError { status: 403, ..error })
    }

    /// Refuses a caller who lacks the right for the request.
    async fn check(
        &self,
        caller: &Caller,
        access: Access,
        parts: &mut Parts,
        body: Bytes,
    ) -> Result<(), ApiError> {
        let elsewhere = |error: ApiError| ApiError { status: 403, ..error };
        match access {
            // What is done for a service was checked with what the request asks for.
            Access::Open | Access::Service(_) | Access::Console(_) => Ok(()),
            Access::Node => Err(stranger(parts)),
            Access::Metrics => caller.check(&Right::metrics()).map_err(elsewhere),
            Access::Parked => {
                caller.check(&Right::parked())?;
                let body = parse(&body)?;
                match body.get("executionArn").and_then(Json::as_str) {
                    Some(arn) => caller.check_parked(arn),
                    None => Ok(()),
                }
            }
            Access::Logs => caller.check(&Right::logs()),
            Access::Fork => {
                let Serving { api, credentials, .. } = &*self.serving;
                let body = parse(&body)?;
                let rights = fork::rights(&body, api.engine(), credentials).await;
                rights.iter().try_for_each(|right| caller.check(right))
            }
            Access::Functions => caller.check(&Right::functions()).map_err(elsewhere),
            Access::Invocation => {
                let Path(name) = parts.extract::<Path<String>>().await.map_err(|error| {
                    ApiError::new("InvalidParameterValueException", error.to_string())
                })?;
                let right = Right::invocation(&self.serving.functions, &name);
                caller.check(&right).map_err(elsewhere)
            }
            Access::Operation => {
                let Some(name) = target(&parts.headers) else { return Ok(()) };
                let engine = self.serving.api.engine();
                let is_any = caller.may_use_all_resources() && caller.scope().is_none();
                let rights = if is_any && !body_matters(name) {
                    vec![Right::operation(name)]
                } else {
                    let credentials = &self.serving.credentials;
                    let body = read(name, body).await?;
                    let scope = caller.scope();
                    Right::operation_with(name, &body, engine, credentials, scope.as_ref()).await
                };
                rights.iter().try_for_each(|right| caller.check(right))
            }
        }
    }
}

/// Reads the form of a page. One that a browser sends must hold what only our own pages know, because the
/// browser sends the login by itself.
fn check_form(
    parts: &Parts,
    need: Need,
    body: &[u8],
    token: Option<&str>,
) -> Result<Option<Asked>, ApiError> {
    if matches!(parts.method, Method::GET | Method::HEAD) {
        return Ok(None);
    }
    let form = Fields::read(body);
    if let Some(token) = token
        && !is_same(form.text("token"), token)
    {
        let message = "The form is not from a page of this server, or from an older one: load the page again.";
        return Err(refusal("AccessDeniedException", message));
    }
    if need != Need::Operation {
        return Ok(None);
    }
    asked(&form).map(Some).map_err(ApiError::validation)
}

/// Whether the required rights depend on the body beyond the resource that it names.
fn body_matters(operation: &str) -> bool {
    matches!(operation, "CreateStateMachine" | "UpdateStateMachine" | "TestState")
}

fn read_login(text: &str) -> Option<Claim<'static>> {
    let bytes = STANDARD.decode(text).ok()?;
    let (id, secret) = std::str::from_utf8(&bytes).ok()?.split_once(':')?;
    Some(Claim::Login(id.to_owned(), secret.to_owned()))
}

/// The answer to a stranger, the same for every path. A browser is asked for a login.
fn stranger(parts: &Parts) -> ApiError {
    let error = refusal("MissingAuthenticationTokenException", "Missing Authentication Token");
    let is_look = matches!(parts.method, Method::GET | Method::HEAD);
    ApiError { status: if is_look { 401 } else { error.status }, ..error }
}

/// The answer to another user of the machine. Whoever may define and start state machines runs commands
/// as the user of the server.
fn other_user() -> ApiError {
    let message = "This server has no [[credentials]], so it serves only the user that it runs as. To \
                   share it, configure a key for each of its users in stepwright.toml, or set \
                   `any_user = true` in [server].";
    refusal("AccessDeniedException", message)
}

/// The answer to an identified caller if there is no such route.
fn nothing_there(parts: &Parts) -> ApiError {
    let (status, what) = match parts.extensions.get::<MatchedPath>() {
        Some(_) => (405, format!("{} is not possible here", parts.method)),
        None => (404, "nothing is served here".to_owned()),
    };
    ApiError { status, ..ApiError::new("UnknownOperationException", what) }
}

fn unknown_key() -> ApiError {
    let message = "The security token included in the request is invalid.";
    refusal("UnrecognizedClientException", message)
}

/// The refusal of a caller who is not identified.
fn refusal(code: &'static str, message: &str) -> ApiError {
    ApiError { status: 403, ..ApiError::new(code, message) }
}
