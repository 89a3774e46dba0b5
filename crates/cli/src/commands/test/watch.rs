//! Runs the tests again whenever a file that they depend on changes.

use super::{files, run_with};
use crate::args::Test;
use crate::report::{self, Failure};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

/// How often the files are checked for changes.
const EVERY: Duration = Duration::from_millis(300);

/// The modification time of each file; `None` for a missing file.
type Stamps = BTreeMap<PathBuf, Option<SystemTime>>;

/// The modification times of files, and of the code below folders.
fn stamps(read: &[PathBuf]) -> Stamps {
    let mut stamps = Stamps::new();
    for path in read {
        add(path, 6, &mut stamps);
    }
    stamps
}

fn add(path: &Path, levels: usize, stamps: &mut Stamps) {
    if !path.is_dir() {
        let stamp = std::fs::metadata(path).and_then(|data| data.modified()).ok();
        stamps.insert(path.to_owned(), stamp);
        return;
    }
    let Ok(entries) = std::fs::read_dir(path) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        // What functions write beside their code does not change it.
        let is_written = [".log", ".tmp", ".db", ".pyc", "~"].iter().any(|end| name.ends_with(end));
        let is_foreign = name.starts_with('.') || name == "node_modules" || name == "__pycache__";
        if levels > 0 && !is_written && !is_foreign {
            add(&path, levels - 1, stamps);
        }
    }
}

/// Runs until interrupted.
pub(super) fn watch(arguments: &Test) -> Result<ExitCode, Failure> {
    loop {
        // Taken before the tests run: what changes meanwhile is not missed.
        let mut seen = None;
        let read = match run_with(arguments, &mut |read| seen = Some(stamps(read))) {
            Ok(ran) => ran.read,
            Err(failure) => {
                report::failure(&failure);
                files::find(&arguments.files).unwrap_or_default()
            }
        };
        anstream::eprintln!("watching {} files; stop with Ctrl+C", read.len());
        let seen = seen.unwrap_or_else(|| stamps(&read));
        let known = files::find(&arguments.files).unwrap_or_default();
        loop {
            std::thread::sleep(EVERY);
            let is_new = files::find(&arguments.files).is_ok_and(|files| files != known);
            if is_new || stamps(&read) != seen {
                break;
            }
        }
        anstream::eprintln!();
    }
}
