//! A server for the tests, and requests as bytes.

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::SystemTime;
use stepwright_functions::{Function, Functions, Place};
use stepwright_server::config::{
    Configured, CredentialConfig, OidcConfig, RoleConfig, ServerConfig,
};
use stepwright_server::{Assembly, ReloadError, Reloader, Serving, serve};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

pub(crate) const KEY: &str = "AKIDEXAMPLE";
pub(crate) const SECRET: &str = "a secret that nobody knows";
pub(crate) const TOKEN: &str = "scrape-me-if-you-can";
pub(crate) const FUNCTION: &str = "/2015-03-31/functions/echo/invocations";

/// A plain configuration on a free port.
pub(crate) fn server() -> ServerConfig {
    ServerConfig { listen: SocketAddr::from(([127, 0, 0, 1], 0)), ..ServerConfig::default() }
}

/// A key that may do these actions on these resources.
pub(crate) fn key(actions: &[&str], resources: &[&str]) -> CredentialConfig {
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    CredentialConfig {
        access_key_id: KEY.to_owned(),
        secret_access_key: Some(SECRET.to_owned()),
        actions: texts(actions),
        resources: texts(resources),
        account: None,
    }
}

/// Has a server take over what is configured now.
pub(crate) async fn reload(
    reloader: &Reloader,
    server: &ServerConfig,
    credentials: &[CredentialConfig],
    roles: &[RoleConfig],
    oidc: Option<&OidcConfig>,
) -> Result<(), ReloadError> {
    let accounts = &BTreeMap::new();
    reloader.reload(Configured { server, credentials, roles, accounts, oidc }, None).await
}

/// A key that may do everything.
pub(crate) fn master() -> CredentialConfig {
    key(&["*"], &["*"])
}

pub(crate) fn assembly(server: ServerConfig, credentials: Vec<CredentialConfig>) -> Assembly {
    let echo: Function = toml::from_str("echo = true").expect("it is a function");
    let functions = BTreeMap::from([("echo".to_owned(), echo)]);
    let place = Place { account: server.account.clone(), region: server.region.clone() };
    let functions = Functions::new(functions, PathBuf::new(), place).expect("they are functions");
    Assembly { server, credentials, ..Assembly::new(functions) }
}

/// A server that serves until the test ends.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) serving: Serving,
}

impl Server {
    pub(crate) async fn start(server: ServerConfig, credentials: Vec<CredentialConfig>) -> Self {
        let serving = assembly(server, credentials).open().await.expect("it opens");
        Self::serve(serving).await
    }

    pub(crate) async fn serve(serving: Serving) -> Self {
        Self::serve_on("127.0.0.1", serving).await
    }

    /// Starts a server that listens on this address. Requests are sent to the loopback address.
    pub(crate) async fn serve_on(address: &str, serving: Serving) -> Self {
        let listener = TcpListener::bind((address, 0)).await.expect("a port is free");
        let port = listener.local_addr().expect("it has an address").port();
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        tokio::spawn(serve(listener, serving.clone(), std::future::pending()));
        Self { address, serving }
    }

    /// Sends a request and returns the answer.
    pub(crate) async fn ask(&self, request: &Request) -> Answer {
        self.ask_bytes(&request.bytes(self.address)).await
    }

    /// Sends bytes and returns the answer.
    pub(crate) async fn ask_bytes(&self, bytes: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(self.address).await.expect("it listens");
        stream.write_all(bytes).await.expect("it reads");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.expect("it answers");
        Answer::read(&answer)
    }
}

/// A request. Its `Host` is `127.0.0.1:PORT` unless another one is given.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Request {
    pub(crate) fn new(method: &str, target: &str) -> Self {
        let (method, target) = (method.to_owned(), target.to_owned());
        Self { method, target, headers: Vec::new(), body: String::new() }
    }

    /// A call of an operation.
    pub(crate) fn operation(name: &str, body: &str) -> Self {
        let request =
            Self::new("POST", "/").with("x-amz-target", &format!("AWSStepFunctions.{name}"));
        Self { body: body.to_owned(), ..request }
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn with_body(self, body: &str) -> Self {
        Self { body: body.to_owned(), ..self }
    }

    /// Signs it with the key, for the service that its path belongs to.
    pub(crate) fn signed(self, address: SocketAddr) -> Self {
        let signer = Signer { service: service(&self.target), ..Signer::default() };
        self.signed_by(address, signer)
    }

    /// Signs it with AWS's own code.
    pub(crate) fn signed_by(mut self, address: SocketAddr, signer: Signer<'_>) -> Self {
        let identity = Credentials::from_keys(signer.key, signer.secret, None).into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(signer.region)
            .name(signer.service)
            .time(signer.time)
            .settings(SigningSettings::default())
            .build()
            .expect("nothing is missing")
            .into();
        let url = format!("http://{address}{}", self.target);
        let headers = self.headers.iter().map(|(name, value)| (&**name, &**value));
        let body = SignableBody::Bytes(self.body.as_bytes());
        let signable = SignableRequest::new(&self.method, &url, headers, body);
        let signable = signable.expect("it can be signed");
        let (instructions, _) = sign(signable, &parameters).expect("it is signed").into_parts();
        for (name, value) in instructions.headers() {
            self.headers.push((name.to_owned(), value.to_owned()));
        }
        self
    }

    pub(crate) fn bytes(&self, address: SocketAddr) -> Vec<u8> {
        let Self { method, target, headers, body } = self;
        let mut text = format!("{method} {target} HTTP/1.1\r\n");
        if !headers.iter().any(|(name, _)| name == "host") {
            write!(text, "host: {address}\r\n").expect("text grows");
        }
        for (name, value) in headers {
            write!(text, "{name}: {value}\r\n").expect("text grows");
        }
        let length = body.len();
        write!(text, "content-length: {length}\r\nconnection: close\r\n\r\n{body}")
            .expect("text grows");
        text.into_bytes()
    }
}

/// The service that a path belongs to.
pub(crate) fn service(target: &str) -> &'static str {
    if target.starts_with("/2015-03-31") { "lambda" } else { "states" }
}

/// The parameters of a signature.
pub(crate) struct Signer<'a> {
    pub(crate) key: &'a str,
    pub(crate) secret: &'a str,
    pub(crate) region: &'a str,
    pub(crate) service: &'a str,
    pub(crate) time: SystemTime,
}

impl Default for Signer<'_> {
    fn default() -> Self {
        Self {
            key: KEY,
            secret: SECRET,
            region: "us-east-1",
            service: "states",
            time: SystemTime::now(),
        }
    }
}

/// The answer of the server.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Without the headers that differ from answer to answer.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn read(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok());
        let mut headers: BTreeMap<_, _> = lines
            .filter_map(|line| line.split_once(": "))
            .filter(|(name, _)| !["date", "x-amzn-requestid"].contains(name))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        // Errors of S3 say the id in their text.
        let id = headers.remove("x-amz-request-id").filter(|id| !id.is_empty());
        Self {
            status: status.unwrap_or_else(|| panic!("no status in {text:?}")),
            headers,
            body: id.map_or_else(|| body.to_owned(), |id| body.replace(&id, "")),
        }
    }

    /// The error's name.
    pub(crate) fn error(&self) -> &str {
        self.headers.get("x-amzn-errortype").map_or("", String::as_str)
    }
}
