//! Files of an archive as tables: Parquet, a row for each event. The rows of an execution follow each other, and
//! the first of them has what is said of the execution as a whole.
//!
//! That is the feature `parquet`; a build without it refuses by name.

#[cfg(feature = "parquet")]
mod parquet;

#[cfg(feature = "parquet")]
pub use parquet::TableWriter;

use std::io::{self, Read};

/// An execution, as its first row says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableExecution {
    /// Its ARN.
    pub arn: String,
    /// That of its state machine.
    pub machine_arn: String,
    /// `SUCCEEDED` and its siblings.
    pub status: String,
    /// All of it, as JSON.
    pub execution: String,
    /// Its state machine, as JSON.
    pub machine: String,
}

/// An event of an execution.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableEvent {
    /// Its number, from 1.
    pub id: i64,
    /// When it was, in milliseconds since 1970.
    pub time: i64,
    /// `PassStateEntered` and its siblings.
    pub kind: String,
    /// All of it, as JSON.
    pub text: String,
}

/// What a build without the feature says.
#[cfg(not(feature = "parquet"))]
const WITHOUT: &str = "stepwright was built without the feature `parquet`";

/// Writes a table: nothing, in a build without the feature.
#[cfg(not(feature = "parquet"))]
#[derive(Debug)]
pub enum TableWriter {}

#[cfg(not(feature = "parquet"))]
impl TableWriter {
    /// Begins a table. Refused in this build.
    pub fn new(_into: Box<dyn io::Write + Send>) -> Result<Self, String> {
        Err(WITHOUT.to_owned())
    }

    /// Whether this build writes tables.
    pub fn check() -> Result<(), String> {
        Err(WITHOUT.to_owned())
    }

    /// Begins the rows of an execution.
    pub fn execution(&mut self, _execution: TableExecution) -> Result<(), String> {
        match *self {}
    }

    /// Adds an event of the execution that was begun last.
    pub fn event(&mut self, _event: TableEvent) -> Result<(), String> {
        match *self {}
    }

    /// Writes the end.
    pub fn finish(self) -> Result<(), String> {
        match self {}
    }
}

/// What a table holds as lines of JSON, as an archive of such lines has them. A table is read from its end, so
/// that one which can only be read from its beginning is in memory as a whole.
pub fn table_lines(file: impl Read + Send + 'static) -> io::Result<Box<dyn Read + Send>> {
    #[cfg(feature = "parquet")]
    return parquet::lines(file);
    #[cfg(not(feature = "parquet"))]
    {
        drop(file);
        Err(io::Error::other(WITHOUT))
    }
}
