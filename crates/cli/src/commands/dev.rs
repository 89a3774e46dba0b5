//! `stepwright dev`: a server whose state machines, functions and resources follow their files.

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
use stepwright_asl::{Complaint, NamedDefinition};
use stepwright_dev::{Configured, Follower, Level, Read, Surroundings, Teller, files};
use stepwright_engine::Collector;
use stepwright_projects::{Host, Projects};

pub(crate) fn run(arguments: &Dev) -> Result<ExitCode, Failure> {
    let files = named(arguments)?;
    let mut serving = in_memory(&arguments.serve);
    let place = match serving.config.clone() {
        Some(named) => named,
        None => files::configuration(&files).map_err(|found| several(&found))?,
    };
    if place.is_file() {
        serving.config = Some(place.clone());
    }
    let mut config = serve::config(&serving)?;
    let projects: Vec<PathBuf> =
        files.iter().filter(|file| project::is_project(file)).cloned().collect();
    let (data, has_logs) = (config.server.data.as_deref(), config.server.logs.is_some());
    let open = Projects::open(&projects, data, &config.place(), Arc::new(Console))
        .map_err(project::unusable)?;
    open.add_functions(&mut config.functions);
    let level = match (arguments.quiet, arguments.verbose) {
        (true, _) => Level::Quiet,
        (_, true) => Level::Verbose,
        _ => Level::Usual,
    };
    let teller = Teller::new(level, report::announce);
    let mut assembly = serve::assembly(&serving, config, Some(teller.sink()))?;
    // The follower makes what the configuration declares, and says so.
    assembly.resources = None;
    assembly.local = Some(Arc::new(open.clone()));
    assembly.observers.push(Arc::new(open.clone()));
    assembly.observers.push(Arc::new(teller));
    let surroundings = Arc::new(Here { load: arguments.load.clone(), config: place.clone() });
    let folder = arguments.files.is_empty().then(|| PathBuf::from("."));
    let projects = open.clone();
    let code = serve::run_with(serving.log, assembly, |started: Started| {
        let Started { url, api, functions, otlp, services, .. } = started;
        let collector = otlp.map(|otlp| otlp as Arc<dyn Collector>);
        let engine = api.engine().clone();
        projects.connect(&Host { engine, functions: functions.clone(), collector });
        let follower = Follower {
            files,
            folder,
            config: place,
            projects,
            has_logs,
            surroundings,
            api,
            functions,
            services,
        };
        tokio::spawn(follower.follow());
        report::announce(&format!("The console is at {url}/"));
    });
    open.shut_down();
    code
}

/// The files that are named, or those of this directory.
fn named(arguments: &Dev) -> Result<Vec<PathBuf>, Failure> {
    let cannot = |path: &Path, error: std::io::Error| {
        Failure::new(format!("cannot read {}: {error}", path.display()))
    };
    let mut all = Vec::new();
    for path in &arguments.files {
        // A file that is not there is a mistake, not one that may come.
        std::fs::metadata(path).map_err(|error| cannot(path, error))?;
        let found = files::of(path).map_err(|error| cannot(path, error))?;
        if found.is_empty() {
            return Err(Failure::new(format!("{} holds no definition", path.display())));
        }
        all.extend(found);
    }
    if arguments.files.is_empty() {
        all = files::here(Path::new(".")).map_err(|error| cannot(Path::new("."), error))?;
        if all.is_empty() {
            return Err(Failure::new(
                "there is no *.asl.json, *.asl.yaml, template.yaml, cdk.out, project.py or project.sfn here",
            )
            .help("name the files: stepwright dev order.asl.yaml"));
        }
    }
    Ok(all)
}

fn several(found: &[PathBuf]) -> Failure {
    let shown: Vec<String> = found.iter().map(|path| path.display().to_string()).collect();
    Failure::new(format!("these files have several configurations: {}", shown.join(", ")))
        .help("name the one to use with --config")
}

/// Nothing is stored unless a directory is named.
fn in_memory(arguments: &Serve) -> Serve {
    let memory = arguments.data.is_none() && arguments.store.is_none();
    Serve { memory, ..arguments.clone() }
}

/// What the files are read with, and where people see what happens.
struct Here {
    load: Load,
    config: PathBuf,
}

impl Surroundings for Here {
    fn read(&self, file: &Path, values: &BTreeMap<String, String>) -> Option<Read> {
        input::load_with(file, &self.load, values).map_err(|failure| report::failure(&failure)).ok()
    }

    fn bytes(&self, file: &Path) -> Option<Vec<u8>> {
        input::read(file).map_err(|failure| report::failure(&failure)).ok()
    }

    fn given(&self) -> BTreeMap<String, String> {
        // What cannot be read is said when the file is.
        input::values(&self.load).unwrap_or_default()
    }

    fn configured(&self) -> Option<Configured> {
        if !self.config.is_file() {
            return Some(Configured::default());
        }
        let config = Config::find(Some(&self.config), Path::new(""));
        let config = config.map_err(|failure| report::failure(&failure)).ok()?;
        let resources = stepwright_stacks::template(&config.resources);
        Some(Configured { functions: config.functions, folder: config.folder, resources })
    }

    fn announce(&self, line: &str) {
        report::announce(line);
    }

    fn warn(&self, line: &str) {
        report::warning(line);
    }

    fn fail(&self, line: &str) {
        report::failure(&Failure::new(line));
    }

    fn complain(&self, complaints: &[Complaint]) {
        report::complaints(complaints.iter());
    }

    fn read_project(&self, projects: &Projects, file: &Path) -> bool {
        let read = projects.read_again(file);
        read.map_err(|error| report::failure(&project::unusable(error))).is_ok()
    }

    fn machines(&self, projects: &Projects, file: &Path) -> Option<Vec<NamedDefinition>> {
        projects.machines(file).map_err(|error| report::failure(&project::unusable(error))).ok()
    }
}
