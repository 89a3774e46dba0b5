//! Pictures of state machines: SVG with a layout of our own, Mermaid and Graphviz.
//!
//! The layout is layered: a state stands below the states that lead to it, edges run downwards,
//! loops run back along the side. Parallel and Map states are boxes with their scopes inside.

mod layout;
mod model;
mod svg;
mod text;

use stepwright_program::Program;

/// The machine as a picture that needs nothing else: no fonts, no scripts.
pub fn svg(program: &Program) -> String {
    svg::draw(&layout::layout(&model::scope(program, program.start)))
}

/// The machine as a Mermaid flowchart.
pub fn mermaid(program: &Program) -> String {
    text::mermaid(&model::scope(program, program.start))
}

/// The machine as a Graphviz digraph.
pub fn dot(program: &Program) -> String {
    text::dot(&model::scope(program, program.start))
}
