//! `stepwright dev`: a server whose state machines and functions follow their files.

use crate::args::{Dev, Load, Serve};
use crate::commands::serve::{self, Started};
use crate::config::Config;
use crate::input;
use crate::project;
use crate::report::{self, Failure};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime};
use stepwright_functions::Functions;
use stepwright_json::{Json, Object};
use stepwright_server::Api;

/// How often the files are looked at.
const EVERY: Duration = Duration::from_millis(400);

/// What a role is called where the definition's file names none.
const ROLE: &str = "arn:aws:iam::123456789012:role/stepwright-dev";

pub(crate) fn run(arguments: &Dev) -> Result<ExitCode, Failure> {
    let files =
        if arguments.files.is_empty() { definitions_here()? } else { arguments.files.clone() };
    if let Some(file) = files.iter().find(|file| project::is_project(file)) {
        return Err(Failure::new(format!(
            "{} is a project, which `dev` does not follow",
            file.display()
        ))
        .help("run it with `stepwright run`, or print its definitions with `stepwright compile`"));
    }
    let config_path = arguments.serve.config.clone().unwrap_or_else(|| "stepwright.toml".into());
    serve::run_with(&in_memory(&arguments.serve), |started: Started| {
        let watched = Watched { files, config: config_path, load: arguments.load.clone() };
        tokio::spawn(watched.follow(started.api, started.functions));
        anstream::println!("The page is at http://{}/", started.address);
    })
}

/// Nothing is kept unless a directory is named.
fn in_memory(arguments: &Serve) -> Serve {
    let memory = arguments.data.is_none();
    Serve { memory, ..arguments.clone() }
}

/// The definitions in this directory.
fn definitions_here() -> Result<Vec<PathBuf>, Failure> {
    let entries = std::fs::read_dir(".")
        .map_err(|error| Failure::new(format!("cannot read this directory: {error}")))?;
    let ends = [".asl.json", ".asl.yaml", ".asl.yml"];
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| ends.iter().any(|end| path.to_string_lossy().ends_with(end)))
        .map(|path| path.strip_prefix(".").map_or(path.clone(), Path::to_owned))
        .collect();
    files.sort();
    if files.is_empty() {
        return Err(Failure::new("there is no *.asl.json or *.asl.yaml here")
            .help("name the definitions: stepwright dev order.asl.yaml"));
    }
    Ok(files)
}

/// The files that are followed.
struct Watched {
    files: Vec<PathBuf>,
    config: PathBuf,
    load: Load,
}

impl Watched {
    async fn follow(self, api: Api, functions: Functions) {
        let mut seen: BTreeMap<PathBuf, SystemTime> = BTreeMap::new();
        let mut functions_seen = self.function_stamps();
        loop {
            for file in &self.files {
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
        let loaded = match input::load(file, &self.load) {
            Ok(loaded) => loaded,
            Err(failure) => return report::failure(&failure),
        };
        for complaint in &loaded.complaints {
            let said = report::render(&complaint.file, &complaint.text, &complaint.diagnostic);
            anstream::eprintln!("{said}");
        }
        for named in &loaded.definitions {
            let name = named.name.clone().or_else(|| named.logical_id.clone());
            let name = name.unwrap_or_else(|| stem(file));
            let definition = named.definition.root.to_json().to_string();
            let kind = if named.express { "EXPRESS" } else { "STANDARD" };
            match put(api, &name, kind, &definition).await {
                Ok(what) => anstream::println!("{what} {name} ({})", file.display()),
                Err(why) => {
                    for diagnostic in
                        crate::commands::run::diagnostics(&named.definition, named.express)
                    {
                        let text = named.definition.text.to_string();
                        anstream::eprintln!("{}", report::render(&named.file, &text, &diagnostic));
                    }
                    report::failure(&Failure::new(format!("{name} stays as it was: {why}")));
                }
            }
        }
    }

    /// When the configuration and the code of its functions were last changed.
    fn function_stamps(&self) -> Vec<SystemTime> {
        let mut stamps = vec![stamp(&self.config)];
        if let Ok(config) = Config::find(Some(&self.config), Path::new("")) {
            for function in config.functions.values() {
                if let Some(code) = &function.code {
                    newest(&config.folder.join(code), &mut stamps, 4);
                }
            }
        }
        stamps
    }

    async fn reload(&self, functions: &Functions) {
        match Config::find(Some(&self.config), Path::new("")) {
            Ok(config) => match functions.reload(config.functions).await {
                Ok(()) => anstream::println!("reloaded the functions"),
                Err(error) => report::failure(&Failure::new(error.to_string())),
            },
            Err(failure) => report::failure(&failure),
        }
    }
}

fn stamp(path: &Path) -> SystemTime {
    let changed = std::fs::metadata(path).and_then(|data| data.modified());
    changed.unwrap_or(SystemTime::UNIX_EPOCH)
}

/// The stamps of the files below a directory, so many levels deep.
fn newest(path: &Path, stamps: &mut Vec<SystemTime>, levels: usize) {
    stamps.push(stamp(path));
    if levels == 0 || !path.is_dir() {
        return;
    }
    let Ok(entries) = std::fs::read_dir(path) else { return };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    for path in paths {
        // What Python writes beside the code is no change of it.
        if path.file_name().is_none_or(|name| name != "__pycache__") {
            newest(&path, stamps, levels - 1);
        }
    }
}

/// `order.asl.yaml` is called `order`.
fn stem(file: &Path) -> String {
    let name = file.file_name().map(|name| name.to_string_lossy().into_owned());
    let name = name.unwrap_or_default();
    name.split(".asl.").next().unwrap_or(&name).trim_end_matches(".json").to_owned()
}

/// Creates a machine, or updates the one there is; what was done.
async fn put(api: &Api, name: &str, kind: &str, definition: &str) -> Result<&'static str, String> {
    let mut body = Object::new();
    body.insert("name", name.into());
    body.insert("definition", definition.into());
    body.insert("roleArn", ROLE.into());
    body.insert("type", kind.into());
    match api.call("CreateStateMachine", body.into()).await {
        Ok(_) => return Ok("created"),
        Err(error) if error.code != "StateMachineAlreadyExists" => return Err(error.message),
        Err(_) => {}
    }
    let options = api.engine().options();
    let arn = format!("arn:aws:states:{}:{}:stateMachine:{name}", options.region, options.account);
    let mut body = Object::new();
    body.insert("stateMachineArn", arn.into());
    body.insert("definition", definition.into());
    let updated = api.call("UpdateStateMachine", Json::from(body)).await;
    updated.map(|_| "updated").map_err(|error| error.message)
}
