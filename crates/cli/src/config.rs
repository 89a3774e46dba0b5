//! `stepwright.toml`: what the functions are.

use crate::input;
use crate::report::Failure;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use stepwright_functions::{Function, Functions, LogSink, Place};
use stepwright_server::config::{
    CredentialConfig, MachineConfig, ObjectsConfig, OtlpConfig, ServerConfig,
};

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
    /// A collector for logs and traces.
    pub(crate) otlp: Option<OtlpConfig>,
    /// Where the file stands.
    #[serde(skip)]
    pub(crate) folder: PathBuf,
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
            function
                .check(name)
                .map_err(|error| Failure::new(format!("{}: {error}", path.display())))?;
        }
        Ok(config)
    }

    /// The functions, printing to a sink. None is started before it is called.
    pub(crate) fn functions(&self, sink: LogSink) -> Result<Functions, Failure> {
        let functions = self.functions.clone();
        let (folder, place) = (self.folder.clone(), self.place());
        Functions::configured(functions, folder, place, sink, Vec::new())
            .map_err(|error| Failure::new(error.to_string()))
    }

    /// Where machines and functions pretend to be.
    pub(crate) fn place(&self) -> Place {
        Place { account: self.server.account.clone(), region: self.server.region.clone() }
    }
}
