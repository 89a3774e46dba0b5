//! The same calls against moto and ministack, which have their own reading of AWS's services: what
//! they take and answer was written by others. Every call goes through a machine; where it is to
//! fail, the machine catches the error by its name.

use crate::stub::{run_machine, task};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use stepwright_json::{Json, Pointer, json};

/// A peer, from `PyPI`.
struct Peer {
    name: &'static str,
    release: &'static str,
    /// What Python runs to start it, if it is given `PORT`.
    program: &'static [&'static str],
    /// Variables of its environment.
    variables: &'static [(&'static str, &'static str)],
    /// Where it differs from AWS: the number and resource of the call, and what it does.
    faults: &'static [(&'static str, &'static str)],
}

const MOTO: Peer = Peer {
    name: "moto",
    release: "moto[server]==5.2.5",
    program: &["-m", "moto.server", "-H", "127.0.0.1", "-p", "PORT"],
    variables: &[],
    faults: &[(
        "67 aws-sdk:athena:getQueryExecution",
        "an id that it does not know is an error of its own, with status 500",
    )],
};

const MINISTACK: Peer = Peer {
    name: "ministack",
    release: "ministack==1.5.33",
    program: &["-m", "ministack"],
    variables: &[("GATEWAY_PORT", "PORT"), ("MINISTACK_ACCOUNT_ID", "123456789012")],
    faults: &[
        ("57 aws-sdk:ecs:listServices", "a cluster that is not there has no services"),
        ("69 batch:submitJob", "it takes jobs for queues and definitions that are not there"),
    ],
};

/// What a call must come to.
pub(crate) enum Expected {
    /// The result has a text here.
    Text(&'static str),
    /// The result has this value here.
    Is(&'static str, Json),
    /// It fails with this error.
    Fails(&'static str),
    /// It succeeds.
    Done,
}
use Expected::{Done, Fails, Is, Text};

/// A peer that runs.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

impl Peer {
    /// Python with the peer, installed where the build keeps temporary files.
    fn python(&self) -> Option<PathBuf> {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(self.name);
        let python = folder.join("bin/python");
        let runs = |program: &Path, arguments: &[&str]| {
            let mut command = Command::new(program);
            command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
            command.status().is_ok_and(|status| status.success())
        };
        if runs(&python, &["-c", &format!("import {}", self.name)]) {
            return Some(python);
        }
        let pip = ["-m", "pip", "install", "--quiet", "--timeout", "10", self.release];
        let is_there = runs(Path::new("python3"), &["-m", "venv", &folder.to_string_lossy()])
            && runs(&python, &pip);
        is_there.then_some(python)
    }

    async fn start(&self, python: &Path) -> Option<(Running, String)> {
        // The port is free, and probably still is when the peer takes it.
        let listener = std::net::TcpListener::bind("127.0.0.1:0").ok()?;
        let port = listener.local_addr().ok()?.port();
        drop(listener);
        let port = port.to_string();
        let filled = |text: &str| text.replace("PORT", &port);
        let child = Command::new(python)
            .args(self.program.iter().map(|one| filled(one)))
            .envs(self.variables.iter().map(|(name, value)| (*name, filled(value))))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let running = Running(child);
        for _ in 0..600 {
            if tokio::net::TcpStream::connect(format!("127.0.0.1:{port}")).await.is_ok() {
                return Some((running, format!("http://127.0.0.1:{port}")));
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        None
    }

    /// Makes every call. Those that come out otherwise are the listed ones.
    async fn answers_machines(&self) {
        let Some(python) = self.python() else {
            println!("skipped: {} cannot be installed here", self.name);
            return;
        };
        let (_running, url) = self.start(&python).await.expect("the peer starts");
        let (mut wrong, mut faults) = (Vec::new(), Vec::new());
        let calls = calls();
        for (number, (resource, parameters, expected)) in calls.iter().enumerate() {
            let parameters = stepwright_json::parse(&parameters.to_string().replace("PEER", &url));
            let machine = machine(resource, &parameters.expect("it is JSON"), expected);
            let found = run_machine(&[("default", &url)], &machine).await;
            let at = |at: &str| {
                let pointer = Pointer::parse(at).expect("a pointer");
                found.as_ref().ok().and_then(|output| pointer.find(output).cloned())
            };
            let is_right = match expected {
                Text(path) => {
                    at(path).is_some_and(|one| one.as_str().is_some_and(|t| !t.is_empty()))
                }
                Is(path, value) => at(path).as_ref() == Some(value),
                Fails(_) => found == Ok(json!("caught")),
                Done => found.is_ok(),
            };
            let name = format!("{} {resource}", number + 1);
            match self.faults.iter().find(|(call, _)| *call == name) {
                Some((call, _)) if !is_right => faults.push(*call),
                _ if is_right => {}
                _ => wrong.push(format!("{name} {found:?}")),
            }
        }
        let right = calls.len() - wrong.len() - faults.len();
        println!("{}: {right} of {} calls came out right", self.name, calls.len());
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        let listed: Vec<&str> = self.faults.iter().map(|(call, _)| *call).collect();
        assert_eq!(faults, listed, "a fault of {} is gone", self.name);
    }
}

/// A machine that makes a call. What it is to fail with, it catches.
fn machine(resource: &str, parameters: &Json, expected: &Expected) -> Json {
    let resource = format!("arn:aws:states:::{resource}");
    let Fails(error) = expected else { return task(&resource, parameters.clone()) };
    json!({"StartAt": "Call", "States": {
        "Call": {"Type": "Task", "Resource": resource, "Parameters": (parameters.clone()),
                 "Catch": [{"ErrorEquals": [(*error)], "Next": "Caught"}], "End": true},
        "Caught": {"Type": "Pass", "Result": "caught", "End": true}}})
}

#[tokio::test]
async fn moto_answers_machines() {
    MOTO.answers_machines().await;
}

#[tokio::test]
async fn ministack_answers_machines() {
    MINISTACK.answers_machines().await;
}

/// The machines on the manual's page, in its order.
#[tokio::test]
async fn the_machines_of_the_manual_run() {
    let Some(python) = MOTO.python() else {
        println!("skipped: moto cannot be installed here");
        return;
    };
    let (_running, url) = MOTO.start(&python).await.expect("moto starts");
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/src/services.md");
    let page = std::fs::read_to_string(page).expect("the manual has the page");
    let mut count = 0;
    for block in page.split("```asl\n").skip(1) {
        let text = block.split("```").next().unwrap_or_default();
        let machine = stepwright_json::parse(text).expect("it is JSON");
        let outcome = run_machine(&[("default", &url)], &machine).await;
        assert!(outcome.is_ok(), "{outcome:?} of {text}");
        count += 1;
    }
    assert_eq!(count, 6);
}

#[test]
fn there_are_calls_enough() {
    let calls = calls();
    let services: std::collections::BTreeSet<&str> = calls
        .iter()
        .filter_map(|(resource, ..)| resource.trim_start_matches("aws-sdk:").split(':').next())
        .collect();
    assert!(calls.len() >= 60 && services.len() >= 12, "{} {services:?}", calls.len());
}

pub(crate) type Call = (&'static str, Json, Expected);

pub(crate) fn calls() -> Vec<Call> {
    let queue = "PEER/123456789012/q";
    let topic = "arn:aws:sns:us-east-1:123456789012:t";
    let item = json!({"id": {"S": "1"}, "n": {"N": "5"}, "l": {"L": [{"BOOL": true}]}});
    let key = json!({"id": {"S": "1"}});
    let table = json!({
        "TableName": "table", "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}]
    });
    let role = json!({"RoleName": "r", "AssumeRolePolicyDocument": {"Version": "2012-10-17"}});
    vec![
        // S3: rest-xml
        ("aws-sdk:s3:createBucket", json!({"Bucket": "bucket"}), Done),
        (
            "aws-sdk:s3:putObject",
            json!({"Bucket": "bucket", "Key": "a b/ü+c.txt", "Body": {"x": 1}, "Metadata": {"m": "v"}}),
            Text("/ETag"),
        ),
        (
            "aws-sdk:s3:getObject",
            json!({"Bucket": "bucket", "Key": "a b/ü+c.txt"}),
            Is("/Body", json!("{\"x\":1}")),
        ),
        (
            "aws-sdk:s3:listObjectsV2",
            json!({"Bucket": "bucket"}),
            Is("/Contents/0/Key", json!("a b/ü+c.txt")),
        ),
        (
            "aws-sdk:s3:copyObject",
            json!({"Bucket": "bucket", "Key": "copy", "CopySource": "bucket/a%20b/%C3%BC%2Bc.txt"}),
            Text("/CopyObjectResult/ETag"),
        ),
        (
            "aws-sdk:s3:headObject",
            json!({"Bucket": "bucket", "Key": "copy"}),
            Is("/ContentLength", json!(7)),
        ),
        (
            "aws-sdk:s3:deleteObjects",
            json!({"Bucket": "bucket", "Delete": {"Objects": [{"Key": "copy"}]}}),
            Is("/Deleted/0/Key", json!("copy")),
        ),
        (
            "aws-sdk:s3:getObject",
            json!({"Bucket": "bucket", "Key": "copy"}),
            Fails("S3.NoSuchKeyException"),
        ),
        (
            "aws-sdk:s3:listObjectsV2",
            json!({"Bucket": "none-such"}),
            Fails("S3.NoSuchBucketException"),
        ),
        // SQS: json
        ("aws-sdk:sqs:createQueue", json!({"QueueName": "q"}), Text("/QueueUrl")),
        (
            "sqs:sendMessage",
            json!({"QueueUrl": queue, "MessageBody": {"a": 1}}),
            Text("/MessageId"),
        ),
        (
            "aws-sdk:sqs:receiveMessage",
            json!({"QueueUrl": queue}),
            Is("/Messages/0/Body", json!("{\"a\":1}")),
        ),
        (
            "aws-sdk:sqs:getQueueUrl",
            json!({"QueueName": "none"}),
            Fails("Sqs.QueueDoesNotExistException"),
        ),
        (
            "aws-sdk:sqs:sendMessageBatch",
            json!({"QueueUrl": queue, "Entries": [{"Id": "1", "MessageBody": "b"}]}),
            Is("/Successful/0/Id", json!("1")),
        ),
        (
            "sqs:sendMessage",
            json!({"QueueUrl": "PEER/123456789012/none", "MessageBody": "b"}),
            Fails("SQS.QueueDoesNotExistException"),
        ),
        (
            "aws-sdk:sqs:createQueue",
            json!({"QueueName": "q.fifo", "Attributes": {"FifoQueue": true}}),
            Text("/QueueUrl"),
        ),
        (
            "sqs:sendMessage",
            json!({"QueueUrl": "PEER/123456789012/q.fifo", "MessageBody": "b",
                   "MessageGroupId": "g", "MessageDeduplicationId": "d"}),
            Text("/SequenceNumber"),
        ),
        // SNS: query
        ("aws-sdk:sns:createTopic", json!({"Name": "t"}), Is("/TopicArn", json!(topic))),
        ("sns:publish", json!({"TopicArn": topic, "Message": {"a": 1}}), Text("/MessageId")),
        (
            "sns:publish",
            json!({"TopicArn": "arn:aws:sns:us-east-1:123456789012:none", "Message": "m"}),
            Fails("SNS.NotFoundException"),
        ),
        (
            "aws-sdk:sns:subscribe",
            json!({"TopicArn": topic, "Protocol": "sqs",
                   "Endpoint": "arn:aws:sqs:us-east-1:123456789012:q"}),
            Text("/SubscriptionArn"),
        ),
        (
            "aws-sdk:sns:getTopicAttributes",
            json!({"TopicArn": "arn:aws:sns:us-east-1:123456789012:none"}),
            Fails("Sns.NotFoundException"),
        ),
        // DynamoDB: json
        ("aws-sdk:dynamodb:createTable", table, Text("/TableDescription/TableArn")),
        ("dynamodb:putItem", json!({"TableName": "table", "Item": item}), Done),
        (
            "dynamodb:getItem",
            json!({"TableName": "table", "Key": (key.clone())}),
            Is("/Item/n/N", json!("5")),
        ),
        (
            "dynamodb:updateItem",
            json!({"TableName": "table", "Key": (key.clone()), "UpdateExpression": "SET n = n + :one",
                   "ExpressionAttributeValues": {":one": {"N": "1"}}, "ReturnValues": "ALL_NEW"}),
            Is("/Attributes/n/N", json!("6")),
        ),
        (
            "dynamodb:putItem",
            json!({"TableName": "table", "Item": (key.clone()),
                   "ConditionExpression": "attribute_not_exists(id)"}),
            Fails("DynamoDB.ConditionalCheckFailedException"),
        ),
        (
            "aws-sdk:dynamodb:getItem",
            json!({"TableName": "none", "Key": (key.clone())}),
            Fails("DynamoDb.ResourceNotFoundException"),
        ),
        (
            "aws-sdk:dynamodb:query",
            json!({"TableName": "table", "KeyConditionExpression": "id = :id",
                   "ExpressionAttributeValues": {":id": {"S": "1"}}}),
            Is("/Count", json!(1)),
        ),
        (
            "aws-sdk:dynamodb:deleteTable",
            json!({"TableName": "none"}),
            Fails("DynamoDb.ResourceNotFoundException"),
        ),
        ("dynamodb:deleteItem", json!({"TableName": "table", "Key": key}), Done),
        // EventBridge: json
        (
            "events:putEvents",
            json!({"Entries": [{"Source": "s", "DetailType": "d", "Detail": {"a": 1}}]}),
            Is("/FailedEntryCount", json!(0)),
        ),
        ("aws-sdk:eventbridge:createEventBus", json!({"Name": "bus"}), Text("/EventBusArn")),
        (
            "aws-sdk:eventbridge:putRule",
            json!({"Name": "r", "EventPattern": {"source": ["s"]}}),
            Text("/RuleArn"),
        ),
        (
            "aws-sdk:eventbridge:describeRule",
            json!({"Name": "none"}),
            Fails("EventBridge.ResourceNotFoundException"),
        ),
        // SSM, Secrets Manager, KMS, CloudWatch Logs: json
        (
            "aws-sdk:ssm:putParameter",
            json!({"Name": "/a/b", "Value": "v", "Type": "String"}),
            Is("/Version", json!(1)),
        ),
        ("aws-sdk:ssm:getParameter", json!({"Name": "/a/b"}), Is("/Parameter/Value", json!("v"))),
        (
            "aws-sdk:ssm:getParameter",
            json!({"Name": "/none"}),
            Fails("Ssm.ParameterNotFoundException"),
        ),
        (
            "aws-sdk:secretsmanager:createSecret",
            json!({"Name": "s", "SecretString": {"user": "u"}}),
            Text("/Arn"),
        ),
        (
            "aws-sdk:secretsmanager:getSecretValue",
            json!({"SecretId": "s"}),
            Is("/SecretString", json!("{\"user\":\"u\"}")),
        ),
        (
            "aws-sdk:secretsmanager:getSecretValue",
            json!({"SecretId": "none"}),
            Fails("SecretsManager.ResourceNotFoundException"),
        ),
        (
            "aws-sdk:ssm:getParametersByPath",
            json!({"Path": "/a"}),
            Is("/Parameters/0/Name", json!("/a/b")),
        ),
        (
            "aws-sdk:ssm:deleteParameter",
            json!({"Name": "/none"}),
            Fails("Ssm.ParameterNotFoundException"),
        ),
        (
            "aws-sdk:secretsmanager:putSecretValue",
            json!({"SecretId": "s", "SecretString": "n"}),
            Text("/VersionId"),
        ),
        ("aws-sdk:kms:createKey", json!({}), Text("/KeyMetadata/KeyId")),
        ("aws-sdk:cloudwatchlogs:createLogGroup", json!({"LogGroupName": "g"}), Done),
        (
            "aws-sdk:cloudwatchlogs:createLogGroup",
            json!({"LogGroupName": "g"}),
            Fails("CloudWatchLogs.ResourceAlreadyExistsException"),
        ),
        // STS, IAM: query; EC2: ec2
        ("aws-sdk:sts:getCallerIdentity", json!({}), Is("/Account", json!("123456789012"))),
        ("aws-sdk:iam:createRole", role, Is("/Role/RoleName", json!("r"))),
        ("aws-sdk:iam:listRoles", json!({}), Is("/Roles/0/RoleName", json!("r"))),
        ("aws-sdk:iam:getRole", json!({"RoleName": "none"}), Fails("Iam.NoSuchEntityException")),
        ("aws-sdk:ec2:createVpc", json!({"CidrBlock": "10.1.0.0/16"}), Text("/Vpc/VpcId")),
        ("aws-sdk:ec2:describeVpcs", json!({"VpcIds": ["vpc-none"]}), Fails("Ec2.Ec2Exception")),
        // ECS, Glue, Athena: json; Batch: rest-json
        ("aws-sdk:ecs:createCluster", json!({"ClusterName": "c"}), Text("/Cluster/ClusterArn")),
        (
            "aws-sdk:ecs:registerTaskDefinition",
            json!({"Family": "f", "ContainerDefinitions": [{"Name": "n", "Image": "i", "Memory": 128}]}),
            Is("/TaskDefinition/Revision", json!(1)),
        ),
        (
            "aws-sdk:ecs:describeClusters",
            json!({"Clusters": ["c"]}),
            Is("/Clusters/0/ClusterName", json!("c")),
        ),
        (
            "aws-sdk:ecs:listServices",
            json!({"Cluster": "none"}),
            Fails("Ecs.ClusterNotFoundException"),
        ),
        (
            "ecs:runTask",
            json!({"Cluster": "c", "TaskDefinition": "none"}),
            Fails("ECS.ClientException"),
        ),
        (
            "aws-sdk:glue:createJob",
            json!({"Name": "j", "Role": "r", "Command": {"Name": "glueetl", "ScriptLocation": "s3://a/b"}}),
            Is("/Name", json!("j")),
        ),
        ("glue:startJobRun.sync", json!({"JobName": "j"}), Is("/JobRunState", json!("SUCCEEDED"))),
        ("glue:startJobRun", json!({"JobName": "none"}), Fails("Glue.EntityNotFoundException")),
        (
            "athena:startQueryExecution.sync",
            json!({"QueryString": "SELECT 1", "ResultConfiguration": {"OutputLocation": "s3://bucket/"}}),
            Is("/QueryExecution/Status/State", json!("SUCCEEDED")),
        ),
        ("aws-sdk:glue:createDatabase", json!({"DatabaseInput": {"Name": "d"}}), Done),
        ("aws-sdk:glue:getDatabase", json!({"Name": "d"}), Is("/Database/Name", json!("d"))),
        ("aws-sdk:glue:getJob", json!({"JobName": "none"}), Fails("Glue.EntityNotFoundException")),
        ("aws-sdk:athena:createWorkGroup", json!({"Name": "w"}), Done),
        (
            "aws-sdk:athena:getQueryExecution",
            json!({"QueryExecutionId": "00000000-0000-0000-0000-000000000000"}),
            Fails("Athena.InvalidRequestException"),
        ),
        ("aws-sdk:batch:describeJobQueues", json!({}), Is("/JobQueues", json!([]))),
        (
            "batch:submitJob",
            json!({"JobName": "j", "JobQueue": "none", "JobDefinition": "none"}),
            Fails("Batch.ClientException"),
        ),
        // Lambda, API Gateway: rest-json
        (
            "aws-sdk:lambda:getFunction",
            json!({"FunctionName": "none"}),
            Fails("Lambda.ResourceNotFoundException"),
        ),
        ("aws-sdk:apigateway:createRestApi", json!({"Name": "api"}), Is("/Name", json!("api"))),
    ]
}
