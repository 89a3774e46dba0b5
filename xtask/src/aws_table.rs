//! Makes the table of AWS's services anew, and says what changed.

use std::path::Path;
use std::process::Command;

/// Installs what the script needs into an environment below `target`, runs it, and compares the
/// index with the one that is committed.
pub(crate) fn run() -> Result<(), String> {
    let folder = Path::new("target/aws-table");
    let python = folder.join("python/bin/python");
    if !python.exists() {
        let made = Command::new("python3").args(["-m", "venv"]).arg(folder.join("python")).status();
        if !made.is_ok_and(|status| status.success()) {
            return Err("`python3 -m venv` failed: is Python 3.11 or newer installed?".to_owned());
        }
    }
    crate::run(Command::new(&python).arg("crates/aws/table/build.py").arg("--wheels").arg(folder))?;
    let path = "crates/aws/table/index.txt";
    crate::run(Command::new("git").args(["--no-pager", "diff", "--stat", "--", path]))?;
    println!("see `git diff {path}` for what changed");
    Ok(())
}
