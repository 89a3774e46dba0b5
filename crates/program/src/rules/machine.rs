//! The fields of a machine, branch or processor, and the names of states.

use super::CheckOptions;
use super::checker::{Checker, Site, opening};
use super::variables::Variables;
use crate::state::Language;
use std::collections::{BTreeMap, BTreeSet};
use stepwright_asl::Definition;
use stepwright_source::Diagnostic;

pub(super) const LANGUAGES: [&str; 2] = ["JSONPath", "JSONata"];
pub(super) const MACHINE: [&str; 6] =
    ["Comment", "QueryLanguage", "StartAt", "TimeoutSeconds", "Version", "States"];

/// How deep Maps and Parallels may stand within each other.
const MAX_DEPTH: usize = 100;
/// How long the name of a state may be.
const MAX_NAME: usize = 80;

/// What stands around a state.
#[derive(Clone, Copy)]
pub(super) struct Around {
    pub(super) depth: usize,
    pub(super) scope: usize,
    /// Whether the states run as an Express workflow.
    pub(super) express: bool,
}

impl<'d> Checker<'d> {
    pub(super) fn new(definition: &'d Definition, options: CheckOptions) -> Self {
        Self {
            definition,
            options,
            language: Language::JsonPath,
            found: Vec::new(),
            said: 0,
            names: BTreeMap::new(),
            labels: BTreeSet::new(),
            guards: 0,
            complaints: 0,
            names_of_members: super::parameters::Names::new(),
            variables: Variables::default(),
            following: None,
        }
    }

    /// Checks everything.
    pub(super) fn machine(&mut self) {
        let root = &self.definition.root;
        if !root.is_object() {
            let message = "Definition must be a valid JSON object";
            return self.report(Diagnostic::error(super::checker::SCHEMA, message).span(root.span));
        }
        let site = Site { node: root, location: String::new() };
        self.language = match site.text("QueryLanguage") {
            None | Some("JSONPath") => Language::JsonPath,
            Some(_) => Language::Jsonata,
        };
        self.unsupported(&site, &MACHINE);
        self.text(&site, "Comment");
        self.one_of(&site, "QueryLanguage", &LANGUAGES);
        self.one_of(&site, "Version", &["1.0"]);
        self.whole_number(&site, "TimeoutSeconds", 1, Some(99_999_999));
        let around = Around { depth: 0, scope: 0, express: self.options.express };
        self.scope(&site, around);
        self.transitions(&site, true);
        self.variable_lints();
        self.size_lint();
    }

    /// The states of a machine, branch or processor.
    pub(super) fn scope(&mut self, site: &Site<'d>, around: Around) {
        if around.depth > MAX_DEPTH {
            let diagnostic = Diagnostic::error("TOO_DEEPLY_NESTED", "States are nested too deeply")
                .at(site.here())
                .span(opening(site.node));
            return self.report(diagnostic);
        }
        self.required(site, &["States", "StartAt"]);
        self.text(site, "StartAt");
        let Some(states) = site.child("States") else { return };
        if !self.object(&states) {
            return;
        }
        if states.node.members().is_empty() {
            self.schema("Value cannot be empty", &states.location, states.node.span);
        }
        let members = states.node.members();
        for (at, member) in members.iter().enumerate() {
            let location = format!("{}/{}", states.location, member.key);
            self.name(&member.key, &location, member.key_span);
            let state = Site { node: &member.value, location };
            if self.object(&state) {
                self.following = members.get(at + 1).map(|next| next.key.as_str());
                self.state(&state, &member.key, around);
            }
        }
    }

    fn name(&mut self, name: &'d str, location: &str, span: stepwright_source::Span) {
        if let Some(first) = self.names.insert(name, span) {
            let message = format!("Duplicate State name: {name}");
            let diagnostic = Diagnostic::error("DUPLICATE_STATE_NAME", message)
                .at(location)
                .span(span)
                .label("names are unique over the whole machine")
                .also(first, "the name is taken here");
            self.report(diagnostic);
        }
        if name.chars().count() > MAX_NAME {
            let message = format!(
                "Invalid State name: State '{name}' exceeds the {MAX_NAME}-character limit \
                 allowed by the service"
            );
            let diagnostic =
                Diagnostic::error("INVALID_STATE_NAME", message).at(location).span(span);
            self.report(diagnostic);
        }
    }

    /// The language of a state. The complaint about a wrong one comes after those about its fields.
    pub(super) fn language_of(&mut self, site: &Site<'d>) -> Language {
        match site.text("QueryLanguage") {
            Some("JSONPath") => Language::JsonPath,
            Some(_) => Language::Jsonata,
            None => self.language,
        }
    }

    pub(super) fn check_language(&mut self, site: &Site<'d>) {
        self.one_of(site, "QueryLanguage", &LANGUAGES);
    }
}
