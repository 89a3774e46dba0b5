//! Forms: the requests of the protocols `query` and `ec2`.

use super::rest::ESCAPED;
use super::{Call, DEPTH, DecodeError, EncodeError, Message, Request, json, value};
use crate::shapes::{Kind, Member, Reference, Structure, TimestampFormat};
use crate::table::{Protocol, Service};
use percent_encoding::{percent_decode_str, utf8_percent_encode};
use std::collections::BTreeMap;
use stepwright_json::{Array, Json, Object};

pub(super) fn request(call: Call<'_>, message: &Message) -> Result<Request, EncodeError> {
    let Call { service, operation } = call;
    let mut form = Form { service, pairs: Vec::new() };
    form.pairs.push(("Action".to_owned(), operation.name.to_string()));
    form.pairs.push(("Version".to_owned(), service.api_version.to_string()));
    if let Some(input) = call.input() {
        form.members(input, &message.value, "")?;
    }
    let pairs = form.pairs.iter().map(|(name, value)| {
        let name = utf8_percent_encode(name, ESCAPED);
        format!("{name}={}", utf8_percent_encode(value, ESCAPED))
    });
    let body = pairs.collect::<Vec<_>>().join("&").into_bytes();
    let content_type = "application/x-www-form-urlencoded; charset=utf-8".to_owned();
    Ok(Request {
        method: operation.method.to_owned(),
        path: "/".to_owned(),
        headers: vec![("Content-Type".to_owned(), content_type)],
        body,
        ..Request::default()
    })
}

struct Form<'s> {
    service: &'s Service,
    pairs: Vec<(String, String)>,
}

impl Form<'_> {
    fn members(
        &mut self,
        structure: &Structure,
        value: &Json,
        prefix: &str,
    ) -> Result<(), EncodeError> {
        for (name, reference, one) in json::members(structure, value)? {
            let name_within = join(prefix, &wire(self.service, reference, name));
            self.value(reference, one, &name_within).map_err(|error| error.within(name))?;
        }
        Ok(())
    }

    fn value(
        &mut self,
        reference: &Reference,
        value: &Json,
        name: &str,
    ) -> Result<(), EncodeError> {
        let service = self.service;
        let is_ec2 = service.protocol == Protocol::Ec2;
        match (&service.shape(reference).kind, value) {
            (Kind::Structure(structure), value) => self.members(structure, value, name),
            (Kind::List(_), Json::Array(items)) if items.is_empty() => {
                if !is_ec2 {
                    self.pairs.push((name.to_owned(), String::new()));
                }
                Ok(())
            }
            (Kind::List(item), Json::Array(items)) => {
                let prefix = list_prefix(service, reference, item, name);
                for (index, one) in items.iter().enumerate().filter(|(_, one)| !one.is_null()) {
                    self.value(item, one, &format!("{prefix}.{}", index + 1))
                        .map_err(|error| error.at(index))?;
                }
                Ok(())
            }
            (Kind::Map(key, of), Json::Object(members)) => {
                let prefix = map_prefix(service, reference, name);
                let (key_name, value_name) = map_names(key, of);
                let given = members.iter().filter(|(_, one)| !one.is_null());
                for (number, (text, one)) in (1..).zip(given) {
                    self.pairs.push((format!("{prefix}.{number}.{key_name}"), text.to_string()));
                    self.value(of, one, &format!("{prefix}.{number}.{value_name}"))
                        .map_err(|error| error.within(text))?;
                }
                Ok(())
            }
            (_, value) => {
                let text = value::to_text(service, reference, value, TimestampFormat::Iso8601)?;
                self.pairs.push((name.to_owned(), text));
                Ok(())
            }
        }
    }
}

/// The name of a member in a form.
fn wire(service: &Service, reference: &Reference, name: &str) -> String {
    if service.protocol != Protocol::Ec2 {
        return reference.wire.as_deref().unwrap_or(name).to_owned();
    }
    if let Some(name) = &service.traits(reference).query_name {
        return name.to_string();
    }
    let Some(wire) = &reference.wire else { return name.to_owned() };
    let mut chars = wire.chars();
    chars.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(chars).collect()
}

fn list_prefix(service: &Service, list: &Reference, item: &Reference, name: &str) -> String {
    if service.protocol == Protocol::Ec2 {
        return name.to_owned();
    }
    if !service.traits(list).is_flattened {
        return join(name, item.wire.as_deref().unwrap_or("member"));
    }
    match (&item.wire, name.rsplit_once('.')) {
        (None, _) => name.to_owned(),
        (Some(wire), Some((before, _))) => join(before, wire),
        (Some(wire), None) => wire.to_string(),
    }
}

fn map_prefix(service: &Service, map: &Reference, name: &str) -> String {
    if service.traits(map).is_flattened { name.to_owned() } else { join(name, "entry") }
}

fn join(before: &str, name: &str) -> String {
    if before.is_empty() { name.to_owned() } else { format!("{before}.{name}") }
}

fn map_names<'r>(key: &'r Reference, of: &'r Reference) -> (&'r str, &'r str) {
    (key.wire.as_deref().unwrap_or("key"), of.wire.as_deref().unwrap_or("value"))
}

/// The operation that a form names.
pub(super) fn action(body: &[u8]) -> Option<String> {
    pairs(body).ok()?.into_iter().find(|(name, _)| name == "Action").map(|(_, value)| value)
}

fn pairs(body: &[u8]) -> Result<Vec<(String, String)>, DecodeError> {
    let body = std::str::from_utf8(body).map_err(|_| DecodeError::new("the body is not a form"))?;
    let plain =
        |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    let parts = body.split('&').filter(|part| !part.is_empty());
    Ok(parts
        .map(|part| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            (plain(name), plain(value))
        })
        .collect())
}

/// A form with its names taken apart at the dots.
#[derive(Default)]
struct Tree {
    value: Option<String>,
    children: BTreeMap<String, Tree>,
}

impl Tree {
    fn at(&self, path: &str) -> Option<&Tree> {
        let mut parts = path.split('.').filter(|part| !part.is_empty());
        parts.try_fold(self, |tree, name| tree.children.get(name))
    }

    /// The children that are numbered, in order.
    fn numbered(&self) -> Vec<&Tree> {
        let mut children: Vec<(u64, &Tree)> = self
            .children
            .iter()
            .filter_map(|(name, child)| Some((name.parse().ok()?, child)))
            .collect();
        children.sort_by_key(|(number, _)| *number);
        children.into_iter().map(|(_, child)| child).collect()
    }
}

/// Reads the form of a request.
pub(super) fn read(call: Call<'_>, body: &[u8]) -> Result<Json, DecodeError> {
    let mut tree = Tree::default();
    for (name, value) in pairs(body)? {
        if name.split('.').count() > DEPTH {
            return Err(DecodeError::new("a name in the form has too many parts"));
        }
        let place = name
            .split('.')
            .fold(&mut tree, |tree, part| tree.children.entry(part.to_owned()).or_default());
        place.value = Some(value);
    }
    match call.input() {
        Some(input) => read_members(call.service, input, &tree).map(Json::Object),
        None => Ok(Json::Null),
    }
}

fn read_members(
    service: &Service,
    structure: &Structure,
    tree: &Tree,
) -> Result<Object, DecodeError> {
    let mut members = Object::new();
    for member in &structure.members {
        if let Some(one) = read_member(service, member, tree)? {
            members.insert(member.name.clone(), one);
        }
    }
    Ok(members)
}

fn read_member(
    service: &Service,
    member: &Member,
    tree: &Tree,
) -> Result<Option<Json>, DecodeError> {
    let name = wire(service, &member.reference, &member.name);
    read_value(service, &member.reference, &member.name, tree, &name)
}

/// The value under a name in a tree.
fn read_value(
    service: &Service,
    reference: &Reference,
    called: &str,
    tree: &Tree,
    name: &str,
) -> Result<Option<Json>, DecodeError> {
    Ok(match &service.shape(reference).kind {
        Kind::Structure(structure) => match tree.at(name) {
            Some(tree) => Some(Json::Object(read_members(service, structure, tree)?)),
            None => None,
        },
        Kind::List(item) => {
            let empty = tree.at(name).is_some_and(|tree| tree.value.is_some());
            let items = tree.at(&list_prefix(service, reference, item, name));
            let items = items.map(Tree::numbered).unwrap_or_default();
            let items = items
                .into_iter()
                .map(|tree| Ok(read_value(service, item, called, tree, "")?.unwrap_or_default()))
                .collect::<Result<Array, DecodeError>>()?;
            (empty || !items.is_empty()).then_some(Json::Array(items))
        }
        Kind::Map(key, of) => {
            let (key_name, value_name) = map_names(key, of);
            let entries = tree.at(&map_prefix(service, reference, name));
            let mut object = Object::new();
            for entry in entries.map(Tree::numbered).unwrap_or_default() {
                let Some(text) = entry.at(key_name).and_then(|key| key.value.clone()) else {
                    continue;
                };
                let one = read_value(service, of, called, entry, value_name)?.unwrap_or_default();
                object.insert(text, one);
            }
            (!object.is_empty()).then_some(Json::Object(object))
        }
        _ => match tree.at(name).and_then(|tree| tree.value.as_deref()) {
            Some(text) => Some(value::of_text(service, reference, called, text)?),
            None => None,
        },
    })
}
