//! Functions at an AWS endpoint, called over the network.

use crate::answer::Answer;
use crate::config::AwsFunction;
use crate::error::{Error, seconds};
use crate::http_endpoint::{Client, Received};
use crate::sandbox::Request;
use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use std::time::{Duration, SystemTime};
use stepwright_aws::signing::{Key, Unsigned, sign};

/// The function to call, and the parts of the request other than its payload.
#[derive(Debug)]
pub(crate) struct RemoteFunction<'c> {
    pub(crate) function: &'c AwsFunction,
    pub(crate) name: &'c str,
    pub(crate) qualifier: Option<&'c str>,
    pub(crate) region: &'c str,
    pub(crate) limit: Duration,
}

/// Invokes the function with a signed request.
pub(crate) async fn run(
    client: &Client,
    call: &RemoteFunction<'_>,
    request: &Request,
) -> Result<(Answer, Option<String>), Error> {
    let outgoing = signed(call, request)?;
    let (status, headers, body) = match client.send(outgoing, call.limit).await? {
        Received::Whole { status, headers, body } => (status, headers, body),
        Received::TooLarge(size) => return Ok((Answer::too_large(size), None)),
        Received::TimedOut => {
            return Err(Error::service(format!(
                "`{}` did not answer within {}",
                call.name,
                seconds(call.limit)
            )));
        }
    };
    let header =
        |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    if !(200..300).contains(&status) {
        let named = header("x-amzn-errortype").unwrap_or_default();
        let name = named.split(':').next().unwrap_or_default();
        let message = stepwright_json::parse_bytes(&body).ok().and_then(|body| {
            let text = body.get("message").or_else(|| body.get("Message"))?;
            text.as_str().map(str::to_owned)
        });
        let message = message.unwrap_or_else(|| {
            let text = String::from_utf8_lossy(&body[..body.len().min(1_000)]);
            format!("status {status}: {text}")
        });
        return Err(Error::remote(name, status, message));
    }
    let answer = Answer {
        payload: body,
        is_error: headers.contains_key("x-amz-function-error"),
        log_tail: header("x-amz-log-result"),
    };
    Ok((answer, header("x-amz-executed-version")))
}

fn signed(call: &RemoteFunction<'_>, request: &Request) -> Result<http::Request<Bytes>, Error> {
    let cannot = |why: String| Error::service(format!("`{}` cannot be called: {why}", call.name));
    let region = call.function.region.as_deref().unwrap_or(call.region);
    let endpoint = match &call.function.endpoint {
        Some(endpoint) => endpoint.trim_end_matches('/').to_owned(),
        None => format!("https://lambda.{region}.amazonaws.com"),
    };
    let name = call.function.name.as_deref().unwrap_or(call.name);
    let mut url = format!("{endpoint}/2015-03-31/functions/{}/invocations", escaped(name));
    if let Some(qualifier) = call.qualifier {
        url = format!("{url}?Qualifier={}", escaped(qualifier));
    }
    let mut builder = http::Request::post(&url)
        .header("content-type", "application/json")
        .header("x-amz-invocation-type", "RequestResponse")
        .header("x-amzn-trace-id", &request.trace_header);
    if request.log_tail {
        builder = builder.header("x-amz-log-type", "Tail");
    }
    if let Some(context) = &request.client_context {
        use base64::Engine as _;
        let context = base64::engine::general_purpose::STANDARD.encode(context);
        builder = builder.header("x-amz-client-context", context);
    }
    let mut outgoing =
        builder.body(request.payload.clone()).map_err(|error| cannot(error.to_string()))?;
    let headers: Vec<(&str, &str)> = outgoing
        .headers()
        .iter()
        .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)))
        // Not signed, because it may be changed on the way.
        .filter(|(name, _)| *name != "x-amzn-trace-id")
        .collect();
    let unsigned = Unsigned {
        method: "POST",
        url: &url,
        headers: &headers,
        body: &request.payload,
        service: "lambda",
        region,
    };
    for (name, value) in sign(&unsigned, &key(call.function.endpoint.is_some())?, SystemTime::now())
        .map_err(cannot)?
    {
        let name = HeaderName::try_from(name).map_err(|error| cannot(error.to_string()))?;
        let value = HeaderValue::try_from(value).map_err(|error| cannot(error.to_string()))?;
        outgoing.headers_mut().insert(name, value);
    }
    Ok(outgoing)
}

/// The key of the environment. An emulator accepts any key, so it gets one if there is none.
fn key(is_elsewhere: bool) -> Result<Key, Error> {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let missing = |name: &str| {
        Error::service(format!("a function at an AWS endpoint needs credentials: set {name}"))
    };
    if is_elsewhere && variable("AWS_ACCESS_KEY_ID").is_none() {
        let (id, secret) = ("stepwright".to_owned(), "stepwright".to_owned());
        return Ok(Key { id, secret, token: None });
    }
    let id = variable("AWS_ACCESS_KEY_ID").ok_or_else(|| missing("AWS_ACCESS_KEY_ID"))?;
    let secret =
        variable("AWS_SECRET_ACCESS_KEY").ok_or_else(|| missing("AWS_SECRET_ACCESS_KEY"))?;
    Ok(Key { id, secret, token: variable("AWS_SESSION_TOKEN") })
}

/// Escapes a part of a path or query for a URL.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                escaped.push(char::from(byte));
            }
            _ => {
                escaped.push('%');
                let digit = |value: u8| char::from(b"0123456789ABCDEF"[usize::from(value)]);
                escaped.extend([digit(byte >> 4), digit(byte & 15)]);
            }
        }
    }
    escaped
}
