use crate::load::Format;
use crate::yaml;
use stepwright_json::tree::{self, Node};
use stepwright_json::{Limits, Syntax};
use stepwright_source::Diagnostic;

/// Reads a data file such as mocks, values or an input. The extension of its name decides whether
/// it is JSON, JSON with comments, or YAML.
pub fn read_data(text: &str, file: &str) -> Result<Node, Box<Diagnostic>> {
    match Format::of(file, text) {
        Format::Yaml => yaml::parse(text).map(|document| document.root).map_err(|error| {
            Box::new(Diagnostic::error("invalid-yaml", error.message.clone()).span(error.span))
        }),
        Format::Json | Format::Comments => tree::parse(text, Syntax::Comments, Limits::default())
            .map_err(|error| {
                Box::new(Diagnostic::error("invalid-json", error.message.clone()).span(error.span))
            }),
    }
}
