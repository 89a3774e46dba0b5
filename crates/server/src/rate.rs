use parking_lot::Mutex;
use stepwright_history::Moment;

/// Limits the number of requests per second. A whole second's worth may come at once.
#[derive(Debug)]
pub(crate) struct Rate {
    per_second: f64,
    left: Mutex<(f64, Moment)>,
}

impl Rate {
    pub(crate) fn new(per_second: u32) -> Self {
        let per_second = f64::from(per_second);
        Self { per_second, left: Mutex::new((per_second, Moment(0))) }
    }

    /// Whether a request may pass now.
    pub(crate) fn lets_through(&self, now: Moment) -> bool {
        let mut left = self.left.lock();
        let millis = (now.0 - left.1.0).max(0) as f64;
        left.0 = (left.0 + millis * self.per_second / 1_000.0).min(self.per_second);
        left.1 = now;
        let is_enough = left.0 >= 1.0;
        if is_enough {
            left.0 -= 1.0;
        }
        is_enough
    }
}

#[cfg(test)]
mod tests {
    use super::{Moment, Rate};

    #[test]
    fn so_many_in_a_second_and_no_more() {
        let rate = Rate::new(10);
        let through = |at: i64| (0..50).filter(|_| rate.lets_through(Moment(at))).count();
        assert_eq!(through(1_000_000), 10);
        assert_eq!(through(1_000_500), 5);
        assert_eq!(through(1_000_500), 0);
        assert_eq!(through(1_009_000), 10);
    }
}
