//! Calls of `TestState` that were recorded on AWS.

use crate::Verdict;
use crate::api::judge_exactly;
use crate::case::{self, Case};
use crate::served::serve;
use std::path::Path;
use std::sync::Arc;
use stepwright_engine::{Call, Report, Tasks};
use stepwright_history::{Failure, Stage};
use stepwright_json::{Json, Object};
use stepwright_server::Api;
use stepwright_simulator::{DEFAULT_START, MemoryObjects};

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
    let work = async |api: Api| api.call("TestState", body.into()).await;
    let objects = MemoryObjects::default();
    let reply = Recorded(case.get("task_reply"));
    let answer = serve(DEFAULT_START, Arc::new(reply), objects, None, work);
    verdict.measure("exact", judge_exactly(Some(&case.get("expected")), &answer));
    verdict
}

/// Answers a task with what the real one answered.
struct Recorded(Json);

impl Tasks for Recorded {
    fn run(&self, call: Call, report: Report) {
        match self.0.get("output") {
            Some(output) => report.succeeded(output.clone()),
            None => {
                let cause = format!("no answer of {} was recorded", call.call.resource);
                report.failed(Failure::new("Stepwright.NotRecorded", cause), Stage::Run);
            }
        }
    }
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
