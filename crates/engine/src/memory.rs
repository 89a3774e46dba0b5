//! The memory that all executions take together.
//!
//! Each execution is held to a bound of its own. Many that each take little can take much together,
//! such as the children of a map run: as long as there is too little room, they begin, or are read
//! from the store, one after the other.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};

/// How many bytes the executions in memory may take before others wait.
const MOST: usize = 160 << 20;

/// How often it is looked whether there is room again.
const AGAIN: Duration = Duration::from_millis(10);

/// How long an execution that begins without room keeps others from doing so. There is an end to
/// it, so that all come to their turn whatever the others wait for.
const KEPT: Duration = Duration::from_millis(250);

/// How many executions are read from the store at once. How much they take is known only then.
const MOST_READ: usize = 2;

/// What is taken, and who may begin when there is no room.
#[derive(Debug)]
pub(crate) struct Memory {
    taken: Arc<AtomicUsize>,
    /// For the one that may begin when there is no room.
    one: Arc<Semaphore>,
    reading: Semaphore,
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            taken: Arc::default(),
            one: Arc::new(Semaphore::new(1)),
            reading: Semaphore::new(MOST_READ),
        }
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

    /// Waits until an execution can begin. Where there is no room, one can all the same now and
    /// then.
    pub(crate) async fn room(&self) {
        while self.taken.load(Ordering::Relaxed) >= MOST {
            if let Ok(permit) = self.one.clone().try_acquire_owned() {
                tokio::spawn(async move {
                    tokio::time::sleep(KEPT).await;
                    drop(permit);
                });
                return;
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// Waits until an execution can be read from the store.
    pub(crate) async fn reading(&self) -> Option<SemaphorePermit<'_>> {
        self.reading.acquire().await.ok()
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
