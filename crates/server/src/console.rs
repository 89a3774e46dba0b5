//! The console behind the door: its pages see the server through the eyes of whoever visits them.

use crate::door::{
    As, Caller, Right, Visitor, access_denied, login_cookie, secret, set_cookie, set_login_cookie,
};
use crate::fork;
use crate::http::{Serving, Shared};
use crate::printed;
use axum::Extension;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use std::sync::Arc;
use stepwright_aws::codec::Message;
use stepwright_aws::rights::{self, Home};
use stepwright_aws::table;
use stepwright_console::{
    Ask, Asked, Fields, LoginPage, Looks, Pending, ROUTES, View, Visit, WRONG_KEY, arrived_page,
    refusal_page, sealed,
};
use stepwright_engine::{Denied, Engine};
use stepwright_functions::{Functions, Printed};
use stepwright_json::Json;
use stepwright_protocol::ApiError;

/// Answers a request for a page.
pub(crate) async fn answer(
    State(serving): Shared,
    Extension(visitor): Extension<Visitor>,
    request: Request,
) -> Response {
    let (parts, _) = request.into_parts();
    let method = if parts.method == Method::HEAD { &Method::GET } else { &parts.method };
    let route =
        ROUTES.iter().find(|route| route.method == *method && route.path == parts.uri.path());
    let Some(route) = route else { return Response::default() };
    let ask = Ask {
        query: Fields::read(parts.uri.query().unwrap_or_default().as_bytes()),
        looks: looks(&parts.headers),
        asked: visitor.asked.clone(),
        longest: serving.longest_answer,
    };
    let behind = Behind { url: url(&serving, &parts.headers), serving: serving.clone(), visitor };
    let response = serving.console.answer(&behind, route.view, ask).await;
    if route.view == View::Act {
        let status = response.status();
        let is_done = status.is_success() || status.is_redirection();
        let Visitor { caller, person, asked, .. } = &behind.visitor;
        note(caller, person.as_deref(), asked.as_ref(), is_done);
    }
    response
}

/// Logs a browser in.
pub(crate) async fn login(State(serving): Shared, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    // The door has read the body, within the limits.
    let bytes = to_bytes(body, usize::MAX).await.unwrap_or_default();
    let form = Fields::read(&bytes);
    let next = form.get("next").filter(|next| is_of_ours(next)).unwrap_or("/");
    let id = form.text("key");
    let known = serving.credentials.with_secret(id, form.text("secret"));
    if known.is_none() && !serving.credentials.is_empty() {
        tracing::warn!(target: "audit", key = %short(id), "a login was refused");
        return login_page(&serving, &parts.headers, next, Some(WRONG_KEY));
    }
    let mut response = elsewhere(next);
    if known.is_some() {
        tracing::info!(target: "audit", key = %short(id), "logged in");
        begin_session(&serving, &parts.headers, id, As::Holder(form.text("secret")), &mut response);
    }
    sealed(response)
}

/// Sets the cookie of a login.
fn begin_session(
    serving: &Serving,
    headers: &HeaderMap,
    key: &str,
    as_who: As,
    response: &mut Response,
) {
    let now = serving.api.engine().now();
    let cookie = serving.sessions.begin(key, as_who, now.0);
    add_cookie(response, &set_cookie(headers, Some(&cookie), serving.is_encrypted()));
}

fn add_cookie(response: &mut Response, cookie: &str) {
    if let Ok(cookie) = HeaderValue::from_str(cookie) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
}

/// Sends a browser to the identity provider.
pub(crate) async fn provider(State(serving): Shared, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let asked = Fields::read(parts.uri.query().unwrap_or_default().as_bytes());
    let next = asked.get("next").filter(|next| is_of_ours(next)).unwrap_or("/");
    let Some(oidc) = &serving.oidc else { return Response::default() };
    let known = login_cookie(&parts.headers).map(str::to_owned);
    let browser = known.unwrap_or_else(secret);
    let now = serving.api.engine().now().0;
    match oidc.begin(&browser, &url(&serving, &parts.headers), next, now).await {
        Ok(to) => {
            let mut response = elsewhere(to.as_str());
            let cookie = set_login_cookie(&parts.headers, &browser, serving.is_encrypted());
            add_cookie(&mut response, &cookie);
            sealed(response)
        }
        Err(failed) => {
            tracing::warn!(target: "audit", why = %line(&failed.why), "a login was not possible");
            login_page(&serving, &parts.headers, next, Some(&failed.said))
        }
    }
}

/// Logs a browser in that comes back from the identity provider.
pub(crate) async fn callback(State(serving): Shared, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let answer = Fields::read(parts.uri.query().unwrap_or_default().as_bytes());
    let Some(oidc) = &serving.oidc else { return Response::default() };
    let code = answer.get("code").ok_or_else(|| {
        let error = [answer.get("error"), answer.get("error_description")];
        line(&error.into_iter().flatten().collect::<Vec<_>>().join(": "))
    });
    let browser = login_cookie(&parts.headers).unwrap_or_default();
    let now = serving.api.engine().now().0;
    match oidc
        .finish(browser, &url(&serving, &parts.headers), answer.text("state"), code, now)
        .await
    {
        Ok(person) => {
            let (who, subject) = (line(&person.name), line(&person.subject));
            tracing::info!(target: "audit", key = %person.key, %who, %subject, "logged in");
            let mut response = arrived_page(looks(&parts.headers), &person.next);
            let key = &person.key;
            begin_session(&serving, &parts.headers, key, As::Person(who), &mut response);
            response
        }
        Err(failed) => {
            tracing::warn!(target: "audit", why = %line(&failed.why), "a login was refused");
            login_page(&serving, &parts.headers, "/", Some(&failed.said))
        }
    }
}

/// The page that a browser gets whose user is not known.
fn login_page(
    serving: &Serving,
    headers: &HeaderMap,
    next: &str,
    notice: Option<&str>,
) -> Response {
    let provider = serving.oidc.as_ref().map(|oidc| oidc.name());
    LoginPage { next, notice, provider: provider.as_deref() }.answer(looks(headers))
}

/// Logs a browser out.
pub(crate) async fn logout(State(serving): Shared, headers: HeaderMap) -> Response {
    serving.sessions.end(&headers);
    let mut response = elsewhere("/");
    add_cookie(&mut response, &set_cookie(&headers, None, serving.is_encrypted()));
    sealed(response)
}

/// The page that a browser gets in place of a refusal: a login, or what is wrong in words.
pub(crate) fn refused(serving: &Serving, parts: &Parts, refusal: &ApiError) -> Response {
    if refusal.status == 401 || refusal.code == "MissingAuthenticationTokenException" {
        let is_look = matches!(parts.method, Method::GET | Method::HEAD);
        let next = parts.uri.path_and_query().filter(|_| is_look);
        let next = next.map_or("/", |next| next.as_str());
        let next = if is_of_ours(next) { next } else { "/" };
        return login_page(serving, &parts.headers, next, None);
    }
    refusal_page(looks(&parts.headers), refusal)
}

/// Whether a browser asks for a page.
pub(crate) fn is_for_page(parts: &Parts) -> bool {
    let accepted = parts.headers.get(header::ACCEPT).and_then(|text| text.to_str().ok());
    !parts.headers.contains_key(header::AUTHORIZATION)
        && accepted.is_some_and(|accepted| accepted.contains("text/html"))
}

fn looks(headers: &HeaderMap) -> Looks {
    let cookies = headers.get_all(header::COOKIE).iter();
    Looks::of_cookies(cookies.filter_map(|text| text.to_str().ok()))
}

/// Whether a path leads to this server and nowhere else.
fn is_of_ours(path: &str) -> bool {
    path.starts_with('/')
        && !path.starts_with("//")
        && !path.contains('\\')
        && path.bytes().all(|byte| byte.is_ascii_graphic())
}

fn elsewhere(path: &str) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    if let Ok(path) = HeaderValue::from_str(path) {
        response.headers_mut().insert(header::LOCATION, path);
    }
    response
}

fn url(serving: &Serving, headers: &HeaderMap) -> String {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    let scheme = if serving.is_encrypted() { "https" } else { "http" };
    format!("{scheme}://{host}")
}

pub(crate) fn short(text: &str) -> String {
    text.chars().filter(char::is_ascii_graphic).take(128).collect()
}

/// Words of others that become a part of a line.
fn line(text: &str) -> String {
    // Neither what controls nor what turns or hides other characters.
    let is_plain = |c: &char| {
        !c.is_control()
            && !matches!(*c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    text.chars().filter(is_plain).take(512).collect()
}

/// The server, as a visitor sees it.
struct Behind {
    serving: Arc<Serving>,
    visitor: Visitor,
    url: String,
}

impl Behind {
    fn caller(&self) -> &Caller {
        &self.visitor.caller
    }
}

/// Writes down what somebody has done by a form, or was not let do.
pub(crate) fn note(caller: &Caller, person: Option<&str>, asked: Option<&Asked>, is_done: bool) {
    let (what, on) = match asked {
        Some(Asked::Operation { name, body }) => {
            let members = ["executionArn", "stateMachineArn", "mapRunArn", "roleArn"];
            let on = members.iter().find_map(|member| body.get(member)?.as_str());
            (*name, on.unwrap_or_default())
        }
        Some(Asked::Parked { arn, is_retry }) => {
            (if *is_retry { "RetryParked" } else { "AbortParked" }, arn.as_str())
        }
        Some(Asked::Fork { body }) => {
            let on = body.get("executionArn").and_then(Json::as_str);
            ("ForkExecution", on.unwrap_or_default())
        }
        None => ("", ""),
    };
    let key = caller.id();
    let who = person.unwrap_or(key);
    tracing::info!(target: "audit", who, key, what, on = %short(on), is_done, "by the console");
}

impl Visit for Behind {
    fn engine(&self) -> &Engine {
        self.serving.api.engine()
    }

    fn functions(&self) -> &Functions {
        &self.serving.functions
    }

    fn printed(&self, request_id: Option<String>) -> Pending<'_, Vec<Printed>> {
        Box::pin(async move {
            let functions = &self.serving.functions;
            printed::of_all_nodes(self.engine(), functions, request_id.as_deref()).await
        })
    }

    fn who(&self) -> Option<&str> {
        match self.caller() {
            Caller::Key { id, .. } => Some(self.visitor.person.as_deref().unwrap_or(id)),
            Caller::Anybody | Caller::Scraper => None,
        }
    }

    fn token(&self) -> Option<&str> {
        self.visitor.token.as_deref()
    }

    fn may(&self, action: &str, resource: &str) -> bool {
        let right = Right { action: action.to_owned().into(), resource: resource.to_owned() };
        self.caller().check(&right).is_ok()
    }

    fn owns(&self, arn: &str) -> bool {
        self.caller().owns(arn)
    }

    fn call(&self, operation: &'static str, body: Json) -> Pending<'_, Result<Json, ApiError>> {
        Box::pin(async move {
            let Serving { api, credentials, .. } = &*self.serving;
            let (engine, scope) = (api.engine(), self.caller().scope());
            let rights =
                Right::operation_with(operation, &body, engine, credentials, scope.as_ref()).await;
            rights.iter().try_for_each(|right| self.caller().check(right))?;
            api.within(scope).call_for(self.caller().principal(), operation, body).await
        })
    }

    fn fork(&self, body: Json) -> Pending<'_, Result<Json, ApiError>> {
        Box::pin(async move {
            let Serving { api, credentials, .. } = &*self.serving;
            let rights = fork::rights(&body, api.engine(), credentials).await;
            rights.iter().try_for_each(|right| self.caller().check(right))?;
            fork::fork(api, self.caller().principal(), &body).await
        })
    }

    fn service(
        &self,
        service: &'static str,
        operation: &'static str,
        input: Json,
    ) -> Pending<'_, Result<Json, String>> {
        Box::pin(async move {
            let services = self.serving.services.as_ref();
            let services = services.ok_or("The local services are switched off.")?;
            self.caller().check_at_home(service).map_err(|error| error.message)?;
            let unknown = || format!("there is no {service}:{operation}");
            let service = table::service(service).map_err(|_| unknown())?;
            let operation = service.operation(operation).ok_or_else(unknown)?;
            let options = self.engine().options();
            let home = Home { region: &options.region, account: &options.account };
            for (action, resource) in rights::needed(service, operation, &input, home) {
                if !self.may(&action, &resource) {
                    let who = self.who().unwrap_or_default().to_owned();
                    return Err(access_denied(&Denied { who, action, resource }).message);
                }
            }
            let caller = stepwright_services::Caller {
                once: None,
                url: self.url.clone(),
                id: self.caller().id().to_owned(),
                principal: self.caller().principal(),
            };
            let called = services.call(service, operation, Message::from(input), &caller).await;
            called.map(|reply| reply.message.value).map_err(|error| error.message)
        })
    }
}
