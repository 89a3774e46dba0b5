use crate::args::Policy;
use crate::input;
use crate::report::{self, Failure};
use std::process::ExitCode;
use stepwright_asl::NamedDefinition;
use stepwright_constructs::policy::{self, Note};
use stepwright_json::Json;

/// `stepwright policy`
pub(crate) fn policy(arguments: &Policy) -> Result<ExitCode, Failure> {
    let named = input::pick(&arguments.file, &arguments.load)?;
    let policy = policy::from_definition(&definition(&named)?, None);
    tell(&policy.notes);
    report::print_json(&policy.to_json());
    Ok(ExitCode::SUCCESS)
}

/// The definition, which must compile.
pub(crate) fn definition(named: &NamedDefinition) -> Result<Json, Failure> {
    crate::commands::compile(named)?;
    Ok(named.definition.root.to_json())
}

/// Prints what the definition does not show.
pub(crate) fn tell(notes: &[Note]) {
    for note in notes {
        anstream::eprintln!("note: state `{}`: {}", note.state, note.message);
    }
}
