//! Real definitions: read, checked, and simulated to the end with generated mocks.

use crate::Verdict;
use crate::case;
use std::path::Path;
use stepwright_asl::Definition;
use stepwright_json::{Json, Object};
use stepwright_simulator::{Answer, Call, Simulation, Status};

/// Runs every definition of the corpus.
pub fn run_all(data: &Path) -> Result<Vec<Verdict>, String> {
    let cases = case::load(data, "corpus")?;
    Ok(cases
        .iter()
        .filter(|case| case.file.ends_with(".asl.json"))
        .map(|case| {
            let mut verdict = Verdict::new("corpus", case.file.clone());
            let definition = Definition::from_json(&case.json);
            let errors: Vec<String> = stepwright_program::check(&definition)
                .iter()
                .filter(|diagnostic| diagnostic.is_error())
                .map(|diagnostic| format!("{} {}", diagnostic.code, diagnostic.message))
                .collect();
            verdict.measure(
                "accepted",
                if errors.is_empty() { Ok(()) } else { Err(errors.join("; ")) },
            );
            verdict.measure("simulated", simulate(&definition));
            verdict
        })
        .collect())
}

/// Runs with tasks that succeed, and with tasks that fail; both must come to an end, or to the
/// bound of a machine that loops until the world changes.
fn simulate(definition: &Definition) -> Result<(), String> {
    let program = stepwright_program::compile(definition)
        .map_err(|found| format!("does not compile: {}", found[0].message))?;
    let succeed = |call: &Call<'_>| Answer::returns(echo(&call.call.parameters));
    let fail = |_: &Call<'_>| Answer::fails("States.TaskFailed", "a generated failure");
    for (what, run) in [
        ("success", Simulation::new(&program).most_turns(20_000).run(&mut { succeed })),
        ("failure", Simulation::new(&program).most_turns(20_000).run(&mut { fail })),
    ] {
        let looped = run.events.len() > 1_000;
        if run.status == Status::Running && !looped {
            return Err(format!("with {what}: nothing would ever wake it"));
        }
    }
    Ok(())
}

fn echo(parameters: &Json) -> Json {
    match parameters {
        Json::Object(_) => parameters.clone(),
        _ => Object::new().into(),
    }
}
