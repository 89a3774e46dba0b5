//! What clients were told, and whether it is still so at the end.

use crate::support::{Answer, Client, text};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::{Duration, Instant};
use stepwright_json::{Json, json};

/// An event: its number, its type, and for a task's success its output.
type Event = (i64, String, Option<String>);

/// What is known of one execution.
#[derive(Clone, Debug, Default)]
struct Execution {
    /// The longest history that was read.
    history: Vec<Event>,
    /// The status that it was seen to end with.
    end: Option<String>,
    /// Whether somebody tried to stop it.
    may_be_stopped: bool,
    /// Outputs of tasks that were acknowledged.
    outputs: BTreeSet<String>,
}

/// What all clients have seen.
#[derive(Debug, Default)]
pub(super) struct Seen(Mutex<BTreeMap<String, Execution>>);

/// How long everything may take to end once nothing goes wrong any more.
const LONGEST: Duration = Duration::from_mins(2);

impl Seen {
    fn with<R>(&self, arn: &str, what: impl FnOnce(&mut Execution) -> R) -> R {
        what(self.0.lock().expect("nobody panics").entry(arn.to_owned()).or_default())
    }

    pub(super) fn started(&self, arn: &str) {
        self.with(arn, |_| {});
    }

    pub(super) fn count(&self) -> usize {
        self.0.lock().expect("nobody panics").len()
    }

    /// One of the executions.
    pub(super) fn any(&self, chance: u64) -> Option<String> {
        let all = self.0.lock().expect("nobody panics");
        let at = chance as usize % all.len().max(1);
        all.keys().nth(at).cloned()
    }

    pub(super) fn is_being_stopped(&self, arn: &str) {
        self.with(arn, |execution| execution.may_be_stopped = true);
    }

    /// The stop of an execution, or the end that was there before, was acknowledged.
    pub(super) fn was_stopped(&self, arn: &str, client: &Client) {
        let body = json!({"executionArn": (arn)});
        if let Answer::Ok(described) = client.call("DescribeExecution", &body) {
            assert_ne!(text(&described, "status"), "RUNNING", "{arn} was stopped");
            self.ended(arn, &text(&described, "status"));
        }
    }

    pub(super) fn output(&self, arn: &str, output: &str) {
        let is_new = self.with(arn, |execution| execution.outputs.insert(output.to_owned()));
        assert!(is_new, "{arn}: {output} was acknowledged twice");
    }

    fn ended(&self, arn: &str, status: &str) {
        self.with(arn, |execution| {
            let before = execution.end.get_or_insert_with(|| status.to_owned());
            assert_eq!(before, status, "{arn} has ended twice");
        });
    }

    /// Reads an execution's status and history, and compares them with what was read before.
    pub(super) fn read(&self, arn: &str, client: &Client) {
        // What was known before the question was asked must be in the answer.
        let (before, end) =
            self.with(arn, |execution| (execution.history.clone(), execution.end.clone()));
        let body = json!({"executionArn": (arn)});
        if let Answer::Ok(described) = client.call("DescribeExecution", &body) {
            let status = text(&described, "status");
            if status != "RUNNING" {
                self.ended(arn, &status);
            }
            assert!(end.is_none() || status != "RUNNING", "{arn} had ended: {end:?}");
        }
        let Some(events) = history(arn, client) else { return };
        assert!(events.starts_with(&before), "{arn}: {before:?} became {events:?}");
        self.with(arn, |execution| {
            let is_longer = events.len() > execution.history.len();
            let (longer, shorter) = if is_longer {
                (&events, &execution.history)
            } else {
                (&execution.history, &events)
            };
            assert!(longer.starts_with(shorter), "{arn}: {shorter:?} and {longer:?}");
            if is_longer {
                execution.history = events;
            }
        });
    }

    /// Once nothing goes wrong any more: everything ends, and all that clients were told is so.
    pub(super) fn examine(&self, clients: &[Client]) {
        let all = self.0.lock().expect("nobody panics").clone();
        let end = Instant::now() + LONGEST;
        for (at, (arn, known)) in all.iter().enumerate() {
            let client = &clients[at % clients.len()];
            let body = json!({"executionArn": (arn.as_str())});
            let described = loop {
                match client.call("DescribeExecution", &body) {
                    Answer::Ok(described) if text(&described, "status") != "RUNNING" => {
                        break described;
                    }
                    Answer::Refused(name, _) if name == "ExecutionDoesNotExist" => {
                        panic!("{arn} was acknowledged and is gone")
                    }
                    other => assert!(Instant::now() < end, "{arn} does not end: {other:?}"),
                }
                std::thread::sleep(Duration::from_millis(100));
            };
            let status = text(&described, "status");
            assert!(
                status == "SUCCEEDED" || (status == "ABORTED" && known.may_be_stopped),
                "{described}"
            );
            if let Some(end) = &known.end {
                assert_eq!(*end, status, "{arn}");
            }
            let events = history(arn, client).unwrap_or_else(|| panic!("{arn} cannot be read"));
            assert!(events.starts_with(&known.history), "{arn}: {:?}, {events:?}", known.history);
            let numbers: Vec<i64> = events.iter().map(|(id, ..)| *id).collect();
            assert_eq!(numbers, (1..=events.len() as i64).collect::<Vec<_>>(), "{arn}");
            let count = |kind: &str| events.iter().filter(|(_, one, _)| one == kind).count();
            assert_eq!(count("ExecutionStarted"), 1, "{arn}: {events:?}");
            let ends = count("ExecutionSucceeded") + count("ExecutionAborted");
            assert_eq!(ends, 1, "{arn}: {events:?}");
            for output in &known.outputs {
                let with = events.iter().filter(|(.., with)| with.as_ref() == Some(output));
                assert_eq!(with.count(), 1, "{arn}: {output} in {events:?}");
            }
        }
    }
}

/// The whole history; `None` if it cannot be read at the moment.
fn history(arn: &str, client: &Client) -> Option<Vec<Event>> {
    let mut events = Vec::new();
    let mut next: Option<String> = None;
    loop {
        let mut body = json!({"executionArn": (arn)});
        if let (Json::Object(members), Some(next)) = (&mut body, next.take()) {
            members.insert("nextToken", next.into());
        }
        let Answer::Ok(reply) = client.call("GetExecutionHistory", &body) else { return None };
        for event in reply.get("events").and_then(Json::as_array)? {
            let details = event.get("taskSucceededEventDetails");
            let details = details.or_else(|| event.get("activitySucceededEventDetails"));
            let output = details.and_then(|details| details.get("output")?.as_str());
            let id = event.get("id").and_then(Json::as_i64)?;
            events.push((id, text(event, "type"), output.map(str::to_owned)));
        }
        next = reply.get("nextToken").and_then(Json::as_str).map(str::to_owned);
        if next.is_none() {
            return Some(events);
        }
    }
}
