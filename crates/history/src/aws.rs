//! Events as AWS's `GetExecutionHistory` shows them.

mod log;

pub use log::{DATA, log_records};

use crate::{Event, EventKind, Failure, Stage, StateType, TaskCall, TaskId, TaskKind};
use rustc_hash::FxHashMap;
use std::borrow::Cow;
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
        let name = name(&event.kind, self);
        let mut object = Object::new();
        object.insert("timestamp", Json::Int(event.at.0));
        object.insert("type", (&*name).into());
        object.insert("id", Json::Int(event.id as i64));
        object.insert("previousEventId", Json::Int(event.previous as i64));
        if let Some(details) = details(&event.kind, self) {
            object.insert(member(&name), Json::Object(details));
        }
        Some(Json::Object(object))
    }

    /// What AWS calls an event; empty for one that it does not show.
    pub fn name(&self, event: &Event) -> Cow<'static, str> {
        name(&event.kind, self)
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

/// What AWS calls an event; empty for one that it does not show.
fn name(kind: &EventKind, calls: &Calls) -> Cow<'static, str> {
    use EventKind as E;
    let of_state = |kind: &StateType, what: &str| Cow::Owned(format!("{}State{what}", kind.name()));
    let of_task = |task: &TaskId, lambda, activity, service| match calls.kind(*task) {
        TaskKind::Lambda | TaskKind::Whole => lambda,
        TaskKind::Activity => activity,
        TaskKind::Service { .. } => service,
    };
    Cow::Borrowed(match kind {
        E::StateEntered { kind, .. } => return of_state(kind, "Entered"),
        E::StateExited { kind, .. } => return of_state(kind, "Exited"),
        E::StateAborted { kind } => return of_state(kind, "Aborted"),
        E::ExecutionStarted(_) => "ExecutionStarted",
        E::ExecutionSucceeded { .. } => "ExecutionSucceeded",
        E::ExecutionFailed { .. } => "ExecutionFailed",
        E::ExecutionTimedOut { .. } => "ExecutionTimedOut",
        E::ExecutionAborted { .. } => "ExecutionAborted",
        E::ExecutionRedriven { .. } => "ExecutionRedriven",
        E::EvaluationFailed { .. } => "EvaluationFailed",
        E::TaskScheduled { call, .. } => match &call.kind {
            TaskKind::Lambda | TaskKind::Whole => "LambdaFunctionScheduled",
            TaskKind::Activity => "ActivityScheduled",
            TaskKind::Service { .. } => "TaskScheduled",
        },
        E::TaskStarted { task, .. } => {
            of_task(task, "LambdaFunctionStarted", "ActivityStarted", "TaskStarted")
        }
        E::TaskSubmitted { .. } => "TaskSubmitted",
        E::TaskSucceeded { task, .. } => {
            of_task(task, "LambdaFunctionSucceeded", "ActivitySucceeded", "TaskSucceeded")
        }
        E::TaskFailed { task, stage, .. } => match (calls.kind(*task), stage) {
            (TaskKind::Lambda | TaskKind::Whole, Stage::Schedule) => "LambdaFunctionScheduleFailed",
            (TaskKind::Lambda | TaskKind::Whole, Stage::Start | Stage::Submit) => {
                "LambdaFunctionStartFailed"
            }
            (TaskKind::Lambda | TaskKind::Whole, Stage::Run) => "LambdaFunctionFailed",
            (TaskKind::Activity, Stage::Schedule) => "ActivityScheduleFailed",
            (TaskKind::Activity, _) => "ActivityFailed",
            (TaskKind::Service { .. }, Stage::Schedule | Stage::Start) => "TaskStartFailed",
            (TaskKind::Service { .. }, Stage::Submit) => "TaskSubmitFailed",
            (TaskKind::Service { .. }, Stage::Run) => "TaskFailed",
        },
        E::TaskTimedOut { task, .. } => {
            of_task(task, "LambdaFunctionTimedOut", "ActivityTimedOut", "TaskTimedOut")
        }
        E::ParallelStarted { .. } => "ParallelStateStarted",
        E::ParallelSucceeded => "ParallelStateSucceeded",
        E::ParallelFailed => "ParallelStateFailed",
        E::MapStarted { .. } => "MapStateStarted",
        E::MapIterationStarted { .. } => "MapIterationStarted",
        E::MapIterationSucceeded { .. } => "MapIterationSucceeded",
        E::MapIterationFailed { .. } => "MapIterationFailed",
        E::MapIterationAborted { .. } => "MapIterationAborted",
        E::MapSucceeded => "MapStateSucceeded",
        E::MapFailed => "MapStateFailed",
        E::MapRunStarted { .. } => "MapRunStarted",
        E::MapRunRedriven { .. } => "MapRunRedriven",
        E::MapRunSucceeded => "MapRunSucceeded",
        E::MapRunFailed { .. } => "MapRunFailed",
        E::TaskHeartbeat { .. }
        | E::RetryScheduled { .. }
        | E::TimerFired { .. }
        | E::WaitStarted { .. }
        | E::MapRunItems { .. }
        | E::MapRunPage(_)
        | E::ChildStarted { .. }
        | E::ChildFinished { .. }
        | E::MapRunWriting { .. }
        | E::MapRunUpdated { .. }
        | E::WholeAsked { .. }
        | E::WholeAnswered { .. } => "",
    })
}

/// The member that holds the details of an event with this name: `taskFailedEventDetails`.
fn member(name: &str) -> String {
    let begin = if name.ends_with("StateEntered") {
        "stateEntered".to_owned()
    } else if name.ends_with("StateExited") {
        "stateExited".to_owned()
    } else {
        name.chars().take(1).map(|c| c.to_ascii_lowercase()).chain(name.chars().skip(1)).collect()
    };
    format!("{begin}EventDetails")
}

/// What AWS says of an event besides its name.
fn details(kind: &EventKind, calls: &Calls) -> Option<Object> {
    use EventKind as E;
    Some(match kind {
        E::ExecutionStarted(start) => {
            let mut details = data("input", &start.input);
            if let Some(text) = &start.input_text {
                details.insert("input", text.clone().into());
            }
            details.insert("roleArn", start.identity.role_arn.clone().into());
            details
        }
        E::ExecutionSucceeded { output } => data("output", output),
        E::ExecutionFailed { failure }
        | E::ExecutionTimedOut { failure }
        | E::ExecutionAborted { failure }
        | E::MapRunFailed { failure } => why(failure),
        E::ExecutionRedriven { count, .. } => {
            let mut details = Object::new();
            details.insert("redriveCount", Json::Int(i64::from(*count)));
            details
        }
        E::StateEntered { name, input, .. } => {
            let mut details = data("input", input);
            details.insert("name", name.clone().into());
            details
        }
        E::StateExited { name, output, assigned, .. } => {
            let mut details = data("output", output);
            details.insert("name", name.clone().into());
            if let Some(assigned) = assigned {
                let texts: Object =
                    assigned.iter().map(|(key, value)| (key.clone(), text_of(value))).collect();
                details.insert("assignedVariables", Json::Object(texts));
                details.insert("assignedVariablesDetails", not_truncated());
            }
            details
        }
        E::EvaluationFailed { failure, state, location } => {
            let mut details = why(failure);
            details.insert("state", state.clone().into());
            if let Some(location) = location {
                details.insert("location", location.clone().into());
            }
            details
        }
        E::TaskScheduled { call, .. } => scheduled(call),
        E::TaskStarted { task, worker } => match calls.kind(*task) {
            TaskKind::Lambda | TaskKind::Whole => return None,
            TaskKind::Activity => {
                let mut details = Object::new();
                if let Some(worker) = worker {
                    details.insert("workerName", worker.clone().into());
                }
                details
            }
            TaskKind::Service { service, action } => resource(service, action),
        },
        E::TaskSubmitted { task, output } | E::TaskSucceeded { task, output } => {
            of_service(data("output", output), calls.kind(*task))
        }
        E::TaskFailed { task, failure, .. } | E::TaskTimedOut { task, failure, .. } => {
            of_service(why(failure), calls.kind(*task))
        }
        E::MapStarted { length, .. } => {
            let mut details = Object::new();
            details.insert("length", Json::Int(i64::from(*length)));
            details
        }
        E::MapIterationStarted { index, name, .. }
        | E::MapIterationSucceeded { index, name, .. }
        | E::MapIterationFailed { index, name }
        | E::MapIterationAborted { index, name } => {
            let mut details = Object::new();
            details.insert("name", name.clone().into());
            details.insert("index", Json::Int(i64::from(*index)));
            details
        }
        E::MapRunStarted { arn, .. } => {
            let mut details = Object::new();
            details.insert("mapRunArn", arn.clone().into());
            details
        }
        E::MapRunRedriven { arn, count } => {
            let mut details = Object::new();
            details.insert("mapRunArn", arn.clone().into());
            details.insert("redriveCount", Json::Int(i64::from(*count)));
            details
        }
        _ => return None,
    })
}

fn scheduled(call: &TaskCall) -> Object {
    let mut details = Object::new();
    if let Some(role) = &call.credentials {
        let mut credentials = Object::new();
        credentials.insert("roleArn", role.clone().into());
        details.insert("taskCredentials", Json::Object(credentials));
    }
    if let Some(seconds) = call.timeout_seconds {
        details.insert("timeoutInSeconds", Json::Int(seconds));
    }
    match &call.kind {
        TaskKind::Service { service, action } => {
            extend(&mut details, resource(service, action));
            details.insert("region", call.region.clone().into());
            details.insert("parameters", text_of(&call.parameters));
        }
        TaskKind::Lambda | TaskKind::Activity | TaskKind::Whole => {
            details.insert("resource", call.resource.clone().into());
            extend(&mut details, data("input", &call.parameters));
        }
    }
    if let Some(seconds) = call.heartbeat_seconds.filter(|_| call.kind != TaskKind::Lambda) {
        details.insert("heartbeatInSeconds", Json::Int(seconds));
    }
    details
}

/// Adds what the events of a service's tasks say of it.
fn of_service(mut details: Object, kind: &TaskKind) -> Object {
    if let TaskKind::Service { service, action } = kind {
        extend(&mut details, resource(service, action));
    }
    details
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
