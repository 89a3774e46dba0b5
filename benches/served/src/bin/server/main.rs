//! A server under load: start executions and wait for their ends, as `bench/README.md` of the
//! reference data describes the workloads W1 to W6; W7 calls services.
//!
//! `STEPWRIGHT` names the binary, `PEER` the endpoint of another server that W1 is run against, too.
//! With `ONLY=W7`, nothing but W7 is run.

mod services;

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use stepwright_json::{Json, json};
use stepwright_served::{Client, MAP, Server, W6, calls, chain, create, functions, load};

/// Where the server listens.
const PORT: u16 = 18_083;

fn main() {
    let binary = std::env::var("STEPWRIGHT").unwrap_or("target/dist/stepwright".to_owned());
    let binary = Path::new(&binary);
    if !binary.is_file() {
        eprintln!("{} is missing: cargo build --profile dist", binary.display());
        std::process::exit(1);
    }
    println!(
        "workload                                   clients      rate/s     p50 ms     p99 ms"
    );
    let folder = std::env::temp_dir().join(format!("stepwright-bench-{}", std::process::id()));
    if std::env::var("ONLY").is_ok_and(|only| only == "W7") {
        services::run(binary, &folder, PORT);
        drop(std::fs::remove_dir_all(folder));
        return;
    }
    let server = Server::start(binary, &folder, PORT, &functions());
    println!(
        "{:<42} {:.1} ms, {:.1} MB",
        "start to ready, resident memory",
        server.ready_ms,
        server.memory_mb()
    );
    let address = server.address.clone();
    let input = json!({"k": 1}).to_string();
    let input = input.replace("1}", &format!("1,\"pad\":\"{}\"}}", "x".repeat(1_000)));

    let w1 = create(&address, "w1", &chain(), "STANDARD");
    for clients in [1, 16, 64] {
        let figures = load(&address, clients, Duration::from_secs(4), |client| {
            client.start_and_wait(&w1, &input)
        });
        figures.print("W1 ten Pass/Choice states, durable", clients);
    }
    if let Ok(peer) = std::env::var("PEER") {
        let arn = create(&peer, "w1", &chain(), "STANDARD");
        for clients in [1, 64] {
            let figures = load(&peer, clients, Duration::from_secs(4), |client| {
                client.start_and_wait(&arn, &input)
            });
            figures.print("W1 on the peer", clients);
        }
    }
    let express = create(&address, "w1x", &chain(), "EXPRESS");
    for clients in [1, 64] {
        let figures = load(&address, clients, Duration::from_secs(4), |client| {
            client.start_sync(&express, &input)
        });
        figures.print("W1 as Express, synchronous", clients);
    }
    for (function, kind) in [("python", "in Python"), ("noop", "over Amazon's client")] {
        let w4 = create(&address, function, calls(function), "STANDARD");
        for clients in [1, 16, 64] {
            let figures = load(&address, clients, Duration::from_secs(4), |client| {
                client.start_and_wait(&w4, "{}");
            });
            figures.print(&format!("W4 ten tasks, a function {kind}"), clients);
        }
    }
    let map = create(&address, "map", MAP, "STANDARD");
    for items in [1_000, 10_000] {
        let numbers: Vec<Json> = (0..items).map(Json::Int).collect();
        let input = format!("{{\"items\":{}}}", Json::from(numbers));
        one(&address, &format!("W2/W3 Map over {items} items"), &map, &input);
    }
    let w6 = create(&address, "w6", W6, "STANDARD");
    for loops in [500, 5_000] {
        one(
            &address,
            &format!("W6 loop of {} transitions", loops * 2),
            &w6,
            &format!("{{\"i\":0,\"n\":{loops}}}"),
        );
    }
    drop(server);
    let server = Server::start(binary, &folder, PORT, &functions());
    waits(&server);
    drop(server);
    let server = Server::start(binary, &folder, PORT, &functions());
    println!("{:<42} {:.1} ms", "start to ready with 100,000 waiting", server.ready_ms);
    drop(server);
    drop(std::fs::remove_dir_all(&folder));
    services::run(binary, &folder, PORT);
    drop(std::fs::remove_dir_all(folder));
}

/// W5: many executions that wait.
fn waits(server: &Server) {
    let wait = create(
        &server.address,
        "w5",
        r#"{"StartAt":"W","States":{"W":{"Type":"Wait","Seconds":3600,"End":true}}}"#,
        "STANDARD",
    );
    let before = server.memory_mb();
    let count = 100_000;
    let left = AtomicUsize::new(count);
    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..64 {
            scope.spawn(|| {
                let mut client = Client::connect(&server.address);
                while left
                    .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1))
                    .is_ok()
                {
                    client.start(&wait, "{}");
                }
            });
        }
    });
    let took = began.elapsed().as_secs_f64();
    let each = (server.memory_mb() - before) * 1_048_576.0 / count as f64;
    println!(
        "{:<42} {:>7} {:>11.0} {each:>10.0} bytes each",
        "W5 100,000 executions that wait",
        64,
        count as f64 / took
    );
}

fn one(address: &str, name: &str, machine: &str, input: &str) {
    let mut client = Client::connect(address);
    let mut best = f64::MAX;
    for _ in 0..5 {
        let began = Instant::now();
        client.start_and_wait(machine, input);
        best = best.min(began.elapsed().as_secs_f64() * 1_000.0);
    }
    println!("{name:<42} {:>7} {:>11} {best:>10.2}", 1, "");
}
