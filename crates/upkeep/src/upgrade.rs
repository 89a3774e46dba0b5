//! `stepwright upgrade-check`: whether this release opens a store, and knows a configuration.

use crate::doctor::{Doctor, doctor};
use crate::keys::keys_in;
use clap::Args;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use stepwright_store::{Postgres, Sqlite, StoreError, check_key_names};
use stepwright_terminal::report::Failure;

/// Say whether this release opens a store and knows a configuration, what it would migrate, and which
/// options it does not know. Nothing is changed, and a server may be running.
///
/// Exit codes: 0 this release can take over; 1 something is in its way.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  stepwright upgrade-check --data /var/lib/stepwright --config /etc/stepwright/stepwright.toml
  stepwright upgrade-check --rehearse")]
pub struct UpgradeCheck {
    /// The data directory [default: what the configuration names, as for `serve`, or else .stepwright].
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// The URL of a PostgreSQL database, in place of a data directory [default: what the configuration
    /// names].
    #[arg(long, value_name = "URL", conflicts_with_all = ["data", "rehearse"])]
    pub store: Option<String>,
    /// The configuration file [default: stepwright.toml, if it exists].
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Also copy the data directory, migrate the copy and fold every history in it. That takes as much
    /// disk as the store has, beside it, for as long as it takes.
    #[arg(long)]
    pub rehearse: bool,
}

/// What a configuration has wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// What.
    pub message: String,
    /// Which bytes of the text, if it is known.
    pub at: Option<Range<usize>>,
}

/// Where a configuration keeps executions, and what else a server would say of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// What keeps a server from starting with it.
    pub refused: Vec<String>,
    /// The data directory, relative to the configuration.
    pub data: Option<PathBuf>,
    /// The URL of a PostgreSQL database.
    pub store: Option<String>,
}

/// `stepwright upgrade-check`. `read` reads a configuration as a server does, in whose folder relative paths
/// begin. The examination of a copy ends
/// early once `stopped` is over.
pub fn upgrade_check(
    arguments: &UpgradeCheck,
    read: impl Fn(&str, &Path) -> Result<Kept, Complaint>,
    stopped: impl Future<Output = ()> + Send + 'static,
) -> Result<ExitCode, Failure> {
    let usual = Path::new("stepwright.toml");
    let config = arguments.config.as_deref().or_else(|| usual.is_file().then_some(usual));
    let (mut is_well, mut kept) = (true, Some(Kept::default()));
    match config {
        Some(config) => (is_well, kept) = check_config(config, read)?,
        None => anstream::println!("no configuration file is there to check"),
    }
    if kept.is_none() && arguments.data.is_none() && arguments.store.is_none() {
        anstream::println!(
            "no store is looked at, since the configuration does not say which: name it with --data or --store"
        );
        return Ok(ExitCode::FAILURE);
    }
    // As `serve` does: the command line comes first, and a database before a directory.
    let kept = kept.unwrap_or_default();
    if let Some(url) = arguments.store.as_ref().or(kept.store.as_ref()) {
        is_well &= check_database(url, config)?;
        if arguments.data.is_none() {
            if arguments.rehearse {
                anstream::println!(
                    "nothing is rehearsed: only a data directory can be copied, and the store is a database"
                );
            }
            return Ok(ExitCode::from(u8::from(!is_well || arguments.rehearse)));
        }
    }
    let folder = config.and_then(Path::parent).unwrap_or(Path::new(""));
    let named = arguments.data.clone().or_else(|| kept.data.map(|data| folder.join(data)));
    let data = match named {
        Some(data) if !data.is_dir() => {
            anstream::println!("{} is not there, so no store is looked at", data.display());
            return Ok(ExitCode::FAILURE);
        }
        Some(data) => data,
        None => PathBuf::from(".stepwright"),
    };
    let found = Sqlite::layout_of(&data);
    let is_there = matches!(found, Ok(Some(_)));
    let is_readable = check_layout(&data.display().to_string(), found, Sqlite::LAYOUT);
    is_well &= is_readable && (!is_there || check_keys(Sqlite::key_names(&data), config));
    if arguments.rehearse && is_well {
        is_well = rehearse(&data, config, stopped)?;
    }
    Ok(ExitCode::from(u8::from(!is_well)))
}

fn check_database(url: &str, config: Option<&Path>) -> Result<bool, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(error.to_string()))?;
    let found = runtime.block_on(Postgres::layout_of(url));
    let is_there = matches!(found, Ok(Some(_)));
    let is_readable = check_layout("the database", found, Postgres::LAYOUT);
    let keys = || check_keys(runtime.block_on(Postgres::key_names(url)), config);
    Ok(is_readable && (!is_there || keys()))
}

/// Whether the configuration names the keys that a store is encrypted with.
fn check_keys(needed: Result<Vec<String>, StoreError>, config: Option<&Path>) -> bool {
    // What is wrong with the keys themselves was said of the configuration.
    let Ok(keys) = config.map(keys_in).transpose() else { return false };
    let keys = keys.flatten();
    let checked = needed.and_then(|needed| {
        check_key_names(&needed, keys.as_ref())?;
        Ok((needed.is_empty(), keys.is_some()))
    });
    match &checked {
        Ok((true, true)) => anstream::println!(
            "the store is in clear, and `[encryption]` is configured: what is written from now on is encrypted"
        ),
        Ok((true, false)) => {}
        Ok((false, _)) => anstream::println!("the store is encrypted, and the keys are there"),
        Err(error) => anstream::println!("{error}"),
    }
    checked.is_ok()
}

fn check_layout(place: &str, found: Result<Option<i64>, StoreError>, known: i64) -> bool {
    match found {
        Ok(None) => anstream::println!("{place} holds no store: this release would make one"),
        Ok(Some(layout)) if layout == known => {
            anstream::println!("the store in {place} has the layout of this release, {layout}");
        }
        Ok(Some(layout)) if layout < known => anstream::println!(
            "the store in {place} has layout {layout}: this release migrates it to {known} when it opens it, \
             and there is no way back: make a backup first"
        ),
        Ok(Some(layout)) => {
            anstream::println!(
                "the store in {place} has layout {layout}, which a later release has made: this one knows \
                 layouts up to {known}"
            );
            return false;
        }
        Err(error) => {
            anstream::println!("the store in {place} cannot be used: {error}");
            return false;
        }
    }
    true
}

/// The largest number of complaints about a configuration.
const MOST: usize = 50;

/// Says what a configuration has wrong. Returns whether nothing is, and where it keeps executions if that can
/// be read.
fn check_config(
    file: &Path,
    read: impl Fn(&str, &Path) -> Result<Kept, Complaint>,
) -> Result<(bool, Option<Kept>), Failure> {
    let shown = file.display();
    let mut text = fs::read_to_string(file)
        .map_err(|error| Failure::new(format!("cannot read {shown}: {error}")))?;
    let folder = file.parent().unwrap_or(Path::new(""));
    let mut complaints = Vec::new();
    // A reader ends at the first option that it does not know, and at the first value that is none. Without it,
    // it comes to the next.
    let kept = loop {
        let Complaint { message, at } = match read(&text, folder) {
            Ok(kept) => break Some(kept),
            Err(complaint) => complaint,
        };
        let is_toml = text.parse::<toml::Table>().is_ok();
        if !is_toml && !complaints.is_empty() {
            // It was taken apart in the wrong place.
            break None;
        }
        let line = at.as_ref().map(|at| text[..at.start].matches('\n').count() + 1);
        let first = message.lines().next().unwrap_or_default().to_owned();
        complaints.push((line, first));
        match at.filter(|_| is_toml && complaints.len() < MOST) {
            Some(at) => text = without(&text, at.start),
            None => break None,
        }
    };
    let refused = kept.iter().flat_map(|kept| &kept.refused);
    complaints.extend(refused.map(|why| (None, why.clone())));
    // A reader has an order of its own.
    complaints.sort_by_key(|(line, _)| line.unwrap_or(usize::MAX));
    for (line, message) in &complaints {
        match line {
            Some(line) => anstream::println!("{shown}:{line}: {message}"),
            None => anstream::println!("{shown}: {message}"),
        }
    }
    if complaints.is_empty() {
        anstream::println!("{shown}: this release knows every option");
    }
    Ok((complaints.is_empty(), kept))
}

/// A text without the option that is at this place; without its section, if it is the name of one. Lines
/// stay where they are.
fn without(text: &str, at: usize) -> String {
    let at = text[..at].matches('\n').count();
    let mut is_within = false;
    let mut kept = String::with_capacity(text.len());
    for (number, line) in text.lines().enumerate() {
        let is_header = line.trim_start().starts_with('[');
        if number == at {
            is_within = is_header;
        } else if is_header {
            is_within = false;
        }
        if number != at && !is_within {
            kept.push_str(line);
        }
        kept.push('\n');
    }
    kept
}

fn rehearse(
    data: &Path,
    config: Option<&Path>,
    stopped: impl Future<Output = ()> + Send + 'static,
) -> Result<bool, Failure> {
    if Sqlite::layout_of(data).ok().flatten().is_none() {
        return Ok(true);
    }
    let failed = |error: &dyn std::fmt::Display| Failure::new(error.to_string());
    let absolute = std::path::absolute(data).map_err(|error| failed(&error))?;
    let beside = absolute.parent().unwrap_or(&absolute);
    let folder = tempfile::Builder::new().prefix(".stepwright-rehearsal-").tempdir_in(beside);
    let folder = folder.map_err(|error| failed(&error))?;
    let copy = folder.path().join("copy");
    Sqlite::copy(data, &copy).map_err(|error| failed(&error))?;
    anstream::println!("a copy of the store is migrated, and every history in it is folded:");
    let (store, config) = (None, config.map(Path::to_owned));
    let examined = doctor(&Doctor { data: copy, store, accept_loss: false, config }, stopped)?;
    Ok(examined == ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_is_taken_out_with_its_section() {
        let text = "[a]\nx = 1\n[b]\ny = 2\nz = 3\n[c]\nw = 4\n";
        let at = text.find("b]").expect("it is there");
        assert_eq!(without(text, at), "[a]\nx = 1\n\n\n\n[c]\nw = 4\n");
        let at = text.find("z =").expect("it is there");
        assert_eq!(without(text, at), "[a]\nx = 1\n[b]\ny = 2\n\n[c]\nw = 4\n");
    }
}
