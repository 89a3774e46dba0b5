//! The packages for Python and Node.js: into `target/packages`.

use crate::run;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The packages for Python: their folders, and what they are called here.
const PYTHON: [(&str, &str); 2] = [("python/stepwright-pytest", "pytest"), ("python", "fluxio")];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Makes wheels of Python packages.
pub(crate) fn wheels(folder: &Path, wanted: &[&str]) -> Result<(), String> {
    std::fs::create_dir_all(folder).map_err(|error| error.to_string())?;
    for (package, name) in PYTHON.into_iter().filter(|(_, name)| wanted.contains(name)) {
        // A wheel is made of a copy, because the build leaves files beside the sources.
        let copy = folder.join("sources").join(name);
        std::fs::remove_dir_all(&copy).ok();
        std::fs::create_dir_all(copy.parent().expect("it is in a folder"))
            .map_err(|error| error.to_string())?;
        run(Command::new("cp").arg("-r").arg(root().join(package)).arg(&copy))?;
        run(Command::new("python3")
            .args(["-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir"])
            .args([folder, &copy]))?;
    }
    std::fs::remove_dir_all(folder.join("sources")).ok();
    Ok(())
}

/// Makes a wheel of each Python package, and a tarball of each Node.js package.
pub(crate) fn make() -> Result<(), String> {
    let folder = root().join("target/packages");
    wheels(&folder, &PYTHON.map(|(_, name)| name))?;
    run(Command::new("npm")
        .args(["pack", "--silent", "--pack-destination"])
        .arg(&folder)
        .arg(root().join("node/stepwright-testing")))?;
    println!("the packages are in {}", folder.display());
    Ok(())
}
