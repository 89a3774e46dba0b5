//! Counting the executions of a machine before another one starts.

use crate::Engine;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::OwnedMutexGuard;

/// The machines whose executions are counted.
#[derive(Debug, Default)]
pub(crate) struct Counting(Mutex<BTreeMap<String, Arc<tokio::sync::Mutex<()>>>>);

impl Engine {
    /// Lets starts of a machine at this engine go one after another, for as long as the answer is held.
    /// Each of them counts what the one before has started.
    pub async fn counting(&self, machine: &str) -> OwnedMutexGuard<()> {
        let one = self.inner.counting.0.lock().entry(machine.to_owned()).or_default().clone();
        one.lock_owned().await
    }
}
