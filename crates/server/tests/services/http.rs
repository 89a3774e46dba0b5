//! HTTP tasks: what they send, what they take for an answer, and where they do not go.

use crate::stub::{assembled, assembled_with, ended, history, outcome, start, task};
use crate::web::{Says, Web, answer, call, certificate, configured, json_body};
use std::sync::Arc;
use stepwright_integrations::AwsServices;
use stepwright_json::{Json, json};
use stepwright_server::config::{AllowConfig, CredentialConfig, RoleConfig};
use tempfile::TempDir;

const HTTP: &str = "arn:aws:states:::http:invoke";

/// What must never be seen.
const SECRET: &str = "s3cr3t-value";

/// The connection of most tests: a key in a header.
const KEY: &str = "
[http]
allow = ['http://127.0.0.1']
timeout_seconds = 2
[connections.c]
api_key = { name = 'ApiKey', value = { file = 'secret' } }
";

/// A folder with a secret in it.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().expect("a directory can be made");
    std::fs::write(folder.path().join("secret"), format!("{SECRET}\n")).expect("it is written");
    folder
}

/// Runs a machine: its output, or its error and cause. Its history has no secret in it.
async fn run_machine(
    services: Arc<AwsServices>,
    definition: &Json,
) -> Result<Json, (String, String)> {
    let assembled = assembled(services, None).await;
    let execution = start(&assembled.api, definition).await;
    let outcome = outcome(&ended(&assembled.api, &execution).await);
    for event in history(&assembled.api, &execution).await {
        assert!(!event.to_string().contains(SECRET), "{event}");
    }
    outcome
}

async fn run(config: &str, parameters: Json) -> Result<Json, (String, String)> {
    let folder = folder();
    run_machine(configured(folder.path(), config), &task(HTTP, parameters)).await
}

/// The example of the manual on how a task and its connection are merged.
#[tokio::test]
async fn a_request_is_made_of_a_task_and_its_connection() {
    let config = "
[http]
allow = ['http://127.0.0.1']
[connections.c]
api_key = { name = 'ApiKey', value = { file = 'secret' } }
headers = { Header-Param = 'connection_header_param' }
query = { QueryParam = 'connection_query_param' }
body = { BodyParam = 'connection_body_param' }
";
    let web = Web::start(|_, _| {
        answer(
            201,
            "Content-Type: application/json; charset=utf-8\r\nX-A: 1\r\nX-A: 2\r\n",
            "{\"made\": [1.50, \"ü\"]}",
        )
    })
    .await;
    let more = json!({
        "Headers": {"Request-Id": "my_request_id", "header-param": "state_machine_header_param",
                    "X-Two": ["a", "b"], "User-Agent": "me", "Range": "bytes=5-", "Content-Length": "9"},
        "RequestBody": {"Job": "Software Engineer", "Company": "AnyCompany",
                        "BodyParam": "state_machine_body_param"},
        "QueryParameters": {"QueryParam": "state_machine_query_param", "a b": ["1&", "2"]}
    });
    let url = format!("{}/path?own=1", web.url());
    let output = run(config, call(&url, "POST", more)).await.unwrap();
    assert_eq!(
        output,
        json!({
            "Headers": {"content-type": ["application/json; charset=utf-8"], "x-a": ["1", "2"],
                        "content-length": ["22"]},
            "ResponseBody": {"made": [1.5, "ü"]},
            "StatusCode": 201,
            "StatusText": "Created"
        })
    );
    let request = web.last();
    assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/path"));
    assert_eq!(request.query, "own=1&a%20b=1%26&a%20b=2&QueryParam=connection_query_param");
    let body = String::from_utf8(request.body.clone()).unwrap();
    assert_eq!(
        body,
        "{\"Job\":\"Software Engineer\",\"Company\":\"AnyCompany\",\"BodyParam\":\"connection_body_param\"}"
    );
    let values = |name: &str| {
        let all = request.headers.iter().filter(|(own, _)| own.eq_ignore_ascii_case(name));
        all.map(|(_, value)| value.as_str()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(values("apikey"), SECRET);
    assert_eq!(values("header-param"), "connection_header_param");
    assert_eq!(values("request-id"), "my_request_id");
    assert_eq!(values("x-two"), "a b");
    assert_eq!(values("content-type"), "application/json; charset=UTF-8");
    assert_eq!(values("user-agent"), "Amazon|StepFunctions|HttpInvoke|us-east-1");
    assert_eq!(values("range"), "bytes=0-262144");
    assert_eq!(values("content-length"), body.len().to_string());
    assert_eq!(values("host"), format!("127.0.0.1:{}", web.port));
}

#[tokio::test]
async fn bodies_are_written_as_they_are_wanted() {
    let web = Web::start(|_, _| answer(204, "", "")).await;
    let sent = async |method: &str, more: Json| {
        let output = run(KEY, call(&web.url(), method, more)).await.unwrap();
        assert_eq!(output.get("StatusCode"), Some(&json!(204)));
        assert_eq!(output.get("ResponseBody"), None);
        let request = web.last();
        let kind = request.header("content-type").map(str::to_owned);
        (String::from_utf8(request.body).unwrap(), kind)
    };
    let form = json!({
        "Headers": {"content-type": "application/x-www-form-urlencoded"},
        "RequestBody": {"customer": "1 2", "items": ["a", "b"]},
        "Transform": {"RequestBodyEncoding": "URL_ENCODED",
                      "RequestEncodingOptions": {"ArrayFormat": "BRACKETS"}}
    });
    let (body, kind) = sent("POST", form).await;
    assert_eq!(body, "customer=1%202&items%5B%5D=a&items%5B%5D=b");
    assert_eq!(kind.as_deref(), Some("application/x-www-form-urlencoded"));
    let text = json!({"Headers": {"Content-Type": "text/xml"}, "RequestBody": "<a/>"});
    assert_eq!(sent("PUT", text).await, ("<a/>".to_owned(), Some("text/xml".to_owned())));
    assert_eq!(sent("GET", json!({})).await, (String::new(), None));
    assert_eq!(sent("DELETE", json!({"RequestBody": [1, null]})).await.0, "[1,null]");
}

#[tokio::test]
async fn other_statuses_fail_the_task_by_their_number() {
    let web = Web::start(|request, before| match (request.path.as_str(), before) {
        ("/busy", 0) => answer(429, "Retry-After: 1\r\n", "slow down"),
        ("/busy", 1) => json_body(503, "{}"),
        ("/busy", _) => json_body(200, "\"at last\""),
        (path, _) => json_body(path[1..].parse().unwrap_or(500), "{\"message\": \"why\"}"),
    })
    .await;
    let mut definition = task(HTTP, call(&format!("{}/busy", web.url()), "GET", json!({})));
    if let Json::Object(members) = &mut definition
        && let Some(Json::Object(states)) = members.get_mut("States")
        && let Some(Json::Object(state)) = states.get_mut("T")
    {
        let errors = json!(["States.Http.StatusCode.429", "States.Http.StatusCode.503"]);
        state.insert(
            "Retry",
            json!([{"ErrorEquals": errors, "IntervalSeconds": 1, "MaxAttempts": 3,
                                      "BackoffRate": 1.0}]),
        );
        state.insert("OutputPath", "$.ResponseBody".into());
    }
    let folder = folder();
    let output = run_machine(configured(folder.path(), KEY), &definition).await;
    assert_eq!(output, Ok(json!("at last")));
    assert_eq!(web.requests().len(), 3);
    for (status, text) in [
        (400, "Bad Request"),
        (401, "Unauthorized"),
        (404, "Not Found"),
        (418, ""),
        (429, "Too Many Requests"),
        (500, "Internal Server Error"),
        (503, "Service Unavailable"),
    ] {
        let before = web.requests().len();
        let url = format!("{}/{status}", web.url());
        let failure = run(KEY, call(&url, "GET", json!({}))).await.unwrap_err();
        assert_eq!(failure, (format!("States.Http.StatusCode.{status}"), text.to_owned()));
        assert_eq!(web.requests().len(), before + 1, "it is not tried again by itself");
    }
}

const OAUTH: &str = "
[http]
allow = ['http://127.0.0.1']
timeout_seconds = 2
[connections.c]
headers = { X-Tenant = 'me' }
[connections.c.oauth]
endpoint = 'TOKENS/token'
client_id = 'client'
client_secret = { file = 'secret' }
query = { q = '1' }
body = { scope = 'a b' }
";

#[tokio::test]
async fn a_token_is_fetched_kept_and_given_up_when_it_is_refused() {
    let tokens = Web::start(|_, before| {
        let life = if before == 0 { 3_600 } else { 30 };
        json_body(200, &format!("{{\"access_token\": \"token-{before}\", \"expires_in\": {life}}}"))
    })
    .await;
    let api = Web::start(|request, before| match before {
        // The token has been withdrawn.
        2 => json_body(401, "{}"),
        _ => json_body(200, &Json::from(request.header("authorization").unwrap()).to_string()),
    })
    .await;
    let folder = folder();
    let services = configured(folder.path(), &OAUTH.replace("TOKENS", &tokens.url()));
    let definition = task(HTTP, call(&api.url(), "GET", json!({})));
    let body = async || {
        let output = run_machine(services.clone(), &definition).await?;
        Ok::<Json, (String, String)>(output.get("ResponseBody").cloned().unwrap())
    };
    assert_eq!(body().await, Ok(json!("Bearer token-0")));
    assert_eq!(body().await, Ok(json!("Bearer token-0")));
    assert_eq!(tokens.requests().len(), 1);
    assert_eq!(body().await.unwrap_err().0, "States.Http.StatusCode.401");
    assert_eq!(body().await, Ok(json!("Bearer token-1")));
    // That one ends too soon to be kept.
    assert_eq!(body().await, Ok(json!("Bearer token-2")));
    assert_eq!(api.last().header("x-tenant"), Some("me"));
    let request = tokens.last();
    assert_eq!((request.method.as_str(), request.query.as_str()), ("POST", "q=1"));
    assert_eq!(request.body, b"grant_type=client_credentials&scope=a%20b");
    assert_eq!(request.header("content-type"), Some("application/x-www-form-urlencoded"));
    // client:s3cr3t-value
    assert_eq!(request.header("authorization"), Some("Basic Y2xpZW50OnMzY3IzdC12YWx1ZQ=="));
}

#[tokio::test]
async fn tasks_that_need_a_token_at_once_ask_once() {
    let tokens = Web::start(|_, _| json_body(200, "{\"access_token\": \"t\"}")).await;
    let api = Web::start(|_, _| json_body(200, "1")).await;
    let folder = folder();
    let services = configured(folder.path(), &OAUTH.replace("TOKENS", &tokens.url()));
    let assembled = assembled(services, None).await;
    let definition = task(HTTP, call(&api.url(), "GET", json!({})));
    let mut executions = Vec::new();
    for _ in 0..12 {
        executions.push(start(&assembled.api, &definition).await);
    }
    for execution in &executions {
        assert!(outcome(&ended(&assembled.api, execution).await).is_ok());
    }
    assert_eq!((tokens.requests().len(), api.requests().len()), (1, 12));
}

/// What the endpoint for tokens says, and what the cause says of it.
type Refusing = (fn() -> Says, &'static str);

#[tokio::test]
async fn a_connection_that_gives_no_token_is_not_authorized() {
    let invalid = "Events.ConnectionResource.InvalidConnectionState";
    let cases: [Refusing; 6] = [
        (|| json_body(401, &format!("{{\"error\": \"{SECRET}\"}}")), "answered with 401"),
        (|| json_body(200, "{\"access_token\": 7}"), "has no `access_token`"),
        (|| json_body(200, "<html>"), "has no `access_token`"),
        (|| Says::Endless, "is larger than 1 MiB"),
        (|| answer(302, "Location: /elsewhere\r\n", ""), "answered with 302"),
        (|| Says::Raw(b"hello\r\n\r\n".to_vec()), "Unable to execute HTTP request"),
    ];
    let api = Web::start(|_, _| json_body(200, "1")).await;
    for (says, expected) in cases {
        let tokens = Web::start(move |_, _| says()).await;
        let config = OAUTH.replace("TOKENS", &tokens.url());
        let failure = run(&config, call(&api.url(), "GET", json!({}))).await;
        let (name, cause) = failure.unwrap_err();
        assert_eq!(name, invalid, "{cause}");
        assert!(cause.contains(expected) && !cause.contains(SECRET), "{cause}");
    }
    assert!(api.requests().is_empty());
    let silent = Web::start(|_, _| Says::Silence).await;
    let config = OAUTH.replace("TOKENS", &silent.url());
    assert!(run(&config, call(&api.url(), "GET", json!({}))).await.is_err());
    let missing = KEY.replace("'secret'", "'none'");
    let (name, cause) = run(&missing, call(&api.url(), "GET", json!({}))).await.unwrap_err();
    assert_eq!((name.as_str(), cause.contains("none cannot be read")), (invalid, true), "{cause}");
    let (name, cause) = run(&KEY.replace("[connections.c]", "[connections.other]"), {
        call(&api.url(), "GET", json!({}))
    })
    .await
    .unwrap_err();
    assert_eq!(name, "Events.ConnectionResource.ResourceNotFound");
    assert!(cause.contains("[connections.c]"), "{cause}");
    // With `endpoints`, nothing else is called, and no token is asked for.
    let here = KEY.replace("api_key", "endpoints = ['http://127.0.0.1/v1/']\napi_key");
    let (name, cause) = run(&here, call(&api.url(), "GET", json!({}))).await.unwrap_err();
    assert_eq!(name, "States.Http.AccessDenied");
    assert!(cause.contains(&format!("on API Endpoint {}", api.url())), "{cause}");
    // A section may have the whole ARN as its name. What only looks like one names nothing.
    let arn = "arn:aws:events:us-east-1:123456789012:connection/c/1";
    let whole = KEY.replace("[connections.c]", &format!("[connections.'{arn}']"));
    let before = api.requests().len();
    assert!(run(&whole, call(&api.url(), "GET", json!({}))).await.is_ok());
    for arn in [
        "arn:aws:events:us-east-1:1:connection/c",
        "arn:aws:events:us-east-1:1:connection/c/1/2",
        "arn:aws:events:x:connection/c/1:connection/public/1",
        "arn:aws:events:us-east-1:1:connection/public/1:connection/c/1",
        "arn:aws:events:us-east-1/connection/c:1:connection/c/1",
    ] {
        let more = json!({"InvocationConfig": {"ConnectionArn": arn}});
        let (name, cause) = run(KEY, call(&api.url(), "GET", more)).await.unwrap_err();
        assert_eq!(name, "Events.ConnectionResource.ResourceNotFound", "{arn}: {cause}");
        assert!(cause.contains("that is no ARN of a connection"), "{arn}: {cause}");
    }
    assert_eq!(api.requests().len(), before + 1);
    let (name, cause) = run("", call(&api.url(), "GET", json!({}))).await.unwrap_err();
    assert_eq!(name, "States.Runtime");
    assert!(cause.contains("[connections.c]") && cause.contains("--mocks"), "{cause}");
}

/// A name, what the API says, the error, and what the cause says.
type Wrong = (&'static str, fn() -> Says, &'static str, &'static str);

#[tokio::test]
async fn what_is_no_answer_fails_the_task() {
    let cases: [Wrong; 10] = [
        (
            "half an answer",
            || Says::Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{\"a\":".to_vec()),
            "States.Http.Socket",
            "Unable to execute HTTP request: 127.0.0.1:",
        ),
        (
            "no HTTP",
            || Says::Raw(b"hello\r\n\r\n".to_vec()),
            "States.Http.Socket",
            "Unable to execute",
        ),
        ("no byte", || Says::Raw(Vec::new()), "States.Http.Socket", "Unable to execute"),
        (
            "200 MB",
            || Says::Endless,
            "States.DataLimitExceeded",
            "'http' returned a result with a size",
        ),
        (
            "too much for a result",
            || answer(200, "", &"x".repeat(300_000)),
            "States.DataLimitExceeded",
            "'http' returned a result with a size",
        ),
        ("nothing", || Says::Silence, "States.Http.Socket", "within 2 s"),
        ("a drop at a time", || Says::Slow, "States.Http.Socket", "within 2 s"),
        (
            "elsewhere",
            || answer(302, "Location: http://169.254.169.254/\r\n", ""),
            "States.Http.StatusCode.302",
            "Found",
        ),
        (
            "an image",
            || answer(200, "Content-Type: image/png\r\n", "x"),
            "States.Runtime",
            "Unsupported response content-type 'image/png'",
        ),
        (
            "no text",
            || {
                let head = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n".to_vec();
                Says::Raw([head, vec![0xff, 0xfe]].concat())
            },
            "States.Runtime",
            "cannot be read as a text",
        ),
    ];
    for (name, says, error, expected) in cases {
        let web = Web::start(move |_, _| says()).await;
        let (found, cause) = run(KEY, call(&web.url(), "GET", json!({}))).await.unwrap_err();
        assert_eq!(found, error, "{name}: {cause}");
        assert!(cause.contains(expected), "{name}: {cause}");
        assert_eq!(web.requests().len(), 1, "{name}");
    }
    let (error, cause) = run(KEY, call("http://127.0.0.1:9/", "GET", json!({}))).await.unwrap_err();
    assert_eq!(error, "States.Http.Socket");
    assert!(cause.contains("onnection refused"), "{cause}");
    // What says that it is JSON and is none comes back as it is.
    let garbage = Web::start(|_, _| json_body(200, "{\"a\":")).await;
    let output = run(KEY, call(&garbage.url(), "GET", json!({}))).await.unwrap();
    assert_eq!(output.get("ResponseBody"), Some(&json!("{\"a\":")));
}

#[tokio::test]
async fn only_public_hosts_and_allowed_ones_are_called() {
    let web = Web::start(|_, _| json_body(200, "1")).await;
    let strict = KEY.replace("'http://127.0.0.1'", "");
    let port = web.port;
    for (url, expected) in [
        (format!("https://127.0.0.1:{port}/?a={SECRET}"), "127.0.0.1 is no public address"),
        (format!("https://localhost:{port}/"), "which is no public address"),
        (format!("https://2130706433:{port}/"), "127.0.0.1 is no public address"),
        (format!("https://0177.1:{port}/"), "127.0.0.1 is no public address"),
        (format!("https://[::ffff:7f00:1]:{port}/"), "is no public address"),
        ("https://169.254.169.254/latest/meta-data".to_owned(), "is no public address"),
        (format!("http://127.0.0.1:{port}/"), "without encryption"),
        (format!("https://me:password@127.0.0.1:{port}/"), "has a user in it"),
        ("https://no-such-host.invalid/".to_owned(), "no-such-host.invalid"),
    ] {
        let (error, cause) = run_open(&strict, &url).await;
        assert_eq!(error, "States.Http.Socket", "{url}: {cause}");
        assert!(cause.contains(expected), "{url}: {cause}");
        assert!(!cause.contains("password") && !cause.contains(SECRET), "{url}: {cause}");
    }
    let (error, cause) = run_open(&strict, "https://a.example:port/").await;
    assert_eq!(error, "States.Runtime");
    assert!(cause.contains("'ApiEndpoint' field is not valid: invalid port"), "{cause}");
    let tokens = OAUTH.replace("TOKENS", &web.url()).replace("'http://127.0.0.1'", "");
    let (error, cause) = run_open(&tokens, "https://a.example/").await;
    assert_eq!(error, "Events.ConnectionResource.InvalidConnectionState");
    assert!(cause.contains("without encryption"), "{cause}");
    assert!(web.requests().is_empty());
}

/// Runs a call whose own parameters may have the secret in them.
async fn run_open(config: &str, url: &str) -> (String, String) {
    let folder = folder();
    let assembled = assembled(configured(folder.path(), config), None).await;
    let definition = task(HTTP, call(url, "GET", json!({})));
    let execution = start(&assembled.api, &definition).await;
    outcome(&ended(&assembled.api, &execution).await).unwrap_err()
}

#[tokio::test]
async fn headers_are_one_line() {
    let web = Web::start(|_, _| json_body(200, "1")).await;
    let more = json!({"Headers": {"X-A": "1\r\nX-B: 2"}});
    let (error, cause) = run(KEY, call(&web.url(), "GET", more)).await.unwrap_err();
    assert_eq!(error, "States.Runtime");
    assert!(cause.contains("The header 'X-A' cannot be sent"), "{cause}");
    let (error, _) =
        run(KEY, call(&web.url(), "GET", json!({"Headers": {"a b": "1"}}))).await.unwrap_err();
    assert_eq!(error, "States.Runtime");
    let more = json!({"QueryParameters": {"a": ("x".repeat(70_000))}});
    let (error, cause) = run(KEY, call(&web.url(), "GET", more)).await.unwrap_err();
    assert_eq!(error, "States.Runtime");
    assert!(cause.contains("The URL is longer than 65534 bytes"), "{}", cause.len());
    // A secret with a line break in it is not shown.
    let folder = folder();
    std::fs::write(folder.path().join("secret"), format!("{SECRET}\r\nX-B: 2\n")).unwrap();
    let definition = task(HTTP, call(&web.url(), "GET", json!({})));
    let failure = run_machine(configured(folder.path(), KEY), &definition).await;
    assert!(failure.unwrap_err().1.contains("The header 'ApiKey' cannot be sent"));
    assert!(web.requests().is_empty());
}

#[tokio::test]
async fn parameters_that_are_computed_are_checked_as_well() {
    let mut parameters = call("https://a.example", "GET", json!({}));
    if let Json::Object(members) = &mut parameters {
        members.insert("Headers.$", "$$.Execution.Input".into());
    }
    let folder = folder();
    let assembled = assembled(configured(folder.path(), KEY), None).await;
    let definition = task(HTTP, parameters);
    let body = json!({"name": "m", "roleArn": (crate::stub::ROLE), "definition": (definition.to_string())});
    let created = assembled.api.call("CreateStateMachine", body).await.unwrap();
    let machine = created.get("stateMachineArn").cloned().unwrap();
    let body = json!({"stateMachineArn": machine, "input": "{\"Authorization\": \"Bearer x\"}"});
    let started = assembled.api.call("StartExecution", body).await.unwrap();
    let execution = started.get("executionArn").and_then(Json::as_str).unwrap();
    let (error, cause) = outcome(&ended(&assembled.api, execution).await).unwrap_err();
    assert_eq!(error, "States.Runtime");
    assert!(
        cause.ends_with(
            "could not be used to start the Task: [The 'Headers' field contains unsupported values: \
             [authorization]]"
        ),
        "{cause}"
    );
}

#[tokio::test]
async fn a_host_with_a_trusted_certificate_is_called_by_its_name() {
    let folder = folder();
    let tls = certificate(folder.path());
    let web = Web::serve(Some(tls), |_, _| json_body(200, "[true]")).await;
    let url = format!("https://localhost:{}/", web.port);
    let config = "
[http]
allow = ['localhost']
ca = 'ca.pem'
[connections.c]
basic = { username = 'me', password = { file = 'secret' } }
";
    let definition = task(HTTP, call(&url, "GET", json!({})));
    let output = run_machine(configured(folder.path(), config), &definition).await.unwrap();
    assert_eq!(output.get("ResponseBody"), Some(&json!([true])));
    // me:s3cr3t-value
    assert_eq!(web.last().header("authorization"), Some("Basic bWU6czNjcjN0LXZhbHVl"));
    let untrusted = config.replace("ca = 'ca.pem'", "");
    let failure = run_machine(configured(folder.path(), &untrusted), &definition).await;
    let (error, cause) = failure.unwrap_err();
    assert_eq!(error, "States.Http.Socket");
    assert!(cause.contains("certificate"), "{cause}");
    assert_eq!(web.requests().len(), 1);
}

#[tokio::test]
async fn rights_are_asked_for_before_a_call() {
    let web = Web::start(|_, _| json_body(200, "1")).await;
    let credentials = CredentialConfig {
        access_key_id: "AKIDEXAMPLE".to_owned(),
        secret_access_key: Some("secret".to_owned()),
        actions: vec!["states:*".to_owned()],
        resources: vec!["*".to_owned()],
        account: None,
    };
    let connection = "arn:aws:events:*:*:connection/c/*";
    for (allowed, error) in [
        (
            vec![
                ("states:InvokeHTTPEndpoint", "*"),
                ("events:RetrieveConnectionCredentials", connection),
            ],
            "",
        ),
        (vec![("events:RetrieveConnectionCredentials", "*")], "States.Http.AccessDenied"),
        (vec![("states:InvokeHTTPEndpoint", "*")], "Events.ConnectionResource.AccessDenied"),
    ] {
        let allow = allowed.iter().map(|(action, resource)| AllowConfig {
            actions: vec![(*action).to_owned()],
            resources: vec![(*resource).to_owned()],
        });
        let role = RoleConfig { arn: crate::stub::ROLE.to_owned(), allow: allow.collect() };
        let folder = folder();
        let services = configured(folder.path(), KEY);
        let assembled = assembled_with(services, None, vec![credentials.clone()], vec![role]).await;
        let definition = task(HTTP, call(&web.url(), "GET", json!({})));
        let execution = start(&assembled.api, &definition).await;
        let outcome = outcome(&ended(&assembled.api, &execution).await);
        assert_eq!(
            outcome.as_ref().err().map_or("", |(name, _)| name.as_str()),
            error,
            "{outcome:?}"
        );
    }
    assert_eq!(web.requests().len(), 1);
}

/// The request and response that `TestState` shows.
async fn traced(config: &str, parameters: Json, more: Json) -> Json {
    let folder = folder();
    let assembled = assembled(configured(folder.path(), config), None).await;
    let state = json!({"Type": "Task", "Resource": HTTP, "Parameters": parameters, "End": true});
    let mut body = json!({"definition": (state.to_string()), "roleArn": (crate::stub::ROLE)});
    if let (Json::Object(body), Json::Object(more)) = (&mut body, more) {
        for (name, value) in more.iter() {
            body.insert(name.clone(), value.clone());
        }
    }
    assembled.api.call("TestState", body).await.unwrap()
}

const TRACED: &str = "
[http]
allow = ['http://127.0.0.1']
[connections.c]
basic = { username = 'me', password = { file = 'secret' } }
headers = { CustomHeader1 = 'CustomHeaderValue1' }
query = { QueryParam1 = { file = 'secret' } }
body = { BodyKey1 = { file = 'secret' } }
";

/// The example of the manual on `inspectionLevel: TRACE`.
#[tokio::test]
async fn a_trace_shows_the_request_and_the_response() {
    let web = Web::start(|request, _| match request.path.as_str() {
        "/get" => answer(200, "Content-Type: application/json\r\nServer: s\r\n", "{ \"a\": 1 }"),
        _ => json_body(404, "{\"message\": \"no\"}"),
    })
    .await;
    let url = format!("{}/get", web.url());
    let parameters = call(
        &url,
        "GET",
        json!({"Headers": {"definitionHeader": "h1"}, "QueryParameters": {"queryParam": "q1"},
               "RequestBody": {"message": "Hello from Step Functions!"}}),
    );
    let revealed = json!({"inspectionLevel": "TRACE", "revealSecrets": true});
    let shown = traced(TRACED, parameters.clone(), revealed).await;
    let data = shown.get("inspectionData").unwrap();
    assert_eq!(
        data.get("request"),
        Some(&json!({
            "protocol": "http",
            "method": "GET",
            "url": (format!("{url}?queryParam=q1&QueryParam1={SECRET}")),
            "headers": "[definitionHeader: h1, Authorization: Basic bWU6czNjcjN0LXZhbHVl, \
                        CustomHeader1: CustomHeaderValue1, User-Agent: \
                        Amazon|StepFunctions|HttpInvoke|us-east-1, Range: bytes=0-262144]",
            "body": (format!("{{\"message\":\"Hello from Step Functions!\",\"BodyKey1\":\"{SECRET}\"}}"))
        }))
    );
    assert_eq!(
        data.get("response"),
        Some(&json!({
            "protocol": "http",
            "statusCode": "200",
            "statusMessage": "OK",
            "headers": "[content-type: application/json, server: s, content-length: 10]",
            "body": "{ \"a\": 1 }"
        }))
    );
    let hidden = traced(TRACED, parameters.clone(), json!({"inspectionLevel": "TRACE"})).await;
    let request = hidden.get("inspectionData").and_then(|data| data.get("request")).unwrap();
    assert_eq!(
        request,
        &json!({
            "protocol": "http",
            "method": "GET",
            "url": (format!("{url}?queryParam=q1")),
            "headers": "[definitionHeader: h1, User-Agent: Amazon|StepFunctions|HttpInvoke|us-east-1, \
                        Range: bytes=0-262144]",
            "body": "{\"message\":\"Hello from Step Functions!\"}"
        })
    );
    assert!(!hidden.to_string().contains(SECRET), "{hidden}");
    assert!(web.last().query.contains(SECRET), "the secret was sent all the same");
    // Only this level shows it, also when the task fails.
    let debugged = traced(TRACED, parameters, json!({"inspectionLevel": "DEBUG"})).await;
    assert_eq!(debugged.get("inspectionData").and_then(|data| data.get("request")), None);
    let silent = Web::start(|_, _| Says::Silence).await;
    let config = TRACED.replace("[connections.c]", "timeout_seconds = 1\n[connections.c]");
    let silence = call(&silent.url(), "GET", json!({}));
    let unanswered = traced(&config, silence, json!({"inspectionLevel": "TRACE"})).await;
    assert_eq!(unanswered.get("error"), Some(&json!("States.Http.Socket")));
    let data = unanswered.get("inspectionData").unwrap();
    assert!(data.get("request").is_some() && data.get("response").is_none(), "{data}");
    let elsewhere = call(&format!("{}/none", web.url()), "GET", json!({}));
    let failed = traced(TRACED, elsewhere, json!({"inspectionLevel": "TRACE"})).await;
    assert_eq!(failed.get("error"), Some(&json!("States.Http.StatusCode.404")));
    let response = failed.get("inspectionData").and_then(|data| data.get("response")).unwrap();
    assert_eq!(response.get("body"), Some(&json!("{\"message\": \"no\"}")));
}
