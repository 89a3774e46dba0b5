//! From the tree of a definition to a [`Program`].

mod choice;
mod fields;
mod map;
mod retry;
mod state;
mod task;
mod template;
mod wait;

use crate::state::{Language, State, StateId, Transition};
use crate::{Limits, Program, Vintage};
use fields::Fields;
use rustc_hash::FxHashMap;
use std::collections::BTreeSet;
use stepwright_asl::Definition;
use stepwright_json::Str;
use stepwright_json::tree::Node;
use stepwright_source::{Diagnostic, Span};

/// How deep scopes may stand within each other.
const MAX_DEPTH: usize = 100;

/// Compiles a definition. The complaints are those that make it impossible to run; for all that
/// can be said about a definition ask [`crate::check`].
pub fn compile(definition: &Definition) -> Result<Program, Vec<Diagnostic>> {
    let mut compiler = Compiler {
        states: Vec::new(),
        top: 0,
        diagnostics: Vec::new(),
        language: Language::default(),
    };
    let root = Fields { node: &definition.root, location: String::new(), trail: String::new() };
    if !definition.root.is_object() {
        let diagnostic =
            Diagnostic::error("SCHEMA_VALIDATION_FAILED", "Definition must be a valid JSON object")
                .span(definition.root.span);
        return Err(vec![diagnostic]);
    }
    compiler.language = Compiler::language_of(&root, Language::JsonPath);
    let start = compiler.scope(&root, 0);
    let timeout_seconds =
        compiler.number(&root, "TimeoutSeconds").map(|seconds| seconds.max(0.0) as u64);
    if compiler.diagnostics.is_empty() {
        let states = compiler
            .states
            .into_iter()
            .map(|state| state.expect("a scope without complaints has all its states"))
            .collect();
        let start = start.expect("a scope without complaints has a start");
        Ok(Program {
            states,
            top: compiler.top,
            start,
            timeout_seconds,
            language: compiler.language,
            limits: Limits::default(),
            vintage: Vintage::TODAY,
            whole: BTreeSet::new(),
        })
    } else {
        Err(compiler.diagnostics)
    }
}

struct Compiler {
    states: Vec<Option<State>>,
    /// How many states are at the top level.
    top: u32,
    diagnostics: Vec<Diagnostic>,
    /// The machine's own; states do not inherit from the Map or Parallel around them.
    language: Language,
}

/// The states of one scope, by name.
type Names = FxHashMap<Str, StateId>;

impl Compiler {
    fn complain(&mut self, message: impl Into<String>, location: &str, span: Span) {
        let location = if location.is_empty() { "/" } else { location };
        self.diagnostics
            .push(Diagnostic::error("SCHEMA_VALIDATION_FAILED", message).at(location).span(span));
    }

    fn missing(&mut self, fields: &Fields<'_>, names: &str) {
        let message = format!("These fields are required: [{names}]");
        self.complain(message, &fields.location, fields.node.span);
    }

    fn language_of(fields: &Fields<'_>, inherited: Language) -> Language {
        match fields.get("QueryLanguage").and_then(Node::as_str) {
            Some("JSONPath") => Language::JsonPath,
            Some(_) => Language::Jsonata,
            None => inherited,
        }
    }

    /// Compiles the states of the machine, a branch or a processor; gives back where it begins.
    fn scope(&mut self, fields: &Fields<'_>, depth: usize) -> Option<StateId> {
        if depth > MAX_DEPTH {
            self.complain("States are nested too deeply", &fields.location, fields.node.span);
            return None;
        }
        let Some(states) = fields.child("States").filter(|states| states.node.is_object()) else {
            self.missing(fields, "States");
            return None;
        };
        let mut names = Names::default();
        let mut members = Vec::new();
        for member in states.node.members() {
            // A name that comes twice stands for its last state, as in any JSON object.
            let id = StateId(self.states.len() as u32);
            let id = *names.entry(member.key.clone()).or_insert(id);
            if id.0 as usize == self.states.len() {
                self.states.push(None);
            }
            members.push((id, member));
        }
        if depth == 0 {
            self.top = self.states.len() as u32;
        }
        for (id, member) in members {
            let location = format!("{}/{}", states.location, member.key);
            let state = Fields { node: &member.value, location, trail: String::new() };
            self.states[id.0 as usize] = self.state(&state, &member.key, &names, depth);
        }
        let Some(start) = fields.get("StartAt").and_then(Node::as_str) else {
            self.missing(fields, "StartAt");
            return None;
        };
        self.target(fields, "StartAt", start, &names)
    }

    /// The state that a field names.
    fn target(
        &mut self,
        fields: &Fields<'_>,
        field: &str,
        name: &str,
        names: &Names,
    ) -> Option<StateId> {
        if let Some(id) = names.get(name) {
            return Some(*id);
        }
        let location = format!("{}/{field}", fields.location);
        let span = fields.get(field).map_or(fields.node.span, |node| node.span);
        let mut diagnostic = Diagnostic::error(
            "MISSING_TRANSITION_TARGET",
            format!("Missing 'Next' target: {name}"),
        )
        .at(location)
        .span(span)
        .label(format!("no state `{name}` in this scope"));
        // Advice costs a look at every name: the first complaints get it.
        if self.diagnostics.len() < 50
            && let Some(near) = stepwright_source::did_you_mean(name, names.keys().map(Str::as_str))
        {
            diagnostic = diagnostic.help(format!("did you mean `{near}`?"));
        }
        self.diagnostics.push(diagnostic);
        None
    }

    fn next(&mut self, fields: &Fields<'_>, names: &Names) -> Option<Transition> {
        if let Some(next) = fields.get("Next").and_then(Node::as_str) {
            return self.target(fields, "Next", next, names).map(Transition::Next);
        }
        if fields.flag("End") == Some(true) {
            return Some(Transition::End);
        }
        self.missing(fields, "Next");
        None
    }
}
