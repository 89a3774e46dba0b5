//! Honest clients among many that are slow, silent, half-closed, or send without reading.
//!
//! There are 120 of these and a second of honest work, or as many as `STEPWRIGHT_CROWD` says and
//! ten seconds (`cargo xtask crowd`).
#![expect(clippy::print_stdout, reason = "a measure is shown")]

use crate::support::{Client, Server};
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

const HONEST: usize = 64;

/// How often a slow client sends its next byte.
const TURN: Duration = Duration::from_millis(50);

#[derive(Clone, Copy, Debug)]
enum Kind {
    Silent,
    SlowHead,
    SlowBody,
    SlowInvocation,
    HalfClosed,
    HalfClosedPoll,
    Pipelining,
    PipeliningPages,
}

const KINDS: [Kind; 8] = [
    Kind::Silent,
    Kind::SlowHead,
    Kind::SlowBody,
    Kind::SlowInvocation,
    Kind::HalfClosed,
    Kind::HalfClosedPoll,
    Kind::Pipelining,
    Kind::PipeliningPages,
];

/// A client that is not honest.
struct Hostile {
    kind: Kind,
    stream: Option<TcpStream>,
    /// What is still to be sent, from this place on.
    text: Vec<u8>,
    sent: usize,
}

impl Hostile {
    fn new(kind: Kind, address: &str) -> Self {
        let post = |path: &str, operation: &str, length: usize, body: &str| {
            format!(
                "POST {path} HTTP/1.1\r\nhost: {address}\r\nx-amz-target: \
                 AWSStepFunctions.{operation}\r\ncontent-length: {length}\r\n\r\n{body}"
            )
        };
        let poll = "{\"activityArn\":\"arn:aws:states:us-east-1:123456789012:activity:none\"}";
        let text = match kind {
            Kind::Silent => String::new(),
            Kind::SlowHead => format!("GET /{} HTTP/1.1\r\nhost: {address}\r\n", "x".repeat(9_000)),
            Kind::SlowBody => post("/", "ListStateMachines", 1_000_000, &" ".repeat(9_000)),
            Kind::SlowInvocation => {
                let path = "/2015-03-31/functions/none/invocations";
                post(path, "", 1_000_000, &" ".repeat(9_000))
            }
            Kind::HalfClosed => post("/", "ListStateMachines", 2, "{}"),
            Kind::HalfClosedPoll => post("/", "GetActivityTask", poll.len(), poll),
            Kind::Pipelining => post("/", "ListStateMachines", 2, "{}").repeat(200),
            Kind::PipeliningPages => {
                format!("GET / HTTP/1.1\r\nhost: {address}\r\n\r\n").repeat(200)
            }
        };
        Self { kind, stream: None, text: text.into_bytes(), sent: 0 }
    }

    /// Sends as much as its kind would.
    fn act(&mut self, address: &str) {
        let Some(stream) = &mut self.stream else {
            let Ok(stream) = TcpStream::connect(address) else { return };
            stream.set_nonblocking(true).expect("it can be set");
            (self.stream, self.sent) = (Some(stream), 0);
            return;
        };
        let rest = &self.text[self.sent..];
        let piece = match self.kind {
            Kind::Silent => &[],
            Kind::SlowHead | Kind::SlowBody | Kind::SlowInvocation => {
                // The head at once, where the body is what is slow.
                let head =
                    rest.windows(4).position(|end| end == b"\r\n\r\n").map_or(1, |at| at + 4);
                &rest[..head.min(rest.len())]
            }
            _ => rest,
        };
        let is_over = match stream.write(piece) {
            Ok(sent) => {
                self.sent += sent;
                false
            }
            Err(error) => error.kind() != std::io::ErrorKind::WouldBlock,
        };
        let is_whole = self.sent == self.text.len();
        match self.kind {
            Kind::HalfClosed | Kind::HalfClosedPoll if is_whole => {
                stream.shutdown(Shutdown::Write).ok();
                // Only whoever closed its half notices that the server has closed the other.
                if matches!(stream.read(&mut [0; 1_000]), Ok(0)) {
                    self.stream = None;
                }
            }
            Kind::Pipelining | Kind::PipeliningPages if is_whole => self.sent = 0,
            _ => {}
        }
        if is_over {
            self.stream = None;
        }
    }
}

#[test]
fn large_bodies_do_not_fill_the_memory() {
    let server = Server::start(&["--memory"]);
    let client = server.client();
    let wait = r#"{"StartAt":"W","States":{"W":{"Type":"Wait","Seconds":3,"End":true}}}"#;
    let machine = client.create("m", "EXPRESS", wait);
    // Valid requests, most of which is nothing that the operation knows.
    let items = "{},".repeat(2_600_000);
    let body = format!("{{\"stateMachineArn\":\"{machine}\",\"x\":[{items}0]}}");
    assert!(body.len() < 8 << 20);
    std::thread::scope(|scope| {
        for _ in 0..24 {
            let (client, body) = (server.client(), &body);
            // There may be no room for some of them.
            scope.spawn(move || drop(client.send("StartSyncExecution", body.as_bytes())));
        }
        // Others are answered all the while.
        for _ in 0..20 {
            client.ok("DescribeStateMachine", &[("stateMachineArn", machine.as_str().into())]);
            std::thread::sleep(Duration::from_millis(100));
        }
    });
    let megabytes = server.most_memory() >> 20;
    assert!(megabytes < 1_000, "{megabytes} MiB");
}

/// The time that a request took, by each honest client.
fn work(client: &Client, machine: &str, number: usize, until: Instant) -> Vec<Duration> {
    let mut times = Vec::new();
    let mut round = 0;
    while Instant::now() < until {
        let began = Instant::now();
        if round % 4 == 0 {
            client.start(machine, &format!("{{\"n\":{number}}}"));
        } else {
            client.ok("DescribeStateMachine", &[("stateMachineArn", machine.into())]);
        }
        times.push(began.elapsed());
        round += 1;
        // A client does something with its answers.
        std::thread::sleep(Duration::from_millis(20));
    }
    times
}

#[test]
fn honest_clients_do_not_feel_the_others() {
    let asked = std::env::var("STEPWRIGHT_CROWD").ok();
    let hostile: usize = asked.as_deref().map_or(120, |most| most.parse().expect("a number"));
    // A build for tests on a busy machine is slower than what is measured.
    let (lasts, floor) = if asked.is_some() { (10, 50) } else { (1, 1_000) };
    let server = Server::start(&["--memory"]);
    let client = server.client();
    client.ok("CreateActivity", &[("name", "none".into())]);
    let pass = r#"{"StartAt":"P","States":{"P":{"Type":"Pass","End":true}}}"#;
    let machine = client.create("m", "EXPRESS", pass);
    let is_over = AtomicBool::new(false);
    let connected = AtomicU64::new(0);
    let mut times = std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut crowd: Vec<_> = (0..hostile)
                .map(|number| Hostile::new(KINDS[number % KINDS.len()], &server.address))
                .collect();
            while !is_over.load(Ordering::Relaxed) {
                let began = Instant::now();
                for one in &mut crowd {
                    one.act(&server.address);
                }
                let open = crowd.iter().filter(|one| one.stream.is_some()).count();
                connected.fetch_max(open as u64, Ordering::Relaxed);
                std::thread::sleep(TURN.saturating_sub(began.elapsed()));
            }
        });
        std::thread::sleep(Duration::from_secs(1));
        let until = Instant::now() + Duration::from_secs(lasts);
        let honest: Vec<_> = (0..HONEST)
            .map(|number| {
                let (client, machine) = (server.client(), &machine);
                scope.spawn(move || work(&client, machine, number, until))
            })
            .collect();
        let times = honest.into_iter().flat_map(|one| one.join().expect("it is answered"));
        let times: Vec<Duration> = times.collect();
        is_over.store(true, Ordering::Relaxed);
        times
    });
    times.sort();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    let (half, p99, worst) = (at(0.5), at(0.99), at(1.0));
    println!(
        "{hostile} hostile clients ({} connected at once), {HONEST} honest ones, {} requests: half \
         within {half:?}, 99 % within {p99:?}, all within {worst:?}",
        connected.load(Ordering::Relaxed),
        times.len()
    );
    assert!(p99 <= Duration::from_millis(floor), "99 % within {p99:?}, not {floor} ms");
}
