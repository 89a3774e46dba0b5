//! The projects that the tests use.

#![allow(
    dead_code,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "each test uses a part; projects are read from files, and a test that is skipped says so"
)]

use std::path::{Path, PathBuf};
use stepwright_deployment::{Deployment, File, Origin, Refused, synthesize};
use stepwright_fluxio::{Mode, compile};
use stepwright_json::Json;

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// All available projects, by name.
pub(crate) fn projects() -> Vec<(String, String)> {
    let shared = std::env::var_os("STEPWRIGHT_SHARED")
        .map_or_else(|| root().join("../shared"), PathBuf::from);
    let mut folders = vec![root().join("examples/fluxio")];
    match std::fs::read_dir(shared.join("goldens/fluxio")) {
        Ok(entries) => folders.extend(entries.flatten().map(|entry| entry.path())),
        Err(_) => println!("skipped: the goldens are not at hand"),
    }
    folders.sort();
    let read = |folder: &PathBuf| {
        let source = std::fs::read_to_string(folder.join("project.py")).ok()?;
        Some((folder.file_name()?.to_string_lossy().into_owned(), source))
    };
    let mut all: Vec<(String, String)> = folders.iter().filter_map(read).collect();
    all.extend(["everything", "greetings"].map(|name| (name.to_owned(), own(name))));
    all
}

/// A test project of this crate.
pub(crate) fn own(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/projects/{name}.py"));
    std::fs::read_to_string(path).expect("the project stands beside the tests")
}

/// The deployments of all projects that compile.
pub(crate) fn deployments() -> Vec<(String, Deployment)> {
    let mut all = Vec::new();
    for (name, source) in projects() {
        if compile(&source, Mode::Documented).is_err() {
            continue;
        }
        match deploy(&name, &source) {
            Ok(deployment) => all.push((name, deployment)),
            Err(refused) => panic!("{name}: {refused}"),
        }
    }
    all
}

/// Deploys a project with two packages beside it.
pub(crate) fn deploy(name: &str, source: &str) -> Result<Deployment, Refused> {
    let project = compile(source, Mode::Documented).expect("the project compiles");
    synthesize(&project, &Origin::new(name).packages(&beside))
}

fn beside(package: &str) -> Vec<File> {
    let files: &[(&str, &str)] = match package {
        "helpers" => &[("helpers.py", "import further\n\n\ndef answer(event):\n    return 42\n")],
        "further" => {
            &[("further/__init__.py", "import fluxio_task, numpy\n"), ("further/data.bin", "\0")]
        }
        "workers" => &[("workers/steady.py", "class Steady:\n    pass\n")],
        _ => &[],
    };
    let file = |(path, text): &(&str, &str)| File {
        path: (*path).to_owned(),
        content: text.as_bytes().into(),
    };
    files.iter().map(file).collect()
}

pub(crate) fn templates(deployment: &Deployment) -> impl Iterator<Item = &File> {
    deployment.files.iter().filter(|file| file.path.ends_with("template.json"))
}

/// The text of a file.
pub(crate) fn text<'d>(deployment: &'d Deployment, path: &str) -> &'d str {
    let file = deployment.files.iter().find(|file| file.path == path);
    let file = file.unwrap_or_else(|| panic!("there is a file {path}"));
    std::str::from_utf8(&file.content).expect("the file is text")
}

/// A template as JSON.
pub(crate) fn template(deployment: &Deployment, path: &str) -> Json {
    stepwright_json::parse(text(deployment, path)).expect("a template is JSON")
}
