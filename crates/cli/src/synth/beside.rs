//! The files beside a project: the packages that its tasks import, and the requirements to install.

use super::output;
use crate::report::Failure;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::{Error, ErrorKind, Result};
use std::path::{Path, PathBuf};
use stepwright_deployment::File;

/// The deepest nesting of folders.
const DEEPEST: usize = 32;

/// The folder of a project. It remembers the first error while reading.
#[derive(Debug)]
pub(crate) struct Beside {
    folder: PathBuf,
    /// The project file itself, which is not a module to import.
    project: PathBuf,
    failure: RefCell<Option<String>>,
    /// The packages read so far, because many tasks may import the same one.
    known: RefCell<BTreeMap<String, Vec<File>>>,
}

impl Beside {
    pub(crate) fn new(folder: &Path, project: &OsStr) -> Self {
        Self {
            folder: folder.to_path_buf(),
            project: folder.join(project),
            failure: RefCell::default(),
            known: RefCell::default(),
        }
    }

    /// The text of `requirements.txt`, if it exists.
    pub(crate) fn requirements(&self) -> std::result::Result<Option<String>, Failure> {
        let path = self.folder.join("requirements.txt");
        match std::fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Failure::new(format!("{} cannot be read: {error}", path.display()))),
        }
    }

    /// The files of a package or module, if it exists in this folder.
    pub(crate) fn find(&self, package: &str) -> Vec<File> {
        if let Some(files) = self.known.borrow().get(package) {
            return files.clone();
        }
        let files = self.read(package);
        self.known.borrow_mut().insert(package.to_owned(), files.clone());
        files
    }

    fn read(&self, package: &str) -> Vec<File> {
        let mut files = Vec::new();
        let module = self.folder.join(format!("{package}.py"));
        let folder = self.folder.join(package);
        let read = if folder.is_dir() {
            read_folder(&folder, package, DEEPEST, &mut files)
        } else if module.is_file() && module != self.project {
            read_file(&module, format!("{package}.py"), &mut files)
        } else {
            Ok(())
        };
        if let Err(error) = read {
            let message = format!("the package `{package}` cannot be read: {error}");
            self.failure.borrow_mut().get_or_insert(message);
        }
        files
    }

    /// Returns the first error while reading, if there was one.
    pub(crate) fn or_ok(&self) -> std::result::Result<(), Failure> {
        self.failure.borrow_mut().take().map_or(Ok(()), |message| Err(Failure::new(message)))
    }
}

/// Reads all files of a package, without those that Python, an editor or an earlier run has left
/// there.
fn read_folder(folder: &Path, name: &str, depth: usize, files: &mut Vec<File>) -> Result<()> {
    if depth == 0 {
        let message = format!("{} is more than {DEEPEST} folders deep", folder.display());
        return Err(Error::other(message));
    }
    let mut entries = std::fs::read_dir(folder)?.collect::<Result<Vec<_>>>()?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        let Ok(entry) = entry.file_name().into_string() else {
            let message = format!("{} has a name that is not UTF-8", path.display());
            return Err(Error::other(message));
        };
        let is_left_over = path.extension().is_some_and(|ending| ending == "pyc");
        if entry.starts_with('.') || entry == "__pycache__" || is_left_over {
            continue;
        }
        let name = format!("{name}/{entry}");
        if path.is_dir() {
            if output::is_ours(&path) {
                continue;
            }
            read_folder(&path, &name, depth - 1, files)?;
        } else {
            read_file(&path, name, files)?;
        }
    }
    Ok(())
}

fn read_file(path: &Path, name: String, files: &mut Vec<File>) -> Result<()> {
    let content = std::fs::read(path)
        .map_err(|error| Error::new(error.kind(), format!("{}: {error}", path.display())))?;
    files.push(File { path: name, content: content.into() });
    Ok(())
}
