//! Three nodes under load, while everything around them fails: they are killed and stopped, PostgreSQL is
//! restarted at once, connections are cut, and a standby takes the primary's place. What clients were told
//! is so at the end, and everything ends; so it is with a queue of the nodes' local services.
//!
//! `STEPWRIGHT_CHAOS_ROUNDS` is the number of things that go wrong (one of each kind by default),
//! `STEPWRIGHT_CHAOS_SEED` decides which, and `STEPWRIGHT_CHAOS_BINARY` names another binary.

#![allow(clippy::print_stderr, reason = "a long run says how far it is")]

mod proxy;
mod queue;
pub(crate) mod replicas;
mod seen;

use crate::cluster::free_port;
use crate::support::{Answer, Client, command, text};
use proxy::Proxy;
use queue::Queue;
use replicas::Postgres;
use seen::Seen;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use stepwright_json::{Json, json};

const NODES: usize = 3;

/// The kinds of what goes wrong.
const KINDS: u64 = 5;

/// What a client says that is to do nothing more.
const OVER: &str = "over";

/// How long a client waits for an answer.
const PATIENCE: Duration = Duration::from_secs(30);

const DEFINITIONS: [(&str, &str); 4] = [
    (
        "wait",
        r#"{"StartAt":"W","States":{"W":{"Type":"Wait","Seconds":2,"Next":"P"},
            "P":{"Type":"Pass","Next":"V"},"V":{"Type":"Wait","Seconds":1,"End":true}}}"#,
    ),
    (
        "activity",
        // A worker may die with a task, or never hear of it.
        r#"{"StartAt":"A","States":{
            "A":{"Type":"Task","Resource":"arn:aws:states:us-east-1:123456789012:activity:work","Next":"B",
                "TimeoutSeconds":8,"Retry":[{"ErrorEquals":["States.Timeout"],"IntervalSeconds":1,
                "BackoffRate":1.0,"MaxAttempts":1000}]},
            "B":{"Type":"Task","Resource":"arn:aws:states:us-east-1:123456789012:activity:work","End":true,
                "TimeoutSeconds":8,"Retry":[{"ErrorEquals":["States.Timeout"],"IntervalSeconds":1,
                "BackoffRate":1.0,"MaxAttempts":1000}]}}}"#,
    ),
    (
        "map",
        r#"{"StartAt":"M","States":{"M":{"Type":"Map","MaxConcurrency":3,"End":true,
            "ItemProcessor":{"ProcessorConfig":{"Mode":"DISTRIBUTED","ExecutionType":"STANDARD"},
            "StartAt":"W","States":{"W":{"Type":"Wait","Seconds":1,"End":true}}}}}}"#,
    ),
    (
        "nested",
        r#"{"StartAt":"N","States":{"N":{"Type":"Task","End":true,
            "Resource":"arn:aws:states:::states:startExecution.sync:2","Parameters":{
            "StateMachineArn":"arn:aws:states:us-east-1:123456789012:stateMachine:wait"}}}}"#,
    ),
];

struct Chance(AtomicU64);

impl Chance {
    fn below(&self, most: u64) -> u64 {
        let next = |seed: u64| {
            seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407)
        };
        let before =
            self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |seed| Some(next(seed)));
        (before.unwrap_or_default() >> 33) % most.max(1)
    }
}

/// A node that is started again whenever it has ended, as systemd does.
struct Node {
    number: usize,
    folder: PathBuf,
    proxy: Proxy,
    client: Client,
    process: Mutex<Option<Child>>,
}

impl Node {
    fn new(number: usize, folder: &Path, proxy: Proxy) -> Self {
        let (port, store) = (free_port(), proxy.port);
        let config = format!(
            "[server]\nlisten = \"127.0.0.1:{port}\"\nsearch = false\n\
             store = \"postgres://stepwright@127.0.0.1:{store}/steps\"\n\
             data = \"data-{number}\"\nactivity_poll_seconds = 3\n\
             [server.nodes]\naddress = \"http://127.0.0.1:{port}\"\nkey = \"a key of all the nodes\"\n\
             [services]\nsqs = \"local\"\n"
        );
        std::fs::write(folder.join(format!("{number}.toml")), config).expect("it can be written");
        let client = Client::new(&format!("127.0.0.1:{port}")).briefly(PATIENCE);
        let folder = folder.to_owned();
        Self { number, folder, proxy, client, process: Mutex::default() }
    }

    /// Starts the process if there is none, or if it has ended.
    fn look_after(&self) {
        let mut process = self.process.lock().expect("nobody panics");
        let is_running =
            process.as_mut().is_some_and(|child| child.try_wait().is_ok_and(|end| end.is_none()));
        if is_running {
            return;
        }
        let binary = std::env::var("STEPWRIGHT_CHAOS_BINARY");
        let binary = binary.unwrap_or_else(|_| env!("CARGO_BIN_EXE_stepwright").to_owned());
        let log = self.folder.join(format!("{}.log", self.number));
        let log = std::fs::OpenOptions::new().create(true).append(true).open(log);
        let child = Command::new(binary)
            .args(["serve", "--config", &format!("{}.toml", self.number)])
            .current_dir(&self.folder)
            .stdout(Stdio::null())
            .stderr(log.expect("it can be written"))
            .spawn();
        *process = Some(child.expect("the binary runs"));
    }

    fn signal(&self, signal: &str) {
        let process = self.process.lock().expect("nobody panics");
        let Some(child) = &*process else { return };
        // It may have ended by itself.
        drop(Command::new("kill").args([signal, &child.id().to_string()]).output());
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(child) = self.process.get_mut().expect("nobody panics") {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

struct World {
    nodes: Vec<Node>,
    chance: Chance,
    seen: Seen,
    queue: Queue,
    /// Nothing more is started.
    is_enough: AtomicBool,
    is_over: AtomicBool,
    starts: AtomicU64,
}

impl World {
    fn client(&self) -> &Client {
        &self.nodes[self.chance.below(NODES as u64) as usize].client
    }

    /// Asks one node after the other until the answer is not an error of the server's.
    fn insist(&self, operation: &str, body: &Json) -> Result<Json, String> {
        while !self.is_over.load(Ordering::SeqCst) {
            match self.client().call(operation, body) {
                Answer::Ok(reply) => return Ok(reply),
                Answer::Refused(name, _) if is_of_client(&name) => return Err(name),
                _ => std::thread::sleep(Duration::from_millis(100)),
            }
        }
        Err(OVER.to_owned())
    }

    /// Starts executions by name, each until that is acknowledged, and reads some.
    fn start_and_read(&self) {
        while !self.is_enough.load(Ordering::SeqCst) {
            let number = self.starts.fetch_add(1, Ordering::SeqCst);
            let (machine, _) = DEFINITIONS[self.chance.below(4) as usize];
            let body = json!({
                "stateMachineArn": (arn_of(machine)),
                "name": (format!("execution-{number}")),
                "input": "[1,2,3,4]"
            });
            match self.insist("StartExecution", &body) {
                Ok(started) => self.seen.started(&text(&started, "executionArn")),
                Err(name) if name == OVER => return,
                // An earlier attempt has begun it, and it has ended.
                Err(name) => {
                    assert_eq!(name, "ExecutionAlreadyExists");
                    let arn = arn_of(machine).replace(":stateMachine:", ":execution:");
                    self.seen.started(&format!("{arn}:execution-{number}"));
                }
            }
            for _ in 0..2 {
                if let Some(arn) = self.seen.any(self.chance.below(1 << 30)) {
                    self.seen.read(&arn, self.client());
                }
            }
            if let Some(arn) =
                self.seen.any(self.chance.below(1 << 30)).filter(|_| number.is_multiple_of(8))
            {
                self.seen.is_being_stopped(&arn);
                let stop = json!({"executionArn": (arn.as_str())});
                if let Answer::Ok(_) = self.client().call("StopExecution", &stop) {
                    self.seen.was_stopped(&arn, self.client());
                }
            }
            std::thread::sleep(Duration::from_millis(self.chance.below(80)));
        }
    }

    /// Does the tasks of the activity.
    fn work(&self) {
        let mut done = 0;
        let poll = json!({"activityArn": "arn:aws:states:us-east-1:123456789012:activity:work"});
        let me = self.chance.below(1 << 30);
        while !self.is_over.load(Ordering::SeqCst) {
            let Answer::Ok(task) = self.client().call("GetActivityTask", &poll) else {
                std::thread::sleep(Duration::from_millis(100));
                continue;
            };
            let Some(token) = task.get("taskToken").and_then(Json::as_str) else { continue };
            done += 1;
            let output = format!("{{\"by\":\"{me}-{done}\"}}");
            let report = json!({"taskToken": (token), "output": (output.as_str())});
            // An attempt before may have been taken.
            if self.insist("SendTaskSuccess", &report).is_ok() {
                let (arn, _) = stepwright_interpreter::token::read(token).expect("it is a token");
                self.seen.output(&arn, &output);
            }
        }
    }

    fn look_after_nodes(&self) {
        while !self.is_over.load(Ordering::SeqCst) {
            self.nodes.iter().for_each(Node::look_after);
            std::thread::sleep(Duration::from_millis(300));
        }
    }
}

fn arn_of(machine: &str) -> String {
    format!("arn:aws:states:us-east-1:123456789012:stateMachine:{machine}")
}

/// Whether an error says that the request itself cannot be carried out.
fn is_of_client(name: &str) -> bool {
    let of_client = ["ExecutionAlreadyExists", "InvalidToken", "TaskDoesNotExist", "TaskTimedOut"];
    of_client.contains(&name)
}

/// Something goes wrong.
fn disturb(
    world: &World,
    kind: u64,
    primary: &mut Postgres,
    standby: &mut Option<Postgres>,
) -> String {
    let chosen = &world.nodes[world.chance.below(NODES as u64) as usize];
    match kind % KINDS {
        0 => {
            chosen.signal("-KILL");
            format!("node {} is killed", chosen.number)
        }
        1 => {
            // Often long enough to be taken for dead.
            let longest =
                if std::env::var("STEPWRIGHT_CHAOS_ROUNDS").is_ok() { 55_000 } else { 9_000 };
            let lasts = Duration::from_millis(5_000 + world.chance.below(longest));
            chosen.signal("-STOP");
            std::thread::sleep(lasts);
            chosen.signal("-CONT");
            format!("node {} was stopped for {lasts:.1?}", chosen.number)
        }
        2 => {
            primary.stop_at_once();
            std::thread::sleep(Duration::from_millis(world.chance.below(2_000)));
            primary.start();
            "PostgreSQL was restarted".to_owned()
        }
        3 => {
            let lasts = Duration::from_millis(world.chance.below(4_000));
            let all = world.chance.below(2) == 0;
            let cut: Vec<&Node> =
                world.nodes.iter().filter(|one| all || one.number == chosen.number).collect();
            for _ in 0..20 {
                for node in &cut {
                    node.proxy.close();
                }
                std::thread::sleep(Duration::from_millis(world.chance.below(100)));
            }
            std::thread::scope(|scope| {
                for node in &cut {
                    scope.spawn(|| node.proxy.hold(lasts));
                }
            });
            format!("{} nodes were cut off for {lasts:.1?}", cut.len())
        }
        _ => {
            primary.stop_at_once();
            let promoted = standby.take().expect("there is one");
            promoted.promote();
            for node in &world.nodes {
                node.proxy.lead_to(promoted.port);
            }
            *primary = promoted;
            *standby = Some(primary.standby());
            "a standby was promoted".to_owned()
        }
    }
}

#[test]
fn whatever_fails_around_three_nodes_what_they_have_acknowledged_is_so() {
    let Some(mut primary) = Postgres::new() else {
        eprintln!("skipped: PostgreSQL is not installed (Debian: apt-get install postgresql)");
        return;
    };
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let rounds = number("STEPWRIGHT_CHAOS_ROUNDS").unwrap_or(KINDS);
    let seed = number("STEPWRIGHT_CHAOS_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    eprintln!("STEPWRIGHT_CHAOS_SEED={seed}");
    primary.sql("postgres", "CREATE DATABASE steps");
    let mut standby = Some(primary.standby());
    let folder = tempfile::tempdir().expect("a directory can be made");
    let node = |number| Node::new(number, folder.path(), Proxy::new(primary.port));
    let world = World {
        nodes: (0..NODES).map(node).collect(),
        chance: Chance(AtomicU64::new(seed)),
        seen: Seen::default(),
        queue: Queue::default(),
        is_enough: AtomicBool::new(false),
        is_over: AtomicBool::new(false),
        starts: AtomicU64::new(0),
    };
    let begun = Instant::now();
    std::thread::scope(|scope| {
        // Whatever fails, the others end.
        let over = Over(&world);
        scope.spawn(|| world.look_after_nodes());
        world.insist("CreateActivity", &json!({"name": "work"})).expect("it is made");
        for (name, definition) in DEFINITIONS {
            let role = "arn:aws:iam::123456789012:role/r";
            let body = json!({"name": name, "definition": definition, "roleArn": role});
            world.insist("CreateStateMachine", &body).expect("it is made");
        }
        world.make_queue();
        let mut clients: Vec<_> = (0..3).map(|_| scope.spawn(|| world.start_and_read())).collect();
        clients.push(scope.spawn(|| world.send()));
        let mut workers: Vec<_> = (0..2).map(|_| scope.spawn(|| world.work())).collect();
        workers.extend((0..2).map(|_| scope.spawn(|| world.receive())));
        for round in 0..rounds {
            let said = disturb(&world, round, &mut primary, &mut standby);
            std::thread::sleep(Duration::from_millis(1_000 + world.chance.below(4_000)));
            let (at, count) = (begun.elapsed(), world.seen.count());
            let (sent, left) = world.queue.counts();
            eprintln!(
                "{at:.0?}, round {round}: {said}; {count} executions, {sent} messages, {left} not deleted"
            );
            if clients.iter().chain(&workers).any(std::thread::ScopedJoinHandle::is_finished) {
                break;
            }
        }
        world.is_enough.store(true, Ordering::SeqCst);
        for client in clients {
            client.join().expect("it has seen nothing wrong");
        }
        let clients: Vec<Client> = world.nodes.iter().map(|node| node.client.clone()).collect();
        world.seen.examine(&clients);
        world.examine_queue(&clients[0]);
        drop(over);
        for worker in workers {
            worker.join().expect("it has seen nothing wrong");
        }
    });
    let url = format!("postgres://stepwright@127.0.0.1:{}/steps", primary.port);
    let (is_right, printed) = command(&["doctor", "--store", &url], folder.path());
    assert!(is_right && printed.contains("Nothing is wrong with the database."), "{printed}");
    assert!(world.seen.count() > rounds as usize, "hardly anything was started");
}

/// Ends the threads when it is dropped.
struct Over<'w>(&'w World);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.is_enough.store(true, Ordering::SeqCst);
        self.0.is_over.store(true, Ordering::SeqCst);
    }
}
