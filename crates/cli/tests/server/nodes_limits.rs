//! Limits hold over all nodes that share a store.

use crate::cluster;
use crate::nodes::{LONG, Node, PATIENCE, await_shards, node_with};
use crate::support::{Answer, Client, text};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use stepwright_json::{Json, json};

const MACHINE: &str = "arn:aws:states:us-east-1:123456789012:stateMachine:counted";
const NESTED: &str = r#"{"StartAt":"N","States":{"N":{"Type":"Task","End":true,
    "Resource":"arn:aws:states:::states:startExecution",
    "Parameters":{"StateMachineArn":"arn:aws:states:us-east-1:123456789012:stateMachine:counted"}}}}"#;

static STARTS: AtomicUsize = AtomicUsize::new(0);

/// How many executions of the counted machine run.
fn running(client: &Client) -> usize {
    let members = [("stateMachineArn", MACHINE.into()), ("statusFilter", "RUNNING".into())];
    let reply = client.ok("ListExecutions", &members);
    reply.get("executions").and_then(Json::as_array).map_or(0, |all| all.len())
}

/// Starts many executions at all nodes at once. Returns those that have started.
fn start_everywhere(nodes: &[Node], at_each: usize) -> Vec<String> {
    std::thread::scope(|scope| {
        let starts: Vec<_> = nodes
            .iter()
            .flat_map(|node| std::iter::repeat_n(node, at_each))
            .map(|node| {
                scope.spawn(|| {
                    let number = STARTS.fetch_add(1, Ordering::SeqCst);
                    let name = format!("execution-{number}");
                    let body = json!({"stateMachineArn": MACHINE, "name": name});
                    loop {
                        match node.client.call("StartExecution", &body) {
                            Answer::Ok(reply) => return Some(text(&reply, "executionArn")),
                            Answer::Refused(name, _) if name == "ExecutionLimitExceeded" => {
                                return None;
                            }
                            // The node that counts was killed over it: whether it started anything is
                            // found out by asking again.
                            Answer::Refused(name, _) => assert_eq!(name, "InternalFailure"),
                            other @ Answer::Lost => panic!("{other:?}"),
                        }
                    }
                })
            })
            .collect();
        starts.into_iter().filter_map(|start| start.join().expect("it does not panic")).collect()
    })
}

#[test]
fn a_machine_runs_so_many_executions_over_all_nodes() {
    let Some(url) = cluster::database() else { return };
    let folder = tempfile::tempdir().expect("a directory can be made");
    let ports: Vec<u16> = (0..3).map(|_| cluster::free_port()).collect();
    let settings = "[machines.counted]\nmax_concurrent_executions = 5\n";
    let start = |number: usize| node_with(number, ports[number], &url, folder.path(), settings);
    let mut nodes: Vec<Node> = (0..3).map(start).collect();
    for node in &nodes {
        await_shards(&node.client, &[86, 86, 84], PATIENCE);
    }
    let client = nodes[0].server.client();
    client.create("counted", "STANDARD", LONG);
    let nested = client.create("nested", "STANDARD", NESTED);
    let mut started = start_everywhere(&nodes, 10);
    assert_eq!((started.len(), running(&client)), (5, 5));

    // What an execution starts is counted as well, and so is a fork.
    let end = nodes[1].client.end(&nodes[2].client.start(&nested, "{}"));
    assert_eq!(text(&end, "error"), "StepFunctions.ExecutionLimitExceededException", "{end}");
    let fork = json!({"executionArn": (started[0].as_str()), "state": "W"});
    let forked = nodes[2].client.own("/fork", &fork);
    assert!(
        matches!(&forked, Answer::Refused(name, _) if name == "ExecutionLimitExceeded"),
        "{forked:?}"
    );

    // One ends, and one may begin. A start that is repeated is none.
    let stopped = started.pop().expect("there are five");
    nodes[1].client.ok("StopExecution", &[("executionArn", stopped.into())]);
    started.extend(start_everywhere(&nodes, 4));
    assert_eq!((started.len(), running(&client)), (5, 5));

    // Nodes come and go while many start, and the count is kept.
    let mut last = nodes.pop().expect("there are three");
    for round in 0..2 {
        let stopped: Vec<String> = started.drain(..3).collect();
        for execution in stopped {
            client.ok("StopExecution", &[("executionArn", execution.into())]);
        }
        let leaving = std::thread::spawn(move || {
            if round == 0 {
                last.server.kill();
            } else {
                assert!(last.server.stop());
            }
        });
        started.extend(start_everywhere(&nodes, 5));
        assert_eq!((started.len(), running(&client)), (5, 5), "round {round}");
        leaving.join().expect("it does not panic");
        last = start(2);
    }
    started.extend(start_everywhere(&nodes, 5));
    assert_eq!((started.len(), running(&client)), (5, 5));
}

#[test]
fn requests_are_throttled_over_all_nodes() {
    let Some(url) = cluster::database() else { return };
    let folder = tempfile::tempdir().expect("a directory can be made");
    let settings = "max_requests_per_second = 30";
    let nodes: Vec<Node> = (0..3)
        .map(|number| node_with(number, cluster::free_port(), &url, folder.path(), settings))
        .collect();
    for node in &nodes {
        await_shards(&node.client, &[86, 86, 84], PATIENCE);
    }
    let flood = |nodes: &[Node], lasts: Duration| -> usize {
        let end = Instant::now() + lasts;
        std::thread::scope(|scope| {
            let floods: Vec<_> = nodes
                .iter()
                .map(|node| {
                    scope.spawn(move || {
                        let mut passed = 0;
                        while Instant::now() < end {
                            match node.client.call("ListStateMachines", &json!({})) {
                                Answer::Ok(_) => passed += 1,
                                Answer::Refused(name, _) => assert_eq!(name, "ThrottlingException"),
                                other @ Answer::Lost => panic!("{other:?}"),
                            }
                        }
                        passed
                    })
                })
                .collect();
            floods.into_iter().map(|flood| flood.join().expect("it does not panic")).sum()
        })
    };
    // A second's worth at once, and then so many in each second.
    let passed = flood(&nodes, Duration::from_secs(3));
    assert!((80..=125).contains(&passed), "{passed}");
    // One alone has its share, and all of it once the others are gone.
    let passed = flood(&nodes[..1], Duration::from_secs(3));
    assert!((28..=45).contains(&passed), "{passed}");
    let mut nodes = nodes;
    for node in nodes.drain(1..) {
        assert!(node.server.stop());
    }
    await_shards(&nodes[0].client, &[256], PATIENCE);
    let passed = flood(&nodes, Duration::from_secs(3));
    assert!((80..=125).contains(&passed), "{passed}");
}
