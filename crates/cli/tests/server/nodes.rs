//! Three servers share a store in PostgreSQL. One is killed, one is stopped by an operator, and nothing
//! is lost or done twice.

use crate::cluster;
use crate::support::{Answer, Client, Server, command, text};
use std::path::Path;
use std::time::{Duration, Instant};
use stepwright_json::{Json, json};

const WAIT: &str = r#"{"StartAt":"W","States":{
    "W":{"Type":"Wait","Seconds":4,"Next":"P"},"P":{"Type":"Pass","End":true}}}"#;
pub(crate) const LONG: &str =
    r#"{"StartAt":"W","States":{"W":{"Type":"Wait","Seconds":900,"End":true}}}"#;
const ACTIVITY: &str = r#"{"StartAt":"T","States":{
    "T":{"Type":"Task","Resource":"arn:aws:states:us-east-1:123456789012:activity:work","End":true}}}"#;
const MAP: &str = r#"{"StartAt":"M","States":{"M":{"Type":"Map","MaxConcurrency":4,"End":true,
    "ItemProcessor":{"ProcessorConfig":{"Mode":"DISTRIBUTED","ExecutionType":"STANDARD"},
        "StartAt":"W","States":{"W":{"Type":"Wait","Seconds":2,"End":true}}}}}}"#;
const SAY: &str = r#"{"StartAt":"M","States":{"M":{"Type":"Map","End":true,
    "ItemProcessor":{"ProcessorConfig":{"Mode":"DISTRIBUTED","ExecutionType":"STANDARD"},
        "StartAt":"S","States":{"S":{"Type":"Task","End":true,
            "Resource":"arn:aws:lambda:us-east-1:123456789012:function:say",
            "Parameters":{"item.$":"$"}}}}}}}"#;
const NESTED: &str = r#"{"StartAt":"N","States":{"N":{"Type":"Task","End":true,
    "Resource":"arn:aws:states:::states:startExecution.sync:2",
    "Parameters":{"StateMachineArn":"arn:aws:states:us-east-1:123456789012:stateMachine:wait"}}}}"#;

/// How long a change of the nodes may take. Other tests may have both processors.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// One of several servers on one store.
pub(crate) struct Node {
    pub(crate) server: Server,
    pub(crate) client: Client,
}

fn node(number: usize, port: u16, url: &str, folder: &Path) -> Node {
    node_with(number, port, url, folder, "")
}

/// A node with more settings: of `[server]` first, then whole sections.
pub(crate) fn node_with(
    number: usize,
    port: u16,
    url: &str,
    folder: &Path,
    settings: &str,
) -> Node {
    let config = configure(number, port, url, folder, settings);
    let server = Server::start_at(&format!("127.0.0.1:{port}"), &["--config", &config]);
    let client = server.client();
    Node { server, client }
}

/// Writes the configuration of a node.
pub(crate) fn configure(
    number: usize,
    port: u16,
    url: &str,
    folder: &Path,
    settings: &str,
) -> String {
    let config = folder.join(format!("{number}.toml"));
    let text = format!(
        "[server]\nstore = \"{url}\"\ndata = \"data-{number}\"\nactivity_poll_seconds = 5\n{settings}\n\
         [server.nodes]\naddress = \"http://127.0.0.1:{port}\"\nkey = \"a key of all the nodes\"\n"
    );
    std::fs::write(&config, text).expect("it can be written");
    config.to_str().expect("it is text").to_owned()
}

/// The shards of each node, as one of them sees it, the largest number first.
pub(crate) fn shards(client: &Client) -> Vec<i64> {
    let seen = client.get("nodes");
    let nodes = seen.get("nodes").and_then(Json::as_array).expect("they are listed");
    let of = |node: &Json| node.get("shards").and_then(Json::as_i64).expect("it has some");
    let mut shards: Vec<i64> = nodes.iter().map(of).collect();
    shards.sort_unstable_by(|one, other| other.cmp(one));
    shards
}

pub(crate) fn await_shards(client: &Client, expected: &[i64], longest: Duration) -> Duration {
    let begun = Instant::now();
    while shards(client) != expected {
        assert!(begun.elapsed() < longest, "{:?} instead of {expected:?}", shards(client));
        std::thread::sleep(Duration::from_millis(50));
    }
    begun.elapsed()
}

/// The types of an execution's events. Their numbers have no gap.
fn history(client: &Client, execution: &str) -> Vec<String> {
    let members = [("executionArn", execution.into())];
    let reply = client.ok("GetExecutionHistory", &members);
    let events = reply.get("events").and_then(Json::as_array).expect("they are there");
    let ids: Vec<i64> =
        events.iter().filter_map(|event| event.get("id").and_then(Json::as_i64)).collect();
    assert_eq!(ids, (1..=events.len() as i64).collect::<Vec<_>>(), "{execution}");
    events.iter().map(|event| text(event, "type")).collect()
}

#[test]
fn one_of_three_nodes_is_killed_and_its_executions_go_on() {
    let Some(url) = cluster::database() else { return };
    let folder = tempfile::tempdir().expect("a directory can be made");
    let ports: Vec<u16> = (0..3).map(|_| cluster::free_port()).collect();
    let start = |number: usize| node(number, ports[number], &url, folder.path());
    let first = start(0);
    let (second, third) = (start(1), start(2));
    for node in [&first, &second, &third] {
        await_shards(&node.client, &[86, 86, 84], PATIENCE);
    }
    // What is made at one node is known at the others at once, by whoever asks for it.
    third.client.ok("CreateActivity", &[("name", "work".into())]);
    let wait = second.client.create("wait", "STANDARD", WAIT);
    let long = third.client.create("long", "STANDARD", LONG);
    let [activity, map, nested] = [("activity", ACTIVITY), ("map", MAP), ("nested", NESTED)]
        .map(|(name, text)| first.client.create(name, "STANDARD", text));

    // A start by name is one start, whoever is asked, and however often.
    let named = |node: &Node| {
        let members = [("stateMachineArn", long.as_str().into()), ("name", "once".into())];
        text(&node.client.ok("StartExecution", &members), "executionArn")
    };
    let once = named(&first);
    assert_eq!((named(&second), named(&third)), (once.clone(), once.clone()));
    // Any node stops it, and all see that.
    second.client.ok("StopExecution", &[("executionArn", once.as_str().into())]);
    for node in [&first, &second, &third] {
        assert_eq!(text(&node.client.end(&once), "status"), "ABORTED");
    }

    // A worker asks one node, the task waits at another, and the report goes to a third.
    let of_activity = second.client.start(&activity, "{\"n\":1}");
    let worker = json!({"activityArn": "arn:aws:states:us-east-1:123456789012:activity:work"});
    let Answer::Ok(task) = first.client.call("GetActivityTask", &worker) else {
        panic!("no task came")
    };
    let report = [("taskToken", text(&task, "taskToken").into()), ("output", "{\"a\":2}".into())];
    third.client.ok("SendTaskSuccess", &report);
    assert_eq!(text(&first.client.end(&of_activity), "output"), "{\"a\":2}");

    // Many run when a node is killed.
    let mut running = Vec::new();
    for node in [&first, &second, &third] {
        running.extend((0..12).map(|_| node.client.start(&wait, "{}")));
        running.push(node.client.start(&nested, "{}"));
        running.push(node.client.start(&map, "[1,2,3,4,5,6,7,8]"));
        running.push(node.client.start(&activity, "{}"));
    }
    let before: Vec<Vec<String>> =
        running.iter().map(|execution| history(&first.client, execution)).collect();
    second.server.kill();
    let taken = await_shards(&first.client, &[128, 128], PATIENCE);
    assert!(taken > Duration::from_secs(5), "a node that only pauses is not taken for dead");
    // The tasks of the killed node's executions are handed out by others, each once.
    for _ in 0..3 {
        let Answer::Ok(task) = third.client.call("GetActivityTask", &worker) else {
            panic!("no task came")
        };
        let members = [("taskToken", text(&task, "taskToken").into()), ("output", "{}".into())];
        first.client.ok("SendTaskSuccess", &members);
    }
    for (execution, before) in running.iter().zip(before) {
        let end = third.client.end(execution);
        assert_eq!(text(&end, "status"), "SUCCEEDED", "{end}");
        let history = history(&first.client, execution);
        assert!(history.starts_with(&before), "{execution}: {before:?} became {history:?}");
        let ends = history.iter().filter(|kind| *kind == "ExecutionSucceeded").count();
        assert_eq!(ends, 1, "{execution}: {history:?}");
        let starts = history.iter().filter(|kind| *kind == "ExecutionStarted").count();
        assert_eq!(starts, 1, "{execution}: {history:?}");
    }

    // Whoever is stopped hands over what it has: sooner than it would be taken for dead.
    let begun = Instant::now();
    assert!(third.server.stop());
    await_shards(&first.client, &[256], Duration::from_secs(5).saturating_sub(begun.elapsed()));

    // A server that does not know of nodes leaves the store alone.
    let alone = ["serve", "--listen", "127.0.0.1:0", "--store", &url, "--data", "alone"];
    let (is_served, printed) = command(&alone, folder.path());
    assert!(!is_served && printed.contains("uses the store; stop it, or give both"), "{printed}");
    // The database is examined while it is used, and nothing is wrong with it.
    let (is_right, printed) = command(&["doctor", "--store", &url], folder.path());
    assert!(is_right && printed.contains("Nothing is wrong with the database."), "{printed}");
    // Strangers are not taken for nodes.
    assert_eq!(first.client.post_status("nodes/call", "{\"do\":\"look\"}"), 403);
    drop(first);

    // What is left is a store like any other.
    let copy = folder.path().join("copy").to_str().expect("it is text").to_owned();
    let (is_copied, printed) = loop {
        let (is_copied, printed) = command(&["store", "copy", &url, &copy], folder.path());
        // The last server has been killed, and this machine knows that.
        if is_copied || !printed.contains("is used by") {
            break (is_copied, printed);
        }
        std::thread::sleep(Duration::from_millis(100));
    };
    assert!(is_copied, "{printed}");
    let server = Server::start(&["--data", &copy]);
    for execution in &running {
        assert_eq!(text(&server.client().end(execution), "status"), "SUCCEEDED");
    }
}

/// Waits until a node finds so many executions by what is in them.
fn await_found(client: &Client, wanted: &str, expected: usize) {
    let begun = Instant::now();
    loop {
        let page = client.page(&format!("console/find?q={wanted}"));
        let found = page.matches("<a href=\"/console/execution?").count();
        if found == expected && !page.contains("is being compared") && !page.contains("not answer")
        {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "{found} instead of {expected} for {wanted}: {page}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// The lines that functions have printed, each with its node, and what is sent the next time.
fn printed(node: &Node, after: &Json) -> (Vec<(String, String)>, Json) {
    let Answer::Ok(reply) = node.client.own("/logs", &json!({"nodes": (after.clone())})) else {
        panic!("nothing is read")
    };
    let lines = reply.get("lines").and_then(Json::as_array).expect("they are listed");
    let lines = lines.iter().map(|line| (text(line, "node"), text(line, "text"))).collect();
    (lines, reply.get("nodes").cloned().expect("it is said"))
}

/// The children of a map run are spread over two nodes; what their functions print is read at both. Returns how
/// many lines the second one has.
fn what_functions_print_is_read_at_any_node(first: &Node, second: &Node) -> usize {
    let machine = first.client.create("say", "STANDARD", SAY);
    let items: Vec<Json> = (0..16).map(Json::Int).collect();
    let run = first.client.start(&machine, &Json::from(items).to_string());
    let end = second.client.end(&run);
    // They find Step Functions at their node, and no other service.
    let output = format!("[{}]", ["12"; 16].join(","));
    assert_eq!(text(&end, "output"), output, "{end}");
    let (lines, after) = printed(first, &json!({}));
    let mut said: Vec<&str> = lines.iter().map(|(_, text)| text.as_str()).collect();
    said.sort_unstable();
    let mut expected: Vec<String> = (0..16).map(|item| format!("{{\"item\":{item}}}")).collect();
    expected.sort_unstable();
    assert_eq!(said, expected);
    assert_eq!(printed(second, &json!({})), (lines.clone(), after.clone()));
    assert_eq!(printed(second, &after), (Vec::new(), after));
    let me = first.client.get("nodes");
    let nodes = me.get("nodes").and_then(Json::as_array).expect("they are listed");
    let other = nodes.iter().find(|node| node.get("isThisOne") == Some(&Json::Bool(false)));
    let other = other.and_then(|node| node.get("id")).and_then(Json::as_i64).expect("it is there");
    let theirs = lines.iter().filter(|(node, _)| *node == other.to_string()).count();
    assert!((1..16).contains(&theirs), "{lines:?}");
    theirs
}

#[test]
fn executions_of_all_nodes_are_found_by_what_is_in_them() {
    let Some(url) = cluster::database() else { return };
    let folder = tempfile::tempdir().expect("a directory can be made");
    let ports: Vec<u16> = (0..2).map(|_| cluster::free_port()).collect();
    let say = "[functions.say]\ncommand = [\"sh\", \"-c\", \"cat >&2; echo ${AWS_ENDPOINT_URL:-1}${AWS_ENDPOINT_URL_SFN:+2}\"]";
    let start = |number: usize| node_with(number, ports[number], &url, folder.path(), say);
    let first = start(0);
    let second = start(1);
    for node in [&first, &second] {
        await_shards(&node.client, &[128, 128], PATIENCE);
    }
    let pass = r#"{"StartAt":"P","States":{"P":{"Type":"Pass","End":true}}}"#;
    let machine = first.client.create("pass", "STANDARD", pass);
    let waiting = first.client.create("long", "STANDARD", LONG);
    for (at, node) in [&first, &second].into_iter().cycle().take(20).enumerate() {
        node.client.start(&machine, &format!("{{\"order\":\"needle-{at}\"}}"));
    }
    let long = second.client.start(&waiting, "{\"order\":\"needle-20\"}");
    for node in [&first, &second] {
        await_found(&node.client, "needle", 21);
        await_found(&node.client, "needle+status:succeeded", 20);
        await_found(&node.client, "needle-20+status:running", 1);
    }
    let theirs = what_functions_print_is_read_at_any_node(&first, &second);
    // What a node had is found by those that take it over, as it is then.
    second.server.kill();
    await_shards(&first.client, &[256], PATIENCE);
    await_found(&first.client, "needle", 21);
    first.client.ok("StopExecution", &[("executionArn", long.as_str().into())]);
    await_found(&first.client, "needle-20+status:aborted", 1);
    // What functions have printed there is lost with a node.
    assert_eq!(printed(&first, &json!({})).0.len(), 16 - theirs);
    // A node that comes back has those of its shards, and no old news of the others'.
    let second = start(1);
    await_shards(&first.client, &[128, 128], PATIENCE);
    for node in [&first, &second] {
        await_found(&node.client, "needle", 21);
        await_found(&node.client, "needle+status:running", 0);
    }
}
