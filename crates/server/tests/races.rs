//! What is checked before an execution starts still holds when it has started.

#[path = "../../store/tests/support/stores.rs"]
mod stores;

use std::sync::Arc;
use stepwright_engine::{Engine, Options, Tasks};
use stepwright_json::{Json, json};
use stepwright_server::{Api, Settings};
use stepwright_store::{Sqlite, Store};

struct NoTasks;

impl Tasks for NoTasks {
    fn run(&self, _: stepwright_engine::Call, _: stepwright_engine::Report) {}
}

const MACHINE: &str = "arn:aws:states:us-east-1:123456789012:stateMachine:waits";

async fn engine(store: Arc<dyn Store>) -> Engine {
    Engine::open(Options::new(store, Arc::new(NoTasks))).await.expect("it opens")
}

async fn create(api: &Api, seconds: u32) {
    let definition = json!({"StartAt": "W", "States": {
        "W": {"Type": "Wait", "Seconds": (i64::from(seconds)), "End": true}}});
    let body = json!({
        "name": "waits",
        "definition": (definition.to_string()),
        "roleArn": "arn:aws:iam::123456789012:role/r"
    });
    api.call("CreateStateMachine", body).await.expect("it is created");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn starts_at_the_same_moment_are_counted_one_after_another() {
    let folder = tempfile::tempdir().expect("a directory");
    let store: Arc<dyn Store> = if stores::is_postgres() {
        stores::empty()
    } else {
        Arc::new(Sqlite::open(folder.path()).expect("it opens"))
    };
    let limits = [("waits".to_owned(), 5)].into();
    let settings = Settings { max_concurrent_executions: limits, ..Settings::default() };
    let api = Api::new(engine(store).await, settings);
    create(&api, 3_600).await;
    let starts: Vec<_> = (0..64)
        .map(|_| {
            let api = api.clone();
            let body = json!({"stateMachineArn": (MACHINE)});
            tokio::spawn(async move { api.call("StartExecution", body).await })
        })
        .collect();
    let (mut started, mut refused) = (0, 0);
    for start in starts {
        match start.await.expect("it does not panic") {
            Ok(_) => started += 1,
            Err(error) => {
                assert_eq!(error.code, "ExecutionLimitExceeded", "{error:?}");
                refused += 1;
            }
        }
    }
    assert_eq!((started, refused), (5, 59));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_execution_that_starts_while_its_machine_is_deleted_has_its_machine() {
    let store: Arc<dyn Store> = stores::empty();
    let api = Api::new(engine(store.clone()).await, Settings::default());
    for round in 0..6 {
        create(&api, 1).await;
        let starts: Vec<_> = (0..8)
            .map(|_| {
                let api = api.clone();
                let body = json!({"stateMachineArn": (MACHINE)});
                tokio::spawn(async move { api.call("StartExecution", body).await })
            })
            .collect();
        if round % 2 == 0 {
            tokio::task::yield_now().await;
        }
        let deleted = json!({"stateMachineArn": (MACHINE)});
        api.call("DeleteStateMachine", deleted.clone()).await.expect("it is deleted");
        let mut running = 0;
        for start in starts {
            let Ok(reply) = start.await.expect("it does not panic") else { continue };
            let arn = reply.get("executionArn").and_then(Json::as_str).expect("it has an ARN");
            let described = json!({"executionArn": (arn)});
            api.call("DescribeExecution", described).await.expect("it is there");
            let stop = json!({"executionArn": (arn)});
            api.call("StopExecution", stop).await.expect("it can be stopped");
            running += 1;
        }
        // Without running executions it is gone at once; with some, soon after they have ended.
        while api.call("DescribeStateMachine", deleted.clone()).await.is_ok() {
            assert!(running > 0, "nothing runs");
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        for prefix in ["revision", "machine"] {
            let left = store.documents(prefix).await.expect("they can be read");
            assert_eq!(left, [], "round {round}");
        }
    }
}
