//! Events as AWS's `GetExecutionHistory` shows them.

mod log;

pub use log::{DATA, log_records};

use crate::{Event, EventKind, Failure, Stage, StateType, TaskCall, TaskId, TaskKind};
use rustc_hash::FxHashMap;
use stepwright_json::{Json, Object, Str};

impl StateType {
    /// The value of the field `Type`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Task => "Task",
            Self::Pass => "Pass",
            Self::Choice => "Choice",
            Self::Wait => "Wait",
            Self::Succeed => "Succeed",
            Self::Fail => "Fail",
            Self::Parallel => "Parallel",
            Self::Map => "Map",
        }
    }
}

/// The events that AWS shows, in order, as `HistoryEvent` objects of its API. `timestamp` is in
/// milliseconds since 1970; inputs, outputs and parameters are JSON text.
pub fn project<'e>(events: impl IntoIterator<Item = &'e Event>) -> Vec<Json> {
    let mut calls = Calls::default();
    let mut shown = Vec::new();
    for event in events {
        calls.note(event);
        shown.extend(calls.show(event));
    }
    shown
}

/// The kinds of the tasks that were scheduled. What AWS calls an event of a task depends on it.
#[derive(Clone, Debug, Default)]
pub struct Calls {
    kinds: FxHashMap<u64, TaskKind>,
}

impl Calls {
    /// Takes in an event. Only those that schedule tasks matter.
    pub fn note(&mut self, event: &Event) {
        if let EventKind::TaskScheduled { task, call, .. } = &event.kind {
            self.open(*task, &call.kind);
        }
    }

    /// Takes in a task that was scheduled.
    pub fn open(&mut self, task: TaskId, kind: &TaskKind) {
        self.kinds.insert(task.0, kind.clone());
    }

    /// Forgets the task that an event ends. No later event is about it.
    pub fn close(&mut self, event: &Event) {
        use EventKind as E;
        if let E::TaskSucceeded { task, .. }
        | E::TaskFailed { task, .. }
        | E::TaskTimedOut { task, .. } = event.kind
        {
            self.kinds.remove(&task.0);
        }
    }

    /// Whether it has taken in the event that scheduled a task.
    pub fn knows(&self, task: TaskId) -> bool {
        self.kinds.contains_key(&task.0)
    }

    /// The task whose kind is needed to show this event and is not known.
    pub fn missing(&self, event: &Event) -> Option<TaskId> {
        use EventKind as E;
        match event.kind {
            E::TaskStarted { task, .. }
            | E::TaskSubmitted { task, .. }
            | E::TaskSucceeded { task, .. }
            | E::TaskFailed { task, .. }
            | E::TaskTimedOut { task, .. } => (!self.knows(task)).then_some(task),
            _ => None,
        }
    }

    /// The event as AWS shows it; `None` if AWS has no such event. A task of unknown kind is shown
    /// as one that calls a function.
    pub fn show(&self, event: &Event) -> Option<Json> {
        if event.id == 0 {
            return None;
        }
        let (kind, details) = describe(&event.kind, self);
        let mut object = Object::new();
        object.insert("timestamp", Json::Int(event.at.0));
        object.insert("type", kind.as_str().into());
        object.insert("id", Json::Int(event.id as i64));
        object.insert("previousEventId", Json::Int(event.previous as i64));
        if let Some((name, details)) = details {
            object.insert(name, Json::Object(details));
        }
        Some(Json::Object(object))
    }

    fn kind(&self, task: TaskId) -> &TaskKind {
        self.kinds.get(&task.0).unwrap_or(&TaskKind::Lambda)
    }
}

/// An event without the data of the execution, as `includeExecutionData: false` asks for it.
pub fn without_data(event: &Json) -> Json {
    let without = |(key, value): (&Str, &Json)| {
        let value = match value {
            Json::Object(details) => {
                let kept = details.iter().filter(|(key, _)| !DATA.contains(&key.as_str()));
                kept.map(|(key, value)| (key.clone(), value.clone())).collect::<Object>().into()
            }
            other => other.clone(),
        };
        (key.clone(), value)
    };
    event.as_object().into_iter().flat_map(Object::iter).map(without).collect::<Object>().into()
}

type Details = Option<(&'static str, Object)>;

fn describe(kind: &EventKind, calls: &Calls) -> (String, Details) {
    use EventKind as E;
    let plain = |name: &str| (name.to_owned(), None);
    match kind {
        E::ExecutionStarted(start) => {
            let mut details = data("input", &start.input);
            if let Some(text) = &start.input_text {
                details.insert("input", text.clone().into());
            }
            details.insert("roleArn", start.identity.role_arn.clone().into());
            ("ExecutionStarted".into(), Some(("executionStartedEventDetails", details)))
        }
        E::ExecutionSucceeded { output } => (
            "ExecutionSucceeded".into(),
            Some(("executionSucceededEventDetails", data("output", output))),
        ),
        E::ExecutionFailed { failure } => {
            ("ExecutionFailed".into(), Some(("executionFailedEventDetails", why(failure))))
        }
        E::ExecutionTimedOut { failure } => {
            ("ExecutionTimedOut".into(), Some(("executionTimedOutEventDetails", why(failure))))
        }
        E::ExecutionAborted { failure } => {
            ("ExecutionAborted".into(), Some(("executionAbortedEventDetails", why(failure))))
        }
        E::ExecutionRedriven { count, .. } => {
            let mut details = Object::new();
            details.insert("redriveCount", Json::Int(i64::from(*count)));
            ("ExecutionRedriven".into(), Some(("executionRedrivenEventDetails", details)))
        }
        E::StateEntered { kind, name, input, .. } => {
            let mut details = data("input", input);
            details.insert("name", name.clone().into());
            (format!("{}StateEntered", kind.name()), Some(("stateEnteredEventDetails", details)))
        }
        E::StateExited { kind, name, output, assigned, .. } => {
            let mut details = data("output", output);
            details.insert("name", name.clone().into());
            if let Some(assigned) = assigned {
                let texts: Object =
                    assigned.iter().map(|(key, value)| (key.clone(), text_of(value))).collect();
                details.insert("assignedVariables", Json::Object(texts));
                details.insert("assignedVariablesDetails", not_truncated());
            }
            (format!("{}StateExited", kind.name()), Some(("stateExitedEventDetails", details)))
        }
        E::StateAborted { kind } => (format!("{}StateAborted", kind.name()), None),
        E::EvaluationFailed { failure, state, location } => {
            let mut details = why(failure);
            details.insert("state", state.clone().into());
            if let Some(location) = location {
                details.insert("location", location.clone().into());
            }
            ("EvaluationFailed".into(), Some(("evaluationFailedEventDetails", details)))
        }
        E::TaskScheduled { call, .. } => scheduled(call),
        E::TaskStarted { task, worker } => match calls.kind(*task) {
            TaskKind::Lambda => plain("LambdaFunctionStarted"),
            TaskKind::Activity => {
                let mut details = Object::new();
                if let Some(worker) = worker {
                    details.insert("workerName", worker.clone().into());
                }
                ("ActivityStarted".into(), Some(("activityStartedEventDetails", details)))
            }
            TaskKind::Service { service, action } => {
                let details = resource(service, action);
                ("TaskStarted".into(), Some(("taskStartedEventDetails", details)))
            }
        },
        E::TaskSubmitted { task, output } => {
            let mut details = data("output", output);
            if let TaskKind::Service { service, action } = calls.kind(*task) {
                extend(&mut details, resource(service, action));
            }
            ("TaskSubmitted".into(), Some(("taskSubmittedEventDetails", details)))
        }
        E::TaskSucceeded { task, output } => {
            let mut details = data("output", output);
            match calls.kind(*task) {
                TaskKind::Lambda => (
                    "LambdaFunctionSucceeded".into(),
                    Some(("lambdaFunctionSucceededEventDetails", details)),
                ),
                TaskKind::Activity => {
                    ("ActivitySucceeded".into(), Some(("activitySucceededEventDetails", details)))
                }
                TaskKind::Service { service, action } => {
                    extend(&mut details, resource(service, action));
                    ("TaskSucceeded".into(), Some(("taskSucceededEventDetails", details)))
                }
            }
        }
        E::TaskFailed { task, failure, stage } => failed(calls.kind(*task), why(failure), *stage),
        E::TaskTimedOut { task, failure, .. } => {
            let mut details = why(failure);
            match calls.kind(*task) {
                TaskKind::Lambda => (
                    "LambdaFunctionTimedOut".into(),
                    Some(("lambdaFunctionTimedOutEventDetails", details)),
                ),
                TaskKind::Activity => {
                    ("ActivityTimedOut".into(), Some(("activityTimedOutEventDetails", details)))
                }
                TaskKind::Service { service, action } => {
                    extend(&mut details, resource(service, action));
                    ("TaskTimedOut".into(), Some(("taskTimedOutEventDetails", details)))
                }
            }
        }
        E::ParallelStarted { .. } => plain("ParallelStateStarted"),
        E::ParallelSucceeded => plain("ParallelStateSucceeded"),
        E::ParallelFailed => plain("ParallelStateFailed"),
        E::MapStarted { length, .. } => {
            let mut details = Object::new();
            details.insert("length", Json::Int(i64::from(*length)));
            ("MapStateStarted".into(), Some(("mapStateStartedEventDetails", details)))
        }
        E::MapIterationStarted { index, name, .. } => (
            "MapIterationStarted".into(),
            Some(iteration("mapIterationStartedEventDetails", *index, name)),
        ),
        E::MapIterationSucceeded { index, name, .. } => (
            "MapIterationSucceeded".into(),
            Some(iteration("mapIterationSucceededEventDetails", *index, name)),
        ),
        E::MapIterationFailed { index, name } => (
            "MapIterationFailed".into(),
            Some(iteration("mapIterationFailedEventDetails", *index, name)),
        ),
        E::MapIterationAborted { index, name } => (
            "MapIterationAborted".into(),
            Some(iteration("mapIterationAbortedEventDetails", *index, name)),
        ),
        E::MapSucceeded => plain("MapStateSucceeded"),
        E::MapFailed => plain("MapStateFailed"),
        E::MapRunStarted { arn, .. } => {
            let mut details = Object::new();
            details.insert("mapRunArn", arn.clone().into());
            ("MapRunStarted".into(), Some(("mapRunStartedEventDetails", details)))
        }
        E::MapRunRedriven { arn, count } => {
            let mut details = Object::new();
            details.insert("mapRunArn", arn.clone().into());
            details.insert("redriveCount", Json::Int(i64::from(*count)));
            ("MapRunRedriven".into(), Some(("mapRunRedrivenEventDetails", details)))
        }
        E::MapRunSucceeded => plain("MapRunSucceeded"),
        E::MapRunFailed { failure } => {
            ("MapRunFailed".into(), Some(("mapRunFailedEventDetails", why(failure))))
        }
        E::TaskHeartbeat { .. }
        | E::RetryScheduled { .. }
        | E::TimerFired { .. }
        | E::WaitStarted { .. }
        | E::MapRunItems { .. }
        | E::MapRunPage(_)
        | E::ChildStarted { .. }
        | E::ChildFinished { .. }
        | E::MapRunWriting { .. }
        | E::MapRunUpdated { .. } => plain(""),
    }
}

fn scheduled(call: &TaskCall) -> (String, Details) {
    let mut details = Object::new();
    if let Some(role) = &call.credentials {
        let mut credentials = Object::new();
        credentials.insert("roleArn", role.clone().into());
        details.insert("taskCredentials", Json::Object(credentials));
    }
    if let Some(seconds) = call.timeout_seconds {
        details.insert("timeoutInSeconds", Json::Int(seconds));
    }
    let name = match &call.kind {
        TaskKind::Service { service, action } => {
            extend(&mut details, resource(service, action));
            details.insert("region", call.region.clone().into());
            details.insert("parameters", text_of(&call.parameters));
            ("TaskScheduled", "taskScheduledEventDetails")
        }
        kind @ (TaskKind::Lambda | TaskKind::Activity) => {
            details.insert("resource", call.resource.clone().into());
            extend(&mut details, data("input", &call.parameters));
            match kind {
                TaskKind::Activity => ("ActivityScheduled", "activityScheduledEventDetails"),
                _ => ("LambdaFunctionScheduled", "lambdaFunctionScheduledEventDetails"),
            }
        }
    };
    if let Some(seconds) = call.heartbeat_seconds.filter(|_| call.kind != TaskKind::Lambda) {
        details.insert("heartbeatInSeconds", Json::Int(seconds));
    }
    (name.0.into(), Some((name.1, details)))
}

fn failed(kind: &TaskKind, mut details: Object, stage: Stage) -> (String, Details) {
    let (name, key) = match (kind, stage) {
        (TaskKind::Lambda, Stage::Schedule) => {
            ("LambdaFunctionScheduleFailed", "lambdaFunctionScheduleFailedEventDetails")
        }
        (TaskKind::Lambda, Stage::Start | Stage::Submit) => {
            ("LambdaFunctionStartFailed", "lambdaFunctionStartFailedEventDetails")
        }
        (TaskKind::Lambda, Stage::Run) => {
            ("LambdaFunctionFailed", "lambdaFunctionFailedEventDetails")
        }
        (TaskKind::Activity, Stage::Schedule) => {
            ("ActivityScheduleFailed", "activityScheduleFailedEventDetails")
        }
        (TaskKind::Activity, _) => ("ActivityFailed", "activityFailedEventDetails"),
        (TaskKind::Service { service, action }, stage) => {
            extend(&mut details, resource(service, action));
            match stage {
                Stage::Schedule | Stage::Start => {
                    ("TaskStartFailed", "taskStartFailedEventDetails")
                }
                Stage::Submit => ("TaskSubmitFailed", "taskSubmitFailedEventDetails"),
                Stage::Run => ("TaskFailed", "taskFailedEventDetails"),
            }
        }
    };
    (name.into(), Some((key, details)))
}

fn iteration(key: &'static str, index: u32, name: &Str) -> (&'static str, Object) {
    let mut details = Object::new();
    details.insert("name", name.clone().into());
    details.insert("index", Json::Int(i64::from(index)));
    (key, details)
}

fn resource(service: &Str, action: &Str) -> Object {
    let mut details = Object::new();
    details.insert("resourceType", service.clone().into());
    details.insert("resource", action.clone().into());
    details
}

fn why(failure: &Failure) -> Object {
    let mut details = Object::new();
    if let Some(error) = &failure.error {
        details.insert("error", error.clone().into());
    }
    if let Some(cause) = &failure.cause {
        details.insert("cause", cause.clone().into());
    }
    details
}

fn data(key: &'static str, value: &Json) -> Object {
    let mut details = Object::new();
    details.insert(key, text_of(value));
    details.insert(if key == "input" { "inputDetails" } else { "outputDetails" }, not_truncated());
    details
}

fn not_truncated() -> Json {
    let mut details = Object::new();
    details.insert("truncated", Json::Bool(false));
    Json::Object(details)
}

fn text_of(value: &Json) -> Json {
    Json::String(value.to_string().into())
}

fn extend(object: &mut Object, more: Object) {
    for (key, value) in more.iter() {
        object.insert(key.clone(), value.clone());
    }
}
