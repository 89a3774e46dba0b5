//! Real definitions: read, checked, and simulated to the end with generated mocks.

use crate::Verdict;
use crate::case;
use std::path::Path;
use stepwright_asl::{Definition, LoadOptions, load};
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
            // What a deployment fills in, and AWS never saw.
            let text = case.json.to_string();
            let names = text.split("${__").skip(1).filter_map(|rest| rest.split_once('}'));
            let values = names.map(|(name, _)| (format!("__{name}"), "1".to_owned())).collect();
            let options =
                LoadOptions { file: &case.file, values: Some(&values), ..LoadOptions::default() };
            let loaded = load(text.as_bytes(), &options);
            let Some(named) = loaded.definitions.first() else {
                verdict.measure("accepted", Err(format!("not read: {:?}", loaded.complaints)));
                return verdict;
            };
            let definition = &named.definition;
            let errors: Vec<String> = stepwright_program::check(definition)
                .iter()
                .filter(|diagnostic| diagnostic.is_error())
                .map(|diagnostic| format!("{} {}", diagnostic.code, diagnostic.message))
                .collect();
            verdict.measure(
                "accepted",
                if errors.is_empty() { Ok(()) } else { Err(errors.join("; ")) },
            );
            verdict.measure("simulated", simulate(definition));
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
