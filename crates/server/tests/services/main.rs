//! Tasks that call AWS's services, against services that answer as a test wants.

#![expect(clippy::print_stdout, reason = "a test says what it has called")]

mod api_gateway;
mod bad_answers;
mod eks;
mod every_job;
mod http;
mod jobs;
mod maps;
mod peers;
mod python;
mod resources;
mod stub;
mod verified;
mod web;

use stepwright_aws::codec::ServiceError;
use stepwright_aws::table;
use stepwright_json::{Json, json};
use stepwright_server::config::{AllowConfig, CredentialConfig, RoleConfig};
use stub::{Reply, Stub, assembled_with, at, at_within, run, run_machine, without_metadata};

const SEND: &str = "arn:aws:states:::aws-sdk:sqs:sendMessage";

fn message() -> Json {
    json!({"QueueUrl": "http://queue/1/q", "MessageBody": {"a": 1}})
}

fn error(service: &str, name: &str, text: &str) -> ServiceError {
    let service = table::service(service).expect("it is known");
    ServiceError { request_id: Some("R-1".into()), ..ServiceError::new(service, name, text) }
}

#[tokio::test]
async fn sdk_integrations_speak_every_protocol() {
    let sqs = Stub::start("sqs", |_, _, _| {
        Reply::Value(json!({"MD5OfMessageBody": "x", "MessageId": "m"}))
    })
    .await;
    let output = run(&[("sqs", &sqs.url)], SEND, message()).await;
    assert_eq!(output, Ok(json!({"Md5OfMessageBody": "x", "MessageId": "m"})));
    assert_eq!(
        sqs.calls(),
        [(
            "SendMessage".to_owned(),
            json!({"QueueUrl": "http://queue/1/q", "MessageBody": "{\"a\":1}"})
        )]
    );
    let signature = sqs.header("authorization").expect("it is signed");
    assert!(signature.contains("/us-east-1/sqs/aws4_request"), "{signature}");

    let s3 = Stub::start("s3", |operation, _, _| match operation {
        "PutObject" => Reply::Value(json!({"ETag": "\"e\""})),
        _ => Reply::Body(json!({"ContentType": "text/plain"}), b"hello".to_vec()),
    })
    .await;
    let put = "arn:aws:states:::aws-sdk:s3:putObject";
    let parameters = json!({"Bucket": "b", "Key": "a b/c", "Body": {"x": [1]}});
    let output = run(&[("default", &s3.url)], put, parameters).await;
    assert_eq!(output, Ok(json!({"ETag": "\"e\""})));
    let put = s3.calls()[0].1.clone();
    assert_eq!(put.get("Key"), Some(&json!("a b/c")));
    assert_eq!(put.get("(body)"), Some(&json!("{\"x\":[1]}")));
    assert!(s3.header("x-amz-content-sha256").is_some());
    let get = "arn:aws:states:::aws-sdk:s3:getObject";
    let output = run(&[("s3", &s3.url)], get, json!({"Bucket": "b", "Key": "k"})).await.unwrap();
    assert_eq!(output.get("Body"), Some(&json!("hello")));

    let sts = Stub::start("sts", |_, _, _| Reply::Value(json!({"Account": "1"}))).await;
    let who = "arn:aws:states:::aws-sdk:sts:getCallerIdentity";
    assert_eq!(run(&[("sts", &sts.url)], who, json!({})).await, Ok(json!({"Account": "1"})));

    let ec2 = Stub::start("ec2", |_, _, _| Reply::Value(json!({"Vpcs": [{"VpcId": "v"}]}))).await;
    let vpcs = "arn:aws:states:::aws-sdk:ec2:describeVpcs";
    let output = run(&[("ec2", &ec2.url)], vpcs, json!({"VpcIds": ["v"]})).await;
    assert_eq!(output, Ok(json!({"Vpcs": [{"VpcId": "v"}]})));
    assert_eq!(ec2.calls()[0].1, json!({"VpcIds": ["v"]}));
}

#[tokio::test]
async fn errors_have_the_names_and_causes_of_the_sdk() {
    let s3 = Stub::start("s3", |_, _, _| Reply::Error(error("s3", "NoSuchKey", "Not here."))).await;
    let get = "arn:aws:states:::aws-sdk:s3:getObject";
    let failure = run(&[("s3", &s3.url)], get, json!({"Bucket": "b", "Key": "k"})).await;
    let cause = "Not here. (Service: S3, Status Code: 404, Request ID: R-1)";
    assert_eq!(failure, Err(("S3.NoSuchKeyException".to_owned(), cause.to_owned())));
    assert_eq!(s3.calls().len(), 1, "an error of the caller is not tried again");

    let sm = Stub::start("secretsmanager", |_, _, _| {
        Reply::Error(ServiceError {
            code: "ValidationException".into(),
            message: "Wrong.".into(),
            status: 400,
            request_id: Some("R-2".into()),
            ..ServiceError::default()
        })
    })
    .await;
    let create = "arn:aws:states:::aws-sdk:secretsmanager:createSecret";
    let failure = run(&[("secretsmanager", &sm.url)], create, json!({"Name": "n"})).await;
    let cause = "Wrong. (Service: SecretsManager, Status Code: 400, Request ID: R-2)";
    let name = "SecretsManager.SecretsManagerException";
    assert_eq!(failure, Err((name.to_owned(), cause.to_owned())));
    let token = sm.calls()[0].1.get("ClientRequestToken").cloned();
    assert!(
        token.and_then(|token| token.as_str().map(str::len)) == Some(36),
        "the token is filled"
    );
}

#[tokio::test]
async fn what_may_be_gone_is_tried_again() {
    let throttled = |_: &str, _: &Json, before: usize| match before {
        0 => Reply::Error(ServiceError {
            code: "ThrottlingException".into(),
            status: 400,
            ..ServiceError::default()
        }),
        1 => Reply::Raw(b"HTTP/1.1 503 X\r\nContent-Length: 0\r\n\r\n".to_vec()),
        _ => Reply::Value(json!({"MessageId": "m"})),
    };
    let sqs = Stub::start("sqs", throttled).await;
    let output = run(&[("sqs", &sqs.url)], SEND, message()).await;
    assert_eq!(output, Ok(json!({"MessageId": "m"})));
    assert_eq!(sqs.calls().len(), 3);

    let busy = Stub::start("sqs", |_, _, _| {
        Reply::Raw(b"HTTP/1.1 503 X\r\nContent-Length: 0\r\n\r\n".to_vec())
    })
    .await;
    let (name, cause) = run(&[("sqs", &busy.url)], SEND, message()).await.unwrap_err();
    assert_eq!(name, "Sqs.SqsException");
    assert!(cause.contains("Status Code: 503"), "{cause}");
    assert_eq!(busy.calls().len(), 3);
}

#[tokio::test]
async fn a_clock_that_is_off_is_set_by_the_services() {
    let body = "{\"__type\": \"InvalidSignatureException\", \"message\": \"Signature expired\"}";
    let refusal = format!(
        "HTTP/1.1 403 X\r\nDate: Sun, 06 Nov 2050 08:49:37 GMT\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let sqs = Stub::start("sqs", move |_, _, before| match before {
        0 => Reply::Raw(refusal.clone().into_bytes()),
        _ => Reply::Value(json!({"MessageId": "m"})),
    })
    .await;
    let output = run(&[("sqs", &sqs.url)], SEND, message()).await;
    assert_eq!(output, Ok(json!({"MessageId": "m"})));
    let date = sqs.header("x-amz-date").expect("it is signed");
    assert!(date.starts_with("20501106T"), "{date}");
}

/// A name, what comes back, what the cause says, how often it is tried.
type Wrong = (&'static str, fn() -> Reply, &'static str, usize);

#[tokio::test]
async fn what_is_no_answer_fails_the_task() {
    let cases: [Wrong; 6] = [
        (
            "garbage",
            || Reply::Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{\"a\":".to_vec()),
            "Unable to unmarshall response",
            1,
        ),
        (
            "half an answer",
            || Reply::Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{\"a\":".to_vec()),
            "Unable to execute HTTP request: 127.0.0.1:",
            3,
        ),
        ("no HTTP", || Reply::Raw(b"hello\r\n\r\n".to_vec()), "Unable to execute HTTP request", 3),
        ("200 MB", || Reply::Endless, "is larger than 8 MiB", 1),
        ("nothing", || Reply::Silence, "did not answer within 2 s", 3),
        (
            "elsewhere",
            || {
                let to = b"HTTP/1.1 301 X\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n";
                Reply::Raw(to.to_vec())
            },
            "a redirection to http://169.254.169.254/, which is not followed",
            1,
        ),
    ];
    for (name, reply, expected, calls) in cases {
        let sqs = Stub::start("sqs", move |_, _, _| reply()).await;
        let assembled = stub::assembled(at_within(&[("sqs", &sqs.url)], 2), None).await;
        let execution = stub::start(&assembled.api, &stub::task(SEND, message())).await;
        let outcome = stub::outcome(&stub::ended(&assembled.api, &execution).await);
        let (error, cause) = outcome.unwrap_err();
        assert_eq!(error, "Sqs.SdkClientException", "{name}: {cause}");
        assert!(cause.contains(expected), "{name}: {cause}");
        assert_eq!(sqs.calls().len(), calls, "{name}");
    }
    let (error, cause) = run(&[("sqs", "http://127.0.0.1:9")], SEND, message()).await.unwrap_err();
    assert_eq!(error, "Sqs.SdkClientException");
    assert!(cause.contains("onnection refused"), "{cause}");
}

#[tokio::test]
async fn a_service_without_a_place_is_not_called() {
    let (error, cause) = run(&[("sns", "http://127.0.0.1:9")], SEND, message()).await.unwrap_err();
    assert_eq!(error, "States.Runtime");
    assert!(cause.contains("[services.sqs]") && cause.contains("--mocks"), "{cause}");
    let optimised = "arn:aws:states:::events:putEvents";
    let (_, cause) = run(&[], optimised, json!({"Entries": []})).await.unwrap_err();
    assert!(cause.contains("[services.eventbridge]"), "{cause}");
}

#[tokio::test]
async fn optimised_integrations_look_like_the_first_sdk() {
    let sqs =
        Stub::start("sqs", |_, given, _| match given.get("MessageBody").and_then(Json::as_str) {
            Some(body) if body != "bad" => {
                Reply::Value(json!({"MD5OfMessageBody": "x", "MessageId": "m"}))
            }
            _ => Reply::Error(ServiceError {
                code: "MissingParameter".into(),
                message: "No body.".into(),
                status: 400,
                request_id: Some("R-3".into()),
                ..ServiceError::default()
            }),
        })
        .await;
    let send = "arn:aws:states:::sqs:sendMessage";
    let output = run(&[("sqs", &sqs.url)], send, message()).await.unwrap();
    assert_eq!(without_metadata(&output), json!({"MD5OfMessageBody": "x", "MessageId": "m"}));
    let headers = output.get("SdkHttpMetadata").and_then(|http| http.get("HttpHeaders")).unwrap();
    assert_eq!(headers.get("Content-Type"), Some(&json!("application/x-amz-json-1.0")));
    let failure =
        run(&[("sqs", &sqs.url)], send, json!({"QueueUrl": "q", "MessageBody": "bad"})).await;
    let cause = "No body. (Service: AmazonSQS; Status Code: 400; Error Code: MissingParameter; \
                 Request ID: R-3; Proxy: null)";
    assert_eq!(failure, Err(("SQS.AmazonSQSException".to_owned(), cause.to_owned())));

    let dynamodb = Stub::start("dynamodb", |operation, _, _| match operation {
        "GetItem" => Reply::Value(json!({"Item": {"n": {"NULL": true}, "s": {"S": "t"}}})),
        _ => Reply::Error(error("dynamodb", "ResourceNotFoundException", "No table.")),
    })
    .await;
    let get = "arn:aws:states:::dynamodb:getItem";
    let parameters = json!({"TableName": "t", "Key": {"id": {"S": "1"}}});
    let output = run(&[("dynamodb", &dynamodb.url)], get, parameters.clone()).await.unwrap();
    assert_eq!(without_metadata(&output), json!({"Item": {"n": {"NULL": true}, "s": {"S": "t"}}}));
    let delete = "arn:aws:states:::dynamodb:deleteItem";
    let (name, cause) = run(&[("dynamodb", &dynamodb.url)], delete, parameters).await.unwrap_err();
    assert_eq!(name, "DynamoDB.ResourceNotFoundException");
    assert!(
        cause.contains("(Service: AmazonDynamoDBv2; Status Code: 400; Error Code: Res"),
        "{cause}"
    );

    let sns =
        Stub::start("sns", |_, _, _| Reply::Error(error("sns", "NotFoundException", "No."))).await;
    let publish = "arn:aws:states:::sns:publish";
    let parameters = json!({"TopicArn": "arn:aws:sns:us-east-1:1:t", "Message": {"a": 1}});
    let (name, cause) = run(&[("sns", &sns.url)], publish, parameters).await.unwrap_err();
    assert_eq!(name, "SNS.NotFoundException");
    assert!(
        cause.contains("(Service: AmazonSNS; Status Code: 404; Error Code: NotFound; "),
        "{cause}"
    );
    assert_eq!(sns.calls()[0].1.get("Message"), Some(&json!("{\"a\":1}")));
}

#[tokio::test]
async fn events_that_are_refused_fail_the_task() {
    let events = Stub::start("eventbridge", |_, given, _| {
        let is_good = given.get("Entries").and_then(|all| all.at(0)?.get("Source")).is_some();
        Reply::Value(if is_good {
            json!({"FailedEntryCount": 0, "Entries": [{"EventId": "e"}]})
        } else {
            json!({"FailedEntryCount": 1, "Entries": [{"ErrorCode": "InvalidArgument"}]})
        })
    })
    .await;
    let put = "arn:aws:states:::events:putEvents";
    let entries = json!({"Entries": [{"Source": "s", "DetailType": "d", "Detail": {"a": 1}}]});
    run(&[("eventbridge", &events.url)], put, entries).await.unwrap();
    let sent = events.calls()[0].1.get("Entries").and_then(|all| all.at(0)).cloned().unwrap();
    assert_eq!(sent.get("Detail"), Some(&json!("{\"a\":1}")));
    let resources: Vec<&str> = sent
        .get("Resources")
        .and_then(Json::as_array)
        .map(|all| all.iter().filter_map(Json::as_str).collect())
        .unwrap();
    assert!(resources[0].contains(":execution:") && resources[1].contains(":stateMachine:"));
    let entries = json!({"Entries": [{"Detail": {"a": 1}}]});
    let failure = run(&[("eventbridge", &events.url)], put, entries).await;
    let cause = "{\"FailedEntryCount\":1,\"Entries\":[{\"ErrorCode\":\"InvalidArgument\"}]}";
    let (name, found) = failure.unwrap_err();
    assert_eq!(name, "EventBridge.FailedEntry");
    assert_eq!(stepwright_json::parse(&found), stepwright_json::parse(cause));
}

#[tokio::test]
async fn a_token_ends_a_task_that_waits() {
    let sqs = Stub::start("sqs", |_, _, _| Reply::Value(json!({"MessageId": "m"}))).await;
    let assembled = stub::assembled(at(&[("sqs", &sqs.url)]), None).await;
    let definition = stub::task(
        "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
        json!({"QueueUrl": "q", "MessageBody": {"Token.$": "$$.Task.Token"}}),
    );
    let execution = stub::start(&assembled.api, &definition).await;
    stub::until(|| sqs.count("SendMessage") == 1).await;
    let body = sqs.calls()[0].1.get("MessageBody").and_then(Json::as_str).unwrap().to_owned();
    let body = stepwright_json::parse(&body).unwrap();
    let success = json!({"taskToken": (body.get("Token").cloned().unwrap()), "output": "7"});
    assembled.api.call("SendTaskSuccess", success).await.unwrap();
    let ended = stub::ended(&assembled.api, &execution).await;
    assert_eq!(stub::outcome(&ended), Ok(json!(7)));
}

#[tokio::test]
async fn calls_share_a_connection() {
    let sqs = Stub::start("sqs", |_, _, _| Reply::Value(json!({"MessageId": "m"}))).await;
    let states = (0..10).map(|n| {
        let mut state = json!({"Type": "Task", "Resource": SEND, "Parameters": (message())});
        if let Json::Object(members) = &mut state {
            match n {
                9 => members.insert("End", json!(true)),
                _ => members.insert("Next", format!("T{}", n + 1).into()),
            };
        }
        (format!("T{n}"), state)
    });
    let states: Json = states.collect::<stepwright_json::Object>().into();
    let machine = json!({"StartAt": "T0", "States": states});
    assert!(run_machine(&[("sqs", &sqs.url)], &machine).await.is_ok());
    assert_eq!((sqs.calls().len(), sqs.connections()), (10, 1));
}

#[tokio::test]
async fn catchers_see_the_names() {
    let s3 = Stub::start("s3", |_, _, _| Reply::Error(error("s3", "NoSuchKey", "No."))).await;
    let definition = json!({"StartAt": "T", "States": {
        "T": {"Type": "Task", "Resource": "arn:aws:states:::aws-sdk:s3:getObject",
              "Parameters": {"Bucket": "b", "Key": "k"},
              "Catch": [{"ErrorEquals": ["S3.NoSuchKeyException"], "Next": "P"}], "End": true},
        "P": {"Type": "Pass", "Result": "caught", "End": true}}});
    assert_eq!(run_machine(&[("s3", &s3.url)], &definition).await, Ok(json!("caught")));
}

#[tokio::test]
async fn rights_are_asked_for_before_a_call() {
    let sqs = Stub::start("sqs", |_, _, _| Reply::Value(json!({"MessageId": "m"}))).await;
    let credentials = CredentialConfig {
        access_key_id: "AKIDEXAMPLE".to_owned(),
        secret_access_key: Some("secret".to_owned()),
        actions: vec!["states:*".to_owned()],
        resources: vec!["*".to_owned()],
        account: None,
    };
    let allow = |resource: &str| RoleConfig {
        arn: stub::ROLE.to_owned(),
        allow: vec![AllowConfig {
            actions: vec!["sqs:SendMessage".to_owned()],
            resources: vec![resource.to_owned()],
        }],
    };
    for (resource, is_allowed) in
        [("arn:aws:sqs:us-east-1:123456789012:q", true), ("arn:aws:sqs:*:*:other", false)]
    {
        let before = sqs.calls().len();
        let (credentials, roles) = (vec![credentials.clone()], vec![allow(resource)]);
        let services = at(&[("sqs", &sqs.url)]);
        let assembled = assembled_with(services, None, credentials, roles).await;
        let execution = stub::start(&assembled.api, &stub::task(SEND, message())).await;
        let outcome = stub::outcome(&stub::ended(&assembled.api, &execution).await);
        assert_eq!(outcome.is_ok(), is_allowed, "{outcome:?}");
        assert_eq!(sqs.calls().len() - before, usize::from(is_allowed));
        if let Err((name, cause)) = outcome {
            assert_eq!(name, "Sqs.SqsException");
            assert!(cause.contains("sqs:SendMessage") && cause.contains("403"), "{cause}");
        }
    }
}
