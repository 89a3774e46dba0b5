//! A section of `[services]`, as it is written.

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::fmt;

/// `[services.NAME]` of `stepwright.toml`: where a service is called. The name is the one that AWS
/// SDK integrations have for it; `default` stands for all services without a section of their own.
///
/// In place of a section, `NAME = "local"` and `NAME = "aws"` can be written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceConfig {
    /// Whether it is the service of this machine.
    pub local: bool,
    /// The URL of an emulator, or of anything else that answers as the service does.
    pub endpoint: Option<String>,
    /// Whether the service is called on AWS.
    pub aws: bool,
    /// The region, if it is not the one of the state machine.
    pub region: Option<String>,
    /// The profile of AWS's configuration files that has the credentials.
    pub profile: Option<String>,
    /// How long one attempt of a call may take; 60 seconds if left out.
    pub timeout_seconds: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Section {
    #[serde(default)]
    local: bool,
    endpoint: Option<String>,
    #[serde(default)]
    aws: bool,
    region: Option<String>,
    profile: Option<String>,
    timeout_seconds: Option<u64>,
}

impl<'de> Deserialize<'de> for ServiceConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Written)
    }
}

/// Takes a word or a section.
struct Written;

impl<'de> Visitor<'de> for Written {
    type Value = ServiceConfig;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"local\", \"aws\" or a section")
    }

    fn visit_str<E: Error>(self, word: &str) -> Result<ServiceConfig, E> {
        let config = ServiceConfig::default();
        match word {
            "local" => Ok(ServiceConfig { local: true, ..config }),
            "aws" => Ok(ServiceConfig { aws: true, ..config }),
            word => Err(E::custom(format!(
                "`{word}` is no place of a service: write \"local\", \"aws\" or a section"
            ))),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ServiceConfig, A::Error> {
        let section = Section::deserialize(MapAccessDeserializer::new(map))?;
        let Section { local, endpoint, aws, region, profile, timeout_seconds } = section;
        Ok(ServiceConfig { local, endpoint, aws, region, profile, timeout_seconds })
    }
}
