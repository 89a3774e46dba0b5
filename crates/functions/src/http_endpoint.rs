//! Functions that are an HTTP endpoint.

use crate::answer::{Answer, MOST_ANSWER, is_error_object};
use crate::error::Error;
use crate::sandbox::Request;
use bytes::{Bytes, BytesMut};
use std::sync::OnceLock;
use std::time::Duration;

/// The HTTP client that all functions share, so that connections are kept open.
#[derive(Debug, Default)]
pub(crate) struct Client(OnceLock<reqwest::Client>);

/// A response, after reading its body.
pub(crate) enum Received {
    Whole { status: u16, headers: http::HeaderMap, body: Bytes },
    TooLarge(Option<u64>),
    TimedOut,
}

impl Client {
    /// Sends a request and reads the response, up to a limit.
    pub(crate) async fn send(
        &self,
        request: http::Request<Bytes>,
        limit: Duration,
    ) -> Result<Received, Error> {
        let url = request.uri().to_string();
        let exchange = async {
            let client = self.client()?;
            let request =
                reqwest::Request::try_from(request).map_err(|error| unreachable(&url, &error))?;
            let mut response =
                client.execute(request).await.map_err(|error| unreachable(&url, &error))?;
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            let size = response.content_length();
            let mut body = BytesMut::new();
            while let Some(chunk) =
                response.chunk().await.map_err(|error| unreachable(&url, &error))?
            {
                body.extend_from_slice(&chunk);
                if body.len() > MOST_ANSWER {
                    return Ok(Received::TooLarge(size));
                }
            }
            Ok(Received::Whole { status, headers, body: body.freeze() })
        };
        match tokio::time::timeout(limit, exchange).await {
            Ok(received) => received,
            Err(_) => Ok(Received::TimedOut),
        }
    }

    fn client(&self) -> Result<&reqwest::Client, Error> {
        if let Some(client) = self.0.get() {
            return Ok(client);
        }
        let client = reqwest::Client::builder()
            .user_agent(concat!("stepwright/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| Error::service(format!("no HTTP client: {error}")))?;
        Ok(self.0.get_or_init(|| client))
    }
}

fn unreachable(url: &str, error: &reqwest::Error) -> Error {
    let mut text = format!("{url} cannot be called: {error}");
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    Error::service(text)
}

/// Posts the payload and uses the response as the function's answer.
pub(crate) async fn run(
    client: &Client,
    url: &str,
    request: &Request,
    limit: Duration,
) -> Result<Answer, Error> {
    let outgoing = http::Request::post(url)
        .header("content-type", "application/json")
        .header("x-amzn-requestid", &request.id)
        .header("x-amzn-trace-id", &request.trace_header)
        .body(request.payload.clone())
        .map_err(|error| Error::service(format!("{url} cannot be called: {error}")))?;
    let (status, body) = match client.send(outgoing, limit).await? {
        Received::Whole { status, body, .. } => (status, body),
        Received::TooLarge(size) => return Ok(Answer::too_large(size)),
        Received::TimedOut => return Ok(Answer::timed_out(&request.id, limit)),
    };
    let text = body.trim_ascii();
    let answer = stepwright_json::parse_bytes(text);
    if answer.as_ref().is_ok_and(is_error_object) {
        return Ok(Answer::failed(body.slice_ref(text)));
    }
    match (status, answer) {
        (200..=299, Ok(_)) => Ok(Answer::returned(body.slice_ref(text))),
        (200..=299, Err(_)) if text.is_empty() => Ok(Answer::returned("null")),
        (200..=299, Err(error)) => {
            let message = format!("{url} answered no JSON: {error}");
            Ok(Answer::error("Runtime.InvalidResponse", message))
        }
        (429, _) => Err(Error::TooManyRequests { reason: "CallerRateLimitExceeded" }),
        (status, _) => {
            let text = String::from_utf8_lossy(&text[..text.len().min(1_000)]);
            Err(Error::service(format!("{url} answered {status}: {text}")))
        }
    }
}
