//! The intrinsic functions of JSONPath states: `States.Format('{}', $.name)` and its 17 siblings.

mod functions;
mod parse;

use crate::expression::PathExpression;
use crate::scope::{EvaluationError, Scope};
use std::borrow::Cow;
use stepwright_json::{Json, Str};
use stepwright_jsonpath::EvaluationError as PathError;

pub(crate) use functions::uuid;
pub use functions::{MAX_RANGE, intrinsic_functions};

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

/// Why a call fails. The outermost call says it.
enum Fault {
    /// The path of an argument leads nowhere.
    Missing(Str),
    /// A function cannot be computed.
    Failed(Str),
    /// A limit is reached.
    Limit(EvaluationError),
}

impl Call {
    /// Reads a call. The error says what is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        parse::parse(text)
    }

    /// Computes the call.
    pub fn evaluate(&self, scope: &dyn Scope) -> Result<Json, EvaluationError> {
        self.compute(scope).map_err(|fault| {
            EvaluationError::runtime(match fault {
                Fault::Limit(error) => return error,
                Fault::Missing(path) => format!(
                    "The function '{}' had the following error: The JsonPath argument for the \
                     field '{path}' could not be found in the input '{}'",
                    self.text,
                    scope.input()
                ),
                Fault::Failed(why) => format!(
                    "There was an error while evaluating the intrinsic function: {}. {why}",
                    self.text
                ),
            })
        })
    }

    fn compute(&self, scope: &dyn Scope) -> Result<Json, Fault> {
        let room = scope.limits().evaluation_bytes;
        let mut values = Vec::with_capacity(self.arguments.len());
        // What was computed for the arguments takes memory; what is only found is there already.
        let mut computed = 0usize;
        for argument in &self.arguments {
            let value = match argument {
                Argument::Literal(value) => Cow::Borrowed(value),
                Argument::Path(path) => path.find(scope).map_err(|error| match error {
                    PathError::TooMuch { message } => Fault::Failed(message.into()),
                    _ => Fault::Missing(path.text.clone()),
                })?,
                Argument::Call(call) => Cow::Owned(call.compute(scope)?),
            };
            if let Cow::Owned(value) = &value {
                let measure = value.measure();
                let measure = measure.ok_or_else(|| Fault::Limit(EvaluationError::too_deep()))?;
                computed = computed.saturating_add(measure.weight());
                if computed > room.saturating_mul(2) {
                    return Err(Fault::Limit(EvaluationError::too_large()));
                }
            }
            values.push(value.into_owned());
        }
        // Every function looks at its arguments once; some write them.
        let mut bytes = 0usize;
        for value in &values {
            match value.measure() {
                Some(measure) => bytes = bytes.saturating_add(measure.bytes),
                None => return Err(Fault::Limit(EvaluationError::too_deep())),
            }
        }
        if self.function.writes_all() && bytes > room.saturating_mul(2) {
            return Err(Fault::Limit(EvaluationError::too_large()));
        }
        if !scope.burn(self.function.steps(&values, bytes)) {
            return Err(Fault::Limit(EvaluationError::too_long()));
        }
        self.function.call(&values, scope).map_err(Fault::Failed)
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
