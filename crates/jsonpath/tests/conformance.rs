//! The cases of Jayway's own test suite, from `../shared` beside the repository (or from
//! `STEPWRIGHT_SHARED`). Without them there is nothing to do.

use std::path::PathBuf;
use stepwright_json::Json;
use stepwright_jsonpath::{EvaluationError, Path};

#[test]
#[expect(clippy::print_stderr, clippy::disallowed_methods, reason = "a test may read files")]
fn jayway_cases() {
    let shared = std::env::var("STEPWRIGHT_SHARED").map_or_else(
        |_| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared")),
        PathBuf::from,
    );
    let file = shared.join("conformance/jsonpath/jayway-cases.json");
    let Ok(text) = std::fs::read_to_string(&file) else {
        eprintln!("skipped: no cases at {}", file.display());
        return;
    };
    let cases = stepwright_json::parse(&text).expect("the cases are JSON");
    let cases = cases.as_array().expect("a list of cases");
    let failures: Vec<String> = cases.iter().filter_map(|case| run(case).err()).collect();
    assert!(
        failures.is_empty(),
        "{} of {} cases fail:\n{}",
        failures.len(),
        cases.len(),
        failures.join("\n")
    );
}

fn run(case: &Json) -> Result<(), String> {
    let text = case.get("path").and_then(Json::as_str).expect("a path");
    let source = case.get("source").and_then(Json::as_str).unwrap_or("?");
    let document = case.get("document").expect("a document");
    let wanted = match (case.get("expected"), case.get("error").and_then(Json::as_str)) {
        (Some(expected), _) => Ok(expected),
        (None, error) => Err(error.expect("an answer or an error")),
    };
    let (definite, found) = match Path::parse(text) {
        Err(error) => (None, Err(("InvalidPathException", error.to_string()))),
        Ok(path) => (
            Some(path.is_definite()),
            path.evaluate(document).map_err(|error| match error {
                EvaluationError::NotFound { message } => ("PathNotFoundException", message),
                EvaluationError::Invalid { message } => ("InvalidPathException", message),
                EvaluationError::Failed { message } => ("JsonPathException", message),
            }),
        ),
    };
    let answered = match (&found, wanted) {
        (Ok(found), Ok(wanted)) => found.same(wanted),
        (Err((kind, _)), Err(wanted)) => *kind == wanted || wanted == "IllegalArgumentException",
        _ => false,
    };
    let shaped = match (definite, case.get("definite").and_then(Json::as_bool)) {
        (Some(found), Some(wanted)) => found == wanted,
        _ => true,
    };
    if answered && shaped {
        return Ok(());
    }
    let found = found.map(|found| found.to_string());
    let wanted = wanted.map(Json::to_string);
    Err(format!("{source}: {text}\n  found  {found:?} definite {definite:?}\n  wanted {wanted:?}"))
}
