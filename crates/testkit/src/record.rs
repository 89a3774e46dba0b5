//! A recorded execution, made a test file.

use crate::file::load;
use crate::replay::{RecordedAnswer, Recording, replay};
use crate::run::NoFunctions;
use crate::trace::Trace;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use stepwright_history::Failure;
use stepwright_json::{Json, Object, Str};
use stepwright_program::{Program, time};
use stepwright_simulator::{Answer, Outcome, Status};

/// A test file, as text, and what it does not hold.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// The file, in YAML.
    pub text: String,
    /// What could not be taken over, in words.
    pub notes: Vec<String>,
}

/// Makes a test file: its mocks answer what the tasks answered, and it expects what happened.
/// `definition_file` is the name of the definition beside it, `definition` its bytes.
pub fn record(
    recording: &Recording,
    name: &str,
    program: &Program,
    definition_file: &str,
    definition: &[u8],
) -> Recorded {
    let mut notes = recording.notes.clone();
    // A server may be late; the mocks are not.
    let untimed = Recording { has_times: false, ..recording.clone() };
    let replayed = replay(program, &untimed, &mut |_| None);
    if let Some(departure) = &replayed.departure {
        notes.push(format!("the simulator does not reproduce the execution: {departure}"));
    }
    for state in &replayed.unanswered {
        notes.push(format!("the history has no answer for `{state}`: mock it"));
    }
    let trace = Trace::read(program, &replayed.run.events, &[]);
    let path: Vec<Json> = trace.path.iter().map(|visit| visit.name.clone().into()).collect();
    let mut expect: Vec<(&str, Json)> = vec![("status", replayed.run.status.name().into())];
    match &replayed.run.status {
        Status::Succeeded { output } => expect.push(("output", output.clone())),
        Status::Failed { failure } | Status::TimedOut { failure } | Status::Aborted { failure } => {
            let Failure { error, cause } = failure;
            expect.extend(error.clone().map(|error| ("error", error.into())));
            expect.extend(cause.clone().map(|cause| ("cause", cause.into())));
        }
        Status::NotStarted | Status::Running => {}
    }
    expect.push(("path", path.into()));
    let stop = recording.stop.clone().map(|(at, failure)| {
        let mut stop = Object::new();
        let after = (at.0 - recording.start.0).max(0) as f64 / 1_000.0;
        stop.insert("after", Json::Float(after));
        for (key, text) in [("error", failure.error), ("cause", failure.cause)] {
            if let Some(text) = text {
                stop.insert(key, text.into());
            }
        }
        Json::Object(stop)
    });
    // What a second run does not do again is not expected: random numbers, the time of the day.
    loop {
        let text = write(recording, name, definition_file, stop.as_ref(), &expect, &notes);
        let read = |file: &str| match file {
            file if file == definition_file => Ok(definition.to_vec()),
            other => Err(format!("{other} is not there")),
        };
        let Ok(file) = load("recorded.test.yaml", &text, &read) else {
            return Recorded { text, notes };
        };
        let result = file.run(&file.cases[0], &NoFunctions, &|_| None);
        let before = expect.len();
        expect.retain(|(key, _)| !result.mismatches.iter().any(|mismatch| mismatch.what == *key));
        if expect.len() == before {
            return Recorded { text, notes };
        }
        notes.push("what differs from run to run is not expected: complete the test".to_owned());
        notes.dedup();
    }
}

fn write(
    recording: &Recording,
    name: &str,
    definition_file: &str,
    stop: Option<&Json>,
    expect: &[(&str, Json)],
    notes: &[String],
) -> String {
    let mut out = format!("# Recorded from {}.\n", recording.identity.execution_arn);
    for note in notes {
        writeln!(out, "# Note: {}", note.replace('\n', " ")).expect("strings grow");
    }
    let text = |text: &str| Json::from(text).to_string();
    let line = |out: &mut String, line: String| writeln!(out, "{line}").expect("strings grow");
    line(&mut out, format!("definition: {}", text(definition_file)));
    line(&mut out, format!("cases:\n  - name: {}", text(name)));
    line(&mut out, format!("    input: {}", recording.input));
    let identity = &recording.identity;
    line(&mut out, "    context:".to_owned());
    line(
        &mut out,
        format!(
            "      Execution: {{Id: {}, Name: {}, RoleArn: {}, StartTime: {}}}",
            text(&identity.execution_arn),
            text(&identity.name),
            text(&identity.role_arn),
            text(&time::format(recording.start.0))
        ),
    );
    line(
        &mut out,
        format!(
            "      StateMachine: {{Id: {}, Name: {}}}",
            text(&identity.state_machine_arn),
            text(&identity.state_machine_name)
        ),
    );
    if let Some(stop) = stop {
        line(&mut out, format!("    stop: {stop}"));
    }
    let mocks = mocks(&recording.answers);
    if !mocks.is_empty() {
        line(&mut out, "    mocks:".to_owned());
        for (state, mock) in mocks {
            line(&mut out, format!("      {}:", text(&state)));
            match mock {
                Json::Array(answers) => {
                    for answer in &answers {
                        line(&mut out, format!("        - {answer}"));
                    }
                }
                answer => line(&mut out, format!("        {answer}")),
            }
        }
    }
    line(&mut out, "    expect:".to_owned());
    for (key, value) in expect {
        line(&mut out, format!("      {key}: {value}"));
    }
    out
}

/// The answers of each state, in the form of a mocks file.
pub(crate) fn mocks(answers: &[RecordedAnswer]) -> Vec<(Str, Json)> {
    let mut states: BTreeMap<Str, Vec<&RecordedAnswer>> = BTreeMap::new();
    for answer in answers {
        states.entry(answer.state.clone()).or_default().push(answer);
    }
    states.into_iter().map(|(state, answers)| (state, mock(&answers))).collect()
}

fn mock(answers: &[&RecordedAnswer]) -> Json {
    let shown: Vec<Object> = answers.iter().map(|recorded| answer(&recorded.answer)).collect();
    if let [only] = &shown[..] {
        return only.clone().into();
    }
    if shown.iter().all(|answer| *answer == shown[0]) {
        return shown[0].clone().into();
    }
    // Iterations of a Map may call in another order the next time.
    let in_one_map = answers.iter().all(|recorded| recorded.map_path.len() == 1);
    if !in_one_map {
        return shown.into_iter().map(Json::Object).collect::<Vec<_>>().into();
    }
    let cases = answers.iter().zip(shown).map(|(recorded, shown)| {
        let item = recorded.map_path[0].1;
        let (entry, attempt) = (recorded.entry, recorded.attempt);
        let when = format!("{{% $item = {item} and $entry = {entry} and $attempt = {attempt} %}}");
        let mut case = Object::new();
        case.insert("when", when.into());
        for (key, value) in shown.iter() {
            case.insert(key.clone(), value.clone());
        }
        Json::Object(case)
    });
    cases.collect::<Vec<_>>().into()
}

/// An answer in the form of a mocks file.
pub(crate) fn answer(answer: &Answer) -> Object {
    let mut object = Object::new();
    match &answer.outcome {
        Outcome::Returns(output) => {
            object.insert("return", output.clone());
        }
        Outcome::Fails(failure, _) => {
            let mut fail = Object::new();
            for (key, text) in [("error", &failure.error), ("cause", &failure.cause)] {
                if let Some(text) = text {
                    fail.insert(key, text.clone().into());
                }
            }
            object.insert("fail", fail.into());
        }
        // Mocks do not stop executions: the task itself did not end.
        Outcome::Never | Outcome::Stops(_) => {
            object.insert("never", Json::Bool(true));
        }
    }
    if answer.after_millis > 0 {
        object.insert("after", format!("{}ms", answer.after_millis).into());
    }
    if let Some(submitted) = &answer.submitted {
        object.insert("submitted", submitted.clone());
    }
    if let Some(worker) = &answer.worker {
        object.insert("worker", worker.clone().into());
    }
    object
}
