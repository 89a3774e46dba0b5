//! Sample data: what the states of a document see in the tests that stand beside it.

use crate::analysis::ReadFile;
use crate::outline::{self, Hit, Role};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;
use stepwright_asl::Complaint;
use stepwright_history::Failure;
use stepwright_json::Json;
use stepwright_program::Language;
use stepwright_testkit::{ENDINGS, Place, Sample, TestFile};

/// How many files of a folder are looked at, and how many cases of a test file are run, at most.
const MOST_FILES: usize = 200;
const MOST_CASES: usize = 50;

/// Where tests are looked for, from the folder of the document.
const FOLDERS: [&str; 5] = ["", "test", "tests", "../test", "../tests"];

/// The tests of a document.
#[derive(Debug, Default)]
pub(crate) struct Samples {
    pub(crate) tests: Vec<Rc<Tested>>,
}

/// A test file of a document.
#[derive(Debug)]
pub(crate) struct Tested {
    pub(crate) path: PathBuf,
    pub(crate) file: TestFile,
    /// The runs of its cases, once somebody has asked.
    runs: RefCell<Vec<Rc<Sample>>>,
}

/// Where in a state a value stands.
pub(crate) struct Site<'t> {
    /// The name of the state.
    pub(crate) state: &'t str,
    place: Place<'t>,
    language: Language,
}

/// The value of an expression.
pub(crate) struct Seen {
    /// The test that it has the value in.
    pub(crate) case: String,
    pub(crate) value: Result<Json, Failure>,
}

/// Whether a document is a test file.
pub(crate) fn is_test(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    ENDINGS.iter().any(|ending| name.ends_with(ending))
}

impl Samples {
    /// Finds the tests of a document. Of a file that cannot be used at the moment, what was known
    /// before stays.
    pub(crate) fn find(document: &Path, before: &Self, read: &ReadFile<'_>) -> Self {
        if !document.is_absolute() {
            return Self::default();
        }
        let mut tests = Vec::new();
        for path in candidates(document, read) {
            let file = match load(&path, read) {
                Some(Ok(file)) => file,
                Some(Err(_)) => {
                    tests.extend(before.tests.iter().find(|one| one.path == path).cloned());
                    continue;
                }
                None => continue,
            };
            let folder = path.parent().unwrap_or(Path::new(""));
            if clean(&folder.join(&file.definition_file)) == clean(document) {
                tests.push(Rc::new(Tested { path, file, runs: RefCell::default() }));
            }
        }
        Self { tests }
    }

    /// The tests of a machine; of the only one there is, if it has no name.
    pub(crate) fn of<'s>(
        &'s self,
        machine: Option<&'s str>,
    ) -> impl Iterator<Item = &'s Rc<Tested>> {
        self.tests.iter().filter(move |tested| {
            let named = &tested.file.named;
            let names = [named.logical_id.as_deref(), named.name.as_deref()];
            machine.is_none_or(|machine| names.contains(&Some(machine)) || names == [None, None])
        })
    }

    /// The first run that comes to a state, and the test file that it is of.
    pub(crate) fn reaching(
        &self,
        machine: Option<&str>,
        state: &str,
    ) -> Option<(Rc<Tested>, Rc<Sample>)> {
        self.of(machine).find_map(|tested| {
            let sample = tested.run_where(|sample| sample.states.contains_key(state))?;
            Some((tested.clone(), sample))
        })
    }

    /// The value that an expression has at a place.
    pub(crate) fn value(
        &self,
        machine: Option<&str>,
        site: &Site<'_>,
        expression: &str,
    ) -> Option<Seen> {
        let (tested, sample) = self.reaching(machine, site.state)?;
        let stay = sample.states.get(site.state)?;
        // The definition that was run: the document may be unfinished at the moment.
        let state = outline::state_named(&tested.file.named.definition.root, site.state)?;
        let value = stay.value(state, site.language, site.place, expression);
        Some(Seen { case: sample.case.clone(), value })
    }
}

impl Tested {
    /// The first run that is as wanted.
    pub(crate) fn run_where(&self, is_meant: impl Fn(&Sample) -> bool) -> Option<Rc<Sample>> {
        let mut runs = self.runs.borrow_mut();
        if let Some(found) = runs.iter().find(|sample| is_meant(sample)) {
            return Some(found.clone());
        }
        while let Some(case) = self.file.cases.get(runs.len()).filter(|_| runs.len() < MOST_CASES) {
            let sample = Rc::new(self.file.sample(case));
            runs.push(sample.clone());
            if is_meant(&sample) {
                return Some(sample);
            }
        }
        None
    }
}

impl<'t> Site<'t> {
    /// The state around a place, and where in it the place is.
    pub(crate) fn of(hit: &Hit<'t>) -> Option<Self> {
        let at = hit.trail.iter().rposition(|crumb| crumb.role == Role::State)?;
        let name = hit.trail.get(at.checked_sub(1)?)?;
        let catcher = hit.trail[at..].iter().find(|crumb| crumb.role == Role::Catcher);
        let field = catcher.unwrap_or(&hit.trail[at]).member.key.as_str();
        Some(Self {
            state: &name.member.key,
            place: Place { field, is_caught: catcher.is_some() },
            language: if hit.is_jsonata() { Language::Jsonata } else { Language::JsonPath },
        })
    }

    pub(crate) fn is_jsonata(&self) -> bool {
        self.language == Language::Jsonata
    }
}

/// Reads a test file. `None` if there is no file that can be read.
fn load(path: &Path, read: &ReadFile<'_>) -> Option<Result<TestFile, Vec<Complaint>>> {
    let bytes = read(path).ok()?;
    Some(load_text(&String::from_utf8_lossy(&bytes), path, read))
}

/// Reads a test file that stands at a path.
pub(crate) fn load_text(
    text: &str,
    path: &Path,
    read: &ReadFile<'_>,
) -> Result<TestFile, Vec<Complaint>> {
    let folder = path.parent().unwrap_or(Path::new(""));
    // Whoever writes a test file names definitions in other directories.
    let beside = |name: &str| read(&clean(&folder.join(name)));
    stepwright_testkit::load(&path.display().to_string(), text, &beside)
}

/// The test files that may be of a document: those with its name, and those that name it.
fn candidates(document: &Path, read: &ReadFile<'_>) -> Vec<PathBuf> {
    let folder = document.parent().unwrap_or(Path::new(""));
    let name = document.file_name().unwrap_or_default().to_string_lossy();
    let stem = name.split('.').next().unwrap_or_default();
    let mut found = BTreeSet::new();
    for below in FOLDERS {
        let folder = clean(&folder.join(below));
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        let paths = entries.flatten().map(|entry| entry.path()).take(MOST_FILES);
        for path in paths.filter(|path| is_test(path)) {
            let file = path.file_name().unwrap_or_default().to_string_lossy();
            let is_named = || {
                let bytes = read(&path).unwrap_or_default();
                String::from_utf8_lossy(&bytes).contains(&*name)
            };
            if stepwright_testkit::stem(&file) == stem || is_named() {
                // Those with its name come first.
                found.insert((stepwright_testkit::stem(&file) != stem, path));
            }
        }
    }
    found.into_iter().map(|(_, path)| path).collect()
}

/// A path without `.` and `..`.
fn clean(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                out.pop();
            }
            _ => out.push(part),
        }
    }
    out
}

/// A value in few characters.
pub(crate) fn short(value: &Json, most: usize) -> String {
    let text = value.to_string();
    match text.char_indices().nth(most) {
        Some((at, _)) => format!("{} …", &text[..at]),
        None => text,
    }
}

/// The path of a member of what a path leads to.
pub(crate) fn member_path(parent: &str, name: &str, is_jsonata: bool) -> String {
    let is_plain = name.chars().all(|c| c.is_alphanumeric() || c == '_')
        && !name.is_empty()
        && !name.starts_with(|c: char| c.is_numeric());
    match (is_plain, is_jsonata) {
        (true, _) => format!("{parent}.{name}"),
        (false, true) => format!("{parent}.`{name}`"),
        (false, false) => format!("{parent}['{}']", name.replace('\'', "\\'")),
    }
}

/// Whether the value of a field is a path, or may be a call of an intrinsic function.
pub(crate) fn is_path(key: &str) -> bool {
    key.ends_with(".$") || key.ends_with("Path") && key != "ResultPath" || key == "Variable"
}
