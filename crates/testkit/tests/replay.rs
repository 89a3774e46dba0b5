//! What a replay compares: a definition that has changed in one way departs, and where it does.

use stepwright_asl::{Definition, read_data};
use stepwright_json::{Json, Object, json};
use stepwright_program::Program;
use stepwright_simulator::{Mocks, Simulation};
use stepwright_testkit::{Recording, Replay, replay};

const MACHINE: &str = r"
StartAt: Nap
TimeoutSeconds: 90000
States:
  Nap: {Type: Wait, Seconds: 60, Next: Ask}
  Ask:
    Type: Task
    Resource: arn:aws:states:::lambda:invoke
    Parameters: {FunctionName: ask, Payload: {n.$: $.n}}
    TimeoutSeconds: 600
    HeartbeatSeconds: 500
    Retry: [{ErrorEquals: [Busy], IntervalSeconds: 30, BackoffRate: 3, MaxAttempts: 2}]
    ResultSelector: {answer.$: $.Payload}
    ResultPath: $.asked
    Assign: {seen.$: $.answer}
    Next: Slow
  Slow:
    Type: Task
    Resource: arn:aws:lambda:us-east-1:123456789012:function:slow
    TimeoutSeconds: 300
    Catch: [{ErrorEquals: [States.Timeout], ResultPath: null, Next: Each}]
    Next: Each
  Each:
    Type: Map
    ItemsPath: $.items
    MaxConcurrency: 1
    ItemProcessor:
      StartAt: Rest
      States: {Rest: {Type: Wait, Seconds: 20, Next: One}, One: {Type: Pass, End: true}}
    ResultPath: $.each
    Next: Until
  Until: {Type: Wait, TimestampPath: $.until, Next: Fails}
  Fails:
    Type: Task
    Resource: arn:aws:lambda:us-east-1:123456789012:function:fails
    Catch: [{ErrorEquals: [States.ALL], ResultPath: $.why, Next: Done}]
    End: true
  Done: {Type: Pass, End: true}
";

const MOCKS: &str = r"
Ask: [{fail: {error: Busy, cause: c}, after: 2s}, {fail: Busy}, {return: {Payload: 7}, after: 1s}]
Slow: {never: true}
Fails: {fail: {error: Broken, cause: because}}
";

fn program(text: &str) -> Program {
    let definition = Definition::from_json(&read_data(text, "machine.yaml").unwrap().to_json());
    stepwright_program::compile(&definition).unwrap()
}

fn input() -> Json {
    json!({"n": 1, "items": [1, 2], "until": "2024-01-01T02:00:00Z"})
}

/// The history as AWS prints it.
fn recorded(program: &Program, mocks: &str) -> Vec<Json> {
    let mut mocks = Mocks::parse(&read_data(mocks, "mocks.yaml").unwrap()).unwrap();
    Simulation::new(program).input(input()).run(&mut mocks).history()
}

fn again(program: &Program, events: Vec<Json>) -> Replay {
    let mut history = Object::new();
    history.insert("events", events.into());
    replay(program, &Recording::read(&history.into()).unwrap(), &mut |_| None)
}

/// The state and what departs there when one text of the definition is another.
#[track_caller]
fn departs(from: &str, to: &str, state: &str, what: &str) {
    assert!(MACHINE.contains(from), "{from}");
    let events = recorded(&program(MACHINE), MOCKS);
    let replayed = again(&program(&MACHINE.replacen(from, to, 1)), events);
    let departure = replayed.departure.unwrap_or_else(|| panic!("`{to}` is no difference"));
    assert_eq!((departure.state.as_str(), departure.what.as_str()), (state, what), "{departure}");
}

#[test]
fn the_same_definition_reproduces_it() {
    let program = program(MACHINE);
    let events = recorded(&program, MOCKS);
    let all = events.len();
    let replayed = again(&program, events);
    assert_eq!(replayed.departure.map(|departure| departure.to_string()), None);
    assert_eq!(replayed.agreed, all);
}

#[test]
fn data_and_what_tasks_are_given_are_compared() {
    let exited = "stateExitedEventDetails";
    departs(
        "Payload: {n.$: $.n}",
        "Payload: {n: 2}",
        "Ask",
        "taskScheduledEventDetails.parameters.Payload.n",
    );
    departs(
        "FunctionName: ask",
        "FunctionName: other",
        "Ask",
        "taskScheduledEventDetails.parameters.FunctionName",
    );
    departs(
        "TimeoutSeconds: 600",
        "TimeoutSeconds: 601",
        "Ask",
        "taskScheduledEventDetails.timeoutInSeconds",
    );
    departs(
        "HeartbeatSeconds: 500",
        "HeartbeatSeconds: 400",
        "Ask",
        "taskScheduledEventDetails.heartbeatInSeconds",
    );
    departs("answer.$: $.Payload", "answer.$: $.StatusCode", "Ask", "type");
    departs("ResultPath: $.asked", "ResultPath: $.told", "Ask", &format!("{exited}.output"));
    departs("{seen.$: $.answer}", "{seen: 8}", "Ask", &format!("{exited}.assignedVariables.seen"));
    departs(
        "ItemsPath: $.items",
        "ItemsPath: $.items[0:1]",
        "Each",
        "mapStateStartedEventDetails.length",
    );
    departs("ResultPath: $.why", "ResultPath: $.cause", "Fails", &format!("{exited}.output"));
    departs(
        "Done: {Type: Pass,",
        "Done: {Type: Pass, Result: 1,",
        "Done",
        &format!("{exited}.output"),
    );
}

#[test]
fn attempts_and_ways_are_compared() {
    departs("MaxAttempts: 2", "MaxAttempts: 1", "Ask", "type");
    departs("[Busy]", "[Lazy]", "Ask", "type");
    departs("[States.Timeout]", "[Other]", "Slow", "type");
    departs("Next: Until\n", "Next: Done\n", "Until", "type");
}

#[test]
fn times_that_the_definition_decides_are_compared() {
    departs(
        "Nap: {Type: Wait, Seconds: 60",
        "Nap: {Type: Wait, Seconds: 65",
        "Nap",
        "seconds since event 2",
    );
    departs(
        "Rest: {Type: Wait, Seconds: 20",
        "Rest: {Type: Wait, Seconds: 40",
        "Rest",
        "seconds since event 23",
    );
    departs("IntervalSeconds: 30", "IntervalSeconds: 40", "Ask", "seconds since event 7");
    // The second interval is 90 seconds.
    departs("BackoffRate: 3", "BackoffRate: 2", "Ask", "seconds since event 10");
    departs(
        "Until: {Type: Wait, TimestampPath: $.until",
        "Until: {Type: Wait, Seconds: 3",
        "Until",
        "seconds since event 36",
    );
}

/// Makes an event so many milliseconds later.
fn later(event: &mut Json, millis: i64) {
    let Json::Object(event) = event else { panic!("an event is an object") };
    let at = event.get("timestamp").and_then(Json::as_i64).expect("it has milliseconds");
    event.insert("timestamp", Json::Int(at + millis));
}

/// What services and queues take more than the definition says is no difference.
#[test]
fn a_moment_more_is_no_difference() {
    let program = program(MACHINE);
    let mut events = recorded(&program, MOCKS);
    for (at, event) in events.iter_mut().enumerate() {
        later(event, 40 * at as i64);
    }
    let replayed = again(&program, events);
    assert_eq!(replayed.departure.map(|departure| departure.to_string()), None);
}

/// Chance decides when a state with full jitter is tried again, and nothing else does.
#[test]
fn jitter_is_no_difference() {
    for (more, expected) in [("", Some("seconds since event 7")), (", JitterStrategy: FULL", None)]
    {
        let program = program(&MACHINE.replace("MaxAttempts: 2", &format!("MaxAttempts: 2{more}")));
        let mut events = recorded(&program, MOCKS);
        events[7..].iter_mut().for_each(|event| later(event, 20_000));
        let departure = again(&program, events).departure;
        let what = departure.as_ref().map(|departure| departure.what.as_str());
        assert_eq!(what, expected, "{departure:?}");
    }
}
