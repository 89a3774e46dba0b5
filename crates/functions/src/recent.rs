//! What functions have printed lately, for whoever asks the server.

use crate::logs::LogLine;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::time::{SystemTime, UNIX_EPOCH};

/// So many lines are kept.
const MOST_LINES: usize = 10_000;

/// So many bytes of lines are kept.
const MOST_BYTES: usize = 4 << 20;

/// A line that a function has printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Printed {
    /// Its number: lines are counted from 1.
    pub number: u64,
    /// When it was printed, in milliseconds since 1970.
    pub at_millis: i64,
    /// The function's name.
    pub function: String,
    /// The invocation's id; empty while the process starts.
    pub request_id: String,
    /// The line, without its end.
    pub text: String,
}

/// The last lines. Older ones are dropped.
#[derive(Debug, Default)]
pub(crate) struct Recent(Mutex<Lines>);

#[derive(Debug, Default)]
struct Lines {
    printed: VecDeque<Printed>,
    bytes: usize,
    last: u64,
}

impl Recent {
    pub(crate) fn push(&self, line: &LogLine<'_>) {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut kept = self.0.lock();
        kept.last += 1;
        let printed = Printed {
            number: kept.last,
            at_millis: since.as_millis() as i64,
            function: line.function.to_owned(),
            request_id: line.request_id.to_owned(),
            text: line.text.to_owned(),
        };
        kept.bytes += size(&printed);
        kept.printed.push_back(printed);
        while kept.printed.len() > MOST_LINES || kept.bytes > MOST_BYTES {
            let Some(dropped) = kept.printed.pop_front() else { break };
            kept.bytes -= size(&dropped);
        }
    }

    /// The lines after the one with this number.
    pub(crate) fn after(&self, number: u64) -> Vec<Printed> {
        let kept = self.0.lock();
        let first = kept.printed.partition_point(|line| line.number <= number);
        kept.printed.range(first..).cloned().collect()
    }

    /// The lines of the request with this id.
    pub(crate) fn of(&self, request_id: &str) -> Vec<Printed> {
        let kept = self.0.lock();
        kept.printed.iter().filter(|line| line.request_id == request_id).cloned().collect()
    }
}

fn size(line: &Printed) -> usize {
    line.function.len() + line.request_id.len() + line.text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_kept() {
        let recent = Recent::default();
        let line = |text| LogLine { function: "f", request_id: "", text };
        recent.push(&LogLine { request_id: "r", ..line("of one request") });
        assert_eq!(recent.of("r").len(), 1);
        assert!(recent.of("s").is_empty());
        for _ in 0..MOST_LINES {
            recent.push(&line("old"));
        }
        recent.push(&line("new"));
        let all = recent.after(0);
        assert_eq!((all.len(), all[0].number), (MOST_LINES, 3));
        let new = recent.after(MOST_LINES as u64 + 1);
        assert_eq!(new.iter().map(|line| line.text.as_str()).collect::<Vec<_>>(), ["new"]);
        assert!(recent.after(u64::MAX).is_empty());
        let large = "x".repeat(MOST_BYTES / 2);
        for _ in 0..3 {
            recent.push(&line(&large));
        }
        assert_eq!(recent.after(0).len(), 1, "what is too large together is dropped");
    }
}
