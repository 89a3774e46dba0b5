//! Coverage: which parts of each definition the tests use.

use super::files::Loaded;
use crate::report::Failure;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use stepwright_json::{Json, Object};
use stepwright_program::Program;
use stepwright_testkit::{Coverage, CoveredFile, FileResult, Hits};

/// The coverage of one definition.
pub(super) struct Covered {
    definition: String,
    /// The file that the definition is in, and the test file that tells of it.
    file: String,
    of: usize,
    program: Arc<Program>,
    hits: Hits,
}

impl Covered {
    fn coverage(&self) -> Coverage {
        Coverage::of(&self.program, &self.hits)
    }

    pub(super) fn text(&self) -> String {
        stepwright_testkit::coverage_text(&self.definition, &self.coverage())
    }

    pub(super) fn to_json(&self) -> Json {
        let mut object = Object::new();
        object.insert("definition", self.definition.as_str().into());
        if let Json::Object(figures) = self.coverage().to_json() {
            for (key, value) in figures.iter() {
                object.insert(key.clone(), value.clone());
            }
        }
        object.into()
    }
}

/// Combines the coverage of all test files of a definition.
pub(super) fn sum(suite: &[Loaded], files: &[FileResult]) -> Vec<Covered> {
    let mut all: Vec<Covered> = Vec::new();
    for (of, (loaded, results)) in suite.iter().zip(files).enumerate() {
        if results.results.is_empty() {
            continue;
        }
        let test = &loaded.test;
        let mut definition = match test.definition_file.as_str() {
            "" => test.file.clone(),
            name => loaded.folder.join(name).display().to_string(),
        };
        let file = definition.clone();
        if let Some(id) = test.named.logical_id.as_ref().or(test.named.name.as_ref()) {
            definition = format!("{definition} ({id})");
        }
        let at = all.iter().position(|covered| covered.definition == definition);
        let at = at.unwrap_or_else(|| {
            let (program, hits) = (Arc::clone(&test.program), Hits::new(&test.program));
            all.push(Covered { definition, file, of, program, hits });
            all.len() - 1
        });
        for (result, _) in &results.results {
            all[at].hits.add(&result.hits);
        }
    }
    all
}

/// The coverage in a format of other tools.
pub(super) fn written(
    suite: &[Loaded],
    covered: &[Covered],
    format: fn(&[CoveredFile<'_>]) -> String,
) -> String {
    let of = |covered| {
        let Covered { file, of, program, hits, .. }: &Covered = covered;
        let definition = &suite[*of].test.named.definition;
        CoveredFile { file, definition, program, hits }
    };
    format(&covered.iter().map(of).collect::<Vec<_>>())
}

/// A message for each definition whose coverage is below the threshold.
pub(super) fn too_little(covered: &[Covered], threshold: Option<f64>) -> Vec<String> {
    let Some(threshold) = threshold else { return Vec::new() };
    covered
        .iter()
        .filter_map(|covered| {
            let percent = covered.coverage().total().percent();
            (percent < threshold).then(|| {
                format!(
                    "the coverage of {} is {percent:.1} %, below {threshold} %",
                    covered.definition
                )
            })
        })
        .collect()
}

/// Draws each definition. The file is `coverage.svg`; if there are several definitions,
/// `coverage-order.svg` and so on.
pub(super) fn draw(path: &Path, covered: &[Covered]) -> Result<(), Failure> {
    for (at, one) in covered.iter().enumerate() {
        let target = match covered.len() {
            1 => path.to_owned(),
            _ => beside(path, &one.definition, at),
        };
        let picture = stepwright_graph::svg_marked(&one.program, &one.hits.marks());
        super::write(&target, &picture)?;
        anstream::eprintln!("drew {} to {}", one.definition, target.display());
    }
    Ok(())
}

fn beside(path: &Path, definition: &str, at: usize) -> PathBuf {
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or("coverage");
    let name = definition.rsplit(['/', '\\']).next().unwrap_or(definition);
    let name = name.split('.').next().unwrap_or(name);
    path.with_file_name(format!("{stem}-{}-{name}.svg", at + 1))
}
