//! What states see in a run of a test.

use stepwright_json::{Json, json};
use stepwright_program::Language;
use stepwright_testkit::{Place, Sample, TestFile, load};

fn file(text: &str) -> TestFile {
    load("order.test.yaml", text, &|name| Err(format!("{name} is not needed"))).expect("it loads")
}

/// The value of an expression at a place of a state, or the error that it ends in.
fn value(
    test: &TestFile,
    sample: &Sample,
    state: &str,
    field: &str,
    text: &str,
) -> Result<Json, String> {
    let root = &test.named.definition.root;
    let find = |scope: &'_ stepwright_json::tree::Node| scope.get("States")?.get(state).cloned();
    let node = find(root).or_else(|| {
        let map = root.get("States")?.get("Each")?;
        find(map.get("ItemProcessor")?)
    });
    let is_caught = field.starts_with("Catch.");
    let place = Place { field: field.trim_start_matches("Catch."), is_caught };
    let is_jsonata = text.starts_with("{%");
    let language = if is_jsonata { Language::Jsonata } else { Language::JsonPath };
    let stay = &sample.states[state];
    let value = stay.value(&node.expect("the state is there"), language, place, text);
    value.map_err(|failure| failure.error.unwrap_or_default().to_string())
}

#[test]
fn paths_have_the_values_of_their_places() {
    let test = file(
        r#"
definition:
  StartAt: Charge
  States:
    Charge:
      Type: Task
      Resource: "arn:aws:lambda:us-east-1:123456789012:function:charge"
      InputPath: $.order
      Parameters: {"id.$": $.id}
      ResultSelector: {"receipt.$": $.receipt}
      ResultPath: $.charge
      Assign: {"receipt.$": $.receipt}
      Next: Each
    Each:
      Type: Map
      ItemsPath: $.order.items
      ItemSelector: {"item.$": $$.Map.Item.Value, "receipt.$": $receipt}
      ItemProcessor:
        StartAt: Ship
        States:
          Ship:
            Type: Task
            Resource: "arn:aws:lambda:us-east-1:123456789012:function:ship"
            Catch: [{ErrorEquals: [States.ALL], Next: Lost}]
            End: true
          Lost: {Type: Pass, End: true}
      End: true
cases:
  - name: one is lost
    input: {order: {id: 7, items: [lamp]}}
    mocks:
      Charge: {return: {receipt: r-1, more: 2}}
      Ship: {fail: {error: Broken, cause: glass}}
    expect: {}
"#,
    );
    let sample = test.sample(&test.cases[0]);
    assert_eq!(sample.case, "one is lost");
    let at = |state: &str, field: &str, text: &str| value(&test, &sample, state, field, text);
    assert_eq!(at("Charge", "InputPath", "$.order.id"), Ok(json!(7)));
    assert_eq!(at("Charge", "Parameters", "$.id"), Ok(json!(7)));
    assert_eq!(at("Charge", "Parameters", "States.Format('no {}', $.id)"), Ok(json!("no 7")));
    assert_eq!(at("Charge", "ResultSelector", "$.more"), Ok(json!(2)));
    assert_eq!(at("Charge", "Assign", "$"), Ok(json!({"receipt": "r-1"})));
    assert_eq!(at("Charge", "OutputPath", "$.charge.receipt"), Ok(json!("r-1")));
    assert_eq!(at("Charge", "Parameters", "$.nothing"), Err("States.Runtime".to_owned()));
    assert_eq!(at("Charge", "Parameters", "$$.State.Name"), Ok(json!("Charge")));
    assert_eq!(at("Each", "ItemSelector", "$receipt"), Ok(json!("r-1")));
    assert_eq!(at("Ship", "Parameters", "$.item"), Ok(json!("lamp")));
    assert_eq!(at("Ship", "Parameters", "$$.Map.Item.Index"), Ok(json!(0)));
    assert_eq!(at("Ship", "Catch.Assign", "$.Error"), Ok(json!("Broken")));
    let output = sample.states["Lost"].output.as_ref().expect("it was left");
    assert_eq!(output.get("Cause"), Some(&json!("glass")));
    assert_eq!(sample.states["Each"].outcome, Some(Ok(vec![output.clone()].into())));
}

#[test]
fn expressions_have_the_values_of_their_places() {
    let test = file(
        r#"
definition:
  QueryLanguage: JSONata
  StartAt: Charge
  States:
    Charge:
      Type: Task
      Resource: "arn:aws:lambda:us-east-1:123456789012:function:charge"
      Arguments: {id: "{% $states.input.id %}"}
      Assign: {receipt: "{% $states.result.receipt %}"}
      Catch: [{ErrorEquals: [States.ALL], Next: Refused, Output: "{% $states.errorOutput %}"}]
      Next: Sum
    Sum: {Type: Pass, Output: "{% $receipt & '!' %}", End: true}
    Refused: {Type: Fail}
cases:
  - {name: charged, input: {id: 7}, mocks: {Charge: {return: {receipt: r-1}}}, expect: {}}
  - {name: refused, input: {id: 8}, mocks: {Charge: {fail: {error: No}}}, expect: {error: x}}
"#,
    );
    let sample = test.sample(&test.cases[0]);
    let at = |state: &str, field: &str, text: &str| value(&test, &sample, state, field, text);
    assert_eq!(at("Charge", "Arguments", "{% $states.input.id * 2 %}"), Ok(json!(14)));
    assert_eq!(at("Charge", "Output", "{% $states.result %}"), Ok(json!({"receipt": "r-1"})));
    assert_eq!(at("Sum", "Output", "{% $receipt & '!' %}"), Ok(json!("r-1!")));
    let context = at("Sum", "Output", "{% $states.context.State.Name %}");
    assert_eq!(context, Ok(json!("Sum")));
    assert!(at("Sum", "Output", "{% $states.input. %}").is_err());
    let sample = test.sample(&test.cases[1]);
    let error = value(&test, &sample, "Charge", "Catch.Output", "{% $states.errorOutput.Error %}");
    assert_eq!(error, Ok(json!("No")));
}
