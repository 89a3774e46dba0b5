//! The number of the last transaction that was acknowledged, in a file beside the database.
//!
//! `SQLite` reads a damaged write-ahead log up to the damage and drops the rest in silence, as if the
//! later transactions had never been. Each transaction therefore raises a number in the database,
//! and after its commit the same number is written to this file. A process that is killed leaves at
//! least that number in the database, and so does a power failure, because the commit has reached
//! the disk before the file is written. If the database has a lower number than the file, something
//! that was acknowledged is gone.

use super::schema::broken;
use crate::StoreError;
use rusqlite::{Connection, OptionalExtension as _, params};
use std::fs::File;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;

/// The name of the file.
const NAME: &str = "acknowledged";

/// The number of the last transaction, and the file that repeats it.
#[derive(Debug)]
pub(crate) struct Acknowledged {
    number: u64,
    file: Option<File>,
}

impl Acknowledged {
    /// For a database whose transactions nobody counts.
    #[cfg(test)]
    pub(crate) fn nowhere() -> Self {
        Self { number: 0, file: None }
    }

    /// Opens the file of a store in which nothing is missing, or whose loss was accepted.
    pub(crate) fn open(folder: &Path, connection: &Connection) -> Result<Self, StoreError> {
        let number = in_database(connection).map_err(broken)?;
        let path = folder.join(NAME);
        let file = File::options().create(true).truncate(false).write(true).mode(0o600).open(&path);
        let file = file
            .map_err(|error| StoreError::new(format!("cannot open {}: {error}", path.display())))?;
        let mut acknowledged = Self { number, file: Some(file) };
        acknowledged.write();
        Ok(acknowledged)
    }

    /// Raises the number, within a transaction.
    pub(crate) fn raise(&self, connection: &Connection) -> rusqlite::Result<()> {
        connection
            .prepare_cached("UPDATE transactions SET number = ?1")?
            .execute(params![(self.number + 1) as i64])
            .map(drop)
    }

    /// Records that the transaction was committed, before anybody is told of it.
    pub(crate) fn committed(&mut self) {
        self.number += 1;
        self.write();
    }

    /// The file only ever speaks against the store, so a number that could not be written does no
    /// harm.
    fn write(&mut self) {
        let Some(file) = &self.file else { return };
        let number = self.number.to_le_bytes();
        let mut bytes = [0; 12];
        bytes[..8].copy_from_slice(&number);
        bytes[8..].copy_from_slice(&crc32fast::hash(&number).to_le_bytes());
        drop(file.write_all_at(&bytes, 0));
    }
}

/// The number in the file of a folder; `None` if there is no file, or if it cannot be read.
pub(crate) fn in_file(folder: &Path) -> Option<u64> {
    let bytes: [u8; 12] = std::fs::read(folder.join(NAME)).ok()?.try_into().ok()?;
    let (number, checksum) = bytes.split_first_chunk::<8>()?;
    (crc32fast::hash(number).to_le_bytes() == checksum).then(|| u64::from_le_bytes(*number))
}

/// The number in the database; 0 for a layout that has none.
pub(crate) fn in_database(connection: &Connection) -> rusqlite::Result<u64> {
    let layout: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if layout < 3 {
        return Ok(0);
    }
    let number: Option<i64> =
        connection.query_row("SELECT number FROM transactions", [], |row| row.get(0)).optional()?;
    Ok(number.unwrap_or_default() as u64)
}
