use crate::turn::Stepper;
use stepwright_history::FrameId;
use stepwright_program::{EvaluationError, State, Transition};

impl Stepper<'_> {
    pub(crate) fn succeed(&mut self, frame: FrameId, state: &State) -> Result<(), EvaluationError> {
        let document = self.document(frame, &state.io)?;
        let (output, assigned) =
            self.pass_on(frame, state, &document, state.io.output.as_ref(), None)?;
        self.exit(frame, output, assigned, Transition::End)
    }
}
