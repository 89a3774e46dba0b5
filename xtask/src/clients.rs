//! The clients of other makers that the tests tour the server with, into `target/clients`, a browser and an editor.

use crate::{debian, run};
use std::path::{Path, PathBuf};
use std::process::Command;

const PYTHON: [&str; 3] = ["boto3==1.44.5", "awscli==1.46.2", "pytest==9.2.0"];
const NODE: [&str; 12] = [
    "@aws-sdk/client-sfn@3.1162.0",
    "@aws-sdk/client-batch@3.1138.0",
    "@aws-sdk/client-dynamodb@3.1169.0",
    "@aws-sdk/client-ecs@3.1164.0",
    "@aws-sdk/client-eventbridge@3.1169.0",
    "@aws-sdk/client-s3@3.1175.0",
    "@aws-sdk/client-secrets-manager@3.1164.0",
    "@aws-sdk/client-sns@3.1169.0",
    "@aws-sdk/client-sqs@3.1175.0",
    "@aws-sdk/client-ssm@3.1169.0",
    // For the tests of the console.
    "axe-core@4.14.1",
    "playwright-core@1.65.1",
];

/// The browser of the console's tests, and the editor of the language server's, with Debian's packages of them.
const PROGRAMS: [(&str, &str); 2] = [("chromium", "chromium"), ("nvim", "neovim")];

/// Installs the clients for Python and Node.js. A registry that cannot be reached is no failure:
/// the tests then skip that client and say so.
pub(crate) fn install() {
    for (program, package) in PROGRAMS {
        debian::provide(program, package);
    }
    for (what, installed) in [("Python", python()), ("Node.js", node())] {
        if let Err(message) = installed {
            println!("the {what} clients are not installed, their tours are skipped: {message}");
        }
    }
}

/// Compiles the tour with `aws-sdk-sfn`, which takes minutes.
pub(crate) fn build_rust() -> Result<(), String> {
    run(Command::new("cargo")
        .args(["build", "--locked", "--manifest-path"])
        .arg(root().join("clients/rust/Cargo.toml"))
        .arg("--target-dir")
        .arg(folder().join("rust")))
}

fn python() -> Result<(), String> {
    let venv = folder().join("venv");
    if is_installed(&venv, &PYTHON) {
        return Ok(());
    }
    println!("installing {} from PyPI into target/clients/venv", PYTHON.join(" "));
    run(Command::new("python3").args(["-m", "venv"]).arg(&venv))?;
    run(Command::new(venv.join("bin/python"))
        .args(["-m", "pip", "install", "--quiet", "--retries", "1", "--timeout", "20"])
        .args(PYTHON))?;
    mark(&venv, &PYTHON)
}

fn node() -> Result<(), String> {
    let packages = folder().join("node");
    if is_installed(&packages, &NODE) {
        return Ok(());
    }
    println!("installing {} from npm into target/clients/node", NODE.join(" "));
    std::fs::create_dir_all(&packages).map_err(|error| error.to_string())?;
    run(Command::new("npm")
        .args(["install", "--no-audit", "--no-fund", "--fetch-retries=1", "--prefix"])
        .arg(&packages)
        .args(NODE))?;
    mark(&packages, &NODE)
}

/// Whether these very versions were installed there before.
fn is_installed(folder: &Path, packages: &[&str]) -> bool {
    std::fs::read_to_string(folder.join("installed.txt"))
        .is_ok_and(|text| text.trim_end() == packages.join("\n"))
}

fn mark(folder: &Path, packages: &[&str]) -> Result<(), String> {
    std::fs::write(folder.join("installed.txt"), packages.join("\n") + "\n")
        .map_err(|error| error.to_string())
}

fn folder() -> PathBuf {
    root().join("target/clients")
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}
