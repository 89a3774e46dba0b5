//! What Jayway answers.

use crate::Verdict;
use std::path::Path;
use stepwright_json::Json;
use stepwright_jsonpath::{EvaluationError, Path as JsonPath};

/// Runs every case of Jayway's suite.
pub fn run_all(data: &Path) -> Result<Vec<Verdict>, String> {
    let cases = crate::case::read(&data.join("conformance/jsonpath/jayway-cases.json"))?;
    let cases = cases.as_array().cloned().unwrap_or_default();
    Ok(cases
        .iter()
        .enumerate()
        .map(|(at, case)| {
            let source = case.get("source").and_then(Json::as_str).unwrap_or_default();
            let mut verdict = Verdict::new("jsonpath", format!("{source}#{at}"));
            verdict.measure("answer", run(case));
            verdict
        })
        .collect())
}

fn run(case: &Json) -> Result<(), String> {
    let text = case.get("path").and_then(Json::as_str).unwrap_or_default();
    let document = case.get("document").cloned().unwrap_or_default();
    let (definite, found) = match JsonPath::parse(text) {
        Err(error) => (None, Err(("InvalidPathException", error.to_string()))),
        Ok(path) => (
            Some(path.is_definite()),
            path.evaluate(&document).map_err(|error| match error {
                EvaluationError::NotFound { message } => ("PathNotFoundException", message),
                EvaluationError::Invalid { message } => ("InvalidPathException", message),
                EvaluationError::Failed { message } => ("JsonPathException", message),
                error @ EvaluationError::TooMuch { .. } => ("TooMuch", error.to_string()),
            }),
        ),
    };
    let error = case.get("error").and_then(Json::as_str);
    let answered = match (&found, case.get("expected"), error) {
        (Ok(found), Some(wanted), _) => found.same(wanted),
        // Java's own exception stands for several of Jayway's.
        (Err((kind, _)), None, Some(wanted)) => {
            *kind == wanted || wanted == "IllegalArgumentException"
        }
        _ => false,
    };
    let shaped = match (definite, case.get("definite").and_then(Json::as_bool)) {
        (Some(found), Some(wanted)) => found == wanted,
        _ => true,
    };
    if answered && shaped {
        return Ok(());
    }
    Err(format!("{text}: found {found:?}, definite {definite:?}; wanted {case}"))
}
