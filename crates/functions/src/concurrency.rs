//! Limits the number of invocations of a function that run at a time.

use crate::error::Error;
use crate::pool::MOST_PROCESSES;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many invocations of a function without a `concurrency` may run or wait: as many as run at a
/// time in a new AWS account. Further ones are throttled.
const MOST_WAITING: usize = 1_000;

/// Admits as many invocations as may run at a time.
#[derive(Debug)]
pub(crate) struct Gate {
    permits: Arc<Semaphore>,
    /// Whether the function has a `concurrency` of its own. Then invocations are throttled at once
    /// and do not wait.
    is_reserved: bool,
    inside: AtomicUsize,
}

/// The right to run. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Admission {
    gate: Arc<Gate>,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Admission {
    fn drop(&mut self) {
        self.gate.inside.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A place among the invocations that run or wait.
struct Place(Option<Arc<Gate>>);

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(gate) = &self.0 {
            gate.inside.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Gate {
    pub(crate) fn new(concurrency: Option<u32>) -> Self {
        let most = concurrency.map_or(MOST_PROCESSES, |most| most as usize);
        Self {
            permits: Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS))),
            is_reserved: concurrency.is_some(),
            inside: AtomicUsize::new(0),
        }
    }

    /// Waits for the right to run. If none is free and the limit is reached, the invocation is
    /// throttled, unless the caller is `patient`.
    pub(crate) async fn enter(self: &Arc<Self>, patient: bool) -> Result<Admission, Error> {
        let inside = self.inside.fetch_add(1, Ordering::Relaxed);
        let mut place = Place(Some(self.clone()));
        let permit = match self.permits.clone().try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) if self.is_reserved && !patient => {
                return Err(Error::TooManyRequests {
                    reason: "ReservedFunctionConcurrentInvocationLimitExceeded",
                });
            }
            Err(_) if inside >= MOST_WAITING && !patient => {
                return Err(Error::TooManyRequests { reason: "ConcurrentInvocationLimitExceeded" });
            }
            Err(_) => {
                let permit = self.permits.clone().acquire_owned().await;
                permit.map_err(|_| Error::shutting_down())?
            }
        };
        place.0 = None;
        Ok(Admission { gate: self.clone(), _permit: permit })
    }
}
