//! Which processes share the database, and what they own.

use super::connect::{broken, is_refusal, text};
use super::read::{self, Answer, Readers, read};
use super::{Lost, Numbers, name_of};
use crate::{
    DocumentChanges, ExecutionId, Member, Members, Membership, NodeId, Pending, Shards, StoreError,
};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Row};

/// How long a removed document is remembered, so that all nodes see that it was removed.
const REMEMBERED: Duration = Duration::from_mins(2);

/// The number of beats after which the size of the tables is looked up again.
const SIZED_EVERY: i64 = 30;

/// One process's place among the nodes.
#[derive(Debug)]
pub(crate) struct Nodes {
    pub(crate) id: i64,
    pub(crate) readers: Arc<Readers>,
    pub(crate) numbers: Arc<Numbers>,
    pub(crate) is_lost: Arc<Lost>,
    pub(crate) seen: Arc<Mutex<Seen>>,
    /// The bytes that the tables took at the last look.
    pub(crate) size: Arc<AtomicU64>,
}

/// Which changes of documents have been seen.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// The oldest transaction that had not ended when documents were last read.
    since: Option<String>,
    /// The same at an earlier time: what was removed before is seen by all.
    before: Option<(Instant, String)>,
}

/// Registers a process. Returns the number of its node.
pub(crate) async fn join(client: &Client, address: &str, lanes: i16) -> Answer<i64> {
    let row = client
        .query_typed_one(
            "WITH node AS (
                INSERT INTO stepwright.nodes (id, address, process, release, beat, alive)
                VALUES (nextval('stepwright.node_ids'), $1, $2, $3, 0, true) RETURNING id
            ),
            fences AS (
                INSERT INTO stepwright.fences (node, lane, epoch)
                SELECT id, generate_series(0, $4::int2 - 1), 0 FROM node
            ),
            old AS (
                DELETE FROM stepwright.nodes
                WHERE NOT alive AND id < (SELECT max(id) - 1000 FROM stepwright.nodes)
            )
            SELECT id FROM node",
            &[
                (&address, Type::TEXT),
                (&process::this(), Type::TEXT),
                (&env!("CARGO_PKG_VERSION"), Type::TEXT),
                (&lanes, Type::INT2),
            ],
        )
        .await?;
    Ok(row.get(0))
}

/// Takes from a node what it has. Should one of its connections still hold its fence, that connection is
/// ended.
pub(crate) async fn fence(client: &Client, node: i64) -> Answer<()> {
    // One statement: should it be refused, nothing of it is left.
    let take = format!(
        "DO $$ BEGIN
            PERFORM set_config('lock_timeout', '1s', true);
            UPDATE stepwright.nodes SET alive = false WHERE id = {node};
            DELETE FROM stepwright.fences WHERE node = {node};
            UPDATE stepwright.shards SET owner = NULL WHERE owner = {node};
        END $$"
    );
    let mut attempts = 0;
    loop {
        let Err(error) = client.batch_execute(&take).await else { return Ok(()) };
        attempts += 1;
        if attempts > 5 || !is_refusal(&error) {
            return Err(error);
        }
        tracing::warn!(node, error = text(&error), "the connections of a dead node are ended");
        client
            .query_typed(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                 WHERE datname = current_database() AND application_name = $1 \
                 AND pid <> pg_backend_pid()",
                &[(&name_of(node), Type::TEXT)],
            )
            .await?;
    }
}

async fn members(client: &Client, id: i64, size: &AtomicU64) -> Answer<Members> {
    let beat = client
        .query_typed_opt(
            "UPDATE stepwright.nodes SET beat = beat + 1 WHERE id = $1 AND alive RETURNING beat",
            &[(&id, Type::INT8)],
        )
        .await?;
    if beat.is_some_and(|row| row.get::<_, i64>(0) % SIZED_EVERY == 1) {
        size.store(read::size(client).await?, Ordering::Relaxed);
    }
    let nodes = client
        .query_typed(
            "SELECT id, address, release, beat, process, \
             (extract(epoch FROM clock_timestamp()) * 1000)::int8 \
             FROM stepwright.nodes WHERE alive ORDER BY id",
            &[],
        )
        .await?;
    let node = |row: &Row| Member {
        id: NodeId(row.get::<_, i64>(0) as u64),
        address: row.get(1),
        release: row.get(2),
        beat: row.get::<_, i64>(3) as u64,
        is_gone: process::is_gone(row.get(4)),
    };
    let time = nodes.first().map(|row| row.get(5));
    let nodes = nodes.iter().map(node).collect();
    let rows = client
        .query_typed("SELECT shard, owner FROM stepwright.shards ORDER BY shard", &[])
        .await?;
    let owner = |row: &Row| row.get::<_, Option<i64>>(1).map(|id| NodeId(id as u64));
    Ok(Members { nodes, owners: rows.iter().map(owner).collect(), time })
}

fn listed(shards: &Shards) -> Vec<i16> {
    shards.iter().map(i16::from).collect()
}

async fn claim(client: &Client, id: i64, shards: &Shards) -> Answer<Shards> {
    let rows = client
        .query_typed(
            "UPDATE stepwright.shards SET owner = $1 WHERE shard IN (
                 SELECT shard FROM stepwright.shards
                 WHERE shard = ANY($2) AND (owner IS NULL OR owner = $1) ORDER BY shard FOR UPDATE
             ) AND (owner IS NULL OR owner = $1)
             AND EXISTS (SELECT FROM stepwright.nodes WHERE id = $1 AND alive) RETURNING shard",
            &[(&id, Type::INT8), (&listed(shards), Type::INT2_ARRAY)],
        )
        .await?;
    Ok(rows.iter().map(|row| row.get::<_, i16>(0) as u8).collect())
}

async fn release(client: &Client, id: i64, shards: &Shards) -> Answer<()> {
    client
        .execute_typed(
            "UPDATE stepwright.shards SET owner = NULL WHERE owner = $1 AND shard = ANY($2)",
            &[(&id, Type::INT8), (&listed(shards), Type::INT2_ARRAY)],
        )
        .await?;
    Ok(())
}

async fn changed(client: &Client, seen: &Mutex<Seen>) -> Answer<DocumentChanges> {
    // A transaction that had not ended at the last look may have changed something since.
    let since = seen.lock().since.clone();
    let until: String = client
        .query_typed_one("SELECT pg_snapshot_xmin(pg_current_snapshot())::text", &[])
        .await?
        .get(0);
    let changes = match since {
        None => Vec::new(),
        Some(since) => {
            let rows = client
                .query_typed(
                    "SELECT key, bytes FROM stepwright.documents \
                     WHERE changed_by >= $1::text::xid8 ORDER BY key",
                    &[(&since, Type::TEXT)],
                )
                .await?;
            rows.iter().map(|row| (read::key(row.get(0)), row.get(1))).collect()
        }
    };
    let old = {
        let mut seen = seen.lock();
        seen.since = Some(until.clone());
        match &seen.before {
            Some((at, _)) if at.elapsed() < REMEMBERED => None,
            _ => seen.before.replace((Instant::now(), until)),
        }
    };
    if let Some((_, before)) = old {
        client
            .execute_typed(
                "DELETE FROM stepwright.documents \
                 WHERE bytes IS NULL AND changed_by < $1::text::xid8",
                &[(&before, Type::TEXT)],
            )
            .await?;
        // Rows that others are changing are left for the next time.
        client
            .execute_typed(
                "DELETE FROM stepwright.counts WHERE (owner, status, slot) IN (
                     SELECT owner, status, slot FROM stepwright.counts WHERE number = 0
                     FOR UPDATE SKIP LOCKED)",
                &[],
            )
            .await?;
    }
    Ok(changes)
}

impl Membership for Nodes {
    fn node(&self) -> NodeId {
        NodeId(self.id as u64)
    }

    fn beat(&self) -> Pending<Result<Members, StoreError>> {
        let (id, is_lost, size) = (self.id, self.is_lost.clone(), self.size.clone());
        let beating: Pending<Result<Members, StoreError>> =
            read!(&self.readers, |client| members(&client, id, &size));
        Box::pin(async move {
            let members = beating.await?;
            if !members.nodes.iter().any(|node| node.id.0 == id as u64) {
                is_lost.set();
            }
            Ok(members)
        })
    }

    fn fence(&self, node: NodeId) -> Pending<Result<(), StoreError>> {
        read!(&self.readers, |client| fence(&client, node.0 as i64))
    }

    fn claim(&self, shards: Shards) -> Pending<Result<Shards, StoreError>> {
        let (id, numbers) = (self.id, self.numbers.clone());
        let claiming: Pending<Result<Shards, StoreError>> =
            read!(&self.readers, |client| claim(&client, id, &shards));
        Box::pin(async move {
            let claimed = claiming.await?;
            numbers.gain(&claimed);
            Ok(claimed)
        })
    }

    fn release(&self, shards: Shards) -> Pending<Result<(), StoreError>> {
        self.numbers.lose(&shards);
        let id = self.id;
        read!(&self.readers, |client| release(&client, id, &shards))
    }

    fn over(&self, executions: Vec<ExecutionId>) -> Pending<Result<Vec<ExecutionId>, StoreError>> {
        read!(&self.readers, |client| read::over(&client, &executions))
    }

    fn changed_documents(&self) -> Pending<Result<DocumentChanges, StoreError>> {
        let seen = self.seen.clone();
        read!(&self.readers, |client| changed(&client, &seen))
    }

    fn lost(&self) -> Pending<()> {
        let is_lost = self.is_lost.clone();
        Box::pin(async move { is_lost.wait().await })
    }
}

/// A block of numbers for executions, the first of them.
pub(crate) fn numbers(readers: &Arc<Readers>) -> Pending<Result<u64, StoreError>> {
    read!(readers, |client| next_numbers(&client))
}

async fn next_numbers(client: &Client) -> Answer<u64> {
    let row = client.query_typed_one("SELECT nextval('stepwright.numbers')", &[]).await?;
    Ok(row.get::<_, i64>(0) as u64)
}

/// Lets new numbers begin after those of executions that were copied from elsewhere.
pub(crate) async fn skip_numbers(client: &Client) -> Result<(), StoreError> {
    client
        .query_typed(
            "SELECT setval('stepwright.numbers', greatest(
                 (SELECT last_value FROM stepwright.numbers),
                 ((SELECT coalesce(max(id), 0) FROM stepwright.executions) / 256 / 65536 + 1) * 65536))",
            &[],
        )
        .await
        .map(drop)
        .map_err(broken)
}

/// Processes of this machine, which can be seen to be gone.
mod process {
    use std::fs::read_to_string;

    /// This process: the boot of the machine, the space of its number, its number, and when it began.
    pub(super) fn this() -> String {
        named(std::process::id()).unwrap_or_default()
    }

    fn place() -> Option<String> {
        let boot = read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        let space = std::fs::read_link("/proc/self/ns/pid").ok()?;
        Some(format!("{} {}", boot.trim(), space.display()))
    }

    fn named(id: u32) -> Option<String> {
        let stat = read_to_string(format!("/proc/{id}/stat")).ok()?;
        // The name of the program, in brackets, can hold anything.
        let began = stat.rsplit_once(')')?.1.split_whitespace().nth(19)?;
        Some(format!("{} {id} {began}", place()?))
    }

    /// Whether a process ran on this machine and does not any more.
    pub(super) fn is_gone(process: &str) -> bool {
        let Some(place) = place() else { return false };
        let id = process.strip_prefix(&place).and_then(|rest| rest.split_whitespace().next());
        let Some(id) = id.and_then(|id| id.parse().ok()) else { return false };
        named(id).as_deref() != Some(process)
    }
}
