//! Counts what is under way outside of executions. This tells whether an execution that waits will
//! ever be woken.

use crate::Engine;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// The number of things that are under way.
#[derive(Debug, Default)]
pub(crate) struct Underway(Arc<AtomicUsize>);

/// One thing that is under way, until its last clone is dropped or it rests.
#[derive(Clone, Debug)]
pub(crate) struct Errand(Arc<Counted>);

#[derive(Debug)]
struct Counted {
    count: Arc<AtomicUsize>,
    rests: AtomicBool,
}

impl Underway {
    pub(crate) fn begin(&self) -> Errand {
        self.0.fetch_add(1, Ordering::SeqCst);
        Errand(Arc::new(Counted { count: self.0.clone(), rests: AtomicBool::new(false) }))
    }
}

impl Errand {
    /// Stops counting it: it does nothing by itself while it waits for another execution.
    pub(crate) fn rest(&self) {
        self.0.rest();
    }

    /// Counts it again.
    pub(crate) fn resume(&self) {
        if self.0.rests.swap(false, Ordering::SeqCst) {
            self.0.count.fetch_add(1, Ordering::SeqCst);
        }
    }
}

impl Counted {
    fn rest(&self) {
        if !self.rests.swap(true, Ordering::SeqCst) {
            self.count.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.rest();
    }
}

impl Engine {
    /// Whether no turn is being taken, no task runs and no timer is set. An execution that still
    /// waits then needs the holder of a task token, or waits forever.
    pub fn is_idle(&self) -> bool {
        let inner = &self.inner;
        inner.underway.0.load(Ordering::SeqCst) == 0
            && inner.timers.is_empty()
            && inner.mailboxes.driving() == 0
            && inner.mailboxes.count_in_memory() == 0
    }
}
