//! One exchange over HTTP: a request is sent, a response is read, and both can be shown.

use super::guard::refusal;
use crate::services::{Trouble, chain, exchange};
use reqwest::Url;
use reqwest::header::{HeaderName, HeaderValue};
use std::time::Duration;
use stepwright_aws::codec::Response;
use stepwright_json::{Json, Object, json};

/// A request.
#[derive(Clone)]
pub(crate) struct Exchange {
    pub(crate) method: String,
    pub(crate) url: Url,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Option<Vec<u8>>,
}

/// Why there is no response.
pub(crate) enum Unanswered {
    /// The request cannot be sent as it is.
    Unsendable(String),
    /// The host must not be called, cannot be reached, does not answer, or answers no HTTP.
    Unreachable(String),
    /// The response is larger than it may be.
    TooLarge(String),
}

impl Unanswered {
    pub(crate) fn text(&self) -> &str {
        let (Self::Unsendable(text) | Self::Unreachable(text) | Self::TooLarge(text)) = self;
        text
    }
}

/// Sends a request and reads the response, within a time and up to a number of bytes. Without a
/// client, for the reason that there is none, the host must not be called.
pub(crate) async fn send(
    client: Result<reqwest::Client, String>,
    request: &Exchange,
    limit: Duration,
    most: usize,
) -> Result<Response, Unanswered> {
    let client = client.map_err(Unanswered::Unreachable)?;
    let outgoing = request.outgoing().map_err(Unanswered::Unsendable)?;
    exchange(&client, outgoing, limit, most).await.map_err(|trouble| match trouble {
        Trouble::Failed { host, error } => {
            Unanswered::Unreachable(refusal(&error).unwrap_or_else(|| chain(&host, &error)))
        }
        Trouble::TimedOut(why) => Unanswered::Unreachable(why),
        Trouble::TooLarge(why) => Unanswered::TooLarge(why),
    })
}

/// The longest URL that the client takes.
const LONGEST_URL: usize = 65_534;

impl Exchange {
    /// The request as the client takes it. An error names a header, but not its value.
    pub(crate) fn outgoing(&self) -> Result<reqwest::Request, String> {
        let method = reqwest::Method::from_bytes(self.method.as_bytes())
            .map_err(|_| format!("'{}' is no method of HTTP", self.method))?;
        if self.url.as_str().len() > LONGEST_URL {
            return Err(format!("The URL is longer than {LONGEST_URL} bytes"));
        }
        let mut outgoing = reqwest::Request::new(method, self.url.clone());
        for (name, value) in &self.headers {
            let header = HeaderName::try_from(name)
                .map_err(|_| format!("'{name}' is no name of a header"))?;
            let mut value = HeaderValue::try_from(value).map_err(|_| {
                format!(
                    "The header '{name}' cannot be sent: its value has a line break or another \
                     control character in it"
                )
            })?;
            value.set_sensitive(true);
            outgoing.headers_mut().append(header, value);
        }
        if let Some(body) = &self.body {
            *outgoing.body_mut() = Some(body.clone().into());
        }
        Ok(outgoing)
    }

    /// The request as `TestState` shows it.
    pub(crate) fn to_json(&self) -> Json {
        let mut shown = Object::new();
        shown.insert("protocol", self.url.scheme().into());
        shown.insert("method", self.method.as_str().into());
        shown.insert("url", self.url.as_str().into());
        shown.insert("headers", listed(&self.headers).into());
        if let Some(body) = &self.body {
            shown.insert("body", String::from_utf8_lossy(body).into_owned().into());
        }
        shown.into()
    }
}

/// A response as `TestState` shows it.
pub(crate) fn response_to_json(url: &Url, response: &Response) -> Json {
    json!({
        "protocol": (url.scheme()),
        "statusCode": (response.status.to_string()),
        "statusMessage": (status_text(response.status)),
        "headers": (listed(&response.headers)),
        "body": (String::from_utf8_lossy(&response.body).into_owned())
    })
}

fn listed(headers: &[(String, String)]) -> String {
    let lines: Vec<String> =
        headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    format!("[{}]", lines.join(", "))
}

/// What stands behind the number of a status. AWS has nothing for 418.
pub(crate) fn status_text(status: u16) -> &'static str {
    match status {
        418 => "",
        _ => reqwest::StatusCode::from_u16(status)
            .ok()
            .and_then(|status| status.canonical_reason())
            .unwrap_or_default(),
    }
}

/// The result of a task: the response with its body as JSON if it says that it is.
pub(crate) fn result(response: &Response, body: Option<Json>, headers: Object) -> Json {
    let mut result = Object::new();
    result.insert("Headers", headers.into());
    if let Some(body) = body {
        result.insert("ResponseBody", body);
    }
    result.insert("StatusCode", Json::Int(response.status.into()));
    result.insert("StatusText", status_text(response.status).into());
    result.into()
}

/// The headers of a response, each with its values.
pub(crate) fn grouped<'h>(headers: impl Iterator<Item = (&'h str, &'h str)>) -> Object {
    let mut grouped = Object::new();
    for (name, value) in headers {
        let values =
            grouped.get_or_insert_with(name, || Json::Array(stepwright_json::Array::new()));
        if let Json::Array(values) = values {
            values.push(value.into());
        }
    }
    grouped
}

/// The longest cause that AWS takes, in bytes.
const LONGEST_CAUSE: usize = 32_768;

/// The body of a response as the cause of a failure.
pub(crate) fn cause(response: &Response) -> String {
    let mut cause = String::from_utf8_lossy(&response.body).into_owned();
    cause.truncate(cause.floor_char_boundary(LONGEST_CAUSE));
    cause
}

/// The body of a response: JSON, or text. `None` if there is none; an error if it is no text.
pub(crate) fn body(response: &Response) -> Result<Option<Json>, String> {
    let media = response.header("content-type").unwrap_or_default();
    let mut parts = media.split(';').map(str::trim);
    let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
    let is_binary = kind == "application/octet-stream"
        || ["image/", "video/", "audio/"].iter().any(|one| kind.starts_with(one));
    if is_binary {
        return Err(format!(
            "Unsupported response content-type '{kind}'. Please see documentation for list of \
             unsupported content-types."
        ));
    }
    if response.body.is_empty() {
        return Ok(None);
    }
    let charset = parts.find_map(|part| {
        let (name, value) = part.split_once('=')?;
        name.eq_ignore_ascii_case("charset").then(|| value.trim_matches('"').to_ascii_lowercase())
    });
    let is_latin = matches!(charset.as_deref(), Some("iso-8859-1" | "latin1" | "us-ascii"));
    let text = match String::from_utf8(response.body.clone()) {
        Ok(text) => text,
        Err(bytes) if is_latin => bytes.as_bytes().iter().copied().map(char::from).collect(),
        Err(_) => return Err("The response cannot be read as a text".to_owned()),
    };
    let is_json = kind == "application/json" || kind.ends_with("+json");
    let parsed = is_json.then(|| stepwright_json::parse(&text).ok()).flatten();
    Ok(Some(parsed.unwrap_or_else(|| text.into())))
}
