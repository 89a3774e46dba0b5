//! Starts the processes of functions.

use crate::Place;
use crate::bootstraps;
use crate::code::Code;
use crate::config::Runtime;
use crate::error::Error;
use crate::logs::{LogSink, ProcessLog};
use crate::memory;
use crate::pool::{GRACE, Pool};
use crate::runtime_api;
use crate::sandbox::{Outcome, Request, Sandbox};
use rustix::process::{Pid, Signal, kill_process_group};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::net::unix::pipe;
use tokio::process::{Child, Command};
use tokio::sync::OnceCell;
use tokio::sync::oneshot::Receiver;

/// How often the memory of a process is checked.
const MEMORY_INTERVAL: Duration = Duration::from_millis(50);

/// The memory size that functions without a limit are told, in megabytes. It is that of Lambda's
/// own emulator.
const NOMINAL_MEMORY: u32 = 3_008;

/// The settings that all processes of a function share.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) name: Arc<str>,
    pub(crate) runtime: Runtime,
    pub(crate) code: Code,
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) time_limit: Duration,
    /// The memory limit in megabytes.
    pub(crate) memory: Option<u32>,
    pub(crate) place: Place,
    /// The Python interpreter, once it has been chosen.
    pub(crate) python: OnceCell<OsString>,
    pub(crate) sink: LogSink,
}

/// Starts a process with its first request. The process is supervised in the background; the pool
/// is told when it has ended.
pub(crate) async fn start(
    settings: &Settings,
    pool: &Arc<Pool>,
    request: Arc<Request>,
) -> Result<(Arc<Sandbox>, Receiver<Outcome>), Error> {
    let cannot = |error: std::io::Error| {
        Error::service(format!("the function `{}` cannot be started: {error}", settings.name))
    };
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(cannot)?;
    let address = listener.local_addr().map_err(cannot)?;
    let code = settings.code.folder().await.map_err(cannot)?;
    let command_line = command_line(settings, code).await;
    let mut command = command(&command_line, code, &settings.environment);
    describe(&mut command, settings, code, &address.to_string());
    let mut child = command.stdin(Stdio::null()).spawn().map_err(|error| {
        Error::service(format!(
            "the function `{}` cannot be started: `{}`: {error}",
            settings.name,
            command_line[0].display()
        ))
    })?;
    let group = group_of(&child)
        .ok_or_else(|| Error::service(format!("the function `{}` ended at once", settings.name)))?;
    let pipes = pipes(&mut child).map_err(cannot)?;
    let log = ProcessLog::new(settings.name.clone(), settings.sink.clone(), pipes);
    let memory = settings.memory.unwrap_or(NOMINAL_MEMORY);
    let sandbox = Arc::new(Sandbox::new(settings.time_limit, memory, group, log));
    let supervisor = Supervisor {
        child,
        sandbox: sandbox.clone(),
        pool: pool.clone(),
        most_memory: settings.memory.map(|memory| u64::from(memory) << 20),
    };
    // Assigned first, because the process may end at once.
    let outcome = sandbox.assign(request).expect("a new process has no request");
    pool.add(sandbox.clone());
    tokio::spawn(supervisor.run(listener));
    Ok((sandbox, outcome))
}

struct Supervisor {
    child: Child,
    sandbox: Arc<Sandbox>,
    pool: Arc<Pool>,
    /// The memory limit in bytes.
    most_memory: Option<u64>,
}

impl Supervisor {
    async fn run(mut self, listener: TcpListener) {
        let status = {
            let sandbox = &self.sandbox;
            let serving = runtime_api::serve(listener, sandbox.clone());
            let logs = async {
                tokio::join!(sandbox.log().follow(0), sandbox.log().follow(1));
                std::future::pending::<()>().await;
            };
            let watching = watch_memory(sandbox, self.most_memory);
            let retiring = async {
                sandbox.retired().await;
                tokio::time::sleep(GRACE).await;
                sandbox.kill(Signal::KILL);
                std::future::pending::<()>().await;
            };
            let serving = tokio::spawn(serving);
            let status = tokio::select! {
                status = self.child.wait() => status,
                () = logs => return,
                () = watching => return,
                () = retiring => return,
            };
            serving.abort();
            status
        };
        if let Ok(status) = status {
            self.sandbox.ended(status);
        }
        self.pool.forget(&self.sandbox);
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        // Kills everything that the process started and left behind.
        self.sandbox.kill(Signal::KILL);
    }
}

async fn watch_memory(sandbox: &Sandbox, most: Option<u64>) {
    let Some(most) = most else { return std::future::pending().await };
    let mut interval = tokio::time::interval(MEMORY_INTERVAL);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        if memory::resident(sandbox.group()).is_some_and(|resident| resident > most) {
            sandbox.kill_for_memory();
            return std::future::pending().await;
        }
    }
}

/// A command in a process group of its own, so that everything it starts ends with it.
pub(crate) fn command(
    line: &[OsString],
    folder: &Path,
    environment: &BTreeMap<String, String>,
) -> Command {
    let mut command = Command::new(&line[0]);
    command
        .args(&line[1..])
        .current_dir(if folder.as_os_str().is_empty() { Path::new(".") } else { folder })
        .envs(environment)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    command
}

/// The process group of a child that was started with [`command`].
pub(crate) fn group_of(child: &Child) -> Option<Pid> {
    child.id().and_then(|id| Pid::from_raw(id as i32))
}

/// Kills a process group when dropped.
#[derive(Debug)]
pub(crate) struct KillOnDrop(pub(crate) Pid);

impl Drop for KillOnDrop {
    fn drop(&mut self) {
        // A group that has ended needs no signal.
        let _ = kill_process_group(self.0, Signal::KILL);
    }
}

fn pipes(child: &mut Child) -> std::io::Result<Vec<pipe::Receiver>> {
    let missing = || std::io::Error::other("it has no output");
    let stdout = child.stdout.take().ok_or_else(missing)?.into_owned_fd()?;
    let stderr = child.stderr.take().ok_or_else(missing)?.into_owned_fd()?;
    Ok(vec![pipe::Receiver::from_owned_fd(stdout)?, pipe::Receiver::from_owned_fd(stderr)?])
}

async fn command_line(settings: &Settings, code: &Path) -> Vec<OsString> {
    match &settings.runtime {
        Runtime::Provided { command: Some(command), .. } => {
            command.iter().map(OsString::from).collect()
        }
        Runtime::Provided { command: None, .. } => vec![code.join("bootstrap").into()],
        Runtime::Python { version, handler } => {
            let program = python(version, &settings.python).await;
            if code.join("awslambdaric").is_dir() {
                vec![program, "-m".into(), "awslambdaric".into(), handler.into()]
            } else {
                bootstraps::python(program, handler)
            }
        }
        Runtime::Node { handler, .. } => {
            let client = code.join("node_modules/aws-lambda-ric/bin/index.mjs");
            if client.is_file() {
                vec!["node".into(), client.into(), handler.into()]
            } else {
                bootstraps::node("node".into(), handler)
            }
        }
    }
}

/// Chooses the Python of a version if it is installed and runs, otherwise the default one. A
/// version switcher may provide a program for each version that it knows, whether the version is
/// active or not.
async fn python(version: &str, chosen: &OnceCell<OsString>) -> OsString {
    let choose = async || {
        let exact = format!("python{version}");
        let tried = Command::new(&exact)
            .arg("--version")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        match tried.await {
            Ok(status) if status.success() => exact.into(),
            _ => {
                tracing::info!("`{exact}` is not installed: `python3` is used");
                "python3".into()
            }
        }
    };
    chosen.get_or_init(choose).await.clone()
}

/// Sets the environment variables that Lambda gives to functions.
fn describe(command: &mut Command, settings: &Settings, code: &Path, address: &str) {
    let (handler, runtime) = match &settings.runtime {
        Runtime::Python { version, handler } => (handler, format!("python{version}")),
        Runtime::Node { version, handler } => (handler, format!("nodejs{version}")),
        Runtime::Provided { handler, name, .. } => (handler, name.clone()),
    };
    let stream = uuid::Uuid::new_v4().simple().to_string();
    let day = jiff::Timestamp::now().strftime("%Y/%m/%d").to_string();
    let memory = settings.memory.unwrap_or(NOMINAL_MEMORY);
    command
        .env("AWS_LAMBDA_RUNTIME_API", address)
        .env("_HANDLER", handler)
        .env("LAMBDA_TASK_ROOT", code)
        .env("LAMBDA_RUNTIME_DIR", code)
        .env("AWS_EXECUTION_ENV", format!("AWS_Lambda_{runtime}"))
        .env("AWS_LAMBDA_FUNCTION_NAME", &*settings.name)
        .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", memory.to_string())
        .env("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand")
        .env("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{}", settings.name))
        .env("AWS_LAMBDA_LOG_STREAM_NAME", format!("{day}/[$LATEST]{stream}"));
    for key in ["AWS_REGION", "AWS_DEFAULT_REGION"] {
        if !settings.environment.contains_key(key) {
            command.env(key, &settings.place.region);
        }
    }
    if !settings.environment.contains_key("TZ") {
        command.env("TZ", ":UTC");
    }
}
