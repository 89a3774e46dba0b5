//! Where a state is defined, and the file that a template names.

use crate::analysis::Analysis;
use crate::links;
use crate::references::uses_at;
use crate::values::{range, range_between};
use stepwright_json::{Json, json};

pub(crate) fn definition(uri: &str, analysis: &Analysis, offset: usize) -> Json {
    let uses = uses_at(analysis, offset);
    let definitions = uses.iter().filter(|one| one.is_definition);
    let mut found: Vec<Json> = definitions
        .map(|one| json!({"uri": uri, "range": (range(&analysis.text, one.span))}))
        .collect();
    if found.is_empty()
        && let Some(link) = links::at(analysis, offset)
    {
        let start = range_between(crate::Position::default(), crate::Position::default());
        found.push(json!({"uri": (link.target), "range": start}));
    }
    found.into()
}
