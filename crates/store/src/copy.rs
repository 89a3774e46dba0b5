//! Copies everything from one store into another, whatever kinds they are.

use crate::keys::is_sealed;
use crate::{
    Append, AppendError, Chunk, ExecutionId, HistoryPart, Keyring, Postgres, Recorded, Shards,
    Sqlite, Store, StoreError, sealed, sealed_to_read,
};
use std::path::Path;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// What was copied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Copied {
    /// The number of executions.
    pub executions: u64,
    /// The number of documents.
    pub documents: u64,
}

/// The range of numbers that is read at once, and about the bytes of history.
const NUMBERS: u64 = 4_096;
const BYTES: usize = 4 << 20;

/// The number of executions that are written at the same time.
const AT_ONCE: usize = 512;

/// The number of documents that are written at once.
const DOCUMENTS_AT_ONCE: usize = 500;

/// Copies a store into another, which must be empty: each of them a folder or the URL of a database. No
/// server may be using either. The original is read with the keys in the first place, and the copy is
/// encrypted with those in the second. Must be called within a tokio runtime.
pub async fn copy(
    from: &str,
    to: &str,
    keys: [Option<Keyring>; 2],
    told: impl Fn(Copied) + Send,
) -> Result<Copied, StoreError> {
    let [of_source, of_target] = keys;
    let (source, _) = open(from, true).await?;
    let source = sealed_to_read(source, of_source).await?;
    let (target, database) = open(to, false).await?;
    if target.first_from(ExecutionId(0)).await?.is_some() || !target.documents("").await?.is_empty()
    {
        target.close().await;
        return Err(StoreError::new(format!("{to} holds a store already; copy into an empty one")));
    }
    let target = sealed(target, of_target).await?;
    let copied = copy_all(&source, &target, told).await;
    if let Some(database) = database {
        database.skip_numbers().await?;
    }
    target.close().await;
    source.close().await;
    copied
}

/// Opens a store for this process alone.
async fn open(
    name: &str,
    must_exist: bool,
) -> Result<(Arc<dyn Store>, Option<Arc<Postgres>>), StoreError> {
    if !Postgres::is_url(name) {
        let folder = Path::new(name);
        if must_exist && !folder.join("stepwright.db").is_file() {
            return Err(StoreError::new(format!("{name} holds no store")));
        }
        return Ok((Arc::new(Sqlite::open(folder)?), None));
    }
    if must_exist {
        // What is not there is not made.
        Postgres::open_to_read(name).await?.close().await;
    }
    let store = Arc::new(Postgres::open(name, "stepwright store copy").await?);
    let nodes = store.membership().expect("a store that is opened to write has it");
    for member in nodes.beat().await?.nodes {
        if member.is_gone {
            nodes.fence(member.id).await?;
        }
    }
    if !nodes.claim(Shards::ALL).await?.are_all() {
        let others = nodes.beat().await?.nodes.into_iter().filter(|node| node.id != nodes.node());
        let others: Vec<String> = others.map(|node| node.address).collect();
        let at = store.shown();
        store.close().await;
        return Err(StoreError::new(format!(
            "{at} is used by {}; stop it first. A node that was killed is forgotten when another one \
             has been served for ten seconds",
            others.join(", ")
        )));
    }
    Ok((store.clone(), Some(store)))
}

async fn copy_all(
    from: &Arc<dyn Store>,
    to: &Arc<dyn Store>,
    told: impl Fn(Copied) + Send,
) -> Result<Copied, StoreError> {
    let mut copied = Copied::default();
    let documents = from.documents("").await?;
    for some in documents.chunks(DOCUMENTS_AT_ONCE) {
        let some = some.iter().map(|(key, bytes)| (key.clone(), Some(bytes.clone())));
        to.put(some.collect()).await?;
    }
    copied.documents = documents.len() as u64;
    told(copied);
    let room = Arc::new(Semaphore::new(AT_ONCE));
    let mut writing = JoinSet::new();
    let mut next = ExecutionId(0);
    while let Some(first) = from.first_from(next).await? {
        let mut start = first.0;
        let end = first.0 + NUMBERS;
        next = ExecutionId(end);
        while start < end {
            let recorded = from.recorded(start..end, BYTES).await?;
            let Some(last) = recorded.last() else { break };
            start = last.row.id.0 + 1;
            for one in recorded {
                let turn = room.clone().acquire_owned().await;
                let turn = turn.map_err(|_| StoreError::new("the copy was broken off"))?;
                let (from, to) = (from.clone(), to.clone());
                writing.spawn(async move {
                    let _turn = turn;
                    copy_execution(&*from, &*to, one).await
                });
                copied.executions += 1;
            }
            while let Some(written) = writing.try_join_next() {
                settled(written)?;
            }
            told(copied);
        }
    }
    while let Some(written) = writing.join_next().await {
        settled(written)?;
    }
    let counts = async |store: &Arc<dyn Store>| store.count(crate::Filter::default()).await;
    if counts(from).await? != counts(to).await? {
        return Err(StoreError::new("the copy has other executions than the original"));
    }
    Ok(copied)
}

fn settled(
    written: Result<Result<(), StoreError>, tokio::task::JoinError>,
) -> Result<(), StoreError> {
    written.unwrap_or_else(|_| Err(StoreError::new("the copy was broken off")))
}

/// Writes one execution, chunk by chunk, as it stands now.
async fn copy_execution(
    from: &dyn Store,
    to: &dyn Store,
    recorded: Recorded,
) -> Result<(), StoreError> {
    let Recorded { row, mut chunks } = recorded;
    if chunks.is_empty() {
        let arn = &row.about.arn;
        return Err(StoreError::new(format!("{arn} was not copied: its history is gone")));
    }
    let mut map_runs = from.map_runs(row.id).await?;
    let mut about = Some(Box::new(row.about.clone()));
    let mut len = 0;
    loop {
        if chunks.is_empty() {
            break;
        }
        for Chunk { len: after, bytes } in std::mem::take(&mut chunks) {
            if is_sealed(&bytes) {
                let arn = &row.about.arn;
                return Err(StoreError::new(format!(
                    "{arn} was not copied: it is damaged, or encrypted with another key than those that are there"
                )));
            }
            let append = Append {
                execution: row.id,
                expected_len: len,
                len: after,
                chunk: bytes,
                about: about.take(),
                status: row.status,
                stopped_at: row.stopped_at,
                wake_at: row.wake_at,
                is_owed: row.is_owed,
                redriven: row.redriven,
                map_runs: std::mem::take(&mut map_runs),
            };
            to.append(append).await.map_err(|error| {
                let why = match error {
                    AppendError::NotWritten(why) | AppendError::Unknown(why) => why.what,
                    other => other.to_string(),
                };
                StoreError::new(format!("{} was not copied: {why}", row.about.arn))
            })?;
            len = after;
        }
        if len < row.len {
            chunks = from.history(row.id, HistoryPart::After(len), BYTES).await?;
        }
    }
    if len != row.len {
        return Err(StoreError::new(format!(
            "{} was not copied: its history has {len} events and should have {}; see stepwright doctor",
            row.about.arn, row.len
        )));
    }
    Ok(())
}
