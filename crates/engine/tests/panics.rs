//! A panic of the interpreter affects only its execution, and whoever waits for that execution is
//! told of it.

use std::sync::Arc;
use std::time::Duration;
use stepwright_engine::{
    Call, Engine, Machine, Options, Report, Revision, StartError, StartRequest, Tasks,
};
use stepwright_interpreter::Status;
use stepwright_json::json;
use stepwright_program::{Kind, Limits, Program, StateId, Transition, Vintage};
use stepwright_store::Memory;

struct Nobody;

impl Tasks for Nobody {
    fn run(&self, _call: Call, _report: Report) {}
}

async fn engine() -> Engine {
    let options = Options::new(Arc::new(Memory::new()), Arc::new(Nobody));
    Engine::open(options).await.expect("the store can be read")
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
    let revision = Revision::new(engine.new_uuid(), String::new(), role, Arc::new(program));
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
