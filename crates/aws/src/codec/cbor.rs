//! CBOR in bodies: the protocol `smithy-rpc-v2-cbor`.

use super::{Call, DEPTH, DecodeError, EncodeError, Message, Request, Response, json, time, value};
use crate::shapes::{Kind, Reference, Structure, TimestampFormat};
use crate::table::Service;
use stepwright_json::{Array, Json, Object};

mod items;

pub(super) use items::Value;

/// The tag of a moment.
const MOMENT: u64 = 1;

pub(super) fn request(call: Call<'_>, message: &Message) -> Result<Request, EncodeError> {
    let Call { service, operation } = call;
    let mut headers = vec![
        ("smithy-protocol".to_owned(), "rpc-v2-cbor".to_owned()),
        ("Accept".to_owned(), "application/cbor".to_owned()),
    ];
    let mut body = Vec::new();
    if let Some(input) = &operation.input {
        body = bytes(&write(service, input, &message.value)?);
        headers.push(("Content-Type".to_owned(), "application/cbor".to_owned()));
    }
    let path = format!("/service/{}/operation/{}", service.target_prefix, operation.name);
    Ok(Request { method: "POST".to_owned(), path, headers, body, ..Request::default() })
}

pub(super) fn response(call: Call<'_>, message: &Message) -> Result<Response, EncodeError> {
    let Call { service, operation } = call;
    let mut headers = vec![("smithy-protocol".to_owned(), "rpc-v2-cbor".to_owned())];
    let mut body = Vec::new();
    if let Some(output) = &operation.output {
        body = bytes(&write(service, output, &message.value)?);
        headers.push(("Content-Type".to_owned(), "application/cbor".to_owned()));
    }
    Ok(Response { status: 200, headers, body })
}

pub(super) fn bytes(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    items::write(value, &mut bytes);
    bytes
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

pub(super) fn parse(body: &[u8]) -> Result<Value, DecodeError> {
    items::read(body).map_err(|error| DecodeError::new(format!("the body is not CBOR: {error}")))
}

fn write(service: &Service, reference: &Reference, value: &Json) -> Result<Value, EncodeError> {
    let kind = &service.shape(reference).kind;
    Ok(match (kind, value) {
        (Kind::Structure(structure), value) => {
            let mut members = Vec::new();
            for (name, reference, one) in json::members(structure, value)? {
                let one = write(service, reference, one).map_err(|error| error.within(name))?;
                let wire = reference.wire.as_deref().unwrap_or(name);
                members.push((Value::Text(wire.to_owned()), one));
            }
            Value::Map(members)
        }
        (Kind::List(item), Json::Array(items)) => {
            let written = items.iter().enumerate().map(|(index, one)| match one {
                Json::Null => Ok(Value::Null),
                one => write(service, item, one).map_err(|error| error.at(index)),
            });
            Value::Array(written.collect::<Result<_, _>>()?)
        }
        (Kind::Map(_, of), Json::Object(members)) => {
            let written = members.iter().map(|(key, one)| {
                let one = match one {
                    Json::Null => Value::Null,
                    one => write(service, of, one).map_err(|error| error.within(key))?,
                };
                Ok((Value::Text(key.to_string()), one))
            });
            Value::Map(written.collect::<Result<_, EncodeError>>()?)
        }
        (kind, value) => {
            value::check(kind, value)?;
            scalar(kind, value)
        }
    })
}

/// A value that has been checked.
fn scalar(kind: &Kind, value: &Json) -> Value {
    match (kind, value) {
        (Kind::Timestamp, value) => {
            let seconds = time::read(value).map(time::number).unwrap_or_default();
            Value::Tag(MOMENT, Box::new(plain(&seconds)))
        }
        (Kind::Blob, Json::String(text)) => Value::Bytes(value::bytes(text).unwrap_or_default()),
        (Kind::Float | Kind::Double, Json::String(text)) => Value::Float(match text.as_str() {
            "Infinity" => f64::INFINITY,
            "-Infinity" => f64::NEG_INFINITY,
            _ => f64::NAN,
        }),
        (Kind::Float | Kind::Double, value) => Value::Float(value.as_f64().unwrap_or_default()),
        (Kind::Integer | Kind::Long, value) => {
            value.as_i64().map_or_else(|| plain(value), |number| Value::Integer(number.into()))
        }
        (_, value) => plain(value),
    }
}

/// JSON of any kind.
fn plain(value: &Json) -> Value {
    match value {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(*value),
        Json::Int(value) => Value::Integer((*value).into()),
        Json::Float(value) => Value::Float(*value),
        Json::BigInt(_) => Value::Float(value.as_f64().unwrap_or_default()),
        Json::String(text) => Value::Text(text.to_string()),
        Json::Array(items) => Value::Array(items.iter().map(plain).collect()),
        Json::Object(members) => Value::Map(
            members.iter().map(|(key, one)| (Value::Text(key.to_string()), plain(one))).collect(),
        ),
    }
}

fn of_wire(
    service: &Service,
    reference: &Reference,
    name: &str,
    value: &Value,
) -> Result<Json, DecodeError> {
    let wrong = |expected| Err(DecodeError::wrong(name, expected));
    Ok(match (&service.shape(reference).kind, value) {
        (_, Value::Null) => Json::Null,
        (Kind::Structure(structure), Value::Map(written)) => {
            Json::Object(read_members(service, structure, written)?)
        }
        (Kind::List(item), Value::Array(items)) => {
            let items = items.iter().map(|one| of_wire(service, item, name, one));
            Json::Array(items.collect::<Result<Array, _>>()?)
        }
        (Kind::Map(_, of), Value::Map(members)) => {
            let mut object = Object::new();
            for (key, one) in members {
                let Value::Text(key) = key else { return wrong("a map whose keys are texts") };
                object.insert(key.as_str(), of_wire(service, of, key, one)?);
            }
            Json::Object(object)
        }
        (Kind::Structure(_) | Kind::Map(..), _) => return wrong("a map"),
        (Kind::List(_), _) => return wrong("an array"),
        (Kind::Blob, Value::Bytes(bytes)) => value::base64(bytes).into(),
        (Kind::Timestamp, Value::Tag(MOMENT, seconds)) => match time::read(&of_plain(seconds)) {
            Some(moment) => time::text(moment, TimestampFormat::Iso8601).into(),
            None => return wrong("a moment"),
        },
        (Kind::Float | Kind::Double, Value::Float(number)) if !number.is_finite() => {
            of_plain(&Value::Float(*number))
        }
        (_, value) => value::of_json(service, reference, name, &of_plain(value))?,
    })
}

pub(super) fn read_members(
    service: &Service,
    structure: &Structure,
    written: &[(Value, Value)],
) -> Result<Object, DecodeError> {
    let mut members = Object::new();
    for member in &structure.members {
        let is_meant = |(key, _): &&(Value, Value)| key.as_text() == Some(member.wire());
        let Some((_, one)) = written.iter().rev().find(is_meant) else { continue };
        let one = of_wire(service, &member.reference, &member.name, one)?;
        if !one.is_null() {
            members.insert(member.name.clone(), one);
        }
    }
    Ok(members)
}

/// Any CBOR as JSON.
pub(super) fn of_plain(value: &Value) -> Json {
    match value {
        Value::Bool(value) => Json::Bool(*value),
        Value::Integer(number) => match i64::try_from(*number) {
            Ok(number) => Json::Int(number),
            Err(_) => Json::BigInt(number.to_string().into()),
        },
        Value::Float(number) if number.is_nan() => "NaN".into(),
        Value::Float(number) if number.is_infinite() => {
            if *number > 0.0 { "Infinity" } else { "-Infinity" }.into()
        }
        Value::Float(number) => Json::Float(*number),
        Value::Text(text) => text.as_str().into(),
        Value::Bytes(bytes) => value::base64(bytes).into(),
        Value::Tag(_, value) => of_plain(value),
        Value::Array(items) => Json::Array(items.iter().map(of_plain).collect()),
        Value::Map(members) => {
            let members =
                members.iter().filter_map(|(key, one)| Some((key.as_text()?, of_plain(one))));
            Json::Object(members.collect())
        }
        Value::Null => Json::Null,
    }
}
