//! `run` uses the engine of a server: nested machines, functions for any service, buckets, task
//! tokens.

use std::io::{BufRead as _, BufReader};
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
fn the_functions_of_a_template_are_run() {
    let template = r#"
Transform: AWS::Serverless-2016-10-31
Resources:
  Queue: {Type: AWS::SQS::Queue, Properties: {QueueName: parcels}}
  Price:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.12
      Handler: index.handler
      Timeout: 20
      InlineCode: |
        import os
        def handler(event, context):
            return {"total": event["count"] * 4, "queue": os.environ["QUEUE"].rsplit("/", 1)[1]}
      Environment: {Variables: {QUEUE: !Ref Queue}}
  Order:
    Type: AWS::Serverless::StateMachine
    Properties:
      Definition:
        StartAt: Price
        States: {Price: {Type: Task, Resource: !GetAtt Price.Arn, End: true}}
"#;
    let folder = folder(&[("template.yaml", template)]);
    let outcome = run(folder.path(), &["template.yaml", "--input", r#"{"count": 3}"#], 0);
    assert_eq!(outcome.get("output"), Some(&json!({"total": 12, "queue": "parcels"})));
    // What the configuration says of a function comes first.
    let config = "[functions.Price]\nreturn = 7\n";
    std::fs::write(folder.path().join("stepwright.toml"), config).unwrap();
    let outcome = run(folder.path(), &["template.yaml", "--virtual-time"], 0);
    assert_eq!(outcome.get("output"), Some(&Json::Int(7)));
}

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
    let mut shown = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("wait") {
        line.clear();
        shown.read_line(&mut line).unwrap();
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

/// What `run` shows to people, on a screen of this many columns.
fn shown(folder: &Path, columns: usize, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_stepwright"))
        .args(arguments)
        .current_dir(folder)
        .env("COLUMNS", columns.to_string())
        .output()
        .expect("the binary runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("it prints text");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

const SHOP: &str = r"
StartAt: Which
States:
  Which:
    Type: Choice
    Choices:
      - {Variable: $.amount, NumericGreaterThan: 1000, Next: Each}
      - {Variable: $.vip, BooleanEquals: true, Next: Each}
    Default: Pay
  Pay:
    Type: Task
    Resource: arn:aws:lambda:us-east-1:123456789012:function:pay
    Retry: [{ErrorEquals: [Busy], IntervalSeconds: 2, MaxAttempts: 2}]
    Catch: [{ErrorEquals: [States.Timeout, Declined], Next: Each}]
    TimeoutSeconds: 30
    Next: Each
  Each:
    Type: Map
    ItemsPath: $$.Execution.Input.items
    MaxConcurrency: 2
    ItemProcessor:
      StartAt: Ship
      States:
        Ship:
          Type: Task
          Resource: arn:aws:lambda:us-east-1:123456789012:function:ship
          End: true
    End: true
";

const SHIP_CAUSE: &str = r#"{"errorType": "NoStock", "errorMessage": "the shelf is empty,\nand so is the cellar", "stackTrace": ["  File \"ship.py\", line 7, in handler\n    take(shelf)\n", "  File \"ship.py\", line 3, in take\n    raise NoStock\n"]}"#;

#[test]
fn the_end_of_a_run_says_why_it_failed_and_where() {
    let mocks = json!({
        "Pay": [{"fail": "Busy"}, {"fail": {"error": "Declined", "cause": "first line\nsecond line"}}],
        "Ship": {"fail": {"error": "NoStock", "cause": SHIP_CAUSE}}
    });
    let folder = folder(&[("shop.asl.yaml", SHOP), ("shop.mocks.yaml", &mocks.to_string())]);
    let input = r#"{"amount": 3, "vip": false, "items": ["a", "b"]}"#;
    for columns in [80, 120, 200] {
        let arguments = ["run", "shop.asl.yaml", "--virtual-time", "-i", input];
        let (code, _, said) = shown(folder.path(), columns, &arguments);
        assert_eq!(code, Some(1), "{said}");
        let (timeline, ending) = said.split_once("error[").expect("it says why");
        for line in timeline.lines() {
            assert!(line.chars().count() <= columns, "{columns}: {line}");
            let is_line = line.trim_start().starts_with(|c: char| c.is_ascii_digit());
            assert!(line.is_empty() || is_line, "a newline of a cause breaks this line: {line}");
        }
        for part in ["choose    Which", "→ Pay, by default", "in 2s (attempt 2 of 3)", "Ship #1"]
        {
            assert!(timeline.contains(part), "{columns}: {part} is not in {timeline}");
        }
        assert!(timeline.contains("caught by Declined → Each"), "{timeline}");
        assert!(timeline.contains("Declined: first line second line"), "{timeline}");
        for part in [
            "`Ship` (item #0) failed with NoStock",
            "shop.asl.yaml:24:9",
            "24 |         Ship:",
            "cause: the shelf is empty,",
            "and so is the cellar",
            "traceback:",
            "File \"ship.py\", line 3, in take",
            "nothing handles it: give `Ship` a `Retry` or a `Catch` for NoStock",
        ] {
            assert!(ending.contains(part), "{part} is not in {ending}");
        }
    }
    // A retrier that does not name the error is no retry that was used up.
    let caught = "Catch: [{ErrorEquals: [States.Timeout, Declined], Next: Each}]";
    let pay = SHOP.replace(caught, "ResultPath: $.paid");
    std::fs::write(folder.path().join("pay.asl.yaml"), pay).unwrap();
    let arguments = ["run", "pay.asl.yaml", "-m", "shop.mocks.yaml", "--virtual-time", "-i", input];
    let (_, _, said) = shown(folder.path(), 120, &arguments);
    assert!(
        said.contains("no `Retry` of `Pay` matches Declined, and there is no `Catch`"),
        "{said}"
    );
    // Which of two rules that lead to the same state applied.
    let input = r#"{"amount": 3, "vip": true, "items": []}"#;
    let (_, _, said) =
        shown(folder.path(), 120, &["run", "shop.asl.yaml", "--virtual-time", "-i", input]);
    assert!(said.contains("→ Each, because $.vip"), "{said}");
}

#[test]
fn an_evaluation_that_fails_is_shown_at_its_field() {
    let definition = "QueryLanguage: JSONata\nStartAt: Sum\nStates:\n  Sum:\n    Type: Pass\n    Output:\n      total: '{% $states.input.a + $states.input.b %}'\n    End: true\n";
    let folder = folder(&[("sum.asl.yaml", definition)]);
    let (code, _, said) =
        shown(folder.path(), 100, &["run", "sum.asl.yaml", "-i", r#"{"a": 1, "b": "x"}"#]);
    assert_eq!(code, Some(1));
    for part in ["States.QueryEvaluationError", "sum.asl.yaml:7:7", r#"input: {"a":1,"b":"x"}"#] {
        assert!(said.contains(part), "{part} is not in {said}");
    }
    // JSONPath has no events of evaluations; the cause names the field.
    let definition = "StartAt: Pick\nStates:\n  Pick:\n    Type: Pass\n    Parameters:\n      first.$: $.here\n      second.$: $.nowhere\n    End: true\n";
    std::fs::write(folder.path().join("pick.asl.yaml"), definition).unwrap();
    let (_, _, said) = shown(folder.path(), 100, &["run", "pick.asl.yaml", "-i", r#"{"here": 1}"#]);
    for part in ["`Pick` failed with States.Runtime", "pick.asl.yaml:7:", "second.$: $.nowhere"] {
        assert!(said.contains(part), "{part} is not in {said}");
    }
}

#[test]
fn very_many_items_stay_one_line() {
    let mocks =
        "Ship:\n  - {when: '$.bad', answers: [{fail: Bad}]}\n  - {answers: [{return: 1}]}\n";
    let folder = folder(&[("shop.asl.yaml", SHOP), ("shop.mocks.yaml", mocks)]);
    let items: Vec<Json> = (0..2_000).map(Json::Int).collect();
    let input = json!({"amount": 2_000, "items": items});
    std::fs::write(folder.path().join("in.json"), input.to_string()).unwrap();
    let arguments = ["run", "shop.asl.yaml", "--virtual-time", "--input-file", "in.json"];
    let (code, _, said) = shown(folder.path(), 100, &arguments);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("2000 items") && said.lines().count() < 10, "{said}");
    let all = [&arguments[..], &["--verbose"]].concat();
    assert!(shown(folder.path(), 100, &all).2.contains("Ship #1999"));
    let quiet = [&arguments[..], &["--quiet"]].concat();
    let (_, out, said) = shown(folder.path(), 100, &quiet);
    assert!(said.lines().count() == 1 && said.starts_with("succeeded"), "{said}");
    assert!(out.starts_with('['), "{out}");
}

#[test]
fn nested_machines_are_indented_below_the_task_that_starts_them() {
    let folder = folder(&[("template.yaml", TEMPLATE)]);
    for virtual_time in [&[][..], &["--virtual-time"]] {
        let arguments =
            [&["run", "template.yaml", "--state-machine", "Outer"], virtual_time].concat();
        let (code, _, said) = shown(folder.path(), 160, &arguments);
        assert_eq!(code, Some(0), "{said}");
        let at = |words: &str| said.find(words).unwrap_or_else(|| panic!("{words}: {said}"));
        let (task, nested) = (at("task      Nest"), at("    pass      P"));
        assert!(task < nested && nested < at("returns   Nest"), "{said}");
        assert!(said.contains("    start     inner"), "{said}");
    }
}

#[test]
fn the_output_of_functions_is_shown_or_not() {
    let function = "import sys\nprint('to the log', file=sys.stderr)\nprint('1')\n";
    let folder = folder(&[
        ("shop.asl.yaml", SHOP),
        ("ship.py", function),
        ("stepwright.toml", "[functions.ship]\ncommand = [\"python3\", \"ship.py\"]\n"),
    ]);
    let input = r#"{"amount": 3, "vip": true, "items": ["a"]}"#;
    let run = |more: &[&str]| {
        shown(folder.path(), 100, &[&["run", "shop.asl.yaml", "-i", input], more].concat()).2
    };
    assert!(run(&[]).contains("ship │ to the log"));
    assert!(!run(&["--quiet"]).contains("to the log"));
    let said = run(&["--quiet", "--follow"]);
    assert!(said.contains("ship │ to the log") && !said.contains("task"), "{said}");
}

#[test]
fn ctrl_c_says_where_it_stood() {
    let definition = "StartAt: Both\nStates:\n  Both:\n    Type: Parallel\n    End: true\n    Branches:\n      - StartAt: Nap\n        States: {Nap: {Type: Wait, Seconds: 500, End: true}}\n      - StartAt: Call\n        States: {Call: {Type: Task, Resource: 'arn:aws:lambda:us-east-1:123456789012:function:slow', TimeoutSeconds: 900, End: true}}\n";
    let config = "[functions.slow]\nreturn = 1\nafter = \"600s\"\n";
    let folder = folder(&[("both.asl.yaml", definition), ("stepwright.toml", config)]);
    let mut child = Command::new(env!("CARGO_BIN_EXE_stepwright"))
        .args(["run", "both.asl.yaml"])
        .current_dir(folder.path())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.contains("task")), "the task begins");
    Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    let said: Vec<String> = lines.collect();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let said = said.join("\n");
    assert!(said.contains("interrupted after"), "{said}");
    assert!(said.contains("Nap: waits ") && said.contains("more"), "{said}");
    assert!(said.contains("Call: waits for slow, for "), "{said}");
}

/// The scenes of the pictures: a name, and the arguments of `run`.
const SCENES: [(&str, &[&str]); 5] = [
    ("success", &["order.asl.yaml"]),
    ("failure", &["shop.asl.yaml", "-i", r#"{"amount": 3, "vip": false, "items": ["a", "b"]}"#]),
    ("retry", &["order.asl.yaml", "-m", "refund.mocks.yaml"]),
    ("map", &["many.asl.yaml", "--input-file", "many.input.json"]),
    ("nested", &["template.yaml", "--state-machine", "Outer"]),
];

/// Pictures of what a person sees, at three widths. `BLESS=1` draws them anew; `cargo xtask pictures`
/// shows the same scenes on real terminals.
#[test]
fn the_pictures_of_the_terminal_are_what_is_seen() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = tempfile::tempdir().unwrap();
    let mocks = json!({
        "Pay": [{"fail": "Busy"}, {"fail": {"error": "Declined", "cause": "first line\nsecond line"}}],
        "Ship": {"fail": {"error": "NoStock", "cause": SHIP_CAUSE}}
    });
    let items: Vec<Json> = (0..1_000).map(Json::Int).collect();
    let example = |name: &str| {
        let text = std::fs::read_to_string(root.join("../../examples/quickstart").join(name));
        (name.to_owned(), text.unwrap())
    };
    let own = |name: &str, text: String| (name.to_owned(), text);
    for (name, text) in [
        example("order.asl.yaml"),
        example("order.input.json"),
        example("refund.mocks.yaml"),
        example("stepwright.toml"),
        own("shop.asl.yaml", SHOP.to_owned()),
        own("shop.mocks.yaml", mocks.to_string()),
        own("many.asl.yaml", SHOP.to_owned()),
        own("many.mocks.yaml", "Ship:\n  - {when: {}, answers: [{return: {shipped: true}}]}\n  - {answers: [{return: {shipped: true}}]}\n".to_owned()),
        own("many.input.json", json!({"amount": 2_000, "items": items}).to_string()),
        own("template.yaml", TEMPLATE.to_owned()),
    ] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    for (scene, arguments) in SCENES {
        for columns in [80, 120, 200] {
            let arguments = [&["run", "--virtual-time", "--seed", "1"], arguments].concat();
            let (_, _, said) = shown(folder.path(), columns, &arguments);
            let said: String = said.lines().map(|line| without_chance(line) + "\n").collect();
            let file = root.join(format!("tests/pictures/{scene}-{columns}.txt"));
            if std::env::var_os("BLESS").is_some() {
                std::fs::create_dir_all(file.parent().unwrap()).unwrap();
                std::fs::write(&file, &said).unwrap();
            }
            let kept = std::fs::read_to_string(&file).unwrap_or_default();
            assert_eq!(said, kept, "{scene} at {columns} columns; BLESS=1 draws it anew");
        }
    }
}

/// A line without what a nested execution answers: moments, whose texts are not always as long.
fn without_chance(line: &str) -> String {
    match line.find('{').filter(|_| line.contains("ecutionArn") || line.contains("Date\"")) {
        Some(at) => format!("{}{{…}}", &line[..at]),
        None => line.to_owned(),
    }
}

#[test]
fn one_grammar_of_options() {
    let folder = folder(&[
        (
            "a.asl.json",
            r#"{"StartAt": "A", "States": {"A": {"Type": "Pass", "Result": 7, "End": true}}}"#,
        ),
        ("a.test.yaml", "cases: [{name: seven, expect: {output: 7}}]\n"),
    ]);
    let path = folder.path();
    let said = |arguments: &[&str], code: i32| {
        let (status, out, err) = shown(path, 100, arguments);
        assert_eq!(status, Some(code), "{arguments:?}: {out}{err}");
        (out, err)
    };
    // A form, or a file, for every command that has something for scripts.
    for command in [
        &["run", "a.asl.json"][..],
        &["test"],
        &["check", "a.asl.json"],
        &["explore", "a.asl.json"],
    ] {
        for form in [&["-o", "json"][..], &["--output", "json"], &["--format", "json"]] {
            let (out, _) = said(&[command, form].concat(), 0);
            stepwright_json::parse(out.trim()).unwrap_or_else(|error| panic!("{error}: {out}"));
        }
        let (out, _) = said(&[command, &["-o", "out.json"]].concat(), 0);
        assert!(!out.contains("\"events\""), "{out}");
        let kept = std::fs::read_to_string(path.join("out.json")).unwrap();
        stepwright_json::parse(kept.trim()).unwrap();
        std::fs::remove_file(path.join("out.json")).unwrap();
        let (_, err) = said(&[command, &["-o", "out.xml"]].concat(), 2);
        assert!(err.contains("ends in .json"), "{err}");
    }
    said(&["graph", "a.asl.json", "-o", "a.svg"], 0);
    assert!(std::fs::read_to_string(path.join("a.svg")).unwrap().starts_with("<svg"));
    assert!(said(&["graph", "a.asl.json", "-o", "dot"], 0).0.starts_with("digraph"));
    let (_, err) = said(&["graph", "a.asl.json", "-o", "a.png"], 2);
    assert!(err.contains("a PNG cannot be made") && err.contains(".svg"), "{err}");
    assert!(!path.join("a.png").exists());
    // An address has a name as well.
    assert!(said(&["env", "--listen", "localhost:4566"], 0).0.contains("http://127.0.0.1:4566"));
    let (all, _) = said(&["env", "--local"], 0);
    assert!(
        all.contains("AWS_ENDPOINT_URL=http://127.0.0.1:8083") && !all.contains("_SFN"),
        "{all}"
    );
    let (_, err) = said(&["env", "--listen", "localhost"], 2);
    assert!(err.contains("an address has a port"), "{err}");
    // What is true of `serve` is not true of `dev`.
    let (dev, _) = said(&["dev", "--help"], 0);
    assert!(dev.contains("everything is in memory") && !dev.contains(".stepwright"), "{dev}");
    assert!(said(&["serve", "--help"], 0).0.contains("[default: .stepwright]"));
    for shell in ["bash", "zsh", "fish"] {
        assert!(said(&["completions", shell], 0).0.contains("virtual-time"), "{shell}");
    }
}
