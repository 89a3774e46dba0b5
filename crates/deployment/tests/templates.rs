//! The contents of templates and folders.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "snapshots and projects are read from files, and a test that is skipped says so"
)]

mod common;

use common::{deploy, own, root, template, text};
use std::path::Path;
use std::process::Command;
use stepwright_deployment::{Deployment, File};
use stepwright_json::{Json, Object, json};

fn everything() -> Deployment {
    deploy("everything", &own("everything")).expect("it is deployable")
}

/// The properties of a resource.
fn properties(template: &Json, id: &str) -> Json {
    let resource = template.get("Resources").and_then(|resources| resources.get(id));
    let resource = resource.unwrap_or_else(|| panic!("there is a resource {id}"));
    resource.get("Properties").cloned().unwrap_or_default()
}

fn at(json: &Json, path: &[&str]) -> Json {
    let found = path.iter().try_fold(json, |json, part| match part.parse::<usize>() {
        Ok(index) => json.at(index),
        Err(_) => json.get(part),
    });
    found.cloned().unwrap_or_default()
}

/// Compares a small project with snapshots; `BLESS=1` writes them.
#[test]
fn a_small_project() {
    let deployment = deploy("greetings", &own("greetings")).expect("it is deployable");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots/greetings");
    let mut wrong = Vec::new();
    let list: String = deployment.files.iter().flat_map(|file| [&file.path, "\n"]).collect();
    let list = File { path: "files.txt".to_owned(), content: list.as_bytes().into() };
    for file in common::templates(&deployment).chain([&list]) {
        let path = folder.join(&file.path);
        if std::env::var_os("BLESS").is_some() {
            std::fs::create_dir_all(&folder).expect("the folder can be made");
            std::fs::write(&path, &file.content).expect("a snapshot is written");
        } else if std::fs::read(&path).unwrap_or_default() != *file.content {
            wrong.push(path.display().to_string());
        }
    }
    assert!(wrong.is_empty(), "these have changed; BLESS=1 writes them: {wrong:?}");
}

#[test]
fn exported_machines_have_templates_of_their_own() {
    let deployment = everything();
    let templates: Vec<&str> =
        common::templates(&deployment).map(|file| file.path.as_str()).collect();
    let expected = [
        "EachItemStateMachineStack.template.json",
        "MainStateMachineStack.template.json",
        "RepairStateMachineStack.template.json",
        "template.json",
    ];
    assert_eq!(templates, expected);
    let root = template(&deployment, "template.json");
    // A machine that is only nested is in the root template, with its event processor.
    let inner = properties(&root, "StateMachineinner");
    assert_eq!(
        inner.get("StateMachineName"),
        Some(&json!({"Fn::Sub": "${Environment}-everything-inner"}))
    );
    properties(&root, "EventsSubscriptioninner");
    assert_eq!(deployment.notes, ["the task `Unused` is used by no state machine: it is left out"]);
}

#[test]
fn exports_have_no_underscores() {
    let deployment = everything();
    let each = template(&deployment, "EachItemStateMachineStack.template.json");
    let name = at(&each, &["Outputs", "SuccessTopicArn", "Export", "Name", "Fn::Sub"]);
    assert_eq!(name, "${Environment}-everything-each-item-success-topic-arn".into());
    let arn = at(&each, &["Outputs", "StateMachineArn", "Export", "Name", "Fn::Sub"]);
    assert_eq!(arn, "${Environment}-everything-each-item-arn".into());
}

#[test]
fn subscriptions_lead_from_topics_to_the_starter() {
    let deployment = everything();
    let repair = template(&deployment, "RepairStateMachineStack.template.json");
    let mut imports: Vec<String> = Vec::new();
    let resources = repair.get("Resources").and_then(Json::as_object).cloned().unwrap_or_default();
    for (_, resource) in resources.iter() {
        if at(resource, &["Type"]) == "AWS::SNS::Subscription".into() {
            let import = at(resource, &["Properties", "TopicArn", "Fn::ImportValue"]);
            imports.push(import.to_string());
        }
    }
    imports.sort();
    let expected = [
        r#""plain-news""#,
        r#"{"Fn::Sub":"${Environment}-news"}"#,
        r#"{"Fn::Sub":"${Environment}-other-project-some-machine-success-topic-arn"}"#,
    ];
    assert_eq!(imports, expected);
    // Subscriptions within the project are in the root template, so that no stack waits for the
    // topics of another.
    let root = template(&deployment, "template.json");
    let among =
        properties(&root, "SubscriptionRepairStateMachineStackToMainStateMachineStackfailure");
    let topic = json!({"Fn::GetAtt": ["MainStateMachineStack", "Outputs.FailureTopicArn"]});
    assert_eq!(among.get("TopicArn"), Some(&topic));
    properties(&root, "SubscriptionMainStateMachineStackToRepairStateMachineStacksuccess");
    // The starter may describe the executions of its sources, and no others.
    let statements =
        at(&properties(&repair, "StarterRole"), &["Policies", "0", "PolicyDocument", "Statement"]);
    let asks = statements
        .as_array()
        .expect("a list")
        .iter()
        .find(|statement| statement.get("Action") == Some(&"states:DescribeExecution".into()));
    let resources = at(asks.expect("it may ask"), &["Resource"]).to_string();
    for machine in ["everything-main", "everything-each_item", "other_project-some_machine"] {
        assert!(
            resources.contains(&format!("execution:${{Environment}}-{machine}:*")),
            "{resources}"
        );
    }
}

#[test]
fn machines_are_allowed_what_their_states_call() {
    let deployment = everything();
    let main = template(&deployment, "MainStateMachineStack.template.json");
    let statements =
        at(&properties(&main, "MachineRole"), &["Policies", "0", "PolicyDocument", "Statement"]);
    let actions: Vec<String> = statements
        .as_array()
        .expect("a list")
        .iter()
        .map(|statement| at(statement, &["Action"]).to_string())
        .collect();
    let expected = [
        r#""lambda:InvokeFunction""#,
        r#""ecs:RunTask""#,
        r#"["ecs:StopTask","ecs:DescribeTasks"]"#,
        r#""iam:PassRole""#,
        r#"["events:PutTargets","events:PutRule","events:DescribeRule"]"#,
        r#""sqs:SendMessage""#,
        r#"["codebuild:StartBuild","codebuild:StopBuild","codebuild:BatchGetBuilds","codebuild:BatchGetReports"]"#,
        r#""states:StartExecution""#,
        r#"["states:DescribeExecution","states:StopExecution"]"#,
    ];
    assert_eq!(actions[..actions.len() - 1], expected);
    assert!(actions.last().expect("logs are delivered").contains("logs:CreateLogDelivery"));
    // Only monitoring tasks and delivering logs are allowed for any resource.
    for statement in statements.as_array().expect("a list") {
        let is_any = at(statement, &["Resource"]) == "*".into();
        let action = at(statement, &["Action"]).to_string();
        assert!(!is_any || action.contains("ecs:StopTask") || action.contains("logs:"), "{action}");
    }
    let functions = at(&statements, &["0", "Resource"]).to_string();
    assert_eq!(
        functions,
        r#"[{"Ref":"LambdaFunctionFastTask"},{"Ref":"LambdaFunctionImage"},{"Ref":"LambdaFunctionPacked"}]"#
    );
}

#[test]
fn workers_have_queues_and_services() {
    let root = template(&everything(), "template.json");
    let queue = properties(&root, "WorkQueueGrowing");
    assert_eq!(queue.get("VisibilityTimeout"), Some(&Json::Int(120)));
    assert_eq!(at(&queue, &["RedrivePolicy", "maxReceiveCount"]), Json::Int(3));
    let growing = properties(&root, "ECSServiceGrowing");
    assert_eq!(growing.get("DesiredCount"), None);
    let target = properties(&root, "ScalableTargetGrowing");
    assert_eq!(
        (at(&target, &["MinCapacity"]), at(&target, &["MaxCapacity"])),
        (Json::Int(0), Json::Int(20))
    );
    // Without heartbeats, a message is hidden for as long as the task may take. The default is one
    // worker.
    assert_eq!(
        properties(&root, "WorkQueueSteady").get("VisibilityTimeout"),
        Some(&Json::Int(600))
    );
    assert_eq!(properties(&root, "ECSServiceSteady").get("DesiredCount"), Some(&Json::Int(1)));
    assert!(at(&root, &["Resources", "ScalableTargetSteady"]).is_null());
}

#[test]
fn definitions_have_all_their_places_filled_in() {
    for (name, deployment) in common::deployments() {
        for file in common::templates(&deployment) {
            let template = template(&deployment, &file.path);
            let resources = at(&template, &["Resources"]).as_object().cloned().unwrap_or_default();
            for (_, resource) in resources.iter() {
                let Some(text) =
                    resource.get("Properties").and_then(|all| all.get("DefinitionString"))
                else {
                    continue;
                };
                let mut text = text.as_str().expect("a definition is text").to_owned();
                let filled = at(resource, &["Properties", "DefinitionSubstitutions"]);
                for key in filled.as_object().map(Object::keys).into_iter().flatten() {
                    assert!(
                        text.contains(&format!("${{{key}}}")),
                        "{name}: {key} is filled in for nothing"
                    );
                    text = text.replace(&format!("${{{key}}}"), "");
                }
                assert!(!text.contains("${"), "{name}: {text}");
            }
        }
    }
}

#[test]
fn folders_have_what_tasks_import() {
    let deployment = everything();
    let has = |path: &str| deployment.files.iter().any(|file| file.path == path);
    for folder in ["tasks/Fast_Task", "tasks/Long", "events/inner"] {
        assert!(has(&format!("{folder}/helpers.py")), "{folder}");
        // What a package imports is included, and so is everything in it.
        assert!(has(&format!("{folder}/further/data.bin")), "{folder}");
        assert!(has(&format!("{folder}/stepwright_fluxio/aws/state_data.py")), "{folder}");
    }
    assert!(has("tasks/Growing/workers/steady.py"));
    assert!(!has("tasks/Image/helpers.py"));
    assert!(!has("tasks/Unused/fluxio_task.py"));
    assert!(text(&deployment, "tasks/Growing/Dockerfile").contains("stepwright_fluxio.aws.worker"));
    assert!(text(&deployment, "tasks/Packed/pyproject.toml").contains("name = \"fluxio-packed\""));
    let package = text(&deployment, "tasks/Packed/pyproject.toml");
    assert!(
        package.contains(r#"py-modules = ["fluxio_settings","fluxio_task","helpers"]"#),
        "{package}"
    );
    let run = text(&deployment, "tasks/Long/fluxio_task.py");
    let line = own("everything")
        .lines()
        .position(|line| line.contains("from helpers"))
        .expect("it is there");
    assert_eq!(run.lines().nth(line), Some("        from helpers import answer"));
}

/// Runs the tests of the Python packages that come with tasks.
#[test]
fn the_python_packages_work() {
    let run = Command::new("python3")
        .args(["-m", "unittest", "discover", "python/tests"])
        .current_dir(root())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output();
    let Ok(output) = run else {
        println!("skipped: python3 is not installed");
        return;
    };
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("\nRan "), "{said}");
}
