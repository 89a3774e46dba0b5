//! What nodes cannot be started on, and what they make of it when it comes to be so.

use crate::chaos::replicas::Postgres;
use crate::cluster;
use crate::nodes::{LONG, PATIENCE, await_shards, configure, node_with};
use crate::support::{Answer, Server, command, text};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use stepwright_json::{Json, json};

const PASS: &str = r#"{"StartAt":"P","States":{"P":{"Type":"Pass","End":true}}}"#;

/// Starts a node that is refused. Returns what it says.
fn refused(number: usize, port: u16, url: &str, folder: &Path) -> String {
    refused_with(number, port, url, folder, "")
}

/// The same with more settings.
fn refused_with(number: usize, port: u16, url: &str, folder: &Path, settings: &str) -> String {
    let config = configure(number, cluster::free_port(), url, folder, settings);
    let text = std::fs::read_to_string(&config).expect("it was written");
    let text: Vec<String> = text
        .lines()
        .map(|line| {
            let is_address = line.starts_with("address");
            if is_address {
                format!("address = \"http://127.0.0.1:{port}\"")
            } else {
                line.to_owned()
            }
        })
        .collect();
    std::fs::write(&config, text.join("\n")).expect("it can be written");
    let begun = Instant::now();
    let (is_served, printed) =
        command(&["serve", "--listen", "127.0.0.1:0", "--config", &config], folder);
    assert!(!is_served, "{printed}");
    assert!(begun.elapsed() < PATIENCE && !printed.contains("panicked"), "{printed}");
    printed
}

#[test]
fn a_node_with_another_ones_address_is_refused_and_harms_nobody() {
    let Some(url) = cluster::database() else { return };
    let folder = tempfile::tempdir().expect("a directory can be made");
    let port = cluster::free_port();
    let first = node_with(0, port, &url, folder.path(), "");
    let machine = first.client.create("long", "STANDARD", LONG);
    let execution = first.client.start(&machine, "{}");
    let printed = refused(1, port, &url, folder.path());
    assert!(printed.contains("another node answers at http://127.0.0.1:"), "{printed}");
    // The one that was there goes on, and is the only one.
    await_shards(&first.client, &[256], Duration::from_secs(5));
    first.client.ok("StopExecution", &[("executionArn", execution.as_str().into())]);
    assert_eq!(text(&first.client.end(&execution), "status"), "ABORTED");
    // One that comes in its place when it is gone is not.
    first.server.kill();
    let again = node_with(0, port, &url, folder.path(), "");
    await_shards(&again.client, &[256], Duration::from_secs(8));
    again.client.start(&machine, "{}");
}

#[test]
fn a_node_that_returns_from_the_dead_ends_and_has_done_nothing() {
    let Some(url) = cluster::database() else { return };
    let folder = tempfile::tempdir().expect("a directory can be made");
    let nodes: Vec<_> = (0..2)
        .map(|number| node_with(number, cluster::free_port(), &url, folder.path(), ""))
        .collect();
    for node in &nodes {
        await_shards(&node.client, &[128, 128], PATIENCE);
    }
    let machine = nodes[0].client.create("long", "STANDARD", LONG);
    let executions: Vec<String> =
        (0..6).map(|at| nodes[at % 2].client.start(&machine, "{}")).collect();
    let id = nodes[1].server.id().to_string();
    let signal = |signal: &str| {
        let sent = Command::new("kill").args([signal, &id]).status().expect("kill runs");
        assert!(sent.success());
    };
    signal("-STOP");
    await_shards(&nodes[0].client, &[256], PATIENCE);
    for execution in &executions {
        nodes[0].client.ok("StopExecution", &[("executionArn", execution.as_str().into())]);
    }
    signal("-CONT");
    // It may still answer, but never what is not so any more.
    let end = Instant::now() + PATIENCE;
    loop {
        let mut is_gone = false;
        for execution in &executions {
            let body = json!({"executionArn": (execution.as_str())});
            match nodes[1].client.call("DescribeExecution", &body) {
                Answer::Ok(described) => assert_eq!(text(&described, "status"), "ABORTED"),
                Answer::Refused(name, why) => assert!(!name.contains("NotExist"), "{why}"),
                Answer::Lost => is_gone = true,
            }
        }
        if is_gone {
            break;
        }
        assert!(Instant::now() < end, "it does not end");
    }
    let (is_right, printed) = command(&["doctor", "--store", &url], folder.path());
    assert!(is_right && printed.contains("Nothing is wrong with the database."), "{printed}");
}

#[test]
fn a_standby_is_refused() {
    let Some(primary) = Postgres::new() else { return };
    primary.sql("postgres", "CREATE DATABASE steps");
    let standby = primary.standby();
    let folder = tempfile::tempdir().expect("a directory can be made");
    let url = format!("postgres://stepwright@127.0.0.1:{}/steps", standby.port);
    let printed = refused(0, cluster::free_port(), &url, folder.path());
    assert!(printed.contains("it is a standby, which can only be read"), "{printed}");
}

#[test]
fn a_full_disk_loses_nothing() {
    let Some(mut postgres) = Postgres::on_small_disk() else { return };
    postgres.sql("postgres", "CREATE DATABASE steps");
    let url = format!("postgres://stepwright@127.0.0.1:{}/steps", postgres.port);
    let folder = tempfile::tempdir().expect("a directory can be made");
    let node = node_with(0, cluster::free_port(), &url, folder.path(), "");
    let machine = node.client.create("pass", "STANDARD", PASS);
    let client = node.client.briefly(Duration::from_secs(20));
    // What does not become smaller when it is packed.
    let input = |number: usize| {
        let mut state = number as u64 + 1;
        let letters = (0..200_000).map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            char::from(b'a' + ((state >> 40) % 26) as u8)
        });
        json!({"text": (letters.collect::<String>())}).to_string()
    };
    let mut acknowledged = Vec::new();
    let mut start = |number: usize| {
        let name = format!("execution-{number}");
        let body = json!({
            "stateMachineArn": (machine.as_str()), "name": name, "input": (input(number))
        });
        match client.call("StartExecution", &body) {
            Answer::Ok(reply) => acknowledged.push(text(&reply, "executionArn")),
            Answer::Refused(name, why) => {
                assert!(!name.contains("Validation") && !name.contains("NotExist"), "{why}");
                return false;
            }
            Answer::Lost => return false,
        }
        true
    };
    assert!((0..10).all(&mut start), "there is room");
    postgres.fill_disk();
    let failed = (10..500).find(|number| !start(*number)).expect("the disk is full");
    // Whoever is asked meanwhile says so, and goes on.
    assert!(!(500..503).any(&mut start), "there is no room");
    assert!(node.client.health().is_some());
    postgres.empty_disk();
    let end = Instant::now() + PATIENCE;
    let mut number = 600;
    while !start(number) {
        assert!(Instant::now() < end, "there is room again");
        std::thread::sleep(Duration::from_millis(300));
        number += 1;
    }
    assert!(acknowledged.len() > 10 && failed >= 10);
    for execution in &acknowledged {
        assert_eq!(text(&node.client.end(execution), "status"), "SUCCEEDED");
    }
    let (is_right, printed) = command(&["doctor", "--store", &url], folder.path());
    assert!(is_right && printed.contains("Nothing is wrong with the database."), "{printed}");
}

const SEND: &str = r#"{"StartAt":"M","States":{"M":{"Type":"Map","End":true,
    "ItemProcessor":{"ProcessorConfig":{"Mode":"DISTRIBUTED","ExecutionType":"STANDARD"},
        "StartAt":"S","States":{"S":{"Type":"Task","End":true,
            "Resource":"arn:aws:states:::sqs:sendMessage",
            "Parameters":{"QueueUrl":"QUEUE","MessageBody.$":"States.Format('{}', $)"}}}}}}}"#;

#[test]
fn a_server_of_its_own_has_local_services_for_all_nodes() {
    let Some(url) = cluster::database() else { return };
    let folder = tempfile::tempdir().expect("a directory can be made");
    // What each node would have in its own memory is refused.
    for (settings, named) in [
        ("[services]\ns3 = \"local\"", "`[services.s3]` is for the local services"),
        ("[services]\ndefault = \"local\"", "`[services.default]` is for the local services"),
        ("[resources.q]\ntype = \"AWS::SQS::Queue\"", "`[resources]` is for the local services"),
    ] {
        let printed = refused_with(0, cluster::free_port(), &url, folder.path(), settings);
        assert!(printed.contains(named) && printed.contains("endpoint = "), "{printed}");
    }
    let data = folder.path().join("services").to_str().expect("it is text").to_owned();
    let services = Server::start(&["--data", &data]);
    let settings = format!("[services.default]\nendpoint = \"http://{}\"", services.address);
    let nodes: Vec<_> = (0..2)
        .map(|number| node_with(number, cluster::free_port(), &url, folder.path(), &settings))
        .collect();
    for node in &nodes {
        await_shards(&node.client, &[128, 128], PATIENCE);
    }
    let queue = json!({"QueueName": "work"});
    let here = nodes[0].client.service("AmazonSQS.CreateQueue", &queue);
    let Answer::Refused(_, why) = here else { panic!("{here:?}") };
    assert!(why.contains("one of several nodes") && why.contains("sqs = \"local\""), "{why}");
    let Answer::Ok(made) = services.client().service("AmazonSQS.CreateQueue", &queue) else {
        panic!("it is not made")
    };
    let queue = text(&made, "QueueUrl");
    let machine = nodes[0].client.create("send", "STANDARD", &SEND.replace("QUEUE", &queue));
    let run = nodes[1].client.start(&machine, "[0,1,2,3,4,5,6,7,8,9,10,11]");
    let end = nodes[0].client.end(&run);
    assert_eq!(text(&end, "status"), "SUCCEEDED", "{end}");
    let mut bodies = Vec::new();
    while bodies.len() < 12 {
        let body = json!({"QueueUrl": (queue.as_str()), "MaxNumberOfMessages": 10});
        let Answer::Ok(got) = services.client().service("AmazonSQS.ReceiveMessage", &body) else {
            panic!("nothing is received")
        };
        let messages = got.get("Messages").and_then(Json::as_array).expect("there are more");
        bodies.extend(messages.iter().map(|message| text(message, "Body")));
    }
    bodies.sort_by_key(|body| body.parse::<u32>().ok());
    assert_eq!(bodies, (0..12).map(|item| item.to_string()).collect::<Vec<_>>());
}
