use crate::limits::Limits;
use std::fmt;
use stepwright_json::Json;

/// What an expression can see while it is evaluated.
pub trait Scope {
    /// The document that `$` stands for in JSONPath.
    fn input(&self) -> &Json;
    /// The context object: `$$` in JSONPath, `$states.context` in JSONata.
    fn context(&self) -> &Json;
    /// The value of a variable, from this scope or one around it.
    fn variable(&self, name: &str) -> Option<&Json>;
    /// The value of `$states` in JSONata. `with_context` says whether `$states.context` is asked
    /// for; without it the object may be left out.
    fn states(&self, with_context: bool) -> Json;
    /// The present, in milliseconds since 1970.
    fn now_millis(&self) -> i64;
    /// A number that differs at each call and is the same when the turn is computed again.
    fn random(&self) -> u64;
    /// What an evaluation is held to.
    fn limits(&self) -> Limits {
        Limits::default()
    }
}

/// An expression could not be evaluated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvaluationError {
    /// The error's name: `States.Runtime`, `States.QueryEvaluationError`, …
    pub error: &'static str,
    /// Why, in AWS's words.
    pub cause: String,
    /// The field, as the event `EvaluationFailed` names it (JSONata only).
    pub location: Option<String>,
}

impl EvaluationError {
    /// An error that no catcher can catch.
    pub fn runtime(cause: impl Into<String>) -> Self {
        Self { error: "States.Runtime", cause: cause.into(), location: None }
    }

    /// A failed JSONata expression of the field `location`.
    pub fn query(cause: impl Into<String>, location: Option<&str>) -> Self {
        Self {
            error: "States.QueryEvaluationError",
            cause: cause.into(),
            location: location.map(str::to_owned),
        }
    }
}

impl fmt::Display for EvaluationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.error, self.cause)
    }
}

impl std::error::Error for EvaluationError {}
