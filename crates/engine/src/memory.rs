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
const MOST: usize = 80 << 20;

/// How often it is looked whether there is room again.
const AGAIN: Duration = Duration::from_millis(10);

/// How long the one whose turn it is waits for room. There is an end to it, so that all come to
/// their turn whatever the others wait for.
const PATIENCE: Duration = Duration::from_millis(250);

/// How long a caller waits for room.
const CALLERS_PATIENCE: Duration = Duration::from_secs(1);

/// How many children of map runs are begun at once: enough that many are stored together.
const MOST_BEGINNING: usize = 256;

/// How many executions are read from the store at once. How much they take is known only then.
const MOST_READ: usize = 2;

/// What is taken, and who may begin when there is no room.
#[derive(Debug)]
pub(crate) struct Memory {
    taken: Arc<AtomicUsize>,
    /// For the children of map runs that are being begun.
    beginning: Semaphore,
    /// For the child of a map run whose turn it is.
    child: Semaphore,
    /// For the execution that goes on whose turn it is.
    going_on: Semaphore,
    reading: Semaphore,
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            taken: Arc::default(),
            beginning: Semaphore::new(MOST_BEGINNING),
            child: Semaphore::new(1),
            going_on: Semaphore::new(1),
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

    /// How many bytes are taken.
    pub(crate) fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    /// Waits until a caller's execution can begin.
    pub(crate) async fn room_for_caller(&self) {
        self.room_below(MOST / 2 * 3, CALLERS_PATIENCE).await;
    }

    /// Waits until few enough children of map runs are being begun for so many more.
    pub(crate) async fn turn_to_begin(&self, count: usize) -> Option<SemaphorePermit<'_>> {
        self.beginning.acquire_many(count.min(MOST_BEGINNING) as u32).await.ok()
    }

    /// Whether a child of a map run can begin without waiting.
    pub(crate) fn has_room_for_child(&self) -> bool {
        self.taken.load(Ordering::Relaxed) < MOST
    }

    /// Waits until a child of a map run can begin: one after the other where there is no room.
    pub(crate) async fn room_for_child(&self) {
        if self.has_room_for_child() {
            return;
        }
        let _turn = self.child.acquire().await;
        self.room_below(MOST, PATIENCE).await;
    }

    /// Waits until an execution can go on: one after the other where there is no room.
    pub(crate) async fn room_to_go_on(&self) {
        if self.taken.load(Ordering::Relaxed) < MOST {
            return;
        }
        let _turn = self.going_on.acquire().await;
        self.room_below(MOST, PATIENCE).await;
    }

    async fn room_below(&self, most: usize, patience: Duration) {
        let mut waited = Duration::ZERO;
        while self.taken.load(Ordering::Relaxed) >= most && waited < patience {
            tokio::time::sleep(AGAIN).await;
            waited += AGAIN;
        }
    }

    /// Waits until an execution can be read from the store.
    pub(crate) async fn reading(&self) -> Option<SemaphorePermit<'_>> {
        self.reading.acquire().await.ok()
    }
}

impl Share {
    /// It takes so many bytes more.
    pub(crate) fn add(&mut self, bytes: usize) {
        self.set(self.own + bytes);
    }

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
