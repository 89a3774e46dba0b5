//! What is said of tests that were run.

mod coverage;
mod covered;
mod diff;
mod json;
mod junit;
mod text;

pub use coverage::{CoveredFile, to_cobertura, to_lcov};
pub use covered::Covered;
pub use json::to_json;
pub use junit::to_junit;
pub use text::{case as case_text, coverage as coverage_text};

use crate::run::CaseResult;
use std::time::Duration;
use stepwright_json::Str;

/// How the cases of a file went.
#[derive(Clone, Debug)]
pub struct FileResult {
    /// The name of the test file.
    pub file: String,
    /// Each case that was run, and how long that took in real time.
    pub results: Vec<(CaseResult, Duration)>,
    /// The states that the defaults mock and that no case used.
    pub unused_defaults: Vec<Str>,
}

impl FileResult {
    /// How many cases passed.
    pub fn passed(&self) -> usize {
        self.results.iter().filter(|(result, _)| result.passed()).count()
    }

    /// How many cases failed.
    pub fn failed(&self) -> usize {
        self.results.len() - self.passed()
    }

    /// Whether there are mocks that were not used.
    pub fn has_unused(&self) -> bool {
        !self.unused_defaults.is_empty()
            || self.results.iter().any(|(result, _)| !result.unused.is_empty())
    }
}
