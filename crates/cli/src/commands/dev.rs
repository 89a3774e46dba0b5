//! `stepwright dev`: a server whose state machines and functions follow their files.

use crate::args::{Dev, Load, Serve};
use crate::commands::serve::{self, Started};
use crate::config::Config;
use crate::console::Console;
use crate::input;
use crate::project;
use crate::report::{self, Failure};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use stepwright_asl::NamedDefinition;
use stepwright_engine::Collector;
use stepwright_functions::{Functions, Place};
use stepwright_json::{Json, Object, json};
use stepwright_program::CheckOptions;
use stepwright_projects::{Host, Projects, newest, python_stamps, stamp};
use stepwright_server::Api;

/// How often the files are checked for changes.
const EVERY: Duration = Duration::from_millis(400);

/// The role of a state machine whose file does not name one.
const ROLE: &str = "arn:aws:iam::123456789012:role/stepwright-dev";

pub(crate) fn run(arguments: &Dev) -> Result<ExitCode, Failure> {
    let files =
        if arguments.files.is_empty() { definitions_here()? } else { arguments.files.clone() };
    let serving = in_memory(&arguments.serve);
    let mut config = serve::config(&serving)?;
    let (projects, definitions): (Vec<_>, Vec<_>) =
        files.into_iter().partition(|file| project::is_project(file));
    let (data, has_logs) = (config.server.data.as_deref(), config.server.logs.is_some());
    let open = Projects::open(&projects, data, &config.place(), Arc::new(Console))
        .map_err(project::unusable)?;
    open.add_functions(&mut config.functions);
    let mut assembly = serve::assembly(&serving, config)?;
    assembly.local = Some(Arc::new(open.clone()));
    assembly.observers.push(Arc::new(open.clone()));
    let watched = Watched {
        definitions,
        config: serving.config.clone().unwrap_or_else(|| "stepwright.toml".into()),
        load: arguments.load.clone(),
        project_files: projects,
        projects: open.clone(),
        has_logs,
    };
    let code = serve::run_with(serving.log, assembly, |started: Started| {
        let Started { url, api, functions, otlp } = started;
        let collector = otlp.map(|otlp| otlp as Arc<dyn Collector>);
        let engine = api.engine().clone();
        open.connect(&Host { engine, functions: functions.clone(), collector });
        tokio::spawn(watched.follow(api, functions));
        report::announce(&format!("The page is at {url}/"));
    });
    open.shut_down();
    code
}

/// Nothing is stored unless a directory is named.
fn in_memory(arguments: &Serve) -> Serve {
    let memory = arguments.data.is_none();
    Serve { memory, ..arguments.clone() }
}

/// The definitions in the current directory.
fn definitions_here() -> Result<Vec<PathBuf>, Failure> {
    let entries = std::fs::read_dir(".")
        .map_err(|error| Failure::new(format!("cannot read this directory: {error}")))?;
    let ends = [".asl.json", ".asl.yaml", ".asl.yml", "project.py", "project.sfn"];
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| ends.iter().any(|end| path.to_string_lossy().ends_with(end)))
        .map(|path| path.strip_prefix(".").map_or(path.clone(), Path::to_owned))
        .collect();
    files.sort();
    if files.is_empty() {
        return Err(Failure::new(
            "there is no *.asl.json, *.asl.yaml, project.py or project.sfn here",
        )
        .help("name the definitions: stepwright dev order.asl.yaml"));
    }
    Ok(files)
}

/// The files that are watched.
struct Watched {
    definitions: Vec<PathBuf>,
    config: PathBuf,
    load: Load,
    project_files: Vec<PathBuf>,
    projects: Projects,
    /// Whether the logs that machines ask for are written to a directory.
    has_logs: bool,
}

impl Watched {
    async fn follow(self, api: Api, functions: Functions) {
        let mut seen: BTreeMap<PathBuf, SystemTime> = BTreeMap::new();
        let mut projects_seen: BTreeMap<PathBuf, Vec<SystemTime>> = BTreeMap::new();
        let mut functions_seen = self.function_stamps();
        for file in &self.project_files {
            projects_seen.insert(file.clone(), python_stamps(file));
            self.deploy_project(&api, file).await;
        }
        // A subscription may refer to machines of any project.
        for file in &self.project_files {
            self.projects.deployed(file).await;
        }
        loop {
            for file in &self.project_files {
                let stamps = python_stamps(file);
                if projects_seen.get(file) != Some(&stamps) {
                    projects_seen.insert(file.clone(), stamps);
                    if let Err(error) = self.projects.read_again(file) {
                        report::failure(&project::unusable(error));
                        continue;
                    }
                    self.reload(&functions).await;
                    self.deploy_project(&api, file).await;
                    self.projects.deployed(file).await;
                }
            }
            for file in &self.definitions {
                let stamp = stamp(file);
                if seen.get(file) != Some(&stamp) {
                    seen.insert(file.clone(), stamp);
                    self.deploy(&api, file).await;
                }
            }
            let stamps = self.function_stamps();
            if stamps != functions_seen {
                functions_seen = stamps;
                self.reload(&functions).await;
            }
            tokio::time::sleep(EVERY).await;
        }
    }

    /// Creates or updates the state machines of a file.
    async fn deploy(&self, api: &Api, file: &Path) {
        let options = api.engine().options();
        let place = Place { account: options.account.clone(), region: options.region.clone() };
        let loaded = match input::load_to_run(file, &self.load, &place) {
            Ok(loaded) => loaded,
            Err(failure) => return report::failure(&failure),
        };
        report::complaints(loaded.complaints.iter());
        for named in &loaded.definitions {
            let name = named.name.clone().or_else(|| named.logical_id.clone());
            let name = name.unwrap_or_else(|| stem(file));
            match put(api, &name, named).await {
                Ok(what) => report::announce(&format!("{what} {name} ({})", file.display())),
                Err(why) => {
                    let options =
                        CheckOptions { express: named.express, ..CheckOptions::default() };
                    let found = stepwright_program::check_named(named, &options);
                    let text = &named.definition.text;
                    for rendering in report::renderings(&named.file, text, &found) {
                        anstream::eprintln!("{rendering}");
                    }
                    report::failure(&Failure::new(format!("{name} stays as it was: {why}")));
                }
            }
        }
    }

    /// Creates or updates the state machines of a project.
    async fn deploy_project(&self, api: &Api, file: &Path) {
        let machines = match self.projects.machines(file) {
            Ok(machines) => machines,
            Err(error) => return report::failure(&project::unusable(error)),
        };
        for mut named in machines {
            if !self.has_logs {
                // Nobody would read the logs, and the events go to processors anyway.
                named.logging = None;
            }
            let name = named.name.clone().unwrap_or_default();
            match put(api, &name, &named).await {
                Ok(what) => report::announce(&format!("{what} {name} ({})", file.display())),
                Err(why) => {
                    report::failure(&Failure::new(format!("{name} stays as it was: {why}")));
                }
            }
        }
    }

    /// The modification times of the configuration and of its functions' code.
    fn function_stamps(&self) -> Vec<SystemTime> {
        let mut stamps = vec![stamp(&self.config)];
        if let Ok(config) = self.read_config() {
            for function in config.functions.values() {
                if let Some(code) = &function.code {
                    newest(&config.folder.join(code), &mut stamps, 4);
                }
            }
        }
        stamps
    }

    fn read_config(&self) -> Result<Config, Failure> {
        if !self.config.is_file() {
            return Ok(Config::default());
        }
        Config::find(Some(&self.config), Path::new(""))
    }

    async fn reload(&self, functions: &Functions) {
        match self.read_config() {
            Ok(mut config) => {
                self.projects.add_functions(&mut config.functions);
                match functions.reload(config.functions).await {
                    Ok(()) => report::announce("reloaded the functions"),
                    Err(error) => report::failure(&Failure::new(error.to_string())),
                }
            }
            Err(failure) => report::failure(&failure),
        }
    }
}

/// The name of `order.asl.yaml` is `order`.
fn stem(file: &Path) -> String {
    let name = file.file_name().map(|name| name.to_string_lossy().into_owned());
    let name = name.unwrap_or_default();
    name.split(".asl.").next().unwrap_or(&name).trim_end_matches(".json").to_owned()
}

/// Creates a machine, or updates the existing one. Returns what was done.
async fn put(api: &Api, name: &str, named: &NamedDefinition) -> Result<&'static str, String> {
    let mut settings = Object::new();
    settings.insert("definition", named.definition.root.to_json().to_string().into());
    if let Some(logging) = &named.logging {
        settings.insert("loggingConfiguration", logging.clone());
    }
    settings.insert("tracingConfiguration", json!({"enabled": (named.is_traced)}));
    let mut body = settings.clone();
    body.insert("name", name.into());
    body.insert("roleArn", ROLE.into());
    body.insert("type", if named.express { "EXPRESS" } else { "STANDARD" }.into());
    match api.call("CreateStateMachine", body.into()).await {
        Ok(_) => return Ok("created"),
        Err(error) if error.code != "StateMachineAlreadyExists" => return Err(error.message),
        Err(_) => {}
    }
    let options = api.engine().options();
    let arn = format!("arn:aws:states:{}:{}:stateMachine:{name}", options.region, options.account);
    settings.insert("stateMachineArn", arn.into());
    let updated = api.call("UpdateStateMachine", Json::from(settings)).await;
    updated.map(|_| "updated").map_err(|error| error.message)
}
