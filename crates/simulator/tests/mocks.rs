//! What a mocks file answers to which call.

use stepwright_asl::{Definition, read_data};
use stepwright_json::{Json, json};
use stepwright_program::Program;
use stepwright_simulator::{Mocks, Simulation, Status};

fn program(text: &str) -> Program {
    let definition = Definition::parse(text, stepwright_json::Syntax::Comments).unwrap();
    stepwright_program::compile(&definition).unwrap()
}

#[track_caller]
fn check(machine: &str, mocks: &str, input: Json, output: Json) {
    let mut mocks = Mocks::parse(&read_data(mocks, "mocks.yaml").unwrap()).unwrap();
    let run = Simulation::new(&program(machine)).input(input).run(&mut mocks);
    assert_eq!(run.status, Status::Succeeded { output });
}

/// Asks three times, and keeps the answers.
const LOOP: &str = r#"{"StartAt": "Start", "States": {
    "Start": {"Type": "Pass", "Assign": {"all": []}, "Next": "Ask"},
    "Ask": {"Type": "Task", "Resource": "arn:aws:lambda:us-east-1:123456789012:function:ask", "Next": "Enough",
            "Retry": [{"ErrorEquals": ["Busy"]}], "ResultPath": "$.answer",
            "Assign": {"all.$": "States.Array($all[*], $)"}},
    "Enough": {"Type": "Choice", "Choices": [{"Variable": "$.answer", "NumericEquals": 3, "Next": "Done"}], "Default": "Ask"},
    "Done": {"Type": "Succeed"}}}"#;

#[test]
fn a_list_counts_what_it_is_told_to() {
    // Every attempt of an entry gets the same answer, and so the third entry ends it.
    let mocks = "Ask: {by: entry, answers: [{return: 1}, {return: 2}, {return: 3}]}";
    check(LOOP, mocks, json!({"n": 1}), json!({"n": 1, "answer": 3}));
    // Each entry begins with the first answer, which is tried again.
    let mocks = "Ask: {by: attempt, answers: [{fail: Busy}, {fail: Busy}, {return: 3}]}";
    check(LOOP, mocks, json!({"n": 1}), json!({"n": 1, "answer": 3}));
    // Calls are counted over entries and attempts.
    let mocks = "Ask: [{fail: Busy}, {return: 1}, {fail: Busy}, {return: 3}]";
    check(LOOP, mocks, json!({"n": 1}), json!({"n": 1, "answer": 3}));
}

const MAP: &str = r#"{"StartAt": "Each", "States": {
    "Each": {"Type": "Map", "ItemProcessor": {"ProcessorConfig": {"Mode": "MODE", "ExecutionType": "STANDARD"},
             "StartAt": "Work", "States": {
             "Work": {"Type": "Task", "Resource": "arn:aws:lambda:us-east-1:123456789012:function:work", "End": true}}},
             "End": true}}}"#;

#[test]
fn items_are_told_apart_in_both_kinds_of_map() {
    for (mode, config) in [("INLINE", r#", "ExecutionType": "STANDARD""#), ("DISTRIBUTED", "")] {
        let machine =
            MAP.replace("MODE", mode).replace(config, if config.is_empty() { config } else { "" });
        let items = json!([{"price": 10}, {"price": 200}, {"price": 30}]);
        let mocks = "Work: {by: item, answers: [{return: a}, {return: b}, {return: c}]}";
        check(&machine, mocks, items.clone(), json!(["a", "b", "c"]));
        let mocks = "Work: [{when: '{% $item = 1 %}', return: second}, {return: other}]";
        check(&machine, mocks, items.clone(), json!(["other", "second", "other"]));
        let mocks = "Work: [{when: {price: 30}, return: part}, {when: \"$[?(@.price > 100)]\", return: path}, {return: other}]";
        check(&machine, mocks, items, json!(["other", "path", "part"]));
    }
}

#[test]
fn a_call_that_no_case_fits_is_unmocked() {
    let machine = MAP.replace("MODE", "INLINE").replace(r#", "ExecutionType": "STANDARD""#, "");
    let mut mocks =
        Mocks::parse(&read_data("Work: [{when: {n: 1}, return: 1}]", "m.yaml").unwrap()).unwrap();
    let run = Simulation::new(&program(&machine)).input(json!([{"n": 2}])).run(&mut mocks);
    let Status::Failed { failure } = run.status else { panic!("{:?}", run.status) };
    assert_eq!(failure.name(), "States.Runtime");
    assert!(failure.cause.unwrap().contains("fits its input {\"n\":2}"));
    assert_eq!(mocks.unmocked(), ["Work"]);
    assert_eq!(mocks.unused(), ["Work"]);
}

#[test]
fn mocks_of_states_that_call_nothing_are_named() {
    let mocks = "Wrk: {return: 1}\nEach: {return: 2}\nWork: {return: 3}";
    let mocks = Mocks::parse(&read_data(mocks, "m.yaml").unwrap()).unwrap();
    let found = mocks.check(&program(&MAP.replace("MODE", "DISTRIBUTED")));
    let said: Vec<&str> = found.iter().map(|error| error.message.as_str()).collect();
    assert_eq!(said, ["the definition has no state `Wrk`", "the result of a Map state is a list"]);
    assert_eq!(found[0].help.as_deref(), Some("did you mean `Work`?"));
}
