use crate::load::Format;
use crate::yaml;
use stepwright_json::tree::{self, Node};
use stepwright_json::{Limits, Syntax};
use stepwright_source::Diagnostic;

/// Reads a data file (mocks, values, an input) in JSON, with or without comments, or YAML, by the
/// ending of its name.
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
