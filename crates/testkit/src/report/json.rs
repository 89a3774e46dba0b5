//! For scripts.

use super::FileResult;
use crate::check::{Mismatch, Shown};
use crate::run::CaseResult;
use std::time::Duration;
use stepwright_json::{Json, Object};
use stepwright_simulator::Status;

/// A file and its cases as JSON.
pub fn to_json(file: &FileResult) -> Json {
    let mut object = Object::new();
    object.insert("file", file.file.as_str().into());
    object.insert("passed", file.passed().into());
    object.insert("failed", file.failed().into());
    let cases: Vec<Json> = file.results.iter().map(|(result, took)| case(result, *took)).collect();
    object.insert("cases", cases.into());
    if !file.unused_defaults.is_empty() {
        let unused: Vec<Json> =
            file.unused_defaults.iter().map(|state| state.clone().into()).collect();
        object.insert("unusedDefaultMocks", unused.into());
    }
    object.into()
}

fn case(result: &CaseResult, took: Duration) -> Json {
    let mut object = Object::new();
    object.insert("name", result.name.as_str().into());
    object.insert("passed", Json::Bool(result.passed()));
    ending(&result.status, &mut object);
    object.insert("elapsedMillis", Json::Int(result.elapsed_millis));
    object.insert("realMillis", Json::Float((took.as_secs_f64() * 1e6).round() / 1e3));
    let failures: Vec<Json> = result.mismatches.iter().map(mismatch).collect();
    object.insert("mismatches", failures.into());
    let unmocked = result.unmocked.iter().map(|unmocked| {
        let mut object = Object::new();
        object.insert("state", unmocked.state.clone().into());
        if let Some(machine) = &unmocked.machine {
            object.insert("machine", machine.as_str().into());
        }
        object.insert("resource", unmocked.resource.clone().into());
        object.insert("input", unmocked.input.clone());
        object.insert("why", unmocked.why.as_str().into());
        Json::Object(object)
    });
    object.insert("unmocked", unmocked.collect::<Vec<_>>().into());
    if !result.executions.is_empty() {
        let executions = result.executions.iter().map(|one| {
            let mut object = Object::new();
            object.insert("name", one.name.as_str().into());
            object.insert("state", one.state.clone().into());
            ending(&one.status, &mut object);
            Json::Object(object)
        });
        object.insert("executions", executions.collect::<Vec<_>>().into());
    }
    let unused: Vec<Json> = result.unused.iter().map(|state| state.clone().into()).collect();
    object.insert("unusedMocks", unused.into());
    object.into()
}

/// How an execution ended.
fn ending(status: &Status, object: &mut Object) {
    object.insert("status", status.name().into());
    match status {
        Status::Succeeded { output } => {
            object.insert("output", output.clone());
        }
        Status::Failed { failure } | Status::TimedOut { failure } | Status::Aborted { failure } => {
            for (key, text) in [("error", &failure.error), ("cause", &failure.cause)] {
                if let Some(text) = text {
                    object.insert(key, text.clone().into());
                }
            }
        }
        Status::NotStarted | Status::Running => {}
    }
}

fn mismatch(mismatch: &Mismatch) -> Json {
    let shown = |shown: &Shown| match shown {
        Shown::Value(value) => value.clone(),
        Shown::Words(words) => words.as_str().into(),
        Shown::Lines(lines) => {
            lines.iter().map(|line| line.as_str().into()).collect::<Vec<Json>>().into()
        }
    };
    let mut object = Object::new();
    object.insert("what", mismatch.what.as_str().into());
    object.insert("expected", shown(&mismatch.expected));
    object.insert("actual", shown(&mismatch.actual));
    let differences = mismatch.differences.iter().map(|difference| {
        let mut object = Object::new();
        object.insert("path", difference.path.as_str().into());
        for (key, value) in [("expected", &difference.expected), ("actual", &difference.actual)] {
            if let Some(value) = value {
                object.insert(key, value.clone());
            }
        }
        Json::Object(object)
    });
    object.insert("differences", differences.collect::<Vec<_>>().into());
    if let Some(note) = &mismatch.note {
        object.insert("note", note.as_str().into());
    }
    object.into()
}
