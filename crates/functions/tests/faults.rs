//! Failures, and limits on how much runs at a time.

mod common;

use common::{Fixture, example, has_program, invocation, json, member, parse, text};
use std::path::Path;
use std::time::{Duration, Instant};
use stepwright_functions::{Error, Functions, Invocation, InvocationType, Place};
use stepwright_json::Json;

const CODE: &str = r#"
import os, signal, subprocess, sys, time
if os.environ.get("SLOW_START"):
    time.sleep(float(os.environ["SLOW_START"]))

def handler(event, context):
    if event.get("write"):
        with open(event["write"], "a") as file:
            file.write("x")
        if event.get("fail"):
            raise ValueError("not yet")
    if event.get("sleep"):
        time.sleep(event["sleep"])
    if event.get("hold"):
        held = bytearray(event["hold"] << 20)
        for at in range(0, len(held), 4096):
            held[at] = 1
        time.sleep(5)
    if event.get("print"):
        line = "y" * 1023 + "\n"
        for _ in range(event["print"]):
            sys.stdout.write(line * 1024)
    if event.get("child"):
        return subprocess.Popen(["sleep", "1000"]).pid
    if event.get("stubborn"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if event.get("after"):
        import threading
        threading.Timer(0.05, lambda: os._exit(9)).start()
    return os.getpid()
"#;

fn fixture(more: &str) -> Fixture {
    let config = format!("[f]\nruntime = 'python3.x'\nhandler = 'app.handler'\n{more}");
    Fixture::new(&config, &[("app.py", CODE)])
}

fn is_alive(process: i64) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ")
}

async fn soon(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(10), "in time: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn what_exceeds_a_concurrency_is_throttled() {
    if !has_program("python3") {
        return;
    }
    let fixture = fixture("concurrency = 2");
    let slow = r#"{"sleep":0.5}"#;
    let call = || fixture.functions.invoke(invocation("f", slow));
    let (first, second, third) = tokio::join!(call(), call(), call());
    let pids = [first.expect("runs"), second.expect("runs")].map(|reply| text(&reply));
    assert_ne!(pids[0], pids[1], "each has a process of its own");
    let error = third.expect_err("it is throttled");
    assert_eq!((error.name(), error.status()), ("TooManyRequestsException", 429));
    assert_eq!(error.to_string(), "Rate Exceeded.");
    // Afterwards there is room again, and both processes are still there.
    let pid = text(&fixture.call("f", "{}").await);
    assert!(pids.contains(&pid), "{pid} is one of {pids:?}");
}

#[tokio::test]
async fn without_a_concurrency_calls_wait() {
    let fixture = Fixture::new("[f]\ncommand = ['sh', '-c', 'sleep 0.05; cat']", &[]);
    let mut calls = tokio::task::JoinSet::new();
    for number in 0..100 {
        let functions = fixture.functions.clone();
        calls.spawn(async move { functions.invoke(invocation("f", &number.to_string())).await });
    }
    let replies = calls.join_all().await;
    let mut numbers: Vec<i64> = replies
        .iter()
        .map(|reply| json(reply.as_ref().expect("runs")).as_i64().expect("a number"))
        .collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..100).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_process_has_no_more_memory_than_its_function() {
    if !has_program("python3") || !Path::new("/proc/self/statm").exists() {
        return;
    }
    let fixture = fixture("memory = 128\ntimeout = 10");
    let failure = fixture.failure("f", r#"{"hold":300}"#).await;
    assert_eq!(member(&failure, "errorType"), "Runtime.OutOfMemory");
    assert!(member(&failure, "errorMessage").ends_with("signal: killed"));
    assert!(fixture.value("f", "{}").await.as_i64().is_some());
}

#[tokio::test]
async fn a_function_that_prints_a_gigabyte_is_still_answered() {
    if !has_program("python3") {
        return;
    }
    let fixture = fixture("timeout = 60");
    let request = invocation("f", r#"{"print":1024}"#);
    let reply = fixture.invoke(Invocation { log_tail: true, ..request }).await;
    assert_eq!(reply.function_error, None);
    assert!(reply.log_tail.expect("it was asked for").len() <= 4 * 1024 * 4 / 3 + 4);
    let lines = fixture.lines();
    assert!(
        lines.iter().map(String::len).sum::<usize>() < 300 * 1024,
        "what is passed on is bounded"
    );
    let last = lines.last().expect("lines");
    assert!(last.ends_with("more bytes were printed)"), "{last}");
}

#[tokio::test]
async fn a_slow_start_is_no_part_of_the_time_limit() {
    if !has_program("python3") {
        return;
    }
    let fixture = fixture("timeout = 1\nenvironment = { SLOW_START = '1.5' }");
    assert!(fixture.value("f", "{}").await.as_i64().is_some());
}

#[tokio::test]
async fn a_process_that_dies_after_its_answer_costs_no_invocation() {
    if !has_program("python3") {
        return;
    }
    let fixture = fixture("");
    for wait in [0, 20, 50, 80] {
        let first = fixture.value("f", r#"{"after":true}"#).await;
        tokio::time::sleep(Duration::from_millis(wait)).await;
        // A process that is dying may still take the invocation, which then ends with it.
        let reply = fixture.call("f", "{}").await;
        if wait == 80 {
            assert_eq!(reply.function_error, None, "{}", text(&reply));
            assert_ne!(json(&reply), first);
        }
        soon("it dies", || !is_alive(first.as_i64().expect("a number"))).await;
    }
}

#[tokio::test]
async fn a_dropped_call_goes_on() {
    if !has_program("python3") {
        return;
    }
    let fixture = fixture("");
    let mark = fixture.folder.path().join("mark");
    let payload = format!(r#"{{"sleep":0.3,"write":"{}"}}"#, mark.display());
    let call = fixture.functions.invoke(invocation("f", &payload));
    assert!(tokio::time::timeout(Duration::from_millis(50), call).await.is_err());
    soon("it writes", || mark.exists()).await;
}

#[tokio::test]
async fn events_run_behind_the_answer_and_again_when_they_fail() {
    if !has_program("python3") {
        return;
    }
    let fixture = fixture("concurrency = 1");
    let event =
        |payload: &str| Invocation { kind: InvocationType::Event, ..invocation("f", payload) };
    let mark = fixture.folder.path().join("mark");
    let payload = format!(r#"{{"write":"{}","fail":true}}"#, mark.display());
    let reply = fixture.invoke(event(&payload)).await;
    assert_eq!((reply.status, reply.payload.len()), (202, 0));
    let marks = || std::fs::read_to_string(&mark).unwrap_or_default().len();
    soon("it is tried three times", || marks() == 3).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(marks(), 3);
    // Events wait where other invocations are throttled.
    let payload = format!(r#"{{"write":"{}"}}"#, mark.display());
    for _ in 0..5 {
        fixture.invoke(event(&payload)).await;
    }
    soon("all run", || marks() == 8).await;
    let large = format!("\"{}\"", "x".repeat(1024 * 1024));
    let error = fixture.functions.invoke(event(&large)).await.expect_err("it is too large");
    assert_eq!((error.name(), error.status()), ("RequestTooLargeException", 413));
}

#[tokio::test]
async fn requests_are_checked() {
    let fixture = Fixture::new("[f]\necho = true\n['g:prod']\nreturn = 1", &[]);
    let refused = async |invocation: Invocation| {
        let outcome = fixture.functions.invoke(invocation).await;
        let error = outcome.expect_err("it is refused");
        (error.name(), error.status(), error.to_string())
    };
    let (name, status, message) = refused(invocation("h:3", "{}")).await;
    assert_eq!((name, status), ("ResourceNotFoundException", 404));
    let arn = "arn:aws:lambda:us-east-1:123456789012:function:h:3";
    assert_eq!(message, format!("Function not found: {arn}"));
    let (name, status, message) = refused(invocation("f", "{")).await;
    assert_eq!((name, status), ("InvalidRequestContentException", 400));
    assert!(message.starts_with("Could not parse request body into json: "), "{message}");
    let (name, status, _) = refused(invocation("f", &" ".repeat(6 * 1024 * 1024 + 1))).await;
    assert_eq!((name, status), ("RequestTooLargeException", 413));
    let qualifier = Some("b".to_owned());
    let (name, _, _) = refused(Invocation { qualifier, ..invocation("f:a", "{}") }).await;
    assert_eq!(name, "InvalidParameterValueException");
    let client_context = Some("?".to_owned());
    let (name, _, _) = refused(Invocation { client_context, ..invocation("f", "{}") }).await;
    assert_eq!(name, "InvalidRequestContentException");

    let kind = InvocationType::DryRun;
    let reply = fixture.invoke(Invocation { kind, ..invocation("f", "{}") }).await;
    assert_eq!((reply.status, reply.payload.len()), (204, 0));
    for name in ["f", "f:1", "123456789012:function:f", "arn:aws:lambda:x:1:function:f:a", "g:prod"]
    {
        assert!(fixture.functions.has(name), "{name}");
    }
    for name in ["g", "g:test", "h", "arn:aws:lambda:x:1:function:h"] {
        assert!(!fixture.functions.has(name), "{name}");
    }
    assert_eq!(fixture.value("f", r#"{"a":1.0}"#).await.to_string(), r#"{"a":1.0}"#);
    assert_eq!(fixture.value("arn:aws:lambda:x:1:function:g:prod", "").await, Json::Int(1));
}

#[tokio::test]
async fn a_program_that_is_missing_is_named() {
    let fixture = Fixture::new(
        "[f]\nbootstrap = ['./nothing']\n[g]\nruntime = 'provided'\n[h]\ncommand = ['./nothing']",
        &[],
    );
    for (function, named) in [("f", "`./nothing`"), ("g", "bootstrap`"), ("h", "`./nothing`")] {
        let error = fixture.functions.invoke(invocation(function, "{}")).await.expect_err("fails");
        assert_eq!((error.name(), error.status()), ("ServiceException", 500));
        assert!(error.to_string().contains(named), "{error}");
    }
}

#[tokio::test]
async fn a_bootstrap_that_ends_at_once_is_an_exit_error() {
    let fixture = Fixture::new("[f]\nbootstrap = ['sh', '-c', 'echo no; exit 7']", &[]);
    for _ in 0..3 {
        let reply = fixture.call("f", "{}").await;
        let failure = json(&reply);
        assert_eq!(member(&failure, "errorType"), "Runtime.ExitError");
        assert!(member(&failure, "errorMessage").ends_with("exit status 7"), "{failure}");
    }
}

#[tokio::test]
async fn shutdown_leaves_nothing_behind() {
    if !has_program("python3") || !Path::new("/proc/self/stat").exists() {
        return;
    }
    let fixture = fixture("");
    let child = fixture.value("f", r#"{"child":true}"#).await.as_i64().expect("a number");
    let parent = fixture.value("f", r#"{"stubborn":true}"#).await.as_i64().expect("a number");
    let functions = fixture.functions.clone();
    let busy =
        tokio::spawn(async move { functions.invoke(invocation("f", r#"{"sleep":2.9}"#)).await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(is_alive(child) && is_alive(parent));
    fixture.functions.shutdown().await;
    assert!(!is_alive(parent), "a process that ignores SIGTERM is killed");
    soon("what it started ends with it", || !is_alive(child)).await;
    let reply = busy.await.expect("no panic").expect("an answer");
    assert_eq!(reply.function_error.as_deref(), Some("Unhandled"));
    let error = fixture.functions.invoke(invocation("f", "{}")).await.expect_err("it is over");
    assert!(matches!(error, Error::ResourceNotFound { .. }));
}

#[tokio::test]
async fn shutdown_ends_commands() {
    let fixture =
        Fixture::new("[f]\ncommand = ['sh', '-c', 'echo $$ > pid; sleep 60; echo 1']", &[]);
    let functions = fixture.functions.clone();
    let running = tokio::spawn(async move { functions.invoke(invocation("f", "{}")).await });
    let file = fixture.folder.path().join("pid");
    let pid = || std::fs::read_to_string(&file).ok()?.trim().parse::<i64>().ok();
    soon("it runs", || pid().is_some()).await;
    fixture.functions.shutdown().await;
    let error = running.await.expect("no panic").expect_err("it is cut off");
    assert_eq!(error.name(), "ServiceException");
    soon("it is gone", || !is_alive(pid().expect("a number"))).await;
}

#[tokio::test]
async fn reload_leaves_no_process_behind() {
    if !has_program("python3") || !Path::new("/proc/self/stat").exists() {
        return;
    }
    let fixture = fixture("");
    let stubborn = fixture.value("f", r#"{"stubborn":true}"#).await.as_i64().expect("a number");
    // By then the process asks for more work, and will not be told to end in between.
    tokio::time::sleep(Duration::from_millis(300)).await;
    fixture.functions.reload(parse("[g]\necho = true")).await.expect("it is usable");
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(is_alive(stubborn), "it is asked first");
    soon("then it is killed", || !is_alive(stubborn)).await;
}

#[tokio::test]
async fn reload_takes_changed_code() {
    if !has_program("python3") {
        return;
    }
    let config = "[f]\nruntime = 'python3.x'\nhandler = 'app.handler'";
    let code = |answer: &str| {
        format!("import time\ndef handler(e, c):\n    time.sleep(e or 0)\n    return '{answer}'\n")
    };
    let fixture = Fixture::new(config, &[("app.py", &code("old"))]);
    assert_eq!(fixture.value("f", "0").await, Json::from("old"));
    let functions = fixture.functions.clone();
    let slow = tokio::spawn(async move { functions.invoke(invocation("f", "0.5")).await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    common::write(&fixture.folder.path().join("app.py"), &code("newer"));
    fixture.functions.reload(parse(config)).await.expect("it is usable");
    assert_eq!(fixture.value("f", "0").await, Json::from("newer"));
    let slow = slow.await.expect("no panic").expect("an answer");
    assert_eq!(json(&slow), Json::from("old"), "what runs is not cut off");
    let refused = fixture.functions.reload(parse("[f]\ntimeout = 1")).await;
    assert!(refused.expect_err("it is wrong").to_string().contains("the function `f` needs"));
    assert!(fixture.functions.has("f"));
    fixture.functions.reload(parse("[g]\necho = true")).await.expect("it is usable");
    assert!(!fixture.functions.has("f") && fixture.functions.has("g"));
}

#[tokio::test]
async fn amazons_client_for_rust_works_unchanged() {
    let config = format!("[f]\nbootstrap = ['{}']", example("trivial"));
    let fixture = Fixture::new(&config, &[]);
    for payload in [r#"{"a":[1,2.5,"é"]}"#, "null", "\"text\""] {
        assert_eq!(fixture.value("f", payload).await.to_string(), payload);
    }
    let mut calls = tokio::task::JoinSet::new();
    for number in 0..200 {
        let functions = fixture.functions.clone();
        calls.spawn(async move {
            let reply = functions.invoke(invocation("f", &number.to_string())).await;
            assert_eq!(text(&reply.expect("an answer")), number.to_string());
        });
    }
    assert_eq!(calls.join_all().await.len(), 200);
    fixture.functions.shutdown().await;
}

#[test]
fn nothing_is_started_before_it_is_called() {
    let functions = parse("[f]\nruntime = 'provided'\ncode = 'nowhere'");
    let functions = Functions::new(functions, "/nowhere".into(), Place::default());
    assert!(functions.expect("no runtime is needed").has("f"));
}
