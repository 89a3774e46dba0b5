//! Tasks that the PEXPM runner runs: the runner is a function that is deployed elsewhere, and each
//! task is a package for it.

use crate::names::id;
use crate::template::Template;
use stepwright_json::json;

/// The parameter for the runner's ARN.
pub(crate) const FUNCTION: &str = "PexpmRunnerFunctionArn";

/// Adds the parameters of a task: the name of its package, and the version.
pub(crate) fn add(template: &mut Template, task: &str) {
    template.text(FUNCTION, "The ARN of the function that runs PEX packages");
    let short = id(task);
    let description = format!("The package that is built from tasks/{task}");
    let default = package_name(task);
    template.parameter(
        &format!("PackageName{short}"),
        json!({"Type": "String", "Default": (default), "Description": (description)}),
    );
    template
        .text(&format!("PackageVersion{short}"), &format!("The version of the package of {task}"));
}

/// The name of a task's package: `fluxio-do-it` for `DoIt`.
pub(crate) fn package_name(task: &str) -> String {
    let mut name = String::from("fluxio");
    for letter in task.chars() {
        if letter.is_ascii_uppercase() {
            name.push('-');
        }
        name.push(letter.to_ascii_lowercase());
    }
    name
}
