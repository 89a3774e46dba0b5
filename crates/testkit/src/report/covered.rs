//! The coverage of each definition, over all test files that run it.

use super::{CoveredFile, FileResult, coverage_text};
use crate::coverage::{Coverage, Hits};
use crate::file::{Machine, TestFile};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use stepwright_asl::Definition;
use stepwright_json::{Json, Object};
use stepwright_program::Program;

/// The coverage of one definition.
#[derive(Clone, Debug)]
pub struct Covered {
    /// What reports call it: its file, and its name in a template.
    pub name: String,
    /// The file that it is in.
    file: String,
    definition: Definition,
    program: Arc<Program>,
    hits: Hits,
}

impl Covered {
    /// Adds up the coverage of the definitions of test files, each with the folder that it is in. A
    /// definition whose executions were only started by the tasks of others counts, too.
    pub fn sum<'t>(
        suite: impl IntoIterator<Item = (&'t TestFile, &'t Path, &'t FileResult)>,
    ) -> Vec<Self> {
        let mut all: Vec<Self> = Vec::new();
        for (test, folder, results) in suite {
            for (result, _) in &results.results {
                let tested = (0, &result.hits);
                let nested = result.executions.iter().map(|one| (one.machine, &one.hits));
                for (at, hits) in std::iter::once(tested).chain(nested) {
                    let machine = &test.machines[at];
                    let (name, file) = named(test, folder, at, machine);
                    let place = all.iter().position(|covered| covered.name == name);
                    let place = place.unwrap_or_else(|| {
                        all.push(Self {
                            name,
                            file,
                            definition: machine.named.definition.clone(),
                            program: Arc::clone(&machine.program),
                            hits: Hits::new(&machine.program),
                        });
                        all.len() - 1
                    });
                    all[place].hits.add(hits);
                }
            }
        }
        all
    }

    /// The figures, and what is missed.
    pub fn coverage(&self) -> Coverage {
        Coverage::of(&self.program, &self.hits)
    }

    /// The coverage for people.
    pub fn text(&self) -> String {
        coverage_text(&self.name, &self.coverage())
    }

    /// The coverage for scripts.
    pub fn to_json(&self) -> Json {
        let mut object = Object::new();
        object.insert("definition", self.name.as_str().into());
        if let Json::Object(figures) = self.coverage().to_json() {
            for (key, value) in figures.iter() {
                object.insert(key.clone(), value.clone());
            }
        }
        object.into()
    }

    /// For the formats of other tools.
    pub fn as_file(&self) -> CoveredFile<'_> {
        let Self { file, definition, program, hits, .. } = self;
        CoveredFile { file, definition, program, hits }
    }

    /// A message if less is covered than `threshold` per cent.
    pub fn too_little(&self, threshold: f64) -> Option<String> {
        let percent = self.coverage().total().percent();
        let name = &self.name;
        (percent < threshold)
            .then(|| format!("the coverage of {name} is {percent:.1} %, below {threshold} %"))
    }

    /// The drawings of several definitions: the file that each is to be written to, and the SVG. A
    /// single one is `coverage.svg`; of several, each has its number and name: `coverage-1-order.svg`.
    pub fn drawings(covered: &[Self], path: &Path) -> Vec<(PathBuf, String)> {
        let drawing = |(at, one): (usize, &Self)| {
            let target = match covered.len() {
                1 => path.to_owned(),
                _ => beside(path, &one.name, at),
            };
            (target, stepwright_graph::svg_marked(&one.program, &one.hits.marks()))
        };
        covered.iter().enumerate().map(drawing).collect()
    }
}

/// What reports call a machine of a test file, and the file that it is in.
fn named(test: &TestFile, folder: &Path, at: usize, machine: &Machine) -> (String, String) {
    let is_inline = machine.definition_file.is_empty();
    let file = if is_inline {
        test.file.clone()
    } else {
        folder.join(&machine.definition_file).display().to_string()
    };
    let named = &machine.named;
    let id = named.logical_id.as_ref().or(named.name.as_ref());
    // Several may stand in the test file itself.
    match id.or_else(|| (is_inline && at > 0).then_some(&machine.name)) {
        Some(id) => (format!("{file} ({id})"), file),
        None => (file.clone(), file),
    }
}

fn beside(path: &Path, definition: &str, at: usize) -> PathBuf {
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or("coverage");
    let name = definition.rsplit(['/', '\\']).next().unwrap_or(definition);
    let name = name.split('.').next().unwrap_or(name);
    path.with_file_name(format!("{stem}-{}-{name}.svg", at + 1))
}
