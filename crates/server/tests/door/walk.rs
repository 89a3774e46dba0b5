//! Requests every route without the right to.

use crate::support::{
    Answer, KEY, Request, SECRET, Server, Signer, TOKEN, master, server, service,
};
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};
use stepwright_console::ROUTES;

const METHODS: [&str; 9] =
    ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND"];

/// The routes that are open. This list must not grow by accident.
const OPEN: [(&str, &str); 4] =
    [("GET", "/health"), ("HEAD", "/health"), ("GET", "/ready"), ("HEAD", "/ready")];

/// The routes that show nothing of the server, which whoever may connect gets: what the page of the login
/// needs, and the login. Unlike those that are open, they are refused to pages of others.
const FOR_STRANGERS: [(&str, &str); 13] = [
    ("GET", "/console/console.css"),
    ("HEAD", "/console/console.css"),
    ("GET", "/console/console.js"),
    ("HEAD", "/console/console.js"),
    ("GET", "/console/base.js"),
    ("HEAD", "/console/base.js"),
    ("GET", "/console/data.js"),
    ("HEAD", "/console/data.js"),
    ("GET", "/console/drawing.js"),
    ("HEAD", "/console/drawing.js"),
    ("GET", "/console/icon.svg"),
    ("HEAD", "/console/icon.svg"),
    ("POST", "/console/login"),
];

/// Paths that do not exist, some of which resemble those that do.
const NOWHERE: [&str; 14] = [
    "/nowhere",
    "/health/",
    "/health/x",
    "/x/health",
    "/ready/../metrics",
    "//health",
    "/Health",
    "/metrics/",
    "/metrics/health",
    "/2015-03-31/functions/echo/invocations/health",
    "/2015-03-31/functions/echo",
    "/2015-03-31/functions",
    "/console",
    "/%2e%2e/health",
];

/// Every method on every path of the assembled server, and on paths that do not exist. The routes
/// come from the code that builds the router.
fn everywhere(server: &Server) -> Vec<Request> {
    let mut paths: Vec<String> = server
        .serving
        .routes()
        .into_iter()
        .map(|(_, path)| path.replace("{name}", "echo"))
        .chain(NOWHERE.map(str::to_owned))
        .collect();
    paths.sort();
    paths.dedup();
    assert!(paths.iter().all(|path| !path.contains('{')), "a parameter has no value: {paths:?}");
    let target = "AWSStepFunctions.ListStateMachines";
    let methods = |path: String| {
        METHODS
            .map(|method| Request::new(method, &path).with("x-amz-target", target).with_body("{}"))
    };
    paths.into_iter().flat_map(methods).collect()
}

fn is_open(request: &Request) -> bool {
    OPEN.contains(&(&request.method, &request.target))
}

/// Whether a request is for a route that every stranger gets, whatever it is signed with.
fn is_for_strangers(request: &Request) -> bool {
    let path = request.target.split('?').next().unwrap_or_default();
    FOR_STRANGERS.contains(&(&request.method, path))
}

/// What a stranger gets there: an asset, or the page of the login again.
fn check_for_strangers(answer: &Answer, about: &str) {
    let expected = if answer.body.contains("There is no such key") { 401 } else { 200 };
    assert_eq!(answer.status, expected, "{about}: {answer:?}");
    for name in ["set-cookie", "www-authenticate"] {
        assert!(!answer.headers.contains_key(name), "{about}: {answer:?}");
    }
}

/// Checks that a kind of request is refused on every path that is not open, and always with the
/// same answer.
async fn refused(server: &Server, kind: &str, make: impl Fn(Request) -> Request) {
    let mut answers = BTreeMap::new();
    for request in everywhere(server) {
        let made = make(request.clone());
        let answer = server.ask(&made).await;
        // What is signed for S3 names a bucket.
        if is_open(&request) && kind != "service" {
            assert_eq!(answer.status, 200, "{kind}: {made:?}: {answer:?}");
            continue;
        }
        if is_for_strangers(&request) && !["service", "foreign"].contains(&kind) {
            check_for_strangers(&answer, kind);
            continue;
        }
        assert!(matches!(answer.status, 401 | 403), "{kind}: {made:?}: {answer:?}");
        // The answer does not reveal whether the path exists.
        let first = answers.entry(made.method.clone()).or_insert_with(|| answer.clone());
        assert_eq!(*first, answer, "{kind}: {made:?}");
    }
}

async fn guarded() -> Server {
    let config = stepwright_server::config::ServerConfig {
        metrics_token: Some(TOKEN.to_owned()),
        // What says whenever something changes ends before that.
        answer_seconds: 1,
        ..server()
    };
    Server::start(config, vec![master()]).await
}

#[tokio::test]
async fn strangers_are_refused_everywhere() {
    let server = guarded().await;
    refused(&server, "nothing", |request| request).await;
    let claims = [
        "",
        "x",
        "Bearer",
        "Bearer ",
        "Bearer nothing",
        "bearer scrape-me",
        "Basic",
        "Basic !!!",
        // AKIDEXAMPLE with another secret, another key, text without a colon, and nothing.
        "Basic QUtJREVYQU1QTEU6c2VjcmV0",
        "Basic dXNlcjphIHNlY3JldCB0aGF0IG5vYm9keSBrbm93cw==",
        "Basic QUtJREVYQU1QTEU=",
        "Basic Og==",
        "Digest username=\"AKIDEXAMPLE\"",
        "AWS4-HMAC-SHA256",
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE",
        "AWS4-ECDSA-P256-SHA256 Credential=AKIDEXAMPLE/20260101/states/aws4_request",
        "AWS AKIDEXAMPLE:signature",
    ];
    for claim in claims {
        refused(&server, claim, |request| request.with("authorization", claim)).await;
    }
    // A signature in the query is not accepted.
    refused(&server, "query", |request| {
        if is_open(&request) {
            return request;
        }
        let target =
            format!("{}?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=00", request.target);
        Request { target, ..request }
    })
    .await;
}

#[tokio::test]
async fn the_metrics_token_opens_the_metrics_only() {
    let server = guarded().await;
    let authorization = format!("Bearer {TOKEN}");
    for request in everywhere(&server) {
        let request = request.with("authorization", &authorization);
        let answer = server.ask(&request).await;
        if is_for_strangers(&request) {
            check_for_strangers(&answer, "the token");
            continue;
        }
        let is_metrics =
            request.target == "/metrics" && ["GET", "HEAD"].contains(&&*request.method);
        let expected = is_metrics || is_open(&request);
        assert_eq!(answer.status == 200, expected, "{request:?}: {answer:?}");
        assert!(expected || matches!(answer.status, 401 | 403), "{request:?}: {answer:?}");
    }
}

#[tokio::test]
async fn a_login_opens_what_is_looked_at() {
    let server = guarded().await;
    let login = format!("{KEY}:{SECRET}");
    let login = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, login);
    for request in everywhere(&server) {
        let request = request.with("authorization", &format!("Basic {login}"));
        let answer = server.ask(&request).await;
        if is_for_strangers(&request) {
            check_for_strangers(&answer, "a login");
            continue;
        }
        let is_look = ["GET", "HEAD"].contains(&&*request.method);
        let is_page =
            ROUTES.iter().any(|route| route.method == "GET" && route.path == request.target);
        match (is_look, &*request.target) {
            // Most pages are about something that the URL names.
            (true, _) if is_page => {
                assert!(matches!(answer.status, 200 | 400 | 404), "{request:?}: {answer:?}");
            }
            (true, "/metrics" | "/health" | "/ready" | "/2015-03-31/functions/") => {
                assert_eq!(answer.status, 200);
            }
            // An identified caller is told that there is no such path.
            (true, _) => assert!(matches!(answer.status, 404 | 405), "{request:?}: {answer:?}"),
            // A browser sends a login by itself, so a login must not change anything.
            (false, _) => assert_eq!(answer.status, 403, "{request:?}"),
        }
    }
}

#[tokio::test]
async fn wrong_signatures_are_refused_everywhere() {
    let server = guarded().await;
    let address = server.address;
    let by = |signer: fn(&'static str) -> Signer<'static>| {
        move |request: Request| {
            let service = service(&request.target);
            request.signed_by(address, signer(service))
        }
    };
    refused(
        &server,
        "unknown key",
        by(|service| Signer { key: "AKIDOTHER", service, ..Signer::default() }),
    )
    .await;
    refused(
        &server,
        "secret",
        by(|service| Signer { secret: "guessed", service, ..Signer::default() }),
    )
    .await;
    refused(
        &server,
        "no secret",
        by(|service| Signer { secret: "", service, ..Signer::default() }),
    )
    .await;
    refused(
        &server,
        "region",
        by(|service| Signer { region: "eu-west-1", service, ..Signer::default() }),
    )
    .await;
    let other = |service| if service == "lambda" { "states" } else { "lambda" };
    for request in everywhere(&server) {
        let signer = Signer { service: other(service(&request.target)), ..Signer::default() };
        let answer = server.ask(&request.clone().signed_by(address, signer)).await;
        if is_for_strangers(&request) {
            check_for_strangers(&answer, "a signature for another service");
            continue;
        }
        let is_known = answer.status == 200 || matches!(answer.status, 404 | 405);
        // A signature for another service opens nothing. Its sender may be told that a path does
        // not exist.
        let routes = server.serving.routes();
        let is_route =
            routes.iter().any(|(_, path)| path.replace("{name}", "echo") == request.target);
        match (is_open(&request), is_route) {
            (true, _) => assert_eq!(answer.status, 200, "{request:?}"),
            (false, true) => assert!(matches!(answer.status, 403 | 405), "{request:?}: {answer:?}"),
            (false, false) => assert!(is_known && answer.status != 200, "{request:?}: {answer:?}"),
        }
    }
    let forged = |request: Request| {
        let signer = Signer { secret: "guessed", service: "s3", ..Signer::default() };
        request.signed_by(address, signer)
    };
    refused(&server, "service", forged).await;
    let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
    for time in [SystemTime::now() - minutes(6), SystemTime::now() + minutes(6)] {
        refused_at(&server, "time", |request| {
            let service = service(&request.target);
            request.signed_by(address, Signer { service, time, ..Signer::default() })
        })
        .await;
    }
    refused(&server, "body", |request| request.signed(address).with_body("{\"a\":1}")).await;
    refused(&server, "method", |request| {
        let method = request.method.clone();
        let signed = Request { method: "MOVE".to_owned(), ..request }.signed(address);
        Request { method, ..signed }
    })
    .await;
    refused(&server, "path", |request| {
        let target = request.target.clone();
        // A path of the same service, so that only the signature is wrong.
        let other = if service(&target) == "lambda" { "/2015-03-31/x" } else { "/other" };
        let signed = Request { target: other.to_owned(), ..request }.signed(address);
        Request { target, ..signed }
    })
    .await;
    refused(&server, "query", |request| {
        let signed = request.signed(address);
        if is_open(&signed) {
            return signed;
        }
        Request { target: format!("{}?a=1", signed.target), ..signed }
    })
    .await;
    refused(&server, "unsigned header", |request| {
        request.signed(address).with("x-amz-invocation-type", "Event")
    })
    .await;
    refused(&server, "unsigned token", |request| {
        request.signed(address).with("X-Amz-Security-Token", "token")
    })
    .await;
    refused(&server, "changed header", |request| {
        let mut signed = request.signed(address);
        signed.headers.iter_mut().filter(|(name, _)| name == "x-amz-target").for_each(
            |(_, value)| {
                "AWSStepFunctions.DeleteStateMachine".clone_into(value);
            },
        );
        signed
    })
    .await;
    refused(&server, "another target", |request| {
        let target = "AWSStepFunctions.DeleteStateMachine";
        let mut signed = request.signed(address);
        signed.headers.insert(0, ("x-amz-target".to_owned(), target.to_owned()));
        signed
    })
    .await;
    refused(&server, "another date", |request| {
        request.signed(address).with("x-amz-date", "20260101T000000Z")
    })
    .await;
    refused(&server, "two signatures", |request| {
        let second = request.clone().signed(address);
        let mut signed = request.signed(address);
        signed
            .headers
            .extend(second.headers.into_iter().filter(|(name, _)| name == "authorization"));
        signed
    })
    .await;
    for hash in [
        "UNSIGNED-PAYLOAD",
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
        "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "",
    ] {
        refused(&server, hash, |request| {
            request.with("x-amz-content-sha256", hash).signed(address)
        })
        .await;
    }
}

/// Signs a call of `ListStateMachines` at a moment with the key of a scope, which may be for another
/// day, region or service.
fn signed_in_scope(
    address: std::net::SocketAddr,
    day: u64,
    region: &str,
    service: &str,
) -> Request {
    use aws_sigv4::sign::v4::{calculate_signature, generate_signing_key};
    use sha2::{Digest as _, Sha256};
    let hex = |bytes: &[u8]| -> String {
        bytes
            .iter()
            .flat_map(|byte| [byte >> 4, byte & 15])
            .map(|digit| char::from_digit(digit.into(), 16).expect("it is a digit"))
            .collect()
    };
    let hash = |text: &str| hex(&Sha256::digest(text));
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("it is later");
    let format = |seconds: i64| {
        let text = stepwright_program::time::format(seconds * 1_000);
        let text: String = text.chars().filter(|c| !"-:".contains(*c)).collect();
        format!("{}Z", text.split(['.', 'Z']).next().unwrap_or_default())
    };
    let at = format(now.as_secs() as i64);
    let scope_time = now.saturating_sub(Duration::from_secs(86_400 * day));
    let date = format(scope_time.as_secs() as i64)[..8].to_owned();
    let target = "AWSStepFunctions.ListStateMachines";
    let canonical = format!(
        "POST\n/\n\nhost:{address}\nx-amz-date:{at}\nx-amz-target:{target}\n\n\
         host;x-amz-date;x-amz-target\n{}",
        hash("{}")
    );
    let scope = format!("{date}/{region}/{service}/aws4_request");
    let to_sign = format!("AWS4-HMAC-SHA256\n{at}\n{scope}\n{}", hash(&canonical));
    let key = generate_signing_key(SECRET, SystemTime::UNIX_EPOCH + scope_time, region, service);
    let signature = calculate_signature(key, to_sign.as_bytes());
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential={KEY}/{scope}, SignedHeaders=host;x-amz-date;x-amz-target, \
         Signature={signature}"
    );
    Request::operation("ListStateMachines", "{}")
        .with("x-amz-date", &at)
        .with("authorization", &authorization)
}

#[tokio::test]
async fn a_key_for_another_scope_opens_nothing() {
    let server = guarded().await;
    for (day, region, service, expected) in [
        (0, "us-east-1", "states", 200),
        (1, "us-east-1", "states", 403),
        (0, "eu-west-1", "states", 403),
        (0, "", "states", 403),
        (0, "us-east-1", "lambda", 403),
        (0, "us-east-1", "", 403),
    ] {
        let request = signed_in_scope(server.address, day, region, service);
        let answer = server.ask(&request).await;
        assert_eq!(answer.status, expected, "{day} {region} {service}: {answer:?}");
        if expected != 200 {
            assert_eq!(answer.error(), "InvalidSignatureException", "{answer:?}");
        }
        // Every header of AWS must be signed, whatever it is.
        for name in ["x-amz-x", "X-Amz-Security-Token", "x-amz-target", "x-amz-content-sha256"] {
            let answer = server.ask(&request.clone().with(name, "x")).await;
            assert_eq!(answer.status, 403, "{name}: {answer:?}");
        }
    }
}

/// Like [`refused`], for answers that contain the time.
async fn refused_at(server: &Server, kind: &str, make: impl Fn(Request) -> Request) {
    for request in everywhere(server) {
        let answer = server.ask(&make(request.clone())).await;
        if is_for_strangers(&request) {
            check_for_strangers(&answer, kind);
            continue;
        }
        let expected = if is_open(&request) { 200 } else { 403 };
        assert_eq!(answer.status, expected, "{kind}: {request:?}: {answer:?}");
    }
}

/// Headers that reveal a foreign page or a rebound name, which are refused with and without keys.
const FOREIGN: [&[(&str, &str)]; 9] = [
    &[("origin", "https://evil.example")],
    &[("origin", "null")],
    &[("origin", "")],
    &[("origin", "http://127.0.0.1:1")],
    &[("host", "evil.example")],
    &[("host", "evil.example:8083")],
    &[("host", "127.0.0.1.evil.example")],
    &[("host", "localhost"), ("host", "localhost")],
    &[("host", "")],
];

#[tokio::test]
async fn foreign_pages_and_hosts_are_refused_everywhere() {
    for credentials in [Vec::new(), vec![master()]] {
        let server = Server::start(server(), credentials.clone()).await;
        let with = |request: Request, headers: &[(&str, &str)]| {
            headers.iter().fold(request, |request, (name, value)| request.with(name, value))
        };
        for headers in FOREIGN {
            refused(&server, "foreign", |request| with(request, headers)).await;
        }
        // A valid signature does not help.
        for headers in &FOREIGN[..4] {
            refused(&server, "foreign", |request| with(request, headers).signed(server.address))
                .await;
        }
    }
}

#[tokio::test]
async fn a_target_with_a_host_is_held_to_the_same() {
    let server = Server::start(server(), Vec::new()).await;
    for version in ["1.0", "1.1"] {
        for (target, host, expected) in [
            ("http://evil.example/", "host: evil.example\r\n", 403),
            ("http://evil.example/", "host: localhost\r\n", 403),
            ("http://evil.example/", "", 403),
            ("http://localhost/", "", 403),
            ("http://localhost/", "host: evil.example\r\n", 403),
            ("http://localhost/", "host: localhost\r\n", 200),
            ("/", "host: localhost\r\n", 200),
            ("/", "", 403),
        ] {
            let request = format!("GET {target} HTTP/{version}\r\n{host}connection: close\r\n\r\n");
            let answer = server.ask_bytes(request.as_bytes()).await;
            assert_eq!(answer.status, expected, "{request}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn without_keys_this_machine_may_do_everything() {
    let config = stepwright_server::config::ServerConfig { answer_seconds: 1, ..server() };
    let server = Server::start(config, Vec::new()).await;
    let own = format!("http://{}", server.address);
    for headers in [
        vec![],
        vec![("origin", own.as_str())],
        vec![("host", "localhost:8083")],
        vec![("host", "sync-localhost:8083")],
        vec![("host", "123456789012.localhost")],
        vec![("host", "states.us-east-1.amazonaws.com")],
        vec![("authorization", "AWS4-HMAC-SHA256 Credential=any")],
    ] {
        for (method, path) in server.serving.routes() {
            let path = path.replace("{name}", "echo");
            let mut request = Request::new(method.as_str(), &path)
                .with("x-amz-target", "AWSStepFunctions.ListStateMachines")
                .with_body("{}");
            request.headers.extend(headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())));
            let answer = server.ask(&request).await;
            assert!(is_let_in(&request, &answer), "{request:?}: {answer:?}");
        }
    }
    // A path that is not in the list of routes is not served.
    for request in everywhere(&server) {
        let routes = server.serving.routes();
        let method = if request.method == "HEAD" { "GET" } else { &request.method };
        let is_route = routes
            .iter()
            .any(|(m, path)| m == method && path.replace("{name}", "echo") == request.target);
        let answer = server.ask(&request).await;
        if is_route {
            assert!(is_let_in(&request, &answer), "{request:?}: {answer:?}");
        } else {
            assert!(matches!(answer.status, 404 | 405), "{request:?}: {answer:?}");
        }
    }
}

/// Whether a request without anything in particular got where it was sent.
fn is_let_in(request: &Request, answer: &Answer) -> bool {
    match (&*request.method, &*request.target) {
        // A form must be from a page of the server.
        ("POST", "/console/act" | "/console/logout") => answer.status == 403,
        ("POST", "/console/login") => answer.status == 303,
        // It names no execution.
        ("POST", "/fork") => answer.status == 400,
        (_, target) if target.starts_with("/console/") => {
            matches!(answer.status, 200 | 400 | 404)
        }
        _ => answer.status == 200,
    }
}
