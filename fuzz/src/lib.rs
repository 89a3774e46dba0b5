//! A server for fuzz targets.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use stepwright_functions::{Functions, Place};
use stepwright_server::config::{CredentialConfig, ServerConfig};
use stepwright_server::{Answering, Api, Assembly};
use tokio::runtime::{Builder, Runtime};

/// How many inputs one server gets.
const INPUTS: u32 = 500;

/// A server in memory that waits for nothing long, with the runtime that it lives on.
pub struct Server {
    runtime: Option<Runtime>,
    /// Its operations.
    pub api: Api,
    /// Takes connections.
    pub answering: Arc<Answering>,
    /// The number of inputs that it has had.
    pub inputs: u32,
}

impl Server {
    fn new(has_keys: bool) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().expect("there is room");
        let functions = Functions::new(BTreeMap::new(), PathBuf::new(), Place::default());
        let mut assembly = Assembly::new(functions.expect("there are none"));
        assembly.server = ServerConfig { activity_poll_seconds: 0, ..ServerConfig::default() };
        if has_keys {
            assembly.credentials.push(CredentialConfig {
                access_key_id: "AKIDEXAMPLE".to_owned(),
                secret_access_key: Some("secret".to_owned()),
                actions: vec!["*".to_owned()],
                resources: vec!["*".to_owned()],
                account: None,
            });
        }
        let mut serving = runtime.block_on(assembly.open()).expect("it opens");
        serving.longest_request = Duration::from_secs(1);
        serving.longest_answer = Duration::from_secs(1);
        let api = serving.api.clone();
        Self {
            runtime: Some(runtime),
            api,
            answering: Arc::new(Answering::new(serving)),
            inputs: 0,
        }
    }

    /// Waits for a future.
    pub fn run<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.as_ref().expect("it is taken on drop only").block_on(future)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.run(self.api.engine().shutdown());
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Gives an input to a server, which has had other inputs before.
pub fn with_server(has_keys: bool, input: impl FnOnce(&Server)) {
    static SERVERS: [Mutex<Option<Server>>; 2] = [Mutex::new(None), Mutex::new(None)];
    let mut server = SERVERS[usize::from(has_keys)].lock().expect("no input has panicked");
    if server.as_ref().is_some_and(|server| server.inputs == INPUTS) {
        *server = None;
    }
    let server = server.get_or_insert_with(|| Server::new(has_keys));
    input(server);
    server.inputs += 1;
}
