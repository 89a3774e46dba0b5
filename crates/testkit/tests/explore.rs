//! What exploration finds.

use stepwright_asl::Definition;
use stepwright_json::Syntax;
use stepwright_program::compile;
use stepwright_testkit::{Exploration, ExploreOptions, NoFunctions, explore, load};

fn explored(text: &str) -> Exploration {
    let definition = Definition::parse(text, Syntax::Comments).unwrap();
    let program = compile(&definition).unwrap();
    explore(&definition, &program, &ExploreOptions::default(), &|| false)
}

#[track_caller]
fn finds(text: &str, expected: &[(&str, &str)]) {
    let explored = explored(text);
    let found: Vec<(&str, &str)> =
        explored.findings.iter().map(|f| (f.kind.name(), f.state.as_str())).collect();
    assert_eq!(found, expected);
    // What a run shows is a test that passes.
    let text_of_definition = text.to_owned();
    let read = |_: &str| Ok(text_of_definition.clone().into_bytes());
    if explored.findings.iter().any(|finding| finding.script.is_some()) {
        let file = load("found.test.yaml", &explored.test_file("found.asl.json"), &read).unwrap();
        for case in &file.cases {
            let result = file.run(case, &NoFunctions, &|_| None);
            assert!(result.passed(), "{}: {:?}", result.name, result.mismatches);
        }
    }
}

#[test]
fn an_error_that_nobody_catches() {
    finds(
        r#"{"StartAt": "A", "States": {
            "A": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Parameters": {"FunctionName": "a"},
                  "Catch": [{"ErrorEquals": ["Known"], "Next": "B"}], "Next": "B"},
            "B": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Parameters": {"FunctionName": "b"},
                  "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "C"}], "End": true},
            "C": {"Type": "Fail", "Error": "Meant"}}}"#,
        &[("unhandled-error", "A")],
    );
}

#[test]
fn an_error_that_the_state_around_catches_is_handled() {
    finds(
        r#"{"StartAt": "P", "States": {
            "P": {"Type": "Parallel", "Branches": [{"StartAt": "A", "States": {
                  "A": {"Type": "Task", "Resource": "arn:aws:lambda:us-east-1:123456789012:function:a", "End": true}}}],
                  "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "C"}], "End": true},
            "C": {"Type": "Fail", "Error": "Meant"}}}"#,
        &[],
    );
}

#[test]
fn a_callback_without_a_timer_can_hang() {
    finds(
        r#"{"StartAt": "Ask", "States": {
            "Ask": {"Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
                    "Parameters": {"QueueUrl": "q", "MessageBody.$": "$$.Task.Token"},
                    "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Timed"}], "Next": "Timed"},
            "Timed": {"Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken", "TimeoutSeconds": 60,
                    "Parameters": {"QueueUrl": "q", "MessageBody.$": "$$.Task.Token"},
                    "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Done"}], "End": true},
            "Done": {"Type": "Succeed"}}}"#,
        &[("can-hang", "Ask")],
    );
}

#[test]
fn a_poll_that_never_gives_up_is_an_endless_loop() {
    finds(
        r#"{"StartAt": "Poll", "States": {
            "Poll": {"Type": "Task", "Resource": "arn:aws:lambda:us-east-1:123456789012:function:poll",
                     "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Done"}], "Next": "Ready"},
            "Ready": {"Type": "Choice", "Choices": [{"Variable": "$.status", "StringEquals": "READY", "Next": "Done"}],
                      "Default": "Nap"},
            "Nap": {"Type": "Wait", "Seconds": 60, "Next": "Poll"},
            "Done": {"Type": "Succeed"}}}"#,
        &[("endless-loop", "Poll")],
    );
}

#[test]
fn results_that_add_up_grow_too_large() {
    finds(
        r#"{"StartAt": "A", "States": {
            "A": {"Type": "Task", "Resource": "arn:aws:lambda:us-east-1:123456789012:function:a", "ResultPath": "$.a",
                  "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Done"}], "Next": "B"},
            "B": {"Type": "Task", "Resource": "arn:aws:lambda:us-east-1:123456789012:function:b", "ResultPath": "$.b",
                  "Catch": [{"ErrorEquals": ["States.TaskFailed", "States.Timeout"], "Next": "Done"}], "Next": "Done"},
            "Done": {"Type": "Succeed"}}}"#,
        &[("large-payload", "B")],
    );
}

#[test]
fn states_behind_conditions_are_reached_by_made_values() {
    let explored = explored(
        r#"{"QueryLanguage": "JSONata", "StartAt": "Get", "States": {
            "Get": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Arguments": {"FunctionName": "get"},
                    "Output": "{% $states.result.Payload %}", "Next": "Which"},
            "Which": {"Type": "Choice", "Choices": [
                {"Condition": "{% $states.input.kind = 'big' %}", "Next": "Big"},
                {"Condition": "{% $states.input.count > 10 %}", "Next": "Many"}], "Default": "Else"},
            "Big": {"Type": "Map", "Items": "{% $states.input.list %}", "ItemProcessor": {"StartAt": "One", "States": {
                "One": {"Type": "Pass", "Output": "{% $states.input.id %}", "End": true}}}, "End": true},
            "Many": {"Type": "Pass", "End": true},
            "Else": {"Type": "Pass", "End": true}}}"#,
    );
    assert_eq!(explored.coverage.shares[0].percent(), 100.0, "{:?}", explored.blocked);
}

#[test]
fn the_map_whose_results_are_too_large_together_is_named() {
    finds(
        r#"{"StartAt": "Each", "States": {"Each": {"Type": "Map",
            "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Done"}],
            "ItemProcessor": {"StartAt": "A", "States": {
                "A": {"Type": "Task", "Resource": "arn:aws:lambda:us-east-1:123456789012:function:a", "End": true}}},
            "Next": "Done"}, "Done": {"Type": "Succeed"}}}"#,
        &[("large-payload", "Each")],
    );
}

#[test]
fn what_lies_behind_a_result_selector_is_reached() {
    finds(
        r#"{"StartAt": "Check", "States": {
            "Check": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Parameters": {"FunctionName": "a"},
                  "ResultSelector": {"state.$": "$.Payload.report.status", "kind.$": "$.Payload.kind"},
                  "ResultPath": "$.check", "Next": "Which", "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Done"}]},
            "Which": {"Type": "Choice", "Choices": [
                  {"Variable": "$.check.state", "StringEquals": "READY", "Next": "Kind"},
                  {"Variable": "$.check.state", "StringEquals": "BROKEN", "Next": "Broken"}], "Default": "Done"},
            "Kind": {"Type": "Choice", "Choices": [{"Variable": "$.check.kind", "NumericEquals": 7, "Next": "Seven"}],
                  "Default": "Done"},
            "Seven": {"Type": "Pass", "Next": "Done"},
            "Broken": {"Type": "Fail", "Error": "Broken"},
            "Done": {"Type": "Succeed"}}}"#,
        &[],
    );
    finds(
        r#"{"QueryLanguage": "JSONata", "StartAt": "Check", "States": {
            "Check": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Arguments": {"FunctionName": "a"},
                  "Output": {"state": "{% $states.result.Payload.status %}"}, "Next": "Which",
                  "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Done"}]},
            "Which": {"Type": "Choice", "Choices": [
                  {"Condition": "{% $states.input.state = 'READY' %}", "Next": "Ready"}], "Default": "Done"},
            "Ready": {"Type": "Pass", "Next": "Done"},
            "Done": {"Type": "Succeed"}}}"#,
        &[],
    );
}

#[test]
fn what_is_saved_holds_what_matters_only() {
    let explored = explored(
        r#"{"StartAt": "Big", "States": {
            "Big": {"Type": "Choice", "Choices": [{"Variable": "$.order.amount", "NumericGreaterThan": 100, "Next": "Charge"}],
                  "Default": "Note"},
            "Note": {"Type": "Pass", "Parameters": {"id.$": "$.order.id", "name.$": "$.customer.name",
                  "address.$": "$.customer.address.street"}, "End": true},
            "Charge": {"Type": "Task", "Resource": "arn:aws:lambda:us-east-1:123456789012:function:charge",
                  "Parameters": {"amount.$": "$.order.amount"}, "ResultPath": "$.receipt", "End": true}}}"#,
    );
    let finding = explored.findings.iter().find(|finding| finding.state == "Charge").unwrap();
    let script = finding.script.as_ref().unwrap();
    let input = script.input.to_string();
    assert!(input.contains("amount"), "what is needed stays: {input}");
    for part in ["customer", "\"id\"", "receipt"] {
        assert!(!input.contains(part), "{part} is in {input}");
    }
}

/// How many states were reached, of how many.
fn reached(text: &str) -> (usize, usize) {
    let explored = explored(text);
    let states = &explored.coverage.shares[0];
    (states.used, states.all)
}

#[test]
fn what_a_state_asks_for_is_made_where_it_comes_from() {
    // Through InputPath, ResultSelector and OutputPath; from the results of branches and of items.
    assert_eq!(
        reached(
            r#"{"StartAt": "Checks", "States": {
                "Checks": {"Type": "Parallel", "Branches": [
                    {"StartAt": "Credit", "States": {"Credit": {"Type": "Task",
                      "Resource": "arn:aws:lambda:us-east-1:123456789012:function:credit",
                      "InputPath": "$.order.customer", "End": true}}},
                    {"StartAt": "Stock", "States": {"Stock": {"Type": "Task",
                      "Resource": "arn:aws:lambda:us-east-1:123456789012:function:stock", "End": true}}}],
                  "ResultSelector": {"credit.$": "$[0].score", "stock.$": "$[1].left"}, "Next": "Enough"},
                "Enough": {"Type": "Choice", "Choices": [
                    {"And": [{"Variable": "$.credit", "NumericGreaterThan": 5},
                             {"Variable": "$.stock", "NumericLessThan": 3}], "Next": "Yes"}], "Default": "No"},
                "Yes": {"Type": "Succeed"}, "No": {"Type": "Fail"}}}"#
        ),
        (6, 6)
    );
    assert_eq!(
        reached(
            r#"{"StartAt": "Read", "States": {
                "Read": {"Type": "Pass", "InputPath": "$.table", "Next": "Each"},
                "Each": {"Type": "Map", "ItemsPath": "$.files", "OutputPath": "$[0].info",
                  "ItemProcessor": {"StartAt": "One", "States": {"One": {"Type": "Pass", "End": true}}},
                  "Next": "Done"},
                "Done": {"Type": "Choice", "Choices": [
                    {"Variable": "$.name", "IsPresent": false, "Next": "Nameless"}], "Default": "Named"},
                "Nameless": {"Type": "Succeed"}, "Named": {"Type": "Succeed"}}}"#
        ),
        (6, 6)
    );
}

#[test]
fn conditions_in_jsonata_are_solved() {
    assert_eq!(
        reached(
            r#"{"QueryLanguage": "JSONata", "StartAt": "Get", "States": {
                "Get": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke",
                  "Arguments": {"FunctionName": "get"},
                  "Assign": {"rows": "{% $states.result.Payload.rows %}", "left": 3},
                  "Output": {"kind": "{% $states.result.Payload.kind %}"}, "Next": "Which"},
                "Which": {"Type": "Choice", "Choices": [
                    {"Condition": "{% $count($rows) = 0 %}", "Next": "Empty"},
                    {"Condition": "{% $states.input.kind in ['a', 'b'] and $count($rows) > 1 %}", "Next": "Many"},
                    {"Condition": "{% $length($states.input.kind) = 0 %}", "Next": "Unknown"}],
                  "Default": "One"},
                "Empty": {"Type": "Succeed"}, "Many": {"Type": "Succeed"},
                "Unknown": {"Type": "Succeed"}, "One": {"Type": "Succeed"}}}"#
        ),
        (6, 6)
    );
}

#[test]
fn items_of_objects_are_made_as_the_states_want_them() {
    assert_eq!(
        reached(
            r#"{"StartAt": "Rows", "States": {
                "Rows": {"Type": "Map", "ItemReader": {"Resource": "arn:aws:states:::s3:getObject",
                    "ReaderConfig": {"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW"},
                    "Parameters": {"Bucket": "rows", "Key": "rows.csv"}},
                  "ItemProcessor": {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
                    "StartAt": "Kind", "States": {
                      "Kind": {"Type": "Choice", "Choices": [
                        {"Variable": "$.colour", "StringEquals": "red", "Next": "Red"}], "Default": "Other"},
                      "Red": {"Type": "Succeed"}, "Other": {"Type": "Succeed"}}},
                  "End": true}}}"#
        ),
        (4, 4)
    );
}
