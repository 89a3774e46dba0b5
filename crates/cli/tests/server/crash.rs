//! Kills the server with `kill -9` at random moments, again and again. Everything that was
//! acknowledged is kept, and every execution finishes.
//!
//! There are five rounds, or as many as `STEPWRIGHT_CRASH_ROUNDS` says (`cargo xtask crash`).

use crate::support::{Answer, Client, Server, command, object, text};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use stepwright_json::{Json, json};

const CHAIN: &str = r#"{"StartAt":"A","States":{
    "A":{"Type":"Pass","Result":1,"ResultPath":"$.a","Next":"B"},
    "B":{"Type":"Choice","Choices":[{"Variable":"$.a","NumericEquals":1,"Next":"C"}],"Default":"D"},
    "C":{"Type":"Pass","End":true},"D":{"Type":"Fail"}}}"#;
const WAIT: &str = r#"{"StartAt":"W","States":{
    "W":{"Type":"Wait","Seconds":1,"Next":"P"},"P":{"Type":"Pass","Result":1,"ResultPath":"$.a","End":true}}}"#;
const ACTIVITY: &str = r#"{"StartAt":"T","States":{
    "T":{"Type":"Task","Resource":"arn:aws:states:us-east-1:123456789012:activity:work","TimeoutSeconds":3,
         "Retry":[{"ErrorEquals":["States.ALL"],"IntervalSeconds":1,"MaxAttempts":1000,"BackoffRate":1.0}],
         "ResultPath":"$.a","End":true}}}"#;

/// Everything that was acknowledged in any round.
#[derive(Default)]
struct Acknowledged {
    /// Executions by ARN, with their numbers.
    starts: Mutex<BTreeMap<String, u64>>,
    next: AtomicU64,
    results: AtomicU64,
}

#[test]
fn what_was_acknowledged_survives_kill_9() {
    let rounds: u64 = std::env::var("STEPWRIGHT_CRASH_ROUNDS")
        .ok()
        .map_or(5, |rounds| rounds.parse().expect("a number of rounds"));
    let folder = tempfile::tempdir().expect("a directory can be made");
    let data = folder.path().join("data");
    let data = data.to_str().expect("the path is text");
    let config = folder.path().join("stepwright.toml");
    std::fs::write(&config, "[server]\nactivity_poll_seconds = 1\n").expect("it can be written");
    let config = config.to_str().expect("the path is text");
    let arguments = ["--data", data, "--config", config];
    let acknowledged = Acknowledged::default();
    let mut machines = Vec::new();
    let mut moment = 0x5157_u64;
    for round in 0..rounds {
        let server = Server::start(&arguments);
        if round == 0 {
            let client = server.client();
            client.ok("CreateActivity", &[("name", "work".into())]);
            machines = vec![
                client.create("chain", "STANDARD", CHAIN),
                client.create("wait", "STANDARD", WAIT),
                client.create("activity", "STANDARD", ACTIVITY),
            ];
        }
        moment = moment.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let lasts = Duration::from_millis(20 + (moment >> 33) % 300);
        let address = server.address.clone();
        let is_over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| start(&Client::new(&address), &machines, &acknowledged, &is_over));
            }
            for _ in 0..2 {
                scope.spawn(|| work(&Client::new(&address), &acknowledged, &is_over));
            }
            std::thread::sleep(lasts);
            server.kill();
            is_over.store(true, Ordering::Relaxed);
        });
    }
    finish(&arguments, &acknowledged);
    let (is_well, found) = command(&["doctor", "--data", data], folder.path());
    assert!(is_well, "{found}");
}

/// Starts executions until the server is gone.
fn start(client: &Client, machines: &[String], acknowledged: &Acknowledged, is_over: &AtomicBool) {
    while !is_over.load(Ordering::Relaxed) {
        let number = acknowledged.next.fetch_add(1, Ordering::Relaxed);
        let machine = &machines[number as usize % machines.len()];
        let body = object(&[
            ("stateMachineArn", machine.as_str().into()),
            ("name", format!("execution-{number}").into()),
            ("input", format!("{{\"n\":{number}}}").into()),
        ]);
        match client.call("StartExecution", &body) {
            Answer::Ok(reply) => {
                let mut starts = acknowledged.starts.lock().expect("no other thread panics");
                starts.insert(text(&reply, "executionArn"), number);
            }
            Answer::Lost => return,
            refused @ Answer::Refused(..) => panic!("{refused:?}"),
        }
    }
}

/// Works on the activity's tasks until the server is gone.
fn work(client: &Client, acknowledged: &Acknowledged, is_over: &AtomicBool) {
    let poll = json!({"activityArn": "arn:aws:states:us-east-1:123456789012:activity:work"});
    while !is_over.load(Ordering::Relaxed) {
        let Answer::Ok(task) = client.call("GetActivityTask", &poll) else { return };
        let Some(token) = task.get("taskToken") else { continue };
        let body = object(&[("taskToken", token.clone()), ("output", "1".into())]);
        match client.call("SendTaskSuccess", &body) {
            Answer::Ok(_) => drop(acknowledged.results.fetch_add(1, Ordering::Relaxed)),
            Answer::Lost => return,
            // The task timed out while the server was down.
            Answer::Refused(name, _) => assert_eq!(name, "TaskTimedOut"),
        }
    }
}

/// Starts the server for the last time and waits for everything to end.
fn finish(arguments: &[&str], acknowledged: &Acknowledged) {
    let began = Instant::now();
    let server = Server::start(arguments);
    let is_over = AtomicBool::new(false);
    let starts = acknowledged.starts.lock().expect("no other thread panics").clone();
    assert!(!starts.is_empty(), "nothing was started");
    let mut results = 0;
    std::thread::scope(|scope| {
        for _ in 0..2 {
            let client = server.client();
            scope.spawn(|| {
                let client = client;
                work_patiently(&client, acknowledged, &is_over);
            });
        }
        let client = server.client();
        for (execution, number) in &starts {
            let ended = client.end(execution);
            assert_eq!(text(&ended, "status"), "SUCCEEDED", "{ended}");
            let output = stepwright_json::parse(&text(&ended, "output")).expect("it is JSON");
            assert_eq!(output, json!({"n": (Json::Int(*number as i64)), "a": 1}), "{execution}");
            results += check_history(&client, execution);
        }
        is_over.store(true, Ordering::Relaxed);
    });
    let acknowledged = acknowledged.results.load(Ordering::Relaxed);
    // A result may be kept although its answer was lost, but not the other way round. Executions
    // whose start was not acknowledged do not count.
    assert!(results > 0 && acknowledged > 0, "no activity's task was done");
    assert!(began.elapsed() < Duration::from_mins(10), "it took too long");
    assert!(server.stop(), "the server does not stop well");
}

fn work_patiently(client: &Client, acknowledged: &Acknowledged, is_over: &AtomicBool) {
    let poll = json!({"activityArn": "arn:aws:states:us-east-1:123456789012:activity:work"});
    while !is_over.load(Ordering::Relaxed) {
        let Answer::Ok(task) = client.call("GetActivityTask", &poll) else { return };
        let Some(token) = task.get("taskToken") else { continue };
        let body = object(&[("taskToken", token.clone()), ("output", "1".into())]);
        if let Answer::Ok(_) = client.call("SendTaskSuccess", &body) {
            acknowledged.results.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Checks that no event is missing and none occurs twice. Returns the number of tasks that
/// succeeded.
fn check_history(client: &Client, execution: &str) -> u64 {
    let body = [("executionArn", execution.into()), ("maxResults", Json::Int(1_000))];
    let history = client.ok("GetExecutionHistory", &body);
    let events = history.get("events").and_then(Json::as_array).expect("a list").clone();
    let count =
        |kind: &str| events.iter().filter(|event| text(event, "type") == kind).count() as u64;
    for (at, event) in events.iter().enumerate() {
        assert_eq!(event.get("id").and_then(Json::as_i64), Some(at as i64 + 1), "{execution}");
    }
    assert_eq!(count("ExecutionStarted"), 1, "{execution}");
    assert_eq!(count("ExecutionSucceeded"), 1, "{execution}");
    assert!(count("ActivitySucceeded") <= 1, "{execution}");
    count("ActivitySucceeded")
}

/// Whatever clients do, SIGTERM ends the server within ten seconds.
#[test]
fn a_server_that_is_told_to_stop_stops_in_time() {
    use std::io::Write as _;
    let folder = tempfile::tempdir().expect("a directory can be made");
    let server = Server::start(&["--data", folder.path().to_str().expect("it is text")]);
    let mut slow: Vec<std::net::TcpStream> = Vec::new();
    for sent in ["POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\n{", "GET /hea"] {
        let mut stream = std::net::TcpStream::connect(&server.address).expect("it listens");
        stream.write_all(sent.as_bytes()).expect("it can be sent");
        slow.push(stream);
    }
    let client = server.client();
    let activity = client.ok("CreateActivity", &[("name", "nobody".into())]);
    let arn = text(&activity, "activityArn");
    let poll = std::thread::spawn(move || {
        client.call("GetActivityTask", &object(&[("activityArn", arn.as_str().into())]))
    });
    std::thread::sleep(Duration::from_millis(200));
    let began = Instant::now();
    assert!(server.stop());
    assert!(began.elapsed() < Duration::from_millis(10_500), "{:?}", began.elapsed());
    drop(poll.join().expect("the client does not panic"));
}
