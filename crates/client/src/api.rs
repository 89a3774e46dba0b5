//! Calls a server, with the API of Step Functions as an SDK would.

use crate::archive::Archived;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use stepwright_aws::signing::{Key, Unsigned, sign};
use stepwright_integrations::AwsServices;
use stepwright_json::Json;
use stepwright_terminal::report::Failure;

/// How long to wait for an answer.
const LIMIT: Duration = Duration::from_secs(30);

/// A client of a server's API.
#[derive(Debug)]
pub struct Client {
    http: reqwest::Client,
    runtime: tokio::runtime::Runtime,
    url: String,
    region: String,
    key: Key,
    /// Answers in place of a server.
    archived: Option<Archived>,
}

/// Which server is meant, and as whom it is asked.
#[derive(Clone, Debug, Default)]
pub struct Server<'a> {
    /// The URL of the server, or its address: `localhost:8083`.
    pub url: Option<&'a str>,
    /// AWS itself.
    pub aws: bool,
    /// The region.
    pub region: Option<&'a str>,
    /// The profile of AWS's configuration files whose credentials are used.
    pub profile: Option<&'a str>,
    /// An archive of executions, which answers in place of a server.
    pub archive: Option<&'a Path>,
    /// The files with the keys that it is encrypted with.
    pub archive_keys: &'a [PathBuf],
}

/// Why a request has no answer, or a bad one.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{what}")]
pub struct ClientError {
    /// The request, and what happened.
    pub what: String,
    /// Whether nobody answered.
    pub is_unanswered: bool,
}

impl ClientError {
    fn new(what: String) -> Self {
        Self { what, is_unanswered: false }
    }
}

impl Client {
    /// A client of a server: the one at the URL, AWS, or the one that the environment variables name.
    pub fn new(server: &Server<'_>) -> Result<Self, ClientError> {
        let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let region = server.region.map(str::to_owned);
        let region = region.or_else(|| set("AWS_REGION")).or_else(|| set("AWS_DEFAULT_REGION"));
        let region = region.unwrap_or_else(|| "us-east-1".to_owned());
        let url = match server.url {
            _ if server.aws => format!("https://states.{region}.amazonaws.com"),
            Some(url) => with_scheme(url),
            None => set("AWS_ENDPOINT_URL_SFN")
                .or_else(|| set("AWS_ENDPOINT_URL"))
                .unwrap_or_else(|| "http://127.0.0.1:8083".to_owned()),
        };
        let open = |path| Archived::open(path, server.archive_keys);
        let archived = server.archive.map(open).transpose().map_err(ClientError::new)?;
        let failed = |why: String| ClientError::new(format!("no connection can be made: {why}"));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| failed(error.to_string()))?;
        let http = reqwest::Client::builder()
            .timeout(LIMIT)
            .build()
            .map_err(|error| failed(error.to_string()))?;
        let key = if is_aws(&url) || server.profile.is_some() {
            let services = AwsServices::default();
            let key = runtime.block_on(services.key_on_aws(server.profile, &region));
            key.map_err(ClientError::new)?
        } else {
            // A server of ours accepts any key unless it has credentials configured.
            let variable = |name: &str| set(name).unwrap_or_else(|| "stepwright".to_owned());
            Key {
                id: variable("AWS_ACCESS_KEY_ID"),
                secret: variable("AWS_SECRET_ACCESS_KEY"),
                token: set("AWS_SESSION_TOKEN"),
            }
        };
        Ok(Self { http, runtime, url, region, key, archived })
    }

    /// Whether it asks AWS itself, which wants to be asked less often.
    pub fn is_aws(&self) -> bool {
        is_aws(&self.url)
    }

    /// Calls an operation.
    pub fn call(&self, operation: &str, body: &Json) -> Result<Json, ClientError> {
        self.send("", Some(operation), body)
    }

    /// Sends a request to a path of the server.
    pub fn send(
        &self,
        path: &str,
        operation: Option<&str>,
        body: &Json,
    ) -> Result<Json, ClientError> {
        let what = operation.unwrap_or(path);
        if let Some(archived) = &self.archived {
            return archived.call(what, body).map_err(ClientError::new);
        }
        let failed = |why: String| ClientError::new(format!("{what} at {}: {why}", self.url));
        let mut url = format!("{}{path}", self.url.trim_end_matches('/'));
        if self.is_aws() && operation == Some("StartSyncExecution") {
            url = url.replacen("://", "://sync-", 1);
        }
        let request = self.signed(&url, operation, body.to_string()).map_err(failed)?;
        let answered = self.runtime.block_on(async {
            let response = self.http.execute(request).await?;
            let status = response.status().as_u16();
            Ok::<_, reqwest::Error>((status, response.text().await?))
        });
        let (status, text) = answered.map_err(|error| ClientError {
            is_unanswered: true,
            ..failed(error.without_url().to_string())
        })?;
        let body = stepwright_json::parse(&text)
            .map_err(|_| failed(format!("status {status}, and no JSON")))?;
        if status == 200 {
            return Ok(body);
        }
        let field = |key: &str| body.get(key).and_then(Json::as_str);
        let name = field("__type").unwrap_or("error").rsplit('#').next().unwrap_or_default();
        let message = field("message").or_else(|| field("Message")).unwrap_or_default();
        Err(failed(format!("{name}: {message}")))
    }

    fn signed(
        &self,
        url: &str,
        operation: Option<&str>,
        body: String,
    ) -> Result<reqwest::Request, String> {
        let target = operation.map(|operation| format!("AWSStepFunctions.{operation}"));
        let mut headers = vec![("content-type", "application/x-amz-json-1.0")];
        headers.extend(target.as_deref().map(|target| ("x-amz-target", target)));
        let unsigned = Unsigned {
            method: "POST",
            url,
            headers: &headers,
            body: body.as_bytes(),
            service: "states",
            region: &self.region,
        };
        let signature = sign(&unsigned, &self.key, SystemTime::now())?;
        let mut request = self.http.post(url);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        for (name, value) in signature {
            request = request.header(name, value);
        }
        request.body(body).build().map_err(|error| error.to_string())
    }
}

/// Whether a URL is one of AWS's.
fn is_aws(url: &str) -> bool {
    let host = url.split("://").nth(1).unwrap_or(url).split(['/', ':']).next().unwrap_or_default();
    [".amazonaws.com", ".amazonaws.com.cn", ".api.aws"].iter().any(|end| host.ends_with(end))
}

/// An address as a URL: `localhost:8083` is `http://localhost:8083`.
fn with_scheme(url: &str) -> String {
    if url.contains("://") { url.to_owned() } else { format!("http://{url}") }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let failure = Self::new(error.what);
        if error.is_unanswered {
            return failure.help(
                "is the server running? another one is named with --endpoint-url, AWS itself with --aws",
            );
        }
        failure
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_url() {
        assert_eq!(with_scheme("localhost:8083"), "http://localhost:8083");
        assert_eq!(with_scheme("https://host"), "https://host");
        assert!(is_aws("https://states.eu-central-1.amazonaws.com"));
        assert!(!is_aws("http://127.0.0.1:8083") && !is_aws("http://amazonaws.com.example"));
    }
}
