//! Tokens of OAuth's grant `client_credentials`: fetched when they are needed, kept until shortly
//! before they end, and given up when an API refuses them.

use super::connection::{Connection, OAuthConfig};
use super::exchange::{Exchange, send};
use super::guard::Clients;
use super::unauthorized;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Url;
use std::time::{Duration, Instant};
use stepwright_aws::http::{ArrayFormat, form};
use stepwright_history::Failure;
use stepwright_json::{Json, Object};
use tokio::sync::Mutex;

/// The token of a connection.
#[derive(Default)]
pub(crate) struct Token {
    kept: Mutex<Option<Kept>>,
}

struct Kept {
    token: String,
    /// `None` for a token that does not say when it ends.
    until: Option<Instant>,
}

/// How long before its end a token is fetched anew, as `EventBridge` does.
const BEFORE: Duration = Duration::from_mins(1);

/// The largest answer with a token.
const MOST: usize = 1 << 20;

impl Token {
    /// The token, fetched if there is none. Calls that need it at the same time wait for a single
    /// request.
    pub(crate) async fn get(
        &self,
        connection: &Connection,
        oauth: &OAuthConfig,
        clients: &Clients,
        limit: Duration,
    ) -> Result<String, Failure> {
        let mut kept = self.kept.lock().await;
        if let Some(found) = &*kept
            && found.until.is_none_or(|until| until > Instant::now() + BEFORE)
        {
            return Ok(found.token.clone());
        }
        let refused = |why: String| unauthorized(&connection.name, &why);
        let begun = Instant::now();
        let exchange = request(connection, oauth).map_err(refused)?;
        let answer = send(clients.of(&exchange.url), &exchange, limit, MOST)
            .await
            .map_err(|trouble| refused(format!("the token was not given: {}", trouble.text())))?;
        if !(200..300).contains(&answer.status) {
            // What the answer says is not shown, because it may repeat what it was asked.
            return Err(refused(format!(
                "the request for a token was answered with {}",
                answer.status
            )));
        }
        let given = std::str::from_utf8(&answer.body)
            .ok()
            .and_then(|text| stepwright_json::parse(text).ok());
        let given = given.unwrap_or_default();
        let Some(token) =
            given.get("access_token").and_then(Json::as_str).filter(|it| !it.is_empty())
        else {
            return Err(refused("the answer has no `access_token`".to_owned()));
        };
        let seconds = given.get("expires_in").and_then(|seconds| match seconds {
            Json::String(text) => text.parse().ok(),
            seconds => seconds.as_f64(),
        });
        let lives = seconds.filter(|seconds| seconds.is_finite());
        let lives = lives.map(|seconds| Duration::from_secs_f64(seconds.clamp(0.0, 1e9)));
        let token = token.to_owned();
        *kept = Some(Kept { token: token.clone(), until: lives.map(|lives| begun + lives) });
        Ok(token)
    }

    /// Gives up a token that an API has refused; the next call fetches another one.
    pub(crate) async fn forget(&self, refused: &str) {
        let mut kept = self.kept.lock().await;
        if kept.as_ref().is_some_and(|found| found.token == refused) {
            *kept = None;
        }
    }
}

/// The request for a token: a form with the client in the header, as RFC 6749 recommends.
fn request(connection: &Connection, oauth: &OAuthConfig) -> Result<Exchange, String> {
    let client = connection.text(&oauth.client_id)?;
    let secret = connection.text(&oauth.client_secret)?;
    let body = connection.texts(&oauth.body)?;
    let mut headers = connection.texts(&oauth.headers)?;
    let has = |name: &str| headers.iter().any(|(own, _)| own.eq_ignore_ascii_case(name));
    // Whoever puts the secret into the form does not want it twice.
    let is_in_form = body.iter().any(|(name, _)| name == "client_secret");
    if !has("authorization") && !is_in_form {
        let both = STANDARD.encode(format!("{client}:{secret}"));
        headers.push(("Authorization".to_owned(), format!("Basic {both}")));
    }
    headers.push(("Accept".to_owned(), "application/json".to_owned()));
    let mut members: Object =
        [("grant_type", Json::from("client_credentials"))].into_iter().collect();
    for (name, value) in body {
        members.insert(name, value.into());
    }
    let text = form(&members.into(), ArrayFormat::Indices).ok_or("the form is too large")?;
    let mut url =
        Url::parse(&oauth.endpoint).map_err(|error| format!("its endpoint is no URL: {error}"))?;
    for (name, value) in connection.texts(&oauth.query)? {
        url.query_pairs_mut().append_pair(&name, &value);
    }
    let method = oauth.method.as_deref().unwrap_or("POST");
    let body = if method == "GET" {
        let query = url.query().map_or_else(|| text.clone(), |query| format!("{query}&{text}"));
        url.set_query(Some(&query));
        None
    } else {
        headers.push(("Content-Type".to_owned(), "application/x-www-form-urlencoded".to_owned()));
        Some(text.into_bytes())
    };
    Ok(Exchange { method: method.to_owned(), url, headers, body })
}
