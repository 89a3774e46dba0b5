use super::CheckOptions;
use crate::state::Language;
use std::collections::{BTreeMap, BTreeSet};
use stepwright_asl::Definition;
use stepwright_json::Json;
use stepwright_json::tree::{self, Member, Node, Value};
use stepwright_source::{Diagnostic, Span, did_you_mean};

/// AWS's code for what does not fit the language's grammar.
pub(super) const SCHEMA: &str = "SCHEMA_VALIDATION_FAILED";

/// How many bytes of messages and locations are enough.
const MOST_SAID: usize = 16 << 20;
/// How many complaints get advice that takes a search, and how far the search goes.
const MOST_ADVICE: usize = 100;
const MOST_NAMES: usize = 2_000;

/// What the rules know while they go through a definition.
pub(super) struct Checker<'d> {
    pub(super) definition: &'d Definition,
    pub(super) options: CheckOptions,
    /// The machine's own query language.
    pub(super) language: Language,
    pub(super) found: Vec<Diagnostic>,
    /// How many bytes of messages and locations there are.
    pub(super) said: usize,
    /// Every state name so far, and where it stands.
    pub(super) names: BTreeMap<&'d str, Span>,
    /// Labels of Distributed Maps.
    pub(super) labels: BTreeSet<&'d str>,
    /// How many states around this one retry or catch what fails within.
    pub(super) guards: usize,
    pub(super) variables: super::variables::Variables<'d>,
    /// The state that is written after the one that is being checked.
    pub(super) following: Option<&'d str>,
    /// How many parameters were complained about.
    pub(super) complaints: usize,
    /// The members of the structures that parameters have met.
    pub(super) names_of_members: super::parameters::Names,
}

/// An object of the definition and where it stands, as AWS writes it.
#[derive(Clone)]
pub(super) struct Site<'d> {
    pub(super) node: &'d Node,
    pub(super) location: String,
}

impl<'d> Site<'d> {
    pub(super) fn get(&self, key: &str) -> Option<&'d Node> {
        self.node.get(key)
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    pub(super) fn text(&self, key: &str) -> Option<&'d str> {
        self.get(key).and_then(Node::as_str)
    }

    /// Where `key` stands, as AWS writes it.
    pub(super) fn at(&self, key: &str) -> String {
        format!("{}/{key}", self.location)
    }

    pub(super) fn child(&self, key: &str) -> Option<Self> {
        self.get(key).map(|node| Self { node, location: self.at(key) })
    }

    pub(super) fn items(&self, key: &str) -> Vec<Self> {
        let items = self.get(key).map_or(&[] as &[Node], Node::items);
        let site = |(at, node)| Self { node, location: format!("{}/{key}[{at}]", self.location) };
        items.iter().enumerate().map(site).collect()
    }

    /// The last member of each name, in order.
    pub(super) fn members(&self) -> impl Iterator<Item = &'d Member> {
        let members = self.node.members();
        members.iter().enumerate().filter_map(move |(at, member)| {
            let again =
                members.len() < 64 && members[at + 1..].iter().any(|later| later.key == member.key);
            (!again).then_some(member)
        })
    }

    /// The place itself; `/` for the whole definition.
    pub(super) fn here(&self) -> &str {
        if self.location.is_empty() { "/" } else { &self.location }
    }
}

impl<'d> Checker<'d> {
    pub(super) fn schema(&mut self, message: impl Into<String>, location: &str, span: Span) {
        self.report(Diagnostic::error(SCHEMA, message).at(location).span(span));
    }

    /// Adds a diagnostic; once there is more than anybody can read, no more.
    pub(super) fn report(&mut self, diagnostic: Diagnostic) {
        let location = diagnostic.location.as_ref().map_or(0, String::len);
        self.said += diagnostic.message.len() + location;
        if self.said <= MOST_SAID || self.found.is_empty() {
            self.found.push(diagnostic);
        }
    }

    /// The nearest of many names. Only looked for while it is cheap.
    pub(super) fn nearest<'n>(
        &self,
        word: &str,
        names: impl IntoIterator<Item = &'n str>,
    ) -> Option<&'n str> {
        if self.found.len() > MOST_ADVICE {
            return None;
        }
        did_you_mean(word, names.into_iter().take(MOST_NAMES))
    }

    /// Complains about every field that is not `allowed`.
    pub(super) fn unsupported(&mut self, site: &Site<'d>, allowed: &[&'static str]) {
        for member in site.members() {
            if !allowed.contains(&member.key.as_str()) {
                let mut diagnostic =
                    Diagnostic::error(SCHEMA, format!("Field '{}' is not supported", member.key))
                        .at(site.here())
                        .span(member.key_span)
                        .label("not a field of this object");
                let free = allowed.iter().copied().filter(|name| !site.has(name));
                if let Some(near) = self.nearest(&member.key, free) {
                    diagnostic = diagnostic.meant(&member.key, near);
                }
                self.report(diagnostic);
            }
        }
    }

    /// Complains about `required` fields that are missing, in one message as AWS does.
    pub(super) fn required(&mut self, site: &Site<'d>, required: &[&str]) {
        let missing: Vec<&str> = required.iter().copied().filter(|name| !site.has(name)).collect();
        if !missing.is_empty() {
            let message = format!("These fields are required: [{}]", missing.join(", "));
            self.schema(message, site.here(), opening(site.node));
        }
    }

    /// Complains if not exactly one of `fields` is there.
    pub(super) fn exactly_one(&mut self, site: &Site<'d>, fields: &[&str], help: &str) {
        if fields.iter().any(|field| site.has(field)) {
            self.only_one(site, fields);
        } else {
            self.none_of(site, fields, help);
        }
    }

    /// Complains that none of `fields` is there.
    pub(super) fn none_of(&mut self, site: &Site<'d>, fields: &[&str], help: &str) {
        let message = format!(
            "This object should have only one of the following fields: [{}]",
            fields.join(", ")
        );
        let diagnostic =
            Diagnostic::error(SCHEMA, message).at(site.here()).span(opening(site.node)).help(help);
        self.report(diagnostic);
    }

    /// Complains if more than one of `fields` is there.
    pub(super) fn only_one(&mut self, site: &Site<'d>, fields: &[&str]) {
        let present: Vec<&str> = fields.iter().copied().filter(|name| site.has(name)).collect();
        if let [first, second, ..] = present[..] {
            let span = |name: &str| site.node.member(name).map_or(site.node.span, |m| m.key_span);
            let message = format!(
                "There should only be one of the following fields: [{}]",
                fields.join(", ")
            );
            let diagnostic = Diagnostic::error(SCHEMA, message)
                .at(site.here())
                .span(span(second))
                .also(span(first), "this one is there as well");
            self.report(diagnostic);
        }
    }

    pub(super) fn expect_type(&mut self, wanted: &str, location: &str, node: &Node) {
        self.schema(format!("Expected value of type [{wanted}]"), location, node.span);
    }

    /// The object at `site`; a complaint if it is none.
    pub(super) fn object(&mut self, site: &Site<'d>) -> bool {
        if !site.node.is_object() {
            self.expect_type("OBJECT", site.here(), site.node);
        }
        site.node.is_object()
    }

    /// The text of a field; a complaint if it is there and no text.
    pub(super) fn text(&mut self, site: &Site<'d>, key: &str) -> Option<&'d str> {
        let node = site.get(key)?;
        let text = node.as_str();
        if text.is_none() {
            self.expect_type("STRING", &site.at(key), node);
        }
        text
    }

    /// A field whose value is one of a few.
    pub(super) fn one_of(&mut self, site: &Site<'d>, key: &str, values: &[&str]) {
        let Some(text) = self.text(site, key) else { return };
        if values.contains(&text) || self.is_placeholder(text) {
            return;
        }
        let message = format!("Value should be one of the following: [{}]", values.join(", "));
        let mut diagnostic = Diagnostic::error(SCHEMA, message).at(site.at(key));
        if let Some(node) = site.get(key) {
            diagnostic = diagnostic.span(node.span);
        }
        if let Some(near) = did_you_mean(text, values.iter().copied()) {
            diagnostic = diagnostic.meant(text, near);
        }
        self.report(diagnostic);
    }

    /// An array of objects; gives them back.
    pub(super) fn objects(&mut self, site: &Site<'d>, key: &str, empty: bool) -> Vec<Site<'d>> {
        let Some(node) = site.get(key) else { return Vec::new() };
        if !node.is_array() {
            self.expect_type("ARRAY", &site.at(key), node);
            return Vec::new();
        }
        if node.items().is_empty() && !empty {
            self.schema("Value cannot be empty", &site.at(key), node.span);
        }
        site.items(key).into_iter().filter(|item| self.object(item)).collect()
    }

    /// Whether a text holds a `${…}` that a deployment fills in: nothing is known of it yet.
    pub(super) fn is_placeholder(&self, text: &str) -> bool {
        !self.options.deployed && self.definition.has_placeholder(text)
    }

    /// The place in the source of a part of a text's value.
    pub(super) fn inside(&self, node: &Node, start: usize, end: usize) -> Span {
        let source: &str = &self.definition.text;
        let written = source.get(node.span.range()).unwrap_or_default();
        if written.starts_with('"') {
            let place = |at| tree::offset_in_string(source, node.span, at);
            let start = place(start);
            return Span { start, end: place(end).max(start) };
        }
        let decoded = node.as_str().unwrap_or_default();
        match written.find(decoded) {
            Some(at) if !decoded.is_empty() => {
                let base = node.span.start as usize + at;
                Span::new(base + start, base + end)
            }
            _ => node.span,
        }
    }
}

/// The bracket or first character of a value: enough to point at a whole object.
pub(super) fn opening(node: &Node) -> Span {
    Span { start: node.span.start, end: (node.span.start + 1).min(node.span.end) }
}

pub(super) fn is_null(node: &Node) -> bool {
    matches!(node.value, Value::Scalar(Json::Null))
}
