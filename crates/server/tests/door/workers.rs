//! Workers of activities that are gone get no work.

use crate::support::{Answer, Request, Server, server};
use std::time::{Duration, Instant};
use stepwright_json::{Json, json};
use stepwright_server::config::ServerConfig;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const ACTIVITY: &str = "arn:aws:states:us-east-1:123456789012:activity:work";
const MACHINE: &str = "arn:aws:states:us-east-1:123456789012:stateMachine:m";

/// A server with an activity, and a machine with a task for it.
async fn workshop() -> Server {
    let config = ServerConfig { activity_poll_seconds: 30, ..server() };
    let server = Server::start(config, Vec::new()).await;
    let definition = json!({
        "StartAt": "T",
        "States": {"T": {"Type": "Task", "Resource": (ACTIVITY), "End": true}}
    });
    ask(&server, "CreateActivity", json!({"name": "work"})).await;
    let machine = json!({
        "name": "m",
        "definition": (definition.to_string()),
        "roleArn": "arn:aws:iam::123456789012:role/any"
    });
    ask(&server, "CreateStateMachine", machine).await;
    server
}

async fn ask(server: &Server, operation: &str, body: Json) -> Json {
    let answer = server.ask(&Request::operation(operation, &body.to_string())).await;
    assert_eq!(answer.status, 200, "{operation}: {answer:?}");
    stepwright_json::parse(&answer.body).expect("it is JSON")
}

async fn start(server: &Server) -> String {
    let started = ask(server, "StartExecution", json!({"stateMachineArn": (MACHINE)})).await;
    started.get("executionArn").and_then(Json::as_str).expect("it started").to_owned()
}

fn poll(server: &Server, connection: &str) -> Vec<u8> {
    let body = format!("{{\"activityArn\":\"{ACTIVITY}\"}}");
    let bytes = Request::operation("GetActivityTask", &body).bytes(server.address);
    let text = String::from_utf8(bytes).expect("it is text");
    text.replace("connection: close", &format!("connection: {connection}")).into_bytes()
}

async fn poller(server: &Server, connection: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server.address).await.expect("it listens");
    stream.write_all(&poll(server, connection)).await.expect("it reads");
    stream
}

/// Polls as an honest worker would, and reports success. Returns how long it took to get the task.
async fn work(server: &Server) -> Duration {
    let began = Instant::now();
    let task = ask(server, "GetActivityTask", json!({"activityArn": (ACTIVITY)})).await;
    let took = began.elapsed();
    let token = task.get("taskToken").cloned().unwrap_or_else(|| panic!("no task: {task}"));
    ask(server, "SendTaskSuccess", json!({"taskToken": (token), "output": "{}"})).await;
    took
}

async fn status(server: &Server, execution: &str) -> String {
    let body = json!({"executionArn": (execution)});
    let described = ask(server, "DescribeExecution", body).await;
    described.get("status").and_then(Json::as_str).unwrap_or_default().to_owned()
}

async fn history(server: &Server, execution: &str) -> Vec<String> {
    let body = json!({"executionArn": (execution)});
    let history = ask(server, "GetExecutionHistory", body).await;
    let events = history.get("events").and_then(Json::as_array).cloned().unwrap_or_default();
    let kinds = events.iter().filter_map(|event| Some(event.get("type")?.as_str()?.to_owned()));
    kinds.collect()
}

/// How a worker is gone while it polls.
#[derive(Clone, Copy, Debug)]
enum Gone {
    /// It has closed its connection.
    Closed,
    /// It was reset.
    Reset,
    /// It has closed its half.
    HalfClosed,
    /// It sent another request behind, and then closed.
    ClosedBehind,
}

#[tokio::test]
async fn a_worker_that_is_gone_gets_no_task() {
    for gone in [Gone::Closed, Gone::Reset, Gone::HalfClosed, Gone::ClosedBehind] {
        let server = workshop().await;
        let mut kept = Vec::new();
        for _ in 0..20 {
            let mut stream = poller(&server, "keep-alive").await;
            match gone {
                Gone::Closed => drop(stream),
                Gone::Reset => {
                    socket2::SockRef::from(&stream)
                        .set_linger(Some(Duration::ZERO))
                        .expect("it can be set");
                    drop(stream);
                }
                Gone::HalfClosed => {
                    stream.shutdown().await.expect("it can be closed");
                    kept.push(stream);
                }
                Gone::ClosedBehind => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    stream.write_all(&poll(&server, "close")).await.expect("it reads");
                    drop(stream);
                }
            }
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
        let execution = start(&server).await;
        assert!(work(&server).await < Duration::from_secs(5), "{gone:?}");
        assert_eq!(status(&server, &execution).await, "SUCCEEDED", "{gone:?}");
        let kinds = history(&server, &execution).await;
        let started = kinds.iter().filter(|kind| *kind == "ActivityStarted").count();
        assert_eq!(started, 1, "{gone:?}: {kinds:?}");
        // Whoever only closed its half is told that there is no task.
        for mut stream in kept {
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await.expect("it answers");
            assert_eq!(Answer::read(&answer).body, "{}");
        }
    }
}

#[tokio::test]
async fn a_poll_ends_with_its_connection() {
    let server = workshop().await;
    let before = connections(&server);
    let pollers: Vec<_> = {
        let mut pollers = Vec::new();
        for _ in 0..200 {
            pollers.push(poller(&server, "keep-alive").await);
        }
        pollers
    };
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(connections(&server) >= before + 200, "the server has 200 connections");
    drop(pollers);
    for _ in 0..50 {
        if connections(&server) <= before + 5 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{} connections are open, {before} were before", connections(&server));
}

/// The number of connections that the server has not closed.
fn connections(server: &Server) -> usize {
    let table = std::fs::read_to_string("/proc/net/tcp").expect("it can be read");
    let port = format!(":{:04X}", server.address.port());
    let open = |line: &&str| {
        let mut columns = line.split_whitespace().skip(1);
        let is_server = columns.next().is_some_and(|local| local.ends_with(&port));
        // Established, or closed by the client only.
        is_server && columns.nth(1).is_some_and(|state| ["01", "08"].contains(&state))
    };
    table.lines().filter(open).count()
}

#[tokio::test]
async fn a_task_whose_answer_is_lost_goes_back() {
    for connection in ["keep-alive", "close"] {
        let server = workshop().await;
        for round in 0..10 {
            let stream = poller(&server, connection).await;
            tokio::time::sleep(Duration::from_millis(30)).await;
            // The worker dies when its answer is already on the way: it never reads it.
            let execution = start(&server).await;
            stream.readable().await.expect("an answer comes");
            drop(stream);
            let took = work(&server).await;
            assert!(took < Duration::from_secs(5), "{connection} {round}: {took:?}");
            assert_eq!(status(&server, &execution).await, "SUCCEEDED");
            let kinds = history(&server, &execution).await;
            let started = kinds.iter().filter(|kind| *kind == "ActivityStarted").count();
            assert_eq!(started, 1, "{kinds:?}");
        }
    }
}

#[tokio::test]
async fn a_worker_that_was_answered_keeps_its_task() {
    for connection in ["keep-alive", "close"] {
        let server = workshop().await;
        let mut stream = poller(&server, connection).await;
        let execution = start(&server).await;
        let mut answer = [0; 4_096];
        let read = stream.read(&mut answer).await.expect("it answers");
        assert!(String::from_utf8_lossy(&answer[..read]).contains("taskToken"));
        drop(stream);
        // It works on, without a connection. Nobody else is given the task.
        let mut other = poller(&server, "close").await;
        let waiting = tokio::time::timeout(Duration::from_secs(3), other.read(&mut answer)).await;
        assert!(waiting.is_err(), "{connection}: the task was handed out twice");
        assert_eq!(status(&server, &execution).await, "RUNNING");
    }
}
