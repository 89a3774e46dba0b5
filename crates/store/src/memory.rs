use crate::row::named;
use crate::{
    Append, AppendError, Chunk, DocumentChanges, Documents, ExecutionId, ExecutionRow, Filter,
    HistoryPart, MapRunRow, Page, Pending, Recorded, Shards, Sorted, Status, Store, StoreError,
};
use parking_lot::{Mutex, MutexGuard};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// A store in memory, which lasts as long as the process.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    kept: Arc<Mutex<Kept>>,
}

/// The position of an execution in a list: when it started, and its number.
type Place = (i64, ExecutionId);

#[derive(Debug, Default)]
struct Kept {
    next: u64,
    executions: BTreeMap<ExecutionId, ExecutionRow>,
    by_arn: HashMap<String, ExecutionId>,
    /// The executions of each machine or map run, by status, the most recently started first.
    listed: HashMap<String, BTreeMap<Status, BTreeSet<Reverse<Place>>>>,
    live: BTreeSet<ExecutionId>,
    chunks: BTreeMap<ExecutionId, Vec<Chunk>>,
    map_runs: BTreeMap<String, MapRunRow>,
    documents: BTreeMap<String, Vec<u8>>,
}

impl Memory {
    /// Creates an empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // No code that can panic leaves the data half changed.
        self.kept.lock()
    }
}

fn now<T: Send + 'static>(value: T) -> Pending<T> {
    Box::pin(std::future::ready(value))
}

/// The first chunks, up to this many bytes, but at least one.
fn as_many<'c>(chunks: impl IntoIterator<Item = &'c Chunk>, most_bytes: usize) -> Vec<Chunk> {
    let mut bytes = 0;
    let fits = |(place, chunk): &(usize, &Chunk)| {
        bytes += chunk.bytes.len();
        *place == 0 || bytes <= most_bytes
    };
    chunks.into_iter().enumerate().take_while(fits).map(|(_, chunk)| chunk.clone()).collect()
}

/// The remaining positions of one status.
type Places<'a> = std::iter::Peekable<std::collections::btree_set::Range<'a, Reverse<Place>>>;

impl Kept {
    fn append(&mut self, append: Append) -> Result<(), AppendError> {
        if let Some(about) = append.about {
            if self.by_arn.contains_key(&about.arn) {
                return Err(AppendError::Exists);
            }
            self.by_arn.insert(about.arn.clone(), append.execution);
            let row = ExecutionRow {
                id: append.execution,
                about: *about,
                status: append.status,
                len: 0,
                stopped_at: None,
                wake_at: None,
                is_owed: false,
                redriven: None,
            };
            self.executions.insert(append.execution, row);
            self.list(append.execution);
        }
        let row = self.executions.get(&append.execution).ok_or(AppendError::Conflict)?;
        if row.len != append.expected_len {
            return Err(AppendError::Conflict);
        }
        let is_listed = row.status == append.status;
        if !is_listed {
            self.unlist(append.execution);
        }
        let row = self.executions.get_mut(&append.execution).expect("it was there just now");
        row.len = append.len;
        row.status = append.status;
        row.stopped_at = append.stopped_at;
        row.wake_at = append.wake_at;
        row.is_owed = append.is_owed;
        row.redriven = append.redriven;
        if !is_listed {
            self.list(append.execution);
        }
        if !append.chunk.is_empty() {
            let chunk = Chunk { len: append.len, bytes: append.chunk };
            self.chunks.entry(append.execution).or_default().push(chunk);
        }
        for run in append.map_runs {
            self.map_runs.insert(run.arn.clone(), run);
        }
        Ok(())
    }

    /// Adds an execution to the lists that it belongs to.
    fn list(&mut self, id: ExecutionId) {
        let row = &self.executions[&id];
        let owner = row.about.owner();
        if !self.listed.contains_key(owner) {
            self.listed.insert(owner.to_owned(), BTreeMap::new());
        }
        let of_owner = self.listed.get_mut(owner).expect("it was put in");
        of_owner.entry(row.status).or_default().insert(Reverse((row.about.started_at, id)));
        if !row.status.is_over() {
            self.live.insert(id);
        }
    }

    /// Removes an execution from its lists, before its status changes.
    fn unlist(&mut self, id: ExecutionId) {
        let row = &self.executions[&id];
        self.live.remove(&id);
        let Some(of_owner) = self.listed.get_mut(row.about.owner()) else { return };
        if let Some(places) = of_owner.get_mut(&row.status) {
            places.remove(&Reverse((row.about.started_at, id)));
            if places.is_empty() {
                of_owner.remove(&row.status);
            }
        }
        if of_owner.is_empty() {
            self.listed.remove(row.about.owner());
        }
    }

    /// The positions of executions that a filter may match, in the order of the list.
    fn places(&self, owner: &str, filter: &Filter, after: Option<Place>) -> Vec<Places<'_>> {
        let Some(of_owner) = self.listed.get(owner) else { return Vec::new() };
        let of = |status: Status| {
            let places = of_owner.get(&status)?;
            Some(match after {
                None => places.range(..),
                Some(after) => {
                    use std::ops::Bound::{Excluded, Unbounded};
                    places.range((Excluded(Reverse(after)), Unbounded))
                }
            })
        };
        filter.statuses().into_iter().filter_map(|status| Some(of(status)?.peekable())).collect()
    }

    fn page(&self, filter: &Filter, page: Page) -> Vec<ExecutionRow> {
        let mut found = Vec::new();
        let Some(owner) = filter.owner() else { return self.page_of_all(filter, page) };
        let mut places = self.places(owner, filter, page.after);
        while found.len() < page.most {
            let first = places.iter_mut().filter_map(|places| {
                let place = **places.peek()?;
                Some((place, places))
            });
            let Some((Reverse((_, id)), places)) = first.min_by_key(|(place, _)| *place) else {
                break;
            };
            places.next();
            let row = &self.executions[&id];
            if filter.takes(row) {
                found.push(row.clone());
            }
        }
        found
    }

    fn page_of_all(&self, filter: &Filter, page: Page) -> Vec<ExecutionRow> {
        let is_by_number = filter.version.is_none() && filter.alias.is_none();
        let end = page.after.filter(|_| is_by_number).map_or(ExecutionId(u64::MAX), |(_, id)| id);
        let rows = self.executions.range(..end).rev().map(|(_, row)| row);
        let rows = rows.filter(|row| filter.takes(row));
        if is_by_number {
            return rows.take(page.most).cloned().collect();
        }
        let place = |row: &ExecutionRow| (row.about.started_at, row.id);
        let is_after = |row: &&ExecutionRow| page.after.is_none_or(|after| place(row) < after);
        let mut rows: Vec<&ExecutionRow> = rows.filter(is_after).collect();
        rows.sort_by_key(|row| Reverse(place(row)));
        rows.into_iter().take(page.most).cloned().collect()
    }

    fn remove(&mut self, ids: &[ExecutionId]) {
        for id in ids {
            if self.executions.contains_key(id) {
                self.unlist(*id);
            }
            if let Some(row) = self.executions.remove(id) {
                self.by_arn.remove(&row.about.arn);
            }
            self.chunks.remove(id);
            self.map_runs.retain(|_, run| run.execution != *id);
        }
    }
}

fn has_ended(row: &ExecutionRow, before: i64) -> bool {
    row.status.is_over() && row.stopped_at.is_some_and(|at| at < before)
}

impl Store for Memory {
    fn new_id(&self) -> ExecutionId {
        let mut kept = self.kept();
        kept.next += 1;
        ExecutionId(kept.next)
    }

    fn append(&self, append: Append) -> Pending<Result<(), AppendError>> {
        now(self.kept().append(append))
    }

    fn put(&self, documents: DocumentChanges) -> Pending<Result<(), StoreError>> {
        let mut kept = self.kept();
        for (key, bytes) in documents {
            match bytes {
                Some(bytes) => kept.documents.insert(key, bytes),
                None => kept.documents.remove(&key),
            };
        }
        now(Ok(()))
    }

    fn documents(&self, prefix: &str) -> Pending<Result<Documents, StoreError>> {
        let kept = self.kept();
        let found = kept
            .documents
            .range(prefix.to_owned()..)
            .take_while(|(key, _)| key.starts_with(prefix))
            .map(|(key, bytes)| (key.clone(), bytes.clone()))
            .collect();
        now(Ok(found))
    }

    fn execution(&self, id: ExecutionId) -> Pending<Result<Option<ExecutionRow>, StoreError>> {
        now(Ok(self.kept().executions.get(&id).cloned()))
    }

    fn execution_by_arn(&self, arn: &str) -> Pending<Result<Option<ExecutionRow>, StoreError>> {
        let kept = self.kept();
        now(Ok(kept.by_arn.get(arn).and_then(|id| kept.executions.get(id)).cloned()))
    }

    fn history(
        &self,
        id: ExecutionId,
        part: HistoryPart,
        most_bytes: usize,
    ) -> Pending<Result<Vec<Chunk>, StoreError>> {
        let kept = self.kept();
        let chunks = kept.chunks.get(&id).map_or(&[][..], Vec::as_slice);
        now(Ok(match part {
            HistoryPart::After(len) => {
                let from = chunks.partition_point(|chunk| chunk.len <= len);
                as_many(&chunks[from..], most_bytes)
            }
            HistoryPart::UpTo(len) => {
                let to = chunks.partition_point(|chunk| chunk.len <= len);
                as_many(chunks[..to].iter().rev(), most_bytes)
            }
        }))
    }

    fn first_from(&self, id: ExecutionId) -> Pending<Result<Option<ExecutionId>, StoreError>> {
        now(Ok(self.kept().executions.range(id..).next().map(|(id, _)| *id)))
    }

    fn recorded(
        &self,
        numbers: std::ops::Range<u64>,
        most_bytes: usize,
    ) -> Pending<Result<Vec<Recorded>, StoreError>> {
        let kept = self.kept();
        let mut found = Vec::new();
        let mut bytes = 0;
        for (id, row) in kept.executions.range(ExecutionId(numbers.start)..ExecutionId(numbers.end))
        {
            let chunks = kept.chunks.get(id).map_or(&[][..], Vec::as_slice);
            let chunks = as_many(chunks, most_bytes);
            bytes += chunks.iter().map(|chunk| chunk.bytes.len()).sum::<usize>();
            if bytes > most_bytes && !found.is_empty() {
                break;
            }
            found.push(Recorded { row: row.clone(), chunks });
        }
        now(Ok(found))
    }

    fn live(
        &self,
        shards: &Shards,
        after: Option<&ExecutionRow>,
        most: usize,
    ) -> Pending<Result<Vec<ExecutionRow>, StoreError>> {
        let from = after.map_or(ExecutionId(0), |row| ExecutionId(row.id.0 + 1));
        let kept = self.kept();
        let ids = kept.live.range(from..).filter(|id| shards.has(id.shard())).take(most);
        let rows = ids.map(|id| kept.executions[id].clone());
        now(Ok(rows.collect()))
    }

    fn list(&self, filter: Filter, page: Page) -> Pending<Result<Vec<ExecutionRow>, StoreError>> {
        now(Ok(self.kept().page(&filter, page)))
    }

    fn count(&self, filter: Filter) -> Pending<Result<Vec<(Status, u64)>, StoreError>> {
        let kept = self.kept();
        let mut counts: BTreeMap<Status, u64> = BTreeMap::new();
        if filter.is_narrow() {
            for row in kept.executions.values().filter(|row| filter.takes(row)) {
                *counts.entry(row.status).or_default() += 1;
            }
            return now(Ok(counts.into_iter().collect()));
        }
        let mut add = |of_owner: &BTreeMap<Status, BTreeSet<Reverse<Place>>>| {
            for (status, places) in of_owner {
                if filter.status.is_none_or(|wanted| wanted == *status) {
                    *counts.entry(*status).or_default() += places.len() as u64;
                }
            }
        };
        match filter.owner() {
            Some(owner) => kept.listed.get(owner).into_iter().for_each(&mut add),
            None => kept.listed.values().for_each(&mut add),
        }
        now(Ok(counts.into_iter().collect()))
    }

    fn map_run(&self, arn: &str) -> Pending<Result<Option<MapRunRow>, StoreError>> {
        now(Ok(self.kept().map_runs.get(arn).cloned()))
    }

    fn latest_map_runs(
        &self,
        after: Option<(i64, String)>,
        most: usize,
    ) -> Pending<Result<Vec<MapRunRow>, StoreError>> {
        let kept = self.kept();
        let place = |run: &MapRunRow| (run.started_at, run.arn.clone());
        let mut runs: Vec<&MapRunRow> = kept.map_runs.values().collect();
        runs.retain(|run| after.as_ref().is_none_or(|after| place(run) < *after));
        runs.sort_by_key(|run| Reverse(place(run)));
        now(Ok(runs.into_iter().take(most).cloned().collect()))
    }

    fn sorted(
        &self,
        sorted: Sorted,
        most: usize,
    ) -> Pending<Result<Vec<ExecutionRow>, StoreError>> {
        let kept = self.kept();
        let mut rows: Vec<&ExecutionRow> = Vec::new();
        match sorted {
            Sorted::Oldest { filter, after } => {
                let place = |row: &ExecutionRow| (row.about.started_at, row.id);
                let is_after = |row: &ExecutionRow| after.is_none_or(|after| place(row) > after);
                rows.extend(
                    kept.executions.values().filter(|row| filter.takes(row) && is_after(row)),
                );
                rows.sort_by_key(|row| place(row));
            }
            Sorted::Named { machine, prefix, after } => {
                let (from, to) = named(&machine, &prefix);
                let after = after.map(|after| named(&machine, &after).0).unwrap_or_default();
                let is_it = |arn: &str| arn >= &*from && arn < &*to && arn > &*after;
                let ids = kept.by_arn.iter().filter(|(arn, _)| is_it(arn)).map(|(_, id)| id);
                rows.extend(ids.filter_map(|id| kept.executions.get(id)));
                rows.sort_by(|one, other| one.about.arn.cmp(&other.about.arn));
            }
            Sorted::Ended { after } => {
                let place = |row: &ExecutionRow| row.stopped_at.map(|at| (at, row.id));
                rows.extend(kept.executions.values().filter(|row| {
                    place(row).is_some_and(|place| after.is_none_or(|after| place < after))
                }));
                rows.sort_by_key(|row| Reverse(place(row)));
            }
        }
        now(Ok(rows.into_iter().take(most).cloned().collect()))
    }

    fn map_runs(&self, execution: ExecutionId) -> Pending<Result<Vec<MapRunRow>, StoreError>> {
        let kept = self.kept();
        let mut runs: Vec<MapRunRow> =
            kept.map_runs.values().filter(|run| run.execution == execution).cloned().collect();
        runs.sort_by(|a, b| (b.started_at, &b.arn).cmp(&(a.started_at, &a.arn)));
        now(Ok(runs))
    }

    fn ended(&self, before: i64, most: usize) -> Pending<Result<Vec<ExecutionRow>, StoreError>> {
        let kept = self.kept();
        let ended = kept.executions.values().filter(|row| has_ended(row, before));
        let mut rows: Vec<ExecutionRow> = ended.cloned().collect();
        rows.sort_by_key(|row| (row.stopped_at, row.id));
        rows.truncate(most);
        now(Ok(rows))
    }

    fn forget(
        &self,
        executions: Vec<ExecutionId>,
        ended_before: i64,
    ) -> Pending<Result<u64, StoreError>> {
        let mut kept = self.kept();
        let mut ids = executions;
        ids.retain(|id| kept.executions.get(id).is_some_and(|row| has_ended(row, ended_before)));
        kept.remove(&ids);
        now(Ok(ids.len() as u64))
    }

    fn forget_machine(&self, machine: &str) -> Pending<Result<u64, StoreError>> {
        let mut kept = self.kept();
        let ended = kept
            .executions
            .values()
            .filter(|row| row.status.is_over() && row.about.machine == machine);
        let ids: Vec<ExecutionId> = ended.map(|row| row.id).collect();
        kept.remove(&ids);
        now(Ok(ids.len() as u64))
    }

    fn backup(&self, _folder: &Path) -> Pending<Result<(), StoreError>> {
        now(Err(StoreError::new("a store in memory cannot be backed up; give the server `--data`")))
    }

    fn verify(&self, _stop: Arc<AtomicBool>) -> Pending<Result<Vec<String>, StoreError>> {
        now(Ok(Vec::new()))
    }

    fn close(&self) -> Pending<()> {
        now(())
    }

    fn size(&self) -> u64 {
        let kept = self.kept();
        kept.chunks.values().flatten().map(|chunk| chunk.bytes.len() as u64).sum()
    }
}
