//! Runs the tests again whenever a file that they depend on changes.

use super::{files, run};
use crate::args::Test;
use crate::report::{self, Failure};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

/// How often the files are checked for changes.
const EVERY: Duration = Duration::from_millis(300);

/// The modification time of each file; `None` for a missing file.
type Stamps = BTreeMap<PathBuf, Option<SystemTime>>;

fn stamps(read: &[PathBuf]) -> Stamps {
    let stamp = |path: &PathBuf| std::fs::metadata(path).and_then(|data| data.modified()).ok();
    let mut stamps: Stamps = read.iter().map(|path| (path.clone(), stamp(path))).collect();
    for folder in read.iter().filter(|path| path.is_dir()) {
        // The code of a function: that one file is newer, or that there are more of them, is enough.
        let mut newest = Vec::new();
        stepwright_projects::newest(folder, &mut newest, 6);
        for (at, stamp) in newest.into_iter().enumerate() {
            stamps.insert(folder.join(format!(".{at}")), Some(stamp));
        }
    }
    stamps
}

/// Runs until interrupted.
pub(super) fn watch(arguments: &Test) -> Result<ExitCode, Failure> {
    loop {
        let read = match run(arguments) {
            Ok(ran) => ran.read,
            Err(failure) => {
                report::failure(&failure);
                files::find(&arguments.files).unwrap_or_default()
            }
        };
        anstream::eprintln!("watching {} files; stop with Ctrl+C", read.len());
        let seen = stamps(&read);
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
