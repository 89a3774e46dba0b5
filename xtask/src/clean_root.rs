//! A clean Debian in a tarball, in which the package for Debian is tried.

use crate::{debian, run};
use std::path::PathBuf;
use std::process::Command;

/// Where things are made: beside what is compiled.
pub(crate) fn target() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    target.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target"))
}

/// Makes it, unless it is there: about a minute. Without the right to, or without Debian's packages, the test that
/// needs it skips and says so.
pub(crate) fn provide() {
    if let Err(message) = make() {
        println!("there is no clean Debian, the test of its package is skipped: {message}");
    }
}

pub(crate) fn make() -> Result<(), String> {
    let tar = target().join("clean-root.tar");
    if tar.is_file() {
        return Ok(());
    }
    debian::provide("debootstrap", "debootstrap");
    std::fs::create_dir_all(tar.parent().expect("it is in a folder")).map_err(|e| e.to_string())?;
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let root = folder.path().join("root");
    let mut bootstrap = Command::new("debootstrap");
    bootstrap.args(["--variant=minbase", "--include=adduser,procps", "stable"]).arg(&root);
    // What it says is long, and only of interest when it fails.
    let output = bootstrap.output().map_err(|error| format!("debootstrap: {error}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stdout);
        return Err(said.lines().last().unwrap_or("debootstrap failed").to_owned());
    }
    let partial = tar.with_extension("partial");
    run(Command::new("tar").arg("-C").arg(&root).arg("-cf").arg(&partial).args([
        "--exclude=./var/cache/apt/archives/*.deb",
        "--exclude=./dev/*",
        ".",
    ]))?;
    std::fs::rename(&partial, &tar).map_err(|error| error.to_string())
}
