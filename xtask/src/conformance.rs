//! `cargo xtask conformance`: how much of the recorded behaviour Stepwright shows.

use crate::postgres;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use stepwright_conformance::{KINDS, Verdict, summary};

const USAGE: &str =
    "usage: cargo xtask conformance [KIND…] [--data DIR] [--report FILE] [--store postgres]";

/// The kinds that an engine with a store runs: the others are the same whatever the store is.
const STORED: [&str; 4] = ["served", "wire", "api", "teststate"];

pub(crate) fn run(arguments: &[String]) -> ExitCode {
    match conformance(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::from(2)
        }
    }
}

fn conformance(arguments: &[String]) -> Result<(), String> {
    let mut data = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    let mut report = None;
    let mut wanted = Vec::new();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let mut value = || rest.next().ok_or_else(|| format!("{argument} needs a value\n{USAGE}"));
        match argument.as_str() {
            "--data" => data = PathBuf::from(value()?),
            "--report" => report = Some(PathBuf::from(value()?)),
            "--store" => match value()?.as_str() {
                "postgres" if !is_under_test() => return on_postgres(arguments),
                "postgres" => {}
                other => return Err(format!("there is no store {other} here: postgres\n{USAGE}")),
            },
            kind if KINDS.iter().any(|(name, _)| *name == kind) => wanted.push(kind),
            other => {
                let kinds: Vec<_> = KINDS.iter().map(|(name, _)| *name).collect();
                return Err(format!(
                    "there is no kind {other}; kinds: {}\n{USAGE}",
                    kinds.join(", ")
                ));
            }
        }
    }
    let mut verdicts: Vec<Verdict> = Vec::new();
    for (name, run) in KINDS {
        let is_wanted = if wanted.is_empty() {
            !is_under_test() || STORED.contains(name)
        } else {
            wanted.contains(name)
        };
        if is_wanted {
            verdicts.extend(run(&data)?);
        }
    }
    for (kind, measure, reached, all) in summary(&verdicts) {
        println!("{kind:<12} {measure:<14} {reached} of {all}");
    }
    if let Some(report) = report {
        let mut file = std::fs::File::create(&report)
            .map_err(|error| format!("{}: {error}", report.display()))?;
        for verdict in &verdicts {
            writeln!(file, "{}", verdict.to_json()).map_err(|error| error.to_string())?;
        }
    }
    Ok(())
}

/// Whether engines keep everything in PostgreSQL.
fn is_under_test() -> bool {
    std::env::var(postgres::STORE).is_ok_and(|store| store == "postgres")
}

/// Runs this program once more, with a cluster.
fn on_postgres(arguments: &[String]) -> Result<(), String> {
    let url = postgres::start().ok_or("PostgreSQL is not there")?;
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut again = Command::new(program);
    again.arg("conformance").args(arguments);
    crate::run(again.env(postgres::VARIABLE, url).env(postgres::STORE, "postgres"))
}
