//! `stepwright doctor`, `stepwright backup` and `stepwright store copy`: work on stores as a whole.

use crate::keys::keys_of;
use clap::{Args, Subcommand};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use stepwright_engine::{Engine, Options, Progress};
use stepwright_functions::{Functions, Place};
use stepwright_integrations::{Integrations, Mocked};
use stepwright_program::Limits;
use stepwright_store::{Postgres, Sqlite, Store, sealed_to_read};
use stepwright_terminal::report::Failure;

/// Examine a store: find damage, histories that do not fold, and executions that nothing would wake. A
/// server that uses a data directory must be stopped first; a database may be in use.
///
/// Progress is printed on standard error; Ctrl-C stops the examination. Exit codes: 0 nothing was
/// found; 1 something was found; 130 it was stopped.
#[derive(Debug, Args)]
pub struct Doctor {
    /// The data directory.
    #[arg(long, value_name = "DIR", default_value = ".stepwright")]
    pub data: PathBuf,
    /// The URL of a PostgreSQL database, in place of a data directory.
    #[arg(long, value_name = "URL", conflicts_with_all = ["data", "accept_loss"])]
    pub store: Option<String>,
    /// Go on with what is left of a store that has lost transactions which it had acknowledged. Its
    /// damaged log is kept beside it.
    #[arg(long)]
    pub accept_loss: bool,
    /// The configuration whose keys a store is read with that is encrypted [default: stepwright.toml, if it
    /// exists].
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// Work on stores as a whole.
#[derive(Debug, Subcommand)]
pub enum Stores {
    /// Copy everything into another store, which must be empty, while no server uses either.
    #[command(after_help = "Example:
  stepwright store copy .stepwright postgres://me@db.example/steps")]
    Copy {
        /// The data directory or the URL of the database to copy.
        from: String,
        /// The data directory or the URL of the database to copy to.
        to: String,
        /// The configuration whose keys the original is read with, and the copy is encrypted with [default:
        /// stepwright.toml, if it exists].
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// Leave the copy in clear, whatever the original is.
        #[arg(long)]
        in_clear: bool,
    },
}

/// Copy a data directory. A server may be using it meanwhile.
#[derive(Debug, Args)]
pub struct Backup {
    /// The data directory.
    #[arg(long, value_name = "DIR", default_value = ".stepwright")]
    pub data: PathBuf,
    /// The directory to copy to. It must not contain a store.
    pub to: PathBuf,
}

fn failed(error: impl std::fmt::Display) -> Failure {
    Failure::new(error.to_string())
}

/// `stepwright doctor`. It ends early once `stopped` is over.
pub fn doctor(
    arguments: &Doctor,
    stopped: impl Future<Output = ()> + Send + 'static,
) -> Result<ExitCode, Failure> {
    let folder = &arguments.data;
    let there = ["stepwright.db", "stepwright.db.partial"];
    if arguments.store.is_none() && !there.iter().any(|name| folder.join(name).is_file()) {
        return Err(Failure::new(format!("{} holds no store", folder.display()))
            .help("name the directory with --data"));
    }
    if arguments.store.is_none()
        && let Some(code) = as_owner(folder)?
    {
        return Ok(code);
    }
    let open = if arguments.accept_loss { Sqlite::open_despite_loss } else { Sqlite::open };
    let functions =
        Functions::new(BTreeMap::new(), PathBuf::new(), Place::default()).map_err(failed)?;
    let keys = keys_of(arguments.config.as_deref())?;
    let examination = runtime()?.block_on(async {
        let store: Arc<dyn Store> = match &arguments.store {
            Some(url) => Arc::new(Postgres::open_to_read(url).await.map_err(failed)?),
            None => Arc::new(open(folder).map_err(failed)?),
        };
        let store = sealed_to_read(store, keys).await.map_err(failed)?;
        let tasks = Arc::new(Integrations::new(functions, Mocked::default(), None, Arc::default()));
        let engine =
            Engine::closed(Options { limits: Limits::EXTENDED, ..Options::new(store, tasks) })
                .await
                .map_err(failed)?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopping = stop.clone();
        tokio::spawn(async move {
            stopped.await;
            stopping.store(true, Ordering::Relaxed);
        });
        let told = Told::default();
        engine.examine(stop, move |progress| told.tell(progress)).await.map_err(failed)
    })?;
    stepwright_search::Search::compare_later(folder).map_err(failed)?;
    for finding in &examination.findings {
        match &finding.arn {
            Some(arn) => anstream::println!("{arn}\n  {}", finding.what),
            None => anstream::println!("{}", finding.what),
        }
    }
    let Progress { examined, total } = examination.progress;
    if !examination.is_whole {
        anstream::println!("Stopped: {examined} of {total} executions were examined.");
        return Ok(ExitCode::from(INTERRUPTED));
    }
    if examination.findings.is_empty() {
        let database = arguments.store.as_ref().map(|_| "the database".to_owned());
        let shown = database.unwrap_or_else(|| folder.display().to_string());
        anstream::println!("Nothing is wrong with {shown}.");
        return Ok(ExitCode::SUCCESS);
    }
    Ok(ExitCode::FAILURE)
}

/// Has the owner of a folder do what root was asked to do in it: what root makes there, the server could not
/// open. `None` if this is not root, or root's own folder.
fn as_owner(folder: &Path) -> Result<Option<ExitCode>, Failure> {
    let owner = std::fs::metadata(folder).map_err(failed)?;
    if !rustix::process::geteuid().is_root() || owner.uid() == 0 {
        return Ok(None);
    }
    let program = std::env::current_exe().map_err(failed)?;
    let mut again = Command::new(&program);
    again.args(std::env::args_os().skip(1)).uid(owner.uid()).gid(owner.gid());
    let ended = again.status().map_err(|error| {
        let (user, shown) = (owner.uid(), folder.display());
        Failure::new(format!("{shown} belongs to the user {user}, who cannot run this: {error}"))
            .help(format!(
                "run it as that user: sudo -u '#{user}' stepwright doctor --data {shown}"
            ))
    })?;
    let code = ended.code().and_then(|code| u8::try_from(code).ok());
    Ok(Some(code.map_or(ExitCode::FAILURE, ExitCode::from)))
}

/// The exit code of a program that was ended with Ctrl-C.
const INTERRUPTED: u8 = 130;

/// How often the progress is printed.
const TOLD_EVERY: Duration = Duration::from_secs(1);

/// When the progress was last printed.
struct Told(Mutex<Instant>);

impl Default for Told {
    fn default() -> Self {
        Self(Mutex::new(Instant::now()))
    }
}

impl Told {
    /// Prints the progress on standard error; on a terminal, over the previous line.
    fn tell(&self, Progress { examined, total }: Progress) {
        let mut last = self.0.lock();
        if last.elapsed() < TOLD_EVERY {
            return;
        }
        *last = Instant::now();
        let percent = examined * 100 / total.max(1);
        let line = format!("{examined} of {total} executions examined ({percent} %)");
        if std::io::stderr().is_terminal() {
            anstream::eprint!("\r{line}\r");
        } else {
            anstream::eprintln!("{line}");
        }
    }
}

/// `stepwright backup`.
pub fn backup(arguments: &Backup) -> Result<ExitCode, Failure> {
    Sqlite::copy(&arguments.data, &arguments.to).map_err(failed)?;
    anstream::println!("Copied to {}.", arguments.to.display());
    Ok(ExitCode::SUCCESS)
}

fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(failed)
}

/// `stepwright store …`.
pub fn stores(arguments: &Stores) -> Result<ExitCode, Failure> {
    let Stores::Copy { from, to, config, in_clear } = arguments;
    let keys = keys_of(config.as_deref())?;
    let of_copy = keys.clone().filter(|_| !in_clear);
    let copied = stepwright_store::copy(from, to, [keys, of_copy], drop);
    let copied = runtime()?.block_on(copied).map_err(failed)?;
    let stepwright_store::Copied { executions, documents } = copied;
    anstream::println!("Copied {executions} executions and {documents} documents.");
    Ok(ExitCode::SUCCESS)
}
