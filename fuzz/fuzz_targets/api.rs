//! Any bodies of operations, one after the other: each is answered, and none with an internal error.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::time::Duration;
use stepwright_fuzz::{Server, with_server};
use stepwright_json::{Json, Object, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const OPERATIONS: [&str; 37] = [
    "CreateActivity",
    "CreateStateMachine",
    "CreateStateMachineAlias",
    "DeleteActivity",
    "DeleteStateMachine",
    "DeleteStateMachineAlias",
    "DeleteStateMachineVersion",
    "DescribeActivity",
    "DescribeExecution",
    "DescribeMapRun",
    "DescribeStateMachine",
    "DescribeStateMachineAlias",
    "DescribeStateMachineForExecution",
    "GetActivityTask",
    "GetExecutionHistory",
    "ListActivities",
    "ListExecutions",
    "ListMapRuns",
    "ListStateMachineAliases",
    "ListStateMachineVersions",
    "ListStateMachines",
    "ListTagsForResource",
    "PublishStateMachineVersion",
    "RedriveExecution",
    "SendTaskFailure",
    "SendTaskHeartbeat",
    "SendTaskSuccess",
    "StartExecution",
    "StartSyncExecution",
    "StopExecution",
    "TagResource",
    "TestState",
    "UntagResource",
    "UpdateMapRun",
    "UpdateStateMachine",
    "UpdateStateMachineAlias",
    "ValidateStateMachineDefinition",
];

const MACHINE: &str = "arn:aws:states:us-east-1:123456789012:stateMachine:m";
const EXPRESS: &str = "arn:aws:states:us-east-1:123456789012:stateMachine:e";
const DEFINITION: &str = r#"{"StartAt":"P","States":{"P":{"Type":"Pass","End":true}}}"#;

/// A value for each member that a request may have, so that some requests are right.
fn members() -> Object {
    let parts = json!({
        "name": "m",
        "definition": (DEFINITION),
        "roleArn": "arn:aws:iam::123456789012:role/r",
        "type": "STANDARD",
        "stateMachineArn": (MACHINE),
        "stateMachineVersionArn": (format!("{MACHINE}:1")),
        "stateMachineAliasArn": (format!("{MACHINE}:live")),
        "executionArn": "arn:aws:states:us-east-1:123456789012:execution:m:x",
        "activityArn": "arn:aws:states:us-east-1:123456789012:activity:a",
        "mapRunArn": "arn:aws:states:us-east-1:123456789012:mapRun:m/M:1",
        "resourceArn": (MACHINE),
        "input": "{}",
        "output": "{}",
        "taskToken": "AAAA",
        "tagKeys": ["k"],
        "tags": [{"key": "k", "value": "v"}],
        "routingConfiguration": [{"stateMachineVersionArn": (format!("{MACHINE}:1")), "weight": 100}],
        "publish": true,
        "maxResults": 1,
        "includeExecutionData": true
    });
    parts.as_object().cloned().unwrap_or_default()
}

/// The body that a line describes: all of it, or the usual members with one that is not.
fn body(operation: u8, text: &[u8]) -> Vec<u8> {
    if operation & 0x80 != 0 {
        return text.to_vec();
    }
    let mut members = members();
    if operation & 0x40 != 0 {
        members.insert("stateMachineArn", EXPRESS.into());
    }
    let text = String::from_utf8_lossy(text);
    for change in text.split('\t') {
        let (name, value) = change.split_once('=').unwrap_or((change, "null"));
        let value = stepwright_json::parse(value).unwrap_or_else(|_| Json::from(value));
        members.insert(name.to_owned(), value);
    }
    Json::from(members).to_string().into_bytes()
}

/// What the usual members refer to.
const FIRST: [(&str, &str); 5] = [
    ("CreateStateMachine", ""),
    ("CreateStateMachine", "name=e\ttype=EXPRESS"),
    ("CreateActivity", "name=a"),
    ("CreateStateMachineAlias", "name=live"),
    ("StartExecution", "name=x"),
];

fuzz_target!(|bytes: &[u8]| {
    with_server(false, |server| {
        if server.inputs % 25 == 0 {
            for (operation, more) in FIRST {
                let body = stepwright_json::parse_bytes(&body(0, more.as_bytes())).expect("JSON");
                // Some of it may be there, or be on its way out.
                let called = server.run(server.api.call(operation, body));
                assert!(server.inputs > 0 || called.is_ok(), "{operation}: {called:?}");
            }
        }
        send(server, bytes);
    });
});

fn send(server: &Server, bytes: &[u8]) {
    let mut requests = Vec::new();
    let mut sent = 0;
    for line in bytes.split(|byte| *byte == b'\n').take(8) {
        let Some((operation, text)) = line.split_first() else { continue };
        let name = OPERATIONS[usize::from(operation & 0x3f) % OPERATIONS.len()];
        let body = body(*operation, text);
        let head = format!(
            "POST / HTTP/1.1\r\nhost: localhost\r\nx-amz-target: AWSStepFunctions.{name}\r\n\
             content-length: {}\r\n\r\n",
            body.len()
        );
        requests.extend([head.as_bytes(), &body].concat());
        sent += 1;
    }
    let all = server.run(async {
        let (there, mut here) = tokio::io::duplex(1 << 22);
        let client = async {
            here.write_all(&requests).await.expect("it reads");
            here.shutdown().await.expect("it is open");
            let mut all = Vec::new();
            here.read_to_end(&mut all).await.expect("it answers");
            all
        };
        let all = async { tokio::join!(server.answering.converse(there), client).1 };
        // A synchronous execution may wait for longer than anybody wants to here.
        tokio::time::timeout(Duration::from_millis(500), all).await
    });
    let Ok(all) = all else { return };
    let text = String::from_utf8_lossy(&all);
    // A body cannot have the ends of lines that are in a header: JSON writes them in another way.
    let heads: Vec<&str> = text.split("\r\nx-amzn-requestid: ").collect();
    let statuses = heads.iter().rev().skip(1).filter_map(|before| before.rsplit("HTTP/1.1 ").next());
    let statuses: Vec<&str> = statuses.collect();
    assert_eq!(statuses.len(), sent, "{text}");
    assert!(statuses.iter().all(|status| !status.starts_with('5')), "{text}");
}
