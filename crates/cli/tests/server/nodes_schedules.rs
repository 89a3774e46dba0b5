//! Schedules and subscriptions of projects on several nodes: each moment and each end starts one execution.

use crate::cluster;
use crate::nodes::{PATIENCE, await_shards, configure};
use crate::support::{Client, Server, await_line, text, write};
use std::collections::BTreeSet;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use stepwright_json::Json;
use stepwright_store::Shards;

const TICK: &str = r#"
@schedule(expression="rate(1 minute)", input_data={"a": 1})
@export()
def main(data):
    return
"#;

fn mail(project: &str) -> String {
    format!("@subscribe(project=\"{project}\")\ndef main(data):\n    return\n")
}

/// The executions of a machine: their names, and when each has started.
fn executions(client: &Client, machine: &str) -> Vec<(String, f64)> {
    let arn = format!("arn:aws:states:us-east-1:123456789012:stateMachine:{machine}");
    let reply = client.ok("ListExecutions", &[("stateMachineArn", arn.into())]);
    let all = reply.get("executions").and_then(Json::as_array).expect("they are listed");
    let started = |one: &Json| one.get("startDate").and_then(Json::as_f64).expect("it has begun");
    all.iter().map(|one| (text(one, "name"), started(one))).collect()
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later").as_secs_f64()
}

#[test]
fn a_schedule_fires_once_although_the_node_that_fires_it_dies() {
    let Some(url) = cluster::database() else { return };
    let folder = tempfile::tempdir().expect("a directory can be made");
    // The first node keeps the lowest shards.
    let project = (0..).map(|at| format!("tick{at}"));
    let key = |project: &String| format!("fluxio/schedule/{project}/main");
    let mut project = project.filter(|project| Shards::of_name(&key(project)) < 60);
    let project = project.next().expect("there is one");
    write(&folder.path().join(&project).join("project.py"), TICK);
    write(&folder.path().join("mail/project.py"), &mail(&project));
    std::fs::create_dir(folder.path().join("tmp")).expect("a directory can be made");
    let files = [format!("{project}/project.py"), "mail/project.py".to_owned()];
    let mut nodes: Vec<_> = (0..3)
        .map(|number| {
            let port = cluster::free_port();
            let config = configure(number, port, &url, folder.path(), "");
            let data = format!("data-{number}");
            let arguments = ["--config", &config, "--data", &data, &files[0], &files[1]];
            let listen = format!("127.0.0.1:{port}");
            let (server, lines) = Server::dev_at(&listen, &[], &arguments, folder.path());
            let client = server.client();
            (server, client, lines)
        })
        .collect();
    for (_, client, lines) in &nodes {
        await_shards(client, &[86, 86, 84], PATIENCE);
        await_line(lines, &["schedule", &project, "rate(1 minute)", ":00Z"]);
    }
    let begun = now();
    // Just before the next minute, the node that would fire is killed.
    let into_minute = begun % 60.0;
    let until = if into_minute < 56.0 { 57.5 - into_minute } else { 117.5 - into_minute };
    std::thread::sleep(Duration::from_secs_f64(until));
    let due = (now() / 60.0).ceil() * 60.0;
    nodes.remove(0).0.kill();
    let machine = format!("{project}-main");
    let client = nodes[0].1.clone();
    let end = Instant::now() + PATIENCE;
    let fired = loop {
        let fired = executions(&client, &machine);
        if fired.iter().any(|(_, at)| *at >= due) {
            break fired;
        }
        assert!(Instant::now() < end, "{fired:?} although it was due at {due}");
        std::thread::sleep(Duration::from_millis(100));
    };
    // Others fired it when they had taken over.
    let late = fired.iter().map(|(_, at)| at - due).fold(0.0, f64::max);
    assert!(late > 4.0 && late < 40.0, "{fired:?} and {due}");
    // Every minute since then has one execution, whose end has started one.
    std::thread::sleep(Duration::from_secs(3));
    let fired = executions(&client, &machine);
    let names: BTreeSet<&String> = fired.iter().map(|(name, _)| name).collect();
    let minutes = (now() / 60.0).floor() - (begun / 60.0).floor();
    assert!(names.len() == fired.len() && fired.len() as f64 >= minutes, "{fired:?}");
    assert!(names.iter().all(|name| name.starts_with("scheduled-") && name.ends_with("-00Z")));
    let end = Instant::now() + PATIENCE;
    while executions(&client, "mail-main").len() < fired.len() {
        assert!(Instant::now() < end, "{:?}", executions(&client, "mail-main"));
        std::thread::sleep(Duration::from_millis(100));
    }
    let (mailed, fired) = (executions(&client, "mail-main"), executions(&client, &machine));
    assert!(mailed.len() <= fired.len(), "{mailed:?} {fired:?}");
}
