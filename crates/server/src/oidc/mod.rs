//! Logins of the console with an identity provider, by OpenID Connect.
//!
//! A browser is sent to the provider with a `state`, a `nonce` and the hash of a verifier that only this
//! server knows, and comes back with a code. The server exchanges the code for an ID token, checks the
//! token's signature and claims, and looks up whose rights the person has: those of the key that the
//! first fitting `[[oidc.grant]]` names.
//!
//! Source: [OpenID Connect Core 1.0](https://openid.net/specs/openid-connect-core-1_0.html), section 3.1
//! (the code flow), and [RFC 7636](https://www.rfc-editor.org/rfc/rfc7636) (PKCE).

mod begun;
mod id_token;
mod provider;

pub(crate) use begun::LASTS;

use crate::config::{OidcConfig, OidcGrant};
use crate::door::{Credentials, matches};
use begun::Logins;
use parking_lot::RwLock;
use provider::{Provider, Source};
use reqwest::Url;
use stepwright_json::Json;

/// The logins with one identity provider.
pub(crate) struct Oidc {
    config: OidcConfig,
    /// Who has whose rights now: it can be replaced while the server runs.
    grants: RwLock<Vec<OidcGrant>>,
    source: Source,
    logins: Logins,
}

impl std::fmt::Debug for Oidc {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Oidc").field("issuer", &self.config.issuer).finish_non_exhaustive()
    }
}

/// Why `[oidc]` cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OidcError {
    /// Without keys there is nothing to log in to.
    #[error(
        "`[oidc]` needs `[[credentials]]`: without a key, the console has no login, and a grant names a key"
    )]
    NoCredentials,
    /// The issuer is no address that can be trusted.
    #[error(
        "`issuer` in `[oidc]` is `{0}`, which is no URL that begins with `https://` (on this machine, `http://` will do)"
    )]
    Issuer(String),
    /// The address that browsers come back to is none.
    #[error(
        "`redirect_uri` in `[oidc]` is `{0}`, which is no URL that begins with `https://` and ends with `/console/login/oidc/callback`"
    )]
    Redirect(String),
    /// Nobody could log in.
    #[error("`[oidc]` has no `[[oidc.grant]]`, so that nobody could log in")]
    NoGrant,
    /// A name cannot be one.
    #[error("`client_id` and `scopes` in `[oidc]` are words without spaces; `{0}` is none")]
    Empty(String),
    /// A grant asks for nothing.
    #[error("a `[[oidc.grant]]` has no `claim` or no `value`; `*` stands for any value")]
    EmptyGrant,
    /// A grant names a key that there is not.
    #[error("a `[[oidc.grant]]` names the key `{0}`, which is not in `[[credentials]]`")]
    Key(String),
    /// The client that calls the provider cannot be built.
    #[error("the identity provider cannot be called")]
    Client(#[from] reqwest::Error),
}

/// Somebody who has logged in with the provider.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    /// What they are called: their verified e-mail address, their name at the provider, or their number.
    pub(crate) name: String,
    /// The provider's own name for them, which never changes.
    pub(crate) subject: String,
    /// The access key id whose rights they have.
    pub(crate) key: String,
    /// The path that they wanted to see.
    pub(crate) next: String,
}

/// Why a login has failed: in words for whoever wants to log in, and in words for the log.
#[derive(Clone, Debug)]
pub(crate) struct Failed {
    pub(crate) said: String,
    pub(crate) why: String,
}

impl Failed {
    fn new(said: impl Into<String>, why: impl Into<String>) -> Self {
        Self { said: said.into(), why: why.into() }
    }

    /// What the provider has answered cannot be trusted or understood.
    fn provider(why: impl Into<String>) -> Self {
        Self::new("The identity provider's answer cannot be used. The server's log says why.", why)
    }
}

impl Oidc {
    /// Checks the configuration. The provider is called when somebody logs in.
    pub(crate) fn new(config: OidcConfig, credentials: &Credentials) -> Result<Self, OidcError> {
        if credentials.is_empty() {
            return Err(OidcError::NoCredentials);
        }
        check_grants(&config, credentials)?;
        let is_empty = |text: &str| text.is_empty() || text.contains(char::is_whitespace);
        let texts = std::iter::once(&config.client_id).chain(&config.scopes);
        if let Some(empty) = texts.into_iter().find(|text| is_empty(text)) {
            return Err(OidcError::Empty(empty.clone()));
        }
        let is_plain = |url: &Url| url.query().is_none() && url.fragment().is_none();
        let issuer = Url::parse(&config.issuer).ok();
        let issuer = issuer.filter(provider::may_be_trusted).filter(is_plain);
        if issuer.is_none() {
            return Err(OidcError::Issuer(config.issuer));
        }
        if let Some(uri) = &config.redirect_uri {
            let parsed = Url::parse(uri).ok();
            let is_ours = |url: &Url| {
                provider::may_be_trusted(url)
                    && url.path().ends_with(stepwright_console::OIDC_CALLBACK)
            };
            if !parsed.as_ref().is_some_and(is_ours) {
                return Err(OidcError::Redirect(uri.clone()));
            }
        }
        let source = Source::new(&config)?;
        let grants = RwLock::new(config.grants.clone());
        Ok(Self { config, grants, source, logins: Logins::default() })
    }

    /// Takes over the grants of a new configuration. Returns whether they are others than before.
    pub(crate) fn replace_grants(&self, config: &OidcConfig) -> bool {
        let mut grants = self.grants.write();
        let is_changed = *grants != config.grants;
        grants.clone_from(&config.grants);
        is_changed
    }

    /// Whether a configuration differs in its grants only.
    pub(crate) fn is_of(&self, config: &OidcConfig) -> bool {
        OidcConfig { grants: Vec::new(), ..config.clone() }
            == OidcConfig { grants: Vec::new(), ..self.config.clone() }
    }

    /// What the button of the login is called.
    pub(crate) fn name(&self) -> String {
        let host = || Url::parse(&self.config.issuer).ok()?.host_str().map(str::to_owned);
        self.config.name.clone().or_else(host).unwrap_or_default()
    }

    /// Where a browser is to go to log in. `browser` is what its cookie holds, `url` where it reaches this
    /// server.
    pub(crate) async fn begin(
        &self,
        browser: &str,
        url: &str,
        next: &str,
        now: i64,
    ) -> Result<Url, Failed> {
        let provider = self.source.get().await?;
        let begun = self.logins.begin(browser, &self.redirect(url), next, now);
        let mut to = provider.authorization.clone();
        to.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.config.client_id)
            .append_pair("redirect_uri", &begun.redirect)
            .append_pair("scope", &self.scope())
            .append_pair("nonce", &begun.nonce)
            .append_pair("code_challenge", &begun.challenge())
            .append_pair("code_challenge_method", "S256")
            .append_pair("state", &begun.state);
        Ok(to)
    }

    /// Asks the provider who it is that comes back, and looks up whose rights they have.
    pub(crate) async fn finish(
        &self,
        browser: &str,
        url: &str,
        state: &str,
        code: Result<&str, String>,
        now: i64,
    ) -> Result<Person, Failed> {
        let begun = self.logins.take(browser, &self.redirect(url), state, now).ok_or_else(|| {
            Failed::new(
                "This login did not begin in this browser, or took longer than ten minutes. Please begin again.",
                "the state is unknown",
            )
        })?;
        let code = code.map_err(|error| {
            Failed::new(
                format!("The identity provider has refused the login: {error}."),
                format!("the provider says: {error}"),
            )
        })?;
        let provider = self.source.get().await?;
        let tokens = self.source.exchange(&provider, code, &begun).await?;
        let mut claims = self.verified(&provider, &tokens.id, &begun.nonce, now).await?;
        let lacks = |grant: &OidcGrant| {
            let claim = if grant.claim == "email" { VERIFIED } else { &grant.claim };
            claims.get(&grant.claim).is_none() || claims.get(claim).is_none()
        };
        let grants = self.grants.read().clone();
        if grants.iter().any(lacks) {
            self.source.complete(&provider, &tokens, &mut claims).await?;
        }
        let text = |claim: &str| claims.get(claim).and_then(Json::as_str);
        let subject = text("sub").unwrap_or_default().to_owned();
        let email = text("email").filter(|_| is_verified(&claims));
        let name = email.or_else(|| text("preferred_username")).or_else(|| text("name"));
        let name = name.unwrap_or(&subject).to_owned();
        let fitting = grants.iter().find(|grant| fits(grant, &claims));
        let Some(grant) = fitting else {
            let why = format!("no grant fits {name}, whose number is {subject}");
            let said = format!(
                "The identity provider knows you as {name}, but no [[oidc.grant]] of this server fits you. \
                 Ask whoever runs it."
            );
            return Err(Failed::new(said, why));
        };
        Ok(Person { name, subject, key: grant.key.clone(), next: begun.next })
    }

    /// The claims of an ID token whose signature and contents are right. The provider may have changed its
    /// keys since they were read.
    async fn verified(
        &self,
        provider: &Provider,
        token: &str,
        nonce: &str,
        now: i64,
    ) -> Result<Json, Failed> {
        let claims = match id_token::signed(token, &provider.keys) {
            Err(id_token::Wrong::UnknownKey) => {
                let provider = self.source.get_anew().await?;
                id_token::signed(token, &provider.keys)
            }
            known => known,
        };
        let expected = id_token::Expected {
            issuer: &provider.issuer,
            client: &self.config.client_id,
            nonce,
            now,
        };
        claims
            .and_then(|claims| expected.check(&claims).map(|()| claims))
            .map_err(|wrong| Failed::provider(format!("the ID token cannot be used: {wrong}")))
    }

    /// The address that the provider sends browsers back to.
    fn redirect(&self, url: &str) -> String {
        let seen = || format!("{url}{}", stepwright_console::OIDC_CALLBACK);
        self.config.redirect_uri.clone().unwrap_or_else(seen)
    }

    fn scope(&self) -> String {
        let mut scopes: Vec<&str> = self.config.scopes.iter().map(String::as_str).collect();
        if !scopes.contains(&"openid") {
            scopes.insert(0, "openid");
        }
        scopes.join(" ")
    }
}

/// The claim that says whether the provider has verified an e-mail address.
const VERIFIED: &str = "email_verified";

/// Whether the grants of a configuration can be used with these keys.
pub(crate) fn check_grants(
    config: &OidcConfig,
    credentials: &Credentials,
) -> Result<(), OidcError> {
    if config.grants.is_empty() {
        return Err(OidcError::NoGrant);
    }
    for OidcGrant { claim, value, key } in &config.grants {
        if claim.is_empty() || value.is_empty() {
            return Err(OidcError::EmptyGrant);
        }
        if credentials.key(key).is_none() {
            return Err(OidcError::Key(key.clone()));
        }
    }
    Ok(())
}

/// Whether a person has what a grant asks for. An e-mail address counts only if the provider has verified
/// it: otherwise people could give themselves any.
fn fits(grant: &OidcGrant, claims: &Json) -> bool {
    if grant.claim == "email" && !is_verified(claims) {
        return false;
    }
    let is_it = |value: &Json| match value {
        Json::String(text) => matches(&grant.value, text, u8::eq),
        Json::Bool(is_so) => grant.value == if *is_so { "true" } else { "false" },
        _ => false,
    };
    match claims.get(&grant.claim) {
        Some(Json::Array(values)) => values.iter().any(is_it),
        Some(value) => is_it(value),
        None => false,
    }
}

fn is_verified(claims: &Json) -> bool {
    claims.get(VERIFIED).and_then(Json::as_bool) == Some(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use stepwright_json::json;

    fn grant(claim: &str, value: &str) -> OidcGrant {
        OidcGrant { claim: claim.to_owned(), value: value.to_owned(), key: "OPS".to_owned() }
    }

    #[test]
    fn a_grant_fits_a_claim_that_has_its_value() {
        let claims = json!({
            "groups": ["dev", "ops"], "email": "a@example.com", "admin": true, "number": 1, "sub": "17"
        });
        for (claim, value, fits_so) in [
            ("groups", "ops", true),
            ("groups", "op", false),
            ("groups", "o*", true),
            ("groups", "OPS", false),
            ("sub", "17", true),
            ("sub", "*", true),
            ("admin", "true", true),
            ("admin", "false", false),
            ("number", "1", false),
            ("none", "*", false),
            // Nobody has verified it.
            ("email", "*@example.com", false),
        ] {
            assert_eq!(fits(&grant(claim, value), &claims), fits_so, "{claim} {value}");
        }
        let verified = json!({"email": "a@example.com", "email_verified": true});
        assert!(fits(&grant("email", "*@example.com"), &verified));
        assert!(!fits(&grant("email", "*@example.org"), &verified));
        let as_text = json!({"email": "a@example.com", "email_verified": "true"});
        assert!(!fits(&grant("email", "*"), &as_text));
    }
}
