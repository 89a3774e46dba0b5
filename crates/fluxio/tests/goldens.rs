//! Compares with the output of the original for the projects in the reference data. Skipped with a
//! note if they are not available.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "the projects are read from files, and a test that is skipped says so"
)]

use std::path::{Path, PathBuf};
use stepwright_fluxio::{Mode, Project, compile};
use stepwright_json::{Json, Object};

fn projects() -> Vec<(String, String, Json)> {
    let shared = std::env::var_os("STEPWRIGHT_SHARED").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
        PathBuf::from,
    );
    let folder = shared.join("goldens/fluxio");
    let Ok(entries) = std::fs::read_dir(&folder) else {
        println!("skipped: the goldens are not at hand");
        return Vec::new();
    };
    let mut folders: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    folders.sort();
    let read = |path: &Path| std::fs::read_to_string(path).ok();
    folders
        .iter()
        .filter_map(|folder| {
            let name = folder.file_name()?.to_string_lossy().into_owned();
            let source = read(&folder.join("project.py"))?;
            let output = stepwright_json::parse(&read(&folder.join("output.json"))?).ok()?;
            Some((name, source, output))
        })
        .collect()
}

#[test]
fn projects_compile_as_the_original_compiles_them() {
    let mut wrong = Vec::new();
    let all = projects();
    for (name, source, expected) in &all {
        if let Err(difference) = compare(&compile(source, Mode::Compat), expected) {
            wrong.push(format!("{name}: {difference}"));
        }
    }
    println!("{} of {} projects agree", all.len() - wrong.len(), all.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn compare<E: std::fmt::Debug>(
    project: &Result<Project, E>,
    expected: &Json,
) -> Result<(), String> {
    let is_rejected = expected.get("error").is_some();
    let project = match (project, is_rejected) {
        (Err(_), true) => return Ok(()),
        (Err(errors), false) => return Err(format!("was rejected: {errors:?}")),
        (Ok(_), true) => return Err(format!("should be rejected: {expected}")),
        (Ok(project), false) => project,
    };
    let members =
        |key: &str| expected.get(key).and_then(Json::as_object).cloned().unwrap_or_default();
    let machines = members("state_machines");
    same("machines", &names(project.machines.keys()), &names(machines.keys()))?;
    for (name, expected) in machines.iter() {
        let machine = &project.machines[name.as_str()];
        let get = |key: &str| expected.get(key).cloned().unwrap_or_default();
        let option = |object: &Option<Object>| object.clone().map_or(Json::Null, Json::from);
        let decorators = &machine.decorators;
        same("is_first_class", &Json::Bool(machine.is_first_class), &get("is_first_class"))?;
        same("is_map_iterator", &Json::Bool(machine.is_map_iterator), &get("is_map_iterator"))?;
        same("name", &machine.normalized_name.as_str().into(), &get("normalized_name"))?;
        same("logical id", &machine.logical_id().into(), &get("cf_logical_id"))?;
        same("schedule", &option(&decorators.schedule), &get("schedule"))?;
        same("export", &option(&decorators.export), &get("export"))?;
        same("event processor", &option(&decorators.event_processor), &get("event_processor"))?;
        let subscribes: Vec<Json> = decorators.subscribes.iter().cloned().map(Json::from).collect();
        same("subscribes", &subscribes.into(), &get("subscribes"))?;
        match (&machine.definition, expected.get("error")) {
            (Err(_), Some(_)) => continue,
            (Err(error), None) => return Err(format!("{name} was rejected: {error:?}")),
            (Ok(_), Some(error)) => return Err(format!("{name} should be rejected: {error}")),
            (Ok(definition), None) => same(name, definition, &get("definition"))?,
        }
        let states: Vec<Json> = machine
            .task_states
            .iter()
            .map(|state| {
                let variables: Vec<Json> =
                    state.variables.iter().map(|name| name.as_str().into()).collect();
                let members: [(&str, Json); 4] = [
                    ("key", state.key.as_str().into()),
                    ("task", state.task.as_str().into()),
                    ("service", state.service.as_str().into()),
                    ("variable_names", variables.into()),
                ];
                members.into_iter().collect::<Object>().into()
            })
            .collect();
        same("task states", &states.into(), &get("task_states"))?;
    }
    let tasks = members("tasks");
    same("tasks", &names(project.tasks.keys()), &names(tasks.keys()))?;
    for (name, expected) in tasks.iter() {
        let task = &project.tasks[name.as_str()];
        let get = |key: &str| expected.get(key).cloned().unwrap_or_default();
        same("attributes", &task.attributes.clone().into(), &get("attributes"))?;
        let run = task.run.as_ref();
        let dependencies = run.map_or(Json::Null, |run| names(run.dependencies.iter()));
        same("dependencies", &dependencies, &get("dependencies"))?;
        let imports = get("imports").as_array().map_or(0, |imports| imports.len());
        if run.map_or(0, |run| run.imports.len()) != imports {
            return Err(format!("{name} has other imports than {}", get("imports")));
        }
        if run.is_some() != get("run_method").as_str().is_some() {
            return Err(format!("{name} has no run method, or should have none"));
        }
    }
    let processors = members("event_processors");
    same("processors", &names(project.event_processors.keys()), &names(processors.keys()))
}

fn names<S: AsRef<str>>(names: impl Iterator<Item = S>) -> Json {
    let mut names: Vec<String> = names.map(|name| name.as_ref().to_owned()).collect();
    names.sort();
    names.into_iter().map(Json::from).collect::<Vec<_>>().into()
}

fn same(what: &str, ours: &Json, theirs: &Json) -> Result<(), String> {
    if sorted(ours) == sorted(theirs) {
        return Ok(());
    }
    Err(format!("{what} differs\n  ours   {}\n  theirs {}", sorted(ours), sorted(theirs)))
}

/// The same value with its keys sorted.
fn sorted(value: &Json) -> Json {
    match value {
        Json::Object(members) => {
            let mut all: Vec<_> =
                members.iter().map(|(key, value)| (key.clone(), sorted(value))).collect();
            all.sort_by(|(a, _), (b, _)| a.cmp(b));
            all.into_iter().collect::<Object>().into()
        }
        Json::Array(items) => items.iter().map(sorted).collect::<Vec<_>>().into(),
        other => other.clone(),
    }
}
