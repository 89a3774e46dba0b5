//! Commands that lenses name: the tests of a document are run, or a machine with the input of one.

use crate::analysis::ReadFile;
use crate::samples::{self, Samples};
use std::fmt::Write as _;
use std::path::Path;
use stepwright_json::{Json, json};
use stepwright_simulator::duration;
use stepwright_testkit::{Case, CaseResult, NoFunctions, TestFile, case_text};

/// Runs tests: those of a test file, or of a machine of a definition.
pub(crate) const TEST: &str = "stepwright.test";
/// Runs a machine in virtual time with the input and the mocks of its first test.
pub(crate) const RUN: &str = "stepwright.run";

/// The commands that the server carries out. The arguments are the document's URI, the name of a machine
/// or `null`, and of [`TEST`] the name of a case.
pub(crate) const COMMANDS: [&str; 2] = [TEST, RUN];

/// What a command came to: a line that is shown, and what is returned.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) is_good: bool,
    pub(crate) said: String,
    pub(crate) result: Json,
}

/// The width of what is printed.
const WIDTH: usize = 100;

/// Carries out a command for a document. Fails with what is missing.
pub(crate) fn carry_out(
    command: &str,
    (path, text): (&Path, &str),
    arguments: &[Json],
    read: &ReadFile<'_>,
    samples: &Samples,
) -> Result<Done, String> {
    let argument = |at: usize| arguments.get(at).and_then(Json::as_str);
    let (machine, case) = (argument(1), argument(2));
    let own;
    let files: Vec<(&Path, &TestFile)> = if samples::is_test(path) {
        own = samples::load_text(text, path, read).map_err(|complaints| {
            let first = complaints.first().map(|one| one.diagnostic.message.clone());
            format!("the tests cannot be run: {}", first.unwrap_or_default())
        })?;
        vec![(path, &own)]
    } else {
        samples.of(machine).map(|tested| (&*tested.path, &tested.file)).collect()
    };
    if files.is_empty() {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let stem = name.split('.').next().unwrap_or_default();
        return Err(format!("{name} has no tests; write them in {stem}.test.yaml beside it"));
    }
    let run = |file: &TestFile, of: &Path, case: &Case| {
        let folder = of.parent().unwrap_or(Path::new(""));
        let snapshot = |name: &str| String::from_utf8(read(&folder.join(name)).ok()?).ok();
        file.run(case, &NoFunctions, &snapshot)
    };
    if command == RUN {
        let (of, file) = files[0];
        let case = file.cases.first().ok_or("the test file has no case")?;
        return Ok(ran(&run(file, of, case)));
    }
    let mut results: Vec<(&Path, CaseResult)> = Vec::new();
    for (of, file) in files {
        let wanted = |one: &&Case| case.is_none_or(|name| one.name == name);
        results.extend(file.cases.iter().filter(wanted).map(|case| (of, run(file, of, case))));
    }
    if let (Some(name), true) = (case, results.is_empty()) {
        return Err(format!("there is no test named `{name}`"));
    }
    Ok(tested(&results))
}

/// What is said of a run: how it ended, and its timeline.
fn ran(result: &CaseResult) -> Done {
    let took = duration(result.elapsed_millis);
    let said = format!("{} after {took} of virtual time: {}", result.status.name(), result.name);
    let status = result.status.name();
    let text = format!("{}\n{status}\n", result.timeline());
    let result = json!({"status": status, "text": text});
    Done { is_good: status == "SUCCEEDED", said, result }
}

/// What is said of tests: how many passed, which one failed first, and all that `stepwright test` prints.
fn tested(results: &[(&Path, CaseResult)]) -> Done {
    let failed: Vec<&(&Path, CaseResult)> =
        results.iter().filter(|(_, result)| !result.passed()).collect();
    let passed = results.len() - failed.len();
    let mut said = format!("{passed} passed, {} failed", failed.len());
    if let Some((of, first)) = failed.first() {
        let name = of.file_name().unwrap_or_default().to_string_lossy();
        write!(said, ": {} ({name}:{})", first.name, first.line).expect("strings grow");
    }
    let mut text = String::new();
    for (_, result) in results {
        let plain = anstream::adapter::strip_str(&case_text(result, WIDTH)).to_string();
        writeln!(text, "{plain}").expect("strings grow");
    }
    let result = json!({"passed": passed, "failed": (failed.len()), "text": text});
    Done { is_good: failed.is_empty(), said, result }
}
