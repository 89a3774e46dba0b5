//! Kills the server with `kill -9` while workflows use a table, a bucket, a queue and jobs. Nothing that
//! was acknowledged is lost, and nothing is applied twice where AWS promises once.
//!
//! There are four rounds, or as many as `STEPWRIGHT_CRASH_ROUNDS` says (`cargo xtask crash`). A Map has as many rows as
//! `STEPWRIGHT_CRASH_ROWS` says.

use crate::support::{Answer, Client, Server, command, object, text};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use stepwright_json::{Json, json};

const CONFIG: &str = r#"
[resources.Table]
type = "AWS::DynamoDB::Table"
[resources.Table.properties]
TableName = "orders"
AttributeDefinitions = [{ AttributeName = "id", AttributeType = "S" }]
KeySchema = [{ AttributeName = "id", KeyType = "HASH" }]
[resources.Bucket]
type = "AWS::S3::Bucket"
properties = { BucketName = "invoices" }
[resources.Queue]
type = "AWS::SQS::Queue"
properties = { QueueName = "parcels.fifo", FifoQueue = true }
[resources.Environment]
type = "AWS::Batch::ComputeEnvironment"
properties = { ComputeEnvironmentName = "ce", Type = "UNMANAGED" }
[resources.Jobs]
type = "AWS::Batch::JobQueue"
properties = { JobQueueName = "jobs", Priority = 1, ComputeEnvironmentOrder = [{ Order = 1, ComputeEnvironment = { Ref = "Environment" } }] }
[resources.Job]
type = "AWS::Batch::JobDefinition"
[resources.Job.properties]
JobDefinitionName = "pack"
Type = "container"
RetryStrategy = { Attempts = 10, EvaluateOnExit = [{ OnStatusReason = "Host EC2*", Action = "RETRY" }, { OnReason = "*", Action = "EXIT" }] }
ContainerProperties = { Image = "any", Vcpus = 1, Memory = 128, Command = ["/bin/sh", "-c", "echo $AWS_BATCH_JOB_ID $AWS_BATCH_JOB_ATTEMPT >> FOLDER/$ORDER; sleep 0.05"] }
"#;

/// Keeps an order, counts it, writes its invoice, tells of it, and has every fifth one packed by a job.
/// What fails since the server was gone is done again.
fn machine() -> String {
    let again =
        json!([{"ErrorEquals": ["States.TaskFailed"], "IntervalSeconds": 1, "MaxAttempts": 3}]);
    let task = |resource: &str, parameters: Json, next: &str| {
        json!({
            "Type": "Task", "Resource": (format!("arn:aws:states:::{resource}")),
            "Parameters": parameters, "ResultPath": null, "Retry": (again.clone()), "Next": next
        })
    };
    let count = json!({"TransactItems": [
        {"Put": {"TableName": "orders", "Item": {"id": {"S.$": "$.id"}}}},
        {"Update": {
            "TableName": "orders", "Key": {"id": {"S": "count"}},
            "UpdateExpression": "ADD n :one", "ExpressionAttributeValues": {":one": {"N": "1"}}
        }}
    ]});
    let send = json!({
        "QueueUrl": "http://127.0.0.1:1/123456789012/parcels.fifo", "MessageBody.$": "$.id",
        "MessageGroupId": "g", "MessageDeduplicationId.$": "$.id"
    });
    let job = json!({
        "JobName": "pack", "JobQueue": "jobs", "JobDefinition": "pack",
        "ContainerOverrides": {"Environment": [{"Name": "ORDER", "Value.$": "$.id"}]}
    });
    let states = json!({
        "Count": (task("aws-sdk:dynamodb:transactWriteItems", count, "Write")),
        "Write": (task("aws-sdk:s3:putObject", json!({"Bucket": "invoices", "Key.$": "$.id", "Body.$": "$"}), "Send")),
        "Send": (task("sqs:sendMessage", send, "Is it large?")),
        "Is it large?": {
            "Type": "Choice", "Default": "Done",
            "Choices": [{"Variable": "$.pack", "BooleanEquals": true, "Next": "Pack"}]
        },
        "Pack": (task("batch:submitJob.sync", job, "Done")),
        "Done": {"Type": "Succeed"}
    });
    json!({"StartAt": "Count", "States": states}).to_string()
}

/// A machine that asks a service, so that the test needs no other client.
fn question(client: &Client, name: &str, resource: &str, parameters: Json) -> Json {
    let state = json!({
        "Type": "Task", "Resource": (format!("arn:aws:states:::aws-sdk:{resource}")),
        "Parameters": parameters, "End": true
    });
    let machine = json!({"StartAt": "Q", "States": {"Q": state}}).to_string();
    let machine = client.create(name, "STANDARD", &machine);
    let ended = client.end(&client.start(&machine, "{}"));
    assert_eq!(text(&ended, "status"), "SUCCEEDED", "{ended}");
    stepwright_json::parse(&text(&ended, "output")).expect("it is JSON")
}

fn start(
    client: &Client,
    machine: &str,
    next: &AtomicU64,
    known: &Mutex<BTreeSet<String>>,
    is_over: &AtomicBool,
) {
    while !is_over.load(Ordering::Relaxed) {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let id = format!("order-{number:06}");
        let input = json!({"id": (id.as_str()), "pack": (number % 5 == 0)}).to_string();
        let members = [
            ("stateMachineArn", machine.into()),
            ("name", id.as_str().into()),
            ("input", input.into()),
        ];
        match client.call("StartExecution", &object(&members)) {
            Answer::Ok(reply) => {
                known.lock().expect("no other thread panics").insert(text(&reply, "executionArn"));
            }
            Answer::Lost => return,
            refused @ Answer::Refused(..) => panic!("{refused:?}"),
        }
        // The services are to be busy, not the starts.
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The executions that there are, acknowledged or not, and how they have ended.
fn all(client: &Client, machine: &str) -> Vec<Json> {
    let mut all = Vec::new();
    let mut token = Json::Null;
    loop {
        let mut members =
            vec![("stateMachineArn", machine.into()), ("maxResults", Json::Int(1_000))];
        if !token.is_null() {
            members.push(("nextToken", token));
        }
        let page = client.ok("ListExecutions", &members);
        all.extend(page.get("executions").and_then(Json::as_array).into_iter().flatten().cloned());
        token = page.get("nextToken").cloned().unwrap_or_default();
        if token.is_null() {
            return all;
        }
    }
}

/// How many jobs an execution says that it has submitted.
fn submissions(client: &Client, executions: &str, name: &str) -> usize {
    let arn = format!("{executions}:{name}");
    let history = client.ok(
        "GetExecutionHistory",
        &[("executionArn", arn.into()), ("maxResults", Json::Int(1_000))],
    );
    let events = history.get("events").and_then(Json::as_array).expect("a list");
    let details = events.iter().filter_map(|event| event.get("taskSubmittedEventDetails"));
    details.filter(|details| text(details, "resourceType") == "batch").count()
}

#[test]
fn workflows_and_services_survive_kill_9() {
    let rounds: u64 = std::env::var("STEPWRIGHT_CRASH_ROUNDS")
        .ok()
        .map_or(4, |rounds| rounds.parse().expect("a number of rounds"));
    let folder = tempfile::tempdir().expect("a directory can be made");
    let packed = folder.path().join("packed");
    std::fs::create_dir(&packed).expect("it can be made");
    let config = folder.path().join("stepwright.toml");
    let place = packed.display().to_string();
    std::fs::write(&config, CONFIG.replace("FOLDER", &place)).expect("it can be written");
    let data = folder.path().join("data");
    let arguments = [
        "--data",
        data.to_str().expect("the path is text"),
        "--config",
        config.to_str().expect("the path is text"),
    ];
    let (next, known) = (AtomicU64::default(), Mutex::new(BTreeSet::new()));
    let mut arn = String::new();
    let mut moment = 0x0DE5_u64;
    for round in 0..rounds {
        let server = Server::start(&arguments);
        if round == 0 {
            arn = server.client().create("order", "STANDARD", &machine());
        }
        moment = moment.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let lasts = Duration::from_millis(100 + (moment >> 33) % 400);
        let is_over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                let client = server.client();
                scope.spawn(|| {
                    let client = client;
                    start(&client, &arn, &next, &known, &is_over);
                });
            }
            std::thread::sleep(lasts);
            server.kill();
            is_over.store(true, Ordering::Relaxed);
        });
    }

    let server = Server::start(&arguments);
    let client = server.client();
    let known = known.into_inner().expect("no thread panicked");
    assert!(!known.is_empty(), "nothing was started");
    for execution in &known {
        let ended = client.end(execution);
        assert_eq!(text(&ended, "status"), "SUCCEEDED", "{ended}");
    }
    let executions = all(&client, &arn);
    let ids: BTreeSet<String> = executions.iter().map(|one| text(one, "name")).collect();
    for execution in &executions {
        let ended = client.end(&text(execution, "executionArn"));
        assert_eq!(text(&ended, "status"), "SUCCEEDED", "{ended}");
    }
    assert!(known.iter().all(|arn| ids.contains(arn.rsplit(':').next().expect("it has a name"))));

    // A transaction has a token, so each was applied once.
    let count = json!({"TableName": "orders", "Key": {"id": {"S": "count"}}});
    let count = question(&client, "count", "dynamodb:getItem", count);
    let count = count.get("Item").and_then(|item| item.get("n")?.get("N")?.as_str());
    assert_eq!(count, Some(ids.len().to_string().as_str()));
    let asked = json!({"QueueUrl": "http://127.0.0.1:1/123456789012/parcels.fifo", "AttributeNames": ["All"]});
    let queue = question(&client, "queue", "sqs:getQueueAttributes", asked);
    let messages = queue.get("Attributes").and_then(|all| all.get("ApproximateNumberOfMessages"));
    assert_eq!(messages.and_then(Json::as_str), Some(ids.len().to_string().as_str()), "{queue}");
    for id in &ids {
        let body = std::fs::read_to_string(data.join("buckets/invoices").join(id));
        assert!(body.is_ok_and(|body| body.contains(id.as_str())), "the invoice of {id}");
    }
    // Each attempt of a job runs once, and a task has as many jobs as it says, even if the server was
    // killed between the two.
    for id in ids.iter().filter(|id| id.ends_with('0') || id.ends_with('5')) {
        let text = std::fs::read_to_string(packed.join(id)).unwrap_or_default();
        let attempts: Vec<&str> = text.lines().collect();
        let distinct: BTreeSet<&&str> = attempts.iter().collect();
        assert!(!attempts.is_empty(), "{id} was not packed");
        assert_eq!(distinct.len(), attempts.len(), "{id}: {attempts:?}");
        let jobs: BTreeSet<&str> =
            attempts.iter().filter_map(|attempt| attempt.split(' ').next()).collect();
        let submitted = submissions(&client, &arn.replacen(":stateMachine:", ":execution:", 1), id);
        assert!(jobs.len() <= submitted, "{id}: {attempts:?} of {submitted} submissions");
    }
    assert!(server.stop());
}

/// A Map over a table in the bucket `lists`, whose results are written there.
fn map() -> String {
    json!({"StartAt": "M", "States": {"M": {
        "Type": "Map", "MaxConcurrency": 200, "Label": "Rows", "End": true,
        "ItemReader": {
            "Resource": "arn:aws:states:::s3:getObject",
            "ReaderConfig": {"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW"},
            "Parameters": {"Bucket": "lists", "Key": "rows.csv"}
        },
        "ItemProcessor": {
            "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
            "StartAt": "P", "States": {"P": {"Type": "Pass", "End": true}}
        },
        "ResultWriter": {
            "Resource": "arn:aws:states:::s3:putObject",
            "Parameters": {"Bucket": "lists", "Prefix": "out"}
        }
    }}})
    .to_string()
}

#[test]
fn the_results_of_a_map_are_written_once_despite_kill_9() {
    // More than a page of them, so that reading goes on after a kill.
    kill_map_runs(0x3A9, 8);
}

/// Pages of large rows end where they have their bytes.
#[test]
fn the_results_of_a_map_over_large_rows_are_written_once_despite_kill_9() {
    kill_map_runs(0x7F1, 2_000);
}

/// Kills a server that runs a Map, again and again. A Map that comes to its end meanwhile is followed by
/// another one, so that each kill meets one that runs. Each result is there once in the end.
fn kill_map_runs(mut moment: u64, width: usize) {
    let number = |name: &str, otherwise: usize| {
        std::env::var(name).map_or(otherwise, |text| text.parse().expect("a number"))
    };
    let rounds = number("STEPWRIGHT_CRASH_ROUNDS", 4);
    let rows = number("STEPWRIGHT_CRASH_ROWS", 3_000);
    let folder = tempfile::tempdir().expect("a directory can be made");
    let data = folder.path().join("data");
    let bucket = data.join("buckets/lists");
    std::fs::create_dir_all(&bucket).expect("it can be made");
    let row = |row: usize| format!("{row:0>width$}");
    let table: String = (0..rows).map(|number| row(number) + "\n").collect();
    std::fs::write(bucket.join("rows.csv"), format!("n\n{table}")).expect("it can be written");
    let expected: Vec<String> =
        (0..rows).map(|number| format!("{{\"n\":\"{}\"}}", row(number))).collect();
    let arguments = ["--data", data.to_str().expect("the path is text")];
    let (mut machine, mut executions) = (String::new(), Vec::new());
    for round in 0..rounds {
        let server = Server::start(&arguments);
        let client = server.client();
        if round == 0 {
            machine = client.create("map", "STANDARD", &map());
        }
        let is_over = |execution: &String| {
            let asked = [("executionArn", execution.as_str().into())];
            text(&client.ok("DescribeExecution", &asked), "status") != "RUNNING"
        };
        if executions.last().is_none_or(is_over) {
            executions.push(client.start(&machine, "{}"));
        }
        moment = moment.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        std::thread::sleep(Duration::from_millis(20 + (moment >> 33) % 300));
        server.kill();
    }
    let server = Server::start(&arguments);
    for execution in &executions {
        let ended = server.client().end(execution);
        assert_eq!(text(&ended, "status"), "SUCCEEDED", "{ended}");
        written_once(&bucket, &ended, &expected);
    }
    let runs = std::fs::read_dir(bucket.join("out")).expect("it was written").count();
    assert_eq!(runs, executions.len(), "each execution has one map run");
    assert!(server.stop());
    let (is_well, found) = command(&["doctor", arguments[0], arguments[1]], folder.path());
    assert!(is_well, "{found}");
}

/// Checks that each item is once in the results, and that the manifest says what is there.
fn written_once(bucket: &Path, ended: &Json, expected: &[String]) {
    let read = |key: &str| {
        let bytes = std::fs::read(bucket.join(key)).expect("it was written");
        (bytes.len(), stepwright_json::parse_bytes(&bytes).expect("it is JSON"))
    };
    let output = stepwright_json::parse(&text(ended, "output")).expect("it is JSON");
    let details = output.get("ResultWriterDetails").expect("it says where the results are");
    let (_, manifest) = read(&text(details, "Key"));
    assert_eq!(manifest.get("DestinationBucket"), Some(&json!("lists")));
    assert_eq!(manifest.get("MapRunArn"), output.get("MapRunArn"));
    let files = manifest.get("ResultFiles").expect("it names files");
    assert_eq!(files.get("FAILED"), Some(&json!([])));
    assert_eq!(files.get("PENDING"), Some(&json!([])));
    let mut items = Vec::new();
    let mut names = BTreeSet::new();
    for file in files.get("SUCCEEDED").and_then(Json::as_array).expect("it names files") {
        let (size, records) = read(&text(file, "Key"));
        assert_eq!(file.get("Size").and_then(Json::as_i64), Some(size as i64));
        for record in records.as_array().expect("they are records") {
            assert_eq!(text(record, "Status"), "SUCCEEDED", "{record}");
            assert_eq!(text(record, "Input"), text(record, "Output"), "{record}");
            items.push(text(record, "Input"));
            names.insert(text(record, "ExecutionArn"));
        }
    }
    // Some MiB of large records do not suffice to sort them.
    items.sort();
    assert!(items == expected, "{} of {} items", items.len(), expected.len());
    assert_eq!(names.len(), expected.len());
}
