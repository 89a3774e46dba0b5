//! Execution logs, as `loggingConfiguration` requests them: each event is a record.

use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use stepwright_engine::{Facts, Observer};
use stepwright_history::Event;
use stepwright_history::aws::log_records;
use stepwright_json::Json;

/// The level of an event type, as `loggingConfiguration` names the levels.
pub(crate) fn level_of(kind: &str) -> &'static str {
    match kind {
        "ExecutionFailed" | "ExecutionTimedOut" | "ExecutionAborted" => "FATAL",
        kind if kind.ends_with("Failed")
            || kind.ends_with("TimedOut")
            || kind.ends_with("Aborted") =>
        {
            "ERROR"
        }
        _ => "ALL",
    }
}

/// Writes records to files of JSON lines in a directory, one file for each log group.
pub struct LogFiles {
    folder: std::path::PathBuf,
    files: Mutex<BTreeMap<String, File>>,
}

impl std::fmt::Debug for LogFiles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LogFiles").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl LogFiles {
    /// Uses this directory. It is created when the first record is written.
    pub fn new(folder: std::path::PathBuf) -> Self {
        Self { folder, files: Mutex::default() }
    }

    fn write(&self, group: &str, text: &str) -> std::io::Result<()> {
        let mut files = self.files.lock();
        if !files.contains_key(group) {
            std::fs::create_dir_all(&self.folder)?;
            // A group's name may contain slashes, which a file's name cannot.
            let name = format!("{}.jsonl", group.trim_matches('/').replace('/', "."));
            let file = File::options().create(true).append(true).open(self.folder.join(name))?;
            files.insert(group.to_owned(), file);
        }
        match files.get_mut(group) {
            Some(file) => file.write_all(text.as_bytes()),
            None => Ok(()),
        }
    }
}

/// The records of those events that the execution's `loggingConfiguration` selects, each with its
/// level, and the log group to write them to.
pub(crate) fn wanted<'f>(
    facts: &'f Facts,
    events: &[Event],
) -> Option<(&'f str, Vec<(&'static str, Json)>)> {
    let logging = facts.revision.logging.as_ref()?;
    let level = logging.get("level").and_then(Json::as_str)?;
    let least = LEVELS.iter().position(|known| *known == level)?;
    let group = logging.get("destinations")?.at(0)?.get("cloudWatchLogsLogGroup")?;
    let group = group.get("logGroupArn")?.as_str()?.split(":log-group:").nth(1)?;
    let with_data = logging.get("includeExecutionData").and_then(Json::as_bool);
    let records = log_records(&facts.about.arn, events, with_data.unwrap_or_default());
    let records = records.into_iter().filter_map(|record| {
        let level = level_of(record.get("type").and_then(Json::as_str).unwrap_or_default());
        let rank = LEVELS.iter().position(|known| *known == level).unwrap_or(0);
        (rank >= least).then_some((level, record))
    });
    Some((group.trim_end_matches(":*"), records.collect()))
}

impl Observer for LogFiles {
    fn turn(&self, facts: &Facts, events: &[Event]) {
        let Some((group, records)) = wanted(facts, events) else { return };
        let mut text = String::new();
        for (_, record) in records {
            record.write(&mut text);
            text.push('\n');
        }
        if let Err(error) = self.write(group, &text) {
            tracing::warn!(group, %error, "a log could not be written");
        }
    }
}

/// The levels, from the one that selects most to the one that selects least.
const LEVELS: [&str; 3] = ["ALL", "ERROR", "FATAL"];
