//! `run` uses the engine of a server: nested machines, functions for any service, buckets, task
//! tokens.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;
use stepwright_json::{Json, json};

fn stepwright(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_stepwright"))
        .args(arguments)
        .current_dir(folder)
        .output()
        .expect("the binary runs")
}

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    folder
}

#[track_caller]
fn run(folder: &Path, arguments: &[&str], code: i32) -> Json {
    let output = stepwright(folder, &[&["run", "-o", "json"], arguments].concat());
    let shown = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {shown}");
    stepwright_json::parse_bytes(output.stdout.trim_ascii())
        .unwrap_or_else(|error| panic!("{error}: {shown}"))
}

fn text<'j>(outcome: &'j Json, key: &str) -> &'j str {
    outcome.get(key).and_then(Json::as_str).unwrap_or_default()
}

const TEMPLATE: &str = r#"
Resources:
  Inner:
    Type: AWS::StepFunctions::StateMachine
    Properties:
      StateMachineName: inner
      DefinitionString: '{"StartAt": "P", "States": {"P": {"Type": "Pass", "Result": 7, "End": true}}}'
  Outer:
    Type: AWS::StepFunctions::StateMachine
    Properties:
      Definition:
        StartAt: Nest
        States:
          Nest:
            Type: Task
            Resource: arn:aws:states:::states:startExecution.sync:2
            Parameters: {StateMachineArn: !Ref Inner, Input: {a: 1}}
            End: true
"#;

#[test]
fn the_machines_of_a_template_are_run() {
    let folder = folder(&[("template.yaml", TEMPLATE)]);
    let mut shown = Vec::new();
    for virtual_time in [&[][..], &["--virtual-time"]] {
        let arguments = [&["template.yaml", "--state-machine", "Outer"], virtual_time].concat();
        let outcome = run(folder.path(), &arguments, 0);
        let nested = outcome.get("output").unwrap();
        assert_eq!(nested.get("Output"), Some(&Json::Int(7)), "{nested}");
        assert_eq!(nested.get("Input"), Some(&json!({"a": 1})));
        let arn = "arn:aws:states:us-east-1:123456789012:stateMachine:inner";
        assert_eq!(text(nested, "StateMachineArn"), arn);
        let keys: Vec<String> =
            nested.as_object().unwrap().keys().map(ToString::to_string).collect();
        shown.push(keys);
    }
    assert_eq!(shown[0], shown[1]);
    for key in ["InputDetails", "OutputDetails", "RedriveCount", "StartDate", "StopDate"] {
        assert!(shown[0].iter().any(|known| known == key), "{key} is missing in {shown:?}");
    }
}

const QUEUE: &str = r#"{"StartAt": "Send", "States": {"Send": {
    "Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage",
    "Parameters": {"QueueUrl": "q", "MessageBody": "b"}, "End": true,
    "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Caught"}]},
    "Caught": {"Type": "Pass", "End": true}}}"#;

#[test]
fn a_function_stands_for_any_service_and_nothing_stands_for_none() {
    let folder = folder(&[
        ("queue.asl.json", QUEUE),
        ("by-arn.toml", "[functions.\"arn:aws:states:::sqs:sendMessage\"]\necho = true\n"),
        ("by-state.toml", "[functions.Send]\nreturn = { sent = true }\n"),
    ]);
    for virtual_time in [&[][..], &["--virtual-time"]] {
        let with =
            |config: &'static str| [&["queue.asl.json", "--config", config], virtual_time].concat();
        let outcome = run(folder.path(), &with("by-arn.toml"), 0);
        let expected = json!({"QueueUrl": "q", "MessageBody": "b"});
        assert_eq!(outcome.get("output"), Some(&expected));
        let outcome = run(folder.path(), &with("by-state.toml"), 0);
        assert_eq!(outcome.get("output"), Some(&json!({"sent": true})));
        // A service that is missing on this machine is not a failure of the task itself, so it is
        // not caught.
        let outcome = run(folder.path(), &[&["queue.asl.json"], virtual_time].concat(), 1);
        assert_eq!(text(&outcome, "error"), "States.Runtime");
        assert!(text(&outcome, "cause").contains("'Send'"), "{outcome}");
    }
}

#[test]
fn a_service_is_called_where_the_configuration_says() {
    let folder = folder(&[
        ("queue.asl.json", QUEUE),
        // Nobody listens on this port.
        ("stepwright.toml", "[services.sqs]\nendpoint = \"http://127.0.0.1:9\"\n"),
        ("wrong.toml", "[services.events]\naws = true\n"),
    ]);
    let outcome = run(folder.path(), &["queue.asl.json"], 0);
    let caught = outcome.get("output").unwrap();
    assert_eq!(text(caught, "Error"), "SQS.SdkClientException", "{caught}");
    assert!(text(caught, "Cause").contains("127.0.0.1:9"), "{caught}");
    let outcome = run(folder.path(), &["queue.asl.json", "--virtual-time"], 1);
    assert!(text(&outcome, "cause").contains("cannot be called in virtual time"), "{outcome}");
    let output = stepwright(folder.path(), &["run", "queue.asl.json", "--config", "wrong.toml"]);
    let shown = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && shown.contains("did you mean `eventbridge`?"), "{shown}");
}

/// An API that answers every request alike; returns its port.
fn api() -> u16 {
    use std::io::{Read as _, Write as _};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            drop(connection.read(&mut [0; 4096]));
            let answer =
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 7\r\n\r\n\
                           {\"a\":1}";
            drop(connection.write_all(answer));
        }
    });
    port
}

#[test]
fn an_api_is_called_and_the_exchange_is_shown() {
    let port = api();
    let definition = json!({"StartAt": "Call", "States": {"Call": {
        "Type": "Task", "Resource": "arn:aws:states:::http:invoke",
        "Parameters": {
            "ApiEndpoint": (format!("http://127.0.0.1:{port}/x")), "Method": "GET",
            "InvocationConfig": {
                "ConnectionArn": "arn:aws:events:us-east-1:123456789012:connection/c/1"}},
        "OutputPath": "$.ResponseBody", "End": true}}});
    let folder = folder(&[
        ("call.asl.json", &definition.to_string()),
        ("key", "the-secret\n"),
        (
            "stepwright.toml",
            "[http]\nallow = ['http://127.0.0.1']\n\
             [connections.c]\napi_key = { name = 'X-Key', value = { file = 'key' } }\n",
        ),
        ("plain.toml", "[connections.c]\napi_key = { name = 'X-Key', value = 'the-secret' }\n"),
    ]);
    let outcome = run(folder.path(), &["call.asl.json"], 0);
    assert_eq!(outcome.get("output"), Some(&json!({"a": 1})));
    let outcome = run(folder.path(), &["call.asl.json", "--virtual-time"], 1);
    assert!(text(&outcome, "cause").contains("cannot be called in virtual time"), "{outcome}");
    let shown = |more: &[&str]| {
        let arguments = [&["test-state", "call.asl.json", "--state", "Call"], more].concat();
        let output = stepwright(folder.path(), &arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{said}");
        let reply = stepwright_json::parse_bytes(output.stdout.trim_ascii()).unwrap();
        assert_eq!(reply.get("output"), Some(&json!({"a": 1})));
        reply.get("inspectionData").cloned().unwrap_or_default()
    };
    let traced = shown(&["--inspection-level", "trace"]);
    let response = traced.get("response").unwrap();
    assert_eq!(response.get("body"), Some(&json!("{\"a\":1}")));
    let headers = text(traced.get("request").unwrap(), "headers");
    assert!(headers.contains("User-Agent") && !headers.contains("X-Key"), "{headers}");
    let revealed = shown(&["--inspection-level", "trace", "--reveal-secrets"]);
    let headers = text(revealed.get("request").unwrap(), "headers");
    assert!(headers.contains("X-Key: the-secret"), "{headers}");
    assert_eq!(shown(&["--inspection-level", "debug"]).get("request"), None);
    let output = stepwright(folder.path(), &["run", "call.asl.json", "--config", "plain.toml"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("has its `value` in the file"), "{said}");
    assert!(!said.contains("the-secret"), "{said}");
}

const TOKEN: &str = r#"{"StartAt": "Ask", "States": {"Ask": {
    "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken",
    "Parameters": {"FunctionName": "ask", "Payload": {"token.$": "$$.Task.Token"}},
    "End": true}}}"#;

#[test]
fn the_answer_of_a_function_does_not_end_a_task_that_waits_for_its_token() {
    let folder =
        folder(&[("token.asl.json", TOKEN), ("stepwright.toml", "[functions.ask]\necho = true\n")]);
    for virtual_time in [&[][..], &["--virtual-time"]] {
        let arguments = [&["token.asl.json"], virtual_time].concat();
        let outcome = run(folder.path(), &arguments, 1);
        assert_eq!(text(&outcome, "status"), "RUNNING");
        let events = outcome.get("events").unwrap().to_string();
        assert!(events.contains("TaskSubmitted"), "{events}");
        let output = stepwright(folder.path(), &[&["run"], &arguments[..]].concat());
        let shown = String::from_utf8_lossy(&output.stderr);
        assert!(shown.contains("nothing will ever wake Ask"), "{shown}");
        assert!(shown.contains("stepwright dev"), "{shown}");
    }
}

const READER: &str = r#"{"StartAt": "Each", "States": {"Each": {
    "Type": "Map", "End": true,
    "ItemReader": {"Resource": "arn:aws:states:::s3:getObject",
        "ReaderConfig": {"InputType": "JSON"},
        "Parameters": {"Bucket": "goods", "Key": "items.json"}},
    "ItemProcessor": {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS"},
        "StartAt": "P", "States": {"P": {"Type": "Pass", "End": true}}}}}}"#;

#[test]
fn the_folder_of_objects_is_read() {
    let folder = folder(&[
        ("reader.asl.json", READER),
        ("stepwright.toml", "[objects]\nfolder = \"buckets\"\n"),
        ("buckets/goods/items.json", "[1, 2, 3]"),
    ]);
    let outcome = run(folder.path(), &["reader.asl.json"], 0);
    assert_eq!(outcome.get("output"), Some(&json!([1, 2, 3])));
}

#[test]
fn a_run_can_be_interrupted() {
    let definition =
        r#"{"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 600, "End": true}}}"#;
    let folder = folder(&[("wait.asl.json", definition)]);
    let mut child = Command::new(env!("CARGO_BIN_EXE_stepwright"))
        .args(["run", "wait.asl.json"])
        .current_dir(folder.path())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Once it has printed this, it waits.
    let mut shown = std::io::BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("wait") {
        line.clear();
        std::io::BufRead::read_line(&mut shown, &mut line).unwrap();
    }
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    let deadline = std::time::Instant::now() + Duration::from_secs(30);
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        assert!(std::time::Instant::now() < deadline, "it goes on");
        std::thread::sleep(Duration::from_millis(20));
    };
    assert_eq!(status.code(), Some(130));
}
