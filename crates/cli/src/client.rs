//! Calls a server with the API of Step Functions, as an SDK would.

use crate::report::Failure;
use std::time::{Duration, SystemTime};
use stepwright_aws::signing::{Key, Unsigned, sign};
use stepwright_json::Json;

/// How long to wait for an answer.
const LIMIT: Duration = Duration::from_secs(30);

/// A client of a server's API.
pub(crate) struct Client {
    http: reqwest::Client,
    runtime: tokio::runtime::Runtime,
    url: String,
    region: String,
}

impl Client {
    /// A client of the server at `url`, or of the server that the environment variables name.
    pub(crate) fn new(url: Option<&str>, region: &str) -> Result<Self, Failure> {
        let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let url = url
            .map(str::to_owned)
            .or_else(|| set("AWS_ENDPOINT_URL_SFN"))
            .unwrap_or_else(|| "http://127.0.0.1:8083".to_owned());
        let failed = |why: String| Failure::new(format!("no connection can be made: {why}"));
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
    pub(crate) fn call(&self, operation: &str, body: &Json) -> Result<Json, Failure> {
        let failed = |why: String| Failure::new(format!("{operation} at {}: {why}", self.url));
        let request = self.signed(operation, body.to_string()).map_err(failed)?;
        let answered = self.runtime.block_on(async {
            let response = self.http.execute(request).await?;
            let status = response.status().as_u16();
            Ok::<_, reqwest::Error>((status, response.text().await?))
        });
        let (status, text) = answered.map_err(|error| {
            failed(error.without_url().to_string())
                .help("is the server running? another one is named with --endpoint-url")
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

    fn signed(&self, operation: &str, body: String) -> Result<reqwest::Request, String> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        // A server of ours accepts any key unless it has credentials configured.
        let key = Key {
            id: variable("AWS_ACCESS_KEY_ID").unwrap_or_else(|| "stepwright".to_owned()),
            secret: variable("AWS_SECRET_ACCESS_KEY").unwrap_or_else(|| "stepwright".to_owned()),
            token: variable("AWS_SESSION_TOKEN"),
        };
        let target = format!("AWSStepFunctions.{operation}");
        let headers = [("content-type", "application/x-amz-json-1.0"), ("x-amz-target", &target)];
        let unsigned = Unsigned {
            method: "POST",
            url: &self.url,
            headers: &headers,
            body: body.as_bytes(),
            service: "states",
            region: &self.region,
        };
        let signature = sign(&unsigned, &key, SystemTime::now())?;
        let mut request = self.http.post(&self.url);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        for (name, value) in signature {
            request = request.header(name, value);
        }
        request.body(body).build().map_err(|error| error.to_string())
    }
}
