//! The rules against what AWS and other validators said: <repo>/../shared.
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a test reads files and reports"
)]

use std::path::{Path, PathBuf};
use stepwright_asl::Definition;
use stepwright_json::Json;
use stepwright_program::{CheckOptions, check_with, compile};
use stepwright_source::Diagnostic;

fn shared() -> Option<PathBuf> {
    let shared = std::env::var_os("STEPWRIGHT_SHARED").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
        PathBuf::from,
    );
    if shared.is_dir() {
        return Some(shared);
    }
    println!("skipped: no shared data at {}", shared.display());
    None
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in folder.read_dir().unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|ending| ending == "json") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn read(path: &Path) -> Json {
    stepwright_json::parse_bytes(&std::fs::read(path).unwrap()).unwrap()
}

fn text<'j>(case: &'j Json, key: &str) -> Option<&'j str> {
    case.get(key).and_then(Json::as_str)
}

/// What the API would say of a definition's text.
fn answer(definition: &str, express: bool) -> Vec<Diagnostic> {
    match Definition::from_api(definition) {
        Ok(definition) => judge(&definition, CheckOptions { express, deployed: true }),
        Err(diagnostic) => vec![*diagnostic],
    }
}

/// The errors. A definition without any compiles.
fn judge(definition: &Definition, options: CheckOptions) -> Vec<Diagnostic> {
    let found = check_with(definition, &options);
    let errors: Vec<Diagnostic> = found.into_iter().filter(Diagnostic::is_error).collect();
    if errors.is_empty() {
        assert!(compile(definition).is_ok(), "accepted, but does not compile");
    }
    errors
}

fn shown(errors: &[Diagnostic]) -> Vec<String> {
    errors
        .iter()
        .map(|error| {
            let at = error.location.as_deref().map(|at| format!(" at {at}")).unwrap_or_default();
            format!("{}: {}{at}", error.code, error.message)
        })
        .collect()
}

#[derive(Default)]
struct Tally {
    right: usize,
    all: usize,
    wrong: Vec<String>,
}

impl Tally {
    fn count(&mut self, right: bool, line: impl FnOnce() -> String) {
        self.all += 1;
        if right {
            self.right += 1;
        } else {
            self.wrong.push(line());
        }
    }

    #[track_caller]
    fn at_least(&self, share: f64, what: &str) {
        println!("{what}: {} of {}", self.right, self.all);
        self.wrong.iter().for_each(|line| println!("  {line}"));
        assert!(self.right as f64 >= share * self.all as f64, "{what}");
    }
}

/// Every definition AWS ran is accepted.
#[test]
fn what_ran_on_aws_is_accepted() {
    let Some(shared) = shared() else { return };
    let mut tally = Tally::default();
    for path in files(&shared.join("conformance/asl/cases")) {
        let case = read(&path);
        let kind = text(&case, "kind").unwrap();
        if !matches!(kind, "execution" | "rows" | "sync_express" | "async_express" | "side_effects")
        {
            continue;
        }
        let express = text(&case, "type") == Some("EXPRESS");
        let rows = case.get("rows").and_then(Json::as_array);
        let in_rows =
            rows.into_iter().flat_map(|rows| rows.iter()).filter_map(|r| r.get("definition"));
        for definition in case.get("definition").into_iter().chain(in_rows) {
            let errors = answer(&definition.to_string(), express);
            tally.count(errors.is_empty(), || {
                format!("{}: {:?}", path.file_name().unwrap().display(), shown(&errors))
            });
        }
    }
    tally.at_least(1.0, "definitions that ran on AWS");
}
