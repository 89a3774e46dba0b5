use crate::{FrameId, Moment, TaskId, TimerId};
use stepwright_json::{Array, Json, Object, Str};

/// Something that happened to an execution.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// When.
    pub at: Moment,
    /// In which scope.
    pub frame: FrameId,
    /// AWS's id: events count from 1. 0 for an event that AWS does not show.
    pub id: u64,
    /// AWS's `previousEventId`: the event of the same scope that it follows.
    pub previous: u64,
    /// What.
    pub kind: EventKind,
}

/// Why something failed. A Fail state may give neither.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Failure {
    /// The error's name.
    pub error: Option<Str>,
    /// The details, for a person.
    pub cause: Option<Str>,
}

impl EventKind {
    /// Whether AWS shows an event for it, and so gives it an id.
    pub fn is_shown(&self) -> bool {
        !matches!(
            self,
            Self::TaskHeartbeat { .. }
                | Self::RetryScheduled { .. }
                | Self::TimerFired { .. }
                | Self::WaitStarted { .. }
                | Self::MapRunItems { .. }
                | Self::MapRunPage { .. }
                | Self::ChildStarted { .. }
                | Self::ChildFinished { .. }
                | Self::MapRunWriting { .. }
                | Self::MapRunUpdated { .. }
                | Self::WholeAsked { .. }
                | Self::WholeAnswered { .. }
        )
    }

    /// Whether the execution ends with it.
    pub fn ends_execution(&self) -> bool {
        matches!(
            self,
            Self::ExecutionSucceeded { .. }
                | Self::ExecutionFailed { .. }
                | Self::ExecutionTimedOut { .. }
                | Self::ExecutionAborted { .. }
        )
    }
}

impl Failure {
    /// A failure with name and details.
    pub fn new(error: impl Into<Str>, cause: impl Into<Str>) -> Self {
        Self { error: Some(error.into()), cause: Some(cause.into()) }
    }

    /// The error's name, empty when there is none.
    pub fn name(&self) -> &str {
        self.error.as_deref().unwrap_or_default()
    }
}

/// What happened. Where AWS has several events for one thing (`TaskScheduled`,
/// `LambdaFunctionScheduled`, `ActivityScheduled`) there is one here, and the projection tells
/// them apart.
#[derive(Clone, Debug, PartialEq)]
pub enum EventKind {
    /// The execution began.
    ExecutionStarted(Box<Start>),
    /// The execution ended well.
    ExecutionSucceeded {
        /// Its output.
        output: Json,
    },
    /// The execution ended badly.
    ExecutionFailed {
        /// Why.
        failure: Failure,
    },
    /// The execution took longer than its machine allows.
    ExecutionTimedOut {
        /// Why.
        failure: Failure,
    },
    /// Somebody stopped the execution.
    ExecutionAborted {
        /// What they gave as a reason.
        failure: Failure,
    },
    /// A failed execution goes on from where it failed.
    ExecutionRedriven {
        /// How often that has happened.
        count: u32,
        /// When it is timed out now, if ever, and the appointment for that.
        deadline: Option<(Moment, TimerId)>,
    },
    /// A state was entered.
    StateEntered {
        /// Its position in the program.
        state: u32,
        /// Its type.
        kind: StateType,
        /// Its name.
        name: Str,
        /// Its input.
        input: Json,
    },
    /// A state was left.
    StateExited {
        /// Its type.
        kind: StateType,
        /// Its name.
        name: Str,
        /// Its output.
        output: Json,
        /// The variables it set.
        assigned: Option<Object>,
        /// Where to.
        to: To,
    },
    /// A state was given up, because its scope was.
    StateAborted {
        /// Its type.
        kind: StateType,
    },
    /// A JSONata expression failed.
    EvaluationFailed {
        /// Why.
        failure: Failure,
        /// The state's name.
        state: Str,
        /// The field, `Output/result`.
        location: Option<Str>,
    },
    /// A task is owed.
    TaskScheduled {
        /// Which.
        task: TaskId,
        /// What is called, with what.
        call: Box<TaskCall>,
        /// When it is timed out, if ever: by `TimeoutSeconds`.
        deadline: Option<Moment>,
        /// When it is timed out for want of a heartbeat, if ever.
        heartbeat_deadline: Option<Moment>,
        /// The appointment for the earlier of both.
        timer: Option<TimerId>,
    },
    /// The task was taken on.
    TaskStarted {
        /// Which.
        task: TaskId,
        /// By whom: the worker of an activity may say its name.
        worker: Option<Str>,
    },
    /// What a `.sync` or `.waitForTaskToken` task calls has answered; its end is still to come.
    TaskSubmitted {
        /// Which.
        task: TaskId,
        /// The answer.
        output: Json,
    },
    /// The task gave a sign of life. AWS does not show it.
    TaskHeartbeat {
        /// Which.
        task: TaskId,
        /// The new deadline.
        deadline: Moment,
        /// The appointment for it.
        timer: TimerId,
    },
    /// The task is done.
    TaskSucceeded {
        /// Which.
        task: TaskId,
        /// Its result.
        output: Json,
    },
    /// The task failed.
    TaskFailed {
        /// Which.
        task: TaskId,
        /// Why.
        failure: Failure,
        /// How far it got.
        stage: Stage,
    },
    /// The task took too long, or gave no sign of life.
    TaskTimedOut {
        /// Which.
        task: TaskId,
        /// Why.
        failure: Failure,
        /// Whether a heartbeat was missed.
        heartbeat: bool,
    },
    /// A failed state will be tried again. AWS does not show it.
    RetryScheduled {
        /// The retrier, from 0.
        retrier: u32,
        /// When.
        due: Moment,
        /// The appointment.
        timer: TimerId,
    },
    /// A retry or a Wait state has come to its end. AWS does not show it.
    TimerFired {
        /// Which appointment.
        timer: TimerId,
    },
    /// A Wait state waits. AWS does not show it.
    WaitStarted {
        /// Until when.
        due: Moment,
        /// The appointment.
        timer: TimerId,
    },
    /// A Parallel state began its branches.
    ParallelStarted {
        /// What each branch begins with: the position of its first state, and the input of all.
        branches: Vec<u32>,
        /// The input of every branch.
        input: Json,
    },
    /// Every branch is done.
    ParallelSucceeded,
    /// A branch failed.
    ParallelFailed,
    /// A Map state knows its items.
    MapStarted {
        /// AWS's `length`.
        length: u32,
        /// How it goes about them.
        plan: Box<MapPlan>,
    },
    /// An item's turn has come.
    MapIterationStarted {
        /// Which item, from 0.
        index: u32,
        /// The Map state's name.
        name: Str,
        /// What the iteration begins with.
        input: Json,
    },
    /// An iteration is done.
    MapIterationSucceeded {
        /// Which item.
        index: u32,
        /// The Map state's name.
        name: Str,
        /// Its output.
        output: Json,
    },
    /// An iteration failed.
    MapIterationFailed {
        /// Which item.
        index: u32,
        /// The Map state's name.
        name: Str,
    },
    /// An iteration was given up.
    MapIterationAborted {
        /// Which item.
        index: u32,
        /// The Map state's name.
        name: Str,
    },
    /// Every iteration is done.
    MapSucceeded,
    /// The Map state failed.
    MapFailed,
    /// A distributed Map began.
    MapRunStarted {
        /// By which commands and stimuli name it.
        run: TaskId,
        /// AWS's `mapRunArn`.
        arn: Str,
    },
    /// The items of a distributed Map were read, all of them. Earlier releases recorded it; since
    /// then there are pages. AWS does not show it.
    MapRunItems {
        /// What each child execution begins with.
        inputs: Array,
    },
    /// Items of a distributed Map were read: the next page of them. AWS does not show it.
    MapRunPage(Box<MapPage>),
    /// A child execution is owed. AWS does not show it in the parent.
    ChildStarted {
        /// Which, from 0.
        index: u32,
    },
    /// A child execution ended. AWS does not show it in the parent.
    ChildFinished {
        /// Which.
        index: u32,
        /// Its output, or why it failed.
        result: Result<Json, Failure>,
    },
    /// The results of a distributed Map are being written out. AWS does not show it.
    MapRunWriting {
        /// Where to, and how. Older histories have the results in it as well.
        request: Json,
    },
    /// A distributed Map has other limits from now on. AWS does not show it.
    MapRunUpdated {
        /// How many child executions may run at once; 0 for no limit.
        max_concurrency: Option<u32>,
        /// How many child executions may fail.
        tolerated_count: Option<u64>,
        /// How many per cent of child executions may fail.
        tolerated_percentage: Option<f64>,
    },
    /// A distributed Map goes on with what failed, after a redrive.
    MapRunRedriven {
        /// AWS's `mapRunArn`.
        arn: Str,
        /// How often that has happened.
        count: u32,
    },
    /// What a Map or Parallel state comes to is asked from outside, and nothing within it runs: the
    /// state is mocked as a whole. AWS does not show it.
    WholeAsked {
        /// Which call; of a distributed Map, that of its map run.
        task: TaskId,
        /// What is asked, with the state's input.
        call: Box<TaskCall>,
    },
    /// What a state comes to was answered that was asked as a whole. AWS does not show it.
    WholeAnswered {
        /// Which call.
        task: TaskId,
        /// The results of its iterations or branches, or why they failed.
        result: Result<Json, Failure>,
    },
    /// A distributed Map is done.
    MapRunSucceeded,
    /// A distributed Map failed.
    MapRunFailed {
        /// Why.
        failure: Failure,
    },
}

/// A page of the items of a distributed Map.
#[derive(Clone, Debug, PartialEq)]
pub struct MapPage {
    /// What each child execution begins with that the page adds.
    pub inputs: Array,
    /// How many items were read for the page.
    pub items: u32,
    /// Items, as their selector made them, that do not fill a batch yet.
    pub batch: Array,
    /// Where the next page begins, as the reader says it; `None` if this is the last one.
    pub next: Option<Json>,
    /// What is kept of the children for the state's output.
    pub keeps: Keeps,
}

/// What a map run keeps of its children for the state's output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keeps {
    /// Nothing: the results go to an object store, or nowhere. They are in the history only.
    #[default]
    Nothing,
    /// What they began with, and their results.
    Everything,
    /// Their results.
    Results,
}

/// What an execution begins with.
#[derive(Clone, Debug, PartialEq)]
pub struct Start {
    /// Its input.
    pub input: Json,
    /// The text of the input as it was sent, where we would write it otherwise.
    pub input_text: Option<Str>,
    /// Who it is.
    pub identity: Identity,
    /// The position of its first state in the program.
    pub first: u32,
    /// When it is timed out, if ever, and the appointment for that.
    pub deadline: Option<(Moment, TimerId)>,
    /// From which its random numbers and task tokens are made. A secret.
    pub seed: [u64; 2],
    /// The `Map` of the context object, in a child execution.
    pub map_context: Option<Json>,
    /// The variables that it begins with: those of the execution that it was forked from. Others begin
    /// with none.
    pub variables: Object,
}

/// Who an execution is: what the context object says of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Identity {
    /// The execution's ARN.
    pub execution_arn: Str,
    /// The execution's name.
    pub name: Str,
    /// The role it runs with.
    pub role_arn: Str,
    /// The state machine's ARN.
    pub state_machine_arn: Str,
    /// The state machine's name.
    pub state_machine_name: Str,
    /// The region its tasks are called in.
    pub region: Str,
}

/// The value of a state's `Type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateType {
    /// `Task`
    Task,
    /// `Pass`
    Pass,
    /// `Choice`
    Choice,
    /// `Wait`
    Wait,
    /// `Succeed`
    Succeed,
    /// `Fail`
    Fail,
    /// `Parallel`
    Parallel,
    /// `Map`
    Map,
}

/// Where a state leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum To {
    /// To the state at this position of the program.
    Next(u32),
    /// Out of its scope.
    End,
}

/// What a task calls.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskCall {
    /// The whole `Resource`.
    pub resource: Str,
    /// What kind of events AWS records for it.
    pub kind: TaskKind,
    /// What it is called with.
    pub parameters: Json,
    /// The region it is called in.
    pub region: Str,
    /// `TimeoutSeconds`
    pub timeout_seconds: Option<i64>,
    /// `HeartbeatSeconds`
    pub heartbeat_seconds: Option<i64>,
    /// The role of `Credentials`.
    pub credentials: Option<Str>,
    /// The state's name.
    pub state: Str,
    /// How often the state was retried before.
    pub retry_count: u32,
    /// The task token, where somebody else may end the task.
    pub token: Option<Str>,
}

impl TaskCall {
    /// Whether what is called tells its end by itself, after it has been submitted (`.sync`).
    pub fn is_sync(&self) -> bool {
        match &self.kind {
            TaskKind::Service { action, .. } => {
                action.ends_with(".sync") || action.ends_with(".sync:2")
            }
            TaskKind::Lambda | TaskKind::Activity | TaskKind::Whole => false,
        }
    }

    /// Whether nobody but the holder of its token ends it. A `.sync` task has a token, too.
    pub fn waits_for_token(&self) -> bool {
        self.token.is_some() && !self.is_sync()
    }
}

/// The kinds of tasks that AWS tells apart in a history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaskKind {
    /// A Lambda function by its ARN.
    Lambda,
    /// An activity.
    Activity,
    /// A service call.
    Service {
        /// AWS's `resourceType`: `lambda`, `aws-sdk:s3`.
        service: Str,
        /// AWS's `resource`: `invoke.waitForTaskToken`.
        action: Str,
    },
    /// Not a task: what a Map or Parallel state comes to as a whole. AWS records no events for it.
    Whole,
}

/// How far a failed task got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stage {
    /// It could not even be scheduled (`LambdaFunctionScheduleFailed`, `ActivityScheduleFailed`).
    Schedule,
    /// It could not be started (`TaskStartFailed`, `LambdaFunctionStartFailed`).
    Start,
    /// What it calls did not take the request (`TaskSubmitFailed`).
    Submit,
    /// It ran, and failed.
    #[default]
    Run,
}

/// How a Map state goes about its items.
#[derive(Clone, Debug, PartialEq)]
pub struct MapPlan {
    /// The items. Empty while a reader has yet to read them.
    pub items: Array,
    /// Whether the items are the members of an object: each is `{"Key": …, "Value": …}`.
    pub of_object: bool,
    /// The position of the first state of an iteration.
    pub first: u32,
    /// How many iterations may run at once; 0 for no limit.
    pub max_concurrency: u32,
    /// Whether iterations are child executions.
    pub distributed: bool,
    /// How many child executions may fail.
    pub tolerated_count: Option<u64>,
    /// How many per cent of child executions may fail.
    pub tolerated_percentage: Option<f64>,
    /// What the reader is asked, where there is one.
    pub reader: Option<Json>,
}
