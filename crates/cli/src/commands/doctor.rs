//! `stepwright doctor` and `stepwright backup`: maintenance of a data directory.

use crate::args::{Backup, Doctor};
use crate::report::Failure;
use crate::signals::stopped;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use stepwright_engine::{Engine, Options, Progress};
use stepwright_functions::{Functions, Place};
use stepwright_integrations::{Integrations, Mocked};
use stepwright_program::Limits;
use stepwright_store::{Postgres, Sqlite, Store};

fn failed(error: impl std::fmt::Display) -> Failure {
    Failure::new(error.to_string())
}

pub(crate) fn run(arguments: &Doctor) -> Result<ExitCode, Failure> {
    let folder = &arguments.data;
    let there = ["stepwright.db", "stepwright.db.partial"];
    if arguments.store.is_none() && !there.iter().any(|name| folder.join(name).is_file()) {
        return Err(Failure::new(format!("{} holds no store", folder.display()))
            .help("name the directory with --data"));
    }
    let open = if arguments.accept_loss { Sqlite::open_despite_loss } else { Sqlite::open };
    let functions =
        Functions::new(BTreeMap::new(), PathBuf::new(), Place::default()).map_err(failed)?;
    let examination = runtime()?.block_on(async {
        let store: Arc<dyn Store> = match &arguments.store {
            Some(url) => Arc::new(Postgres::open_to_read(url).await.map_err(failed)?),
            None => Arc::new(open(folder).map_err(failed)?),
        };
        let tasks = Arc::new(Integrations::new(functions, Mocked::default(), None, Arc::default()));
        let engine =
            Engine::closed(Options { limits: Limits::EXTENDED, ..Options::new(store, tasks) })
                .await
                .map_err(failed)?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopping = stop.clone();
        tokio::spawn(async move {
            stopped().await;
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

pub(crate) fn backup(arguments: &Backup) -> Result<ExitCode, Failure> {
    Sqlite::copy(&arguments.data, &arguments.to).map_err(failed)?;
    anstream::println!("Copied to {}.", arguments.to.display());
    Ok(ExitCode::SUCCESS)
}

fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(failed)
}

pub(crate) fn copy(from: &str, to: &str) -> Result<ExitCode, Failure> {
    let copied = runtime()?.block_on(stepwright_store::copy(from, to, drop)).map_err(failed)?;
    let stepwright_store::Copied { executions, documents } = copied;
    anstream::println!("Copied {executions} executions and {documents} documents.");
    Ok(ExitCode::SUCCESS)
}
