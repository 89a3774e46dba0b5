//! Quick fixes: what the rules suggest, as `stepwright check --fix` does it.

use crate::analysis::Analysis;
use crate::values::{edit, position};
use stepwright_json::{Json, Object, json};
use stepwright_source::{Edit, Span};

pub(crate) fn actions(uri: &str, analysis: &Analysis, params: &Json) -> Json {
    let place = |key: &str| {
        let place = params.get("range").and_then(|range| position(range.get(key)?));
        analysis.text.offset(place.unwrap_or_default())
    };
    let (start, end) = (place("start"), place("end"));
    let only = params.get("context").and_then(|context| context.get("only"));
    let wants = |kind: &str| {
        only.and_then(Json::as_array).is_none_or(|kinds| {
            let names = |wanted: &Json| {
                wanted
                    .as_str()
                    .is_some_and(|wanted| kind == wanted || kind.starts_with(&format!("{wanted}.")))
            };
            kinds.iter().any(names)
        })
    };
    let text = analysis.text.as_str();
    let mut found = Vec::new();
    let own = analysis.complaints().iter().filter(|complaints| complaints.file.is_none());
    let diagnostics: Vec<_> = own.flat_map(|complaints| &complaints.diagnostics).collect();
    if wants("quickfix") {
        for diagnostic in &diagnostics {
            let span = diagnostic.span.unwrap_or(Span::new(0, 0));
            // A whole line is asked for by editors that show actions beside it.
            let lines = analysis.text.position(span.start as usize).line
                ..=analysis.text.position(span.end as usize).line;
            let is_here = span.start as usize <= end && start <= span.end as usize
                || lines.contains(&analysis.text.position(start).line);
            if !is_here {
                continue;
            }
            for (at, fix) in diagnostic.fixes.iter().enumerate() {
                let Some(edits) = stepwright_asl::edits(text, fix) else { continue };
                found.push(json!({
                    "title": (fix.title.as_str()),
                    "kind": "quickfix",
                    "isPreferred": (at == 0),
                    "edit": (workspace_edit(uri, analysis, &edits))
                }));
            }
        }
    }
    if wants("source.fixAll") && only.is_some() {
        let edits = stepwright_asl::first_edits(text, diagnostics);
        if !edits.is_empty() {
            found.push(json!({
                "title": "Fix everything that stepwright can fix",
                "kind": "source.fixAll",
                "edit": (workspace_edit(uri, analysis, &edits))
            }));
        }
    }
    let mut once: Vec<Json> = Vec::new();
    for action in found {
        if !once.contains(&action) {
            once.push(action);
        }
    }
    once.into()
}

fn workspace_edit(uri: &str, analysis: &Analysis, edits: &[Edit]) -> Json {
    let edits = edits.iter().map(|one| edit(&analysis.text, one.span, &one.text));
    let mut changes = Object::new();
    changes.insert(uri, edits.collect::<Vec<Json>>().into());
    json!({"changes": changes})
}
