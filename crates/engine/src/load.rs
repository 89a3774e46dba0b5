//! Folds executions back from what the store keeps of them.

use crate::facts::More;
use crate::live::Live;
use crate::{Engine, Facts};
use std::sync::Arc;
use stepwright_history::{Moment, stored};
use stepwright_interpreter::{CorruptHistory, Execution};
use stepwright_store::{ExecutionId, ExecutionRow, StoreError};

/// Why an execution cannot be folded back.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    #[error("{0}")]
    Store(#[from] StoreError),
    #[error("its history cannot be read: {0}")]
    Stored(#[from] stored::StoredError),
    #[error("its history is inconsistent: {0}")]
    Corrupt(#[from] CorruptHistory),
    #[error("{0}")]
    Unreadable(String),
}

impl Engine {
    /// Folds an execution back.
    pub(crate) async fn load(&self, id: ExecutionId) -> Result<Option<Box<Live>>, LoadError> {
        self.inner.memory.room_to_go_on().await;
        match self.store().execution(id).await? {
            Some(row) => self.load_row(row).await.map(|live| Some(Box::new(live))),
            None => Ok(None),
        }
    }

    pub(crate) async fn load_row(&self, row: ExecutionRow) -> Result<Live, LoadError> {
        // Until it is known what the execution takes.
        let _reading = self.inner.memory.reading().await;
        let chunks = self.store().history(row.id).await?;
        let wake_at = row.wake_at;
        let facts = self.facts(row).await?;
        let bytes = chunks.iter().map(Vec::len).sum();
        let mut live = fold(facts, wake_at, &chunks)?;
        live.was_read(bytes, self.inner.memory.share());
        Ok(live)
    }

    /// Reads the facts of an execution that never change.
    pub(crate) async fn facts(&self, row: ExecutionRow) -> Result<Facts, LoadError> {
        let more = More::read(&row.about.more)
            .ok_or_else(|| LoadError::Unreadable("its facts cannot be read".to_owned()))?;
        let revision = self.revision(&more.revision).await?;
        Ok(Facts {
            id: row.id,
            is_express: revision.is_express,
            about: row.about,
            revision,
            test_case: more.test_case,
            trace_header: more.trace_header,
            parent: more.parent,
        })
    }
}

/// Folds an execution from the chunks of its history.
pub(crate) fn fold(
    facts: Facts,
    wake_at: Option<i64>,
    chunks: &[Vec<u8>],
) -> Result<Live, LoadError> {
    let mut execution = Execution::default();
    let mut len = 0;
    for chunk in chunks {
        for event in stored::decode(chunk)? {
            execution.apply(&event)?;
            len += 1;
        }
    }
    let mut live = Live::new(Arc::new(facts), execution, len);
    live.woken_at = wake_at.map(Moment);
    Ok(live)
}
