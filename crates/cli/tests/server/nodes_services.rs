//! Local services of two servers that share a store: they are at one of them, any is asked, and nothing is
//! lost when it is killed.

use crate::cluster;
use crate::nodes::{Node, PATIENCE, await_shards, node_with};
use crate::support::{Answer, text};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use stepwright_json::{Json, json};

const LOCAL: &str = "[services]\nsqs = \"local\"\nsns = \"local\"\ndynamodb = \"local\"\n\
    eventbridge = \"local\"\nssm = \"local\"\nsecretsmanager = \"local\"\n\
    [functions.variables]\ncommand = [\"sh\", \"-c\", \"echo \\\"\\\\\\\"$AWS_ENDPOINT_URL_SQS $AWS_ENDPOINT_URL_S3\\\\\\\"\\\"\"]";
const PASS: &str = r#"{"StartAt":"P","States":{"P":{"Type":"Pass","End":true}}}"#;

/// Asks a service until a node that is being replaced has been.
fn ask(node: &Node, target: &str, body: &Json) -> Json {
    let begun = Instant::now();
    loop {
        match node.client.service(target, body) {
            Answer::Ok(reply) => return reply,
            Answer::Refused(name, _) if name.contains("ServiceUnavailable") => {}
            other => panic!("{target}: {other:?}"),
        }
        assert!(begun.elapsed() < PATIENCE, "{target} is not answered");
    }
}

/// The bodies of messages that are received now.
fn receive(node: &Node, queue: &str, seconds: i64, visibility: i64) -> Vec<Json> {
    let body = json!({
        "QueueUrl": (queue), "MaxNumberOfMessages": 10, "WaitTimeSeconds": (seconds),
        "VisibilityTimeout": (visibility)
    });
    let got = ask(node, "AmazonSQS.ReceiveMessage", &body);
    got.get("Messages").and_then(Json::as_array).map(|list| list.to_vec()).unwrap_or_default()
}

fn send(node: &Node, queue: &str, text: &str) {
    ask(node, "AmazonSQS.SendMessage", &json!({"QueueUrl": (queue), "MessageBody": (text)}));
}

/// Counts one up. Returns what the count is then.
fn count(node: &Node) -> i64 {
    let update = json!({
        "TableName": "orders", "Key": {"id": {"S": "count"}}, "UpdateExpression": "ADD n :one",
        "ExpressionAttributeValues": {":one": {"N": "1"}}, "ReturnValues": "UPDATED_NEW"
    });
    let reply = ask(node, "DynamoDB_20120810.UpdateItem", &update);
    let n = reply.get("Attributes").and_then(|all| all.get("n")?.get("N")?.as_str()?.parse().ok());
    n.expect("it is a number")
}

#[test]
fn local_services_of_two_nodes_are_one_and_outlive_the_node_that_has_them() {
    let Some(url) = cluster::database() else { return };
    let folder = tempfile::tempdir().expect("a directory can be made");
    let start = |number| node_with(number, cluster::free_port(), &url, folder.path(), LOCAL);
    let mut nodes = vec![start(0), start(1)];
    for node in &nodes {
        await_shards(&node.client, &[128, 128], PATIENCE);
    }
    let [first, second] = &nodes[..] else { unreachable!("there are two") };

    // What is made at one node is there at the other at once.
    let made = ask(first, "AmazonSQS.CreateQueue", &json!({"QueueName": "work"}));
    let queue = text(&made, "QueueUrl");
    let keys = json!([{"AttributeName": "id", "KeyType": "HASH"}]);
    let types = json!([{"AttributeName": "id", "AttributeType": "S"}]);
    let table = json!({
        "TableName": "orders", "KeySchema": keys, "AttributeDefinitions": types,
        "BillingMode": "PAY_PER_REQUEST"
    });
    ask(second, "DynamoDB_20120810.CreateTable", &table);
    let secret = json!({"Name": "password", "SecretString": "hidden", "ClientRequestToken": "0123456789012345678901234567890123"});
    ask(second, "secretsmanager.CreateSecret", &secret);
    let parameter = json!({"Name": "key", "Value": "sealed", "Type": "SecureString"});
    ask(first, "AmazonSSM.PutParameter", &parameter);
    for round in 1..=10 {
        assert_eq!(count(&nodes[round % 2]), round as i64);
    }
    // A message is received once within its time, whoever is asked.
    for number in 0..20 {
        send(&nodes[number % 2], &queue, &format!("before-{number}"));
    }
    let mut held = BTreeSet::new();
    for round in 0..20 {
        for message in receive(&nodes[round % 2], &queue, 0, 600) {
            let body = text(&message, "Body");
            assert!(held.insert(body.clone()), "{body} was received twice");
        }
    }
    assert_eq!(held.len(), 20);
    // Who waits at one node hears of what is sent at the other.
    for round in 0..4 {
        let (waiting, sending) = (&nodes[round % 2], &nodes[1 - round % 2]);
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| (receive(waiting, &queue, 20, 600), Instant::now()));
            std::thread::sleep(Duration::from_millis(700));
            let sent = Instant::now();
            send(sending, &queue, &format!("waited-{round}"));
            let (got, heard) = waiter.join().expect("it does not panic");
            assert_eq!(got.len(), 1, "{got:?}");
            assert!(heard - sent < Duration::from_secs(5), "{:?}", heard - sent);
        });
    }
    // Rules hear of executions of both nodes, and topics reach queues.
    let events =
        text(&ask(first, "AmazonSQS.CreateQueue", &json!({"QueueName": "events"})), "QueueUrl");
    let arn = "arn:aws:sqs:us-east-1:123456789012:events";
    let pattern = r#"{"source":["aws.states"],"detail":{"status":["SUCCEEDED"]}}"#;
    ask(second, "AWSEvents.PutRule", &json!({"Name": "ends", "EventPattern": pattern}));
    let targets = json!([{"Id": "queue", "Arn": arn}]);
    ask(first, "AWSEvents.PutTargets", &json!({"Rule": "ends", "Targets": targets}));
    // The other node knows within a second that there is a rule.
    std::thread::sleep(Duration::from_millis(2_500));
    let machine = first.client.create("pass", "STANDARD", PASS);
    let executions: BTreeSet<String> =
        (0..8).map(|at| nodes[at % 2].client.start(&machine, "{}")).collect();
    let mut told = BTreeSet::new();
    let begun = Instant::now();
    while told.len() < 8 {
        assert!(begun.elapsed() < PATIENCE, "{told:?} of {executions:?}");
        for message in receive(second, &events, 1, 600) {
            let event = stepwright_json::parse(&text(&message, "Body")).expect("it is JSON");
            told.insert(text(event.get("detail").expect("it says more"), "executionArn"));
        }
    }
    assert_eq!(told, executions);
    // A schedule goes on, whoever has the services.
    ask(first, "AmazonSQS.CreateQueue", &json!({"QueueName": "ticks"}));
    ask(
        first,
        "AWSEvents.PutRule",
        &json!({"Name": "tick", "ScheduleExpression": "rate(1 minute)"}),
    );
    let arn = "arn:aws:sqs:us-east-1:123456789012:ticks";
    let targets = json!([{"Id": "queue", "Arn": arn, "InputPath": "$.time"}]);
    ask(second, "AWSEvents.PutTargets", &json!({"Rule": "tick", "Targets": targets}));
    let ticking = Instant::now();
    // Functions find those services that are here, and no others.
    let machine = r#"{"StartAt":"F","States":{"F":{"Type":"Task","End":true,
        "Resource":"arn:aws:lambda:us-east-1:123456789012:function:variables"}}}"#;
    let machine = first.client.create("variables", "STANDARD", machine);
    let end = second.client.end(&second.client.start(&machine, "{}"));
    assert!(text(&end, "output").starts_with("\"http://127.0.0.1:"), "{end}");
    assert!(text(&end, "output").ends_with(" \""), "{end}");

    // Some are sent at the last moment. Then one of the nodes is killed: by and by the one that has them.
    for killed in 0..2 {
        for number in 0..10 {
            send(&nodes[number % 2], &queue, &format!("after-{killed}-{number}"));
        }
        let before = count(&nodes[0]);
        nodes.remove(0).server.kill();
        let left = &nodes[0];
        let mut got = BTreeSet::new();
        let begun = Instant::now();
        while got.len() < 10 {
            assert!(begun.elapsed() < PATIENCE, "{got:?}");
            for message in receive(left, &queue, 1, 600) {
                let body = text(&message, "Body");
                assert!(
                    body.starts_with(&format!("after-{killed}-")),
                    "{body} was received before"
                );
                assert!(got.insert(body.clone()), "{body} was received twice");
                let handle = text(&message, "ReceiptHandle");
                let delete = json!({"QueueUrl": (queue.as_str()), "ReceiptHandle": handle});
                ask(left, "AmazonSQS.DeleteMessage", &delete);
            }
        }
        assert_eq!(count(left), before + 1, "each update is there once");
        nodes.push(start(2 + killed));
        await_shards(&nodes[0].client, &[128, 128], PATIENCE);
        for node in &nodes {
            let read = json!({"SecretId": "password"});
            let secret = ask(node, "secretsmanager.GetSecretValue", &read);
            assert_eq!(text(&secret, "SecretString"), "hidden");
            let read = json!({"Name": "key", "WithDecryption": true});
            let found = ask(node, "AmazonSSM.GetParameter", &read);
            let value = found.get("Parameter").map(|one| text(one, "Value"));
            assert_eq!(value.as_deref(), Some("sealed"));
        }
    }
    check_ticks(&nodes[0], &queue.replace("/work", "/ticks"), ticking);
}

/// Every minute of a schedule has come since then, although nodes were killed. One at such a moment may come twice.
fn check_ticks(node: &Node, queue: &str, since: Instant) {
    let mut ticks = Vec::new();
    // The first moment that is due after the last takeover shows that nothing before it is still to come.
    let due = since.elapsed().as_secs() / 60 + 1;
    let end = since + Duration::from_mins(due) + PATIENCE;
    loop {
        for message in receive(node, queue, 5, 600) {
            ticks.push(second_of_day(&text(&message, "Body")));
        }
        // Midnight may be in between.
        let since_first = |time: &i64| (time - ticks[0]).rem_euclid(86_400);
        let minutes: BTreeSet<i64> = ticks.iter().map(|time| since_first(time) / 60).collect();
        if minutes.contains(&(due as i64 - 1)) {
            let expected: BTreeSet<i64> = (0..due as i64).collect();
            assert_eq!(minutes, expected, "a moment is missing");
            assert!(ticks.len() <= minutes.len() + 2, "{ticks:?}");
            assert!(ticks.iter().all(|time| since_first(time) % 60 == 0), "{ticks:?}");
            return;
        }
        assert!(Instant::now() < end, "{ticks:?}, and {due} are due");
    }
}

/// The second of the day of a moment such as `"2026-11-30T08:02:00Z"`.
fn second_of_day(moment: &str) -> i64 {
    let (_, time) = moment.trim_matches(['"', 'Z']).split_once('T').expect("a day and a time");
    time.split(':').fold(0, |sum, part| sum * 60 + part.parse::<i64>().expect("a number"))
}
