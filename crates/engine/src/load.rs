//! Folds executions back from what the store keeps of them.

use crate::facts::More;
use crate::live::{Live, panic_text};
use crate::long::pass_bytes;
use crate::memory::Share;
use crate::run_rows::RunRows;
use crate::{Engine, Facts};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use stepwright_history::{Moment, stored};
use stepwright_interpreter::{CorruptHistory, Execution};
use stepwright_store::{Chunk, ExecutionId, ExecutionRow, HistoryPart, StoreError};

/// Why an execution cannot be folded back.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    #[error("{0}")]
    Store(#[from] StoreError),
    #[error("its history cannot be read: {0}")]
    Stored(#[from] stored::StoredError),
    #[error("its history is inconsistent: {0}")]
    Corrupt(#[from] CorruptHistory),
    #[error("its data takes more than {most} bytes of memory")]
    TooLarge { most: usize },
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
        let (id, len, wake_at) = (row.id, row.len, row.wake_at);
        // Until it is known what the execution takes.
        let _reading = self.inner.memory.reading().await;
        let facts = self.facts(row).await?;
        let mut folded = Folded::of(&facts, self.inner.memory.share());
        while folded.read < len {
            let chunks = self.store().history(id, HistoryPart::After(folded.read), BYTES).await?;
            if chunks.is_empty() {
                break;
            }
            let bytes: usize = chunks.iter().map(|chunk| stored::unpacked_len(&chunk.bytes)).sum();
            pass_bytes(bytes, || folded.take(&chunks))?;
        }
        Ok(folded.live(facts, wake_at))
    }

    /// Reads the facts of an execution that never change.
    pub(crate) async fn facts(&self, row: ExecutionRow) -> Result<Facts, LoadError> {
        let more = More::read(&row.about.more)
            .ok_or_else(|| LoadError::Unreadable("its facts cannot be read".to_owned()))?;
        let revision = self.find_revision(&more.revision).await?;
        Ok(Facts {
            id: row.id,
            is_express: revision.is_express,
            about: row.about,
            revision,
            test_case: more.test_case,
            trace_header: more.trace_header,
            parent: more.parent,
            principal: more.principal,
            fork: more.fork,
        })
    }
}

/// Roughly the number of bytes of a history that are in memory at once.
pub(crate) const BYTES: usize = 4 << 20;

/// How much memory an execution may take when it is read, beside twice of what it may take when it
/// runs: it was within that when it was written, and not all that was shared is shared again.
const BESIDE: usize = 64 << 20;

/// An execution that is being folded from the chunks of its history.
pub(crate) struct Folded {
    execution: Execution,
    run_rows: RunRows,
    seen: stored::Seen,
    /// How many bytes of memory it may take.
    most: usize,
    /// What it takes of the memory that all executions take together.
    share: Share,
    /// The number of events so far.
    len: u64,
    /// The number of events up to the end of the last chunk, by the store's count.
    pub(crate) read: u64,
}

impl Folded {
    pub(crate) fn of(facts: &Facts, share: Share) -> Self {
        let held_bytes = facts.revision.program.limits.held_bytes;
        Self {
            execution: Execution::default(),
            run_rows: RunRows::default(),
            seen: stored::Seen::default(),
            most: held_bytes.saturating_mul(2).saturating_add(BESIDE),
            share,
            len: 0,
            read: 0,
        }
    }

    /// Takes the next chunks. A history that the code cannot take in, so that it panics, cannot be
    /// read either.
    pub(crate) fn take(&mut self, chunks: &[Chunk]) -> Result<(), LoadError> {
        let taken = catch_unwind(AssertUnwindSafe(|| self.apply(chunks)));
        let cannot = |text: String| format!("its history cannot be folded: {text}");
        taken.unwrap_or_else(|panic| Err(LoadError::Unreadable(cannot(panic_text(&*panic)))))
    }

    fn apply(&mut self, chunks: &[Chunk]) -> Result<(), LoadError> {
        for chunk in chunks {
            let (execution, run_rows) = (&mut self.execution, &mut self.run_rows);
            let (len, most) = (&mut self.len, self.most);
            stored::decode_each(&chunk.bytes, &mut self.seen, |event| {
                execution.apply(&event)?;
                run_rows.take(&event, |_| {});
                *len += 1;
                if execution.note_read(&event, most) {
                    Ok(())
                } else {
                    Err(LoadError::TooLarge { most })
                }
            })?;
            self.share.set(self.execution.memory());
            self.read = chunk.len;
        }
        Ok(())
    }

    /// The execution, once it has taken all chunks.
    pub(crate) fn live(mut self, facts: Facts, wake_at: Option<i64>) -> Live {
        self.execution.look(usize::MAX);
        let mut live = Live::new(Arc::new(facts), self.execution, self.len);
        live.takes(self.share);
        live.woken_at = wake_at.map(Moment);
        live.run_rows = self.run_rows;
        live
    }
}
