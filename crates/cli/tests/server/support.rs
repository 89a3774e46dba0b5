//! A server that runs as a process of its own, and a client for it.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;
use stepwright_json::{Json, Object};

/// A server that is stopped when dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: String,
}

impl Server {
    /// Starts a server on a free port and waits until it accepts requests.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::try_start(arguments).expect("the server says where it listens")
    }

    /// Starts a server whose files cannot grow beyond this many kilobytes.
    pub(crate) fn start_limited(arguments: &[&str], kilobytes: u32) -> Self {
        let mut shell = Command::new("bash");
        // SIGXFSZ would end the process. If it is ignored, writes fail as on a full disk.
        let script = format!("trap '' XFSZ; ulimit -f {kilobytes}; exec \"$0\" \"$@\"");
        shell.args(["-c", &script, env!("CARGO_BIN_EXE_stepwright")]);
        Self::spawn(shell, arguments).expect("the server says where it listens")
    }

    /// Starts a server with a command that has an environment.
    pub(crate) fn start_with(command: Command, arguments: &[&str]) -> Self {
        Self::spawn(command, arguments).expect("the server says where it listens")
    }

    /// Starts a server whose address space is this many kilobytes.
    pub(crate) fn start_bounded(arguments: &[&str], kilobytes: u32) -> Self {
        let mut shell = Command::new("bash");
        let script = format!("ulimit -v {kilobytes}; exec \"$0\" \"$@\"");
        // Another build may be tried: what is said of time and memory is said of an optimised one.
        let binary = std::env::var("STEPWRIGHT_BINARY");
        let binary = binary.unwrap_or_else(|_| env!("CARGO_BIN_EXE_stepwright").to_owned());
        shell.args(["-c", &script, &binary]);
        Self::spawn(shell, arguments).expect("the server says where it listens")
    }

    /// Starts a server at a given address.
    pub(crate) fn start_at(listen: &str, arguments: &[&str]) -> Self {
        Self::start_by(env!("CARGO_BIN_EXE_stepwright"), listen, arguments)
    }

    /// The same with another binary.
    pub(crate) fn start_by(binary: &str, listen: &str, arguments: &[&str]) -> Self {
        let started = Self::try_start_by(binary, listen, arguments);
        started.expect("the server says where it listens")
    }

    /// The same of a server that may refuse to start.
    pub(crate) fn try_start_by(binary: &str, listen: &str, arguments: &[&str]) -> Option<Self> {
        let mut command = Command::new(binary);
        command.args(["serve", "--listen", listen]).args(arguments);
        Some(Self::begin(command)?.0)
    }

    /// The number of the server's process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Starts a server that may refuse to start.
    pub(crate) fn try_start(arguments: &[&str]) -> Option<Self> {
        Self::spawn(Command::new(env!("CARGO_BIN_EXE_stepwright")), arguments)
    }

    /// Starts `stepwright dev`. Returns the server and the lines that it prints. Its temporary
    /// files are in `tmp`.
    pub(crate) fn dev(arguments: &[&str], folder: &Path) -> (Self, Receiver<String>) {
        Self::dev_with(&[], arguments, folder)
    }

    /// The same with variables of its environment.
    pub(crate) fn dev_with(
        variables: &[(&str, &std::ffi::OsStr)],
        arguments: &[&str],
        folder: &Path,
    ) -> (Self, Receiver<String>) {
        Self::dev_at("127.0.0.1:0", variables, arguments, folder)
    }

    /// The same at an address.
    pub(crate) fn dev_at(
        listen: &str,
        variables: &[(&str, &std::ffi::OsStr)],
        arguments: &[&str],
        folder: &Path,
    ) -> (Self, Receiver<String>) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stepwright"));
        command.envs(variables.iter().copied());
        command.args(["dev", "--listen", listen]).args(arguments).current_dir(folder);
        command.env("TMPDIR", folder.join("tmp"));
        let (server, printed) = Self::begin(command).expect("the server says where it listens");
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            // A test that has seen enough does not read any more.
            printed.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)).ok();
        });
        (server, lines)
    }

    fn spawn(mut command: Command, arguments: &[&str]) -> Option<Self> {
        command.args(["serve", "--listen", "127.0.0.1:0"]);
        match on_postgres(arguments) {
            Some(arguments) => command.args(arguments),
            None => command.args(arguments),
        };
        Some(Self::begin(command)?.0)
    }

    fn begin(mut command: Command) -> Option<(Self, BufReader<ChildStdout>)> {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the binary runs");
        let mut line = String::new();
        let mut printed = BufReader::new(child.stdout.take().expect("it was asked for"));
        printed.read_line(&mut line).expect("it prints text");
        let address = line.split("://").nth(1).and_then(|rest| rest.split(',').next());
        let Some(address) = address else {
            child.wait().expect("it has ended");
            return None;
        };
        Some((Self { child, address: address.to_owned() }, printed))
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(&self.address)
    }

    /// The largest resident memory that the server has had, in bytes.
    pub(crate) fn most_memory(&self) -> u64 {
        let path = format!("/proc/{}/status", self.child.id());
        let text = std::fs::read_to_string(path).expect("it runs");
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = line.and_then(|line| line.split_ascii_whitespace().next()?.parse().ok());
        1_024 * kilobytes.unwrap_or(0_u64)
    }

    /// Kills the server with `kill -9`.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it has ended");
    }

    /// Stops the server with SIGTERM and waits for its end. Returns whether it succeeded.
    pub(crate) fn stop(mut self) -> bool {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &id]).status().expect("kill runs");
        assert!(sent.success(), "SIGTERM could not be sent");
        self.child.wait().expect("it ends").success()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// The arguments of a server that keeps in a database what it would keep in a directory or in memory:
/// with `STEPWRIGHT_TEST_STORE=postgres`, the tests of the server are tests of that store. A directory
/// that is used again is the same database again.
fn on_postgres(arguments: &[&str]) -> Option<Vec<String>> {
    if std::env::var("STEPWRIGHT_TEST_STORE").ok()? != "postgres" {
        return None;
    }
    let mut arguments: Vec<String> =
        arguments.iter().filter(|one| **one != "--memory").map(|one| (*one).to_owned()).collect();
    let data = arguments.iter().position(|one| one == "--data").map(|at| arguments[at + 1].clone());
    let folder = data.unwrap_or_else(|| {
        let folder = tempfile::tempdir().expect("a directory can be made").keep();
        let folder = folder.to_str().expect("it is text").to_owned();
        arguments.extend(["--data".to_owned(), folder.clone()]);
        folder
    });
    arguments.extend(["--store".to_owned(), database(&folder)]);
    Some(arguments)
}

/// The database in place of a directory.
fn database(folder: &str) -> String {
    static DATABASES: Mutex<BTreeMap<String, String>> = Mutex::new(BTreeMap::new());
    let new = || crate::cluster::database().expect("PostgreSQL is there if it is asked for");
    let mut databases = DATABASES.lock().expect("nobody panics");
    databases.entry(folder.to_owned()).or_insert_with(new).clone()
}

/// A client of the API.
#[derive(Clone)]
pub(crate) struct Client {
    agent: ureq::Agent,
    url: String,
}

/// The result of a call.
#[derive(Debug)]
pub(crate) enum Answer {
    Ok(Json),
    /// An error, with its name and message.
    Refused(String, String),
    /// No answer came.
    Lost,
}

impl Client {
    pub(crate) fn new(address: &str) -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(90)))
            .build();
        Self { agent: config.into(), url: format!("http://{address}/") }
    }

    /// A client that does not wait longer for an answer.
    pub(crate) fn briefly(&self, time: Duration) -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(time))
            .build();
        Self { agent: config.into(), url: self.url.clone() }
    }

    /// How long the answer to `/health` takes on a new connection; `None` if there is none.
    pub(crate) fn health(&self) -> Option<Duration> {
        let begun = std::time::Instant::now();
        let agent = self.briefly(Duration::from_secs(60)).agent;
        let mut response = agent.get(format!("{}health", self.url)).call().ok()?;
        response.body_mut().read_to_string().ok()?;
        Some(begun.elapsed())
    }

    /// What one of the pages for operators says.
    pub(crate) fn get(&self, page: &str) -> Json {
        stepwright_json::parse(&self.page(page)).expect("it is JSON")
    }

    /// A page, as text.
    pub(crate) fn page(&self, page: &str) -> String {
        let mut response =
            self.agent.get(format!("{}{page}", self.url)).call().expect("it answers");
        response.body_mut().read_to_string().expect("it is text")
    }

    /// The status of the answer to a body that is posted.
    pub(crate) fn post_status(&self, page: &str, body: &str) -> u16 {
        let url = format!("{}{page}", self.url);
        self.agent.post(url).send(body.as_bytes()).expect("it answers").status().as_u16()
    }

    pub(crate) fn call(&self, operation: &str, body: &Json) -> Answer {
        self.send(operation, body.to_string().as_bytes())
    }

    pub(crate) fn send(&self, operation: &str, body: &[u8]) -> Answer {
        let sent = self
            .agent
            .post(&self.url)
            .header("content-type", "application/x-amz-json-1.0")
            .header("x-amz-target", format!("AWSStepFunctions.{operation}"))
            .send(body);
        Self::read(sent)
    }

    /// Calls an operation of another service than Step Functions.
    pub(crate) fn service(&self, target: &str, body: &Json) -> Answer {
        let sent = self
            .agent
            .post(&self.url)
            .header("content-type", "application/x-amz-json-1.0")
            .header("x-amz-target", target)
            .send(body.to_string().as_bytes());
        Self::read(sent)
    }

    /// Calls an operation of the server's own, which has a path.
    pub(crate) fn own(&self, path: &str, body: &Json) -> Answer {
        let url = format!("{}{path}", self.url.trim_end_matches('/'));
        Self::read(self.agent.post(&url).send(body.to_string().as_bytes()))
    }

    fn read(sent: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Answer {
        let Ok(mut response) = sent else { return Answer::Lost };
        let Ok(text) = response.body_mut().read_to_string() else { return Answer::Lost };
        // Some operations of services answer nothing.
        let text = if text.is_empty() { "{}" } else { &text };
        let Ok(reply) = stepwright_json::parse(text) else { return Answer::Lost };
        if response.status().is_success() {
            return Answer::Ok(reply);
        }
        let field =
            |key: &str| reply.get(key).and_then(Json::as_str).unwrap_or_default().to_owned();
        Answer::Refused(field("__type"), field("message"))
    }

    /// Makes a call that must succeed.
    pub(crate) fn ok(&self, operation: &str, members: &[(&str, Json)]) -> Json {
        match self.call(operation, &object(members)) {
            Answer::Ok(reply) => reply,
            other => panic!("{operation}: {other:?}"),
        }
    }

    /// Makes a call that must be refused. Returns the error.
    pub(crate) fn refused(&self, operation: &str, members: &[(&str, Json)]) -> (String, String) {
        match self.call(operation, &object(members)) {
            Answer::Refused(name, message) => (name, message),
            other => panic!("{operation}: {other:?}"),
        }
    }

    pub(crate) fn create(&self, name: &str, kind: &str, definition: &str) -> String {
        let reply = self.ok(
            "CreateStateMachine",
            &[
                ("name", name.into()),
                ("type", kind.into()),
                ("roleArn", "arn:aws:iam::123456789012:role/test".into()),
                ("definition", definition.into()),
            ],
        );
        text(&reply, "stateMachineArn")
    }

    pub(crate) fn start(&self, machine: &str, input: &str) -> String {
        let members = [("stateMachineArn", machine.into()), ("input", input.into())];
        text(&self.ok("StartExecution", &members), "executionArn")
    }

    /// Waits for the end of an execution. Returns its description.
    pub(crate) fn end(&self, execution: &str) -> Json {
        for _ in 0..2_400 {
            let described = self.ok("DescribeExecution", &[("executionArn", execution.into())]);
            if text(&described, "status") != "RUNNING" {
                return described;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("{execution} does not end");
    }
}

pub(crate) fn object(members: &[(&str, Json)]) -> Json {
    members.iter().map(|(key, value)| (*key, value.clone())).collect::<Object>().into()
}

pub(crate) fn text(reply: &Json, key: &str) -> String {
    let value = reply.get(key).and_then(Json::as_str);
    value.unwrap_or_else(|| panic!("no {key} in {reply}")).to_owned()
}

/// Runs another command of the binary to its end. Returns whether it succeeded, and what it
/// printed.
pub(crate) fn command(arguments: &[&str], folder: &Path) -> (bool, String) {
    let mut arguments: Vec<String> = arguments.iter().map(|one| (*one).to_owned()).collect();
    if let [command, option, data] = &mut arguments[..]
        && (command.as_str(), option.as_str()) == ("doctor", "--data")
        && std::env::var("STEPWRIGHT_TEST_STORE").is_ok_and(|store| store == "postgres")
    {
        (*option, *data) = ("--store".to_owned(), database(data));
    }
    let output = Command::new(env!("CARGO_BIN_EXE_stepwright"))
        .args(arguments)
        .current_dir(folder)
        .output()
        .expect("the binary runs");
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

/// Writes a file, and makes its folder.
pub(crate) fn write(path: &Path, content: &str) {
    std::fs::create_dir_all(path.parent().expect("it is in a folder")).expect("it can be made");
    std::fs::write(path, content).expect("a file can be written");
}

/// Waits for a line that contains these words, and returns it.
#[track_caller]
pub(crate) fn await_line(lines: &Receiver<String>, words: &[&str]) -> String {
    let mut seen = Vec::new();
    while let Ok(line) = lines.recv_timeout(Duration::from_secs(30)) {
        if words.iter().all(|word| line.contains(word)) {
            return line;
        }
        seen.push(line);
    }
    panic!("no line has {words:?}: {seen:#?}");
}

/// Waits until there is a file, and returns what is in it.
#[track_caller]
pub(crate) fn await_file(path: &Path) -> String {
    for _ in 0..1_200 {
        if let Ok(text) = std::fs::read_to_string(path) {
            return text;
        }
        std::thread::sleep(Duration::from_millis(25));
    }
    panic!("there is no {}", path.display());
}
