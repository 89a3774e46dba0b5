//! A server under load, as the benches need it: started and stopped, its clients, the machines of the
//! workloads that `bench/README.md` of the reference data describes.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use stepwright_json::{Json, json};

/// How soon and how late a client asks again whether an execution has ended.
const SOONEST: Duration = Duration::from_micros(200);
const LATEST: Duration = Duration::from_millis(50);

/// What a load came to: executions per second, and how long they took in milliseconds.
pub struct Figures {
    pub rate: f64,
    pub p50: f64,
    pub p99: f64,
}

impl Figures {
    pub fn print(&self, name: &str, clients: usize) {
        println!(
            "{name:<42} {clients:>7} {:>11.0} {:>10.2} {:>10.2}",
            self.rate, self.p50, self.p99
        );
    }
}

/// As many clients do some work again and again, for so long.
pub fn load(
    address: &str,
    clients: usize,
    time: Duration,
    work: impl Fn(&mut Client) + Sync,
) -> Figures {
    load_at(&[address], clients, time, work)
}

/// The same, of clients that are spread over several servers.
pub fn load_at(
    addresses: &[&str],
    clients: usize,
    time: Duration,
    work: impl Fn(&mut Client) + Sync,
) -> Figures {
    let began = Instant::now();
    let mut all: Vec<f64> = std::thread::scope(|scope| {
        let work = &work;
        let threads: Vec<_> = (0..clients)
            .map(|at| {
                let address = addresses[at % addresses.len()];
                scope.spawn(move || {
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

/// A Map over `items` whose iterations do nothing.
pub const MAP: &str = r#"{"StartAt":"M","States":{"M":{"Type":"Map","ItemsPath":"$.items","MaxConcurrency":0,"ItemProcessor":{"ProcessorConfig":{"Mode":"INLINE"},"StartAt":"P","States":{"P":{"Type":"Pass","End":true}}},"ResultPath":null,"End":true}}}"#;
/// A loop of a Choice and a Pass, `n` times.
pub const W6: &str = r#"{"StartAt":"C","States":{"C":{"Type":"Choice","Choices":[{"Variable":"$.i","NumericGreaterThanEqualsPath":"$.n","Next":"D"}],"Default":"A"},"A":{"Type":"Pass","Parameters":{"i.$":"States.MathAdd($.i, 1)","n.$":"$.n"},"Next":"C"},"D":{"Type":"Succeed"}}}"#;

/// Ten states that compute nothing much.
pub fn chain() -> String {
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

/// Ten states that call a function.
pub fn calls(function: &str) -> String {
    let function = format!("arn:aws:lambda:us-east-1:123456789012:function:{function}");
    let states: Vec<String> = (0..10)
        .map(|n| {
            let next =
                if n < 9 { format!("\"Next\":\"T{}\"", n + 1) } else { "\"End\":true".to_owned() };
            format!("\"T{n}\":{{\"Type\":\"Task\",\"Resource\":\"{function}\",{next}}}")
        })
        .collect();
    format!("{{\"StartAt\":\"T0\",\"States\":{{{}}}}}", states.join(","))
}

/// Creates a state machine. Returns its ARN.
pub fn create(address: &str, name: &str, definition: impl AsRef<str>, kind: &str) -> String {
    let body = json!({"name": name, "roleArn": "arn:aws:iam::123456789012:role/r", "type": kind, "definition": (definition.as_ref())});
    let reply = Client::connect(address).call("CreateStateMachine", &body.to_string());
    text(&reply, "stateMachineArn")
}

pub fn text(reply: &Json, key: &str) -> String {
    reply
        .get(key)
        .and_then(Json::as_str)
        .unwrap_or_else(|| panic!("no {key} in {reply}"))
        .to_owned()
}

/// One connection that stays.
pub struct Client {
    stream: BufReader<TcpStream>,
    pub address: String,
    /// How long the last execution took.
    last: Duration,
}

impl Client {
    pub fn connect(address: &str) -> Self {
        let address = address.trim_start_matches("http://").to_owned();
        let stream = TcpStream::connect(&address).expect("the server listens");
        stream.set_nodelay(true).expect("a socket has options");
        Self { stream: BufReader::new(stream), address, last: Duration::ZERO }
    }

    pub fn call(&mut self, operation: &str, body: &str) -> Json {
        let headers = format!(
            "Content-Type: application/x-amz-json-1.0\r\nX-Amz-Target: AWSStepFunctions.{operation}\r\nAuthorization: AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/states/aws4_request, SignedHeaders=host;x-amz-date, Signature=0"
        );
        self.post("/", &headers, body)
    }

    /// Posts JSON, and reads the JSON that is answered.
    pub fn post(&mut self, path: &str, headers: &str, body: &str) -> Json {
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: {}\r\n{headers}\r\nContent-Length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        );
        self.stream.get_mut().write_all(request.as_bytes()).expect("the server reads");
        let mut line = String::new();
        let mut length = 0;
        let mut is_over = false;
        loop {
            line.clear();
            assert!(
                self.stream.read_line(&mut line).expect("the server answers") > 0,
                "the server hung up"
            );
            if line.trim().is_empty() {
                break;
            }
            let Some((name, value)) = line.split_once(':') else { continue };
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().expect("a length is a number");
            }
            is_over |= name.eq_ignore_ascii_case("connection")
                && value.trim().eq_ignore_ascii_case("close");
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).expect("the server answers");
        if is_over {
            *self = Self { last: self.last, ..Self::connect(&self.address) };
        }
        stepwright_json::parse_bytes(&body).expect("answers are JSON")
    }

    pub fn start(&mut self, machine: &str, input: &str) -> String {
        let body = json!({"stateMachineArn": machine, "input": input});
        text(&self.call("StartExecution", &body.to_string()), "executionArn")
    }

    /// Starts an execution and asks for its end: first after three quarters of the time that the last one took,
    /// then after each eighth of the time that has passed, so that asking is a small part of what is measured.
    pub fn start_and_wait(&mut self, machine: &str, input: &str) {
        let began = Instant::now();
        let arn = self.start(machine, input);
        self.wait(&arn, began);
    }

    /// Asks for the end of an execution.
    pub fn wait(&mut self, arn: &str, began: Instant) {
        let body = json!({"executionArn": arn}).to_string();
        let first = (self.last * 3 / 4).saturating_sub(began.elapsed());
        if first > SOONEST {
            std::thread::sleep(first);
        }
        loop {
            match text(&self.call("DescribeExecution", &body), "status").as_str() {
                "SUCCEEDED" => {
                    self.last = began.elapsed();
                    return;
                }
                "RUNNING" => std::thread::sleep((began.elapsed() / 8).clamp(SOONEST, LATEST)),
                other => panic!("an execution ended as {other}"),
            }
        }
    }

    pub fn start_sync(&mut self, machine: &str, input: &str) {
        let body = json!({"stateMachineArn": machine, "input": input});
        assert_eq!(
            text(&self.call("StartSyncExecution", &body.to_string()), "status"),
            "SUCCEEDED"
        );
    }
}

/// A configuration with two functions that answer at once: `noop`, which is compiled and has Amazon's client, and
/// `python`, which has the client that comes with Stepwright.
pub fn functions() -> String {
    let function = std::env::current_exe().expect("a bench has a path");
    let function = function.with_file_name("trivial-function");
    let code = std::env::temp_dir().join("stepwright-bench-functions");
    std::fs::create_dir_all(&code).expect("a temporary folder can be made");
    let handler = "def handler(event, context):\n    return event\n";
    std::fs::write(code.join("noop.py"), handler).expect("a temporary file can be written");
    format!(
        "[functions.noop]\nbootstrap = [{function:?}]\n\
         [functions.python]\nruntime = \"python3.12\"\nhandler = \"noop.handler\"\ncode = {code:?}\n"
    )
}

/// Whether somebody takes connections there.
pub fn listens(address: &str) -> bool {
    TcpStream::connect(address).is_ok()
}

/// Whether a server says that it takes work on.
pub fn is_ready(address: &str) -> bool {
    let Ok(mut stream) = TcpStream::connect(address) else { return false };
    let request = "GET /ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let mut answer = String::new();
    let answered =
        stream.write_all(request.as_bytes()).and_then(|()| stream.read_to_string(&mut answer));
    answered.is_ok() && answer.starts_with("HTTP/1.1 200")
}

/// A server that ends with its value.
pub struct Server {
    child: Child,
    pub address: String,
    pub ready_ms: f64,
}

impl Server {
    /// Starts the binary on a port, over the data of a folder, with a configuration.
    pub fn start(binary: &Path, folder: &Path, port: u16, config: &str) -> Self {
        Self::try_start(binary, folder, port, config).expect("the server starts")
    }

    /// The same of a server that may refuse its configuration.
    pub fn try_start(binary: &Path, folder: &Path, port: u16, config: &str) -> Option<Self> {
        let address = format!("127.0.0.1:{port}");
        let began = Instant::now();
        let path = std::env::temp_dir().join(format!("stepwright-bench-{port}.toml"));
        std::fs::write(&path, config).expect("a temporary file can be written");
        let mut child = Command::new(binary)
            .arg("serve")
            .arg("--config")
            .arg(path)
            .args(["--limits", "extended", "--listen", &address, "--data"])
            .arg(folder)
            .stdout(Stdio::null())
            .spawn()
            .expect("the binary runs");
        while !is_ready(&address) {
            if child.try_wait().expect("a process can be asked").is_some() {
                return None;
            }
            std::thread::sleep(Duration::from_micros(200));
        }
        let ready_ms = began.elapsed().as_secs_f64() * 1_000.0;
        Some(Self { child, address, ready_ms })
    }

    /// Asks the server to end, and waits until it has.
    pub fn terminate(mut self) {
        Command::new("kill").arg(self.child.id().to_string()).status().expect("kill runs");
        self.child.wait().expect("a process can be waited for");
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Resident memory.
    pub fn memory_mb(&self) -> f64 {
        memory_mb(self.child.id())
    }
}

/// Resident memory of a process.
pub fn memory_mb(process: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap_or_default();
    let kilobytes: f64 = line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).unwrap_or(0.0);
    kilobytes / 1_024.0
}

impl Drop for Server {
    fn drop(&mut self) {
        // One that is gone already needs no more.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
