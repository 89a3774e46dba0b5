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
    assert_eq!(text(&outcome, &["output", "nested", "x", "machine"]), "inner");

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
import signal

from stepwright_fluxio import TaskWorker


class Hand(TaskWorker):
    async def run(self, event, context):
        try:
            os.close(os.open("seen", os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return "by another"
        # Nothing beats while the whole process is stopped.
        os.kill(os.getpid(), signal.SIGSTOP)
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

const PROMISES: &str = r#"
from typing import Any, Dict

class T(Task):
    timeout: int = 60
    async def run(event: Dict[str, Any], context: TaskContext) -> Dict:
        import asyncio
        await asyncio.sleep(event.get("s", 0))
        return {"trace": context.trace_id, "source": context.trace_source}

class Short(Task):
    timeout = 2
    async def run(event, context):
        import time
        time.sleep(3)

class Big(Task):
    service: str = "ecs"
    async def run(event, context):
        print("got", len(event["x"]))

class W(Task):
    service = "ecs:worker"
    spec = "steady:Blocking"
    timeout = 60
    heartbeat_interval = 1

class Build(Task):
    service = "codebuild"

def nested(data):
    data["t"] = T()

def main(data):
    data["t"] = T()
    data["n"] = nested(data)
    data["both"] = parallel(nested, T)

def big(data):
    Big()

def worker(data):
    data["w"] = W()

def missing(data):
    map(data["nothing"], nested)

def caught(data):
    try:
        T(data["nope"])
    except KeyError:
        data["caught"] = True

def longer(data):
    Short(timeout=60)

def build(data):
    Build(env={"A": data["v"], "B": 5})
"#;

const BLOCKING: &str = "import time\n\
    from ns_sfn_task_entry_points.ecs_worker_app import TaskWorker\n\
    class Blocking(TaskWorker):\n    \
        async def run(self, event, context):\n        \
            time.sleep(3.5)\n        return [context.trace_id, 1]\n";

fn promises() -> tempfile::TempDir {
    folder(&[("project.py", PROMISES), ("project.sfn", PROMISES), ("steady.py", BLOCKING)])
}

#[test]
fn traces_go_through_nested_machines_and_tasks() {
    let folder = promises();
    let (outcome, shown) = run(folder.path(), &[], 0);
    assert_eq!(text(&outcome, &["output", "t", "trace"]), "local", "{shown}");
    for pointer in [&["output", "n", "t", "trace"][..], &["output", "t", "trace"]] {
        assert_eq!(text(&outcome, pointer), "local", "{outcome}");
    }
    assert_eq!(text(&outcome, &["output", "n", "t", "source"]), "main");
    assert_eq!(outcome.get("output").unwrap().get("n").unwrap().get("__trace"), None);
    let both = outcome.get("output").unwrap().get("both").unwrap();
    assert_eq!(text(both.at(1).unwrap(), &["trace"]), "local", "{both}");
    let given = r#"{"__trace": {"id": "order-7", "source": "shop"}}"#;
    let (outcome, _) = run(folder.path(), &["--input", given], 0);
    assert_eq!(text(&outcome, &["output", "t", "trace"]), "order-7");
    assert_eq!(text(&outcome, &["output", "n", "t", "trace"]), "order-7");
    assert_eq!(text(&outcome, &["output", "n", "t", "source"]), "shop");
}

#[test]
fn machines_fail_as_the_project_says() {
    let folder = promises();
    let machine = |name: &'static str| ["--machine", name];
    let (outcome, _) = run(folder.path(), &machine("missing"), 1);
    assert!(text(&outcome, &["cause"]).contains("data['nothing'] is no list"), "{outcome}");
    let (outcome, _) = run(folder.path(), &machine("caught"), 0);
    assert_eq!(text(&outcome, &["output", "error", "Error"]), "KeyError");
    assert_eq!(outcome.get("output").unwrap().get("caught"), Some(&Json::Bool(true)));
    run(folder.path(), &machine("longer"), 0);
    let large = format!("{{\"x\": \"{}\"}}", "a".repeat(9000));
    std::fs::write(folder.path().join("large.json"), large).unwrap();
    for virtual_time in [&[][..], &["--virtual-time"]] {
        let big = [&machine("big")[..], &["--input-file", "large.json"], virtual_time].concat();
        let (outcome, _) = run(folder.path(), &big, 1);
        assert_eq!(text(&outcome, &["error"]), "ECS.InvalidParameterException");
    }
    let compiled = stepwright(folder.path(), &["compile", "project.py", "--machine", "build"]);
    let compiled = String::from_utf8_lossy(&compiled.stdout).into_owned();
    assert!(compiled.contains(r#""Value.$": "$['v']""#), "{compiled}");
    assert!(compiled.contains(r#""Value": "5""#), "{compiled}");
}

#[test]
fn a_handler_that_blocks_keeps_its_message() {
    let folder = promises();
    let (outcome, shown) = run(folder.path(), &["--machine", "worker"], 0);
    let answer = outcome.get("output").unwrap().get("w").unwrap();
    assert_eq!(answer.to_string(), r#"["local",1]"#, "{shown}");
}

#[test]
fn projects_are_tested_and_replayed() {
    let folder = promises();
    let cases = r#"
state_machine: nested
cases:
  - name: one
    mocks: {T: {return: 5}}
    expect: {output: {t: 5}}
"#;
    std::fs::write(folder.path().join("project.test.yaml"), cases).unwrap();
    let tested = stepwright(folder.path(), &["test"]);
    let shown = String::from_utf8_lossy(&tested.stdout).into_owned();
    assert!(shown.contains("1 passed"), "{shown}{}", String::from_utf8_lossy(&tested.stderr));
    let state = ["test-state", "project.py", "--state", "T", "--mock-result", "5"];
    let state = stepwright(folder.path(), &state);
    let shown = String::from_utf8_lossy(&state.stdout).into_owned();
    assert!(shown.contains("SUCCEEDED"), "{shown}{}", String::from_utf8_lossy(&state.stderr));
    let (outcome, _) = run(folder.path(), &["--machine", "nested"], 0);
    std::fs::write(folder.path().join("history.json"), outcome.to_string()).unwrap();
    let replay =
        ["replay", "history.json", "--definition", "project.py", "--state-machine", "nested"];
    let replayed = stepwright(folder.path(), &replay);
    let shown = String::from_utf8_lossy(&replayed.stdout).into_owned();
    assert!(
        shown.contains("reproduces all"),
        "{shown}{}",
        String::from_utf8_lossy(&replayed.stderr)
    );
    let formatted = stepwright(folder.path(), &["fmt", "project.py"]);
    assert_eq!(formatted.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&formatted.stderr).contains("projects are not formatted"));
    // A project may end in `.sfn`.
    let sfn = stepwright(folder.path(), &["check", "project.sfn"]);
    let shown = String::from_utf8_lossy(&sfn.stdout).into_owned();
    assert!(shown.contains("0 errors") && !shown.contains("/States/"), "{shown}");
}

#[test]
fn check_points_into_the_project() {
    let text = "class E(Task):\n    service = 'ecs'\n    cpu = 300\n    def run(event, context):\n        \
                pass\ndef main(data):\n    E()\n";
    let folder = folder(&[("project.py", text)]);
    for command in ["check", "compile", "run", "synth"] {
        let output = stepwright(folder.path(), &[command, "project.py"]);
        let shown = [output.stdout, output.stderr].concat();
        let shown = String::from_utf8_lossy(&shown).into_owned();
        assert_eq!(output.status.code(), Some(2), "{command}: {shown}");
        assert!(shown.contains("project.py:3:11"), "{command}: {shown}");
        assert!(shown.contains("Fargate takes 256"), "{command}: {shown}");
    }
}

#[test]
fn a_token_that_nobody_sends_is_explained() {
    let definition = r#"{"StartAt": "W", "States": {"W": {"Type": "Task", "HeartbeatSeconds": 5, "End": true,
        "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken",
        "Parameters": {"FunctionName": "f", "Payload": {"token.$": "$$.Task.Token"}}}}}"#;
    let config = "[functions.f]\nreturn = {accepted = true}\n";
    let folder = folder(&[("w.asl.json", definition), ("stepwright.toml", config)]);
    let output = stepwright(folder.path(), &["run", "w.asl.json", "--virtual-time"]);
    let shown = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{shown}");
    assert!(shown.contains("which nobody can send to a run"), "{shown}");
}
