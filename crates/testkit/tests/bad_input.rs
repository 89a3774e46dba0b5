//! Whatever a file holds, it is answered with a complaint and never with a panic.

use stepwright_asl::Definition;
use stepwright_json::{Json, Object, json};
use stepwright_program::Program;
use stepwright_testkit::{NoFunctions, Recording, load, replay};

const TEST: &str = r#"
definition: {StartAt: A, States: {A: {Type: Task, Resource: "arn:aws:lambda:us-east-1:123456789012:function:a", End: true}}}
defaults: {input: {n: 1}, mocks: {A: [{when: {n: 1}, by: attempt, answers: [{fail: X}, {return: 1, after: 2s}]}, {never: true}]}}
cases:
  - name: ä case
    context: {Execution: {Name: e, StartTime: "2026-01-05T09:00:00Z"}}
    stop: {after: 1h, error: E}
    expect: {status: SUCCEEDED, path: [A], states: {A: {entered: 1, input: {n: 1}}}, elapsed: {at_least: 1s}, timeline: x}
"#;

#[test]
fn a_file_that_is_cut_off_anywhere_is_complained_about_or_run() {
    let read = |name: &str| Err(format!("{name} is not there"));
    let mut loaded = 0;
    for end in (0..=TEST.len()).filter(|end| TEST.is_char_boundary(*end)) {
        if let Ok(file) = load("a.test.yaml", &TEST[..end], &read) {
            for case in &file.cases {
                file.run(case, &NoFunctions, &|_| None);
            }
            loaded += 1;
        }
    }
    assert!(loaded > 0, "the whole file is good");
}

#[test]
fn a_key_that_is_something_else_is_complained_about() {
    let read = |name: &str| Err(format!("{name} is not there"));
    for other in ["3", "[]", "{}", "null", "true", "[[1]]", "\"\""] {
        for key in [
            "input:", "mocks:", "cases:", "context:", "stop:", "expect:", "path:", "states:",
            "when:", "answers:",
        ] {
            let at = TEST.find(key).expect("the key is there") + key.len();
            let text = format!("{} {other}\n#{}", &TEST[..at], &TEST[at..]);
            // Both are fine, a panic is not.
            let result = load("a.test.yaml", &text, &read);
            if let Err(found) = result {
                assert!(!found.is_empty(), "{key} {other}");
            }
        }
    }
}

fn program() -> Program {
    let definition = Definition::from_json(&json!({
        "StartAt": "M",
        "States": {
            "M": {"Type": "Map", "ItemProcessor": {"StartAt": "T", "States": {
                "T": {"Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
                      "Parameters": {"Token.$": "$$.Task.Token"}, "End": true}}}, "Next": "P"},
            "P": {"Type": "Pass", "End": true}
        }
    }));
    stepwright_program::compile(&definition).expect("it is a definition")
}

/// A history of the program, as it records it itself.
fn history(program: &Program) -> Vec<Json> {
    stepwright_simulator::Simulation::new(program)
        .input(json!([1, 2]))
        .run(&mut |_: &stepwright_simulator::Call<'_>| {
            stepwright_simulator::Answer::returns(json!({"x": 1}))
        })
        .history()
}

fn as_recording(events: Vec<Json>) -> Json {
    let mut object = Object::new();
    object.insert("events", events.into());
    object.into()
}

#[test]
fn a_damaged_history_departs_or_is_refused() {
    let program = program();
    let whole = history(&program);
    let replayed = |events: Vec<Json>| {
        let recording = Recording::read(&as_recording(events)).ok()?;
        Some(replay(&program, &recording, &mut |_| None).departure.is_none())
    };
    assert_eq!(replayed(whole.clone()), Some(true));
    for at in 0..whole.len() {
        let mut without = whole.clone();
        without.remove(at);
        let is_last = at + 1 == whole.len();
        assert_ne!(replayed(without), Some(!is_last), "event {at} is missing");
        let mut changed = whole.clone();
        let keys: Vec<_> = whole[at].as_object().expect("it is one").keys().cloned().collect();
        for key in keys {
            for other in [Json::Null, json!(-1), json!("x"), json!([]), json!({"a": 1})] {
                if let Json::Object(event) = &mut changed[at] {
                    event.insert(key.clone(), other);
                }
                replayed(changed.clone());
            }
        }
    }
}

#[test]
fn what_is_no_history_is_refused_with_a_reason() {
    let refused = |json: Json, words: &str| {
        let error = Recording::read(&json).expect_err("it is no history");
        assert!(error.message.contains(words), "{error}");
    };
    refused(json!(3), "this is no history");
    refused(json!({"events": 3}), "this is no history");
    refused(json!({"events": []}), "no events");
    refused(json!([{"id": 1}]), "no `type`");
    refused(json!([{"id": 1, "type": "PassStateEntered"}]), "begins with PassStateEntered");
    refused(json!([{"id": 1, "type": "ExecutionStarted"}]), "--include-execution-data");
}
