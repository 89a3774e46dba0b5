//! Which events a failure leaves, and what each follows.

use stepwright_asl::{Definition, read_data};
use stepwright_history::{Event, EventKind, aws};
use stepwright_json::{Json, json};
use stepwright_program::{Program, Vintage};
use stepwright_simulator::{Mocks, Run, Simulation, Status};

fn program(text: &str) -> Program {
    let definition = Definition::parse(text, stepwright_json::Syntax::Comments).unwrap();
    stepwright_program::compile(&definition).unwrap()
}

fn run(program: &Program, mocks: &str) -> Run {
    let mut mocks = Mocks::parse(&read_data(mocks, "mocks.yaml").unwrap()).unwrap();
    Simulation::new(program).input(json!({"list": [1]})).run(&mut mocks)
}

/// The types of the events, each with the number of the event that it follows.
fn shape(events: &[Event]) -> String {
    let text = |event: &Json| {
        let name = event.get("type").and_then(Json::as_str).unwrap().to_owned();
        format!("{name}{}", event.get("previousEventId").and_then(Json::as_i64).unwrap())
    };
    aws::project(events).iter().map(text).collect::<Vec<_>>().join(" ")
}

#[track_caller]
fn check(machine: &str, mocks: &str, expected: &str) -> Run {
    let run = run(&program(machine), mocks);
    assert_eq!(shape(&run.events), expected);
    run
}

fn parallel(language: &str, state: &str, more: &str) -> String {
    format!(
        r#"{{"QueryLanguage": "{language}", "StartAt": "P", "States": {{
            "P": {{"Type": "Parallel", "Branches": [{{"StartAt": "S", "States": {{"S": {{{state}}}}}}}], {more} "End": true}},
            "Q": {{"Type": "Succeed"}}}}}}"#
    )
}

const BROKEN: &str = r#""Type": "Fail", "Error": "Broke", "Cause": "because""#;
const ALL: &str = r#"{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 1, "MaxAttempts": 1}"#;

#[test]
fn a_second_try_of_a_parallel_follows_what_failed() {
    check(
        &parallel("JSONPath", BROKEN, &format!(r#""Retry": [{ALL}],"#)),
        "{}",
        "ExecutionStarted0 ParallelStateEntered0 ParallelStateStarted2 FailStateEntered3 \
         ParallelStateStarted4 FailStateEntered5 ParallelStateFailed6 ExecutionFailed7",
    );
    let task = r#""Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage", "Parameters": {}, "End": true"#;
    check(
        &parallel("JSONPath", task, &format!(r#""Retry": [{ALL}],"#)),
        "S: {fail: {error: E, cause: c}}",
        "ExecutionStarted0 ParallelStateEntered0 ParallelStateStarted2 TaskStateEntered3 \
         TaskScheduled4 TaskStarted5 TaskFailed6 TaskStateAborted7 ParallelStateStarted7 \
         TaskStateEntered9 TaskScheduled10 TaskStarted11 TaskFailed12 TaskStateAborted13 \
         ParallelStateFailed13 ExecutionFailed15",
    );
}

/// `States.Runtime` from within ends the execution at once.
#[test]
fn what_nothing_catches_leaves_nothing_behind() {
    let pass = r#""Type": "Pass", "Parameters": {"q.$": "$.gone"}, "End": true"#;
    let catch = r#""Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Q"}],"#;
    check(
        &parallel("JSONPath", pass, catch),
        "{}",
        "ExecutionStarted0 ParallelStateEntered0 ParallelStateStarted2 PassStateEntered3 \
         ExecutionFailed4",
    );
    check(
        &parallel(
            "JSONPath",
            r#""Type": "Pass", "End": true"#,
            r#""ResultSelector": {"q.$": "$.gone"},"#,
        ),
        "{}",
        "ExecutionStarted0 ParallelStateEntered0 ParallelStateStarted2 PassStateEntered3 \
         PassStateExited4 ParallelStateSucceeded5 ExecutionFailed6",
    );
    check(
        r#"{"StartAt": "M", "States": {"M": {"Type": "Map", "ItemsPath": "$.list", "End": true,
            "ItemProcessor": {"StartAt": "S", "States": {"S": {"Type": "Pass", "Parameters": {"q.$": "$.gone"}, "End": true}}}}}}"#,
        "{}",
        "ExecutionStarted0 MapStateEntered0 MapStateStarted2 MapIterationStarted3 \
         PassStateEntered4 ExecutionFailed5",
    );
}

#[test]
fn failed_evaluations_follow_the_entry() {
    let machine = r#"{"QueryLanguage": "JSONata", "StartAt": "T", "States": {"T": {"Type": "Task",
        "Resource": "arn:aws:states:::sqs:sendMessage", "Arguments": {"MessageBody": "{% $states.input.gone %}"},
        "Retry": [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 1, "MaxAttempts": 1}], "End": true}}}"#;
    check(
        machine,
        "{}",
        "ExecutionStarted0 TaskStateEntered0 EvaluationFailed2 EvaluationFailed3 ExecutionFailed4",
    );
    // Recordings from before December 2024 say otherwise.
    let old = Program { vintage: Vintage::month(202_411), ..program(machine) };
    let events = run(&old, "{}").events;
    let failed =
        events.iter().find(|event| matches!(event.kind, EventKind::EvaluationFailed { .. }));
    assert_eq!(failed.unwrap().previous, 0);
}

#[test]
fn a_catcher_that_fails_is_the_end() {
    let catch = r#""Catch": [{"ErrorEquals": ["Other"], "Next": "Q"},
        {"ErrorEquals": ["States.ALL"], "Output": {"v": "{% $states.input.gone %}"}, "Next": "Q"}],"#;
    let run = check(
        &parallel("JSONata", BROKEN, catch),
        "{}",
        "ExecutionStarted0 ParallelStateEntered0 ParallelStateStarted2 FailStateEntered3 \
         ParallelStateFailed4 EvaluationFailed4 ParallelStateFailed6 ExecutionFailed7",
    );
    let place = run.events.iter().find_map(|event| match &event.kind {
        EventKind::EvaluationFailed { location, .. } => location.as_deref(),
        _ => None,
    });
    assert_eq!(place, Some("Catch[1]/Output/v"));
}

/// `States.ALL` takes the result of a task that is too large, though not what a state makes.
#[test]
fn large_results_of_tasks_are_caught() {
    let machine = r#"{"StartAt": "T", "States": {
        "T": {"Type": "Task", "Resource": "RESOURCE", "Parameters": {"FunctionName": "f"},
              "Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": null, "Next": "Q"}], "End": true},
        "Q": {"Type": "Pass", "Result": "caught", "End": true}}}"#;
    for resource in
        ["arn:aws:states:::lambda:invoke", "arn:aws:lambda:us-east-1:123456789012:function:f"]
    {
        let mocks = format!("T: {{return: {{Payload: {}}}}}", "x".repeat(262_145));
        let run = run(&program(&machine.replace("RESOURCE", resource)), &mocks);
        assert_eq!(run.status, Status::Succeeded { output: "caught".into() }, "{resource}");
    }
}

/// A moment may lie 2,147,483,647 seconds ahead, and a wait take 99,999,999 seconds.
#[test]
fn waits_are_as_long_as_they_may_be() {
    let wait = |field: &str, value: &str| {
        let machine = format!(
            r#"{{"StartAt": "W", "States": {{"W": {{"Type": "Wait", "{field}": "$.at", "End": true}}}}}}"#
        );
        let input = json!({"at": (stepwright_json::parse(value).unwrap())});
        let mut mocks = Mocks::default();
        Simulation::new(&program(&machine)).input(input).run(&mut mocks).status
    };
    let start = stepwright_simulator::DEFAULT_START;
    assert_eq!(start.0, 1_704_067_200_000, "2024-01-01");
    for (field, last, beyond) in [
        ("TimestampPath", "\"2092-01-19T03:14:07Z\"", "\"2092-01-19T03:14:08Z\""),
        ("SecondsPath", "99999999", "100000000"),
    ] {
        assert!(matches!(wait(field, last), Status::Succeeded { .. }), "{field} {last}");
        let Status::Failed { failure } = wait(field, beyond) else { panic!("{field} {beyond}") };
        assert_eq!(failure.error.as_deref(), Some("States.Runtime"));
        assert!(failure.cause.unwrap().ends_with("Wait state delay is too long."));
    }
}
