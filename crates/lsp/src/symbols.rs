//! The states of a document, as a tree.

use crate::analysis::Analysis;
use crate::outline::Role;
use crate::text::Text;
use crate::values::range;
use stepwright_json::tree::{Node, Value};
use stepwright_json::{Json, json};
use stepwright_source::Span;

/// Kinds of symbols in the protocol.
const CLASS: i64 = 5;
const FUNCTION: i64 = 12;
const EVENT: i64 = 24;

pub(crate) fn symbols(analysis: &Analysis) -> Json {
    let text = &analysis.text;
    let mut found = Vec::new();
    for machine in analysis.own() {
        let states = within(text, Role::Machine, &machine.root);
        match &machine.name {
            Some(name) => {
                let whole = range(text, machine.root.span);
                found.push(json!({
                    "name": (name.as_str()),
                    "kind": CLASS,
                    "range": (whole.clone()),
                    "selectionRange": whole,
                    "children": states
                }));
            }
            None => found.extend(states),
        }
    }
    found.into()
}

/// The states in a node, and those in them.
fn within(text: &Text, role: Role, node: &Node) -> Vec<Json> {
    match &node.value {
        Value::Scalar(_) => Vec::new(),
        Value::Array(items) => items.iter().flat_map(|item| within(text, role, item)).collect(),
        Value::Object(members) => {
            let mut found = Vec::new();
            for member in members {
                let inner = role.within(&member.key);
                if matches!(inner, Role::Data | Role::Parameters | Role::Assign) {
                    continue;
                }
                let children = within(text, inner, &member.value);
                if role != Role::States {
                    found.extend(children);
                    continue;
                }
                let kind = member.value.get("Type").and_then(Node::as_str).unwrap_or_default();
                let whole = member.key_span.to(member.value.span);
                // An anchor of YAML stands elsewhere.
                let is_here = member.value.span.start >= member.key_span.start;
                let whole = if is_here { whole } else { member.key_span };
                // Editors refuse symbols without a name.
                let name = if member.key.is_empty() { "(no name)" } else { &member.key };
                found.push(json!({
                    "name": name,
                    "detail": kind,
                    "kind": (if children.is_empty() { FUNCTION } else { EVENT }),
                    "range": (range(text, whole)),
                    "selectionRange": (range(text, selection(member.key_span, whole))),
                    "children": children
                }));
            }
            found
        }
    }
}

fn selection(key: Span, whole: Span) -> Span {
    Span { start: key.start.max(whole.start), end: key.end.min(whole.end) }
}
