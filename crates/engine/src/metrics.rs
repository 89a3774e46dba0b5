use std::sync::atomic::{AtomicU64, Ordering};

/// What an engine counts, since it was opened.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Executions that began.
    pub started: Counter,
    /// Executions that ended well.
    pub succeeded: Counter,
    /// Executions that failed.
    pub failed: Counter,
    /// Executions that were timed out.
    pub timed_out: Counter,
    /// Executions that were stopped.
    pub aborted: Counter,
    /// Turns that were appended.
    pub turns: Counter,
    /// Events that were appended.
    pub events: Counter,
    /// Stimuli that did not concern their execution any more.
    pub stale: Counter,
    /// Appends that failed and were tried again.
    pub append_failures: Counter,
    /// Executions that panicked and are left alone until the next start.
    pub parked: Counter,
    /// Tasks that were handed out.
    pub tasks: Counter,
}

/// A number that only rises.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// One more.
    pub fn add_one(&self) {
        self.add(1);
    }

    /// Some more.
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// How many so far.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Metrics {
    /// Every number with its name.
    pub fn all(&self) -> [(&'static str, u64); 11] {
        [
            ("executions_started", self.started.get()),
            ("executions_succeeded", self.succeeded.get()),
            ("executions_failed", self.failed.get()),
            ("executions_timed_out", self.timed_out.get()),
            ("executions_aborted", self.aborted.get()),
            ("turns", self.turns.get()),
            ("events", self.events.get()),
            ("stale_stimuli", self.stale.get()),
            ("append_failures", self.append_failures.get()),
            ("parked_executions", self.parked.get()),
            ("tasks_dispatched", self.tasks.get()),
        ]
    }
}
