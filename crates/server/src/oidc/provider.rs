//! The identity provider: where it is reached, its keys, and what it is asked.
//!
//! Source: [OpenID Connect Discovery 1.0](https://openid.net/specs/openid-connect-discovery-1_0.html).

use super::Failed;
use super::begun::Begun;
use crate::config::OidcConfig;
use reqwest::{RequestBuilder, Url, redirect};
use std::sync::Arc;
use std::time::{Duration, Instant};
use stepwright_json::{Json, parse_bytes};
use tokio::sync::Mutex;

/// The time limit of a request.
const TIME_LIMIT: Duration = Duration::from_secs(10);

/// The largest answer that is read.
const MOST_BYTES: usize = 1 << 20;

/// How long what the provider says of itself is used.
const LASTS: Duration = Duration::from_secs(3_600);

/// How long it is not asked again after it could not be reached.
const FAILED_LASTS: Duration = Duration::from_secs(5);

/// How often it is asked anew, at most: a token can name any key.
const NOT_AGAIN: Duration = Duration::from_secs(60);

/// What the provider says of itself.
#[derive(Debug)]
pub(crate) struct Provider {
    /// What it calls itself in tokens.
    pub(crate) issuer: String,
    /// Where browsers log in.
    pub(crate) authorization: Url,
    token: Url,
    user_info: Option<Url>,
    /// Whether the client's secret is sent in the form, because it cannot be sent in a header.
    secret_in_form: bool,
    /// The keys that it signs with, as JSON Web Keys.
    pub(crate) keys: Vec<Json>,
}

/// What the provider has given for a code.
pub(crate) struct Tokens {
    pub(crate) id: String,
    access: Option<String>,
}

/// Asks the provider, and remembers what it says of itself.
pub(crate) struct Source {
    client: reqwest::Client,
    config: OidcConfig,
    known: Mutex<Option<Known>>,
}

/// What was answered last, and when.
type Known = (Instant, Result<Arc<Provider>, Failed>);

/// Whether an address is encrypted, or on this machine.
pub(crate) fn may_be_trusted(url: &Url) -> bool {
    let is_here = match url.host_str() {
        Some("localhost" | "[::1]") => true,
        Some(host) => host.parse::<std::net::Ipv4Addr>().is_ok_and(|address| address.is_loopback()),
        None => false,
    };
    url.scheme() == "https" || (url.scheme() == "http" && is_here)
}

impl Source {
    pub(crate) fn new(config: &OidcConfig) -> Result<Self, reqwest::Error> {
        // Who is redirected elsewhere would give the code, or the secret, to somebody else.
        let client =
            reqwest::Client::builder().timeout(TIME_LIMIT).redirect(redirect::Policy::none());
        Ok(Self { client: client.build()?, config: config.clone(), known: Mutex::default() })
    }

    /// What the provider says of itself.
    pub(crate) async fn get(&self) -> Result<Arc<Provider>, Failed> {
        self.younger_than(LASTS).await
    }

    /// What it says of itself now.
    pub(crate) async fn get_anew(&self) -> Result<Arc<Provider>, Failed> {
        self.younger_than(NOT_AGAIN).await
    }

    async fn younger_than(&self, age: Duration) -> Result<Arc<Provider>, Failed> {
        let mut known = self.known.lock().await;
        // Whoever has waited while another one was told that it does not answer is told so, too.
        if let Some((since, told)) = &*known
            && since.elapsed() < if told.is_ok() { age } else { FAILED_LASTS }
        {
            return told.clone();
        }
        let told = self.discover().await.map(Arc::new);
        // What is known already is better than nothing.
        if let (Err(_), Some((_, Ok(_)))) = (&told, &*known) {
            return told;
        }
        *known = Some((Instant::now(), told.clone()));
        told
    }

    async fn discover(&self) -> Result<Provider, Failed> {
        let base = self.config.issuer.trim_end_matches('/');
        let url = format!("{base}/.well-known/openid-configuration");
        let about = fetch(self.client.get(&url)).await?;
        let text = |member: &str| about.get(member).and_then(Json::as_str);
        // Another issuer's tokens must not be taken for this one's.
        let issuer = text("issuer").unwrap_or_default();
        if issuer.trim_end_matches('/') != base {
            return Err(Failed::provider(format!("{url} is about the issuer `{issuer}`")));
        }
        let address = |member: &str| {
            let url = text(member).and_then(|url| Url::parse(url).ok()).filter(may_be_trusted);
            url.ok_or_else(|| {
                Failed::provider(format!("{base} has no `{member}` that is an encrypted address"))
            })
        };
        let keys = fetch(self.client.get(address("jwks_uri")?)).await?;
        let keys = keys.get("keys").and_then(Json::as_array);
        let methods = about.get("token_endpoint_auth_methods_supported").and_then(Json::as_array);
        let knows = |method: &str| {
            methods.is_none_or(|all| all.iter().any(|one| one.as_str() == Some(method)))
        };
        Ok(Provider {
            issuer: issuer.to_owned(),
            authorization: address("authorization_endpoint")?,
            token: address("token_endpoint")?,
            user_info: address("userinfo_endpoint").ok(),
            secret_in_form: !knows("client_secret_basic") && knows("client_secret_post"),
            keys: keys.map(|keys| keys.iter().cloned().collect()).unwrap_or_default(),
        })
    }

    /// Exchanges the code that a browser has brought.
    pub(crate) async fn exchange(
        &self,
        provider: &Provider,
        code: &str,
        begun: &Begun,
    ) -> Result<Tokens, Failed> {
        let OidcConfig { client_id, client_secret, .. } = &self.config;
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &begun.redirect),
            ("code_verifier", &begun.verifier),
        ];
        let mut request = self.client.post(provider.token.clone());
        match client_secret {
            Some(secret) if !provider.secret_in_form => {
                // RFC 6749, section 2.3.1: both are encoded as in a form before they are joined.
                request = request.basic_auth(encoded(client_id), Some(encoded(secret)));
            }
            Some(secret) => form.extend([("client_id", &**client_id), ("client_secret", secret)]),
            None => form.push(("client_id", client_id)),
        }
        let mut body = Url::parse("form:").expect("it is a URL");
        body.query_pairs_mut().extend_pairs(form);
        let body = body.query().unwrap_or_default().to_owned();
        let form = "application/x-www-form-urlencoded";
        let answer = fetch(request.header("content-type", form).body(body)).await?;
        let text = |member: &str| answer.get(member).and_then(Json::as_str).map(str::to_owned);
        let id = text("id_token").ok_or_else(|| Failed::provider("there is no ID token"))?;
        Ok(Tokens { id, access: text("access_token") })
    }

    /// Adds the claims that the provider gives only to whoever asks for them.
    pub(crate) async fn complete(
        &self,
        provider: &Provider,
        tokens: &Tokens,
        claims: &mut Json,
    ) -> Result<(), Failed> {
        let (Some(url), Some(access)) = (&provider.user_info, &tokens.access) else {
            return Ok(());
        };
        let more = fetch(self.client.get(url.clone()).bearer_auth(access)).await?;
        if more.get("sub") != claims.get("sub") {
            return Err(Failed::provider("what it says of the person is about somebody else"));
        }
        let Some(known) = claims.as_object() else { return Ok(()) };
        let mut all = known.clone();
        for (claim, value) in more.as_object().into_iter().flat_map(|more| more.iter()) {
            all.get_or_insert_with(claim, || value.clone());
        }
        *claims = Json::from(all);
        Ok(())
    }
}

/// A text as it stands in a form.
fn encoded(text: &str) -> String {
    let mut url = Url::parse("form:").expect("it is a URL");
    url.query_pairs_mut().append_key_only(text);
    url.query().unwrap_or_default().to_owned()
}

/// The JSON that answers a request.
async fn fetch(request: RequestBuilder) -> Result<Json, Failed> {
    let gone = |error: reqwest::Error| {
        let mut why = error.to_string();
        let mut source = std::error::Error::source(&error);
        while let Some(error) = source {
            why = format!("{why}: {error}");
            source = error.source();
        }
        Failed::new("The identity provider cannot be reached. The server's log says why.", why)
    };
    let request = request.header("accept", "application/json");
    let mut response = request.send().await.map_err(gone)?;
    let (status, url) = (response.status(), response.url().clone());
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(gone)? {
        if bytes.len() + chunk.len() > MOST_BYTES {
            return Err(Failed::provider(format!("{url} answers more than {MOST_BYTES} bytes")));
        }
        bytes.extend_from_slice(&chunk);
    }
    let answer = parse_bytes(&bytes).ok();
    if !status.is_success() {
        let text = |member: &str| answer.as_ref()?.get(member)?.as_str().map(str::to_owned);
        let error = [text("error"), text("error_description")].into_iter().flatten();
        let error: Vec<String> = error.collect();
        return Err(Failed::provider(format!("{url} answers {status}: {}", error.join(": "))));
    }
    answer.ok_or_else(|| Failed::provider(format!("{url} answers no JSON")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_is_encrypted_or_here() {
        for (url, may_be) in [
            ("https://login.example.com/realm", true),
            ("http://login.example.com", false),
            ("http://127.0.0.1:8080", true),
            ("http://[::1]:8080", true),
            ("http://localhost:8080", true),
            ("http://localhost.example.com", false),
            ("file:///etc/passwd", false),
        ] {
            assert_eq!(may_be_trusted(&Url::parse(url).expect("a URL")), may_be, "{url}");
        }
    }

    #[test]
    fn a_secret_is_encoded_as_in_a_form() {
        assert_eq!(encoded("a b:c+d%é"), "a+b%3Ac%2Bd%25%C3%A9");
    }
}
