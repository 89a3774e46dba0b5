//! Forgets executions that ended long ago, and has them archived before that.
//!
//! What is archived together is a batch. It is written down in the store under a name before it is archived, and
//! again once it is; only then are its executions forgotten. So whatever happens between two of these steps,
//! the next start goes on with the same batch: under the same name, which replaces what was written of it, or
//! with nothing left to do but to forget. Nothing is lost, and nothing is in the archive twice.

use crate::{Engine, WeakEngine};
use rustc_hash::FxHashSet;
use std::time::Duration;
use stepwright_json::{Json, json};
use stepwright_store::{ExecutionId, ExecutionRow, Pending, StoreError};

/// Executions that an archive has left out because they cannot be read, and why.
pub type LeftOut = Vec<(ExecutionId, String)>;

/// Keeps executions that are about to be forgotten.
pub trait Archive: Send + Sync + 'static {
    /// Writes these executions under a name, so that they are kept whatever happens once this is done. What
    /// stood under the name before is replaced. An execution that cannot be read is left out and named in
    /// the answer: it stays in the store, and does not keep the others from being archived.
    fn keep(
        &self,
        engine: &Engine,
        name: &str,
        executions: Vec<ExecutionRow>,
    ) -> Pending<Result<LeftOut, String>>;
}

/// How long after its start a server looks for executions past their retention, so that one that is often
/// started anew forgets them as well.
const FIRST: Duration = Duration::from_secs(10);

/// How often it looks from then on.
const EVERY: Duration = Duration::from_mins(1);

/// The most executions that are forgotten at once.
const PAGE: usize = 1_000;

/// A batch has no more executions once their histories have so many events.
const MOST_EVENTS: u64 = 100_000;

/// The document with the batch that is being archived.
const BATCH: &str = "archive/batch";

/// Executions that are archived and forgotten together.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Batch {
    name: String,
    executions: Vec<ExecutionId>,
    /// Only what ended before this moment is forgotten: not what was redriven since.
    ended_before: i64,
    is_archived: bool,
}

impl Batch {
    fn write(&self) -> Vec<u8> {
        let executions: Vec<Json> =
            self.executions.iter().map(|id| Json::Int(id.0 as i64)).collect();
        let (name, before) = (self.name.as_str(), self.ended_before);
        json!({
            "name": name,
            "executions": executions,
            "endedBefore": before,
            "isArchived": (self.is_archived)
        })
        .to_string()
        .into_bytes()
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let json = stepwright_json::parse_bytes(bytes).ok()?;
        let numbers = json.get("executions")?.as_array()?;
        Some(Self {
            name: json.get("name")?.as_str()?.to_owned(),
            executions: numbers
                .iter()
                .map(|number| Some(ExecutionId(number.as_i64()? as u64)))
                .collect::<Option<_>>()?,
            ended_before: json.get("endedBefore")?.as_i64()?,
            is_archived: json.get("isArchived")?.as_bool()?,
        })
    }
}

/// Forgets what is past its retention, again and again, for as long as there is an engine.
pub(crate) async fn retain(engine: WeakEngine, kept: i64) {
    let mut wait = FIRST;
    loop {
        tokio::time::sleep(std::mem::replace(&mut wait, EVERY)).await;
        let Some(engine) = engine.upgrade().filter(|engine| !engine.is_closing()) else { return };
        // Of several nodes, the one that changes machines forgets executions.
        if engine.nodes().is_some_and(|nodes| !nodes.changes_machines()) {
            continue;
        }
        if let Err(error) = engine.forget_ended(engine.now().0 - kept).await {
            engine.inner.metrics.archive_failures.add_one();
            tracing::warn!(%error, "executions past their retention are kept for now");
        }
    }
}

impl Engine {
    /// Forgets the executions that ended before a moment, once they are archived if there is an archive.
    /// Returns their number.
    pub async fn forget_ended(&self, before: i64) -> Result<u64, StoreError> {
        let mut count = 0;
        while !self.is_closing() {
            let forgotten = match &self.inner.options.archive {
                Some(archive) => self.archive_some(&**archive, before).await?,
                None => {
                    let ended = self.store().ended(before, PAGE).await?;
                    let ids = ended.into_iter().map(|row| row.id).collect();
                    let forgotten = self.store().forget(ids, before).await?;
                    (forgotten > 0).then_some(forgotten)
                }
            };
            let Some(forgotten) = forgotten else { break };
            count += forgotten;
        }
        Ok(count)
    }

    /// Archives and forgets a batch: the one that was begun before, or the next one. Returns how many
    /// executions it had; `None` if there was nothing to do.
    async fn archive_some(
        &self,
        archive: &dyn Archive,
        before: i64,
    ) -> Result<Option<u64>, StoreError> {
        let store = self.store();
        let begun = store.documents(BATCH).await?;
        let begun = begun.first().map(|(_, bytes)| {
            Batch::read(bytes)
                .ok_or_else(|| StoreError::new("the batch of the archive is unreadable"))
        });
        let put = |batch: &Batch| store.put(vec![(BATCH.to_owned(), Some(batch.write()))]);
        let mut batch = match begun.transpose()? {
            Some(batch) => batch,
            None => {
                let Some(batch) = self.next_batch(before).await? else { return Ok(None) };
                put(&batch).await?;
                batch
            }
        };
        if !batch.is_archived {
            let (mut rows, mut left_out) = (Vec::with_capacity(batch.executions.len()), Vec::new());
            for id in &batch.executions {
                // What was redriven meanwhile goes into the archive when it has ended again.
                let is_over = |row: &ExecutionRow| {
                    row.status.is_over() && row.stopped_at.is_some_and(|at| at < batch.ended_before)
                };
                match store.execution(*id).await {
                    Ok(row) => rows.extend(row.filter(is_over)),
                    Err(error) => left_out.push((*id, error.to_string())),
                }
            }
            batch.executions = rows.iter().map(|row| row.id).collect();
            let kept = archive.keep(self, &batch.name, rows).await;
            left_out
                .extend(kept.map_err(|error| StoreError::new(format!("the archive: {error}")))?);
            // A store that cannot be reached at all refuses this, and the whole batch is tried again.
            store.documents(BATCH).await?;
            self.leave_out(&mut batch, left_out).await;
            batch.is_archived = true;
            put(&batch).await?;
        }
        let count = batch.executions.len() as u64;
        store.forget(batch.executions, batch.ended_before).await?;
        store.put(vec![(BATCH.to_owned(), None)]).await?;
        self.inner.metrics.archived.add(count);
        Ok(Some(count))
    }

    /// Takes executions that cannot be read out of a batch, says so, and chooses them no more.
    async fn leave_out(&self, batch: &mut Batch, left_out: LeftOut) {
        let mut unreadable = FxHashSet::default();
        for (id, reason) in left_out {
            let row = self.store().execution(id).await;
            unreadable.insert(id);
            // It may have been deleted with its state machine meanwhile.
            if matches!(row, Ok(None)) {
                continue;
            }
            let arn = row
                .ok()
                .flatten()
                .map_or_else(|| format!("number {} of the store", id.0), |row| row.about.arn);
            self.inner.metrics.archive_failures.add_one();
            tracing::warn!(
                execution = arn,
                reason,
                "an execution past its retention cannot be read, so it is neither archived nor forgotten"
            );
        }
        batch.executions.retain(|id| !unreadable.contains(id));
        self.inner.unarchived.lock().extend(unreadable);
    }

    async fn next_batch(&self, before: i64) -> Result<Option<Batch>, StoreError> {
        // What could not be read stays among those that ended first: it is skipped.
        let unarchived = self.inner.unarchived.lock().clone();
        let mut ended = self.store().ended(before, PAGE + unarchived.len()).await?;
        ended.retain(|row| !unarchived.contains(&row.id));
        ended.truncate(PAGE);
        let mut events = 0;
        let fitting = ended.iter().take_while(|row| {
            let fits = events < MOST_EVENTS;
            events += row.len;
            fits
        });
        let count = fitting.count();
        ended.truncate(count);
        let Some(first) = ended.first() else { return Ok(None) };
        let moment = stepwright_program::time::format(self.now().0).replace(':', "-");
        let name = format!("{moment}-{:x}", first.id.0);
        let executions = ended.iter().map(|row| row.id).collect();
        Ok(Some(Batch { name, executions, ended_before: before, is_archived: false }))
    }
}
