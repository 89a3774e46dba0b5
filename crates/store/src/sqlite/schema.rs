//! The layout of the database, and the migrations from older layouts.

use crate::StoreError;
use rusqlite::Connection;

/// The number of the current layout, stored as `SQLite`'s `user_version`.
pub(crate) const VERSION: i64 = 4;

/// Each migration leads from one layout to the next; the first makes an empty database layout 1.
const MIGRATIONS: [&str; VERSION as usize] = [
    "
    CREATE TABLE executions (
        id INTEGER PRIMARY KEY,
        arn TEXT NOT NULL UNIQUE,
        machine TEXT NOT NULL,
        version TEXT,
        alias TEXT,
        map_run TEXT,
        started_at INTEGER NOT NULL,
        more BLOB NOT NULL,
        status INTEGER NOT NULL,
        len INTEGER NOT NULL,
        stopped_at INTEGER,
        wake_at INTEGER,
        is_owed INTEGER NOT NULL,
        redrive_count INTEGER,
        redriven_at INTEGER
    );
    -- Lists: of a machine, of a map run; those that live; those that retention may forget.
    CREATE INDEX executions_by_machine ON executions (machine, started_at, id)
        WHERE map_run IS NULL;
    CREATE INDEX executions_by_map_run ON executions (map_run, started_at, id)
        WHERE map_run IS NOT NULL;
    CREATE INDEX executions_live ON executions (id) WHERE status IN (0, 5);
    CREATE INDEX executions_ended ON executions (stopped_at) WHERE stopped_at IS NOT NULL;
    CREATE TABLE chunks (
        execution INTEGER NOT NULL,
        len INTEGER NOT NULL,
        bytes BLOB NOT NULL,
        PRIMARY KEY (execution, len)
    ) WITHOUT ROWID;
    CREATE TABLE map_runs (
        arn TEXT PRIMARY KEY,
        execution INTEGER NOT NULL,
        started_at INTEGER NOT NULL,
        more BLOB NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX map_runs_by_execution ON map_runs (execution, started_at);
    CREATE TABLE documents (
        key TEXT PRIMARY KEY,
        bytes BLOB NOT NULL
    ) WITHOUT ROWID;
",
    "
    DROP INDEX executions_by_machine;
    DROP INDEX executions_by_map_run;
    DROP INDEX executions_live;
    -- What lists an execution is its owner: its map run, or its machine if it is no map run's child.
    -- An index on the expression, for a column would be computed at each update.
    -- An execution is in one of these two, by whether it has ended. Once it has, its status stays.
    CREATE INDEX executions_live ON executions (coalesce(map_run, machine), started_at, id)
        WHERE status IN (0, 5);
    CREATE INDEX executions_over ON executions (coalesce(map_run, machine), status, started_at, id)
        WHERE status NOT IN (0, 5);
    CREATE INDEX executions_by_version ON executions (version, started_at, id)
        WHERE version IS NOT NULL;
    CREATE INDEX executions_by_alias ON executions (alias, started_at, id)
        WHERE alias IS NOT NULL;
    -- How many executions there are, changed with them in one transaction.
    CREATE TABLE counts (
        owner TEXT NOT NULL,
        status INTEGER NOT NULL,
        number INTEGER NOT NULL,
        PRIMARY KEY (owner, status)
    ) WITHOUT ROWID;
    INSERT INTO counts
        SELECT coalesce(map_run, machine), status, count(*) FROM executions GROUP BY 1, 2;
",
    "
    -- The number of transactions so far, in one row. See acknowledged.rs.
    CREATE TABLE transactions (number INTEGER NOT NULL);
    INSERT INTO transactions VALUES (0);
",
    "
    -- The map runs of all executions, in the order in which they began.
    CREATE INDEX map_runs_by_start ON map_runs (started_at, arn);
",
];

/// Migrates a database to the current layout. Each migration is committed together with its number.
pub(crate) fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let found: i64 =
        connection.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(broken)?;
    if found > VERSION {
        return Err(StoreError::new(format!(
            "the store has layout {found}; this release knows layouts up to {VERSION}: use a newer \
             release, or another `--data` directory"
        )));
    }
    for number in found..VERSION {
        let migration = connection.transaction().map_err(broken)?;
        migration.execute_batch(MIGRATIONS[number as usize]).map_err(broken)?;
        migration.pragma_update(None, "user_version", number + 1).map_err(broken)?;
        migration.commit().map_err(broken)?;
    }
    Ok(())
}

pub(crate) fn broken(error: rusqlite::Error) -> StoreError {
    StoreError::new(format!("SQLite: {error}"))
}
