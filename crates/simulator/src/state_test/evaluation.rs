//! One expression, evaluated as the interpreter does it.

use super::{Mock, NAMELESS, StateOutcome, StateTest, StateTestError};
use stepwright_aws::responses::FieldValidation;
use stepwright_history::{Failure, Moment};
use stepwright_json::{Json, Object, json};

/// An expression, and what it sees.
///
/// ```
/// use stepwright_history::Moment;
/// use stepwright_json::json;
/// use stepwright_simulator::Evaluation;
///
/// let seen = Evaluation { input: json!({"n": 1, "name": "you"}), ..Evaluation::default() };
/// assert_eq!(seen.value("$.n", Moment(0)), Ok(json!(1)));
/// assert_eq!(seen.value("States.Format('Hello {}', $.name)", Moment(0)), Ok(json!("Hello you")));
/// assert_eq!(seen.value("{% $states.input.n + 1 %}", Moment(0)), Ok(json!(2)));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Evaluation {
    /// What `$` is in JSONPath, and `$states.input` in JSONata.
    pub input: Json,
    /// What `$states.result` or, of a failure, `$states.errorOutput` is.
    pub outcome: Option<Result<Json, Failure>>,
    /// The variables.
    pub variables: Object,
    /// The context object; one of an execution without a name if none is given.
    pub context: Option<Json>,
}

impl Evaluation {
    /// The value of a path, of a call of an intrinsic function, or of an expression in `{% … %}`.
    /// Fails with what the execution would fail with, or with why this is no expression.
    pub fn value(&self, expression: &str, at: Moment) -> Result<Json, Failure> {
        let is_jsonata = expression.trim_start().starts_with("{%");
        let (state, outcome) = match (is_jsonata, &self.outcome) {
            (false, _) => {
                let parameters = json!({"value.$": expression});
                (json!({"Type": "Pass", "Parameters": parameters, "End": true}), None)
            }
            (true, Some(Err(failure))) => {
                let catcher = json!([{
                    "ErrorEquals": ["States.ALL"],
                    "Output": {"value": expression},
                    "Next": "stepwright:after"
                }]);
                (task(json!({"Catch": catcher})), Some(Err(failure.clone())))
            }
            (true, Some(Ok(result))) => {
                (task(json!({"Output": {"value": expression}})), Some(Ok(result.clone())))
            }
            (true, None) => {
                let language = "JSONata";
                let output = json!({"value": expression});
                let state = json!({
                    "Type": "Pass", "QueryLanguage": language, "Output": output, "End": true
                });
                (state, None)
            }
        };
        let mock = outcome.map(|outcome| Mock { outcome, validation: FieldValidation::None });
        let test = StateTest {
            input: self.input.clone(),
            variables: self.variables.clone(),
            context: self.context.clone(),
            mock,
            ..StateTest::default()
        };
        let state = state.as_object().cloned().unwrap_or_default();
        let testing = test.run(NAMELESS.to_owned(), state, None, at);
        let report = testing.map(super::Testing::finish).map_err(|error| match error {
            StateTestError::Definition(why) | StateTestError::Request(why) => {
                Failure::new("States.Runtime", why)
            }
        })?;
        match report.outcome {
            StateOutcome::Succeeded { output, .. } | StateOutcome::Caught { output, .. } => {
                Ok(output.get("value").cloned().unwrap_or_default())
            }
            StateOutcome::Retriable { failure } | StateOutcome::Failed { failure } => Err(failure),
        }
    }
}

/// A task of these fields that speaks JSONata.
fn task(fields: Json) -> Json {
    let mut state = fields.as_object().cloned().unwrap_or_default();
    state.insert("Type", "Task".into());
    state.insert("QueryLanguage", "JSONata".into());
    state.insert("Resource", "arn:aws:states:us-east-1:123456789012:activity:none".into());
    state.insert("End", true.into());
    state.into()
}
