//! Renames a state: where it is defined, and wherever it is referred to.

use crate::analysis::Analysis;
use crate::outline;
use crate::references::{state_at, uses_at};
use crate::values::{edit, range};
use std::collections::BTreeSet;
use stepwright_asl::rewritten;
use stepwright_json::{Json, Object, json};
use stepwright_source::{Edit, Span};

/// How long the name of a state may be.
const MAX_NAME: usize = 80;

/// The name at a place, if it can be renamed there.
pub(crate) fn prepare(analysis: &Analysis, offset: usize) -> Json {
    let touches = |span: Span| span.start as usize <= offset && offset <= span.end as usize;
    let uses = uses_at(analysis, offset);
    let Some(here) = uses.iter().find(|one| touches(one.span)) else { return Json::Null };
    // Quotes are not a part of the name.
    let written = analysis.text.as_str().get(here.span.range()).unwrap_or_default();
    let span = match written.find(here.name) {
        Some(at) => {
            let start = here.span.start as usize + at;
            Span::new(start, start + here.name.len())
        }
        None => here.span,
    };
    json!({"range": (range(&analysis.text, span)), "placeholder": (here.name)})
}

pub(crate) fn rename(
    uri: &str,
    analysis: &Analysis,
    offset: usize,
    name: &str,
) -> Result<Json, String> {
    let edits = edits(analysis, offset, name)?;
    let edits: Vec<Json> =
        edits.iter().map(|one| edit(&analysis.text, one.span, &one.text)).collect();
    let mut changes = Object::new();
    changes.insert(uri, edits.into());
    Ok(json!({"changes": changes}))
}

/// The edits that rename the state at a place.
fn edits(analysis: &Analysis, offset: usize, name: &str) -> Result<Vec<Edit>, String> {
    let Some((machine, old)) = state_at(analysis, offset) else {
        return Err("no name of a state stands here".to_owned());
    };
    if name.is_empty() {
        return Err("a state has a name".to_owned());
    }
    if name.chars().count() > MAX_NAME {
        return Err(format!("the name of a state has {MAX_NAME} characters at most"));
    }
    if name == old {
        return Ok(Vec::new());
    }
    // The same text can belong to several machines, where an anchor of YAML is used by more.
    let mut spans: BTreeSet<Span> = BTreeSet::new();
    spans.extend(uses_at(analysis, offset).iter().map(|one| one.span));
    loop {
        let before = spans.len();
        for other in analysis.own() {
            let uses = outline::uses(&other.root);
            let shared = uses.iter().any(|one| one.name == old && spans.contains(&one.span));
            let is_taken = uses.iter().any(|one| one.is_definition && one.name == name);
            if shared && is_taken {
                return Err(format!("another state is called `{name}`"));
            }
            if shared {
                spans.extend(uses.iter().filter(|one| one.name == old).map(|one| one.span));
            }
        }
        if spans.len() == before {
            break;
        }
    }
    let text = &machine.text;
    let edit = |span: Span| {
        // An alias is replaced by the name: its anchor may stand for something else.
        let written = text.get(span.range()).unwrap_or_default();
        if written.starts_with('*') {
            return Ok(Edit { span, text: Json::from(name).to_string() });
        }
        rewritten(text, span, old, name).ok_or_else(|| {
            let line = analysis.text.position(span.start as usize).line + 1;
            format!("the name in line {line} is computed, and cannot be changed there")
        })
    };
    spans.into_iter().map(edit).collect()
}
