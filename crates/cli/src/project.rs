//! Fluxio projects: workflows written in Python.

use crate::input;
use crate::report::Failure;
use std::path::Path;
use stepwright_asl::{Complaint, Definition, Loaded, NamedDefinition};
use stepwright_fluxio::{Mode, Project, compile};
use stepwright_projects::ProjectError;
use stepwright_source::Diagnostic;

/// The machine to use if none is named.
pub(crate) const MAIN: &str = "main";

/// Whether a file is a project, which is decided by its extension `.py`.
pub(crate) fn is_project(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "py")
}

/// Compiles a project. If this fails, the reasons have been printed.
pub(crate) fn read(path: &Path, mode: Mode) -> Result<Project, Failure> {
    let text = input::read_text(path)?;
    compile(&text, mode).map_err(|errors| said(path, &text, &errors))
}

/// Converts the error of an unusable project. Errors in the project's text are printed here.
pub(crate) fn unusable(error: ProjectError) -> Failure {
    match error {
        ProjectError::Wrong { file, text, diagnostics } => {
            said(Path::new(&file), &text, &diagnostics)
        }
        ProjectError::Unusable { message, help: Some(help) } => Failure::new(message).help(help),
        ProjectError::Unusable { message, help: None } => Failure::new(message),
    }
}

/// Prints what is wrong with a project.
pub(crate) fn said<'d>(
    path: &Path,
    text: &str,
    errors: impl IntoIterator<Item = &'d Diagnostic>,
) -> Failure {
    for error in errors {
        anstream::eprintln!(
            "{}",
            stepwright_source::render(&path.display().to_string(), text, error)
        );
    }
    Failure::Said
}

/// Loads the state machines of a project like those of any other file.
pub(crate) fn load(path: &Path) -> Result<Loaded, Failure> {
    let text = input::read_text(path)?;
    let file = path.display().to_string();
    let mut loaded = Loaded::default();
    match compile(&text, Mode::Documented) {
        Err(errors) => {
            loaded.complaints = errors
                .into_iter()
                .map(|diagnostic| Complaint {
                    file: file.clone(),
                    text: text.as_str().into(),
                    diagnostic,
                })
                .collect();
        }
        Ok(project) => {
            for name in &project.names {
                // In this mode, every machine has a definition.
                let Some(Ok(definition)) = project.machines.get(name).map(|one| &one.definition)
                else {
                    continue;
                };
                loaded.definitions.push(NamedDefinition::new(
                    Some(name.clone()),
                    format!("{file} ({name})"),
                    Definition::from_json(definition),
                ));
            }
        }
    }
    Ok(loaded)
}
