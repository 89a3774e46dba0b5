//! Runs projects on this machine with real Python.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use stepwright_json::Json;

fn stepwright(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_stepwright"))
        .args(arguments)
        .current_dir(folder)
        .output()
        .expect("the binary runs")
}

/// Runs the `project.py` of a folder. Returns the outcome, and what was printed on the way.
#[track_caller]
fn run(folder: &Path, arguments: &[&str], code: i32) -> (Json, String) {
    let mut all = vec!["run", "project.py", "--output", "json"];
    all.extend(arguments);
    let output = stepwright(folder, &all);
    let shown = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {shown}");
    let outcome = stepwright_json::parse_bytes(output.stdout.trim_ascii())
        .unwrap_or_else(|error| panic!("{error}: {shown}"));
    (outcome, shown)
}

fn example() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples/fluxio")
}

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    folder
}

fn text<'j>(outcome: &'j Json, pointer: &[&str]) -> &'j str {
    let found = pointer.iter().try_fold(outcome, |value, key| value.get(key));
    found.and_then(Json::as_str).unwrap_or_default()
}

#[test]
fn the_example_runs_with_all_its_kinds_of_tasks() {
    let (outcome, shown) = run(&example(), &[], 0);
    assert_eq!(text(&outcome, &["status"]), "SUCCEEDED", "{shown}");
    assert_eq!(text(&outcome, &["output", "payment", "receipt"]), "R-40");
    // A function, a process, a worker, and the end of the worker.
    for line in [
        "packed with the others",
        "labels for order-7",
        "dear ada@example.com, your order costs 40",
        "messages sent: 1",
    ] {
        assert!(shown.contains(line), "`{line}` is missing in {shown}");
    }
}

#[test]
fn a_nested_machine_is_an_execution_of_its_own() {
    let (outcome, shown) = run(&example(), &["--machine", "nightly"], 0);
    assert!(shown.contains("closed 20"), "{shown}");
    let events = outcome.get("events").unwrap().to_string();
    assert!(events.contains(":execution:books:"), "{events}");
}

const FLAGS: &str = r#"
class Check(Task):
    async def run(event, context):
        if event.get("stop"):
            return await context.stop_execution(error="Off", cause="the flag is off")
        if event.get("bad"):
            raise ValueError("bad")
        return {"ok": True, "machine": context.state_machine_name}

class Big(Task):
    service = "ecs"
    async def run(event, context):
        if event.get("stop_in_big"):
            return await context.stop_execution(error="Big")
        if event.get("fail"):
            raise KeyError("oh")

def inner(data):
    data["x"] = Check()

def main(data):
    data["check"] = Check()
    try:
        Big()
    except States.TaskFailed:
        data["failed"] = True
    data["nested"] = inner(data["check"])
"#;

#[test]
fn tasks_fail_and_stop_executions() {
    let folder = folder(&[("project.py", FLAGS)]);
    let (outcome, shown) = run(folder.path(), &["--input", "{}"], 0);
    assert_eq!(outcome.get("output").unwrap().get("failed"), None, "{shown}");
    assert_eq!(text(&outcome, &["output", "check", "machine"]), "main");
    let nested = stepwright_json::parse(text(&outcome, &["output", "nested", "Output"])).unwrap();
    assert_eq!(text(&nested, &["x", "machine"]), "inner");

    let (outcome, _) = run(folder.path(), &["--input", r#"{"fail": true}"#], 0);
    assert_eq!(outcome.get("output").unwrap().get("failed"), Some(&Json::Bool(true)));
    assert!(text(&outcome, &["output", "error", "Cause"]).contains("KeyError: 'oh'"), "{outcome}");

    for virtual_time in [&[][..], &["--virtual-time"]] {
        let arguments = [&["--input", r#"{"stop": true}"#], virtual_time].concat();
        let (outcome, _) = run(folder.path(), &arguments, 1);
        assert_eq!(text(&outcome, &["status"]), "ABORTED");
        assert_eq!(text(&outcome, &["error"]), "Off");
        assert_eq!(text(&outcome, &["cause"]), "the flag is off");
    }
    let (outcome, _) = run(folder.path(), &["--input", r#"{"stop_in_big": true}"#], 1);
    assert_eq!((text(&outcome, &["status"]), text(&outcome, &["error"])), ("ABORTED", "Big"));

    let (outcome, shown) = run(folder.path(), &["--input", r#"{"bad": true}"#], 1);
    assert_eq!(text(&outcome, &["error"]), "ValueError");
    // The traceback refers to the line in the project.
    assert!(shown.contains("project.py\", line 7, in run"), "{shown}");
}

const QUEUE: &str = r#"
class Put(Task):
    async def run(event, context):
        return context.state_data_client.put_items("names", event["names"])

class Work(Task):
    service = "ecs:worker"
    spec = "crew.hands:Hand"
    concurrency = 2
    autoscaling_max = 2

def each(data):
    Work()

def main(data):
    data["names"] = Put()
    data["done"] = map(data["names"], each)
    data["again"] = Work(data["names"])
"#;

const HANDS: &str = r#"
import asyncio
import os

from ns_sfn_task_entry_points.ecs_worker_app import TaskContext, TaskWorker


class Hand(TaskWorker):
    async def on_startup(self):
        await super().on_startup()
        self.busy = 0

    async def run(self, event, context: TaskContext):
        if "context_index" not in event:
            if not os.path.exists("died"):
                open("died", "w").close()
                os._exit(7)
            return "back again"
        self.busy += 1
        assert self.busy <= 2, "more messages than the concurrency allows"
        name = context.state_data_client.get_item_for_map_iteration(event)
        await asyncio.sleep(0.05)
        self.busy -= 1
        print("handled", name)

    async def on_cleanup(self):
        await super().on_cleanup()
        print("cleaned up")
"#;

#[test]
fn workers_take_messages_and_are_replaced_when_they_die() {
    let folder =
        folder(&[("project.py", QUEUE), ("crew/__init__.py", ""), ("crew/hands.py", HANDS)]);
    let input = r#"{"names": ["a", "b", "c", "d", "e"]}"#;
    let (outcome, shown) = run(folder.path(), &["--input", input], 0);
    assert_eq!(text(&outcome, &["output", "again"]), "back again", "{shown}");
    for name in ["a", "b", "c", "d", "e"] {
        assert!(shown.contains(&format!("handled {name}")), "{shown}");
    }
    assert!(shown.contains("cleaned up"), "{shown}");
    assert!(folder.path().join("died").exists());
}

#[test]
fn a_worker_that_cannot_start_fails_its_messages() {
    let hands = "raise RuntimeError('no hands')\n";
    let folder =
        folder(&[("project.py", QUEUE), ("crew/__init__.py", ""), ("crew/hands.py", hands)]);
    let (outcome, shown) = run(folder.path(), &["--input", r#"{"names": ["a"]}"#], 1);
    assert_eq!(text(&outcome, &["error"]), "States.TaskFailed", "{shown}");
    assert!(text(&outcome, &["cause"]).contains("the worker of `Work` ended"), "{outcome}");
    assert!(shown.contains("no hands"), "{shown}");
}

#[test]
fn a_worker_without_a_heartbeat_loses_its_message() {
    let source = QUEUE.replace("concurrency = 2", "heartbeat_interval = 1");
    let hands = r#"
import os
import time

from stepwright_fluxio import TaskWorker


class Hand(TaskWorker):
    async def run(self, event, context):
        try:
            os.close(os.open("seen", os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return "by another"
        # Nothing beats while the loop is blocked.
        time.sleep(60)
"#;
    let files =
        [("project.py", source.as_str()), ("crew/__init__.py", ""), ("crew/hands.py", hands)];
    let folder = folder(&files);
    let (outcome, shown) = run(folder.path(), &["--input", r#"{"names": []}"#], 0);
    assert_eq!(text(&outcome, &["output", "again"]), "by another", "{shown}");
}

#[test]
fn a_process_that_nobody_waits_for_is_ended() {
    let source = r#"
class Slow(Task):
    service = "ecs"
    async def run(event, context):
        import time
        time.sleep(4)
        open("finished", "w").close()

def main(data):
    try:
        Slow(timeout=1)
    except States.Timeout:
        wait(seconds=5)
"#;
    let folder = folder(&[("project.py", source)]);
    let (outcome, _) = run(folder.path(), &["--input", "{}"], 0);
    assert_eq!(text(&outcome, &["output", "error", "Error"]), "States.Timeout");
    assert!(!folder.path().join("finished").exists());
}

#[test]
fn state_data_can_be_kept() {
    let source = r#"
class Count(Task):
    async def run(event, context):
        client = context.state_data_client
        try:
            before = client.get_global_item("all:count", "counters")
        except KeyError:
            before = 0
        client.put_global_item("all:count", "counters", before + 1)
        return before + 1

def main(data):
    data["count"] = Count()
"#;
    let folder = folder(&[("project.py", source)]);
    let count = |arguments: &[&str]| {
        let (outcome, _) = run(folder.path(), arguments, 0);
        outcome.get("output").and_then(|output| output.get("count")?.as_i64())
    };
    assert_eq!(count(&[]), Some(1));
    assert_eq!(count(&[]), Some(1), "without a file, nothing is left");
    assert_eq!(count(&["--state-data", "state.db"]), Some(1));
    assert_eq!(count(&["--state-data", "state.db"]), Some(2));
}

#[test]
fn mocks_come_before_tasks_and_options_that_do_not_fit_are_refused() {
    let folder = folder(&[
        ("project.py", FLAGS),
        ("mocks.yaml", "Big:\n  - return: {}\nCheck:\n  - return: {mocked: true}\n"),
        ("flow.asl.json", r#"{"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}"#),
    ]);
    let (outcome, shown) = run(folder.path(), &["--mocks", "mocks.yaml", "--machine", "inner"], 0);
    assert_eq!(
        outcome.get("output").unwrap().get("x").unwrap().get("mocked"),
        Some(&Json::Bool(true)),
        "{shown}"
    );
    let output = stepwright(folder.path(), &["run", "flow.asl.json", "--state-data", "x.db"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("goes with a project"));
}

#[test]
fn an_interrupted_run_leaves_nothing_behind() {
    let source = "class Slow(Task):\n    service = \"ecs\"\n\n    async def run(event, context):\n        \
                  import os, time\n        open(event[\"mark\"], \"w\").write(str(os.getpid()))\n        \
                  time.sleep(60)\n\ndef main(data):\n    Slow()\n";
    let folder = folder(&[("project.py", source)]);
    let temporary = folder.path().join("tmp");
    std::fs::create_dir(&temporary).unwrap();
    let mark = folder.path().join("mark");
    let input = format!("{{\"mark\": \"{}\"}}", mark.display());
    let mut child = Command::new(env!("CARGO_BIN_EXE_stepwright"))
        .args(["run", "project.py", "--input", &input])
        .current_dir(folder.path())
        .env("TMPDIR", &temporary)
        .spawn()
        .expect("the binary runs");
    let wait_until = |what: &str, holds: &dyn Fn() -> bool| {
        for _ in 0..400 {
            if holds() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        panic!("{what}");
    };
    let pid = || std::fs::read_to_string(&mark).unwrap_or_default();
    wait_until("the task runs", &|| !pid().is_empty());
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(std::fs::read_dir(&temporary).unwrap().count(), 0);
    wait_until("the task ends", &|| {
        let process = format!("/proc/{}/stat", pid());
        // A process that nobody has waited for yet is a zombie.
        std::fs::read_to_string(process).map_or(true, |stat| stat.contains(") Z "))
    });
}
