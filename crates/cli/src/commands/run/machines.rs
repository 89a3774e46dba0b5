//! The state machines in the file that is run.

use crate::args::{LimitsChoice, Run};
use crate::commands::compile;
use crate::config::Config;
use crate::report::Failure;
use crate::{input, project};
use std::path::Path;
use std::sync::Arc;
use stepwright_asl::NamedDefinition;
use stepwright_functions::Place;
use stepwright_program::{Limits, Program};
use stepwright_projects::{Listener, Projects};
use stepwright_run::{Machines, Runnable};

/// What was read.
pub(super) struct Read {
    pub(super) machines: Machines,
    /// The definition of the machine to run, if a person has written it.
    pub(super) main: Option<NamedDefinition>,
}

/// Reads and compiles the machines of a file. Errors in the machine to run are printed; other
/// machines with errors are left out.
pub(super) fn read(
    arguments: &Run,
    config: &Config,
    listener: Arc<dyn Listener>,
) -> Result<Read, Failure> {
    let (path, place) = (&arguments.file, config.place());
    if project::is_project(path) {
        let machines = of_project(arguments, &place, listener)?;
        return Ok(Read { machines, main: None });
    }
    if arguments.state_data.is_some() {
        let what = "`--state-data` goes with a project (a file that ends in .py)";
        return Err(Failure::new(what));
    }
    let loaded = input::load_to_run(path, &arguments.load, &place)?;
    let meant = input::picked(path, &arguments.load, &loaded)?;
    let written = Some(meant.clone());
    let main = runnable(meant, path, arguments.limits, &place)?;
    let others = loaded.definitions.iter().filter(|other| !std::ptr::eq(*other, meant));
    let others = others.filter_map(|other| {
        let program = stepwright_program::compile(&other.definition).ok()?;
        Some(made(other, path, program, arguments.limits, &place))
    });
    let machines = Machines { main, others: others.collect(), project: None };
    Ok(Read { machines, main: written })
}

fn of_project(
    arguments: &Run,
    place: &Place,
    listener: Arc<dyn Listener>,
) -> Result<Machines, Failure> {
    let path = &arguments.file;
    let read = project::read(path, stepwright_fluxio::Mode::Documented)?;
    let state_data = arguments.state_data.as_deref();
    let projects =
        Projects::alone(path, read, state_data, place, listener).map_err(project::unusable)?;
    let wanted = arguments.load.state_machine.as_deref().unwrap_or(project::MAIN);
    let (mut main, mut others, mut names) = (None, Vec::new(), Vec::new());
    for named in projects.machines(path).map_err(project::unusable)? {
        let name = named.name.clone().unwrap_or_default();
        let made = runnable(&named, path, arguments.limits, place)?;
        if name == wanted {
            main = Some(made);
        } else {
            others.push(made);
        }
        names.push(name);
    }
    let main = main.ok_or_else(|| {
        Failure::new(format!("{} holds no state machine `{wanted}`", path.display()))
            .help(format!("it holds {}", names.join(", ")))
    })?;
    Ok(Machines { main, others, project: Some(projects) })
}

fn runnable(
    named: &NamedDefinition,
    path: &Path,
    limits: LimitsChoice,
    place: &Place,
) -> Result<Runnable, Failure> {
    Ok(made(named, path, compile(named)?, limits, place))
}

fn made(
    named: &NamedDefinition,
    path: &Path,
    mut program: Program,
    limits: LimitsChoice,
    place: &Place,
) -> Runnable {
    if limits == LimitsChoice::Extended {
        program.limits = Limits::EXTENDED;
    }
    let name = name_of(named, path);
    Runnable {
        arn: input::machine_arn(place, &name),
        is_express: named.express,
        definition: named.definition.root.to_json().to_string(),
        program: Arc::new(program),
    }
}

/// The name of a machine: the one in the template, otherwise that of the file.
pub(super) fn name_of(named: &NamedDefinition, file: &Path) -> String {
    let stem = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or("machine");
    let stem = stem.split('.').next().unwrap_or(stem);
    let name = named.name.clone().or_else(|| named.logical_id.clone());
    name.unwrap_or_else(|| stem.to_owned())
}
