use crate::execution::Phase;
use crate::turn::Stepper;
use crate::view::More;
use stepwright_history::{EventKind, FrameId};
use stepwright_json::Json;
use stepwright_program::{EvaluationError, Kind, Parallel, State};

impl Stepper<'_> {
    pub(crate) fn parallel(
        &mut self,
        frame: FrameId,
        state: &State,
        parallel: &Parallel,
    ) -> Result<(), EvaluationError> {
        let document = self.document(frame, &state.io)?;
        let input = match &state.io.arguments {
            Some(arguments) => self.fill(frame, arguments, &document, More::default())?,
            None => document,
        };
        if self.is_whole(frame) {
            let started = EventKind::ParallelStarted { branches: Vec::new(), input: input.clone() };
            self.emit(frame, started);
            self.ask_whole(frame, input);
            return Ok(());
        }
        let branches = parallel.branches.iter().map(|first| first.0).collect();
        self.emit(frame, EventKind::ParallelStarted { branches, input });
        Ok(())
    }

    /// Every branch is done.
    pub(crate) fn parallel_done(&mut self, frame: FrameId) {
        let Phase::Parallel(branches) = &self.execution.frame(frame).phase else { return };
        let result: Json = branches
            .results
            .iter()
            .map(|result| result.clone().unwrap_or_default())
            .collect::<Vec<_>>()
            .into();
        self.parallel_finish(frame, result);
    }

    /// Leaves the state with the results of its branches.
    pub(crate) fn parallel_finish(&mut self, frame: FrameId, result: Json) {
        // The state's exit follows the last branch, not this event.
        self.emit(frame, EventKind::ParallelSucceeded);
        let succeeded = self.execution.shown;
        let state = self.state_of(frame);
        let Kind::Parallel(parallel) = &state.kind else { return };
        let left = self
            .finish(frame, state, result)
            .and_then(|(output, assigned)| self.exit(frame, output, assigned, parallel.next));
        if let Err(error) = left {
            self.evaluation_failed_after(frame, error, succeeded);
        }
    }
}
