//! A Map or Parallel state that is answered as a whole: what is within it does not run. A mock says
//! what its iterations or branches come to.

use crate::Command;
use crate::execution::{Phase, RunStage};
use crate::failure::{Failed, Origin};
use crate::items::Items;
use crate::turn::Stepper;
use stepwright_history::{EventKind, Failure, FrameId, TaskCall, TaskId, TaskKind};
use stepwright_json::Json;
use stepwright_program::{EvaluationError, Kind, Map, State};

/// The shape of what a Map or Parallel state comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WholeResult {
    /// The results of a Map's iterations.
    List,
    /// What a Map says that has its results written to an object store.
    Written,
    /// The outputs of so many branches.
    Branches(usize),
}

impl WholeResult {
    /// The shape for a state; None for one that has nothing within.
    pub fn of(kind: &Kind) -> Option<Self> {
        match kind {
            Kind::Map(map) => {
                let writer = map.result_writer.as_ref();
                let is_written = writer.is_some_and(|writer| writer.resource.is_some());
                Some(if is_written { Self::Written } else { Self::List })
            }
            Kind::Parallel(parallel) => Some(Self::Branches(parallel.branches.len())),
            _ => None,
        }
    }

    /// Whether a state can come to this; if not, AWS's words for it.
    pub fn check(self, result: &Json) -> Result<(), &'static str> {
        match (self, result) {
            (Self::Written, Json::Object(_)) | (Self::List, Json::Array(_)) => Ok(()),
            (Self::Written, _) => Err("Mocked result must be a JSON object."),
            (Self::Branches(branches), Json::Array(results)) if results.len() == branches => Ok(()),
            (Self::Branches(_), Json::Array(_)) => {
                Err("Mocked result must contain the same number of items as number of Parallel \
                 branches.")
            }
            (Self::List | Self::Branches(_), _) => Err("Mocked result must be an array."),
        }
    }
}

impl Stepper<'_> {
    /// Whether the state of a frame is answered as a whole.
    pub(crate) fn is_whole(&self, frame: FrameId) -> bool {
        self.program.whole.contains(&self.execution.frame(frame).entry.state)
    }

    /// Asks what the state of a frame comes to.
    pub(crate) fn ask_whole(&mut self, frame: FrameId, input: Json) {
        let start = self.execution.start.as_ref().expect("a running execution has started");
        let this = self.execution.frame(frame);
        let task = match &this.phase {
            Phase::MapRun(open) => open.run,
            _ => TaskId(self.execution.next_task),
        };
        let call = Box::new(TaskCall {
            resource: self.state_of(frame).kind.name().into(),
            kind: TaskKind::Whole,
            parameters: input,
            region: start.identity.region.clone(),
            timeout_seconds: None,
            heartbeat_seconds: None,
            credentials: None,
            state: this.entry.name.clone(),
            retry_count: this.entry.retries,
            token: None,
        });
        let command = Command::RunTask { task, call: call.clone(), submitted: false };
        self.emit(frame, EventKind::WholeAsked { task, call });
        self.owe(command);
    }

    /// Asks what a distributed Map comes to. Items that a reader would read stay unread; others are
    /// selected and bundled, because that may fail.
    pub(crate) fn ask_map_run(&mut self, frame: FrameId, state: &State, map: &Map, items: &Items) {
        let input =
            self.inputs(frame, state, map, items).and_then(|_| self.document(frame, &state.io));
        match input {
            Ok(input) => self.ask_whole(frame, input),
            Err(error) => self.evaluation_failed(frame, error),
        }
    }

    /// What the iterations over all these items begin with.
    fn inputs(
        &self,
        frame: FrameId,
        state: &State,
        map: &Map,
        items: &Items,
    ) -> Result<Vec<Json>, EvaluationError> {
        let selected = self.selected(frame, state, map, items, 0)?;
        Ok(self.batched(frame, state, map, selected, true)?.0)
    }

    /// The frame whose state waits for what this call says that it comes to.
    pub(crate) fn asked_whole(&self, task: TaskId) -> Option<FrameId> {
        let frame = *self.execution.tasks.get(&task)?;
        let is_asked = match &self.execution.frame(frame).phase {
            Phase::Task(open) => open.task == task && open.call.kind == TaskKind::Whole,
            Phase::MapRun(open) => open.run == task && matches!(open.stage, RunStage::Asked(_)),
            _ => false,
        };
        is_asked.then_some(frame)
    }

    /// The state of a frame has come to this, as if its branches or iterations had.
    pub(crate) fn whole_succeeded(&mut self, frame: FrameId, task: TaskId, result: Json) {
        let kind = &self.state_of(frame).kind;
        let shape = WholeResult::of(kind).expect("only what has something within is asked");
        if let Err(wrong) = shape.check(&result) {
            self.whole_failed(frame, task, Failure::new("States.Runtime", wrong));
            return;
        }
        self.emit(frame, EventKind::WholeAnswered { task, result: Ok(result.clone()) });
        match (kind, &self.execution.frame(frame).phase) {
            (Kind::Parallel(_), _) => self.parallel_finish(frame, result),
            (_, Phase::MapRun(_)) => self.map_run_succeeded(frame, Some(result)),
            _ => {
                self.emit(frame, EventKind::MapSucceeded);
                self.map_finish(frame, result);
            }
        }
    }

    /// The state of a frame has failed, as if its branches or iterations had.
    pub(crate) fn whole_failed(&mut self, frame: FrameId, task: TaskId, failure: Failure) {
        let failure = self.clipped(failure);
        let answered = EventKind::WholeAnswered { task, result: Err(failure.clone()) };
        self.emit(frame, answered);
        if matches!(self.execution.frame(frame).phase, Phase::MapRun(_)) {
            self.map_run_failed(frame, failure);
            return;
        }
        let last = self.execution.frame(frame).last;
        self.fail(frame, failure, &Origin { from_within: true, last, what: Failed::State });
    }
}
