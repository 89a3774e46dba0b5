//! What `loggingConfiguration` asks for: execution events as records.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::sync::{Mutex, PoisonError};
use stepwright_engine::{Facts, Observer};
use stepwright_history::Event;
use stepwright_history::aws::log_records;
use stepwright_json::Json;

/// How bad an event of this type is, in the levels that `loggingConfiguration` knows.
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

/// Writes records to files, one for each log group, in a directory: JSON lines.
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
    /// Files in this directory, which is made when the first record comes.
    pub fn new(folder: std::path::PathBuf) -> Self {
        Self { folder, files: Mutex::default() }
    }

    fn write(&self, group: &str, text: &str) -> std::io::Result<()> {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        if !files.contains_key(group) {
            std::fs::create_dir_all(&self.folder)?;
            // A group's name has slashes; a file's has none.
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

/// The records of events that the execution's `loggingConfiguration` asks for, each with its level,
/// and the log group that they are for.
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

/// The levels, from the one that takes everything to the one that takes least.
const LEVELS: [&str; 3] = ["ALL", "ERROR", "FATAL"];
