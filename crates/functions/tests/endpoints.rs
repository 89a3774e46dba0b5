//! Commands, HTTP endpoints, functions at an AWS endpoint, and Lambda's own API.

mod common;

use axum::Router;
use axum::extract::Request;
use axum::response::IntoResponse as _;
use axum::routing::post;
use common::{Fixture, invocation, json, member, parse, text};
use http_body_util::BodyExt as _;
use std::net::SocketAddr;
use std::time::Duration;
use stepwright_functions::{Functions, Invocation, Place, lambda_api};
use stepwright_json::Json;

async fn serve(router: Router) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

#[tokio::test]
async fn commands_are_run_for_each_call() {
    let config = "
        [cat]
        command = ['cat']
        [fails]
        command = ['sh', '-c', 'echo broken; exit 3']
        [error]
        command = ['sh', '-c', 'echo {\\\"errorType\\\":\\\"Mine\\\",\\\"errorMessage\\\":\\\"x\\\"}; exit 1']
        [text]
        command = ['echo', 'hello']
        [nothing]
        command = ['true']
        [slow]
        command = ['sh', '-c', 'sleep 60 & wait']
        timeout = 0.3
        [endless]
        command = ['yes']
        [variable]
        command = ['sh', '-c', 'echo $NUMBER; echo said >&2']
        environment = { NUMBER = '42' }
    ";
    let fixture = Fixture::new(config, &[]);
    assert_eq!(fixture.value("cat", r#"{"a": 1}"#).await.to_string(), r#"{"a":1}"#);
    let large = format!("\"{}\"", "x".repeat(1_000_000));
    assert_eq!(fixture.value("cat", &large).await.as_str().map(str::len), Some(1_000_000));
    assert_eq!(fixture.value("nothing", &large).await, Json::Null);
    assert_eq!(fixture.value("variable", "{}").await, Json::Int(42));
    assert_eq!(fixture.lines(), ["said"]);
    let check = async |function: &str, kind: &str, message: &str| {
        let failure = fixture.failure(function, "{}").await;
        assert_eq!(member(&failure, "errorType"), kind);
        assert!(member(&failure, "errorMessage").contains(message), "{failure}");
    };
    check("fails", "Runtime.ExitError", "`sh` ended with exit status: 3: broken").await;
    check("error", "Mine", "x").await;
    check("text", "Runtime.InvalidResponse", "`echo` printed no JSON").await;
    check("endless", "Function.ResponseSizeTooLarge", "exceeded").await;
    let failure = fixture.failure("slow", "{}").await;
    assert!(member(&failure, "errorMessage").ends_with("Task timed out after 0.30 seconds"));
}

#[tokio::test]
async fn http_endpoints_are_called() {
    let router = Router::new()
        .route("/echo", post(|body: String| async move { body }))
        .route(
            "/error",
            post(|| async {
                (http::StatusCode::BAD_REQUEST, r#"{"errorType":"E","errorMessage":"m"}"#)
            }),
        )
        .route("/text", post(|| async { "hello" }))
        .route("/empty", post(|| async {}))
        .route("/busy", post(|| async { http::StatusCode::TOO_MANY_REQUESTS }))
        .route("/down", post(|| async { (http::StatusCode::BAD_GATEWAY, "no backend") }))
        .route("/slow", post(|| tokio::time::sleep(Duration::from_mins(1))))
        .route("/large", post(|| async { "x".repeat(7 * 1024 * 1024) }));
    let address = serve(router).await;
    let paths = ["echo", "error", "text", "empty", "busy", "down", "slow", "large"];
    let section = |path| format!("[{path}]\nhttp = 'http://{address}/{path}'\ntimeout = 2\n");
    let config = paths.map(section).concat() + "[nobody]\nhttp = 'http://127.0.0.1:1/'\n";
    let fixture = Fixture::new(&config, &[]);
    assert_eq!(fixture.value("echo", "[1,2]").await.to_string(), "[1,2]");
    assert_eq!(fixture.value("empty", "{}").await, Json::Null);
    assert_eq!(member(&fixture.failure("error", "{}").await, "errorType"), "E");
    assert_eq!(
        member(&fixture.failure("text", "{}").await, "errorType"),
        "Runtime.InvalidResponse"
    );
    let too_large = fixture.failure("large", "{}").await;
    assert_eq!(member(&too_large, "errorType"), "Function.ResponseSizeTooLarge");
    let slow = fixture.failure("slow", "{}").await;
    assert!(member(&slow, "errorMessage").contains("timed out after 2.00 seconds"));
    for (function, name, part) in [
        ("busy", "TooManyRequestsException", "Rate Exceeded."),
        ("down", "ServiceException", "answered 502: no backend"),
        ("nobody", "ServiceException", "http://127.0.0.1:1/ cannot be called"),
    ] {
        let error = fixture.functions.invoke(invocation(function, "{}")).await.expect_err("fails");
        assert_eq!(error.name(), name);
        assert!(error.to_string().contains(part), "{error}");
    }
}

/// Everything about a request that the tests check.
async fn described(request: Request) -> axum::response::Response {
    let (head, body) = request.into_parts();
    let header = |name: &str| {
        head.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
    };
    let body = body.collect().await.expect("a body").to_bytes();
    let described: stepwright_json::Object = [
        ("uri", head.uri.to_string()),
        ("authorization", header("authorization")),
        ("type", header("x-amz-invocation-type")),
        ("body", String::from_utf8_lossy(&body).into_owned()),
    ]
    .into_iter()
    .map(|(key, text)| (key, Json::from(text)))
    .collect();
    let headers = [("x-amz-executed-version", "12"), ("x-amz-log-result", "bG9n")];
    (headers, Json::from(described).to_string()).into_response()
}

#[tokio::test]
async fn lambdas_own_api_is_served_and_called() {
    let local = parse(
        "
        [echo]
        echo = true
        [fail]
        command = ['sh', '-c', 'exit 1']
        [busy]
        command = ['sleep', '1']
        concurrency = 1
    ",
    );
    let local = Functions::new(local, ".".into(), Place::default()).expect("a configuration");
    let address = serve(lambda_api(local.clone())).await;
    let client = reqwest::Client::new();
    let url = |name: &str| format!("http://{address}/2015-03-31/functions/{name}/invocations");
    let header = |response: &reqwest::Response, name: &str| {
        response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
    };

    let response = client.post(url("echo")).body("[1]").send().await.expect("an answer");
    assert_eq!(response.status(), 200);
    assert_eq!(header(&response, "x-amz-executed-version").as_deref(), Some("$LATEST"));
    assert_eq!(header(&response, "x-amz-function-error"), None);
    assert!(header(&response, "x-amzn-requestid").is_some());
    assert_eq!(response.text().await.expect("a body"), "[1]");

    let arn = "arn%3Aaws%3Alambda%3Aus-east-1%3A123456789012%3Afunction%3Aecho";
    let response =
        client.post(url(arn)).query(&[("Qualifier", "3")]).send().await.expect("an answer");
    assert_eq!(header(&response, "x-amz-executed-version").as_deref(), Some("3"));
    assert_eq!(response.text().await.expect("a body"), "{}");

    let request = client.post(url("fail")).header("X-Amz-Log-Type", "Tail");
    let response = request.send().await.expect("an answer");
    assert_eq!(response.status(), 200);
    assert_eq!(header(&response, "x-amz-function-error").as_deref(), Some("Unhandled"));
    assert!(header(&response, "x-amz-log-result").is_some());

    for (kind, status) in [("Event", 202), ("DryRun", 204), ("Other", 400)] {
        let request = client.post(url("echo")).header("X-Amz-Invocation-Type", kind);
        assert_eq!(request.send().await.expect("an answer").status(), status, "{kind}");
    }
    let response = client.post(url("none")).send().await.expect("an answer");
    assert_eq!(response.status(), 404);
    assert_eq!(header(&response, "x-amzn-errortype").as_deref(), Some("ResourceNotFoundException"));
    let body = response.text().await.expect("a body");
    let message = "Function not found: arn:aws:lambda:us-east-1:123456789012:function:none";
    assert_eq!(body, format!(r#"{{"Type":"User","message":"{message}"}}"#));
    let large = "1".repeat(6 * 1024 * 1024 + 1);
    let response = client.post(url("echo")).body(large).send().await.expect("an answer");
    assert_eq!(response.status(), 413);
    let first = client.post(url("busy")).send();
    let second = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        client.post(url("busy")).send().await
    };
    let (first, second) = tokio::join!(first, second);
    assert_eq!(first.expect("an answer").status(), 200);
    assert_eq!(second.expect("an answer").status(), 429);
}

#[tokio::test]
async fn functions_at_an_aws_endpoint_are_called() {
    let router = Router::new().route("/2015-03-31/functions/{name}/invocations", post(described));
    let address = serve(router).await;
    let local = Functions::new(parse("[busy]\necho = true"), ".".into(), Place::default());
    let other = serve(lambda_api(local.expect("a configuration"))).await;
    let config = format!(
        "
        [far]
        aws = {{ endpoint = 'http://{address}', region = 'eu-west-1' }}
        [none]
        aws = {{ endpoint = 'http://{other}' }}
        [near]
        aws = {{ endpoint = 'http://{other}', name = 'busy' }}
        [amazon]
        aws = {{ region = 'eu-west-1' }}
    "
    );
    let fixture = Fixture::new(&config, &[]);
    let request = Invocation { log_tail: true, ..invocation("far:live", "[1]") };
    if std::env::var_os("AWS_ACCESS_KEY_ID").is_none() {
        // Environment variables of a running process cannot be set safely, so the test runs itself
        // again.
        // An emulator takes any key, and is given one.
        let authorization = member(&json(&fixture.invoke(request).await), "authorization").clone();
        assert!(authorization.contains("Credential=stepwright/"), "{authorization}");
        let request = invocation("amazon", "[1]");
        let error = fixture.functions.invoke(request).await.expect_err("there are no credentials");
        assert!(error.to_string().contains("set AWS_ACCESS_KEY_ID"), "{error}");
        let again = std::process::Command::new(std::env::current_exe().expect("a path"))
            .args(["--exact", "functions_at_an_aws_endpoint_are_called"])
            .envs([("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"), ("AWS_SECRET_ACCESS_KEY", "secret")])
            .output()
            .expect("it runs");
        assert!(again.status.success(), "{}", String::from_utf8_lossy(&again.stdout));
        return;
    }
    let reply = fixture.invoke(request).await;
    assert_eq!((reply.executed_version.as_str(), reply.log_tail.as_deref()), ("12", Some("bG9n")));
    let seen = json(&reply);
    assert_eq!(member(&seen, "uri"), "/2015-03-31/functions/far/invocations?Qualifier=live");
    assert_eq!(member(&seen, "type"), "RequestResponse");
    assert_eq!(member(&seen, "body"), "[1]");
    let authorization = member(&seen, "authorization");
    assert!(authorization.starts_with("AWS4-HMAC-SHA256 Credential="), "{authorization}");
    assert!(authorization.contains("/eu-west-1/lambda/aws4_request"), "{authorization}");
    assert_eq!(text(&fixture.call("near", "[2]").await), "[2]");
    let error = fixture.functions.invoke(invocation("none", "{}")).await.expect_err("not there");
    assert_eq!((error.name(), error.status()), ("ResourceNotFoundException", 404));
    assert!(error.to_string().ends_with(":function:none"), "{error}");
}
