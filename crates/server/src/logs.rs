//! Execution logs, as `loggingConfiguration` requests them: each event is a record.

use crate::door::Credentials;
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};
use std::collections::VecDeque;
use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use stepwright_engine::{Facts, ObservedTurn, Observer};
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
    folder: PathBuf,
    /// Tell accounts apart.
    credentials: Credentials,
    /// The files that were written last, the latest first.
    files: Mutex<VecDeque<(PathBuf, File)>>,
}

/// The number of files that are kept open.
const MOST_OPEN: usize = 64;

impl std::fmt::Debug for LogFiles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LogFiles").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl LogFiles {
    /// Uses this directory. It is created when the first record is written.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder, credentials: Credentials::default(), files: Mutex::default() }
    }

    /// Gives each account but the server's own a directory of its own, so that their log groups may have the
    /// same names.
    #[must_use]
    pub fn of_accounts(self, credentials: Credentials) -> Self {
        Self { credentials, ..self }
    }

    /// The file of a log group of an execution.
    fn path(&self, execution: &str, group: &str) -> PathBuf {
        let file = format!("{}.jsonl", file_name(group));
        match self.credentials.scope_of(execution).filter(|scope| !scope.is_home()) {
            None => self.folder.join(file),
            Some(scope) => {
                let region = scope.region().unwrap_or_default();
                let own = format!("{}%{}", file_name(scope.account()), file_name(region));
                self.folder.join(own).join(file)
            }
        }
    }

    fn write(&self, path: &Path, text: &str) -> std::io::Result<()> {
        let mut files = self.files.lock();
        let place = files.iter().position(|(open, _)| open == path);
        let mut file = match place.and_then(|place| files.remove(place)) {
            Some((_, file)) => file,
            None => open(path)?,
        };
        let written = file.write_all(text.as_bytes());
        files.push_front((path.to_owned(), file));
        files.truncate(MOST_OPEN);
        written
    }
}

fn open(path: &Path) -> std::io::Result<File> {
    let folder = path.parent().unwrap_or(Path::new(""));
    if !folder.is_dir() {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    File::options().create(true).append(true).mode(0o600).open(path)
}

/// The name of a log group's file: `/aws/states/orders` is written to `aws.states.orders`. No two
/// groups have the same one.
fn file_name(group: &str) -> String {
    let escaped = |text: &str, slash: &str| {
        let text = text.replace('%', "%25").replace('.', "%2E");
        text.replace('/', slash)
    };
    let name = match group.strip_prefix('/') {
        // Only these names have dots.
        Some(rest) if rest.contains('/') => escaped(rest, "."),
        _ => escaped(group, "%2F"),
    };
    if name.len() <= LONGEST_NAME {
        return name;
    }
    let cut = name.char_indices().take_while(|(at, _)| *at < LONGEST_NAME - 40).last();
    let cut = cut.map_or(0, |(at, _)| at);
    format!("{}%{}", &name[..cut], hex::encode(&Sha256::digest(group)[..16]))
}

/// The longest name of a file, without what is appended to it.
const LONGEST_NAME: usize = 200;

/// The records of those events that the execution's `loggingConfiguration` selects, each with its
/// level, and the log group to write them to.
pub(crate) fn wanted<'f>(
    facts: &'f Facts,
    turn: &ObservedTurn<'_>,
) -> Option<(&'f str, Vec<(&'static str, Json)>)> {
    let logging = facts.revision.logging.as_ref()?;
    let level = logging.get("level").and_then(Json::as_str)?;
    let least = LEVELS.iter().position(|known| *known == level)?;
    let group = logging.get("destinations")?.at(0)?.get("cloudWatchLogsLogGroup")?;
    let group = group.get("logGroupArn")?.as_str()?.split(":log-group:").nth(1)?;
    let with_data = logging.get("includeExecutionData").and_then(Json::as_bool);
    let records = log_records(
        &facts.about.arn,
        turn.events,
        turn.calls,
        turn.redrive_count,
        with_data.unwrap_or_default(),
    );
    let records = records.into_iter().filter_map(|record| {
        let level = level_of(record.get("type").and_then(Json::as_str).unwrap_or_default());
        let rank = LEVELS.iter().position(|known| *known == level).unwrap_or(0);
        (rank >= least).then_some((level, record))
    });
    Some((group.trim_end_matches(":*"), records.collect()))
}

impl Observer for LogFiles {
    fn turn(&self, facts: &Facts, turn: &ObservedTurn<'_>) {
        let Some((group, records)) = wanted(facts, turn) else { return };
        let mut text = String::new();
        for (_, record) in records {
            record.write(&mut text);
            text.push('\n');
        }
        if let Err(error) = self.write(&self.path(&facts.about.arn, group), &text) {
            tracing::warn!(group, %error, "a log could not be written");
        }
    }
}

/// The levels, from the one that selects most to the one that selects least.
const LEVELS: [&str; 3] = ["ALL", "ERROR", "FATAL"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_group_has_a_file_of_its_own() {
        assert_eq!(file_name("/aws/states/orders"), "aws.states.orders");
        assert_eq!(file_name("orders"), "orders");
        let long = "x".repeat(500);
        let groups = [
            "a/b",
            "/a/b",
            "a.b",
            "/a.b",
            "a",
            "/a",
            "a/",
            "/a/",
            "//a",
            "/a//b",
            "a%2Fb",
            "%2Fa",
            "a%b",
            ".",
            "..",
            "/",
            "/..",
            "../a",
            "/../a",
            &long,
            &long[1..],
        ];
        let names: std::collections::BTreeSet<String> = groups.map(file_name).into();
        assert_eq!(names.len(), groups.len(), "{names:?}");
        for name in names {
            let name = format!("{name}.jsonl");
            assert!(!name.contains('/') && name.len() < 255, "{name}");
        }
    }

    #[test]
    fn each_account_but_the_servers_own_has_a_directory() {
        use crate::config::{AccountConfig, CredentialConfig, ServerConfig};
        use crate::door::Tenants;
        let key = CredentialConfig {
            access_key_id: "KEY".to_owned(),
            secret_access_key: None,
            actions: Vec::new(),
            resources: Vec::new(),
            account: Some("111111111111".to_owned()),
        };
        let none = std::collections::BTreeMap::<String, AccountConfig>::new();
        let tenants = Tenants::read(&ServerConfig::default(), &[key], &none);
        let tenants = tenants.expect("they are accounts");
        let apart =
            LogFiles::new("logs".into()).of_accounts(Credentials::default().with_tenants(tenants));
        let path = |files: &LogFiles, account: &str| {
            let arn = format!("arn:aws:states:us-east-1:{account}:execution:order:one");
            files.path(&arn, "/aws/states/orders").display().to_string()
        };
        let plain = "logs/aws.states.orders.jsonl";
        assert_eq!(path(&apart, "123456789012"), plain);
        assert_eq!(
            path(&apart, "111111111111"),
            "logs/111111111111%us-east-1/aws.states.orders.jsonl"
        );
        assert_eq!(path(&LogFiles::new("logs".into()), "111111111111"), plain);
    }

    #[test]
    fn few_files_are_open_at_once_and_nobody_else_reads_them() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().expect("a directory");
        let logs = LogFiles::new(folder.path().join("logs"));
        for round in 0..2 {
            for group in 0..200 {
                let path = logs.path("arn", &format!("/group/{group}"));
                logs.write(&path, &format!("{round}\n")).expect("it is written");
            }
        }
        assert_eq!(logs.files.lock().len(), MOST_OPEN);
        for group in 0..200 {
            let path = folder.path().join(format!("logs/group.{group}.jsonl"));
            assert_eq!(std::fs::read_to_string(&path).expect("it is there"), "0\n1\n");
            let mode = std::fs::metadata(&path).expect("it is there").permissions().mode();
            assert_eq!(mode & 0o077, 0);
        }
    }
}
