//! What may be wrong with a definition.

use stepwright_asl::Definition;
use stepwright_source::Diagnostic;

/// Every complaint about a definition, in the order AWS gives them, errors and warnings.
pub fn check(definition: &Definition) -> Vec<Diagnostic> {
    crate::compile(definition).err().unwrap_or_default()
}
