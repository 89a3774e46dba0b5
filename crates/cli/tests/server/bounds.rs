//! What one execution wants too much of is not taken from the others.

use crate::support::{Client, Server, text};
use std::time::{Duration, Instant};
use stepwright_json::{Json, json};

/// Runs an Express machine once. The status and the cause.
fn run(client: &Client, machine: &str, input: &str) -> (String, String) {
    let members = [("stateMachineArn", machine.into()), ("input", input.into())];
    let reply = client.ok("StartSyncExecution", &members);
    let cause = reply.get("cause").and_then(Json::as_str).unwrap_or_default().to_owned();
    (text(&reply, "status"), cause)
}

fn evaluates(expression: &str) -> String {
    json!({"StartAt": "E", "States": {"E": {
        "Type": "Task", "Resource": "arn:aws:lambda:us-east-1:123456789012:function:Eval",
        "Parameters": {
            "expression": expression,
            "expressionAttributeValues": {"$.a.$": "$.a"}
        },
        "End": true
    }}})
    .to_string()
}

#[test]
fn an_expression_of_the_cdk_is_killed_when_its_time_is_up() {
    let server = Server::start(&["--memory"]);
    let client = server.client();
    for (at, (expression, expected)) in [
        ("$.a + 1", None),
        // A native function goes over four billion holes.
        ("let a=[];a[4294967294]=1;a.join('x')", Some("timed out after 3.00 seconds")),
        ("for(;;){}", Some("timed out after 3.00 seconds")),
        ("'a'.repeat(500000000) + 'b'", Some("error")),
        ("throw new TypeError('no')", Some("TypeError")),
        ("[require('fs')]", Some("ReferenceError")),
    ]
    .into_iter()
    .enumerate()
    {
        let machine = client.create(&format!("e{at}"), "EXPRESS", &evaluates(expression));
        let begun = Instant::now();
        let (status, cause) = run(&client, &machine, r#"{"a": 1}"#);
        assert!(begun.elapsed() < Duration::from_secs(15), "{expression}: {:?}", begun.elapsed());
        match expected {
            None => assert_eq!(status, "SUCCEEDED", "{cause}"),
            Some(part) => assert!(cause.contains(part), "{expression}: {status}: {cause}"),
        }
    }
    // Each `$` stands for much more: the text that they make together has no room.
    let machine = client.create("large", "EXPRESS", &evaluates(&["$.a"; 30_000].join("+")));
    let (status, cause) = run(&client, &machine, &json!({"a": ("x".repeat(100_000))}).to_string());
    assert_eq!(status, "FAILED");
    let is_bounded = ["Error", "memory", "timed out"].iter().any(|part| cause.contains(part));
    assert!(is_bounded, "{cause}");
}

#[test]
fn others_go_on_while_long_evaluations_run() {
    let server = Server::start(&["--memory"]);
    let client = server.client();
    let fields: Vec<String> = (0..150)
        .map(|at| {
            format!(r#""f{at}": "{{% $reduce([1..200000], function($a, $b) {{$a + $b}}) %}}""#)
        })
        .collect();
    let long = format!(
        r#"{{"QueryLanguage": "JSONata", "StartAt": "P", "States": {{
            "P": {{"Type": "Pass", "Output": {{{}}}, "Next": "C"}},
            "C": {{"Type": "Choice", "Choices": [{{"Condition": "{{% false %}}", "Next": "S"}}], "Default": "P"}},
            "S": {{"Type": "Succeed"}}}}}}"#,
        fields.join(", ")
    );
    let long = client.create("long", "STANDARD", &long);
    let short = r#"{"StartAt": "A", "States": {"A": {"Type": "Pass", "End": true}}}"#;
    let short = client.create("short", "EXPRESS", short);
    std::thread::scope(|scope| {
        // The callers who start them wait for their first turn.
        for _ in 0..8 {
            let body = json!({"stateMachineArn": (long.as_str())});
            let client = client.clone();
            // The server is gone before some of them are answered.
            scope.spawn(move || drop(client.call("StartExecution", &body)));
        }
        std::thread::sleep(Duration::from_millis(300));
        let begun = Instant::now();
        let mut slowest = Duration::ZERO;
        while begun.elapsed() < Duration::from_secs(4) {
            let asked = Instant::now();
            assert!(client.health().is_some(), "it is healthy");
            assert_eq!(run(&client, &short, "{}").0, "SUCCEEDED");
            slowest = slowest.max(asked.elapsed());
        }
        // In an unoptimised build, on a machine that does other things.
        server.kill();
        assert!(slowest < Duration::from_secs(2), "others waited for {slowest:?}");
    });
}
