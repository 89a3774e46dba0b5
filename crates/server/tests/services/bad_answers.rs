//! Services that answer badly, in every protocol, and parameters that make no request: each is a
//! failure with AWS's name and a clear cause, the execution is never stuck, and nothing secret is in
//! its history.

use crate::stub::{
    Reply, Stub, assembled, assembled_with, at, at_within, ended, history, outcome, start, task,
};
use stepwright_json::{Json, json};

/// A call: its resource and parameters, its service, and the beginning and the usual name of its
/// errors.
type Call = (&'static str, &'static str, &'static str, &'static str, &'static str);

/// One of each protocol, and an optimised integration.
const CALLS: [Call; 7] = [
    ("aws-sdk:dynamodb:listTables", "{}", "dynamodb", "DynamoDb", "DynamoDbException"),
    (
        "dynamodb:getItem",
        r#"{"TableName": "t", "Key": {"k": {"S": "v"}}}"#,
        "dynamodb",
        "DynamoDB",
        "AmazonDynamoDBException",
    ),
    ("aws-sdk:batch:describeJobQueues", "{}", "batch", "Batch", "BatchException"),
    ("aws-sdk:s3:listBuckets", "{}", "s3", "S3", "S3Exception"),
    ("aws-sdk:sns:listTopics", "{}", "sns", "Sns", "SnsException"),
    ("aws-sdk:ec2:describeVpcs", "{}", "ec2", "Ec2", "Ec2Exception"),
    (
        "aws-sdk:eventbridgev2:listEventBuses",
        "{}",
        "eventbridgev2",
        "EventBridgeV2",
        "EventBridgeV2Exception",
    ),
];

/// Answers to a request, whether it is the service that speaks, what the cause says, and how often
/// it is tried.
type Answer = (&'static str, fn() -> Reply, bool, &'static str, usize);

fn raw(head: &str, body: &[u8]) -> Reply {
    Reply::Raw([format!("HTTP/1.1 {head}\r\n\r\n").as_bytes(), body].concat())
}

fn with_body(status: &str, body: &[u8]) -> Reply {
    raw(&format!("{status}\r\nContent-Length: {}", body.len()), body)
}

const CLIENT: bool = false;
const SERVICE: bool = true;

const ANSWERS: [Answer; 12] = [
    (
        "garbage",
        || with_body("200 OK", b"\xff\xfe{<\0"),
        CLIENT,
        "Unable to unmarshall response",
        1,
    ),
    (
        "half a value",
        || with_body("200 OK", b"{\"TableNames\": [<ListTopicsResponse><a"),
        CLIENT,
        "Unable to unmarshall response",
        1,
    ),
    ("deep", || with_body("200 OK", &[b'['; 100_000]), CLIENT, "Unable to unmarshall response", 1),
    (
        "half an answer",
        || raw("200 OK\r\nContent-Length: 50", b"{\"a\":"),
        CLIENT,
        "Unable to execute HTTP request: 127.0.0.1:",
        3,
    ),
    ("nothing at all", || Reply::Raw(Vec::new()), CLIENT, "Unable to execute HTTP request", 3),
    (
        "200 MB",
        || raw("200 OK\r\nContent-Length: 209715200", b"{"),
        CLIENT,
        "is larger than 8 MiB (209715200 bytes), the most that is read",
        1,
    ),
    ("no end", || Reply::Endless, CLIENT, "is larger than 8 MiB, the most that is read", 1),
    ("429 in a row", || with_body("429 X", b""), SERVICE, "Status Code: 429", 3),
    ("503 in a row", || with_body("503 X", b"<html>busy</html>"), SERVICE, "Status Code: 503", 3),
    ("500 in a row", || with_body("500 X", b"\xff"), SERVICE, "Status Code: 500", 3),
    (
        "a page",
        || with_body("404 X", b"<html><body>no</body></html>"),
        SERVICE,
        "Status Code: 404",
        1,
    ),
    (
        "expired credentials",
        || {
            with_body(
                "403 X\r\nx-amzn-ErrorType: ExpiredTokenException",
                b"<ErrorResponse><Error><Code>ExpiredToken</Code></Error></ErrorResponse>",
            )
        },
        SERVICE,
        "Status Code: 403",
        1,
    ),
];

/// What must not be in a history: parts of signatures and keys.
const SECRET: [&str; 4] = ["aws4_request", "Signature=", "AWS4-HMAC", "stepwright/20"];

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_service_answers_the_task_fails_with_a_clear_cause() {
    let mut runs = Vec::new();
    for call in CALLS {
        for answer in ANSWERS {
            runs.push(tokio::spawn(answered(call, answer)));
        }
    }
    let mut wrong = Vec::new();
    for run in runs {
        if let Err(why) = run.await.expect("nothing panics") {
            wrong.push(why);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

async fn answered(call: Call, answer: Answer) -> Result<(), String> {
    let (resource, given, service, prefix, base) = call;
    let (name, reply, is_service, expected, calls) = answer;
    let stub = Stub::start(service, move |_, _, _| reply()).await;
    let assembled = assembled(at_within(&[(service, &stub.url)], 20), None).await;
    let given = stepwright_json::parse(given).expect("it is JSON");
    let definition = task(&format!("arn:aws:states:::{resource}"), given);
    let execution = start(&assembled.api, &definition).await;
    let ended = outcome(&ended(&assembled.api, &execution).await);
    let events = Json::from(history(&assembled.api, &execution).await).to_string();
    let problem = |what: &str| Err(format!("{resource}, {name}: {what}: {ended:?}"));
    let Err((error, cause)) = &ended else { return problem("it succeeds") };
    let is_named = if is_service {
        error.starts_with(&format!("{prefix}.")) && error.ends_with("Exception")
    } else {
        *error == format!("{prefix}.SdkClientException")
    };
    if !is_named || (is_service && calls == 3 && *error != format!("{prefix}.{base}")) {
        return problem("the name");
    }
    if !cause.contains(expected) {
        return problem("the cause");
    }
    if stub.calls().len() != calls {
        return problem(&format!("{} calls", stub.calls().len()));
    }
    match SECRET.iter().find(|secret| events.contains(**secret)) {
        Some(secret) => problem(&format!("{secret} is in the history")),
        None => Ok(()),
    }
}

/// A machine whose parameter comes from the input, so that only the execution can see what is wrong.
fn computed(resource: &str, parameters: Json, input: Json) -> Json {
    json!({"StartAt": "I", "States": {
        "I": {"Type": "Pass", "Result": input, "Next": "T"},
        "T": {"Type": "Task", "Resource": resource, "Parameters": parameters, "End": true}}})
}

#[tokio::test]
async fn what_makes_no_request_is_never_sent() {
    let cases = [
        (
            "aws-sdk:sqs:receiveMessage",
            json!({"QueueUrl": "q", "MaxNumberOfMessages.$": "$.x"}),
            json!("many"),
            "`MaxNumberOfMessages` must be an integer",
        ),
        (
            "aws-sdk:sqs:receiveMessage",
            json!({"QueueUrl": "q", "MaxNumberOfMessages.$": "$.x"}),
            json!([1]),
            "`MaxNumberOfMessages` must be",
        ),
        (
            "aws-sdk:sqs:sendMessageBatch",
            json!({"QueueUrl": "q", "Entries.$": "$.x"}),
            json!({"Id": "1"}),
            "`Entries` must be an array",
        ),
        (
            "aws-sdk:sqs:sendMessageBatch",
            json!({"QueueUrl": "q", "Entries.$": "$.x"}),
            json!([{"Id": "1", "Body": "b"}]),
            "`Entries[0].Body` is not known",
        ),
        ("aws-sdk:s3:getObject", json!({"Bucket": "b", "Key.$": "$.x"}), json!(""), "`Key`"),
        (
            "dynamodb:putItem",
            json!({"TableName": "t", "Item.$": "$.x"}),
            json!([1]),
            "`Item` must be an object",
        ),
        (
            "sns:publish",
            json!({"TopicArn": "t", "Message": "m", "MessageAttributes.$": "$.x"}),
            json!("text"),
            "`MessageAttributes` must be an object",
        ),
    ];
    let stub =
        Stub::start_all(&["sqs", "s3", "dynamodb", "sns"], |_, _, _| Reply::Value(json!({}))).await;
    for (resource, parameters, input, expected) in cases {
        let arn = format!("arn:aws:states:::{resource}");
        let machine = computed(&arn, parameters, json!({"x": input}));
        let outcome = crate::stub::run_machine(&[("default", &stub.url)], &machine).await;
        let (error, cause) = outcome.unwrap_err();
        assert_eq!(error, "States.Runtime", "{resource}: {cause}");
        assert!(cause.contains("could not be used to start the Task: ["), "{cause}");
        assert!(cause.contains(expected), "{resource}: {cause}");
    }
    assert_eq!(stub.calls(), []);
}

/// A role that STS gives, and that it does not give.
#[tokio::test]
async fn a_task_acts_as_the_role_of_its_credentials() {
    let sts = Stub::start("sts", |_, given, _| {
        if given.get("RoleArn") == Some(&json!("arn:aws:iam::123456789012:role/other")) {
            return Reply::Value(json!({"Credentials": {
                "AccessKeyId": "OTHER", "SecretAccessKey": "HIDDEN", "SessionToken": "TOKEN",
                "Expiration": "2100-01-01T00:00:00Z"}}));
        }
        with_body(
            "403 X",
            b"<ErrorResponse><Error><Code>AccessDenied</Code><Message>Not you.</Message></Error></ErrorResponse>",
        )
    })
    .await;
    let sqs = Stub::start("sqs", |_, _, _| Reply::Value(json!({"MessageId": "m"}))).await;
    let machine = |role: &str| {
        json!({"StartAt": "T", "States": {"T": {
            "Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage",
            "Parameters": {"QueueUrl": "q", "MessageBody": "b"},
            "Credentials": {"RoleArn": role}, "End": true}}})
    };
    let services = at(&[("sts", &sts.url), ("sqs", &sqs.url)]);
    let assembled = assembled_with(services, None, Vec::new(), Vec::new()).await;
    let good = machine("arn:aws:iam::123456789012:role/other");
    let execution = start(&assembled.api, &good).await;
    assert!(outcome(&ended(&assembled.api, &execution).await).is_ok());
    let signature = sqs.header("authorization").expect("it is signed");
    assert!(signature.contains("Credential=OTHER/"), "{signature}");
    assert_eq!(sqs.header("x-amz-security-token").as_deref(), Some("TOKEN"));
    let events = Json::from(history(&assembled.api, &execution).await).to_string();
    assert!(!events.contains("HIDDEN") && !events.contains("\"TOKEN\""), "{events}");

    let bad = machine("arn:aws:iam::123456789012:role/none");
    let execution = start(&assembled.api, &bad).await;
    let (error, cause) = outcome(&ended(&assembled.api, &execution).await).unwrap_err();
    assert_eq!(error, "SQS.SdkClientException");
    assert!(cause.contains("STS refuses: Not you. (AccessDenied)"), "{cause}");
    assert_eq!(sqs.calls().len(), 1);
}
