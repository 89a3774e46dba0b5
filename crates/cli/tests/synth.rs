//! `stepwright policy` and `stepwright synth`.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use stepwright_json::Json;

const DEFINITION: &str = r#"{
    "StartAt": "Tell",
    "States": {
        "Tell": {
            "Type": "Task",
            "Resource": "arn:aws:states:::sns:publish",
            "Parameters": {"TopicArn": "${NewsTopic}", "Message": "Hi"},
            "Next": "Ask"
        },
        "Ask": {
            "Type": "Task",
            "Resource": "arn:aws:states:::lambda:invoke",
            "Parameters": {"FunctionName.$": "$.function"},
            "End": true
        }
    }
}"#;

fn file(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, DEFINITION).expect("the folder for tests can be written to");
    path
}

fn stepwright(command: &str, file: &Path) -> (Output, Json) {
    let output = Command::new(env!("CARGO_BIN_EXE_stepwright"))
        .arg(command)
        .arg(file)
        .output()
        .expect("the binary runs");
    let shown = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{shown}");
    let json = stepwright_json::parse_bytes(output.stdout.trim_ascii())
        .unwrap_or_else(|error| panic!("{error}: {shown}"));
    (output, json)
}

#[test]
fn a_policy_allows_what_the_states_call() {
    let (output, policy) = stepwright("policy", &file("policy-flow.asl.json"));
    let statements = policy.get("Statement").and_then(Json::as_array).expect("statements");
    let actions: Vec<&str> = statements
        .iter()
        .filter_map(|statement| statement.get("Action").and_then(Json::as_str))
        .collect();
    assert_eq!(actions, ["sns:Publish", "lambda:InvokeFunction"]);
    let topic = statements[0].get("Resource").and_then(Json::as_str);
    assert_eq!(topic, Some("${NewsTopic}"));
    let notes = String::from_utf8_lossy(&output.stderr);
    assert!(notes.contains("state `Ask`"), "{notes}");
}

#[test]
fn a_template_is_named_after_the_file() {
    let (_, template) = stepwright("synth", &file("synth-flow.asl.json"));
    let parameters = template.get("Parameters").and_then(Json::as_object).expect("parameters");
    assert!(parameters.get("NewsTopic").is_some(), "{template}");
    let resources = template.get("Resources").and_then(Json::as_object).expect("resources");
    let types: Vec<&str> = resources
        .iter()
        .filter_map(|(_, resource)| resource.get("Type").and_then(Json::as_str))
        .collect();
    assert!(types.contains(&"AWS::StepFunctions::StateMachine"), "{types:?}");
    assert!(types.contains(&"AWS::IAM::Role"), "{types:?}");
    assert!(resources.iter().any(|(id, _)| id.starts_with("SynthFlow")), "{template}");
}
