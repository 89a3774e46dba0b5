//! Deploys Fluxio projects to AWS: makes CloudFormation templates and the folders of tasks.
//!
//! [`synthesize`] returns files and writes none. The root template contains what the machines
//! share: the tasks, the table of the state data, and machines that are only nested. Each exported
//! machine has a template of its own, which the root template nests.
//!
//! ```
//! use stepwright_deployment::{Origin, synthesize};
//! use stepwright_fluxio::{Mode, compile};
//!
//! let project = compile(
//!     "class Greet(Task):\n    async def run(event, context):\n        return 'hello'\n\n\
//!      def main(data):\n    data['greeting'] = Greet()\n",
//!     Mode::Documented,
//! )
//! .unwrap();
//! let deployment = synthesize(&project, &Origin::new("greetings")).unwrap();
//! let paths: Vec<&str> = deployment.files.iter().map(|file| file.path.as_str()).collect();
//! assert!(paths.contains(&"template.json"));
//! assert!(paths.contains(&"MainStateMachineStack.template.json"));
//! assert!(paths.contains(&"tasks/Greet/fluxio_task.py"));
//! ```

mod build;
mod complaint;
mod container;
mod dead_letters;
mod event_processor;
mod exported;
mod function;
mod imports;
mod machine;
mod names;
mod package;
mod places;
mod plan;
mod queue;
mod role;
mod root;
mod runner;
mod schedule;
mod subscription;
mod table;
mod template;
mod topics;
mod worker;

pub use complaint::{Complaint, Refused};

use plan::Plan;
use std::sync::Arc;
use stepwright_asl::{Complaint as Complained, Loaded};
use stepwright_fluxio::Project;

/// A file of a deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its path in the folder, with `/` as the separator.
    pub path: String,
    /// Its contents. A package that many tasks import is in memory only once.
    pub content: Arc<[u8]>,
}

/// The files of a deployment, and notes about it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deployment {
    /// The files, by path.
    pub files: Vec<File>,
    /// Notes on things that the user may not expect.
    pub notes: Vec<String>,
}

/// Finds a package or module beside a project: returns its files, by their paths relative to the
/// project's folder.
pub type Packages<'a> = &'a dyn Fn(&str) -> Vec<File>;

/// The origin of a project: its name, and what stands beside it.
#[derive(Clone, Copy)]
pub struct Origin<'a> {
    name: &'a str,
    packages: Packages<'a>,
    requirements: Option<&'a str>,
}

impl std::fmt::Debug for Origin<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Origin").field("name", &self.name).finish_non_exhaustive()
    }
}

impl<'a> Origin<'a> {
    /// An origin with this name, the name of the project's folder, and nothing beside the project.
    pub fn new(name: &'a str) -> Self {
        Self { name, packages: &|_| Vec::new(), requirements: None }
    }

    /// Sets the packages beside the project.
    #[must_use]
    pub fn packages(self, packages: Packages<'a>) -> Self {
        Self { packages, ..self }
    }

    /// Sets the text of the `requirements.txt` beside the project.
    #[must_use]
    pub fn requirements(self, requirements: &'a str) -> Self {
        Self { requirements: Some(requirements), ..self }
    }
}

/// Checks the text of a project in the folder of this name: reports everything that cannot be
/// compiled or deployed, or else remarks on its machines. A folder that cannot name a project is
/// passed over, because the project may still be put into another.
pub fn check(text: &str, file: &str, folder: &str) -> Loaded {
    let mut loaded = stepwright_fluxio::load(text, file, None);
    let Ok(project) = stepwright_fluxio::read(text) else { return loaded };
    let name = if names::is_plain(folder) { folder } else { "project" };
    let refused = synthesize(&project, &Origin::new(name)).err();
    let refused = refused.map_or_else(Vec::new, |refused| refused.diagnostics());
    let complaint =
        |diagnostic| Complained { file: file.to_owned(), text: text.into(), diagnostic };
    loaded.complaints.extend(refused.into_iter().chain(project.remarks).map(complaint));
    loaded
}

/// Makes the templates and the folders of the tasks. The error lists everything that AWS would not
/// accept.
pub fn synthesize(project: &Project, origin: &Origin<'_>) -> Result<Deployment, Refused> {
    let plan = Plan::new(project, origin)?;
    let mut files = root::templates(&plan)?;
    files.extend(package::files(&plan)?);
    files.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(Deployment { files, notes: plan.notes() })
}
