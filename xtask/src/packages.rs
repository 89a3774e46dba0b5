//! The packages for Python and Node.js: into `target/packages`.

use crate::run;
use std::path::PathBuf;
use std::process::Command;

/// Makes a wheel of each Python package, and a tarball of each Node.js package.
pub(crate) fn make() -> Result<(), String> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let folder = root.join("target/packages");
    std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    for package in ["python/stepwright-pytest", "python"] {
        run(Command::new("python3")
            .args(["-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir"])
            .arg(&folder)
            .arg(root.join(package)))?;
    }
    run(Command::new("npm")
        .args(["pack", "--silent", "--pack-destination"])
        .arg(&folder)
        .arg(root.join("node/stepwright-testing")))?;
    println!("the packages are in {}", folder.display());
    Ok(())
}
