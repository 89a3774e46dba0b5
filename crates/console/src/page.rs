//! What every page has: its head, the bar at its top, and the headers of its answer.

use crate::fields::link;
use crate::text::{Foreign, visible};
use crate::{Ask, LOGOUT, Visit};
use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use maud::{DOCTYPE, Markup, html};
use stepwright_json::Json;
use stepwright_program::time;
use stepwright_protocol::ApiError;
use stepwright_store::StoreError;

/// How a visitor wants pages to look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Looks {
    /// As the visitor's system.
    #[default]
    System,
    /// Light.
    Light,
    /// Dark.
    Dark,
}

impl Looks {
    /// Reads the headers `Cookie`: `stepwright-looks=dark`.
    pub fn of_cookies<'c>(cookies: impl IntoIterator<Item = &'c str>) -> Self {
        let mut pairs = cookies.into_iter().flat_map(|text| text.split(';'));
        let value = pairs.find_map(|pair| pair.trim().strip_prefix("stepwright-looks="));
        match value {
            Some("dark") => Self::Dark,
            Some("light") => Self::Light,
            _ => Self::System,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }
}

/// Why a page is not shown.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    /// The error's name in the API.
    pub(crate) code: String,
    pub(crate) message: String,
}

pub(crate) type Answer = Result<Response, Refusal>;

impl Refusal {
    pub(crate) fn new(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        Self { status, code: code.to_owned(), message: message.into() }
    }

    pub(crate) fn missing(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "", message)
    }

    /// What a URL lacks.
    pub(crate) fn unclear(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "", message)
    }
}

impl From<ApiError> for Refusal {
    fn from(error: ApiError) -> Self {
        let status = match error.code {
            "StateMachineDoesNotExist"
            | "ExecutionDoesNotExist"
            | "ResourceNotFound"
            | "ActivityDoesNotExist" => StatusCode::NOT_FOUND,
            "AccessDeniedException" => StatusCode::FORBIDDEN,
            _ => StatusCode::from_u16(error.status).unwrap_or(StatusCode::BAD_REQUEST),
        };
        Self { status, code: error.code.to_owned(), message: error.message }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "", error.to_string())
    }
}

/// A page.
pub(crate) struct Page<'p> {
    pub(crate) title: String,
    /// The path of the entry of the bar that it belongs to.
    pub(crate) belongs_to: &'static str,
    /// The path of what says that it has changed.
    pub(crate) live: Option<String>,
    pub(crate) main: Markup,
    pub(crate) visit: &'p dyn Visit,
    pub(crate) looks: Looks,
}

/// The entries of the bar: the path, the name, and the key that leads there after `g`.
const ENTRIES: [(&str, &str, &str); 6] = [
    ("/", "Home", "h"),
    ("/console/executions", "Executions", "e"),
    ("/console/map-runs", "Map runs", "m"),
    ("/console/activities", "Activities", "a"),
    ("/console/functions", "Functions", "f"),
    ("/console/services", "Services", "s"),
];

impl Page<'_> {
    #[expect(clippy::unnecessary_wraps, reason = "it is how a page's function ends")]
    pub(crate) fn answer(self) -> Answer {
        Ok(html_answer(StatusCode::OK, &self.markup()))
    }

    fn markup(&self) -> Markup {
        html! {
            (DOCTYPE)
            html lang="en" data-looks=(self.looks.name()) {
                (head(&self.title))
                body data-live=[self.live.as_deref()] {
                    a class="skip" href="#main" { "Skip to the content" }
                    (self.bar())
                    main id="main" tabindex="-1" { (self.main) }
                    (keys())
                    div id="said" class="unseen" role="status" aria-live="polite" {}
                }
            }
        }
    }

    fn bar(&self) -> Markup {
        html! {
            header class="bar" {
                a class="brand" href="/" { (logo()) "Stepwright" }
                nav aria-label="Pages" {
                    @for (path, name, key) in ENTRIES {
                        a href=(path) data-go=(key) aria-current=[(path == self.belongs_to).then_some("page")] {
                            (name)
                        }
                    }
                }
                form class="find" action="/console/find" role="search" {
                    input type="search" name="q" placeholder="Name, ARN or contents" aria-label="Find by name, ARN or contents" autocomplete="off" spellcheck="false";
                }
                span class="live" id="live" hidden { span class="dot" {} "Live" }
                button type="button" class="plain" id="looks" aria-label="Light or dark" title="Light or dark" {
                    svg viewBox="0 0 16 16" aria-hidden="true" { circle cx="8" cy="8" r="6" fill="none" stroke-width="1.5" {} path class="solid" d="M8 2A6 6 0 0 1 8 14Z" {} }
                }
                button type="button" class="plain" id="help" aria-label="Keys" title="Keys (?)" { "?" }
                @if let Some(who) = self.visit.who() {
                    span class="who" title=(visible(who)) { (Foreign(who)) }
                    @if let Some(token) = self.visit.token() {
                        form method="post" action=(LOGOUT) {
                            input type="hidden" name="token" value=(token);
                            button type="submit" class="plain" { "Log out" }
                        }
                    }
                }
            }
        }
    }
}

fn logo() -> Markup {
    html! {
        svg class="logo" viewBox="0 0 20 20" aria-hidden="true" {
            path d="M3 16V12H8V8H13V4H17" fill="none" stroke-width="2.5" stroke-linejoin="round" stroke-linecap="round" {}
        }
    }
}

pub(crate) fn head(title: &str) -> Markup {
    html! {
        head {
            meta charset="utf-8";
            title { (visible(title)) " · Stepwright" }
            meta name="viewport" content="width=device-width, initial-scale=1";
            meta name="color-scheme" content="light dark";
            link rel="stylesheet" href="/console/console.css";
            link rel="icon" href="/console/icon.svg" type="image/svg+xml";
            link rel="modulepreload" href="/console/base.js";
            link rel="modulepreload" href="/console/data.js";
            link rel="modulepreload" href="/console/drawing.js";
            script type="module" src="/console/console.js" {}
        }
    }
}

/// The list of keys.
fn keys() -> Markup {
    let keys = [
        ("?", "This list"),
        ("/", "Find by name, ARN or contents"),
        (
            "g h, g e, g m, g a, g f, g s",
            "Home, Executions, Map runs, Activities, Functions, Services",
        ),
        ("j, k", "Next and previous row of a list"),
        ("Enter", "Open what is selected"),
        ("↑ ↓ Page Home End", "Move in the history"),
        ("c", "Event: compare others with it"),
        ("r", "History: newest first, or oldest first"),
        ("+ − 0, arrows", "Drawing: larger, smaller, all of it, move"),
        ("t", "Light or dark"),
        ("Esc", "Close"),
    ];
    html! {
        dialog id="keys" aria-labelledby="keys-title" {
            h2 id="keys-title" { "Keys" }
            dl { @for (key, what) in keys { dt { kbd { (key) } } dd { (what) } } }
            form method="dialog" { button { "Close" } }
        }
    }
}

/// A moment, to the millisecond.
pub(crate) fn moment(millis: i64) -> Markup {
    let text = time::format(millis);
    let short = text.trim_end_matches('Z').replace('T', " ");
    html! { time datetime=(text) { (short) } }
}

/// A moment, to the second.
pub(crate) fn when(millis: i64) -> Markup {
    let text = time::format(millis);
    let short = text.get(..19).unwrap_or(&text).replace('T', " ");
    html! { time datetime=(text) title=(text) { (short) } }
}

/// A path to an execution's page.
pub(crate) fn to_execution(arn: &str) -> String {
    link("/console/execution", &[("arn", arn)])
}

/// A path to a machine's page.
pub(crate) fn to_machine(arn: &str) -> String {
    link("/console/machine", &[("arn", arn)])
}

/// Where a page stands: what leads to it, from the outside in.
pub(crate) fn trail(steps: &[(&str, String)], here: &str) -> Markup {
    html! {
        nav class="trail" aria-label="Where this is" {
            ol {
                @for (name, path) in steps { li { a href=(path) { (Foreign(name)) } } }
                li aria-current="page" { (Foreign(here)) }
            }
        }
    }
}

/// A text of several lines, or a long one.
pub(crate) fn block(text: &str) -> Markup {
    html! { pre class="block" tabindex="0" { (visible(text)) } }
}

/// JSON, which the script turns into a tree.
pub(crate) fn tree(text: &str, label: &str) -> Markup {
    html! { sw-json data-label=(label) { pre tabindex="0" aria-label=(label) { (crate::text::json(text)) } } }
}

pub(crate) fn html_answer(status: StatusCode, markup: &Markup) -> Response {
    let mut response = Response::new(Body::from(markup.0.clone()));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("text/html; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

pub(crate) fn json_answer(value: &Json) -> Response {
    let mut response = Response::new(Body::from(value.to_string()));
    let kind = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

/// Sends the browser to another page of the console.
pub(crate) fn elsewhere(path: &str) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    if let Ok(path) = HeaderValue::from_str(path) {
        response.headers_mut().insert(header::LOCATION, path);
    }
    response
}

pub(crate) fn refused(visit: &dyn Visit, ask: &Ask, refusal: &Refusal) -> Response {
    let Refusal { status, code, message } = refusal;
    let main = refusal_text(*status, code, message);
    let page = Page {
        title: "Not shown".to_owned(),
        belongs_to: "",
        live: None,
        main,
        visit,
        looks: ask.looks,
    };
    html_answer(*status, &page.markup())
}

fn refusal_text(status: StatusCode, code: &str, message: &str) -> Markup {
    let title = match status {
        StatusCode::NOT_FOUND => "There is no such thing here",
        StatusCode::FORBIDDEN => "You may not do that",
        _ => "That did not work",
    };
    html! {
        section class="narrow" {
            h1 { (title) }
            @if !code.is_empty() { p class="dim" { (code) } }
            (block(message))
            p { a href="/" { "Home" } }
        }
    }
}

/// The page that a browser gets instead of one that its user may not see.
pub fn refusal_page(looks: Looks, error: &ApiError) -> Response {
    let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::FORBIDDEN);
    let markup = html! {
        (DOCTYPE)
        html lang="en" data-looks=(looks.name()) {
            (head("Not shown"))
            body { main id="main" { (refusal_text(status, error.code, &error.message)) } }
        }
    };
    sealed(html_answer(status, &markup))
}

/// What a page may load, run and be shown in: its own, and nothing else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                      connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Adds the headers that every answer of the console has.
pub fn sealed(mut response: Response) -> Response {
    let headers = response.headers_mut();
    let mut set = |name: HeaderName, value: &'static str| {
        headers.insert(name, HeaderValue::from_static(value));
    };
    set(header::CONTENT_SECURITY_POLICY, POLICY);
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::X_FRAME_OPTIONS, "DENY");
    set(header::REFERRER_POLICY, "same-origin");
    set(HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    set(HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}
