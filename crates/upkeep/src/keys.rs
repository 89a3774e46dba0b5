//! The keys that a configuration names, whatever else is in it.

use serde::Deserialize;
use std::path::Path;
use stepwright_server::config::EncryptionConfig;
use stepwright_server::encryption::keyring;
use stepwright_store::Keyring;
use stepwright_terminal::report::Failure;

#[derive(Deserialize)]
struct Encrypted {
    encryption: Option<EncryptionConfig>,
}

/// The keys of a configuration, or of `stepwright.toml` if there is one.
pub(crate) fn keys_of(named: Option<&Path>) -> Result<Option<Keyring>, Failure> {
    let usual = Path::new("stepwright.toml");
    let Some(file) = named.or_else(|| usual.is_file().then_some(usual)) else { return Ok(None) };
    keys_in(file).map_err(Failure::new)
}

/// The keys of a configuration, or why there are none.
pub(crate) fn keys_in(file: &Path) -> Result<Option<Keyring>, String> {
    let shown = file.display();
    let text =
        std::fs::read_to_string(file).map_err(|error| format!("cannot read {shown}: {error}"))?;
    let config: Encrypted =
        toml::from_str(&text).map_err(|error| format!("{shown} cannot be used:\n{error}"))?;
    let folder = file.parent().unwrap_or(Path::new(""));
    keyring(config.encryption.as_ref(), folder).map_err(|error| format!("{shown}: {error}"))
}
