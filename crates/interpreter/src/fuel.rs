//! What the evaluations of a turn cost.

use std::cell::Cell;

/// Told how many steps a turn has taken so far, again and again while it takes more. It may block:
/// a turn that turns out to be long can so be moved out of the way of others.
pub type Watch<'w> = &'w dyn Fn(u64);

/// Counts the steps of a turn. A step takes some ten nanoseconds.
pub(crate) struct Fuel<'w> {
    /// Steps of the whole turn.
    spent: Cell<u64>,
    /// Steps that may still be taken before the next event.
    left: Cell<u64>,
    watch: Option<Watch<'w>>,
}

impl<'w> Fuel<'w> {
    pub(crate) fn new(watch: Option<Watch<'w>>) -> Self {
        Self { spent: Cell::new(0), left: Cell::new(u64::MAX), watch }
    }

    /// So many steps may be taken before the next event.
    pub(crate) fn refill(&self, steps: u64) {
        self.left.set(steps);
    }

    /// Steps of the whole turn so far.
    pub(crate) fn spent(&self) -> u64 {
        self.spent.get()
    }

    /// Takes steps. `false` if there were not so many left.
    pub(crate) fn burn(&self, steps: u64) -> bool {
        let spent = self.spent.get() + steps;
        self.spent.set(spent);
        if let Some(watch) = self.watch {
            watch(spent);
        }
        match self.left.get().checked_sub(steps) {
            Some(left) => {
                self.left.set(left);
                true
            }
            None => {
                self.left.set(0);
                false
            }
        }
    }
}
