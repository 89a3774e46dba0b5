//! Writing the results of a distributed Map.

use super::Objects;
use stepwright_history::Failure;
use stepwright_json::{Array, Json, Object, Str};
use stepwright_program::ResultWriter;

/// What a [`crate::Command::WriteResults`] asks.
pub(crate) fn write_request(
    writer: &ResultWriter,
    parameters: Json,
    map_run: &Str,
    children: Vec<Json>,
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
    request.insert("Results", children.into());
    request.into()
}

/// The results of a request as its transformation has them: whole records (`NONE`), outputs
/// (`COMPACT`), or the elements of outputs that are arrays (`FLATTEN`).
pub(crate) fn transformed(request: &Json) -> Json {
    let results = request.get("Results").and_then(Json::as_array).cloned().unwrap_or_default();
    let transformation = request.get("Transformation").and_then(Json::as_str).unwrap_or("NONE");
    let outputs = results.iter().map(|child| child.get("Output").cloned().unwrap_or_default());
    match transformation {
        "COMPACT" => outputs.collect::<Vec<_>>().into(),
        "FLATTEN" => outputs
            .flat_map(|output| match output {
                Json::Array(items) => items.into_vec(),
                other => vec![other],
            })
            .collect::<Vec<_>>()
            .into(),
        _ => Json::Array(results),
    }
}

/// Writes the results that a [`crate::Command::WriteResults`] asks for: the files, one for each
/// status, and the manifest that names them. Gives back the `ResultWriterDetails`.
pub fn write(request: &Json, objects: &mut dyn Objects) -> Result<Json, Failure> {
    let failed = |cause: String| Failure::new("States.ResultWriterFailed", cause);
    let text =
        |key: &str| request.get("Parameters").and_then(|p| p.get(key)).and_then(Json::as_str);
    let bucket = text("Bucket").unwrap_or_default();
    let prefix = text("Prefix").unwrap_or_default().trim_end_matches('/');
    let arn = request.get("MapRunArn").and_then(Json::as_str).unwrap_or_default();
    let id = arn.rsplit(':').next().unwrap_or_default();
    let folder = if prefix.is_empty() { id.to_owned() } else { format!("{prefix}/{id}") };
    let results = request.get("Results").and_then(Json::as_array).cloned().unwrap_or_default();
    let plain = matches!(request.get("Transformation").and_then(Json::as_str), None | Some("NONE"));
    let lines = request.get("OutputType").and_then(Json::as_str) == Some("JSONL");
    let mut files = Object::new();
    for status in ["FAILED", "PENDING", "SUCCEEDED"] {
        let of_status: Array = results
            .iter()
            .filter(|child| child.get("Status").and_then(Json::as_str) == Some(status))
            .cloned()
            .collect();
        let mut listed = Vec::new();
        if !of_status.is_empty() {
            let content = if status == "SUCCEEDED" && !plain {
                let mut part = request.as_object().cloned().unwrap_or_default();
                part.insert("Results", of_status.into());
                transformed(&part.into())
            } else {
                of_status.into()
            };
            let bytes = match (&content, lines) {
                (Json::Array(items), true) => {
                    items.iter().fold(String::new(), |mut lines, item| {
                        item.write(&mut lines);
                        lines.push('\n');
                        lines
                    })
                }
                (content, _) => content.to_string(),
            };
            let extension = if lines { "jsonl" } else { "json" };
            let key = format!("{folder}/{status}_0.{extension}");
            let mut file = Object::new();
            file.insert("Key", key.as_str().into());
            file.insert("Size", bytes.len().into());
            listed.push(file.into());
            objects.put(bucket, &key, bytes.into_bytes()).map_err(failed)?;
        }
        files.insert(status, listed.into());
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
