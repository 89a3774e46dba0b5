use crate::turn::Stepper;
use crate::view::More;
use stepwright_history::FrameId;
use stepwright_program::{EvaluationError, Language, Pass, State};

impl Stepper<'_> {
    pub(crate) fn pass(
        &mut self,
        frame: FrameId,
        state: &State,
        pass: &Pass,
    ) -> Result<(), EvaluationError> {
        let (output, assigned) = match state.language {
            Language::JsonPath => {
                let document = self.document(frame, &state.io)?;
                let result = match (&pass.result, &state.io.arguments) {
                    (Some(result), _) => result.clone(),
                    (None, Some(parameters)) => {
                        self.fill(frame, parameters, &document, More::default())?
                    }
                    (None, None) => document,
                };
                self.see(|seen| match &pass.result {
                    Some(result) => seen.result = Some(result.clone()),
                    None => seen.after_arguments = Some(result.clone()),
                });
                self.finish(frame, state, result)?
            }
            Language::Jsonata => {
                let input = self.raw_input(frame);
                let (output, assign) = (state.io.output.as_ref(), state.io.assign.as_ref());
                self.pass_on(frame, state, &input, output, assign)?
            }
        };
        self.exit(frame, output, assigned, pass.next)
    }
}
