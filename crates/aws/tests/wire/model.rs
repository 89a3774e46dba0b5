//! Reads botocore's models as they stand in its tests.

use stepwright_aws::shapes::{
    ErrorFacts, Kind, Location, Member, Namespace, Reference, Shape, ShapeId, ShownNames,
    Structure, TimestampFormat, Traits,
};
use stepwright_aws::table::{Checksum, Operation, Protocol, Service};
use stepwright_json::{Json, Object, Str};

/// A service with one operation.
pub(crate) fn service(suite: &Json, given: &Json) -> Service {
    let metadata = suite.get("metadata").unwrap();
    let text =
        |name: &str| Str::from(metadata.get(name).and_then(Json::as_str).unwrap_or_default());
    let mut service = Service::default();
    service.name = "test".into();
    service.protocol = Protocol::parse(&text("protocol")).unwrap();
    service.api_version = text("apiVersion");
    service.json_version = text("jsonVersion");
    service.target_prefix = text("targetPrefix");
    service.is_query_compatible = metadata.get("awsQueryCompatible").is_some();
    let shapes = suite.get("shapes").unwrap().as_object().unwrap();
    let mut reader = Model { shapes, traits: Vec::new(), service };
    let mut read = Vec::new();
    for (name, shape) in shapes.iter() {
        read.push(reader.shape(name, shape));
    }
    reader.service.shapes = read;
    let operation = reader.operation(given);
    let Model { traits, mut service, .. } = reader;
    service.operations = vec![operation];
    service.traits = traits;
    service
}

struct Model<'m> {
    shapes: &'m Object,
    traits: Vec<Traits>,
    service: Service,
}

impl Model<'_> {
    fn operation(&mut self, given: &Json) -> Operation {
        let text = |of: Option<&Json>, name: &str| {
            of.and_then(|of| of.get(name)).and_then(Json::as_str).map(Str::from)
        };
        let http = given.get("http");
        let method = text(http, "method").unwrap_or("POST".into());
        let methods = ["GET", "PUT", "POST", "DELETE", "PATCH", "HEAD"];
        let mut operation = Operation::default();
        operation.name = text(Some(given), "name").unwrap();
        operation.method = methods.into_iter().find(|one| *one == method).unwrap();
        operation.uri = text(http, "requestUri").unwrap_or("/".into());
        let status = http.and_then(|http| http.get("responseCode")).and_then(Json::as_i64);
        operation.status = status.unwrap_or(200) as u16;
        operation.host_prefix = text(given.get("endpoint"), "hostPrefix");
        operation.result_wrapper = text(given.get("output"), "resultWrapper").or_else(|| {
            let shape = text(given.get("output"), "shape")?;
            text(self.shapes.get(&shape), "resultWrapper")
        });
        let is_required = given.get("httpChecksumRequired").is_some();
        operation.checksum = Checksum { is_required, algorithm_member: None };
        operation.input = given.get("input").map(|one| self.reference(one, false));
        operation.output = given.get("output").map(|one| self.reference(one, false));
        // The older tests name the payload where the shape is used.
        for (at, name) in [(&operation.input, "input"), (&operation.output, "output")] {
            let payload = text(given.get(name), "payload");
            if let (Some(reference), Some(payload)) = (at, payload)
                && let Kind::Structure(structure) =
                    &mut self.service.shapes[reference.shape.0 as usize].kind
            {
                structure.payload = structure.members.iter().position(|one| one.name == payload);
            }
        }
        let errors = given.get("errors").and_then(Json::as_array);
        let errors = errors.into_iter().flatten();
        operation.errors = errors.map(|one| self.reference(one, false).shape).collect();
        operation
    }

    fn shape(&mut self, name: &str, shape: &Json) -> Shape {
        let is = |name: &str| shape.get(name).and_then(Json::as_bool).unwrap_or_default();
        let kind = match shape.get("type").and_then(Json::as_str).unwrap() {
            _ if is("document") => Kind::Document,
            "structure" => {
                let none = Object::new();
                let members = shape.get("members").and_then(Json::as_object).unwrap_or(&none);
                let required = shape.get("required").and_then(Json::as_array);
                let members: Vec<Member> = members
                    .iter()
                    .map(|(name, one)| {
                        let is_required = required
                            .is_some_and(|all| all.iter().any(|one| one.as_str() == Some(name)));
                        let reference = self.reference(one, is_required);
                        Member { name: name.clone(), reference }
                    })
                    .collect();
                let payload = shape.get("payload").and_then(Json::as_str);
                let payload =
                    payload.and_then(|payload| members.iter().position(|one| one.name == payload));
                let error = shape.get("error");
                let code = error.and_then(|error| error.get("code")).and_then(Json::as_str);
                let is_error = is("exception") || error.is_some();
                Kind::Structure(Structure {
                    name: Some(name.into()),
                    members,
                    payload,
                    is_union: is("union"),
                    error: is_error
                        .then(|| ErrorFacts { code: code.map(Str::from), ..ErrorFacts::default() }),
                    shown: ShownNames::default(),
                })
            }
            "list" => Kind::List(self.reference(shape.get("member").unwrap(), false)),
            "map" => Kind::Map(
                self.reference(shape.get("key").unwrap(), false),
                self.reference(shape.get("value").unwrap(), false),
            ),
            "string" | "character" => Kind::String { values: Vec::new() },
            "boolean" => Kind::Boolean,
            "integer" => Kind::Integer,
            "long" => Kind::Long,
            "float" => Kind::Float,
            "double" => Kind::Double,
            "timestamp" => Kind::Timestamp,
            "blob" => Kind::Blob,
            other => panic!("a type {other}"),
        };
        Shape { kind, least: None, most: None }
    }

    fn reference(&mut self, reference: &Json, is_required: bool) -> Reference {
        let target = reference.get("shape").and_then(Json::as_str).unwrap();
        let at = self.shapes.keys().position(|name| name == target).unwrap();
        let shape = self.shapes.get(target).unwrap();
        let get = |name: &str| reference.get(name).or_else(|| shape.get(name));
        let is = |name: &str| get(name).and_then(Json::as_bool).unwrap_or_default();
        let text = |name: &str| get(name).and_then(Json::as_str).map(Str::from);
        let namespace = get("xmlNamespace").map(|one| match one {
            Json::String(uri) => Namespace { uri: uri.clone(), prefix: Str::default() },
            one => {
                let text = |name: &str| {
                    Str::from(one.get(name).and_then(Json::as_str).unwrap_or_default())
                };
                Namespace { uri: text("uri"), prefix: text("prefix") }
            }
        });
        let traits = Traits {
            is_required,
            is_idempotency_token: is("idempotencyToken"),
            is_flattened: is("flattened"),
            is_xml_attribute: is("xmlAttribute"),
            is_json: is("jsonvalue"),
            is_host_label: is("hostLabel"),
            is_streaming: is("streaming"),
            is_sensitive: is("sensitive"),
            is_event_stream: is("eventstream"),
            requires_length: is("requiresLength"),
            location: match text("location").as_deref() {
                Some("uri") => Location::Uri,
                Some("querystring") => Location::Query,
                Some("header") => Location::Header,
                Some("headers") => Location::Headers,
                Some("statusCode") => Location::Status,
                _ => Location::Body,
            },
            timestamp: match text("timestampFormat").as_deref() {
                Some("iso8601") => Some(TimestampFormat::Iso8601),
                Some("unixTimestamp") => Some(TimestampFormat::Unix),
                Some("rfc822") => Some(TimestampFormat::Rfc822),
                _ => None,
            },
            query_name: text("queryName"),
            namespace,
            context: None,
        };
        self.traits.push(traits);
        Reference {
            shape: ShapeId(at as u32),
            traits: self.traits.len() as u32 - 1,
            wire: text("locationName"),
        }
    }
}

/// A value in which what can be written in several ways is written in one, and nulls are left out.
pub(crate) fn normal(service: &Service, reference: &Reference, value: &Json) -> Json {
    match (&service.shape(reference).kind, value) {
        (Kind::Structure(structure), Json::Object(members)) => {
            let mut normal_members = Object::new();
            for member in &structure.members {
                let Some(one) = members.get(&member.name).filter(|one| !one.is_null()) else {
                    continue;
                };
                let one = normal(service, &member.reference, one);
                // Neither query nor headers have lists or maps without items.
                let is_empty = match &one {
                    Json::Array(items) => items.is_empty(),
                    Json::Object(members) => members.is_empty(),
                    _ => false,
                };
                if !is_empty {
                    normal_members.insert(member.name.clone(), one);
                }
            }
            Json::Object(normal_members)
        }
        (Kind::List(item), Json::Array(items)) => {
            let items = items.iter().filter(|one| !one.is_null());
            Json::Array(items.map(|one| normal(service, item, one)).collect())
        }
        (Kind::Map(_, of), Json::Object(members)) => {
            let mut members: Vec<_> = members.iter().filter(|(_, one)| !one.is_null()).collect();
            members.sort_by_key(|(key, _)| (*key).clone());
            let members =
                members.into_iter().map(|(key, one)| (key.clone(), normal(service, of, one)));
            Json::Object(members.collect())
        }
        (Kind::Timestamp, Json::Int(seconds)) => {
            jiff::Timestamp::from_second(*seconds).unwrap().to_string().into()
        }
        (Kind::Timestamp, Json::Float(seconds)) => {
            jiff::Timestamp::from_millisecond((seconds * 1e3).round() as i64)
                .unwrap()
                .to_string()
                .into()
        }
        (_, Json::String(_)) => value.clone(),
        (_, value) if service.traits(reference).is_json => value.to_string().into(),
        (_, value) => value.clone(),
    }
}

/// Takes the type of the body away, if it was not given: who writes a body says what it is.
pub(crate) fn without_content_type(
    service: &Service,
    reference: &Reference,
    given: &Json,
    read: &mut Json,
) {
    let Some(structure) = service.structure(Some(reference)) else { return };
    let Json::Object(read) = read else { return };
    for member in &structure.members {
        let one = given.get(&member.name);
        match service.traits(&member.reference).location {
            Location::Header
                if one.is_none() && member.wire().eq_ignore_ascii_case("content-type") =>
            {
                read.remove(&member.name);
            }
            Location::Headers if one.is_none_or(|one| one.get("Content-Type").is_none()) => {
                if let Some(Json::Object(headers)) = read.get_mut(&member.name) {
                    headers.remove("Content-Type");
                }
            }
            _ => {}
        }
    }
}
