use parking_lot::Mutex;
use stepwright_history::Moment;

/// Limits the number of requests per second. A whole second's worth may come at once. Each of several nodes
/// takes its share, so that together they take no more.
#[derive(Debug)]
pub(crate) struct Rate {
    per_second: f64,
    left: Mutex<Left>,
}

/// What is left of the current second, which is as long as the limit wants.
#[derive(Debug)]
struct Left {
    requests: f64,
    at: Moment,
}

impl Rate {
    pub(crate) fn new(per_second: u32) -> Self {
        let per_second = f64::from(per_second);
        Self { per_second, left: Mutex::new(Left { requests: per_second, at: Moment(0) }) }
    }

    /// Whether a request may pass now at one of so many nodes.
    pub(crate) fn lets_through(&self, now: Moment, nodes: usize) -> bool {
        let share = self.per_second / nodes.max(1) as f64;
        let mut left = self.left.lock();
        let millis = (now.0 - left.at.0).max(0) as f64;
        // A share of less than one request in a second is saved up.
        left.requests = (left.requests + millis * share / 1_000.0).min(share.max(1.0));
        left.at = now;
        let is_enough = left.requests >= 1.0;
        if is_enough {
            left.requests -= 1.0;
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
        let through = |at: i64| (0..50).filter(|_| rate.lets_through(Moment(at), 1)).count();
        assert_eq!(through(1_000_000), 10);
        assert_eq!(through(1_000_500), 5);
        assert_eq!(through(1_000_500), 0);
        assert_eq!(through(1_009_000), 10);
    }

    #[test]
    fn nodes_together_take_no_more_than_one() {
        for (limit, nodes) in [(10, 3), (1, 4), (7, 2), (100, 1)] {
            let rates: Vec<Rate> = (0..nodes).map(|_| Rate::new(limit)).collect();
            let through = |at: i64| -> usize {
                let all = rates.iter();
                all.map(|rate| (0..200).filter(|_| rate.lets_through(Moment(at), nodes)).count())
                    .sum()
            };
            // What may come at once is taken first.
            assert!(through(1_000_000) <= nodes.max(limit as usize));
            let passed: usize = (1..=600).map(|tenth| through(1_000_000 + tenth * 100)).sum();
            let expected = limit as usize * 60;
            assert!(
                passed <= expected && passed + nodes >= expected,
                "{passed} of {expected} with {nodes} nodes"
            );
        }
    }

    #[test]
    fn a_share_follows_the_number_of_nodes() {
        let rate = Rate::new(12);
        let through =
            |at: i64, nodes| (0..50).filter(|_| rate.lets_through(Moment(at), nodes)).count();
        assert_eq!(through(1_000_000, 1), 12);
        // Others have come: what was saved up by then is not kept.
        assert_eq!(through(1_010_000, 3), 4);
        // They are gone.
        assert_eq!(through(1_020_000, 1), 12);
    }
}
