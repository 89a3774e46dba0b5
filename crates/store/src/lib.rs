//! Where executions are kept.
//!
//! [`Store`] is the port: an engine appends the events of one turn with [`Store::append`], together
//! with what else the turn changes, all or nothing. [`Memory`] forgets everything when the process
//! ends; [`Sqlite`] keeps it in one directory, through `kill -9` and power loss.
//!
//! The store knows neither events nor definitions: chunks and documents are bytes to it.

mod memory;
mod row;
mod sqlite;

pub use memory::Memory;
pub use row::{About, ExecutionRow, Filter, MapRunRow, Page, Recorded, Status};
pub use sqlite::Sqlite;

use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// An execution's number in its store. Numbers rise; none is used twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExecutionId(pub u64);

/// An answer that takes a while.
pub type Pending<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Documents: their keys, and their bytes.
pub type Documents = Vec<(String, Vec<u8>)>;

/// Changes of documents: their keys, and their new bytes; None removes one.
pub type DocumentChanges = Vec<(String, Option<Vec<u8>>)>;

/// Keeps executions and documents.
///
/// Everything whose future has answered `Ok` is kept, whatever happens to the process afterwards.
/// What answered with an error, or not at all, is kept as a whole or not at all.
pub trait Store: Send + Sync + 'static {
    /// A number for a new execution.
    fn new_id(&self) -> ExecutionId;

    /// Keeps a turn.
    fn append(&self, append: Append) -> Pending<Result<(), AppendError>>;

    /// Keeps documents, all or none; None as a document's bytes removes it.
    fn put(&self, documents: DocumentChanges) -> Pending<Result<(), StoreError>>;

    /// The documents whose key begins with this, in the order of their keys.
    fn documents(&self, prefix: &str) -> Pending<Result<Documents, StoreError>>;

    /// An execution.
    fn execution(&self, id: ExecutionId) -> Pending<Result<Option<ExecutionRow>, StoreError>>;

    /// The execution with this ARN.
    fn execution_by_arn(&self, arn: &str) -> Pending<Result<Option<ExecutionRow>, StoreError>>;

    /// The chunks of an execution, in order.
    fn history(&self, id: ExecutionId) -> Pending<Result<Vec<Vec<u8>>, StoreError>>;

    /// The first execution with this number or a later one.
    fn first_from(&self, id: ExecutionId) -> Pending<Result<Option<ExecutionId>, StoreError>>;

    /// The executions whose numbers are in a range, with their histories, by number. Where they are
    /// larger than `most_bytes`, only the first ones: at least one, if there is one.
    fn recorded(
        &self,
        numbers: std::ops::Range<u64>,
        most_bytes: usize,
    ) -> Pending<Result<Vec<Recorded>, StoreError>>;

    /// Executions with a status that is not the end: those after this one, in an order that is the
    /// store's own. One that lives while page after page is read is on one page.
    fn live(
        &self,
        after: Option<&ExecutionRow>,
        most: usize,
    ) -> Pending<Result<Vec<ExecutionRow>, StoreError>>;

    /// Executions, the ones that began last first. Without a machine, a version, an alias or a map run
    /// in the filter, those with the highest numbers come first. What it costs depends on the page
    /// and on nothing else, for a machine or a map run, with or without a status.
    fn list(&self, filter: Filter, page: Page) -> Pending<Result<Vec<ExecutionRow>, StoreError>>;

    /// How many executions a filter finds, by status; a status that none has is left out. Those of a
    /// machine, of a map run, and all are counted as they come and go, so that asking costs little.
    fn count(&self, filter: Filter) -> Pending<Result<Vec<(Status, u64)>, StoreError>>;

    /// A map run.
    fn map_run(&self, arn: &str) -> Pending<Result<Option<MapRunRow>, StoreError>>;

    /// The map runs of an execution, the one that began last first.
    fn map_runs(&self, execution: ExecutionId) -> Pending<Result<Vec<MapRunRow>, StoreError>>;

    /// Forgets executions that ended before this moment (milliseconds since 1970), at most so many;
    /// says how many it forgot.
    fn forget(&self, ended_before: i64, most: usize) -> Pending<Result<u64, StoreError>>;

    /// Forgets all executions of a machine that have ended; says how many.
    fn forget_machine(&self, machine: &str) -> Pending<Result<u64, StoreError>>;

    /// Copies everything into a new directory while work goes on.
    fn backup(&self, folder: &Path) -> Pending<Result<(), StoreError>>;

    /// What is wrong with what the store keeps, for as far as it can tell by itself. Once `stop` is
    /// set, it ends soon, with what it has found.
    fn verify(&self, stop: Arc<AtomicBool>) -> Pending<Result<Vec<String>, StoreError>>;

    /// Writes what waits and takes nothing more.
    fn close(&self) -> Pending<()>;

    /// How many bytes it takes up.
    fn size(&self) -> u64;
}

/// A turn of one execution: its events and what else they change.
#[derive(Clone, Debug)]
pub struct Append {
    /// Which execution.
    pub execution: ExecutionId,
    /// How many events it had before. Another number is a [`AppendError::Conflict`].
    pub expected_len: u64,
    /// How many events it has after.
    pub len: u64,
    /// The events, as bytes. Empty for a turn that changes only what is below.
    pub chunk: Vec<u8>,
    /// What is known of it, if this is its first turn.
    pub about: Option<Box<About>>,
    /// Its status after the turn.
    pub status: Status,
    /// When it ended (milliseconds since 1970), if it has.
    pub stopped_at: Option<i64>,
    /// When it must be woken (milliseconds since 1970), if ever.
    pub wake_at: Option<i64>,
    /// Whether somebody else owes it something that must be asked for again after a restart.
    pub is_owed: bool,
    /// How often it was redriven, and when last.
    pub redriven: Option<(u32, i64)>,
    /// The map runs that the turn began or changed.
    pub map_runs: Vec<MapRunRow>,
}

/// Why a turn was not kept.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// Somebody else has appended to the execution in the meantime, or it is gone.
    #[error("the execution has another length than expected")]
    Conflict,
    /// Another execution has the ARN.
    #[error("an execution with this ARN exists")]
    Exists,
    /// The store cannot, and nothing of the turn is kept.
    #[error("the turn was not stored")]
    NotWritten(#[source] StoreError),
    /// The turn may be kept or not: what the store holds says so. It does not change any more.
    #[error("it is not known whether the turn was stored")]
    Unknown(#[source] StoreError),
}

/// The store cannot do what it was asked.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{what}")]
pub struct StoreError {
    /// Why, for a person.
    pub what: String,
}

impl StoreError {
    /// An error with this reason.
    pub fn new(what: impl Into<String>) -> Self {
        Self { what: what.into() }
    }
}
