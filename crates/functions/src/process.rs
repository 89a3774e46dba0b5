//! Starts the processes of functions.

use crate::Place;
use crate::bootstraps;
use crate::code::Code;
use crate::config::Runtime;
use crate::error::Error;
use crate::logs::{LogSink, ProcessLog};
use crate::pool::{GRACE, Pool};
use crate::runtime_api;
use crate::sandbox::{Outcome, Request, Sandbox};
use crate::tree::{MOST_MEMBERS, Tree};
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::net::unix::pipe;
use tokio::net::{TcpListener, UnixStream};
use tokio::process::{Child, Command};
use tokio::sync::OnceCell;
use tokio::sync::oneshot::Receiver;

/// How often the memory of a process is checked.
const MEMORY_INTERVAL: Duration = Duration::from_millis(50);

/// How often the processes of a function are counted that has no memory limit.
const COUNT_INTERVAL: Duration = Duration::from_secs(1);

/// The variables of the server that functions get: none that could be a secret. `*` at the end
/// stands for any characters.
const INHERITED: [&str; 24] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "LANGUAGE",
    "LC_*",
    "TZ",
    "TMPDIR",
    "TMP",
    "TEMP",
    "LD_LIBRARY_PATH",
    "DYLD_LIBRARY_PATH",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "NODE_PATH",
    "NODE_EXTRA_CA_CERTS",
    "NVM_DIR",
    "PYTHONPATH",
    "PYTHONHOME",
    "VIRTUAL_ENV",
    "PYENV_*",
    "ASDF_*",
];

/// The environment of a function's processes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Environment {
    /// The variables that the configuration sets.
    pub(crate) set: BTreeMap<String, String>,
    /// The names of further variables that are inherited from the server.
    pub(crate) inherit: Vec<String>,
    /// Where the local services are; set once they are served.
    pub(crate) offered: Offered,
    /// The folders of layers.
    pub(crate) layers: Vec<PathBuf>,
}

/// Where programs look for what layers hold: the variable, and the folders within a layer. A layer
/// whose parts are not in such folders yet, as in its sources, counts as the part itself.
const PARTS_OF_LAYERS: [(&str, &[&str]); 4] = [
    ("PYTHONPATH", &["python", ""]),
    ("NODE_PATH", &["nodejs/node_modules", "node_modules"]),
    ("PATH", &["bin"]),
    ("LD_LIBRARY_PATH", &["lib"]),
];

/// Variables that every function has unless it says otherwise.
pub(crate) type Offered = Arc<OnceLock<Vec<(String, String)>>>;

impl Environment {
    /// All variables.
    fn variables(&self) -> Vec<(OsString, OsString)> {
        let is_inherited = |name: &str| {
            let inherited = INHERITED.into_iter().chain(self.inherit.iter().map(String::as_str));
            inherited.into_iter().any(|pattern| match pattern.strip_suffix('*') {
                Some(start) => name.starts_with(start),
                None => name == pattern,
            })
        };
        let own = std::env::vars_os();
        let own = own.filter(|(name, _)| name.to_str().is_some_and(is_inherited));
        let offered = self.offered.get().into_iter().flatten();
        let offered = offered.map(|(name, value)| (name.into(), value.into()));
        let set = self.set.iter().map(|(name, value)| (name.into(), value.into()));
        let mut variables: Vec<(OsString, OsString)> = offered.chain(own).chain(set).collect();
        for (name, parts) in PARTS_OF_LAYERS.iter().filter(|_| !self.layers.is_empty()) {
            let folders = self.layers.iter().flat_map(|layer| {
                let folders = parts.iter().map(|part| layer.join(part));
                folders.filter(|folder| folder.is_dir())
            });
            let before = variables.iter().rev().find(|(one, _)| one == name);
            let before = before.map(|(_, value)| value.clone()).unwrap_or_default();
            let before = std::env::split_paths(&before).filter(|path| !path.as_os_str().is_empty());
            // A path with a colon cannot be in such a list, and is not found then.
            if let Ok(paths) = std::env::join_paths(folders.chain(before))
                && !paths.is_empty()
            {
                variables.push(((*name).into(), paths));
            }
        }
        variables
    }

    fn variable(&self, name: &str) -> Option<OsString> {
        let mut variables = self.variables();
        let at = variables.iter().rposition(|(one, _)| one == name)?;
        Some(variables.swap_remove(at).1)
    }
}

/// The memory size that functions without a limit are told, in megabytes. It is that of Lambda's
/// own emulator.
const NOMINAL_MEMORY: u32 = 3_008;

/// The settings that all processes of a function share.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) name: Arc<str>,
    pub(crate) runtime: Runtime,
    pub(crate) code: Code,
    pub(crate) environment: Environment,
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
    let cannot = |error: io::Error| {
        Error::service(format!("the function `{}` cannot be started: {error}", settings.name))
    };
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(cannot)?;
    let address = listener.local_addr().map_err(cannot)?;
    let code = settings.code.folder().await.map_err(cannot)?;
    let (command_line, is_ours) = command_line(settings, code).await;
    let (mut command, is_guarded) = command(&command_line, code, &settings.environment);
    let cannot_run = |error: io::Error| {
        Error::service(format!(
            "the function `{}` cannot be started: `{}`: {error}",
            settings.name,
            command_line[0].display()
        ))
    };
    find_program(&command_line[0], code, &settings.environment).map_err(cannot_run)?;
    describe(&mut command, settings, code, &address.to_string());
    // Our own clients find a connection where others have no input.
    let (stdin, own) = if is_ours {
        let (own, theirs) = std::os::unix::net::UnixStream::pair().map_err(cannot)?;
        own.set_nonblocking(true).map_err(cannot)?;
        (OwnedFd::from(theirs).into(), Some(UnixStream::from_std(own).map_err(cannot)?))
    } else {
        (Stdio::null(), None)
    };
    let mut child = command.stdin(stdin).spawn().map_err(cannot_run)?;
    // The command holds their end of the connection.
    drop(command);
    let tree = Tree::of(&child, is_guarded)
        .ok_or_else(|| Error::service(format!("the function `{}` ended at once", settings.name)))?;
    let pipes = pipes(&mut child).map_err(cannot)?;
    let log = ProcessLog::new(settings.name.clone(), settings.sink.clone(), pipes);
    let memory = settings.memory.unwrap_or(NOMINAL_MEMORY);
    let sandbox = Arc::new(Sandbox::new(settings.time_limit, memory, tree, log));
    let supervisor = Supervisor {
        child,
        sandbox: sandbox.clone(),
        pool: pool.clone(),
        most_memory: settings.memory.map(|memory| u64::from(memory) << 20),
    };
    // Assigned first, because the process may end at once.
    let outcome = sandbox.assign(request).expect("a new process has no request");
    pool.add(sandbox.clone());
    tokio::spawn(supervisor.run(listener, own));
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
    async fn run(mut self, listener: TcpListener, own: Option<UnixStream>) {
        let status = {
            let sandbox = &self.sandbox;
            let serving = runtime_api::serve(listener, own, sandbox.clone());
            let logs = async {
                tokio::join!(sandbox.log().follow(0), sandbox.log().follow(1));
                std::future::pending::<()>().await;
            };
            let watching = watch(sandbox, self.most_memory);
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

/// Kills a process when it and those that it started use too much memory, or are too many.
async fn watch(sandbox: &Sandbox, most: Option<u64>) {
    let interval = if most.is_some() { MEMORY_INTERVAL } else { COUNT_INTERVAL };
    let mut interval = tokio::time::interval(interval);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        let members = sandbox.tree().members();
        if members.len() > MOST_MEMBERS {
            sandbox.kill(Signal::KILL);
        }
        if let Some(most) = most
            && Tree::resident(&members).is_some_and(|resident| resident > most)
        {
            sandbox.kill_for_memory();
            return std::future::pending().await;
        }
    }
}

/// Checks that there is a program to be run, as the system would look for it.
pub(crate) fn find_program(
    name: &OsStr,
    folder: &Path,
    environment: &Environment,
) -> io::Result<()> {
    let is_program = |path: &Path| {
        use std::os::unix::fs::PermissionsExt as _;
        let about = std::fs::metadata(path)?;
        let is_executable = about.is_file() && about.permissions().mode() & 0o111 != 0;
        if is_executable { Ok(()) } else { Err(io::Error::from(io::ErrorKind::PermissionDenied)) }
    };
    if name.as_encoded_bytes().contains(&b'/') {
        return is_program(&folder.join(name));
    }
    let path = environment.variable("PATH").unwrap_or_else(|| "/bin:/usr/bin".into());
    let mut found = std::env::split_paths(&path);
    if found.any(|place| is_program(&folder.join(place).join(name)).is_ok()) {
        return Ok(());
    }
    Err(io::Error::from_raw_os_error(rustix::io::Errno::NOENT.raw_os_error()))
}

/// A command with a guardian, or at least in a process group of its own, so that everything it
/// starts ends with it. Returns whether it has a guardian.
pub(crate) fn command(
    line: &[OsString],
    folder: &Path,
    environment: &Environment,
) -> (Command, bool) {
    #[cfg(target_os = "linux")]
    let guarded = crate::guardian::guarded(line);
    #[cfg(not(target_os = "linux"))]
    let guarded: Option<Vec<OsString>> = None;
    let is_guarded = guarded.is_some();
    let line = guarded.as_deref().unwrap_or(line);
    let mut command = Command::new(&line[0]);
    command
        .args(&line[1..])
        .current_dir(if folder.as_os_str().is_empty() { Path::new(".") } else { folder })
        .env_clear()
        .envs(environment.variables())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    (command, is_guarded)
}

/// Kills a process and all that it started when dropped.
#[derive(Debug)]
pub(crate) struct KillOnDrop(pub(crate) Tree);

impl Drop for KillOnDrop {
    fn drop(&mut self) {
        self.0.signal(Signal::KILL);
    }
}

pub(crate) fn pipes(child: &mut Child) -> io::Result<Vec<pipe::Receiver>> {
    let missing = || io::Error::other("it has no output");
    let stdout = child.stdout.take().ok_or_else(missing)?.into_owned_fd()?;
    let stderr = child.stderr.take().ok_or_else(missing)?.into_owned_fd()?;
    Ok(vec![pipe::Receiver::from_owned_fd(stdout)?, pipe::Receiver::from_owned_fd(stderr)?])
}

/// The command of a function, and whether it is a client of ours that has a connection as its input.
async fn command_line(settings: &Settings, code: &Path) -> (Vec<OsString>, bool) {
    let line = match &settings.runtime {
        Runtime::Provided { command: Some(command), .. } => {
            command.iter().map(OsString::from).collect()
        }
        Runtime::Provided { command: None, .. } => vec![code.join("bootstrap").into()],
        Runtime::Python { version, handler } => {
            let program = python(version, &settings.python).await;
            if !code.join("awslambdaric").is_dir() {
                return (bootstraps::python(program, handler), true);
            }
            vec![program, "-m".into(), "awslambdaric".into(), handler.into()]
        }
        Runtime::Node { handler, .. } => {
            let client = code.join("node_modules/aws-lambda-ric/bin/index.mjs");
            if client.is_file() {
                vec!["node".into(), client.into(), handler.into()]
            } else {
                bootstraps::node("node".into(), handler)
            }
        }
    };
    (line, false)
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
        if settings.environment.variable(key).is_none() {
            command.env(key, &settings.place.region);
        }
    }
    if !settings.environment.set.contains_key("TZ") {
        command.env("TZ", ":UTC");
    }
}
