//! Coverage in the formats that CI servers and editors read: lcov and Cobertura. A state is a line,
//! and a rule, a retrier or a catcher is a branch of its line.

use super::junit::escape;
use crate::coverage::{Hits, Part};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use stepwright_asl::Definition;
use stepwright_program::{Program, StateId};
use stepwright_source::LineIndex;
use stepwright_timeline::state_span;

/// What tests use of the definition in a file.
#[derive(Clone, Copy, Debug)]
pub struct CoveredFile<'c> {
    /// The name of the file.
    pub file: &'c str,
    /// The definition, with its places in the file.
    pub definition: &'c Definition,
    /// The compiled definition.
    pub program: &'c Program,
    /// What was used of it.
    pub hits: &'c Hits,
}

/// A line with a state.
#[derive(Debug, Default)]
struct Line {
    hits: u64,
    /// How often each branch was taken.
    branches: Vec<u64>,
}

/// The lines of each file. A file may hold several definitions.
fn lines<'c>(files: &[CoveredFile<'c>]) -> BTreeMap<&'c str, BTreeMap<usize, Line>> {
    let mut all: BTreeMap<&str, BTreeMap<usize, Line>> = BTreeMap::new();
    for covered in files {
        let text = &covered.definition.text;
        let index = LineIndex::new(text);
        let of = |state: StateId| {
            let name = &covered.program.state(state).name;
            let span = state_span(covered.definition, name)?;
            Some(index.span(text, span).0.line as usize)
        };
        let lines = all.entry(covered.file).or_default();
        for (part, count) in covered.hits.parts() {
            match part {
                Part::State(state) => {
                    if let Some(line) = of(state) {
                        lines.entry(line).or_default().hits += count;
                    }
                }
                Part::Rule(state, _) | Part::Retrier(state, _) | Part::Catcher(state, _) => {
                    if let Some(line) = of(state) {
                        lines.entry(line).or_default().branches.push(count);
                    }
                }
                Part::Transition(..) => {}
            }
        }
    }
    all
}

/// A tracefile of lcov.
pub fn to_lcov(files: &[CoveredFile<'_>]) -> String {
    let mut out = String::new();
    for (file, lines) in lines(files) {
        writeln!(out, "TN:\nSF:{file}").expect("strings grow");
        let (mut found, mut taken) = (0, 0);
        for (number, line) in &lines {
            for (branch, count) in line.branches.iter().enumerate() {
                let count = match (line.hits, count) {
                    // lcov's word for a branch of a line that was never reached.
                    (0, _) => "-".to_owned(),
                    (_, count) => count.to_string(),
                };
                writeln!(out, "BRDA:{number},0,{branch},{count}").expect("strings grow");
            }
            found += line.branches.len();
            taken += line.branches.iter().filter(|count| **count > 0).count();
        }
        writeln!(out, "BRF:{found}\nBRH:{taken}").expect("strings grow");
        for (number, line) in &lines {
            writeln!(out, "DA:{number},{}", line.hits).expect("strings grow");
        }
        let hit = lines.values().filter(|line| line.hits > 0).count();
        writeln!(out, "LF:{}\nLH:{hit}\nend_of_record", lines.len()).expect("strings grow");
    }
    out
}

/// The XML of Cobertura.
pub fn to_cobertura(files: &[CoveredFile<'_>]) -> String {
    let all = lines(files);
    let figures = |lines: &BTreeMap<usize, Line>| {
        let branches = || lines.values().flat_map(|line| &line.branches);
        let hit = lines.values().filter(|line| line.hits > 0).count();
        let taken = branches().filter(|count| **count > 0).count();
        [hit, lines.len(), taken, branches().count()]
    };
    let mut sum = [0; 4];
    for lines in all.values() {
        for (sum, figure) in sum.iter_mut().zip(figures(lines)) {
            *sum += figure;
        }
    }
    let [hit, valid, taken, branches] = sum;
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    writeln!(
        out,
        "<coverage line-rate=\"{}\" lines-covered=\"{hit}\" lines-valid=\"{valid}\" \
         branch-rate=\"{}\" branches-covered=\"{taken}\" branches-valid=\"{branches}\" \
         complexity=\"0\" version=\"1\" timestamp=\"0\">\n  <sources><source>.</source></sources>\n  \
         <packages>\n    <package name=\"state-machines\" line-rate=\"{}\" branch-rate=\"{}\" \
         complexity=\"0\">\n      <classes>",
        rate(hit, valid),
        rate(taken, branches),
        rate(hit, valid),
        rate(taken, branches)
    )
    .expect("strings grow");
    for (file, lines) in &all {
        let [hit, valid, taken, branches] = figures(lines);
        let name = escape(file);
        writeln!(
            out,
            "        <class name=\"{name}\" filename=\"{name}\" line-rate=\"{}\" branch-rate=\"{}\" \
             complexity=\"0\">\n          <methods/>\n          <lines>",
            rate(hit, valid),
            rate(taken, branches)
        )
        .expect("strings grow");
        for (number, line) in lines {
            let all = line.branches.len();
            let taken = line.branches.iter().filter(|count| **count > 0).count();
            let branch = match all {
                0 => "branch=\"false\"".to_owned(),
                all => format!(
                    "branch=\"true\" condition-coverage=\"{}% ({taken}/{all})\"",
                    100 * taken / all
                ),
            };
            writeln!(
                out,
                "            <line number=\"{number}\" hits=\"{}\" {branch}/>",
                line.hits
            )
            .expect("strings grow");
        }
        out.push_str("          </lines>\n        </class>\n");
    }
    out.push_str("      </classes>\n    </package>\n  </packages>\n</coverage>\n");
    out
}

fn rate(part: usize, all: usize) -> String {
    if all == 0 { "1".to_owned() } else { format!("{:.4}", part as f64 / all as f64) }
}
