//! Executions in other orders than that of lists. Each is read from an index, in its order.

use super::read::{self, COLUMNS, row};
use crate::row::named;
use crate::{ExecutionRow, Page, Sorted};
use rusqlite::{Connection, StatementStatus, params};

pub(crate) fn sorted(
    connection: &Connection,
    sorted: &Sorted,
    most: usize,
) -> rusqlite::Result<Vec<ExecutionRow>> {
    match sorted {
        Sorted::Oldest { filter, after } => {
            read::oldest(connection, filter, Page { after: *after, most })
        }
        Sorted::Named { machine, prefix, after } => {
            let (from, to) = named(machine, prefix);
            let after = after.as_ref().map(|after| named(machine, after).0).unwrap_or_default();
            let query = format!(
                "SELECT {COLUMNS} FROM executions WHERE arn >= ?1 AND arn < ?2 AND arn > ?3 \
                 ORDER BY arn LIMIT ?4"
            );
            found(connection, &query, params![from, to, after, most as i64])
        }
        Sorted::Ended { after } => {
            let (at, id) = after.map_or((i64::MAX, i64::MAX), |(at, id)| (at, id.0 as i64));
            let query = format!(
                "SELECT {COLUMNS} FROM executions INDEXED BY executions_ended \
                 WHERE stopped_at IS NOT NULL AND (stopped_at, id) < (?1, ?2) \
                 ORDER BY stopped_at DESC, id DESC LIMIT ?3"
            );
            found(connection, &query, params![at, id, most as i64])
        }
    }
}

fn found(
    connection: &Connection,
    query: &str,
    values: &[&dyn rusqlite::ToSql],
) -> rusqlite::Result<Vec<ExecutionRow>> {
    let mut statement = connection.prepare_cached(query)?;
    let rows = statement.query_map(values, row)?.collect();
    let steps = |of| statement.get_status(of);
    debug_assert_eq!(
        (steps(StatementStatus::Sort), steps(StatementStatus::FullscanStep)),
        (0, 0),
        "a list is read from an index, in its order: {query}"
    );
    rows
}
