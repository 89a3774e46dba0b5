//! Tasks on ECS: each is a process.

use crate::folder::Folder;
use crate::listener::Listener;
use crate::project::{PYTHON, Reply, stop_failure};
use parking_lot::{Mutex, MutexGuard};
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use stepwright_history::{Failure, TaskCall};
use stepwright_json::{Json, Object};

/// The exit code of a task that stopped the whole execution; see `ecs.py`.
const STOPPED: i32 = 3;

/// The largest size of a task's overrides, in characters of JSON. The input of a task is in them.
const MOST_OVERRIDES: usize = 8192;

/// How often a process is checked for its end.
const INTERVAL: Duration = Duration::from_millis(10);

/// The processes that are running.
#[derive(Clone, Debug, Default)]
pub(crate) struct Running(Arc<Mutex<BTreeMap<u64, Child>>>);

impl Running {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Child>> {
        self.0.lock()
    }

    /// Whether no process is running.
    pub(crate) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// Ends a process, if it is running.
    pub(crate) fn end(&self, number: u64) {
        let child = self.lock().remove(&number);
        if let Some(mut child) = child {
            // The process may have ended by itself.
            child.kill().ok();
            child.wait().ok();
        }
    }

    pub(crate) fn shut_down(&self) {
        let mut children = self.lock();
        for (_, mut child) in std::mem::take(&mut *children) {
            // The process may have ended by itself.
            child.kill().ok();
            child.wait().ok();
        }
    }
}

/// A task to run.
pub(crate) struct Container {
    name: String,
    environment: BTreeMap<String, String>,
    answer: PathBuf,
    number: u64,
    running: Running,
    /// The size of the overrides, in characters.
    overrides: usize,
    /// How long the state waits for the task.
    limit: Option<Duration>,
    listener: Arc<dyn Listener>,
}

/// How a process ended.
enum End {
    /// The process exited with this code; `None` if a signal ended it.
    Exited(Option<i32>),
    /// The process was stopped, because nobody waited for it any more.
    TimedOut,
}

impl Container {
    /// Creates the task that a state runs, with the environment overrides of the state.
    pub(crate) fn new(
        name: &str,
        call: &TaskCall,
        mut environment: BTreeMap<String, String>,
        folder: &Folder,
        running: &Running,
        listener: Arc<dyn Listener>,
    ) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let overrides = call.parameters.get("Overrides");
        let containers = overrides.and_then(|overrides| overrides.get("ContainerOverrides"));
        let variables = containers.and_then(|containers| containers.at(0)?.get("Environment"));
        for variable in variables.and_then(Json::as_array).into_iter().flat_map(|all| all.iter()) {
            let part = |key: &str| variable.get(key).and_then(Json::as_str);
            if let (Some(name), Some(value)) = (part("Name"), part("Value")) {
                environment.insert(name.to_owned(), value.to_owned());
            }
        }
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let answer = folder.answer(number);
        environment.insert("STEPWRIGHT_ANSWER".to_owned(), answer.display().to_string());
        let seconds = call.timeout_seconds.and_then(|seconds| u64::try_from(seconds).ok());
        Self {
            name: name.to_owned(),
            environment,
            answer,
            number,
            overrides: overrides.map_or(0, |overrides| overrides.to_string().chars().count()),
            running: running.clone(),
            limit: seconds.map(Duration::from_secs),
            listener,
        }
    }

    /// The task's name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The failure with which ECS refuses the task: its input must fit into the overrides.
    pub(crate) fn refusal(&self) -> Option<Failure> {
        let Self { name, overrides, .. } = self;
        (*overrides > MOST_OVERRIDES).then(|| {
            let cause = format!(
                "Container Overrides length must be at most {MOST_OVERRIDES}: with its input, `{name}` \
                 has {overrides}. Put large data into the state data (Service: AmazonECS; Status Code: \
                 400; Error Code: InvalidParameterException)"
            );
            Failure::new("ECS.InvalidParameterException", cause)
        })
    }

    /// Its number among the running processes, and those processes.
    pub(crate) fn place(&self) -> (u64, Running) {
        (self.number, self.running.clone())
    }

    /// Runs the task and waits for its end.
    pub(crate) fn run(&self) -> Reply {
        let code = match self.wait() {
            Ok(End::Exited(code)) => code,
            Ok(End::TimedOut) => return Reply::Failed(Failure::new("States.Timeout", "")),
            Err(error) => {
                let cause =
                    format!("the task `{}` cannot be run with {PYTHON}: {error}", self.name);
                return Reply::Failed(Failure::new("ECS.AmazonECSException", cause));
            }
        };
        let answer = std::fs::read_to_string(&self.answer).unwrap_or_default();
        let answer = stepwright_json::parse(&answer).unwrap_or_default();
        if code == Some(STOPPED) {
            return Reply::Stopped(stop_failure(&answer));
        }
        let described = self.description(code, &answer);
        if code == Some(0) {
            return Reply::Output(described);
        }
        Reply::Failed(Failure::new("States.TaskFailed", described.to_string()))
    }

    fn wait(&self) -> std::io::Result<End> {
        let start = Instant::now();
        let mut child = Command::new(PYTHON)
            .args(["-m", "stepwright_fluxio.ecs"])
            .envs(&self.environment)
            // The process ends once nobody holds the other end of this pipe.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let stdout = child.stdout.take().map(|out| pass_on(out, self.listener.clone()));
        let stderr = child.stderr.take().map(|out| pass_on(out, self.listener.clone()));
        self.running.lock().insert(self.number, child);
        let status = loop {
            let mut children = self.running.lock();
            let Some(child) = children.get_mut(&self.number) else {
                return Ok(End::Exited(None));
            };
            if let Some(status) = child.try_wait()? {
                children.remove(&self.number);
                break status;
            }
            if self.limit.is_some_and(|limit| start.elapsed() > limit) {
                child.kill()?;
                child.wait()?;
                children.remove(&self.number);
                return Ok(End::TimedOut);
            }
            drop(children);
            std::thread::sleep(INTERVAL);
        };
        for thread in [stdout, stderr].into_iter().flatten() {
            // The thread that reads lines does not panic.
            thread.join().ok();
        }
        Ok(End::Exited(status.code()))
    }

    /// ECS's description of a stopped task.
    fn description(&self, code: Option<i32>, answer: &Json) -> Json {
        let part = |name: &str| answer.get(name).and_then(Json::as_str).unwrap_or_default();
        let mut container = Object::new();
        container.insert("Name", self.name.as_str().into());
        container.insert("LastStatus", "STOPPED".into());
        container.insert("ExitCode", code.map_or(Json::Null, |code| Json::Int(code.into())));
        if code != Some(0) {
            container.insert("Reason", format!("{}: {}", part("error"), part("cause")).into());
        }
        let mut task = Object::new();
        task.insert("Containers", vec![container.into()].into());
        task.insert("LastStatus", "STOPPED".into());
        task.insert("DesiredStatus", "STOPPED".into());
        task.insert("LaunchType", "FARGATE".into());
        task.insert("StopCode", "EssentialContainerExited".into());
        task.insert("StoppedReason", "Essential container in task exited".into());
        task.into()
    }
}

/// Passes on each line that a process prints.
pub(crate) fn pass_on(
    stream: impl Read + Send + 'static,
    listener: Arc<dyn Listener>,
) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        for line in BufReader::new(stream).split(b'\n') {
            let Ok(line) = line else { return };
            listener.printed(&String::from_utf8_lossy(&line));
        }
    })
}
