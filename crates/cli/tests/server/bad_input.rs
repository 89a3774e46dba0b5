//! Invalid requests and failing disks: every answer is clear, and nothing acknowledged is lost.

use crate::support::{Answer, Server, command, text};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;
use stepwright_json::json;

const PASS: &str = r#"{"StartAt":"P","States":{"P":{"Type":"Pass","End":true}}}"#;

/// Sends raw bytes. Returns everything that comes back until the server closes the connection.
fn raw(server: &Server, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(&server.address).expect("the server listens");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a socket has options");
    // The server may close the connection before everything is sent.
    stream.write_all(bytes).ok();
    stream.shutdown(std::net::Shutdown::Write).ok();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok();
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn senseless_requests_are_refused_with_a_reason() {
    let server = Server::start(&["--memory"]);
    let client = server.client();
    let deep = "[".repeat(100_000);
    let bodies: [(&[u8], &str); 6] = [
        (b"{\"name\":", "SerializationException"),
        (b"[]", "SerializationException"),
        (b"{\"name\": 7}", "SerializationException"),
        (b"{\"name\": \"\xFF\"}", "SerializationException"),
        (deep.as_bytes(), "SerializationException"),
        (b"{}", "ValidationException"),
    ];
    for (body, expected) in bodies {
        match client.send("CreateActivity", body) {
            Answer::Refused(name, message) => {
                assert_eq!(name, expected, "{message}");
                assert!(!message.is_empty());
            }
            other => panic!("{other:?}"),
        }
    }
    let (name, _) = client.refused("DropEverything", &[]);
    assert_eq!(name, "UnknownOperationException");
    let huge = vec![b' '; 9 << 20];
    match client.send("CreateActivity", &huge) {
        Answer::Refused(name, _) => assert_eq!(name, "RequestEntityTooLarge"),
        // The server may close the connection of a client that keeps sending.
        Answer::Lost => {}
        Answer::Ok(reply) => panic!("{reply}"),
    }
    assert!(raw(&server, b"GARBAGE\r\n\r\n").starts_with("HTTP/1.1 400"));
    let half = raw(&server, b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{");
    assert!(!half.starts_with("HTTP/1.1 200"), "{half}");
    client.ok("ListStateMachines", &[]);
}

#[test]
fn a_thousand_silent_connections_keep_nobody_out() {
    let server = Server::start(&["--memory"]);
    let silent: Vec<TcpStream> = (0..1_000)
        .map(|_| TcpStream::connect(&server.address).expect("the server listens"))
        .collect();
    server.client().ok("ListStateMachines", &[]);
    assert_eq!(silent.len(), 1_000);
}

#[test]
fn more_connections_than_allowed_are_closed_and_the_others_served() {
    let folder = tempfile::tempdir().expect("a directory can be made");
    let config = folder.path().join("stepwright.toml");
    std::fs::write(&config, "[server]\nmax_connections = 20\n").expect("it can be written");
    let server = Server::start(&["--memory", "--config", config.to_str().expect("text")]);
    let silent: Vec<TcpStream> =
        (0..15).map(|_| TcpStream::connect(&server.address).expect("the server listens")).collect();
    server.client().ok("ListStateMachines", &[]);
    drop(silent);
}

#[test]
fn forged_tokens_are_refused() {
    let server = Server::start(&["--memory"]);
    let client = server.client();
    client.ok("CreateActivity", &[("name", "work".into())]);
    let machine = client.create(
        "machine",
        "STANDARD",
        r#"{"StartAt":"T","States":{"T":{"Type":"Task","End":true,
            "Resource":"arn:aws:states:us-east-1:123456789012:activity:work"}}}"#,
    );
    client.start(&machine, "{}");
    let activity = "arn:aws:states:us-east-1:123456789012:activity:work";
    let task = client.ok("GetActivityTask", &[("activityArn", activity.into())]);
    let token = text(&task, "taskToken");
    // The letters in the middle belong to the secret.
    let forged: String = token
        .char_indices()
        .map(|(at, c)| if (20..30).contains(&at) { if c == 'A' { 'B' } else { 'A' } } else { c })
        .collect();
    for wrong in [forged.as_str(), "AAAA", "not base64!", &token[1..]] {
        let members = [("taskToken", wrong.into()), ("output", "1".into())];
        assert_eq!(client.refused("SendTaskSuccess", &members).0, "InvalidToken", "{wrong}");
    }
    let members = [("taskToken", token.as_str().into()), ("output", "{".into())];
    assert_eq!(client.refused("SendTaskSuccess", &members).0, "InvalidOutput");
    let members = [("taskToken", token.as_str().into()), ("output", "1".into())];
    client.ok("SendTaskSuccess", &members);
    // A token can end its task only once.
    assert_eq!(client.refused("SendTaskSuccess", &members).0, "TaskTimedOut");
}

#[test]
fn nobody_gets_in_without_the_key() {
    let folder = tempfile::tempdir().expect("a directory can be made");
    let config = folder.path().join("stepwright.toml");
    let text = "[[credentials]]\naccess_key_id = \"AKID\"\nsecret_access_key = \"secret\"\n\
                actions = [\"states:List*\"]\n";
    std::fs::write(&config, text).expect("it can be written");
    let config = config.to_str().expect("the path is text");
    let server = Server::start(&["--memory", "--config", config]);
    let (name, _) = server.client().refused("ListStateMachines", &[]);
    assert_eq!(name, "MissingAuthenticationTokenException");
    let forged = "POST / HTTP/1.1\r\nHost: localhost\r\nX-Amz-Target: AWSStepFunctions.ListStateMachines\r\n\
        X-Amz-Date: 20200101T000000Z\r\nAuthorization: AWS4-HMAC-SHA256 \
        Credential=AKID/20200101/us-east-1/states/aws4_request, SignedHeaders=host;x-amz-date, \
        Signature=00\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";
    let answer = raw(&server, forged.as_bytes());
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    assert!(answer.contains("InvalidSignatureException"), "{answer}");
}

#[test]
fn an_open_door_needs_a_key() {
    let folder = tempfile::tempdir().expect("a directory can be made");
    let arguments = ["serve", "--memory", "--listen", "0.0.0.0:0"];
    let (is_well, said) = command(&arguments, folder.path());
    assert!(!is_well);
    assert!(said.contains("credentials"), "{said}");
    // There is a key now, but still no encryption.
    let text = "[[credentials]]\naccess_key_id = \"AKID\"\nsecret_access_key = \"secret\"\n";
    std::fs::write(folder.path().join("stepwright.toml"), text).expect("it can be written");
    let (is_well, said) = command(&arguments, folder.path());
    assert!(!is_well);
    assert!(said.contains("[server.tls]") && said.contains("--insecure"), "{said}");
    let arguments =
        [&arguments[..], &["--tls-certificate", "no.pem", "--tls-key", "no.key"]].concat();
    let (is_well, said) = command(&arguments, folder.path());
    assert!(!is_well);
    assert!(said.contains("no.pem cannot be read"), "{said}");
}

#[test]
fn unknown_keys_of_the_configuration_are_refused_by_name() {
    let folder = tempfile::tempdir().expect("a directory can be made");
    std::fs::write(folder.path().join("stepwright.toml"), "[server]\nlissten = 1\n")
        .expect("it can be written");
    let (is_well, said) = command(&["serve", "--memory"], folder.path());
    assert!(!is_well);
    assert!(said.contains("lissten"), "{said}");
}

#[test]
fn a_data_directory_serves_one_server_at_a_time() {
    let folder = tempfile::tempdir().expect("a directory can be made");
    let data = folder.path().join("data");
    let data = data.to_str().expect("the path is text");
    let server = Server::start(&["--data", data]);
    assert!(Server::try_start(&["--data", data]).is_none(), "two servers share a directory");
    server.client().ok("ListStateMachines", &[]);
}

#[test]
fn damage_in_the_database_is_found_and_refuses_no_more_than_it_must() {
    let folder = tempfile::tempdir().expect("a directory can be made");
    let data = folder.path().join("data");
    let path = data.to_str().expect("the path is text");
    let server = Server::start(&["--data", path]);
    let client = server.client();
    let machine = client.create("machine", "STANDARD", PASS);
    let padding = "x".repeat(2_000);
    for n in 0..200 {
        client.start(&machine, &json!({"n": n, "padding": (padding.as_str())}).to_string());
    }
    assert!(server.stop());
    // Overwrites a page in the middle of the file.
    let file = data.join("stepwright.db");
    let mut bytes = std::fs::read(&file).expect("the database is there");
    let middle = bytes.len() / 2 / 4_096 * 4_096;
    bytes[middle..middle + 4_096].fill(0xA5);
    std::fs::write(&file, bytes).expect("it can be written");
    let (is_well, found) = command(&["doctor", "--data", path], folder.path());
    assert!(!is_well, "{found}");
    let server = Server::start(&["--data", path]);
    let client = server.client();
    let execution = client.start(&machine, "{}");
    assert_eq!(text(&client.end(&execution), "status"), "SUCCEEDED");
}

#[test]
fn a_full_disk_loses_nothing_that_was_acknowledged() {
    // A limit on the size of files has the same effect as a full disk.
    let folder = tempfile::tempdir().expect("a directory can be made");
    let data = folder.path().join("data");
    let path = data.to_str().expect("the path is text");
    let server = Server::start_limited(&["--data", path], 4_096);
    let client = server.client();
    let machine = client.create("machine", "STANDARD", PASS);
    // Data that cannot be compressed fills the disk faster.
    let mut noise = 7_u64;
    let mut padding = || -> String {
        (0..2_000)
            .map(|_| {
                noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                char::from(b'a' + ((noise >> 33) % 26) as u8)
            })
            .collect()
    };
    let mut acknowledged = Vec::new();
    let mut refused = 0;
    for _ in 0..4_000 {
        let input = json!({"padding": (padding().as_str())}).to_string();
        let body = json!({"stateMachineArn": (machine.as_str()), "input": (input.as_str())});
        match client.call("StartExecution", &body) {
            Answer::Ok(reply) => acknowledged.push(text(&reply, "executionArn")),
            Answer::Refused(name, message) => {
                assert_eq!(name, "InternalFailure", "{message}");
                refused += 1;
                if refused == 3 {
                    break;
                }
            }
            Answer::Lost => panic!("the server is gone"),
        }
    }
    assert_eq!(refused, 3, "the disk did not fill up");
    server.kill();
    let server = Server::start(&["--data", path]);
    let client = server.client();
    for execution in &acknowledged {
        assert_eq!(text(&client.end(execution), "status"), "SUCCEEDED");
    }
    assert!(!acknowledged.is_empty());
}

#[test]
fn one_poisoned_execution_stops_nobody_else() {
    let folder = tempfile::tempdir().expect("a directory can be made");
    let data = folder.path().join("data");
    let path = data.to_str().expect("the path is text");
    let server = Server::start(&["--data", path]);
    let client = server.client();
    let wait = r#"{"StartAt":"W","States":{"W":{"Type":"Wait","Seconds":3,"End":true}}}"#;
    let machine = client.create("machine", "STANDARD", wait);
    let (poisoned, healthy) = (client.start(&machine, "{}"), client.start(&machine, "{}"));
    assert!(server.stop());
    // Makes an execution's history unreadable.
    let database = rusqlite::Connection::open(data.join("stepwright.db")).expect("it opens");
    let changed = database.execute(
        "UPDATE chunks SET bytes = x'00FF' WHERE execution = \
         (SELECT id FROM executions WHERE arn = ?1)",
        [&poisoned],
    );
    assert_eq!(changed, Ok(1));
    drop(database);
    let (is_well, found) = command(&["doctor", "--data", path], folder.path());
    assert!(!is_well && found.contains(&poisoned), "{found}");

    let server = Server::start(&["--data", path]);
    let client = server.client();
    assert_eq!(text(&client.end(&healthy), "status"), "SUCCEEDED");
    let described = client.ok("DescribeExecution", &[("executionArn", healthy.clone().into())]);
    assert_eq!(text(&described, "status"), "SUCCEEDED");
    // The request is refused with a named error, and the server keeps running.
    let (name, message) =
        client.refused("StopExecution", &[("executionArn", poisoned.as_str().into())]);
    assert!(!name.is_empty() && !message.is_empty(), "{name}: {message}");
    let metrics = ureq::get(format!("http://{}/metrics", server.address)).call();
    let metrics = metrics.and_then(|mut answer| answer.body_mut().read_to_string());
    let metrics = metrics.expect("there are metrics");
    let parked = metrics.lines().find(|line| line.starts_with("stepwright_parked_executions "));
    assert_eq!(parked, Some("stepwright_parked_executions 1"), "{metrics}");
    let url = format!("http://{}", server.address);
    let ask = |more: &[&str]| {
        command(&[&["parked", "--endpoint-url", &url][..], more].concat(), folder.path())
    };
    let (is_well, listed) = ask(&[]);
    assert!(!is_well && listed.contains(&poisoned), "{listed}");
    // Its page says so, and the page of all parked ones leads there.
    let page = |path: &str| {
        let answer = ureq::get(format!("{url}{path}")).call().expect("it answers");
        answer.into_body().read_to_string().expect("it is text")
    };
    let shown = page(&format!("/console/execution?arn={poisoned}"));
    for part in ["It is left alone", "Its history cannot be read any further", "Try again", "Abort"]
    {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert!(page("/console/parked").contains(&poisoned) && page("/").contains("1 left alone"));
    let (is_well, tried) = ask(&["--retry", &poisoned]);
    assert!(!is_well && tried.contains("is parked"), "{tried}");
    let (is_well, said) = ask(&["--abort", &healthy]);
    assert!(!is_well && said.contains("is not parked"), "{said}");
    let (is_well, aborted) = ask(&["--abort", &poisoned]);
    assert!(is_well, "{aborted}");
    let (is_well, listed) = ask(&[]);
    assert!(is_well && listed.contains("No execution is parked"), "{listed}");
    let after = client.start(&machine, "{}");
    assert_eq!(text(&client.end(&after), "status"), "SUCCEEDED");
}
