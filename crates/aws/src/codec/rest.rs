//! The protocols `rest-json` and `rest-xml`: members in path, query and headers, the rest in the body.

use super::{Call, DecodeError, EncodeError, Message, Request, Response, json, route, value, xml};
use crate::shapes::{Kind, Location, Member, Reference, Structure, TimestampFormat};
use crate::table::{Protocol, Service};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use stepwright_json::{Array, Json, Object};

/// What is escaped in a path or query: everything but letters, digits and four marks.
pub(super) const ESCAPED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
/// The type of a body that is bytes.
const BYTES: &str = "application/octet-stream";
const ESCAPED_BUT_SLASHES: &AsciiSet = &ESCAPED.remove(b'/');

/// Whether a member stands in the body of a request. In responses, nothing stands in the path or the
/// query: what has such a place is in the body there.
fn is_in_body(service: &Service, reference: &Reference, is_response: bool) -> bool {
    match service.traits(reference).location {
        Location::Body => true,
        Location::Uri | Location::Query => is_response,
        Location::Header | Location::Headers | Location::Status => false,
    }
}

pub(super) fn request(call: Call<'_>, message: &Message) -> Result<Request, EncodeError> {
    let Call { service, operation } = call;
    let mut request = Request { method: operation.method.to_owned(), ..Request::default() };
    let (template, literal) = operation.uri.split_once('?').unwrap_or((&operation.uri, ""));
    template.clone_into(&mut request.path);
    literal.clone_into(&mut request.query);
    let Some(input) = call.input() else { return Ok(request) };
    let mut members = json::members(input, &message.value)?;
    // Maps of parameters come last: what is given by name wins.
    members.sort_by_key(|(_, reference, _)| matches!(service.shape(reference).kind, Kind::Map(..)));
    let mut query: Vec<(String, String)> = Vec::new();
    for (name, reference, one) in &members {
        let wire = reference.wire.as_deref().unwrap_or(name);
        let placed = match service.traits(reference).location {
            Location::Uri => label(service, reference, one, wire, &mut request.path),
            Location::Query => query_pairs(service, reference, one, wire, &mut query),
            Location::Header | Location::Headers => {
                headers(service, reference, one, wire, &mut request.headers)
            }
            Location::Body | Location::Status => Ok(()),
        };
        placed.map_err(|error| error.within(name))?;
    }
    if let Some(name) = missing_label(&request.path) {
        let of_wire = |one: &&Member| one.wire() == name;
        let name = input.members.iter().find(of_wire).map_or(name, |one| one.name.as_str());
        return Err(EncodeError::new("is a part of the path and must be given").within(name));
    }
    let mut written: Vec<String> = Vec::new();
    if !request.query.is_empty() {
        written.push(std::mem::take(&mut request.query));
    }
    written.extend(query.iter().map(|(name, value)| {
        let name = utf8_percent_encode(name, ESCAPED);
        format!("{name}={}", utf8_percent_encode(value, ESCAPED))
    }));
    request.query = written.join("&");
    let of = (input, operation.input.as_ref(), false);
    request.body = body(call, of, message, &mut request.headers)?;
    Ok(request)
}

pub(super) fn response(call: Call<'_>, message: &Message) -> Result<Response, EncodeError> {
    let Call { service, operation } = call;
    let mut response = Response { status: operation.status, ..Response::default() };
    let Some(output) = call.output() else { return Ok(response) };
    for (name, reference, one) in json::members(output, &message.value)? {
        let wire = reference.wire.as_deref().unwrap_or(name);
        match service.traits(reference).location {
            Location::Status => {
                let status = one.as_i64().and_then(|status| u16::try_from(status).ok());
                let status = status.filter(|status| (100..1000).contains(status));
                response.status = status
                    .ok_or_else(|| EncodeError::new("must be an HTTP status").within(name))?;
            }
            Location::Header | Location::Headers => {
                headers(service, reference, one, wire, &mut response.headers)
                    .map_err(|error| error.within(name))?;
            }
            Location::Body | Location::Uri | Location::Query => {}
        }
    }
    let of = (output, operation.output.as_ref(), true);
    response.body = body(call, of, message, &mut response.headers)?;
    Ok(response)
}

pub(super) fn read_request(call: Call<'_>, request: &Request) -> Result<Message, DecodeError> {
    let Some(input) = call.input() else { return Ok(Message::default()) };
    let labels = route::labels(&call.operation.uri, &request.path).ok_or_else(|| {
        DecodeError::new(format!("the path is not that of `{}`", call.operation.name))
    })?;
    let query = pairs(&request.query);
    let (_, literal) = call.operation.uri.split_once('?').unwrap_or_default();
    let literal: Vec<(String, String)> = pairs(literal);
    let mut message = read(call.service, input, &request.headers, &request.body, None)?;
    let Json::Object(object) = &mut message.value else { return Ok(message) };
    for member in &input.members {
        let reference = &member.reference;
        let found = match call.service.traits(reference).location {
            Location::Uri => {
                let found = labels.iter().find(|(name, _)| *name == member.wire());
                let text = |(_, text): &(&str, String)| {
                    value::of_text(call.service, reference, &member.name, text)
                };
                found.map(text).transpose()?
            }
            Location::Query => of_query(call.service, input, member, &query, &literal)?,
            _ => None,
        };
        if let Some(found) = found {
            object.insert(member.name.clone(), found);
        }
    }
    Ok(message)
}

pub(super) fn read_response(call: Call<'_>, response: &Response) -> Result<Message, DecodeError> {
    let Some(output) = call.output() else { return Ok(Message::default()) };
    read(call.service, output, &response.headers, &response.body, Some(response.status))
}

/// What headers and body say, and of a response the status.
pub(super) fn read(
    service: &Service,
    structure: &Structure,
    headers: &[(String, String)],
    body: &[u8],
    status: Option<u16>,
) -> Result<Message, DecodeError> {
    let mut message = Message::default();
    let mut members = Object::new();
    for member in &structure.members {
        if let Some(status) = status
            && service.traits(&member.reference).location == Location::Status
        {
            members.insert(member.name.clone(), i64::from(status).into());
        }
        if let Some(found) = of_headers(service, member, headers)? {
            members.insert(member.name.clone(), found);
        }
    }
    if let Some(payload) = structure.payload() {
        match &service.shape(&payload.reference).kind {
            Kind::Blob => message.body = (!body.is_empty()).then(|| body.to_vec()),
            Kind::String { .. } if body.is_empty() => {}
            Kind::String { .. } => {
                let text = String::from_utf8(body.to_vec());
                let text = text.map_err(|_| DecodeError::wrong(&payload.name, "text"))?;
                members.insert(payload.name.clone(), text.into());
            }
            _ if body.is_empty() => {}
            _ => {
                let read = read_value(service, &payload.reference, &payload.name, body)?;
                if !read.is_null() {
                    members.insert(payload.name.clone(), read);
                }
            }
        }
    } else if !body.is_empty() {
        let in_body = |one: &Reference| is_in_body(service, one, status.is_some());
        let read = match service.protocol {
            Protocol::RestXml => xml::read_body(service, structure, body, in_body)?,
            _ => match json::parse(body)? {
                Json::Object(written) => json::read_members(service, structure, &written, in_body)?,
                Json::Null => Object::new(),
                _ => return Err(DecodeError::wrong("the body", "an object")),
            },
        };
        for (name, one) in read.iter() {
            members.insert(name.clone(), one.clone());
        }
    }
    message.value = Json::Object(members);
    Ok(message)
}

fn read_value(
    service: &Service,
    reference: &Reference,
    name: &str,
    body: &[u8],
) -> Result<Json, DecodeError> {
    match service.protocol {
        Protocol::RestXml => xml::read_value(service, reference, name, body),
        _ => json::of_wire(service, reference, name, &json::parse(body)?),
    }
}

/// Writes the body, and the header that says what it is.
fn body(
    call: Call<'_>,
    (structure, reference, is_response): (&Structure, Option<&Reference>, bool),
    message: &Message,
    headers: &mut Vec<(String, String)>,
) -> Result<Vec<u8>, EncodeError> {
    let service = call.service;
    let is_xml = service.protocol == Protocol::RestXml;
    let plain = if is_xml { "application/xml" } else { "application/json" };
    let (content_type, body) = if let Some(payload) = structure.payload() {
        let given = message.value.get(&payload.name).filter(|one| !one.is_null());
        let written = payload_body(service, payload, given, message.body.as_deref());
        written.map_err(|error| error.within(&payload.name))?
    } else {
        let in_body = |one: &Reference| is_in_body(service, one, is_response);
        let is_given = structure.members.iter().any(|member| {
            in_body(&member.reference)
                && message.value.get(&member.name).is_some_and(|one| !one.is_null())
        });
        let may_be_given = structure.members.iter().any(|member| in_body(&member.reference));
        match reference {
            Some(reference) if is_xml && is_given => {
                (plain, xml::body(service, reference, structure, call, &message.value, in_body)?)
            }
            Some(_) if !is_xml && may_be_given => {
                let members = json::write_members(service, structure, &message.value, in_body)?;
                (plain, Json::Object(members).to_string().into_bytes())
            }
            _ => (plain, Vec::new()),
        }
    };
    let is_said = super::header(headers, "Content-Type").is_some();
    if !is_said && (!body.is_empty() || content_type == BYTES) {
        headers.push(("Content-Type".to_owned(), content_type.to_owned()));
    }
    Ok(body)
}

fn payload_body(
    service: &Service,
    payload: &Member,
    given: Option<&Json>,
    bytes: Option<&[u8]>,
) -> Result<(&'static str, Vec<u8>), EncodeError> {
    let reference = &payload.reference;
    Ok(match (&service.shape(reference).kind, given, service.protocol) {
        (Kind::Blob, None, _) => (BYTES, bytes.map(<[u8]>::to_vec).unwrap_or_default()),
        (Kind::Blob, Some(given), _) => {
            let bytes = given.as_str().and_then(value::bytes);
            let bytes = bytes.ok_or_else(|| EncodeError::wrong("a text in base64", given))?;
            (BYTES, bytes)
        }
        (Kind::String { .. }, given, _) => {
            let text = match given {
                Some(given) => value::to_text(service, reference, given, TimestampFormat::Iso8601)?,
                None => String::new(),
            };
            ("text/plain", text.into_bytes())
        }
        (_, None, Protocol::RestXml) => ("application/xml", Vec::new()),
        (_, Some(given), Protocol::RestXml) => {
            ("application/xml", xml::value_body(service, payload, given)?)
        }
        (Kind::Structure(structure), None, _) if structure.is_union => {
            ("application/json", Vec::new())
        }
        (_, None, _) => ("application/json", b"{}".to_vec()),
        (_, Some(given), _) => {
            ("application/json", json::write(service, reference, given)?.to_string().into_bytes())
        }
    })
}

/// Puts a member into the path.
fn label(
    service: &Service,
    reference: &Reference,
    one: &Json,
    wire: &str,
    path: &mut String,
) -> Result<(), EncodeError> {
    let text = value::to_text(service, reference, one, TimestampFormat::Iso8601)?;
    if text.is_empty() {
        return Err(EncodeError::new("is a part of the path and must not be empty"));
    }
    let plain = utf8_percent_encode(&text, ESCAPED).to_string();
    let greedy = utf8_percent_encode(&text, ESCAPED_BUT_SLASHES).to_string();
    *path = path.replace(&format!("{{{wire}}}"), &plain).replace(&format!("{{{wire}+}}"), &greedy);
    Ok(())
}

/// A label that has not been replaced. (What replaces labels has its braces escaped.)
fn missing_label(path: &str) -> Option<&str> {
    let (_, rest) = path.split_once('{')?;
    let (name, _) = rest.split_once('}')?;
    Some(name.trim_end_matches('+'))
}

fn query_pairs(
    service: &Service,
    reference: &Reference,
    one: &Json,
    wire: &str,
    pairs: &mut Vec<(String, String)>,
) -> Result<(), EncodeError> {
    let text = |reference: &Reference, one: &Json| {
        value::to_text(service, reference, one, TimestampFormat::Iso8601)
    };
    match (&service.shape(reference).kind, one) {
        (Kind::List(item), Json::Array(items)) => {
            for (index, one) in items.iter().enumerate().filter(|(_, one)| !one.is_null()) {
                let text = text(item, one).map_err(|error| error.at(index))?;
                pairs.push((wire.to_owned(), text));
            }
        }
        (Kind::Map(_, of), Json::Object(members)) => {
            for (key, one) in members.iter() {
                // What is given by name wins.
                if pairs.iter().any(|(name, _)| name == key.as_str()) {
                    continue;
                }
                query_pairs(service, of, one, key, pairs).map_err(|error| error.within(key))?;
            }
        }
        (Kind::List(_), one) => return Err(EncodeError::wrong("an array", one)),
        (Kind::Map(..), one) => return Err(EncodeError::wrong("an object", one)),
        (_, one) => pairs.push((wire.to_owned(), text(reference, one)?)),
    }
    Ok(())
}

/// The names and values of a query.
fn pairs(query: &str) -> Vec<(String, String)> {
    let plain =
        |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    let parts = query.split('&').filter(|part| !part.is_empty());
    parts
        .map(|part| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            (plain(name), plain(value))
        })
        .collect()
}

fn of_query(
    service: &Service,
    structure: &Structure,
    member: &Member,
    pairs: &[(String, String)],
    literal: &[(String, String)],
) -> Result<Option<Json>, DecodeError> {
    let text =
        |reference: &Reference, text: &str| value::of_text(service, reference, &member.name, text);
    let given = pairs.iter().filter(|(name, _)| name == member.wire());
    Ok(match &service.shape(&member.reference).kind {
        Kind::List(item) => {
            let items = given.map(|(_, value)| text(item, value)).collect::<Result<Array, _>>()?;
            (!items.is_empty()).then_some(Json::Array(items))
        }
        Kind::Map(_, of) => {
            // All parameters that are nobody else's.
            let mut object = Object::new();
            for (name, value) in pairs {
                let is_named = structure.members.iter().any(|other| {
                    !std::ptr::eq(other, member)
                        && other.wire() == name
                        && service.traits(&other.reference).location == Location::Query
                });
                if is_named || literal.iter().any(|(one, _)| one == name) {
                    continue;
                }
                if let Kind::List(item) = &service.shape(of).kind {
                    let one = text(item, value)?;
                    let list = object.get_or_insert_with(name, || Json::Array(Array::new()));
                    if let Json::Array(items) = list {
                        items.push(one);
                    }
                } else {
                    object.insert(name.as_str(), text(of, value)?);
                }
            }
            (!object.is_empty()).then_some(Json::Object(object))
        }
        _ => given.map(|(_, value)| text(&member.reference, value)).next().transpose()?,
    })
}

fn headers(
    service: &Service,
    reference: &Reference,
    one: &Json,
    wire: &str,
    headers: &mut Vec<(String, String)>,
) -> Result<(), EncodeError> {
    match (&service.shape(reference).kind, one) {
        (Kind::Map(_, of), Json::Object(members)) => {
            let wire = reference.wire.as_deref().unwrap_or_default();
            for (key, one) in members.iter().filter(|(_, one)| !one.is_null()) {
                let text = header_text(service, of, one).map_err(|error| error.within(key))?;
                headers.push((format!("{wire}{key}"), text));
            }
        }
        (Kind::Map(..), one) => return Err(EncodeError::wrong("an object", one)),
        (Kind::List(_), Json::Array(items)) if items.is_empty() => {}
        _ => headers.push((wire.to_owned(), header_text(service, reference, one)?)),
    }
    let is_sendable = |(name, text): &(String, String)| {
        !text.contains(['\r', '\n', '\0'])
            && !name.is_empty()
            && name.chars().all(|c| c.is_ascii_graphic() && c != ':')
    };
    if headers.iter().all(is_sendable) {
        return Ok(());
    }
    Err(EncodeError::new("cannot be a header: it has a line break or a forbidden sign"))
}

fn header_text(
    service: &Service,
    reference: &Reference,
    one: &Json,
) -> Result<String, EncodeError> {
    let kind = &service.shape(reference).kind;
    match (kind, one) {
        (Kind::List(item), Json::Array(items)) => {
            let is_text = matches!(service.shape(item).kind, Kind::String { .. });
            let texts = items.iter().enumerate().filter(|(_, one)| !one.is_null());
            let texts = texts.map(|(index, one)| {
                let text = header_text(service, item, one).map_err(|error| error.at(index))?;
                let is_quoted = is_text
                    && (text.contains([',', '"']) || text.trim() != text || text.is_empty());
                Ok(if is_quoted {
                    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
                } else {
                    text
                })
            });
            Ok(texts.collect::<Result<Vec<_>, EncodeError>>()?.join(","))
        }
        (Kind::List(_), one) => Err(EncodeError::wrong("an array", one)),
        _ if service.traits(reference).is_json => {
            Ok(value::base64(json::json_text(one).as_bytes()))
        }
        _ => value::to_text(service, reference, one, TimestampFormat::Rfc822),
    }
}

/// What the headers say of a member.
fn of_headers(
    service: &Service,
    member: &Member,
    headers: &[(String, String)],
) -> Result<Option<Json>, DecodeError> {
    let reference = &member.reference;
    match service.traits(reference).location {
        Location::Headers => {
            let Kind::Map(_, of) = &service.shape(reference).kind else { return Ok(None) };
            let prefix = reference.wire.as_deref().unwrap_or_default();
            let mut object = Object::new();
            for (name, text) in headers {
                let has_prefix = name
                    .get(..prefix.len())
                    .is_some_and(|start| start.eq_ignore_ascii_case(prefix));
                if has_prefix {
                    let one = value::of_text(service, of, &member.name, text)?;
                    object.insert(&name[prefix.len()..], one);
                }
            }
            Ok((!object.is_empty()).then_some(Json::Object(object)))
        }
        Location::Header => {
            let found = headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case(member.wire()));
            let texts: Vec<&str> = found.map(|(_, text)| text.as_str()).collect();
            if texts.is_empty() {
                return Ok(None);
            }
            of_header(service, reference, &member.name, &texts.join(",")).map(Some)
        }
        _ => Ok(None),
    }
}

fn of_header(
    service: &Service,
    reference: &Reference,
    name: &str,
    text: &str,
) -> Result<Json, DecodeError> {
    match &service.shape(reference).kind {
        Kind::List(item) => {
            let is_moment = matches!(service.shape(item).kind, Kind::Timestamp);
            let format = service.traits(item).timestamp.unwrap_or(TimestampFormat::Rfc822);
            let items = if is_moment && format == TimestampFormat::Rfc822 {
                moments(text)
            } else {
                items(text)
            };
            let items = items.iter().map(|text| value::of_text(service, item, name, text));
            items.collect::<Result<Array, _>>().map(Json::Array)
        }
        _ if service.traits(reference).is_json => {
            let bytes = value::bytes(text).and_then(|bytes| String::from_utf8(bytes).ok());
            bytes.map(Json::from).ok_or_else(|| DecodeError::wrong(name, "JSON in base64"))
        }
        _ => value::of_text(service, reference, name, text),
    }
}

/// Moments in the format of HTTP, which have a comma of their own.
fn moments(text: &str) -> Vec<String> {
    let parts: Vec<&str> = text.split(',').map(str::trim).collect();
    parts.chunks(2).map(|pair| pair.join(", ")).collect()
}

/// Items between commas; quoted ones may have commas within.
fn items(text: &str) -> Vec<String> {
    let mut items = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let mut item = String::new();
        if let Some(quoted) = rest.strip_prefix('"') {
            let mut end = quoted.len();
            let mut chars = quoted.char_indices();
            while let Some((at, c)) = chars.next() {
                match c {
                    '"' => {
                        end = at + 1;
                        break;
                    }
                    '\\' => item.extend(chars.next().map(|(_, c)| c)),
                    c => item.push(c),
                }
            }
            rest = quoted[end..].trim_start();
            rest = rest.strip_prefix(',').unwrap_or(rest).trim_start();
        } else {
            let (one, after) = rest.split_once(',').unwrap_or((rest, ""));
            item.push_str(one.trim());
            rest = after.trim_start();
        }
        items.push(item);
    }
    items
}
