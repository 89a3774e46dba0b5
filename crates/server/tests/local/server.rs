//! A server with local services on a port of its own.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use stepwright_functions::{Functions, Place};
use stepwright_server::config::{CredentialConfig, ServerConfig};
use stepwright_server::{Api, Assembly, serve};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// It serves until it is dropped.
pub(crate) struct Server {
    pub(crate) url: String,
    pub(crate) api: Api,
    serving: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

pub(crate) fn assembly(data: Option<&Path>, credentials: Vec<CredentialConfig>) -> Assembly {
    let functions = Functions::new(BTreeMap::new(), PathBuf::new(), Place::default());
    let server = ServerConfig {
        data: data.map(Path::to_owned),
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        ..ServerConfig::default()
    };
    Assembly { server, credentials, ..Assembly::new(functions.expect("there are none")) }
}

pub(crate) async fn start(data: Option<&Path>, credentials: Vec<CredentialConfig>) -> Server {
    serve_assembly(assembly(data, credentials)).await
}

pub(crate) async fn serve_assembly(assembly: Assembly) -> Server {
    let serving = assembly.open().await.expect("it opens");
    let api = serving.api.clone();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let address = listener.local_addr().expect("it has an address");
    let serving = tokio::spawn(serve(listener, serving, std::future::pending()));
    Server { url: format!("http://{address}"), api, serving }
}

/// A key that may do these actions on these resources.
pub(crate) fn key(actions: &[&str], resources: &[&str]) -> CredentialConfig {
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    CredentialConfig {
        access_key_id: "AKIDEXAMPLE".to_owned(),
        secret_access_key: Some("secret".to_owned()),
        actions: texts(actions),
        resources: texts(resources),
        account: None,
    }
}
