//! The folder that a deployment is written to.

use crate::report::Failure;
use std::collections::BTreeSet;
use std::io::{Error, ErrorKind, Result};
use std::path::{Component, Path, PathBuf};
use stepwright_deployment::File;

/// The file that marks a folder as ours, and lists our files in it.
const MARKER: &str = ".stepwright-synth";

/// Whether a folder was written by an earlier run.
pub(crate) fn is_ours(folder: &Path) -> bool {
    folder.join(MARKER).is_file()
}

/// Writes the files, and removes those that an earlier run wrote. A folder that contains anything
/// else is not touched.
pub(crate) fn write(folder: &Path, files: &[File]) -> std::result::Result<(), Failure> {
    let old = written_before(folder)?;
    write_all(folder, &old, files)
        .map_err(|error| Failure::new(format!("{} cannot be written: {error}", folder.display())))
}

/// The files that an earlier run wrote.
fn written_before(folder: &Path) -> std::result::Result<Vec<PathBuf>, Failure> {
    match std::fs::read_to_string(folder.join(MARKER)) {
        Ok(text) => {
            return Ok(text.lines().map(PathBuf::from).filter(|path| is_within(path)).collect());
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) if error.kind() == ErrorKind::NotADirectory => {}
        Err(error) => {
            return Err(Failure::new(format!("{} cannot be read: {error}", folder.display())));
        }
    }
    let is_free = match std::fs::read_dir(folder) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == ErrorKind::NotFound,
    };
    if is_free {
        return Ok(Vec::new());
    }
    let message =
        format!("{} holds something that `stepwright synth` did not write", folder.display());
    Err(Failure::new(message).help("choose another folder with --out, or remove this one"))
}

/// Whether a path stays within the folder.
fn is_within(path: &Path) -> bool {
    path.components().all(|part| matches!(part, Component::Normal(_)))
        && path.components().next().is_some()
}

fn write_all(folder: &Path, old: &[PathBuf], files: &[File]) -> Result<()> {
    std::fs::create_dir_all(folder)?;
    let mut paths: BTreeSet<&str> = files.iter().map(|file| file.path.as_str()).collect();
    // At first the marker lists both old and new files. If this run is interrupted, the next one
    // still knows all of them.
    let before: Vec<String> = old.iter().map(|path| path.to_string_lossy().into_owned()).collect();
    paths.extend(before.iter().map(String::as_str));
    write_marker(folder, &paths)?;
    for path in old {
        remove(folder, path)?;
    }
    for file in files {
        let path = folder.join(&file.path);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(&path, &file.content)
            .map_err(|error| Error::new(error.kind(), format!("{}: {error}", path.display())))?;
    }
    write_marker(folder, &files.iter().map(|file| file.path.as_str()).collect())
}

fn write_marker(folder: &Path, paths: &BTreeSet<&str>) -> Result<()> {
    let text: String = paths.iter().flat_map(|path| [*path, "\n"]).collect();
    std::fs::write(folder.join(MARKER), text)
}

/// Removes a file, and the folders that become empty.
fn remove(folder: &Path, path: &Path) -> Result<()> {
    match std::fs::remove_file(folder.join(path)) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    for parent in path.ancestors().skip(1).filter(|parent| !parent.as_os_str().is_empty()) {
        if std::fs::remove_dir(folder.join(parent)).is_err() {
            // The folder contains something else.
            break;
        }
    }
    Ok(())
}

/// A short list of what was written: the templates, and each folder once.
pub(crate) fn listing(folder: &Path, files: &[File]) -> Vec<String> {
    let mut shown: Vec<String> = Vec::new();
    for file in files {
        let parts: Vec<&str> = file.path.split('/').collect();
        let short = match parts[..] {
            ["tasks" | "events", name, _, ..] => format!("{}/{name}/", parts[0]),
            [first, _, ..] => format!("{first}/"),
            _ => file.path.clone(),
        };
        let short = folder.join(short).display().to_string();
        if shown.last() != Some(&short) {
            shown.push(short);
        }
    }
    shown
}
