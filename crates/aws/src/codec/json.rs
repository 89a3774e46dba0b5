//! JSON in bodies: the protocol `json`, and the bodies of `rest-json`.

use super::{Call, DecodeError, EncodeError, Message, Request, Response, value};
use crate::shapes::{Kind, Reference, Structure};
use crate::table::Service;
use stepwright_json::{Array, Json, Limits, Object, Syntax};
use stepwright_source::did_you_mean;

pub(super) fn request(call: Call<'_>, message: &Message) -> Result<Request, EncodeError> {
    let Call { service, operation } = call;
    let body = match &operation.input {
        Some(input) => write(service, input, &message.value)?,
        None => Json::Object(Object::new()),
    };
    let target = format!("{}.{}", service.target_prefix, operation.name);
    Ok(Request {
        method: operation.method.to_owned(),
        path: "/".to_owned(),
        headers: vec![content_type(service), ("X-Amz-Target".to_owned(), target)],
        body: body.to_string().into_bytes(),
        ..Request::default()
    })
}

pub(super) fn response(call: Call<'_>, message: &Message) -> Result<Response, EncodeError> {
    let Call { service, operation } = call;
    let body = match &operation.output {
        Some(output) => write(service, output, &message.value)?.to_string().into_bytes(),
        None => Vec::new(),
    };
    Ok(Response { status: 200, headers: vec![content_type(service)], body })
}

pub(super) fn content_type(service: &Service) -> (String, String) {
    let version = if service.json_version.is_empty() { "1.1" } else { &service.json_version };
    ("Content-Type".to_owned(), format!("application/x-amz-json-{version}"))
}

/// Reads a body. An empty one has no members.
pub(super) fn read(
    service: &Service,
    reference: Option<&Reference>,
    body: &[u8],
) -> Result<Json, DecodeError> {
    match reference {
        Some(reference) if !body.is_empty() => {
            of_wire(service, reference, "the body", &parse(body)?)
        }
        _ => Ok(Json::Null),
    }
}

/// Parses a body.
pub(super) fn parse(body: &[u8]) -> Result<Json, DecodeError> {
    let text = std::str::from_utf8(body)
        .map_err(|_| DecodeError::new("the body is neither JSON nor text"))?;
    let limits = Limits { depth: super::DEPTH, ..Limits::default() };
    stepwright_json::parse_with(text, Syntax::Strict, limits)
        .map_err(|error| DecodeError::new(format!("the body is not JSON: {error}")))
}

/// The value as it is written.
pub(super) fn write(
    service: &Service,
    reference: &Reference,
    value: &Json,
) -> Result<Json, EncodeError> {
    match (&service.shape(reference).kind, value) {
        (Kind::Structure(structure), value) => {
            write_members(service, structure, value, |_| true).map(Json::Object)
        }
        (Kind::List(item), Json::Array(items)) => {
            let written = items.iter().enumerate().map(|(index, one)| match one {
                Json::Null => Ok(Json::Null),
                one => write(service, item, one).map_err(|error| error.at(index)),
            });
            written.collect::<Result<Array, _>>().map(Json::Array)
        }
        (Kind::Map(_, of), Json::Object(members)) => {
            let written = members.iter().map(|(key, one)| match one {
                Json::Null => Ok((key.clone(), Json::Null)),
                one => write(service, of, one)
                    .map(|one| (key.clone(), one))
                    .map_err(|error| error.within(key)),
            });
            written.collect::<Result<Object, _>>().map(Json::Object)
        }
        (_, value) if service.traits(reference).is_json => Ok(json_text(value).into()),
        (_, value) => value::to_json(service, reference, value),
    }
}

/// A value that stands in a text as JSON.
pub(super) fn json_text(value: &Json) -> String {
    match value {
        Json::String(text) => text.to_string(),
        value => value.to_string(),
    }
}

/// The members of a structure that are meant, as they are written.
pub(super) fn write_members(
    service: &Service,
    structure: &Structure,
    value: &Json,
    is_meant: impl Fn(&Reference) -> bool,
) -> Result<Object, EncodeError> {
    let mut written = Object::new();
    for (name, reference, one) in members(structure, value)? {
        if is_meant(reference) {
            let one = write(service, reference, one).map_err(|error| error.within(name))?;
            let wire = reference.wire.clone().unwrap_or_else(|| name.into());
            written.insert(wire, one);
        }
    }
    Ok(written)
}

/// The members that are given, and what the model says of them.
pub(super) fn members<'v>(
    structure: &'v Structure,
    value: &'v Json,
) -> Result<Vec<(&'v str, &'v Reference, &'v Json)>, EncodeError> {
    let given = match value {
        Json::Object(given) => given,
        Json::Null => return Ok(Vec::new()),
        value => return Err(EncodeError::wrong("an object", value)),
    };
    let mut members = Vec::with_capacity(given.len());
    for (name, one) in given.iter() {
        let Some(member) = structure.member(name) else {
            let known = structure.members.iter().map(|member| member.name.as_str());
            let problem = match did_you_mean(name, known) {
                Some(meant) => format!("is not known; did you mean `{meant}`?"),
                None => "is not known".to_owned(),
            };
            return Err(EncodeError::new(problem).within(name));
        };
        if !one.is_null() {
            members.push((member.name.as_str(), &member.reference, one));
        }
    }
    if structure.is_union && members.len() > 1 {
        return Err(EncodeError::new("must have one member only"));
    }
    Ok(members)
}

/// The value that was written.
pub(super) fn of_wire(
    service: &Service,
    reference: &Reference,
    name: &str,
    value: &Json,
) -> Result<Json, DecodeError> {
    match (&service.shape(reference).kind, value) {
        (_, Json::Null) => Ok(Json::Null),
        (Kind::Structure(structure), Json::Object(written)) => {
            read_members(service, structure, written, |_| true).map(Json::Object)
        }
        (Kind::List(item), Json::Array(items)) => {
            let read = items.iter().map(|one| of_wire(service, item, name, one));
            read.collect::<Result<Array, _>>().map(Json::Array)
        }
        (Kind::Map(_, of), Json::Object(members)) => {
            let read = members
                .iter()
                .map(|(key, one)| of_wire(service, of, key, one).map(|one| (key.clone(), one)));
            read.collect::<Result<Object, _>>().map(Json::Object)
        }
        (Kind::Structure(_) | Kind::Map(..), _) => Err(DecodeError::wrong(name, "an object")),
        (Kind::List(_), _) => Err(DecodeError::wrong(name, "an array")),
        (_, value) => value::of_json(service, reference, name, value),
    }
}

/// The members of a structure that are meant. Those that the model does not know are left out.
pub(super) fn read_members(
    service: &Service,
    structure: &Structure,
    written: &Object,
    is_meant: impl Fn(&Reference) -> bool,
) -> Result<Object, DecodeError> {
    let mut members = Object::new();
    for member in &structure.members {
        let Some(one) = written.get(member.wire()).filter(|one| !one.is_null()) else { continue };
        if is_meant(&member.reference) {
            let one = of_wire(service, &member.reference, &member.name, one)?;
            members.insert(member.name.clone(), one);
        }
    }
    Ok(members)
}
