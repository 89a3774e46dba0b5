//! A server for fuzz targets.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;
use stepwright_functions::{Functions, Place};
use stepwright_server::config::{CredentialConfig, ServerConfig};
use stepwright_server::{Assembly, Serving};

/// What a server allows.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Whether callers need a key.
    pub has_keys: bool,
}

/// A server in memory that waits for nothing long.
pub async fn serving(limits: Limits) -> Serving {
    let functions = Functions::new(BTreeMap::new(), PathBuf::new(), Place::default());
    let mut assembly = Assembly::new(functions.expect("there are none"));
    assembly.server = ServerConfig { activity_poll_seconds: 0, ..ServerConfig::default() };
    if limits.has_keys {
        assembly.credentials.push(CredentialConfig {
            access_key_id: "AKIDEXAMPLE".to_owned(),
            secret_access_key: "secret".to_owned(),
            actions: vec!["*".to_owned()],
            resources: vec!["*".to_owned()],
        });
    }
    let mut serving = assembly.open().await.expect("it opens");
    serving.longest_request = Duration::from_secs(1);
    serving.longest_answer = Duration::from_secs(1);
    serving
}
