//! Prometheus and `promtool`, with which tests try alerts: of Debian's package, and not installed, for a machine
//! that runs tests needs no service.

use crate::clean_root::target;
use crate::run;
use std::process::Command;

/// Unpacks them beside what is compiled, unless they are there. Without Debian's packages, the tests that need
/// them skip and say so.
pub(crate) fn provide() {
    let found = Command::new("promtool").arg("--version").output();
    if found.is_ok_and(|output| output.status.success()) {
        return;
    }
    let folder = target().join("tools/prometheus");
    if folder.join("usr/bin/promtool").is_file() {
        return;
    }
    if let Err(message) = unpack(&folder) {
        println!("Prometheus is not there, the tests of alerts are skipped: {message}");
    }
}

fn unpack(folder: &std::path::Path) -> Result<(), String> {
    std::fs::create_dir_all(folder).map_err(|error| error.to_string())?;
    run(Command::new("apt-get").args(["download", "--quiet", "prometheus"]).current_dir(folder))?;
    let entries = std::fs::read_dir(folder).map_err(|error| error.to_string())?;
    let mut packages = entries.flatten().map(|entry| entry.path());
    let package = packages.find(|path| path.extension().is_some_and(|ending| ending == "deb"));
    let package = package.ok_or("apt-get downloaded no package")?;
    run(Command::new("dpkg-deb").arg("--extract").arg(package).arg(folder))
}
