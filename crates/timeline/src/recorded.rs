//! Events in AWS's form, as `GetExecutionHistory` gives them.

mod scopes;

pub use scopes::{Place, Places, Scope, Within, places};

use rustc_hash::FxHashMap;
use std::collections::BTreeMap;
use stepwright_history::{
    Event, EventKind, Failure, FrameId, Identity, MapPlan, Moment, Stage, Start, StateType,
    TaskCall, TaskId, TaskKind, TimerId, To,
};
use stepwright_json::{Json, Object, Str};
use stepwright_program::{Kind, Program, WaitFor};

/// The type of a history event.
pub fn type_of(event: &Json) -> &str {
    event.get("type").and_then(Json::as_str).unwrap_or_default()
}

/// The `id` of an event.
pub fn id_of(event: &Json) -> Option<i64> {
    event.get("id").and_then(Json::as_i64)
}

/// The `previousEventId` of an event.
pub fn previous_of(event: &Json) -> Option<i64> {
    event.get("previousEventId").and_then(Json::as_i64)
}

/// What an event says besides its ids: the object under `…EventDetails`.
pub fn details(event: &Json) -> Option<&Object> {
    event
        .as_object()?
        .iter()
        .find(|(key, _)| key.ends_with("EventDetails"))
        .and_then(|(_, value)| value.as_object())
}

/// A text of an event's details; JSON that stands there is given as text.
pub fn detail(event: &Json, key: &str) -> Option<Str> {
    match details(event)?.get(key)? {
        Json::String(text) => Some(text.clone()),
        Json::Null => None,
        other => Some(other.to_string().into()),
    }
}

/// A value of an event's details: AWS writes it as text, recordings may have it parsed.
pub fn value(event: &Json, key: &str) -> Option<Json> {
    match details(event)?.get(key)? {
        Json::String(text) => {
            Some(stepwright_json::parse(text).unwrap_or_else(|_| text.clone().into()))
        }
        other => Some(other.clone()),
    }
}

/// The name of the state, or of the Map of an iteration.
pub fn name_of(event: &Json) -> &str {
    details(event).and_then(|found| found.get("name")).and_then(Json::as_str).unwrap_or_default()
}

/// The error and the cause of an event.
pub fn failure(event: &Json) -> Failure {
    Failure { error: detail(event, "error"), cause: detail(event, "cause") }
}

/// When an event happened, in milliseconds since 1970: our numbers, AWS's seconds with a fraction,
/// or a time as the AWS CLI prints it. None where the recording does not say.
pub fn moment(event: &Json) -> Option<i64> {
    match event.get("timestamp")? {
        Json::Int(number) if *number > 100_000_000_000 => Some(*number),
        Json::Int(seconds) => Some(seconds * 1_000),
        Json::Float(number) if *number > 100_000_000_000.0 => Some(*number as i64),
        Json::Float(seconds) => Some((seconds * 1_000.0).round() as i64),
        Json::String(text) => stepwright_program::time::parse(text),
        _ => None,
    }
}

/// Reads events of a history into events of ours, as far as they say it: enough for a timeline, not
/// enough to go on with the execution. What AWS does not record is inferred: retries, and how long a
/// Wait state with fixed seconds waits.
#[derive(Clone, Debug, Default)]
pub struct Reader {
    places: Places,
    numbers: BTreeMap<Scope, FrameId>,
    scopes: FxHashMap<FrameId, Open>,
    next_task: u64,
    /// When each event happened.
    moments: FxHashMap<u64, Moment>,
    /// The exit of a state at the end of a page: where it leads is on the next one.
    held: Option<Json>,
}

/// What is open in a scope.
#[derive(Clone, Debug, Default)]
struct Open {
    task: Option<TaskId>,
    /// The moment of a failure that nothing has handled yet, and its event.
    failed_at: Option<(Moment, u64)>,
    /// Whether the state has begun its branches or items.
    has_begun: bool,
}

impl Reader {
    /// The events of the next page of a history, in order. `has_more` says whether another page follows
    /// at once.
    pub fn read(
        &mut self,
        recorded: &[Json],
        program: Option<&Program>,
        has_more: bool,
    ) -> Vec<Event> {
        let mut recorded: Vec<&Json> = recorded.iter().collect();
        let held = self.held.take();
        recorded.splice(0..0, &held);
        if let Some(last) =
            recorded.pop_if(|last| has_more && type_of(last).ends_with("StateExited"))
        {
            self.held = Some(last.clone());
        }
        let mut entered: FxHashMap<u64, &str> = FxHashMap::default();
        for event in recorded.iter().filter(|event| type_of(event).ends_with("StateEntered")) {
            entered.insert(previous(event), name_of(event));
        }
        let mut events = Vec::new();
        for event in recorded {
            self.event(event, &entered, program, &mut events);
        }
        events
    }

    fn event(
        &mut self,
        recorded: &Json,
        entered: &FxHashMap<u64, &str>,
        program: Option<&Program>,
        events: &mut Vec<Event>,
    ) {
        use EventKind as E;
        let (id, before) = (id_of(recorded).unwrap_or(0) as u64, previous(recorded));
        let at = Moment(moment(recorded).unwrap_or(0));
        let kind = type_of(recorded);
        let mut place = self.places.next(recorded);
        if kind.starts_with("MapIteration") {
            // It is an event of the Map.
            place.scope.pop();
        }
        let frame = self.frame(&place.scope);
        if kind == "ExecutionRedriven" {
            // What failed before is done anew, which is no retry.
            #[expect(clippy::iter_over_hash_type, reason = "each is changed by itself")]
            for open in self.scopes.values_mut() {
                if open.failed_at.take().is_some() {
                    open.has_begun = false;
                }
            }
        }
        let scope = self.scopes.entry(frame).or_default();
        let data = |key: &str| value(recorded, key).unwrap_or_default();
        let state_type = |ending: &str| state_type(kind.strip_suffix(ending)?);
        let index = || {
            let index = details(recorded).and_then(|found| found.get("index"));
            index.and_then(Json::as_i64).unwrap_or(0) as u32
        };
        let begins = matches!(kind, "MapStateStarted" | "ParallelStateStarted");
        // AWS does not record that a state waits for its next attempt.
        let failed_at = match scope.failed_at {
            Some(failed) if begins || kind.ends_with("Scheduled") => Some(failed),
            // What is within has failed, which has no event of its own if a retrier applies.
            None if begins && scope.has_begun => {
                Some((self.moments.get(&before).copied().unwrap_or(at), before))
            }
            _ => None,
        };
        if let Some((failed, after)) = failed_at {
            scope.failed_at = None;
            let kind = E::RetryScheduled { retrier: 0, due: at, timer: TimerId(0) };
            events.push(Event { at: failed, frame, id: 0, previous: after, kind });
        }
        scope.has_begun |= begins;
        self.moments.insert(id, at);
        let told = match kind {
            "ExecutionStarted" => {
                let identity = Identity {
                    role_arn: detail(recorded, "roleArn").unwrap_or_default(),
                    ..Identity::default()
                };
                E::ExecutionStarted(Box::new(Start {
                    input: data("input"),
                    input_text: None,
                    identity,
                    first: 0,
                    deadline: None,
                    seed: [0, 0],
                    map_context: None,
                    variables: Object::new(),
                }))
            }
            "ExecutionSucceeded" => E::ExecutionSucceeded { output: data("output") },
            "ExecutionFailed" => E::ExecutionFailed { failure: failure(recorded) },
            "ExecutionTimedOut" => E::ExecutionTimedOut { failure: failure(recorded) },
            "ExecutionAborted" => E::ExecutionAborted { failure: failure(recorded) },
            "ExecutionRedriven" => {
                let count = details(recorded).and_then(|found| found.get("redriveCount"));
                let count = count.and_then(Json::as_i64).unwrap_or(1) as u32;
                E::ExecutionRedriven { count, deadline: None }
            }
            "EvaluationFailed" => {
                scope.failed_at = Some((at, id));
                E::EvaluationFailed {
                    failure: failure(recorded),
                    state: detail(recorded, "state").unwrap_or_default(),
                    location: detail(recorded, "location"),
                }
            }
            "ParallelStateStarted" => {
                E::ParallelStarted { branches: branches(program, &place.state), input: Json::Null }
            }
            "ParallelStateSucceeded" => E::ParallelSucceeded,
            "ParallelStateFailed" => {
                scope.failed_at = Some((at, id));
                E::ParallelFailed
            }
            "MapStateStarted" => {
                let length = details(recorded).and_then(|found| found.get("length"));
                let length = length.and_then(Json::as_i64).unwrap_or(0) as u32;
                E::MapStarted { length, plan: Box::new(plan()) }
            }
            "MapStateSucceeded" | "MapRunSucceeded" => E::MapSucceeded,
            "MapStateFailed" => {
                scope.failed_at = Some((at, id));
                E::MapFailed
            }
            "MapRunStarted" => E::MapRunStarted {
                run: TaskId(u64::MAX),
                arn: detail(recorded, "mapRunArn").unwrap_or_default(),
            },
            "MapRunFailed" => E::MapRunFailed { failure: failure(recorded) },
            "MapIterationStarted" => E::MapIterationStarted {
                index: index(),
                name: name_of(recorded).into(),
                input: Json::Null,
            },
            "MapIterationSucceeded" => E::MapIterationSucceeded {
                index: index(),
                name: name_of(recorded).into(),
                output: Json::Null,
            },
            "MapIterationFailed" => {
                E::MapIterationFailed { index: index(), name: name_of(recorded).into() }
            }
            "MapIterationAborted" => {
                E::MapIterationAborted { index: index(), name: name_of(recorded).into() }
            }
            _ if kind.ends_with("StateEntered") => {
                let name: Str = name_of(recorded).into();
                *scope = Open::default();
                let position = program.and_then(|program| program.state_named(&name));
                let kind = state_type("StateEntered").unwrap_or(StateType::Pass);
                let entry = E::StateEntered {
                    state: position.map_or(u32::MAX, |position| position.0),
                    kind,
                    name,
                    input: data("input"),
                };
                events.push(Event { at, frame, id, previous: before, kind: entry });
                let waits = position.zip(program).and_then(|(position, program)| {
                    match &program.state(position).kind {
                        Kind::Wait(wait) => match wait.until {
                            WaitFor::Seconds(seconds) => Some(at.after_seconds(seconds as f64)),
                            WaitFor::Timestamp(millis) => Some(Moment(millis)),
                            _ => None,
                        },
                        _ => None,
                    }
                });
                if let Some(due) = waits {
                    let kind = E::WaitStarted { due, timer: TimerId(0) };
                    events.push(Event { at, frame, id: 0, previous: id, kind });
                }
                return;
            }
            _ if kind.ends_with("StateExited") => {
                scope.failed_at = None;
                let next = entered.get(&id).and_then(|name| program?.state_named(name));
                E::StateExited {
                    kind: state_type("StateExited").unwrap_or(StateType::Pass),
                    name: name_of(recorded).into(),
                    output: data("output"),
                    assigned: assigned(recorded),
                    to: next.map_or(To::End, |next| To::Next(next.0)),
                }
            }
            _ if kind.ends_with("StateAborted") => {
                E::StateAborted { kind: state_type("StateAborted").unwrap_or(StateType::Pass) }
            }
            "LambdaFunctionScheduled" | "ActivityScheduled" | "TaskScheduled" => {
                let task = TaskId(self.next_task);
                self.next_task += 1;
                scope.task = Some(task);
                let call = Box::new(call(recorded, kind, &place.state));
                let deadline = call.timeout_seconds.filter(|seconds| *seconds < 99_999_999);
                let deadline = deadline.map(|seconds| at.after_seconds(seconds as f64));
                E::TaskScheduled { task, call, deadline, heartbeat_deadline: None, timer: None }
            }
            _ => {
                let task = scope.task.unwrap_or(TaskId(u64::MAX));
                match kind {
                    _ if kind.ends_with("StartFailed") || kind.ends_with("ScheduleFailed") => {
                        scope.failed_at = Some((at, id));
                        E::TaskFailed { task, failure: failure(recorded), stage: Stage::Start }
                    }
                    "TaskSubmitFailed" => {
                        scope.failed_at = Some((at, id));
                        E::TaskFailed { task, failure: failure(recorded), stage: Stage::Submit }
                    }
                    _ if kind.ends_with("Started") => E::TaskStarted { task, worker: None },
                    "TaskSubmitted" => E::TaskSubmitted { task, output: data("output") },
                    _ if kind.ends_with("Succeeded") => {
                        E::TaskSucceeded { task, output: data("output") }
                    }
                    _ if kind.ends_with("TimedOut") => {
                        scope.failed_at = Some((at, id));
                        E::TaskTimedOut { task, failure: failure(recorded), heartbeat: false }
                    }
                    _ if kind.ends_with("Failed") => {
                        scope.failed_at = Some((at, id));
                        E::TaskFailed { task, failure: failure(recorded), stage: Stage::Run }
                    }
                    // An event that is newer than this program.
                    _ => return,
                }
            }
        };
        events.push(Event { at, frame, id, previous: before, kind: told });
    }

    /// The number of a scope.
    fn frame(&mut self, scope: &Scope) -> FrameId {
        if scope.is_empty() {
            return FrameId::ROOT;
        }
        let next = FrameId(self.numbers.len() as u32 + 1);
        *self.numbers.entry(scope.clone()).or_insert(next)
    }
}

fn previous(event: &Json) -> u64 {
    previous_of(event).unwrap_or(0) as u64
}

fn state_type(name: &str) -> Option<StateType> {
    use StateType as T;
    [T::Task, T::Pass, T::Choice, T::Wait, T::Succeed, T::Fail, T::Parallel, T::Map]
        .into_iter()
        .find(|kind| kind.name() == name)
}

/// The variables that a state assigned.
fn assigned(event: &Json) -> Option<Object> {
    let texts = details(event)?.get("assignedVariables")?.as_object()?;
    let value = |text: &Json| match text {
        Json::String(text) => stepwright_json::parse(text).unwrap_or_else(|_| text.clone().into()),
        other => other.clone(),
    };
    Some(texts.iter().map(|(key, text)| (key.clone(), value(text))).collect())
}

/// The branches of a Parallel state.
fn branches(program: Option<&Program>, state: &str) -> Vec<u32> {
    let found = program.and_then(|program| Some(program.state(program.state_named(state)?)));
    match found.map(|state| &state.kind) {
        Some(Kind::Parallel(parallel)) => parallel.branches.iter().map(|state| state.0).collect(),
        _ => Vec::new(),
    }
}

/// The plan of a Map of which only the length is known.
fn plan() -> MapPlan {
    MapPlan {
        items: stepwright_json::Array::default(),
        of_object: false,
        first: 0,
        max_concurrency: 0,
        distributed: false,
        tolerated_count: None,
        tolerated_percentage: None,
        reader: None,
    }
}

fn call(event: &Json, kind: &str, state: &Str) -> TaskCall {
    let text = |key: &str| detail(event, key).unwrap_or_default();
    let number = |key: &str| details(event).and_then(|found| found.get(key)).and_then(Json::as_i64);
    let (resource, kind, parameters) = match kind {
        "TaskScheduled" => {
            let (service, action) = (text("resourceType"), text("resource"));
            let resource: Str = format!("arn:aws:states:::{service}:{action}").into();
            (resource, TaskKind::Service { service, action }, "parameters")
        }
        "ActivityScheduled" => (text("resource"), TaskKind::Activity, "input"),
        _ => (text("resource"), TaskKind::Lambda, "input"),
    };
    let for_token = resource.ends_with(".waitForTaskToken") || kind == TaskKind::Activity;
    TaskCall {
        resource,
        kind,
        parameters: value(event, parameters).unwrap_or_default(),
        region: text("region"),
        timeout_seconds: number("timeoutInSeconds"),
        heartbeat_seconds: number("heartbeatInSeconds"),
        credentials: None,
        state: state.clone(),
        retry_count: 0,
        token: for_token.then(Str::default),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Timeline;
    use stepwright_json::json;

    #[test]
    fn a_redrive_is_no_retry() {
        let mut recorded = Vec::new();
        let mut add = |kind: &str, seconds: i64, details: Json| {
            let id = recorded.len() as i64 + 1;
            let at = (1_700_000_000 + seconds) * 1_000;
            let mut event = json!({
                "id": id, "previousEventId": (id - 1), "timestamp": at, "type": kind
            });
            let Json::Object(members) = &mut event else { unreachable!("it is an object") };
            members.insert("someEventDetails", details);
            recorded.push(event);
        };
        let failed = || json!({"error": "Broken"});
        add("ExecutionStarted", 0, json!({"input": "{}"}));
        add("TaskStateEntered", 1, json!({"name": "T", "input": "{}"}));
        for (at, is_last) in [(2, false), (6, true)] {
            add("LambdaFunctionScheduled", at, json!({"resource": "f", "input": "{}"}));
            add("LambdaFunctionStarted", at, json!({}));
            add("LambdaFunctionFailed", at + 1, failed());
            if is_last {
                add("ExecutionFailed", at + 1, failed());
            }
        }
        add("ExecutionRedriven", 60, json!({"redriveCount": 1}));
        add("LambdaFunctionScheduled", 61, json!({"resource": "f", "input": "{}"}));
        add("LambdaFunctionStarted", 61, json!({}));
        add("LambdaFunctionFailed", 62, failed());
        add("ExecutionFailed", 62, failed());
        let events = Reader::default().read(&recorded, None, false);
        let is_retry = |event: &&Event| matches!(event.kind, EventKind::RetryScheduled { .. });
        let retries: Vec<u64> =
            events.iter().filter(is_retry).map(|event| event.previous).collect();
        assert_eq!(retries, [5], "only the first failure is followed by a retry");
        assert!(events.is_sorted_by_key(|event| event.at), "time goes forwards");
        let mut timeline = Timeline::default();
        for event in &events {
            timeline.line(event);
        }
        assert_eq!(timeline.culprit().map(|culprit| culprit.attempts), Some(1));
    }
}
