//! A panic of the interpreter, or of what runs a task, affects only its execution, and whoever waits for
//! that execution is told of it.

#[path = "../../store/tests/support/stores.rs"]
mod stores;

use std::sync::Arc;
use std::time::Duration;
use stepwright_engine::{
    Call, Engine, Machine, Options, Parked, ParkedError, Refused, Report, Revision, StartError,
    StartRequest, StopError, Tasks,
};
use stepwright_history::Failure;
use stepwright_interpreter::Status;
use stepwright_json::json;
use stepwright_program::{Kind, Limits, Program, StateId, Transition, Vintage};
use stepwright_store::{Append, Store};

struct Nobody;

impl Tasks for Nobody {
    fn run(&self, _call: Call, _report: Report) {}
}

/// Panics when it has run a task for a moment.
struct Panicking;

impl Tasks for Panicking {
    fn run(&self, call: Call, report: Report) {
        tokio::spawn(async move {
            // Others may hold it as well, and have nothing to do with it.
            let _other = report.clone();
            tokio::task::yield_now().await;
            panic!("no task {:?} can be run by {report:?}", call.task);
        });
    }
}

async fn engine() -> Engine {
    engine_on(stores::empty()).await
}

async fn engine_on(store: Arc<dyn Store>) -> Engine {
    let options = Options::new(store, Arc::new(Nobody));
    Engine::open(options).await.expect("the store can be read")
}

/// Waits until this number of executions is parked, and the store says so.
async fn parked(engine: &Engine, count: usize) -> Vec<Parked> {
    loop {
        let parked = engine.parked().await.expect("the store can be read");
        if parked.len() == count && engine.parked_executions() == count {
            return parked;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A program whose state `Wait` leads to a state that does not exist. The compiler never makes such
/// a program.
fn broken(definition: &str) -> Program {
    let program = Revision::compile(definition, Limits::default(), Vintage::TODAY);
    let mut program = (*program.expect("it compiles")).clone();
    let nowhere = StateId(9_999);
    for state in program.states.iter_mut().filter(|state| state.name == "Wait") {
        match &mut state.kind {
            Kind::Wait(wait) => wait.next = Transition::Next(nowhere),
            Kind::Pass(pass) => pass.next = Transition::Next(nowhere),
            other => panic!("{other:?} is no state of these tests"),
        }
    }
    program
}

async fn request(engine: &Engine, program: Program, is_express: bool) -> StartRequest {
    let role = "arn:aws:iam::123456789012:role/role".to_owned();
    let revision = Revision::new(engine.new_uuid(), LATER.to_owned(), role, Arc::new(program));
    let revision = Arc::new(Revision { is_express, ..revision });
    let arn = "arn:aws:states:us-east-1:123456789012:stateMachine:machine".to_owned();
    let machine = Machine::new(arn, &revision);
    engine.put_machine(machine.clone(), Some(revision.clone())).await.expect("it is kept");
    StartRequest::new(Arc::new(machine), revision, engine.new_uuid(), json!({}))
}

const AT_ONCE: &str = r#"{"StartAt": "Wait", "States": {
    "Wait": {"Type": "Pass", "Next": "Done"}, "Done": {"Type": "Succeed"}}}"#;

const LATER: &str = r#"{"StartAt": "Wait", "States": {
    "Wait": {"Type": "Wait", "Seconds": 1, "Next": "Done"}, "Done": {"Type": "Succeed"}}}"#;

const CHILDREN: &str = r#"{"StartAt": "Each", "States": {"Each": {
    "Type": "Map", "ToleratedFailureCount": 5, "End": true,
    "ItemProcessor": {
        "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS"},
        "StartAt": "Wait", "States": {
            "Wait": {"Type": "Wait", "Seconds": 1, "Next": "Done"}, "Done": {"Type": "Succeed"}}}}}}"#;

#[tokio::test]
async fn a_first_turn_that_panics_starts_nothing() {
    let engine = engine().await;
    for is_express in [true, false] {
        let request = request(&engine, broken(AT_ONCE), is_express).await;
        let refused = engine.start(request).await;
        assert!(matches!(refused, Err(StartError::Panicked { .. })), "{refused:?}");
    }
    assert_eq!(engine.executions_in_memory(), 0);
}

#[tokio::test]
async fn a_task_whose_integration_panics_fails() {
    let options = Options::new(stores::empty(), Arc::new(Panicking));
    let engine = Engine::open(options).await.expect("the store can be read");
    let definition = r#"{"StartAt": "Call", "States": {"Call": {
        "Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage", "End": true,
        "Parameters": {"QueueUrl": "queue", "MessageBody": "body"}}}}"#;
    let program = Revision::compile(definition, Limits::default(), Vintage::TODAY);
    let program = (*program.expect("it compiles")).clone();
    for is_express in [true, false] {
        let request = request(&engine, program.clone(), is_express).await;
        let status = if is_express {
            engine.run_express(request).await.expect("it begins").status.clone()
        } else {
            let started = engine.start(request).await.expect("it begins");
            let ended = engine.ended(&started.arn);
            let ended = tokio::time::timeout(Duration::from_mins(1), ended).await;
            ended.expect("it ends").expect("it is there").status.clone()
        };
        let Status::Failed { failure } = &status else { panic!("{status:?}") };
        assert_eq!(failure.name(), "States.TaskFailed");
    }
}

#[tokio::test]
async fn an_express_execution_whose_turn_panics_fails() {
    let engine = engine().await;
    let request = request(&engine, broken(LATER), true).await;
    let ended = engine.run_express(request).await.expect("it begins");
    let Status::Failed { failure } = &ended.status else { panic!("{:?}", ended.status) };
    assert_eq!(failure.name(), "States.Runtime");
    assert_eq!(engine.executions_in_memory(), 0, "nothing of it is left");
    assert_eq!(engine.metrics().parked.get(), 1);
}

#[tokio::test]
async fn the_parent_of_express_children_that_panic_hears_of_it() {
    let engine = engine().await;
    let mut request = request(&engine, broken(CHILDREN), false).await;
    request.input = json!([1, 2, 3]);
    let started = engine.start(request).await.expect("it begins");
    let ended = tokio::time::timeout(Duration::from_mins(1), engine.ended(&started.arn)).await;
    let ended = ended.expect("it ends").expect("it is there");
    let Status::Succeeded { output } = &ended.status else { panic!("{:?}", ended.status) };
    let text = output.to_string();
    assert_eq!(text.matches("States.Runtime").count(), 3, "{text}");
}

#[tokio::test]
async fn a_parked_execution_is_named_stays_parked_and_can_be_retried_and_aborted() {
    let store: Arc<dyn Store> = stores::empty();
    let first = engine_on(store.clone()).await;
    let started = first.start(request(&first, broken(LATER), false).await).await;
    let arn = started.expect("it begins").arn;
    let found = parked(&first, 1).await;
    assert_eq!(found[0].arn, arn);
    assert!(found[0].reason.contains("9999"), "{found:?}");
    let findings = first.doctor().await.expect("the store can be read");
    assert!(findings.iter().any(|one| one.what.contains("it is parked")), "{findings:?}");

    // A restart does not run into the panic again.
    let second = engine_on(store.clone()).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(parked(&second, 1).await, found);
    assert_eq!(second.metrics().parked.get(), 0);
    let stop = second.stop(&arn, Failure::default()).await;
    assert!(matches!(stop, Err(StopError::Refused(Refused::Parked { .. }))), "{stop:?}");

    // Its definition is well, so the retry succeeds where another release would have.
    second.retry_parked(&arn).await.expect("it goes on");
    parked(&second, 0).await;
    let ended = second.ended(&arn).await.expect("it is there");
    assert!(matches!(ended.status, Status::Succeeded { .. }), "{:?}", ended.status);

    // One that panics again and again can be aborted.
    let started = second.start(request(&second, broken(LATER), false).await).await;
    let arn = started.expect("it begins").arn;
    parked(&second, 1).await;
    second.retry_parked(&arn).await.expect("it is tried");
    parked(&second, 1).await;
    second.abort_parked(&arn).await.expect("it is aborted");
    parked(&second, 0).await;
    let ended = second.ended(&arn).await.expect("it is there");
    let Status::Aborted { failure } = &ended.status else { panic!("{:?}", ended.status) };
    assert!(failure.cause.as_deref().unwrap_or_default().contains("9999"), "{failure:?}");
    assert_eq!(second.doctor().await.expect("the store can be read"), []);
    let again = second.abort_parked(&arn).await;
    assert!(matches!(again, Err(ParkedError::NotParked { .. })), "{again:?}");
}

#[tokio::test]
async fn an_execution_whose_history_cannot_be_read_can_be_aborted() {
    let store: Arc<dyn Store> = stores::empty();
    let first = engine_on(store.clone()).await;
    let started = first.start(request(&first, broken(LATER), false).await).await;
    let arn = started.expect("it begins").arn;
    let row = store.execution_by_arn(&arn).await.expect("it can be read").expect("it is there");
    first.shutdown().await;
    let nonsense = Append {
        execution: row.id,
        expected_len: row.len,
        len: row.len + 1,
        chunk: vec![200, 1, 2, 3],
        about: None,
        status: stepwright_store::Status::Running,
        stopped_at: None,
        wake_at: None,
        is_owed: true,
        redriven: None,
        map_runs: Vec::new(),
    };
    store.append(nonsense).await.expect("it is kept");

    let second = engine_on(store.clone()).await;
    let found = parked(&second, 1).await;
    assert!(found[0].reason.contains("format 200"), "{found:?}");
    let retried = second.retry_parked(&arn).await;
    assert!(matches!(retried, Err(ParkedError::Refused(Refused::Parked { .. }))), "{retried:?}");
    parked(&second, 1).await;
    second.abort_parked(&arn).await.expect("it is aborted");
    parked(&second, 0).await;
    let row = store.execution(row.id).await.expect("it can be read").expect("it is there");
    assert_eq!(row.status, stepwright_store::Status::Aborted);
    assert!(row.stopped_at.is_some() && !row.is_owed);
    let third = engine_on(store).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!((third.parked_executions(), third.metrics().parked.get()), (0, 0));
}
