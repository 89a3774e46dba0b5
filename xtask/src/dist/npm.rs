//! The packages for npm: `stepwright`, which finds the binary, one for each platform, which carries it, and the
//! library for tests.

use super::{Release, files};
use crate::run;
use std::path::{Path, PathBuf};
use std::process::Command;
use stepwright_json::{Json, Object, json};

/// The platforms of which `stepwright` installs the one that it is on.
const PLATFORMS: [&str; 2] = ["linux-x64", "linux-arm64"];

pub(super) fn make(release: &Release) -> Result<Vec<PathBuf>, String> {
    let version = release.version.as_str();
    let sources = release.root.join("packaging/npm");
    let platform = format!("linux-{}", release.platform.node);
    let folder = release.work.join("npm");

    let carrier = folder.join(&platform);
    files::copy(&release.binary, &carrier.join("bin/stepwright"), 0o755)?;
    let about = format!("The binary of stepwright for {platform}");
    let mut package = described(&format!("stepwright-{platform}"), version, &about);
    package.insert("os", json!(["linux"]));
    package.insert("cpu", json!([(release.platform.node)]));
    if release.platform.glibc.is_some() {
        package.insert("libc", json!(["glibc"]));
    }
    write(&carrier, package)?;
    files::write(
        &carrier.join("README.md"),
        format!("# stepwright-{platform}\n\n{about}. Install `stepwright`.\n"),
    )?;

    let main = folder.join("stepwright");
    for (name, mode) in [("bin/stepwright.cjs", 0o755), ("index.cjs", 0o644), ("README.md", 0o644)]
    {
        files::copy(&sources.join(name), &main.join(name), mode)?;
    }
    let about = "Write, check, test and run AWS Step Functions state machines anywhere";
    let mut package = described("stepwright", version, about);
    package.insert("bin", json!({"stepwright": "bin/stepwright.cjs"}));
    package.insert("main", json!("index.cjs"));
    package.insert("dependencies", json!({"stepwright-testing": (version)}));
    let carriers = PLATFORMS.map(|one| (format!("stepwright-{one}"), Json::from(version)));
    package.insert("optionalDependencies", Object::from_iter(carriers).into());
    write(&main, package)?;

    let testing = release.root.join("node/stepwright-testing");
    run(Command::new("npm")
        .args(["pack", "--silent", "--pack-destination"])
        .arg(&release.out)
        .arg(&testing))?;
    let mut made = vec![release.out.join(format!("stepwright-testing-{version}.tgz"))];
    for (name, folder) in
        [(format!("stepwright-{platform}"), carrier), ("stepwright".to_owned(), main)]
    {
        made.push(pack(release, &folder, &format!("{name}-{version}.tgz"))?);
    }
    Ok(made)
}

/// Packs a folder as npm does: all is in `package`.
fn pack(release: &Release, folder: &Path, name: &str) -> Result<PathBuf, String> {
    let around = folder.with_extension("packed");
    std::fs::create_dir_all(&around).map_err(|error| error.to_string())?;
    std::fs::rename(folder, around.join("package")).map_err(|error| error.to_string())?;
    let tar = release.work.join("package.tar");
    files::tar(&around, &["package"], &release.date, &tar)?;
    let packed = files::gzip(&tar, release.level)?;
    let to = release.out.join(name);
    std::fs::rename(packed, &to).map_err(|error| error.to_string())?;
    Ok(to)
}

/// What every package says of itself.
fn described(name: &str, version: &str, about: &str) -> Object {
    let mut package = Object::new();
    package.insert("name", name.into());
    package.insert("version", version.into());
    package.insert("description", about.into());
    package.insert("license", "MIT OR Apache-2.0".into());
    package.insert("repository", "https://github.com/stepwright/stepwright".into());
    package.insert("engines", json!({"node": ">=18"}));
    package
}

fn write(folder: &Path, package: Object) -> Result<(), String> {
    files::write(&folder.join("package.json"), format!("{}\n", Json::from(package).pretty()))
}
