//! Calls a server, with the API of Step Functions as an SDK would.

use std::time::{Duration, SystemTime};
use stepwright_aws::signing::{Key, Unsigned, sign};
use stepwright_json::Json;

/// How long to wait for an answer.
const LIMIT: Duration = Duration::from_secs(30);

/// A client of a server's API.
#[derive(Debug)]
pub struct Client {
    http: reqwest::Client,
    runtime: tokio::runtime::Runtime,
    url: String,
    region: String,
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
    /// A client of the server at `url`, or of the server that the environment variables name.
    pub fn new(url: Option<&str>, region: &str) -> Result<Self, ClientError> {
        let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let url = url
            .map(str::to_owned)
            .or_else(|| set("AWS_ENDPOINT_URL_SFN"))
            .unwrap_or_else(|| "http://127.0.0.1:8083".to_owned());
        let failed = |why: String| ClientError::new(format!("no connection can be made: {why}"));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| failed(error.to_string()))?;
        let http = reqwest::Client::builder()
            .timeout(LIMIT)
            .build()
            .map_err(|error| failed(error.to_string()))?;
        Ok(Self { http, runtime, url, region: region.to_owned() })
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
        let failed = |why: String| ClientError::new(format!("{what} at {}: {why}", self.url));
        let url = format!("{}{path}", self.url.trim_end_matches('/'));
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
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        // A server of ours accepts any key unless it has credentials configured.
        let key = Key {
            id: variable("AWS_ACCESS_KEY_ID").unwrap_or_else(|| "stepwright".to_owned()),
            secret: variable("AWS_SECRET_ACCESS_KEY").unwrap_or_else(|| "stepwright".to_owned()),
            token: variable("AWS_SESSION_TOKEN"),
        };
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
        let signature = sign(&unsigned, &key, SystemTime::now())?;
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
