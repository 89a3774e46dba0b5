//! Decides what an execution does next.
//!
//! [`step`] looks at the program, the execution and one [`Stimulus`], and appends the events that
//! follow. [`Execution::apply`] folds an event into the execution; it evaluates nothing and knows
//! no program, so that an old history stays readable whatever the interpreter learns later. What
//! the world owes the execution is read off with [`Execution::commands`].
//!
//! The crate has no clock, no chance, no IO: they are handed in.

mod apply;
mod children;
mod context;
mod data;
mod execution;
mod failure;
mod fuel;
mod held;
mod inspection;
pub mod items;
mod outlook;
mod ranges;
mod retrospect;
mod states;
pub mod token;
mod turn;
mod view;
mod whole;

pub use execution::{CorruptHistory, Execution, Status};
pub use failure::Failed;
pub use fuel::Watch;
pub use inspection::{Inspection, Seen};
pub use outlook::{OpenTaskView, PAGE};
pub use retrospect::catcher_of;
pub use turn::{
    BYTES_PER_TURN, EVENTS_PER_TURN, STEPS_PER_TURN, Turn, inspect, step, step_watched,
};
pub use whole::WholeResult;

use stepwright_history::{
    Event, EventKind, Failure, Identity, Moment, Stage, Start, TaskCall, TaskId, TimerId,
};
use stepwright_json::{Json, Object, Str};
use stepwright_program::StateId;

/// Something that happened outside and that the execution has not heard of yet.
#[derive(Clone, Debug)]
pub enum Stimulus {
    /// It begins.
    Start(Box<Beginning>),
    /// A task was taken on, by this worker.
    TaskStarted {
        /// Which.
        task: TaskId,
        /// The name an activity's worker gave.
        worker: Option<Str>,
    },
    /// What a `.sync` or `.waitForTaskToken` task calls has answered.
    TaskSubmitted {
        /// Which.
        task: TaskId,
        /// The answer.
        output: Json,
    },
    /// A task is done.
    TaskSucceeded {
        /// Which.
        task: TaskId,
        /// Its result.
        output: Json,
    },
    /// A task failed.
    TaskFailed {
        /// Which.
        task: TaskId,
        /// Why.
        failure: Failure,
        /// How far it got.
        stage: Stage,
    },
    /// A task gave a sign of life.
    TaskHeartbeat {
        /// Which.
        task: TaskId,
    },
    /// An appointment has come.
    TimerDue {
        /// Which.
        timer: TimerId,
    },
    /// A page of the items of a map run was read.
    ItemsRead {
        /// Which map run.
        run: TaskId,
        /// Where the page begins: `None` for the first one.
        from: Option<Json>,
        /// The items, or why there are none.
        page: Result<items::Page, Failure>,
    },
    /// A child execution ended.
    ChildFinished {
        /// Of which map run.
        run: TaskId,
        /// Which child.
        index: u32,
        /// Its output, or why it failed.
        result: Result<Json, Failure>,
    },
    /// The results of a map run were written.
    ResultsWritten {
        /// Which map run.
        run: TaskId,
        /// Where to (`ResultWriterDetails`), or why not.
        result: Result<Json, Failure>,
    },
    /// Somebody changes the limits of a map run. What is None stays as it is.
    MapRunUpdated {
        /// Which map run.
        run: TaskId,
        /// How many child executions may run at once; 0 for no limit.
        max_concurrency: Option<u32>,
        /// How many child executions may fail.
        tolerated_count: Option<u64>,
        /// How many per cent of child executions may fail.
        tolerated_percentage: Option<f64>,
    },
    /// Somebody stops the execution.
    Stop {
        /// The reason they give.
        failure: Failure,
    },
    /// Somebody has the failed execution go on from where it failed.
    Redrive,
    /// Nothing happened; the last turn stopped early.
    Continue,
}

/// What an execution is begun with.
#[derive(Clone, Debug)]
pub struct Beginning {
    /// Its input.
    pub input: Json,
    /// The text of the input as it was sent, where we would write it otherwise.
    pub input_text: Option<Str>,
    /// Who it is.
    pub identity: Identity,
    /// Where it begins, if not where its machine does: a child execution begins in a processor, one
    /// that is forked at a state of another execution.
    pub first: Option<StateId>,
    /// The variables that it begins with; none, but in an execution that is forked.
    pub variables: Object,
    /// From which its random numbers and task tokens are made. A secret.
    pub seed: [u64; 2],
    /// The `Map` of the context object, in a child execution.
    pub map_context: Option<Json>,
    /// The longest it may take in seconds, where the machine does not say; if it does not begin where
    /// its machine does, the machine says nothing.
    pub timeout_seconds: Option<u64>,
}

impl Beginning {
    /// What a child execution of a map run begins with, given what its parent began with. The same
    /// child always has the same name and the same seed; no two children have.
    pub fn child(
        parent: &Start,
        run: TaskId,
        index: u32,
        map_run: &str,
        input: Json,
        first: StateId,
    ) -> Self {
        let (execution_arn, name) = child_name(map_run, index);
        let mix = view::mix(run.0 ^ (u64::from(index) << 32));
        Self {
            map_context: Some(context::item(&items::Item::new(index, &input, false, None))),
            input,
            input_text: None,
            identity: Identity { execution_arn, name, ..parent.identity.clone() },
            first: Some(first),
            variables: Object::new(),
            seed: [view::mix(parent.seed[0] ^ mix), view::mix(parent.seed[1].wrapping_add(mix))],
            timeout_seconds: None,
        }
    }
}

/// The ARN and the name of a child execution of a map run.
pub fn child_name(map_run: &str, index: u32) -> (Str, Str) {
    let name = format!("{}-{index}", map_run.rsplit(':').next().unwrap_or_default());
    let machine = map_run.replacen(":mapRun:", ":execution:", 1);
    let machine = machine.rsplit_once(':').map_or(machine.as_str(), |(machine, _)| machine);
    (format!("{machine}:{name}").into(), name.into())
}

/// Something the execution wants done outside. Doing it twice must be harmless.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Call something, and say how it went.
    RunTask {
        /// Which task.
        task: TaskId,
        /// What is called.
        call: Box<TaskCall>,
        /// Whether a worker or service has already taken it on and only its end is awaited.
        submitted: bool,
    },
    /// Say when a moment has come.
    WakeAt {
        /// Which appointment.
        timer: TimerId,
        /// When.
        due: Moment,
    },
    /// Read the next page of the items of a map run.
    ReadItems {
        /// Which map run.
        run: TaskId,
        /// What is read: see [`items::Reader`].
        request: Json,
        /// Where the page begins: `None` for the first one.
        from: Option<Json>,
        /// How many items it has at most, if fewer than the limits say.
        most: Option<u32>,
    },
    /// Run a child execution.
    StartChild {
        /// Of which map run.
        run: TaskId,
        /// Which child.
        index: u32,
        /// The map run's ARN.
        map_run: Str,
        /// Its input.
        input: ChildInput,
        /// Where it begins.
        first: StateId,
    },
    /// Write the results of a map run.
    WriteResults {
        /// Which map run.
        run: TaskId,
        /// Where to, and how: see [`items::write`].
        request: Json,
        /// What is written.
        records: Box<items::Records>,
    },
    /// Call [`step`] again with [`Stimulus::Continue`].
    Continue,
}

/// What a child execution begins with.
#[derive(Clone, Debug, PartialEq)]
pub enum ChildInput {
    /// This value.
    Given(Json),
    /// A value that is in the history only. [`recorded_input`] finds it in its event.
    Recorded {
        /// How many events there are before the one that it is in.
        after: u64,
        /// Its place among the inputs there.
        at: u32,
    },
}

/// What a child execution begins with, of the event that brought its page of items.
pub fn recorded_input(event: &Event, at: u32) -> Option<&Json> {
    match &event.kind {
        EventKind::MapRunItems { inputs } => inputs.get(at as usize),
        EventKind::MapRunPage(page) => page.inputs.get(at as usize),
        _ => None,
    }
}

/// The stimulus does not concern the execution, or not any more: say the task timed out before.
/// The execution is as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stale;
