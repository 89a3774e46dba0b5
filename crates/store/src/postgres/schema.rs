//! The layout of the database, and the migrations from older layouts. Everything is in a schema of its
//! own, `stepwright`, beside whatever else the database holds.

use super::connect::{Address, broken};
use crate::StoreError;
use tokio_postgres::Client;

/// The number of the current layout.
pub(crate) const VERSION: i32 = 2;

/// The oldest release of PostgreSQL that is used.
const OLDEST: i32 = 13;

/// Each migration leads from one layout to the next.
const MIGRATIONS: [&str; VERSION as usize] = ["
    -- One row for each process that has used the database. A node is alive until it leaves or another
    -- node has found that its beat stands still.
    CREATE TABLE stepwright.nodes (
        id bigint PRIMARY KEY,
        address text NOT NULL,
        process text NOT NULL,
        release text NOT NULL,
        beat bigint NOT NULL,
        alive boolean NOT NULL
    );
    CREATE SEQUENCE stepwright.node_ids;
    -- One row for each connection of a node that writes. What it writes is written only while its row
    -- is there and has the epoch that the connection knows.
    CREATE TABLE stepwright.fences (
        node bigint NOT NULL,
        lane smallint NOT NULL,
        epoch bigint NOT NULL,
        PRIMARY KEY (node, lane)
    );
    CREATE TABLE stepwright.shards (shard smallint PRIMARY KEY, owner bigint);
    INSERT INTO stepwright.shards SELECT generate_series(0, 255);
    -- An execution's number is a multiple of 256 plus its shard. A node takes 65,536 multiples at once.
    CREATE SEQUENCE stepwright.numbers INCREMENT BY 65536 START WITH 65536 MINVALUE 65536;
    -- A row is changed only when the status changes: the last chunk has the length, the next timer, and
    -- whether work is owed.
    CREATE TABLE stepwright.executions (
        id bigint PRIMARY KEY,
        shard smallint NOT NULL,
        arn text COLLATE \"C\" NOT NULL UNIQUE,
        owner text COLLATE \"C\" NOT NULL,
        machine text COLLATE \"C\" NOT NULL,
        version text COLLATE \"C\",
        alias text COLLATE \"C\",
        map_run text COLLATE \"C\",
        started_at bigint NOT NULL,
        more bytea NOT NULL,
        status smallint NOT NULL,
        stopped_at bigint,
        redrive_count bigint,
        redriven_at bigint
    ) WITH (fillfactor = 70);
    CREATE INDEX executions_of_shard ON stepwright.executions (shard, id) WHERE status IN (0, 5);
    CREATE INDEX executions_live ON stepwright.executions (owner, started_at, id)
        WHERE status IN (0, 5);
    CREATE INDEX executions_over ON stepwright.executions (owner, status, started_at, id)
        WHERE status NOT IN (0, 5);
    CREATE INDEX executions_by_version ON stepwright.executions (version, started_at, id)
        WHERE version IS NOT NULL;
    CREATE INDEX executions_by_alias ON stepwright.executions (alias, started_at, id)
        WHERE alias IS NOT NULL;
    CREATE INDEX executions_ended ON stepwright.executions (stopped_at)
        WHERE status NOT IN (0, 5);
    -- The lock of an execution is the key: of two turns from the same length, one is written.
    CREATE TABLE stepwright.chunks (
        execution bigint NOT NULL,
        before bigint NOT NULL,
        len bigint NOT NULL,
        wake_at bigint,
        is_owed boolean NOT NULL,
        bytes bytea NOT NULL,
        PRIMARY KEY (execution, before)
    );
    -- The bytes are compressed already.
    ALTER TABLE stepwright.chunks ALTER COLUMN bytes SET STORAGE EXTERNAL;
    CREATE TABLE stepwright.map_runs (
        arn text COLLATE \"C\" PRIMARY KEY,
        execution bigint NOT NULL,
        started_at bigint NOT NULL,
        more bytea NOT NULL
    );
    CREATE INDEX map_runs_by_execution ON stepwright.map_runs (execution, started_at);
    -- How many executions there are, in several rows that are to be added up, so that nodes do not wait
    -- for each other.
    CREATE TABLE stepwright.counts (
        owner text COLLATE \"C\" NOT NULL,
        status smallint NOT NULL,
        slot smallint NOT NULL,
        number bigint NOT NULL,
        PRIMARY KEY (owner, status, slot)
    ) WITH (fillfactor = 50);
    -- A document without bytes was removed; the row is there until every node has seen that.
    CREATE TABLE stepwright.documents (
        key bytea PRIMARY KEY,
        bytes bytea,
        changed_by xid8 NOT NULL
    );
    CREATE INDEX documents_changed ON stepwright.documents (changed_by);
", "
    -- The map runs of all executions, in the order in which they began.
    CREATE INDEX map_runs_by_start ON stepwright.map_runs (started_at, arn);
"];

/// Examines the server and brings the database to the current layout. Two nodes that do so at the same
/// time do it one after the other.
pub(crate) async fn prepare(client: &Client, address: &Address) -> Result<(), StoreError> {
    let at = address.shown();
    let about = client
        .query_typed_one(
            "SELECT current_setting('server_version_num')::int, pg_is_in_recovery(), \
             current_setting('transaction_read_only')::bool, current_setting('server_encoding'), \
             current_setting('synchronous_commit')",
            &[],
        )
        .await
        .map_err(broken)?;
    let release = about.get::<_, i32>(0) / 10_000;
    let refused = |why: String| Err(StoreError::new(format!("{at} cannot be used: {why}")));
    if release < OLDEST {
        return refused(format!("it is PostgreSQL {release}, and {OLDEST} or later is needed"));
    }
    if about.get::<_, bool>(1) {
        return refused(
            "it is a standby, which can only be read; name the primary, or all servers with \
             `target_session_attrs=read-write`"
                .to_owned(),
        );
    }
    if about.get::<_, bool>(2) {
        return refused("it is read-only (default_transaction_read_only)".to_owned());
    }
    let encoding: String = about.get(3);
    if encoding != "UTF8" {
        return refused(format!("its encoding is {encoding}; make a database with UTF8"));
    }
    if about.get::<_, String>(4) == "off" {
        return refused(
            "synchronous_commit is off, so it would lose what it has confirmed; set it to `on` for \
             this database"
                .to_owned(),
        );
    }
    migrate(client, &at).await
}

async fn migrate(client: &Client, at: &str) -> Result<(), StoreError> {
    client.batch_execute("BEGIN").await.map_err(broken)?;
    let migrated = migrate_locked(client, at).await;
    let end = if migrated.is_ok() { "COMMIT" } else { "ROLLBACK" };
    client.batch_execute(end).await.map_err(broken)?;
    migrated
}

async fn migrate_locked(client: &Client, at: &str) -> Result<(), StoreError> {
    // Others who migrate wait for the end of the transaction.
    client.batch_execute("SELECT pg_advisory_xact_lock(7308335)").await.map_err(broken)?;
    let found = found(client, at).await?;
    let denied = |error: tokio_postgres::Error| {
        StoreError::new(format!(
            "the tables and functions in {at} cannot be made: {}; the user needs the right to CREATE in the \
             database and in its schema `stepwright`",
            super::connect::text(&error)
        ))
    };
    if found == 0 {
        let made = "CREATE SCHEMA stepwright; CREATE TABLE stepwright.layout (number int NOT NULL)";
        client.batch_execute(made).await.map_err(denied)?;
        client.batch_execute("INSERT INTO stepwright.layout VALUES (0)").await.map_err(denied)?;
    }
    if found < VERSION {
        for number in found..VERSION {
            client.batch_execute(MIGRATIONS[number as usize]).await.map_err(denied)?;
        }
        let number = format!("UPDATE stepwright.layout SET number = {VERSION}");
        client.batch_execute(&number).await.map_err(denied)?;
    }
    super::write::prepare(client).await.map_err(denied)
}

/// The layout of the database; 0 if it holds nothing of ours.
pub(crate) async fn found(client: &Client, at: &str) -> Result<i32, StoreError> {
    let there = client
        .query_typed_one(
            "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = 'stepwright'), \
             EXISTS (SELECT FROM pg_tables WHERE schemaname = 'stepwright' AND tablename = 'layout')",
            &[],
        )
        .await
        .map_err(broken)?;
    let (has_schema, has_layout): (bool, bool) = (there.get(0), there.get(1));
    if !has_layout {
        if has_schema {
            return Err(StoreError::new(format!(
                "{at} cannot be used: its schema `stepwright` belongs to another application; use \
                 another database"
            )));
        }
        return Ok(0);
    }
    let number = client
        .query_typed_opt("SELECT number FROM stepwright.layout", &[])
        .await
        .map_err(broken)?
        .map_or(0, |row| row.get::<_, i32>(0));
    if number > VERSION {
        return Err(StoreError::new(format!(
            "the store in {at} has layout {number}; this release knows layouts up to {VERSION}: use a \
             newer release, or another database"
        )));
    }
    Ok(number)
}
