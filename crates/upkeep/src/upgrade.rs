//! `stepwright upgrade-check`: whether this release opens a store, and knows a configuration.

use clap::Args;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use stepwright_store::{Postgres, Sqlite};
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
    /// The data directory.
    #[arg(long, value_name = "DIR", default_value = ".stepwright")]
    pub data: PathBuf,
    /// The URL of a PostgreSQL database, in place of a data directory.
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

/// `stepwright upgrade-check`. `read` reads a configuration as a server does; `examine` folds the histories
/// of a store.
pub fn upgrade_check(
    arguments: &UpgradeCheck,
    read: impl Fn(&str) -> Result<(), Complaint>,
    examine: impl FnOnce(&Path) -> Result<ExitCode, Failure>,
) -> Result<ExitCode, Failure> {
    let mut is_well = check_store(arguments)?;
    let usual = Path::new("stepwright.toml");
    let config = arguments.config.as_deref().or_else(|| usual.is_file().then_some(usual));
    match config {
        Some(config) => is_well &= check_config(config, read)?,
        None => anstream::println!("no configuration file is there to check"),
    }
    if arguments.rehearse && is_well {
        is_well = rehearse(&arguments.data, examine)?;
    }
    Ok(ExitCode::from(u8::from(!is_well)))
}

fn check_store(arguments: &UpgradeCheck) -> Result<bool, Failure> {
    let (place, found, known) = match &arguments.store {
        Some(url) => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.map_err(|error| Failure::new(error.to_string()))?;
            let found = runtime.block_on(Postgres::layout_of(url));
            ("the database".to_owned(), found, Postgres::LAYOUT)
        }
        None => {
            let found = Sqlite::layout_of(&arguments.data);
            (arguments.data.display().to_string(), found, Sqlite::LAYOUT)
        }
    };
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
            return Ok(false);
        }
        Err(error) => {
            anstream::println!("the store in {place} cannot be used: {error}");
            return Ok(false);
        }
    }
    Ok(true)
}

/// The largest number of complaints about a configuration.
const MOST: usize = 50;

fn check_config(
    file: &Path,
    read: impl Fn(&str) -> Result<(), Complaint>,
) -> Result<bool, Failure> {
    let shown = file.display();
    let mut text = fs::read_to_string(file)
        .map_err(|error| Failure::new(format!("cannot read {shown}: {error}")))?;
    let mut count = 0;
    // A reader ends at the first option that it does not know. Without it, it comes to the next.
    while let Err(Complaint { message, at }) = read(&text) {
        count += 1;
        let line = at.as_ref().map_or(0, |at| text[..at.start].matches('\n').count() + 1);
        let first = message.lines().next().unwrap_or_default();
        if line == 0 {
            anstream::println!("{shown}: {first}");
        } else {
            anstream::println!("{shown}:{line}: {first}");
        }
        let is_unknown = message.contains("unknown field");
        match at.filter(|_| is_unknown && count < MOST) {
            Some(at) => text = without(&text, at.start),
            None => break,
        }
    }
    if count == 0 {
        anstream::println!("{shown}: this release knows every option");
    }
    Ok(count == 0)
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
    examine: impl FnOnce(&Path) -> Result<ExitCode, Failure>,
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
    Ok(examine(&copy)? == ExitCode::SUCCESS)
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
