//! Test files for state machines.
//!
//! A [`TestFile`] holds a definition, compiled once, and cases: an input, what tasks answer, and
//! what is expected. Each [`Case`] is run by the simulator, in virtual time, so a wait of a day
//! costs nothing. The crate is pure: files are handed in.
//!
//! ```
//! use stepwright_testkit::{NoFunctions, load};
//!
//! let text = r#"
//! definition:
//!   StartAt: Nap
//!   States:
//!     Nap: {Type: Wait, Seconds: 86400, Next: Greet}
//!     Greet: {Type: Task, Resource: "arn:aws:lambda:us-east-1:123456789012:function:greet", End: true}
//! cases:
//!   - name: it greets after a day
//!     mocks: {Greet: {return: hello}}
//!     expect: {output: hello, elapsed: 1d}
//! "#;
//! let file = load("greet.test.yaml", text, &|name| Err(format!("{name} is not needed"))).unwrap();
//! let result = file.run(&file.cases[0], &NoFunctions, &|_| None);
//! assert!(result.passed(), "{:?}", result.mismatches);
//! ```

mod check;
mod coverage;
mod explore;
mod file;
mod nested;
mod record;
mod replay;
mod report;
mod run;
mod sample;
mod timeline;
mod trace;

pub use check::{Mismatch, Shown};
pub use coverage::{Coverage, Hits, Part, Share};
pub use explore::{Exploration, ExploreOptions, Finding, FindingKind, Script, explore};
pub use file::{
    Case, ENDINGS, ExecutionExpectations, Expectations, Machine, StateExpectations, Step, TestFile,
    Wanted, WantedCause, load, stem,
};
pub use record::{Recorded, record};
pub use replay::{
    Answers, Departure, RecordedAnswer, Recording, RecordingError, Replay, matcher, objects,
    replay, state_span, type_of,
};
pub use report::{
    Covered, CoveredFile, FileResult, case_text, coverage_text, to_cobertura, to_json, to_junit,
    to_lcov,
};
pub use run::{CaseResult, Functions, NestedResult, NoFunctions, Snapshot, Unmocked};
pub use sample::{Place, Sample, Stay};
pub use stepwright_asl::Definition;
pub use trace::{ChildHistory, StateTrace, Trace, Visit};
