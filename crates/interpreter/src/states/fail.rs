use crate::turn::Stepper;
use crate::view::More;
use stepwright_history::{Failure, FrameId};
use stepwright_json::{Json, Str};
use stepwright_program::{EvaluationError, Fail, TextField};

impl Stepper<'_> {
    pub(crate) fn fail_state(
        &mut self,
        frame: FrameId,
        fail: &Fail,
    ) -> Result<(), EvaluationError> {
        let error = self.failure_text(frame, fail.error.as_ref())?;
        let cause = self.failure_text(frame, fail.cause.as_ref())?;
        self.state_failed(frame, Failure { error, cause });
        Ok(())
    }

    fn failure_text(
        &self,
        frame: FrameId,
        field: Option<&TextField>,
    ) -> Result<Option<Str>, EvaluationError> {
        let raw = &self.execution.frame(frame).entry.input;
        let (expression, is_jsonata) = match field {
            None => return Ok(None),
            Some(TextField::Literal(text)) => return Ok(Some(text.clone())),
            Some(TextField::Path(path)) => (path, false),
            Some(TextField::Jsonata(expression)) => (expression, true),
        };
        match expression.evaluate(&self.view(frame, raw, More::default()))? {
            Json::String(text) if text.len() > self.program.limits.payload_bytes => {
                Err(EvaluationError::too_large())
            }
            Json::String(text) => Ok(Some(text)),
            other if is_jsonata => Err(expression.unexpected("string", &other)),
            other => Err(EvaluationError::runtime(format!(
                "The value of the ErrorPath or CausePath must be a string, but was: {other}"
            ))),
        }
    }
}
