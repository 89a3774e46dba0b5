//! The same calls against moto, which has its own reading of AWS's services: what it takes and
//! answers was written by others.

use crate::python::{python, start};
use crate::stub::run;
use stepwright_json::{Json, Pointer, json};

/// What a call must come to.
enum Expected {
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

#[tokio::test]
async fn moto_answers_machines() {
    let Some(python) = python() else {
        println!("skipped: moto cannot be installed here");
        return;
    };
    let (_moto, url) = start(&python).await.expect("moto starts");
    let mut wrong = Vec::new();
    let calls = calls();
    for (resource, parameters, expected) in &calls {
        let resource = format!("arn:aws:states:::{resource}");
        let parameters = stepwright_json::parse(&parameters.to_string().replace("MOTO", &url));
        let found = run(&[("default", &url)], &resource, parameters.expect("it is JSON")).await;
        let at = |at: &str| {
            let pointer = Pointer::parse(at).expect("a pointer");
            found.as_ref().ok().and_then(|output| pointer.find(output).cloned())
        };
        let is_right = match expected {
            Text(path) => at(path).is_some_and(|one| one.as_str().is_some_and(|t| !t.is_empty())),
            Is(path, value) => at(path).as_ref() == Some(value),
            Fails(error) => found.as_ref().is_err_and(|(name, _)| name == error),
            Done => found.is_ok(),
        };
        if !is_right {
            wrong.push(format!("{resource} {found:?}"));
        }
    }
    println!("{} of {} calls came out right", calls.len() - wrong.len(), calls.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

type Call = (&'static str, Json, Expected);

fn calls() -> Vec<Call> {
    let queue = "MOTO/123456789012/q";
    let topic = "arn:aws:sns:us-east-1:123456789012:t";
    let item = json!({"id": {"S": "1"}, "n": {"N": "5"}, "l": {"L": [{"BOOL": true}]}});
    let key = json!({"id": {"S": "1"}});
    let table = json!({
        "TableName": "t", "BillingMode": "PAY_PER_REQUEST",
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
        // SNS: query
        ("aws-sdk:sns:createTopic", json!({"Name": "t"}), Is("/TopicArn", json!(topic))),
        ("sns:publish", json!({"TopicArn": topic, "Message": {"a": 1}}), Text("/MessageId")),
        (
            "sns:publish",
            json!({"TopicArn": "arn:aws:sns:us-east-1:123456789012:none", "Message": "m"}),
            Fails("SNS.NotFoundException"),
        ),
        // DynamoDB: json
        ("aws-sdk:dynamodb:createTable", table, Text("/TableDescription/TableArn")),
        ("dynamodb:putItem", json!({"TableName": "t", "Item": item}), Done),
        (
            "dynamodb:getItem",
            json!({"TableName": "t", "Key": (key.clone())}),
            Is("/Item/n/N", json!("5")),
        ),
        (
            "dynamodb:updateItem",
            json!({"TableName": "t", "Key": (key.clone()), "UpdateExpression": "SET n = n + :one",
                   "ExpressionAttributeValues": {":one": {"N": "1"}}, "ReturnValues": "ALL_NEW"}),
            Is("/Attributes/n/N", json!("6")),
        ),
        (
            "dynamodb:putItem",
            json!({"TableName": "t", "Item": (key.clone()),
                   "ConditionExpression": "attribute_not_exists(id)"}),
            Fails("DynamoDB.ConditionalCheckFailedException"),
        ),
        (
            "aws-sdk:dynamodb:getItem",
            json!({"TableName": "none", "Key": (key.clone())}),
            Fails("DynamoDb.ResourceNotFoundException"),
        ),
        ("dynamodb:deleteItem", json!({"TableName": "t", "Key": key}), Done),
        // EventBridge: json
        (
            "events:putEvents",
            json!({"Entries": [{"Source": "s", "DetailType": "d", "Detail": {"a": 1}}]}),
            Is("/FailedEntryCount", json!(0)),
        ),
        ("aws-sdk:eventbridge:createEventBus", json!({"Name": "bus"}), Text("/EventBusArn")),
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
        ("aws-sdk:iam:getRole", json!({"RoleName": "none"}), Fails("Iam.NoSuchEntityException")),
        ("aws-sdk:ec2:createVpc", json!({"CidrBlock": "10.1.0.0/16"}), Text("/Vpc/VpcId")),
        ("aws-sdk:ec2:describeVpcs", json!({"VpcIds": ["vpc-none"]}), Fails("Ec2.Ec2Exception")),
        // ECS, Glue, Athena: json; Batch: rest-json
        ("aws-sdk:ecs:createCluster", json!({"ClusterName": "c"}), Text("/Cluster/ClusterArn")),
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
