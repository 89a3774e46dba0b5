//! The intrinsic functions of JSONPath states: `States.Format('{}', $.name)` and its 17 siblings.

mod functions;
mod parse;

use crate::expression::PathExpression;
use crate::scope::{EvaluationError, Scope};
use stepwright_json::{Json, Str};

pub use functions::MAX_RANGE;

/// A compiled call.
#[derive(Clone, Debug)]
pub struct Call {
    /// The text of the call.
    pub text: Str,
    function: functions::Function,
    arguments: Vec<Argument>,
}

#[derive(Clone, Debug)]
enum Argument {
    Literal(Json),
    Path(PathExpression),
    Call(Call),
}

impl Call {
    /// Reads a call. The error says what is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        parse::parse(text)
    }

    /// Computes the call.
    pub fn evaluate(&self, scope: &dyn Scope) -> Result<Json, EvaluationError> {
        let mut values = Vec::with_capacity(self.arguments.len());
        for argument in &self.arguments {
            values.push(match argument {
                Argument::Literal(value) => value.clone(),
                Argument::Path(path) => path.evaluate_field(scope, &self.text)?,
                Argument::Call(call) => call.evaluate(scope)?,
            });
        }
        self.function.call(&values, scope).map_err(|why| {
            EvaluationError::intrinsic(format!(
                "The function '{}' had the following error: {why}",
                self.text
            ))
        })
    }

    /// Every path among the arguments, those of nested calls included.
    pub fn paths(&self) -> Vec<&PathExpression> {
        self.arguments
            .iter()
            .flat_map(|argument| match argument {
                Argument::Literal(_) => Vec::new(),
                Argument::Path(path) => vec![path],
                Argument::Call(call) => call.paths(),
            })
            .collect()
    }
}
