//! How far the outermost Map has come.

use crate::frame::Items;
use std::fmt;
use stepwright_history::Moment;

/// How far a Map has come: `18 of 60 items · 2 running · 0:41 · ~1:20 left`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The Map state.
    pub state: String,
    /// How many items there are; `None` while they are being read.
    pub all: Option<u64>,
    /// How many have ended.
    pub ended: u64,
    /// How many of them have failed.
    pub failed: u64,
    /// How many are under way.
    pub running: u64,
    /// How long it has taken so far, in milliseconds.
    pub elapsed_millis: i64,
}

impl Progress {
    pub(crate) fn of(state: &str, items: &Items, now: Moment) -> Self {
        Self {
            state: state.to_owned(),
            all: items.all,
            ended: items.done + items.failed,
            failed: items.failed,
            running: items.running(),
            elapsed_millis: (now.0 - items.since.0).max(0),
        }
    }

    /// How long it will take yet, in milliseconds, if it goes on as it has gone so far.
    pub fn left_millis(&self) -> Option<i64> {
        let all = self.all?;
        let share = all.saturating_sub(self.ended) as f64 / self.ended as f64;
        (self.ended > 0 && self.elapsed_millis >= 1_000)
            .then_some((share * self.elapsed_millis as f64) as i64)
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.all {
            Some(all) => write!(f, "{} of {all} items", self.ended)?,
            None => write!(f, "{} items", self.ended)?,
        }
        if self.failed > 0 {
            write!(f, " · {} failed", self.failed)?;
        }
        if self.running > 0 {
            write!(f, " · {} running", self.running)?;
        }
        write!(f, " · {}", clock(self.elapsed_millis))?;
        match self.left_millis() {
            Some(left) => write!(f, " · ~{} left", clock(left)),
            None => Ok(()),
        }
    }
}

/// Minutes and seconds, or hours, minutes and seconds: `0:41`, `2:03:10`.
fn clock(millis: i64) -> String {
    let seconds = millis / 1_000;
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{minutes}:{seconds:02}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_reads_well() {
        let progress = Progress {
            state: "Each".to_owned(),
            all: Some(60),
            ended: 20,
            failed: 0,
            running: 2,
            elapsed_millis: 41_000,
        };
        assert_eq!(progress.to_string(), "20 of 60 items · 2 running · 0:41 · ~1:22 left");
        let reading = Progress { all: None, ended: 0, running: 0, failed: 1, ..progress };
        assert_eq!(reading.to_string(), "0 items · 1 failed · 0:41");
    }
}
