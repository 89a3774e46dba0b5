//! Checks definitions with the rules for all definitions, and reports what they find at its place
//! in the project.

use crate::project::Project;
use crate::refused::CODE;
use std::collections::BTreeSet;
use stepwright_asl::Definition;
use stepwright_json::Json;
use stepwright_json::tree::Node;
use stepwright_source::{Diagnostic, Severity, Span};

/// The errors of all machines, and the remarks on them, each of them once.
pub(crate) fn check(project: &Project) -> (Vec<Diagnostic>, Vec<Diagnostic>) {
    let (mut errors, mut remarks, mut known) = (Vec::new(), Vec::new(), BTreeSet::new());
    let machines = project.names.iter().filter_map(|name| {
        let machine = project.machines.get(name)?;
        Some((name, machine.definition.as_ref().ok()?))
    });
    for (name, definition) in machines {
        for found in of_machine(project, name, definition) {
            // A branch or iterator has the same states as the machines that use it.
            let place = found.span.map(|span| (span.start, span.end));
            if known.insert((place, found.message.clone())) {
                let list = if found.is_error() { &mut errors } else { &mut remarks };
                list.push(found);
            }
        }
    }
    (errors, remarks)
}

fn of_machine(project: &Project, machine: &str, definition: &Json) -> Vec<Diagnostic> {
    let definition = Definition::from_json(definition);
    let found = stepwright_program::check(&definition);
    if found.is_empty() {
        return found;
    }
    let mut states = Vec::new();
    collect(&definition.root, &mut states);
    let placed = |found: Diagnostic| {
        let state = found.span.and_then(|at| {
            let around =
                states.iter().filter(|(_, span)| span.start <= at.start && at.end <= span.end);
            around.min_by_key(|(_, span)| span.end - span.start).map(|(name, _)| *name)
        });
        let place = state.and_then(|name| project.places.get(&format!("{machine}:{name}")));
        let place = place.or_else(|| project.places.get(machine)).copied();
        let code = if found.severity == Severity::Error { CODE } else { found.code };
        Diagnostic {
            code,
            location: None,
            span: place,
            label: None,
            labels: Vec::new(),
            // Advice on fields of the definition is of no use here.
            help: None,
            fixes: Vec::new(),
            ..found
        }
    };
    found.into_iter().map(placed).collect()
}

/// The states of a definition, with those of branches and iterators: their names, and the spans from
/// their names to their ends.
fn collect<'d>(node: &'d Node, states: &mut Vec<(&'d str, Span)>) {
    for member in node.members() {
        if member.key.as_str() == "States" {
            for state in member.value.members() {
                let span = Span { start: state.key_span.start, end: state.value.span.end };
                states.push((state.key.as_str(), span));
            }
        }
        collect(&member.value, states);
    }
    node.items().iter().for_each(|item| collect(item, states));
}
