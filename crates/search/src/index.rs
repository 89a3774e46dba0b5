//! The index, in a database of its own beside the store.

use crate::query::{Query, code};
use crate::words::Words;
use parking_lot::Mutex;
use rusqlite::{Connection, OptionalExtension as _, params};
use std::fs::{DirBuilder, OpenOptions};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use stepwright_store::{ExecutionId, Status};

/// The name of the file.
const NAME: &str = "search.db";

/// The number of the layout, in `SQLite`'s `user_version`. An index of another layout is made anew.
const LAYOUT: i64 = 1;

/// How long a search may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// How far apart in time the order of numbers and the order of starts may be.
const SLACK: i64 = 600_000;

const TABLES: &str = "
    CREATE TABLE executions (
        id INTEGER PRIMARY KEY, len INTEGER NOT NULL, started_at INTEGER NOT NULL
    );
    CREATE INDEX executions_started ON executions (started_at);
    -- Only the words are kept, not the texts; what is not found by its words cannot be read here.
    CREATE VIRTUAL TABLE words USING fts5 (
        name, machine, status, input, output, error, states, variables,
        content = '', contentless_delete = 1, tokenize = 'unicode61 remove_diacritics 2'
    );
    CREATE TABLE facts (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
";

/// Why the index cannot be used.
#[derive(Clone, Debug, thiserror::Error)]
pub enum IndexError {
    /// It takes too long.
    #[error(
        "the search took longer than {PATIENCE:?}; name a field, a status or a time to narrow it"
    )]
    Slow,
    /// The database cannot be used.
    #[error("the index cannot be used: {0}; it is made anew if search.db is deleted")]
    Broken(String),
}

fn broken(error: rusqlite::Error) -> IndexError {
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::OperationInterrupted) => IndexError::Slow,
        _ => IndexError::Broken(error.to_string()),
    }
}

/// An execution, as the index takes it.
pub(crate) struct Entry {
    pub(crate) id: ExecutionId,
    pub(crate) len: u64,
    pub(crate) started_at: i64,
    pub(crate) name: String,
    pub(crate) machine: String,
    pub(crate) status: Status,
    pub(crate) words: Words,
}

pub(crate) struct Index {
    writing: Mutex<Connection>,
    /// Searches do not wait for what is being written. An index in memory has one connection.
    reading: Option<Mutex<Connection>>,
}

impl std::fmt::Debug for Index {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Index").finish_non_exhaustive()
    }
}

impl Index {
    /// Opens the index in a folder, or makes one; in memory without a folder.
    pub(crate) fn open(folder: Option<&Path>) -> Result<Self, IndexError> {
        let Some(folder) = folder else {
            let connection = Connection::open_in_memory().map_err(broken)?;
            connection.execute_batch(TABLES).map_err(broken)?;
            return Ok(Self { writing: Mutex::new(connection), reading: None });
        };
        // A node that keeps its executions elsewhere may have no folder yet.
        let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.map_err(|error| IndexError::Broken(format!("{}: {error}", folder.display())))?;
        let path = folder.join(NAME);
        let connection = match open(&path) {
            Ok(connection) => connection,
            // What is broken, or of another release, is made anew.
            Err(_) => {
                remove(&path);
                open(&path)?
            }
        };
        let reading = Connection::open(&path).map_err(broken)?;
        Ok(Self { writing: Mutex::new(connection), reading: Some(Mutex::new(reading)) })
    }

    pub(crate) fn exists(folder: &Path) -> bool {
        folder.join(NAME).is_file()
    }

    /// Removes the index in a folder, so that it is made anew.
    pub(crate) fn remove(folder: &Path) {
        remove(&folder.join(NAME));
    }

    fn reading<T>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, IndexError> {
        let connection = self.reading.as_ref().unwrap_or(&self.writing).lock();
        let end = Instant::now() + PATIENCE;
        connection.progress_handler(10_000, Some(move || Instant::now() > end));
        let found = read(&connection).map_err(broken);
        connection.progress_handler(0, None::<fn() -> bool>);
        found
    }

    /// Writes entries in place of those of the same executions.
    pub(crate) fn write(&self, entries: &[Entry]) -> Result<(), IndexError> {
        let mut connection = self.writing.lock();
        let transaction = connection.transaction().map_err(broken)?;
        let put = || -> rusqlite::Result<()> {
            let mut rows = transaction.prepare_cached(
                "INSERT OR REPLACE INTO executions (id, len, started_at) VALUES (?, ?, ?)",
            )?;
            let mut words = transaction.prepare_cached(
                "INSERT OR REPLACE INTO words
                 (rowid, name, machine, status, input, output, error, states, variables)
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            )?;
            for entry in entries {
                let id = entry.id.0 as i64;
                rows.execute(params![id, entry.len as i64, entry.started_at])?;
                let of = &entry.words;
                words.execute(params![
                    id,
                    entry.name,
                    entry.machine,
                    code(entry.status),
                    of.input,
                    of.output,
                    of.error,
                    of.states,
                    of.variables
                ])?;
                stepwright_background::breathe();
            }
            Ok(())
        };
        put().map_err(broken)?;
        transaction.commit().map_err(broken)
    }

    pub(crate) fn delete(&self, ids: &[u64]) -> Result<(), IndexError> {
        let mut connection = self.writing.lock();
        let transaction = connection.transaction().map_err(broken)?;
        let remove = || -> rusqlite::Result<()> {
            for table in
                ["DELETE FROM words WHERE rowid = ?", "DELETE FROM executions WHERE id = ?"]
            {
                let mut statement = transaction.prepare_cached(table)?;
                for id in ids {
                    statement.execute([*id as i64])?;
                }
            }
            Ok(())
        };
        remove().map_err(broken)?;
        transaction.commit().map_err(broken)
    }

    /// The executions that a query means, the latest first, from below a number on.
    pub(crate) fn find(
        &self,
        query: &Query,
        below: Option<u64>,
        most: usize,
    ) -> Result<Vec<ExecutionId>, IndexError> {
        self.reading(|connection| {
            let first = |at: i64| -> rusqlite::Result<Option<i64>> {
                connection
                    .prepare_cached(
                        "SELECT id FROM executions WHERE started_at >= ? ORDER BY started_at LIMIT 1",
                    )?
                    .query_row([at], |row| row.get(0))
                    .optional()
            };
            // Numbers rise with time, so that what began too early or late need not be looked at.
            let from = match query.after {
                Some(after) => first(after.saturating_sub(SLACK))?.unwrap_or(i64::MAX),
                None => 0,
            };
            let until = match query.before {
                Some(before) => first(before.saturating_add(SLACK))?.unwrap_or(i64::MAX),
                None => i64::MAX,
            };
            let below = below.and_then(|below| i64::try_from(below).ok()).unwrap_or(i64::MAX);
            let until = until.min(below.saturating_sub(1));
            let times = (query.after.unwrap_or(i64::MIN), query.before.unwrap_or(i64::MAX));
            let most = i64::try_from(most).unwrap_or(i64::MAX);
            let id = |row: &rusqlite::Row<'_>| Ok(ExecutionId(row.get::<_, i64>(0)? as u64));
            if query.words.is_empty() {
                return connection
                    .prepare_cached(
                        "SELECT id FROM executions WHERE id BETWEEN ? AND ?
                         AND started_at >= ? AND started_at < ? ORDER BY id DESC LIMIT ?",
                    )?
                    .query_map(params![from, until, times.0, times.1, most], id)?
                    .collect();
            }
            connection
                .prepare_cached(
                    "SELECT e.id FROM words w CROSS JOIN executions e ON e.id = w.rowid
                     WHERE words MATCH ? AND w.rowid BETWEEN ? AND ?
                     AND e.started_at >= ? AND e.started_at < ? ORDER BY w.rowid DESC LIMIT ?",
                )?
                .query_map(params![query.expression(), from, until, times.0, times.1, most], id)?
                .collect()
        })
    }

    /// The executions with numbers in a range, and how many of their events are in the index.
    pub(crate) fn between(&self, from: u64, below: u64) -> Result<Vec<(u64, u64)>, IndexError> {
        let number = |id: u64| i64::try_from(id).unwrap_or(i64::MAX);
        let connection = self.writing.lock();
        let read = || -> rusqlite::Result<Vec<(u64, u64)>> {
            connection
                .prepare_cached("SELECT id, len FROM executions WHERE id >= ? AND id < ?")?
                .query_map([number(from), number(below)], |row| {
                    Ok((row.get::<_, i64>(0)? as u64, row.get::<_, i64>(1)? as u64))
                })?
                .collect()
        };
        read().map_err(broken)
    }

    /// How many executions are in it.
    pub(crate) fn count(&self) -> Result<u64, IndexError> {
        let connection = self.writing.lock();
        let count = connection.query_row("SELECT count(*) FROM executions", [], |row| row.get(0));
        count.map(|count: i64| count as u64).map_err(broken)
    }

    /// Whether it had everything when it was closed last.
    pub(crate) fn is_complete(&self) -> Result<bool, IndexError> {
        let connection = self.writing.lock();
        let value = connection
            .query_row("SELECT value FROM facts WHERE key = 'complete'", [], |row| row.get(0))
            .optional();
        value.map(|value: Option<i64>| value == Some(1)).map_err(broken)
    }

    pub(crate) fn set_complete(&self, is_complete: bool) -> Result<(), IndexError> {
        let connection = self.writing.lock();
        let set = "INSERT OR REPLACE INTO facts (key, value) VALUES ('complete', ?)";
        connection.execute(set, [i64::from(is_complete)]).map(drop).map_err(broken)
    }
}

fn open(path: &Path) -> Result<Connection, IndexError> {
    // What is in it is as private as what is in the store.
    let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path);
    file.map_err(|error| IndexError::Broken(format!("{}: {error}", path.display())))?;
    let connection = Connection::open(path).map_err(broken)?;
    // The store is what must not be lost.
    connection
        .execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;")
        .map_err(broken)?;
    let layout: i64 =
        connection.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(broken)?;
    if layout == 0 {
        connection
            .execute_batch(&format!("BEGIN; {TABLES} PRAGMA user_version = {LAYOUT}; COMMIT;"))
            .map_err(broken)?;
    } else if layout != LAYOUT {
        return Err(IndexError::Broken(format!("its layout is {layout}")));
    }
    connection
        .query_row("SELECT count(*) FROM (SELECT 1 FROM executions LIMIT 1)", [], |_| Ok(()))
        .map_err(broken)?;
    Ok(connection)
}

fn remove(path: &Path) {
    for ending in ["", "-wal", "-shm"] {
        let file = PathBuf::from(format!("{}{ending}", path.display()));
        if let Err(error) = std::fs::remove_file(&file)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(%error, file = %file.display(), "the index cannot be removed");
        }
    }
}
