use crate::args::{Graph, GraphFormat};
use crate::input;
use crate::report::Failure;
use std::process::ExitCode;

/// `stepwright graph`
pub(crate) fn graph(arguments: &Graph) -> Result<ExitCode, Failure> {
    let named = input::pick(&arguments.file, &arguments.load)?;
    let program = super::run::compile(&named)?;
    let by_ending = arguments.out.as_ref().and_then(|path| match path.extension()?.to_str()? {
        "mmd" | "mermaid" => Some(GraphFormat::Mermaid),
        "dot" | "gv" => Some(GraphFormat::Dot),
        _ => None,
    });
    let picture = match arguments.format.or(by_ending).unwrap_or(GraphFormat::Svg) {
        GraphFormat::Svg => stepwright_graph::svg(&program),
        GraphFormat::Mermaid => stepwright_graph::mermaid(&program),
        GraphFormat::Dot => stepwright_graph::dot(&program),
    };
    match &arguments.out {
        None => anstream::print!("{picture}"),
        Some(path) => std::fs::write(path, picture)
            .map_err(|error| Failure::new(format!("cannot write {}: {error}", path.display())))?,
    }
    Ok(ExitCode::SUCCESS)
}
