//! What is made of a revision once: its drawing, and the places of its states in the definition.

use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use stepwright_asl::Definition;
use stepwright_engine::{Engine, Revision};
use stepwright_timeline::state_span;

/// A revision as pages show it.
#[derive(Debug)]
pub(crate) struct Drawing {
    /// SVG.
    pub(crate) svg: String,
    /// The definition, on several lines.
    pub(crate) text: String,
    /// Its tree, if it can be read.
    pub(crate) definition: Option<Definition>,
    /// The names of the states, by position, and the lines that they begin at.
    pub(crate) states: Vec<(String, Option<usize>)>,
}

/// The drawings that were shown last.
#[derive(Debug, Default)]
pub(crate) struct Drawings(Mutex<VecDeque<(String, Arc<Drawing>)>>);

/// How many drawings are kept.
const MOST: usize = 32;

/// A machine with more states than this is not drawn: nobody could read it, and a browser would be slow.
const MOST_STATES: usize = 1_500;

impl Drawings {
    pub(crate) async fn of(&self, engine: &Engine, revision: &Revision) -> Arc<Drawing> {
        if let Some(known) = self.known(&revision.id) {
            return known;
        }
        let drawing = Arc::new(engine.aside(|| draw(revision)).await);
        let mut kept = self.0.lock();
        kept.push_front((revision.id.clone(), drawing.clone()));
        kept.truncate(MOST);
        drawing
    }

    fn known(&self, revision: &str) -> Option<Arc<Drawing>> {
        let mut kept = self.0.lock();
        let at = kept.iter().position(|(id, _)| id == revision)?;
        let found = kept.remove(at)?;
        kept.push_front(found.clone());
        Some(found.1)
    }
}

fn draw(revision: &Revision) -> Drawing {
    let program = &revision.program;
    let svg = if program.states.len() <= MOST_STATES {
        stepwright_graph::svg_in_page(program)
    } else {
        String::new()
    };
    let text = on_lines(&revision.definition);
    let definition = Definition::from_api(&text).ok();
    let line = |name: &str| {
        let span = state_span(definition.as_ref()?, name)?;
        let before = text.get(..span.start as usize)?;
        Some(before.bytes().filter(|byte| *byte == b'\n').count() + 1)
    };
    let states = program.states.iter().map(|state| (state.name.to_string(), line(&state.name)));
    let states = states.collect();
    Drawing { svg, text, definition, states }
}

/// A definition that stands on one line, on several.
fn on_lines(definition: &str) -> String {
    if definition.lines().count() > 3 {
        return definition.to_owned();
    }
    stepwright_json::parse(definition).map_or_else(|_| definition.to_owned(), |json| json.pretty())
}
