//! `.sync`: success, failure, stop, time-out, a failing sibling, and a restart in between.

use crate::stub::{Reply, Stub, assembled, at, ended, history, outcome, run, start, task, until};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use stepwright_json::{Json, json};

const GLUE: &str = "arn:aws:states:::glue:startJobRun.sync";

/// Glue, whose job runs until it is released.
async fn glue(released: Arc<AtomicBool>) -> Stub {
    Stub::start("glue", move |operation, given, _| {
        Reply::Value(match operation {
            "StartJobRun" => json!({"JobRunId": "r1"}),
            "BatchStopJobRun" => json!({"SuccessfulSubmissions": []}),
            _ => {
                assert_eq!(given.get("RunId"), Some(&json!("r1")));
                let state = if released.load(Ordering::SeqCst) { "SUCCEEDED" } else { "RUNNING" };
                json!({"JobRun": {"Id": "r1", "JobName": "j", "JobRunState": state,
                                  "StartedOn": "2024-01-01T00:00:00Z"}})
            }
        })
    })
    .await
}

/// A machine whose task is given up after a second.
fn in_a_second(definition: Json) -> Json {
    let mut definition = definition;
    if let Json::Object(members) = &mut definition
        && let Some(Json::Object(states)) = members.get_mut("States")
        && let Some(Json::Object(state)) = states.get_mut("T")
    {
        state.insert("TimeoutSeconds", json!(1));
    }
    definition
}

#[tokio::test]
async fn a_job_is_asked_for_until_it_has_ended() {
    let stub = glue(Arc::new(AtomicBool::new(true))).await;
    let assembled = assembled(at(&[("glue", &stub.url)]), None).await;
    let execution = start(&assembled.api, &task(GLUE, json!({"JobName": "j"}))).await;
    let output = outcome(&ended(&assembled.api, &execution).await).unwrap();
    assert_eq!(
        output,
        json!({"Id": "r1", "JobName": "j", "StartedOn": 1_704_067_200_000_i64,
               "JobRunState": "SUCCEEDED"})
    );
    let events = history(&assembled.api, &execution).await;
    let types: Vec<&str> =
        events.iter().filter_map(|event| event.get("type").and_then(Json::as_str)).collect();
    let expected = [
        "ExecutionStarted",
        "TaskStateEntered",
        "TaskScheduled",
        "TaskStarted",
        "TaskSubmitted",
        "TaskSucceeded",
        "TaskStateExited",
        "ExecutionSucceeded",
    ];
    assert_eq!(types, expected);
    let submitted = events[4].get("taskSubmittedEventDetails").and_then(|one| one.get("output"));
    assert!(submitted.and_then(Json::as_str).unwrap().contains("\"JobRunId\":\"r1\""));
}

#[tokio::test]
async fn a_job_that_fails_is_the_cause() {
    let ecs = Stub::start("ecs", |operation, given, _| {
        let task = |code: i64, status: &str| {
            json!({"taskArn": "t", "clusterArn": "c", "lastStatus": status,
                   "stopCode": "EssentialContainerExited",
                   "containers": [{"name": "n", "exitCode": code}]})
        };
        Reply::Value(match operation {
            "RunTask" => {
                assert_eq!(given.get("startedBy"), Some(&json!("AWS Step Functions")));
                assert!(given.get("clientToken").is_some());
                json!({"tasks": [(task(0, "PENDING"))], "failures": []})
            }
            _ => json!({"tasks": [(task(3, "STOPPED"))], "failures": []}),
        })
    })
    .await;
    let run_task = "arn:aws:states:::ecs:runTask.sync";
    let parameters = json!({"Cluster": "c", "TaskDefinition": "d"});
    let (name, cause) = run(&[("ecs", &ecs.url)], run_task, parameters.clone()).await.unwrap_err();
    assert_eq!(name, "States.TaskFailed");
    let cause = stepwright_json::parse(&cause).unwrap();
    assert_eq!(cause.get("Containers").and_then(|all| all.at(0)?.get("ExitCode")), Some(&json!(3)));

    let full = Stub::start("ecs", |_, _, _| {
        Reply::Value(json!({"tasks": [], "failures": [{"reason": "RESOURCE:CPU"}]}))
    })
    .await;
    let (name, cause) = run(&[("ecs", &full.url)], run_task, parameters).await.unwrap_err();
    assert_eq!(name, "AmazonECS.Unknown");
    assert!(cause.contains("RESOURCE:CPU"), "{cause}");
}

#[tokio::test]
async fn a_stopped_execution_cancels_its_job() {
    let stub = glue(Arc::default()).await;
    let assembled = assembled(at(&[("glue", &stub.url)]), None).await;
    let execution = start(&assembled.api, &task(GLUE, json!({"JobName": "j"}))).await;
    until(|| stub.count("GetJobRun") > 0).await;
    let body = json!({"executionArn": (execution.as_str())});
    assembled.api.call("StopExecution", body).await.unwrap();
    until(|| stub.count("BatchStopJobRun") == 1).await;
    let stopped = stub.calls().into_iter().find(|(name, _)| name == "BatchStopJobRun").unwrap();
    assert_eq!(stopped.1, json!({"JobName": "j", "JobRunIds": ["r1"]}));
}

#[tokio::test]
async fn a_timeout_and_a_failing_sibling_cancel_a_job() {
    let stub = glue(Arc::default()).await;
    let services = at(&[("glue", &stub.url)]);
    let assembled = assembled(services, None).await;
    let definition = in_a_second(task(GLUE, json!({"JobName": "j"})));
    let execution = start(&assembled.api, &definition).await;
    let (name, _) = outcome(&ended(&assembled.api, &execution).await).unwrap_err();
    assert_eq!(name, "States.Timeout");
    until(|| stub.count("BatchStopJobRun") == 1).await;

    let branches = json!([
        (task(GLUE, json!({"JobName": "j"}))),
        {"StartAt": "W", "States": {
            "W": {"Type": "Wait", "Seconds": 1, "Next": "F"}, "F": {"Type": "Fail", "Error": "E"}}}
    ]);
    let definition = json!({"StartAt": "P", "States": {
        "P": {"Type": "Parallel", "Branches": branches, "End": true}}});
    let execution = start(&assembled.api, &definition).await;
    let (name, _) = outcome(&ended(&assembled.api, &execution).await).unwrap_err();
    assert_eq!(name, "E");
    until(|| stub.count("BatchStopJobRun") == 2).await;
}

/// The engine is dropped without a word, as when its process is killed; another one opens the store.
#[test]
fn a_job_is_submitted_once_whatever_happens() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = || tokio::runtime::Runtime::new().unwrap();
    let stubs = runtime();
    let released = Arc::new(AtomicBool::new(false));
    let stub = stubs.block_on(glue(released.clone()));
    let services = || at(&[("glue", &stub.url)]);
    let first = runtime();
    let execution = first.block_on(async {
        let assembled = assembled(services(), Some(folder.path())).await;
        let execution = start(&assembled.api, &task(GLUE, json!({"JobName": "j"}))).await;
        until(|| stub.count("GetJobRun") > 0).await;
        execution
    });
    drop(first);
    let asked = stub.count("GetJobRun");
    runtime().block_on(async {
        let assembled = assembled(services(), Some(folder.path())).await;
        until(|| stub.count("GetJobRun") > asked).await;
        released.store(true, Ordering::SeqCst);
        let output = outcome(&ended(&assembled.api, &execution).await).unwrap();
        assert_eq!(output.get("JobRunState"), Some(&json!("SUCCEEDED")));
    });
    assert_eq!(stub.count("StartJobRun"), 1);
    assert_eq!(stub.count("BatchStopJobRun"), 0, "a restart cancels nothing");
}
