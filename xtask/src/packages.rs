//! The packages for Python and Node.js: into `target/packages`.

use crate::run;
use std::path::PathBuf;
use std::process::Command;

/// Makes a wheel of each Python package, and a tarball of each Node.js package.
pub(crate) fn make() -> Result<(), String> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let folder = root.join("target/packages");
    std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    for (package, name) in [("python/stepwright-pytest", "pytest"), ("python", "fluxio")] {
        // A wheel is made of a copy, because the build leaves files beside the sources.
        let copy = folder.join("sources").join(name);
        std::fs::remove_dir_all(&copy).ok();
        std::fs::create_dir_all(copy.parent().expect("it is in a folder"))
            .map_err(|error| error.to_string())?;
        run(Command::new("cp").arg("-r").arg(root.join(package)).arg(&copy))?;
        run(Command::new("python3")
            .args(["-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir"])
            .args([&folder, &copy]))?;
    }
    run(Command::new("npm")
        .args(["pack", "--silent", "--pack-destination"])
        .arg(&folder)
        .arg(root.join("node/stepwright-testing")))?;
    println!("the packages are in {}", folder.display());
    Ok(())
}
