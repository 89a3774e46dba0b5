//! A server under load: start executions and wait for their ends, as `bench/README.md` of the
//! reference data describes the workloads W1 to W6; W7 calls services.
//!
//! `STEPWRIGHT` names the binary, `PEER` the endpoint of another server that W1 is run against, too.
//! With `ONLY=W7`, nothing but W7 is run.

mod services;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use stepwright_json::{Json, json};

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
        services::run(binary, &folder);
        drop(std::fs::remove_dir_all(folder));
        return;
    }
    let function = std::env::current_exe().expect("a bench has a path");
    let function = function.with_file_name("trivial-function");
    let config = format!("[functions.noop]\nbootstrap = [{function:?}]\n");
    let server = Server::start(binary, &folder, &config);
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
    let w4 = create(&address, "w4", calls(), "STANDARD");
    for clients in [1, 16, 64] {
        let figures = load(&address, clients, Duration::from_secs(4), |client| {
            client.start_and_wait(&w4, "{}");
        });
        figures.print("W4 ten tasks, a trivial function", clients);
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
    let server = Server::start(binary, &folder, &config);
    waits(&server);
    drop(server);
    let server = Server::start(binary, &folder, &config);
    println!("{:<42} {:.1} ms", "start to ready with 100,000 waiting", server.ready_ms);
    drop(server);
    drop(std::fs::remove_dir_all(&folder));
    services::run(binary, &folder);
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

/// How soon and how late a client asks again whether an execution has ended.
const SOONEST: Duration = Duration::from_micros(200);
const LATEST: Duration = Duration::from_millis(5);

struct Figures {
    rate: f64,
    p50: f64,
    p99: f64,
}

impl Figures {
    fn print(&self, name: &str, clients: usize) {
        println!(
            "{name:<42} {clients:>7} {:>11.0} {:>10.2} {:>10.2}",
            self.rate, self.p50, self.p99
        );
    }
}

fn load(
    address: &str,
    clients: usize,
    time: Duration,
    work: impl Fn(&mut Client) + Sync,
) -> Figures {
    let began = Instant::now();
    let mut all: Vec<f64> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..clients)
            .map(|_| {
                scope.spawn(|| {
                    let mut client = Client::connect(address);
                    let mut took = Vec::new();
                    while began.elapsed() < time {
                        let one = Instant::now();
                        work(&mut client);
                        took.push(one.elapsed().as_secs_f64() * 1_000.0);
                    }
                    took
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("a client went down")).collect()
    });
    let seconds = began.elapsed().as_secs_f64();
    all.sort_by(f64::total_cmp);
    let at = |share: f64| all[((all.len() - 1) as f64 * share) as usize];
    Figures { rate: all.len() as f64 / seconds, p50: at(0.5), p99: at(0.99) }
}

const MAP: &str = r#"{"StartAt":"M","States":{"M":{"Type":"Map","ItemsPath":"$.items","MaxConcurrency":0,"ItemProcessor":{"ProcessorConfig":{"Mode":"INLINE"},"StartAt":"P","States":{"P":{"Type":"Pass","End":true}}},"ResultPath":null,"End":true}}}"#;
const W6: &str = r#"{"StartAt":"C","States":{"C":{"Type":"Choice","Choices":[{"Variable":"$.i","NumericGreaterThanEqualsPath":"$.n","Next":"D"}],"Default":"A"},"A":{"Type":"Pass","Parameters":{"i.$":"States.MathAdd($.i, 1)","n.$":"$.n"},"Next":"C"},"D":{"Type":"Succeed"}}}"#;

fn chain() -> String {
    let mut states = Vec::new();
    for n in (0..10).step_by(2) {
        let next = if n < 8 { format!("P{}", n + 2) } else { "End".to_owned() };
        states.push(format!(
            r#""P{n}":{{"Type":"Pass","Result":{{"n":{n}}},"ResultPath":"$.r","Next":"C{n}"}}"#
        ));
        states.push(format!(r#""C{n}":{{"Type":"Choice","Choices":[{{"Variable":"$.r.n","NumericEquals":{n},"Next":"{next}"}}],"Default":"Bad"}}"#));
    }
    format!(
        r#"{{"StartAt":"P0","States":{{{},"End":{{"Type":"Succeed"}},"Bad":{{"Type":"Fail"}}}}}}"#,
        states.join(",")
    )
}

/// Ten states that call the function `noop`.
fn calls() -> String {
    let function = "arn:aws:lambda:us-east-1:123456789012:function:noop";
    let states: Vec<String> = (0..10)
        .map(|n| {
            let next =
                if n < 9 { format!("\"Next\":\"T{}\"", n + 1) } else { "\"End\":true".to_owned() };
            format!("\"T{n}\":{{\"Type\":\"Task\",\"Resource\":\"{function}\",{next}}}")
        })
        .collect();
    format!("{{\"StartAt\":\"T0\",\"States\":{{{}}}}}", states.join(","))
}

fn create(address: &str, name: &str, definition: impl AsRef<str>, kind: &str) -> String {
    let body = json!({"name": name, "roleArn": "arn:aws:iam::123456789012:role/r", "type": kind, "definition": (definition.as_ref())});
    let reply = Client::connect(address).call("CreateStateMachine", &body.to_string());
    text(&reply, "stateMachineArn")
}

fn text(reply: &Json, key: &str) -> String {
    reply
        .get(key)
        .and_then(Json::as_str)
        .unwrap_or_else(|| panic!("no {key} in {reply}"))
        .to_owned()
}

/// One connection that stays.
struct Client {
    stream: BufReader<TcpStream>,
    address: String,
}

impl Client {
    fn connect(address: &str) -> Self {
        let address = address.trim_start_matches("http://").to_owned();
        let stream = TcpStream::connect(&address).expect("the server listens");
        stream.set_nodelay(true).expect("a socket has options");
        Self { stream: BufReader::new(stream), address }
    }

    fn call(&mut self, operation: &str, body: &str) -> Json {
        let request = format!(
            "POST / HTTP/1.1\r\nHost: {}\r\nContent-Type: application/x-amz-json-1.0\r\nX-Amz-Target: AWSStepFunctions.{operation}\r\nAuthorization: AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/states/aws4_request, SignedHeaders=host;x-amz-date, Signature=0\r\nContent-Length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        );
        self.stream.get_mut().write_all(request.as_bytes()).expect("the server reads");
        let mut line = String::new();
        let mut length = 0;
        loop {
            line.clear();
            assert!(
                self.stream.read_line(&mut line).expect("the server answers") > 0,
                "the server hung up"
            );
            if line.trim().is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().expect("a length is a number");
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).expect("the server answers");
        stepwright_json::parse_bytes(&body).expect("answers are JSON")
    }

    fn start(&mut self, machine: &str, input: &str) -> String {
        let body = json!({"stateMachineArn": machine, "input": input});
        text(&self.call("StartExecution", &body.to_string()), "executionArn")
    }

    /// Starts an execution and asks for its end, after each eighth of the time that has passed, so
    /// that asking is a small part of what is measured.
    fn start_and_wait(&mut self, machine: &str, input: &str) {
        let began = Instant::now();
        let arn = self.start(machine, input);
        let body = json!({"executionArn": (arn.as_str())}).to_string();
        loop {
            match text(&self.call("DescribeExecution", &body), "status").as_str() {
                "SUCCEEDED" => return,
                "RUNNING" => std::thread::sleep((began.elapsed() / 8).clamp(SOONEST, LATEST)),
                other => panic!("an execution ended as {other}"),
            }
        }
    }

    fn start_sync(&mut self, machine: &str, input: &str) {
        let body = json!({"stateMachineArn": machine, "input": input});
        assert_eq!(
            text(&self.call("StartSyncExecution", &body.to_string()), "status"),
            "SUCCEEDED"
        );
    }
}

/// Whether a server says that it takes work on.
fn is_ready(address: &str) -> bool {
    let Ok(mut stream) = TcpStream::connect(address) else { return false };
    let request = "GET /ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let mut answer = String::new();
    let answered =
        stream.write_all(request.as_bytes()).and_then(|()| stream.read_to_string(&mut answer));
    answered.is_ok() && answer.starts_with("HTTP/1.1 200")
}

/// A server that ends with its value.
struct Server {
    child: Child,
    address: String,
    ready_ms: f64,
}

impl Server {
    fn start(binary: &Path, folder: &PathBuf, text: &str) -> Self {
        let address = "127.0.0.1:18083".to_owned();
        let began = Instant::now();
        let config = std::env::temp_dir().join("stepwright-bench.toml");
        std::fs::write(&config, text).expect("a temporary file can be written");
        let child = Command::new(binary)
            .arg("serve")
            .arg("--config")
            .arg(config)
            .args(["--limits", "extended", "--listen", &address, "--data"])
            .arg(folder)
            .stdout(Stdio::null())
            .spawn()
            .expect("the binary runs");
        while !is_ready(&address) {
            std::thread::sleep(Duration::from_micros(200));
        }
        let ready_ms = began.elapsed().as_secs_f64() * 1_000.0;
        Self { child, address, ready_ms }
    }

    /// Resident memory.
    fn memory_mb(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))
            .unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap_or_default();
        let kilobytes: f64 =
            line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).unwrap_or(0.0);
        kilobytes / 1_024.0
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // One that is gone already needs no more.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
