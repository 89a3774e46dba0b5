//! Packages of Debian's that tests use: a database, a browser, an editor.

use crate::run;
use std::process::Command;

/// Installs a package if the program that it brings is not there. That needs Debian, or what is made of it, and
/// the right to do so; otherwise the tests that need it skip and say so.
pub(crate) fn provide(program: &str, package: &str) {
    let is_there = Command::new(program).arg("--version").output();
    if is_there.is_ok_and(|output| output.status.success()) {
        return;
    }
    if let Err(message) = install(package) {
        println!("`{package}` is not installed, tests that need it are skipped: {message}");
    }
}

/// Installs a package.
pub(crate) fn install(package: &str) -> Result<(), String> {
    println!("installing the package `{package}` of this system");
    let is_root = Command::new("id")
        .arg("-u")
        .output()
        .is_ok_and(|output| output.stdout.trim_ascii() == b"0");
    let as_root = |arguments: &[&str]| {
        let mut command = Command::new(if is_root { "apt-get" } else { "sudo" });
        if !is_root {
            command.args(["-n", "apt-get"]);
        }
        run(command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive"))
    };
    as_root(&["update", "--quiet"])?;
    as_root(&["install", "--quiet", "--yes", "--no-install-recommends", package])
}
