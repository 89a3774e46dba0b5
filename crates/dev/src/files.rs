//! Which files of a folder declare state machines.

use std::io;
use std::path::{Path, PathBuf};

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A definition, or a template that may declare more than state machines.
    Definition,
    /// A Fluxio project.
    Project,
}

/// What a file is, by its name.
pub fn kind(path: &Path) -> Kind {
    let is_project = path.extension().is_some_and(|ending| ending == "py" || ending == "sfn");
    if is_project { Kind::Project } else { Kind::Definition }
}

/// The endings of definitions, and the names of templates and projects.
const DEFINITIONS: [&str; 3] = [".asl.json", ".asl.yaml", ".asl.yml"];
const TEMPLATES: [&str; 4] =
    ["template.yaml", "template.yml", "template.json", "template.template"];
const PROJECTS: [&str; 2] = ["project.py", "project.sfn"];

/// Whether a file is a template, by its name.
pub(crate) fn is_template(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    name.is_some_and(|name| TEMPLATES.contains(&name.as_str()) || is_of_the_cdk(&name))
}

/// The folder that the CDK writes its templates to.
const CDK: &str = "cdk.out";

/// The files that declare state machines in a folder: definitions, projects, `template.yaml`, and the
/// templates in `cdk.out`.
pub fn here(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = named(folder, |name| {
        DEFINITIONS.iter().any(|ending| name.ends_with(ending))
            || TEMPLATES.contains(&name)
            || PROJECTS.contains(&name)
    })?;
    let cdk = folder.join(CDK);
    if cdk.is_dir() {
        found.extend(named(&cdk, is_of_the_cdk)?);
    }
    Ok(found)
}

fn is_of_the_cdk(name: &str) -> bool {
    name.ends_with(".template.json") && !name.ends_with(".nested.template.json")
}

/// The configuration of files that were named: the one beside them, or else that of this directory. Files of
/// several folders may have several; these are the error, unless this directory has one for all of them.
pub fn configuration(files: &[PathBuf]) -> Result<PathBuf, Vec<PathBuf>> {
    let here = PathBuf::from(CONFIGURATION);
    let mut found: Vec<PathBuf> = Vec::new();
    for file in files {
        let beside = file.with_file_name(CONFIGURATION);
        if beside.is_file() && !found.contains(&beside) {
            found.push(beside);
        }
    }
    match found.len() {
        0 => Ok(here),
        1 => Ok(found.remove(0)),
        _ if here.is_file() => Ok(here),
        _ => Err(found),
    }
}

const CONFIGURATION: &str = "stepwright.toml";

/// The files that a path stands for: a folder for what is found in it, `cdk.out` for its templates.
pub fn of(path: &Path) -> io::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let of_the_cdk = named(path, is_of_the_cdk)?;
    if of_the_cdk.is_empty() { here(path) } else { Ok(of_the_cdk) }
}

fn named(folder: &Path, is_wanted: impl Fn(&str) -> bool) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        if name.is_some_and(|name| is_wanted(&name)) && path.is_file() {
            files.push(path.strip_prefix(".").map_or(path.clone(), Path::to_owned));
        }
    }
    files.sort();
    Ok(files)
}
