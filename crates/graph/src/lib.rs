//! Pictures of state machines: SVG with a layout of our own, Mermaid and Graphviz.
//!
//! The layout is layered: a state stands below the states that lead to it, edges run downwards,
//! loops run back along the side. Parallel and Map states are boxes with their scopes inside.

mod layout;
mod marks;
mod model;
mod svg;
mod text;

pub use marks::{Mark, Marks};
use stepwright_program::Program;

/// The machine as a picture that needs nothing else: no fonts, no scripts.
pub fn svg(program: &Program) -> String {
    svg::draw(&layout::layout(&model::scope(program, program.start)), None)
}

/// The same with what tests use of it in green, what they do not in red, and a legend.
pub fn svg_marked(program: &Program, marks: &Marks) -> String {
    svg::draw(&layout::layout(&model::scope(program, program.start)), Some(marks))
}

/// The machine as a Mermaid flowchart.
pub fn mermaid(program: &Program) -> String {
    text::mermaid(&model::scope(program, program.start))
}

/// The machine as a Graphviz digraph.
pub fn dot(program: &Program) -> String {
    text::dot(&model::scope(program, program.start))
}
