//! Runs the examples as their READMEs say, and checks the commands as people call them.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use stepwright_json::Json;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn stepwright(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_stepwright"))
        .args(arguments)
        .current_dir(root())
        .output()
        .expect("the binary runs")
}

#[track_caller]
fn run(arguments: &[&str], code: i32) -> Json {
    let mut all = vec!["run"];
    all.extend(arguments);
    all.extend(["--virtual-time", "--output", "json", "--seed", "7"]);
    let output = stepwright(&all);
    let shown = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {shown}");
    stepwright_json::parse_bytes(output.stdout.trim_ascii())
        .unwrap_or_else(|e| panic!("{e}: {shown}"))
}

fn field<'j>(outcome: &'j Json, key: &str) -> &'j str {
    outcome.get(key).and_then(Json::as_str).unwrap_or_default()
}

#[test]
fn the_quickstart_runs_without_flags() {
    let output = stepwright(&["run", "examples/quickstart/order.asl.yaml"]);
    let (timeline, answer) =
        (String::from_utf8_lossy(&output.stderr), String::from_utf8_lossy(&output.stdout));
    assert_eq!(output.status.code(), Some(0), "{timeline}");
    assert!(
        timeline.contains("pass      Validate") && timeline.contains("succeeded in"),
        "{timeline}"
    );
    assert!(stepwright_json::parse(answer.trim()).is_ok(), "{answer}");
}

#[test]
fn the_quickstart_refunds() {
    let mocks = "examples/quickstart/refund.mocks.yaml";
    let outcome = run(&["examples/quickstart/order.asl.yaml", "--mocks", mocks], 1);
    assert_eq!(field(&outcome, "status"), "FAILED");
    assert!(outcome.to_string().contains("Refund"), "the refund is made");
}

#[test]
fn every_example_ends() {
    let mut count = 0;
    for folder in std::fs::read_dir(root().join("examples")).unwrap().flatten() {
        let files: Vec<PathBuf> =
            std::fs::read_dir(folder.path()).unwrap().flatten().map(|entry| entry.path()).collect();
        let named = |ending: &str| {
            files.iter().filter(|file| file.to_string_lossy().ends_with(ending)).collect::<Vec<_>>()
        };
        let definitions = named(".asl.json").into_iter().chain(named(".asl.yaml"));
        // The definition of a Rust example is built by its code.
        let Some(definition) = definitions.into_iter().next() else { continue };
        let inputs: Vec<_> = named("input.json");
        for mocks in named("mocks.yaml") {
            let mut arguments =
                vec![definition.to_str().unwrap(), "--mocks", mocks.to_str().unwrap()];
            if let Some(input) = inputs.first() {
                arguments.extend(["--input-file", input.to_str().unwrap()]);
            }
            let mut all = vec!["run"];
            all.extend(&arguments);
            all.extend(["--virtual-time", "--output", "json"]);
            let output = stepwright(&all);
            assert_ne!(
                output.status.code(),
                Some(2),
                "{arguments:?}: {}",
                String::from_utf8_lossy(&output.stderr)
            );
            let outcome = stepwright_json::parse_bytes(output.stdout.trim_ascii()).unwrap();
            assert!(["SUCCEEDED", "FAILED"].contains(&field(&outcome, "status")), "{outcome}");
            assert!(
                !field(&outcome, "cause").contains("No mock answers"),
                "{arguments:?}: {outcome}"
            );
            count += 1;
        }
    }
    assert!(count >= 8, "only {count} examples were run");
}

#[test]
fn a_bad_definition_is_pointed_at() {
    let folder = std::env::temp_dir().join(format!("stepwright-check-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("bad.asl.json");
    let text = "{\"StartAt\": \"A\",\n \"States\": {\"A\": {\"Type\": \"Pass\", \"Next\": \"Rset\"},\n  \
                \"Rest\": {\"Type\": \"Succeed\"}}}\n";
    std::fs::write(&file, text).unwrap();
    let name = file.to_str().unwrap();
    let output = stepwright(&["check", name]);
    let shown = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(2), "{shown}");
    assert!(
        shown.contains("MISSING_TRANSITION_TARGET") && shown.contains("did you mean `Rest`?"),
        "{shown}"
    );
    let output = stepwright(&["check", "--format", "json", name]);
    let found = stepwright_json::parse_bytes(output.stdout.trim_ascii()).unwrap();
    let first = found
        .as_array()
        .unwrap()
        .iter()
        .find(|found| field(found, "code") == "MISSING_TRANSITION_TARGET")
        .unwrap();
    assert_eq!(first.get("line"), Some(&Json::Int(2)));
    assert_eq!(field(first, "location"), "/States/A/Next");
    assert_eq!(stepwright(&["run", name]).status.code(), Some(2));
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn functions_are_called() {
    let folder = std::env::temp_dir().join(format!("stepwright-functions-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).unwrap();
    write(
        "flow.asl.json",
        r#"{"StartAt":"Cat","States":{
            "Cat":{"Type":"Task","Resource":"arn:aws:lambda:us-east-1:1:function:cat","ResultPath":"$.cat","Next":"Break"},
            "Break":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke",
              "Parameters":{"FunctionName":"break","Payload.$":"$"},
              "Catch":[{"ErrorEquals":["Oops"],"ResultPath":"$.error","Next":"Done"}],"End":true},
            "Done":{"Type":"Succeed"}}}"#,
    );
    write(
        "stepwright.toml",
        "[functions.cat]\ncommand = [\"cat\"]\n[functions.break]\ncommand = [\"sh\", \"-c\", \
         \"echo '{\\\"errorType\\\":\\\"Oops\\\",\\\"errorMessage\\\":\\\"no\\\"}'; exit 1\"]\n",
    );
    let file = folder.join("flow.asl.json");
    let outcome = run(&[file.to_str().unwrap(), "--input", r#"{"n":1}"#], 0);
    let output = outcome.get("output").unwrap();
    assert_eq!(output.get("cat").and_then(|cat| cat.get("n")), Some(&Json::Int(1)));
    assert_eq!(output.get("error").and_then(|error| error.get("Error")), Some(&"Oops".into()));
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn graphs_are_drawn() {
    for (format, part) in [("svg", "<svg"), ("mermaid", "flowchart TD"), ("dot", "digraph")] {
        let output =
            stepwright(&["graph", "examples/quickstart/order.asl.yaml", "--format", format]);
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success() && text.contains(part) && text.contains("ChargeAndNotify"),
            "{text}"
        );
    }
}

#[test]
fn formatting_twice_changes_nothing() {
    let file = root().join("examples/saga/trip.asl.json");
    let text = std::fs::read_to_string(&file).unwrap();
    let once = stepwright_asl::print(&text, "trip.asl.json").unwrap();
    assert_eq!(stepwright_asl::print(&once, "trip.asl.json").unwrap(), once);
    assert!(Path::new(&file).is_file());
}
