//! Sends a server definitions and inputs that want too much, and watches what becomes of it and of
//! everybody else: nothing aborts, nothing keeps it from starting again, and whoever is honest
//! hardly notices.
//!
//! There are a few cases, or as many as `STEPWRIGHT_HOSTILE_CASES` says (`cargo xtask hostile`).
//! What is said about times and memory holds for an optimised build.

mod cases;

use crate::support::{Answer, Client, Server, object, text};
use cases::{Case, Chance, case};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use stepwright_json::{Json, json};

/// How many cases are under way at once.
const SENDERS: u64 = 6;

/// How long a case may run before it is stopped.
const PATIENCE: Duration = Duration::from_secs(20);

/// What the honest run.
const HONEST: &str =
    r#"{"StartAt":"A","States":{"A":{"Type":"Pass","Parameters":{"x.$":"$.x"},"End":true}}}"#;

/// What was seen.
#[derive(Default)]
struct Watched {
    slowest_health: AtomicU64,
    health_over: AtomicU64,
    most_memory: AtomicU64,
    honest: Mutex<Vec<u64>>,
    lost: AtomicU64,
    refused: AtomicU64,
    ended: AtomicU64,
    stopped: AtomicU64,
}

#[test]
fn what_wants_too_much_harms_nobody() {
    let number = |name: &str, otherwise: u64| {
        std::env::var(name).ok().map_or(otherwise, |text| text.parse().expect("a number"))
    };
    let cases = number("STEPWRIGHT_HOSTILE_CASES", 16);
    let seed = number("STEPWRIGHT_HOSTILE_SEED", 13);
    // Cases can be left out, to find which one it was.
    let first = number("STEPWRIGHT_HOSTILE_FIRST", 0);
    let folder = tempfile::tempdir().expect("a directory can be made");
    write_objects(folder.path());
    let config = folder.path().join("stepwright.toml");
    std::fs::write(&config, "[objects]\nfolder = \"objects\"\n").expect("it can be written");
    let data = folder.path().join("data");
    let arguments = [
        "--data",
        data.to_str().expect("the path is text"),
        "--config",
        config.to_str().expect("the path is text"),
    ];
    let watched = Watched::default();
    let rounds = (cases / 2_000).clamp(2, 10);
    // A percentile needs some hundreds of calls above it and below.
    let usual_for = Duration::from_secs(if cases < 100 { 1 } else { 10 });
    let mut usual = 0;
    let (mut aborts, mut last) = (0, 0);
    for round in 0..rounds {
        // It starts again each time, with what was under way when it was killed.
        let server = Server::start_bounded(&arguments, 2 << 20);
        let begun = Instant::now();
        assert!(is_healthy(&server.client()), "the server starts in round {round}");
        last = begun.elapsed().as_millis();
        if round == 0 {
            let client = server.client();
            let machine = client.create("honest", "EXPRESS", HONEST);
            let alone = Mutex::default();
            let over = AtomicBool::new(false);
            std::thread::scope(|scope| {
                scope.spawn(|| be_honest(&client, &machine, &alone, &over));
                std::thread::sleep(usual_for);
                over.store(true, Ordering::SeqCst);
            });
            usual = percentile(&alone, 99);
        }
        let seeds = seed.wrapping_mul(1 << 32) + first..;
        let own = seeds.skip((cases * round / rounds) as usize);
        let own: Vec<u64> = own.take((cases / rounds) as usize).collect();
        if !play(&server, &own, &watched) {
            aborts += 1;
        }
        server.kill();
    }
    let health = watched.slowest_health.load(Ordering::SeqCst);
    let memory = watched.most_memory.load(Ordering::SeqCst) >> 10;
    let others = percentile(&watched.honest, 99);
    println!(
        "{cases} cases from seed {seed}: {} ended, {} were refused, {} were stopped after {PATIENCE:?}, {} had no answer\n\
         aborts: {aborts}; restarts with what was under way: {}, the last healthy after {last} ms\n\
         slowest /health: {health} ms, {} slower than 200 ms; resident memory: {memory} MB at most\n\
         others: p99 {:.1} ms, alone {:.1} ms",
        watched.ended.load(Ordering::SeqCst),
        watched.refused.load(Ordering::SeqCst),
        watched.stopped.load(Ordering::SeqCst),
        watched.lost.load(Ordering::SeqCst),
        rounds - 1,
        watched.health_over.load(Ordering::SeqCst),
        others as f64 / 1e3,
        usual as f64 / 1e3,
    );
    assert_eq!(aborts, 0, "the server has aborted");
    // An unoptimised build takes longer for an answer than the client waits.
    if !cfg!(debug_assertions) {
        assert_eq!(watched.lost.load(Ordering::SeqCst), 0, "calls were not answered");
    }
}

fn write_objects(folder: &Path) {
    let bucket = folder.join("objects").join("in");
    std::fs::create_dir_all(&bucket).expect("a directory can be made");
    for (key, content) in cases::objects() {
        std::fs::write(bucket.join(key), content).expect("it can be written");
    }
}

/// Sends the cases while others go on. Whether the server is still there in the end.
fn play(server: &Server, seeds: &[u64], watched: &Watched) -> bool {
    let over = AtomicBool::new(false);
    let next = AtomicU64::new(0);
    let client = server.client();
    let machine = format!("arn:aws:states:us-east-1:123456789012:stateMachine:{}", "honest");
    std::thread::scope(|scope| {
        scope.spawn(|| be_honest(&client, &machine, &watched.honest, &over));
        scope.spawn(|| watch_health(&server.client(), watched, &over));
        scope.spawn(|| watch_memory(server.id(), watched, &over));
        let senders: Vec<_> = (0..SENDERS)
            .map(|_| {
                scope.spawn(|| {
                    // Making the cases is not what is measured, and takes processors, too.
                    stepwright_background::give_way();
                    let client = server.client();
                    loop {
                        let at = next.fetch_add(1, Ordering::SeqCst) as usize;
                        let Some(seed) = seeds.get(at) else { return };
                        send(&client, *seed, watched);
                    }
                })
            })
            .collect();
        for sender in senders {
            sender.join().expect("a sender does not panic");
        }
        over.store(true, Ordering::SeqCst);
    });
    is_healthy(&server.client())
}

fn is_healthy(client: &Client) -> bool {
    client.health().is_some()
}

fn send(client: &Client, seed: u64, watched: &Watched) {
    let Case { express, tested, definition, input } = case(&mut Chance(seed));
    let begun = Instant::now();
    let show = |what: &str| {
        if std::env::var_os("STEPWRIGHT_HOSTILE_SHOWN").is_some() {
            println!(
                "{seed} {what} {:?} {}",
                begun.elapsed(),
                &definition[..definition.floor_char_boundary(800)]
            );
        }
    };
    let lost = |what: &str| {
        watched.lost.fetch_add(1, Ordering::SeqCst);
        println!(
            "case {seed} was not answered ({what}): {}",
            &definition[..definition.floor_char_boundary(400)]
        );
    };
    let role = || Json::from("arn:aws:iam::123456789012:role/test");
    let count = |answer: &Answer| match answer {
        Answer::Ok(_) => watched.ended.fetch_add(1, Ordering::SeqCst),
        Answer::Refused(..) => watched.refused.fetch_add(1, Ordering::SeqCst),
        Answer::Lost => 0,
    };
    if tested {
        let members = [
            ("definition", definition.as_str().into()),
            ("input", input.into()),
            ("roleArn", role()),
        ];
        let answer = client.call("TestState", &object(&members));
        count(&answer);
        if matches!(answer, Answer::Lost) {
            lost("TestState");
        }
        return show("tested");
    }
    let members = [
        ("name", format!("m{seed}").into()),
        ("type", if express { "EXPRESS" } else { "STANDARD" }.into()),
        ("roleArn", role()),
        ("definition", definition.as_str().into()),
    ];
    let machine = match client.call("CreateStateMachine", &object(&members)) {
        Answer::Ok(reply) => text(&reply, "stateMachineArn"),
        Answer::Refused(..) => {
            watched.refused.fetch_add(1, Ordering::SeqCst);
            return show("refused");
        }
        Answer::Lost => return lost("CreateStateMachine"),
    };
    let start = [("stateMachineArn", machine.as_str().into()), ("input", input.into())];
    if express {
        // An Express execution ends within five minutes, or the caller does not wait for it.
        match client.briefly(PATIENCE).call("StartSyncExecution", &object(&start)) {
            Answer::Lost => {
                watched.stopped.fetch_add(1, Ordering::SeqCst);
            }
            answer => {
                count(&answer);
            }
        }
    } else {
        match client.call("StartExecution", &object(&start)) {
            Answer::Ok(reply) => wait(client, &text(&reply, "executionArn"), watched),
            Answer::Refused(..) => {
                watched.refused.fetch_add(1, Ordering::SeqCst);
            }
            Answer::Lost => return lost("StartExecution"),
        }
    }
    // Some are left, so that a restart finds machines and executions.
    if seed % 8 != 0 {
        client.call("DeleteStateMachine", &json!({"stateMachineArn": (machine.as_str())}));
    }
    show("ended");
}

/// Waits for the end of an execution, and stops one that goes on for too long.
fn wait(client: &Client, execution: &str, watched: &Watched) {
    let begun = Instant::now();
    let about = json!({"executionArn": execution});
    loop {
        match client.call("DescribeExecution", &about) {
            Answer::Ok(described) if text(&described, "status") == "RUNNING" => {}
            Answer::Lost => {
                watched.lost.fetch_add(1, Ordering::SeqCst);
                println!("DescribeExecution was not answered");
                return;
            }
            _ => {
                watched.ended.fetch_add(1, Ordering::SeqCst);
                return;
            }
        }
        if begun.elapsed() > PATIENCE {
            watched.stopped.fetch_add(1, Ordering::SeqCst);
            client.call("StopExecution", &about);
            return;
        }
        std::thread::sleep(Duration::from_millis(30));
    }
}

/// Runs a small execution again and again. Notes how long each takes, in microseconds.
fn be_honest(client: &Client, machine: &str, times: &Mutex<Vec<u64>>, over: &AtomicBool) {
    run_at_once();
    let start = json!({"stateMachineArn": machine, "input": "{\"x\":1}"});
    while !over.load(Ordering::SeqCst) {
        let begun = Instant::now();
        if matches!(client.call("StartSyncExecution", &start), Answer::Ok(_)) {
            times.lock().expect("nobody panics").push(begun.elapsed().as_micros() as u64);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Lets the current thread run whenever it can, if the system allows it, as on a machine of its own: what is
/// measured is the server, and not how long this thread waits for a processor beside the senders.
fn run_at_once() {
    let Ok(thread) = std::fs::read_link("/proc/thread-self") else { return };
    let Some(thread) = thread.file_name() else { return };
    let mut chrt = std::process::Command::new("chrt");
    chrt.args(["--fifo", "--pid", "1"]).arg(thread).status().ok();
}

fn percentile(times: &Mutex<Vec<u64>>, percent: usize) -> u64 {
    let mut times = times.lock().expect("nobody panics").clone();
    times.sort_unstable();
    times
        .get((times.len() * percent / 100).min(times.len().saturating_sub(1)))
        .copied()
        .unwrap_or(0)
}

fn watch_health(client: &Client, watched: &Watched, over: &AtomicBool) {
    run_at_once();
    while !over.load(Ordering::SeqCst) {
        if let Some(taken) = client.health() {
            let millis = taken.as_millis() as u64;
            watched.slowest_health.fetch_max(millis, Ordering::SeqCst);
            if millis > 200 {
                watched.health_over.fetch_add(1, Ordering::SeqCst);
            }
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Notes the resident memory, in kilobytes.
fn watch_memory(id: u32, watched: &Watched, over: &AtomicBool) {
    while !over.load(Ordering::SeqCst) {
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes = resident.and_then(|text| text.trim().split(' ').next()?.parse().ok());
        watched.most_memory.fetch_max(kilobytes.unwrap_or(0), Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(20));
    }
}
