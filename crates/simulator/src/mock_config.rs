//! `MockConfigFile.json`, the mock file of Step Functions Local.

use crate::{Answer, Call, Outcome};
use std::collections::BTreeMap;
use stepwright_history::{Failure, Stage, TaskCall, TaskKind};
use stepwright_json::{Json, Object, Str};

/// The answers of a mock file, by state machine, test case and state.
#[derive(Clone, Debug, Default)]
pub struct MockConfig {
    machines: BTreeMap<String, BTreeMap<String, TestCase>>,
    ignored: Vec<String>,
}

/// The answers of each state, or why there are none. As in Step Functions Local, that matters only
/// when the state calls: a test case may be unfinished while another one is run.
type TestCase = BTreeMap<String, Result<Vec<Response>, MockConfigError>>;

/// What a state's calls with these numbers are answered.
#[derive(Clone, Debug)]
struct Response {
    first: u64,
    last: u64,
    answer: Result<Json, Failure>,
}

/// A mock file cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MockConfigError {
    /// What is wrong, and where: `StateMachines.Machine.TestCases.Case.State`.
    pub what: String,
}

impl std::fmt::Display for MockConfigError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for MockConfigError {}

fn wrong<T>(what: impl Into<String>) -> Result<T, MockConfigError> {
    Err(MockConfigError { what: what.into() })
}

/// The object at a key; an error where there is something else.
fn object<'j>(value: &'j Json, key: &str, place: &str) -> Result<&'j Object, MockConfigError> {
    match value.get(key) {
        Some(Json::Object(object)) => Ok(object),
        Some(other) => wrong(format!("`{place}{key}` is {} and must be an object", other.kind())),
        None => wrong(format!("`{place}{key}` is missing")),
    }
}

/// The answers that a state of a test case names.
fn named(
    response: &Json,
    responses: &Object,
    place: &str,
) -> Result<Vec<Response>, MockConfigError> {
    let Some(name) = response.as_str() else {
        return wrong(format!("`{place}` must name a mocked response"));
    };
    match responses.get(name) {
        Some(found) => read_responses(name, found),
        None => wrong(format!("`{place}` names `{name}`, which is not mocked")),
    }
}

impl MockConfig {
    /// Reads a mock file. What a test case's state names is looked at when that state calls.
    pub fn read(file: &Json) -> Result<Self, MockConfigError> {
        let keys = file.as_object().into_iter().flat_map(Object::keys);
        let ignored = keys
            .filter(|key| !["StateMachines", "MockedResponses"].contains(&key.as_str()))
            .map(ToString::to_string)
            .collect();
        let responses = object(file, "MockedResponses", "")?;
        let mut machines = BTreeMap::new();
        for (name, machine) in object(file, "StateMachines", "")?.iter() {
            let place = format!("StateMachines.{name}.");
            let mut cases = BTreeMap::new();
            for (case, states) in object(machine, "TestCases", &place)?.iter() {
                let place = format!("{place}TestCases.{case}");
                let Some(states) = states.as_object() else {
                    return wrong(format!("`{place}` must be an object"));
                };
                let mut test_case = TestCase::new();
                for (state, response) in states.iter() {
                    let place = format!("{place}.{state}");
                    test_case.insert(state.to_string(), named(response, responses, &place));
                }
                cases.insert(case.to_string(), test_case);
            }
            machines.insert(name.to_string(), cases);
        }
        Ok(Self { machines, ignored })
    }

    /// What is to be said of members of the file that mean nothing. Step Functions Local ignores
    /// them, too.
    pub fn notes(&self) -> impl Iterator<Item = String> + '_ {
        self.ignored.iter().map(|key| {
            format!("`{key}` means nothing; a mock file has `StateMachines` and `MockedResponses`")
        })
    }

    /// Whether a machine has a test case of this name.
    pub fn has(&self, machine: &str, case: &str) -> bool {
        self.machines.get(machine).is_some_and(|cases| cases.contains_key(case))
    }

    /// The names of a machine's test cases.
    pub fn cases(&self, machine: &str) -> Vec<&str> {
        self.machines.get(machine).into_iter().flatten().map(|(name, _)| name.as_str()).collect()
    }

    /// The names of the machines that have test cases.
    pub fn machines(&self) -> Vec<&str> {
        self.machines.keys().map(String::as_str).collect()
    }

    /// A test case, ready to answer. None where the machine has no such test case.
    pub fn case(&self, machine: &str, case: &str) -> Option<MockCase> {
        self.has(machine, case).then(|| MockCase {
            config: self.clone(),
            machine: machine.to_owned(),
            case: case.to_owned(),
            calls: BTreeMap::new(),
        })
    }

    /// The answer to a state's call of this number, counted from 0 over a whole execution, retries
    /// included. None where the test case leaves the state alone.
    ///
    /// A call whose end is awaited (`.sync`, `.waitForTaskToken`) is submitted before it ends. A
    /// call that has no answer any more fails.
    pub fn answer(
        &self,
        machine: &str,
        case: &str,
        call: &TaskCall,
        number: u64,
    ) -> Option<Answer> {
        let responses = self.machines.get(machine)?.get(case)?.get(call.state.as_str())?;
        let responses = match responses {
            Ok(responses) => responses,
            Err(error) => return Some(Answer::fails("States.Runtime", error.what.clone())),
        };
        let found =
            responses.iter().find(|response| response.first <= number && number <= response.last);
        let Some(response) = found else {
            let cause = format!(
                "The mock of the state `{}` has no answer for its call number {number}",
                call.state
            );
            return Some(Answer::fails("States.Runtime", cause));
        };
        let mut answer = match &response.answer {
            Ok(output) => Answer::returns(result(output, call)),
            Err(failure) => Answer::new(Outcome::Fails(failure.clone(), Stage::Run)),
        };
        if is_submitted(call) {
            answer.submitted = Some(response.answer.clone().unwrap_or_default());
        }
        Some(answer)
    }
}

/// One test case that answers calls. Each state of each execution has one counter, which retries
/// count through, too.
#[derive(Clone, Debug)]
pub struct MockCase {
    config: MockConfig,
    machine: String,
    case: String,
    calls: BTreeMap<(String, Str), u64>,
}

impl MockCase {
    /// The answer to the next call of a state. None where the test case leaves the state alone.
    pub fn answer(&mut self, call: &Call<'_>) -> Option<Answer> {
        let key = (call.execution.to_owned(), call.call.state.clone());
        let number = self.calls.get(&key).copied().unwrap_or(0);
        let answer = self.config.answer(&self.machine, &self.case, call.call, number)?;
        self.calls.insert(key, number + 1);
        Some(answer)
    }

    /// The states that it answers, in order of their names.
    pub fn states(&self) -> Vec<&str> {
        let case = self.config.machines.get(&self.machine).and_then(|c| c.get(&self.case));
        case.into_iter().flat_map(BTreeMap::keys).map(String::as_str).collect()
    }

    /// The states that it would have answered, and that called nothing.
    pub fn unused(&self) -> Vec<&str> {
        let is_used = |state: &str| self.calls.keys().any(|(_, called)| called == state);
        self.states().into_iter().filter(|state| !is_used(state)).collect()
    }
}

/// What Lambda's API answers an invocation with.
const REPLY: [&str; 7] = [
    "Payload",
    "StatusCode",
    "ExecutedVersion",
    "FunctionError",
    "LogResult",
    "SdkHttpMetadata",
    "SdkResponseMetadata",
];

/// What a task gets of a mocked answer. Mock files give a function's answer as Lambda's API does;
/// a task that names the function by its ARN gets what the function returned.
fn result(output: &Json, call: &TaskCall) -> Json {
    let Some(reply) = output.as_object() else { return output.clone() };
    let is_reply = reply.keys().all(|key| REPLY.contains(&key.as_str()));
    match reply.get("Payload") {
        Some(payload) if is_reply && call.kind == TaskKind::Lambda => payload.clone(),
        _ => output.clone(),
    }
}

/// Whether a call is answered first and ends later.
fn is_submitted(call: &TaskCall) -> bool {
    match &call.kind {
        TaskKind::Service { action, .. } => {
            [".sync", ".sync:2", ".waitForTaskToken"].iter().any(|end| action.ends_with(end))
        }
        TaskKind::Lambda | TaskKind::Activity | TaskKind::Whole => false,
    }
}

fn read_responses(name: &str, value: &Json) -> Result<Vec<Response>, MockConfigError> {
    let place = format!("MockedResponses.{name}");
    let Some(members) = value.as_object() else {
        return wrong(format!("`{place}` must be an object"));
    };
    let mut responses = Vec::new();
    for (range, answer) in members.iter() {
        let place = format!("{place}.{range}");
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (Ok(first), Ok(last)) = (first.trim().parse(), last.trim().parse()) else {
            return wrong(format!("`{place}`: a key is a number (`0`) or a range (`1-3`)"));
        };
        if first > last {
            return wrong(format!("`{place}`: a range begins with its lower number"));
        }
        let answer = match (answer.get("Return"), answer.get("Throw")) {
            (Some(output), None) => Ok(output.clone()),
            (None, Some(thrown)) => {
                let text = |key: &str| thrown.get(key).and_then(Json::as_str).map(Str::from);
                if text("Error").is_none() {
                    return wrong(format!("`{place}.Throw` has no `Error`"));
                }
                Err(Failure { error: text("Error"), cause: text("Cause") })
            }
            _ => return wrong(format!("`{place}` needs either `Return` or `Throw`")),
        };
        responses.push(Response { first, last, answer });
    }
    Ok(responses)
}
