use crate::limits::Limits;
use std::fmt;
use stepwright_json::{DEEPEST, Json};

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
    /// Told now and then that the evaluation has taken so many steps more. `false` if it may not
    /// take any more.
    fn burn(&self, _steps: u64) -> bool {
        true
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

/// What AWS says of data that is too large, behind the name of what returned it.
const TOO_LARGE: &str =
    "returned a result with a size exceeding the maximum number of bytes service limit.";

impl EvaluationError {
    /// Something computed is larger than it may be. Whoever knows the state says its name:
    /// see [`Self::of_state`].
    pub fn too_large() -> Self {
        Self { error: "States.DataLimitExceeded", cause: TOO_LARGE.to_owned(), location: None }
    }

    /// Something computed is nested deeper than it may be.
    pub fn too_deep() -> Self {
        Self::runtime(format!(
            "A value is nested too deeply: at most {DEEPEST} arrays and objects may stand within \
             each other."
        ))
    }

    /// The evaluations for one state took more steps than they may.
    pub fn too_long() -> Self {
        Self::runtime("The state's data takes too long to compute.")
    }

    /// The error where it happened in the state or task `name`.
    #[must_use]
    pub fn of_state(mut self, name: &str) -> Self {
        if self.error == "States.DataLimitExceeded" && self.cause == TOO_LARGE {
            self.cause = format!("The state/task '{name}' {TOO_LARGE}");
        }
        self
    }

    /// Refuses what is larger than `most` bytes or nested too deeply.
    pub fn check(value: &Json, most: usize) -> Result<(), Self> {
        match value.measure() {
            None => Err(Self::too_deep()),
            Some(measure) if measure.bytes > most => Err(Self::too_large()),
            Some(_) => Ok(()),
        }
    }
}

impl fmt::Display for EvaluationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.error, self.cause)
    }
}

impl std::error::Error for EvaluationError {}
