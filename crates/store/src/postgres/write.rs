//! The statements that write. Each is one statement and so one transaction, whatever the number of turns
//! in it, and writes nothing unless the fence of its connection stands.

use super::lanes::Fence;
use crate::{Append, AppendError, Status};
use std::collections::{BTreeMap, HashSet};
use std::sync::LazyLock;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error};

/// What became of a statement.
pub(crate) enum Written<T> {
    /// It was carried out.
    Done(T),
    /// The fence is gone: the node has lost its right to write.
    Fenced,
}

/// A parameter of a statement and its type.
type Parameter<'a> = (&'a (dyn ToSql + Sync), Type);

/// The number of rows that each count is spread over.
const SLOTS: i64 = 64;

/// Keeps connections of other nodes from waiting for this one's counts.
pub(crate) fn slot(fence: &Fence) -> i16 {
    ((fence.node.wrapping_mul(4) + i64::from(fence.lane)) % SLOTS) as i16
}

/// Whether the execution ran before the turn, still runs after it, and was never redriven. Then its row
/// stays as it is.
fn goes_on(append: &Append) -> bool {
    append.about.is_none()
        && append.status == Status::Running
        && append.stopped_at.is_none()
        && append.redriven.is_none()
}

/// What a turn does to the row of its execution.
const BEGINS: i16 = 0;
const GOES_ON: i16 = 1;
const CHANGES: i16 = 2;
/// It only changes what the last chunk says beside its events.
const NOTES: i16 = 3;

const FENCE: &str = "fence AS MATERIALIZED (
    SELECT node FROM stepwright.fences WHERE node = $1 AND lane = $2 AND epoch = $3 FOR SHARE
)";

/// Writes turns of different executions: those that fit. It is the body of a function in the database, whose plan each
/// connection keeps; as a statement, it would be read and planned each time, which takes longer than to carry it out.
///
/// Its plan is made once, when the tables may still be empty, and must be right when they are large: rows that are there
/// already are found by a list of their keys.
const APPEND: &str = ",
begun AS MATERIALIZED (
    SELECT * FROM unnest($4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
        AS b (id, arn, owner, machine, version, alias, map_run, started_at, more, status,
            stopped_at, redrive_count, redriven_at)
),
started AS (
    INSERT INTO stepwright.executions (id, shard, arn, owner, machine, version, alias, map_run,
        started_at, more, status, stopped_at, redrive_count, redriven_at)
    SELECT id, id % 256, arn, owner, machine, version, alias, map_run, started_at, more, status,
        stopped_at, redrive_count, redriven_at
    FROM begun, fence ORDER BY arn
    ON CONFLICT DO NOTHING
    RETURNING id, owner, status
),
turns AS MATERIALIZED (
    SELECT * FROM unnest($17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27)
        AS t (execution, before, len, wake_at, is_owed, bytes, kind, status, stopped_at,
            redrive_count, redriven_at)
),
old AS MATERIALIZED (
    SELECT e.id, e.owner, e.status FROM stepwright.executions e, fence
    WHERE e.id = ANY (ARRAY(SELECT execution FROM turns WHERE kind >= 2)) ORDER BY e.id FOR UPDATE OF e
),
fitting AS MATERIALIZED (
    SELECT t.* FROM turns t, fence WHERE CASE
        WHEN t.kind = 0 THEN t.execution IN (SELECT id FROM started)
        ELSE t.before = (SELECT c.len FROM stepwright.chunks c WHERE c.execution = t.execution
                ORDER BY c.before DESC LIMIT 1)
            AND (t.kind = 1 OR t.execution IN (SELECT id FROM old))
    END
),
written AS (
    INSERT INTO stepwright.chunks (execution, before, len, wake_at, is_owed, bytes)
    SELECT execution, before, len, wake_at, is_owed, bytes FROM fitting WHERE kind < 3
    ORDER BY execution
    ON CONFLICT DO NOTHING
    RETURNING execution
),
noted AS (
    UPDATE stepwright.chunks c SET wake_at = f.wake_at, is_owed = f.is_owed FROM fitting f
    WHERE f.kind = 3 AND c.execution = f.execution AND c.len = f.len
        AND c.execution = ANY (ARRAY(SELECT execution FROM fitting WHERE kind = 3))
    RETURNING c.execution
),
kept AS MATERIALIZED (
    SELECT execution FROM written UNION ALL SELECT execution FROM noted
),
changed AS (
    UPDATE stepwright.executions e SET status = f.status, stopped_at = f.stopped_at,
        redrive_count = f.redrive_count, redriven_at = f.redriven_at
    FROM fitting f
    WHERE f.kind >= 2 AND e.id = f.execution
        AND e.id = ANY (ARRAY(SELECT execution FROM kept))
),
runs AS (
    INSERT INTO stepwright.map_runs (arn, execution, started_at, more)
    SELECT r.arn, r.execution, r.started_at, r.more
    FROM unnest($28, $29, $30, $31) AS r (arn, execution, started_at, more)
    WHERE r.execution IN (SELECT execution FROM kept)
    ORDER BY r.arn
    ON CONFLICT (arn) DO UPDATE
        SET execution = excluded.execution, started_at = excluded.started_at, more = excluded.more
),
counting AS (
    INSERT INTO stepwright.counts (owner, status, slot, number)
    SELECT owner, status, $32, sum(number) FROM (
        SELECT owner, status, 1 AS number FROM started
        UNION ALL
        SELECT o.owner, o.status, -1 FROM old o JOIN fitting f ON f.execution = o.id
            WHERE f.status <> o.status AND o.id IN (SELECT execution FROM kept)
        UNION ALL
        SELECT o.owner, f.status, 1 FROM old o JOIN fitting f ON f.execution = o.id
            WHERE f.status <> o.status AND o.id IN (SELECT execution FROM kept)
    ) AS changes
    GROUP BY owner, status HAVING sum(number) <> 0 ORDER BY owner, status
    ON CONFLICT (owner, status, slot) DO UPDATE SET number = counts.number + excluded.number
)
SELECT EXISTS (SELECT FROM fence), ARRAY(SELECT execution FROM kept) INTO stands, done";

/// The types of its parameters.
const PARAMETERS: [Type; 32] = [
    Type::INT8,
    Type::INT2,
    Type::INT8,
    Type::INT8_ARRAY,
    Type::TEXT_ARRAY,
    Type::TEXT_ARRAY,
    Type::TEXT_ARRAY,
    Type::TEXT_ARRAY,
    Type::TEXT_ARRAY,
    Type::TEXT_ARRAY,
    Type::INT8_ARRAY,
    Type::BYTEA_ARRAY,
    Type::INT2_ARRAY,
    Type::INT8_ARRAY,
    Type::INT8_ARRAY,
    Type::INT8_ARRAY,
    Type::INT8_ARRAY,
    Type::INT8_ARRAY,
    Type::INT8_ARRAY,
    Type::INT8_ARRAY,
    Type::BOOL_ARRAY,
    Type::BYTEA_ARRAY,
    Type::INT2_ARRAY,
    Type::INT2_ARRAY,
    Type::INT8_ARRAY,
    Type::INT8_ARRAY,
    Type::INT8_ARRAY,
    Type::TEXT_ARRAY,
    Type::INT8_ARRAY,
    Type::INT8_ARRAY,
    Type::BYTEA_ARRAY,
    Type::INT2,
];

/// The name of the function that writes turns, of this text: nodes of several releases use the same database, each with
/// its own.
static FUNCTION: LazyLock<String> = LazyLock::new(|| {
    let hash = FENCE.bytes().chain(APPEND.bytes()).fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    });
    format!("stepwright.append_{hash:016x}")
});

static CALL: LazyLock<String> = LazyLock::new(|| {
    let numbers: Vec<String> = (1..=PARAMETERS.len()).map(|number| format!("${number}")).collect();
    format!("SELECT stands, done FROM {}({})", *FUNCTION, numbers.join(", "))
});

/// Makes the function that writes turns, unless it is there.
pub(crate) async fn prepare(client: &Client) -> Result<(), Error> {
    let is_there = "SELECT to_regproc($1) IS NOT NULL";
    if client.query_typed_one(is_there, &[(&*FUNCTION, Type::TEXT)]).await?.get(0) {
        return Ok(());
    }
    let types: Vec<String> = PARAMETERS.iter().map(|of| of.name().to_owned()).collect();
    let make = format!(
        "CREATE FUNCTION {}({}, OUT stands bool, OUT done int8[]) LANGUAGE plpgsql
        SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET jit = off
        AS $function$ BEGIN WITH {FENCE}{APPEND}; END $function$",
        *FUNCTION,
        types.join(", "),
    );
    client.batch_execute(&make).await
}

/// The columns of the turns of one statement.
#[derive(Default)]
struct Columns<'a> {
    ids: Vec<i64>,
    arns: Vec<&'a str>,
    owners: Vec<&'a str>,
    machines: Vec<&'a str>,
    versions: Vec<Option<&'a str>>,
    aliases: Vec<Option<&'a str>>,
    map_runs: Vec<Option<&'a str>>,
    started_at: Vec<i64>,
    more: Vec<&'a [u8]>,
    first_status: Vec<i16>,
    first_stopped_at: Vec<Option<i64>>,
    first_redrive_count: Vec<Option<i64>>,
    first_redriven_at: Vec<Option<i64>>,
    executions: Vec<i64>,
    before: Vec<i64>,
    len: Vec<i64>,
    wake_at: Vec<Option<i64>>,
    is_owed: Vec<bool>,
    bytes: Vec<&'a [u8]>,
    kind: Vec<i16>,
    status: Vec<i16>,
    stopped_at: Vec<Option<i64>>,
    redrive_count: Vec<Option<i64>>,
    redriven_at: Vec<Option<i64>>,
}

impl<'a> Columns<'a> {
    fn add(&mut self, append: &'a Append) {
        let (count, at) = append.redriven.unzip();
        let (count, status) = (count.map(i64::from), append.status as i16);
        if let Some(about) = &append.about {
            self.ids.push(append.execution.0 as i64);
            self.arns.push(&about.arn);
            self.owners.push(about.owner());
            self.machines.push(&about.machine);
            self.versions.push(about.version.as_deref());
            self.aliases.push(about.alias.as_deref());
            self.map_runs.push(about.map_run.as_deref());
            self.started_at.push(about.started_at);
            self.more.push(&about.more);
            self.first_status.push(status);
            self.first_stopped_at.push(append.stopped_at);
            self.first_redrive_count.push(count);
            self.first_redriven_at.push(at);
        }
        self.executions.push(append.execution.0 as i64);
        self.before.push(append.expected_len as i64);
        self.len.push(append.len as i64);
        self.wake_at.push(append.wake_at);
        self.is_owed.push(append.is_owed);
        self.bytes.push(&append.chunk);
        self.kind.push(match append.about {
            Some(_) => BEGINS,
            None if append.len == append.expected_len => NOTES,
            None if goes_on(append) => GOES_ON,
            None => CHANGES,
        });
        self.status.push(status);
        self.stopped_at.push(append.stopped_at);
        self.redrive_count.push(count);
        self.redriven_at.push(at);
    }
}

/// Writes turns of different executions: all that fit, or none. Returns an answer for each.
pub(crate) async fn append(
    client: &Client,
    fence: &Fence,
    appends: &[&Append],
) -> Result<Written<Vec<Result<(), AppendError>>>, Error> {
    let mut columns = Columns::default();
    let mut runs: BTreeMap<&str, (i64, i64, &[u8])> = BTreeMap::new();
    for append in appends {
        columns.add(append);
        runs.extend(append.map_runs.iter().map(|run| {
            (run.arn.as_str(), (run.execution.0 as i64, run.started_at, run.more.as_slice()))
        }));
    }
    let run_arns: Vec<&str> = runs.keys().copied().collect();
    let of_run: Vec<i64> = runs.values().map(|run| run.0).collect();
    let runs_started: Vec<i64> = runs.values().map(|run| run.1).collect();
    let runs_more: Vec<&[u8]> = runs.values().map(|run| run.2).collect();
    let slot = slot(fence);
    let c = &columns;
    let values: [&(dyn ToSql + Sync); 32] = [
        &fence.node,
        &fence.lane,
        &fence.epoch,
        &c.ids,
        &c.arns,
        &c.owners,
        &c.machines,
        &c.versions,
        &c.aliases,
        &c.map_runs,
        &c.started_at,
        &c.more,
        &c.first_status,
        &c.first_stopped_at,
        &c.first_redrive_count,
        &c.first_redriven_at,
        &c.executions,
        &c.before,
        &c.len,
        &c.wake_at,
        &c.is_owed,
        &c.bytes,
        &c.kind,
        &c.status,
        &c.stopped_at,
        &c.redrive_count,
        &c.redriven_at,
        &run_arns,
        &of_run,
        &runs_started,
        &runs_more,
        &slot,
    ];
    let parameters: Vec<Parameter<'_>> = values.into_iter().zip(PARAMETERS).collect();
    let row = client.query_typed_one(&CALL, &parameters).await?;
    if !row.get::<_, bool>(0) {
        return Ok(Written::Fenced);
    }
    let kept: HashSet<i64> = row.get::<_, Vec<i64>>(1).into_iter().collect();
    let answer = |append: &&Append| match &append.about {
        _ if kept.contains(&(append.execution.0 as i64)) => Ok(()),
        Some(_) => Err(AppendError::Exists),
        None => Err(AppendError::Conflict),
    };
    Ok(Written::Done(appends.iter().map(answer).collect()))
}

/// Which of these turns are kept. Asked once nobody writes them any more.
pub(crate) async fn kept(client: &Client, appends: &[&Append]) -> Result<Vec<bool>, Error> {
    let ids: Vec<i64> = appends.iter().map(|append| append.execution.0 as i64).collect();
    let before: Vec<i64> = appends.iter().map(|append| append.expected_len as i64).collect();
    let parameters: [Parameter<'_>; 2] = [(&ids, Type::INT8_ARRAY), (&before, Type::INT8_ARRAY)];
    // Nobody but this node appends to its executions.
    let rows = client
        .query_typed(
            "SELECT c.execution FROM unnest($1::int8[], $2::int8[]) AS t (execution, before) \
             JOIN stepwright.chunks c USING (execution, before)",
            &parameters,
        )
        .await?;
    let found: HashSet<i64> = rows.iter().map(|row| row.get(0)).collect();
    Ok(ids.iter().map(|id| found.contains(id)).collect())
}

const PUT: &str = ",
changed AS (
    INSERT INTO stepwright.documents (key, bytes, changed_by)
    SELECT d.key, d.bytes, pg_current_xact_id()
    FROM unnest($4::bytea[], $5::bytea[]) AS d (key, bytes), fence ORDER BY d.key
    ON CONFLICT (key) DO UPDATE SET bytes = excluded.bytes, changed_by = excluded.changed_by
)
SELECT EXISTS (SELECT FROM fence)";

/// Writes documents. To do it twice is to do it once.
pub(crate) async fn put(
    client: &Client,
    fence: &Fence,
    documents: &BTreeMap<&str, Option<&[u8]>>,
) -> Result<Written<()>, Error> {
    let keys: Vec<&[u8]> = documents.keys().map(|key| key.as_bytes()).collect();
    let values: Vec<Option<&[u8]>> = documents.values().copied().collect();
    let parameters: [Parameter<'_>; 5] = [
        (&fence.node, Type::INT8),
        (&fence.lane, Type::INT2),
        (&fence.epoch, Type::INT8),
        (&keys, Type::BYTEA_ARRAY),
        (&values, Type::BYTEA_ARRAY),
    ];
    let row = client.query_typed_one(&format!("WITH {FENCE}{PUT}"), &parameters).await?;
    Ok(if row.get(0) { Written::Done(()) } else { Written::Fenced })
}

/// Executions that have ended.
#[derive(Clone, Debug)]
pub(crate) enum Ended {
    /// Before this moment, of these numbers.
    Before(i64, Vec<i64>),
    /// Of this machine.
    Of(String),
}

/// Deletes executions that have ended, at most so many. Returns their number.
pub(crate) async fn remove(
    client: &Client,
    fence: &Fence,
    ended: &Ended,
    most: usize,
) -> Result<Written<u64>, Error> {
    let condition = match ended {
        Ended::Before(..) => "stopped_at < $6 AND id = ANY($7)",
        Ended::Of(_) => "machine = $6",
    };
    let query = format!(
        "WITH {FENCE},
        chosen AS MATERIALIZED (
            SELECT id FROM stepwright.executions
            WHERE {condition} AND status NOT IN (0, 5) AND EXISTS (SELECT FROM fence)
            ORDER BY id LIMIT $4 FOR UPDATE SKIP LOCKED
        ),
        gone AS (
            DELETE FROM stepwright.executions WHERE id IN (SELECT id FROM chosen)
            RETURNING id, owner, status
        ),
        their_chunks AS (
            DELETE FROM stepwright.chunks WHERE execution IN (SELECT id FROM gone)
        ),
        their_runs AS (
            DELETE FROM stepwright.map_runs WHERE execution IN (SELECT id FROM gone)
        ),
        counting AS (
            INSERT INTO stepwright.counts (owner, status, slot, number)
            SELECT owner, status, $5::int2, -count(*) FROM gone GROUP BY owner, status
            ORDER BY owner, status
            ON CONFLICT (owner, status, slot) DO UPDATE SET number = counts.number + excluded.number
        )
        SELECT EXISTS (SELECT FROM fence), (SELECT count(*) FROM gone)"
    );
    let (most, slot) = (i64::try_from(most).unwrap_or(i64::MAX), slot(fence));
    let mut parameters: Vec<Parameter<'_>> = vec![
        (&fence.node, Type::INT8),
        (&fence.lane, Type::INT2),
        (&fence.epoch, Type::INT8),
        (&most, Type::INT8),
        (&slot, Type::INT2),
    ];
    match ended {
        Ended::Before(moment, numbers) => {
            parameters.push((moment, Type::INT8));
            parameters.push((numbers, Type::INT8_ARRAY));
        }
        Ended::Of(machine) => parameters.push((machine, Type::TEXT)),
    }
    let row = client.query_typed_one(&query, &parameters).await?;
    if !row.get::<_, bool>(0) {
        return Ok(Written::Fenced);
    }
    Ok(Written::Done(row.get::<_, i64>(1) as u64))
}
