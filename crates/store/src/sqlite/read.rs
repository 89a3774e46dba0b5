use super::schema::broken;
use crate::{About, ExecutionId, ExecutionRow, Filter, MapRunRow, Page, Status, StoreError};
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, Row, params};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

/// Connections that read. They see what was committed before the read began, and hinder nobody.
#[derive(Debug)]
pub(crate) struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
}

/// How many idle connections are kept.
const MOST_IDLE: usize = 8;

impl Readers {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, idle: Mutex::new(Vec::new()) }
    }

    pub(crate) fn read<T>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = match idle {
            Some(connection) => connection,
            None => self.connect().map_err(broken)?,
        };
        let result = read(&connection).map_err(broken);
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        // A connection that has met an error may be in a bad way; the next one is new.
        if result.is_ok() && idle.len() < MOST_IDLE {
            idle.push(connection);
        }
        result
    }

    fn connect(&self) -> rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags)?;
        connection.set_prepared_statement_cache_capacity(32);
        connection.busy_timeout(std::time::Duration::from_secs(10))?;
        Ok(connection)
    }
}

const COLUMNS: &str = "id, arn, machine, version, alias, map_run, started_at, more, status, len, \
                       stopped_at, wake_at, is_owed, redrive_count, redriven_at";

fn row(row: &Row<'_>) -> rusqlite::Result<ExecutionRow> {
    let status: i64 = row.get(8)?;
    let status =
        Status::numbered(status).ok_or(rusqlite::Error::IntegralValueOutOfRange(8, status))?;
    let redrive_count: Option<u32> = row.get(13)?;
    let redriven_at: Option<i64> = row.get(14)?;
    Ok(ExecutionRow {
        id: ExecutionId(row.get::<_, i64>(0)? as u64),
        about: About {
            arn: row.get(1)?,
            machine: row.get(2)?,
            version: row.get(3)?,
            alias: row.get(4)?,
            map_run: row.get(5)?,
            started_at: row.get(6)?,
            more: row.get(7)?,
        },
        status,
        len: row.get::<_, i64>(9)? as u64,
        stopped_at: row.get(10)?,
        wake_at: row.get(11)?,
        is_owed: row.get(12)?,
        redriven: redrive_count.zip(redriven_at),
    })
}

pub(crate) fn execution(
    connection: &Connection,
    id: ExecutionId,
) -> rusqlite::Result<Option<ExecutionRow>> {
    connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM executions WHERE id = ?1"))?
        .query_row(params![id.0 as i64], row)
        .optional()
}

pub(crate) fn execution_by_arn(
    connection: &Connection,
    arn: &str,
) -> rusqlite::Result<Option<ExecutionRow>> {
    connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM executions WHERE arn = ?1"))?
        .query_row(params![arn], row)
        .optional()
}

pub(crate) fn history(connection: &Connection, id: ExecutionId) -> rusqlite::Result<Vec<Vec<u8>>> {
    connection
        .prepare_cached("SELECT bytes FROM chunks WHERE execution = ?1 ORDER BY len")?
        .query_map(params![id.0 as i64], |row| row.get(0))?
        .collect()
}

pub(crate) fn live(
    connection: &Connection,
    after: Option<ExecutionId>,
    most: usize,
) -> rusqlite::Result<Vec<ExecutionRow>> {
    let after = after.map_or(-1, |id| id.0 as i64);
    connection
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM executions INDEXED BY executions_live \
             WHERE status IN (0, 5) AND id > ?1 ORDER BY id LIMIT ?2"
        ))?
        .query_map(params![after, most as i64], row)?
        .collect()
}

/// The filter as SQL, with the values it names `?1`… .
fn condition(filter: &Filter) -> (String, Vec<Box<dyn rusqlite::ToSql>>) {
    let mut parts: Vec<String> = Vec::new();
    let mut values: Vec<Box<dyn rusqlite::ToSql>> = Vec::new();
    let texts = [
        ("machine", &filter.machine),
        ("version", &filter.version),
        ("alias", &filter.alias),
        ("map_run", &filter.map_run),
    ];
    for (column, value) in texts {
        if let Some(value) = value {
            values.push(Box::new(value.clone()));
            parts.push(format!("{column} = ?{}", values.len()));
        }
    }
    if filter.machine.is_some() {
        parts.push("map_run IS NULL".to_owned());
    }
    if let Some(status) = filter.status {
        values.push(Box::new(status as i64));
        parts.push(format!("status = ?{}", values.len()));
    }
    match filter.is_redriven {
        Some(true) => parts.push("redrive_count IS NOT NULL".to_owned()),
        Some(false) => parts.push("redrive_count IS NULL".to_owned()),
        None => {}
    }
    if parts.is_empty() {
        parts.push("1".to_owned());
    }
    (parts.join(" AND "), values)
}

pub(crate) fn list(
    connection: &Connection,
    filter: &Filter,
    page: Page,
) -> rusqlite::Result<Vec<ExecutionRow>> {
    let (mut condition, mut values) = condition(filter);
    if let Some((started_at, id)) = page.after {
        values.push(Box::new(started_at));
        values.push(Box::new(id.0 as i64));
        let count = values.len();
        condition = format!("{condition} AND (started_at, id) < (?{}, ?{count})", count - 1);
    }
    values.push(Box::new(page.most as i64));
    let query = format!(
        "SELECT {COLUMNS} FROM executions WHERE {condition} \
         ORDER BY started_at DESC, id DESC LIMIT ?{}",
        values.len()
    );
    connection.prepare_cached(&query)?.query_map(rusqlite::params_from_iter(values), row)?.collect()
}

pub(crate) fn count(
    connection: &Connection,
    filter: &Filter,
) -> rusqlite::Result<Vec<(Status, u64)>> {
    let (condition, values) = condition(filter);
    let query =
        format!("SELECT status, count(*) FROM executions WHERE {condition} GROUP BY status");
    let mut statement = connection.prepare_cached(&query)?;
    let rows = statement.query_map(rusqlite::params_from_iter(values), |row| {
        let status: i64 = row.get(0)?;
        let status =
            Status::numbered(status).ok_or(rusqlite::Error::IntegralValueOutOfRange(0, status))?;
        Ok((status, row.get::<_, i64>(1)? as u64))
    })?;
    rows.collect()
}

fn run(row: &Row<'_>) -> rusqlite::Result<MapRunRow> {
    Ok(MapRunRow {
        arn: row.get(0)?,
        execution: ExecutionId(row.get::<_, i64>(1)? as u64),
        started_at: row.get(2)?,
        more: row.get(3)?,
    })
}

pub(crate) fn map_run(connection: &Connection, arn: &str) -> rusqlite::Result<Option<MapRunRow>> {
    connection
        .prepare_cached("SELECT arn, execution, started_at, more FROM map_runs WHERE arn = ?1")?
        .query_row(params![arn], run)
        .optional()
}

pub(crate) fn map_runs(
    connection: &Connection,
    execution: ExecutionId,
) -> rusqlite::Result<Vec<MapRunRow>> {
    connection
        .prepare_cached(
            "SELECT arn, execution, started_at, more FROM map_runs WHERE execution = ?1 \
             ORDER BY started_at DESC, arn DESC",
        )?
        .query_map(params![execution.0 as i64], run)?
        .collect()
}

pub(crate) fn documents(
    connection: &Connection,
    prefix: &str,
) -> rusqlite::Result<Vec<(String, Vec<u8>)>> {
    // Keys are text, and no text sorts after this character.
    let end = format!("{prefix}\u{10FFFF}");
    connection
        .prepare_cached(
            "SELECT key, bytes FROM documents WHERE key >= ?1 AND key < ?2 ORDER BY key",
        )?
        .query_map(params![prefix, end], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect()
}

/// What `SQLite` finds wrong with its file, and chunks that belong to nothing.
pub(crate) fn verify(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut findings: Vec<String> = connection
        .prepare("PRAGMA integrity_check")?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    findings.retain(|finding| finding != "ok");
    let orphans: i64 = connection.query_row(
        "SELECT count(*) FROM chunks WHERE execution NOT IN (SELECT id FROM executions)",
        [],
        |row| row.get(0),
    )?;
    if orphans > 0 {
        findings.push(format!("{orphans} chunks of history belong to no execution"));
    }
    let mismatched: i64 = connection.query_row(
        "SELECT count(*) FROM executions e WHERE e.len <> \
         coalesce((SELECT max(c.len) FROM chunks c WHERE c.execution = e.id), 0)",
        [],
        |row| row.get(0),
    )?;
    if mismatched > 0 {
        findings.push(format!("{mismatched} executions have another length than their history"));
    }
    Ok(findings)
}
