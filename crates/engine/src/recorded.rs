//! What map runs look up in the history of their execution: what its children begin with, and what
//! came of them.

use crate::Engine;
use stepwright_history::{Event, stored};
use stepwright_interpreter::items::Journal;
use stepwright_interpreter::recorded_input;
use stepwright_json::Json;
use stepwright_store::{ExecutionId, HistoryPart, StoreError};
use tokio::runtime::Handle;
use tokio::sync::Mutex;

/// Roughly the bytes of a history that are read at once.
const BYTES: usize = 128 << 10;

/// The page of items that was looked up last. The children that run again follow one another, so
/// that each page is read once.
#[derive(Default)]
pub(crate) struct Pages(Mutex<Option<((ExecutionId, u64), Event)>>);

impl Engine {
    /// The events of an execution that follow the first `after` ones, as many as are read at once.
    pub(crate) async fn piece_after(
        &self,
        id: ExecutionId,
        after: u64,
    ) -> Result<Vec<Event>, StoreError> {
        let broken = |error| StoreError::new(format!("the history cannot be read: {error}"));
        let mut events = Vec::new();
        for chunk in self.store().history(id, HistoryPart::After(after), BYTES).await? {
            let decoded = stored::decode(&chunk.bytes).map_err(broken)?;
            let begin = chunk.len.saturating_sub(decoded.len() as u64);
            events.extend(decoded.into_iter().skip(after.saturating_sub(begin) as usize));
        }
        Ok(events)
    }

    /// What a child execution begins with, of the page of items that follows so many events.
    pub(crate) async fn recorded_input(
        &self,
        id: ExecutionId,
        after: u64,
        at: u32,
    ) -> Result<Json, StoreError> {
        let gone = || StoreError::new("the history has no input for a child execution");
        let mut last = self.inner.pages.0.lock().await;
        if last.as_ref().is_none_or(|(place, _)| *place != (id, after)) {
            let event = self.piece_after(id, after).await?.into_iter().next().ok_or_else(gone)?;
            *last = Some(((id, after), event));
        }
        let found = last.as_ref().and_then(|(_, event)| recorded_input(event, at));
        found.cloned().ok_or_else(gone)
    }
}

/// The history of a stored execution. Used on threads where blocking is allowed.
pub(crate) struct Stored {
    pub(crate) engine: Engine,
    pub(crate) id: ExecutionId,
    /// Whether the execution is in memory only, so that nothing of it can be looked up.
    pub(crate) is_in_memory: bool,
}

impl Journal for Stored {
    fn events(&mut self, after: u64) -> Result<Vec<Event>, String> {
        if self.is_in_memory {
            return Err("an Express execution keeps no results to write".to_owned());
        }
        let reading = self.engine.piece_after(self.id, after);
        Handle::current().block_on(reading).map_err(|error| error.to_string())
    }
}
