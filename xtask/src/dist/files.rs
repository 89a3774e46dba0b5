//! Files and folders on their way into packages.

use super::{Release, manual};
use crate::run;
use sha2::{Digest as _, Sha256};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

pub(super) fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// Writes a file, and the folders that it is in.
pub(super) fn write(path: &Path, contents: impl AsRef<[u8]>) -> Result<(), String> {
    let folder = path.parent().expect("a file is in a folder");
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(path, contents))
        .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(0o644)))
        .map_err(|error| format!("{}: {error}", path.display()))
}

/// Copies a file, and makes the folders that it goes to.
pub(super) fn copy(from: &Path, to: &Path, mode: u32) -> Result<(), String> {
    let contents = fs::read(from).map_err(|error| format!("{}: {error}", from.display()))?;
    write(to, contents)?;
    set_mode(to, mode)
}

pub(super) fn set_mode(path: &Path, mode: u32) -> Result<(), String> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
        .map_err(|error| format!("{}: {error}", path.display()))
}

pub(super) fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// What the tarball and the package for Debian have in common: `bin`, `share`.
pub(super) struct Tree {
    pub(super) folder: PathBuf,
}

impl Tree {
    /// Lays out the binary, its man pages and completions, and what `packaging` has for those who operate it.
    pub(super) fn staged(release: &Release, texts: &Path) -> Result<Self, String> {
        let folder = release.work.join("tree");
        copy(&release.binary, &folder.join("bin/stepwright"), 0o755)?;
        manual::write(texts, &folder.join("share"), &release.version, &release.date)?;
        let doc = folder.join("share/doc/stepwright");
        for name in ["README.md", "LICENSE-MIT", "LICENSE-APACHE"] {
            copy(&release.root.join(name), &doc.join(name), 0o644)?;
        }
        copy_all(&release.root.join("examples/quickstart"), &doc.join("examples/quickstart"))?;
        for name in ["prometheus", "grafana"] {
            let from = release.root.join("packaging").join(name);
            copy_all(&from, &folder.join("share/stepwright").join(name))?;
        }
        Ok(Self { folder })
    }
}

/// Copies the files of a folder.
pub(super) fn copy_all(from: &Path, to: &Path) -> Result<(), String> {
    let entries = fs::read_dir(from).map_err(|error| format!("{}: {error}", from.display()))?;
    for entry in entries.flatten().filter(|entry| entry.path().is_file()) {
        copy(&entry.path(), &to.join(entry.file_name()), 0o644)?;
    }
    Ok(())
}

/// Packs a folder as `tar` does, with nothing in it that depends on who packs, or when. What has another owner is
/// named with it, relative to the folder.
pub(super) fn tar(folder: &Path, names: &[&str], date: &str, to: &Path) -> Result<(), String> {
    run(Command::new("tar")
        .args(["--sort=name", "--owner=0", "--group=0", "--numeric-owner", "--format=gnu"])
        .arg(format!("--mtime=@{date}"))
        .arg("--directory")
        .arg(folder)
        .arg("--create")
        .arg("--file")
        .arg(to)
        .args(names))
}

/// Compresses a file; its date and name are not kept.
pub(super) fn gzip(file: &Path, level: u8) -> Result<PathBuf, String> {
    run(Command::new("gzip").args(["--no-name", "--force", &format!("-{level}")]).arg(file))?;
    let mut name = file.as_os_str().to_owned();
    name.push(".gz");
    Ok(PathBuf::from(name))
}

/// Writes the sums of what was made, as `sha256sum --check` reads them.
pub(super) fn write_sums(out: &Path, made: &[PathBuf]) -> Result<(), String> {
    let mut lines = Vec::new();
    for file in made {
        let bytes = fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
        let name = file.file_name().expect("it has a name").to_string_lossy();
        lines.push(format!("{}  {name}\n", sha256(&bytes)));
    }
    lines.sort_by(|one, other| one[64..].cmp(&other[64..]));
    write(&out.join("SHA256SUMS"), lines.concat())
}
