//! W1, ten Pass and Choice states, by 64 clients on one node and on two that share a database, in turns.
//!
//! `STEPWRIGHT` names the binary, `DATABASE` the URL of an empty database, `SECONDS` how long each takes (6),
//! `ROUNDS` how often (3).

use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};
use stepwright_json::Json;
use stepwright_served::{Client, Figures, Server, chain, create, load_at};

const PORTS: [u16; 2] = [18_093, 18_094];
const CLIENTS: usize = 64;

fn main() -> ExitCode {
    let (Ok(binary), Ok(database)) = (std::env::var("STEPWRIGHT"), std::env::var("DATABASE"))
    else {
        eprintln!("STEPWRIGHT must name the binary, and DATABASE an empty database");
        return ExitCode::from(2);
    };
    let number = |name: &str, or: u64| {
        std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(or)
    };
    let (seconds, rounds) = (Duration::from_secs(number("SECONDS", 6)), number("ROUNDS", 3));
    let folder = std::env::temp_dir().join(format!("stepwright-nodes-{}", std::process::id()));
    let start = |at: usize| {
        let port = PORTS[at];
        let config = format!(
            "[server]\nstore = \"{database}\"\nsearch = false\n[server.nodes]\n\
             address = \"http://127.0.0.1:{port}\"\nkey = \"a key of all the nodes\"\n"
        );
        Server::start(Path::new(&binary), &folder.join(at.to_string()), port, &config)
    };
    let first = start(0);
    await_shards(&first.address, &[256]);
    let machine = create(&first.address, "w1", chain(), "STANDARD");
    let input = format!("{{\"k\":1,\"pad\":\"{}\"}}", "x".repeat(1_000));
    let work = |client: &mut Client| client.start_and_wait(&machine, &input);
    println!(
        "W1                                         clients      rate/s     p50 ms     p99 ms"
    );
    let measure = |name: &str, addresses: &[&str]| {
        // What is new gets warm.
        load_at(addresses, CLIENTS, Duration::from_secs(1), &work);
        let figures = load_at(addresses, CLIENTS, seconds, &work);
        figures.print(name, CLIENTS);
        figures
    };
    let (mut one, mut two) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        one.push(measure("one node", &[&first.address]));
        let second = start(1);
        await_shards(&first.address, &[128, 128]);
        two.push(measure("two nodes", &[&first.address, &second.address]));
        second.terminate();
        await_shards(&first.address, &[256]);
    }
    let (one, two) = (median(&one), median(&two));
    println!("median: {one:.0}/s on one node, {two:.0}/s on two: {:.2}", two / one);
    drop(std::fs::remove_dir_all(folder));
    ExitCode::SUCCESS
}

fn median(figures: &[Figures]) -> f64 {
    let mut rates: Vec<f64> = figures.iter().map(|figures| figures.rate).collect();
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

/// Waits until the nodes have so many shards, the largest number first.
fn await_shards(address: &str, expected: &[i64]) {
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        let output = Command::new("curl").args(["-s", &format!("http://{address}/nodes")]).output();
        let seen = stepwright_json::parse_bytes(&output.expect("there is curl").stdout);
        let nodes = seen.ok().and_then(|seen| seen.get("nodes")?.as_array().cloned());
        let mut shards: Vec<i64> = nodes
            .iter()
            .flat_map(|nodes| nodes.iter())
            .filter_map(|node| node.get("shards").and_then(Json::as_i64))
            .collect();
        shards.sort_unstable_by(|one, other| other.cmp(one));
        if shards == expected {
            return;
        }
        assert!(Instant::now() < end, "{shards:?} instead of {expected:?}");
        std::thread::sleep(Duration::from_millis(100));
    }
}
