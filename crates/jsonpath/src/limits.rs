use crate::error::Fault;
use std::cell::Cell;
use std::fmt;

/// How much an evaluation may cost. The same path on the same value always ends the same way.
#[derive(Clone, Copy)]
pub struct Limits<'l> {
    /// How many values may be visited, each as often as the path comes to it. What functions and
    /// filters do with long lists and texts counts, too.
    pub visits: u64,
    /// How many values may be found.
    pub results: usize,
    /// How many bytes a text may have that a function makes.
    pub bytes: usize,
    /// Told now and then how many visits there were since; `false` ends the evaluation.
    pub burn: Option<&'l (dyn Fn(u64) -> bool + 'l)>,
}

impl Default for Limits<'_> {
    /// 10 million visits, a million results, texts of 64 MiB, and nothing more.
    fn default() -> Self {
        Self { visits: 10_000_000, results: 1_000_000, bytes: 64 << 20, burn: None }
    }
}

impl fmt::Debug for Limits<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limits")
            .field("visits", &self.visits)
            .field("results", &self.results)
            .field("bytes", &self.bytes)
            .field("burn", &self.burn.is_some())
            .finish()
    }
}

/// How many visits go by between two reports.
const PATIENCE: u64 = 4_096;

/// Counts what one evaluation costs.
#[derive(Debug)]
pub(crate) struct Meter<'l> {
    pub(crate) limits: Limits<'l>,
    left: Cell<u64>,
    unreported: Cell<u64>,
    /// How many values are kept that paths in filters have found.
    kept: Cell<usize>,
}

impl<'l> Meter<'l> {
    pub(crate) fn new(limits: Limits<'l>) -> Self {
        let left = Cell::new(limits.visits);
        Self { left, unreported: Cell::new(0), kept: Cell::new(0), limits }
    }

    /// Counts visits.
    #[inline]
    pub(crate) fn spend(&self, visits: u64) -> Result<(), Fault> {
        let Some(left) = self.left.get().checked_sub(visits) else {
            let most = self.limits.visits;
            return Err(Fault::TooMuch(format!("the path visits more than {most} values")));
        };
        self.left.set(left);
        let unreported = self.unreported.get() + visits;
        self.unreported.set(unreported);
        if unreported >= PATIENCE { self.report() } else { Ok(()) }
    }

    /// Reports what was not reported yet.
    pub(crate) fn report(&self) -> Result<(), Fault> {
        let unreported = self.unreported.take();
        match self.limits.burn {
            Some(burn) if !burn(unreported) => {
                Err(Fault::TooMuch("the path takes too long to evaluate".to_owned()))
            }
            _ => Ok(()),
        }
    }

    /// What a path in a filter has found is kept until the end.
    pub(crate) fn keep(&self, found: usize) {
        self.kept.set(self.kept.get() + found);
    }

    /// Refuses one result more than there may be, those included that are kept.
    pub(crate) fn results(&self, found: usize) -> Result<(), Fault> {
        if found + self.kept.get() < self.limits.results {
            return Ok(());
        }
        let most = self.limits.results;
        Err(Fault::TooMuch(format!("the path leads to more than {most} values")))
    }

    /// Refuses a text of so many bytes, if that is too long.
    pub(crate) fn text(&self, bytes: usize) -> Result<(), Fault> {
        if bytes <= self.limits.bytes {
            return Ok(());
        }
        let most = self.limits.bytes;
        Err(Fault::TooMuch(format!("the path makes a text of more than {most} bytes")))
    }
}
