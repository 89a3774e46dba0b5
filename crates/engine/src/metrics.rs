use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The engine's counters and histograms, from zero when it is opened.
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
    /// Appends that failed: turns are tried again, starts are refused.
    pub append_failures: Counter,
    /// How often an execution panicked or could not be read, and was left alone.
    pub parked: Counter,
    /// Tasks that were handed out.
    pub tasks: Counter,
    /// Tasks that failed or timed out.
    pub tasks_failed: Counter,
    /// Executions that were archived before they were forgotten.
    pub archived: Counter,
    /// How often executions past their retention could not be archived or forgotten: once for each that
    /// cannot be read, and once for each time that nothing could be written.
    pub archive_failures: Counter,
    /// How long the interpreter took for the turns that were appended together.
    pub turn: Histogram,
    /// How long the store took to make them durable.
    pub append: Histogram,
    /// How long a task took that the engine ran, from its call to its result.
    pub task: Histogram,
    /// How long something that came for an execution waited for its driver.
    pub queue: Histogram,
}

/// One kind of counter, as it is told to those who watch.
pub type Told<'m, T> = (&'static str, &'static str, &'m T);

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

/// The upper ends of the buckets of a [`Histogram`], in microseconds.
const BOUNDS: [u64; 16] = [
    250,
    500,
    1_000,
    2_500,
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    10_000_000,
    60_000_000,
    600_000_000,
];

/// How often something took how long.
#[derive(Debug, Default)]
pub struct Histogram {
    /// One for each bound, and one for what took longer.
    buckets: [AtomicU64; BOUNDS.len() + 1],
    micros: AtomicU64,
}

impl Histogram {
    /// Counts something that took so long.
    pub fn observe(&self, took: Duration) {
        let micros = took.as_micros() as u64;
        let bucket = BOUNDS.partition_point(|bound| *bound < micros);
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.micros.fetch_add(micros, Ordering::Relaxed);
    }

    /// The buckets: their upper ends in seconds, and how many took so long or less. The last one has
    /// no end and counts everything.
    pub fn buckets(&self) -> Vec<(Option<f64>, u64)> {
        let bounds = BOUNDS.iter().map(|micros| Some(*micros as f64 / 1e6)).chain([None]);
        let mut sum = 0;
        bounds
            .zip(&self.buckets)
            .map(|(bound, bucket)| {
                sum += bucket.load(Ordering::Relaxed);
                (bound, sum)
            })
            .collect()
    }

    /// How long everything took together, in seconds.
    pub fn seconds(&self) -> f64 {
        self.micros.load(Ordering::Relaxed) as f64 / 1e6
    }
}

impl Metrics {
    /// Every counter with its name and what it counts.
    pub fn counters(&self) -> [Told<'_, Counter>; 14] {
        [
            ("executions_started", "Executions that started.", &self.started),
            ("executions_succeeded", "Executions that succeeded.", &self.succeeded),
            ("executions_failed", "Executions that failed.", &self.failed),
            ("executions_timed_out", "Executions that timed out.", &self.timed_out),
            ("executions_aborted", "Executions that were stopped.", &self.aborted),
            ("turns", "Turns of executions that were appended to the store.", &self.turns),
            ("events", "Events of executions that were appended to the store.", &self.events),
            ("stale_stimuli", "Results and timers that came too late to matter.", &self.stale),
            ("append_failures", "Appends that the store did not confirm.", &self.append_failures),
            (
                "executions_parked",
                "Executions that panicked or could not be read, and were left alone.",
                &self.parked,
            ),
            ("tasks_dispatched", "Tasks that were handed out.", &self.tasks),
            ("tasks_failed", "Tasks that failed or timed out.", &self.tasks_failed),
            (
                "executions_archived",
                "Executions that were archived before they were forgotten.",
                &self.archived,
            ),
            (
                "archive_failures",
                "How often executions past their retention could not be archived or forgotten.",
                &self.archive_failures,
            ),
        ]
    }

    /// Every histogram with its name and what it measures.
    pub fn histograms(&self) -> [Told<'_, Histogram>; 4] {
        [
            ("turn", "How long the interpreter took for turns appended together.", &self.turn),
            ("append", "How long the store took to make turns durable.", &self.append),
            ("task", "How long tasks took that the server ran itself.", &self.task),
            (
                "queue",
                "How long results, timers and calls waited for the driver of their execution.",
                &self.queue,
            ),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_as_long_as_a_bound_is_within_it() {
        let histogram = Histogram::default();
        for micros in [0, 250, 251, 600_000_000, 600_000_001] {
            histogram.observe(Duration::from_micros(micros));
        }
        let buckets = histogram.buckets();
        assert_eq!(buckets[0], (Some(0.000_25), 2));
        assert_eq!(buckets[1], (Some(0.000_5), 3));
        assert_eq!(buckets[BOUNDS.len() - 1], (Some(600.0), 4));
        assert_eq!(buckets[BOUNDS.len()], (None, 5));
        assert!((histogram.seconds() - 1_200.000_502).abs() < 1e-9);
    }
}
