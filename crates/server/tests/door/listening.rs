//! Where the server listens, under which names it is reached, and encryption.

use crate::support::{
    Answer, KEY, Request, SECRET, Server, Signer, assembly, key, master, reload, server,
};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use stepwright_server::config::{CredentialConfig, RoleConfig, ServerConfig, TlsConfig};
use stepwright_server::{AssemblyError, ReloadError};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// A certificate for `localhost` in a directory, and a client that trusts it.
fn certificate(folder: &Path) -> (TlsConfig, TlsConnector) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]);
    let made = made.expect("a certificate can be made");
    let config = TlsConfig { certificate: folder.join("cert.pem"), key: folder.join("key.pem") };
    std::fs::write(&config.certificate, made.cert.pem()).expect("it can be written");
    std::fs::write(&config.key, made.signing_key.serialize_pem()).expect("it can be written");
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(made.cert.der().to_vec())).expect("it is a certificate");
    let mut client = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("there are versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    // Each connection looks at the certificate.
    client.resumption = Resumption::disabled();
    (config, TlsConnector::from(Arc::new(client)))
}

async fn ask(server: &Server, connector: &TlsConnector, request: &Request) -> Answer {
    let stream = TcpStream::connect(server.address).await.expect("it listens");
    let name = ServerName::try_from("localhost").expect("it is a name");
    let mut stream = connector.connect(name, stream).await.expect("they agree");
    stream.write_all(&request.bytes(server.address)).await.expect("it reads");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("it answers");
    Answer::read(&answer)
}

#[tokio::test]
async fn connections_are_encrypted_where_a_certificate_is_configured() {
    let folder = tempfile::tempdir().expect("a directory can be made");
    let (tls, connector) = certificate(folder.path());
    let config = ServerConfig { tls: Some(tls), ..server() };
    let mut serving = assembly(config, vec![master()]).open().await.expect("it opens");
    serving.longest_handshake = Duration::from_millis(500);
    assert!(serving.is_encrypted());
    let server = Server::serve(serving).await;

    let list = Request::operation("ListStateMachines", "{}").signed(server.address);
    let answer = ask(&server, &connector, &list).await;
    assert_eq!((answer.status, &*answer.body), (200, "{\"stateMachines\":[]}"));
    assert_eq!(ask(&server, &connector, &Request::new("GET", "/")).await.status, 401);
    let foreign = Request::new("GET", "/").with("origin", "https://evil.example");
    assert_eq!(ask(&server, &connector, &foreign).await.status, 403);

    // A client that does not encrypt gets no useful answer.
    let mut plain = TcpStream::connect(server.address).await.expect("it listens");
    plain.write_all(b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n").await.expect("it reads");
    let mut answer = Vec::new();
    plain.read_to_end(&mut answer).await.ok();
    assert!(!answer.starts_with(b"HTTP"), "{}", String::from_utf8_lossy(&answer));

    // Clients that are slow with the handshake do not block others, and are dropped.
    let began = Instant::now();
    let mut silent = Vec::new();
    for _ in 0..100 {
        silent.push(TcpStream::connect(server.address).await.expect("it listens"));
    }
    assert_eq!(ask(&server, &connector, &list).await.status, 200);
    for mut stream in silent {
        assert_eq!(stream.read(&mut [0]).await.ok().unwrap_or_default(), 0, "it was answered");
    }
    assert!(began.elapsed() >= Duration::from_millis(400), "they were given no time");
}

/// The error of a configuration that is refused.
async fn refused(config: ServerConfig, keys: usize) -> Option<AssemblyError> {
    let credentials = vec![master(); keys];
    assembly(config, credentials).open().await.err()
}

#[tokio::test]
async fn whoever_listens_to_all_needs_keys_and_encryption() {
    let folder = tempfile::tempdir().expect("a directory can be made");
    let (tls, _) = certificate(folder.path());
    for address in ["0.0.0.0:0", "[::]:0", "192.168.1.5:0"] {
        let listen: SocketAddr = address.parse().expect("it is an address");
        let config = ServerConfig { listen, ..server() };
        let insecure = ServerConfig { insecure: true, ..config.clone() };
        let encrypted = ServerConfig { tls: Some(tls.clone()), ..config.clone() };
        assert!(matches!(refused(config.clone(), 0).await, Some(AssemblyError::Unprotected(_))));
        assert!(matches!(refused(insecure.clone(), 0).await, Some(AssemblyError::Unprotected(_))));
        assert!(matches!(refused(encrypted.clone(), 0).await, Some(AssemblyError::Unprotected(_))));
        assert!(matches!(refused(config, 1).await, Some(AssemblyError::Unencrypted(_))));
        assert!(refused(insecure, 1).await.is_none());
        assert!(refused(encrypted, 1).await.is_none());
    }
    let own = ServerConfig { listen: "127.0.0.1:0".parse().expect("it is one"), ..server() };
    assert!(refused(own, 0).await.is_none());
}

#[tokio::test]
async fn what_cannot_be_used_is_refused_by_name() {
    let folder = tempfile::tempdir().expect("a directory can be made");
    let (tls, _) = certificate(folder.path());
    let other = tempfile::tempdir().expect("a directory can be made");
    let (others, _) = certificate(other.path());
    let empty = folder.path().join("empty.pem");
    std::fs::write(&empty, "").expect("it can be written");
    let whole = |error: AssemblyError| {
        let mut text = error.to_string();
        let mut source = std::error::Error::source(&error);
        while let Some(error) = source {
            text = format!("{text}: {error}");
            source = error.source();
        }
        text
    };
    for (certificate, key, expected) in [
        (folder.path().join("none.pem"), tls.key.clone(), "none.pem"),
        (empty.clone(), tls.key.clone(), "has no certificate"),
        (tls.certificate.clone(), empty, "empty.pem"),
        (tls.certificate.clone(), others.key, "cannot be used"),
    ] {
        let tls = Some(TlsConfig { certificate, key });
        let error = refused(ServerConfig { tls, ..server() }, 0).await.expect("it is refused");
        let text = whole(error);
        assert!(text.contains("[server.tls]") && text.contains(expected), "{text}");
    }
    let hosts = vec!["flows.example.com".to_owned(), "http://x".to_owned()];
    let error = refused(ServerConfig { hosts, ..server() }, 0).await.expect("it is refused");
    assert!(error.to_string().contains("http://x"), "{error}");
    let metrics_token = Some(String::new());
    let error =
        refused(ServerConfig { metrics_token, ..server() }, 0).await.expect("it is refused");
    assert!(error.to_string().contains("metrics_token"), "{error}");
    let error = refused(server(), 2).await.expect("it is refused");
    assert!(error.to_string().contains(KEY) && error.to_string().contains("twice"), "{error}");
    let nothing = [("", SECRET), (KEY, ""), ("a:b", SECRET)];
    for (id, secret) in nothing {
        let mut wrong = key(&["*"], &["*"]);
        (wrong.access_key_id, wrong.secret_access_key) = (id.to_owned(), Some(secret.to_owned()));
        let error = assembly(server(), vec![wrong]).open().await.expect_err("it is refused");
        assert!(error.to_string().contains("[[credentials]]"), "{error}");
    }
}

#[tokio::test]
async fn configured_hosts_are_answered_to() {
    let hosts = vec!["flows.example.com".to_owned(), "*.inner.example".to_owned()];
    let server = Server::start(ServerConfig { hosts, ..server() }, Vec::new()).await;
    let cases = [
        ("flows.example.com", 200),
        ("sync-flows.example.com:8083", 200),
        ("a.inner.example", 200),
        ("inner.example", 403),
        ("www.flows.example.com", 403),
    ];
    for (host, expected) in cases {
        let answer = server.ask(&Request::new("GET", "/").with("host", host)).await;
        assert_eq!(answer.status, expected, "{host}: {answer:?}");
    }
    let page = Request::new("GET", "/")
        .with("host", "flows.example.com")
        .with("origin", "https://flows.example.com");
    assert_eq!(server.ask(&page).await.status, 200);
}

#[tokio::test]
async fn the_address_that_is_listened_on_is_a_host() {
    let serving = assembly(server(), Vec::new()).open().await.expect("it opens");
    let server = Server::serve_on("0.0.0.0", serving).await;
    for (host, expected) in [("0.0.0.0:8083", 200), ("127.0.0.1", 200), ("192.0.2.7", 403)] {
        let answer = server.ask(&Request::new("GET", "/").with("host", host)).await;
        assert_eq!(answer.status, expected, "{host}: {answer:?}");
    }
}

/// The statuses of `GET /health`, `GET /` and `ListStateMachines`, as another user of this machine gets
/// them.
fn as_another_user(address: SocketAddr) -> Option<String> {
    let script = "import sys, urllib.error, urllib.request as r\n\
                  url = sys.argv[1]\n\
                  call = {'X-Amz-Target': 'AWSStepFunctions.ListStateMachines'}\n\
                  for ask in [r.Request(url + '/health'), r.Request(url), r.Request(url, b'{}', call)]:\n    \
                      try: print(r.urlopen(ask).status)\n    \
                      except urllib.error.HTTPError as error: print(error.code, error.read().decode())\n";
    let mut client = std::process::Command::new("python3");
    client.args(["-c", script, &format!("http://{address}")]).uid(65_534).gid(65_534);
    // That user may have no Python.
    let output = client.current_dir("/").output().ok()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    (!said.is_empty()).then_some(said)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_keys_other_users_of_the_machine_are_not_served() {
    // Only the superuser can be somebody else, and only Linux tells who connects.
    if !rustix::process::geteuid().is_root() || !cfg!(target_os = "linux") {
        eprintln!("skipped: this test needs the superuser of Linux");
        return;
    }
    let ask = |server: ServerConfig, keys: usize| async move {
        let serving = assembly(server, vec![master(); keys]).open().await.expect("it opens");
        let server = Server::serve(serving).await;
        let address = server.address;
        tokio::task::spawn_blocking(move || as_another_user(address)).await.expect("it ends")
    };
    let Some(stranger) = ask(server(), 0).await else {
        eprintln!("skipped: another user cannot run python3 here");
        return;
    };
    let lines: Vec<&str> = stranger.lines().collect();
    assert_eq!(lines.len(), 3, "{stranger}");
    assert_eq!(lines[0], "200");
    for refused in &lines[1..] {
        assert!(refused.starts_with("403 "), "{stranger}");
        assert!(refused.contains("AccessDeniedException"), "{stranger}");
        assert!(refused.contains("any_user"), "{stranger}");
    }
    let any = ServerConfig { any_user: true, ..server() };
    assert_eq!(ask(any, 0).await.as_deref(), Some("200\n200\n200\n"));
    // Where there are keys, they decide.
    let keyed = ask(server(), 1).await.unwrap_or_default();
    assert!(keyed.contains("Missing Authentication Token"), "{keyed}");
}

#[tokio::test]
async fn keys_and_certificates_are_replaced_while_it_serves() {
    let folder = tempfile::tempdir().expect("a directory can be made");
    let (tls, before) = certificate(folder.path());
    let config = ServerConfig { tls: Some(tls.clone()), ..server() };
    let serving = assembly(config.clone(), vec![master()]).open().await.expect("it opens");
    let reloader = serving.reloader();
    let server = Server::serve(serving).await;
    let list = Request::operation("ListStateMachines", "{}").signed(server.address);
    assert_eq!(ask(&server, &before, &list).await.status, 200);

    // Another certificate, and another key; the first one goes.
    let (_, after) = certificate(folder.path());
    let other = CredentialConfig { access_key_id: "AKIDOTHER".to_owned(), ..master() };
    let role = RoleConfig { arn: "arn:aws:iam::123456789012:role/r".to_owned(), allow: vec![] };
    reload(&reloader, &config, std::slice::from_ref(&other), &[role], None)
        .await
        .expect("they are valid");
    let signer = Signer { key: "AKIDOTHER", ..Signer::default() };
    let by_other = Request::operation("ListStateMachines", "{}").signed_by(server.address, signer);
    assert_eq!(ask(&server, &after, &by_other).await.status, 200);
    assert_eq!(ask(&server, &after, &list).await.status, 403);
    let stream = TcpStream::connect(server.address).await.expect("it listens");
    let name = ServerName::try_from("localhost").expect("it is a name");
    assert!(before.connect(name, stream).await.is_err(), "the old certificate is shown");

    // What cannot be used changes nothing, not even the part that could.
    std::fs::write(&tls.key, "no key").expect("it can be written");
    let refused =
        reload(&reloader, &config, &[master()], &[], None).await.expect_err("it is refused");
    assert!(matches!(refused, ReloadError::Tls(_)), "{refused}");
    let refused = reload(&reloader, &config, &[other.clone(), other], &[], None).await;
    assert!(matches!(refused, Err(ReloadError::Credentials(_))));
    let refused = reload(&reloader, &config, &[], &[], None).await;
    assert!(matches!(refused, Err(ReloadError::Keys)));
    let plain = ServerConfig { tls: None, ..config };
    let refused = reload(&reloader, &plain, &[master()], &[], None).await;
    assert!(matches!(refused, Err(ReloadError::Encryption)));
    assert_eq!(ask(&server, &after, &by_other).await.status, 200);
}
