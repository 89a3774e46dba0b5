//! Fluxio projects: workflows written in Python.

use crate::input;
use crate::report::Failure;
use std::path::Path;
use stepwright_asl::Loaded;
use stepwright_dev::files;
use stepwright_fluxio::{Mode, Project, Site, compile};
use stepwright_functions::Place;
use stepwright_projects::ProjectError;
use stepwright_source::Diagnostic;

/// The machine to use if none is named.
pub(crate) const MAIN: &str = "main";

/// Whether a file is a project, which is decided by its extension: `.py` or `.sfn`.
pub(crate) fn is_project(path: &Path) -> bool {
    files::kind(path) == files::Kind::Project
}

/// Compiles a project. If this fails, the reasons have been printed.
pub(crate) fn read(path: &Path, mode: Mode) -> Result<Project, Failure> {
    let text = input::read_text(path)?;
    let read = match mode {
        Mode::Compat => compile(&text, mode),
        Mode::Documented => stepwright_fluxio::read(&text),
    };
    read.map_err(|errors| said(path, &text, &errors))
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

/// Loads the state machines of a project like those of any other file, on this machine if there is
/// a place.
pub(crate) fn load(path: &Path, place: Option<&Place>) -> Result<Loaded, Failure> {
    let text = input::read_text(path)?;
    let site = place.map(site);
    Ok(stepwright_fluxio::load(&text, &path.display().to_string(), site.as_ref()))
}

/// Loads a project to check it: with what a deployment refuses, and with all remarks.
pub(crate) fn check(path: &Path) -> Result<Loaded, Failure> {
    let text = input::read_text(path)?;
    let folder = path.canonicalize().ok().and_then(|path| Some(path.parent()?.to_owned()));
    let folder = folder.as_deref().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
    Ok(stepwright_deployment::check(&text, &path.display().to_string(), &folder))
}

/// The site of a project's machines that keep their names.
pub(crate) fn site(place: &Place) -> Site {
    let Place { region, account } = place.clone();
    Site { region, account, prefix: String::new() }
}
