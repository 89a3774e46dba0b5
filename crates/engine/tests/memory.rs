//! An execution that is read back from its history takes no more memory than it took before.

use std::sync::Arc;
use std::time::Duration;
use stepwright_engine::{Call, Engine, Machine, Options, Report, Revision, StartRequest, Tasks};
use stepwright_json::{Json, json};
use stepwright_program::{Limits, Vintage};
use stepwright_store::{Memory, Store};
use tokio::sync::Notify;

/// Never answers, and tells of what it is asked.
#[derive(Default)]
struct Silent(Arc<Notify>);

impl Tasks for Silent {
    fn run(&self, _call: Call, report: Report) {
        // Nobody is told that the call is over.
        std::mem::forget(report);
        self.0.notify_one();
    }
}

/// An engine, and what is told of its tasks.
async fn engine_on(store: Arc<dyn Store>, limits: Limits) -> (Engine, Arc<Notify>) {
    let tasks = Silent::default();
    let asked = tasks.0.clone();
    let options = Options { limits, ..Options::new(store, Arc::new(tasks)) };
    (Engine::open(options).await.expect("the store can be read"), asked)
}

async fn start(engine: &Engine, definition: &str, input: Json) -> String {
    let program = Revision::compile(definition, engine.options().limits, Vintage::TODAY);
    let role = "arn:aws:iam::123456789012:role/role".to_owned();
    let program = program.expect("it compiles");
    let revision = Revision::new(engine.new_uuid(), definition.to_owned(), role, program);
    let revision = Arc::new(revision);
    let arn = "arn:aws:states:us-east-1:123456789012:stateMachine:machine".to_owned();
    let machine = Machine::new(arn, &revision);
    engine.put_machine(machine.clone(), Some(revision.clone())).await.expect("it is kept");
    let request = StartRequest::new(Arc::new(machine), revision, engine.new_uuid(), input);
    engine.start(request).await.expect("it starts").arn.clone()
}

/// Every iteration but the last gives back what all have in common; the last one waits for a
/// function.
const SHARED: &str = r#"{"StartAt": "M", "States": {"M": {"Type": "Map", "ItemsPath": "$.list", "MaxConcurrency": 1,
    "ItemProcessor": {"StartAt": "C", "States": {
        "C": {"Type": "Choice", "Choices": [{"Variable": "$", "NumericEquals": 199, "Next": "W"}], "Default": "P"},
        "P": {"Type": "Pass", "InputPath": "$$.Execution.Input", "End": true},
        "W": {"Type": "Task", "Resource": "arn:aws:lambda:us-east-1:123456789012:function:f", "End": true}}},
    "ResultPath": null, "End": true}}}"#;

#[tokio::test]
async fn what_is_shared_is_shared_again_when_it_is_read_back() {
    let store: Arc<dyn Store> = Arc::new(Memory::new());
    let (engine, asked) = engine_on(store.clone(), Limits::default()).await;
    let list: Vec<Json> = (0..200).map(Json::Int).collect();
    let zeros = vec![Json::Int(0); 40_000];
    start(&engine, SHARED, json!({"list": list, "zeros": zeros})).await;
    asked.notified().await;
    let before = engine.executions_bytes();
    assert!(before < 8 << 20, "{before} bytes");
    engine.shutdown().await;

    let (engine, asked) = engine_on(store, Limits::default()).await;
    asked.notified().await;
    let after = engine.executions_bytes();
    assert!((500_000..8 << 20).contains(&after), "{after} bytes, and {before} before");
    assert_eq!(engine.executions_in_memory(), 1);
}

/// The results of sixty iterations have something large in common, each within a value of its own.
const WITHIN: &str = r#"{"StartAt": "M", "States": {
    "M": {"Type": "Map", "ItemsPath": "$.list",
        "ItemSelector": {"within.$": "$.deep", "n.$": "$$.Map.Item.Value"},
        "ItemProcessor": {"StartAt": "P", "States": {"P": {"Type": "Pass", "End": true}}}, "Next": "W"},
    "W": {"Type": "Task", "Resource": "arn:aws:lambda:us-east-1:123456789012:function:f", "End": true}}}"#;

#[tokio::test]
async fn what_takes_too_much_when_it_is_read_back_is_left_alone() {
    let store: Arc<dyn Store> = Arc::new(Memory::new());
    let (engine, asked) = engine_on(store.clone(), Limits::EXTENDED).await;
    let list: Vec<Json> = (0..60).map(Json::Int).collect();
    let nested = (0..900).fold(Json::Int(1), |inner, _| json!([inner]));
    let deep: Vec<Json> = vec![nested; 20];
    let arn = start(&engine, WITHIN, json!({"list": list, "deep": deep})).await;
    asked.notified().await;
    assert!(engine.executions_bytes() > 80 << 20, "{} bytes", engine.executions_bytes());
    engine.shutdown().await;

    // Under lower limits, as if they had been none when it was written.
    let limits = Limits { held_bytes: 4 << 20, ..Limits::default() };
    let (engine, _) = engine_on(store, limits).await;
    let parked = loop {
        if let [parked] = engine.parked().await.expect("the store can be read").as_slice() {
            break parked.clone();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!(parked.arn, arn);
    assert!(parked.reason.contains("more than 75497472 bytes of memory"), "{}", parked.reason);
    assert_eq!(engine.executions_bytes(), 0, "nothing is left of it in memory");
}
