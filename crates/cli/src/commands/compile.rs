use crate::args::Compile;
use crate::input;
use crate::project::{read, said};
use crate::report::{self, Failure};
use std::process::ExitCode;
use stepwright_fluxio::Mode;
use stepwright_json::{Json, Object};

/// `stepwright compile`
pub(crate) fn run(arguments: &Compile) -> Result<ExitCode, Failure> {
    let mode = if arguments.compat { Mode::Compat } else { Mode::Documented };
    let path = &arguments.file;
    let project = read(path, mode)?;
    let printed = match &arguments.machine {
        Some(name) => {
            let machine = project.machines.get(name).ok_or_else(|| {
                Failure::new(format!("{} has no state machine `{name}`", path.display()))
                    .help(format!("it has {}", project.names.join(", ")))
            })?;
            match &machine.definition {
                Ok(definition) => definition.clone(),
                Err(error) => return Err(said(path, &input::read_text(path)?, [&**error])),
            }
        }
        None => {
            let errors: Vec<_> = project.errors().collect();
            if !errors.is_empty() {
                return Err(said(path, &input::read_text(path)?, errors));
            }
            let machines = project.names.iter().filter_map(|name| {
                let definition = project.machines.get(name)?.definition.as_ref().ok()?;
                Some((name.as_str(), definition.clone()))
            });
            Json::from(machines.collect::<Object>())
        }
    };
    report::print_json(&printed);
    Ok(ExitCode::SUCCESS)
}
