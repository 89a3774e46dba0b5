//! Writing the results of a distributed Map: a record for each child execution, in files by status,
//! and a manifest that names the files.

use super::Objects;
use crate::child_name;
use crate::execution::{ChildRun, Children};
use std::collections::BTreeSet;
use stepwright_history::Failure;
use stepwright_json::{Array, Json, Object, Str};
use stepwright_program::{ResultWriter, time};

/// How large a file grows before the next one is begun, in bytes. AWS does not say how large its
/// files are.
const FILE: usize = 64 << 20;

/// The child executions of a map run, as a result writer sees them.
#[derive(Clone, Debug, PartialEq)]
pub struct Records {
    map_run: Str,
    inputs: Array,
    results: Vec<Option<Result<Json, Failure>>>,
    runs: Vec<ChildRun>,
    running: BTreeSet<u32>,
}

impl Records {
    pub(crate) fn new(map_run: &Str, children: &Children) -> Self {
        Self {
            map_run: map_run.clone(),
            inputs: children.inputs.clone(),
            results: children.results.clone(),
            runs: children.runs.clone(),
            running: children.running.clone(),
        }
    }

    /// The results in a request of a history that was begun when requests had them.
    pub(crate) fn of_request(map_run: &Str, request: &Json) -> Self {
        let children = request.get("Results").and_then(Json::as_array).cloned().unwrap_or_default();
        let text = |child: &Json, key: &str| child.get(key).and_then(Json::as_str).map(Str::from);
        let result = |child: &Json| match child.get("Status").and_then(Json::as_str) {
            Some("SUCCEEDED") => Some(Ok(child.get("Output").cloned().unwrap_or_default())),
            Some("FAILED") => {
                Some(Err(Failure { error: text(child, "Error"), cause: text(child, "Cause") }))
            }
            _ => None,
        };
        let input = |child: &Json| child.get("Input").cloned().unwrap_or_default();
        Self {
            map_run: map_run.clone(),
            inputs: children.iter().map(input).collect(),
            results: children.iter().map(result).collect(),
            runs: vec![ChildRun::default(); children.len()],
            running: BTreeSet::new(),
        }
    }

    fn status(&self, index: usize) -> &'static str {
        match &self.results[index] {
            Some(Ok(_)) => "SUCCEEDED",
            Some(Err(_)) => "FAILED",
            // What still runs while results are written is stopped.
            None if self.running.contains(&(index as u32)) => "ABORTED",
            None => "PENDING",
        }
    }

    /// What AWS records of a child execution.
    fn record(&self, index: usize) -> Json {
        let status = self.status(index);
        let run = self.runs[index];
        let included = || Json::from([("Included", true.into())].into_iter().collect::<Object>());
        let (arn, name) = child_name(&self.map_run, index as u32);
        let machine = self.map_run.replacen(":mapRun:", ":stateMachine:", 1);
        let machine = machine.rsplit_once(':').map_or(machine.as_str(), |(machine, _)| machine);
        let mut record = Object::new();
        if let Some(Err(failure)) = &self.results[index]
            && let Some(cause) = &failure.cause
        {
            record.insert("Cause", cause.clone().into());
        }
        if let Some(Err(failure)) = &self.results[index]
            && let Some(error) = &failure.error
        {
            record.insert("Error", error.clone().into());
        }
        record.insert("ExecutionArn", arn.into());
        record.insert("Input", self.inputs[index].to_string().into());
        record.insert("InputDetails", included());
        record.insert("Name", name.into());
        if let Some(Ok(output)) = &self.results[index] {
            record.insert("Output", output.to_string().into());
            record.insert("OutputDetails", included());
        }
        if status != "PENDING" {
            record.insert("RedriveCount", run.redrives.into());
            if status == "SUCCEEDED" {
                let reason = "Execution is SUCCEEDED and cannot be redriven";
                record.insert("RedriveStatus", "NOT_REDRIVABLE".into());
                record.insert("RedriveStatusReason", reason.into());
            } else {
                record.insert("RedriveStatus", "REDRIVABLE_BY_MAP_RUN".into());
            }
        }
        if let Some(at) = run.started {
            record.insert("StartDate", time::format(at.0).into());
        }
        record.insert("StateMachineArn", machine.into());
        record.insert("Status", status.into());
        if let Some(at) = run.stopped {
            record.insert("StopDate", time::format(at.0).into());
        }
        record.into()
    }

    /// Says for each value that a child execution contributes what it is: its record (`NONE`), its
    /// output (`COMPACT`), or the elements of its output (`FLATTEN`). Of what did not succeed there
    /// is always the record.
    fn contribute<E>(
        &self,
        index: usize,
        transformation: &str,
        say: &mut impl FnMut(&Json) -> Result<(), E>,
    ) -> Result<(), E> {
        match (&self.results[index], transformation) {
            (Some(Ok(Json::Array(elements))), "FLATTEN") => elements.iter().try_for_each(say),
            (Some(Ok(output)), "COMPACT" | "FLATTEN") => say(output),
            _ => say(&self.record(index)),
        }
    }

    /// All results as one value, for a writer that writes to no object store.
    pub(crate) fn transformed(&self, transformation: Option<&str>) -> Json {
        let mut values = Vec::new();
        for index in 0..self.results.len() {
            let said = self.contribute(index, transformation.unwrap_or("NONE"), &mut |value| {
                values.push(value.clone());
                Ok::<_, std::convert::Infallible>(())
            });
            match said {
                Ok(()) => {}
                Err(never) => match never {},
            }
        }
        values.into()
    }
}

/// What a [`crate::Command::WriteResults`] asks.
pub(crate) fn write_request(
    writer: &ResultWriter,
    parameters: Json,
    map_run: &Str,
    failure: Option<&Failure>,
) -> Json {
    let mut request = Object::new();
    request.insert("MapRunArn", map_run.clone().into());
    request.insert("Parameters", parameters);
    if let Some(transformation) = &writer.transformation {
        request.insert("Transformation", transformation.clone().into());
    }
    if let Some(output_type) = &writer.output_type {
        request.insert("OutputType", output_type.clone().into());
    }
    if let Some(failure) = failure {
        request.insert("Error", failure.error.clone().unwrap_or_default().into());
        request.insert("Cause", failure.cause.clone().unwrap_or_default().into());
    }
    request.into()
}

/// Why the map run fails once its results are written, if it does.
pub(crate) fn failure_of(request: &Json) -> Option<Failure> {
    let text = |key: &str| request.get(key).and_then(Json::as_str);
    Some(Failure::new(text("Error")?, text("Cause").unwrap_or_default()))
}

/// Writes the results of a map run as a request asks: the files of each status, and the manifest
/// that names them. Gives back the `ResultWriterDetails`. Done again, it writes the same objects.
pub fn write(
    request: &Json,
    records: &Records,
    objects: &mut dyn Objects,
) -> Result<Json, Failure> {
    let failed = |cause: String| Failure::new("States.ResultWriterFailed", cause);
    let parameters = request.get("Parameters").and_then(Json::as_object);
    for (key, value) in parameters.into_iter().flat_map(Object::iter) {
        if !matches!(key.as_str(), "Bucket" | "Prefix") {
            let why = format!("The parameter '{key}' of a ResultWriter is not supported");
            return Err(failed(why));
        }
        if value.as_str().is_none() {
            let why = format!("The parameter '{key}' of a ResultWriter must be a string");
            return Err(failed(why));
        }
    }
    let text = |key: &str| parameters.and_then(|p| p.get(key)).and_then(Json::as_str);
    let bucket = text("Bucket").unwrap_or_default();
    let prefix = text("Prefix").unwrap_or_default().trim_end_matches('/');
    let arn = request.get("MapRunArn").and_then(Json::as_str).unwrap_or_default();
    let id = arn.rsplit(':').next().unwrap_or_default();
    let folder = if prefix.is_empty() { id.to_owned() } else { format!("{prefix}/{id}") };
    let transformation = request.get("Transformation").and_then(Json::as_str).unwrap_or("NONE");
    let is_lines = request.get("OutputType").and_then(Json::as_str) == Some("JSONL");
    let mut files = Object::new();
    for status in ["FAILED", "PENDING", "SUCCEEDED"] {
        let is_of = |index: &usize| match records.status(*index) {
            "ABORTED" => status == "FAILED",
            own => own == status,
        };
        let mut listed = Listed { folder: &folder, status, is_lines, files: Vec::new() };
        let mut text = String::new();
        for index in (0..records.results.len()).filter(is_of) {
            records
                .contribute(index, transformation, &mut |value| {
                    if text.len() >= FILE {
                        listed.put(bucket, std::mem::take(&mut text), objects)?;
                    }
                    if !is_lines {
                        text.push(if text.is_empty() { '[' } else { ',' });
                    }
                    value.write(&mut text);
                    if is_lines {
                        text.push('\n');
                    }
                    Ok(())
                })
                .map_err(failed)?;
        }
        if !text.is_empty() {
            listed.put(bucket, text, objects).map_err(failed)?;
        }
        files.insert(status, listed.files.into());
    }
    let key = format!("{folder}/manifest.json");
    let mut manifest = Object::new();
    manifest.insert("DestinationBucket", bucket.into());
    manifest.insert("MapRunArn", arn.into());
    manifest.insert("ResultFiles", files.into());
    let manifest = Json::Object(manifest).to_string().into_bytes();
    objects.put(bucket, &key, manifest).map_err(failed)?;
    let mut details = Object::new();
    details.insert("Bucket", bucket.into());
    details.insert("Key", key.into());
    Ok(details.into())
}

/// The files of a status that were written.
struct Listed<'w> {
    folder: &'w str,
    status: &'static str,
    is_lines: bool,
    files: Vec<Json>,
}

impl Listed<'_> {
    fn put(
        &mut self,
        bucket: &str,
        mut text: String,
        objects: &mut dyn Objects,
    ) -> Result<(), String> {
        if !self.is_lines {
            text.push(']');
        }
        let extension = if self.is_lines { "jsonl" } else { "json" };
        let (folder, status, number) = (self.folder, self.status, self.files.len());
        let key = format!("{folder}/{status}_{number}.{extension}");
        let mut file = Object::new();
        file.insert("Key", key.as_str().into());
        file.insert("Size", text.len().into());
        self.files.push(file.into());
        objects.put(bucket, &key, text.into_bytes())
    }
}
