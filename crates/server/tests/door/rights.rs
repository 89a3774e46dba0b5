//! Valid keys, and what they may do.

use crate::support::{Answer, FUNCTION, Request, Server, TOKEN, key, master, server};
use stepwright_server::config::{CredentialConfig, ServerConfig};

const MACHINE: &str = "arn:aws:states:us-east-1:123456789012:stateMachine:order";
const EXECUTION: &str = "arn:aws:states:us-east-1:123456789012:execution:order:one";
const ACTIVITY: &str = "arn:aws:states:us-east-1:123456789012:activity:work";
const ECHO: &str = "arn:aws:lambda:us-east-1:123456789012:function:echo";

async fn ask(server: &Server, request: Request) -> Answer {
    server.ask(&request.signed(server.address)).await
}

#[tokio::test]
async fn the_right_key_opens_every_route() {
    let config = ServerConfig { answer_seconds: 1, ..server() };
    let server = Server::start(config, vec![master()]).await;
    for (method, path) in server.serving.routes() {
        // What pages need besides a key is tried on its own.
        if path.starts_with("/console/") {
            continue;
        }
        let request = Request::new(method.as_str(), &path.replace("{name}", "echo"))
            .with("x-amz-target", "AWSStepFunctions.ListStateMachines")
            .with_body("{}");
        let answer = ask(&server, request.clone()).await;
        // A fork of nothing gets past the door, and no further.
        let expected = if path == "/fork" { 400 } else { 200 };
        assert_eq!(answer.status, expected, "{request:?}: {answer:?}");
    }
    // An identified caller is told that there is no such path.
    assert_eq!(ask(&server, Request::new("GET", "/nowhere")).await.status, 404);
    assert_eq!(ask(&server, Request::new("DELETE", "/metrics")).await.status, 405);
}

#[tokio::test]
async fn a_path_and_a_query_are_signed_as_aws_signs_them() {
    let server = Server::start(server(), vec![master()]).await;
    for target in [
        format!("{FUNCTION}?Qualifier=$LATEST"),
        "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aus-east-1%3A123456789012%3Afunction%3Aecho/invocations"
            .to_owned(),
        "/2015-03-31/functions/123456789012:function:echo/invocations?Qualifier=%24LATEST&a=b%20c"
            .to_owned(),
    ] {
        let request = Request::new("POST", &target).with_body("{\"a\":[1]}");
        let answer = ask(&server, request).await;
        assert_eq!((answer.status, &*answer.body), (200, "{\"a\":[1]}"), "{target}");
    }
    // The body's hash is in a header, and the same headers are signed as by AWS's SDKs.
    let hash = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
    let request = Request::operation("ListStateMachines", "{}")
        .with("x-amz-content-sha256", hash)
        .with("x-amz-user-agent", "aws-sdk-js/3   lang/js")
        .with("content-type", "application/x-amz-json-1.0");
    assert_eq!(ask(&server, request).await.status, 200);
}

/// Whether a key with these actions and resources is let in. A refusal must be about its rights.
async fn is_allowed(credentials: CredentialConfig, request: Request) -> bool {
    let server = Server::start(server(), vec![credentials]).await;
    let answer = ask(&server, request).await;
    match answer.error() {
        "AccessDeniedException" => false,
        "InvalidSignatureException" | "MissingAuthenticationTokenException" => {
            panic!("{answer:?}")
        }
        _ => true,
    }
}

#[tokio::test]
async fn a_key_may_do_its_actions_only() {
    let list = || Request::operation("ListStateMachines", "{}");
    for (actions, request, expected) in [
        (vec!["states:List*"], list(), true),
        (vec!["states:*"], list(), true),
        (vec!["states:StartExecution"], list(), false),
        (vec!["lambda:*"], list(), false),
        (vec![], list(), false),
        (vec!["lambda:InvokeFunction"], Request::new("POST", FUNCTION), true),
        (vec!["states:*"], Request::new("POST", FUNCTION), false),
        (vec!["lambda:Get*"], Request::new("POST", FUNCTION), false),
        (vec!["stepwright:GetMetrics"], Request::new("GET", "/metrics"), true),
        (vec!["states:*"], Request::new("GET", "/metrics"), false),
        (vec!["states:List*"], Request::new("GET", "/"), true),
        (vec!["states:ListStateMachines"], Request::new("GET", "/"), false),
        (vec!["stepwright:*"], Request::new("GET", "/"), false),
    ] {
        let allowed = is_allowed(key(&actions, &["*"]), request.clone()).await;
        assert_eq!(allowed, expected, "{actions:?}: {request:?}");
    }
}

#[tokio::test]
async fn a_key_may_use_its_resources_only() {
    let of = |member: &str, arn: &str| format!("{{\"{member}\":\"{arn}\"}}");
    let create = |name: &str, more: &str| {
        let body = format!(
            "{{\"name\":\"{name}\",\"roleArn\":\"arn:aws:iam::123456789012:role/r\",\"definition\":\"x\"{more}}}"
        );
        Request::operation("CreateStateMachine", &body)
    };
    // A token names its execution: version, task, secret, ARN.
    let token = |arn: &str| {
        use base64::Engine as _;
        let bytes = [&[1_u8], &[0; 8][..], &[7; 24], arn.as_bytes()].concat();
        let token = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes);
        Request::operation("SendTaskHeartbeat", &of("taskToken", &token))
    };
    let alias = |one: &str, other: &str| {
        let route = |arn: &str| format!("{{\"stateMachineVersionArn\":\"{arn}:1\",\"weight\":50}}");
        let body = format!(
            "{{\"name\":\"live\",\"routingConfiguration\":[{},{}]}}",
            route(one),
            route(other)
        );
        Request::operation("CreateStateMachineAlias", &body)
    };
    let start = |arn: &str| Request::operation("StartExecution", &of("stateMachineArn", arn));
    let other = MACHINE.replace("order", "other");
    let cases = [
        (vec![MACHINE], start(MACHINE), true),
        (vec![MACHINE], start(&format!("{MACHINE}:live")), true),
        (vec![MACHINE], start(&format!("{MACHINE}#case")), true),
        (vec![MACHINE], start(&other), false),
        (vec![MACHINE], start(&format!("{other}#{MACHINE}")), false),
        (vec![MACHINE], start(&format!("{MACHINE}s")), false),
        (vec!["arn:aws:states:*:stateMachine:o*"], start(&other), true),
        (vec![MACHINE], Request::operation("StartExecution", "{}"), false),
        (vec![MACHINE], Request::operation("StartExecution", "{\"stateMachineArn\":7}"), false),
        (vec![MACHINE], create("order", ""), true),
        (vec![MACHINE], create("other", ""), false),
        (vec![MACHINE], Request::operation("ListStateMachines", "{}"), false),
        (vec![MACHINE], Request::operation("TestState", "{\"definition\":\"x\"}"), false),
        (
            vec![MACHINE],
            Request::operation("DropEverything", &of("stateMachineArn", MACHINE)),
            false,
        ),
        (vec![MACHINE], alias(MACHINE, MACHINE), true),
        (vec![MACHINE], alias(MACHINE, &other), false),
        (
            vec![MACHINE],
            Request::operation("ListExecutions", &of("stateMachineArn", MACHINE)),
            true,
        ),
        (vec![MACHINE], Request::operation("TagResource", &of("resourceArn", MACHINE)), true),
        (vec![MACHINE], Request::operation("TagResource", &of("resourceArn", ACTIVITY)), false),
        (vec![MACHINE], Request::operation("StopExecution", &of("executionArn", EXECUTION)), false),
        (
            vec!["arn:aws:states:*:execution:order:*"],
            Request::operation("StopExecution", &of("executionArn", EXECUTION)),
            true,
        ),
        (vec!["arn:aws:states:*:execution:order:*"], token(EXECUTION), true),
        (vec!["arn:aws:states:*:execution:other:*"], token(EXECUTION), false),
        (
            vec!["arn:aws:states:*:execution:order:*"],
            Request::operation("SendTaskHeartbeat", "{\"taskToken\":\"AAAA\"}"),
            false,
        ),
        (
            vec![ACTIVITY],
            Request::operation("DescribeActivity", &of("activityArn", ACTIVITY)),
            true,
        ),
        (vec![ACTIVITY], Request::operation("CreateActivity", "{\"name\":\"work\"}"), true),
        (vec![ACTIVITY], Request::operation("CreateActivity", "{\"name\":\"play\"}"), false),
        (
            vec!["arn:aws:states:*:mapRun:order/*"],
            Request::operation(
                "DescribeMapRun",
                &of("mapRunArn", "arn:aws:states:us-east-1:123456789012:mapRun:order/M:x"),
            ),
            true,
        ),
        (vec![ECHO], Request::new("POST", FUNCTION), true),
        (vec![ECHO], Request::new("POST", &FUNCTION.replace("echo", "echo:live")), true),
        (
            vec![ECHO],
            Request::new(
                "POST",
                &FUNCTION.replace("echo", "arn:aws:lambda:eu-west-1:1:function:echo"),
            ),
            true,
        ),
        (vec![ECHO], Request::new("POST", &FUNCTION.replace("echo", "other")), false),
        (vec![MACHINE], Request::new("GET", "/"), false),
        (vec![MACHINE], Request::new("GET", "/metrics"), false),
    ];
    for (resources, request, expected) in cases {
        let allowed = is_allowed(key(&["*"], &resources), request.clone()).await;
        assert_eq!(allowed, expected, "{resources:?}: {request:?}");
    }
}

#[tokio::test]
async fn publishing_is_a_right_of_its_own() {
    let update = |more: &str| {
        let body = format!("{{\"stateMachineArn\":\"{MACHINE}\"{more}}}");
        Request::operation("UpdateStateMachine", &body)
    };
    for (actions, more, expected) in [
        (vec!["states:UpdateStateMachine"], "", true),
        (vec!["states:UpdateStateMachine"], ",\"publish\":false", true),
        (vec!["states:UpdateStateMachine"], ",\"publish\":true", false),
        (
            vec!["states:UpdateStateMachine", "states:PublishStateMachineVersion"],
            ",\"publish\":true",
            true,
        ),
    ] {
        for resource in ["*", MACHINE] {
            let allowed = is_allowed(key(&actions, &[resource]), update(more)).await;
            assert_eq!(allowed, expected, "{actions:?}{more}");
        }
    }
}

#[tokio::test]
async fn metrics_need_the_token_where_there_is_one_even_without_keys() {
    let config = ServerConfig { metrics_token: Some(TOKEN.to_owned()), ..server() };
    let server = Server::start(config, Vec::new()).await;
    let metrics = Request::new("GET", "/metrics");
    assert_eq!(server.ask(&metrics).await.status, 401);
    assert_eq!(server.ask(&metrics.clone().with("authorization", "Bearer x")).await.status, 401);
    let right = metrics.with("authorization", &format!("Bearer {TOKEN}"));
    let answer = server.ask(&right).await;
    assert_eq!(answer.status, 200);
    assert!(answer.body.contains("stepwright_executions_started_total 0"), "{}", answer.body);
    assert_eq!(server.ask(&Request::operation("ListStateMachines", "{}")).await.status, 200);
}

#[tokio::test]
async fn a_browser_is_asked_for_a_login() {
    let server = Server::start(server(), vec![master()]).await;
    let answer = server.ask(&Request::new("GET", "/")).await;
    assert_eq!(answer.status, 401);
    let challenge = answer.headers.get("www-authenticate").expect("there is a challenge");
    assert!(challenge.starts_with("Basic realm="), "{challenge}");
}

#[tokio::test]
async fn a_body_is_not_read_for_a_stranger() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let server = Server::start(server(), vec![master()]).await;
    for authorization in ["", "authorization: AWS4-HMAC-SHA256 Credential=x\r\n"] {
        for target in ["/", FUNCTION, "/nowhere"] {
            let mut stream =
                tokio::net::TcpStream::connect(server.address).await.expect("it listens");
            // The body is announced but never sent.
            let head = format!(
                "POST {target} HTTP/1.1\r\nhost: localhost\r\n{authorization}content-length: 8000000\r\n\
                 connection: close\r\n\r\n"
            );
            stream.write_all(head.as_bytes()).await.expect("it reads");
            let mut answer = [0; 12];
            let read = stream.read_exact(&mut answer);
            let in_time = tokio::time::timeout(std::time::Duration::from_secs(5), read).await;
            in_time.expect("it answers without the body").expect("it answers");
            assert_eq!(&answer, b"HTTP/1.1 403", "{target}");
        }
    }
}
