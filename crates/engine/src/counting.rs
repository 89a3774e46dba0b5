//! Counting the executions of a machine, or of an account, before another one starts.

use crate::Engine;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::OwnedMutexGuard;

/// What has its executions counted.
#[derive(Debug, Default)]
pub(crate) struct Counting(Mutex<BTreeMap<String, Arc<tokio::sync::Mutex<()>>>>);

impl Engine {
    /// Lets starts that count the same executions at this engine go one after another, for as long as the
    /// answer is held: those of a machine, by its ARN, or of an account. Each of them counts what the
    /// one before has started.
    pub async fn counting(&self, what: &str) -> OwnedMutexGuard<()> {
        let one = self.inner.counting.0.lock().entry(what.to_owned()).or_default().clone();
        one.lock_owned().await
    }
}
