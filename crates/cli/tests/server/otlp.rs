//! Logs and spans reach a collector.

use crate::support::Server;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;
use stepwright_json::{Json, json};

/// A collector that answers every request with 200 and passes on what it receives.
pub(crate) fn collector() -> (String, Receiver<(String, Json)>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    let address = format!("http://{}", listener.local_addr().expect("it has an address"));
    let (sender, received) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let sender = sender.clone();
            std::thread::spawn(move || answer(stream, &sender));
        }
    });
    (address, received)
}

/// Answers the requests of one connection.
fn answer(mut stream: TcpStream, sender: &Sender<(String, Json)>) {
    let mut bytes = Vec::new();
    let mut part = [0; 8192];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some(end) = text.find("\r\n\r\n") {
            let head = &text[..end];
            let length = head
                .lines()
                .filter_map(|line| line.split_once(':'))
                .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
                .and_then(|(_, value)| value.trim().parse::<usize>().ok())
                .unwrap_or(0);
            if bytes.len() >= end + 4 + length {
                let body = stepwright_json::parse_bytes(&bytes[end + 4..end + 4 + length]);
                let line = head.lines().next().unwrap_or_default().to_owned();
                let line = format!("{line} {}", head.contains("x-key: secret"));
                sender.send((line, body.expect("it is JSON"))).expect("the test listens");
                bytes.drain(..end + 4 + length);
                let good = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
                stream.write_all(good.as_bytes()).expect("the server listens");
                continue;
            }
        }
        match stream.read(&mut part) {
            Ok(0) | Err(_) => return,
            Ok(read) => bytes.extend_from_slice(&part[..read]),
        }
    }
}

#[test]
fn a_collector_gets_logs_and_spans() {
    let (endpoint, received) = collector();
    let folder = tempfile::tempdir().expect("a directory can be made");
    let config = folder.path().join("stepwright.toml");
    let text = format!("[otlp]\nendpoint = \"{endpoint}\"\nheaders = {{ x-key = \"secret\" }}\n");
    std::fs::write(&config, text).expect("a file can be written");
    let config = config.to_string_lossy();
    let server = Server::start(&["--memory", "--config", &config]);
    let client = server.client();
    let group = "arn:aws:logs:us-east-1:123456789012:log-group:flows:*";
    let destination = json!({"cloudWatchLogsLogGroup": {"logGroupArn": (group)}});
    let machine = client.ok(
        "CreateStateMachine",
        &[
            ("name", "traced".into()),
            ("roleArn", "arn:aws:iam::123456789012:role/r".into()),
            ("definition", "{\"StartAt\":\"P\",\"States\":{\"P\":{\"Type\":\"Pass\",\"Next\":\"F\"},\"F\":{\"Type\":\"Fail\",\"Error\":\"E\"}}}".into()),
            ("loggingConfiguration", json!({"level": "FATAL", "destinations": [(destination)]})),
            ("tracingConfiguration", json!({"enabled": true})),
        ],
    );
    let arn = machine.get("stateMachineArn").cloned().expect("an ARN");
    let trace = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";
    client.ok("StartExecution", &[("stateMachineArn", arn), ("traceHeader", trace.into())]);

    let (mut logs, mut spans) = (None, None);
    while logs.is_none() || spans.is_none() {
        let (line, body) = received.recv_timeout(Duration::from_secs(20)).expect("it is sent");
        assert!(line.ends_with("true"), "the header is sent: {line}");
        match line.split(' ').nth(1) {
            Some("/v1/logs") => logs = Some(body),
            Some("/v1/traces") => spans = Some(body),
            other => panic!("nothing is sent to {other:?}"),
        }
    }
    let at = |body: &Json, path: &[&str]| {
        path.iter().fold(body.clone(), |json, step| match step.parse::<usize>() {
            Ok(index) => json.at(index).cloned().unwrap_or_default(),
            Err(_) => json.get(step).cloned().unwrap_or_default(),
        })
    };
    let logs = logs.expect("there are logs");
    let records = at(&logs, &["resourceLogs", "0", "scopeLogs", "0", "logRecords"]);
    // At this level, only the end of the execution is logged.
    assert_eq!(records.as_array().map(|records| records.len()), Some(1), "{logs}");
    assert_eq!(at(&records, &["0", "severityText"]), json!("FATAL"));
    assert_eq!(at(&records, &["0", "traceId"]), json!("5759e988bd862e3fe1be46a994272793"));
    let spans = spans.expect("there are spans");
    let spans = at(&spans, &["resourceSpans", "0", "scopeSpans", "0", "spans"]);
    let names: Vec<Json> = (0..3).map(|at_| at(&spans, &[&at_.to_string(), "name"])).collect();
    assert_eq!(names, [json!("P"), json!("F"), json!("traced")], "{spans}");
    assert_eq!(at(&spans, &["2", "parentSpanId"]), json!("53995c3f42cd8ad8"));
    assert_eq!(at(&spans, &["0", "parentSpanId"]), at(&spans, &["2", "spanId"]));
    assert_eq!(at(&spans, &["0", "status", "code"]), Json::Int(1));
    assert_eq!(at(&spans, &["2", "status", "code"]), Json::Int(2));
}

#[test]
fn a_collector_that_is_away_holds_nobody_up() {
    let folder = tempfile::tempdir().expect("a directory can be made");
    let config = folder.path().join("stepwright.toml");
    let text = "[otlp]\nendpoint = \"http://127.0.0.1:9\"\n";
    std::fs::write(&config, text).expect("a file can be written");
    let config = config.to_string_lossy();
    let server = Server::start(&["--memory", "--config", &config]);
    let client = server.client();
    let machine = client.ok(
        "CreateStateMachine",
        &[
            ("name", "quick".into()),
            ("type", "EXPRESS".into()),
            ("roleArn", "arn:aws:iam::123456789012:role/r".into()),
            (
                "definition",
                "{\"StartAt\":\"P\",\"States\":{\"P\":{\"Type\":\"Pass\",\"End\":true}}}".into(),
            ),
            ("tracingConfiguration", json!({"enabled": true})),
        ],
    );
    let arn = machine.get("stateMachineArn").cloned().expect("an ARN");
    for _ in 0..50 {
        let done = client.ok("StartSyncExecution", &[("stateMachineArn", arn.clone())]);
        assert_eq!(done.get("status"), Some(&json!("SUCCEEDED")));
    }
}
