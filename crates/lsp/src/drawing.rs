//! The drawing of a machine, for an editor that shows it beside the text: `stepwright/graph`.

use crate::analysis::Analysis;
use crate::outline::{self, Role};
use crate::samples::Samples;
use crate::values::range;
use std::rc::Rc;
use stepwright_asl::Definition;
use stepwright_json::tree::Node;
use stepwright_json::{Json, json};
use stepwright_testkit::Part;

/// Draws the machine that a place is in, or the first one. `null` while it cannot be read.
///
/// The answer has `svg`, in which each state is a `g.state` whose `data-state` is its number; `current`,
/// the number of the state that the place is in, or `null`; `places`, where each state begins, by its
/// number; `entered`, the numbers of the states that the
/// first test of the machine enters, and `test`, its name.
pub(crate) fn drawing(
    analysis: &Analysis,
    offset: usize,
    samples: &dyn Fn() -> Rc<Samples>,
) -> Json {
    let is_around =
        |root: &Node| root.span.start as usize <= offset && offset <= root.span.end as usize;
    let machine = analysis.own().find(|machine| is_around(&machine.root));
    let Some(machine) = machine.or_else(|| analysis.own().next()) else { return Json::Null };
    let definition = Definition::new(machine.text.clone(), machine.root.clone());
    let Ok(program) = stepwright_program::compile(&definition) else { return Json::Null };
    let current = state_around(&machine.root, offset).and_then(|name| {
        let at = program.states.iter().position(|state| state.name == name)?;
        Some(Json::from(at))
    });
    let uses = outline::uses(&machine.root);
    let places = program.states.iter().map(|state| {
        let is_it = |one: &&outline::Use<'_>| one.is_definition && one.name == state.name;
        let used = uses.iter().find(is_it).map(|one| range(&analysis.text, one.span));
        used.and_then(|range| range.get("start").cloned()).unwrap_or_default()
    });
    let places: Vec<Json> = places.collect();
    let samples = samples();
    let sample = samples.of(machine.name.as_deref()).find_map(|one| one.run_where(|_| true));
    let entered = sample.iter().flat_map(|sample| {
        sample.hits.parts().filter_map(|(part, count)| match part {
            Part::State(id) if count > 0 => Some(Json::from(id.0 as usize)),
            _ => None,
        })
    });
    json!({
        "svg": (stepwright_graph::svg_in_page(&program)),
        "name": (machine.name.clone().map(Json::from).unwrap_or_default()),
        "current": (current.unwrap_or_default()),
        "places": places,
        "entered": (entered.collect::<Vec<Json>>()),
        "test": (sample.map(|sample| Json::from(sample.case.as_str())).unwrap_or_default())
    })
}

/// The name of the innermost state that a place is in.
fn state_around(root: &Node, offset: usize) -> Option<&str> {
    let mut found = None;
    let mut open = vec![(Role::Machine, root)];
    while let Some((role, node)) = open.pop() {
        for item in node.items() {
            open.push((role, item));
        }
        for member in node.members() {
            let whole = member.key_span.to(member.value.span);
            if whole.start as usize <= offset && offset <= whole.end as usize {
                if role == Role::States {
                    found = Some(member.key.as_str());
                }
                open.push((role.within(&member.key), &member.value));
            }
        }
    }
    found
}
