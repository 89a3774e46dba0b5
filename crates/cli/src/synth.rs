//! `stepwright synth`: makes CloudFormation templates from definitions and projects.

mod beside;
mod output;

use crate::args::Synth;
use crate::report::{self, Failure};
use crate::{input, project};
use beside::Beside;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use stepwright_constructs::template_from_definition;
use stepwright_deployment::{Origin, synthesize};
use stepwright_fluxio::{Mode, compile};

/// The folder for a project's files, unless another one is given.
const FOLDER: &str = "stepwright.out";

/// `stepwright synth`
pub(crate) fn synth(arguments: &Synth) -> Result<ExitCode, Failure> {
    if project::is_project(&arguments.file) {
        return of_project(arguments);
    }
    if arguments.output.is_some() {
        return Err(Failure::new(
            "`--out` is for projects: the template of a definition is printed",
        )
        .help("redirect it: stepwright synth flow.asl.json > template.json"));
    }
    let named = input::pick(&arguments.file, &arguments.load)?;
    let definition = crate::policy::definition(&named)?;
    let name = match (&arguments.id, &named.logical_id) {
        (Some(id), _) | (None, Some(id)) => id.clone(),
        (None, None) => logical_id(&arguments.file.to_string_lossy()),
    };
    let (template, notes) = template_from_definition(&name, &definition)
        .map_err(|misuses| Failure::new(misuses.to_string()))?;
    crate::policy::tell(&notes);
    report::print_json(&template.to_json());
    Ok(ExitCode::SUCCESS)
}

/// Writes the folder that a project is deployed from.
fn of_project(arguments: &Synth) -> Result<ExitCode, Failure> {
    let path = &arguments.file;
    let load = &arguments.load;
    let for_definitions = [
        ("--id", arguments.id.is_some()),
        ("--set", !load.set.is_empty()),
        ("--values", load.values.is_some()),
        ("--state-machine", load.state_machine.is_some()),
    ];
    if let Some((option, _)) = for_definitions.iter().find(|(_, is_given)| *is_given) {
        let message = format!("`{option}` is for definitions: a project is deployed as a whole");
        return Err(Failure::new(message).help("leave it out"));
    }
    let text = input::read_text(path)?;
    let compiled = compile(&text, Mode::Documented);
    let compiled = compiled.map_err(|errors| project::said(path, &text, &errors))?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new(".")).canonicalize().map_err(|error| {
        Failure::new(format!("it is not known where {} is: {error}", path.display()))
    })?;
    let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let beside = Beside::new(&folder, path.file_name().unwrap_or_default());
    let requirements = beside.requirements()?;
    let find = |package: &str| beside.find(package);
    let origin = Origin::new(&name).packages(&find);
    let origin = match &requirements {
        Some(requirements) => origin.requirements(requirements),
        None => origin,
    };
    let deployment = synthesize(&compiled, &origin)
        .map_err(|refused| project::said(path, &text, &refused.diagnostics()));
    // Files that could not be read are reported first: other errors may follow from them.
    beside.or_ok()?;
    let deployment = deployment?;
    let out = arguments.output.clone().unwrap_or_else(|| PathBuf::from(FOLDER));
    output::write(&out, &deployment.files)?;
    for note in &deployment.notes {
        anstream::eprintln!("note: {note}");
    }
    for shown in output::listing(&out, &deployment.files) {
        anstream::println!("{shown}");
    }
    Ok(ExitCode::SUCCESS)
}

/// The logical id made from a file's name: `order-flow.asl.json` gives `OrderFlow`.
fn logical_id(path: &str) -> String {
    let file = path.rsplit(['/', '\\']).next().unwrap_or_default();
    let stem = file.split('.').next().unwrap_or_default();
    let words = stem.split(|letter: char| !letter.is_ascii_alphanumeric());
    let id: String = words
        .filter_map(|word| {
            let first = word.get(..1)?.to_ascii_uppercase();
            Some(first + word.get(1..).unwrap_or_default())
        })
        .collect();
    if id.is_empty() { "StateMachine".to_owned() } else { id }
}

#[cfg(test)]
mod tests {
    use super::logical_id;

    #[test]
    fn files_make_logical_ids() {
        assert_eq!(logical_id("flows/order-flow.asl.json"), "OrderFlow");
        assert_eq!(logical_id("-"), "StateMachine");
        assert_eq!(logical_id("bestellung.yaml"), "Bestellung");
    }
}
