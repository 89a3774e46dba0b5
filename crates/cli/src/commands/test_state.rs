use crate::args::{Inspection, TestState};
use crate::config::Config;
use crate::functions::Called;
use crate::report::{self, Failure};
use crate::{input, project};
use std::process::ExitCode;
use stepwright_engine::Trace;
use stepwright_history::Moment;
use stepwright_json::{Json, Object};
use stepwright_simulator::{
    FieldValidation, Mock, StateConfiguration, StateOutcome, StateReport, StateTest,
};

/// `stepwright test-state`
pub(crate) fn run(arguments: &TestState) -> Result<ExitCode, Failure> {
    let config = Config::find(arguments.config.as_deref(), &arguments.file)?;
    let object = |name: &str, text: Option<&String>| match text {
        None => Ok(None),
        Some(text) => match json(name, text)? {
            Json::Object(members) => Ok(Some(members)),
            other => Err(Failure::new(format!("{name} is an object, not {other}"))),
        },
    };
    let (definition, state) = definition(arguments)?;
    let test = StateTest {
        definition,
        state,
        input: match &arguments.input {
            Some(text) => json("--input", text)?,
            None => Object::new().into(),
        },
        variables: object("--variables", arguments.variables.as_ref())?.unwrap_or_default(),
        identity: None,
        context: object("--context", arguments.context.as_ref())?.map(Json::from),
        mock: mock(arguments)?,
        configuration: StateConfiguration {
            retrier_retry_count: arguments.retrier_retry_count,
            error_caused_by_state: arguments.error_caused_by_state.clone(),
            map_iteration_failure_count: arguments.map_iteration_failure_count,
            map_item_reader_data: match &arguments.map_item_reader_data {
                Some(path) => Some(input::read_text(path)?),
                None => None,
            },
        },
    };
    let since_1970 = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now = Moment(since_1970.unwrap_or_default().as_millis() as i64);
    let mut testing = test.begin(now).map_err(|error| Failure::new(error.to_string()))?;
    let trace = Trace::new(arguments.reveal_secrets);
    if let Some(call) = testing.call().cloned() {
        let functions = Called::new(&config, config.aws.clone())?;
        let called = functions.call(None, &call, Some(&trace));
        functions.shut_down();
        let (_, ended) = called.ok_or_else(|| {
            let what = format!("nothing answers the task's call of {}", call.resource);
            Failure::new(what).help(
                "say what it comes to with --mock-result or --mock-error, or name the function in \
                 stepwright.toml",
            )
        })?;
        testing.answer(ended);
    }
    let mut report = testing.finish();
    report.exchanged = trace.take().filter(|_| arguments.inspection_level == Inspection::Trace);
    report::print_json(&readable(&report, arguments.inspection_level));
    Ok(match report.outcome {
        StateOutcome::Succeeded { .. } | StateOutcome::Caught { .. } => ExitCode::SUCCESS,
        StateOutcome::Retriable { .. } | StateOutcome::Failed { .. } => ExitCode::FAILURE,
    })
}

/// The definition as the API takes it, and the name of the state.
fn definition(arguments: &TestState) -> Result<(String, Option<String>), Failure> {
    let is_template = !arguments.load.set.is_empty() || arguments.load.values.is_some();
    if arguments.state.is_none() && !is_template && !project::is_project(&arguments.file) {
        let (tree, _) = input::read_tree(&arguments.file)?;
        let state = tree.to_json();
        if state.get("Type").is_some() && state.get("States").is_none() {
            return Ok((state.to_string(), None));
        }
    }
    let named = input::pick_here(&arguments.file, &arguments.load)?;
    let machine = named.definition.to_json();
    let names = || -> Vec<String> {
        let states = machine.get("States").and_then(Json::as_object);
        states.into_iter().flat_map(Object::keys).map(ToString::to_string).collect()
    };
    let state = arguments.state.clone().ok_or_else(|| {
        Failure::new("which state is to be tested?")
            .help(format!("choose with --state: {}", names().join(", ")))
    })?;
    Ok((machine.to_string(), Some(state)))
}

fn mock(arguments: &TestState) -> Result<Option<Mock>, Failure> {
    let outcome = match (&arguments.mock_result, &arguments.mock_error) {
        (Some(text), _) => Ok(json("--mock-result", text)?),
        (None, Some(error)) => Err(stepwright_history::Failure {
            error: Some(error.as_str().into()),
            cause: arguments.mock_cause.as_deref().map(Into::into),
        }),
        (None, None) => return Ok(None),
    };
    let mode = arguments.field_validation.to_uppercase();
    Ok(Some(Mock { outcome, validation: FieldValidation::parse(&mode).unwrap_or_default() }))
}

fn json(name: &str, text: &str) -> Result<Json, Failure> {
    let text = match text.strip_prefix('@') {
        Some(path) => input::read_text(path.as_ref())?,
        None => text.to_owned(),
    };
    stepwright_json::parse(&text)
        .map_err(|error| Failure::new(format!("{name} is not JSON: {error}")))
}

/// The API's answer, in which JSON texts are replaced by their values.
fn readable(report: &StateReport, level: Inspection) -> Json {
    fn value(text: &Json) -> Json {
        text.as_str().and_then(|text| stepwright_json::parse(text).ok()).unwrap_or(text.clone())
    }
    let reply = report.to_json(level != Inspection::Info);
    let members = reply.as_object().into_iter().flat_map(Object::iter);
    let members = members.map(|(key, member)| match (key.as_str(), member) {
        ("output", text) => (key.clone(), value(text)),
        ("inspectionData", Json::Object(data)) => {
            let data: Object = data.iter().map(|(key, text)| (key.clone(), value(text))).collect();
            (key.clone(), data.into())
        }
        _ => (key.clone(), member.clone()),
    });
    members.collect::<Object>().into()
}
