//! Real definitions: read, checked, simulated to the end with generated mocks, and explored.

use crate::Verdict;
use crate::case;
use std::path::Path;
use std::time::Instant;
use stepwright_asl::{Definition, LoadOptions, load};
use stepwright_json::{Json, Object};
use stepwright_simulator::{Answer, Call, Simulation, Status};
use stepwright_testkit::{ExploreOptions, explore};

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
            verdict.measure("explored", explored(definition));
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

/// Runs that an exploration may make here, and the seconds that all of them may take.
const RUNS: usize = 12;
const MOST_SECONDS: u64 = 60;

/// Explores with few runs: it comes to an end, reaches something, and names states in what it finds.
fn explored(definition: &Definition) -> Result<(), String> {
    let program = stepwright_program::compile(definition)
        .map_err(|found| format!("does not compile: {}", found[0].message))?;
    let begun = Instant::now();
    let options = ExploreOptions { runs: RUNS, ..ExploreOptions::default() };
    let explored = explore(definition, &program, &options, &|| false);
    if begun.elapsed().as_secs() > MOST_SECONDS {
        return Err(format!("it took {:?}", begun.elapsed()));
    }
    if explored.coverage.shares[0].used == 0 {
        return Err("no state was reached".to_owned());
    }
    let nameless =
        explored.findings.iter().find(|finding| program.state_named(&finding.state).is_none());
    nameless.map_or(Ok(()), |finding| Err(format!("{} names no state", finding.message)))
}

fn echo(parameters: &Json) -> Json {
    match parameters {
        Json::Object(_) => parameters.clone(),
        _ => Object::new().into(),
    }
}
