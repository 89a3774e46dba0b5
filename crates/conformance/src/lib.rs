//! Runs folders of recorded behaviour (AWS's, Jayway's, JSONata's) against Stepwright and says how
//! much of it agrees.

pub mod allma;
pub mod api;
pub mod case;
pub mod corpus;
pub mod executions;
pub mod jsonata;
pub mod jsonpath;
pub mod mock_config;
pub mod recorded;
pub mod replay;
pub mod rows;
pub mod served;
#[path = "../../store/tests/support/stores.rs"]
mod stores;
pub mod test_state;
pub mod validation;
pub mod wire;

use std::collections::BTreeMap;
use std::path::Path;
use stepwright_json::{Json, Object};

/// How one case went: each measure, and why it was missed.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// What kind of case.
    pub kind: &'static str,
    /// Which case: its file, and the row in it.
    pub case: String,
    /// What the case calls itself, if it does.
    pub name: String,
    /// Each measure: `Ok`, or the reason it is missed.
    pub measures: Vec<(&'static str, Result<(), String>)>,
}

impl Verdict {
    /// A verdict to be filled.
    pub fn new(kind: &'static str, case: impl Into<String>) -> Self {
        Self { kind, case: case.into(), ..Self::default() }
    }

    /// Adds a measure.
    pub fn measure(&mut self, name: &'static str, result: Result<(), String>) {
        self.measures.push((name, result));
    }

    /// The verdict as a line of a report.
    pub fn to_json(&self) -> Json {
        let mut missed = Object::new();
        for (name, result) in &self.measures {
            if let Err(reason) = result {
                missed.insert(*name, reason.as_str().into());
            }
        }
        let mut object = Object::new();
        object.insert("kind", self.kind.into());
        object.insert("case", self.case.as_str().into());
        object.insert("passed", Json::Bool(missed.is_empty()));
        object.insert("missed", missed.into());
        object.into()
    }
}

/// A kind of cases: its name, and how to run all of them from a folder laid out as the reference
/// data is.
pub type Kind = (&'static str, fn(&Path) -> Result<Vec<Verdict>, String>);

/// Every kind there is.
pub const KINDS: &[Kind] = &[
    ("execution", executions::run_all),
    ("mock-config", mock_config::run_all),
    ("recorded", recorded::run_all),
    ("replay", replay::run_all),
    ("served", served::run_all),
    ("wire", wire::run_all),
    ("api", api::run_all),
    ("teststate", test_state::run_all),
    ("rows", rows::run_all),
    ("validation", validation::run_all),
    ("corpus", corpus::run_all),
    ("allma", allma::run_all),
    ("jsonpath", jsonpath::run_all),
    ("jsonata", jsonata::run_all),
];

/// How many cases of each kind reach each measure: `(kind, measure, reached, all)`.
pub fn summary(verdicts: &[Verdict]) -> Vec<(&'static str, &'static str, usize, usize)> {
    let mut counts: BTreeMap<(&str, &str), (usize, usize, usize)> = BTreeMap::new();
    let mut order = 0;
    let mut names = BTreeMap::new();
    for verdict in verdicts {
        for (measure, result) in &verdict.measures {
            names.insert((verdict.kind, *measure), (verdict.kind, *measure));
            let count = counts.entry((verdict.kind, measure)).or_insert_with(|| {
                order += 1;
                (order, 0, 0)
            });
            count.1 += usize::from(result.is_ok());
            count.2 += 1;
        }
    }
    let mut rows: Vec<_> = counts.into_iter().collect();
    rows.sort_by_key(|(_, (order, ..))| *order);
    rows.into_iter()
        .map(|(key, (_, reached, all))| {
            let (kind, measure) = names[&key];
            (kind, measure, reached, all)
        })
        .collect()
}
