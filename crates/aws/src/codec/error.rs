//! The errors that services report.

use super::{Call, DecodeError, Response, cbor, json, rest, xml};
use crate::shapes::{Kind, Location, Reference, Structure};
use crate::table::{Operation, Protocol, Service};
use quick_xml::escape::escape;
use stepwright_json::{Json, Object};

/// An error that a service reports.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ServiceError {
    /// The code on the wire: `NoSuchBucket`, `ResourceNotFoundException`. Without one, the status.
    pub code: String,
    /// The name of the error in the model, if it is one that the service is known to have.
    pub name: Option<String>,
    /// What the service says.
    pub message: String,
    /// The status.
    pub status: u16,
    /// Whether it is the service's fault, and not the caller's.
    pub is_fault: bool,
    /// The id of the request.
    pub request_id: Option<String>,
    /// The second id that S3 has.
    pub extended_request_id: Option<String>,
    /// The members that the model knows.
    pub detail: Json,
}

impl ServiceError {
    /// An error that the service has in its model, with the status that it has there.
    pub fn new(service: &Service, name: &str, message: impl Into<String>) -> Self {
        let facts = named(service, name).and_then(|structure| structure.error.as_ref());
        let is_fault = facts.is_some_and(|facts| facts.is_fault);
        let status = facts.map_or(0, |facts| facts.status);
        let code = facts.and_then(|facts| facts.code.as_deref()).unwrap_or(name);
        let usual = if is_fault { 500 } else { 400 };
        Self {
            code: code.to_owned(),
            name: Some(name.to_owned()),
            message: message.into(),
            status: if status == 0 { usual } else { status },
            is_fault,
            ..Self::default()
        }
    }

    /// The type of the error in the model of an operation.
    pub fn structure<'s>(
        &self,
        service: &'s Service,
        operation: &'s Operation,
    ) -> Option<&'s Structure> {
        // The name tells more: the code may be the one that the service had in another protocol.
        let named = self.name.as_deref().and_then(|name| find(service, operation, name));
        named.or_else(|| find(service, operation, &self.code))
    }
}

fn named<'s>(service: &'s Service, name: &str) -> Option<&'s Structure> {
    errors(service).find(|structure| structure.name.as_deref() == Some(name))
}

/// All errors of a service.
fn errors(service: &Service) -> impl Iterator<Item = &Structure> {
    service.shapes.iter().filter_map(|shape| match &shape.kind {
        Kind::Structure(structure) if structure.error.is_some() => Some(structure),
        _ => None,
    })
}

/// An error that came into the model with one new operation. For the others, Step Functions has been
/// seen with the name that errors without a model have: `S3.S3Exception`.
const OF_ONE_OPERATION: (&str, &str) = ("s3", "AccessDenied");

/// The error with a code. An operation may end with any error of its service: the SDK for Java knows
/// them all.
fn find<'s>(service: &'s Service, operation: &'s Operation, code: &str) -> Option<&'s Structure> {
    let is_meant = |structure: &&Structure| {
        let own = structure.error.as_ref().and_then(|error| error.code.as_deref());
        structure.name.as_deref() == Some(code) || own == Some(code)
    };
    service.errors(operation).find(is_meant).or_else(|| {
        let is_known_elsewhere = (service.name.as_str(), code) != OF_ONE_OPERATION;
        errors(service).find(is_meant).filter(|_| is_known_elsewhere)
    })
}

/// Reads an error. Whatever the body is, an error comes of it.
pub(super) fn read(call: Call<'_>, response: &Response) -> ServiceError {
    let found = match call.service.protocol {
        Protocol::Json | Protocol::RestJson => Some(of_json(response)),
        Protocol::Cbor => of_cbor(response),
        Protocol::RestXml | Protocol::Query | Protocol::Ec2 => of_xml(response),
    };
    let mut error = found.unwrap_or_default();
    error.status = response.status;
    if error.code.is_empty() {
        error.code = unsaid(call, response);
    }
    let mut structure = find(call.service, call.operation, &error.code);
    if let Some(former) = header(response, &["x-amzn-query-error"])
        && let Some((code, side)) = former.split_once(';')
        && call.service.is_query_compatible
        && !code.is_empty()
    {
        // The code that the service had when it spoke `query`. It is the one that is meant.
        code.clone_into(&mut error.code);
        error.is_fault = side == "Receiver";
        structure = structure.or_else(|| find(call.service, call.operation, code));
    }
    if let Some(structure) = structure {
        let facts = structure.error.clone().unwrap_or_default();
        error.is_fault = facts.is_fault;
        error.name = structure.name.as_ref().map(ToString::to_string);
        let members = detail(call, structure, response).unwrap_or_default();
        if !members.is_null() {
            error.detail = members;
        }
    } else {
        error.is_fault |= response.status >= 500;
    }
    let ids = ["x-amzn-requestid", "x-amz-request-id", "x-amz-requestid"];
    error.request_id = header(response, &ids).map(str::to_owned).or(error.request_id);
    let extended = header(response, &["x-amz-id-2"]).map(str::to_owned);
    error.extended_request_id = extended.or(error.extended_request_id);
    error
}

/// The code of an error that the body says nothing of.
fn unsaid(call: Call<'_>, response: &Response) -> String {
    // The response to HEAD has no body: what was not found is then clear from the operation.
    let mut errors = call.service.errors(call.operation);
    match (errors.next(), errors.next()) {
        (Some(only), None) if response.status == 404 && call.operation.method == "HEAD" => {
            only.name.as_deref().unwrap_or("404").to_owned()
        }
        _ => response.status.to_string(),
    }
}

fn header<'r>(response: &'r Response, names: &[&str]) -> Option<&'r str> {
    names.iter().find_map(|name| response.header(name))
}

/// `com.amazon.coral#FooError:http://…` is `FooError`.
fn plain(code: &str) -> &str {
    let code = code.split(':').next().unwrap_or_default();
    code.rsplit('#').next().unwrap_or_default()
}

fn of_json(response: &Response) -> ServiceError {
    let body = json::parse(&response.body).ok();
    let text = |names: &[&str]| {
        let body = body.as_ref()?;
        names.iter().find_map(|name| body.get(name)).and_then(Json::as_str).map(str::to_owned)
    };
    let in_header = header(response, &["x-amzn-errortype"]).map(str::to_owned);
    let code = in_header
        .or_else(|| text(&["__type"]))
        .or_else(|| text(&["code", "Code"]))
        .unwrap_or_default();
    let is_text = body.is_none() && !is_page(&response.body);
    let start = &response.body[..response.body.len().min(1_000)];
    let message = text(&["message", "Message", "errorMessage"])
        .or_else(|| is_text.then(|| String::from_utf8_lossy(start).trim().to_owned()));
    ServiceError {
        code: plain(&code).to_owned(),
        message: message.unwrap_or_default(),
        ..ServiceError::default()
    }
}

fn of_cbor(response: &Response) -> Option<ServiceError> {
    let body = cbor::of_plain(&cbor::parse(&response.body).ok()?);
    let text = |names: &[&str]| {
        let found = names.iter().find_map(|name| body.get(name)).and_then(Json::as_str);
        found.unwrap_or_default().to_owned()
    };
    Some(ServiceError {
        code: plain(&text(&["__type"])).to_owned(),
        message: text(&["message", "Message"]),
        ..ServiceError::default()
    })
}

fn of_xml(response: &Response) -> Option<ServiceError> {
    if is_page(&response.body) {
        return None;
    }
    let root = xml::parse(&response.body).ok()?;
    let error = error_element(&root);
    let text = |element: &xml::Element, names: &[&str]| {
        names.iter().find_map(|name| element.text_of(name)).map(str::to_owned)
    };
    let ids = ["RequestId", "RequestID", "requestId"];
    Some(ServiceError {
        code: text(error, &["Code"]).unwrap_or_default(),
        message: text(error, &["Message", "message"]).unwrap_or_default(),
        is_fault: text(error, &["Type"]).is_some_and(|one| one == "Receiver"),
        request_id: text(&root, &ids).or_else(|| text(error, &ids)),
        extended_request_id: text(error, &["HostId"]),
        ..ServiceError::default()
    })
}

/// Where code and message are: the root, or an element within.
fn error_element(root: &xml::Element) -> &xml::Element {
    let within = root.child("Errors").unwrap_or(root);
    within.child("Error").unwrap_or(root)
}

/// Whether S3 reports an error after it had begun to answer: with a good status, but an error as the
/// body. <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html>
pub(super) fn is_late(call: Call<'_>, response: &Response) -> bool {
    let start = &response.body[..response.body.len().min(256)];
    let may_be_late = ["CopyObject", "UploadPartCopy", "CompleteMultipartUpload"];
    call.service.name == "s3"
        && may_be_late.contains(&call.operation.name.as_str())
        && start.windows(7).any(|part| part == b"<Error>")
}

/// Whether the body is a page for people, as proxies and load balancers answer.
fn is_page(body: &[u8]) -> bool {
    let start =
        String::from_utf8_lossy(&body[..body.len().min(64)]).trim_start().to_ascii_lowercase();
    start.starts_with("<html") || start.starts_with("<!doctype html")
}

/// The members of an error.
fn detail(call: Call<'_>, structure: &Structure, response: &Response) -> Result<Json, DecodeError> {
    let service = call.service;
    Ok(match service.protocol {
        Protocol::Json => match json::parse(&response.body)? {
            Json::Object(written) => {
                Json::Object(json::read_members(service, structure, &written, |_| true)?)
            }
            _ => Json::Null,
        },
        Protocol::Cbor => match cbor::parse(&response.body)? {
            cbor::Value::Map(written) => {
                Json::Object(cbor::read_members(service, structure, &written)?)
            }
            _ => Json::Null,
        },
        Protocol::RestJson => {
            rest::read(
                service,
                structure,
                &response.headers,
                &response.body,
                Some(response.status),
            )?
            .value
        }
        Protocol::RestXml => {
            let mut members = match rest::read(
                service,
                structure,
                &response.headers,
                b"",
                Some(response.status),
            )?
            .value
            {
                Json::Object(members) => members,
                _ => Object::new(),
            };
            let root = xml::parse(&response.body)?;
            let in_body = |one: &Reference| service.traits(one).location == Location::Body;
            for (name, one) in
                xml::read_members(service, structure, error_element(&root), in_body)?.iter()
            {
                members.insert(name.clone(), one.clone());
            }
            Json::Object(members)
        }
        Protocol::Query | Protocol::Ec2 => {
            let root = xml::parse(&response.body)?;
            Json::Object(xml::read_members(service, structure, error_element(&root), |_| true)?)
        }
    })
}

/// Writes an error.
pub(super) fn response(service: &Service, error: &ServiceError) -> Response {
    let structure = error.name.as_deref().and_then(|name| named(service, name));
    let name = error.name.as_deref().unwrap_or(&error.code);
    let request_id = error.request_id.as_deref().unwrap_or_default();
    let mut headers = Vec::new();
    if let Some(id) = &error.request_id {
        let is_s3 = service.protocol == Protocol::RestXml && service.name == "s3";
        let header = if is_s3 { "x-amz-request-id" } else { "x-amzn-RequestId" };
        headers.push((header.to_owned(), id.clone()));
    }
    if let Some(id) = &error.extended_request_id {
        headers.push(("x-amz-id-2".to_owned(), id.clone()));
    }
    if service.is_query_compatible {
        let side = if error.is_fault { "Receiver" } else { "Sender" };
        headers.push(("x-amzn-query-error".to_owned(), format!("{};{side}", error.code)));
    }
    let written = || {
        let written = structure
            .map(|structure| json::write_members(service, structure, &error.detail, |_| true));
        let mut members = written.and_then(Result::ok).unwrap_or_default();
        let has_message = ["message", "Message"].iter().any(|name| members.contains_key(name));
        if !has_message {
            let member = structure.and_then(|one| {
                one.members.iter().find(|one| one.name.eq_ignore_ascii_case("message"))
            });
            let wire = member.map_or("message", |member| member.wire()).to_owned();
            members.insert(wire, error.message.as_str().into());
        }
        members
    };
    let body = match service.protocol {
        Protocol::Json => {
            let mut members: Object = [("__type", name.into())].into_iter().collect();
            members = members
                .iter()
                .chain(written().iter())
                .map(|(key, one)| (key.clone(), one.clone()))
                .collect();
            headers.push(json::content_type(service));
            Json::Object(members).to_string().into_bytes()
        }
        Protocol::RestJson => {
            headers.push(("x-amzn-errortype".to_owned(), name.to_owned()));
            headers.push(("Content-Type".to_owned(), "application/json".to_owned()));
            Json::Object(written()).to_string().into_bytes()
        }
        Protocol::Cbor => {
            headers.push(("smithy-protocol".to_owned(), "rpc-v2-cbor".to_owned()));
            headers.push(("Content-Type".to_owned(), "application/cbor".to_owned()));
            let text = |text: &str| cbor::Value::Text(text.to_owned());
            cbor::bytes(&cbor::Value::Map(vec![
                (text("__type"), text(name)),
                (text("message"), text(&error.message)),
            ]))
        }
        Protocol::RestXml | Protocol::Query | Protocol::Ec2 => {
            headers.push(("Content-Type".to_owned(), "text/xml".to_owned()));
            xml_body(service, error, request_id).into_bytes()
        }
    };
    Response { status: error.status, headers, body }
}

fn xml_body(service: &Service, error: &ServiceError, request_id: &str) -> String {
    let text = |text: &str| {
        let shown: String = text.chars().filter(|c| !c.is_control() || c.is_whitespace()).collect();
        escape(shown.as_str()).into_owned()
    };
    let (code, message, id) = (text(&error.code), text(&error.message), text(request_id));
    let side = if error.is_fault { "Receiver" } else { "Sender" };
    match service.protocol {
        Protocol::Ec2 => format!(
            "<Response><Errors><Error><Code>{code}</Code><Message>{message}</Message></Error>\
             </Errors><RequestID>{id}</RequestID></Response>"
        ),
        Protocol::RestXml if service.name == "s3" => {
            let host = text(error.extended_request_id.as_deref().unwrap_or_default());
            let detail = error.detail.as_object().into_iter().flat_map(Object::iter);
            let detail: String = detail
                .filter_map(|(name, value)| {
                    Some(format!("<{name}>{}</{name}>", text(value.as_str()?)))
                })
                .collect();
            format!(
                "<Error><Code>{code}</Code><Message>{message}</Message>{detail}<RequestId>{id}</RequestId>\
                 <HostId>{host}</HostId></Error>"
            )
        }
        _ => format!(
            "<ErrorResponse xmlns=\"{}\"><Error><Type>{side}</Type><Code>{code}</Code>\
             <Message>{message}</Message></Error><RequestId>{id}</RequestId></ErrorResponse>",
            text(&service.namespace)
        ),
    }
}
