//! Connections: what `[connections.NAME]` says of the credentials of an API, and what a connection
//! adds to a request.

use super::token::Token;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Url;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// `[connections.NAME]` of `stepwright.toml`: how an API is called, as `EventBridge` connections say
/// it. Exactly one of `basic`, `api_key` and `oauth` is given.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConnectionConfig {
    /// A user and a password.
    pub basic: Option<BasicConfig>,
    /// A header with a key.
    pub api_key: Option<ApiKeyConfig>,
    /// A token that is fetched with a client's id and secret.
    pub oauth: Option<OAuthConfig>,
    /// Headers that every request gets.
    #[serde(default)]
    pub headers: BTreeMap<String, Text>,
    /// Query parameters that every request gets.
    #[serde(default)]
    pub query: BTreeMap<String, Text>,
    /// Members that every request's body gets.
    #[serde(default)]
    pub body: BTreeMap<String, Text>,
    /// The URLs that may be called with the connection: these and what is below them. All, if left
    /// out.
    #[serde(default)]
    pub endpoints: Vec<String>,
}

/// `basic`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BasicConfig {
    /// The user.
    pub username: Text,
    /// The password, from the environment or a file.
    pub password: Text,
}

/// `api_key`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiKeyConfig {
    /// The name of the header.
    pub name: String,
    /// The key, from the environment or a file.
    pub value: Text,
}

/// `oauth`: the grant `client_credentials`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OAuthConfig {
    /// The URL that gives tokens.
    pub endpoint: String,
    /// `POST`, `PUT` or `GET`; `POST` if left out.
    pub method: Option<String>,
    /// The client's id.
    pub client_id: Text,
    /// The client's secret, from the environment or a file.
    pub client_secret: Text,
    /// Headers of the request for a token.
    #[serde(default)]
    pub headers: BTreeMap<String, Text>,
    /// Query parameters of the request for a token.
    #[serde(default)]
    pub query: BTreeMap<String, Text>,
    /// Members of the form that asks for a token, such as `scope` or `audience`.
    #[serde(default)]
    pub body: BTreeMap<String, Text>,
}

/// A text, or where it is.
#[derive(Clone, Deserialize)]
#[serde(
    deny_unknown_fields,
    untagged,
    expecting = "write a text, { env = \"NAME\" } or { file = \"PATH\" }"
)]
pub enum Text {
    /// The text itself. Passwords, keys and a client's secret are not written like this.
    Plain(String),
    /// An environment variable.
    Env {
        /// Its name.
        env: String,
    },
    /// A file, whose last line break is left out.
    File {
        /// Its path, from the folder of the configuration file.
        file: PathBuf,
    },
}

impl std::fmt::Debug for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            // It may be secret all the same.
            Self::Plain(_) => f.write_str("…"),
            Self::Env { env } => write!(f, "${env}"),
            Self::File { file } => file.fmt(f),
        }
    }
}

/// A connection that was checked.
pub(crate) struct Connection {
    pub(crate) name: String,
    pub(crate) config: ConnectionConfig,
    pub(crate) token: Token,
    endpoints: Vec<Url>,
    folder: PathBuf,
}

/// What a connection adds to a request. It is all secret.
#[derive(Clone, Default)]
pub(crate) struct Additions {
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) body: Vec<(String, String)>,
}

impl Connection {
    pub(crate) fn read(
        name: &str,
        config: &ConnectionConfig,
        folder: &Path,
    ) -> Result<Self, String> {
        let given = [config.basic.is_some(), config.api_key.is_some(), config.oauth.is_some()];
        if given.iter().filter(|is_given| **is_given).count() != 1 {
            return Err("needs exactly one of `basic`, `api_key` and `oauth`".to_owned());
        }
        let secrets = [
            ("password", config.basic.as_ref().map(|basic| &basic.password)),
            ("value", config.api_key.as_ref().map(|key| &key.value)),
            ("client_secret", config.oauth.as_ref().map(|oauth| &oauth.client_secret)),
        ];
        if let Some((name, _)) =
            secrets.iter().find(|(_, text)| matches!(text, Some(Text::Plain(_))))
        {
            return Err(format!(
                "has its `{name}` in the file: write {{ env = \"NAME\" }} or {{ file = \"PATH\" }}"
            ));
        }
        let mut names: Vec<&str> = config.headers.keys().map(String::as_str).collect();
        names.extend(config.api_key.as_ref().map(|key| key.name.as_str()));
        if let Some(oauth) = &config.oauth {
            names.extend(oauth.headers.keys().map(String::as_str));
            Url::parse(&oauth.endpoint)
                .map_err(|error| format!("the `endpoint` of `oauth` is no URL: {error}"))?;
            if !matches!(oauth.method.as_deref(), None | Some("GET" | "POST" | "PUT")) {
                return Err("the `method` of `oauth` is `GET`, `POST` or `PUT`".to_owned());
            }
        }
        let is_wrong = |name: &&str| reqwest::header::HeaderName::try_from(*name).is_err();
        if let Some(name) = names.into_iter().find(is_wrong) {
            return Err(format!("`{name}` is no name of a header"));
        }
        let endpoints = config.endpoints.iter().map(|text| match Url::parse(text) {
            Ok(url) if url.has_host() && url.query().is_none() => Ok(url),
            _ => Err(format!("`{text}` in `endpoints` is no URL of a host and a path")),
        });
        let endpoints = endpoints.collect::<Result<_, String>>()?;
        let (name, config, folder) = (name.to_owned(), config.clone(), folder.to_owned());
        Ok(Self { name, config, token: Token::default(), endpoints, folder })
    }

    /// Whether a URL may be called with the connection.
    pub(crate) fn may_call(&self, url: &Url) -> bool {
        let is_below = |endpoint: &Url| {
            let rest = url.path().strip_prefix(endpoint.path());
            url.origin() == endpoint.origin()
                && rest.is_some_and(|rest| {
                    rest.is_empty() || rest.starts_with('/') || endpoint.path().ends_with('/')
                })
        };
        self.endpoints.is_empty() || self.endpoints.iter().any(is_below)
    }

    /// What the connection adds to each request, but for a token.
    pub(crate) fn additions(&self) -> Result<Additions, String> {
        let mut headers = Vec::new();
        if let Some(basic) = &self.config.basic {
            let user = self.text(&basic.username)?;
            let password = self.text(&basic.password)?;
            let both = STANDARD.encode(format!("{user}:{password}"));
            headers.push(("Authorization".to_owned(), format!("Basic {both}")));
        }
        if let Some(key) = &self.config.api_key {
            headers.push((key.name.clone(), self.text(&key.value)?));
        }
        headers.extend(self.texts(&self.config.headers)?);
        Ok(Additions {
            headers,
            query: self.texts(&self.config.query)?,
            body: self.texts(&self.config.body)?,
        })
    }

    pub(crate) fn texts(
        &self,
        given: &BTreeMap<String, Text>,
    ) -> Result<Vec<(String, String)>, String> {
        given.iter().map(|(name, text)| Ok((name.clone(), self.text(text)?))).collect()
    }

    /// Reads a text. Variables and files are read for each request, so that they can be exchanged.
    pub(crate) fn text(&self, text: &Text) -> Result<String, String> {
        match text {
            Text::Plain(text) => Ok(text.clone()),
            Text::Env { env } => {
                std::env::var(env).map_err(|_| format!("the environment variable {env} is not set"))
            }
            Text::File { file } => {
                let text = std::fs::read_to_string(self.folder.join(file))
                    .map_err(|error| format!("{} cannot be read: {error}", file.display()))?;
                let line = text.strip_suffix('\n').unwrap_or(&text);
                Ok(line.strip_suffix('\r').unwrap_or(line).to_owned())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Additions, String> {
        let config: ConnectionConfig = toml::from_str(text).map_err(|error| error.to_string())?;
        Connection::read("c", &config, Path::new("/nowhere"))?.additions()
    }

    #[test]
    fn a_connection_adds_its_credentials_and_more() {
        let added = read(
            "basic = { username = 'me', password = { env = 'CARGO_PKG_NAME' } }\n\
             headers = { X-Tenant = 'a' }\nquery = { key = { env = 'CARGO_PKG_NAME' } }\n\
             body = { b = 'c' }",
        )
        .unwrap_or_else(|why| panic!("{why}"));
        let basic = STANDARD.encode("me:stepwright-integrations");
        let headers = [("Authorization", format!("Basic {basic}")), ("X-Tenant", "a".to_owned())];
        assert_eq!(added.headers, headers.map(|(name, value)| (name.to_owned(), value)));
        assert_eq!(added.query[0].1, "stepwright-integrations");
        assert_eq!(added.body[0].1, "c");
    }

    #[test]
    fn a_connection_is_for_its_endpoints() {
        let config: ConnectionConfig = toml::from_str(
            "api_key = { name = 'k', value = { env = 'X' } }\n\
             endpoints = ['https://a.example/v1', 'https://b.example/']",
        )
        .unwrap();
        let connection = Connection::read("c", &config, Path::new("")).unwrap();
        for (url, may) in [
            ("https://a.example/v1", true),
            ("https://a.example/v1/x?y", true),
            ("https://A.EXAMPLE:443/v1/", true),
            ("https://b.example/any", true),
            ("https://a.example/v10", false),
            ("https://a.example/v1/../v2", false),
            ("https://a.example/v1/%2e%2e/v2", false),
            ("http://a.example/v1", false),
            ("https://a.example:8443/v1", false),
            ("https://a.example.evil/v1", false),
            ("https://evil.example/v1", false),
        ] {
            assert_eq!(connection.may_call(&Url::parse(url).unwrap()), may, "{url}");
        }
        assert!(
            read("api_key = { name = 'k', value = { env = 'X' } }\nendpoints = ['a']").is_err()
        );
    }

    #[test]
    fn connections_that_cannot_be_are_refused() {
        for (text, expected) in [
            ("headers = {}", "exactly one of `basic`, `api_key` and `oauth`"),
            ("basic = { username = 'u', password = 'hidden' }", "has its `password` in the file"),
            ("api_key = { name = 'k', value = 'hidden' }", "has its `value` in the file"),
            ("api_key = { name = 'a b', value = { env = 'X' } }", "`a b` is no name of a header"),
            (
                "oauth = { endpoint = 'x', client_id = 'i', client_secret = { env = 'X' } }",
                "is no URL",
            ),
            (
                "oauth = { endpoint = 'https://a', client_id = 'i', client_secret = 'hidden' }",
                "has its `client_secret` in the file",
            ),
            (
                "oauth = { endpoint = 'https://a', method = 'PATCH', client_id = 'i', \
                 client_secret = { env = 'X' } }",
                "the `method` of `oauth`",
            ),
            ("api_key = { name = 'k', value = { envv = 'X' } }", "write a text, { env"),
            (
                "api_key = { name = 'k', value = { env = 'STEPWRIGHT_NO_SUCH' } }",
                "STEPWRIGHT_NO_SUCH is not set",
            ),
            ("api_key = { name = 'k', value = { file = 'none' } }", "none cannot be read"),
        ] {
            let error = read(text).err().unwrap_or_default();
            assert!(error.contains(expected) && !error.contains("hidden"), "{text}: {error}");
        }
    }
}
