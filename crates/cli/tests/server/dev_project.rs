//! `stepwright dev project.py`: projects on a server.

use crate::otlp::collector;
use crate::support::{Client, Server, await_line, text, write};
use std::time::Duration;
use stepwright_json::{Json, json};

const SHOP: &str = r#"
class Charge(Task):
    async def run(event, context):
        if event.get("stop"):
            return await context.stop_execution(error="Off", cause="the flag is off")
        if event.get("bad"):
            raise ValueError("the card has a limit")
        if event.get("traced"):
            return "%s of %s" % (context.trace_id, context.trace_source)
        return {"receipt": "R-%d" % event["total"], "machine": context.state_machine_name}

class Keep(Task):
    async def run(event, context):
        return context.state_data_client.put_items("lines", event["lines"])

class Pack(Task):
    service = "ecs"

    async def run(event, context):
        import os, time
        open(event["marks"] + "/packed", "a").write("x")
        while os.path.exists(event["marks"] + "/hold"):
            time.sleep(0.02)

class Tell(Task):
    service = "ecs:worker"
    spec = "helpers.workers:Teller"
    concurrency = 5
    heartbeat_interval = 30

class Tags(EventProcessor):
    """Tags for the orders."""

    async def get_custom_tags_ExecutionStarted(
        message: Dict[str, Any], input_data: Dict[str, Any], state_data_client: StateDataClient
    ) -> Dict[str, Any]:
        return {"order.known": input_data["total"] > 0, "event.id": message["id"]}

    async def get_custom_tags_ExecutionFailed(message, input_data, state_data_client):
        return {"charged": False, "why": message["details"]["error"]}

def line(data):
    Tell()

def nested(data):
    data["inner"] = Charge()

@process_events(processor=Tags)
def main(data):
    data["charged"] = Charge()
    if bool(data["pack"]):
        Pack(data)
        data["lines"] = Keep()
        map(data["lines"], line)
        data["nested"] = nested()
    data["sum"] = 3
"#;

const WORKERS: &str = r#"
import os, time
from ns_sfn_task_entry_points.ecs_worker_app import TaskWorker

class Teller(TaskWorker):
    async def run(self, event, context):
        line = context.state_data_client.get_item_for_map_iteration(event)
        open(line["marks"] + "/told-" + line["name"], "a").write("x")
        while os.path.exists(line["marks"] + "/hold-workers"):
            time.sleep(0.02)
        return line["name"]
"#;

const MAIL: &str = r#"
class Send(Task):
    async def run(event, context):
        return {"sent": True}

@subscribe(project="shop")
@subscribe(project="shop", status="failure")
@subscribe(project="elsewhere")
def main(data):
    data["mail"] = Send()

@subscribe(topic_arn_import_value="${Environment}-topic")
@schedule(expression="cron(0 3 * * ? *)")
@export()
def nightly(data):
    return
"#;

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a directory can be made");
    for (name, content) in [
        ("shop/project.py", SHOP),
        ("shop/helpers/__init__.py", ""),
        ("shop/helpers/workers.py", WORKERS),
        ("mail/project.py", MAIL),
    ] {
        write(&folder.path().join(name), content);
    }
    for name in ["marks", "tmp"] {
        std::fs::create_dir(folder.path().join(name)).expect("a directory can be made");
    }
    folder
}

#[track_caller]
fn await_that(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..600 {
        if holds() {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("{what}");
}

fn machine(name: &str) -> String {
    format!("arn:aws:states:us-east-1:123456789012:stateMachine:{name}")
}

fn executions(client: &Client, name: &str) -> Vec<Json> {
    let reply = client.ok("ListExecutions", &[("stateMachineArn", machine(name).as_str().into())]);
    let executions = reply.get("executions").and_then(Json::as_array);
    executions.map(|all| all.to_vec()).unwrap_or_default()
}

/// The attributes of a log record or span.
fn attribute(record: &Json, key: &str) -> Option<Json> {
    let attributes = record.get("attributes")?.as_array()?;
    attributes
        .iter()
        .find(|one| one.get("key").and_then(Json::as_str) == Some(key))?
        .get("value")
        .cloned()
}

#[test]
fn projects_are_served_with_their_tasks_events_and_subscriptions() {
    let folder = folder();
    let (endpoint, collected) = collector();
    let config = format!("[otlp]\nendpoint = \"{endpoint}\"\nheaders = {{ x-key = \"secret\" }}\n");
    write(&folder.path().join("stepwright.toml"), &config);
    let (server, lines) = Server::dev(&["shop/project.py", "mail/project.py"], folder.path());
    let client = server.client();
    await_line(&lines, &["schedule mail-nightly", "cron(0 3 * * ? *)", "T03:00:00Z"]);
    await_line(&lines, &["mail-main is subscribed to elsewhere-main, which is not served here"]);
    await_line(&lines, &["mail-nightly is subscribed to ${Environment}-topic"]);

    // Tasks of every kind.
    let marks = folder.path().join("marks").display().to_string();
    let lines_of_order =
        ["tea", "cup"].map(|name| json!({"name": (name), "marks": (marks.as_str())}));
    let input = json!({
        "total": 7, "pack": true, "marks": (marks.as_str()),
        "lines": (Json::from(lines_of_order.to_vec()))
    });
    let execution = client.start(&machine("shop-main"), &input.to_string());
    let ended = client.end(&execution);
    assert_eq!(text(&ended, "status"), "SUCCEEDED", "{ended}");
    let output = stepwright_json::parse(&text(&ended, "output")).expect("it is JSON");
    let charged = json!({"receipt": "R-7", "machine": "shop-main"});
    assert_eq!(output.get("charged"), Some(&charged));
    let nested = output.get("nested").expect("it is there").to_string();
    assert!(nested.contains("shop-nested") && !nested.contains("ExecutionArn"), "{nested}");
    for mark in ["packed", "told-tea", "told-cup"] {
        assert_eq!(
            std::fs::read_to_string(folder.path().join("marks").join(mark)).ok().as_deref(),
            Some("x")
        );
    }

    // A subscription gets the output as its input.
    await_line(&lines, &["started mail-main"]);
    await_that("the mail is sent", || {
        executions(&client, "mail-main").iter().any(|one| text(one, "status") == "SUCCEEDED")
    });
    let first = text(&executions(&client, "mail-main")[0], "executionArn");
    let described = client.end(&first);
    assert_eq!(text(&described, "input"), text(&ended, "output"));

    // A failure gives the input with the error that a Catch would add.
    let input = r#"{"total": 1, "bad": true, "pack": false}"#;
    let failed = client.start(&machine("shop-main"), input);
    assert_eq!(text(&client.end(&failed), "error"), "ValueError");
    await_that("the second mail is sent", || executions(&client, "mail-main").len() == 2);
    let second = executions(&client, "mail-main");
    let second = second.iter().map(|one| client.end(&text(one, "executionArn")));
    let inputs: Vec<String> = second.map(|one| text(&one, "input")).collect();
    assert!(
        inputs.iter().any(|input| input.contains(r#""error":{"Error":"ValueError""#)),
        "{inputs:?}"
    );

    // A task stops the execution. Subscriptions do not react to such an end.
    let stopped = client.start(&machine("shop-main"), r#"{"total": 1, "stop": true}"#);
    let stopped = client.end(&stopped);
    assert_eq!(
        (text(&stopped, "status").as_str(), text(&stopped, "error").as_str()),
        ("ABORTED", "Off")
    );

    let mut seen = Vec::new();
    // A trace in the input is known to tasks, nested machines and processors.
    let input = r#"{"total": 1, "traced": true, "pack": false, "__trace": {"id": "order-7", "source": "web"}}"#;
    let traced = client.end(&client.start(&machine("shop-main"), input));
    assert!(text(&traced, "output").contains("\"charged\":\"order-7 of web\""), "{traced}");
    let nested = client.end(&client.start(&machine("shop-nested"), input));
    assert!(text(&nested, "output").contains("\"inner\":\"order-7 of web\""), "{nested}");
    await_line(&lines, &["event ExecutionStarted shop-main", "order-7"]);
    let mut of_trace = None;
    while of_trace.is_none() {
        let (_, body) = collected.recv_timeout(Duration::from_secs(20)).expect("it is sent");
        let spans = body
            .get("resourceSpans")
            .and_then(|all| all.at(0)?.get("scopeSpans")?.at(0)?.get("spans"));
        let spans = spans.and_then(Json::as_array).map(|all| all.to_vec()).unwrap_or_default();
        of_trace = spans
            .into_iter()
            .find(|span| attribute(span, "trace_id") == Some(json!({"stringValue": "order-7"})));
        seen.push(body);
    }
    let of_trace = of_trace.expect("it was sent");
    assert_eq!(attribute(&of_trace, "trace_source"), Some(json!({"stringValue": "web"})));
    // As the processor on AWS has it: the digest of `trace order-7`.
    assert_eq!(text(&of_trace, "traceId"), "3a39bf8103826fbc17aa1314a0ca8090");

    // Events and spans, with their tags.
    let mut seen = seen.into_iter();
    let (mut started, mut failure, mut span) = (None, None, None);
    while started.is_none() || failure.is_none() || span.is_none() {
        let body = seen.next().unwrap_or_else(|| {
            collected.recv_timeout(Duration::from_secs(20)).expect("it is sent").1
        });
        for (of_resource, of_scope, key) in
            [("resourceLogs", "scopeLogs", "logRecords"), ("resourceSpans", "scopeSpans", "spans")]
        {
            let records =
                body.get(of_resource).and_then(|all| all.at(0)?.get(of_scope)?.at(0)?.get(key));
            for record in records.and_then(Json::as_array).into_iter().flat_map(|all| all.to_vec())
            {
                match record.get("eventName").and_then(Json::as_str) {
                    Some("ExecutionStarted")
                        if attribute(&record, "pack") == Some(json!({"boolValue": true})) =>
                    {
                        started = Some(record);
                    }
                    Some("ExecutionFailed") => failure = Some(record),
                    Some(_) => {}
                    None => span = span.or(Some(record)),
                }
            }
        }
    }
    let started = started.expect("it was sent");
    assert_eq!(attribute(&started, "order.known"), Some(json!({"boolValue": true})), "{started}");
    assert_eq!(attribute(&started, "total"), Some(json!({"intValue": "7"})));
    assert_eq!(attribute(&started, "event.id"), Some(json!({"intValue": "1"})));
    assert_eq!(attribute(&started, "lines.1.name"), Some(json!({"stringValue": "cup"})));
    let failure = failure.expect("it was sent");
    assert_eq!(attribute(&failure, "why"), Some(json!({"stringValue": "ValueError"})), "{failure}");
    assert_eq!(attribute(&failure, "charged"), Some(json!({"boolValue": false})));
    let span = span.expect("it was sent");
    assert_eq!(span.get("name"), Some(&json!("shop-main")), "{span}");
    assert!(attribute(&span, "duration_ms").is_some(), "{span}");
    assert!(server.stop());
    let left = std::fs::read_dir(folder.path().join("tmp")).expect("it is there");
    assert_eq!(left.count(), 0, "temporary files are left");
}

#[test]
fn what_was_begun_goes_on_after_kill_9() {
    let folder = folder();
    let marks = folder.path().join("marks");
    let arguments = ["shop/project.py", "mail/project.py", "--data", "data"];
    let input = json!({
        "total": 7, "pack": true, "marks": (marks.display().to_string()),
        "lines": [{"name": "tea", "marks": (marks.display().to_string())}]
    });
    // The first server ends while a task on ECS runs, the second one while a worker has a message.
    write(&marks.join("hold"), "");
    write(&marks.join("hold-workers"), "");
    let (server, lines) = Server::dev(&arguments, folder.path());
    await_line(&lines, &["created mail-nightly"]);
    let execution = server.client().start(&machine("shop-main"), &input.to_string());
    await_that("the task runs", || marks.join("packed").exists());
    server.kill();

    let (server, _lines) = Server::dev(&arguments, folder.path());
    await_that("the task runs again", || {
        std::fs::read_to_string(marks.join("packed")).is_ok_and(|marks| marks == "xx")
    });
    std::fs::remove_file(marks.join("hold")).expect("it is there");
    await_that("the worker has the message", || marks.join("told-tea").exists());
    server.kill();

    std::fs::remove_file(marks.join("hold-workers")).expect("it is there");
    let (server, lines) = Server::dev(&arguments, folder.path());
    let client = server.client();
    let ended = client.end(&execution);
    assert_eq!(text(&ended, "status"), "SUCCEEDED", "{ended}");
    assert_eq!(std::fs::read_to_string(marks.join("told-tea")).ok().as_deref(), Some("xx"));
    await_line(&lines, &["started mail-main"]);
    assert_eq!(executions(&client, "mail-main").len(), 1);
    server.kill();

    // What was delivered before the restart is not delivered again.
    let (server, lines) = Server::dev(&arguments, folder.path());
    await_line(&lines, &["mail-nightly is subscribed"]);
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(executions(&server.client(), "mail-main").len(), 1);
}

#[test]
fn a_project_is_followed() {
    let folder = folder();
    let (server, lines) = Server::dev(&["shop/project.py"], folder.path());
    let client = server.client();
    await_line(&lines, &["created shop-main"]);
    let path = folder.path().join("shop/project.py");
    write(&path, &SHOP.replace("R-%d", "new %d").replace("= 3\n", "= 4\n"));
    await_line(&lines, &["updated shop-main"]);
    let output = client.end(&client.start(&machine("shop-main"), r#"{"total": 1, "pack": false}"#));
    let output = stepwright_json::parse(&text(&output, "output")).expect("it is JSON");
    assert_eq!(output.get("sum"), Some(&Json::Int(4)), "{output}");
    assert_eq!(text(output.get("charged").expect("it is there"), "receipt"), "new 1");

    // A project that cannot be compiled changes nothing.
    write(&path, "def main(data):\n    del data\n");
    std::thread::sleep(Duration::from_secs(1));
    let ended = client.end(&client.start(&machine("shop-main"), r#"{"total": 1, "pack": false}"#));
    assert_eq!(text(&ended, "status"), "SUCCEEDED", "{ended}");
}

#[test]
fn a_project_that_does_not_compile_is_not_served() {
    let folder = folder();
    write(&folder.path().join("shop/project.py"), "def main(data):\n    del data\n");
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_stepwright"))
        .args(["dev", "--listen", "127.0.0.1:0", "shop/project.py"])
        .current_dir(folder.path())
        .output()
        .expect("the binary runs");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("shop/project.py:2"), "{output:?}");
}

const ITERATORS: &str = r#"
def part(data):
    data["seen"] = True

@export()
def exported(data):
    data["seen"] = True

@schedule(expression="rate(1 day)", input_data={"a": 1})
def scheduled(data):
    data["seen"] = True

def only(data):
    data["seen"] = True

def main(data):
    data["a"] = map(data["l"], part)
    data["b"] = part(data)
    map(data["l"], exported)
    map(data["l"], scheduled)
    map(data["l"], only)
"#;

#[test]
fn iterators_that_are_more_are_served() {
    let folder = tempfile::tempdir().unwrap();
    write(&folder.path().join("loops/project.sfn"), ITERATORS);
    write(&folder.path().join("stepwright.toml"), "[server]\nlogs = \"logs\"\n");
    std::fs::create_dir(folder.path().join("tmp")).unwrap();
    let (server, lines) = Server::dev(&["loops/project.sfn"], folder.path());
    let client = server.client();
    await_line(&lines, &["schedule loops-scheduled", "rate(1 day)"]);
    let execution = client.start(&machine("loops-main"), r#"{"l": [1]}"#);
    let ended = client.end(&execution);
    assert_eq!(text(&ended, "status"), "SUCCEEDED", "{ended}");
    let output = stepwright_json::parse(&text(&ended, "output")).unwrap();
    let nested = output.get("b").and_then(|nested| nested.get("seen"));
    assert_eq!(nested, Some(&Json::Bool(true)), "{output}");
    let execution = client.start(&machine("loops-exported"), "{}");
    assert_eq!(text(&client.end(&execution), "status"), "SUCCEEDED");
    let all = client.ok("ListStateMachines", &[]).to_string();
    assert!(!all.contains("loops-only"), "{all}");
    let main = machine("loops-main");
    let asked = [("stateMachineArn", main.as_str().into())];
    let described = client.ok("DescribeStateMachine", &asked).to_string();
    assert!(described.contains("/aws/vendedlogs/states/loops-main"), "{described}");
}
