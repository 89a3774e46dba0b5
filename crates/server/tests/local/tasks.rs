//! Tasks call the services of this machine without a wire.

use crate::server::{assembly, serve_assembly, start};
use crate::wire::Wire;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;
use stepwright_functions::{Function, Functions, Invocation, Place};
use stepwright_json::{Json, json};
use stepwright_server::{Api, Assembly};

const ROLE: &str = "arn:aws:iam::123456789012:role/r";

/// Runs a machine of these tasks, one after another, and returns its output, or its error.
pub(crate) async fn run(api: &Api, name: &str, tasks: &[(&str, Json)]) -> Result<Json, String> {
    let mut states = stepwright_json::Object::new();
    for (at, (resource, parameters)) in tasks.iter().enumerate() {
        let mut state = stepwright_json::Object::new();
        state.insert("Type", "Task".into());
        state.insert("Resource", format!("arn:aws:states:::{resource}").into());
        state.insert("Parameters", parameters.clone());
        if at + 1 == tasks.len() {
            state.insert("End", true.into())
        } else {
            state.insert("Next", format!("T{}", at + 1).into())
        };
        states.insert(format!("T{at}"), state.into());
    }
    let definition = json!({"StartAt": "T0", "States": states});
    let body = json!({"name": name, "roleArn": ROLE, "definition": (definition.to_string())});
    let created = api.call("CreateStateMachine", body).await.expect("it is created");
    let machine = created.get("stateMachineArn").cloned().expect("it has an ARN");
    let body = json!({"stateMachineArn": machine, "input": "{}"});
    let started = api.call("StartExecution", body).await.expect("it starts");
    let execution = started.get("executionArn").cloned().expect("it has an ARN");
    for _ in 0..500 {
        let body = json!({"executionArn": (execution.clone())});
        let now = api.call("DescribeExecution", body).await.expect("it is there");
        let text = |key: &str| now.get(key).and_then(Json::as_str).unwrap_or_default().to_owned();
        match text("status").as_str() {
            "RUNNING" => tokio::time::sleep(Duration::from_millis(20)).await,
            "SUCCEEDED" => return Ok(stepwright_json::parse(&text("output")).expect("it is JSON")),
            _ => return Err(format!("{}: {}", text("error"), text("cause"))),
        }
    }
    panic!("the execution does not end");
}

#[tokio::test]
async fn tasks_use_queues() {
    let server = start(None, Vec::new()).await;
    let url = "http://localhost:8083/123456789012/orders";
    let output = run(
        &server.api,
        "queues",
        &[
            ("aws-sdk:sqs:createQueue", json!({"QueueName": "orders"})),
            ("sqs:sendMessage", json!({"QueueUrl": url, "MessageBody": {"order": 7}})),
            ("aws-sdk:sqs:receiveMessage", json!({"QueueUrl": url})),
        ],
    )
    .await
    .expect("it succeeds");
    let body = output.get("Messages").and_then(|messages| messages.at(0)?.get("Body"));
    assert_eq!(body, Some(&json!("{\"order\":7}")));
    let sent = run(
        &server.api,
        "sends",
        &[("sqs:sendMessage", json!({"QueueUrl": url, "MessageBody": "x"}))],
    )
    .await
    .expect("it succeeds");
    assert_eq!(
        sent.get("SdkHttpMetadata").and_then(|one| one.get("HttpStatusCode")),
        Some(&json!(200))
    );
    let refused = run(
        &server.api,
        "fails",
        &[(
            "sqs:sendMessage",
            json!({"QueueUrl": "http://x/123456789012/none", "MessageBody": "x"}),
        )],
    )
    .await
    .unwrap_err();
    assert!(refused.contains("SQS.") && refused.contains("does not exist"), "{refused}");
    let unsupported = run(
        &server.api,
        "unsupported",
        &[("aws-sdk:sqs:removePermission", json!({"QueueUrl": url, "Label": "l"}))],
    )
    .await
    .unwrap_err();
    assert!(
        unsupported.contains("does not have the operation `RemovePermission`"),
        "{unsupported}"
    );
}

/// The tasks that make a queue, and definitions that run these scripts.
fn defined(scripts: &[(&str, &str)]) -> Vec<(&'static str, Json)> {
    let order = json!([{"Order": 1, "ComputeEnvironment": "ce"}]);
    let mut made = vec![
        (
            "aws-sdk:batch:createComputeEnvironment",
            json!({"ComputeEnvironmentName": "ce", "Type": "UNMANAGED"}),
        ),
        (
            "aws-sdk:batch:createJobQueue",
            json!({"JobQueueName": "q", "Priority": 1, "ComputeEnvironmentOrder": order}),
        ),
    ];
    for (name, script) in scripts {
        let container = json!({"Image": "i", "Command": ["/bin/sh", "-c", (*script)]});
        let definition = json!({
            "JobDefinitionName": (*name), "Type": "container", "ContainerProperties": container,
            "RetryStrategy": {"Attempts": 2}
        });
        made.push(("aws-sdk:batch:registerJobDefinition", definition));
    }
    made
}

fn job(definition: &str) -> Json {
    json!({"JobName": "j", "JobQueue": "q", "JobDefinition": definition})
}

/// Waits until a job has a status, and describes it.
async fn reached(api: &Api, id: &Json, status: &str) -> Json {
    let describe = json!({"Jobs": [(id.clone())]});
    for count in 0..200 {
        let name = format!("describes-{status}-{count}");
        let described = run(api, &name, &[("aws-sdk:batch:describeJobs", describe.clone())]).await;
        let described = described.expect("it succeeds");
        let found = described.get("Jobs").and_then(|jobs| jobs.at(0)).expect("it is there").clone();
        if found.get("Status").and_then(Json::as_str) == Some(status) {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the job does not become {status}");
}

#[test]
fn a_job_that_ends_with_the_server_is_tried_again() {
    let folder = tempfile::tempdir().expect("a directory");
    let script = "test $AWS_BATCH_JOB_ATTEMPT = 2 || sleep 300";
    let runtime = || tokio::runtime::Runtime::new().expect("there is a runtime");
    let first = runtime();
    let id = first.block_on(async {
        let server = start(Some(folder.path()), Vec::new()).await;
        let mut tasks = defined(&[("slow", script)]);
        tasks.push(("batch:submitJob", job("slow")));
        let submitted = run(&server.api, "submits", &tasks).await.expect("it succeeds");
        let id = submitted.get("JobId").cloned().expect("it has an id");
        reached(&server.api, &id, "RUNNING").await;
        id
    });
    first.shutdown_timeout(Duration::from_secs(5));
    runtime().block_on(async {
        let server = start(Some(folder.path()), Vec::new()).await;
        let found = reached(&server.api, &id, "SUCCEEDED").await;
        let attempts = found.get("Attempts").and_then(Json::as_array).expect("it was tried");
        assert_eq!(attempts.len(), 2);
        let reason = attempts[0].get("StatusReason").and_then(Json::as_str).unwrap_or_default();
        assert!(reason.starts_with("Host EC2") && reason.contains("the server ended"), "{reason}");
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_ends_with_its_execution() {
    let server = start(None, Vec::new()).await;
    let api = &server.api;
    run(api, "defines", &defined(&[("slow", "sleep 300")])).await.expect("it succeeds");
    let definition = json!({"StartAt": "J", "States": {"J": {
        "Type": "Task", "Resource": "arn:aws:states:::batch:submitJob.sync",
        "Parameters": (job("slow")), "End": true}}});
    let body = json!({"name": "waits", "roleArn": ROLE, "definition": (definition.to_string())});
    let created = api.call("CreateStateMachine", body).await.expect("it is created");
    let machine = created.get("stateMachineArn").cloned().expect("it has an ARN");
    let body = json!({"stateMachineArn": machine, "input": "{}"});
    let started = api.call("StartExecution", body).await.expect("it starts");
    let execution = started.get("executionArn").cloned().expect("it has an ARN");
    let list = [("aws-sdk:batch:listJobs", json!({"JobQueue": "q"}))];
    let mut id = None;
    for count in 0..200 {
        let listed = run(api, &format!("lists-{count}"), &list).await.expect("it succeeds");
        let found = listed.get("JobSummaryList").and_then(|jobs| jobs.at(0)?.get("JobId"));
        if let Some(found) = found {
            id = Some(found.clone());
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let id = id.expect("the job runs");
    api.call("StopExecution", json!({"executionArn": execution})).await.expect("it stops");
    let ended = reached(api, &id, "FAILED").await;
    let reason = json!("The AWS Step Functions task was cancelled");
    assert_eq!(ended.get("StatusReason"), Some(&reason));
    // It is not tried again.
    assert_eq!(ended.get("Attempts").and_then(Json::as_array).map(|all| all.len()), Some(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_run_jobs() {
    let server = start(None, Vec::new()).await;
    let good = "test \"$MANAGED_BY_AWS\" = STARTED_BY_STEP_FUNCTIONS";
    let mut made = defined(&[("good", good), ("bad", "exit 3")]);
    made.push(("batch:submitJob.sync", job("good")));
    let output = run(&server.api, "jobs", &made).await.expect("it succeeds");
    assert_eq!(output.get("Status"), Some(&json!("SUCCEEDED")));
    let bad = [("batch:submitJob.sync", job("bad"))];
    let failed = run(&server.api, "fails-job", &bad).await.unwrap_err();
    assert!(
        failed.starts_with("States.TaskFailed") && failed.contains("\"ExitCode\":3"),
        "{failed}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_run_tasks_of_ecs() {
    let server = start(None, Vec::new()).await;
    let define = |family: &str, script: &str| {
        json!({"Family": family, "ContainerDefinitions": [
            {"Name": "main", "Image": "i", "Command": ["/bin/sh", "-c", script]}]})
    };
    let over = json!({"ContainerOverrides": [
        {"Name": "main", "Environment": [{"Name": "CODE", "Value": "0"}]}]});
    let made = [
        ("aws-sdk:ecs:registerTaskDefinition", define("task", "exit ${CODE:-6}")),
        ("ecs:runTask.sync", json!({"TaskDefinition": "task", "Overrides": over})),
    ];
    let output = run(&server.api, "tasks", &made).await.expect("it succeeds");
    assert_eq!(output.get("LastStatus"), Some(&json!("STOPPED")));
    assert_eq!(output.get("StartedBy"), Some(&json!("AWS Step Functions")));
    let bad = [("ecs:runTask.sync", json!({"TaskDefinition": "task"}))];
    let failed = run(&server.api, "fails-task", &bad).await.unwrap_err();
    assert!(
        failed.starts_with("States.TaskFailed") && failed.contains("\"ExitCode\":6"),
        "{failed}"
    );
}

#[tokio::test]
async fn processes_are_not_started_for_those_who_do_not_sign() {
    let server = start(None, Vec::new()).await;
    let client = reqwest::Client::new();
    for (host, path) in [("batch.localhost", "/v1/describejobqueues"), ("ecs.localhost", "/")] {
        let target = "AmazonEC2ContainerServiceV20141113.ListClusters";
        let request = client.post(format!("{}{path}", server.url)).header("host", host).body("{}");
        let answer = request.header("x-amz-target", target).send().await.expect("it answers");
        assert_eq!(answer.status(), 403, "{host}");
    }
}

/// Runs a definition with a name, and returns its output.
async fn run_definition(api: &Api, name: &str, definition: &Json) -> Json {
    let body = json!({"name": name, "roleArn": ROLE, "definition": (definition.to_string())});
    let created = api.call("CreateStateMachine", body).await.expect("it is created");
    let machine = created.get("stateMachineArn").cloned().expect("it has an ARN");
    let body = json!({"stateMachineArn": machine, "input": "{}"});
    let started = api.call("StartExecution", body).await.expect("it starts");
    let execution = started.get("executionArn").cloned().expect("it has an ARN");
    for _ in 0..500 {
        let body = json!({"executionArn": (execution.clone())});
        let now = api.call("DescribeExecution", body).await.expect("it is there");
        if now.get("status").and_then(Json::as_str) != Some("RUNNING") {
            return now;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the execution does not end");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn maps_read_and_write_the_same_objects() {
    let folder = tempfile::tempdir().expect("a directory");
    let server = start(Some(folder.path()), Vec::new()).await;
    let wire = Wire::new(&server.url);
    wire.object("PUT", "lists", &[], Vec::new()).await.expect("it answers");
    let items = b"[{\"n\": 1}, {\"n\": 2}]".to_vec();
    let (status, _) =
        wire.object("PUT", "lists/in/items.json", &[], items).await.expect("it answers");
    assert_eq!(status, 200);
    // What somebody copies into the folder is an object as well.
    std::fs::write(folder.path().join("buckets/lists/by-hand.txt"), b"by hand")
        .expect("it is written");
    let (_, by_hand) =
        wire.object("GET", "lists/by-hand.txt", &[], Vec::new()).await.expect("it answers");
    assert_eq!(by_hand, b"by hand");
    let definition = json!({"StartAt": "M", "States": {"M": {
        "Type": "Map",
        "ItemReader": {
            "Resource": "arn:aws:states:::s3:getObject",
            "ReaderConfig": {"InputType": "JSON"},
            "Parameters": {"Bucket": "lists", "Key": "in/items.json"}
        },
        "ItemProcessor": {
            "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
            "StartAt": "P", "States": {"P": {"Type": "Pass", "End": true}}
        },
        "ResultWriter": {
            "Resource": "arn:aws:states:::s3:putObject",
            "Parameters": {"Bucket": "lists", "Prefix": "out"}
        },
        "End": true
    }}});
    let ended = run_definition(&server.api, "map", &definition).await;
    assert_eq!(ended.get("status"), Some(&json!("SUCCEEDED")), "{ended}");
    let output = ended.get("output").and_then(Json::as_str).expect("it has an output");
    let output = stepwright_json::parse(output).expect("it is JSON");
    let details = output.get("ResultWriterDetails").expect("it says where the results are");
    let key = details.get("Key").and_then(Json::as_str).expect("it has a key").to_owned();
    let (status, manifest) =
        wire.object("GET", &format!("lists/{key}"), &[], Vec::new()).await.expect("it answers");
    assert_eq!(status, 200);
    assert!(String::from_utf8_lossy(&manifest).contains("SUCCEEDED"), "it is the manifest");
    let (_, listed) = wire
        .object("GET", "lists?list-type=2&prefix=out/", &[], Vec::new())
        .await
        .expect("it answers");
    assert!(String::from_utf8_lossy(&listed).contains("manifest.json"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn functions_find_the_services() {
    let function: Function = toml::from_str(
        "command = ['sh', '-c', 'printf \"%s\" \"\\\"$AWS_ENDPOINT_URL $AWS_ACCESS_KEY_ID $MINE\\\"\"']\n\
         environment = { MINE = 'mine' }",
    )
    .expect("it is a function");
    let functions = BTreeMap::from([("where".to_owned(), function)]);
    let functions =
        Functions::new(functions, PathBuf::new(), Place::default()).expect("it can run");
    let assembly = Assembly { functions: functions.clone(), ..assembly(None, Vec::new()) };
    let server = serve_assembly(assembly).await;
    // It is told once the server serves.
    reqwest::get(format!("{}/health", server.url)).await.expect("it answers");
    let invocation =
        Invocation { function: "where".to_owned(), payload: "{}".into(), ..Invocation::default() };
    let reply = functions.invoke(invocation).await.expect("it answers");
    let said = String::from_utf8_lossy(&reply.payload).into_owned();
    assert_eq!(said.trim(), format!("\"{} stepwright mine\"", server.url));
}
