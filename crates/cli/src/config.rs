//! `stepwright.toml`: what the functions are.

use crate::input;
use crate::report::Failure;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use stepwright_server::config::{CredentialConfig, MachineConfig, ObjectsConfig, ServerConfig};

/// The file, as it is read.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// Functions by name: a whole ARN, a function's name, or a state's name.
    #[serde(default)]
    pub(crate) functions: BTreeMap<String, Function>,
    /// The server.
    #[serde(default)]
    pub(crate) server: ServerConfig,
    /// Who may call it.
    #[serde(default)]
    pub(crate) credentials: Vec<CredentialConfig>,
    /// Limits of state machines, by name.
    #[serde(default)]
    pub(crate) machines: BTreeMap<String, MachineConfig>,
    /// What stands for S3.
    #[serde(default)]
    pub(crate) objects: ObjectsConfig,
    /// Where the file stands.
    #[serde(skip)]
    pub(crate) folder: PathBuf,
}

/// One function: exactly one of `command`, `http`, `echo` and `return`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Function {
    /// A command: JSON on its standard input, JSON on its standard output.
    pub(crate) command: Option<Vec<String>>,
    /// An endpoint: JSON is posted, JSON comes back.
    pub(crate) http: Option<String>,
    /// Gives back its input.
    #[serde(default)]
    pub(crate) echo: bool,
    /// Gives back this.
    #[serde(rename = "return")]
    pub(crate) returns: Option<toml::Value>,
    /// How long a fixed answer takes: `500ms`, `2s`.
    pub(crate) after: Option<String>,
}

impl Config {
    /// Reads the file; where none is named, the one beside the definition, if there is one.
    pub(crate) fn find(named: Option<&Path>, definition: &Path) -> Result<Self, Failure> {
        let folder = definition.parent().unwrap_or(Path::new(""));
        let path = match named {
            Some(path) => path.to_owned(),
            None => {
                let path = folder.join("stepwright.toml");
                if !path.is_file() {
                    return Ok(Self::default());
                }
                path
            }
        };
        let text = input::read_text(&path)?;
        let mut config: Self = toml::from_str(&text).map_err(|error| {
            Failure::new(format!("{} cannot be used:\n{error}", path.display()))
        })?;
        config.folder = path.parent().map(Path::to_owned).unwrap_or_default();
        for (name, function) in &config.functions {
            let kinds = usize::from(function.command.is_some())
                + usize::from(function.http.is_some())
                + usize::from(function.echo)
                + usize::from(function.returns.is_some());
            if kinds != 1 {
                return Err(Failure::new(format!(
                    "{}: the function `{name}` needs one of `command`, `http`, `echo` and `return`",
                    path.display()
                )));
            }
            if function.command.as_ref().is_some_and(Vec::is_empty) {
                return Err(Failure::new(format!(
                    "{}: the command of the function `{name}` is empty",
                    path.display()
                )));
            }
        }
        Ok(config)
    }
}
