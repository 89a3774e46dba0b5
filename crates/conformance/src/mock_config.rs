//! Mock files of Step Functions Local: the cases that were not recorded on AWS and say only parts
//! of what should happen.

use crate::Verdict;
use crate::case::{self, Case};
use crate::executions::{compile, identity, mock_case};
use std::path::Path;
use stepwright_json::Json;
use stepwright_simulator::{Answer, Call, Simulation};
use stepwright_testkit::matcher::Matcher;

/// Runs every case whose tasks are answered by a mock file alone.
pub fn run_all(data: &Path) -> Result<Vec<Verdict>, String> {
    let cases = case::load(data, "conformance/asl/cases")?;
    Ok(cases
        .iter()
        .filter(|case| case.get("mock_config").as_object().is_some())
        .map(|case| {
            let mut verdict = Verdict::new("mock config", case.file.clone());
            verdict.measure("answer", run(case));
            verdict
        })
        .collect())
}

fn run(case: &Case) -> Result<(), String> {
    let program = compile(&case.get("definition"))?;
    let mut answers = mock_case(case).ok_or("the mock file has no such test case")?;
    let run = Simulation::new(&program).input(case.get("input")).identity(identity(case)).run(
        &mut |call: &Call<'_>| {
            let missing = || Answer::fails("Stepwright.NotMocked", "the mock file has no answer");
            answers.answer(call).unwrap_or_else(missing)
        },
    );
    let expected = case.get("expected");
    let response = expected.get("response").cloned().unwrap_or_else(|| expected.clone());
    let status = response.get("status").cloned().unwrap_or_default();
    Matcher::default().compare(&status, &run.status.name().into(), "status")?;
    if let Some(output) = response.get("output") {
        let (actual, ..) = crate::executions::ending(&run.status);
        // What the services wrote into their answers is not in the mock file.
        if case.text("kind") == "execution_constraints" {
            Matcher::of_subset().compare(output, &actual, "output")?;
        }
    }
    let events = run.history();
    let constraints = expected.get("events").and_then(Json::as_array).cloned().unwrap_or_default();
    for constraint in &constraints {
        let index = constraint.get("index").and_then(Json::as_i64).unwrap_or_default();
        let at = if index < 0 { events.len() as i64 + index } else { index };
        let event = events.get(at as usize).ok_or(format!("there is no event {at}"))?;
        let partial = as_on_aws(constraint.get("partial").cloned().unwrap_or_default(), event);
        Matcher::of_subset().compare(&partial, event, &format!("events[{at}]"))?;
    }
    Ok(())
}

/// The recorder has a mocked failure as that of a service even where the task names a function by
/// its ARN; AWS records `LambdaFunctionFailed` there, and so do we.
fn as_on_aws(partial: Json, event: &Json) -> Json {
    let Json::Object(mut partial) = partial else { return partial };
    if event.get("lambdaFunctionFailedEventDetails").is_some()
        && let Some(details) = partial.remove("taskFailedEventDetails")
    {
        partial.insert("lambdaFunctionFailedEventDetails", details);
    }
    partial.into()
}
