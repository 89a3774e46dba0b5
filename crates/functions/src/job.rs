//! Processes that run once, to their end: the jobs and tasks of the local services.

use crate::Functions;
use crate::logs::{LogSink, ProcessLog};
use crate::process::{Environment, KillOnDrop, command, find_program, pipes};
use crate::tree::{MOST_MEMBERS, Tree};
use parking_lot::Mutex;
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;
use tokio::sync::oneshot::Receiver;
use tokio::time::{MissedTickBehavior, interval, sleep};

/// How often the processes are counted, and their memory is checked.
const INTERVAL: Duration = Duration::from_millis(100);

/// How long one waits for a command that cleans up.
const LONGEST_CLEAN_UP: Duration = Duration::from_secs(30);

/// How long one waits for processes to end by themselves whose server has ended.
const LONGEST_LEFTOVER: Duration = Duration::from_secs(5);

/// A process that runs once.
#[derive(Clone, Debug, Default)]
pub struct Process {
    /// Its name in the log.
    pub name: String,
    /// The program and its arguments.
    pub line: Vec<String>,
    /// The folder that it starts in, relative to the project's.
    pub folder: Option<PathBuf>,
    /// Its environment, beside what functions get too.
    pub environment: BTreeMap<String, String>,
    /// The memory that it and those that it starts may use, in MiB.
    pub memory: Option<u64>,
    /// The file that gets what it prints, as far as there is room.
    pub log: Option<PathBuf>,
    /// How long it has to end after it was asked to.
    pub grace: Duration,
    /// A command that ends what the process leaves behind when it is killed, such as a container that
    /// another program runs for it; empty if nothing.
    pub clean_up: Vec<String>,
}

/// Runs a command that ends what a process has left behind. That it fails may mean that there is
/// nothing.
pub async fn clean_up(line: &[String]) {
    let Some((program, arguments)) = line.split_first() else { return };
    let ended = tokio::process::Command::new(program).args(arguments).output();
    match tokio::time::timeout(LONGEST_CLEAN_UP, ended).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => tracing::warn!(program, %error, "a container may be left behind"),
        Err(_) => tracing::warn!(program, "it takes long to end a container"),
    }
}

/// Cleans up when a process is no longer waited for.
struct CleanUp(Vec<String>);

impl Drop for CleanUp {
    fn drop(&mut self) {
        if let Some((program, arguments)) = self.0.split_first() {
            let mut command = std::process::Command::new(program);
            command
                .args(arguments)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null());
            // Nobody waits for it: this may be the end of the server.
            drop(command.spawn());
        }
    }
}

/// How a process ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ended {
    /// Its exit code, or 128 and the number of the signal; none if it did not start.
    pub code: Option<i32>,
    /// Why it did not start, or was killed.
    pub reason: Option<String>,
}

impl Functions {
    /// Runs a process to its end, and ends whatever it leaves behind. It is asked to end, and then
    /// killed, when `stop` says so; it is killed when the future is dropped.
    pub async fn run_process(&self, process: Process, stop: Receiver<()>) -> Ended {
        self.run_once(process, stop).await.unwrap_or_else(|error| Ended {
            code: None,
            reason: Some(format!("CannotStartContainerError: {error}")),
        })
    }

    async fn run_once(&self, process: Process, stop: Receiver<()>) -> io::Result<Ended> {
        let (folder, place, offered, sink) = self.surroundings();
        let folder = process.folder.map_or_else(|| folder.clone(), |own| folder.join(own));
        let mut set = BTreeMap::from([
            ("AWS_REGION".to_owned(), place.region.clone()),
            ("AWS_DEFAULT_REGION".to_owned(), place.region),
        ]);
        set.extend(process.environment);
        let environment = Environment { set, offered, ..Environment::default() };
        let line: Vec<OsString> = process.line.iter().map(OsString::from).collect();
        let program = line.first().ok_or_else(|| io::Error::other("there is no command"))?;
        find_program(program, &folder, &environment)
            .map_err(|error| io::Error::other(format!("`{}`: {error}", program.display())))?;
        let sink = match &process.log {
            Some(path) => written(path, sink)?,
            None => sink,
        };
        let (mut command, is_guarded) = command(&line, &folder, &environment);
        let mut child = command.stdin(Stdio::null()).spawn()?;
        let tree = Tree::of(&child, is_guarded);
        let tree = KillOnDrop(tree.ok_or_else(|| io::Error::other("it ended at once"))?);
        let log = ProcessLog::new(process.name.into(), sink, pipes(&mut child)?);
        let killed = Mutex::new(None);
        let mut left = CleanUp(process.clean_up);
        let status = tokio::select! {
            status = child.wait() => status?,
            () = follow(&log) => unreachable!("it waits for ever"),
            () = stopping(tree.0, stop, process.grace) => unreachable!("it waits for ever"),
            () = watch(tree.0, process.memory, &killed) => unreachable!("it waits for ever"),
        };
        // Nothing that it started goes on without it.
        tree.0.signal(Signal::KILL);
        let line = std::mem::take(&mut left.0);
        if status.signal().is_some() {
            clean_up(&line).await;
        }
        log.end(None);
        let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
        Ok(Ended { code, reason: killed.into_inner() })
    }

    /// Ends the processes that have this in their environment, and that a server which is gone has
    /// started. Their guardians end them, so one waits for that first.
    pub async fn end_leftovers(&self, mark: &str) {
        let begin = std::time::Instant::now();
        loop {
            let found = marked(mark);
            if found.is_empty() {
                return;
            }
            if begin.elapsed() > LONGEST_LEFTOVER {
                for process in found {
                    // It may have ended meanwhile.
                    let _ = rustix::process::kill_process(process, Signal::KILL);
                }
            }
            sleep(Duration::from_millis(20)).await;
        }
    }
}

/// The running processes that have a variable with this value in their environment.
fn marked(mark: &str) -> Vec<rustix::process::Pid> {
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let has_mark = |path: PathBuf| {
        let environment = std::fs::read(path.join("environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|one| one == mark.as_bytes())
    };
    processes
        .filter_map(|entry| {
            let id = entry.file_name().to_str()?.parse().ok()?;
            has_mark(entry.path()).then(|| rustix::process::Pid::from_raw(id))?
        })
        .collect()
}

/// A sink that writes into a file too.
fn written(path: &std::path::Path, sink: LogSink) -> io::Result<LogSink> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let file = Mutex::new(File::create(path)?);
    Ok(LogSink::new(move |line| {
        // A full disk is no reason to end a job.
        drop(writeln!(file.lock(), "{}", line.text));
        sink.line(line);
    }))
}

async fn follow(log: &ProcessLog) {
    tokio::join!(log.follow(0), log.follow(1));
    std::future::pending::<()>().await;
}

async fn stopping(tree: Tree, stop: Receiver<()>, grace: Duration) {
    if stop.await.is_ok() {
        tree.signal(Signal::TERM);
        sleep(grace).await;
        tree.signal(Signal::KILL);
    }
    std::future::pending::<()>().await;
}

/// Kills the processes when they use too much memory, or are too many.
async fn watch(tree: Tree, memory: Option<u64>, killed: &Mutex<Option<String>>) {
    let mut ticks = interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let members = tree.members();
        let reason = if members.len() > MOST_MEMBERS {
            Some(format!("TooManyProcesses: more than {MOST_MEMBERS} processes were started"))
        } else {
            let most = memory.map(|memory| memory.saturating_mul(1 << 20));
            let resident = most.and_then(|_| Tree::resident(&members));
            let is_too_much = resident.zip(most).is_some_and(|(resident, most)| resident > most);
            is_too_much.then(|| "OutOfMemoryError: Container killed due to memory usage".to_owned())
        };
        if let Some(reason) = reason {
            *killed.lock() = Some(reason);
            tree.signal(Signal::KILL);
        }
    }
}
