//! Compares with what the CDK synthesises from the same examples, read from `../shared/goldens` if
//! it is available.

#![expect(clippy::print_stdout, reason = "says what was skipped, and the figures")]
#![expect(clippy::disallowed_methods, reason = "reads the goldens")]

mod aibs;
mod alarms;
#[path = "../../../../examples/allma/branch.rs"]
mod branch;
mod clusters;
mod compare;
mod deploys;
mod derived;
mod lint;
#[path = "../../../../examples/allma/orchestrator.rs"]
mod orchestrator;
mod parts;
#[path = "../../../../examples/allma/polling.rs"]
mod polling;
mod running;
mod services;
mod states;
mod written;

use compare::{Golden, check_all, compare_files, folder, read};
use stepwright_conformance::allma::{Machines, run_machines};
use stepwright_constructs::fragments::{JsonReferencePath, convert_to_sfn_api_action_case};
use stepwright_constructs::{QueryLanguage, Stack, StateMachine, Value};
use stepwright_json::Json;

#[test]
fn cdk() {
    let mut goldens: Vec<Golden> = Vec::new();
    goldens.extend(states::goldens());
    goldens.extend(services::goldens());
    goldens.extend(clusters::goldens());
    check_all("cdk", goldens);
}

/// Templates that differ from the CDK's, and why.
const DIFFERENT: &[(&str, &str)] = &[
    ("001-21-activity", "the CDK's name of an activity begins with the name of the stack"),
    ("001-22b-metrics-activity", "the CDK's name of an activity begins with the name of the stack"),
    ("002-36-invoke-activity", "the CDK's name of an activity begins with the name of the stack"),
    (
        "t-StepFunctionsInvokeActivity",
        "the CDK's name of an activity begins with the name of the stack",
    ),
    ("002-03-result-path", "tables are billed by request"),
    ("002-08-dynamodb-get-item", "tables are billed by request"),
    ("002-09-dynamodb-put-item", "tables are billed by request"),
    ("002-10-dynamodb-delete-item", "tables are billed by request"),
    ("002-11-dynamodb-update-item", "tables are billed by request"),
    ("002-12-ecs-ec2", "made for one account and region"),
    ("002-13-ecs-fargate", "made for one account and region"),
    ("x-32-definition-string-substitutions", "the twin keeps the placeholder in its definition"),
];

#[test]
fn cdk_templates() {
    let mut goldens: Vec<Golden> = Vec::new();
    goldens.extend(states::goldens());
    goldens.extend(services::goldens());
    goldens.extend(clusters::goldens());
    parts::check("cdk", &goldens, |_| Stack::new(), DIFFERENT);
}

#[test]
fn aibs_templates() {
    let stack = |golden: &Golden| {
        let stack = Stack::new().tag("env_base", "dev-marmotdev");
        match golden.name {
            "clean-file-system-trigger-rule" => aibs::trigger_rule()
                .resources(&golden.machine)
                .into_iter()
                .fold(stack, Stack::resource),
            _ => stack,
        }
    };
    parts::check("aibs", &aibs::goldens(), stack, &[]);
}

/// The three state machines of the orchestrator example.
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

#[test]
fn aibs_library() {
    check_all("aibs", aibs::goldens());
}

/// Where the library fails with an error, we make a machine that compiles.
#[test]
fn aibs_library_fails() {
    for golden in aibs::where_the_library_fails() {
        let definition = golden.machine.definition().expect(golden.name);
        assert!(stepwright_program::compile(&definition).is_ok(), "{} compiles", golden.name);
        if let Some(folder) = folder("aibs") {
            assert!(folder.join(golden.name).join("error.txt").is_file(), "{}", golden.name);
        }
    }
}

#[test]
fn aibs_tables() {
    let Some(folder) = folder("aibs") else {
        println!("skipped: ../shared/goldens/aibs is not there");
        return;
    };
    let table = read(&folder.join("table-json-reference-path/extra.json")).expect("a table");
    for row in table.get("rows").and_then(Json::as_array).expect("rows") {
        let field = |name: &str| row.get(name).and_then(Json::as_str).expect("text").to_owned();
        // The library treats a path into the context object as a path into the data.
        let path = JsonReferencePath::in_data(&field("in"));
        assert_eq!(path.to_string(), field("str"));
        assert_eq!(path.as_key(), field("as_key"));
        assert_eq!(path.as_reference(), field("as_reference"));
        assert_eq!(path.extend(&["x"]).to_string(), field("plus_x"));
        assert_eq!(path.extend(&["x", "$.y"]).to_string(), field("extend_x_y"));
        assert_eq!(path.as_jsonpath_string().expression(), field("jsonpath_string"));
        let is_reference = JsonReferencePath::is_reference(&field("in"));
        assert_eq!(row.get("is_reference_str").and_then(Json::as_bool), Some(is_reference));
    }
    assert_eq!(JsonReferencePath::empty().as_reference(), "$");

    let table = read(&folder.join("table-convert-to-sfn-api-action-case/extra.json"));
    for row in table.expect("a table").as_array().expect("rows") {
        let given = Value::from(row.get("in").cloned().expect("a value"));
        let actual = convert_to_sfn_api_action_case(given).to_json(QueryLanguage::Jsonata);
        // The library loses letters where words are joined; ours keeps them.
        let expected = row.get("out").expect("a value").to_string();
        let expected = expected.replace("Kebaase", "KebabCase").replace("Witpace", "WithSpace");
        assert_eq!(actual, stepwright_json::parse(&expected).expect("still JSON"));
    }
}
