//! The uses of a state's name.

use crate::analysis::{Analysis, Machine};
use crate::outline::{self, Use};
use crate::values::range;
use stepwright_json::{Json, json};

/// The state at a place, and the machine it is in.
pub(crate) fn state_at(analysis: &Analysis, offset: usize) -> Option<(&Machine, &str)> {
    analysis.own().find_map(|machine| {
        let name = outline::at(&machine.root, offset)?.state_name()?;
        Some((machine, name))
    })
}

/// Every use of the state at a place, once.
pub(crate) fn uses_at(analysis: &Analysis, offset: usize) -> Vec<Use<'_>> {
    let Some((machine, name)) = state_at(analysis, offset) else { return Vec::new() };
    let mut uses = outline::uses(&machine.root);
    uses.retain(|one| one.name == name);
    // What an alias of YAML stands for has the place of its anchor.
    uses.sort_by_key(|one| (one.span, !one.is_definition));
    uses.dedup_by_key(|one| one.span);
    uses
}

pub(crate) fn references(
    uri: &str,
    analysis: &Analysis,
    offset: usize,
    with_definition: bool,
) -> Json {
    let uses = uses_at(analysis, offset);
    let wanted = uses.iter().filter(|one| with_definition || !one.is_definition);
    let found = wanted.map(|one| json!({"uri": uri, "range": (range(&analysis.text, one.span))}));
    found.collect::<Vec<Json>>().into()
}

pub(crate) fn highlights(analysis: &Analysis, offset: usize) -> Json {
    let uses = uses_at(analysis, offset);
    let found = uses.iter().map(|one| {
        let kind = if one.is_definition { 3 } else { 2 };
        json!({"range": (range(&analysis.text, one.span)), "kind": kind})
    });
    found.collect::<Vec<Json>>().into()
}
