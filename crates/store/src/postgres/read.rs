//! Reading.

use super::connect::Address;
use crate::conditions;
use crate::{
    About, Chunk, Documents, ExecutionId, ExecutionRow, Filter, HistoryPart, MapRunRow, Page,
    Recorded, Shards, Status, StoreError,
};
use parking_lot::Mutex;
use std::ops::{Deref, Range};
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error, Row};

/// The number of connections that read at the same time.
const MOST: usize = 4;

/// Connections for reading.
#[derive(Debug)]
pub(crate) struct Readers {
    address: Address,
    name: String,
    idle: Mutex<Vec<Client>>,
    free: Semaphore,
}

/// What reads answer.
pub(crate) type Answer<T> = Result<T, Error>;

/// A connection for reading, while it is used.
pub(crate) struct Reader<'r> {
    readers: &'r Readers,
    client: Option<Client>,
    _turn: SemaphorePermit<'r>,
}

impl Deref for Reader<'_> {
    type Target = Client;

    fn deref(&self) -> &Client {
        self.client.as_ref().expect("it is there until it is dropped")
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        let client = self.client.take().filter(|client| !client.is_closed());
        self.readers.idle.lock().extend(client);
    }
}

impl Readers {
    pub(crate) fn new(address: Address, name: String) -> Self {
        Self { address, name, idle: Mutex::default(), free: Semaphore::new(MOST) }
    }

    /// A connection that is idle, or a new one.
    pub(crate) async fn client(&self) -> Result<Reader<'_>, StoreError> {
        let turn = self.turn().await?;
        let idle = {
            let mut idle = self.idle.lock();
            idle.retain(|client| !client.is_closed());
            idle.pop()
        };
        let client = match idle {
            Some(client) => client,
            None => self.address.connect(&self.name).await?,
        };
        Ok(Reader { readers: self, client: Some(client), _turn: turn })
    }

    /// A new connection. Those that are idle are given up.
    pub(crate) async fn new_client(&self) -> Result<Reader<'_>, StoreError> {
        let turn = self.turn().await?;
        self.idle.lock().clear();
        let client = self.address.connect(&self.name).await?;
        Ok(Reader { readers: self, client: Some(client), _turn: turn })
    }

    async fn turn(&self) -> Result<SemaphorePermit<'_>, StoreError> {
        let closed = |_| StoreError::new("the store is closed");
        self.free.acquire().await.map_err(closed)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.free.is_closed()
    }

    pub(crate) fn close(&self) {
        self.free.close();
        self.idle.lock().clear();
    }
}

/// Reads on one connection. Should that be lost, reads once more on a new one: the others that are idle
/// were probably lost with it.
macro_rules! read {
    ($readers:expr, |$client:ident| $read:expr) => {{
        let readers = Arc::clone($readers);
        Box::pin(async move {
            let mut is_second = false;
            loop {
                let $client =
                    if is_second { readers.new_client().await? } else { readers.client().await? };
                match $read.await {
                    Ok(found) => return Ok(found),
                    Err(error) if is_second || $crate::postgres::connect::is_refusal(&error) => {
                        return Err($crate::postgres::connect::broken(error));
                    }
                    Err(_) => is_second = true,
                }
            }
        })
    }};
}
pub(crate) use read;

pub(super) const COLUMNS: &str = "e.id, e.arn, e.machine, e.version, e.alias, e.map_run, e.started_at, e.more, \
                       e.status, coalesce(l.len, 0), e.stopped_at, l.wake_at, coalesce(l.is_owed, false), e.redrive_count, \
                       e.redriven_at";

/// The last chunk of each execution, which has what changes with every turn.
pub(super) const LAST: &str = "CROSS JOIN LATERAL (SELECT c.len, c.wake_at, c.is_owed FROM stepwright.chunks c \
                    WHERE c.execution = e.id ORDER BY c.before DESC LIMIT 1) AS l";

/// A parameter of a query and its type.
pub(super) type Parameter<'a> = (&'a (dyn ToSql + Sync), Type);

fn status(number: i16) -> Status {
    Status::numbered(i64::from(number)).expect("only what has a number was written")
}

pub(super) fn row(row: &Row) -> ExecutionRow {
    let redrives: Option<i64> = row.get(13);
    ExecutionRow {
        id: ExecutionId(row.get::<_, i64>(0) as u64),
        about: About {
            arn: row.get(1),
            machine: row.get(2),
            version: row.get(3),
            alias: row.get(4),
            map_run: row.get(5),
            started_at: row.get(6),
            more: row.get(7),
        },
        status: status(row.get(8)),
        len: row.get::<_, i64>(9) as u64,
        stopped_at: row.get(10),
        wake_at: row.get(11),
        is_owed: row.get(12),
        redriven: redrives.map(|count| count as u32).zip(row.get(14)),
    }
}

/// A number that PostgreSQL can compare with.
pub(crate) fn number(id: u64) -> i64 {
    i64::try_from(id).unwrap_or(i64::MAX)
}

pub(crate) async fn execution(client: &Client, id: ExecutionId) -> Answer<Option<ExecutionRow>> {
    let query = format!("SELECT {COLUMNS} FROM stepwright.executions e {LAST} WHERE e.id = $1");
    let found = client.query_typed_opt(&query, &[(&number(id.0), Type::INT8)]).await?;
    Ok(found.as_ref().map(row))
}

pub(crate) async fn execution_by_arn(client: &Client, arn: &str) -> Answer<Option<ExecutionRow>> {
    // A text with this character is not sent, and no ARN has it.
    if arn.contains('\0') {
        return Ok(None);
    }
    let query = format!("SELECT {COLUMNS} FROM stepwright.executions e {LAST} WHERE e.arn = $1");
    let found = client.query_typed_opt(&query, &[(&arn, Type::TEXT)]).await?;
    Ok(found.as_ref().map(row))
}

/// Which of these executions have ended or are gone.
pub(crate) async fn over(client: &Client, ids: &[ExecutionId]) -> Answer<Vec<ExecutionId>> {
    let ids: Vec<i64> = ids.iter().map(|id| number(id.0)).collect();
    let query = "SELECT w.id FROM unnest($1::int8[]) AS w (id) LEFT JOIN stepwright.executions e \
                 USING (id) WHERE e.status IS NULL OR e.status NOT IN (0, 5)";
    let rows = client.query_typed(query, &[(&ids, Type::INT8_ARRAY)]).await?;
    Ok(rows.iter().map(|row| ExecutionId(row.get::<_, i64>(0) as u64)).collect())
}

pub(crate) async fn history(
    client: &Client,
    id: ExecutionId,
    part: HistoryPart,
    most_bytes: usize,
) -> Answer<Vec<Chunk>> {
    let (condition, order, place) = match part {
        HistoryPart::After(len) => ("len > $2", "before", len),
        HistoryPart::UpTo(len) => ("len <= $2", "before DESC", len),
    };
    // The sizes are added up before the bytes are read.
    let query = format!(
        "SELECT len, bytes FROM (
            SELECT before, len, bytes,
                sum(octet_length(bytes)) OVER (ORDER BY {order}) AS total,
                row_number() OVER (ORDER BY {order}) AS place
            FROM stepwright.chunks WHERE execution = $1 AND {condition} AND octet_length(bytes) > 0
        ) AS c WHERE place = 1 OR total <= $3 ORDER BY {order}"
    );
    let (id, place, most) = (number(id.0), number(place), number(most_bytes as u64));
    let parameters: [Parameter<'_>; 3] =
        [(&id, Type::INT8), (&place, Type::INT8), (&most, Type::INT8)];
    let rows = client.query_typed(&query, &parameters).await?;
    let chunk = |row: &Row| Chunk { len: row.get::<_, i64>(0) as u64, bytes: row.get(1) };
    Ok(rows.iter().map(chunk).collect())
}

pub(crate) async fn first_from(client: &Client, id: ExecutionId) -> Answer<Option<ExecutionId>> {
    let query = "SELECT id FROM stepwright.executions WHERE id >= $1 ORDER BY id LIMIT 1";
    let found = client.query_typed_opt(query, &[(&number(id.0), Type::INT8)]).await?;
    Ok(found.map(|row| ExecutionId(row.get::<_, i64>(0) as u64)))
}

pub(crate) async fn recorded(
    client: &Client,
    numbers: &Range<u64>,
    most_bytes: usize,
) -> Answer<Vec<Recorded>> {
    // One statement, so that the rows and the chunks are read at the same moment. The sizes are added up
    // before the bytes are read. Whoever examines a store wants to know of a history that is gone.
    let last = LAST.replace("CROSS JOIN", "LEFT JOIN");
    let query = format!(
        "SELECT {COLUMNS}, h.lens, h.bytes FROM (
            SELECT s.*, sum(s.size) OVER (ORDER BY s.id) AS total,
                row_number() OVER (ORDER BY s.id) AS place
            FROM (
                SELECT x.*, (SELECT least(coalesce(sum(octet_length(c.bytes)), 0), $3)
                    FROM stepwright.chunks c WHERE c.execution = x.id) AS size
                FROM stepwright.executions x WHERE x.id >= $1 AND x.id < $2
            ) AS s
        ) AS e {last} ON true CROSS JOIN LATERAL (
            SELECT array_agg(p.len ORDER BY p.before) AS lens,
                array_agg(p.bytes ORDER BY p.before) AS bytes
            FROM (
                SELECT c.before, c.len, c.bytes,
                    sum(octet_length(c.bytes)) OVER (ORDER BY c.before) AS total,
                    row_number() OVER (ORDER BY c.before) AS place
                FROM stepwright.chunks c WHERE c.execution = e.id AND octet_length(c.bytes) > 0
            ) AS p WHERE p.place = 1 OR p.total <= $3
        ) AS h WHERE e.place = 1 OR e.total <= $3 ORDER BY e.id"
    );
    let (start, end) = (number(numbers.start), number(numbers.end));
    let most = number(most_bytes as u64);
    let parameters: [Parameter<'_>; 3] =
        [(&start, Type::INT8), (&end, Type::INT8), (&most, Type::INT8)];
    let rows = client.query_typed(&query, &parameters).await?;
    let recorded = |one: &Row| {
        let lens: Option<Vec<i64>> = one.get(15);
        let bytes: Option<Vec<Vec<u8>>> = one.get(16);
        let chunks = lens.unwrap_or_default().into_iter().zip(bytes.unwrap_or_default());
        let chunks = chunks.map(|(len, bytes)| Chunk { len: len as u64, bytes });
        Recorded { row: row(one), chunks: chunks.collect() }
    };
    Ok(rows.iter().map(recorded).collect())
}

pub(crate) async fn live(
    client: &Client,
    shards: &Shards,
    after: Option<ExecutionId>,
    most: usize,
) -> Answer<Vec<ExecutionRow>> {
    // What follows in the same shard, and then the shards after it: an index finds the beginning of either
    // at once, and would go through everything before it if both were one condition.
    let mut rows = Vec::new();
    if let Some(after) = after.filter(|after| shards.has(after.shard())) {
        let shard = i16::from(after.shard());
        let query = format!(
            "SELECT {COLUMNS} FROM stepwright.executions e {LAST} \
             WHERE e.status IN (0, 5) AND e.shard = $1 AND e.id > $2 ORDER BY e.shard, e.id LIMIT $3"
        );
        let (id, most) = (number(after.0), number(most as u64));
        let parameters: [Parameter<'_>; 3] =
            [(&shard, Type::INT2), (&id, Type::INT8), (&most, Type::INT8)];
        rows.extend(client.query_typed(&query, &parameters).await?.iter().map(row));
    }
    let follows = |shard: &u8| after.is_none_or(|after| *shard > after.shard());
    let others: Vec<i16> = shards.iter().filter(follows).map(i16::from).collect();
    if rows.len() < most && !others.is_empty() {
        let query = format!(
            "SELECT {COLUMNS} FROM stepwright.executions e {LAST} \
             WHERE e.status IN (0, 5) AND e.shard = ANY($1) ORDER BY e.shard, e.id LIMIT $2"
        );
        let most = number((most - rows.len()) as u64);
        let parameters: [Parameter<'_>; 2] = [(&others, Type::INT2_ARRAY), (&most, Type::INT8)];
        rows.extend(client.query_typed(&query, &parameters).await?.iter().map(row));
    }
    Ok(rows)
}

pub(crate) async fn ended(client: &Client, before: i64, most: usize) -> Answer<Vec<ExecutionRow>> {
    let most = number(most as u64);
    let query = format!(
        "SELECT {COLUMNS} FROM stepwright.executions e {LAST} \
         WHERE e.stopped_at < $1 AND e.status NOT IN (0, 5) ORDER BY e.stopped_at LIMIT $2"
    );
    let parameters: [Parameter<'_>; 2] = [(&before, Type::INT8), (&most, Type::INT8)];
    Ok(client.query_typed(&query, &parameters).await?.iter().map(row).collect())
}

/// The parts of the table that contain everything a filter matches, each of which an index has in the
/// order of a list; `None` if executions must be read in the order of their numbers. The text is the
/// value of `$1` in them.
fn parts(filter: &Filter) -> Option<(&str, Vec<String>)> {
    if let Some(alias) = &filter.alias {
        return Some((alias, vec!["alias = $1".to_owned()]));
    }
    if let Some(version) = &filter.version {
        return Some((version, vec!["version = $1".to_owned()]));
    }
    let owner = filter.owner()?;
    let (over, live): (Vec<Status>, Vec<Status>) =
        filter.statuses().into_iter().partition(|status| status.is_over());
    let mut parts = Vec::new();
    if !live.is_empty() {
        parts.push("owner = $1 AND status IN (0, 5)".to_owned());
    }
    parts.extend(over.into_iter().map(|status| {
        format!("owner = $1 AND status NOT IN (0, 5) AND status = {}", status as i16)
    }));
    Some((owner, parts))
}

/// The conditions of a filter that the parts do not express. Their values are added to `values`.
fn rest<'f>(filter: &'f Filter, values: &mut Vec<&'f str>) -> String {
    conditions::rest(filter, |value| {
        values.push(value);
        format!("${}", values.len())
    })
}

/// Whether a text of the filter has a character that PostgreSQL's texts cannot have. Then it matches
/// nothing.
fn matches_nothing(filter: &Filter) -> bool {
    [&filter.machine, &filter.version, &filter.alias, &filter.map_run]
        .into_iter()
        .flatten()
        .any(|text| text.contains('\0'))
}

pub(crate) async fn list(
    client: &Client,
    filter: &Filter,
    page: Page,
) -> Answer<Vec<ExecutionRow>> {
    list_in_order(client, filter, page, false).await
}

/// A list, from the newest to the oldest or the other way round; that is for what names an owner.
pub(super) async fn list_in_order(
    client: &Client,
    filter: &Filter,
    page: Page,
    is_oldest_first: bool,
) -> Answer<Vec<ExecutionRow>> {
    let (side, direction, end) =
        if is_oldest_first { (">", "ASC", i64::MIN) } else { ("<", "DESC", i64::MAX) };
    if matches_nothing(filter) {
        return Ok(Vec::new());
    }
    let mut texts = Vec::new();
    let (after, after_id) = page.after.map_or((end, end), |(at, id)| (at, number(id.0)));
    let most = number(page.most as u64);
    let (conditions, order) = match parts(filter) {
        Some((wanted, parts)) => {
            texts.push(wanted);
            (parts, format!("started_at {direction}, id {direction}"))
        }
        None => (vec!["true".to_owned()], "id DESC".to_owned()),
    };
    let is_by_number = texts.is_empty();
    let rest = rest(filter, &mut texts);
    let count = texts.len();
    let place = match (page.after, is_by_number) {
        (None, _) => String::new(),
        (Some(_), true) => format!(" AND id < ${}", count + 2),
        (Some(_), false) => {
            format!(" AND (started_at, id) {side} (${}, ${})", count + 1, count + 2)
        }
    };
    let of_part = |condition: &String| {
        format!(
            "(SELECT * FROM stepwright.executions WHERE {condition}{rest}{place} \
             ORDER BY {order} LIMIT ${})",
            count + 3
        )
    };
    let parts: Vec<String> = conditions.iter().map(of_part).collect();
    let chosen = parts.join(" UNION ALL ");
    let query = format!(
        "SELECT {COLUMNS} FROM (SELECT * FROM ({chosen}) AS p ORDER BY {order} LIMIT ${}) AS e {LAST} \
         ORDER BY {}",
        count + 3,
        if is_by_number {
            "e.id DESC".to_owned()
        } else {
            format!("e.started_at {direction}, e.id {direction}")
        }
    );
    let mut parameters: Vec<Parameter<'_>> =
        texts.iter().map(|text| (text as &(dyn ToSql + Sync), Type::TEXT)).collect();
    parameters.push((&after, Type::INT8));
    parameters.push((&after_id, Type::INT8));
    parameters.push((&most, Type::INT8));
    Ok(client.query_typed(&query, &parameters).await?.iter().map(row).collect())
}

pub(crate) async fn count(client: &Client, filter: &Filter) -> Answer<Vec<(Status, u64)>> {
    if matches_nothing(filter) {
        return Ok(Vec::new());
    }
    let mut texts = Vec::new();
    let query = if filter.is_narrow() {
        let conditions = match parts(filter) {
            Some((wanted, parts)) => {
                texts.push(wanted);
                parts
            }
            None => vec!["true".to_owned()],
        };
        let rest = rest(filter, &mut texts);
        let of_part = |condition: &String| {
            format!(
                "SELECT status, count(*) AS number FROM stepwright.executions \
                 WHERE {condition}{rest} GROUP BY status"
            )
        };
        let parts: Vec<String> = conditions.iter().map(of_part).collect();
        format!(
            "SELECT status, sum(number)::int8 FROM ({}) AS p GROUP BY status",
            parts.join(" UNION ALL ")
        )
    } else {
        let owner = filter.owner().map(|owner| {
            texts.push(owner);
            " AND owner = $1"
        });
        let rest = rest(filter, &mut Vec::new());
        format!(
            "SELECT status, sum(number)::int8 FROM stepwright.counts WHERE true{}{rest} \
             GROUP BY status HAVING sum(number) > 0",
            owner.unwrap_or_default()
        )
    };
    let parameters: Vec<Parameter<'_>> =
        texts.iter().map(|text| (text as &(dyn ToSql + Sync), Type::TEXT)).collect();
    let rows = client.query_typed(&query, &parameters).await?;
    let mut counts: Vec<(Status, u64)> =
        rows.iter().map(|row| (status(row.get(0)), row.get::<_, i64>(1) as u64)).collect();
    counts.sort_unstable();
    Ok(counts)
}

fn run(row: &Row) -> MapRunRow {
    MapRunRow {
        arn: row.get(0),
        execution: ExecutionId(row.get::<_, i64>(1) as u64),
        started_at: row.get(2),
        more: row.get(3),
    }
}

pub(crate) async fn map_run(client: &Client, arn: &str) -> Answer<Option<MapRunRow>> {
    if arn.contains('\0') {
        return Ok(None);
    }
    let query = "SELECT arn, execution, started_at, more FROM stepwright.map_runs WHERE arn = $1";
    let found = client.query_typed_opt(query, &[(&arn, Type::TEXT)]).await?;
    Ok(found.as_ref().map(run))
}

pub(crate) async fn map_runs(client: &Client, execution: ExecutionId) -> Answer<Vec<MapRunRow>> {
    let query = "SELECT arn, execution, started_at, more FROM stepwright.map_runs \
                 WHERE execution = $1 ORDER BY started_at DESC, arn DESC";
    let rows = client.query_typed(query, &[(&number(execution.0), Type::INT8)]).await?;
    Ok(rows.iter().map(run).collect())
}

pub(crate) async fn latest_map_runs(
    client: &Client,
    after: Option<&(i64, String)>,
    most: usize,
) -> Answer<Vec<MapRunRow>> {
    let (started_at, arn) = after.map_or((i64::MAX, ""), |(at, arn)| (*at, arn));
    // No text of the database has such a character.
    let arn = arn.split('\0').next().unwrap_or_default();
    let query = "SELECT arn, execution, started_at, more FROM stepwright.map_runs \
                 WHERE (started_at, arn) < ($1, $2) ORDER BY started_at DESC, arn DESC LIMIT $3";
    let most = number(most as u64);
    let parameters: [Parameter<'_>; 3] =
        [(&started_at, Type::INT8), (&arn, Type::TEXT), (&most, Type::INT8)];
    Ok(client.query_typed(query, &parameters).await?.iter().map(run).collect())
}

/// Keys are bytes in the database, in whose order texts are.
pub(crate) fn key(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).expect("keys are written as texts")
}

pub(crate) async fn documents(client: &Client, prefix: &str) -> Answer<Documents> {
    let (from, mut to) = (prefix.as_bytes(), prefix.as_bytes().to_vec());
    // No text has this byte.
    to.push(0xFF);
    let query = "SELECT key, bytes FROM stepwright.documents \
                 WHERE key >= $1 AND key < $2 AND bytes IS NOT NULL ORDER BY key";
    let parameters: [Parameter<'_>; 2] = [(&from, Type::BYTEA), (&to, Type::BYTEA)];
    let rows = client.query_typed(query, &parameters).await?;
    Ok(rows.iter().map(|row| (key(row.get(0)), row.get(1))).collect())
}

/// Bytes that the tables take.
pub(crate) async fn size(client: &Client) -> Answer<u64> {
    let query = "SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::int8 FROM pg_class c \
                 JOIN pg_namespace n ON n.oid = c.relnamespace \
                 WHERE n.nspname = 'stepwright' AND c.relkind = 'r'";
    Ok(client.query_typed_one(query, &[]).await?.get::<_, i64>(0) as u64)
}

/// Everything that is wrong, as far as the database can tell by itself.
pub(crate) async fn verify(client: &Client, stop: &AtomicBool) -> Answer<Vec<String>> {
    let mut findings = Vec::new();
    let counts = [
        (
            "SELECT count(DISTINCT execution) FROM stepwright.chunks c \
             WHERE NOT EXISTS (SELECT FROM stepwright.executions e WHERE e.id = c.execution)",
            "histories belong to no execution",
        ),
        (
            "SELECT count(*) FROM stepwright.executions e \
             WHERE NOT EXISTS (SELECT FROM stepwright.chunks c WHERE c.execution = e.id)",
            "executions have no history",
        ),
        (
            "SELECT count(DISTINCT execution) FROM (SELECT execution, before, \
             lag(len, 1, 0::int8) OVER (PARTITION BY execution ORDER BY before) AS due \
             FROM stepwright.chunks) AS c WHERE before <> due",
            "histories have a gap",
        ),
        (
            "SELECT count(*) FROM stepwright.executions WHERE shard <> id % 256",
            "executions are in a wrong shard",
        ),
        (
            "SELECT count(*) FROM stepwright.map_runs r \
             WHERE NOT EXISTS (SELECT FROM stepwright.executions e WHERE e.id = r.execution)",
            "map runs belong to no execution",
        ),
    ];
    for (query, what) in counts {
        if stop.load(Ordering::Relaxed) {
            return Ok(findings);
        }
        let count: i64 = client.query_typed_one(query, &[]).await?.get(0);
        if count > 0 {
            findings.push(format!("{count} {what}"));
        }
    }
    let differing = client
        .query_typed(
            "SELECT owner, status, sum(kept)::int8, sum(actual)::int8 FROM (
                 SELECT owner, status, number AS kept, 0 AS actual FROM stepwright.counts
                 UNION ALL
                 SELECT owner, status, 0, count(*) FROM stepwright.executions GROUP BY 1, 2
             ) AS c GROUP BY owner, status HAVING sum(kept) <> sum(actual) ORDER BY owner, status",
            &[],
        )
        .await?;
    for row in differing {
        let (owner, number): (String, i16) = (row.get(0), row.get(1));
        let (kept, actual): (i64, i64) = (row.get(2), row.get(3));
        let status = Status::numbered(i64::from(number));
        let status = status.map_or("of unknown status", Status::name);
        findings.push(format!("{owner} has {actual} executions {status}, and {kept} are counted"));
    }
    Ok(findings)
}
