//! JSONata that cannot be compiled, or that refers to what is not there.

use super::checker::{Checker, SCHEMA};
use super::values::expression_text;
use stepwright_json::tree::Node;
use stepwright_jsonata::{Dialect, Expression};
use stepwright_source::{Diagnostic, Span, did_you_mean};

/// What an expression can see of `$states`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// The input and the context.
    Input,
    /// The result, too.
    Result,
    /// The error that was caught, too.
    Error,
}

impl Place {
    fn fields(self) -> &'static [&'static str] {
        match self {
            Self::Input => &["input", "context"],
            Self::Result => &["input", "context", "result"],
            Self::Error => &["input", "context", "errorOutput"],
        }
    }
}

const UNSUPPORTED: &str = "UNSUPPORTED_JSONATA_EXPRESSION";

impl<'d> Checker<'d> {
    /// A field that sees only the input.
    pub(super) fn jsonata_at(&mut self, node: &'d Node, location: &str) {
        self.jsonata_text(node, location, Place::Input);
    }

    /// A text that may be an expression.
    pub(super) fn jsonata_text(&mut self, node: &'d Node, location: &str, place: Place) {
        let Some(text) = node.as_str() else { return };
        let Some((inner, offset)) = expression_text(text) else {
            if text.starts_with("{%") || text.ends_with("%}") {
                let message = "JSONata string must start with {% and end with %}";
                self.schema(message, location, node.span);
            }
            return;
        };
        let expression = match Expression::compile(inner, Dialect::StepFunctions) {
            Ok(expression) => expression,
            Err(error) => {
                let (start, end) = (error.span.start as usize, error.span.end as usize);
                let span = self.inside(node, offset + start, offset + end.max(start));
                let mut diagnostic = Diagnostic::error("INVALID_JSONATA_EXPRESSION", error.message)
                    .at(location)
                    .span(span);
                if self.is_placeholder(inner) {
                    diagnostic = diagnostic.help("give the `${…}` in it a value");
                }
                return self.report(diagnostic);
            }
        };
        let mut wrong: Vec<(Span, String, Option<String>)> = Vec::new();
        let references = expression.references();
        for span in &references.root {
            wrong.push((*span, "Reference to '$$' is not supported.".to_owned(), None));
        }
        for span in &references.context {
            let message = "Reference to '$' at the top level is not supported.";
            wrong.push((*span, message.to_owned(), Some("the input is `$states.input`".into())));
        }
        for field in &references.fields {
            let message =
                format!("Reference to '{}' at the top level is not supported.", field.name);
            let help = format!("did you mean `$states.input.{0}` or `${0}`?", field.name);
            wrong.push((field.span, message, Some(help)));
        }
        for variable in &references.variables {
            if variable.name != "states" {
                continue;
            }
            if let Some(field) = variable.fields.first()
                && !place.fields().contains(&field.name.as_str())
            {
                let message = format!("Field '$states.{}' does not exist.", field.name);
                let help = match field.name.as_str() {
                    "result" => Some(
                        "only `Output` and `Assign` of a Task, Parallel or Map have a result"
                            .to_owned(),
                    ),
                    "errorOutput" => {
                        Some("only `Output` and `Assign` of a catcher have an error".to_owned())
                    }
                    name => did_you_mean(name, place.fields().iter().copied())
                        .map(|near| format!("did you mean `$states.{near}`?")),
                };
                wrong.push((field.span, message, help));
            }
        }
        wrong.sort_by_key(|(span, ..)| span.start);
        for (span, message, help) in wrong {
            let span = self.inside(node, offset + span.start as usize, offset + span.end as usize);
            let mut diagnostic = Diagnostic::error(UNSUPPORTED, message).at(location).span(span);
            diagnostic.help = help;
            self.report(diagnostic);
        }
        for variable in references.variables.iter().filter(|variable| variable.name != "states") {
            let (start, end) = (variable.span.start as usize, variable.span.end as usize);
            let span = self.inside(node, offset + start, offset + end);
            self.read_variable(variable.name.as_str(), span, location);
        }
    }

    /// A field that holds an expression, and nothing else.
    pub(super) fn only_jsonata(&mut self, node: &'d Node, location: &str) {
        match node.as_str() {
            Some(text) if expression_text(text).is_some() => self.jsonata_at(node, location),
            Some(_) => {
                let message = "JSONata string must start with {% and end with %}";
                let diagnostic = Diagnostic::error(SCHEMA, message)
                    .at(location)
                    .span(node.span)
                    .help("an expression is written like `{% $states.input.ready %}`");
                self.report(diagnostic);
            }
            None => self.expect_type("STRING", location, node),
        }
    }
}
