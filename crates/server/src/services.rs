//! The local services over HTTP: which service a request is for, what it asks for, and how the answer
//! is written. The codecs of `stepwright-aws` do the rest.

use crate::door::{self, Right};
use crate::file_body::FileBody;
use crate::http::Serving;
use axum::body::{Body, Bytes};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use stepwright_aws::codec::{self, Message, Request, ServiceError};
use stepwright_aws::rights::{self, Home};
use stepwright_aws::table::{self, Operation, Protocol, Service};
use stepwright_protocol::ApiError;
use stepwright_services::{Caller, has};

/// How requests name a service: its name in the table, its name in signatures, the beginning of
/// `X-Amz-Target`, and of the names of its hosts.
struct Named {
    service: &'static str,
    signed: &'static str,
    target: &'static str,
    host: &'static str,
}

const NAMED: [Named; 9] = [
    named("ecs", "ecs", "AmazonEC2ContainerServiceV20141113", "ecs"),
    named("batch", "batch", "", "batch"),
    named("sqs", "sqs", "AmazonSQS", "sqs"),
    named("s3", "s3", "", "s3"),
    named("sns", "sns", "", "sns"),
    named("eventbridge", "events", "AWSEvents", "events"),
    named("dynamodb", "dynamodb", "DynamoDB_20120810", "dynamodb"),
    named("ssm", "ssm", "AmazonSSM", "ssm"),
    named("secretsmanager", "secretsmanager", "secretsmanager", "secretsmanager"),
];

const fn named(
    service: &'static str,
    signed: &'static str,
    target: &'static str,
    host: &'static str,
) -> Named {
    Named { service, signed, target, host }
}

/// The name of a service in signatures.
pub(crate) fn signing_name(service: &str) -> &'static str {
    NAMED.iter().find(|one| one.service == service).map_or("", |one| one.signed)
}

/// Whether a service starts processes, so that not even a server without keys serves requests that
/// are not signed for it.
pub(crate) fn starts_processes(service: &str) -> bool {
    matches!(service, "batch" | "ecs")
}

/// The local service that a request is for. What is signed for a service is for that service; else
/// the target tells, or the host.
pub(crate) fn addressed(parts: &Parts) -> Option<&'static str> {
    let find = |is_meant: &dyn Fn(&Named) -> bool| {
        let found = NAMED.iter().find(|one| is_meant(one))?;
        has(found.service).then_some(found.service)
    };
    if let Some(scope) = scope(parts) {
        return find(&|one| one.signed == scope);
    }
    if let Some(target) = parts.headers.get("x-amz-target") {
        let target = target.to_str().ok()?.split('.').next()?;
        return find(&|one| !one.target.is_empty() && one.target == target);
    }
    let query = parts.uri.query().unwrap_or_default();
    if query.split('&').any(|one| one.starts_with("AWSAccessKeyId=")) {
        return find(&|one| one.service == "s3");
    }
    let host = host(&parts.headers);
    let labels: Vec<&str> = host.split('.').collect();
    let is_ours = host.ends_with(".localhost") || host.contains(".amazonaws.com");
    let of_host = find(&|one| is_ours && labels.first() == Some(&one.host))
        .or_else(|| find(&|one| is_ours && one.service == "s3" && labels.contains(&"s3")));
    // A form that is sent to a queue by its URL.
    of_host.or_else(|| {
        let is_form = is_form(&parts.headers) && parts.method == Method::POST;
        find(&|one| is_form && one.service == "sqs" && is_queue(parts.uri.path()))
    })
}

fn is_queue(path: &str) -> bool {
    let mut parts = path.trim_start_matches('/').split('/');
    let account = parts.next().unwrap_or_default();
    account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit()) && parts.count() == 1
}

fn is_form(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    kind.is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"))
}

/// The service that a signature is for, in the headers or in the query.
fn scope(parts: &Parts) -> Option<String> {
    let of_credential = |credential: &str| credential.split('/').nth(3).map(str::to_owned);
    if let Some(header) = parts.headers.get(header::AUTHORIZATION) {
        let (_, rest) = header.to_str().ok()?.split_once("Credential=")?;
        return of_credential(rest.split(',').next()?.trim());
    }
    let query = parts.uri.query()?;
    let credential = query.split('&').find_map(|one| one.strip_prefix("X-Amz-Credential="))?;
    of_credential(&credential.replace("%2F", "/").replace("%2f", "/"))
}

/// The host that a request names, without its port.
pub(crate) fn host(headers: &HeaderMap) -> &str {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

/// A request that has been read.
#[derive(Clone, Debug)]
pub(crate) struct Decoded {
    /// The service as it speaks the request's protocol.
    service: &'static Service,
    operation: &'static Operation,
    message: Message,
}

impl Decoded {
    /// The rights that the request needs.
    pub(crate) fn rights(&self, serving: &Serving) -> Vec<Right> {
        let options = serving.api.engine().options();
        let home = Home { region: &options.region, account: &options.account };
        rights::needed(self.service, self.operation, &self.message.value, home)
            .into_iter()
            .map(|(action, resource)| Right { action: action.into(), resource })
            .collect()
    }
}

/// Reads a request for a service. The error is written as the service does.
pub(crate) fn read(name: &str, parts: &Parts, bytes: &[u8]) -> Result<Decoded, Box<ServiceError>> {
    let mut request = Request {
        method: parts.method.as_str().to_owned(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: headers(&parts.headers),
        body: bytes.to_vec(),
        ..Request::default()
    };
    if name == "s3" {
        if codec::chunked::is_chunked(&request) {
            codec::chunked::unchunk(&mut request)
                .map_err(|wrong| error("InvalidRequest", &wrong.to_string(), 400))?;
        }
        with_bucket(&mut request, host(&parts.headers));
    } else if request.query.split('&').any(|one| one.starts_with("Action=")) {
        // `query` may stand in the query.
        request.body = std::mem::take(&mut request.query).into_bytes();
        "POST".clone_into(&mut request.method);
        let kind = "application/x-www-form-urlencoded".to_owned();
        request.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("content-type"));
        request.headers.push(("Content-Type".to_owned(), kind));
    }
    let service = spoken(name, &request);
    let Some(operation) = codec::route(service, &request) else {
        let message = "The action or operation requested is invalid. Verify that the action is typed correctly.";
        let code = match service.protocol {
            Protocol::Query | Protocol::Ec2 => "InvalidAction",
            Protocol::RestXml => "MethodNotAllowed",
            _ => "UnknownOperationException",
        };
        return Err(error(code, message, 400));
    };
    let mut message = codec::decode_request(service, operation, &request)
        .map_err(|wrong| error("SerializationException", &wrong.to_string(), 400))?;
    // The URL of a queue may stand in the path.
    if name == "sqs"
        && is_queue(&request.path)
        && let stepwright_json::Json::Object(members) = &mut message.value
        && !members.contains_key("QueueUrl")
        && service
            .structure(operation.input.as_ref())
            .is_some_and(|input| input.member("QueueUrl").is_some())
    {
        members.insert("QueueUrl", request.path.as_str().into());
    }
    Ok(Decoded { service, operation, message })
}

/// An error that is not in a service's model.
fn error(code: &str, message: &str, status: u16) -> Box<ServiceError> {
    Box::new(ServiceError {
        code: code.to_owned(),
        message: message.to_owned(),
        status,
        is_fault: status >= 500,
        ..ServiceError::default()
    })
}

fn headers(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |(name, value): (&HeaderName, &HeaderValue)| {
        (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    headers.iter().map(text).collect()
}

/// Puts a bucket into the path that stands in the host's name.
fn with_bucket(request: &mut Request, host: &str) {
    if let Some(bucket) = bucket_of_host(host) {
        request.path = format!("/{bucket}{}", request.path);
    }
}

/// The bucket that a host's name begins with.
pub(crate) fn bucket_of_host(host: &str) -> Option<&str> {
    let before = |mark: &str| host.find(mark).map(|at| &host[..at]);
    let bucket = before(".s3.").or_else(|| before(".s3-")).or_else(|| {
        let name = host.strip_suffix(".localhost")?;
        (name != "s3").then_some(name)
    });
    bucket.filter(|bucket| !bucket.is_empty())
}

/// The service as it speaks the protocol of a request.
fn spoken(name: &str, request: &Request) -> &'static Service {
    static SPOKEN: Mutex<BTreeMap<(&'static str, &'static str), &'static Service>> =
        Mutex::new(BTreeMap::new());
    let service = table::service(name).expect("the table has every local service");
    let is_form = request
        .header("Content-Type")
        .is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
    let protocol = match codec::protocol(service, request) {
        Some(protocol) => protocol,
        None if is_form && service.is_query_compatible => Protocol::Query,
        None => service.protocol,
    };
    if protocol == service.protocol {
        return service;
    }
    // Few: a service has one or two further protocols.
    SPOKEN.lock().entry((&service.name, protocol.name())).or_insert_with(|| {
        service.speaking(protocol).map_or(service, |spoken| Box::leak(Box::new(spoken)))
    })
}

/// Carries out a request that the door has let in.
pub(crate) async fn serve(
    serving: &Serving,
    name: &'static str,
    caller: &door::Caller,
    parts: &Parts,
    read: Result<Decoded, Box<ServiceError>>,
) -> Response {
    let id = serving.api.engine().new_uuid();
    let decoded = match read {
        Ok(decoded) => decoded,
        Err(error) => return refused(name, parts, error, id),
    };
    let engine = serving.api.engine();
    let (now, nodes) = (engine.now(), engine.living_nodes());
    if serving.rate.as_ref().is_some_and(|rate| !rate.lets_through(now, nodes)) {
        return refused(name, parts, error("ThrottlingException", "Rate exceeded", 400), id);
    }
    let Some(services) = &serving.services else {
        let message = "the local services are switched off";
        return refused(name, parts, error("UnsupportedOperation", message, 501), id);
    };
    let Decoded { service, operation, message } = decoded;
    let caller = Caller {
        once: None,
        url: url(serving, &parts.headers),
        id: caller.id().to_owned(),
        principal: caller.principal(),
    };
    let answered = services.call(service, operation, message, &caller).await;
    let answered = answered.map_err(Box::new).and_then(|reply| {
        let written = codec::encode_response(service, operation, &reply.message);
        let mut response = written.map_err(|wrong| {
            tracing::error!(%wrong, service = %service.name, operation = %operation.name, "no answer");
            error("InternalError", "The answer cannot be written.", 500)
        })?;
        response.status = reply.status.unwrap_or(response.status);
        Ok((response, reply.file))
    });
    match answered {
        Ok((response, file)) => {
            let mut response = written(response, name, &id, parts.method == Method::HEAD);
            if let Some(file) = file {
                *response.body_mut() = Body::new(FileBody::new(file));
            }
            response
        }
        Err(mut error) => {
            error.request_id = Some(id.clone());
            let response = codec::encode_error(service, &error);
            written(response, name, &id, parts.method == Method::HEAD)
        }
    }
}

/// The URL by which a caller reaches the server.
fn url(serving: &Serving, headers: &HeaderMap) -> String {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    let scheme = if serving.is_encrypted() { "https" } else { "http" };
    format!("{scheme}://{host}")
}

/// A refusal, as the service writes it in the protocol of the request.
pub(crate) fn refused(
    name: &'static str,
    parts: &Parts,
    mut error: Box<ServiceError>,
    id: String,
) -> Response {
    let request = Request { headers: headers(&parts.headers), ..Request::default() };
    error.request_id = Some(id.clone());
    let response = codec::encode_error(spoken(name, &request), &error);
    written(response, name, &id, parts.method == Method::HEAD)
}

/// A refusal of the door, in the words of the service.
pub(crate) fn of_door(name: &str, refusal: &ApiError) -> Box<ServiceError> {
    let code = match (name, refusal.code) {
        ("s3", "AccessDeniedException" | "MissingAuthenticationTokenException") => "AccessDenied",
        ("s3", "InvalidSignatureException") => "SignatureDoesNotMatch",
        ("s3", "UnrecognizedClientException") => "InvalidAccessKeyId",
        ("s3", "RequestEntityTooLarge") => "EntityTooLarge",
        (_, code) => code,
    };
    let status = match (name, code) {
        ("s3", "AccessDenied") => 403,
        ("s3", "EntityTooLarge") => 400,
        _ => refusal.status,
    };
    error(code, &refusal.message, status)
}

fn written(response: codec::Response, name: &str, id: &str, is_head: bool) -> Response {
    let has_none = is_head || response.status == 304;
    let body = if has_none { Bytes::new() } else { Bytes::from(response.body) };
    let mut written = Response::new(Body::from(body));
    let status = StatusCode::from_u16(response.status);
    *written.status_mut() = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in &response.headers {
        // What cannot be a header has been refused by the codec.
        if let (Ok(name), Ok(value)) =
            (HeaderName::try_from(name.as_str()), HeaderValue::try_from(value.as_str()))
        {
            written.headers_mut().append(name, value);
        }
    }
    if is_head {
        // The router says it for paths it knows only, which would tell them from others.
        let length = written.headers_mut().entry(header::CONTENT_LENGTH);
        length.or_insert(HeaderValue::from_static("0"));
    }
    let header = if name == "s3" { "x-amz-request-id" } else { "x-amzn-requestid" };
    if let Ok(id) = HeaderValue::from_str(id)
        && !written.headers().contains_key(header)
    {
        written.headers_mut().insert(header, id);
    }
    written
}
