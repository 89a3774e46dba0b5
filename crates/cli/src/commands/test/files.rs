//! Finds and reads test files.

use crate::config::Config;
use crate::functions::Called;
use crate::project;
use crate::report::Failure;
use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use stepwright_asl::Complaint;
use stepwright_functions::Place;
use stepwright_source::Diagnostic;
use stepwright_testkit::{ENDINGS, TestFile};

/// A test file that can be run.
pub(super) struct Loaded {
    pub(super) test: TestFile,
    /// The folder of the file.
    pub(super) folder: PathBuf,
    /// The other files that it depends on.
    pub(super) read: Vec<PathBuf>,
    path: PathBuf,
    functions: OnceLock<Result<Called, String>>,
}

/// A test file that cannot be run.
pub(super) struct Unusable {
    pub(super) complaints: Vec<Complaint>,
    pub(super) read: Vec<PathBuf>,
}

impl Loaded {
    /// The functions for its mocks, read when the first of them is called.
    pub(super) fn functions(&self) -> Result<&Called, &str> {
        let read = || {
            let named = self.test.config.as_ref().map(|name| self.folder.join(name));
            // A test calls no service.
            let called = Config::find(named.as_deref(), &self.path)
                .and_then(|config| Called::new(&config, Arc::default()));
            called.map_err(|failure| match failure {
                Failure::Plain { message, .. } => message,
                Failure::Said => "stepwright.toml cannot be used".to_owned(),
            })
        };
        self.functions.get_or_init(read).as_ref().map_err(String::as_str)
    }

    /// Ends the processes of its functions.
    pub(super) fn shut_down(&self) {
        if let Some(Ok(called)) = self.functions.get() {
            called.shut_down();
        }
    }
}

/// The named test files, and those in named directories.
pub(super) fn find(named: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let here = [PathBuf::from(".")];
    let named = if named.is_empty() { &here[..] } else { named };
    let mut files = Vec::new();
    for path in named {
        if path.is_dir() {
            let before = files.len();
            walk(path, &mut files)?;
            if files.len() == before && named.len() == 1 {
                return Err(Failure::new(format!("there is no test file in {}", path.display()))
                    .help("a test file ends in .test.yaml, .test.yml or .test.json"));
            }
        } else if path.is_file() {
            files.push(path.clone());
        } else {
            return Err(Failure::new(format!("there is no {}", path.display())));
        }
    }
    files.dedup();
    Ok(files)
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let entries = std::fs::read_dir(folder)
        .map_err(|error| Failure::new(format!("cannot read {}: {error}", folder.display())))?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if path.is_dir() {
            let is_foreign = name.starts_with('.') || name == "node_modules" || name == "target";
            // A symbolic link may lead back up.
            if !is_foreign && !path.is_symlink() {
                walk(&path, files)?;
            }
        } else if ENDINGS.iter().any(|ending| name.ends_with(ending)) {
            files.push(path.strip_prefix(".").map_or(path.clone(), Path::to_owned));
        }
    }
    Ok(())
}

/// Reads a test file and the files that it names.
pub(super) fn load(path: &Path) -> Result<Loaded, Unusable> {
    let file = path.display().to_string();
    let folder = path.parent().map(Path::to_owned).unwrap_or_default();
    let read = RefCell::new(Vec::new());
    let beside = |name: &str| -> Result<Vec<u8>, String> {
        let path = folder.join(name);
        read.borrow_mut().push(path.clone());
        // Whoever writes a test file names definitions in other directories.
        let bytes = crate::input::read_beside(&folder, name, true)?;
        if project::is_project(Path::new(name)) {
            return stepwright_fluxio::template(&bytes, name, &project::site(&Place::default()));
        }
        Ok(bytes)
    };
    let result = match crate::input::read_text(path) {
        Ok(text) => stepwright_testkit::load(&file, &text, &beside),
        Err(failure) => {
            let message = match failure {
                Failure::Plain { message, .. } => message,
                Failure::Said => format!("{file} cannot be read"),
            };
            let diagnostic = Diagnostic::error("unreadable-file", message);
            Err(vec![Complaint { file, text: "".into(), diagnostic }])
        }
    };
    let mut read = read.into_inner();
    read.push(folder.join("stepwright.toml"));
    match result {
        Ok(test) => {
            let named = test.config.as_ref().map(|name| folder.join(name));
            if let Ok(config) = Config::find(named.as_deref(), path) {
                read.extend(named);
                read.extend(config.code());
            }
            let path = path.to_owned();
            Ok(Loaded { test, folder, read, path, functions: OnceLock::new() })
        }
        Err(complaints) => Err(Unusable { complaints, read }),
    }
}
