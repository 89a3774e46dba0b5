//! Calling a server that speaks the API of Step Functions, as an SDK would.

use crate::report::Failure;
use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use std::time::{Duration, SystemTime};
use stepwright_json::Json;

/// The longest that an answer is waited for.
const LIMIT: Duration = Duration::from_secs(30);

/// A server's API.
pub(crate) struct Client {
    http: reqwest::Client,
    runtime: tokio::runtime::Runtime,
    url: String,
    region: String,
}

impl Client {
    /// The server at `url`, or where the environment says one is.
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
        // A server here takes any key unless it has credentials of its own.
        let key = variable("AWS_ACCESS_KEY_ID").unwrap_or_else(|| "stepwright".to_owned());
        let secret = variable("AWS_SECRET_ACCESS_KEY").unwrap_or_else(|| "stepwright".to_owned());
        let identity = Credentials::from_keys(key, secret, variable("AWS_SESSION_TOKEN")).into();
        let target = format!("AWSStepFunctions.{operation}");
        let said = |error: &dyn std::fmt::Display| error.to_string();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name("states")
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()
            .map_err(|error| said(&error))?
            .into();
        let headers = [("content-type", "application/x-amz-json-1.0"), ("x-amz-target", &target)];
        let signable = SignableRequest::new(
            "POST",
            &self.url,
            headers.into_iter(),
            SignableBody::Bytes(body.as_bytes()),
        )
        .map_err(|error| said(&error))?;
        let (instructions, _) =
            sign(signable, &parameters).map_err(|error| said(&error))?.into_parts();
        let mut request = self.http.post(&self.url);
        for (name, value) in headers.into_iter().chain(instructions.headers()) {
            request = request.header(name, value);
        }
        request.body(body).build().map_err(|error| said(&error))
    }
}
