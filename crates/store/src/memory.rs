use crate::{
    Append, AppendError, DocumentChanges, Documents, ExecutionId, ExecutionRow, Filter, MapRunRow,
    Page, Pending, Status, Store, StoreError,
};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Keeps everything as long as the process lives.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    kept: Arc<Mutex<Kept>>,
}

#[derive(Debug, Default)]
struct Kept {
    next: u64,
    executions: BTreeMap<ExecutionId, ExecutionRow>,
    by_arn: HashMap<String, ExecutionId>,
    chunks: BTreeMap<ExecutionId, Vec<Vec<u8>>>,
    map_runs: BTreeMap<String, MapRunRow>,
    documents: BTreeMap<String, Vec<u8>>,
}

impl Memory {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // Nothing is left half-done where a panic could happen.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn now<T: Send + 'static>(value: T) -> Pending<T> {
    Box::pin(std::future::ready(value))
}

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
        }
        let row = self.executions.get_mut(&append.execution).ok_or(AppendError::Conflict)?;
        if row.len != append.expected_len {
            return Err(AppendError::Conflict);
        }
        row.len = append.len;
        row.status = append.status;
        row.stopped_at = append.stopped_at;
        row.wake_at = append.wake_at;
        row.is_owed = append.is_owed;
        row.redriven = append.redriven;
        if !append.chunk.is_empty() {
            self.chunks.entry(append.execution).or_default().push(append.chunk);
        }
        for run in append.map_runs {
            self.map_runs.insert(run.arn.clone(), run);
        }
        Ok(())
    }

    fn remove(&mut self, ids: &[ExecutionId]) {
        for id in ids {
            if let Some(row) = self.executions.remove(id) {
                self.by_arn.remove(&row.about.arn);
            }
            self.chunks.remove(id);
            self.map_runs.retain(|_, run| run.execution != *id);
        }
    }
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

    fn history(&self, id: ExecutionId) -> Pending<Result<Vec<Vec<u8>>, StoreError>> {
        now(Ok(self.kept().chunks.get(&id).cloned().unwrap_or_default()))
    }

    fn live(
        &self,
        after: Option<ExecutionId>,
        most: usize,
    ) -> Pending<Result<Vec<ExecutionRow>, StoreError>> {
        let from = after.map_or(ExecutionId(0), |id| ExecutionId(id.0 + 1));
        let kept = self.kept();
        let rows = kept.executions.range(from..).map(|(_, row)| row);
        now(Ok(rows.filter(|row| !row.status.is_over()).take(most).cloned().collect()))
    }

    fn list(&self, filter: Filter, page: Page) -> Pending<Result<Vec<ExecutionRow>, StoreError>> {
        let kept = self.kept();
        let mut rows: Vec<&ExecutionRow> =
            kept.executions.values().filter(|row| filter.takes(row)).collect();
        rows.sort_by_key(|row| std::cmp::Reverse((row.about.started_at, row.id)));
        let is_after = |row: &&ExecutionRow| {
            page.after.is_none_or(|after| (row.about.started_at, row.id) < after)
        };
        now(Ok(rows.into_iter().filter(is_after).take(page.most).cloned().collect()))
    }

    fn count(&self, filter: Filter) -> Pending<Result<Vec<(Status, u64)>, StoreError>> {
        let mut counts: BTreeMap<Status, u64> = BTreeMap::new();
        for row in self.kept().executions.values().filter(|row| filter.takes(row)) {
            *counts.entry(row.status).or_default() += 1;
        }
        now(Ok(counts.into_iter().collect()))
    }

    fn map_run(&self, arn: &str) -> Pending<Result<Option<MapRunRow>, StoreError>> {
        now(Ok(self.kept().map_runs.get(arn).cloned()))
    }

    fn map_runs(&self, execution: ExecutionId) -> Pending<Result<Vec<MapRunRow>, StoreError>> {
        let kept = self.kept();
        let mut runs: Vec<MapRunRow> =
            kept.map_runs.values().filter(|run| run.execution == execution).cloned().collect();
        runs.sort_by(|a, b| (b.started_at, &b.arn).cmp(&(a.started_at, &a.arn)));
        now(Ok(runs))
    }

    fn forget(&self, ended_before: i64, most: usize) -> Pending<Result<u64, StoreError>> {
        let mut kept = self.kept();
        let ended = kept.executions.values().filter(|row| {
            row.status.is_over() && row.stopped_at.is_some_and(|at| at < ended_before)
        });
        let ids: Vec<ExecutionId> = ended.map(|row| row.id).take(most).collect();
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

    fn verify(&self) -> Pending<Result<Vec<String>, StoreError>> {
        now(Ok(Vec::new()))
    }

    fn close(&self) -> Pending<()> {
        now(())
    }

    fn size(&self) -> u64 {
        let kept = self.kept();
        kept.chunks.values().flatten().map(|chunk| chunk.len() as u64).sum()
    }
}
