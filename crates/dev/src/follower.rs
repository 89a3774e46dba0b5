//! Deploys files, and again when they have changed.

use crate::files::{self, Kind};
use crate::{machines, stacks};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use stepwright_asl::{Complaint, Loaded, NamedDefinition, Template};
use stepwright_functions::{Function, Functions, Place};
use stepwright_program::CheckOptions;
use stepwright_projects::{Projects, newest, python_stamps, stamp};
use stepwright_server::Api;
use stepwright_services::Services;
use stepwright_stacks::{Setup, Stack};
use tempfile::TempDir;

/// How often the files are looked at.
const EVERY: Duration = Duration::from_millis(200);

/// How often a file must be missing before it is gone: an editor may replace it.
const MISSING: u32 = 5;

/// What is read from a file: its state machines, and the files that it names.
#[derive(Debug, Default)]
pub struct Read {
    /// The state machines, and what is wrong with them.
    pub loaded: Loaded,
    /// The files that were read for it.
    pub beside: Vec<PathBuf>,
}

/// The functions of the configuration.
#[derive(Debug, Default)]
pub struct Configured {
    /// By name.
    pub functions: BTreeMap<String, Function>,
    /// The folder that relative paths start at.
    pub folder: PathBuf,
    /// What it declares in the local services.
    pub resources: Option<Template>,
}

/// What a follower gets from the command that it belongs to.
pub trait Surroundings: Send + Sync + 'static {
    /// Reads a file, with the values of references to resources. If that fails, the surroundings have
    /// said why.
    fn read(&self, file: &Path, resources: &BTreeMap<String, String>) -> Option<Read>;

    /// The text of a file; likewise.
    fn bytes(&self, file: &Path) -> Option<Vec<u8>>;

    /// The values that the user gives.
    fn given(&self) -> BTreeMap<String, String>;

    /// The configuration as it is now; likewise.
    fn configured(&self) -> Option<Configured>;

    /// Says what was done.
    fn announce(&self, line: &str);

    /// Says what is not as somebody may think.
    fn warn(&self, line: &str);

    /// Says what went wrong.
    fn fail(&self, line: &str);

    /// Shows what is wrong with a file.
    fn complain(&self, complaints: &[Complaint]);

    /// Reads a project again; says itself why that fails.
    fn read_project(&self, projects: &Projects, file: &Path) -> bool;

    /// The state machines of a project; likewise.
    fn machines(&self, projects: &Projects, file: &Path) -> Option<Vec<NamedDefinition>>;
}

/// Deploys files and follows them.
pub struct Follower {
    /// The files, and which of them are looked for again and again.
    pub files: Vec<PathBuf>,
    /// The folder in which new files are looked for, if no files were named.
    pub folder: Option<PathBuf>,
    /// The configuration.
    pub config: PathBuf,
    /// The projects among the files.
    pub projects: Projects,
    /// Whether the logs that machines ask for are written to a directory.
    pub has_logs: bool,
    /// What says what happens.
    pub surroundings: Arc<dyn Surroundings>,
    /// The API that state machines are made with.
    pub api: Api,
    /// The functions of the server.
    pub functions: Functions,
    /// The local services.
    pub services: Services,
}

/// What has been read.
#[derive(Debug, Default)]
struct Known {
    /// The functions of templates, by file.
    functions: BTreeMap<PathBuf, BTreeMap<String, Function>>,
    /// The configuration, and when it was changed.
    configured: Option<(SystemTime, Configured)>,
}

impl std::fmt::Debug for Follower {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Follower").field("files", &self.files).finish_non_exhaustive()
    }
}

/// A file that is followed.
#[derive(Debug, Default)]
struct Followed {
    /// When it and those that it names were changed.
    stamps: Vec<SystemTime>,
    /// The files that it names.
    beside: Vec<PathBuf>,
    /// The names of its state machines.
    machines: BTreeSet<String>,
    stack: Option<Stack>,
    /// How often it was missing.
    missing: u32,
}

impl Follower {
    /// Deploys all files, then follows them. Does not end.
    pub async fn follow(self) {
        Deployer { with: self, known: Known::default() }.run().await;
    }
}

/// Deploys what has changed.
struct Deployer {
    with: Follower,
    known: Known,
}

impl Deployer {
    async fn run(mut self) {
        let inline_code = match tempfile::Builder::new().prefix("stepwright-inline-").tempdir() {
            Ok(folder) => folder,
            Err(error) => {
                self.with
                    .surroundings
                    .fail(&format!("there is no room for temporary files: {error}"));
                return;
            }
        };
        let mut followed: BTreeMap<PathBuf, Followed> = BTreeMap::new();
        let mut functions_seen = None;
        loop {
            if self.read_configuration() {
                self.make_resources().await;
            }
            for file in self.files() {
                // A definition that a template names is deployed by the template.
                if followed.values().any(|one| one.beside.contains(&file)) {
                    continue;
                }
                let mut one = followed.remove(&file).unwrap_or_default();
                self.look(&file, &mut one, &inline_code).await;
                followed.insert(file, one);
            }
            self.forget_missing(&mut followed).await;
            let stamps = self.function_stamps();
            match functions_seen {
                // A subscription may refer to machines of any project.
                None => {
                    for file in followed.keys().filter(|file| files::kind(file) == Kind::Project) {
                        self.with.projects.deployed(file).await;
                    }
                }
                Some(seen) if seen != stamps => self.reload(true).await,
                Some(_) => {}
            }
            functions_seen = Some(stamps);
            tokio::time::sleep(EVERY).await;
        }
    }

    /// The files to look at: those that were named, or those that are there now.
    fn files(&mut self) -> Vec<PathBuf> {
        if let Some(folder) = &self.with.folder {
            // A folder that cannot be read now may be read later.
            for file in files::here(folder).unwrap_or_default() {
                let is_new = !self.with.files.contains(&file);
                // Projects are opened before the server starts.
                if is_new && files::kind(&file) == Kind::Definition {
                    self.with.files.push(file);
                }
            }
        }
        let mut files = self.with.files.clone();
        // Templates first: they may name definitions.
        files.sort_by_key(|file| !files::is_template(file));
        files
    }

    /// Deploys a file if it has changed.
    async fn look(&mut self, file: &Path, one: &mut Followed, inline_code: &TempDir) {
        if files::kind(file) == Kind::Project {
            let stamps = python_stamps(file);
            if one.stamps == stamps {
                return;
            }
            let is_first = one.stamps.is_empty();
            one.stamps = stamps;
            if !is_first {
                if !self.with.surroundings.read_project(&self.with.projects, file) {
                    return;
                }
                self.reload(true).await;
            }
            self.deploy_project(file).await;
            if !is_first {
                self.with.projects.deployed(file).await;
            }
            return;
        }
        if !file.is_file() {
            one.missing += 1;
            return;
        }
        one.missing = 0;
        // What is written while it is deployed is deployed the next time.
        let before = stamps(file, &one.beside);
        if one.stamps != before {
            let named = std::mem::take(&mut one.beside);
            self.deploy(file, one, inline_code).await;
            one.stamps = if one.beside == named { before } else { stamps(file, &one.beside) };
        }
    }

    /// Deletes the machines of files that are gone.
    async fn forget_missing(&mut self, followed: &mut BTreeMap<PathBuf, Followed>) {
        let is_gone = |one: &Followed| one.missing >= MISSING && !one.stamps.is_empty();
        let gone = followed.iter().filter(|(_, one)| is_gone(one));
        let gone: Vec<PathBuf> = gone.map(|(file, _)| file.clone()).collect();
        for file in gone {
            let Some(one) = followed.remove(&file) else { continue };
            self.known.functions.remove(&file);
            // A machine may have moved to another file.
            let elsewhere =
                |name: &String| followed.values().any(|one| one.machines.contains(name));
            for name in one.machines.iter().filter(|name| !elsewhere(name)) {
                match machines::delete(&self.with.api, name).await {
                    Ok(()) => {
                        let line = format!("deleted {name}: {} is gone", file.display());
                        self.with.surroundings.announce(&line);
                    }
                    Err(why) => {
                        self.with.surroundings.fail(&format!("{name} cannot be deleted: {why}"));
                    }
                }
            }
            if self.with.folder.is_some() {
                self.with.files.retain(|one| *one != file);
            } else {
                followed.insert(file, Followed::default());
            }
        }
    }

    /// Makes what a file declares.
    async fn deploy(&mut self, file: &Path, one: &mut Followed, inline_code: &TempDir) {
        let Some(bytes) = self.with.surroundings.bytes(file) else { return };
        let (template, _) = Template::read(&bytes, &file.display().to_string());
        let mut values = BTreeMap::new();
        let mut aliases = Vec::new();
        let is_template = template.is_some();
        if let Some(template) = template {
            let stack = one.stack.get_or_insert_with(|| self.stack(file, inline_code.path()));
            let deployed = stack.deploy(&template).await;
            for line in stacks::done(&deployed, file) {
                self.with.surroundings.announce(&line);
            }
            for left_out in &deployed.left_out {
                self.with.surroundings.warn(&stacks::left_out(left_out, Some(&template)));
            }
            for name in &deployed.activities {
                if let Err(why) = machines::put_activity(&self.with.api, name).await {
                    self.with
                        .surroundings
                        .fail(&format!("the activity {name} cannot be made: {why}"));
                }
            }
            self.known.functions.insert(file.to_owned(), deployed.functions);
            self.reload(false).await;
            if let Err(why) = self.with.services.follow(&stacks::name(file), deployed.sources) {
                self.with.surroundings.warn(&why);
            }
            values = deployed.values;
            aliases = deployed.aliases;
        }
        let Some(Read { mut loaded, beside }) = self.with.surroundings.read(file, &values) else {
            return;
        };
        one.beside = beside;
        if is_template {
            // It may declare other things only.
            loaded.complaints.retain(|one| one.diagnostic.code != "no-state-machine");
        }
        self.with.surroundings.complain(&loaded.complaints);
        one.machines.clear();
        for named in &loaded.definitions {
            let name = named.name.clone().or_else(|| named.logical_id.clone());
            let name = name.unwrap_or_else(|| stem(file));
            match machines::put(&self.with.api, &name, named).await {
                Ok(what) => {
                    let line = format!("{what} {name} ({})", file.display());
                    self.with.surroundings.announce(&line);
                }
                Err(why) => {
                    self.with.surroundings.complain(&complaints(named));
                    self.with.surroundings.fail(&format!("{name} stays as it was: {why}"));
                }
            }
            one.machines.insert(name);
        }
        for alias in aliases {
            let name = &alias.name;
            match machines::put_alias(&self.with.api, name, &alias.state_machine).await {
                Ok(()) => {}
                Err(why) => {
                    self.with.surroundings.fail(&format!("the alias {name} cannot be made: {why}"));
                }
            }
        }
    }

    fn stack(&self, file: &Path, inline_code: &Path) -> Stack {
        let folder = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
        let folder = folder.parent().map(Path::to_owned).unwrap_or_default();
        let options = self.with.api.engine().options();
        let place = Place { account: options.account.clone(), region: options.region.clone() };
        let name = stacks::name(file);
        let inline_code = inline_code.join(&name);
        let given = self.with.surroundings.given();
        let setup =
            Setup { services: self.with.services.clone(), place, folder, inline_code, given };
        Stack::new(&name, setup)
    }

    /// Creates or updates the state machines of a project.
    async fn deploy_project(&self, file: &Path) {
        let Some(machines) = self.with.surroundings.machines(&self.with.projects, file) else {
            return;
        };
        for mut named in machines {
            if !self.with.has_logs {
                // Nobody would read the logs, and the events go to processors anyway.
                named.logging = None;
            }
            let name = named.name.clone().unwrap_or_default();
            match machines::put(&self.with.api, &name, &named).await {
                Ok(what) => {
                    let line = format!("{what} {name} ({})", file.display());
                    self.with.surroundings.announce(&line);
                }
                Err(why) => self.with.surroundings.fail(&format!("{name} stays as it was: {why}")),
            }
        }
    }

    /// The modification times of the configuration and of the functions' code.
    fn function_stamps(&self) -> Vec<SystemTime> {
        let mut stamps = vec![stamp(&self.with.config)];
        let mut of = |folder: &Path, functions: &BTreeMap<String, Function>| {
            for function in functions.values() {
                for path in function.code.iter().chain(&function.layers) {
                    newest(&folder.join(path), &mut stamps, 4);
                }
            }
        };
        if let Some((_, configured)) = &self.known.configured {
            of(&configured.folder, &configured.functions);
        }
        for functions in self.known.functions.values() {
            of(Path::new(""), functions);
        }
        stamps
    }

    /// Makes what the configuration declares.
    async fn make_resources(&mut self) {
        let configured = self.known.configured.as_ref().map(|(_, configured)| configured);
        let Some(template) = configured.and_then(|one| one.resources.clone()) else { return };
        let deployed = self.stack(&self.with.config, Path::new("")).deploy(&template).await;
        if let Err(why) =
            self.with.services.follow(&stacks::name(&self.with.config), deployed.sources.clone())
        {
            self.with.surroundings.warn(&why);
        }
        for line in stacks::done(&deployed, &self.with.config) {
            self.with.surroundings.announce(&line);
        }
        for left_out in &deployed.left_out {
            self.with.surroundings.warn(&stacks::left_out(left_out, None));
        }
    }

    /// Reads the configuration, if it has changed, and says whether it has. One that cannot be used
    /// changes nothing.
    fn read_configuration(&mut self) -> bool {
        let stamp = stamp(&self.with.config);
        if self.known.configured.as_ref().is_some_and(|(seen, _)| *seen == stamp) {
            return false;
        }
        let before = self.known.configured.take().map(|(_, configured)| configured);
        let now = self.with.surroundings.configured().or(before).unwrap_or_default();
        self.known.configured = Some((stamp, now));
        true
    }

    /// Hands the functions of the configuration, of projects and of templates to the server. What the
    /// configuration says comes first.
    async fn reload(&mut self, is_said: bool) {
        self.read_configuration();
        let configured = self.known.configured.as_ref().map(|(_, configured)| configured);
        let mut functions = configured.map(|one| one.functions.clone()).unwrap_or_default();
        self.with.projects.add_functions(&mut functions);
        for (name, function) in self.known.functions.values().flatten() {
            functions.entry(name.clone()).or_insert_with(|| function.clone());
        }
        match self.with.functions.reload(functions).await {
            Ok(()) if is_said => self.with.surroundings.announce("reloaded the functions"),
            Ok(()) => {}
            Err(error) => self.with.surroundings.fail(&error.to_string()),
        }
    }
}

/// When a file and those that it names were changed.
fn stamps(file: &Path, beside: &[PathBuf]) -> Vec<SystemTime> {
    std::iter::once(file).chain(beside.iter().map(PathBuf::as_path)).map(stamp).collect()
}

/// What the rules say of a definition that is refused.
fn complaints(named: &NamedDefinition) -> Vec<Complaint> {
    let options = CheckOptions { express: named.express, ..CheckOptions::default() };
    let found = stepwright_program::check_named(named, &options);
    let complaint = |diagnostic| Complaint {
        file: named.file.clone(),
        text: named.definition.text.clone(),
        diagnostic,
    };
    found.into_iter().map(complaint).collect()
}

/// The name of `order.asl.yaml` is `order`.
fn stem(file: &Path) -> String {
    let name = file.file_name().map(|name| name.to_string_lossy().into_owned());
    let name = name.unwrap_or_default();
    name.split(".asl.").next().unwrap_or(&name).trim_end_matches(".json").to_owned()
}
