//! Accounts and regions: each caller sees and touches what is theirs, and has limits of their own.

use crate::support::{Answer, Request, SECRET, Server, Signer, assembly, key, server};
use std::collections::BTreeMap;
use stepwright_json::Json;
use stepwright_server::config::{AccountConfig, Configured, CredentialConfig};

const HOME: &str = "123456789012";
const ONE: &str = "111111111111";
const TWO: &str = "222222222222";
const WAITS: &str =
    r#"{\"StartAt\":\"W\",\"States\":{\"W\":{\"Type\":\"Wait\",\"Seconds\":3600,\"End\":true}}}"#;

/// A key of an account that may do everything.
fn of(account: &str) -> CredentialConfig {
    let id = format!("AKID{account}");
    let account = (account != HOME).then(|| account.to_owned());
    CredentialConfig { access_key_id: id, account, ..key(&["*"], &["*"]) }
}

async fn started(accounts: &[(&str, AccountConfig)]) -> Server {
    let credentials = [HOME, ONE, TWO].map(of).into();
    let mut assembly = assembly(server(), credentials);
    let owned = accounts.iter().map(|(id, section)| ((*id).to_owned(), section.clone()));
    assembly.accounts = owned.collect();
    Server::serve(assembly.open().await.expect("it opens")).await
}

fn in_regions(regions: &[&str]) -> AccountConfig {
    let regions = regions.iter().map(|region| (*region).to_owned()).collect();
    AccountConfig { regions, ..AccountConfig::default() }
}

async fn ask_in(server: &Server, account: &str, region: &str, request: Request) -> Answer {
    let id = format!("AKID{account}");
    let signer = Signer { key: &id, secret: SECRET, region, ..Signer::default() };
    server.ask(&request.signed_by(server.address, signer)).await
}

async fn ask(server: &Server, account: &str, name: &str, body: &str) -> Answer {
    ask_in(server, account, "us-east-1", Request::operation(name, body)).await
}

fn json(answer: &Answer) -> Json {
    stepwright_json::parse(&answer.body).unwrap_or_else(|_| panic!("{answer:?}"))
}

fn text(answer: &Answer, member: &str) -> String {
    let value = json(answer).get(member).and_then(|value| value.as_str().map(str::to_owned));
    value.unwrap_or_else(|| panic!("{member}: {answer:?}"))
}

/// Creates a machine with a name and returns its ARN.
async fn create(server: &Server, account: &str, region: &str, name: &str) -> String {
    let body = format!(
        r#"{{"name":"{name}","definition":"{WAITS}","roleArn":"arn:aws:iam::{account}:role/r"}}"#
    );
    let request = Request::operation("CreateStateMachine", &body);
    text(&ask_in(server, account, region, request).await, "stateMachineArn")
}

#[tokio::test]
async fn each_account_and_region_has_machines_of_its_own() {
    let server = started(&[(ONE, in_regions(&["us-east-1", "eu-west-1"]))]).await;
    let here = create(&server, ONE, "us-east-1", "order").await;
    assert_eq!(here, format!("arn:aws:states:us-east-1:{ONE}:stateMachine:order"));
    let abroad = create(&server, ONE, "eu-west-1", "order").await;
    assert_eq!(abroad, format!("arn:aws:states:eu-west-1:{ONE}:stateMachine:order"));
    let theirs = create(&server, TWO, "us-east-1", "order").await;
    assert_eq!(theirs, format!("arn:aws:states:us-east-1:{TWO}:stateMachine:order"));
    let home = create(&server, HOME, "us-east-1", "order").await;
    for (account, region, own) in [
        (ONE, "us-east-1", &here),
        (ONE, "eu-west-1", &abroad),
        (TWO, "us-east-1", &theirs),
        (HOME, "us-east-1", &home),
    ] {
        let list = Request::operation("ListStateMachines", "{}");
        let listed = ask_in(&server, account, region, list).await;
        let machines = json(&listed).get("stateMachines").cloned().unwrap_or_default();
        let machines = machines.as_array().cloned().unwrap_or_default();
        let arns: Vec<&str> =
            machines.iter().filter_map(|one| one.get("stateMachineArn")?.as_str()).collect();
        assert_eq!(arns, [own.as_str()], "{account} {region}");
    }
    // A region where the account is not served.
    let list = Request::operation("ListStateMachines", "{}");
    let refused = ask_in(&server, TWO, "eu-west-1", list).await;
    assert_eq!(refused.error(), "InvalidSignatureException", "{refused:?}");
    // The region of an execution is that of its machine.
    let body = format!(r#"{{"stateMachineArn":"{abroad}","name":"one"}}"#);
    let start = Request::operation("StartExecution", &body);
    let execution = text(&ask_in(&server, ONE, "eu-west-1", start).await, "executionArn");
    assert_eq!(execution, format!("arn:aws:states:eu-west-1:{ONE}:execution:order:one"));
}

#[tokio::test]
async fn what_is_another_accounts_is_neither_seen_nor_touched() {
    let server = started(&[(ONE, in_regions(&["us-east-1", "eu-west-1"]))]).await;
    let machine = create(&server, ONE, "us-east-1", "order").await;
    let body = format!(r#"{{"stateMachineArn":"{machine}","name":"one"}}"#);
    let execution = text(&ask(&server, ONE, "StartExecution", &body).await, "executionArn");
    let activity = ask(&server, ONE, "CreateActivity", r#"{"name":"work"}"#).await;
    let activity = text(&activity, "activityArn");
    let run = format!("arn:aws:states:us-east-1:{ONE}:mapRun:order/M:x");
    let alias = format!(
        r#"{{"name":"live","routingConfiguration":[{{"stateMachineVersionArn":"{machine}:1","weight":100}}]}}"#
    );
    let of = |member: &str, arn: &str| format!(r#"{{"{member}":"{arn}"}}"#);
    // A token names its execution: version, task, secret, ARN.
    let token = {
        use base64::Engine as _;
        let bytes = [&[1_u8], &[0; 8][..], &[7; 24], execution.as_bytes()].concat();
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
    };
    let machine_missing = "StateMachineDoesNotExist";
    let execution_missing = "ExecutionDoesNotExist";
    let operations: Vec<(&str, String, &str)> = vec![
        ("DescribeStateMachine", of("stateMachineArn", &machine), machine_missing),
        ("UpdateStateMachine", of("stateMachineArn", &machine), machine_missing),
        ("DeleteStateMachine", of("stateMachineArn", &machine), machine_missing),
        ("PublishStateMachineVersion", of("stateMachineArn", &machine), machine_missing),
        ("ListStateMachineVersions", of("stateMachineArn", &machine), machine_missing),
        ("ListStateMachineAliases", of("stateMachineArn", &machine), machine_missing),
        ("CreateStateMachineAlias", alias, machine_missing),
        ("StartExecution", of("stateMachineArn", &machine), machine_missing),
        ("StartExecution", of("stateMachineArn", &format!("{machine}:live")), machine_missing),
        ("StartSyncExecution", of("stateMachineArn", &machine), machine_missing),
        ("ListExecutions", of("stateMachineArn", &machine), machine_missing),
        ("ListExecutions", of("mapRunArn", &run), "ResourceNotFound"),
        ("DescribeExecution", of("executionArn", &execution), execution_missing),
        ("DescribeStateMachineForExecution", of("executionArn", &execution), execution_missing),
        ("GetExecutionHistory", of("executionArn", &execution), execution_missing),
        ("StopExecution", of("executionArn", &execution), execution_missing),
        ("RedriveExecution", of("executionArn", &execution), execution_missing),
        ("ListMapRuns", of("executionArn", &execution), execution_missing),
        ("DescribeMapRun", of("mapRunArn", &run), "ResourceNotFound"),
        ("UpdateMapRun", of("mapRunArn", &run), "ResourceNotFound"),
        ("DescribeActivity", of("activityArn", &activity), "ActivityDoesNotExist"),
        ("DeleteActivity", of("activityArn", &activity), "ActivityDoesNotExist"),
        ("GetActivityTask", of("activityArn", &activity), "ActivityDoesNotExist"),
        ("ListTagsForResource", of("resourceArn", &machine), "ResourceNotFound"),
        ("TagResource", of("resourceArn", &activity), "ResourceNotFound"),
        ("SendTaskSuccess", of("taskToken", &token), execution_missing),
        ("SendTaskFailure", of("taskToken", &token), execution_missing),
        ("SendTaskHeartbeat", of("taskToken", &token), execution_missing),
    ];
    for (operation, body, abroad) in operations {
        let request = || Request::operation(operation, &body);
        for account in [TWO, HOME] {
            let answer = ask_in(&server, account, "us-east-1", request()).await;
            assert_eq!(answer.error(), "AccessDeniedException", "{operation} {body}: {answer:?}");
            assert!(
                answer.body.contains(&format!("AKID{account} is not authorized")),
                "{answer:?}"
            );
        }
        let answer = ask_in(&server, ONE, "eu-west-1", request()).await;
        assert_eq!(answer.error(), abroad, "{operation} {body}: {answer:?}");
    }
    let fork = format!(r#"{{"executionArn":"{execution}","state":"W"}}"#);
    let fork = || Request::new("POST", "/fork").with_body(&fork);
    let answer = ask_in(&server, TWO, "us-east-1", fork()).await;
    assert_eq!(answer.error(), "AccessDeniedException", "{answer:?}");
    // Its owner sees it as it was.
    let body = of("executionArn", &execution);
    let described = ask(&server, ONE, "DescribeExecution", &body).await;
    assert_eq!(text(&described, "status"), "RUNNING");
    assert_eq!(ask_in(&server, ONE, "us-east-1", fork()).await.status, 200);
}

#[tokio::test]
async fn pages_show_what_is_the_visitors() {
    let server = started(&[]).await;
    for account in [HOME, ONE, TWO] {
        let name = format!("of-{account}");
        let machine = create(&server, account, "us-east-1", &name).await;
        let body = format!(r#"{{"stateMachineArn":"{machine}","name":"run-{account}"}}"#);
        assert_eq!(ask(&server, account, "StartExecution", &body).await.status, 200);
        let body = format!(r#"{{"name":"work-{account}"}}"#);
        assert_eq!(ask(&server, account, "CreateActivity", &body).await.status, 200);
    }
    let pages = [
        "/",
        "/console/executions",
        "/console/executions?order=oldest",
        "/console/executions?order=ended",
        "/console/activities",
        "/console/find?q=of-",
        "/console/find?q=3600",
        "/console/map-runs",
        "/console/parked",
        "/console/functions",
        "/console/services",
    ];
    for account in [HOME, ONE, TWO] {
        for page in pages {
            let answer = ask_in(&server, account, "us-east-1", Request::new("GET", page)).await;
            // Where one thing only is found, the answer leads to it.
            assert!(matches!(answer.status, 200 | 303), "{account} {page}: {answer:?}");
            let shown = format!("{:?} {}", answer.headers.get("location"), answer.body);
            for other in [HOME, ONE, TWO].into_iter().filter(|other| *other != account) {
                for kind in ["of", "run", "work"] {
                    let theirs = format!("{kind}-{other}");
                    assert!(!shown.contains(&theirs), "{account} {page}: {theirs}");
                }
            }
        }
        let home = ask_in(&server, account, "us-east-1", Request::new("GET", "/")).await;
        assert!(home.body.contains(&format!("of-{account}")), "{account}");
        assert!(home.body.contains(&format!("run-{account}")), "{account}");
        let own =
            format!("arn:aws:states:us-east-1:{account}:execution:of-{account}:run-{account}");
        let page = |arn: &str| Request::new("GET", &format!("/console/execution?arn={arn}"));
        assert_eq!(ask_in(&server, account, "us-east-1", page(&own)).await.status, 200);
        let other = if account == ONE { TWO } else { ONE };
        let refused = ask_in(&server, account, "us-east-1", page(&own.replace(account, other)));
        assert_eq!(refused.await.error(), "AccessDeniedException");
    }
}

#[tokio::test]
async fn what_is_the_servers_belongs_to_its_own_account() {
    let server = started(&[]).await;
    for (method, path) in [("GET", "/metrics"), ("POST", "/logs")] {
        let request = || Request::new(method, path).with_body("{}");
        assert_eq!(ask_in(&server, HOME, "us-east-1", request()).await.status, 200, "{path}");
        let refused = ask_in(&server, ONE, "us-east-1", request()).await;
        assert_eq!(refused.error(), "AccessDeniedException", "{path}");
    }
    let queues =
        || Request::new("POST", "/").with("x-amz-target", "AmazonSQS.ListQueues").with_body("{}");
    for (account, status) in [(HOME, 200), (ONE, 403), (TWO, 403)] {
        let id = format!("AKID{account}");
        let signer = Signer { key: &id, secret: SECRET, service: "sqs", ..Signer::default() };
        let answer = server.ask(&queues().signed_by(server.address, signer)).await;
        assert_eq!(answer.status / 100, status / 100, "{account}: {answer:?}");
    }
    // Their executions do not reach them either, nor activities and machines of others.
    let activity = ask(&server, HOME, "CreateActivity", r#"{"name":"work"}"#).await;
    let activity = text(&activity, "activityArn");
    let theirs = create(&server, TWO, "us-east-1", "theirs").await;
    let cases = [
        ("arn:aws:states:::aws-sdk:sqs:listQueues", "{}".to_owned(), "Sqs.SqsException"),
        (activity.as_str(), "{}".to_owned(), "ActivityDoesNotExist"),
        (
            "arn:aws:states:::states:startExecution",
            format!(r#"{{\"StateMachineArn\":\"{theirs}\"}}"#),
            "StepFunctions.AWSStepFunctionsException",
        ),
        (
            "arn:aws:states:::aws-sdk:sfn:describeStateMachine",
            format!(r#"{{\"StateMachineArn\":\"{theirs}\"}}"#),
            "Sfn.AccessDeniedException",
        ),
        ("arn:aws:lambda:us-east-1:123456789012:function:echo", "{}".to_owned(), ""),
    ];
    for (number, (resource, parameters, error)) in cases.into_iter().enumerate() {
        let definition = format!(
            r#"{{\"StartAt\":\"T\",\"States\":{{\"T\":{{\"Type\":\"Task\",\"Resource\":\"{resource}\",\"Parameters\":{parameters},\"End\":true}}}}}}"#
        );
        let name = format!("m{number}");
        let body = format!(
            r#"{{"name":"{name}","definition":"{definition}","roleArn":"arn:aws:iam::{ONE}:role/r"}}"#
        );
        let created = ask(&server, ONE, "CreateStateMachine", &body).await;
        let machine = text(&created, "stateMachineArn");
        let body = format!(r#"{{"stateMachineArn":"{machine}"}}"#);
        let execution = text(&ask(&server, ONE, "StartExecution", &body).await, "executionArn");
        let ended = ended(&server, ONE, &execution).await;
        let found = ended.get("error").and_then(Json::as_str).unwrap_or_default();
        assert!(
            found.starts_with(error) && found.is_empty() == error.is_empty(),
            "{resource}: {ended}"
        );
    }
}

/// Waits for the end of an execution.
async fn ended(server: &Server, account: &str, execution: &str) -> Json {
    for _ in 0..400 {
        let body = format!(r#"{{"executionArn":"{execution}"}}"#);
        let described = ask(server, account, "DescribeExecution", &body).await;
        if text(&described, "status") != "RUNNING" {
            return json(&described);
        }
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
    }
    panic!("{execution} does not end");
}

#[tokio::test]
async fn one_account_at_its_limit_leaves_the_others_theirs() {
    let few = AccountConfig {
        max_requests_per_second: 20,
        max_concurrent_executions: Some(3),
        ..AccountConfig::default()
    };
    let server = started(&[(ONE, few)]).await;
    let (first, second) = (
        create(&server, ONE, "us-east-1", "first").await,
        create(&server, ONE, "us-east-1", "second").await,
    );
    let theirs = create(&server, TWO, "us-east-1", "first").await;
    let start = |account: &'static str, machine: &str| {
        let body = format!(r#"{{"stateMachineArn":"{machine}"}}"#);
        let server = &server;
        async move { ask(server, account, "StartExecution", &body).await }
    };
    for machine in [&first, &second, &first] {
        let answer = start(ONE, machine).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    // The limit is that of all machines of the account together.
    let refused = start(ONE, &second).await;
    assert_eq!(refused.error(), "ExecutionLimitExceeded", "{refused:?}");
    assert!(refused.body.contains(ONE) && refused.body.contains("may run 3"), "{refused:?}");
    for _ in 0..5 {
        let answer = start(TWO, &theirs).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    let mut throttled = 0;
    for _ in 0..40 {
        let answer = ask(&server, ONE, "ListStateMachines", "{}").await;
        throttled += usize::from(answer.error() == "ThrottlingException");
        let answer = ask(&server, TWO, "ListStateMachines", "{}").await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    assert!(throttled > 0, "twenty a second are let through");
}

#[tokio::test]
async fn wrong_accounts_keep_a_server_from_starting() {
    let mut wrong = assembly(server(), vec![of(ONE)]);
    wrong.accounts = BTreeMap::from([(TWO.to_owned(), AccountConfig::default())]);
    let refused = wrong.open().await.expect_err("nobody has the account").to_string();
    assert!(refused.contains("[accounts.222222222222]"), "{refused}");
    let wrong = assembly(server(), vec![of("acme")]);
    let refused = wrong.open().await.expect_err("it is no account").to_string();
    assert!(refused.contains("`acme`"), "{refused}");
}

#[tokio::test]
async fn accounts_are_read_again_while_the_server_runs() {
    let server = started(&[]).await;
    let list = async |account: &str, region: &str| {
        let request = Request::operation("ListStateMachines", "{}");
        ask_in(&server, account, region, request).await.status
    };
    assert_eq!(list(ONE, "us-east-1").await, 200);
    assert_eq!(list(ONE, "eu-west-1").await, 403);
    let reload = async |accounts: &BTreeMap<String, AccountConfig>| {
        let credentials = [HOME, ONE, TWO].map(of);
        let (server_config, roles) = (crate::support::server(), []);
        let configured = Configured {
            server: &server_config,
            credentials: &credentials,
            roles: &roles,
            accounts,
            oidc: None,
        };
        server.serving.reloader().reload(configured, None).await.map_err(|error| error.to_string())
    };
    let section = in_regions(&["us-east-1", "eu-west-1"]);
    assert_eq!(reload(&BTreeMap::from([(ONE.to_owned(), section)])).await, Ok(()));
    assert_eq!(list(ONE, "eu-west-1").await, 200);
    // All of it is taken over, or nothing.
    let wrong = BTreeMap::from([("333333333333".to_owned(), in_regions(&["us-east-1"]))]);
    let refused = reload(&wrong).await.expect_err("nobody has it");
    assert!(refused.contains("[accounts.333333333333]"), "{refused}");
    assert_eq!(list(ONE, "eu-west-1").await, 200);
    assert_eq!(list(TWO, "eu-west-1").await, 403);
}
