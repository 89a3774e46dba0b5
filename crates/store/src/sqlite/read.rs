use super::schema::broken;
use crate::conditions;
use crate::{
    About, Chunk, ExecutionId, ExecutionRow, Filter, HistoryPart, MapRunRow, Page, Recorded,
    Status, StoreError,
};
use parking_lot::Mutex;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, Row, StatementStatus, params};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::Range;
use std::path::PathBuf;

/// Connections for reading. A read sees what was committed before it began, and blocks nobody.
#[derive(Debug)]
pub(crate) struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
}

/// The number of idle connections that are kept.
const MOST_IDLE: usize = 8;

impl Readers {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, idle: Mutex::new(Vec::new()) }
    }

    pub(crate) fn read<T>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let idle = self.idle.lock().pop();
        let connection = match idle {
            Some(connection) => connection,
            None => self.connect().map_err(broken)?,
        };
        let result = read(&connection).map_err(broken);
        let mut idle = self.idle.lock();
        // After an error a connection may be broken. The next read opens a new one.
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

pub(super) const COLUMNS: &str = "id, arn, machine, version, alias, map_run, started_at, more, status, len, \
                       stopped_at, wake_at, is_owed, redrive_count, redriven_at";

pub(super) fn row(row: &Row<'_>) -> rusqlite::Result<ExecutionRow> {
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

pub(crate) fn history(
    connection: &Connection,
    id: ExecutionId,
    part: HistoryPart,
    most_bytes: usize,
) -> rusqlite::Result<Vec<Chunk>> {
    let (query, place) = match part {
        HistoryPart::After(len) => {
            ("SELECT len, bytes FROM chunks WHERE execution = ?1 AND len > ?2 ORDER BY len", len)
        }
        HistoryPart::UpTo(len) => (
            "SELECT len, bytes FROM chunks WHERE execution = ?1 AND len <= ?2 ORDER BY len DESC",
            len,
        ),
    };
    let place = i64::try_from(place).unwrap_or(i64::MAX);
    let mut statement = connection.prepare_cached(query)?;
    let mut rows = statement.query(params![id.0 as i64, place])?;
    let mut chunks: Vec<Chunk> = Vec::new();
    let mut bytes = 0;
    while let Some(row) = rows.next()? {
        // The size is looked at before the bytes are copied.
        bytes += row.get_ref(1)?.as_blob()?.len();
        if bytes > most_bytes && !chunks.is_empty() {
            break;
        }
        chunks.push(Chunk { len: row.get::<_, i64>(0)? as u64, bytes: row.get(1)? });
    }
    Ok(chunks)
}

pub(crate) fn first_from(
    connection: &Connection,
    id: ExecutionId,
) -> rusqlite::Result<Option<ExecutionId>> {
    connection
        .prepare_cached("SELECT id FROM executions WHERE id >= ?1 ORDER BY id LIMIT 1")?
        .query_row(params![id.0 as i64], |row| Ok(ExecutionId(row.get::<_, i64>(0)? as u64)))
        .optional()
}

pub(crate) fn recorded(
    connection: &Connection,
    numbers: &Range<u64>,
    most_bytes: usize,
) -> rusqlite::Result<Vec<Recorded>> {
    // The rows and the chunks must be read at the same moment.
    let reading = connection.unchecked_transaction()?;
    let mut statement = reading.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM executions WHERE id >= ?1 AND id < ?2 ORDER BY id"
    ))?;
    let rows = statement.query_map(params![numbers.start as i64, numbers.end as i64], row)?;
    let mut found = Vec::new();
    let mut bytes = 0;
    for row in rows {
        let row = row?;
        let chunks = history(&reading, row.id, HistoryPart::After(0), most_bytes)?;
        bytes += chunks.iter().map(|chunk| chunk.bytes.len()).sum::<usize>();
        if bytes > most_bytes && !found.is_empty() {
            break;
        }
        found.push(Recorded { row, chunks });
    }
    Ok(found)
}

pub(crate) fn live(
    connection: &Connection,
    after: Option<&LivePlace>,
    most: usize,
) -> rusqlite::Result<Vec<ExecutionRow>> {
    let reading = connection.unchecked_transaction()?;
    let mut found = Vec::new();
    let mut owner = "";
    // A page that begins within an owner goes on with the next ones.
    if let Some((of, started_at, id)) = after {
        owner = of;
        let mut statement = reading.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM executions INDEXED BY executions_live \
             WHERE status IN (0, 5) AND {OWNER} = ?1 AND (started_at, id) > (?2, ?3) \
             ORDER BY started_at, id LIMIT ?4"
        ))?;
        let rows =
            statement.query_map(params![owner, started_at, id.0 as i64, most as i64], row)?;
        found = rows.collect::<rusqlite::Result<_>>()?;
    }
    let rest = most - found.len();
    if rest > 0 {
        let mut statement = reading.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM executions INDEXED BY executions_live \
             WHERE status IN (0, 5) AND {OWNER} > ?1 ORDER BY {OWNER}, started_at, id LIMIT ?2"
        ))?;
        let rows = statement.query_map(params![owner, rest as i64], row)?;
        for row in rows {
            found.push(row?);
        }
        debug_assert_eq!(statement.get_status(StatementStatus::Sort), 0);
    }
    Ok(found)
}

pub(crate) fn ended(
    connection: &Connection,
    before: i64,
    most: usize,
) -> rusqlite::Result<Vec<ExecutionRow>> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM executions WHERE stopped_at < ?1 AND status NOT IN (0, 5) \
         ORDER BY stopped_at LIMIT ?2"
    ))?;
    statement.query_map(params![before, most as i64], row)?.collect()
}

/// What lists an execution, as the indexes have it.
const OWNER: &str = "coalesce(map_run, machine)";

/// The position of an execution among those that have not ended: its owner, its start time, and its
/// number.
pub(crate) type LivePlace = (String, i64, ExecutionId);

/// A part of the table in which executions are in the order of a list.
struct Part {
    index: &'static str,
    condition: String,
}

/// The parts that contain everything a filter matches; none if executions must be read in the order
/// of their numbers. The string is the value of `?1` in them.
fn parts(filter: &Filter) -> (Option<&str>, Vec<Part>) {
    let part = |index, condition: &str| Part { index, condition: condition.to_owned() };
    if let Some(alias) = &filter.alias {
        return (
            Some(alias),
            vec![part("executions_by_alias", "alias = ?1 AND alias IS NOT NULL")],
        );
    }
    if let Some(version) = &filter.version {
        let condition = "version = ?1 AND version IS NOT NULL";
        return (Some(version), vec![part("executions_by_version", condition)]);
    }
    let Some(owner) = filter.owner() else { return (None, Vec::new()) };
    let (over, live): (Vec<Status>, Vec<Status>) =
        filter.statuses().into_iter().partition(|status| status.is_over());
    let mut parts = Vec::new();
    if !live.is_empty() {
        let condition = format!("{OWNER} = ?1 AND status IN (0, 5)");
        parts.push(part("executions_live", &condition));
    }
    parts.extend(over.into_iter().map(|status| Part {
        index: "executions_over",
        // `SQLite` uses the partial index only if the query repeats its condition.
        condition: format!("{OWNER} = ?1 AND status NOT IN (0, 5) AND status = {}", status as i64),
    }));
    (Some(owner), parts)
}

/// The conditions of a filter that the parts do not express. Their values are added to `values`.
fn rest(filter: &Filter, values: &mut Vec<Box<dyn rusqlite::ToSql>>) -> String {
    conditions::rest(filter, |value| {
        values.push(Box::new(value.to_owned()));
        format!("?{}", values.len())
    })
}

pub(crate) fn list(
    connection: &Connection,
    filter: &Filter,
    page: Page,
) -> rusqlite::Result<Vec<ExecutionRow>> {
    match parts(filter) {
        (None, _) => list_by_number(connection, filter, page),
        (Some(wanted), parts) => list_parts(connection, filter, page, wanted, parts, false),
    }
}

/// Those of a machine or a map run that began first.
pub(crate) fn oldest(
    connection: &Connection,
    filter: &Filter,
    page: Page,
) -> rusqlite::Result<Vec<ExecutionRow>> {
    let (Some(wanted), parts) = parts(filter) else { return Ok(Vec::new()) };
    list_parts(connection, filter, page, wanted, parts, true)
}

/// Reads a page from each part, and merges them.
fn list_parts(
    connection: &Connection,
    filter: &Filter,
    page: Page,
    wanted: &str,
    parts: Vec<Part>,
    is_oldest_first: bool,
) -> rusqlite::Result<Vec<ExecutionRow>> {
    let (side, order) = if is_oldest_first { (">", "ASC") } else { ("<", "DESC") };
    // One transaction, so that an execution that moves between parts meanwhile is not missed.
    let reading = connection.unchecked_transaction()?;
    let mut places: Vec<(i64, i64)> = Vec::new();
    for Part { index, condition } in parts {
        let mut values: Vec<Box<dyn rusqlite::ToSql>> = vec![Box::new(wanted.to_owned())];
        let mut condition = condition + &rest(filter, &mut values);
        if let Some((started_at, id)) = page.after {
            values.push(Box::new(started_at));
            values.push(Box::new(id.0 as i64));
            let count = values.len();
            write!(condition, " AND (started_at, id) {side} (?{}, ?{count})", count - 1)
                .expect("text grows");
        }
        values.push(Box::new(page.most as i64));
        let query = format!(
            "SELECT started_at, id FROM executions INDEXED BY {index} WHERE {condition} \
             ORDER BY started_at {order}, id {order} LIMIT ?{}",
            values.len()
        );
        let mut statement = reading.prepare_cached(&query)?;
        let found = statement
            .query_map(rusqlite::params_from_iter(values), |row| Ok((row.get(0)?, row.get(1)?)))?;
        for place in found {
            places.push(place?);
        }
        let steps = |of| statement.get_status(of);
        debug_assert_eq!(
            (steps(StatementStatus::Sort), steps(StatementStatus::FullscanStep)),
            (0, 0),
            "a list is read from an index, in its order: {query}"
        );
    }
    places.sort_unstable();
    if !is_oldest_first {
        places.reverse();
    }
    places.truncate(page.most);
    let rows = places.into_iter().map(|(_, id)| execution(&reading, ExecutionId(id as u64)));
    rows.filter_map(Result::transpose).collect()
}

/// Lists executions by number, for filters that name neither an owner, a version nor an alias.
fn list_by_number(
    connection: &Connection,
    filter: &Filter,
    page: Page,
) -> rusqlite::Result<Vec<ExecutionRow>> {
    let end = page.after.map_or(i64::MAX, |(_, id)| id.0 as i64);
    let rest = rest(filter, &mut Vec::new());
    connection
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM executions WHERE id < ?1{rest} ORDER BY id DESC LIMIT ?2"
        ))?
        .query_map(params![end, page.most as i64], row)?
        .collect()
}

pub(crate) fn count(
    connection: &Connection,
    filter: &Filter,
) -> rusqlite::Result<Vec<(Status, u64)>> {
    let mut values: Vec<Box<dyn rusqlite::ToSql>> = Vec::new();
    let mut queries: Vec<String> = Vec::new();
    if filter.is_narrow() {
        let (wanted, parts) = parts(filter);
        values.extend(wanted.map(|text| Box::new(text.to_owned()) as Box<dyn rusqlite::ToSql>));
        let rest = rest(filter, &mut values);
        let all = Part { index: "", condition: "1".to_owned() };
        let parts = if wanted.is_some() { parts } else { vec![all] };
        for Part { index, condition } in parts {
            let indexed = if index.is_empty() { "" } else { "INDEXED BY " };
            queries.push(format!(
                "SELECT status, count(*) FROM executions {indexed}{index} \
                 WHERE {condition}{rest} GROUP BY status"
            ));
        }
    } else {
        let owner = filter.owner().map(|owner| {
            values.push(Box::new(owner.to_owned()));
            " AND owner = ?1"
        });
        let rest = rest(filter, &mut Vec::new());
        queries.push(format!(
            "SELECT status, sum(number) FROM counts WHERE number > 0{}{rest} GROUP BY status",
            owner.unwrap_or_default()
        ));
    }
    let mut counts: BTreeMap<Status, u64> = BTreeMap::new();
    let reading = connection.unchecked_transaction()?;
    for query in queries {
        let mut statement = reading.prepare_cached(&query)?;
        let mut rows = statement.query(rusqlite::params_from_iter(values.iter()))?;
        while let Some(row) = rows.next()? {
            let status: i64 = row.get(0)?;
            let status = Status::numbered(status)
                .ok_or(rusqlite::Error::IntegralValueOutOfRange(0, status))?;
            *counts.entry(status).or_default() += row.get::<_, i64>(1)? as u64;
        }
    }
    Ok(counts.into_iter().collect())
}

/// The executions of a machine that have ended, including the children of its map runs.
pub(crate) fn ended_of_machine(
    connection: &Connection,
    machine: &str,
) -> rusqlite::Result<Vec<ExecutionId>> {
    connection
        .prepare_cached("SELECT id FROM executions WHERE machine = ?1 AND status NOT IN (0, 5)")?
        .query_map(params![machine], |row| Ok(ExecutionId(row.get::<_, i64>(0)? as u64)))?
        .collect()
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

pub(crate) fn latest_map_runs(
    connection: &Connection,
    after: Option<&(i64, String)>,
    most: usize,
) -> rusqlite::Result<Vec<MapRunRow>> {
    let (started_at, arn) = after.map_or((i64::MAX, ""), |(at, arn)| (*at, arn));
    let mut statement = connection.prepare_cached(
        "SELECT arn, execution, started_at, more FROM map_runs INDEXED BY map_runs_by_start \
         WHERE (started_at, arn) < (?1, ?2) ORDER BY started_at DESC, arn DESC LIMIT ?3",
    )?;
    let rows = statement.query_map(params![started_at, arn, most as i64], run)?.collect();
    debug_assert_eq!(statement.get_status(StatementStatus::Sort), 0);
    rows
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
