//! What the last acknowledged transaction left, in a file beside the database.
//!
//! `SQLite` reads a damaged write-ahead log up to the damage and drops the rest in silence, as if the
//! later transactions had never been. After each commit, and before anybody is told of it, this file
//! therefore names what the database must have from then on. A process that is killed leaves at
//! least that in the database, and so does a power failure, because the commit has reached the disk
//! before the file is written. If the database has less, something that was acknowledged is gone.
//!
//! Two things are named: a number in the database that each transaction raises which does anything but
//! append turns, and, if the last transaction appended turns, the length of one execution. Turns raise
//! no number, because that would be one more page to write for each of them.

use super::schema::broken;
use crate::StoreError;
use rusqlite::{Connection, OptionalExtension as _, params};
use std::fs::File;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;

/// The name of the file.
const NAME: &str = "acknowledged";

/// What a database must have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Facts {
    /// The number that all transactions have raised but those that only append turns.
    pub(crate) number: u64,
    /// How long an execution is to which the last transaction appended. 0 if it did something else.
    pub(crate) turn: Turn,
}

/// The end of a turn: an execution, and the number of events it has then.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Turn {
    pub(crate) execution: u64,
    pub(crate) len: u64,
}

/// The facts about the last transaction, and the file that repeats them.
#[derive(Debug)]
pub(crate) struct Acknowledged {
    facts: Facts,
    file: Option<File>,
}

impl Acknowledged {
    /// For a database whose transactions nobody counts.
    #[cfg(test)]
    pub(crate) fn nowhere() -> Self {
        Self { facts: Facts::default(), file: None }
    }

    /// Opens the file of a store in which nothing is missing, or whose loss was accepted.
    pub(crate) fn open(folder: &Path, connection: &Connection) -> Result<Self, StoreError> {
        let number = number(connection).map_err(broken)?;
        let path = folder.join(NAME);
        let file = File::options().create(true).truncate(false).write(true).mode(0o600).open(&path);
        let file = file
            .map_err(|error| StoreError::new(format!("cannot open {}: {error}", path.display())))?;
        let facts = Facts { number, turn: Turn::default() };
        let acknowledged = Self { facts, file: Some(file) };
        acknowledged.write();
        Ok(acknowledged)
    }

    /// What is to be acknowledged once a transaction is committed. Raises the number, within the
    /// transaction, unless it only appends turns.
    pub(crate) fn raise(
        &self,
        connection: &Connection,
        turn: Option<Turn>,
    ) -> rusqlite::Result<Facts> {
        let number = self.facts.number;
        if let Some(turn) = turn {
            return Ok(Facts { number, turn });
        }
        connection
            .prepare_cached("UPDATE transactions SET number = ?1")?
            .execute(params![(number + 1) as i64])?;
        Ok(Facts { number: number + 1, turn: Turn::default() })
    }

    /// Records that the transaction was committed, before anybody is told of it.
    pub(crate) fn committed(&mut self, facts: Facts) {
        self.facts = facts;
        self.write();
    }

    /// The file only ever speaks against the store, so what could not be written does no harm.
    fn write(&self) {
        let Some(file) = &self.file else { return };
        let Facts { number, turn: Turn { execution, len } } = self.facts;
        let mut bytes = [0; 28];
        for (at, part) in [number, execution, len].into_iter().enumerate() {
            bytes[at * 8..(at + 1) * 8].copy_from_slice(&part.to_le_bytes());
        }
        let checksum = crc32fast::hash(&bytes[..24]);
        bytes[24..].copy_from_slice(&checksum.to_le_bytes());
        drop(file.write_all_at(&bytes, 0));
    }
}

/// The facts in the file of a folder; `None` if there is no file, or if it cannot be read. A file
/// of layout 3's first release has the number alone.
pub(crate) fn in_file(folder: &Path) -> Option<Facts> {
    let bytes = std::fs::read(folder.join(NAME)).ok()?;
    let (content, checksum) = bytes.split_last_chunk::<4>()?;
    (crc32fast::hash(content).to_le_bytes() == *checksum).then_some(())?;
    let part = |at: usize| {
        let bytes = content.get(at * 8..(at + 1) * 8)?;
        Some(u64::from_le_bytes(bytes.try_into().ok()?))
    };
    let turn = Turn { execution: part(1).unwrap_or_default(), len: part(2).unwrap_or_default() };
    Some(Facts { number: part(0)?, turn })
}

/// What is missing in the database of what the facts say; `None` if nothing is.
pub(crate) fn missing(facts: Facts, connection: &Connection) -> rusqlite::Result<Option<String>> {
    let found = number(connection)?;
    let Facts { number, turn } = facts;
    if found < number {
        let lost = number - found;
        return Ok(Some(format!(
            "the last {lost} transactions that it acknowledged or more ({found} of {number} are \
             there, besides those of executions that went on)"
        )));
    }
    // What was not acknowledged any more may have deleted the execution, and raised the number.
    if found > number || turn.len == 0 {
        return Ok(None);
    }
    let len: Option<i64> = connection
        .query_row(
            "SELECT len FROM executions WHERE id = ?1",
            params![turn.execution as i64],
            |row| row.get(0),
        )
        .optional()?;
    let len = len.unwrap_or_default() as u64;
    Ok((len < turn.len).then(|| {
        format!(
            "the last turns that it acknowledged ({len} of {} events of execution number {} are \
             there)",
            turn.len, turn.execution
        )
    }))
}

/// The number in the database; 0 for a layout that has none.
fn number(connection: &Connection) -> rusqlite::Result<u64> {
    let layout: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if layout < 3 {
        return Ok(0);
    }
    let number: Option<i64> =
        connection.query_row("SELECT number FROM transactions", [], |row| row.get(0)).optional()?;
    Ok(number.unwrap_or_default() as u64)
}
