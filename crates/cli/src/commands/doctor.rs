//! `stepwright doctor` and `stepwright backup`: looking after a data directory.

use crate::args::{Backup, Doctor};
use crate::report::Failure;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use stepwright_engine::{Engine, NoObjects, Options, Silent, SystemClock};
use stepwright_functions::{Functions, Place};
use stepwright_integrations::{Integrations, Mocked};
use stepwright_program::{Limits, Vintage};
use stepwright_store::{Sqlite, StoreError};

fn failed(error: impl std::fmt::Display) -> Failure {
    Failure::new(error.to_string())
}

fn open(folder: &Path) -> Result<Arc<Sqlite>, Failure> {
    if !folder.join("stepwright.db").is_file() {
        return Err(Failure::new(format!("{} holds no store", folder.display()))
            .help("name the directory with --data"));
    }
    Sqlite::open(folder).map(Arc::new).map_err(failed)
}

fn wait<T>(work: impl Future<Output = Result<T, StoreError>>) -> Result<T, Failure> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    runtime.block_on(work).map_err(failed)
}

pub(crate) fn run(arguments: &Doctor) -> Result<ExitCode, Failure> {
    let store = open(&arguments.data)?;
    let functions =
        Functions::new(BTreeMap::new(), PathBuf::new(), Place::default()).map_err(failed)?;
    let findings = wait(async {
        let engine = Engine::closed(Options {
            store,
            clock: Arc::new(SystemClock),
            tasks: Arc::new(Integrations::new(functions, Mocked::default(), None)),
            objects: Arc::new(NoObjects),
            observer: Arc::new(Silent),
            account: String::new(),
            region: String::new(),
            limits: Limits::EXTENDED,
            vintage: Vintage::TODAY,
            retention_millis: None,
        })
        .await
        .map_err(|error| StoreError::new(error.to_string()))?;
        engine.doctor().await
    })?;
    for finding in &findings {
        match &finding.arn {
            Some(arn) => anstream::println!("{arn}\n  {}", finding.what),
            None => anstream::println!("{}", finding.what),
        }
    }
    if findings.is_empty() {
        anstream::println!("Nothing is wrong with {}.", arguments.data.display());
        return Ok(ExitCode::SUCCESS);
    }
    Ok(ExitCode::FAILURE)
}

pub(crate) fn backup(arguments: &Backup) -> Result<ExitCode, Failure> {
    Sqlite::copy(&arguments.data, &arguments.to).map_err(failed)?;
    anstream::println!("Copied to {}.", arguments.to.display());
    Ok(ExitCode::SUCCESS)
}
