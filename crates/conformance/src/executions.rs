//! Executions that were recorded on AWS, run in the simulator.

use crate::Verdict;
use crate::case::{self, Case};
use std::path::Path;
use stepwright_asl::Definition;
use stepwright_history::{Failure, Identity, Moment, Stage};
use stepwright_json::{Json, Object, Str};
use stepwright_program::{Program, Vintage, time};
use stepwright_simulator::{
    Answer, Call, DEFAULT_START, MemoryObjects, MockCase, MockConfig, Outcome, Run, Simulation,
    Status, Tasks,
};
use stepwright_testkit::matcher::{self, Matcher};
use stepwright_testkit::{Answers, Recording, type_of};

const ACCOUNT: &str = "111111111111";

/// Runs every recorded execution.
pub fn run_all(data: &Path) -> Result<Vec<Verdict>, String> {
    let cases = case::load(data, "conformance/asl/cases")?;
    Ok(cases.iter().filter(|case| case.text("kind") == "execution").map(run).collect())
}

/// The program of a case's definition.
pub fn compile(definition: &Json) -> Result<Program, String> {
    let definition = match definition {
        Json::String(text) => Definition::parse(text, stepwright_json::Syntax::Strict)
            .map_err(|error| error.to_string())?,
        other => Definition::from_json(other),
    };
    stepwright_program::compile(&definition).map_err(|diagnostics| {
        diagnostics.iter().map(|d| d.message.clone()).collect::<Vec<_>>().join("; ")
    })
}

/// Who a case's execution is.
pub fn identity(case: &Case) -> Identity {
    let machine = case.text("state_machine_name");
    let name = match case.text("execution_name") {
        "" => "0f6d4a1e-3c55-4d0e-9d7a-5a1c0b6e2f10",
        name => name,
    };
    Identity {
        execution_arn: format!("arn:aws:states:us-east-1:{ACCOUNT}:execution:{machine}:{name}")
            .into(),
        name: name.into(),
        role_arn: role_arn(case),
        state_machine_arn: format!("arn:aws:states:us-east-1:{ACCOUNT}:stateMachine:{machine}")
            .into(),
        state_machine_name: machine.into(),
        region: "us-east-1".into(),
    }
}

/// The role the machine was created with. A few cases name it only in what was recorded.
fn role_arn(case: &Case) -> Str {
    let expected = case.get("expected");
    let recorded = || {
        let started = expected.get("history")?.at(0)?.get("executionStartedEventDetails")?;
        started.get("roleArn")?.as_str().map(Str::from)
    };
    match case.text("role_arn") {
        "" => recorded().unwrap_or_default(),
        role => role.into(),
    }
}

fn run(case: &Case) -> Verdict {
    let mut verdict = Verdict::new("execution", case.file.clone());
    let program = match compile(&case.get("definition")) {
        Ok(program) => Program { vintage: vintage(case), ..program },
        Err(why) => {
            verdict.measure("status", Err(format!("does not compile: {why}")));
            return verdict;
        }
    };
    let run = simulate(case, &program);
    score(&mut verdict, case, &run);
    verdict
}

/// AWS as it was when the case was recorded: `06-11-2024, 12:26:40`.
pub(crate) fn vintage(case: &Case) -> Vintage {
    let source = case.get("source");
    let date = source.get("recorded_date").and_then(Json::as_str).unwrap_or_default();
    let number =
        |range: std::ops::Range<usize>| date.get(range).and_then(|d| d.parse::<u32>().ok());
    match (number(6..10), number(3..5)) {
        (Some(year), Some(month)) => Vintage::month(year * 100 + month),
        _ => Vintage::TODAY,
    }
}

/// When a case begins, and with which input: some speak of moments a while after their beginning.
pub(crate) fn beginning(case: &Case) -> (Moment, Json) {
    let mut input = case.get("input");
    let mut start = DEFAULT_START;
    if let Some(relative) = case.json.get("now_relative") {
        let text = |key: &str| relative.get(key).and_then(Json::as_str);
        if let Some(now) = text("reference_now").and_then(time::parse) {
            start = Moment(now);
        } else if let Some(field) = text("input_field") {
            let days = relative.get("offset_days").and_then(Json::as_f64).unwrap_or_default();
            let at = start.0 + (days * 86_400_000.0) as i64;
            let mut object = input.as_object().cloned().unwrap_or_default();
            object.insert(field, time::format(at).into());
            input = object.into();
        }
    }
    (start, input)
}

fn simulate(case: &Case, program: &Program) -> Run {
    let (start, input) = beginning(case);
    let mut simulation = Simulation::new(program)
        .input(input)
        .identity(identity(case))
        .start(start)
        .objects(fixtures(case));
    for action in case.list("actions") {
        let text = |key: &str| action.get(key).and_then(Json::as_str).map(Str::from);
        if action.to_string().contains("stop_execution") {
            let failure = Failure { error: text("error"), cause: text("cause") };
            simulation = simulation.stop_at(start.after_millis(500), failure);
        }
    }
    if case.get("expected").get("status").and_then(Json::as_str) == Some("RUNNING") {
        simulation = simulation.end(start.after_millis(1_000));
    }
    simulation.run(&mut Recorded::new(case))
}

/// The test case of a case's `MockConfigFile.json`.
pub(crate) fn mock_case(case: &Case) -> Option<MockCase> {
    let config = MockConfig::read(&case.json.get("mock_config").filter(|c| !c.is_null())?.clone());
    let config = config.ok()?;
    let machine = config.machines().first().map(|name| (*name).to_owned())?;
    config.case(&machine, case.text("mock_test_case"))
}

pub(crate) fn fixtures(case: &Case) -> MemoryObjects {
    stepwright_testkit::objects(&case.json)
}

/// Answers as AWS's services did when the case was recorded.
#[derive(Debug)]
pub struct Recorded {
    answers: Answers,
    lambdas: Object,
    mock_case: Option<MockCase>,
}

impl Recorded {
    /// The answers of a case.
    pub fn new(case: &Case) -> Self {
        let recording = Recording::read(&case.json).ok();
        Self {
            answers: Answers::new(recording.map(|found| found.answers).unwrap_or_default()),
            lambdas: case.get("lambdas").as_object().cloned().unwrap_or_default(),
            mock_case: mock_case(case),
        }
    }

    /// What one of the test's functions would have answered.
    fn function(&self, call: &Call<'_>) -> Option<Answer> {
        let parameters = &call.call.parameters;
        let is_invoke = call.call.resource.ends_with("lambda:invoke");
        let name = if is_invoke {
            parameters.get("FunctionName").and_then(Json::as_str)?
        } else {
            &call.call.resource
        };
        let short = name.rsplit(':').next().unwrap_or(name);
        let lambda = self.lambdas.get(short)?;
        if lambda.get("handler").and_then(Json::as_str) != Some("id_function.py") {
            return None;
        }
        let event = if is_invoke {
            parameters.get("Payload").cloned().unwrap_or_default()
        } else {
            parameters.clone()
        };
        if !is_invoke {
            return Some(Answer::returns(event));
        }
        let mut reply = Object::new();
        reply.insert("ExecutedVersion", "$LATEST".into());
        reply.insert("Payload", event);
        reply.insert("StatusCode", Json::Int(200));
        Some(Answer::returns(reply.into()))
    }
}

impl Tasks for Recorded {
    fn answer(&mut self, call: &Call<'_>) -> Answer {
        let resource = &call.call.resource;
        if let Some(answer) = self.answers.answer(call) {
            return answer;
        }
        if resource.contains(":activity:") {
            // Nothing was recorded of it: the activity was gone before.
            let cause = format!("The activity {resource} does not exist.");
            let failure = Failure::new("States.Runtime", cause);
            return Answer::new(Outcome::Fails(failure, Stage::Schedule));
        }
        let of_case = self.mock_case.as_mut().and_then(|case| case.answer(call));
        self.function(call).or(of_case).unwrap_or_else(|| {
            Answer::fails("Stepwright.NoRecording", "nothing was recorded for this call")
        })
    }
}

/// What a run ended with, as the recordings show it.
pub fn ending(status: &Status) -> (Json, Json, Json) {
    let text = |text: &Option<Str>| text.clone().map_or(Json::Null, Json::String);
    match status {
        Status::Succeeded { output } => (output.clone(), Json::Null, Json::Null),
        Status::Failed { failure } | Status::TimedOut { failure } | Status::Aborted { failure } => {
            (Json::Null, text(&failure.error), text(&failure.cause))
        }
        Status::NotStarted | Status::Running => (Json::Null, Json::Null, Json::Null),
    }
}

pub(crate) fn score(verdict: &mut Verdict, case: &Case, run: &Run) {
    let expected = case.get("expected");
    let field = |key: &str| expected.get(key).cloned().unwrap_or_default();
    let (output, error, cause) = ending(&run.status);
    let compare =
        |expected: &Json, actual: &Json| Matcher::default().compare(expected, actual, "$");
    verdict.measure("status", compare(&field("status"), &run.status.name().into()));
    if field("status").as_str() == Some("SUCCEEDED") {
        verdict.measure("output", compare(&field("output"), &output));
    } else {
        verdict.measure("error", compare(&field("error"), &error));
        verdict.measure("cause", compare(&field("cause"), &cause));
    }
    let Some(recorded) = expected.get("history").and_then(Json::as_array) else { return };
    let actual = run.history();
    let notes = case.notes();
    let notes: Vec<&str> = notes.iter().map(|note| short(note)).collect();
    verdict.measure("event types", event_types(recorded, &actual, &notes));
    verdict.measure("history", matcher::history(recorded, &actual, &notes));
}

fn short(note: &str) -> &str {
    ["parallel_unordered", "still_running"]
        .into_iter()
        .find(|known| note.starts_with(known))
        .unwrap_or(note)
}

fn event_types(expected: &[Json], actual: &[Json], notes: &[&str]) -> Result<(), String> {
    let mut expected: Vec<&str> = expected.iter().map(type_of).collect();
    let normalised;
    let mut actual: Vec<&str> = if notes.contains(&"parallel_unordered") {
        normalised = matcher::parallel_normalise(actual);
        normalised.iter().map(type_of).collect()
    } else {
        actual.iter().map(type_of).collect()
    };
    if notes.contains(&"parallel_unordered") {
        expected.sort_unstable();
        actual.sort_unstable();
    }
    if notes.contains(&"still_running") {
        actual.truncate(expected.len());
    }
    if expected == actual {
        return Ok(());
    }
    Err(format!("event types differ: {expected:?} vs {actual:?}"))
}
