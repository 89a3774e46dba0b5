use crate::turn::Stepper;
use crate::view::More;
use stepwright_history::FrameId;
use stepwright_program::{Choice, EvaluationError, State, Transition};

impl Stepper<'_> {
    pub(crate) fn choice(
        &mut self,
        frame: FrameId,
        state: &State,
        choice: &Choice,
    ) -> Result<(), EvaluationError> {
        let document = self.document(frame, &state.io)?;
        let mut chosen = None;
        {
            let view = self.view(frame, &document, More::default());
            for rule in &choice.rules {
                if rule.condition.holds(&view)? {
                    chosen = Some(rule);
                    break;
                }
            }
        }
        let (next, output, assign) = match (chosen, choice.default) {
            (Some(rule), _) => {
                let output = rule.output.as_ref().or(state.io.output.as_ref());
                (rule.next, output, rule.assign.as_ref())
            }
            (None, Some(next)) => (next, state.io.output.as_ref(), state.io.assign.as_ref()),
            (None, None) => {
                return Err(EvaluationError::runtime(
                    "Failed to transition out of the state. The state does not point to a next \
                     state.",
                ));
            }
        };
        let (output, assigned) = self.pass_on(frame, state, &document, output, assign)?;
        self.exit(frame, output, assigned, Transition::Next(next))
    }
}
