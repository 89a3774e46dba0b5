//! The workloads of `server`, on two releases in turn: what has this one gained or lost?
//!
//! `BEFORE` names the binary of the release before, `STEPWRIGHT` that of this one. Both servers are up,
//! each on a store of its own, and take turns every few hundred milliseconds, so that whatever else
//! the machine does concerns both. `ONLY` names a part of the workloads' names. The ratio is the median over the turns, above 1 where this release is faster.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use stepwright_json::{Json, json};
use stepwright_served::{Client, MAP, Server, W6, calls, chain, create, functions, load};

/// How often each server has its turn.
const TURNS: usize = 24;

/// How long a turn takes where clients do as much as they can.
const TURN: Duration = Duration::from_millis(500);

/// Where the first of the servers listens.
const PORT: u16 = 18_083;

fn main() {
    let binary = |name: &str, otherwise: &str| {
        let path = PathBuf::from(std::env::var(name).unwrap_or(otherwise.to_owned()));
        if !path.is_file() {
            eprintln!("{} is missing; {name} names a binary", path.display());
            std::process::exit(1);
        }
        path
    };
    let binaries = [binary("STEPWRIGHT", "target/dist/stepwright"), binary("BEFORE", "")];
    let folder = std::env::temp_dir().join(format!("stepwright-bench-{}", std::process::id()));
    let servers = [0, 1].map(|at| start(&binaries[at], &folder, at));
    println!("{:<44}{:>12}{:>12}{:>9}", "workload", "now", "before", "ratio");

    let input = json!({"k": 1, "pad": ("x".repeat(1_000))}).to_string();
    let machines = |name: &str, definition: &str, kind: &str| {
        [0, 1].map(|at| create(&servers[at].address, name, definition, kind))
    };
    let rates = |name: &str, clients: usize, work: &(dyn Fn(usize, &mut Client) + Sync)| {
        pairs(name, "/s", |at| {
            load(&servers[at].address, clients, TURN, |client| work(at, client)).rate
        });
    };
    let w1 = machines("w1", &chain(), "STANDARD");
    for clients in [1, 16, 64] {
        let name = format!("W1 ten states, durable, {clients} clients");
        rates(&name, clients, &|at, client| client.start_and_wait(&w1[at], &input));
    }
    let express = machines("w1x", &chain(), "EXPRESS");
    for clients in [1, 64] {
        let name = format!("W1 as Express, synchronous, {clients} clients");
        rates(&name, clients, &|at, client| client.start_sync(&express[at], &input));
    }
    let wait = r#"{"StartAt":"W","States":{"W":{"Type":"Wait","Seconds":3600,"End":true}}}"#;
    let waits = machines("w5", wait, "STANDARD");
    rates("W5 starts that wait, 64 clients", 64, &|at, client| {
        client.start(&waits[at], "{}");
    });
    for (function, kind) in [("python", "Python"), ("noop", "Amazon's client")] {
        let w4 = machines(function, &calls(function), "STANDARD");
        for clients in [1, 16, 64] {
            let name = format!("W4 ten calls, {kind}, {clients} clients");
            rates(&name, clients, &|at, client| client.start_and_wait(&w4[at], "{}"));
        }
    }
    let map = machines("map", MAP, "STANDARD");
    let w6 = machines("w6", W6, "STANDARD");
    let once = |name: &str, machines: &[String; 2], input: &str| {
        let mut clients = [0, 1].map(|at| Client::connect(&servers[at].address));
        pairs(name, "/s", |at| {
            let began = Instant::now();
            clients[at].start_and_wait(&machines[at], input);
            began.elapsed().as_secs_f64().recip()
        });
    };
    for items in [1_000, 10_000] {
        let numbers: Vec<Json> = (0..items).map(Json::Int).collect();
        let input = format!("{{\"items\":{}}}", Json::from(numbers));
        once(&format!("W2/W3 Map over {items} items"), &map, &input);
    }
    for loops in [500, 5_000] {
        let input = format!("{{\"i\":0,\"n\":{loops}}}");
        once(&format!("W6 loop of {} transitions", loops * 2), &w6, &input);
    }
    drop(servers);
    pairs("start to ready", "/s", |at| 1e3 / start(&binaries[at], &folder, at).ready_ms);
    std::fs::remove_dir_all(folder).expect("what a bench has written can be removed");
}

fn start(binary: &Path, folder: &Path, at: usize) -> Server {
    Server::start(binary, &folder.join(at.to_string()), PORT + at as u16, &functions())
}

/// Measures both in turn, and prints the medians and that of the ratios.
fn pairs(name: &str, unit: &str, mut figure: impl FnMut(usize) -> f64) {
    if std::env::var("ONLY").is_ok_and(|only| !name.contains(&only)) {
        return;
    }
    let mut figures = [Vec::new(), Vec::new()];
    let mut ratios = Vec::new();
    for turn in 0..TURNS {
        let mut pair = [0.0; 2];
        for at in [turn % 2, 1 - turn % 2] {
            pair[at] = figure(at);
            figures[at].push(pair[at]);
        }
        // The first turns warm both up.
        if turn >= 4 {
            ratios.push(pair[0] / pair[1]);
        }
    }
    let [now, before] = figures.map(median);
    println!("{name:<44}{now:>10.0}{unit}{before:>10.0}{unit}{:>9.3}", median(ratios));
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
