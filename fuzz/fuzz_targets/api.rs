//! Any bodies of operations, one after the other: each is answered, and none with an internal error.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::time::Duration;
use stepwright_fuzz::{Limits, serving};
use stepwright_json::{Json, Object, json};
use stepwright_server::Answering;
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

fuzz_target!(|bytes: &[u8]| {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let serving = serving(Limits { has_keys: false }).await;
        let api = serving.api.clone();
        for (operation, more) in [
            ("CreateStateMachine", ""),
            ("CreateStateMachine", "name=e\ttype=EXPRESS"),
            ("CreateActivity", "name=a"),
            ("CreateStateMachineAlias", "name=live"),
            ("StartExecution", "name=x"),
        ] {
            let body = stepwright_json::parse_bytes(&body(0, more.as_bytes())).unwrap();
            api.call(operation, body).await.expect(operation);
        }
        let answering = Answering::new(serving);
        let (server, client) = tokio::io::duplex(1 << 22);
        let (mut answers, mut requests) = tokio::io::split(client);
        let mut sent = 0;
        let sending = async {
            for line in bytes.split(|byte| *byte == b'\n').take(8) {
                let Some((operation, text)) = line.split_first() else { continue };
                let name = OPERATIONS[usize::from(operation & 0x3f) % OPERATIONS.len()];
                let body = body(*operation, text);
                let head = format!(
                    "POST / HTTP/1.1\r\nhost: localhost\r\nx-amz-target: AWSStepFunctions.{name}\r\n\
                     content-length: {}\r\n\r\n",
                    body.len()
                );
                requests.write_all(&[head.as_bytes(), &body].concat()).await.unwrap();
                sent += 1;
            }
            requests.shutdown().await.unwrap();
        };
        let reading = async {
            let mut all = Vec::new();
            answers.read_to_end(&mut all).await.unwrap();
            all
        };
        let all = async { tokio::join!(answering.converse(server), sending, reading).2 };
        // A synchronous execution may wait for longer than anybody wants to here.
        let Ok(all) = tokio::time::timeout(Duration::from_secs(2), all).await else { return };
        let text = String::from_utf8_lossy(&all);
        assert_eq!(text.matches("HTTP/1.1 ").count(), sent, "{text}");
        assert!(!text.contains("HTTP/1.1 5"), "{text}");
    });
    runtime.shutdown_background();
});
