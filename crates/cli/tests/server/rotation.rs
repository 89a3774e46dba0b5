//! Keys, certificates and releases are replaced while clients call all the time. No call fails beyond what
//! the manual says a client has to try again, and no execution is lost.

use crate::cluster;
use crate::nodes::{PATIENCE, configure, shards};
use crate::support::{Answer, Client, Server, object, text};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};
use stepwright_aws::signing::{Key, Unsigned, sign};
use stepwright_json::Json;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

/// How many clients call all the time.
const CLIENTS: usize = 4;

const PASS: &str = r#"{"StartAt":"P","States":{"P":{"Type":"Pass","End":true}}}"#;
const SHORT: &str = r#"{"StartAt":"W","States":{"W":{"Type":"Wait","Seconds":1,"Next":"P"},
    "P":{"Type":"Pass","End":true}}}"#;
const LONG: &str = r#"{"StartAt":"W","States":{"W":{"Type":"Wait","Seconds":3600,"End":true}}}"#;

/// What clients call with, and how they fare.
struct Load {
    url: String,
    key: Mutex<Key>,
    trusted: Mutex<Vec<Certificate<'static>>>,
    is_over: AtomicBool,
    calls: [AtomicU64; CLIENTS],
    failures: Mutex<Vec<String>>,
    started: Mutex<Vec<String>>,
}

impl Load {
    /// Calls an operation with the key that there is. Returns the status and the body.
    fn call(&self, agent: &ureq::Agent, operation: &str, body: &Json) -> Result<Json, String> {
        let body = body.to_string();
        let target = format!("AWSStepFunctions.{operation}");
        let headers =
            [("content-type", "application/x-amz-json-1.0"), ("x-amz-target", target.as_str())];
        let unsigned = Unsigned {
            method: "POST",
            url: &self.url,
            headers: &headers,
            body: body.as_bytes(),
            service: "states",
            region: "us-east-1",
        };
        let key = self.key.lock().expect("nobody panics").clone();
        let signed = sign(&unsigned, &key, SystemTime::now()).expect("it can be signed");
        let mut request = agent.post(&self.url);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        for (name, value) in signed {
            request = request.header(name, value);
        }
        let mut answer = request.send(body.as_bytes()).map_err(|error| error.to_string())?;
        let said = answer.body_mut().read_to_string().map_err(|error| error.to_string())?;
        match answer.status().as_u16() {
            200 => Ok(stepwright_json::parse(&said).expect("it is JSON")),
            status => Err(format!("{status} {said}")),
        }
    }

    /// A client that has no connection yet.
    fn agent(&self) -> ureq::Agent {
        let roots = self.trusted.lock().expect("nobody panics").clone();
        let tls = TlsConfig::builder().root_certs(RootCerts::Specific(Arc::new(roots))).build();
        ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(60)))
            .tls_config(tls)
            .build()
            .into()
    }

    /// Starts, describes and reads executions until it is over. Half of the clients keep their connection, the
    /// others open one for each round.
    fn run(&self, number: usize, machine: &str) {
        let mut agent = self.agent();
        while !self.is_over.load(Ordering::Relaxed) {
            if number % 2 == 1 {
                agent = self.agent();
            }
            let members = [("stateMachineArn", machine.into()), ("input", "{\"n\":1}".into())];
            let round = || -> Result<String, String> {
                let reply = self.call(&agent, "StartExecution", &object(&members))?;
                let arn = text(&reply, "executionArn");
                let about = object(&[("executionArn", arn.as_str().into())]);
                self.call(&agent, "DescribeExecution", &about)?;
                self.call(&agent, "GetExecutionHistory", &about)?;
                Ok(arn)
            };
            match round() {
                Ok(arn) => self.started.lock().expect("nobody panics").push(arn),
                Err(why) => self.failures.lock().expect("nobody panics").push(why),
            }
            self.calls[number].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits until each client has made some more calls.
    fn await_calls(&self) {
        let before: Vec<u64> = self.calls.iter().map(|one| one.load(Ordering::Relaxed)).collect();
        let begun = Instant::now();
        let has_called =
            |(now, before): (&AtomicU64, &u64)| now.load(Ordering::Relaxed) > before + 2;
        while !self.calls.iter().zip(&before).all(has_called) {
            assert!(begun.elapsed() < PATIENCE, "a client makes no calls any more");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

fn key(id: &str) -> Key {
    Key { id: id.to_owned(), secret: format!("the secret of {id}"), token: None }
}

/// Writes a certificate for this machine with its key, and returns it.
fn certificate(folder: &Path) -> Certificate<'static> {
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]);
    let made = made.expect("a certificate can be made");
    std::fs::write(folder.join("cert.pem"), made.cert.pem()).expect("it can be written");
    std::fs::write(folder.join("key.pem"), made.signing_key.serialize_pem())
        .expect("it can be written");
    Certificate::from_der(made.cert.der()).to_owned()
}

/// Writes a server's configuration: the keys of its callers, and those of its store.
fn configure_keys(folder: &Path, callers: &[&str], store: &[&str]) -> String {
    let mut config =
        "[server]\ndata = \"data\"\n[server.tls]\ncertificate = \"cert.pem\"\nkey = \"key.pem\"\n"
            .to_owned();
    let store: Vec<String> = store.iter().map(|name| format!("{{ file = \"{name}\" }}")).collect();
    config += &format!("[encryption]\nkeys = [{}]\n", store.join(", "));
    for id in callers {
        let secret = key(id).secret;
        config += &format!(
            "[[credentials]]\naccess_key_id = \"{id}\"\nsecret_access_key = \"{secret}\"\n"
        );
    }
    let path = folder.join("stepwright.toml");
    std::fs::write(&path, config).expect("it can be written");
    path.to_str().expect("it is text").to_owned()
}

/// Has a server read its configuration again, and waits until that shows.
fn reload(server: &Server, is_done: impl Fn() -> bool) {
    let id = server.id().to_string();
    let sent = Command::new("kill").args(["-HUP", &id]).status().expect("kill runs");
    assert!(sent.success());
    let begun = Instant::now();
    while !is_done() {
        assert!(begun.elapsed() < PATIENCE, "what is configured is not taken over");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn no_call_fails_while_keys_and_certificates_are_replaced() {
    let folder = tempfile::tempdir().expect("a directory can be made");
    let folder = folder.path();
    for (name, digits) in [("old.key", "11"), ("new.key", "22")] {
        std::fs::write(folder.join(name), digits.repeat(32)).expect("it can be written");
    }
    let before = certificate(folder);
    let config = configure_keys(folder, &["OLD"], &["old.key"]);
    let binary = env!("CARGO_BIN_EXE_stepwright");
    let try_start = || Server::try_start_by(binary, "127.0.0.1:0", &["--config", &config]);
    let start = || try_start().expect("the server says where it listens");
    let server = start();
    let mut load = Load {
        url: format!("https://{}/", server.address),
        key: Mutex::new(key("OLD")),
        trusted: Mutex::new(vec![before.clone()]),
        is_over: AtomicBool::default(),
        calls: Default::default(),
        failures: Mutex::default(),
        started: Mutex::default(),
    };
    let create = |name: &str, definition: &str| {
        let members = [
            ("name", name.into()),
            ("roleArn", "arn:aws:iam::123456789012:role/test".into()),
            ("definition", definition.into()),
        ];
        let made = load.call(&load.agent(), "CreateStateMachine", &object(&members));
        text(&made.expect("it is made"), "stateMachineArn")
    };
    let (machine, long) = (create("pass", PASS), create("long", LONG));
    let waiting = [("stateMachineArn", long.as_str().into())];
    let waiting = load.call(&load.agent(), "StartExecution", &object(&waiting));
    let waiting = text(&waiting.expect("it starts"), "executionArn");
    let ask = |id: &str| {
        let other = Load {
            url: load.url.clone(),
            key: Mutex::new(key(id)),
            trusted: Mutex::new(load.trusted.lock().expect("nobody panics").clone()),
            is_over: AtomicBool::default(),
            calls: Default::default(),
            failures: Mutex::default(),
            started: Mutex::default(),
        };
        other.call(&other.agent(), "ListStateMachines", &object(&[]))
    };
    std::thread::scope(|scope| {
        for number in 0..CLIENTS {
            let (load, machine) = (&load, &machine);
            scope.spawn(move || load.run(number, machine));
        }
        load.await_calls();
        // A second key beside the first one; the callers move; the first one goes.
        configure_keys(folder, &["OLD", "NEW"], &["old.key"]);
        reload(&server, || ask("NEW").is_ok());
        *load.key.lock().expect("nobody panics") = key("NEW");
        load.await_calls();
        configure_keys(folder, &["NEW"], &["old.key"]);
        reload(&server, || ask("OLD").is_err_and(|why| why.starts_with("403")));
        load.await_calls();
        // Another certificate, which callers trust before it is shown.
        let after = certificate(folder);
        *load.trusted.lock().expect("nobody panics") = vec![before.clone(), after.clone()];
        load.await_calls();
        reload(&server, || {
            let mut held = load.trusted.lock().expect("nobody panics");
            let both = std::mem::replace(&mut *held, vec![after.clone()]);
            drop(held);
            let is_shown = ask("NEW").is_ok();
            *load.trusted.lock().expect("nobody panics") = both;
            is_shown
        });
        *load.trusted.lock().expect("nobody panics") = vec![after];
        load.await_calls();
        // Another key of the store.
        configure_keys(folder, &["NEW"], &["new.key", "old.key"]);
        let names = || stepwright_store::Sqlite::key_names(&folder.join("data"));
        reload(&server, || names().is_ok_and(|names| names.len() == 2));
        load.await_calls();
        load.is_over.store(true, Ordering::Relaxed);
    });
    let failures = load.failures.lock().expect("nobody panics").clone();
    assert_eq!(failures, Vec::<String>::new());
    // Both keys of the store are needed from now on, and all that ran is there.
    assert!(server.stop(), "the server does not stop well");
    configure_keys(folder, &["NEW"], &["new.key"]);
    assert!(try_start().is_none(), "it starts without a key");
    configure_keys(folder, &["NEW"], &["new.key", "old.key"]);
    let server = start();
    load.url = format!("https://{}/", server.address);
    let agent = load.agent();
    let status = |arn: &str| {
        let about = object(&[("executionArn", arn.into())]);
        load.call(&agent, "GetExecutionHistory", &about).expect("its history is there");
        let described = load.call(&agent, "DescribeExecution", &about);
        text(&described.expect("it is there"), "status")
    };
    let started = load.started.lock().expect("nobody panics").clone();
    assert!(started.len() > 3 * CLIENTS, "{}", started.len());
    assert!(started.iter().all(|arn| status(arn) == "SUCCEEDED"));
    assert_eq!(status(&waiting), "RUNNING");
}

/// A client of several nodes, which does what the manual says: what is not answered, and what is answered with
/// an error of the server, is asked of the next node, up to eight times, with a pause that doubles.
struct Careful {
    nodes: Vec<Client>,
    next: AtomicUsize,
    again: AtomicU64,
}

impl Careful {
    fn call(&self, operation: &str, members: &[(&str, Json)]) -> Result<Json, String> {
        let mut pause = Duration::from_millis(25);
        let mut why = String::new();
        for attempt in 0..8 {
            let node = self.next.fetch_add(1, Ordering::Relaxed) % self.nodes.len();
            match self.nodes[node].call(operation, &object(members)) {
                Answer::Ok(reply) => return Ok(reply),
                // The attempt before was one that nobody answered.
                Answer::Refused(name, _) if attempt > 0 && name == "ExecutionAlreadyExists" => {
                    return Ok(object(&[]));
                }
                Answer::Refused(name, message)
                    if name != "ServiceUnavailable" && name != "InternalFailure" =>
                {
                    return Err(format!("{operation}: {name}: {message}"));
                }
                other => why = format!("{operation}: {other:?}"),
            }
            self.again.fetch_add(1, Ordering::Relaxed);
            std::thread::sleep(pause);
            pause *= 2;
        }
        Err(why)
    }
}

/// Waits until each of three nodes has shards, if not its share yet.
fn await_shares(client: &Client) {
    let begun = Instant::now();
    loop {
        let shards = shards(client);
        if shards.len() == 3 && shards.iter().all(|shards| *shards > 0) {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "{shards:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn no_execution_is_lost_while_nodes_are_replaced() {
    let Some(url) = cluster::database() else { return };
    let folder = tempfile::tempdir().expect("a directory can be made");
    let ports: Vec<u16> = (0..3).map(|_| cluster::free_port()).collect();
    // With the binary of the release before in this variable, an upgrade is tried.
    let now = env!("CARGO_BIN_EXE_stepwright").to_owned();
    let before = std::env::var("STEPWRIGHT_BEFORE").unwrap_or_else(|_| now.clone());
    let start = |binary: &str, number: usize| {
        let config = configure(number, ports[number], &url, folder.path(), "");
        Server::start_by(binary, &format!("127.0.0.1:{}", ports[number]), &["--config", &config])
    };
    let mut nodes: Vec<Server> = (0..3).map(|number| start(&before, number)).collect();
    let clients: Vec<Client> = nodes.iter().map(Server::client).collect();
    await_shares(&clients[2]);
    let careful = Careful { nodes: clients, next: AtomicUsize::new(0), again: AtomicU64::new(0) };
    let short = careful.nodes[0].create("short", "STANDARD", SHORT);
    let express = careful.nodes[1].create("express", "EXPRESS", SHORT);
    let prefix = short.replace(":stateMachine:", ":execution:");
    let is_over = AtomicBool::new(false);
    let (failures, names) = (Mutex::new(Vec::new()), Mutex::new(Vec::new()));
    let calls = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for number in 0..CLIENTS {
            let (careful, is_over, calls) = (&careful, &is_over, &calls);
            let (failures, names, short, express) = (&failures, &names, &short, &express);
            let prefix = &prefix;
            scope.spawn(move || {
                let mut count = 0;
                while !is_over.load(Ordering::Relaxed) {
                    count += 1;
                    let name = format!("{number}-{count}");
                    let arn = format!("{prefix}:{name}");
                    let start = [
                        ("stateMachineArn", short.as_str().into()),
                        ("name", name.into()),
                        ("input", "{}".into()),
                    ];
                    let about = [("executionArn", arn.as_str().into())];
                    let mut results = vec![
                        careful.call("StartExecution", &start),
                        careful.call("DescribeExecution", &about),
                        careful.call("GetExecutionHistory", &about),
                    ];
                    if number == 0 {
                        let members = [("stateMachineArn", express.as_str().into())];
                        results.push(careful.call("StartSyncExecution", &members));
                    }
                    calls.fetch_add(results.len() as u64, Ordering::Relaxed);
                    names.lock().expect("nobody panics").push(arn);
                    failures
                        .lock()
                        .expect("nobody panics")
                        .extend(results.into_iter().filter_map(Result::err));
                }
            });
        }
        for number in 0..3 {
            let enough = calls.load(Ordering::Relaxed) + 30;
            while calls.load(Ordering::Relaxed) < enough {
                std::thread::sleep(Duration::from_millis(10));
            }
            let node = nodes.remove(0);
            assert!(node.stop(), "node {number} does not stop well");
            let node = start(&now, number);
            await_shares(&careful.nodes[number]);
            nodes.push(node);
        }
        is_over.store(true, Ordering::Relaxed);
    });
    let failures = failures.into_inner().expect("nobody panics");
    let names = names.into_inner().expect("nobody panics");
    assert_eq!(failures, Vec::<String>::new(), "of {calls:?} calls");
    for arn in &names {
        let ended = careful.nodes[0].end(arn);
        assert_eq!(text(&ended, "status"), "SUCCEEDED", "{arn}");
    }
    let (calls, again) = (calls.into_inner(), careful.again.into_inner());
    println!("{} executions, {calls} calls, {again} of them made again", names.len());
    assert!(names.len() > 3 * CLIENTS, "{}", names.len());
}
