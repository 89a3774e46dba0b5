//! Every project at hand is deployable, and cfn-lint takes its templates. What is not at hand or not
//! installed (`pip install cfn-lint`) is skipped, saying so.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "the projects are read from files, and a test that is skipped says so"
)]

use std::path::{Path, PathBuf};
use std::process::Command;
use stepwright_deployment::{Deployment, File, Origin, synthesize};
use stepwright_fluxio::{Mode, compile};

/// Projects that compile and cannot be deployed, and why.
const REFUSED: &[(&str, &str)] =
    &[("edge-105-schedule-without-expression", "@schedule has no `expression`")];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The projects, by the names of their folders.
fn projects() -> Vec<(String, String)> {
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
    folders.iter().filter_map(read).collect()
}

/// The deployments of the projects that compile.
fn deployments() -> Vec<(String, Deployment)> {
    let mut all = Vec::new();
    for (name, source) in projects() {
        let Ok(project) = compile(&source, Mode::Documented) else { continue };
        let expected = REFUSED.iter().find(|(refused, _)| *refused == name);
        match (synthesize(&project, &Origin::new(&name)), expected) {
            (Ok(deployment), None) => all.push((name, deployment)),
            (Ok(_), Some(_)) => panic!("{name}: was not refused"),
            (Err(refused), Some((_, why))) => {
                assert!(refused.to_string().contains(why), "{name}: {refused}");
            }
            (Err(refused), None) => panic!("{name}: {refused}"),
        }
    }
    all
}

fn templates(deployment: &Deployment) -> impl Iterator<Item = &File> {
    deployment.files.iter().filter(|file| file.path.ends_with("template.json"))
}

#[test]
fn projects_are_synthesised_and_twice_the_same() {
    let first = deployments();
    println!(
        "{} projects, {} templates",
        first.len(),
        first.iter().flat_map(|(_, deployment)| templates(deployment)).count()
    );
    assert!(first == deployments(), "a second time gives something else");
}

#[test]
fn cfn_lint_takes_the_templates() {
    if Command::new("cfn-lint").arg("--version").output().is_err() {
        println!("skipped: cfn-lint is not installed");
        return;
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("deployments");
    let mut paths = Vec::new();
    for (name, deployment) in deployments() {
        for file in templates(&deployment) {
            let path = folder.join(&name).join(&file.path);
            std::fs::create_dir_all(path.parent().expect("a file is in a folder"))
                .and_then(|()| std::fs::write(&path, &file.content))
                .expect("the folder for tests can be written to");
            paths.push(path);
        }
    }
    let output = Command::new("cfn-lint")
        // The folders of functions are paths, which `aws cloudformation package` replaces.
        .args(["--ignore-checks", "W3002", "--"])
        .args(&paths)
        .output()
        .expect("cfn-lint runs");
    println!("cfn-lint: {} templates", paths.len());
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
}
