//! Calls of `TestState` that were recorded on AWS.

use crate::Verdict;
use crate::api::{judge, with_server};
use crate::case::{self, Case};
use std::path::Path;
use stepwright_json::{Json, Object};

/// Runs every recorded call.
pub fn run_all(data: &Path) -> Result<Vec<Verdict>, String> {
    let cases = case::load(data, "conformance/asl/cases")?;
    Ok(cases.iter().filter(|case| case.text("kind") == "teststate").map(run).collect())
}

fn run(case: &Case) -> Verdict {
    let mut verdict = Verdict::new("teststate", case.file.clone());
    let request = case.get("request");
    let mut body = Object::new();
    for (key, value) in request.as_object().into_iter().flat_map(Object::iter) {
        match key.strip_suffix("_raw") {
            Some(key) => body.insert(key, value.clone()),
            None if ["definition", "input", "context", "variables"].contains(&key.as_str()) => {
                body.insert(key.clone(), value.to_string().into())
            }
            None if key == "mock" => body.insert("mock", mock(value)),
            None => body.insert(key.clone(), value.clone()),
        };
    }
    let answer = with_server(async |api| api.call("TestState", body.into()).await);
    verdict.measure("exact", judge(Some(&case.get("expected")), &answer));
    verdict
}

/// The result of a mock is JSON text on the wire.
fn mock(mock: &Json) -> Json {
    let members = mock.as_object().into_iter().flat_map(Object::iter);
    members
        .map(|(key, value)| match key.as_str() {
            "result" => (key.clone(), Json::from(value.to_string())),
            "result_raw" => ("result".into(), value.clone()),
            _ => (key.clone(), value.clone()),
        })
        .collect::<Object>()
        .into()
}
