//! What can be wrong with a definition, one file for each kind of thing.
//!
//! | file | says |
//! |---|---|
//! | `machine` | the fields of a machine, branch or processor; state names |
//! | `state` | which field belongs to which state in which query language |
//! | `values` | numbers, paths, timestamps: what may stand in a field |
//! | `resource` | what a Task may call |
//! | `parameters`, `http` | whether a service knows the parameters of a call, and takes them |
//! | `payload` | `Parameters`, `Arguments`, `Output`, `Assign` and their like |
//! | `jsonata` | expressions that cannot be compiled or refer to what is not there |
//! | `choice`, `retry`, `map` | rules of a Choice; retriers and catchers; Maps |
//! | `transitions` | states that do not exist, cannot be reached, never end |
//! | `variables` | names of variables, and variables nobody assigns or reads |
//! | `lints` | our own: what AWS takes, and what will not work as meant |
//!
//! AWS's rules are errors with AWS's codes and words. Ours are warnings and notes with codes in
//! `kebab-case`; none of them ever makes a definition unusable. [`catalogue`] explains each.

mod catalogue;
mod checker;
mod choice;
mod fields;
mod http;
mod jsonata;
mod lints;
mod machine;
mod map;
mod parameters;
mod payload;
mod resource;
mod retry;
mod state;
mod transitions;
mod values;
mod variables;

pub use catalogue::{Rule, catalogue};
pub use fields::{Holder, fields, values};

use crate::Program;
use checker::Checker;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use stepwright_asl::{Definition, NamedDefinition};
use stepwright_source::{Diagnostic, is_allowed};

/// What a definition is checked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CheckOptions {
    /// Whether it is to be an Express workflow, which can do less.
    pub express: bool,
    /// Whether a deployment has already filled in every `${Name}`, so that one that is left is
    /// plain text, as in a call of the API.
    pub deployed: bool,
}

/// Everything that can be said about a definition of a Standard workflow.
pub fn check(definition: &Definition) -> Vec<Diagnostic> {
    check_with(definition, &CheckOptions::default())
}

/// Everything that can be said about a definition, AWS's errors first, in the order AWS gives them.
pub fn check_with(definition: &Definition, options: &CheckOptions) -> Vec<Diagnostic> {
    check_and_compile(definition, options).diagnostics
}

/// Everything that can be said about a state machine of a file: both as it is, and as it is if the
/// functions of its template go the other way. What the author allows is left out.
pub fn check_named(named: &NamedDefinition, options: &CheckOptions) -> Vec<Diagnostic> {
    let mut diagnostics = check_with(&named.definition, options);
    if let Some(other) = &named.alternative {
        let others = check_with(other, options);
        let new: Vec<_> = others.into_iter().filter(|one| !diagnostics.contains(one)).collect();
        diagnostics.extend(new);
    }
    diagnostics.retain(|one| !is_allowed(&named.definition.text, one));
    diagnostics
}

/// A definition that was checked.
#[derive(Clone, Debug)]
pub struct Checked {
    /// Everything that can be said about it.
    pub diagnostics: Vec<Diagnostic>,
    /// What it compiles to, where no error is among the diagnostics.
    pub program: Option<Program>,
}

/// Checks a definition, and compiles it if there is no error.
pub fn check_and_compile(definition: &Definition, options: &CheckOptions) -> Checked {
    let mut checker = Checker::new(definition, *options);
    checker.machine();
    let mut diagnostics = checker.found;
    let program = if diagnostics.iter().any(Diagnostic::is_error) {
        None
    } else {
        crate::compile(definition).map_err(|errors| diagnostics.extend(errors)).ok()
    };
    diagnostics.sort_by_key(|diagnostic| diagnostic.severity);
    Checked { diagnostics, program }
}

/// Which variables each state of a definition reads, by the state's name: what AWS shows as
/// `variableReferences`.
pub fn variable_references(definition: &Definition) -> BTreeMap<String, BTreeSet<String>> {
    let mut checker = Checker::new(definition, CheckOptions::default());
    checker.machine();
    checker.variables.references()
}

/// The message of `InvalidDefinition` with which AWS refuses a definition; `None` when there is no
/// error among the diagnostics.
pub fn aws_message(diagnostics: &[Diagnostic]) -> Option<String> {
    let mut out = String::new();
    for diagnostic in diagnostics.iter().filter(|diagnostic| diagnostic.is_error()) {
        let separator = if out.is_empty() { "Invalid State Machine Definition: '" } else { ", " };
        let location = diagnostic.location.as_deref().unwrap_or("null");
        let (code, message) = (diagnostic.code, &diagnostic.message);
        write!(out, "{separator}{code}: {message} at {location}").expect("strings grow");
    }
    if out.is_empty() {
        return None;
    }
    out.push('\'');
    Some(out)
}
