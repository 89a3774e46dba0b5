//! States that do not exist, cannot be reached, or never end.

use super::checker::{Checker, Site};
use std::collections::{BTreeMap, BTreeSet};
use stepwright_json::Json;
use stepwright_json::tree::Node;
use stepwright_source::Diagnostic;

/// A field that names a state.
struct Target<'d> {
    name: &'d str,
    node: &'d Node,
    location: String,
}

impl<'d> Checker<'d> {
    /// The transitions of a scope. `top` is the machine itself, which must have an end.
    pub(super) fn transitions(&mut self, site: &Site<'d>, top: bool) {
        let Some(states) = site.child("States").filter(|states| states.node.is_object()) else {
            return;
        };
        let mut names: BTreeMap<&'d str, Site<'d>> = BTreeMap::new();
        let mut order: Vec<&'d str> = Vec::new();
        for member in states.members() {
            let location = format!("{}/{}", states.location, member.key);
            names.insert(&member.key, Site { node: &member.value, location });
            order.push(&member.key);
        }
        let start = target(site, "StartAt");
        let start_name = start.as_ref().map(|start| start.name);
        if let Some(found) = start {
            self.missing(&found, &order, &names);
        }
        let mut edges: BTreeMap<&'d str, Vec<&'d str>> = BTreeMap::new();
        for name in &order {
            for found in targets(&names[name]) {
                self.missing(&found, &order, &names);
                edges.entry(name).or_default().push(found.name);
            }
        }
        self.endless_passes(&order, &names);
        if top && !names.values().any(is_terminal) {
            let message = "Workflow has no terminal state";
            let span = site.node.member("States").map_or(site.node.span, |m| m.key_span);
            let diagnostic = Diagnostic::error("MISSING_END_STATE", message)
                .span(span)
                .label("none of these states ends the execution")
                .help("end one with `\"End\": true`, or lead to a Succeed or Fail state");
            return self.report(diagnostic);
        }
        if let Some(start) = start_name {
            self.unreachable(start, &order, &edges, &names);
        }
    }

    fn missing(
        &mut self,
        target: &Target<'d>,
        order: &[&'d str],
        names: &BTreeMap<&'d str, Site<'d>>,
    ) {
        if names.contains_key(target.name) {
            return;
        }
        let message = format!("Missing 'Next' target: {}", target.name);
        let mut diagnostic = Diagnostic::error("MISSING_TRANSITION_TARGET", message)
            .at(&target.location)
            .span(target.node.span)
            .label(format!("no state `{}` in this scope", target.name));
        if let Some(near) = self.nearest(target.name, order.iter().copied()) {
            diagnostic = diagnostic.meant(target.name, near);
        } else if let Some(span) = self.names.get(target.name) {
            diagnostic = diagnostic.also(*span, "this state is in another scope");
        }
        self.report(diagnostic);
    }

    fn unreachable(
        &mut self,
        start: &'d str,
        order: &[&'d str],
        edges: &BTreeMap<&'d str, Vec<&'d str>>,
        names: &BTreeMap<&'d str, Site<'d>>,
    ) {
        let mut reached: BTreeSet<&str> = BTreeSet::new();
        let mut open = vec![start];
        while let Some(name) = open.pop() {
            if reached.insert(name) {
                open.extend(edges.get(name).into_iter().flatten().copied());
            }
        }
        for name in order.iter().filter(|name| !reached.contains(*name)) {
            let site = &names[name];
            let span = self.names.get(name).copied().unwrap_or(site.node.span);
            let message = format!("State \"{name}\" is not reachable.");
            let diagnostic = Diagnostic::error("MISSING_TRANSITION_TARGET", message)
                .at(&site.location)
                .span(span)
                .label("no transition leads here");
            self.report(diagnostic);
        }
    }

    /// Pass states that lead to each other and to nothing else.
    fn endless_passes(&mut self, order: &[&'d str], names: &BTreeMap<&'d str, Site<'d>>) {
        let next_pass = |name: &str| {
            let site = names.get(name)?;
            site.text("Next").filter(|_| site.text("Type") == Some("Pass"))
        };
        let mut done: BTreeSet<&str> = BTreeSet::new();
        for first in order {
            let mut row: Vec<&str> = Vec::new();
            let mut here = *first;
            while !done.contains(here) {
                done.insert(here);
                row.push(here);
                match next_pass(here) {
                    Some(next) => here = next,
                    None => break,
                }
            }
            let looped = row
                .iter()
                .position(|name| *name == here)
                .filter(|_| next_pass(row.last().copied().unwrap_or_default()) == Some(here));
            if let Some(at) = looped {
                let site = &names[row[at]];
                let span = self.names.get(row[at]).copied().unwrap_or(site.node.span);
                let message = "These Pass states lead to each other without end";
                let diagnostic = Diagnostic::warning("endless-pass-loop", message)
                    .at(&site.location)
                    .span(span)
                    .label(row[at..].join(" → "))
                    .help("AWS ends such an execution after 25,000 events");
                self.report(diagnostic);
            }
        }
    }
}

fn target<'d>(site: &Site<'d>, key: &str) -> Option<Target<'d>> {
    let node = site.get(key)?;
    Some(Target { name: node.as_str()?, node, location: site.at(key) })
}

/// Every state that a state may lead to.
fn targets<'d>(state: &Site<'d>) -> Vec<Target<'d>> {
    let mut found: Vec<Target<'d>> = target(state, "Next").into_iter().collect();
    found.extend(state.items("Choices").iter().filter_map(|rule| target(rule, "Next")));
    found.extend(target(state, "Default"));
    found.extend(state.items("Catch").iter().filter_map(|catcher| target(catcher, "Next")));
    found
}

fn is_terminal(state: &Site<'_>) -> bool {
    // A state without a type ends nothing.
    match state.text("Type") {
        Some("Succeed" | "Fail") => true,
        Some(_) => state.get("End").and_then(Node::as_scalar).and_then(Json::as_bool) == Some(true),
        None => false,
    }
}
