//! The rules against what AWS and other validators said: <repo>/../shared.
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a test reads files and reports"
)]

use std::path::{Path, PathBuf};
use stepwright_asl::{Definition, LoadOptions, load};
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

/// The single files of conformance/validation, by tier.
#[test]
fn verdicts_by_tier() {
    let Some(shared) = shared() else { return };
    let mut recorded = Tally::default();
    let mut measured = Tally::default();
    let mut messages = Tally::default();
    let mut fixtures = Tally::default();
    let listed = std::fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/src/validator-disagreements.md"),
    )
    .unwrap_or_default();
    for path in files(&shared.join("conformance/validation")) {
        let case = read(&path);
        let name = text(&case, "name").unwrap().to_owned();
        let express = text(&case, "type") == Some("EXPRESS");
        let errors = fixture(&case, express);
        let valid = case.get("valid").and_then(Json::as_bool).unwrap();
        let tier = case.get("source").and_then(|source| text(source, "tier")).unwrap();
        let agreed = errors.is_empty() == valid;
        let line = || format!("{name}: valid {valid}, {:?}", shown(&errors));
        match tier {
            "aws-recorded" => recorded.count(agreed, line),
            "validator-fixture" => {
                let explained = listed.contains(&format!("`{name}`"));
                fixtures.count(agreed != explained, || {
                    let source = case.get("messages").unwrap();
                    format!(
                        "{name}: valid {valid}, listed {explained}, {:?} {source}",
                        shown(&errors)
                    )
                });
                continue;
            }
            _ => measured.count(agreed, line),
        }
        let wanted: Vec<&str> = case
            .get("messages")
            .and_then(Json::as_array)
            .unwrap()
            .iter()
            .map(|message| message.as_str().unwrap())
            .collect();
        let found = shown(&errors);
        // Some were noted down without their place, one without its end.
        let same = |found: &str, wanted: &str| {
            let wanted_has_place = wanted.contains(" at /");
            found == wanted || (!wanted_has_place && found.starts_with(wanted))
        };
        let right = found.len() == wanted.len()
            && found.iter().zip(&wanted).all(|(found, wanted)| same(found, wanted));
        messages.count(right, || format!("{name}\n    {found:?}\n    {wanted:?}"));
    }
    recorded.at_least(1.0, "recorded on AWS");
    measured.at_least(0.97, "measured on AWS by others");
    messages.at_least(0.97, "messages of both");
    fixtures.at_least(1.0, "fixtures agreed with, or listed as a disagreement");
}

fn fixture(case: &Json, express: bool) -> Vec<Diagnostic> {
    let substitutions = case.get("definition_substitutions").and_then(Json::as_object);
    let values = substitutions
        .map(|all| {
            let spelled = |value: &Json| match value {
                Json::String(text) => text.to_string(),
                other => other.to_string(),
            };
            all.iter().map(|(key, value)| (key.to_string(), spelled(value))).collect()
        })
        .unwrap_or_default();
    let (file, source) = if let Some(yaml) = text(case, "definition_yaml") {
        ("case.asl.yaml", yaml.to_owned())
    } else if let Some(source) = text(case, "definition_text") {
        ("case.asl.json", source.to_owned())
    } else {
        ("case.asl.json", case.get("definition").unwrap().to_string())
    };
    let options = LoadOptions { file, values: Some(&values), ..LoadOptions::default() };
    let loaded = load(source.as_bytes(), &options);
    let mut errors: Vec<Diagnostic> = loaded
        .complaints
        .iter()
        .map(|complaint| complaint.diagnostic.clone())
        .filter(Diagnostic::is_error)
        .collect();
    for found in &loaded.definitions {
        errors.extend(judge(&found.definition, CheckOptions { express, deployed: false }));
    }
    errors
}

/// Definitions of published projects: none is refused.
#[test]
fn corpus_is_accepted() {
    let Some(shared) = shared() else { return };
    let mut tally = Tally::default();
    for path in files(&shared.join("corpus")) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name == "index.json" {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        // What a deployment fills in, and AWS has never seen.
        let names = text.split("${__").skip(1).filter_map(|rest| rest.split_once('}'));
        let values = names.map(|(name, _)| (format!("__{name}"), "1".to_owned())).collect();
        let options = LoadOptions { file: &name, values: Some(&values), ..LoadOptions::default() };
        let loaded = load(text.as_bytes(), &options);
        let mut errors: Vec<Diagnostic> = loaded
            .complaints
            .iter()
            .map(|complaint| complaint.diagnostic.clone())
            .filter(Diagnostic::is_error)
            .collect();
        for found in &loaded.definitions {
            errors.extend(judge(&found.definition, CheckOptions::default()));
        }
        let read = !loaded.definitions.is_empty();
        tally.count(read && errors.is_empty(), || format!("{name}: {:?}", shown(&errors)));
    }
    // The few that are refused are refused by AWS as well: they are templates with parts left out,
    // call functions that do not exist, or have names that are too long.
    tally.at_least(0.96, "corpus accepted");
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
