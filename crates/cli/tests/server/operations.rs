//! The operations, called over HTTP.

use crate::support::{Server, command, text};
use std::time::Instant;
use stepwright_json::{Json, json};

#[test]
fn what_waits_goes_on_after_a_restart() {
    let folder = tempfile::tempdir().expect("a directory can be made");
    let data = folder.path().join("data");
    let data = data.to_str().expect("the path is text");
    let server = Server::start(&["--data", data]);
    let client = server.client();
    let machine = client.create(
        "machine",
        "STANDARD",
        r#"{"StartAt":"W","States":{"W":{"Type":"Wait","Seconds":2,"End":true}}}"#,
    );
    let began = Instant::now();
    let execution = client.start(&machine, r#"{"n":1}"#);
    assert!(server.stop(), "the server does not stop well");
    let server = Server::start(&["--data", data]);
    let ended = server.client().end(&execution);
    assert_eq!(text(&ended, "status"), "SUCCEEDED");
    assert!(began.elapsed().as_millis() >= 2_000, "it woke too early");
}

#[test]
fn a_failed_execution_is_redriven_from_where_it_failed() {
    let server = Server::start(&["--memory"]);
    let client = server.client();
    client.ok("CreateActivity", &[("name", "work".into())]);
    let activity = "arn:aws:states:us-east-1:123456789012:activity:work";
    let machine = client.create(
        "machine",
        "STANDARD",
        r#"{"StartAt":"A","States":{
            "A":{"Type":"Pass","Result":1,"ResultPath":"$.a","Next":"T"},
            "T":{"Type":"Task","Resource":"arn:aws:states:us-east-1:123456789012:activity:work","End":true}}}"#,
    );
    let execution = client.start(&machine, "{}");
    let token = || {
        let task = client.ok("GetActivityTask", &[("activityArn", activity.into())]);
        text(&task, "taskToken")
    };
    let members = [("taskToken", token().into()), ("error", "Broken".into())];
    client.ok("SendTaskFailure", &members);
    let failed = client.end(&execution);
    assert_eq!(text(&failed, "status"), "FAILED");
    assert_eq!(text(&failed, "error"), "Broken");
    assert_eq!(text(&failed, "redriveStatus"), "REDRIVABLE");
    client.ok("RedriveExecution", &[("executionArn", execution.as_str().into())]);
    client.ok("SendTaskSuccess", &[("taskToken", token().into()), ("output", "2".into())]);
    let ended = client.end(&execution);
    assert_eq!(text(&ended, "status"), "SUCCEEDED");
    assert_eq!(ended.get("redriveCount").and_then(Json::as_i64), Some(1));
    let history = client.ok("GetExecutionHistory", &[("executionArn", execution.into())]);
    let events = history.get("events").and_then(Json::as_array).expect("a list").clone();
    let count = |kind: &str| events.iter().filter(|event| text(event, "type") == kind).count();
    assert_eq!(count("PassStateEntered"), 1);
    assert_eq!(count("ExecutionRedriven"), 1);
}

#[test]
fn a_child_execution_is_waited_for_and_stopped_with_its_parent() {
    let server = Server::start(&["--memory"]);
    let client = server.client();
    let child = client.create(
        "child",
        "STANDARD",
        r#"{"StartAt":"W","States":{"W":{"Type":"Wait","SecondsPath":"$.seconds","End":true}}}"#,
    );
    let parent = client.create(
        "parent",
        "STANDARD",
        &format!(
            r#"{{"StartAt":"C","States":{{"C":{{"Type":"Task","End":true,
                "Resource":"arn:aws:states:::states:startExecution.sync:2",
                "Parameters":{{"StateMachineArn":"{child}","Input.$":"$",
                "Name.$":"$.name"}}}}}}}}"#
        ),
    );
    let execution = client.start(&parent, r#"{"seconds":0,"name":"short"}"#);
    let ended = client.end(&execution);
    assert_eq!(text(&ended, "status"), "SUCCEEDED", "{ended}");
    let output = stepwright_json::parse(&text(&ended, "output")).expect("it is JSON");
    assert_eq!(output.get("Output"), Some(&json!({"seconds": 0, "name": "short"})));

    let execution = client.start(&parent, r#"{"seconds":3600,"name":"long"}"#);
    let child_execution = child.replace(":stateMachine:", ":execution:") + ":long";
    let describe = [("executionArn", child_execution.as_str().into())];
    let begun = Instant::now();
    while matches!(
        client.call("DescribeExecution", &crate::support::object(&describe)),
        crate::support::Answer::Refused(..)
    ) {
        assert!(begun.elapsed().as_secs() < 10, "the child does not begin");
    }
    client.ok("StopExecution", &[("executionArn", execution.as_str().into())]);
    assert_eq!(text(&client.end(&execution), "status"), "ABORTED");
    assert_eq!(text(&client.end(&child_execution), "status"), "ABORTED");
}

#[test]
fn a_distributed_map_runs_child_executions() {
    let server = Server::start(&["--memory"]);
    let client = server.client();
    let machine = client.create(
        "machine",
        "STANDARD",
        r#"{"StartAt":"M","States":{"M":{"Type":"Map","Label":"Items","ItemsPath":"$.items","End":true,
            "MaxConcurrency":3,"ItemProcessor":{
            "ProcessorConfig":{"Mode":"DISTRIBUTED","ExecutionType":"STANDARD"},
            "StartAt":"P","States":{"P":{"Type":"Pass","End":true}}}}}}"#,
    );
    let execution = client.start(&machine, r#"{"items":[1,2,3,4,5,6,7]}"#);
    let ended = client.end(&execution);
    assert_eq!(text(&ended, "output"), "[1,2,3,4,5,6,7]");
    let runs = client.ok("ListMapRuns", &[("executionArn", execution.into())]);
    let run = text(runs.get("mapRuns").and_then(|runs| runs.at(0)).expect("a run"), "mapRunArn");
    let described = client.ok("DescribeMapRun", &[("mapRunArn", run.as_str().into())]);
    assert_eq!(text(&described, "status"), "SUCCEEDED");
    let succeeded = described.get("itemCounts").and_then(|counts| counts.get("succeeded"));
    assert_eq!(succeeded, Some(&Json::Int(7)));
    let children = client.ok("ListExecutions", &[("mapRunArn", run.into())]);
    let children = children.get("executions").and_then(Json::as_array).expect("a list").clone();
    assert_eq!(children.len(), 7);
}

#[test]
fn operators_see_how_it_is() {
    let server = Server::start(&["--memory"]);
    let client = server.client();
    let machine = client.create(
        "machine",
        "STANDARD",
        r#"{"StartAt":"P","States":{"P":{"Type":"Pass","End":true}}}"#,
    );
    client.start(&machine, "{}");
    let get = |path: &str| {
        let mut answer =
            ureq::get(format!("http://{}{path}", server.address)).call().expect("it answers");
        answer.body_mut().read_to_string().expect("it is text")
    };
    assert!(get("/health").contains("ok"));
    assert!(get("/ready").contains("ready"));
    let metrics = get("/metrics");
    assert!(metrics.contains("stepwright_executions_started_total 1"), "{metrics}");
    for name in ["turn", "append", "queue", "task"] {
        assert!(metrics.contains(&format!("# HELP stepwright_{name}_seconds ")), "{metrics}");
        assert!(metrics.contains(&format!("# TYPE stepwright_{name}_seconds histogram")));
        assert!(metrics.contains(&format!("stepwright_{name}_seconds_bucket{{le=\"+Inf\"}}")));
    }
    assert!(metrics.contains("stepwright_append_seconds_count 1"), "{metrics}");
    let page = get("/");
    assert!(page.contains("machine") && page.contains("SUCCEEDED"), "{page}");
}

#[test]
fn a_backup_is_made_while_the_server_goes_on() {
    let folder = tempfile::tempdir().expect("a directory can be made");
    let (data, copy) = (folder.path().join("data"), folder.path().join("copy"));
    let (data, copy) = (data.to_str().expect("text"), copy.to_str().expect("text"));
    let server = Server::start(&["--data", data]);
    let client = server.client();
    let machine = client.create(
        "machine",
        "STANDARD",
        r#"{"StartAt":"P","States":{"P":{"Type":"Pass","End":true}}}"#,
    );
    let execution = client.start(&machine, "{}");
    let (is_well, said) = command(&["backup", "--data", data, copy], folder.path());
    assert!(is_well, "{said}");
    client.start(&machine, "{}");
    let (is_well, said) = command(&["doctor", "--data", copy], folder.path());
    assert!(is_well, "{said}");
    let restored = Server::start(&["--data", copy]);
    assert_eq!(text(&restored.client().end(&execution), "status"), "SUCCEEDED");
}

#[test]
fn keys_are_read_again_at_sighup() {
    let folder = tempfile::tempdir().expect("a directory can be made");
    let config = folder.path().join("stepwright.toml");
    let configure = |key: &str, token: &str| {
        let text = format!(
            "[server]\nmetrics_token = \"{token}\"\n{key}\n[[credentials]]\n\
             access_key_id = \"AKID\"\nsecret_access_key = \"secret\"\n"
        );
        std::fs::write(&config, text).expect("it can be written");
    };
    configure("", "first");
    let server = Server::start(&["--memory", "--config", config.to_str().expect("text")]);
    let is_let_in = |token: &str| {
        let asked = ureq::get(format!("http://{}/metrics", server.address))
            .header("authorization", format!("Bearer {token}"))
            .call();
        asked.is_ok()
    };
    let hang_up = || {
        let id = server.id().to_string();
        let sent = std::process::Command::new("kill").args(["-HUP", &id]).status();
        assert!(sent.expect("kill runs").success());
    };
    assert!(is_let_in("first") && !is_let_in("second"));
    configure("", "second");
    hang_up();
    let patience = Instant::now();
    while !is_let_in("second") {
        assert!(patience.elapsed().as_secs() < 20, "the new token is not read");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    assert!(!is_let_in("first"));
    // A file that cannot be used changes nothing, and ends nothing.
    configure("nonsense = 1", "third");
    hang_up();
    std::thread::sleep(std::time::Duration::from_millis(500));
    assert!(is_let_in("second") && !is_let_in("third"));
}

#[test]
fn an_archive_is_asked_as_a_server_is() {
    let folder = tempfile::tempdir().expect("a directory can be made");
    let archive = folder.path().join("archive");
    std::fs::create_dir(&archive).expect("a directory can be made");
    let server = Server::start(&["--memory"]);
    let client = server.client();
    let definition = r#"{"StartAt":"P","States":{"P":{"Type":"Pass","Next":"F"},
        "F":{"Type":"Fail","Error":"Broken","Cause":"on purpose"}}}"#;
    let machine = client.create("order", "STANDARD", definition);
    let mut lines = String::new();
    for name in ["one", "two"] {
        let start = [("stateMachineArn", machine.as_str().into()), ("name", name.into())];
        let execution = text(&client.ok("StartExecution", &start), "executionArn");
        client.end(&execution);
        let about = [("executionArn", Json::from(execution))];
        let described = client.ok("DescribeExecution", &about);
        let of = client.ok("DescribeStateMachineForExecution", &about);
        let history = client.ok("GetExecutionHistory", &about);
        let events = history.get("events").expect("it has some");
        let line = format!("{{\"execution\":{described},\"machine\":{of},\"events\":{events}}}\n");
        lines.push_str(&line);
    }
    std::fs::write(archive.join("1.jsonl"), &lines).expect("it can be written");
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes);
    let keys = stepwright_store::Keyring::new([[0x11; 32]]).expect("it is a key");
    let (mut sealer, mut sealed) = keys.begin_file().expect("it begins");
    sealed.extend(sealer.piece(lines.as_bytes(), true).expect("it is sealed"));
    write("1.jsonl.sealed", &sealed).expect("it can be written");
    write("key", "11".repeat(32).as_bytes()).expect("it can be written");
    drop(server);
    let ask = |arguments: &[&str]| {
        let all = [arguments, &["--archive", "archive"]].concat();
        command(&all, folder.path())
    };
    let (is_well, said) = ask(&["list"]);
    assert!(is_well && said.contains("order"), "{said}");
    let (is_well, said) = ask(&["list", "order", "--status", "failed"]);
    assert!(is_well && said.contains("one") && said.contains("two"), "{said}");
    let (is_well, said) = ask(&["history", "order:two"]);
    assert!(!is_well && said.contains("pass      P") && said.contains("Broken"), "{said}");
    let (is_well, said) = ask(&["why", "one"]);
    assert!(!is_well && said.contains("on purpose"), "{said}");
    let (is_well, said) = ask(&["record", "order:one", "-o", "tests"]);
    assert!(is_well, "{said}");
    let (is_well, said) = command(&["test", "tests"], folder.path());
    assert!(is_well && said.contains("1 passed"), "{said}");
    let (is_well, said) = ask(&["describe", "order:three"]);
    assert!(!is_well && said.contains("has no execution"), "{said}");
    let (is_well, said) = ask(&["start", "order"]);
    assert!(!is_well && said.contains("does not answer StartExecution"), "{said}");
    // One that is encrypted is read with its key.
    let sealed = ["history", "order:two", "--archive", "1.jsonl.sealed"];
    let (is_well, said) = command(&sealed, folder.path());
    assert!(!is_well && said.contains("encrypted with the key"), "{said}");
    let with_key = [&sealed[..], &["--archive-key", "key"]].concat();
    let (_, said) = command(&with_key, folder.path());
    assert!(said.contains("pass      P") && said.contains("Broken"), "{said}");
}
