//! One table: this release beside the one before, and beside its peers, in one run.
//!
//! `STEPWRIGHT` names the binary, `LAST` that of the release before. `PEERS` is the folder where `cargo xtask bench all`
//! has installed moto, Restate and DBOS, `DATABASE` the URL of a PostgreSQL for DBOS. What is not there has no column. All
//! servers are up at the same time and take turns, so that whatever else the machine does concerns all of them.
//! Each figure is the median of the turns. A ratio is above 1 where Stepwright is better.

use std::io::{Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use stepwright_json::{Json, json};
use stepwright_served::{
    Client, Figures, Server, calls, chain, create, functions, load, memory_mb, text,
};

/// How often each has its turn, of which the first one warms it up, and how long that is.
const TURNS: usize = 4;
const TURN: Duration = Duration::from_millis(1_500);

/// Where the first server listens.
const PORT: u16 = 18_090;
const PORT_OF_MOTO: u16 = 18_098;
const PORT_OF_FLOWS: u16 = 18_099;

/// What is measured.
struct Subject {
    name: &'static str,
    kind: Kind,
}

enum Kind {
    /// A release that does not know encryption has no such pair, one in clear and one encrypted.
    Stepwright {
        plain: Server,
        pair: Option<[Server; 2]>,
    },
    Moto(Running),
    Restate(Running, #[expect(dead_code, reason = "it ends with its value")] Running),
    Dbos {
        python: PathBuf,
        script: PathBuf,
        database: String,
    },
}

/// A process that ends with its value.
struct Running {
    child: Child,
    ready_ms: f64,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Work {
    /// Ten states that compute nothing much, each of them durable.
    Steps,
    /// The same on a store of its own, in clear and encrypted.
    Clear,
    Sealed,
    /// Ten calls of a function in a process of its own, which is compiled and has Amazon's client.
    Calls,
    /// The same of one in Python, with our client.
    PythonCalls,
    /// The ten states as Express, synchronously.
    Express,
}

fn main() {
    let folder = std::env::temp_dir().join(format!("stepwright-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a temporary folder can be made");
    let subjects = subjects(&folder);
    let [grows, stays] = sync_ms(&folder);
    println!("fdatasync of 4 KiB at the end of a file: {grows:.2} ms, within it: {stays:.2} ms\n");
    print!("| workload | ");
    println!("{} |", subjects.iter().map(|one| one.name).collect::<Vec<_>>().join(" | "));
    println!("|---|{}", "--:|".repeat(subjects.len()));
    for (name, work, clients) in [
        ("ten steps, 1 client, ms", Work::Steps, 1),
        ("ten steps, 64 clients, /s", Work::Steps, 64),
        ("ten states as Express, 1 client, ms", Work::Express, 1),
        ("ten states as Express, 64 clients, /s", Work::Express, 64),
        ("ten calls of a Python function, 1 client, ms", Work::PythonCalls, 1),
        ("ten calls of a Python function, 64 clients, /s", Work::PythonCalls, 64),
        ("ten calls over Amazon's client for Rust, 1 client, ms", Work::Calls, 1),
        ("ten calls over Amazon's client for Rust, 64 clients, /s", Work::Calls, 64),
    ] {
        let mut figures: Vec<Vec<f64>> = vec![Vec::new(); subjects.len()];
        for turn in 0..TURNS {
            for (figures, subject) in figures.iter_mut().zip(&subjects) {
                let Some(one) = subject.work(work, clients) else { continue };
                if turn > 0 {
                    figures.push(if clients == 1 { one.p50 } else { one.rate });
                }
            }
        }
        let medians: Vec<Option<f64>> = figures.into_iter().map(median).collect();
        row(name, &medians, clients == 1);
    }
    row("start to ready, ms", &subjects.iter().map(Subject::ready_ms).collect::<Vec<_>>(), true);
    row("memory after that, MB", &subjects.iter().map(Subject::memory).collect::<Vec<_>>(), true);
    encryption(&subjects[0]);
    drop(subjects);
    std::fs::remove_dir_all(folder).ok();
}

/// What encryption costs: the same work on two stores in short turns, so that both are of the same size.
fn encryption(ours: &Subject) {
    println!("\n| ten steps | in clear | encrypted | ratio |\n|---|--:|--:|--:|");
    for (name, clients) in [("1 client, ms", 1), ("64 clients, /s", 64)] {
        let mut figures = [Vec::new(), Vec::new()];
        let mut ratios = Vec::new();
        for turn in 0..12 {
            let mut pair = [0.0; 2];
            for at in [turn % 2, 1 - turn % 2] {
                let work = [Work::Clear, Work::Sealed][at];
                let one = ours.work(work, clients).expect("ours has both");
                pair[at] = if clients == 1 { one.p50 } else { one.rate };
                figures[at].push(pair[at]);
            }
            ratios.push(if clients == 1 { pair[0] / pair[1] } else { pair[1] / pair[0] });
        }
        let [clear, sealed] = figures.map(|all| short(median(all).expect("it was measured")));
        let ratio = median(ratios).expect("it was measured");
        println!("| {name} | {clear} | {sealed} | {ratio:.2} |");
    }
}

/// One line of the table. The first figure is ours.
fn row(name: &str, figures: &[Option<f64>], is_less_better: bool) {
    let ours = figures[0].expect("ours is measured");
    let cell = |at: usize, figure: &Option<f64>| match figure {
        None => "".to_owned(),
        Some(figure) if at == 0 => short(*figure),
        Some(figure) => {
            let ratio = if is_less_better { figure / ours } else { ours / figure };
            format!("{} (×{})", short(*figure), short(ratio))
        }
    };
    let cells: Vec<_> = figures.iter().enumerate().map(|(at, figure)| cell(at, figure)).collect();
    println!("| {name} | {} |", cells.join(" | "));
    std::io::stdout().flush().ok();
}

fn short(figure: f64) -> String {
    match figure {
        100.0.. => format!("{figure:.0}"),
        10.0.. => format!("{figure:.1}"),
        _ => format!("{figure:.2}"),
    }
}

fn median(mut figures: Vec<f64>) -> Option<f64> {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied()
}

/// What there is to be measured, ours first.
fn subjects(folder: &Path) -> Vec<Subject> {
    let ours = std::env::var("STEPWRIGHT").unwrap_or("target/dist/stepwright".to_owned());
    let mut subjects = vec![stepwright("Stepwright", Path::new(&ours), folder, 0)];
    if let Ok(last) = std::env::var("LAST") {
        subjects.push(stepwright("the release before", Path::new(&last), folder, 3));
    }
    let Ok(peers) = std::env::var("PEERS") else { return subjects };
    let peers = PathBuf::from(peers);
    let scripts = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../peers"));
    let moto = peers.join("venv/bin/moto_server");
    if moto.is_file() {
        let mut command = Command::new(moto);
        command.args(["-p", &PORT_OF_MOTO.to_string()]);
        let address = format!("127.0.0.1:{PORT_OF_MOTO}");
        let running = run(command, &address);
        let execute = json!({"stepfunctions": {"execute_state_machine": true}}).to_string();
        Client::connect(&address).post("/moto-api/config", "Accept: */*", &execute);
        subjects.push(Subject { name: "moto", kind: Kind::Moto(running) });
    }
    if let Some(restate) = restate(&peers) {
        let mut flows = Command::new("node");
        flows.arg(scripts.join("restate.mjs")).arg(PORT_OF_FLOWS.to_string()).env("PEERS", &peers);
        let flows = run(flows, &format!("127.0.0.1:{PORT_OF_FLOWS}"));
        let mut server = Command::new(restate);
        server.args(["--listen-mode", "tcp", "--node-name", "one", "--base-dir"]);
        server.arg(folder.join("restate")).env("DO_NOT_TRACK", "1");
        let server = run(server, "127.0.0.1:8080");
        let flow = json!({"uri": (format!("http://127.0.0.1:{PORT_OF_FLOWS}"))}).to_string();
        while !stepwright_served::listens("127.0.0.1:9070") {
            std::thread::sleep(Duration::from_millis(1));
        }
        let json = "Content-Type: application/json";
        Client::connect("127.0.0.1:9070").post("/deployments", json, &flow);
        subjects.push(Subject { name: "Restate", kind: Kind::Restate(server, flows) });
    }
    let python = peers.join("venv/bin/python");
    if peers.join("venv/bin/dbos").is_file() {
        let sqlite = format!("sqlite:///{}", folder.join("dbos.sqlite").display());
        let database = std::env::var("DATABASE").unwrap_or(sqlite);
        let script = scripts.join("dbos_flow.py");
        subjects.push(Subject { name: "DBOS", kind: Kind::Dbos { python, script, database } });
    }
    subjects
}

/// The program of the package for this platform: what npm links is a script that runs it.
fn restate(peers: &Path) -> Option<PathBuf> {
    let packages = std::fs::read_dir(peers.join("node_modules/@restatedev")).ok()?.flatten();
    packages.map(|one| one.path().join("bin/restate-server")).find(|path| path.is_file())
}

fn stepwright(name: &'static str, binary: &Path, folder: &Path, at: u16) -> Subject {
    let (data, port) = (folder.join(at.to_string()), PORT + at);
    let plain = Server::start(binary, &data, port, &functions());
    let key = folder.join("key");
    std::fs::write(&key, "11".repeat(32)).expect("a file can be written");
    // An encrypted server has no index of its searches unless it is told to: here, encryption alone differs.
    let config = format!("[server]\nsearch = true\n[encryption]\nkeys = [{{ file = {key:?} }}]\n");
    let clear = Server::try_start(binary, &folder.join(format!("{at}c")), port + 1, "");
    let sealed = Server::try_start(binary, &folder.join(format!("{at}s")), port + 2, &config);
    let pair = clear.zip(sealed).map(|(clear, sealed)| [clear, sealed]);
    let create = |server: &Server| {
        create(&server.address, "w1", chain(), "STANDARD");
        create(&server.address, "w1x", chain(), "EXPRESS");
        create(&server.address, "w4", calls("noop"), "STANDARD");
        create(&server.address, "w4py", calls("python"), "STANDARD");
    };
    create(&plain);
    pair.iter().flatten().for_each(create);
    Subject { name, kind: Kind::Stepwright { plain, pair } }
}

/// Runs a server, and waits until it listens.
fn run(mut command: Command, address: &str) -> Running {
    let began = Instant::now();
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let child = command.spawn().expect("a peer can be run");
    while !stepwright_served::listens(address) {
        assert!(began.elapsed() < Duration::from_mins(1), "{command:?} does not listen");
        std::thread::sleep(Duration::from_millis(1));
    }
    Running { child, ready_ms: began.elapsed().as_secs_f64() * 1_000.0 }
}

impl Subject {
    /// Does some work for one turn; `None` if it has nothing like it.
    fn work(&self, work: Work, clients: usize) -> Option<Figures> {
        let machine =
            |name: &str| format!("arn:aws:states:us-east-1:123456789012:stateMachine:{name}");
        let input = json!({"k": 1, "pad": ("x".repeat(1_000))}).to_string();
        match (&self.kind, work) {
            (Kind::Stepwright { plain, .. }, Work::Steps) => {
                Some(load(&plain.address, clients, TURN, |client| {
                    client.start_and_wait(&machine("w1"), &input);
                }))
            }
            (Kind::Stepwright { pair, .. }, Work::Clear | Work::Sealed) => {
                let [clear, sealed] = pair.as_ref()?;
                let server = if work == Work::Clear { clear } else { sealed };
                Some(load(&server.address, clients, TURN / 2, |client| {
                    client.start_and_wait(&machine("w1"), &input);
                }))
            }
            (Kind::Stepwright { plain, .. }, Work::Express) => {
                Some(load(&plain.address, clients, TURN, |client| {
                    client.start_sync(&machine("w1x"), &input);
                }))
            }
            (Kind::Stepwright { plain, .. }, Work::Calls | Work::PythonCalls) => {
                let name = if work == Work::Calls { "w4" } else { "w4py" };
                Some(load(&plain.address, clients, TURN, |client| {
                    client.start_and_wait(&machine(name), "{}");
                }))
            }
            (Kind::Moto(_), Work::Steps) => {
                let address = format!("127.0.0.1:{PORT_OF_MOTO}");
                let arn = create(&address, "w1", chain(), "STANDARD");
                // It makes no names of its own.
                let names = AtomicU64::new(0);
                Some(load(&address, clients, TURN, |client| {
                    let began = Instant::now();
                    let number = names.fetch_add(1, Ordering::Relaxed);
                    let name = format!("{clients}-{number}-{:?}", began);
                    let name: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
                    let body = json!({"stateMachineArn": (arn.as_str()), "name": name, "input": (input.as_str())});
                    let started = client.call("StartExecution", &body.to_string());
                    client.wait(&text(&started, "executionArn"), began);
                }))
            }
            (Kind::Restate(..), Work::Steps) => {
                Some(load("127.0.0.1:8080", clients, TURN, |client| {
                    let json = "Content-Type: application/json";
                    assert_eq!(client.post("/flow/ten", json, &input), Json::Int(1));
                }))
            }
            (Kind::Dbos { python, script, database }, Work::Steps) => {
                let seconds = TURN.as_secs_f64().to_string();
                let output = Command::new(python)
                    .arg(script)
                    .args([database, &clients.to_string(), &seconds])
                    .output()
                    .expect("DBOS can be run");
                let said = String::from_utf8_lossy(&output.stdout);
                let last = said.lines().last().unwrap_or_default();
                let figures: Vec<f64> =
                    last.split_whitespace().filter_map(|one| one.parse().ok()).collect();
                let [rate, p50, p99] = figures[..] else {
                    panic!("DBOS: {}", String::from_utf8_lossy(&output.stderr));
                };
                Some(Figures { rate, p50, p99 })
            }
            _ => None,
        }
    }

    fn ready_ms(&self) -> Option<f64> {
        match &self.kind {
            Kind::Stepwright { plain, .. } => Some(plain.ready_ms),
            Kind::Moto(running) | Kind::Restate(running, _) => Some(running.ready_ms),
            Kind::Dbos { .. } => None,
        }
    }

    fn memory(&self) -> Option<f64> {
        match &self.kind {
            Kind::Stepwright { plain, .. } => Some(plain.memory_mb()),
            Kind::Moto(running) | Kind::Restate(running, _) => Some(memory_mb(running.child.id())),
            Kind::Dbos { .. } => None,
        }
    }
}

/// How long the disk takes to keep a page for certain, at the end of a file that grows, and within it.
fn sync_ms(folder: &Path) -> [f64; 2] {
    let mut file = std::fs::File::create(folder.join("sync")).expect("a file can be made");
    [(); 2].map(|()| {
        file.rewind().expect("it begins somewhere");
        let pages = (0..200).map(|_| {
            let began = Instant::now();
            file.write_all(&[7; 4_096]).expect("it can be written");
            file.sync_data().expect("it can be kept");
            began.elapsed().as_secs_f64() * 1_000.0
        });
        median(pages.collect()).expect("it was measured")
    })
}
