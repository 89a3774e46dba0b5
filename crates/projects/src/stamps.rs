//! When the files of projects and functions were changed.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The modification time of a file.
pub fn stamp(path: &Path) -> SystemTime {
    let changed = std::fs::metadata(path).and_then(|data| data.modified());
    changed.unwrap_or(SystemTime::UNIX_EPOCH)
}

/// The modification times of a project's file and of the packages beside it.
pub fn python_stamps(file: &Path) -> Vec<SystemTime> {
    let mut stamps = vec![stamp(file)];
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    let Ok(entries) = std::fs::read_dir(folder.unwrap_or(Path::new("."))) else { return stamps };
    let mut packages: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            let is_module = path.extension().is_some_and(|ending| ending == "py");
            is_module || path.join("__init__.py").is_file()
        })
        .collect();
    packages.sort();
    for package in packages {
        newest(&package, &mut stamps, 4);
    }
    stamps
}

/// The modification times of the files below a directory, down to a number of levels.
pub fn newest(path: &Path, stamps: &mut Vec<SystemTime>, levels: usize) {
    // A folder's own time also changes when Python writes into it.
    if !path.is_dir() {
        stamps.push(stamp(path));
    }
    if levels == 0 || !path.is_dir() {
        return;
    }
    let Ok(entries) = std::fs::read_dir(path) else { return };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    for path in paths {
        // What Python writes beside the code does not change the code.
        if path.file_name().is_none_or(|name| name != "__pycache__") {
            newest(&path, stamps, levels - 1);
        }
    }
}
