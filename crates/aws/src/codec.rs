//! The wire of AWS's services, both ways: a client encodes requests and decodes responses, a service
//! decodes requests and encodes responses.
//!
//! Values are [`Json`] with the names of the model. Moments are texts in ISO 8601 (numbers of seconds
//! are taken as well), bytes are texts in base64, and numbers that are not finite are the texts `NaN`,
//! `Infinity` and `-Infinity`. A body that is bytes as a whole stands beside the value, as it is.

mod cbor;
pub mod chunked;
mod error;
mod form;
mod json;
mod rest;
mod route;
mod time;
mod value;
mod xml;

pub use error::ServiceError;
pub use route::{protocol, route};

use crate::shapes::{Member, Structure};
use crate::table::{Operation, Protocol, Service};
use md5::{Digest, Md5};
use std::fmt;
use stepwright_json::{Json, Object};

/// What an operation takes or answers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Message {
    /// The members, by their names in the model.
    pub value: Json,
    /// The body, if a member of bytes is the whole body. That member is not in `value`.
    pub body: Option<Vec<u8>>,
}

impl From<Json> for Message {
    fn from(value: Json) -> Self {
        Self { value, body: None }
    }
}

/// An HTTP request without its host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// `POST`
    pub method: String,
    /// What stands before the host's name, with its dot; mostly empty.
    pub host_prefix: String,
    /// The path, escaped.
    pub path: String,
    /// The query, escaped, without the question mark.
    pub query: String,
    /// The headers, without host, length and signature.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// An HTTP response.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Request {
    /// The first header with this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }
}

impl Response {
    /// The first header with this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }
}

/// A text escaped for a query or a form.
pub(crate) fn escaped_component(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, rest::ESCAPED).to_string()
}

fn header<'h>(headers: &'h [(String, String)], name: &str) -> Option<&'h str> {
    headers.iter().find(|(one, _)| one.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

/// A value does not fit the model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodeError {
    /// Where: `Tags[0].Key`; empty if it is the whole.
    pub path: String,
    /// What is wrong, continuing a sentence that begins with the place.
    pub problem: String,
}

impl EncodeError {
    fn new(problem: impl Into<String>) -> Self {
        Self { path: String::new(), problem: problem.into() }
    }

    fn wrong(expected: &str, found: &Json) -> Self {
        Self::new(format!("must be {expected}, not {}", value::kind(found)))
    }

    /// The error of a member.
    fn within(mut self, member: &str) -> Self {
        let separator = if self.path.is_empty() || self.path.starts_with('[') { "" } else { "." };
        self.path = format!("{member}{separator}{}", self.path);
        self
    }

    /// The error of an item.
    fn at(self, index: usize) -> Self {
        self.within(&format!("[{index}]"))
    }
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "" => write!(f, "the value {}", self.problem),
            path => write!(f, "`{path}` {}", self.problem),
        }
    }
}

impl std::error::Error for EncodeError {}

/// What came over the wire is not what the protocol says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodeError(pub String);

impl DecodeError {
    fn new(problem: impl Into<String>) -> Self {
        Self(problem.into())
    }

    fn wrong(member: &str, expected: &str) -> Self {
        Self(format!("`{member}` is not {expected}"))
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for DecodeError {}

/// A moment of a value, in milliseconds since 1970.
pub fn millis(value: &Json) -> Option<i64> {
    time::read(value).map(jiff::Timestamp::as_millisecond)
}

/// A moment in seconds since 1970, as the header `Date` has it.
pub fn http_date(seconds: i64) -> String {
    let moment = jiff::Timestamp::from_second(seconds).unwrap_or_default();
    time::text(moment, crate::shapes::TimestampFormat::Rfc822)
}

/// How deep values may be on the wire.
const DEPTH: usize = 256;

/// What every function of this module works with.
#[derive(Clone, Copy)]
struct Call<'s> {
    service: &'s Service,
    operation: &'s Operation,
}

impl<'s> Call<'s> {
    fn new(service: &'s Service, operation: &'s Operation) -> Self {
        Self { service, operation }
    }

    fn input(&self) -> Option<&'s Structure> {
        self.service.structure(self.operation.input.as_ref())
    }

    fn output(&self) -> Option<&'s Structure> {
        self.service.structure(self.operation.output.as_ref())
    }
}

/// Writes a request.
pub fn encode_request(
    service: &Service,
    operation: &Operation,
    message: &Message,
) -> Result<Request, EncodeError> {
    if let Some(stream) = service.event_stream(operation) {
        return Err(
            EncodeError::new("is a stream of events, which is not supported").within(stream)
        );
    }
    let call = Call::new(service, operation);
    let mut request = match service.protocol {
        Protocol::Json => json::request(call, message)?,
        Protocol::RestJson | Protocol::RestXml => rest::request(call, message)?,
        Protocol::Query | Protocol::Ec2 => form::request(call, message)?,
        Protocol::Cbor => cbor::request(call, message)?,
    };
    request.host_prefix = host_prefix(call, &message.value)?;
    if service.is_query_compatible && matches!(service.protocol, Protocol::Json | Protocol::Cbor) {
        request.headers.push(("x-amzn-query-mode".to_owned(), "true".to_owned()));
    }
    let is_checksum = |name: &str| {
        name.eq_ignore_ascii_case("content-md5") || name.starts_with("x-amz-checksum-")
    };
    if operation.checksum.is_required && !request.headers.iter().any(|(name, _)| is_checksum(name))
    {
        let digest = value::base64(&Md5::digest(&request.body));
        request.headers.push(("Content-MD5".to_owned(), digest));
    }
    Ok(request)
}

/// Reads a request. Its operation is found by [`route`].
pub fn decode_request(
    service: &Service,
    operation: &Operation,
    request: &Request,
) -> Result<Message, DecodeError> {
    let call = Call::new(service, operation);
    let mut message = match service.protocol {
        Protocol::Json => json::read(call.service, operation.input.as_ref(), &request.body)?.into(),
        Protocol::RestJson | Protocol::RestXml => rest::read_request(call, request)?,
        Protocol::Query | Protocol::Ec2 => form::read(call, &request.body)?.into(),
        Protocol::Cbor => cbor::read(call.service, operation.input.as_ref(), &request.body)?.into(),
    };
    if message.value.is_null() {
        message.value = Json::Object(Object::new());
    }
    Ok(message)
}

/// Writes a good response.
pub fn encode_response(
    service: &Service,
    operation: &Operation,
    message: &Message,
) -> Result<Response, EncodeError> {
    if let Some(stream) = service.event_stream(operation) {
        return Err(
            EncodeError::new("is a stream of events, which is not supported").within(stream)
        );
    }
    let call = Call::new(service, operation);
    match service.protocol {
        Protocol::Json => json::response(call, message),
        Protocol::RestJson | Protocol::RestXml => rest::response(call, message),
        Protocol::Query | Protocol::Ec2 => xml::response(call, message),
        Protocol::Cbor => cbor::response(call, message),
    }
}

/// Reads a response: the answer, or the error that the service reports.
pub fn decode_response(
    service: &Service,
    operation: &Operation,
    response: &Response,
) -> Result<Result<Message, ServiceError>, DecodeError> {
    let call = Call::new(service, operation);
    if response.status >= 300 || error::is_late(call, response) {
        return Ok(Err(error::read(call, response)));
    }
    let output = operation.output.as_ref();
    let mut message = match service.protocol {
        Protocol::Json => json::read(service, output, &response.body)?.into(),
        Protocol::RestJson | Protocol::RestXml => rest::read_response(call, response)?,
        Protocol::Query | Protocol::Ec2 => xml::read_response(call, &response.body)?.into(),
        Protocol::Cbor => cbor::read(service, output, &response.body)?.into(),
    };
    if message.value.is_null() {
        message.value = Json::Object(Object::new());
    }
    Ok(Ok(message))
}

/// Writes an error as the service reports it.
pub fn encode_error(service: &Service, error: &ServiceError) -> Response {
    error::response(service, error)
}

/// Whether a member makes a request idempotent, and is made up if it is not given.
pub fn makes_idempotent(service: &Service, member: &Member) -> bool {
    // The model also marks the id of what `StopQueryExecution` stops.
    let is_id = service.name == "athena" && member.name == "QueryExecutionId";
    service.traits(&member.reference).is_idempotency_token && !is_id
}

/// Fills in the members that make a request idempotent, if they are not given.
pub fn fill_token(service: &Service, operation: &Operation, value: &mut Json, token: &str) {
    let Some(input) = service.structure(operation.input.as_ref()) else { return };
    if value.is_null() {
        *value = Json::Object(Object::new());
    }
    let Json::Object(object) = value else { return };
    for member in &input.members {
        if makes_idempotent(service, member) && object.get(&member.name).is_none_or(Json::is_null) {
            object.insert(member.name.clone(), token.into());
        }
    }
}

/// What stands before the host's name.
fn host_prefix(call: Call<'_>, value: &Json) -> Result<String, EncodeError> {
    let Some(template) = &call.operation.host_prefix else { return Ok(String::new()) };
    let mut prefix = template.to_string();
    let members = call.input().into_iter().flat_map(|input| &input.members);
    for member in members.filter(|one| call.service.traits(&one.reference).is_host_label) {
        let label = value.get(&member.name).and_then(Json::as_str).unwrap_or_default();
        let is_label = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
        if label.is_empty() || !label.chars().all(is_label) {
            let problem =
                "is a part of the host's name: it must have letters, digits, `-` and `.` only";
            return Err(EncodeError::new(problem).within(&member.name));
        }
        prefix = prefix.replace(&format!("{{{}}}", member.name), label);
    }
    Ok(prefix)
}
