//! Drawings of state machines: as SVG with its own layout, and as text for Mermaid and Graphviz.
//!
//! The layout is layered: a state is drawn below the states that lead to it, edges run downwards,
//! and loops run back along the side, in channels between the rows. Parallel and Map states are boxes with their scopes inside.

mod layout;
mod marks;
mod model;
#[cfg(test)]
mod overlaps;
mod routes;
mod svg;
mod text;

pub use marks::{Mark, Marks};
use stepwright_program::Program;

/// Draws the machine as a self-contained SVG, without fonts or scripts.
pub fn svg(program: &Program) -> String {
    svg::draw(&layout::layout(&model::scope(program, program.start)), svg::Style::default())
}

/// Like [`svg()`], with a legend, and with the parts that tests use in green and the others in red.
pub fn svg_marked(program: &Program, marks: &Marks) -> String {
    let style = svg::Style { marks: Some(marks), is_in_page: false };
    svg::draw(&layout::layout(&model::scope(program, program.start)), style)
}

/// Like [`svg()`], to be put into a page: each state is a `g.state` whose `data-state` is its position in
/// the program, and the page's style sheet says the colours.
pub fn svg_in_page(program: &Program) -> String {
    let style = svg::Style { marks: None, is_in_page: true };
    svg::draw(&layout::layout(&model::scope(program, program.start)), style)
}

/// Draws the machine as a Mermaid flowchart.
pub fn mermaid(program: &Program) -> String {
    text::mermaid(&model::scope(program, program.start))
}

/// Like [`mermaid`], with the states and transitions that are used standing out, and how often a state
/// is entered.
pub fn mermaid_marked(program: &Program, marks: &Marks) -> String {
    text::mermaid_marked(&model::scope(program, program.start), marks)
}

/// Draws the machine as a Graphviz digraph.
pub fn dot(program: &Program) -> String {
    text::dot(&model::scope(program, program.start))
}
