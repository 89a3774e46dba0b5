//! Storage for executions.
//!
//! [`Store`] is the port. An engine calls [`Store::append`] to store the events of one turn
//! together with everything else that the turn changes, all or nothing. [`Memory`] loses everything
//! when the process ends; [`Sqlite`] keeps it in one directory, through `kill -9` and power loss;
//! [`Postgres`] keeps it in a database that several nodes share.
//!
//! A store knows neither events nor definitions: chunks and documents are bytes to it. With a [`Keyring`],
//! [`sealed`] encrypts them, whatever kind of store it is.

mod conditions;
mod copy;
mod keys;
mod memory;
mod nodes;
mod postgres;
mod row;
mod sealed;
mod sqlite;
mod table;

pub use copy::{Copied, copy};
pub use keys::{FileSealer, Keyring, open_file};
pub use memory::Memory;
pub use nodes::{Member, Members, Membership, NodeId, Shards};
pub use postgres::Postgres;
pub use row::{
    About, Chunk, ExecutionRow, Filter, HistoryPart, MapRunRow, Page, Recorded, Sorted, Status,
};
pub use sealed::{KeyChange, check_key_names, sealed, sealed_to_read};
pub use sqlite::Sqlite;
pub use table::{TableEvent, TableExecution, TableWriter, table_lines};

use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// The number of an execution in its store. Numbers rise, and none is used twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExecutionId(pub u64);

impl ExecutionId {
    /// The shard it belongs to, which one node drives.
    pub fn shard(self) -> u8 {
        (self.0 % 256) as u8
    }
}

/// The future of an answer.
pub type Pending<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Documents: their keys, and their bytes.
pub type Documents = Vec<(String, Vec<u8>)>;

/// Changes to documents: their keys and their new bytes; `None` removes a document.
pub type DocumentChanges = Vec<(String, Option<Vec<u8>>)>;

/// Stores executions and documents.
///
/// When a future has answered `Ok`, its change is kept, whatever happens to the process afterwards.
/// A change that was answered with an error, or not at all, is kept as a whole or not at all.
pub trait Store: Send + Sync + 'static {
    /// Returns a number for a new execution.
    fn new_id(&self) -> ExecutionId;

    /// Stores a turn.
    fn append(&self, append: Append) -> Pending<Result<(), AppendError>>;

    /// Stores documents, all or none; `None` as a document's bytes removes it.
    fn put(&self, documents: DocumentChanges) -> Pending<Result<(), StoreError>>;

    /// The documents whose keys begin with `prefix`, in the order of their keys.
    fn documents(&self, prefix: &str) -> Pending<Result<Documents, StoreError>>;

    /// The execution with this number.
    fn execution(&self, id: ExecutionId) -> Pending<Result<Option<ExecutionRow>, StoreError>>;

    /// The execution with this ARN.
    fn execution_by_arn(&self, arn: &str) -> Pending<Result<Option<ExecutionRow>, StoreError>>;

    /// Chunks of an execution's history. If they are larger than `most_bytes`, only the first ones
    /// are returned, but at least one if there is one: histories are read piece by piece, because
    /// they can be larger than memory.
    fn history(
        &self,
        id: ExecutionId,
        part: HistoryPart,
        most_bytes: usize,
    ) -> Pending<Result<Vec<Chunk>, StoreError>>;

    /// The first execution whose number is `id` or higher.
    fn first_from(&self, id: ExecutionId) -> Pending<Result<Option<ExecutionId>, StoreError>>;

    /// The executions whose numbers are in a range, by number, with their histories. If the
    /// histories are larger than `most_bytes`, only the first executions are returned, but at least
    /// one if there is one; of a history that is larger than that by itself, only the first chunks.
    fn recorded(
        &self,
        numbers: std::ops::Range<u64>,
        most_bytes: usize,
    ) -> Pending<Result<Vec<Recorded>, StoreError>>;

    /// The executions of these shards that have not ended, after the given one, in an order of the
    /// store's own. While pages are read one after another, an execution that runs all the while is
    /// on exactly one of them.
    fn live(
        &self,
        shards: &Shards,
        after: Option<&ExecutionRow>,
        most: usize,
    ) -> Pending<Result<Vec<ExecutionRow>, StoreError>>;

    /// Executions, the most recently started first. If the filter names no machine, version, alias
    /// or map run, the highest numbers come first. For a machine or a map run, with or without a
    /// status, the cost depends only on the size of the page.
    fn list(&self, filter: Filter, page: Page) -> Pending<Result<Vec<ExecutionRow>, StoreError>>;

    /// Counts the executions that a filter matches, by status; statuses without executions are left
    /// out. The counts of a machine, of a map run and of all executions are kept up to date, so
    /// these are cheap.
    fn count(&self, filter: Filter) -> Pending<Result<Vec<(Status, u64)>, StoreError>>;

    /// The map run with this ARN.
    fn map_run(&self, arn: &str) -> Pending<Result<Option<MapRunRow>, StoreError>>;

    /// The map runs of an execution, the most recently started first.
    fn map_runs(&self, execution: ExecutionId) -> Pending<Result<Vec<MapRunRow>, StoreError>>;

    /// Map runs of all executions, the most recently started first, after the one with this start time
    /// and ARN. In a database, the cost depends only on `most`.
    fn latest_map_runs(
        &self,
        after: Option<(i64, String)>,
        most: usize,
    ) -> Pending<Result<Vec<MapRunRow>, StoreError>>;

    /// Executions in another order than that of [`Store::list`]. In a database, the cost depends only on
    /// `most`.
    fn sorted(&self, sorted: Sorted, most: usize)
    -> Pending<Result<Vec<ExecutionRow>, StoreError>>;

    /// Up to `most` executions that ended before this moment (milliseconds since 1970), those that ended
    /// first first.
    fn ended(&self, before: i64, most: usize) -> Pending<Result<Vec<ExecutionRow>, StoreError>>;

    /// Deletes those of these executions that ended before this moment: not one that was redriven
    /// meanwhile. Returns the number of executions deleted.
    fn forget(
        &self,
        executions: Vec<ExecutionId>,
        ended_before: i64,
    ) -> Pending<Result<u64, StoreError>>;

    /// Deletes all executions of a machine that have ended. Returns their number.
    fn forget_machine(&self, machine: &str) -> Pending<Result<u64, StoreError>>;

    /// Copies everything into a new directory. Reads and writes continue meanwhile.
    fn backup(&self, folder: &Path) -> Pending<Result<(), StoreError>>;

    /// Returns everything that is wrong in the store, as far as it can tell by itself. Once `stop`
    /// is set, it ends soon, with what it has found so far.
    fn verify(&self, stop: Arc<AtomicBool>) -> Pending<Result<Vec<String>, StoreError>>;

    /// Writes what is pending and accepts nothing more.
    fn close(&self) -> Pending<()>;

    /// The size of the store in bytes.
    fn size(&self) -> u64;

    /// This process's place among the nodes that share the store; `None` if only one process can
    /// have it open, which then drives everything.
    fn membership(&self) -> Option<Arc<dyn Membership>> {
        None
    }
}

/// One turn of one execution: its events and everything else that it changes.
#[derive(Clone, Debug)]
pub struct Append {
    /// The execution that took the turn.
    pub execution: ExecutionId,
    /// The number of events before the turn. If the store has another number, the append is an
    /// [`AppendError::Conflict`].
    pub expected_len: u64,
    /// The number of events after the turn.
    pub len: u64,
    /// The events, as bytes. Empty for a turn that changes only the fields below.
    pub chunk: Vec<u8>,
    /// What is known of the execution beforehand, if this is its first turn.
    pub about: Option<Box<About>>,
    /// Its status after the turn.
    pub status: Status,
    /// When it ended (milliseconds since 1970), if it has.
    pub stopped_at: Option<i64>,
    /// When it must be woken (milliseconds since 1970), if at all.
    pub wake_at: Option<i64>,
    /// Whether something is owed to it that must be asked for again after a restart.
    pub is_owed: bool,
    /// The number of redrives, and the time of the last one in milliseconds since 1970.
    pub redriven: Option<(u32, i64)>,
    /// The map runs that the turn started or changed.
    pub map_runs: Vec<MapRunRow>,
}

/// Why a turn was not stored.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// The execution has other events than expected, or it does not exist any more.
    #[error("the execution has another length than expected")]
    Conflict,
    /// Another execution has this ARN.
    #[error("an execution with this ARN exists")]
    Exists,
    /// The store could not write. Nothing of the turn is kept.
    #[error("the turn was not stored")]
    NotWritten(#[source] StoreError),
    /// Another node drives the execution now. Nothing of the turn is kept, and this node writes
    /// nothing any more.
    #[error("another node has taken this one's executions")]
    Lost,
    /// The turn may or may not be kept; reading the store tells. This does not change any more.
    #[error("it is not known whether the turn was stored")]
    Unknown(#[source] StoreError),
}

/// The error of a store that cannot do what it was asked.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{what}")]
pub struct StoreError {
    /// The reason, for a person to read.
    pub what: String,
}

impl StoreError {
    /// An error with this reason.
    pub fn new(what: impl Into<String>) -> Self {
        Self { what: what.into() }
    }
}
