mod acknowledged;
mod queue;
mod read;
mod schema;
mod sorted;
mod verify;
mod writer;

use crate::sealed::{MARK, read_mark};
use crate::{
    Append, AppendError, Chunk, DocumentChanges, Documents, ExecutionId, ExecutionRow, Filter,
    HistoryPart, MapRunRow, Page, Pending, Recorded, Shards, Sorted, Status, Store, StoreError,
};
use acknowledged::Acknowledged;
use parking_lot::Mutex;
use queue::Queue;
use read::Readers;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use schema::broken;
use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use tokio::sync::oneshot;
use writer::Work;

/// A store in a directory: an `SQLite` database with a write-ahead log. What it has acknowledged
/// has reached the disk (`synchronous=FULL`). Only one process may have it open at a time.
#[derive(Debug)]
pub struct Sqlite {
    path: PathBuf,
    next: AtomicU64,
    queue: Arc<Queue>,
    thread: Mutex<Option<JoinHandle<()>>>,
    readers: Arc<Readers>,
    /// Locked while the store is open, so that no second process opens it.
    _lock: File,
}

impl Sqlite {
    /// Opens the store in a directory. Creates the directory and the store if necessary.
    ///
    /// A store that has lost transactions which it had acknowledged is not opened.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        Self::open_with(folder, false)
    }

    /// Like [`Self::open`], but opens a store that has lost transactions, which is what is left of
    /// it. Its damaged log is kept beside it, as `stepwright.db-wal.damaged`.
    pub fn open_despite_loss(folder: &Path) -> Result<Self, StoreError> {
        Self::open_with(folder, true)
    }

    fn open_with(folder: &Path, accepts_loss: bool) -> Result<Self, StoreError> {
        let io = |what: &str, error: std::io::Error| {
            StoreError::new(format!("{what} {}: {error}", folder.display()))
        };
        if !folder.is_dir() {
            let mut builder = std::fs::DirBuilder::new();
            let made = builder.recursive(true).mode(0o700).create(folder);
            made.map_err(|error| io("cannot make the directory", error))?;
        }
        let lock = private()
            .open(folder.join("lock"))
            .map_err(|error| io("cannot open the lock in", error))?;
        lock.try_lock().map_err(|_| {
            StoreError::new(format!("another process has the store in {} open", folder.display()))
        })?;
        let path = folder.join(NAME);
        if !path.exists() && folder.join(PARTIAL).exists() {
            return Err(interrupted(folder));
        }
        // `SQLite` gives its log the rights of the database.
        private().open(&path).map_err(|error| io("cannot open the database in", error))?;
        let mut connection = Connection::open(&path).map_err(broken)?;
        // A damaged log must stay as it is, should the store not be opened.
        let leaves_log = DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE;
        connection.set_db_config(leaves_log, true).map_err(broken)?;
        let log = path.with_extension("db-wal");
        let was = if accepts_loss { std::fs::read(&log).ok() } else { None };
        prepare(&connection).map_err(broken)?;
        if let Err(lost) = nothing_is_lost(folder, &connection) {
            if !accepts_loss {
                return Err(lost);
            }
            if let Some(was) = was.filter(|was| !was.is_empty()) {
                let damaged = folder.join("stepwright.db-wal.damaged");
                let kept = std::fs::write(&damaged, was);
                kept.map_err(|error| io("cannot keep the damaged log in", error))?;
            }
        }
        connection.set_db_config(leaves_log, false).map_err(broken)?;
        schema::migrate(&mut connection)?;
        let acknowledged = Acknowledged::open(folder, &connection)?;
        let last: i64 = connection
            .query_row("SELECT coalesce(max(id), 0) FROM executions", [], |row| row.get(0))
            .map_err(broken)?;
        let queue = Arc::new(Queue::new(connection, acknowledged));
        let writing = queue.clone();
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || writing.run())
            .map_err(|error| io("cannot start the writer for", error))?;
        Ok(Self {
            readers: Arc::new(Readers::new(path.clone())),
            path,
            next: AtomicU64::new(last as u64 + 1),
            queue,
            thread: Mutex::new(Some(thread)),
            _lock: lock,
        })
    }

    /// The layout that this release gives a store.
    pub const LAYOUT: i64 = schema::VERSION;

    /// The layout of the store in a directory; `None` if there is none. Nothing is changed, and a server may
    /// be using it. A store that has lost transactions which it had acknowledged is an error, as for
    /// [`Self::open`].
    pub fn layout_of(folder: &Path) -> Result<Option<i64>, StoreError> {
        let path = folder.join(NAME);
        if !path.is_file() {
            let is_partial = folder.join(PARTIAL).exists();
            return if is_partial { Err(interrupted(folder)) } else { Ok(None) };
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&path, flags).map_err(broken)?;
        let layout = connection.query_row("PRAGMA user_version", [], |row| row.get(0));
        let layout: i64 = layout.map_err(broken)?;
        // How a later release keeps this, nobody knows here.
        if layout <= Self::LAYOUT {
            nothing_is_lost(folder, &connection)?;
        }
        Ok(Some(layout))
    }

    /// The names of the keys that the store in a directory is encrypted with; none if it is in clear, or not
    /// there. Nothing is changed, and a server may be using it.
    pub fn key_names(folder: &Path) -> Result<Vec<String>, StoreError> {
        let path = folder.join(NAME);
        if !path.is_file() {
            return Ok(Vec::new());
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&path, flags).map_err(broken)?;
        let layout = connection.query_row("PRAGMA user_version", [], |row| row.get(0));
        let layout: i64 = layout.map_err(broken)?;
        // No earlier release has encrypted anything.
        if layout != Self::LAYOUT {
            return Ok(Vec::new());
        }
        let mark = read::documents(&connection, MARK).map_err(broken)?;
        Ok(read_mark(&mark))
    }

    /// Copies the store in a directory into another directory. A server may be using it meanwhile.
    pub fn copy(folder: &Path, to: &Path) -> Result<(), StoreError> {
        let path = folder.join(NAME);
        if !path.is_file() {
            if folder.join(PARTIAL).exists() {
                return Err(interrupted(folder));
            }
            return Err(StoreError::new(format!("{} holds no store", folder.display())));
        }
        copy(&Readers::new(path), folder, to)
    }

    /// Tells the writer to end once it has written what is pending. Returns its thread.
    fn end_writer(&self) -> Option<JoinHandle<()>> {
        self.queue.close();
        self.thread.lock().take()
    }

    fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Pending<Result<T, StoreError>> {
        let readers = Arc::clone(&self.readers);
        Box::pin(async move {
            tokio::task::spawn_blocking(move || readers.read(read))
                .await
                .unwrap_or_else(|_| Err(StoreError::new("a read was broken off")))
        })
    }
}

impl Drop for Sqlite {
    fn drop(&mut self) {
        if let Some(thread) = self.end_writer() {
            // If the writer panicked, its callers have seen the missing answers. Nobody else needs
            // to be told.
            drop(thread.join());
        }
    }
}

/// The largest number of a deleted machine's executions that are removed in one transaction.
const REMOVED_AT_ONCE: usize = 500;

/// Asks the writer to do something. Returns `refused` if the work was not accepted, and `unknown`
/// if it was accepted but never answered.
fn ask<T: Send + 'static, E: Send + 'static>(
    queue: &Queue,
    work: impl FnOnce(oneshot::Sender<Result<T, E>>) -> Work,
    refused: fn(StoreError) -> E,
    unknown: fn(StoreError) -> E,
) -> Pending<Result<T, E>> {
    let (answer, answered) = oneshot::channel();
    if !queue.put(work(answer)) {
        let closed = StoreError::new("the store is closed");
        return Box::pin(std::future::ready(Err(refused(closed))));
    }
    Box::pin(async move {
        let lost = || unknown(StoreError::new("the store broke off while it was writing"));
        answered.await.unwrap_or_else(|_| Err(lost()))
    })
}

/// The name of the database, and of a copy that is not finished.
const NAME: &str = "stepwright.db";
const PARTIAL: &str = "stepwright.db.partial";

/// How a file is opened that nobody else may read.
fn private() -> std::fs::OpenOptions {
    let mut options = File::options();
    options.create(true).truncate(false).read(true).write(true).mode(0o600);
    options
}

fn interrupted(folder: &Path) -> StoreError {
    let folder = folder.display();
    StoreError::new(format!(
        "{folder} holds a backup that was interrupted, which is no store: make the backup again, or \
         delete {folder}/{PARTIAL}"
    ))
}

/// Compares what was acknowledged last with what is there.
fn nothing_is_lost(folder: &Path, connection: &Connection) -> Result<(), StoreError> {
    // The file is read first: a server that uses the store may be writing.
    let Some(facts) = acknowledged::in_file(folder) else { return Ok(()) };
    let Some(missing) = acknowledged::missing(facts, connection).map_err(broken)? else {
        return Ok(());
    };
    Err(StoreError::new(format!(
        "the store in {} has lost {missing}: its database or its write-ahead log is damaged, or was \
         replaced. Restore a backup in an empty directory, or go on with what is left: \
         stepwright doctor --accept-loss --data {}",
        folder.display(),
        folder.display()
    )))
}

/// Copies the data that readers see into a new directory: under another name, until the copy is
/// whole and on the disk.
fn copy(readers: &Readers, from: &Path, folder: &Path) -> Result<(), StoreError> {
    let failed = |what: &str, error: std::io::Error| {
        StoreError::new(format!("cannot {what} {}: {error}", folder.display()))
    };
    if !folder.is_dir() {
        let mut builder = std::fs::DirBuilder::new();
        let made = builder.recursive(true).mode(0o700).create(folder);
        made.map_err(|error| failed("make", error))?;
    }
    let (target, partial) = (folder.join(NAME), folder.join(PARTIAL));
    if target.exists() {
        return Err(StoreError::new(format!("{} exists already", target.display())));
    }
    // What an interrupted backup has left behind.
    for left in [partial.clone(), partial.with_extension("partial-journal")] {
        match std::fs::remove_file(&left) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(failed("clear", error));
            }
            _ => {}
        }
    }
    let file = private().open(&partial).map_err(|error| failed("write to", error))?;
    let mut lost = Ok(());
    readers.read(|connection| {
        lost = nothing_is_lost(from, connection);
        if lost.is_err() {
            return Ok(());
        }
        let mut copy = Connection::open(&partial)?;
        let backup = rusqlite::backup::Backup::new(connection, &mut copy)?;
        backup.run_to_completion(1_024, std::time::Duration::ZERO, None)
    })?;
    if lost.is_err() {
        drop(std::fs::remove_file(&partial));
        return lost;
    }
    let finished = file
        .sync_all()
        .and_then(|()| std::fs::rename(&partial, &target))
        .and_then(|()| File::open(folder)?.sync_all());
    finished.map_err(|error| failed("finish the copy in", error))
}

/// Configures the connection that writes.
fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "wal_autocheckpoint", 4_000)?;
    connection.pragma_update(None, "journal_size_limit", 64 << 20)?;
    connection.pragma_update(None, "foreign_keys", "OFF")?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(())
}

impl Store for Sqlite {
    fn new_id(&self) -> ExecutionId {
        ExecutionId(self.next.fetch_add(1, Ordering::Relaxed))
    }

    fn append(&self, append: Append) -> Pending<Result<(), AppendError>> {
        ask(
            &self.queue,
            |answer| Work::Append(Box::new(append), answer),
            AppendError::NotWritten,
            AppendError::Unknown,
        )
    }

    fn put(&self, documents: DocumentChanges) -> Pending<Result<(), StoreError>> {
        ask(&self.queue, |answer| Work::Put(documents, answer), |error| error, |error| error)
    }

    fn documents(&self, prefix: &str) -> Pending<Result<Documents, StoreError>> {
        let prefix = prefix.to_owned();
        self.read(move |connection| read::documents(connection, &prefix))
    }

    fn execution(&self, id: ExecutionId) -> Pending<Result<Option<ExecutionRow>, StoreError>> {
        self.read(move |connection| read::execution(connection, id))
    }

    fn execution_by_arn(&self, arn: &str) -> Pending<Result<Option<ExecutionRow>, StoreError>> {
        let arn = arn.to_owned();
        self.read(move |connection| read::execution_by_arn(connection, &arn))
    }

    fn history(
        &self,
        id: ExecutionId,
        part: HistoryPart,
        most_bytes: usize,
    ) -> Pending<Result<Vec<Chunk>, StoreError>> {
        self.read(move |connection| read::history(connection, id, part, most_bytes))
    }

    fn first_from(&self, id: ExecutionId) -> Pending<Result<Option<ExecutionId>, StoreError>> {
        self.read(move |connection| read::first_from(connection, id))
    }

    fn recorded(
        &self,
        numbers: std::ops::Range<u64>,
        most_bytes: usize,
    ) -> Pending<Result<Vec<Recorded>, StoreError>> {
        self.read(move |connection| read::recorded(connection, &numbers, most_bytes))
    }

    fn live(
        &self,
        shards: &Shards,
        after: Option<&ExecutionRow>,
        most: usize,
    ) -> Pending<Result<Vec<ExecutionRow>, StoreError>> {
        // One process has the store, and with it all shards.
        debug_assert!(shards.are_all(), "no other node drives a part of it");
        let place =
            |row: &ExecutionRow| (row.about.owner().to_owned(), row.about.started_at, row.id);
        let after = after.map(place);
        self.read(move |connection| read::live(connection, after.as_ref(), most))
    }

    fn list(&self, filter: Filter, page: Page) -> Pending<Result<Vec<ExecutionRow>, StoreError>> {
        self.read(move |connection| read::list(connection, &filter, page))
    }

    fn count(&self, filter: Filter) -> Pending<Result<Vec<(Status, u64)>, StoreError>> {
        self.read(move |connection| read::count(connection, &filter))
    }

    fn map_run(&self, arn: &str) -> Pending<Result<Option<MapRunRow>, StoreError>> {
        let arn = arn.to_owned();
        self.read(move |connection| read::map_run(connection, &arn))
    }

    fn latest_map_runs(
        &self,
        after: Option<(i64, String)>,
        most: usize,
    ) -> Pending<Result<Vec<MapRunRow>, StoreError>> {
        self.read(move |connection| read::latest_map_runs(connection, after.as_ref(), most))
    }

    fn sorted(
        &self,
        sorted: Sorted,
        most: usize,
    ) -> Pending<Result<Vec<ExecutionRow>, StoreError>> {
        self.read(move |connection| sorted::sorted(connection, &sorted, most))
    }

    fn map_runs(&self, execution: ExecutionId) -> Pending<Result<Vec<MapRunRow>, StoreError>> {
        self.read(move |connection| read::map_runs(connection, execution))
    }

    fn ended(&self, before: i64, most: usize) -> Pending<Result<Vec<ExecutionRow>, StoreError>> {
        self.read(move |connection| read::ended(connection, before, most))
    }

    fn forget(
        &self,
        executions: Vec<ExecutionId>,
        ended_before: i64,
    ) -> Pending<Result<u64, StoreError>> {
        let work = |answer| Work::Remove { executions, ended_before, answer };
        ask(&self.queue, work, |error| error, |error| error)
    }

    fn forget_machine(&self, machine: &str) -> Pending<Result<u64, StoreError>> {
        let machine = machine.to_owned();
        let found = self.read(move |connection| read::ended_of_machine(connection, &machine));
        let queue = self.queue.clone();
        Box::pin(async move {
            let mut count = 0;
            // In several transactions, so that other writes get their turn.
            for ids in found.await?.chunks(REMOVED_AT_ONCE) {
                let executions = ids.to_vec();
                let work = |answer| Work::Remove { executions, ended_before: i64::MAX, answer };
                count += ask(&queue, work, |error| error, |error| error).await?;
            }
            Ok(count)
        })
    }

    fn backup(&self, folder: &Path) -> Pending<Result<(), StoreError>> {
        let folder = folder.to_owned();
        let from = self.path.with_file_name("");
        let readers = Arc::clone(&self.readers);
        Box::pin(async move {
            let copied = tokio::task::spawn_blocking(move || copy(&readers, &from, &folder));
            copied.await.unwrap_or_else(|_| Err(StoreError::new("the backup was broken off")))
        })
    }

    fn verify(&self, stop: Arc<AtomicBool>) -> Pending<Result<Vec<String>, StoreError>> {
        let readers = Arc::clone(&self.readers);
        Box::pin(async move {
            let verified = tokio::task::spawn_blocking(move || verify::verify(&readers, &stop));
            verified.await.unwrap_or_else(|_| Err(StoreError::new("the check was broken off")))
        })
    }

    fn close(&self) -> Pending<()> {
        let thread = self.end_writer();
        Box::pin(async move {
            if let Some(thread) = thread {
                // As in `drop`. A thread must not be joined here, because joining blocks.
                drop(tokio::task::spawn_blocking(move || drop(thread.join())).await);
            }
        })
    }

    fn size(&self) -> u64 {
        let of = |path: PathBuf| std::fs::metadata(path).map_or(0, |data| data.len());
        of(self.path.clone()) + of(self.path.with_extension("db-wal"))
    }
}
