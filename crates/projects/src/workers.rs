//! `ecs:worker` tasks: a queue, and the processes that take messages from it.

use crate::container::pass_on;
use crate::listener::Listener;
use crate::project::{PYTHON, Reply, stop_failure};
use parking_lot::{Mutex, MutexGuard};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use stepwright_fluxio::Task;
use stepwright_history::{Failure, TaskCall};
use stepwright_json::{Json, Object};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

/// How often a message is handed to a worker, or a worker is started, before giving up.
const MOST_RECEIVES: u32 = 3;

/// How much time workers get to clean up.
const GRACE: Duration = Duration::from_secs(5);

/// The workers of all tasks.
#[derive(Default)]
pub(crate) struct Workers(Mutex<BTreeMap<String, Arc<Pool>>>);

impl Workers {
    /// The queue of a task and its workers. No worker is started before the first message.
    pub(crate) fn pool(
        &self,
        name: &str,
        task: &Task,
        listener: &Arc<dyn Listener>,
        environment: impl FnOnce() -> BTreeMap<String, String>,
    ) -> Arc<Pool> {
        let mut pools = self.0.lock();
        let pool = pools.entry(name.to_owned()).or_insert_with(|| {
            Arc::new(Pool {
                settings: Settings::new(name, task, environment()),
                listener: listener.clone(),
                state: Mutex::default(),
            })
        });
        pool.clone()
    }

    /// Whether no message is waiting or being handled.
    pub(crate) fn are_idle(&self) -> bool {
        let pools = self.0.lock();
        pools.values().all(|pool| {
            let state = pool.lock();
            state.waiting.is_empty() && state.processes.values().all(|one| one.busy.is_empty())
        })
    }

    /// Gives the workers time to clean up, and kills those that take too long.
    pub(crate) fn shut_down(&self) {
        let pools = std::mem::take(&mut *self.0.lock());
        for pool in pools.values() {
            pool.shut_down();
        }
    }
}

#[derive(Debug)]
struct Settings {
    name: String,
    environment: BTreeMap<String, String>,
    /// The number of messages that one process handles at a time.
    concurrency: usize,
    /// The number of processes that are started with the first message.
    least: usize,
    most: usize,
    heartbeat: Option<Duration>,
}

impl Settings {
    fn new(name: &str, task: &Task, mut environment: BTreeMap<String, String>) -> Self {
        let number = |key: &str| task.attributes.get(key).and_then(Json::as_i64).filter(|n| *n > 0);
        let heartbeat = number("heartbeat_interval");
        let spec = task.attributes.get("spec").and_then(Json::as_str).unwrap_or_default();
        environment.insert("STEPWRIGHT_SPEC".to_owned(), spec.to_owned());
        environment.insert(
            "STEPWRIGHT_HEARTBEAT".to_owned(),
            heartbeat.map_or_else(String::new, |seconds| seconds.to_string()),
        );
        let least = number("autoscaling_min").unwrap_or(1) as usize;
        Self {
            name: name.to_owned(),
            environment,
            concurrency: number("concurrency").unwrap_or(1) as usize,
            least,
            most: least.max(number("autoscaling_max").unwrap_or(1) as usize),
            heartbeat: heartbeat.map(|seconds| Duration::from_secs(seconds as u64)),
        }
    }
}

/// The queue of one task and its workers.
pub(crate) struct Pool {
    settings: Settings,
    listener: Arc<dyn Listener>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Entry>,
    processes: BTreeMap<u64, Process>,
    next: u64,
    /// The number of workers in a row that ended before they were ready.
    failed_starts: u32,
    is_over: bool,
}

/// A message in the queue, or one that a worker has.
#[derive(Clone, Debug)]
struct Entry {
    id: u64,
    line: Arc<str>,
    receives: u32,
    events: UnboundedSender<Event>,
}

#[derive(Debug)]
struct Process {
    child: Child,
    stdin: Option<ChildStdin>,
    is_ready: bool,
    busy: BTreeMap<u64, Entry>,
    /// Messages that were taken away from this worker, although it may still be busy with them.
    lost: BTreeSet<u64>,
}

impl Process {
    fn load(&self) -> usize {
        self.busy.len() + self.lost.len()
    }
}

/// What happens to a message.
#[derive(Debug)]
enum Event {
    Received,
    Heartbeat,
    Over(Reply),
}

/// A message to be sent.
pub(crate) struct Message {
    pool: Arc<Pool>,
    body: Json,
    meta: Json,
}

impl Message {
    /// A message with a body and the attributes that go with it.
    pub(crate) fn new(pool: Arc<Pool>, body: Json, meta: Json) -> Self {
        Self { pool, body, meta }
    }

    /// The message that a state sends.
    pub(crate) fn of(pool: Arc<Pool>, call: &TaskCall) -> Self {
        let body = call.parameters.get("MessageBody").and_then(|body| body.get("Input"));
        let attributes = call.parameters.get("MessageAttributes").and_then(Json::as_object);
        let meta = attributes.into_iter().flat_map(Object::iter).map(|(name, value)| {
            let value = value.get("StringValue").cloned().unwrap_or_default();
            (name.to_lowercase(), value)
        });
        let meta = meta.collect::<Object>().into();
        Self::new(pool, body.cloned().unwrap_or_default(), meta)
    }

    /// The parts from which it can be sent again: the name of the task, the body, and the
    /// attributes.
    pub(crate) fn parts(&self) -> (&str, &Json, &Json) {
        (&self.pool.settings.name, &self.body, &self.meta)
    }

    /// Sends it and waits until a worker has handled it.
    ///
    /// If a worker sends no heartbeat for two intervals, its message is handed to another worker.
    pub(crate) async fn handled(&self) -> Reply {
        let (sender, mut events) = mpsc::unbounded_channel();
        let id = self.pool.send(&self.body, &self.meta, sender);
        let patience = self.pool.settings.heartbeat.map(|interval| interval * 2);
        let mut is_with_worker = false;
        loop {
            let event = match patience.filter(|_| is_with_worker) {
                None => events.recv().await,
                Some(patience) => match next_within(patience, &mut events).await {
                    Ok(event) => event,
                    Err(_) => {
                        is_with_worker = false;
                        self.pool.take_back(id);
                        continue;
                    }
                },
            };
            match event {
                Some(Event::Received | Event::Heartbeat) => is_with_worker = true,
                Some(Event::Over(reply)) => return reply,
                None => return lost(&self.pool.settings.name),
            }
        }
    }
}

async fn next_within(
    patience: Duration,
    events: &mut UnboundedReceiver<Event>,
) -> Result<Option<Event>, tokio::time::error::Elapsed> {
    tokio::time::timeout(patience, events.recv()).await
}

fn lost(name: &str) -> Reply {
    Reply::Failed(Failure::new("States.TaskFailed", format!("the queue of `{name}` is gone")))
}

impl Pool {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    fn send(self: &Arc<Self>, body: &Json, meta: &Json, events: UnboundedSender<Event>) -> u64 {
        let mut state = self.lock();
        let id = state.next;
        state.next += 1;
        let mut message = Object::new();
        message.insert("id", Json::Int(id as i64));
        message.insert("body", body.clone());
        message.insert("meta", meta.clone());
        let line = format!("{}\n", Json::from(message));
        state.waiting.push_back(Entry { id, line: line.into(), receives: 0, events });
        self.dispatch(&mut state);
        id
    }

    /// Hands waiting messages to workers, and starts workers if there are too few.
    fn dispatch(self: &Arc<Self>, state: &mut State) {
        while !state.waiting.is_empty() && !state.is_over {
            let room = |process: &Process| process.load() < self.settings.concurrency;
            let has_room = state.processes.values().any(room);
            let is_short = state.processes.len() < self.settings.least;
            if (is_short || !has_room)
                && state.processes.len() < self.settings.most
                && let Err(error) = self.start(state)
            {
                let cause = format!(
                    "the worker of `{}` cannot be started with {PYTHON}: {error}",
                    self.settings.name
                );
                for entry in state.waiting.drain(..) {
                    let failure = Failure::new("ECS.AmazonECSException", cause.clone());
                    entry.events.send(Event::Over(Reply::Failed(failure))).ok();
                }
                return;
            }
            if is_short {
                continue;
            }
            // The worker with the fewest messages.
            let processes = state.processes.values_mut();
            let free = processes.filter(|process| process.is_ready && room(process));
            let Some(process) = free.min_by_key(|process| process.load()) else { return };
            let Some(mut entry) = state.waiting.pop_front() else { return };
            entry.receives += 1;
            // If the worker is gone, the thread that reads its answers notices.
            if let Some(stdin) = &mut process.stdin {
                stdin.write_all(entry.line.as_bytes()).and_then(|()| stdin.flush()).ok();
            }
            entry.events.send(Event::Received).ok();
            process.busy.insert(entry.id, entry);
        }
    }

    fn start(self: &Arc<Self>, state: &mut State) -> std::io::Result<()> {
        let mut child = Command::new(PYTHON)
            .args(["-m", "stepwright_fluxio.worker"])
            .envs(&self.settings.environment)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let number = state.next;
        state.next += 1;
        if let Some(stderr) = child.stderr.take() {
            pass_on(stderr, self.listener.clone());
        }
        let stdin = child.stdin.take();
        if let Some(stdout) = child.stdout.take() {
            let pool = self.clone();
            std::thread::spawn(move || pool.listen(number, stdout));
        }
        let process =
            Process { child, stdin, is_ready: false, busy: BTreeMap::new(), lost: BTreeSet::new() };
        state.processes.insert(number, process);
        Ok(())
    }

    /// Reads the answers of a worker until it has ended.
    fn listen(self: &Arc<Self>, number: u64, stdout: ChildStdout) {
        for line in BufReader::new(stdout).lines() {
            let Ok(line) = line else { break };
            let Ok(answer) = stepwright_json::parse(&line) else { continue };
            self.answered(number, &answer);
        }
        let mut state = self.lock();
        let Some(mut process) = state.processes.remove(&number) else { return };
        let status = process.child.wait();
        let how = status.map_or_else(|error| error.to_string(), |status| status.to_string());
        for (_, entry) in process.busy {
            if entry.receives < MOST_RECEIVES && !state.is_over {
                state.waiting.push_back(entry);
                continue;
            }
            let cause = format!(
                "the worker of `{}` ended ({how}) with the message, for the {}. time",
                self.settings.name, entry.receives
            );
            let failure = Failure::new("States.TaskFailed", cause);
            entry.events.send(Event::Over(Reply::Failed(failure))).ok();
        }
        if !process.is_ready {
            state.failed_starts += 1;
            if state.failed_starts >= MOST_RECEIVES {
                state.failed_starts = 0;
                let cause = format!(
                    "the worker of `{}` ended ({how}) before it was ready, {MOST_RECEIVES} times",
                    self.settings.name
                );
                for entry in state.waiting.drain(..) {
                    let failure = Failure::new("States.TaskFailed", cause.clone());
                    entry.events.send(Event::Over(Reply::Failed(failure))).ok();
                }
            }
        }
        self.dispatch(&mut state);
    }

    fn answered(self: &Arc<Self>, number: u64, answer: &Json) {
        let mut state = self.lock();
        if answer.get("ready").is_some() {
            state.failed_starts = 0;
            if let Some(process) = state.processes.get_mut(&number) {
                process.is_ready = true;
            }
            self.dispatch(&mut state);
            return;
        }
        let Some(id) = answer.get("id").and_then(Json::as_i64) else { return };
        let id = id as u64;
        let Some(process) = state.processes.get_mut(&number) else { return };
        if answer.get("heartbeat").is_some() {
            if let Some(entry) = process.busy.get(&id) {
                entry.events.send(Event::Heartbeat).ok();
            }
            return;
        }
        // A message that was taken away now belongs to another worker.
        process.lost.remove(&id);
        if let Some(entry) = process.busy.remove(&id) {
            let part = |name: &str| answer.get(name).and_then(Json::as_str).unwrap_or_default();
            let reply = match (answer.get("output"), answer.get("stop")) {
                (Some(output), _) => Reply::Output(output.clone()),
                (None, Some(stop)) => Reply::Stopped(stop_failure(stop)),
                (None, None) => Reply::Failed(Failure::new(part("error"), part("cause"))),
            };
            entry.events.send(Event::Over(reply)).ok();
        }
        self.dispatch(&mut state);
    }

    /// Takes a message away from its worker and puts it back in the queue.
    fn take_back(self: &Arc<Self>, id: u64) {
        let mut state = self.lock();
        let entry = state.processes.values_mut().find_map(|process| {
            let entry = process.busy.remove(&id)?;
            process.lost.insert(id);
            Some(entry)
        });
        let Some(entry) = entry else { return };
        if entry.receives < MOST_RECEIVES {
            state.waiting.push_back(entry);
            self.dispatch(&mut state);
            return;
        }
        let cause = format!(
            "the worker of `{}` sent no heartbeat, for the {}. time",
            self.settings.name, entry.receives
        );
        let failure = Failure::new("States.TaskFailed", cause);
        entry.events.send(Event::Over(Reply::Failed(failure))).ok();
    }

    fn shut_down(&self) {
        let mut processes = {
            let mut state = self.lock();
            state.is_over = true;
            state.waiting.clear();
            std::mem::take(&mut state.processes)
        };
        for process in processes.values_mut() {
            // When its input ends, a worker cleans up and ends.
            process.stdin = None;
        }
        let end = Instant::now() + GRACE;
        for process in processes.values_mut() {
            while matches!(process.child.try_wait(), Ok(None)) && Instant::now() < end {
                std::thread::sleep(Duration::from_millis(10));
            }
            process.child.kill().ok();
            process.child.wait().ok();
        }
    }
}
