//! Fluxio projects at run time. Their tasks run on this machine, their schedules and subscriptions
//! start executions, and their event processors are told what executions do.
//!
//! [`Projects`] implements the tasks that an engine's integrations ask first, and observes the
//! engine. A server can have several projects: there, the state machine `main` of the project in
//! the folder `shop` is called `shop-main`. `stepwright run` has one project, whose machines keep
//! their names.

mod container;
mod error;
mod events;
mod folder;
mod listener;
mod messages;
mod project;
mod schedules;
mod stamps;
mod subscriptions;
mod tasks;
mod workers;

pub use error::ProjectError;
pub use listener::Listener;
pub use stamps::{newest, python_stamps, stamp};

use parking_lot::{Mutex, RwLock};
use project::LocalProject;
use std::collections::{BTreeMap, VecDeque};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use stepwright_asl::NamedDefinition;
use stepwright_engine::{Collector, Engine, Facts, ObservedTurn, Observer};
use stepwright_fluxio::{Project, Site};
use stepwright_functions::{Function, Functions, Place};
use stepwright_json::Json;
use stepwright_store::{DocumentChanges, Shards};
use tempfile::TempDir;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};

/// How often a former version of a project is checked for whether its work is done.
const EVERY: Duration = Duration::from_millis(200);

/// How many former versions of projects keep their files.
const MOST_FORMER: usize = 16;

/// The most bytes that are read of a project's file.
const MOST_BYTES: u64 = 64 << 20;

/// The largest number of events that wait for their processors.
const MOST_EVENTS: usize = 10_000;

/// The projects of a server or of a run. Cheap to clone: all clones are one.
#[derive(Clone)]
pub struct Projects {
    shared: Arc<Shared>,
}

struct Shared {
    place: Place,
    naming: Naming,
    /// The file of the state data. Without it, each project's state data are deleted with the
    /// project.
    state_data: Option<PathBuf>,
    /// The folder of that file, if it is temporary.
    folder: Option<TempDir>,
    listener: Arc<dyn Listener>,
    projects: RwLock<BTreeMap<String, Arc<LocalProject>>>,
    /// Former versions of projects, the oldest first.
    former: Mutex<VecDeque<Arc<LocalProject>>>,
    host: watch::Sender<Option<Host>>,
    /// Sends executions whose ends others are subscribed to.
    ended: mpsc::UnboundedSender<subscriptions::Delivery>,
    /// Sends events to processors.
    happened: mpsc::Sender<events::Happened>,
    /// The other ends of both channels, until there is an engine.
    receivers: Mutex<Option<Receivers>>,
    schedules: schedules::Schedules,
    subscriptions: subscriptions::Subscriptions,
    /// The functions, and the runtime on which they are called in virtual time.
    here: Mutex<Option<(Functions, Handle)>>,
    is_over: AtomicBool,
}

/// How the machines of projects are named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Naming {
    /// As in the project.
    Plain,
    /// With the project's name in front.
    WithProject,
}

struct Receivers {
    ended: mpsc::UnboundedReceiver<subscriptions::Delivery>,
    happened: mpsc::Receiver<events::Happened>,
}

/// What projects run on.
#[derive(Clone)]
pub struct Host {
    /// The engine.
    pub engine: Engine,
    /// Its functions, those of the projects included.
    pub functions: Functions,
    /// Receives the tagged events of executions.
    pub collector: Option<Arc<dyn Collector>>,
}

impl std::fmt::Debug for Projects {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Projects").field("place", &self.shared.place).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Host").field("engine", &self.engine).finish_non_exhaustive()
    }
}

impl Projects {
    /// Reads the projects of a server. State data are stored in the folder `data`, or else deleted
    /// at the end.
    pub fn open(
        files: &[PathBuf],
        data: Option<&Path>,
        place: &Place,
        listener: Arc<dyn Listener>,
    ) -> Result<Self, ProjectError> {
        let failed = |error: std::io::Error| {
            ProjectError::new(format!("the state data of projects cannot be kept: {error}"))
        };
        let (folder, data) = match data {
            Some(data) => {
                std::fs::create_dir_all(data).map_err(failed)?;
                (None, data.to_owned())
            }
            None => {
                let folder = tempfile::Builder::new().prefix("stepwright-dev-").tempdir();
                let folder = folder.map_err(failed)?;
                let path = folder.path().to_owned();
                (Some(folder), path)
            }
        };
        let state_data = Some(data.join("state-data.db"));
        let projects = Self::new(Naming::WithProject, state_data, folder, place, listener);
        let mut files_by_name: BTreeMap<String, &Path> = BTreeMap::new();
        for file in files {
            let name = name_of(file)?;
            if let Some(other) = files_by_name.insert(name.clone(), file) {
                return Err(ProjectError::with_help(
                    format!(
                        "{} and {} are both the project `{name}`",
                        other.display(),
                        file.display()
                    ),
                    "a project is called after its folder: put one of them into another",
                ));
            }
            projects.add(name, file, read(file)?)?;
        }
        Ok(projects)
    }

    /// Prepares a single project that has been read from a file. State data are stored in the given
    /// file, or else deleted at the end.
    pub fn alone(
        file: &Path,
        project: Project,
        state_data: Option<&Path>,
        place: &Place,
        listener: Arc<dyn Listener>,
    ) -> Result<Self, ProjectError> {
        let state_data = state_data.map(Path::to_owned);
        let projects = Self::new(Naming::Plain, state_data, None, place, listener);
        projects.add(String::new(), file, project)?;
        Ok(projects)
    }

    fn new(
        naming: Naming,
        state_data: Option<PathBuf>,
        folder: Option<TempDir>,
        place: &Place,
        listener: Arc<dyn Listener>,
    ) -> Self {
        let (ended, ended_receiver) = mpsc::unbounded_channel();
        let (happened, happened_receiver) = mpsc::channel(MOST_EVENTS);
        let receivers = Receivers { ended: ended_receiver, happened: happened_receiver };
        Self {
            shared: Arc::new(Shared {
                place: place.clone(),
                naming,
                state_data,
                folder,
                listener,
                projects: RwLock::default(),
                former: Mutex::default(),
                host: watch::Sender::new(None),
                ended,
                happened,
                receivers: Mutex::new(Some(receivers)),
                schedules: schedules::Schedules::default(),
                subscriptions: subscriptions::Subscriptions::default(),
                here: Mutex::default(),
                is_over: AtomicBool::new(false),
            }),
        }
    }

    /// Adds a project, and returns the one that had its name before.
    fn add(
        &self,
        name: String,
        file: &Path,
        project: Project,
    ) -> Result<Option<Arc<LocalProject>>, ProjectError> {
        let prefix = match self.shared.naming {
            Naming::Plain => String::new(),
            Naming::WithProject => format!("{name}-"),
        };
        let Place { region, account } = self.shared.place.clone();
        let site = Site { region, account, prefix };
        let listener = self.shared.listener.clone();
        let state_data = self.shared.state_data.as_deref();
        let project = LocalProject::open(file, project, state_data, site, listener)?;
        Ok(self.shared.projects.write().insert(name, Arc::new(project)))
    }

    /// Reads a project's file again after it has changed. New work uses the new text; work that has
    /// begun continues with the old one. If there is an error, everything stays as it was.
    pub fn read_again(&self, file: &Path) -> Result<(), ProjectError> {
        let former = self.add(name_of(file)?, file, read(file)?)?;
        if let Some(former) = former {
            self.keep(former.clone());
            tokio::spawn(async move {
                while !former.is_idle() {
                    tokio::time::sleep(EVERY).await;
                }
                // Waiting for processes to end blocks.
                tokio::task::spawn_blocking(move || former.shut_down());
            });
        }
        Ok(())
    }

    /// Keeps the files of a former version for a while: a function may have been called just now,
    /// and reads them when it starts.
    fn keep(&self, former: Arc<LocalProject>) {
        let mut kept = self.shared.former.lock();
        kept.push_back(former);
        if kept.len() > MOST_FORMER {
            kept.pop_front();
        }
    }

    /// Adds the functions that run the projects' tasks on Lambda. Functions that are already there
    /// take precedence.
    pub fn add_functions(&self, functions: &mut BTreeMap<String, Function>) {
        for project in self.all().values() {
            project.add_functions(functions);
        }
    }

    /// The machines of a project's file that can be started.
    pub fn machines(&self, file: &Path) -> Result<Vec<NamedDefinition>, ProjectError> {
        let Some(project) = self.all().get(&self.key(file)?).cloned() else {
            return Ok(Vec::new());
        };
        let names = project.project.names.iter().filter(|machine| {
            // A run can start any machine that it is told to; a server has the machines that a
            // deployment to AWS would create.
            self.shared.naming == Naming::Plain || project.project.is_deployed(machine)
        });
        Ok(names
            .filter_map(|name| {
                let shown = format!("{} ({name})", file.display());
                let definition = project.definition(name)?;
                let logging = Some(project.logging(name));
                let full_name = Some(project.full_name(name));
                Some(NamedDefinition {
                    logging,
                    ..NamedDefinition::new(full_name, shown, definition)
                })
            })
            .collect())
    }

    /// Connects the projects to an engine, once it exists.
    pub fn connect(&self, host: &Host) {
        let receivers = self.shared.receivers.lock().take();
        if let Some(receivers) = receivers {
            tokio::spawn(subscriptions::deliver(self.clone(), receivers.ended));
            tokio::spawn(events::process(self.clone(), receivers.happened));
            // With nodes, this is done for the shards that each takes over.
            if !host.engine.has_nodes() {
                let projects = self.clone();
                tokio::spawn(async move { messages::send_again(&projects, &Shards::ALL).await });
            }
        }
        self.call_with(host.functions.clone(), Handle::current());
        self.shared.host.send_replace(Some(host.clone()));
    }

    /// Sets the functions, and the runtime on which they are called in virtual time.
    pub fn call_with(&self, functions: Functions, runtime: Handle) {
        *self.shared.here.lock() = Some((functions, runtime));
    }

    /// To be called when the machines of a file have been deployed. Brings schedules and
    /// subscriptions up to date.
    pub async fn deployed(&self, file: &Path) {
        let Ok(name) = self.key(file) else { return };
        let Some(project) = self.all().get(&name).cloned() else { return };
        schedules::follow(self, &name, &project).await;
        subscriptions::follow(self, &name, &project).await;
    }

    /// Ends the processes that were started and deletes all files. The engine must accept no more
    /// answers by then.
    pub fn shut_down(&self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
        let former = std::mem::take(&mut *self.shared.former.lock());
        for project in self.all().into_values().chain(former) {
            project.shut_down();
            project.remove_files();
        }
        if let Some(folder) = &self.shared.folder {
            std::fs::remove_dir_all(folder.path()).ok();
        }
    }

    fn key(&self, file: &Path) -> Result<String, ProjectError> {
        match self.shared.naming {
            Naming::Plain => Ok(String::new()),
            Naming::WithProject => name_of(file),
        }
    }

    fn functions(&self) -> Option<Functions> {
        self.shared.here.lock().as_ref().map(|(functions, _)| functions.clone())
    }

    fn runtime(&self) -> Option<Handle> {
        self.shared.here.lock().as_ref().map(|(_, runtime)| runtime.clone())
    }

    fn is_over(&self) -> bool {
        self.shared.is_over.load(Ordering::Relaxed)
    }

    fn all(&self) -> BTreeMap<String, Arc<LocalProject>> {
        self.shared.projects.read().clone()
    }

    /// The project that a machine belongs to, and the machine's name in it.
    fn of_machine<'m>(&self, machine_arn: &'m str) -> Option<(Arc<LocalProject>, &'m str)> {
        let full_name = machine_arn.rsplit(':').next().unwrap_or_default();
        let projects = self.shared.projects.read();
        // One project's name may be a prefix of another's, so the machine's name must match as
        // well.
        projects.values().find_map(|project| {
            let machine = project.own_name(full_name)?;
            let is_there = project.project.machines.contains_key(machine);
            is_there.then(|| (project.clone(), machine))
        })
    }

    /// Waits for the engine.
    async fn host(&self) -> Host {
        let mut host = self.shared.host.subscribe();
        loop {
            if let Some(host) = &*host.borrow_and_update() {
                return host.clone();
            }
            if host.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}

impl Host {
    /// The documents whose keys begin with `prefix`, as JSON.
    async fn documents(&self, prefix: &str) -> Vec<(String, Json)> {
        match self.engine.options().store.documents(prefix).await {
            Ok(documents) => documents
                .into_iter()
                .filter_map(|(key, bytes)| Some((key, stepwright_json::parse_bytes(&bytes).ok()?)))
                .collect(),
            Err(error) => {
                tracing::error!(%error, prefix, "documents cannot be read");
                Vec::new()
            }
        }
    }

    /// Stores documents; `None` removes one. Returns whether they are stored.
    async fn put(&self, documents: Vec<(String, Option<Json>)>) -> bool {
        let changes: DocumentChanges = documents
            .into_iter()
            .map(|(key, value)| (key, value.map(|value| value.to_string().into_bytes())))
            .collect();
        match self.engine.options().store.put(changes).await {
            Ok(()) => true,
            Err(error) => {
                tracing::error!(%error, "documents cannot be kept");
                false
            }
        }
    }

    fn now(&self) -> i64 {
        self.engine.options().clock.now().0
    }
}

impl Observer for Projects {
    fn turn(&self, facts: &Facts, turn: &ObservedTurn<'_>) {
        let events = turn.events;
        // A child of a map run is not an execution of the machine itself.
        if facts.about.map_run.is_some() || !events.iter().any(events::is_start_or_end) {
            return;
        }
        for event in events {
            if let Some(ended) = self.shared.subscriptions.wanted(facts, event) {
                // The receiving task lives as long as this does.
                self.shared.ended.send(subscriptions::Delivery::Ended(ended)).ok();
            }
        }
        let Some((project, machine)) = self.of_machine(&facts.about.machine) else { return };
        if project.event_processors().any(|(name, _)| name == machine) {
            for happened in events::wanted(facts, turn) {
                if self.shared.happened.try_send(happened).is_err() {
                    tracing::warn!(machine, "an event was not processed: too many wait");
                }
            }
        }
    }

    fn taken_over(&self, shards: &Shards) {
        let (projects, shards) = (self.clone(), *shards);
        tokio::spawn(async move {
            messages::send_again(&projects, &shards).await;
            subscriptions::taken_over(&projects, &shards).await;
        });
    }
}

fn read(file: &Path) -> Result<Project, ProjectError> {
    let cannot = |why: String| ProjectError::new(format!("cannot read {}: {why}", file.display()));
    let mut text = String::new();
    let opened = std::fs::File::open(file).map_err(|error| cannot(error.to_string()))?;
    let length = opened.take(MOST_BYTES + 1).read_to_string(&mut text);
    if length.map_err(|error| cannot(error.to_string()))? as u64 > MOST_BYTES {
        return Err(cannot("it is larger than 64 MiB".to_owned()));
    }
    stepwright_fluxio::read(&text).map_err(|wrong| ProjectError::wrong(file, &text, wrong))
}

/// The name of a project is that of its folder.
fn name_of(file: &Path) -> Result<String, ProjectError> {
    let path = std::path::absolute(file)
        .map_err(|error| ProjectError::new(format!("there is no {}: {error}", file.display())))?;
    let folder = path.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if folder.is_empty() || !folder.chars().all(is_plain) {
        return Err(ProjectError::with_help(
            format!("a project is called after its folder, and `{folder}` is no name"),
            "a name has letters, digits, `-` and `_`: put the project into a folder of its own",
        ));
    }
    Ok(folder.into_owned())
}

#[cfg(test)]
mod tests {
    use super::name_of;
    use std::path::Path;

    #[test]
    fn projects_are_called_after_their_folders() {
        assert_eq!(name_of(Path::new("/flows/shop/project.py")).unwrap(), "shop");
        assert_eq!(name_of(Path::new("shop_2/project.py")).unwrap(), "shop_2");
        assert!(name_of(Path::new("/my flows/project.py")).is_err());
        assert!(name_of(Path::new("/project.py")).is_err());
    }
}
