//! The same machine with many inputs: choice operators and intrinsic functions.

use crate::Verdict;
use crate::case::{self, Case};
use crate::executions::{compile, ending, identity, vintage};
use std::path::Path;
use stepwright_json::Json;
use stepwright_program::Program;
use stepwright_simulator::{Answer, Call, Simulation};
use stepwright_testkit::matcher::{self, Matcher};

/// Runs every row.
pub fn run_all(data: &Path) -> Result<Vec<Verdict>, String> {
    let cases = case::load(data, "conformance/asl/cases")?;
    let rows = cases.iter().filter(|case| case.text("kind") == "rows");
    Ok(rows.flat_map(run).collect())
}

fn run(case: &Case) -> Vec<Verdict> {
    let histories = match case.get("histories") {
        Json::String(text) => stepwright_json::parse(&text).unwrap_or_default(),
        other => other,
    };
    let rows = case.list("rows");
    rows.iter()
        .enumerate()
        .map(|(at, row)| {
            let mut verdict = Verdict::new("rows", format!("{}#{at}", case.file));
            let history = histories.get(&at.to_string()).and_then(Json::as_array);
            run_row(&mut verdict, case, row, history.map(|events| &**events));
            verdict
        })
        .collect()
}

fn run_row(verdict: &mut Verdict, case: &Case, row: &Json, history: Option<&[Json]>) {
    let definition = row.get("definition").cloned().unwrap_or_else(|| case.get("definition"));
    let program = match compile(&definition) {
        Ok(program) => Program { vintage: vintage(case), ..program },
        Err(why) => {
            verdict.measure("answer", Err(format!("does not compile: {why}")));
            return;
        }
    };
    let run = Simulation::new(&program)
        .input(row.get("input").cloned().unwrap_or_default())
        .identity(identity(case))
        .run(&mut |_: &Call<'_>| Answer::fails("Stepwright.NoRecording", "rows call nothing"));
    let field = |key: &str| row.get(key).cloned().unwrap_or_default();
    let (output, error, cause) = ending(&run.status);
    let mut matcher = Matcher::default();
    let mut answer = matcher.compare(&field("status"), &run.status.name().into(), "status");
    for (key, actual) in [("output", &output), ("error", &error), ("cause", &cause)] {
        if row.get(key).is_some() {
            answer = answer.and_then(|()| matcher.compare(&field(key), actual, key));
        }
    }
    verdict.measure("answer", answer);
    if let Some(history) = history {
        verdict.measure("history", matcher::history(history, &run.history(), &[]));
    }
}
