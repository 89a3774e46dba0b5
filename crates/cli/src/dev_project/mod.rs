//! Fluxio projects on a server that is being developed against: their machines are deployed, their
//! tasks done here, their schedules and subscriptions start executions.
//!
//! The state machine `main` of the project in the folder `shop` is called `shop-main`.

mod events;
mod messages;
mod schedules;
mod subscriptions;
mod tasks;

use crate::config::Config;
use crate::local_project::{LocalProject, Site};
use crate::report::{self, Failure};
use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;
use stepwright_engine::{Facts, Observer};
use stepwright_functions::Functions;
use stepwright_history::{Event, Failure as ExecutionFailure};
use stepwright_json::Json;
use stepwright_server::{Api, Otlp};
use stepwright_store::DocumentChanges;
use tempfile::TempDir;
use tokio::sync::{mpsc, watch};

/// How often it is asked whether a former version of a project has done its work.
const EVERY: Duration = Duration::from_millis(200);

/// How many former versions of projects keep their files.
const MOST_FORMER: usize = 16;

/// How many events wait for their processors.
const MOST_EVENTS: usize = 10_000;

/// The projects of a server. Cheap to clone: all clones are one.
#[derive(Clone)]
pub(crate) struct Projects {
    shared: Arc<Shared>,
}

struct Shared {
    region: String,
    account: String,
    /// Where the state data are kept.
    data: PathBuf,
    /// The folder of the state data where nothing is kept for longer.
    folder: Option<TempDir>,
    projects: RwLock<BTreeMap<String, Arc<LocalProject>>>,
    /// Former versions, the oldest first.
    former: Mutex<VecDeque<Arc<LocalProject>>>,
    server: watch::Sender<Option<Server>>,
    /// Executions that others wait for the end of.
    ended: mpsc::UnboundedSender<subscriptions::Ended>,
    /// Events for processors.
    happened: mpsc::Sender<events::Happened>,
    /// What to do with both, once there is a server.
    receivers: Mutex<Option<Receivers>>,
    schedules: schedules::Schedules,
    subscriptions: subscriptions::Subscriptions,
    is_over: AtomicBool,
}

struct Receivers {
    ended: mpsc::UnboundedReceiver<subscriptions::Ended>,
    happened: mpsc::Receiver<events::Happened>,
}

/// What the projects are served by.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) api: Api,
    pub(crate) functions: Functions,
    pub(crate) otlp: Option<Arc<Otlp>>,
}

impl Projects {
    /// Reads projects. State data are kept in `data`, or until the end.
    pub(crate) fn open(
        files: &[PathBuf],
        data: Option<&Path>,
        region: &str,
        account: &str,
    ) -> Result<Self, Failure> {
        let failed = |error: std::io::Error| {
            Failure::new(format!("the state data of projects cannot be kept: {error}"))
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
        let (ended, ended_receiver) = mpsc::unbounded_channel();
        let (happened, happened_receiver) = mpsc::channel(MOST_EVENTS);
        let receivers = Receivers { ended: ended_receiver, happened: happened_receiver };
        let projects = Self {
            shared: Arc::new(Shared {
                region: region.to_owned(),
                account: account.to_owned(),
                data,
                folder,
                projects: RwLock::default(),
                former: Mutex::default(),
                server: watch::Sender::new(None),
                ended,
                happened,
                receivers: Mutex::new(Some(receivers)),
                schedules: schedules::Schedules::default(),
                subscriptions: subscriptions::Subscriptions::default(),
                is_over: AtomicBool::new(false),
            }),
        };
        let mut files_by_name: BTreeMap<String, &Path> = BTreeMap::new();
        for file in files {
            let name = name_of(file)?;
            if let Some(other) = files_by_name.insert(name.clone(), file) {
                return Err(Failure::new(format!(
                    "{} and {} are both the project `{name}`",
                    other.display(),
                    file.display()
                ))
                .help("a project is called after its folder: put one of them into another"));
            }
            let project = projects.read(&name, file)?;
            projects.write_lock().insert(name, Arc::new(project));
        }
        Ok(projects)
    }

    fn read(&self, name: &str, file: &Path) -> Result<LocalProject, Failure> {
        let site = Site {
            region: self.shared.region.clone(),
            account: self.shared.account.clone(),
            prefix: format!("{name}-"),
        };
        LocalProject::open(file, Some(&self.shared.data.join("state-data.db")), site)
    }

    /// The project's file has changed: from now on, its new text holds. Work that was begun goes on as
    /// it began. The error says why everything stays as it was.
    pub(crate) fn read_again(&self, file: &Path) -> Result<(), Failure> {
        let name = name_of(file)?;
        let project = self.read(&name, file)?;
        let former = self.write_lock().insert(name, Arc::new(project));
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

    /// Keeps the files of a former version: a function may have been called with it just now, and reads
    /// them when it starts.
    fn keep(&self, former: Arc<LocalProject>) {
        let mut kept = self.shared.former.lock().unwrap_or_else(PoisonError::into_inner);
        kept.push_back(former);
        if kept.len() > MOST_FORMER {
            kept.pop_front();
        }
    }

    /// Adds what the tasks on Lambda are done by.
    pub(crate) fn add_functions(&self, config: &mut Config) {
        for project in self.all().values() {
            project.add_functions(config);
        }
    }

    /// The machines of a project's file: their names and definitions.
    pub(crate) fn machines(&self, file: &Path) -> Result<Vec<(String, String)>, Failure> {
        let name = name_of(file)?;
        let Some(project) = self.all().get(&name).cloned() else { return Ok(Vec::new()) };
        let machines = project.project.names.iter().filter(|machine| {
            project.project.machines.get(*machine).is_some_and(|machine| machine.is_first_class)
        });
        Ok(machines
            .filter_map(|machine| {
                let definition = project.definition(machine)?.root.to_json();
                Some((format!("{name}-{machine}"), definition.to_string()))
            })
            .collect())
    }

    /// There is a server now.
    pub(crate) fn connect(&self, server: &Server) {
        let receivers = self.shared.receivers.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(receivers) = receivers {
            tokio::spawn(subscriptions::deliver(self.clone(), receivers.ended));
            tokio::spawn(events::process(self.clone(), receivers.happened));
            tokio::spawn(messages::send_again(self.clone()));
        }
        self.shared.server.send_replace(Some(server.clone()));
    }

    /// Its machines have been deployed: schedules and subscriptions follow them.
    pub(crate) async fn deployed(&self, file: &Path) {
        let Ok(name) = name_of(file) else { return };
        let Some(project) = self.all().get(&name).cloned() else { return };
        schedules::follow(self, &name, &project).await;
        subscriptions::follow(self, &name, &project).await;
    }

    /// Ends what was started, and leaves no files. The engine takes no more answers by then.
    pub(crate) fn shut_down(&self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
        let former =
            std::mem::take(&mut *self.shared.former.lock().unwrap_or_else(PoisonError::into_inner));
        for project in self.all().into_values().chain(former) {
            project.shut_down();
            project.remove_files();
        }
        if let Some(folder) = &self.shared.folder {
            std::fs::remove_dir_all(folder.path()).ok();
        }
    }

    fn is_over(&self) -> bool {
        self.shared.is_over.load(Ordering::Relaxed)
    }

    fn all(&self) -> BTreeMap<String, Arc<LocalProject>> {
        self.shared.projects.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn write_lock(&self) -> std::sync::RwLockWriteGuard<'_, BTreeMap<String, Arc<LocalProject>>> {
        self.shared.projects.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The project that a machine belongs to, and the machine's name in it.
    fn of_machine<'m>(&self, machine_arn: &'m str) -> Option<(Arc<LocalProject>, &'m str)> {
        let full_name = machine_arn.rsplit(':').next().unwrap_or_default();
        let projects = self.shared.projects.read().unwrap_or_else(PoisonError::into_inner);
        // One project's name may be the beginning of another's: the machine decides.
        projects.iter().find_map(|(name, project)| {
            let machine = full_name.strip_prefix(name)?.strip_prefix('-')?;
            let is_there = project.project.machines.contains_key(machine);
            is_there.then(|| (project.clone(), machine))
        })
    }

    /// The server, once there is one.
    async fn server(&self) -> Server {
        let mut server = self.shared.server.subscribe();
        loop {
            if let Some(server) = &*server.borrow_and_update() {
                return server.clone();
            }
            if server.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}

impl Server {
    /// The documents whose keys begin so, as JSON.
    async fn documents(&self, prefix: &str) -> Vec<(String, Json)> {
        match self.api.engine().options().store.documents(prefix).await {
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

    /// Keeps documents; None removes one. Says whether they are kept.
    async fn put(&self, documents: Vec<(String, Option<Json>)>) -> bool {
        let changes: DocumentChanges = documents
            .into_iter()
            .map(|(key, value)| (key, value.map(|value| value.to_string().into_bytes())))
            .collect();
        match self.api.engine().options().store.put(changes).await {
            Ok(()) => true,
            Err(error) => {
                tracing::error!(%error, "documents cannot be kept");
                false
            }
        }
    }

    fn now(&self) -> i64 {
        self.api.engine().options().clock.now().0
    }

    /// Aborts the execution, because a task asked for it.
    async fn stop_execution(&self, arn: &str, why: &ExecutionFailure) {
        let mut body = stepwright_json::Object::new();
        body.insert("executionArn", arn.into());
        for (key, text) in [("error", &why.error), ("cause", &why.cause)] {
            if let Some(text) = text {
                body.insert(key, text.clone().into());
            }
        }
        if let Err(error) = self.api.call("StopExecution", body.into()).await {
            report::failure(&Failure::new(format!("{arn} was not stopped: {}", error.message)));
        }
    }
}

impl Observer for Projects {
    fn turn(&self, facts: &Facts, events: &[Event]) {
        // A child of a map run is no execution of the machine.
        if facts.about.map_run.is_some() || !events.iter().any(events::is_start_or_end) {
            return;
        }
        for event in events {
            if let Some(ended) = self.shared.subscriptions.wanted(facts, event) {
                // Those who deliver live as long as this does.
                self.shared.ended.send(ended).ok();
            }
        }
        let Some((project, machine)) = self.of_machine(&facts.about.machine) else { return };
        if project.event_processors().any(|(name, _)| name == machine) {
            for happened in events::wanted(facts, events) {
                if self.shared.happened.try_send(happened).is_err() {
                    tracing::warn!(machine, "an event was not processed: too many wait");
                }
            }
        }
    }
}

/// A project is called after its folder.
fn name_of(file: &Path) -> Result<String, Failure> {
    let path = std::path::absolute(file)
        .map_err(|error| Failure::new(format!("there is no {}: {error}", file.display())))?;
    let folder = path.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if folder.is_empty() || !folder.chars().all(is_plain) {
        return Err(Failure::new(format!(
            "a project is called after its folder, and `{folder}` is no name"
        ))
        .help(
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
