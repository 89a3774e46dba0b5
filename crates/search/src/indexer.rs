//! What is to be indexed, when, and the comparison with the store.

use crate::index::{Entry, Index};
use crate::others::{self, Answer};
use crate::words::Words;
use crate::{IndexError, Query, Redaction};
use parking_lot::{Condvar, Mutex};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use stepwright_engine::{Engine, Facts, ObservedTurn, Observer, WeakEngine};
use stepwright_history::EventKind;
use stepwright_json::Json;
use stepwright_store::{ExecutionId, ExecutionRow, Filter, Page, Shards, Status, StoreError};
use tokio::runtime::Handle;

/// How long the first of a batch waits for others.
const GATHERING: Duration = Duration::from_millis(200);

/// An execution that goes on is indexed again after this time at the earliest.
const EVERY: Duration = Duration::from_secs(15);

/// How many executions are written at once. Their texts are in memory together.
const BATCH: usize = 128;

/// So many executions may wait. What is more is found by comparing with the store.
const MOST_WAITING: usize = 200_000;

/// Of a longer history, only so many events are looked at.
const MOST_EVENTS: usize = 25_000;

/// How often it is looked whether the index has what the store has no more.
const COMPARED_EVERY: Duration = Duration::from_mins(10);

/// How often a node that shares its store compares all.
const COMPARED_BY_NODES: Duration = Duration::from_hours(1);

/// How long closing may take: what is not indexed by then is found at the next start.
const CLOSING: Duration = Duration::from_secs(2);

/// How long a search goes on for those that are meant.
const PATIENCE: Duration = Duration::from_secs(1);

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// The executions, the latest first.
    pub rows: Vec<ExecutionRow>,
    /// Where the next page begins, if there is one.
    pub next: Option<u64>,
    /// How far the index is behind; those of several nodes are taken together.
    pub behind: Behind,
    /// How many nodes could not be asked for the executions that they drive.
    pub missing: usize,
}

/// How far the index is behind the store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Behind {
    /// How many executions are still to be indexed.
    pub executions: usize,
    /// For how long the first of them has waited.
    pub since: Duration,
    /// Whether the index is being compared with the store, so that any may be missing.
    pub is_comparing: bool,
}

impl Behind {
    /// Of two indexes that are looked at together.
    fn or(self, other: Self) -> Self {
        Self {
            executions: self.executions + other.executions,
            since: self.since.max(other.since),
            is_comparing: self.is_comparing || other.is_comparing,
        }
    }
}

/// The search: an index, and the thread that writes it.
#[derive(Debug)]
pub struct Search {
    index: Index,
    redaction: Redaction,
    state: Mutex<State>,
    changed: Condvar,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is asked for itself")]
struct State {
    /// The executions that are to be indexed, and from when on.
    waiting: BTreeMap<ExecutionId, Waiting>,
    /// Executions that go on, and when they were indexed last.
    indexed: BTreeMap<ExecutionId, Instant>,
    /// Those that are being written.
    in_hand: usize,
    /// When the thread looks next by itself; `None` while it works, after which it looks, too.
    looks_at: Option<Instant>,
    must_compare: bool,
    is_comparing: bool,
    is_closing: bool,
    /// Whether it is noted that the index has everything.
    is_closed: bool,
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    since: Instant,
    due: Instant,
}

impl Waiting {
    /// When it is looked at: once it is due, and others have had time to come.
    fn looked_at(&self) -> Instant {
        self.due.max(self.since + GATHERING)
    }
}

impl Search {
    /// Opens the index in a store's folder, or makes one; in memory without a folder.
    pub fn open(folder: Option<&Path>, redaction: Redaction) -> Result<Arc<Self>, IndexError> {
        let index = Index::open(folder)?;
        let must_compare = !index.is_complete()?;
        index.set_complete(false)?;
        Ok(Arc::new(Self {
            index,
            redaction,
            state: Mutex::new(State { must_compare, ..State::default() }),
            changed: Condvar::new(),
            thread: Mutex::default(),
        }))
    }

    /// Removes the index in a store's folder. It is made anew when the store is served again.
    pub fn remove(folder: &Path) {
        Index::remove(folder);
    }

    /// Has the index in a store's folder, if there is one, compared with the store when that is served
    /// again. What it lacks is indexed then, and what the store has no more is removed.
    pub fn compare_later(folder: &Path) -> Result<(), IndexError> {
        if !Index::exists(folder) {
            return Ok(());
        }
        Index::open(Some(folder))?.set_complete(false)
    }

    /// Removes the index in a store's folder, if there is one.
    pub fn forget(folder: &Path) -> std::io::Result<()> {
        Index::remove(folder);
        if Index::exists(folder) {
            return Err(std::io::Error::other(format!("{} is still there", folder.display())));
        }
        Ok(())
    }

    /// Begins to index what an engine runs. Must be called within a tokio runtime.
    pub fn begin(self: &Arc<Self>, engine: WeakEngine) {
        let (search, runtime) = (Arc::clone(self), Handle::current());
        let work = move || {
            stepwright_background::give_way();
            search.run(&engine, &runtime);
        };
        match std::thread::Builder::new().name("search".to_owned()).spawn(work) {
            Ok(thread) => *self.thread.lock() = Some(thread),
            Err(error) => tracing::warn!(%error, "no thread can be started for the search"),
        }
    }

    /// Indexes what still waits, for a short time, and ends. To be called while the engine is still open.
    pub fn close(&self) {
        self.state.lock().is_closing = true;
        self.changed.notify_all();
        let thread = self.thread.lock().take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::warn!("the thread of the search has panicked");
        }
    }

    /// What is neither indexed nor shown.
    pub fn redaction(&self) -> &Redaction {
        &self.redaction
    }

    /// How far the index is behind.
    pub fn behind(&self) -> Behind {
        let state = self.state.lock();
        let now = Instant::now();
        // What was indexed lately and goes on is not behind.
        let due = state.waiting.values().filter(|waiting| waiting.due <= now);
        let since = due.clone().map(|waiting| now - waiting.since).max().unwrap_or_default();
        Behind {
            executions: due.count() + state.in_hand,
            since,
            is_comparing: state.is_comparing || state.must_compare,
        }
    }

    /// Looks for executions, from a [place](Found::next) on, in the indexes of all nodes. What is not in the
    /// store any more, and what is not meant for whoever asks, is left out.
    pub async fn find(
        self: &Arc<Self>,
        engine: &Engine,
        query: &Query,
        below: Option<u64>,
        most: usize,
        is_meant: impl Fn(&ExecutionRow) -> bool,
    ) -> Result<Found, IndexError> {
        let mut found = Found { behind: self.behind(), ..Found::default() };
        let mut below = below;
        let end = Instant::now() + PATIENCE;
        loop {
            let (own, others) = tokio::join!(
                self.find_here(engine, query, below, most + 1),
                Answer::of_others(engine, query, below, most + 1),
            );
            let mut ids = own?;
            found.missing = others.iter().filter(|answer| answer.is_none()).count();
            for Answer { ids: more, behind } in others.into_iter().flatten() {
                ids.extend(more);
                found.behind = found.behind.or(behind);
            }
            // Each has told of its latest ones, so that the latest of all are among them.
            ids.sort_unstable_by(|one, other| other.cmp(one));
            ids.dedup();
            ids.truncate(most + 1);
            let is_last = ids.len() <= most;
            for id in ids {
                if found.rows.len() == most {
                    found.next = found.rows.last().map(|row| row.id.0);
                    return Ok(found);
                }
                let row = engine.numbered_row(id).await;
                let row = row.map_err(|error| IndexError::Broken(error.to_string()))?;
                found.rows.extend(row.filter(|row| is_meant(row)));
                below = Some(id.0);
            }
            if is_last {
                return Ok(found);
            }
            // There may be very many that are not meant for whoever asks.
            if Instant::now() > end {
                found.next = below;
                return Ok(found);
            }
        }
    }

    /// What is found in the index of this node, of the executions that it drives: what others drive is in theirs
    /// as it is now.
    async fn find_here(
        self: &Arc<Self>,
        engine: &Engine,
        query: &Query,
        below: Option<u64>,
        most: usize,
    ) -> Result<Vec<ExecutionId>, IndexError> {
        let mut own = Vec::new();
        let mut below = below;
        while own.len() < most {
            let (search, query) = (Arc::clone(self), query.clone());
            let look = move || search.index.find(&query, below, most);
            let ids = tokio::task::spawn_blocking(look).await;
            let ids = ids.map_err(|error| IndexError::Broken(error.to_string()))??;
            let is_last = ids.len() < most;
            below = ids.last().map(|id| id.0);
            own.extend(ids.into_iter().filter(|id| engine.holds(*id)));
            if is_last {
                break;
            }
        }
        own.truncate(most);
        Ok(own)
    }

    /// Answers another node that [looks](Self::find) for executions. Fails with what is wrong with the query,
    /// which the other node has read before.
    pub async fn answer_node(
        self: &Arc<Self>,
        engine: &Engine,
        request: &Json,
    ) -> Result<Json, String> {
        let (query, below, most) = others::read_request(request)?;
        let ids = self.find_here(engine, &query, below, most).await;
        let ids = ids.map_err(|error| error.to_string())?;
        Ok(Answer { ids, behind: self.behind() }.write())
    }

    fn note(&self, id: ExecutionId, is_over: bool) {
        let now = Instant::now();
        let mut state = self.state.lock();
        if state.is_closed {
            // A turn that ends after the index was closed is found at the next start.
            state.is_closed = false;
            if let Err(error) = self.index.set_complete(false) {
                tracing::warn!(%error, "the index cannot be opened again");
            }
        }
        let again = match state.indexed.get(&id) {
            Some(last) if !is_over => (*last + EVERY).max(now),
            _ => now,
        };
        if is_over {
            state.indexed.remove(&id);
        }
        if state.waiting.len() >= MOST_WAITING {
            state.must_compare = true;
            return;
        }
        let waiting = state.waiting.entry(id).or_insert(Waiting { since: now, due: again });
        waiting.due = waiting.due.min(again);
        let due = waiting.looked_at();
        let is_early = state.looks_at.is_some_and(|at| due < at);
        drop(state);
        if is_early {
            self.changed.notify_one();
        }
    }

    fn run(&self, engine: &WeakEngine, runtime: &Handle) {
        let (mut compared, mut looked) = (Instant::now(), Instant::now());
        loop {
            let (is_closing, must_compare) = self.rest();
            let Some(engine) = engine.upgrade() else { return };
            if is_closing {
                self.finish(&engine, runtime);
                return;
            }
            let worked = if must_compare {
                compared = Instant::now();
                self.compare(&engine, runtime)
            } else {
                let worked = self.index_batch(&engine, runtime).map(drop);
                if looked.elapsed() > COMPARED_EVERY {
                    looked = Instant::now();
                    self.compare_if_larger(&engine, runtime, compared.elapsed());
                }
                worked
            };
            if let Err(error) = worked {
                tracing::warn!(%error, "executions cannot be indexed");
                // Whatever is missing now is found later.
                self.state.lock().must_compare = true;
                std::thread::sleep(Duration::from_secs(5));
            }
        }
    }

    /// Waits until there is something to do, and a little longer, for others to come.
    fn rest(&self) -> (bool, bool) {
        let mut state = self.state.lock();
        loop {
            if state.is_closing || state.must_compare {
                return (state.is_closing, state.must_compare);
            }
            let now = Instant::now();
            let latest = now + COMPARED_EVERY;
            let next = state.waiting.values().map(Waiting::looked_at).min();
            if next.is_some_and(|next| next <= now) {
                return (false, false);
            }
            let until = next.unwrap_or(latest).min(latest);
            state.looks_at = Some(until);
            let waited = self.changed.wait_until(&mut state, until);
            state.looks_at = None;
            if waited.timed_out() && until == latest {
                return (false, false);
            }
        }
    }

    /// Indexes those that are due, up to a batch. Returns whether there were any.
    fn index_batch(&self, engine: &Engine, runtime: &Handle) -> Result<bool, IndexError> {
        let ids: Vec<ExecutionId> = {
            let mut state = self.state.lock();
            let now = Instant::now();
            let due = state.waiting.iter().filter(|(_, waiting)| waiting.due <= now);
            let ids: Vec<ExecutionId> = due.map(|(id, _)| *id).take(BATCH).collect();
            for id in &ids {
                state.waiting.remove(id);
            }
            state.in_hand = ids.len();
            ids
        };
        let done = self.index_these(&ids, engine, runtime);
        self.state.lock().in_hand = 0;
        done.map(|()| !ids.is_empty())
    }

    fn index_these(
        &self,
        ids: &[ExecutionId],
        engine: &Engine,
        runtime: &Handle,
    ) -> Result<(), IndexError> {
        let mut entries = Vec::with_capacity(ids.len());
        for id in ids {
            let entry = runtime.block_on(self.entry(engine, *id));
            let entry = entry.map_err(|error| IndexError::Broken(error.to_string()))?;
            entries.extend(entry);
        }
        self.index.write(&entries)?;
        let now = Instant::now();
        let mut state = self.state.lock();
        for entry in entries.iter().filter(|entry| !entry.status.is_over()) {
            state.indexed.insert(entry.id, now);
        }
        Ok(())
    }

    /// What the index takes of an execution; `None` if it is gone.
    async fn entry(&self, engine: &Engine, id: ExecutionId) -> Result<Option<Entry>, StoreError> {
        let Some(row) = engine.numbered_row(id).await? else { return Ok(None) };
        let mut words = Words::default();
        let mut events = 0;
        let len = engine
            .events_after(id, 0, |event| {
                words.take(&self.redaction.event(event));
                events += 1;
                stepwright_background::breathe();
                events < MOST_EVENTS
            })
            .await?;
        // What was not looked at is not looked for again.
        let len = if events < MOST_EVENTS { len } else { row.len };
        let last = |arn: &str| arn.rsplit(':').next().unwrap_or_default().to_owned();
        Ok(Some(Entry {
            id,
            len,
            started_at: row.about.started_at,
            name: last(&row.about.arn),
            machine: last(&row.about.machine),
            status: row.status,
            words,
        }))
    }

    /// Compares the index with the store, the latest executions first, and mends it.
    fn compare(&self, engine: &Engine, runtime: &Handle) -> Result<(), IndexError> {
        {
            let mut state = self.state.lock();
            state.must_compare = false;
            state.is_comparing = true;
        }
        let compared = self.compare_all(engine, runtime);
        self.state.lock().is_comparing = false;
        compared
    }

    fn compare_all(&self, engine: &Engine, runtime: &Handle) -> Result<(), IndexError> {
        let mut below = u64::MAX;
        loop {
            if self.state.lock().is_closing {
                self.state.lock().must_compare = true;
                return Ok(());
            }
            // Only the number says where a list of all executions goes on.
            let after = (below < u64::MAX).then_some((0, ExecutionId(below)));
            let rows = engine.executions(Filter::default(), Page { after, most: BATCH });
            let rows =
                runtime.block_on(rows).map_err(|error| IndexError::Broken(error.to_string()))?;
            let from = rows.last().map_or(0, |row| row.id.0);
            let known: BTreeMap<u64, u64> = self.index.between(from, below)?.into_iter().collect();
            let is_own = |row: &ExecutionRow| is_wanted(row) && engine.holds(row.id);
            let is_gone = |id: &u64| !rows.iter().any(|row| row.id.0 == *id && is_own(row));
            let gone: Vec<u64> = known.keys().copied().filter(is_gone).collect();
            if !gone.is_empty() {
                self.index.delete(&gone)?;
            }
            let is_other =
                |row: &&ExecutionRow| is_own(row) && known.get(&row.id.0) != Some(&row.len);
            let other = rows.iter().filter(is_other);
            let other: Vec<ExecutionId> = other.map(|row| row.id).collect();
            if !other.is_empty() {
                self.index_these(&other, engine, runtime)?;
            }
            if rows.is_empty() {
                return Ok(());
            }
            below = from;
            // What happens meanwhile comes first.
            while self.index_batch(engine, runtime)? {}
        }
    }

    /// Compares if the index has more executions than the store: some were deleted. Which of them a node has
    /// is not counted in a store that nodes share, so that it compares from time to time.
    fn compare_if_larger(&self, engine: &Engine, runtime: &Handle, since: Duration) {
        if engine.has_nodes() {
            self.state.lock().must_compare |= since > COMPARED_BY_NODES;
            return;
        }
        let counted = runtime.block_on(engine.count(Filter::default()));
        let stored = counted.map(|counts| counts.iter().map(|(_, count)| count).sum::<u64>());
        if let (Ok(stored), Ok(indexed)) = (stored, self.index.count())
            && indexed > stored
        {
            self.state.lock().must_compare = true;
        }
    }

    /// Indexes what still waits, and notes whether that was all.
    fn finish(&self, engine: &Engine, runtime: &Handle) {
        let end = Instant::now() + CLOSING;
        for waiting in self.state.lock().waiting.values_mut() {
            waiting.due = waiting.since;
        }
        while Instant::now() < end {
            match self.index_batch(engine, runtime) {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    tracing::warn!(%error, "executions cannot be indexed");
                    return;
                }
            }
        }
        let mut state = self.state.lock();
        state.is_closed = state.waiting.is_empty() && !state.must_compare;
        if let Err(error) = self.index.set_complete(state.is_closed) {
            tracing::warn!(%error, "the index cannot be closed");
        }
    }
}

/// Whether an execution is in the index. Of the children of map runs, of which there may be millions, only
/// those are that have failed.
fn is_wanted(row: &ExecutionRow) -> bool {
    let has_failed = matches!(row.status, Status::Failed | Status::TimedOut | Status::Aborted);
    row.about.map_run.is_none() || has_failed
}

impl Observer for Search {
    fn turn(&self, facts: &Facts, turn: &ObservedTurn<'_>) {
        // Express executions are not stored.
        if facts.is_express {
            return;
        }
        let (mut is_over, mut has_failed) = (false, false);
        for event in turn.events {
            match event.kind {
                EventKind::ExecutionSucceeded { .. } => is_over = true,
                EventKind::ExecutionFailed { .. }
                | EventKind::ExecutionTimedOut { .. }
                | EventKind::ExecutionAborted { .. } => (is_over, has_failed) = (true, true),
                _ => {}
            }
        }
        if facts.about.map_run.is_none() || has_failed {
            self.note(facts.id, is_over);
        }
    }

    fn taken_over(&self, _: &Shards) {
        self.state.lock().must_compare = true;
        self.changed.notify_one();
    }
}
