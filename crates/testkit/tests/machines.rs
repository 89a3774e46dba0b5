//! Tests of whole state machines: Maps and Parallels that are mocked as a whole, executions that
//! tasks start, and drawings of the path that was taken.

use std::time::Duration;
use stepwright_json::json;
use stepwright_testkit::{CaseResult, Coverage, Covered, FileResult, NoFunctions, TestFile, load};

const OUTER: &str = r#"
StartAt: Bill
States:
  Bill:
    Type: Task
    Resource: arn:aws:states:::states:startExecution.sync:2
    Parameters:
      StateMachineArn: ${BillingArn}
      Input: {amount.$: $.amount}
    ResultSelector: {output.$: $.Output, status.$: $.Status, arn.$: $.ExecutionArn}
    Retry: [{ErrorEquals: [Never], MaxAttempts: 1}]
    Catch: [{ErrorEquals: [States.TaskFailed], Next: Sorry}]
    Next: Tell
  Tell:
    Type: Task
    Resource: arn:aws:states:::states:startExecution
    Parameters: {StateMachineArn: "arn:aws:states:eu-west-1:1:stateMachine:news", Name: hello}
    ResultPath: null
    End: true
  Sorry: {Type: Fail, Error: Sorry}
"#;

const BILLING: &str = r"
StartAt: Wait
States:
  Wait: {Type: Wait, Seconds: 60, Next: Charge}
  Charge:
    Type: Task
    Resource: arn:aws:lambda:us-east-1:123456789012:function:charge
    End: true
";

const NEWS: &str = "StartAt: Say\nStates: {Say: {Type: Pass, Result: said, End: true}}";

/// A template with two machines, one of which starts itself and the other.
const TEMPLATE: &str = r#"
Resources:
  Outer:
    Type: AWS::StepFunctions::StateMachine
    Properties:
      DefinitionSubstitutions: {Inner: !GetAtt Inner.Arn}
      Definition:
        StartAt: Nest
        States:
          Nest:
            Type: Task
            Resource: arn:aws:states:::states:startExecution.sync
            Parameters: {StateMachineArn: "${Inner}", Input: {n.$: $.n}}
            OutputPath: $.Output
            End: true
  Inner:
    Type: AWS::StepFunctions::StateMachine
    Properties:
      Definition:
        StartAt: Add
        States: {Add: {Type: Pass, Parameters: {n.$: "States.MathAdd($.n, 1)"}, End: true}}
"#;

fn read(name: &str) -> Result<Vec<u8>, String> {
    match name {
        "outer.asl.yaml" => Ok(OUTER.into()),
        "billing.asl.yaml" => Ok(BILLING.into()),
        "news.asl.yaml" => Ok(NEWS.into()),
        "template.yaml" => Ok(TEMPLATE.into()),
        other => Err(format!("{other}: there is no such file")),
    }
}

fn file(text: &str) -> TestFile {
    load("outer.test.yaml", text, &read).unwrap_or_else(|found| {
        let messages: Vec<_> = found.iter().map(|found| &found.diagnostic.message).collect();
        panic!("{messages:?}")
    })
}

fn run(file: &TestFile) -> Vec<CaseResult> {
    file.cases.iter().map(|case| file.run(case, &NoFunctions, &|_| None)).collect()
}

#[track_caller]
fn passes(text: &str) -> Vec<CaseResult> {
    let results = run(&file(text));
    for result in &results {
        assert!(result.passed(), "{}: {:?} {:?}", result.name, result.mismatches, result.unmocked);
        assert!(result.unused.is_empty(), "{:?}", result.unused);
    }
    results
}

#[track_caller]
fn refused(text: &str) -> Vec<String> {
    let found = load("outer.test.yaml", text, &read).expect_err("it is wrong");
    found.into_iter().map(|found| found.diagnostic.message).collect()
}

const HEAD: &str = r"
definition: outer.asl.yaml
machines:
  BillingArn: billing.asl.yaml
  news: {definition: news.asl.yaml}
defaults: {input: {amount: 5}}
cases:
";

#[test]
fn executions_of_other_machines_are_run() {
    let results = passes(&format!(
        "{HEAD}
  - name: it is billed
    machine_mocks: {{BillingArn: {{Charge: {{return: {{paid: true}}, after: 2s}}}}}}
    expect:
      output:
        output: {{paid: true}}
        status: SUCCEEDED
        arn: arn:aws:states:us-east-1:123456789012:execution:BillingArn:nested-1
      elapsed: 62s
      states: {{Bill: {{called: 1, input_includes: {{Input: {{amount: 5}}}}}}}}
      executions:
        - machine: BillingArn
          state: Bill
          input: {{amount: 5}}
          path: [Wait, Charge]
          elapsed: 62s
          states: {{Charge: {{input: {{amount: 5}}}}}}
        - {{machine: news, name: hello, input: {{}}, output: said}}

  - name: a failed execution fails its task
    machine_mocks: {{BillingArn: {{Charge: {{fail: {{error: Declined, cause: no money}}}}}}}}
    expect:
      error: Sorry
      executions: [{{machine: BillingArn, status: FAILED, error: Declined, cause: no money}}]
"
    ));
    let lines: Vec<(usize, String)> = results[0]
        .lines
        .iter()
        .map(|line| (line.depth, format!("{} {}", line.word(), line.subject)))
        .collect();
    let at = |text: &str| lines.iter().position(|(_, line)| line == text).expect(text);
    assert!(
        at("task Bill") < at("start BillingArn") && at("succeed BillingArn") < at("returns Bill")
    );
    assert_eq!(lines[at("task Charge")].0, lines[at("task Bill")].0 + 1);
    let charge = &results[0].lines[at("task Charge")];
    assert_eq!(charge.at_millis, 60_000, "times are those of the execution that is tested");
}

#[test]
fn what_executions_do_differently_is_said_with_their_place() {
    let text = format!(
        "{HEAD}
  - name: it is billed
    machine_mocks: {{BillingArn: {{Charge: {{return: 1}}}}}}
    expect:
      executions:
        - {{machine: BillingArn, output: 2, input_includes: {{amount: 6}}}}
        - {{machine: news, state: Bill}}
  - name: nothing may be started
    mocks: {{Bill: {{return: {{Output: 1, Status: S, ExecutionArn: a}}}}}}
    expect: {{executions: []}}
"
    );
    let results = run(&file(&text));
    let found = |at: usize| -> Vec<&str> {
        results[at].mismatches.iter().map(|mismatch| mismatch.what.as_str()).collect()
    };
    assert_eq!(
        found(0),
        ["executions[0].input_includes", "executions[0].output", "executions[1].state"]
    );
    assert_eq!(found(1), ["executions"], "a mock comes first, and the other task runs");
}

#[test]
fn a_machine_that_nobody_knows_has_to_be_mocked_or_named() {
    let text = "definition: outer.asl.yaml\ncases:\n  - {name: one, input: {amount: 1}}";
    let results = run(&file(text));
    assert_eq!(results[0].unmocked[0].state, "Bill");
    let why = &results[0].unmocked[0].why;
    assert!(why.contains("${BillingArn}") && why.contains("`machines`"), "{why}");
    let inner = format!("{HEAD}  - name: one\n");
    let results = run(&file(&inner));
    let unmocked = &results[0].unmocked[0];
    assert_eq!(
        (unmocked.machine.as_deref(), unmocked.state.as_str()),
        (Some("BillingArn"), "Charge")
    );
    let said = stepwright_testkit::case_text(&results[0], 100);
    assert!(said.contains("machine_mocks: {BillingArn: {Charge: {return: {}}}}"), "{said}");
}

#[test]
fn machines_of_the_same_template_are_found_by_their_references() {
    let text = "
definition: template.yaml
state_machine: Outer
cases:
  - name: the inner one is run
    input: {n: 1}
    expect:
      output: '{\"n\":2}'
      states: {Nest: {input_includes: {StateMachineArn: \"arn:aws:states:us-east-1:123456789012:stateMachine:Inner\"}}}
      executions: [{path: [Add], output: {n: 2}}]
";
    let file = file(text);
    let results = passes(text);
    let nested = &results[0].executions;
    assert_eq!(nested.len(), 1);
    let coverage = Coverage::of(&file.machines[1].program, &nested[0].hits);
    assert_eq!((coverage.total().used, coverage.total().all), (1, 1));
    let of_file = FileResult {
        file: file.file.clone(),
        results: results.into_iter().map(|result| (result, Duration::ZERO)).collect(),
        unused_defaults: Vec::new(),
    };
    let report = stepwright_testkit::to_json(&of_file);
    let told = report.get("cases").and_then(|cases| cases.at(0)).and_then(|c| c.get("executions"));
    let expected =
        json!([{"name": "nested-1", "state": "Nest", "status": "SUCCEEDED", "output": {"n": 2}}]);
    assert_eq!(told, Some(&expected));
    let covered = Covered::sum([(&file, "flows".as_ref(), &of_file)]);
    let names: Vec<&str> = covered.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["flows/template.yaml (Outer)", "flows/template.yaml (Inner)"]);
    assert_eq!(covered[1].too_little(100.0), None);
    let drawn = Covered::drawings(&covered, "out/coverage.svg".as_ref());
    assert!(drawn[1].0.ends_with("coverage-2-template.svg") && drawn[1].1.contains("Add"));
}

const LOOP: &str = r"
definition:
  StartAt: Again
  States:
    Again:
      Type: Task
      Resource: arn:aws:states:::states:startExecution.sync:2
      Parameters: {StateMachineArn.$: $$.StateMachine.Id}
      Catch: [{ErrorEquals: [States.ALL], Next: Done}]
      End: true
    Done: {Type: Succeed}
cases:
  - name: it never ends
";

#[test]
fn depth_and_number_are_bounded() {
    let results = run(&file(LOOP));
    assert!(results[0].unmocked[0].why.contains("more than 10 deep"), "{:?}", results[0].unmocked);
    let many = r"
definition:
  StartAt: Each
  States:
    Each:
      Type: Map
      ItemsPath: $.items
      ItemProcessor:
        StartAt: One
        States:
          One:
            Type: Task
            Resource: arn:aws:states:::states:startExecution
            Parameters: {StateMachineArn: news}
            End: true
      End: true
machines: {news: news.asl.yaml}
cases:
  - name: many
    input: {items: ITEMS}
";
    let items = json!((0..1_001).map(stepwright_json::Json::Int).collect::<Vec<_>>()).to_string();
    let results = run(&file(&many.replace("ITEMS", &items)));
    assert!(results[0].unmocked[0].why.contains("more than 1000"), "{:?}", results[0].unmocked);
    let results = run(&file(&many.replace("ITEMS", "[1, 2, 3]")));
    assert!(results[0].passed(), "{:?}", results[0].unmocked);
    assert_eq!(results[0].executions.len(), 3);
}

#[test]
fn names_and_time_outs_are_those_of_aws() {
    let text = |outer: &str, more: &str| {
        format!(
            r"
definition:
  StartAt: First
  States:
    First:
      Type: Task
      Resource: arn:aws:states:::states:startExecution.sync:2
      Parameters: {{StateMachineArn: billing, Name: same}}
      {outer}
      ResultPath: null
      Next: Second
    Second:
      Type: Task
      Resource: arn:aws:states:::states:startExecution
      Parameters: {{StateMachineArn: billing, Name: same}}
      End: true
machines: {{billing: billing.asl.yaml}}
cases:
  - name: one
    machine_mocks: {{billing: {{Charge: {{return: 1}}}}}}
    expect: {more}
"
        )
    };
    passes(&text(
        "",
        "{error: StepFunctions.ExecutionAlreadyExistsException, executions: [{machine: billing}]}",
    ));
    // An execution whose task times out is stopped.
    let aborted = "[{machine: billing, status: ABORTED, elapsed: 20s, path: [Wait]}]";
    let results = run(&file(&text(
        "TimeoutSeconds: 20",
        &format!("{{error: States.Timeout, elapsed: 20s, executions: {aborted}}}"),
    )));
    assert!(results[0].passed(), "{:?}", results[0].mismatches);
}

#[test]
fn a_nested_execution_may_send_the_token() {
    let text = r"
definition:
  StartAt: Ask
  States:
    Ask:
      Type: Task
      Resource: arn:aws:states:::states:startExecution.waitForTaskToken
      Parameters: {StateMachineArn: answering, Input: {token.$: $$.Task.Token, ok.$: $.ok}}
      Catch: [{ErrorEquals: [Refused], Next: No}]
      End: true
    No: {Type: Pass, Result: refused, End: true}
machines:
  answering:
    definition:
      StartAt: Think
      States:
        Think: {Type: Wait, Seconds: 30, Next: Which}
        Which:
          Type: Choice
          Choices: [{Variable: $.ok, BooleanEquals: true, Next: Yes}]
          Default: No
        Yes:
          Type: Task
          Resource: arn:aws:states:::aws-sdk:sfn:sendTaskSuccess
          Parameters: {TaskToken.$: $.token, Output: {agreed: true}}
          Next: Rest
        Rest: {Type: Wait, Seconds: 600, End: true}
        No:
          Type: Task
          Resource: arn:aws:states:::aws-sdk:sfn:sendTaskFailure
          Parameters: {TaskToken.$: $.token, Error: Refused, Cause: why not}
          End: true
cases:
  - name: it agrees
    input: {ok: true}
    expect: {output: {agreed: true}, elapsed: 30s, executions: [{elapsed: 630s}]}
  - name: it does not
    input: {ok: false}
    expect: {output: refused, path: [Ask, No]}
";
    passes(text);
}

#[test]
fn mistakes_are_pointed_at() {
    assert_eq!(
        refused(&format!("{HEAD}  - {{name: one, machine_mocks: {{Billing: {{}}}}}}")),
        ["there is no state machine `Billing`"]
    );
    assert_eq!(
        refused(&format!(
            "{HEAD}  - {{name: one, machine_mocks: {{news: {{Sey: {{return: 1}}}}}}}}"
        )),
        ["the definition has no state `Sey`"]
    );
    assert_eq!(
        refused(&format!("{HEAD}  - {{name: one, expect: {{executions: [{{output: 1}}]}}}}")),
        ["an execution needs its `machine`: there are several, or none"]
    );
    assert_eq!(
        refused(&format!(
            "{HEAD}  - {{name: one, expect: {{executions: [{{machine: news, path: [Wait]}}]}}}}"
        )),
        ["the definition has no state `Wait`"]
    );
    assert_eq!(
        refused("machines: {a: nothing.yaml}\ndefinition: outer.asl.yaml\ncases: [{name: a}]"),
        ["the definition cannot be read: nothing.yaml: there is no such file"]
    );
    assert_eq!(
        refused("machines: {a: {values: {}}}\ndefinition: outer.asl.yaml\ncases: [{name: a}]"),
        ["the machine `a` needs a `definition`"]
    );
}

const WHOLE: &str = r#"
definition:
  StartAt: Each
  States:
    Each:
      Type: Map
      ItemProcessor:
        StartAt: Price
        States: {Price: {Type: Task, Resource: "arn:aws:lambda:us-east-1:123456789012:function:p", End: true}}
      Catch: [{ErrorEquals: [Odd], Next: Sorry}, {ErrorEquals: [States.ALL], Next: Sorry}]
      Next: Done
    Done: {Type: Succeed}
    Sorry: {Type: Fail, Error: Sorry}
cases:
  - name: all is well
    input: [1, 2]
    mocks: {Each: {return: [3, 4], after: 5s}}
    expect:
      output: [3, 4]
      elapsed: 5s
      path: [Each, Done]
      states: {Each: {entered: 1, input: [1, 2], output: [3, 4]}, Price: {entered: 0}}
      timeline: true
      graph: true
  - name: it fails
    mocks: {Each: {fail: Even}}
    input: []
    expect: {error: Sorry, path: [Each, Sorry]}
"#;

#[test]
fn a_map_that_is_mocked_as_a_whole_is_entered_and_left() {
    let file = file(WHOLE);
    let kept = |name: &str| {
        Some(match name {
            "outer.test.snapshots/all-is-well.timeline" => {
                "          start [1,2]\n          map Each 2 items\n     +5s  returns Each [3,4]\n\
                 \u{20}         done Each [3,4]\n          enter Done [3,4]\n          succeed [3,4]\n"
            }
            "outer.test.snapshots/all-is-well.mmd" => {
                "flowchart TD\n  start_top(( )) ==> s0\n  subgraph s0[\"Map Each\"]\n    \
                 start_0_0(( )) --> s3\n    s3[\"Price\"]\n    s3 --> end_0_0((( )))\n  end\n  \
                 class s0 taken\n  s1((\"Done\")):::taken\n  s1 ==> end_top((( )))\n  \
                 s2((\"Sorry\"))\n  s2 --> end_top((( )))\n  s0 ==> s1\n  \
                 s0 -.->|\"Odd / States.ALL\"| s2\n  classDef taken fill:#e3f6ea,stroke:#23864a\n"
            }
            _ => return None,
        }
        .to_owned())
    };
    let result = file.run(&file.cases[0], &NoFunctions, &kept);
    let now: Vec<&str> = result.snapshots.iter().map(|one| one.text.as_str()).collect();
    assert!(result.passed(), "{:?}\n{}", result.mismatches, now.join("\n"));
    let mut second = file.run(&file.cases[1], &NoFunctions, &kept);
    assert!(second.passed(), "{:?}", second.mismatches);
    let coverage = Coverage::of(&file.program, &second.hits);
    let missed = &coverage.missed;
    assert!(missed.contains(&"`Price` is never entered".to_owned()), "{missed:?}");
    assert!(missed.iter().any(|text| text.contains("catcher 1 (Odd)")), "{missed:?}");
    assert!(!missed.iter().any(|text| text.contains("catcher 2")), "{missed:?}");
    // A snapshot that is not there is written, and is then as it should be.
    let mut first = file.run(&file.cases[0], &NoFunctions, &|_| None);
    assert_eq!(first.mismatches.len(), 2);
    let written: Vec<&str> = first.bless().iter().map(|one| one.what).collect();
    assert_eq!(written, ["timeline", "graph"]);
    assert!(first.passed() && second.bless().is_empty());
}
