//! An HTTP API that answers as a test wants.

use crate::stub::read;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use stepwright_aws::codec::Request;
use stepwright_integrations::{AwsServices, ConnectionConfig, HttpConfig, ServiceConfig};
use stepwright_json::{Json, json};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

/// What an API answers.
pub(crate) enum Says {
    /// Bytes, after which the connection is closed.
    Raw(Vec<u8>),
    /// Bytes that never end, after a head.
    Endless,
    /// A head, and then one byte each tenth of a second.
    Slow,
    /// Nothing, forever.
    Silence,
}

/// An answer with a body of JSON.
pub(crate) fn json_body(status: u16, body: &str) -> Says {
    answer(status, "Content-Type: application/json\r\n", body)
}

/// An answer with these headers.
pub(crate) fn answer(status: u16, headers: &str, body: &str) -> Says {
    let length = body.len();
    let head = format!("HTTP/1.1 {status} X\r\n{headers}Content-Length: {length}\r\n\r\n{body}");
    Says::Raw(head.into_bytes())
}

type Answers = dyn Fn(&Request, usize) -> Says + Send + Sync;

/// An API on a port of this machine.
pub(crate) struct Web {
    pub(crate) port: u16,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Web {
    /// Starts an API without encryption. `answers` is given the request and how many there were
    /// before.
    pub(crate) async fn start(
        answers: impl Fn(&Request, usize) -> Says + Send + Sync + 'static,
    ) -> Self {
        Self::serve(None, answers).await
    }

    pub(crate) async fn serve(
        tls: Option<TlsAcceptor>,
        answers: impl Fn(&Request, usize) -> Says + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let port = listener.local_addr().expect("it has an address").port();
        let web = Self { port, requests: Arc::default() };
        let requests = web.requests.clone();
        let answers: Arc<Answers> = Arc::new(answers);
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let (requests, answers, tls) = (requests.clone(), answers.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => converse(connection, &requests, &*answers).await,
                        Some(tls) => {
                            if let Ok(connection) = tls.accept(connection).await {
                                converse(connection, &requests, &*answers).await;
                            }
                        }
                    }
                });
            }
        });
        web
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().clone()
    }

    pub(crate) fn last(&self) -> Request {
        self.requests.lock().last().cloned().expect("there was a request")
    }
}

async fn converse(
    mut connection: impl AsyncRead + AsyncWrite + Unpin,
    requests: &Mutex<Vec<Request>>,
    answers: &Answers,
) {
    let Some(request) = read(&mut connection).await else { return };
    let before = {
        let mut requests = requests.lock();
        requests.push(request.clone());
        requests.len() - 1
    };
    let head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n";
    match answers(&request, before) {
        Says::Raw(bytes) => drop(connection.write_all(&bytes).await),
        Says::Endless => {
            drop(connection.write_all(head).await);
            let chunk = [b"10000\r\n".to_vec(), vec![b'x'; 0x10000], b"\r\n".to_vec()].concat();
            while connection.write_all(&chunk).await.is_ok() {}
        }
        Says::Slow => {
            drop(connection.write_all(head).await);
            while connection.write_all(b"1\r\nx\r\n").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
        Says::Silence => std::future::pending().await,
    }
    drop(connection.shutdown().await);
}

/// What a file in `folder` says of services, connections and HTTP.
pub(crate) fn configured(folder: &Path, text: &str) -> Arc<AwsServices> {
    #[derive(serde::Deserialize)]
    struct Config {
        #[serde(default)]
        services: BTreeMap<String, ServiceConfig>,
        #[serde(default)]
        http: HttpConfig,
        #[serde(default)]
        connections: BTreeMap<String, ConnectionConfig>,
    }
    let config: Config = toml::from_str(text).expect("it is TOML");
    let services = AwsServices::new(&config.services).expect("it is right");
    let services = services.with_connections(&config.http, &config.connections, folder);
    Arc::new(services.expect("it is right"))
}

/// A certificate for `localhost`, written to `ca.pem`, and what serves with it.
pub(crate) fn certificate(folder: &Path) -> TlsAcceptor {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]);
    let made = made.expect("a certificate can be made");
    std::fs::write(folder.join("ca.pem"), made.cert.pem()).expect("it can be written");
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("it is a key");
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("there are versions")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .expect("they belong together");
    TlsAcceptor::from(Arc::new(config))
}

/// The parameters of a call with the connection `c`.
pub(crate) fn call(url: &str, method: &str, more: Json) -> Json {
    let connection = "arn:aws:events:us-east-1:123456789012:connection/c/1";
    let mut given = json!({
        "ApiEndpoint": url, "Method": method, "InvocationConfig": {"ConnectionArn": connection}
    });
    if let (Json::Object(given), Json::Object(more)) = (&mut given, more) {
        for (name, value) in more.iter() {
            given.insert(name.clone(), value.clone());
        }
    }
    given
}
