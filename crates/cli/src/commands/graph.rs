use crate::args::{Graph, GraphFormat};
use crate::input;
use crate::report::Failure;
use std::path::Path;
use std::process::ExitCode;

/// `stepwright graph`
pub(crate) fn graph(arguments: &Graph) -> Result<ExitCode, Failure> {
    let named = input::pick(&arguments.file, &arguments.load)?;
    let program = super::run::compile(&named)?;
    let (form, path) = form(arguments)?;
    let picture = match form {
        GraphFormat::Svg => stepwright_graph::svg(&program),
        GraphFormat::Mermaid => stepwright_graph::mermaid(&program),
        GraphFormat::Dot => stepwright_graph::dot(&program),
    };
    match path {
        None => anstream::print!("{picture}"),
        Some(path) => std::fs::write(path, picture)
            .map_err(|error| Failure::new(format!("cannot write {}: {error}", path.display())))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The form of the picture, and the file that it is written to.
fn form(arguments: &Graph) -> Result<(GraphFormat, Option<&Path>), Failure> {
    let Some(path) = arguments.output.as_deref() else {
        return Ok((arguments.format.unwrap_or(GraphFormat::Svg), None));
    };
    let known = |ending: &str| match ending {
        "svg" => Some(GraphFormat::Svg),
        "mmd" | "mermaid" => Some(GraphFormat::Mermaid),
        "dot" | "gv" => Some(GraphFormat::Dot),
        _ => None,
    };
    if let (Some(form), false) = (known(&path.to_string_lossy()), path.exists()) {
        return Ok((form, None));
    }
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
    let ending = ending.unwrap_or_default();
    match (arguments.format, known(&ending)) {
        (Some(form), _) | (None, Some(form)) => Ok((form, Some(path))),
        (None, None) => {
            let what = match ending.as_str() {
                "" => format!("{} does not tell the form of the picture", path.display()),
                ending => format!("a {} cannot be made", ending.to_uppercase()),
            };
            Err(Failure::new(what).help(
                "write *.svg, *.mmd (Mermaid) or *.dot (Graphviz); a browser, Inkscape and `rsvg-convert` \
                 turn an SVG into a PNG",
            ))
        }
    }
}
