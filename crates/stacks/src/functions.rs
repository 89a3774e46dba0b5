//! Functions and layers of a template, as entries of the configuration.

use crate::names;
use crate::request::text;
use crate::stack::Setup;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use stepwright_asl::Resource;
use stepwright_functions::Function;
use stepwright_json::{Json, Object};
use stepwright_services::{Source, USUAL_CONCURRENCY};

pub(crate) fn is_function(kind: &str) -> bool {
    matches!(kind, "AWS::Lambda::Function" | "AWS::Serverless::Function")
}

pub(crate) fn is_layer(kind: &str) -> bool {
    matches!(kind, "AWS::Lambda::LayerVersion" | "AWS::Serverless::LayerVersion")
}

pub(crate) fn is_source(kind: &str) -> bool {
    kind == "AWS::Lambda::EventSourceMapping"
}

/// Reads the mapping of a queue; none if it is switched off.
pub(crate) fn source(resource: &Resource) -> Result<Option<Source>, String> {
    let property = |name: &str| resource.properties.get(name).filter(|value| !value.is_null());
    let queue = property("EventSourceArn").map(text).unwrap_or_default();
    if !queue.starts_with("arn:aws:sqs:") {
        return Err(format!("only queues are event sources here, not `{queue}`"));
    }
    if property("Enabled").is_some_and(|enabled| text(enabled) == "false") {
        return Ok(None);
    }
    let number = |name: &str| property(name).and_then(|value| text(value).parse::<usize>().ok());
    let most = property("ScalingConfig").and_then(|scaling| scaling.get("MaximumConcurrency"));
    let most = most.and_then(|most| text(most).parse::<usize>().ok());
    let kinds = property("FunctionResponseTypes").map(text).unwrap_or_default();
    let filters =
        property("FilterCriteria").and_then(|criteria| criteria.get("Filters")?.as_array());
    let mut patterns = Vec::new();
    for filter in filters.into_iter().flatten() {
        let pattern = filter.get("Pattern").map(text).unwrap_or_default();
        let pattern = stepwright_json::parse(&pattern);
        patterns.push(pattern.map_err(|error| format!("its filter is not JSON: {error}"))?);
    }
    let concurrency = if is_fifo(&queue) { 1 } else { most.unwrap_or(USUAL_CONCURRENCY) };
    Ok(Some(Source {
        queue,
        function: property("FunctionName").map(text).unwrap_or_default(),
        // More than ten at once would need a window, which is not waited for here.
        batch: number("BatchSize").unwrap_or(10).min(10),
        concurrency,
        reports_failures: kinds.contains("ReportBatchItemFailures"),
        filters: patterns,
    }))
}

/// Whether a queue is a FIFO queue, whose batches are handled one after another.
#[expect(clippy::case_sensitive_file_extension_comparisons, reason = "it is no file")]
fn is_fifo(queue: &str) -> bool {
    queue.ends_with(".fifo")
}

/// A function, and what of it is not there.
#[derive(Debug, Default)]
pub(crate) struct Read {
    pub(crate) function: Option<Function>,
    pub(crate) left_out: Vec<String>,
}

/// Names of functions that only serve deployments, which the CDK adds.
const OF_DEPLOYMENTS: [&str; 4] = [
    "CustomS3AutoDeleteObjects",
    "LogRetention",
    "BucketNotificationsHandler",
    "AWS679f53fac002430cb0da5b7982bd2287",
];

/// Reads a function.
pub(crate) fn function(
    resource: &Resource,
    setup: &Setup,
    layers: &BTreeMap<String, PathBuf>,
) -> Read {
    let mut read = Read::default();
    let id = resource.logical_id.as_str();
    if OF_DEPLOYMENTS.iter().any(|name| id.starts_with(name)) {
        return read;
    }
    let property = |name: &str| resource.properties.get(name).filter(|value| !value.is_null());
    let own = |name: &str| property(name).map(text);
    let name = names::name(resource);
    let instead = format!("[functions.\"{name}\"] in stepwright.toml can say what is run instead");
    if own("PackageType").as_deref() == Some("Image") || property("ImageUri").is_some() {
        read.left_out.push(format!("its code is an image; {instead}"));
        return read;
    }
    let runtime = own("Runtime").unwrap_or_default();
    if !["python", "nodejs", "provided"].iter().any(|known| runtime.starts_with(known)) {
        read.left_out.push(format!("functions of the runtime `{runtime}` are not run; {instead}"));
        return read;
    }
    if resource.metadata.get("BuildMethod").and_then(Json::as_str) == Some("esbuild")
        && !is_built(&setup.folder)
    {
        read.left_out.push(
            "it is built by esbuild: run `sam build`, and give the template in .aws-sam/build"
                .to_owned(),
        );
        return read;
    }
    let code = match code(resource, setup, &runtime) {
        Ok(code) => code,
        Err(why) => {
            read.left_out.push(format!("{why}; {instead}"));
            return read;
        }
    };
    let variables = property("Environment").and_then(|all| all.get("Variables")?.as_object());
    let variables = variables.into_iter().flat_map(Object::iter);
    let environment = variables.map(|(name, value)| (name.to_string(), text(value))).collect();
    let mut folders = Vec::new();
    for layer in property("Layers").and_then(Json::as_array).into_iter().flatten() {
        let arn = text(layer);
        match layers.get(&arn) {
            Some(folder) => folders.push(folder.display().to_string()),
            None => read.left_out.push(format!(
                "its layer `{arn}` is not on this machine: install what it holds beside the code"
            )),
        }
    }
    let number = |name: &str| own(name).and_then(|text| text.parse::<f64>().ok());
    let concurrency = number("ReservedConcurrentExecutions").map(|most| most as u32);
    read.function = Some(Function {
        handler: own("Handler"),
        runtime: Some(runtime),
        code: Some(code.display().to_string()),
        layers: folders,
        timeout: number("Timeout"),
        memory: number("MemorySize").map(|most| most as u32),
        concurrency,
        environment,
        ..Function::default()
    });
    read
}

/// Whether a template is one that `sam build` has written.
fn is_built(folder: &Path) -> bool {
    folder.ends_with(".aws-sam/build")
}

/// The folder or the archive with a function's code.
fn code(resource: &Resource, setup: &Setup, runtime: &str) -> Result<PathBuf, String> {
    if let Some(asset) = asset(resource) {
        return found(&setup.folder, asset);
    }
    let properties = &resource.properties;
    let inline = properties.get("InlineCode").or_else(|| properties.get("Code")?.get("ZipFile"));
    if let Some(text) = inline.and_then(Json::as_str) {
        return inline_code(&setup.inline_code, resource, runtime, text);
    }
    match properties.get("CodeUri").or_else(|| properties.get("Code")) {
        Some(Json::String(path)) if path.starts_with("s3://") => {
            Err(format!("its code is in {path}"))
        }
        Some(Json::String(path)) => found(&setup.folder, path),
        Some(other) if other.as_object().is_some() => Err("its code is in S3".to_owned()),
        _ => found(&setup.folder, "."),
    }
}

/// The path of the asset that the CDK made of a function's or layer's code.
fn asset(resource: &Resource) -> Option<&str> {
    resource.metadata.get("aws:asset:path")?.as_str()
}

fn found(folder: &Path, path: &str) -> Result<PathBuf, String> {
    let path = folder.join(path);
    if path.exists() { Ok(path) } else { Err(format!("there is no {}", path.display())) }
}

/// Writes code that stands in the template. CloudFormation calls the file `index`.
fn inline_code(
    folder: &Path,
    resource: &Resource,
    runtime: &str,
    text: &str,
) -> Result<PathBuf, String> {
    let folder = folder.join(&resource.logical_id);
    let file = folder.join(if runtime.starts_with("python") { "index.py" } else { "index.js" });
    // What is the same is left alone, so that processes need not be started again.
    if std::fs::read(&file).is_ok_and(|before| before == text.as_bytes()) {
        return Ok(folder);
    }
    std::fs::create_dir_all(&folder)
        .and_then(|()| std::fs::write(&file, text))
        .map_err(|error| format!("its code cannot be written to {}: {error}", file.display()))?;
    Ok(folder)
}

/// The folder of a layer.
pub(crate) fn layer(resource: &Resource, folder: &Path) -> Result<PathBuf, String> {
    if let Some(asset) = asset(resource) {
        return found(folder, asset);
    }
    match resource.properties.get("ContentUri").or_else(|| resource.properties.get("Content")) {
        Some(Json::String(path)) if !path.starts_with("s3://") => found(folder, path),
        _ => Err("its content is in S3".to_owned()),
    }
}
