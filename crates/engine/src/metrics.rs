use std::sync::atomic::{AtomicU64, Ordering};

/// The engine's counters, from zero when it is opened.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Executions that started.
    pub started: Counter,
    /// Executions that succeeded.
    pub succeeded: Counter,
    /// Executions that failed.
    pub failed: Counter,
    /// Executions that timed out.
    pub timed_out: Counter,
    /// Executions that were stopped.
    pub aborted: Counter,
    /// Turns that were appended.
    pub turns: Counter,
    /// Events that were appended.
    pub events: Counter,
    /// Stimuli that came too late to concern their execution.
    pub stale: Counter,
    /// Appends that failed and were tried again.
    pub append_failures: Counter,
    /// How often an execution panicked or could not be read, and was left alone.
    pub parked: Counter,
    /// Tasks that were handed out.
    pub tasks: Counter,
}

/// A number that only rises.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds one.
    pub fn add_one(&self) {
        self.add(1);
    }

    /// Adds a number.
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// The count so far.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Metrics {
    /// Every counter with its name.
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
            ("executions_parked", self.parked.get()),
            ("tasks_dispatched", self.tasks.get()),
        ]
    }
}
