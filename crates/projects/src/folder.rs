//! The files that the processes of tasks need.

use std::io::{Error, Result};
use std::path::{Path, PathBuf};
use stepwright_fluxio::Project;
use tempfile::TempDir;

/// A file below `python/`: its path there, and its contents.
macro_rules! file {
    ($name:literal) => {
        ($name, include_str!(concat!("../../../python/", $name)))
    };
}

/// The Python packages that come with Stepwright.
const PACKAGES: [(&str, &str); 11] = [
    file!("stepwright_fluxio/__init__.py"),
    file!("stepwright_fluxio/context.py"),
    file!("stepwright_fluxio/events.py"),
    file!("stepwright_fluxio/ecs.py"),
    file!("stepwright_fluxio/function.py"),
    file!("stepwright_fluxio/state_data.py"),
    file!("stepwright_fluxio/task.py"),
    file!("stepwright_fluxio/worker.py"),
    file!("stepwright_fluxio/worker_base.py"),
    file!("ns_sfn_task_entry_points/__init__.py"),
    file!("ns_sfn_task_entry_points/ecs_worker_app.py"),
];

/// A folder that exists for one run and is readable by its owner only.
#[derive(Debug)]
pub(crate) struct Folder {
    root: TempDir,
    packages: PathBuf,
    tasks: PathBuf,
    processors: PathBuf,
    state_data: PathBuf,
}

impl Folder {
    /// Creates the folder, with the packages and the `run` method of each task.
    pub(crate) fn new(project: &Project, state_data: Option<&Path>) -> Result<Self> {
        let root = tempfile::Builder::new().prefix("stepwright-project-").tempdir()?;
        let packages = root.path().join("packages");
        let tasks = root.path().join("tasks");
        for (name, text) in PACKAGES {
            let path = packages.join(name);
            std::fs::create_dir_all(path.parent().unwrap_or(&packages))?;
            std::fs::write(path, text)?;
        }
        let processors = root.path().join("processors");
        std::fs::create_dir_all(&tasks)?;
        std::fs::create_dir_all(&processors)?;
        for (name, processor) in &project.event_processors {
            std::fs::write(processors.join(format!("{name}.py")), &processor.source)?;
        }
        for (name, task) in &project.tasks {
            if let Some(run) = &task.run {
                std::fs::write(tasks.join(format!("{name}.py")), run.module())?;
            }
        }
        let state_data = match state_data {
            Some(path) => std::path::absolute(path)?,
            None => root.path().join("state.db"),
        };
        if state_data.is_dir() {
            return Err(Error::other(format!("{} is a folder", state_data.display())));
        }
        Ok(Self { root, packages, tasks, processors, state_data })
    }

    /// The root of the folder.
    pub(crate) fn root(&self) -> &Path {
        self.root.path()
    }

    /// The folder in which Python finds the packages.
    pub(crate) fn packages(&self) -> &Path {
        &self.packages
    }

    /// The folder of the `run` methods.
    pub(crate) fn tasks(&self) -> &Path {
        &self.tasks
    }

    /// The folder of the event processors.
    pub(crate) fn processors(&self) -> &Path {
        &self.processors
    }

    /// The file of the state data.
    pub(crate) fn state_data(&self) -> &Path {
        &self.state_data
    }

    /// A path for a file that nobody else uses.
    pub(crate) fn answer(&self, number: u64) -> PathBuf {
        self.root.path().join(format!("answer-{number}.json"))
    }
}
