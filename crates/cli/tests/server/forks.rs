//! Executions that begin at a state of another one.

use crate::support::{Answer, Client, Server, text};
use stepwright_json::{Json, json};

const ACTIVITY: &str = "arn:aws:states:us-east-1:123456789012:activity:work";

/// Assigns variables, asks a worker, and goes through a Map.
const DEFINITION: &str = r#"{"QueryLanguage":"JSONata","StartAt":"Prepare","States":{
    "Prepare":{"Type":"Pass","Assign":{"order":"{% $states.input.order %}","rate":2},
        "Output":{"net":10},"Next":"Ask"},
    "Ask":{"Type":"Task","Resource":"arn:aws:states:us-east-1:123456789012:activity:work",
        "Arguments":{"order":"{% $order %}","gross":"{% $states.input.net * $rate %}"},"Next":"Each"},
    "Each":{"Type":"Map","Items":"{% [1, 2] %}","ItemProcessor":{"StartAt":"Look","States":{
        "Look":{"Type":"Pass","Output":"{% $order %}","End":true}}},"End":true}}}"#;

fn forked(client: &Client, body: &Json) -> String {
    match client.own("/fork", body) {
        Answer::Ok(reply) => text(&reply, "executionArn"),
        other => panic!("{body}: {other:?}"),
    }
}

fn refused(client: &Client, body: &Json) -> String {
    match client.own("/fork", body) {
        Answer::Refused(_, message) => message,
        other => panic!("{body}: {other:?}"),
    }
}

/// A server that keeps executions in a folder, with the activity and the machine.
fn started(data: &str) -> (Server, Client, String) {
    let server = Server::start(&["--data", data]);
    let client = server.client();
    client.ok("CreateActivity", &[("name", "work".into())]);
    let machine = client.create("machine", "STANDARD", DEFINITION);
    (server, client, machine)
}

/// What the worker is asked, and the token of its answer.
fn asked(client: &Client) -> (Json, String) {
    let task = client.ok("GetActivityTask", &[("activityArn", ACTIVITY.into())]);
    (stepwright_json::parse(&text(&task, "input")).expect("it is JSON"), text(&task, "taskToken"))
}

fn answer(client: &Client, token: String) {
    client.ok("SendTaskSuccess", &[("taskToken", token.into()), ("output", "\"ok\"".into())]);
}

fn entered(client: &Client, execution: &str) -> Vec<String> {
    let history = client.ok("GetExecutionHistory", &[("executionArn", execution.into())]);
    let events = history.get("events").and_then(Json::as_array).expect("a list").clone();
    let names = events.iter().filter_map(|event| {
        event.get("stateEnteredEventDetails").map(|details| text(details, "name"))
    });
    names.collect()
}

fn definition_of(client: &Client, execution: &str) -> String {
    let known =
        client.ok("DescribeStateMachineForExecution", &[("executionArn", execution.into())]);
    text(&known, "definition")
}

#[test]
fn a_fork_begins_at_a_state_with_its_data_and_survives_a_restart() {
    let folder = tempfile::tempdir().expect("a directory can be made");
    let data = folder.path().join("data");
    let data = data.to_str().expect("the path is text");
    let (server, client, machine) = started(data);
    let source = client.start(&machine, r#"{"order":"o-1"}"#);
    let (input, token) = asked(&client);
    assert_eq!(input, json!({"order": "o-1", "gross": 20}));
    answer(&client, token);
    assert_eq!(text(&client.end(&source), "status"), "SUCCEEDED");

    // As it was.
    let same = forked(&client, &json!({"executionArn": (source.as_str()), "state": "Ask"}));
    let (input, token) = asked(&client);
    assert_eq!(input, json!({"order": "o-1", "gross": 20}));
    assert!(server.stop(), "the server does not stop well");
    let server = Server::start(&["--data", data]);
    let client = server.client();
    answer(&client, token);
    let ended = client.end(&same);
    assert_eq!(text(&ended, "output"), r#"["o-1","o-1"]"#, "{ended}");
    assert_eq!(text(&ended, "input"), r#"{"net":10}"#);
    assert_eq!(entered(&client, &same), ["Ask", "Each", "Look", "Look"]);
    assert_eq!(definition_of(&client, &same), definition_of(&client, &source));

    // With other data, and a name.
    let other = json!({
        "executionArn": (source.as_str()), "state": "Ask", "name": "again",
        "input": "{\"net\": 1.5}", "variables": "{\"order\": \"o-2\", \"rate\": 4}"
    });
    let other = forked(&client, &other);
    assert!(other.ends_with(":again"), "{other}");
    let (input, token) = asked(&client);
    assert_eq!(input, json!({"order": "o-2", "gross": 6}));
    answer(&client, token);
    assert_eq!(text(&client.end(&other), "output"), r#"["o-2","o-2"]"#);
    // A fork of a fork goes on with what that one had.
    let third = forked(&client, &json!({"executionArn": (other.as_str()), "state": "Each"}));
    assert_eq!(text(&client.end(&third), "output"), r#"["o-2","o-2"]"#);
    // A name stands for one execution.
    let twice = json!({"executionArn": (other.as_str()), "state": "Each", "name": "again"});
    assert!(refused(&client, &twice).contains("Already Exists"));
}

#[test]
fn a_changed_definition_is_the_forks_own() {
    let folder = tempfile::tempdir().expect("a directory can be made");
    let data = folder.path().join("data");
    let data = data.to_str().expect("the path is text");
    let (server, client, machine) = started(data);
    let source = client.start(&machine, r#"{"order":"o-1"}"#);
    let changed =
        DEFINITION.replace("\"{% $order %}\",\"End\"", "\"{% 'new ' & $order %}\",\"End\"");
    assert_ne!(changed, DEFINITION);
    // The source may still run: it stays as it is.
    let fork = forked(
        &client,
        &json!({"executionArn": (source.as_str()), "state": "Ask", "definition": (changed.as_str())}),
    );
    let tokens = [asked(&client).1, asked(&client).1];
    for token in tokens {
        client.ok("SendTaskFailure", &[("taskToken", token.into()), ("error", "Busy".into())]);
    }
    assert_eq!(text(&client.end(&fork), "error"), "Busy");
    assert_eq!(text(&client.end(&source), "error"), "Busy");
    assert!(server.stop(), "the server does not stop well");
    let server = Server::start(&["--data", data]);
    let client = server.client();
    assert_eq!(definition_of(&client, &fork), changed);
    let known = client.ok("DescribeStateMachine", &[("stateMachineArn", machine.as_str().into())]);
    assert_eq!(text(&known, "definition"), DEFINITION, "the machine stays as it is");
    client.ok("RedriveExecution", &[("executionArn", fork.as_str().into())]);
    answer(&client, asked(&client).1);
    assert_eq!(text(&client.end(&fork), "output"), r#"["new o-1","new o-1"]"#);
    // A new execution of the machine runs the machine's definition.
    let plain = client.start(&machine, r#"{"order":"o-3"}"#);
    answer(&client, asked(&client).1);
    assert_eq!(text(&client.end(&plain), "output"), r#"["o-3","o-3"]"#);
    // What is kept for forks goes with the machine.
    client.ok("DeleteStateMachine", &[("stateMachineArn", machine.as_str().into())]);
    let gone = json!({"executionArn": (source.as_str()), "state": "Ask"});
    let begun = std::time::Instant::now();
    while !matches!(client.own("/fork", &gone), Answer::Refused(..)) {
        assert!(begun.elapsed().as_secs() < 10, "the machine is not deleted");
    }
}

#[test]
fn what_cannot_be_forked_is_told() {
    let server = Server::start(&["--memory"]);
    let client = server.client();
    let machine = client.create(
        "machine",
        "STANDARD",
        r#"{"TimeoutSeconds":3600,"StartAt":"M","States":{"M":{"Type":"Map","Label":"L","ItemsPath":"$","Next":"Never?",
            "ItemProcessor":{"ProcessorConfig":{"Mode":"DISTRIBUTED","ExecutionType":"STANDARD"},
            "StartAt":"P","States":{"P":{"Type":"Pass","End":true}}}},
            "Never?":{"Type":"Choice","Choices":[{"Variable":"$","IsString":true,"Next":"Late"}],"Default":"Done"},
            "Late":{"Type":"Pass","End":true},"Done":{"Type":"Succeed"}}}"#,
    );
    let source = client.start(&machine, "[1,2]");
    assert_eq!(text(&client.end(&source), "status"), "SUCCEEDED");
    let runs = client.ok("ListMapRuns", &[("executionArn", source.as_str().into())]);
    let run = text(runs.get("mapRuns").and_then(|runs| runs.at(0)).expect("a run"), "mapRunArn");
    let children = client.ok("ListExecutions", &[("mapRunArn", run.into())]);
    let child = children.get("executions").and_then(|list| list.at(0)).expect("a child").clone();
    let body = |more: Json| {
        let mut body =
            json!({"executionArn": (source.as_str())}).as_object().cloned().expect("one");
        for (key, value) in more.as_object().expect("an object").iter() {
            body.insert(key.clone(), value.clone());
        }
        Json::Object(body)
    };
    for (wrong, expected) in [
        (json!({"state": "P"}), "within a Map or Parallel"),
        (json!({"state": "Q"}), "no state `Q`"),
        (json!({}), "no state ``"),
        (json!({"state": "Late"}), "was not entered"),
        (json!({"state": "M", "eventId": 999}), "was not entered"),
        (json!({"state": "M", "eventId": "2"}), "`eventId` must be the number of an event"),
        (json!({"state": "M", "eventId": 1.5}), "`eventId` must be the number of an event"),
        (json!({"state": "M", "eventId": (-1)}), "`eventId` must be the number of an event"),
        (json!({"state": "M", "vars": "{}"}), "a fork has no `vars`"),
        (json!({"state": "M", "input": "{"}), "Invalid State Machine Execution Input"),
        (json!({"state": "M", "variables": "[]"}), "must be a JSON object"),
        (json!({"state": "M", "variables": "{\"a b\": 1}"}), "no name of a variable"),
        (json!({"state": "M", "variables": "{\"states\": 1}"}), "no name of a variable"),
        (json!({"state": "M", "variables": 7}), "must be a text"),
        (json!({"state": "M", "definition": "{}"}), "Invalid State Machine Definition"),
        (json!({"state": "M", "name": "a b"}), "Invalid Name"),
        (
            json!({"state": "M", "executionArn": (text(&child, "executionArn").as_str())}),
            "child of a map run",
        ),
        (
            json!({"state": "M", "executionArn": "arn:aws:states:us-east-1:123456789012:execution:machine:none"}),
            "Does Not Exist",
        ),
    ] {
        let message = refused(&client, &body(wrong.clone()));
        assert!(message.contains(expected), "{wrong}: {message}");
    }
    // A state that was not entered can be begun at with an input.
    let late = forked(&client, &body(json!({"state": "Late", "input": "\"now\""})));
    assert_eq!(text(&client.end(&late), "output"), "\"now\"");
    // The map run of a fork is its own.
    let again = forked(&client, &body(json!({"state": "M", "input": "[7]"})));
    assert_eq!(text(&client.end(&again), "output"), "[7]");
    let runs = client.ok("ListMapRuns", &[("executionArn", again.into())]);
    assert_eq!(runs.get("mapRuns").and_then(Json::as_array).map(|runs| runs.len()), Some(1));
}

/// The pages of an execution whose history is damaged say so, and it goes on as a fork where it can still
/// be read.
#[test]
fn what_cannot_be_read_to_its_end_is_forked_before_it() {
    let folder = tempfile::tempdir().expect("a directory can be made");
    let data = folder.path().join("data");
    let arguments = ["--data", data.to_str().expect("the path is text")];
    let server = Server::start(&arguments);
    let client = server.client();
    let machine = client.create(
        "machine",
        "STANDARD",
        r#"{"StartAt":"P","States":{"P":{"Type":"Pass","Result":7,"Next":"W"},
            "W":{"Type":"Wait","Seconds":1,"Next":"Q"},"Q":{"Type":"Pass","End":true}}}"#,
    );
    let source = client.start(&machine, "{}");
    assert_eq!(text(&client.end(&source), "status"), "SUCCEEDED");
    assert!(server.stop(), "the server does not stop well");
    let database = rusqlite::Connection::open(data.join("stepwright.db")).expect("it opens");
    let damage = "UPDATE chunks SET bytes = x'09DEAD' WHERE len = (SELECT max(len) FROM chunks)";
    database.execute(damage, []).expect("it is damaged");
    drop(database);
    let server = Server::start(&arguments);
    let client = server.client();
    let page = |path: &str| {
        let url = format!("http://{}{path}{source}", server.address);
        let agent: ureq::Agent =
            ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let mut answer = agent.get(&url).call().expect("it answers");
        answer.body_mut().read_to_string().expect("it is text")
    };
    assert!(page("/console/execution?arn=").contains("cannot be read any further"));
    assert!(page("/console/fork?state=W&arn=").contains("begins at <b><bdi>W</bdi></b>"));
    let refused_page = page("/console/fork?state=Q&arn=");
    assert!(refused_page.contains("the history cannot be read"), "{refused_page}");
    let fork = forked(&client, &json!({"executionArn": (source.as_str()), "state": "W"}));
    assert_eq!(text(&client.end(&fork), "output"), "7");
    let lost = json!({"executionArn": (source.as_str()), "state": "Q"});
    assert!(refused(&client, &lost).contains("the history cannot be read"));
}
