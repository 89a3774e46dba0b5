//! What can be folded: every object and list of more than one line.

use crate::analysis::Analysis;
use std::collections::BTreeSet;
use stepwright_json::tree::{Node, Value};
use stepwright_json::{Json, json};
use stepwright_source::Span;

pub(crate) fn folding(analysis: &Analysis) -> Json {
    let mut found = BTreeSet::new();
    for machine in analysis.own() {
        let mut open: Vec<(Option<Span>, &Node)> = vec![(None, &machine.root)];
        while let Some((key, node)) = open.pop() {
            match &node.value {
                Value::Scalar(_) => continue,
                Value::Array(items) => open.extend(items.iter().map(|item| (None, item))),
                Value::Object(members) => {
                    open.extend(members.iter().map(|one| (Some(one.key_span), &one.value)));
                }
            }
            let text = analysis.text.as_str();
            let whole = text.get(node.span.range()).unwrap_or_default();
            let end = node.span.start as usize + whole.trim_end().len();
            let start = key.filter(|key| key.start <= node.span.start).unwrap_or(node.span);
            let first = analysis.text.position(start.start as usize).line;
            let mut last = analysis.text.position(end).line;
            // The line of a closing bracket stays.
            if whole.trim_end().ends_with(['}', ']']) {
                last = last.saturating_sub(1);
            }
            if last > first {
                found.insert((first, last));
            }
        }
    }
    let fold = |(first, last): (u32, u32)| json!({"startLine": first, "endLine": last});
    found.into_iter().map(fold).collect::<Vec<Json>>().into()
}
