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
    /// What failed.
    pub(crate) what: Failed,
}

/// What failed: some error names stand for more or less, depending on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Failed {
    /// A state, by itself or by what is within it.
    #[default]
    State,
    /// A task.
    Task,
    /// A task that missed a heartbeat.
    Heartbeat,
}

impl Stepper<'_> {
    /// The state of a frame failed by itself.
    pub(crate) fn state_failed(&mut self, frame: FrameId, failure: Failure) {
        let last = self.execution.frame(frame).last;
        self.state_failed_after(frame, failure, last);
    }

    /// As [`Self::state_failed`], following the event `last`.
    pub(crate) fn state_failed_after(&mut self, frame: FrameId, failure: Failure, last: u64) {
        // A selector may fail for one item while other iterations run.
        let from_within = !self.execution.children_of(frame).is_empty();
        self.fail(frame, failure, &Origin { from_within, last, what: Failed::State });
    }

    pub(crate) fn fail(&mut self, frame: FrameId, failure: Failure, origin: &Origin) {
        let state = self.state_of(frame);
        let (retriers, catchers): (&[Retrier], &[Catcher]) = match &state.kind {
            Kind::Task(task) => (&task.retry, &task.catch),
            Kind::Parallel(parallel) => (&parallel.retry, &parallel.catch),
            Kind::Map(map) => (&map.retry, &map.catch),
            _ => (&[], &[]),
        };
        self.see(|seen| seen.failure = Some(failure.clone()));
        if failure.name() == "States.Runtime" {
            // Nothing handles it, and AWS does not record how it passes through what is around.
            self.emit_after(FrameId::ROOT, origin.last, EventKind::ExecutionFailed { failure });
            return;
        }
        if origin.from_within {
            self.abort_children(frame);
        }
        let retrier = retriers
            .iter()
            .enumerate()
            .find(|(_, retrier)| matches(&retrier.errors, &failure, origin.what));
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
            .position(|catcher| matches(&catcher.errors, &failure, origin.what))
            .map(|index| {
                self.see(|seen| seen.catcher = Some(index));
                &catchers[index]
            });
        self.around_failed(frame, origin.last);
        let Some(catcher) = catcher else {
            self.scope_failed(frame, failure);
            return;
        };
        if let Err(error) = self.caught(frame, state, catcher, &failure) {
            // A catcher that cannot be computed is not caught again: it fails what it belongs to.
            let failure = self.record_evaluation_failure(frame, error, origin.last);
            let last = self.execution.frame(frame).last;
            self.around_failed(frame, last);
            self.scope_failed(frame, failure);
        }
    }

    /// Records the failure of a state that others are within.
    fn around_failed(&mut self, frame: FrameId, last: u64) {
        match self.execution.frame(frame).entry.kind {
            StateType::Parallel => self.emit_after(frame, last, EventKind::ParallelFailed),
            StateType::Map => self.emit_after(frame, last, EventKind::MapFailed),
            _ => {}
        }
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
        let last = this.last;
        if failure.name() == "States.Runtime" {
            self.emit_after(FrameId::ROOT, last, EventKind::ExecutionFailed { failure });
            return;
        }
        let Some((parent, index)) = this.parent else {
            self.emit(frame, EventKind::ExecutionFailed { failure });
            return;
        };
        let kind = this.entry.kind;
        let what = Failed::State;
        if matches!(self.execution.frame(parent).phase, Phase::Map(_)) {
            let name = self.execution.frame(parent).entry.name.clone();
            self.emit_after(parent, last, EventKind::MapIterationFailed { index, name });
            self.fail(parent, failure, &Origin { from_within: true, last, what });
        } else {
            // What comes next follows the task's end, not this.
            if kind == StateType::Task {
                self.emit(frame, EventKind::StateAborted { kind });
            }
            self.emit_abort_of_siblings(parent, frame);
            self.fail(parent, failure, &Origin { from_within: true, last, what });
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

impl Stepper<'_> {
    /// A failure whose texts are no longer than a payload may be.
    pub(crate) fn clipped(&self, mut failure: Failure) -> Failure {
        let most = self.program.limits.payload_bytes;
        for text in [&mut failure.error, &mut failure.cause].into_iter().flatten() {
            if text.len() > most {
                *text = text[..text.floor_char_boundary(most)].into();
            }
        }
        failure
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
pub(crate) fn matches(errors: &[Str], failure: &Failure, what: Failed) -> bool {
    let error = failure.name();
    if error == "States.Runtime" {
        return false;
    }
    errors.iter().any(|wanted| match wanted.as_str() {
        // What is too large is caught by `States.ALL` only where a task returned it.
        "States.ALL" => error != "States.DataLimitExceeded" || what != Failed::State,
        "States.TaskFailed" => {
            !matches!(error, "States.Timeout" | "States.DataLimitExceeded")
                && (!error.starts_with("States.") || error == "States.TaskFailed")
        }
        "States.HeartbeatTimeout" => {
            what == Failed::Heartbeat || error == "States.HeartbeatTimeout"
        }
        wanted => wanted == error,
    })
}
