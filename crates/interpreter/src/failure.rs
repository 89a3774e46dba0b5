//! What becomes of a failure: a retry, a catcher, or the end of the scope.

use crate::Command;
use crate::execution::Phase;
use crate::turn::Stepper;
use crate::view::More;
use stepwright_history::{EventKind, Failure, FrameId, StateType};
use stepwright_json::{Json, Object, Str};
use stepwright_program::{Catcher, EvaluationError, Kind, Language, Retrier, State, Transition};

/// A failure on its way out, and what is known of where it comes from.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    /// Whether it comes from a scope within the state.
    pub(crate) from_within: bool,
    /// The id of the event it follows.
    pub(crate) last: u64,
    /// Whether it is a missed heartbeat.
    pub(crate) heartbeat: bool,
}

impl Stepper<'_> {
    /// The state of a frame failed by itself.
    pub(crate) fn state_failed(&mut self, frame: FrameId, failure: Failure) {
        let last = self.execution.frame(frame).last;
        // A selector may fail for one item while other iterations run.
        let from_within = !self.execution.children_of(frame).is_empty();
        self.fail(frame, failure, &Origin { from_within, last, heartbeat: false });
    }

    pub(crate) fn fail(&mut self, frame: FrameId, failure: Failure, origin: &Origin) {
        let state = self.state_of(frame);
        let (retriers, catchers): (&[Retrier], &[Catcher]) = match &state.kind {
            Kind::Task(task) => (&task.retry, &task.catch),
            Kind::Parallel(parallel) => (&parallel.retry, &parallel.catch),
            Kind::Map(map) => (&map.retry, &map.catch),
            _ => (&[], &[]),
        };
        if origin.from_within {
            self.abort_children(frame);
        }
        self.see(|seen| seen.failure = Some(failure.clone()));
        let retrier = retriers
            .iter()
            .enumerate()
            .find(|(_, retrier)| matches(&retrier.errors, &failure, origin.heartbeat));
        if let Some((index, retrier)) = retrier {
            let tried = self.execution.frame(frame).entry.tries.get(index).copied().unwrap_or(0);
            let tries = self.inspection.map_or(tried, |test| test.tries);
            self.see(|seen| seen.retrier = Some(index));
            if tries < retrier.max_attempts {
                self.retry(frame, index, retrier, tries, origin);
                return;
            }
        }
        let catcher = catchers
            .iter()
            .position(|catcher| matches(&catcher.errors, &failure, origin.heartbeat))
            .map(|index| {
                self.see(|seen| seen.catcher = Some(index));
                &catchers[index]
            });
        // AWS does not record MapStateFailed for what no catcher could catch anyway.
        if origin.from_within || failure.name() != "States.Runtime" {
            match &state.kind {
                Kind::Parallel(_) => self.emit_after(frame, origin.last, EventKind::ParallelFailed),
                Kind::Map(_) => self.emit_after(frame, origin.last, EventKind::MapFailed),
                _ => {}
            }
        }
        let Some(catcher) = catcher else {
            self.scope_failed(frame, failure);
            return;
        };
        if let Err(error) = self.caught(frame, state, catcher, &failure) {
            // A catcher that cannot be computed is not caught again.
            let failure = self.record_evaluation_failure(frame, error);
            self.scope_failed(frame, failure);
        }
    }

    fn record_evaluation_failure(&mut self, frame: FrameId, error: EvaluationError) -> Failure {
        let entry = &self.execution.frame(frame).entry;
        let name = entry.name.clone();
        let failure = Failure::new(error.error, self.cause(entry, &error));
        if error.error == "States.QueryEvaluationError" {
            let location = error.location.map(Str::from);
            let kind =
                EventKind::EvaluationFailed { failure: failure.clone(), state: name, location };
            self.emit(frame, kind);
        }
        failure
    }

    fn retry(
        &mut self,
        frame: FrameId,
        index: usize,
        retrier: &Retrier,
        tries: u32,
        origin: &Origin,
    ) {
        let mut seconds = retrier.interval_seconds * retrier.backoff_rate.powi(tries as i32);
        if let Some(most) = retrier.max_delay_seconds {
            seconds = seconds.min(most);
        }
        self.see(|seen| seen.backoff_seconds = Some(seconds));
        // A year is longer than any execution lives.
        let mut millis = (seconds * 1_000.0).clamp(0.0, 366.0 * 86_400_000.0) as i64;
        if retrier.full_jitter && millis > 0 {
            millis = (self.chance(frame) % (millis as u64 + 1)) as i64;
        }
        let due = self.at.after_millis(millis);
        let timer = self.new_timer();
        let kind = EventKind::RetryScheduled { retrier: index as u32, due, timer };
        self.emit_after(frame, origin.last, kind);
        self.owe(Command::WakeAt { timer, due });
    }

    fn caught(
        &mut self,
        frame: FrameId,
        state: &State,
        catcher: &Catcher,
        failure: &Failure,
    ) -> Result<(), EvaluationError> {
        let error = error_output(failure);
        let raw = self.raw_input(frame);
        let (output, assigned) = match state.language {
            Language::JsonPath => {
                let assigned =
                    self.assign(frame, catcher.assign.as_ref(), &error, More::default())?;
                (Self::place(&catcher.result_path, &raw, error)?, assigned)
            }
            Language::Jsonata => {
                let more = More { error: Some(&error), ..More::default() };
                let assigned = self.assign(frame, catcher.assign.as_ref(), &raw, more)?;
                let output = match &catcher.output {
                    Some(output) => self.fill(frame, output, &raw, more)?,
                    None => error.clone(),
                };
                (output, assigned)
            }
        };
        self.exit(frame, output, assigned, Transition::Next(catcher.next))
    }

    /// Nothing in the scope handles the failure: the state around it gets it.
    pub(crate) fn scope_failed(&mut self, frame: FrameId, failure: Failure) {
        let this = self.execution.frame(frame);
        let Some((parent, index)) = this.parent else {
            self.emit(frame, EventKind::ExecutionFailed { failure });
            return;
        };
        let kind = this.entry.kind;
        let heartbeat = false;
        if matches!(self.execution.frame(parent).phase, Phase::Map(_)) {
            let last = this.last;
            let name = self.execution.frame(parent).entry.name.clone();
            self.emit_after(parent, last, EventKind::MapIterationFailed { index, name });
            self.fail(parent, failure, &Origin { from_within: true, last, heartbeat });
        } else {
            if kind == StateType::Task {
                self.emit(frame, EventKind::StateAborted { kind });
            }
            let last = self.execution.frame(frame).last;
            self.emit_abort_of_siblings(parent, frame);
            self.fail(parent, failure, &Origin { from_within: true, last, heartbeat });
        }
    }

    fn emit_abort_of_siblings(&mut self, parent: FrameId, failed: FrameId) {
        for child in self.execution.children_of(parent) {
            if child != failed {
                self.abort(child);
            }
        }
    }

    /// Gives up what still runs within a state. Branches were given up by the one that failed.
    fn abort_children(&mut self, frame: FrameId) {
        if !matches!(self.execution.frame(frame).phase, Phase::Map(_)) {
            return;
        }
        for child in self.execution.children_of(frame) {
            if matches!(self.execution.frame(child).phase, Phase::Broken { .. }) {
                continue;
            }
            self.abort(child);
            let child = self.execution.frame(child);
            let Some((_, index)) = child.parent else { continue };
            let last = child.last;
            let name = self.execution.frame(frame).entry.name.clone();
            self.emit_after(frame, last, EventKind::MapIterationAborted { index, name });
        }
    }

    /// Records that a scope and what is within it is given up.
    fn abort(&mut self, frame: FrameId) {
        let this = self.execution.frame(frame);
        let kind = this.entry.kind;
        let in_state = match &this.phase {
            Phase::Between { .. } | Phase::Finished { .. } | Phase::Broken { .. } => false,
            Phase::Map(_) => {
                self.abort_children(frame);
                true
            }
            Phase::Parallel(_) => {
                for child in self.execution.children_of(frame) {
                    self.abort(child);
                }
                true
            }
            _ => true,
        };
        if in_state {
            self.emit(frame, EventKind::StateAborted { kind });
        }
    }
}

/// What a catcher gets to see of a failure.
fn error_output(failure: &Failure) -> Json {
    let mut output = Object::new();
    let nothing = if failure.error.is_some() { Json::String(Str::default()) } else { Json::Null };
    output.insert("Error", failure.error.clone().map_or(Json::Null, Json::String));
    output.insert("Cause", failure.cause.clone().map_or(nothing, Json::String));
    Json::Object(output)
}

/// Whether one of the error names of a retrier or catcher stands for this failure.
pub(crate) fn matches(errors: &[Str], failure: &Failure, heartbeat: bool) -> bool {
    let error = failure.name();
    if error == "States.Runtime" {
        return false;
    }
    errors.iter().any(|wanted| match wanted.as_str() {
        "States.ALL" => error != "States.DataLimitExceeded",
        "States.TaskFailed" => {
            !matches!(error, "States.Timeout" | "States.DataLimitExceeded")
                && (!error.starts_with("States.") || error == "States.TaskFailed")
        }
        "States.HeartbeatTimeout" => heartbeat || error == "States.HeartbeatTimeout",
        wanted => wanted == error,
    })
}
