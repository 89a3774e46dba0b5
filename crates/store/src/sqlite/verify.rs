//! Checks the database file, as far as the store can tell by itself.

use super::read::Readers;
use crate::{Status, StoreError};
use rusqlite::Connection;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A check, which returns what it finds.
type Check = fn(&Connection) -> rusqlite::Result<Vec<String>>;

/// The checks. Each runs on its own connection, at the same time as the others.
const CHECKS: [Check; 3] = [pages, belonging, counts];

/// How often a check looks at `stop`, in instructions of `SQLite`'s virtual machine.
const LOOK_EVERY: i32 = 10_000;

/// Runs all checks. A check that is interrupted reports nothing.
pub(crate) fn verify(readers: &Readers, stop: &Arc<AtomicBool>) -> Result<Vec<String>, StoreError> {
    std::thread::scope(|scope| {
        let run = |check: Check| {
            scope.spawn(move || {
                let checked = readers.read(|connection| {
                    let flag = stop.clone();
                    connection
                        .progress_handler(LOOK_EVERY, Some(move || flag.load(Ordering::Relaxed)));
                    let found = check(connection);
                    connection.progress_handler(0, None::<fn() -> bool>);
                    found
                });
                match checked {
                    Err(_) if stop.load(Ordering::Relaxed) => Ok(Vec::new()),
                    checked => checked,
                }
            })
        };
        let running = CHECKS.map(run);
        let mut findings = Vec::new();
        for check in running {
            let broken_off = || StoreError::new("a check of the database was broken off");
            findings.extend(check.join().map_err(|_| broken_off())??);
        }
        Ok(findings)
    })
}

/// Finds damaged pages, and indexes that disagree with their tables.
fn pages(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut findings: Vec<String> = connection
        .prepare("PRAGMA integrity_check")?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    findings.retain(|finding| finding != "ok");
    Ok(findings)
}

/// Finds chunks that belong to no execution, and executions without their last chunk.
fn belonging(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let count = |query: &str| connection.query_row(query, [], |row| row.get::<_, i64>(0));
    let mut findings = Vec::new();
    let orphans =
        count("SELECT count(*) FROM chunks WHERE execution NOT IN (SELECT id FROM executions)")?;
    if orphans > 0 {
        findings.push(format!("{orphans} chunks of history belong to no execution"));
    }
    let mismatched = count(
        "SELECT count(*) FROM executions e WHERE e.len <> \
         coalesce((SELECT max(c.len) FROM chunks c WHERE c.execution = e.id), 0)",
    )?;
    if mismatched > 0 {
        findings.push(format!("{mismatched} executions have another length than their history"));
    }
    Ok(findings)
}

/// Finds counts that differ from the numbers of executions.
fn counts(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare(
        "SELECT owner, status, sum(kept), sum(actual) FROM (
             SELECT owner, status, number AS kept, 0 AS actual FROM counts
             UNION ALL
             SELECT coalesce(map_run, machine), status, 0, count(*)
                 FROM executions INDEXED BY executions_live
                 WHERE status IN (0, 5) GROUP BY 1, 2
             UNION ALL
             SELECT coalesce(map_run, machine), status, 0, count(*)
                 FROM executions INDEXED BY executions_over
                 WHERE status NOT IN (0, 5) GROUP BY 1, 2
         ) GROUP BY owner, status HAVING sum(kept) <> sum(actual)",
    )?;
    let findings = statement.query_map([], |row| {
        let (owner, status): (String, i64) = (row.get(0)?, row.get(1)?);
        let (kept, actual): (i64, i64) = (row.get(2)?, row.get(3)?);
        let status = Status::numbered(status).map_or("of unknown status", Status::name);
        Ok(format!("{owner} has {actual} executions {status}, and {kept} are counted"))
    })?;
    findings.collect()
}
