//! Logins with an identity provider: a small one stands in for it, whose tokens are really signed.

use crate::support::{Answer, KEY, Request, Server, assembly, key, master, reload, server};
use axum::Router;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::{get, post};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use parking_lot::Mutex;
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use stepwright_server::AssemblyError;
use stepwright_server::config::{OidcConfig, OidcGrant};

type Value = stepwright_json::Json;

/// The provider: its key, and what it answers.
struct Provider {
    url: String,
    pair: Mutex<(String, Ed25519KeyPair)>,
    /// What the next token says in place of what it should.
    claims: Mutex<Vec<(&'static str, Value)>>,
    /// What is said of people to whoever asks for it.
    about: Mutex<Value>,
    /// The nonce and the challenge of the login that is under way.
    asked: Mutex<BTreeMap<String, String>>,
}

fn pair() -> Ed25519KeyPair {
    let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("there is chance");
    Ed25519KeyPair::from_pkcs8(document.as_ref()).expect("it is a key")
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later").as_secs()
}

fn text(value: &Value) -> String {
    value.to_string()
}

impl Provider {
    async fn start() -> Arc<Self> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let url = format!("http://{}", listener.local_addr().expect("it has an address"));
        let provider = Arc::new(Self {
            url,
            pair: Mutex::new(("first".to_owned(), pair())),
            claims: Mutex::default(),
            about: Mutex::new(stepwright_json::json!({})),
            asked: Mutex::default(),
        });
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(Self::discovery))
            .route("/keys", get(Self::keys))
            .route("/token", post(Self::token))
            .route("/me", get(Self::me))
            .with_state(provider.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        provider
    }

    async fn discovery(State(this): State<Arc<Self>>) -> String {
        let at = |path: &str| format!("{}{path}", this.url);
        text(&stepwright_json::json!({
            "issuer": (at("")),
            "authorization_endpoint": (at("/authorize")),
            "token_endpoint": (at("/token")),
            "jwks_uri": (at("/keys")),
            "userinfo_endpoint": (at("/me"))
        }))
    }

    async fn keys(State(this): State<Arc<Self>>) -> String {
        let pair = this.pair.lock();
        let x = URL_SAFE_NO_PAD.encode(pair.1.public_key());
        text(&stepwright_json::json!({
            "keys": [{"kty": "OKP", "crv": "Ed25519", "use": "sig", "kid": (&*pair.0), "x": (x)}]
        }))
    }

    async fn token(State(this): State<Arc<Self>>, headers: HeaderMap, body: String) -> String {
        let form: BTreeMap<String, String> =
            form_urlencoded::parse(body.as_bytes()).into_owned().collect();
        let asked = this.asked.lock().clone();
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(&form["code_verifier"]));
        let secret = headers.get("authorization").and_then(|value| value.to_str().ok());
        let expected = format!("Basic {}", STANDARD.encode("stepwright:a+secret%3A"));
        if form["grant_type"] != "authorization_code"
            || form["code"] != "the-code"
            || form.get("redirect_uri") != asked.get("redirect_uri")
            || Some(&challenge) != asked.get("code_challenge")
            || secret != Some(&expected)
        {
            return text(&stepwright_json::json!({"error": "invalid_grant"}));
        }
        let nonce = asked.get("nonce").map_or("", String::as_str);
        let mut claims = stepwright_json::json!({
            "iss": (&*this.url), "aud": "stepwright", "sub": "17", "nonce": (nonce),
            "exp": ((now() + 300) as i64), "iat": (now() as i64), "preferred_username": "ada",
            "groups": ["dev", "ops"]
        })
        .as_object()
        .expect("it is one")
        .clone();
        for (claim, value) in this.claims.lock().iter() {
            claims.insert(*claim, value.clone());
        }
        let claims = text(&Value::from(claims));
        let pair = this.pair.lock();
        let header = format!(r#"{{"alg":"EdDSA","kid":"{}"}}"#, pair.0);
        let message =
            format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let signature = URL_SAFE_NO_PAD.encode(pair.1.sign(message.as_bytes()));
        let token = format!("{message}.{signature}");
        text(&stepwright_json::json!({"id_token": (token), "access_token": "let-me-in"}))
    }

    async fn me(State(this): State<Arc<Self>>, headers: HeaderMap) -> String {
        let token = headers.get("authorization").and_then(|value| value.to_str().ok());
        assert_eq!(token, Some("Bearer let-me-in"));
        text(&this.about.lock())
    }

    fn config(&self) -> OidcConfig {
        OidcConfig {
            issuer: self.url.clone(),
            client_id: "stepwright".to_owned(),
            client_secret: Some("a secret:".to_owned()),
            scopes: vec!["profile".to_owned()],
            name: Some("Example Inc.".to_owned()),
            redirect_uri: None,
            grants: vec![grant("groups", "ops")],
        }
    }
}

fn grant(claim: &str, value: &str) -> OidcGrant {
    OidcGrant { claim: claim.to_owned(), value: value.to_owned(), key: KEY.to_owned() }
}

async fn started(config: OidcConfig) -> Server {
    let mut assembly = assembly(server(), vec![master()]);
    assembly.oidc = Some(config);
    Server::serve(assembly.open().await.expect("it opens")).await
}

/// A browser that was sent to the provider: its cookie, and the state it is to come back with.
async fn begin(server: &Server, provider: &Provider) -> (String, String) {
    let path = "/console/login/oidc?next=%2Fconsole%2Fservices";
    let answer = server.ask(&Request::new("GET", path)).await;
    assert_eq!(answer.status, 303, "{answer:?}");
    let cookie = answer.headers.get("set-cookie").expect("there is a cookie");
    assert!(cookie.contains("; HttpOnly; SameSite=Lax") && cookie.contains("Max-Age=600"));
    let to = answer.headers.get("location").expect("it leads on");
    let (page, query) = to.split_once('?').expect("it has parameters");
    assert_eq!(page, format!("{}/authorize", provider.url));
    let asked: BTreeMap<String, String> =
        form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let is = |name: &str, value: &str| assert_eq!(asked.get(name).map(String::as_str), Some(value));
    is("response_type", "code");
    is("client_id", "stepwright");
    is("scope", "openid profile");
    is("code_challenge_method", "S256");
    is("redirect_uri", &format!("http://{}/console/login/oidc/callback", server.address));
    let state = asked["state"].clone();
    *provider.asked.lock() = asked;
    (cookie.split(';').next().expect("there is a value").to_owned(), state)
}

async fn come_back(server: &Server, cookie: &str, query: &str) -> Answer {
    let path = format!("/console/login/oidc/callback?{query}");
    let request = Request::new("GET", &path).with("cookie", cookie);
    // The provider has sent it.
    server
        .ask(&request.with("sec-fetch-site", "cross-site").with("sec-fetch-mode", "navigate"))
        .await
}

/// The whole way. Returns the answer to the callback.
async fn log_in(server: &Server, provider: &Provider) -> Answer {
    let (cookie, state) = begin(server, provider).await;
    come_back(server, &cookie, &format!("code=the-code&state={state}")).await
}

#[tokio::test]
async fn a_person_has_the_rights_of_the_key_that_a_grant_names() {
    let provider = Provider::start().await;
    let server = started(provider.config()).await;
    let page = server.ask(&Request::new("GET", "/").with("accept", "text/html")).await;
    assert_eq!(page.status, 401);
    assert!(page.body.contains("Log in with Example Inc."), "{page:?}");
    assert!(page.body.contains("/console/login/oidc?next=%2F"), "{page:?}");
    let arrived = log_in(&server, &provider).await;
    assert_eq!(arrived.status, 200, "{arrived:?}");
    assert_eq!(
        arrived.headers.get("refresh").map(String::as_str),
        Some("0; url=/console/services")
    );
    let cookie = arrived.headers.get("set-cookie").expect("there is a cookie");
    assert!(cookie.contains("; HttpOnly; SameSite=Strict"), "{cookie}");
    let cookie = cookie.split(';').next().expect("there is a value");
    let page = Request::new("GET", "/console/services").with("cookie", cookie);
    let page = server.ask(&page).await;
    assert_eq!(page.status, 200, "{page:?}");
    assert!(page.body.contains("ada"), "{page:?}");
    // It is a login of the console, and none of the API.
    let call = Request::operation("ListStateMachines", "{}").with("cookie", cookie);
    assert_eq!(server.ask(&call).await.error(), "MissingAuthenticationTokenException");
}

#[tokio::test]
async fn what_does_not_belong_to_a_login_is_refused() {
    let provider = Provider::start().await;
    let server = started(provider.config()).await;
    let refused = |answer: Answer, said: &str| {
        assert_eq!(answer.status, 401, "{answer:?}");
        assert!(answer.body.contains(said), "{said}: {answer:?}");
        assert!(!answer.headers.contains_key("set-cookie"), "{answer:?}");
    };
    let (cookie, state) = begin(&server, &provider).await;
    let good = format!("code=the-code&state={state}");
    let unknown = "did not begin in this browser";
    refused(come_back(&server, "", &good).await, unknown);
    refused(come_back(&server, &cookie, "code=the-code").await, unknown);
    refused(come_back(&server, &cookie, "code=the-code&state=guessed").await, unknown);
    let (others, _) = begin(&server, &provider).await;
    refused(come_back(&server, &others, &good).await, unknown);
    // What others have tried has not ended it; but it is good for one time.
    let (cookie, state) = begin(&server, &provider).await;
    let good = format!("code=the-code&state={state}");
    assert_eq!(come_back(&server, &cookie, &good).await.status, 200);
    refused(come_back(&server, &cookie, &good).await, unknown);
    let (cookie, state) = begin(&server, &provider).await;
    refused(
        come_back(&server, &cookie, &format!("code=other&state={state}")).await,
        "cannot be used",
    );
    let (cookie, state) = begin(&server, &provider).await;
    let error = format!("error=access_denied&error_description=%3Cb%3Eno&state={state}");
    let answer = come_back(&server, &cookie, &error).await;
    assert!(answer.body.contains("access_denied: &lt;b&gt;no."), "{answer:?}");
    refused(answer, "has refused the login");
}

#[tokio::test]
async fn a_token_that_is_not_for_this_login_is_refused() {
    let provider = Provider::start().await;
    let server = started(provider.config()).await;
    for (claim, value) in [
        ("iss", stepwright_json::json!("https://evil.example")),
        ("aud", stepwright_json::json!("another client")),
        ("azp", stepwright_json::json!("another client")),
        ("nonce", stepwright_json::json!("of another login")),
        ("exp", stepwright_json::json!(1)),
        ("sub", stepwright_json::json!("")),
    ] {
        *provider.claims.lock() = vec![(claim, value)];
        let answer = log_in(&server, &provider).await;
        assert_eq!(answer.status, 401, "{claim}: {answer:?}");
        assert!(answer.body.contains("cannot be used"), "{claim}: {answer:?}");
    }
    provider.claims.lock().clear();
    // Somebody else's key, under the name of the provider's.
    provider.pair.lock().1 = pair();
    assert_eq!(log_in(&server, &provider).await.status, 401);
}

#[tokio::test]
async fn grants_are_replaced_while_a_server_runs() {
    let provider = Provider::start().await;
    let config = provider.config();
    let server = started(config.clone()).await;
    let arrived = log_in(&server, &provider).await;
    let cookie =
        arrived.headers["set-cookie"].split(';').next().expect("there is a value").to_owned();
    let look = async || {
        let page = Request::new("GET", "/console/services").with("cookie", &cookie);
        server.ask(&page.with("accept", "text/html")).await.status
    };
    assert_eq!(look().await, 200);
    let reloader = server.serving.reloader();
    let reload = async |config: &OidcConfig| {
        let plain = crate::support::server();
        reload(&reloader, &plain, &[master()], &[], Some(config))
            .await
            .map_err(|error| error.to_string())
    };
    assert_eq!(reload(&config).await, Ok(()));
    assert_eq!(look().await, 200, "nothing has changed");
    // Whoever logs in counts by the new grants, and whoever was logged in does so again.
    let others = OidcConfig { grants: vec![grant("groups", "sales")], ..config.clone() };
    assert_eq!(reload(&others).await, Ok(()));
    assert_eq!(look().await, 401);
    assert!(log_in(&server, &provider).await.body.contains("no [[oidc.grant]]"));
    // What cannot be replaced is named, and changes nothing.
    let wrong = OidcConfig {
        grants: vec![OidcGrant { key: "NONE".to_owned(), ..grant("sub", "*") }],
        ..config.clone()
    };
    assert!(reload(&wrong).await.is_err_and(|error| error.contains("`NONE`")));
    let another = OidcConfig { client_id: "another".to_owned(), ..config.clone() };
    assert!(reload(&another).await.is_err_and(|error| error.contains("restart")));
    assert_eq!(reload(&config).await, Ok(()));
    assert_eq!(log_in(&server, &provider).await.status, 200);
}

#[tokio::test]
async fn who_has_no_grant_is_told_so() {
    let provider = Provider::start().await;
    let server = started(provider.config()).await;
    *provider.claims.lock() = vec![("groups", stepwright_json::json!(["sales"]))];
    let answer = log_in(&server, &provider).await;
    assert_eq!(answer.status, 401, "{answer:?}");
    assert!(answer.body.contains("knows you as ada, but no [[oidc.grant]]"), "{answer:?}");
}

#[tokio::test]
async fn claims_that_the_token_lacks_are_asked_for() {
    let provider = Provider::start().await;
    let config = OidcConfig { grants: vec![grant("email", "*@example.com")], ..provider.config() };
    let server = started(config).await;
    assert_eq!(log_in(&server, &provider).await.status, 401);
    let about = |sub: &str, verified: bool| stepwright_json::json!({"sub": (sub), "email": "ada@example.com", "email_verified": (verified)});
    for (said, status) in
        [(about("18", true), 401), (about("17", false), 401), (about("17", true), 200)]
    {
        *provider.about.lock() = said.clone();
        assert_eq!(log_in(&server, &provider).await.status, status, "{said}");
    }
}

#[tokio::test]
async fn what_cannot_work_is_refused_at_the_start() {
    let provider = Provider::start().await;
    let open = async |config: OidcConfig, keys| {
        let mut assembly = assembly(server(), keys);
        assembly.oidc = Some(config);
        assembly.open().await.map(drop).map_err(|error: AssemblyError| error.to_string())
    };
    let good = provider.config();
    let without =
        stepwright_server::config::CredentialConfig { secret_access_key: None, ..master() };
    // A key that only people have who log in with the provider needs no secret; any other one does.
    assert_eq!(open(good.clone(), vec![without.clone()]).await, Ok(()));
    let error = assembly(server(), vec![without]).open().await.expect_err("it is refused");
    assert!(error.to_string().contains("secret_access_key"), "{error}");
    for (config, keys, expected) in [
        (good.clone(), vec![], "[[credentials]]"),
        (OidcConfig { grants: vec![], ..good.clone() }, vec![master()], "nobody could log in"),
        (
            OidcConfig {
                grants: vec![OidcGrant { key: "NONE".to_owned(), ..grant("sub", "*") }],
                ..good.clone()
            },
            vec![key(&["*"], &["*"])],
            "`NONE`",
        ),
        (
            OidcConfig { issuer: "http://login.example.com".to_owned(), ..good.clone() },
            vec![master()],
            "http://login.example.com",
        ),
        (
            OidcConfig { redirect_uri: Some("https://x/elsewhere".to_owned()), ..good.clone() },
            vec![master()],
            "/console/login/oidc/callback",
        ),
        (
            OidcConfig {
                redirect_uri: Some("http://evil.example/console/login/oidc/callback".to_owned()),
                ..good.clone()
            },
            vec![master()],
            "begins with `https://`",
        ),
        (OidcConfig { client_id: String::new(), ..good.clone() }, vec![master()], "`client_id`"),
        (OidcConfig { scopes: vec!["a b".to_owned()], ..good.clone() }, vec![master()], "`a b`"),
        (OidcConfig { grants: vec![grant("", "x")], ..good.clone() }, vec![master()], "no `claim`"),
    ] {
        let error = open(config, keys).await.expect_err("it is refused");
        assert!(error.contains(expected), "{error}");
    }
    // A provider that is not there is told when somebody logs in.
    let server = started(OidcConfig { issuer: "http://127.0.0.1:1".to_owned(), ..good }).await;
    let answer = server.ask(&Request::new("GET", "/console/login/oidc")).await;
    assert_eq!(answer.status, 401, "{answer:?}");
    assert!(answer.body.contains("cannot be reached"), "{answer:?}");
    // A server without one has no such pages.
    let server = Server::start(crate::support::server(), vec![master()]).await;
    for path in ["/console/login/oidc", "/console/login/oidc/callback?code=x&state=y"] {
        let answer = server.ask(&Request::new("GET", path).with("accept", "text/html")).await;
        assert_eq!(answer.status, 401, "{answer:?}");
        assert!(!answer.body.contains("/console/login/oidc?"), "{answer:?}");
    }
}
