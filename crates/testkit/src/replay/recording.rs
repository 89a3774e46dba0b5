//! Histories as they come: exported from AWS, from a server here, from `stepwright run`, or a case
//! of the recordings.

use super::answers::{self, RecordedAnswer};
use std::fmt;
use stepwright_history::{Failure, Identity, Moment};
use stepwright_json::{Json, Object, Str};
use stepwright_simulator::{DEFAULT_START, MemoryObjects};
use stepwright_timeline::recorded::{failure, id_of, moment, type_of, value};

/// An execution that was recorded.
#[derive(Clone, Debug)]
pub struct Recording {
    /// Its events in AWS's form, in order of their ids.
    pub events: Vec<Json>,
    /// What its tasks answered.
    pub answers: Vec<RecordedAnswer>,
    /// What it began with.
    pub input: Json,
    /// Who it was, as far as it is known.
    pub identity: Identity,
    /// When it began.
    pub start: Moment,
    /// When it was stopped, and why.
    pub stop: Option<(Moment, Failure)>,
    /// Whether the recording ends before the execution does.
    pub is_open: bool,
    /// Whether the recorder has lost the order of what ran side by side.
    pub is_unordered: bool,
    /// Whether the times that the definition decides are compared: no test asks for them that is made
    /// of a recording.
    pub has_times: bool,
    /// The objects that item readers find.
    pub objects: MemoryObjects,
    /// The definition, where the recording has it.
    pub definition: Option<Json>,
    /// What could not be taken over, in words.
    pub notes: Vec<String>,
}

/// A file that is no history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordingError {
    /// What is wrong with it.
    pub message: String,
}

impl fmt::Display for RecordingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for RecordingError {}

fn wrong<T>(message: impl Into<String>) -> Result<T, RecordingError> {
    Err(RecordingError { message: message.into() })
}

/// How long after its start an execution is stopped when the recording has no times.
const STOPPED_AFTER: i64 = 500;

impl Recording {
    /// Reads a history: the answer of `get-execution-history`, a bare list of events, what
    /// `stepwright run --output json` prints, or a case file of the recordings.
    pub fn read(json: &Json) -> Result<Self, RecordingError> {
        let case = json.get("expected").and_then(|expected| expected.get("history"));
        let ((_, Some(Json::Array(list))) | (Json::Array(list), None)) =
            (json, case.or_else(|| json.get("events")))
        else {
            return wrong(
                "this is no history: an object with `events`, as `aws stepfunctions \
                 get-execution-history` prints it, or a list of events",
            );
        };
        let mut events: Vec<Json> = list.to_vec();
        if let Some(at) = events.iter().position(|event| type_of(event).is_empty()) {
            return wrong(format!("event {} of the history has no `type`", at + 1));
        }
        // `--reverse-order` gives the last one first.
        if events.iter().all(|event| id_of(event).is_some()) {
            events.sort_by_key(id_of);
        }
        let Some(first) = events.first().cloned() else {
            return wrong("the history has no events");
        };
        let first = &first;
        if type_of(first) != "ExecutionStarted" {
            return wrong(format!(
                "the history begins with {}, not with ExecutionStarted: a page is missing",
                type_of(first)
            ));
        }
        let mut notes = Vec::new();
        if let Some(token) = json.get("nextToken").and_then(Json::as_str) {
            notes.push(format!(
                "the history goes on (nextToken {}…): only this page is compared",
                token.chars().take(12).collect::<String>()
            ));
        }
        if let Some(at) = events.iter().position(|event| type_of(event) == "ExecutionRedriven") {
            events.truncate(at);
            notes.push("the execution was redriven: what came before is compared".to_owned());
        }
        let Some(input) = json.get("input").cloned().or_else(|| value(first, "input")) else {
            return wrong("the history has no data: export it with --include-execution-data");
        };
        let start = moment(first).map_or(DEFAULT_START, Moment);
        let last = events.last().expect("there is a first event");
        let stop = (type_of(last) == "ExecutionAborted").then(|| {
            let at = moment(last).map_or(start.after_millis(STOPPED_AFTER), Moment);
            (at, failure(last))
        });
        let noted = |what: &str| {
            let notes = json.get("notes").and_then(Json::as_array);
            notes.is_some_and(|notes| {
                notes.iter().filter_map(Json::as_str).any(|note| note.starts_with(what))
            })
        };
        let answers = match json.get("mocks").and_then(Json::as_array) {
            Some(mocks) => mocks.iter().map(answers::of_mock).collect(),
            None => answers::of_events(&events),
        };
        Ok(Self {
            is_open: !type_of(last).starts_with("Execution") || type_of(last) == "ExecutionStarted",
            is_unordered: noted("parallel_unordered"),
            has_times: true,
            answers,
            input,
            identity: identity(json, first),
            start,
            stop,
            objects: objects(json),
            definition: json.get("definition").cloned(),
            notes,
            events,
        })
    }

    /// As the execution with this ARN: what the context object says of it.
    #[must_use]
    pub fn of_execution(mut self, arn: &str) -> Self {
        let mut parts = arn.rsplitn(3, ':');
        let (name, machine) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let before = parts.next().unwrap_or_default();
        let region = arn.split(':').nth(3).unwrap_or("us-east-1");
        self.identity = Identity {
            execution_arn: arn.into(),
            name: name.into(),
            state_machine_arn: format!(
                "{}:stateMachine:{machine}",
                before.strip_suffix(":execution").unwrap_or(before)
            )
            .into(),
            state_machine_name: machine.into(),
            region: region.into(),
            ..self.identity
        };
        self
    }
}

fn identity(json: &Json, started: &Json) -> Identity {
    let text = |key: &str| json.get(key).and_then(Json::as_str).filter(|text| !text.is_empty());
    let machine = text("state_machine_name").unwrap_or("machine");
    let name = text("execution_name").unwrap_or("0f6d4a1e-3c55-4d0e-9d7a-5a1c0b6e2f10");
    let account = "111111111111";
    let arn = |kind: &str, rest: &str| -> Str {
        format!("arn:aws:states:us-east-1:{account}:{kind}:{rest}").into()
    };
    let role = stepwright_timeline::recorded::detail(started, "roleArn");
    Identity {
        execution_arn: arn("execution", &format!("{machine}:{name}")),
        name: name.into(),
        role_arn: text("role_arn").map(Str::from).or(role).unwrap_or_default(),
        state_machine_arn: arn("stateMachine", machine),
        state_machine_name: machine.into(),
        region: "us-east-1".into(),
    }
}

/// The objects of a case file: buckets, keys, and contents.
pub fn objects(json: &Json) -> MemoryObjects {
    let mut objects =
        MemoryObjects { last_modified: DEFAULT_START.0 / 1_000, ..MemoryObjects::default() };
    let buckets = json.get("fixtures").and_then(|fixtures| fixtures.get("s3"));
    for (bucket, keys) in buckets.and_then(Json::as_object).into_iter().flat_map(Object::iter) {
        for (key, content) in keys.as_object().into_iter().flat_map(Object::iter) {
            let text = match content {
                Json::String(text) => text.to_string(),
                other => other.to_string(),
            };
            objects = objects.with(bucket, key, text);
        }
    }
    objects
}
