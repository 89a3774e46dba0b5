//! XML: the bodies of `rest-xml`, and the responses of `query` and `ec2`.

use super::{Call, DEPTH, DecodeError, EncodeError, Message, Response, json, value};
use crate::shapes::{Kind, Member, Reference, Structure, TimestampFormat};
use crate::table::{Protocol, Service};
use quick_xml::Reader;
use quick_xml::escape::{escape, resolve_predefined_entity};
use quick_xml::events::{BytesStart, Event};
use std::borrow::Cow;
use std::fmt::{self, Write as _};
use stepwright_json::{Array, Json, Object};

/// An element.
#[derive(Debug, Default)]
pub(super) struct Element {
    /// The name without a prefix.
    pub(super) name: String,
    /// The attributes, with their prefixes.
    attributes: Vec<(String, String)>,
    pub(super) children: Vec<Element>,
    pub(super) text: String,
}

impl Element {
    /// The first child with this name.
    pub(super) fn child(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The children with this name.
    fn called(&self, name: &str) -> impl Iterator<Item = &Element> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// The text of the first child with this name.
    pub(super) fn text_of(&self, name: &str) -> Option<&str> {
        self.child(name).map(|child| child.text.as_str())
    }

    /// An attribute; the prefix that the model has for its namespace may be another one here.
    fn attribute(&self, name: &str) -> Option<&str> {
        let local = |name: &str| name.rsplit(':').next().unwrap_or_default().to_owned();
        let wanted = local(name);
        let found = self.attributes.iter().find(|(one, _)| {
            one == name || (one.contains(':') == name.contains(':') && local(one) == wanted)
        });
        found.map(|(_, value)| value.as_str())
    }
}

/// Parses a document. Entities of its own are refused, and elements that are too deep.
pub(super) fn parse(body: &[u8]) -> Result<Element, DecodeError> {
    let wrong =
        |problem: &dyn fmt::Display| DecodeError::new(format!("the body is not XML: {problem}"));
    let text = std::str::from_utf8(body).map_err(|_| wrong(&"it is not UTF-8"))?;
    let mut reader = Reader::from_str(text.trim_start_matches('\u{feff}'));
    let mut open: Vec<Element> = Vec::new();
    let mut root = None;
    loop {
        let event = reader.read_event().map_err(|error| wrong(&error))?;
        match event {
            Event::Start(start) => {
                if root.is_some() || open.len() >= DEPTH {
                    return Err(wrong(
                        &"it has too many elements within each other, or a second root",
                    ));
                }
                open.push(element(&start).map_err(|error| wrong(&error))?);
            }
            Event::Empty(start) => {
                let element = element(&start).map_err(|error| wrong(&error))?;
                close(element, &mut open, &mut root);
            }
            Event::End(_) => {
                let element =
                    open.pop().ok_or_else(|| wrong(&"an element ends that did not begin"))?;
                close(element, &mut open, &mut root);
            }
            Event::Text(text) => add(&text.xml10_content(), &mut open),
            Event::CData(text) => add(&text.xml10_content(), &mut open),
            Event::GeneralRef(reference) => {
                if let Some(c) = reference.resolve_char_ref().map_err(|error| wrong(&error))? {
                    add(c.encode_utf8(&mut [0; 4]), &mut open);
                } else {
                    let name = reference.xml10_content();
                    let text = resolve_predefined_entity(&name)
                        .ok_or_else(|| wrong(&format!("there is no entity `{name}`")))?;
                    add(text, &mut open);
                }
            }
            Event::Eof => break,
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
        }
    }
    match root {
        Some(root) if open.is_empty() => Ok(root),
        _ => Err(wrong(&"it ends before its elements do")),
    }
}

fn element(start: &BytesStart<'_>) -> Result<Element, quick_xml::Error> {
    let mut attributes = Vec::new();
    for attribute in start.attributes() {
        let attribute = attribute?;
        let name: &str = attribute.key.as_ref();
        let value = attribute.normalized_value(quick_xml::XmlVersion::Implicit1_0)?;
        attributes.push((name.to_owned(), value.into_owned()));
    }
    let local = start.local_name();
    let name: &str = local.as_ref();
    Ok(Element { name: name.to_owned(), attributes, ..Element::default() })
}

fn add(text: &str, open: &mut [Element]) {
    if let Some(element) = open.last_mut() {
        element.text.push_str(text);
    }
}

fn close(element: Element, open: &mut [Element], root: &mut Option<Element>) {
    match open.last_mut() {
        Some(parent) => parent.children.push(element),
        None => *root = Some(element),
    }
}

// Reading values.

/// Reads the members of a structure that are in the body of a REST protocol.
pub(super) fn read_body(
    service: &Service,
    structure: &Structure,
    body: &[u8],
    is_meant: impl Fn(&Reference) -> bool,
) -> Result<Object, DecodeError> {
    let root = parse(body)?;
    // `GetBucketLocation` of S3 answers with its only member as the root.
    if let [member] = structure.members.as_slice()
        && root.children.is_empty()
        && member.wire() == root.name
    {
        let one = value::of_text(service, &member.reference, &member.name, &root.text)?;
        return Ok([(member.name.clone(), one)].into_iter().collect());
    }
    read_members(service, structure, &root, is_meant)
}

/// Reads a member that is the whole body.
pub(super) fn read_value(
    service: &Service,
    reference: &Reference,
    name: &str,
    body: &[u8],
) -> Result<Json, DecodeError> {
    of_element(service, reference, name, &parse(body)?)
}

/// Reads a response of `query` or `ec2`.
pub(super) fn read_response(call: Call<'_>, body: &[u8]) -> Result<Json, DecodeError> {
    let Some(output) = call.output() else { return Ok(Json::Null) };
    if body.is_empty() {
        return Ok(Json::Null);
    }
    let root = parse(body)?;
    let start = match &call.operation.result_wrapper {
        Some(wrapper) => root
            .child(wrapper)
            .ok_or_else(|| DecodeError::new(format!("the response has no `{wrapper}`")))?,
        // Without a word in the model, it has the usual name if it is there.
        None => root.child(&format!("{}Result", call.operation.name)).unwrap_or(&root),
    };
    read_members(call.service, output, start, |_| true).map(Json::Object)
}

/// Reads the members of a structure that are meant.
pub(super) fn read_members(
    service: &Service,
    structure: &Structure,
    element: &Element,
    is_meant: impl Fn(&Reference) -> bool,
) -> Result<Object, DecodeError> {
    let mut members = Object::new();
    for member in structure.members.iter().filter(|member| is_meant(&member.reference)) {
        let traits = service.traits(&member.reference);
        let found = if traits.is_xml_attribute {
            element
                .attribute(member.wire())
                .map(|text| value::of_text(service, &member.reference, &member.name, text))
        } else {
            of_children(service, member, element)
        };
        if let Some(found) = found {
            members.insert(member.name.clone(), found?);
        }
    }
    Ok(members)
}

fn of_children(
    service: &Service,
    member: &Member,
    element: &Element,
) -> Option<Result<Json, DecodeError>> {
    let reference = &member.reference;
    let is_flattened = service.traits(reference).is_flattened;
    match &service.shape(reference).kind {
        Kind::List(item) if is_flattened => {
            // Services differ in whose name the elements have.
            let names = [reference.wire.as_deref(), item.wire.as_deref(), Some(&member.name)];
            let name = names.into_iter().flatten().find(|name| element.child(name).is_some())?;
            let items =
                element.called(name).map(|one| of_element(service, item, &member.name, one));
            Some(items.collect::<Result<Array, _>>().map(Json::Array))
        }
        Kind::Map(key, of) if is_flattened => {
            let mut entries = element.called(member.wire()).peekable();
            entries.peek()?;
            Some(of_entries(service, key, of, &member.name, entries))
        }
        _ => element
            .child(member.wire())
            .map(|child| of_element(service, reference, &member.name, child)),
    }
}

fn of_element(
    service: &Service,
    reference: &Reference,
    name: &str,
    element: &Element,
) -> Result<Json, DecodeError> {
    match &service.shape(reference).kind {
        Kind::Structure(structure) => {
            read_members(service, structure, element, |_| true).map(Json::Object)
        }
        Kind::List(item) => {
            let items = element.children.iter().map(|child| of_element(service, item, name, child));
            items.collect::<Result<Array, _>>().map(Json::Array)
        }
        Kind::Map(key, of) => of_entries(service, key, of, name, element.children.iter()),
        _ => value::of_text(service, reference, name, &element.text),
    }
}

fn of_entries<'e>(
    service: &Service,
    key: &Reference,
    of: &Reference,
    name: &str,
    entries: impl Iterator<Item = &'e Element>,
) -> Result<Json, DecodeError> {
    let mut object = Object::new();
    for entry in entries {
        let text = entry.text_of(key.wire.as_deref().unwrap_or("key"));
        let one = entry.child(of.wire.as_deref().unwrap_or("value"));
        let (Some(text), Some(one)) = (text, one) else {
            return Err(DecodeError::wrong(name, "a map: an entry has no key or no value"));
        };
        object.insert(text, of_element(service, of, name, one)?);
    }
    Ok(Json::Object(object))
}

// Writing values.

/// Writes the members of a structure that are in the body of a REST protocol.
pub(super) fn body(
    service: &Service,
    reference: &Reference,
    structure: &Structure,
    call: Call<'_>,
    value: &Json,
    is_meant: impl Fn(&Reference) -> bool,
) -> Result<Vec<u8>, EncodeError> {
    let mut writer = Writer { service, out: String::new() };
    let name = reference.wire.as_deref().or(structure.name.as_deref());
    if call.operation.name == "GetBucketLocation"
        && let [member] = structure.members.as_slice()
        && let Some(one) = value.get(&member.name)
    {
        writer.value(&member.reference, member.wire(), one)?;
        return Ok(writer.out.into_bytes());
    }
    writer.structure(
        reference,
        structure,
        name.unwrap_or(&call.operation.name),
        value,
        is_meant,
    )?;
    Ok(writer.out.into_bytes())
}

/// Writes a member that is the whole body.
pub(super) fn value_body(
    service: &Service,
    payload: &Member,
    value: &Json,
) -> Result<Vec<u8>, EncodeError> {
    let mut writer = Writer { service, out: String::new() };
    let structure = service.structure(Some(&payload.reference));
    let wire = payload.reference.wire.as_deref();
    let name = wire.or(structure.and_then(|structure| structure.name.as_deref()));
    writer.value(&payload.reference, name.unwrap_or(&payload.name), value)?;
    Ok(writer.out.into_bytes())
}

/// Writes a response of `query` or `ec2`.
pub(super) fn response(call: Call<'_>, message: &Message) -> Result<Response, EncodeError> {
    let Call { service, operation } = call;
    let mut writer = Writer { service, out: String::new() };
    let name = format!("{}Response", operation.name);
    let namespace = match service.protocol {
        Protocol::Ec2 => format!("http://ec2.amazonaws.com/doc/{}/", service.api_version),
        _ => service.namespace.to_string(),
    };
    writer.add(format_args!("<{name} xmlns=\"{}\">", escape(namespace.as_str())));
    if let Some(output) = call.output() {
        // A service that spoke `query` once has no word for it in the model.
        let usual = || service.is_query_compatible.then(|| format!("{}Result", operation.name));
        let wrapper = operation.result_wrapper.as_ref().map(ToString::to_string).or_else(usual);
        if let Some(wrapper) = &wrapper {
            writer.add(format_args!("<{wrapper}>"));
        }
        writer.members(output, &message.value, |_| true)?;
        if let Some(wrapper) = &wrapper {
            writer.add(format_args!("</{wrapper}>"));
        }
    }
    writer.add(format_args!("</{name}>"));
    let headers = vec![("Content-Type".to_owned(), "text/xml".to_owned())];
    Ok(Response { status: 200, headers, body: writer.out.into_bytes() })
}

/// A text that may stand in an element. What XML cannot hold at all is an error.
pub(super) fn escaped(text: &str) -> Result<Cow<'_, str>, EncodeError> {
    let is_allowed = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    if !text.chars().all(is_allowed) {
        return Err(EncodeError::new("has a sign that XML cannot hold"));
    }
    let escaped = escape(text);
    // A carriage return would be read as a line feed.
    Ok(if escaped.contains('\r') { escaped.replace('\r', "&#xD;").into() } else { escaped })
}

struct Writer<'s> {
    service: &'s Service,
    out: String,
}

impl Writer<'_> {
    fn add(&mut self, text: fmt::Arguments<'_>) {
        self.out.write_fmt(text).expect("a string takes all that is written to it");
    }

    fn open(&mut self, reference: &Reference, name: &str) {
        self.out.push('<');
        self.out.push_str(name);
        if let Some(namespace) = &self.service.traits(reference).namespace {
            let colon = if namespace.prefix.is_empty() { "" } else { ":" };
            let uri = escape(namespace.uri.as_str());
            self.add(format_args!(" xmlns{colon}{}=\"{uri}\"", namespace.prefix));
        }
    }

    fn close(&mut self, name: &str) {
        self.add(format_args!("</{name}>"));
    }

    fn structure(
        &mut self,
        reference: &Reference,
        structure: &Structure,
        name: &str,
        value: &Json,
        is_meant: impl Fn(&Reference) -> bool,
    ) -> Result<(), EncodeError> {
        self.open(reference, name);
        for (name, reference, one) in json::members(structure, value)? {
            if self.service.traits(reference).is_xml_attribute {
                let text = value::to_text(self.service, reference, one, TimestampFormat::Iso8601)?;
                let text = escaped(&text).map_err(|error| error.within(name))?;
                // What is not escaped would be read as a space.
                let text = text.replace('\n', "&#xA;").replace('\t', "&#x9;");
                let wire = reference.wire.as_deref().unwrap_or(name);
                self.add(format_args!(" {wire}=\"{text}\""));
            }
        }
        self.out.push('>');
        self.members(structure, value, is_meant)?;
        self.close(name);
        Ok(())
    }

    fn members(
        &mut self,
        structure: &Structure,
        value: &Json,
        is_meant: impl Fn(&Reference) -> bool,
    ) -> Result<(), EncodeError> {
        for (name, reference, one) in json::members(structure, value)? {
            if is_meant(reference) && !self.service.traits(reference).is_xml_attribute {
                let wire = reference.wire.as_deref().unwrap_or(name);
                self.value(reference, wire, one).map_err(|error| error.within(name))?;
            }
        }
        Ok(())
    }

    fn value(
        &mut self,
        reference: &Reference,
        name: &str,
        value: &Json,
    ) -> Result<(), EncodeError> {
        let service = self.service;
        let is_flattened = service.traits(reference).is_flattened;
        match (&service.shape(reference).kind, value) {
            (Kind::Structure(structure), value) => {
                self.structure(reference, structure, name, value, |_| true)
            }
            (Kind::List(item), Json::Array(items)) => {
                let is_rest = service.protocol == Protocol::RestXml;
                let item_name = match (is_flattened, &item.wire) {
                    (true, Some(wire)) if !is_rest => wire.as_str(),
                    (true, _) => name,
                    (false, wire) => wire.as_deref().unwrap_or("member"),
                };
                if !is_flattened {
                    self.open(reference, name);
                    self.out.push('>');
                }
                for (index, one) in items.iter().enumerate() {
                    let one = if one.is_null() { &EMPTY } else { one };
                    self.value(item, item_name, one).map_err(|error| error.at(index))?;
                }
                if !is_flattened {
                    self.close(name);
                }
                Ok(())
            }
            (Kind::Map(key, of), Json::Object(members)) => {
                if !is_flattened {
                    self.open(reference, name);
                    self.out.push('>');
                }
                let entry = if is_flattened { name } else { "entry" };
                for (text, one) in members.iter().filter(|(_, one)| !one.is_null()) {
                    self.add(format_args!("<{entry}>"));
                    let key_name = key.wire.as_deref().unwrap_or("key");
                    let value_name = of.wire.as_deref().unwrap_or("value");
                    self.value(key, key_name, &Json::from(text.clone()))?;
                    self.value(of, value_name, one).map_err(|error| error.within(text))?;
                    self.close(entry);
                }
                if !is_flattened {
                    self.close(name);
                }
                Ok(())
            }
            (_, value) => {
                let text = value::to_text(service, reference, value, TimestampFormat::Iso8601)?;
                let text = escaped(&text)?;
                self.open(reference, name);
                self.out.push('>');
                self.out.push_str(&text);
                self.close(name);
                Ok(())
            }
        }
    }
}

/// What stands for a null in a list.
static EMPTY: Json = Json::String(stepwright_json::Str::new_static(""));
