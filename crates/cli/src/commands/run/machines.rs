//! The state machines in the file that is run.

use crate::args::{LimitsChoice, Load, Run};
use crate::commands::compile;
use crate::config::Config;
use crate::report::Failure;
use crate::{input, project};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use stepwright_asl::{NamedDefinition, Template};
use stepwright_functions::{Function, Place};
use stepwright_program::{Limits, Program};
use stepwright_projects::{Listener, Projects};
use stepwright_run::{Machines, Runnable};
use tempfile::TempDir;

/// What was read.
pub(super) struct Read {
    pub(super) machines: Machines,
    /// The definition of the machine to run, if a person has written it.
    pub(super) main: Option<NamedDefinition>,
    /// The functions of a template.
    pub(super) functions: BTreeMap<String, Function>,
    /// The code of functions that stands in a template. It is deleted when this is dropped.
    pub(super) inline_code: Option<TempDir>,
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
        return Ok(Read { machines, main: None, functions: BTreeMap::new(), inline_code: None });
    }
    if arguments.state_data.is_some() {
        let what = "`--state-data` goes with a project (a file that ends in .py)";
        return Err(Failure::new(what));
    }
    let (values, functions, inline_code) = of_template(path, &arguments.load, &place)?;
    let loaded = match &inline_code {
        Some(_) => input::load_with(path, &arguments.load, &values)?.loaded,
        None => input::load_to_run(path, &arguments.load, &place)?,
    };
    let meant = input::picked(path, &arguments.load, &loaded)?;
    let written = Some(meant.clone());
    let main = runnable(meant, path, arguments.limits, &place)?;
    let others = loaded.definitions.iter().filter(|other| !std::ptr::eq(*other, meant));
    let others = others.filter_map(|other| {
        let program = stepwright_program::compile(&other.definition).ok()?;
        Some(made(other, path, program, arguments.limits, &place))
    });
    let machines = Machines { main, others: others.collect(), project: None };
    Ok(Read { machines, main: written, functions, inline_code })
}

/// What the references of a template give, its functions, and the folder of code that stands in it.
/// There is no folder if the file is no template.
#[expect(clippy::type_complexity, reason = "it is taken apart at once")]
fn of_template(
    path: &Path,
    load: &Load,
    place: &Place,
) -> Result<(BTreeMap<String, String>, BTreeMap<String, Function>, Option<TempDir>), Failure> {
    // Standard input can be read once only, and has no folder.
    let bytes = if path == Path::new("-") { Vec::new() } else { input::read(path)? };
    let Some(template) = Template::read(&bytes, &path.display().to_string()).0 else {
        return Ok(Default::default());
    };
    let failed = |error: std::io::Error| {
        Failure::new(format!("there is no room for temporary files: {error}"))
    };
    let inline_code = tempfile::Builder::new().prefix("stepwright-inline-").tempdir();
    let inline_code = inline_code.map_err(failed)?;
    let folder = std::path::absolute(path).map_err(failed)?;
    let folder = folder.parent().unwrap_or(Path::new(""));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let deployed = runtime.map_err(failed)?.block_on(stepwright_stacks::preview(
        &template,
        &stepwright_dev::stack_name(path),
        place.clone(),
        folder,
        inline_code.path(),
        input::values(load)?,
    ));
    Ok((deployed.values, deployed.functions, Some(inline_code)))
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
