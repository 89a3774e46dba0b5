//! Names of variables, and variables that nobody assigns or reads.

use super::checker::{Checker, Site};
use super::jsonata::Place;
use super::machine::Around;
use crate::expression::{Expression, PathExpression, Source};
use crate::state::Language;
use std::collections::{BTreeMap, BTreeSet};
use stepwright_json::tree::Node;
use stepwright_source::{Diagnostic, Span};

/// Which scope assigns and reads what.
pub(super) struct Variables<'d> {
    scopes: Vec<Scope<'d>>,
    reads: Vec<Read>,
    /// The scope of the state that is being checked.
    current: usize,
    /// Where that state stands.
    state: String,
}

#[derive(Default)]
struct Scope<'d> {
    parent: Option<usize>,
    /// The processor of a Distributed Map sees no variables from outside.
    sealed: bool,
    /// Every place that assigns a variable.
    assigned: BTreeMap<&'d str, Vec<(Span, String)>>,
}

struct Read {
    name: String,
    scope: usize,
    span: Span,
    location: Option<String>,
    /// Where the state stands that reads it.
    state: String,
}

impl Default for Variables<'_> {
    fn default() -> Self {
        Self { scopes: vec![Scope::default()], reads: Vec::new(), current: 0, state: String::new() }
    }
}

impl Variables<'_> {
    /// A scope inside of another.
    pub(super) fn open(&mut self, parent: usize, sealed: bool) -> usize {
        self.scopes.push(Scope { parent: Some(parent), sealed, assigned: BTreeMap::new() });
        self.scopes.len() - 1
    }

    pub(super) fn enter(&mut self, scope: usize, state: &str) {
        self.current = scope;
        state.clone_into(&mut self.state);
    }

    /// Which variables each state reads, by the state's name.
    pub(super) fn references(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut references: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for read in &self.reads {
            let state = read.state.rsplit_once("/States/").map_or("", |(_, state)| state);
            references.entry(state.to_owned()).or_default().insert(read.name.clone());
        }
        references
    }

    /// A scope and those around it whose variables it sees.
    fn visible(&self, scope: usize) -> impl Iterator<Item = usize> {
        std::iter::successors(Some(scope), |&at| {
            self.scopes[at].parent.filter(|_| !self.scopes[at].sealed)
        })
    }
}

/// Whether a variable is assigned by a catcher of the state that the other place stands in: when the
/// catcher comes to it, what was inside is gone.
fn is_caught_from(catcher: &str, inside: &str) -> bool {
    let Some((state, _)) = catcher.rsplit_once("/Catch[") else { return false };
    inside.strip_prefix(state).is_some_and(|rest| rest.starts_with('/'))
}

/// How long the name of a variable may be.
const MAX_NAME: usize = 80;

impl<'d> Checker<'d> {
    /// `Assign` of a state, choice rule or catcher.
    pub(super) fn assign(
        &mut self,
        site: &Site<'d>,
        language: Language,
        place: Place,
        around: Around,
    ) {
        let Some(assign) = site.child("Assign") else { return };
        if !self.object(&assign) {
            return;
        }
        self.payload(site, "Assign", language, place);
        for member in assign.members() {
            let name = match language {
                Language::JsonPath => member.key.strip_suffix(".$").unwrap_or(&member.key),
                Language::Jsonata => &member.key,
            };
            let location = format!("{}/{}", assign.location, member.key);
            self.variable_name(name, &location, member.key_span);
            let scope = &mut self.variables.scopes[around.scope];
            scope.assigned.entry(name).or_default().push((member.key_span, location));
        }
    }

    fn variable_name(&mut self, name: &str, location: &str, span: Span) {
        let mut chars = name.chars();
        let start = chars.next().is_some_and(|c| c.is_alphabetic() || c == '_');
        let diagnostic = if name == "states" {
            let message = "Cannot assign to reserved variable '$states'.";
            Diagnostic::error("RESERVED_VARIABLE_NAME", message)
        } else if !start || !chars.all(|c| c.is_alphanumeric() || c == '_') {
            let message = format!(
                "Invalid variable name '{name}': the variable name contains invalid characters."
            );
            Diagnostic::error("INVALID_VARIABLE_NAME", message)
                .help("a name has letters, digits and `_`, and does not begin with a digit")
        } else if name.chars().count() > MAX_NAME {
            let message = format!(
                "Invalid variable name '{name}': the variable name exceeds {MAX_NAME} characters."
            );
            Diagnostic::error("INVALID_VARIABLE_NAME", message)
        } else {
            return;
        };
        self.report(diagnostic.at(location).span(span));
    }

    pub(super) fn read_variable(&mut self, name: &str, span: Span, location: &str) {
        let location = (!location.is_empty()).then(|| location.to_owned());
        let (scope, state) = (self.variables.current, self.variables.state.clone());
        self.variables.reads.push(Read { name: name.to_owned(), scope, span, location, state });
    }

    pub(super) fn read_path(&mut self, path: &PathExpression, node: &Node) {
        if let Source::Variable(name) = &path.source {
            self.read_variable(name.as_str(), node.span, "");
        }
    }

    pub(super) fn read_expression(&mut self, expression: &Expression, node: &Node) {
        match expression {
            Expression::Path { path, .. } => self.read_path(path, node),
            Expression::Intrinsic(call) => {
                call.paths().into_iter().for_each(|path| self.read_path(path, node));
            }
            Expression::Jsonata { .. } => {}
        }
    }

    /// What is known once every state has been seen.
    pub(super) fn variable_lints(&mut self) {
        let mut found = Vec::new();
        let mut used: BTreeSet<(usize, &str)> = BTreeSet::new();
        let variables = &self.variables;
        for read in &variables.reads {
            let known = |scope: &usize| variables.scopes[*scope].assigned.contains_key(&*read.name);
            if let Some(scope) = variables.visible(read.scope).find(known) {
                used.insert((scope, &read.name));
                continue;
            }
            let message = format!("Variable '{}' is possibly not defined.", read.name);
            let mut diagnostic =
                Diagnostic::warning("POSSIBLY_UNDEFINED_VARIABLE", message).span(read.span);
            diagnostic.location.clone_from(&read.location);
            let names = variables
                .visible(read.scope)
                .flat_map(|scope| variables.scopes[scope].assigned.keys().copied());
            if found.len() < 100
                && let Some(near) = self.nearest(&read.name, names)
            {
                diagnostic = diagnostic.meant(&format!("${}", read.name), &format!("${near}"));
            }
            found.push(diagnostic);
        }
        for (at, scope) in variables.scopes.iter().enumerate() {
            for (name, places) in &scope.assigned {
                let Some((span, location)) = places.first() else { continue };
                let mut outer = variables
                    .visible(at)
                    .skip(1)
                    .filter_map(|scope| variables.scopes[scope].assigned.get(name))
                    .flatten();
                if let Some((first, _)) = outer.find(|(_, outer)| !is_caught_from(outer, location))
                {
                    let message = format!(
                        "The variable name '{name}' was already defined in a parent scope."
                    );
                    let diagnostic = Diagnostic::error("DUPLICATE_VARIABLE_NAME", message)
                        .at(location)
                        .span(*span)
                        .also(*first, "the outer scope assigns it here");
                    found.push(diagnostic);
                } else if !used.contains(&(at, *name)) {
                    let message = format!("The variable `{name}` is never read");
                    let diagnostic =
                        Diagnostic::warning("unused-variable", message).at(location).span(*span);
                    found.push(diagnostic);
                }
            }
        }
        for diagnostic in found {
            self.report(diagnostic);
        }
    }
}
