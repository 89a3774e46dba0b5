//! The console behind the door: its pages see the server through the eyes of whoever visits them.

use crate::door::{Caller, Right, Visitor, access_denied, set_cookie};
use crate::fork;
use crate::http::{Serving, Shared};
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
    Ask, Asked, Fields, Looks, Pending, ROUTES, View, Visit, login_page, refusal_page, sealed,
};
use stepwright_engine::{Denied, Engine};
use stepwright_functions::Functions;
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
        behind.note(response.status());
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
        return login_page(looks(&parts.headers), next, true);
    }
    let mut response = elsewhere(next);
    if known.is_some() {
        tracing::info!(target: "audit", key = %short(id), "logged in");
        let now = serving.api.engine().now();
        let cookie = serving.sessions.begin(id, now.0);
        let cookie = set_cookie(&parts.headers, Some(&cookie), serving.is_encrypted());
        if let Ok(cookie) = HeaderValue::from_str(&cookie) {
            response.headers_mut().insert(header::SET_COOKIE, cookie);
        }
    }
    sealed(response)
}

/// Logs a browser out.
pub(crate) async fn logout(State(serving): Shared, headers: HeaderMap) -> Response {
    serving.sessions.end(&headers);
    let mut response = elsewhere("/");
    let cookie = set_cookie(&headers, None, serving.is_encrypted());
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    sealed(response)
}

/// The page that a browser gets in place of a refusal: a login, or what is wrong in words.
pub(crate) fn refused(parts: &Parts, refusal: &ApiError) -> Response {
    if refusal.status == 401 || refusal.code == "MissingAuthenticationTokenException" {
        let is_look = matches!(parts.method, Method::GET | Method::HEAD);
        let next = parts.uri.path_and_query().filter(|_| is_look);
        let next = next.map_or("/", |next| next.as_str());
        return login_page(looks(&parts.headers), if is_of_ours(next) { next } else { "/" }, false);
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

fn short(text: &str) -> String {
    text.chars().filter(char::is_ascii_graphic).take(128).collect()
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

    /// Writes down what a visitor has done, or was not let do.
    fn note(&self, status: StatusCode) {
        let (what, on) = match &self.visitor.asked {
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
        let (who, is_done) = (self.caller().id(), status.is_success() || status.is_redirection());
        tracing::info!(target: "audit", who, what, on = %short(on), is_done, "by the console");
    }
}

impl Visit for Behind {
    fn engine(&self) -> &Engine {
        self.serving.api.engine()
    }

    fn functions(&self) -> &Functions {
        &self.serving.functions
    }

    fn who(&self) -> Option<&str> {
        match self.caller() {
            Caller::Key { id, .. } => Some(id),
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

    fn call(&self, operation: &'static str, body: Json) -> Pending<'_, Result<Json, ApiError>> {
        Box::pin(async move {
            let Serving { api, credentials, .. } = &*self.serving;
            let rights = Right::operation_with(operation, &body, api.engine(), credentials).await;
            rights.iter().try_for_each(|right| self.caller().check(right))?;
            api.call_for(self.caller().principal(), operation, body).await
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
