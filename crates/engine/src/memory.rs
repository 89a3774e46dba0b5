//! The memory that all executions take together.
//!
//! Each execution is held to a bound of its own. Many that each take little can take much together,
//! such as the children of a map run: as long as there is too little room, they begin one after the
//! other.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many bytes the executions in memory may take before others wait.
const MOST: usize = 160 << 20;

/// How often it is looked whether there is room again.
const AGAIN: Duration = Duration::from_millis(10);

/// What is taken, and who may begin when there is no room.
#[derive(Debug)]
pub(crate) struct Memory {
    taken: Arc<AtomicUsize>,
    /// One execution always goes on, so that there is an end to it.
    one: Arc<Semaphore>,
}

impl Default for Memory {
    fn default() -> Self {
        Self { taken: Arc::default(), one: Arc::new(Semaphore::new(1)) }
    }
}

/// What an execution takes, until this is dropped.
#[derive(Debug)]
pub(crate) struct Share {
    taken: Arc<AtomicUsize>,
    own: usize,
}

impl Memory {
    /// The share of an execution that takes nothing yet.
    pub(crate) fn share(&self) -> Share {
        Share { taken: self.taken.clone(), own: 0 }
    }

    /// Waits until an execution can begin. Where there is no room, it is the only one that can, as
    /// long as it keeps the permit.
    pub(crate) async fn room(&self) -> Option<OwnedSemaphorePermit> {
        loop {
            if self.taken.load(Ordering::Relaxed) < MOST {
                return None;
            }
            if let Ok(permit) = self.one.clone().try_acquire_owned() {
                return Some(permit);
            }
            tokio::time::sleep(AGAIN).await;
        }
    }
}

impl Share {
    /// The execution now takes so many bytes.
    pub(crate) fn set(&mut self, bytes: usize) {
        if bytes >= self.own {
            self.taken.fetch_add(bytes - self.own, Ordering::Relaxed);
        } else {
            self.taken.fetch_sub(self.own - bytes, Ordering::Relaxed);
        }
        self.own = bytes;
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.set(0);
    }
}
