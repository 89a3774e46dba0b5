//! Read access to executions, for operations, pages and commands.

use crate::load::LoadError;
use crate::{Ended, Engine, Facts, ListedRun, Snapshot};
use std::sync::Arc;
use stepwright_store::{
    ExecutionId, ExecutionRow, Filter, MapRunRow, Page, Sorted, Status, StoreError,
};

impl Engine {
    /// The current state of an execution; `None` if there is none. Express executions are not
    /// recorded.
    pub async fn describe(&self, arn: &str) -> Result<Option<Ended>, StoreError> {
        if let Some(known) = self.inner.recent.find(arn).filter(|_| self.remembers()) {
            return Ok(Some(known));
        }
        let Some(row) = self.store().execution_by_arn(arn).await? else { return Ok(None) };
        let snapshot = self.snapshot(row).await;
        snapshot.map(Some).map_err(|error| StoreError::new(error.to_string()))
    }

    pub(crate) async fn snapshot(&self, row: ExecutionRow) -> Result<Ended, LoadError> {
        let stopped_at = row.stopped_at;
        let live = self.load_row(row).await?;
        Ok(Arc::new(Snapshot::of(&live, stopped_at)))
    }

    /// Lists executions, the most recently started first.
    pub async fn executions(
        &self,
        filter: Filter,
        page: Page,
    ) -> Result<Vec<ExecutionRow>, StoreError> {
        self.store().list(filter, page).await
    }

    /// Executions in another order.
    pub async fn sorted(
        &self,
        sorted: Sorted,
        most: usize,
    ) -> Result<Vec<ExecutionRow>, StoreError> {
        self.store().sorted(sorted, most).await
    }

    /// Counts the executions that a filter matches, by status.
    pub async fn count(&self, filter: Filter) -> Result<Vec<(Status, u64)>, StoreError> {
        self.store().count(filter).await
    }

    /// The number of running executions of a machine.
    pub async fn running(&self, machine: &str) -> Result<u64, StoreError> {
        let filter = Filter {
            machine: Some(machine.to_owned()),
            status: Some(Status::Running),
            ..Filter::default()
        };
        Ok(self.count(filter).await?.iter().map(|(_, count)| count).sum())
    }

    /// The row of a map run: the execution it belongs to and when it started.
    pub async fn map_run_row(&self, arn: &str) -> Result<Option<MapRunRow>, StoreError> {
        self.store().map_run(arn).await
    }

    /// The map runs of the execution with this ARN, the most recently started first; `None` if
    /// there is no such execution.
    pub async fn map_runs(&self, arn: &str) -> Result<Option<Vec<MapRunRow>>, StoreError> {
        let Some(row) = self.store().execution_by_arn(arn).await? else { return Ok(None) };
        self.store().map_runs(row.id).await.map(Some)
    }

    /// Map runs of all executions, the most recently started first, after the one with this start time
    /// and ARN.
    pub async fn latest_map_runs(
        &self,
        after: Option<(i64, String)>,
        most: usize,
    ) -> Result<Vec<ListedRun>, StoreError> {
        let rows = self.store().latest_map_runs(after, most).await?;
        Ok(rows.into_iter().map(ListedRun::of).collect())
    }

    /// The row of the execution with this ARN.
    pub async fn execution_row(&self, arn: &str) -> Result<Option<ExecutionRow>, StoreError> {
        self.store().execution_by_arn(arn).await
    }

    /// The row of the execution with this number.
    pub async fn numbered_row(&self, id: ExecutionId) -> Result<Option<ExecutionRow>, StoreError> {
        self.store().execution(id).await
    }

    /// The facts of an execution, without reading its history.
    pub async fn recorded_facts(&self, row: ExecutionRow) -> Result<Facts, StoreError> {
        self.facts(row).await.map_err(|error| StoreError::new(error.to_string()))
    }
}
