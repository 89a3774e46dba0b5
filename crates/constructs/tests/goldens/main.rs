//! What the real CDK synthesises of the same examples, read from `../shared/goldens` if it is there.

#[path = "../../../../examples/allma/branch.rs"]
mod branch;
mod clusters;
mod compare;
#[path = "../../../../examples/allma/orchestrator.rs"]
mod orchestrator;
#[path = "../../../../examples/allma/polling.rs"]
mod polling;
mod services;
mod states;

use compare::{Golden, check_all, compare_files, folder};
use stepwright_conformance::allma::{Machines, run_machines};
use stepwright_constructs::StateMachine;

#[test]
fn cdk() {
    let mut goldens: Vec<Golden> = Vec::new();
    goldens.extend(states::goldens());
    goldens.extend(services::goldens());
    goldens.extend(clusters::goldens());
    check_all("cdk", goldens);
}

/// The three machines of the orchestrator.
fn allma() -> [(&'static str, StateMachine); 3] {
    let functions = orchestrator::Functions::default();
    [
        ("", orchestrator::machine(&functions)),
        (".branch", branch::machine(&functions.step_processor)),
        (".polling", polling::machine(&functions.api_polling)),
    ]
}

#[test]
fn allma_is_equal() {
    let Some(folder) = folder("allma") else {
        println!("skipped: ../shared/goldens/allma is not there");
        return;
    };
    for (suffix, machine) in allma() {
        let definition = folder.join(format!("definition{suffix}.asl.json"));
        let policy = folder.join(format!("policy{suffix}.json"));
        let (definition, policy) = compare_files(&definition, &policy, &machine);
        assert_eq!(definition, Ok(()), "definition{suffix}");
        assert_eq!(policy, Ok(()), "policy{suffix}");
    }
}

#[test]
fn allma_plays_its_scenarios() {
    let Some(folder) = folder("allma") else {
        println!("skipped: ../shared/goldens/allma is not there");
        return;
    };
    let data = folder.join("../..");
    let [main, branch, polling] = allma().map(|(_, machine)| {
        let definition = machine.definition().expect("nothing is misused");
        stepwright_program::compile(&definition).expect("it compiles")
    });
    let verdicts =
        run_machines(&data, &Machines { main, branch, polling }).expect("the scenarios are read");
    assert!(!verdicts.is_empty());
    let failures: Vec<_> = verdicts
        .iter()
        .filter(|verdict| verdict.measures.iter().any(|(_, result)| result.is_err()))
        .collect();
    println!("allma: {} of {} scenarios", verdicts.len() - failures.len(), verdicts.len());
    assert!(failures.is_empty(), "{failures:#?}");
}
