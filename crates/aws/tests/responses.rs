//! Mocked results that AWS's `TestState` took or refused when it was recorded. The recordings are
//! beside the repository; where they are missing, nothing is checked, and a line says so.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a test reads files and says what is skipped, and how much there was"
)]

use std::path::{Path, PathBuf};
use stepwright_aws::responses::{FieldValidation, check};
use stepwright_json::Json;

#[test]
fn recorded_mocks_are_taken_and_refused_alike() {
    let shared = std::env::var_os("STEPWRIGHT_SHARED").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
        PathBuf::from,
    );
    let folder = shared.join("conformance/asl/cases/test_state");
    if !folder.is_dir() {
        println!("skipped: {} is not there", folder.display());
        return;
    }
    let mut files = Vec::new();
    collect(&folder, &mut files);
    let mut count = 0;
    for path in files {
        let case = stepwright_json::parse(&std::fs::read_to_string(&path).unwrap()).unwrap();
        let at = |path: &[&str]| path.iter().try_fold(&case, |value, name| value.get(name));
        let resource = at(&["request", "definition", "Resource"]).and_then(Json::as_str);
        let mocked = at(&["request", "mock", "result"]);
        let (Some(resource), Some(mocked)) = (resource, mocked) else { continue };
        let Some(resource) = resource.strip_prefix("arn:aws:states:::") else { continue };
        let (service, action) = resource.rsplit_once(':').unwrap();
        // In the API, the result is a text.
        let mocked = match mocked {
            Json::String(text) => stepwright_json::parse(text).unwrap_or_else(|_| mocked.clone()),
            _ => mocked.clone(),
        };
        let mode = at(&["request", "mock", "fieldValidationMode"]).and_then(Json::as_str);
        let mode =
            mode.map_or(FieldValidation::Strict, |mode| FieldValidation::parse(mode).unwrap());
        let message = at(&["expected", "error", "message"]).and_then(Json::as_str);
        let expected = message.filter(|text| text.starts_with("Mock result schema"));
        if message.is_some() && expected.is_none() {
            continue;
        }
        let found = check(service, action, &mocked, mode);
        assert_eq!(found.err().as_deref(), expected, "{}", path.display());
        count += 1;
    }
    println!("{count} mocked results");
    assert!(count > 15, "{count}");
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            collect(&path, files);
        } else {
            files.push(path);
        }
    }
}
