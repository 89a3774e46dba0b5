//! One call of a service: written, signed, sent, repeated as AWS's SDKs do, and read.

use super::{AwsServices, Place};
use reqwest::header::{HeaderName, HeaderValue};
use std::pin::Pin;
use std::sync::OnceLock;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use stepwright_aws::codec::{self, Message, Request, Response, ServiceError};
use stepwright_aws::endpoint;
use stepwright_aws::signing::{Key, Unsigned, sign_for};
use stepwright_aws::table::{Operation, Service, Signature};
use stepwright_engine::Principal;

/// A future that stands once in the program, however many call it: what is called in many places and is large
/// would otherwise be copied into each.
pub(crate) type Later<'l, T> = Pin<Box<dyn Future<Output = T> + Send + 'l>>;

/// The largest answer to a task that is read, in bytes.
pub(crate) const MOST_ANSWER: usize = 8 << 20;

/// How often a call is tried: the standard mode of AWS's SDKs.
const ATTEMPTS: u32 = 3;

/// The longest pause before an attempt.
const LONGEST_PAUSE: Duration = Duration::from_secs(20);

/// How long a connection may take.
pub(crate) const CONNECT: Duration = Duration::from_secs(10);

/// The HTTP client of all calls, so that connections are kept open.
#[derive(Default)]
pub(crate) struct Client(OnceLock<Result<reqwest::Client, String>>);

/// What is called.
#[derive(Clone, Copy)]
pub(crate) struct Target<'t> {
    pub(crate) place: &'t Place,
    pub(crate) service: &'static Service,
    pub(crate) operation: &'static Operation,
    pub(crate) region: &'t str,
    /// The role of the task's `Credentials`.
    pub(crate) role: Option<&'t str>,
    /// On whose behalf the task's execution acts.
    pub(crate) principal: Option<&'t Principal>,
    /// What is the same whenever a task is handed out again.
    pub(crate) once: Option<&'t str>,
    /// The largest answer that is read, in bytes.
    pub(crate) most: usize,
}

/// What a service answered.
pub(crate) struct Answer {
    pub(crate) message: Message,
    pub(crate) response: Response,
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The service reports an error.
    Service(Box<ServiceError>),
    /// The request could not be sent, or what came back is no answer.
    Client(String),
    /// The parameters do not make a request.
    Unfit(String),
}

/// Why one attempt failed.
enum Attempt {
    /// It is worth another one.
    Again(Fault, Again),
    Never(Fault),
}

#[derive(Clone, Copy, PartialEq)]
enum Again {
    /// Something went wrong for the moment.
    Transient,
    /// There were too many requests.
    Throttled,
}

impl Client {
    pub(crate) fn http(&self) -> Result<&reqwest::Client, String> {
        let build = || {
            reqwest::Client::builder()
                .user_agent(concat!("stepwright/", env!("CARGO_PKG_VERSION")))
                .redirect(reqwest::redirect::Policy::none())
                .connect_timeout(CONNECT)
                .build()
                .map_err(|error| format!("there is no HTTP client: {error}"))
        };
        self.0.get_or_init(build).as_ref().map_err(Clone::clone)
    }

    /// Sends a request and reads the answer, up to a limit.
    pub(crate) fn send(
        &self,
        request: reqwest::Request,
        limit: Duration,
        most: usize,
    ) -> Later<'_, Result<Response, Unanswered>> {
        Box::pin(async move {
            let client = self.http().map_err(Unanswered::Useless)?;
            exchange(client, request, limit, most).await.map_err(|trouble| match trouble {
                Trouble::Failed { host, error } => Unanswered::Broken(chain(&host, &error)),
                Trouble::TimedOut(why) => Unanswered::Broken(why),
                Trouble::TooLarge(why) => Unanswered::Useless(why),
            })
        })
    }
}

/// Sends a request and reads the answer, up to a limit of time and of bytes.
pub(crate) async fn exchange(
    client: &reqwest::Client,
    request: reqwest::Request,
    limit: Duration,
    most: usize,
) -> Result<Response, Trouble> {
    let host = shown(request.url());
    let failed = |error: reqwest::Error| Trouble::Failed { host: host.clone(), error };
    let has_body = request.method() != reqwest::Method::HEAD;
    let exchange = async {
        let mut answer = client.execute(request).await.map_err(failed)?;
        let headers = answer.headers().iter().map(|(name, value)| {
            (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        });
        let mut response = Response {
            status: answer.status().as_u16(),
            headers: headers.collect(),
            body: Vec::new(),
        };
        let size = answer.content_length();
        let too_large = || {
            let size = size.map_or(String::new(), |size| format!(" ({size} bytes)"));
            let most = most >> 20;
            Trouble::TooLarge(format!(
                "The answer of {host} is larger than {most} MiB{size}, the most that is read"
            ))
        };
        if has_body && size.is_some_and(|size| size > most as u64) {
            return Err(too_large());
        }
        while let Some(chunk) = answer.chunk().await.map_err(failed)? {
            if response.body.len() + chunk.len() > most {
                return Err(too_large());
            }
            response.body.extend_from_slice(&chunk);
        }
        Ok(response)
    };
    match tokio::time::timeout(limit, exchange).await {
        Ok(answer) => answer,
        Err(_) => Err(Trouble::TimedOut(format!(
            "Unable to execute HTTP request: {host} did not answer within {} s",
            limit.as_secs()
        ))),
    }
}

/// What went wrong with a request.
pub(crate) enum Trouble {
    /// The connection to this host failed.
    Failed { host: String, error: reqwest::Error },
    /// The time is up.
    TimedOut(String),
    /// The answer is larger than it may be.
    TooLarge(String),
}

/// Why there is no response.
pub(crate) enum Unanswered {
    /// The connection failed: the next one may not.
    Broken(String),
    /// It would be the same again.
    Useless(String),
}

/// The host of a URL, with its port if it is not the usual one.
fn shown(url: &reqwest::Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// What is at the bottom of an error. The URL is not in it: it may have secrets in its query.
pub(crate) fn chain(host: &str, error: &reqwest::Error) -> String {
    let mut source = std::error::Error::source(error);
    let mut last = String::new();
    while let Some(cause) = source {
        last = cause.to_string();
        source = cause.source();
    }
    let what = match last.as_str() {
        "" if error.is_timeout() => "the time is up",
        "" => "the connection was closed",
        last => last,
    };
    format!("Unable to execute HTTP request: {host}: {what}")
}

impl AwsServices {
    /// Calls a service. Nothing of the credentials is in what comes back.
    pub(crate) fn call<'c>(
        &'c self,
        target: Target<'c>,
        message: &'c Message,
    ) -> Later<'c, Result<Answer, Fault>> {
        Box::pin(async move {
            if target.place.is_local {
                return self.call_here(target, message).await;
            }
            let mut attempt = 1;
            loop {
                let (fault, again) = match self.attempt(target, message).await {
                    Ok(answer) => return Ok(answer),
                    Err(Attempt::Never(fault)) => return Err(fault),
                    Err(Attempt::Again(fault, again)) => (fault, again),
                };
                if attempt == ATTEMPTS {
                    return Err(fault);
                }
                tokio::time::sleep(pause(attempt, again)).await;
                attempt += 1;
            }
        })
    }

    async fn attempt(&self, target: Target<'_>, message: &Message) -> Result<Answer, Attempt> {
        let Target { place, service, operation, .. } = target;
        let never = |why: String| Attempt::Never(Fault::Client(why));
        let request = codec::encode_request(service, operation, message)
            .map_err(|error| Attempt::Never(Fault::Unfit(error.to_string())))?;
        let request = self.request(target, request).await.map_err(never)?;
        let response = match self.client.send(request, place.limit, target.most).await {
            Ok(response) => response,
            Err(Unanswered::Broken(why)) => {
                return Err(Attempt::Again(Fault::Client(why), Again::Transient));
            }
            Err(Unanswered::Useless(why)) => return Err(never(why)),
        };
        if (300..400).contains(&response.status) && response.status != 304 {
            let to = response.header("location").unwrap_or("elsewhere");
            let status = response.status;
            let why = format!(
                "The service answered {status}, a redirection to {to}, which is not followed"
            );
            return Err(never(why));
        }
        match codec::decode_response(service, operation, &response) {
            Ok(Ok(message)) => Ok(Answer { message, response }),
            Ok(Err(error)) => {
                if self.takes_the_time(&error, &response) {
                    let fault = Fault::Service(Box::new(error));
                    return Err(Attempt::Again(fault, Again::Transient));
                }
                // With new keys, it may be another story.
                let is_over = EXPIRED.contains(&error.code.as_str());
                let again = if is_over && self.keys.forget() {
                    Some(Again::Transient)
                } else {
                    is_worth_another(&error)
                };
                let fault = Fault::Service(Box::new(error));
                Err(match again {
                    Some(again) => Attempt::Again(fault, again),
                    None => Attempt::Never(fault),
                })
            }
            Err(error) => Err(never(format!(
                "Unable to unmarshall response ({error}). Response Code: {}",
                response.status
            ))),
        }
    }

    /// Addresses and signs a request.
    async fn request(
        &self,
        target: Target<'_>,
        mut request: Request,
    ) -> Result<reqwest::Request, String> {
        let Target { place, service, operation, region, .. } = target;
        let (url, signing_region) = match &place.endpoint {
            Some(endpoint) => {
                // An emulator has one host for everything.
                request.host_prefix.clear();
                let url = endpoint::address(service, &mut request, endpoint, false);
                (url, region.to_owned())
            }
            None => {
                let at = endpoint::endpoint(service, operation, region)
                    .map_err(|error| error.to_string())?;
                (endpoint::address(service, &mut request, &at.url, true), at.signing_region)
            }
        };
        let url = url.map_err(|error| error.to_string())?;
        let query = match request.query.as_str() {
            "" => String::new(),
            query => format!("?{query}"),
        };
        let url = format!("{url}{}{query}", request.path);
        let key = match service.signature {
            _ if operation.is_unsigned => None,
            Signature::None => None,
            Signature::Bearer | Signature::V4a if place.endpoint.is_none() => {
                return Err(format!(
                    "`{}` asks for a signature that is not supported: a bearer token, or Version 4A",
                    service.name
                ));
            }
            _ => Some(self.key(target).await?),
        };
        let ahead = self.ahead.load(Ordering::Relaxed);
        let shift = Duration::from_millis(ahead.unsigned_abs());
        let now = SystemTime::now();
        let now = if ahead < 0 { now.checked_sub(shift) } else { now.checked_add(shift) };
        let at = now.unwrap_or_else(SystemTime::now);
        signed(service, operation, &request, &url, (&signing_region, at), key.as_ref())
    }

    /// Whether a service refuses a signature because of its time, and now its clock is known.
    fn takes_the_time(&self, error: &ServiceError, response: &Response) -> bool {
        if !SKEWED.contains(&error.code.as_str()) {
            return false;
        }
        let theirs = response.header("date").and_then(|date| codec::millis(&date.into()));
        let ours = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let Some(ahead) = theirs.map(|theirs| theirs - ours.as_millis() as i64) else {
            return false;
        };
        let before = self.ahead.load(Ordering::Relaxed);
        let is_off = (ahead - before).abs() > TOLERATED;
        if is_off {
            self.ahead.store(ahead, Ordering::Relaxed);
        }
        is_off
    }
}

/// How far clocks may be apart before signatures are refused because of it, in milliseconds.
const TOLERATED: i64 = 4 * 60_000;

/// The codes that a signature with a wrong time gets.
const SKEWED: [&str; 6] = [
    "AuthFailure",
    "InvalidSignatureException",
    "RequestExpired",
    "RequestInTheFuture",
    "RequestTimeTooSkewed",
    "SignatureDoesNotMatch",
];

/// The request as the HTTP client takes it, with its signature.
fn signed(
    service: &Service,
    operation: &Operation,
    request: &Request,
    url: &str,
    (region, at): (&str, SystemTime),
    key: Option<&Key>,
) -> Result<reqwest::Request, String> {
    let cannot = |what: &str, why: &dyn std::fmt::Display| format!("{what} cannot be sent: {why}");
    let method = reqwest::Method::from_bytes(request.method.as_bytes())
        .map_err(|error| cannot("The request", &error))?;
    let parsed = reqwest::Url::parse(url).map_err(|error| cannot("The request", &error))?;
    let mut headers: Vec<(String, String)> = request.headers.clone();
    if let Some(key) = key {
        let given: Vec<(&str, &str)> =
            headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let unsigned = Unsigned {
            method: &request.method,
            // As the client writes it.
            url: parsed.as_str(),
            headers: &given,
            body: &request.body,
            service: &service.signing_name,
            region,
        };
        // An emulator takes a signature where AWS asks for one that is not supported.
        let signature = match service.signature {
            Signature::S3 => Signature::S3,
            _ => Signature::V4,
        };
        headers.extend(sign_for(&unsigned, key, at, signature, operation.has_unsigned_body)?);
    }
    let mut outgoing = reqwest::Request::new(method, parsed);
    for (name, value) in &headers {
        let header = HeaderName::try_from(name).map_err(|error| cannot(name, &error))?;
        let value = HeaderValue::try_from(value).map_err(|error| cannot(name, &error))?;
        outgoing.headers_mut().append(header, value);
    }
    *outgoing.body_mut() = Some(request.body.clone().into());
    Ok(outgoing)
}

/// The codes that say there were too many requests.
const THROTTLED: [&str; 14] = [
    "BandwidthLimitExceeded",
    "EC2ThrottledException",
    "LimitExceededException",
    "PriorRequestNotComplete",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "SlowDown",
    "ThrottledException",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
    "TransactionInProgressException",
];

/// The codes of errors that may be gone the next time.
const TRANSIENT: [&str; 3] = ["InternalError", "RequestTimeout", "RequestTimeoutException"];

/// The codes that say that credentials are no longer valid.
const EXPIRED: [&str; 4] =
    ["ExpiredToken", "ExpiredTokenException", "RequestExpired", "InvalidClientTokenId"];

fn is_worth_another(error: &ServiceError) -> Option<Again> {
    let is_one_of = |codes: &[&str]| {
        codes.contains(&error.code.as_str())
            || error.name.as_deref().is_some_and(|name| codes.contains(&name))
    };
    if error.status == 429 || is_one_of(&THROTTLED) {
        Some(Again::Throttled)
    } else if matches!(error.status, 500 | 502 | 503 | 504) || is_one_of(&TRANSIENT) {
        Some(Again::Transient)
    } else {
        None
    }
}

/// The pause after an attempt: at random, up to a bound that doubles.
fn pause(attempt: u32, again: Again) -> Duration {
    let first = match again {
        Again::Transient => Duration::from_millis(100),
        Again::Throttled => Duration::from_secs(1),
    };
    let bound = (first * 2_u32.saturating_pow(attempt - 1)).min(LONGEST_PAUSE);
    let (chance, _) = uuid::Uuid::new_v4().as_u64_pair();
    bound.mul_f64((chance >> 11) as f64 / (1_u64 << 53) as f64)
}
