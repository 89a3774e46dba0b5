//! Compares with what the CDK synthesises from the same examples, read from `../shared/goldens` if
//! it is available.

#![expect(clippy::print_stdout, reason = "says what was skipped, and the figures")]
#![expect(clippy::disallowed_methods, reason = "reads the goldens")]

mod aibs;
mod alarms;
#[path = "../../../../examples/allma/branch.rs"]
mod branch;
mod by_example;
mod clusters;
mod compare;
mod deploys;
mod derived;
mod lint;
mod more;
mod more_full;
mod names;
#[path = "../../../../examples/allma/orchestrator.rs"]
mod orchestrator;
mod parts;
#[path = "../../../../examples/aibs/stack.rs"]
mod pipeline;
#[path = "../../../../examples/allma/polling.rs"]
mod polling;
mod running;
mod services;
mod states;
mod unseen;
mod written;

use compare::{Golden, check_all, compare_files, folder, read};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use stepwright_conformance::allma::{Machines, run_machines};
use stepwright_constructs::fragments::{JsonReferencePath, convert_to_sfn_api_action_case};
use stepwright_constructs::resources::{Bucket, Machine};
use stepwright_constructs::{QueryLanguage, Stack, StateMachine, Value};
use stepwright_json::{Json, json};
use stepwright_simulator::{Answer, Call, MemoryObjects, Simulation, Status};

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

/// The orchestrator as it was published.
fn published() -> orchestrator::Props {
    let props = orchestrator::Props::of_stage(orchestrator::StageConfig::default());
    orchestrator::Props { as_published: true, ..props }
}

/// The three state machines of the orchestrator example.
fn allma() -> [(&'static str, StateMachine); 3] {
    let functions = orchestrator::Functions::default();
    [
        ("", orchestrator::machine(&published())),
        (".branch", branch::machine("dev", &functions.step_processor)),
        (".polling", polling::machine("dev", &functions.api_polling)),
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
fn allma_has_the_same_template() {
    let Some(folder) = folder("allma") else {
        println!("skipped: ../shared/goldens/allma is not there");
        return;
    };
    let theirs = read(&folder.join("template.json")).expect("a template");
    let machine = orchestrator::machine(&published());
    let found = parts::compare(&machine.template().expect("nothing is misused"), &theirs);
    assert_eq!(found, Vec::<String>::new());
}

/// The templates beside the examples, which newcomers run, are what the examples print.
#[test]
fn the_pipeline_prints_its_template() {
    let printed = pipeline::stack().template().expect("nothing is misused").to_json().pretty();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/aibs/template.json");
    let kept = std::fs::read_to_string(path).expect("it is there");
    assert_eq!(kept.trim(), printed.trim(), "print it again, as the README says");
}

#[test]
fn allma_prints_its_template() {
    let machine =
        orchestrator::machine(&orchestrator::Props::of_stage(orchestrator::StageConfig::default()));
    let stack = Stack::new().description("A flow orchestrator").machine(machine);
    let printed = stack.template().expect("nothing is misused").to_json().pretty();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/allma/template.json");
    let kept = std::fs::read_to_string(path).expect("it is there");
    assert_eq!(kept.trim(), printed.trim(), "print it again, as the README says");
}

/// What was wrong as published goes well: polling, branches that fail, lists in S3.
#[test]
fn allma_does_what_it_promises() {
    let machine =
        orchestrator::machine(&orchestrator::Props::of_stage(orchestrator::StageConfig::default()));
    let program = stepwright_program::compile(&machine.definition().expect("it is fine"));
    let program = program.expect("it compiles");
    let run = |action: &str, more: Json| {
        let begin = json!({
            "runtimeState": {"currentStepInstanceId": "s", "flowDefinitionId": "f",
                "flowDefinitionVersion": 1, "flowExecutionId": "e"},
            "sfnAction": action, "pollingTaskInput": {},
            "parallelForkInput": (more.clone()), "s3ItemReader": more,
        });
        let mut finished = None;
        let run = Simulation::new(&program)
            .input(json!({}))
            .objects(MemoryObjects::default().with(
                "${ExecutionTracesBucket1A215DB5}",
                "list",
                "[1, 2]",
            ))
            .run(&mut |call: &Call<'_>| match format!(
                "{} {}",
                call.call.resource, call.call.parameters
            ) {
                call if call.starts_with("${Initialize") => Answer::returns(begin.clone()),
                call if call.contains("PollingStateMachine") => {
                    Answer::returns(json!({"Output": {"ready": true}}))
                }
                call if call.contains("BranchOrchestrator") => {
                    Answer::fails("States.TaskFailed", "{\"odd\": 1}")
                }
                call if call.starts_with("${Finalize") => {
                    finished = Some(call);
                    Answer::returns(json!({"status": "COMPLETED"}))
                }
                _ => Answer::returns(
                    json!({"runtimeState": {}, "was": (call.call.parameters.clone())}),
                ),
            });
        assert_eq!(
            run.status,
            Status::Succeeded { output: json!({"status": "COMPLETED"}) },
            "{action}"
        );
        finished.expect("it is finished")
    };
    assert!(run("POLL_EXTERNAL_API", json!({})).contains("\"ready\":true"));
    let fork = json!({
        "aggregationConfig": {"maxConcurrency": 1}, "originalStepInstanceId": "o", "key": "list",
        "branchesToExecute": [{"branchId": "b", "enableExecutionLogs": false,
            "branchDefinition": {"stepInstanceId": "x"}, "branchInput": {}}],
    });
    assert!(run("PARALLEL_FORK", fork.clone()).contains("{\\\"odd\\\": 1}"));
    assert!(run("PARALLEL_FORK_S3", fork).contains("branchOutputs"));
}

/// What a stage says is in the template.
#[test]
fn allma_follows_its_stage() {
    let stage = orchestrator::StageConfig {
        stage: "prod",
        main_orchestrator_days: 30,
        log_retention_days: 365,
    };
    let mut props = orchestrator::Props::of_stage(stage);
    props.branch = Machine::from_arn("arn:aws:states:us-east-1:123456789012:stateMachine:branch");
    props.traces = Bucket::from_name("traces");
    let text = orchestrator::machine(&props).template().expect("it is fine").to_json().to_string();
    for part in [
        "AllmaFlowOrchestrator-prod",
        "\"RetentionInDays\":365",
        "\"DeletionPolicy\":\"Retain\"",
        "stateMachine:branch",
        "State Machine (prod)",
        "HeartbeatSeconds\\\":2505600",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    assert!(!text.contains("BranchOrchestratorStateMachine"), "{text}");
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
