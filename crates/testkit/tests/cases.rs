//! What test files can say, and what is said of them.

use stepwright_testkit::{CaseResult, Coverage, Hits, NoFunctions, TestFile, load};

const ORDER: &str = r#"
StartAt: Each
States:
  Each:
    Type: Map
    ItemsPath: $.items
    MaxConcurrency: 1
    ItemProcessor:
      StartAt: Price
      States:
        Price:
          Type: Task
          Resource: arn:aws:lambda:us-east-1:123456789012:function:price
          Retry: [{ErrorEquals: [Busy], IntervalSeconds: 60, MaxAttempts: 3}]
          Catch: [{ErrorEquals: [NoPrice], Next: Free}, {ErrorEquals: [States.ALL], Next: Free}]
          End: true
        Free: {Type: Pass, Result: 0, End: true}
    ResultPath: $.prices
    Assign: {count.$: States.ArrayLength($)}
    Next: Both
  Both:
    Type: Parallel
    ResultPath: $.told
    Branches:
      - StartAt: Mail
        States: {Mail: {Type: Task, Resource: "arn:aws:states:::sns:publish", Parameters: {Message.$: $.name, TopicArn: t}, End: true}}
      - StartAt: Wait
        States: {Wait: {Type: Wait, Seconds: 259200, Next: Done}, Done: {Type: Succeed}}
    Next: Check
  Check:
    Type: Choice
    Choices:
      - {Variable: $.name, StringEquals: Ada, Next: End}
      - {Variable: $.name, StringEquals: Bob, Next: End}
    Default: Unknown
  End: {Type: Succeed}
  Unknown: {Type: Fail, Error: Unknown, Cause: '{"who": "nobody"}'}
"#;

fn read(name: &str) -> Result<Vec<u8>, String> {
    match name {
        "order.asl.yaml" => Ok(ORDER.into()),
        "MockConfigFile.json" => Ok(r#"{"StateMachines": {"M": {"TestCases": {"Slow": {"Price": "Busy"}}}},
            "MockedResponses": {"Busy": {"0": {"Throw": {"Error": "Busy"}}, "1-9": {"Return": 4}}}}"#
            .into()),
        "mocks.yaml" => Ok("Price: {return: 5}\nMail: {return: {}}\n".into()),
        other => Err(format!("{other}: there is no such file")),
    }
}

fn file(cases: &str) -> TestFile {
    load("order.test.yaml", cases, &read).unwrap_or_else(|found| {
        let messages: Vec<_> = found.iter().map(|found| &found.diagnostic.message).collect();
        panic!("{messages:?}")
    })
}

fn run(cases: &str) -> Vec<CaseResult> {
    let file = file(cases);
    file.cases.iter().map(|case| file.run(case, &NoFunctions, &|_| None)).collect()
}

#[track_caller]
fn passes(cases: &str) {
    for result in run(cases) {
        assert!(result.passed(), "{}: {:?} {:?}", result.name, result.mismatches, result.unmocked);
    }
}

#[track_caller]
fn differs(case: &str, what: &[&str]) {
    let base = "defaults: {input: {name: Ada, items: [1, 2]}, mocks: mocks.yaml}\ncases:\n";
    let results = run(&format!("{base}  - name: it differs\n{case}"));
    let found: Vec<&str> = results[0].mismatches.iter().map(|m| m.what.as_str()).collect();
    assert_eq!(found, what);
}

#[test]
fn what_is_expected_and_happens_passes() {
    passes(
        r#"
defaults: {input: {name: Ada, items: [1, 2]}, mocks: mocks.yaml}
cases:
  - name: everything about a run
    expect:
      status: SUCCEEDED
      output: {name: Ada, items: [1, 2], prices: [5, 5], told: [{}, {name: Ada, items: [1, 2], prices: [5, 5]}]}
      output_includes: {prices: [5.0, 5]}
      path: [Each, Both: [[Mail], [Wait, Done]], Check, End]
      states:
        Price: {entered: 2, called: 2, inputs: [1, 2], output: 5}
        Mail: {input: {Message: Ada, TopicArn: t}, input_includes: {Message: Ada}}
        Free: {entered: 0}
      variables: {count: 2}
      elapsed: 3d
  - name: items by their index, attempts, and what is caught
    mocks:
      Price:
        - when: "{% $item = 0 %}"
          by: attempt
          answers: [{fail: Busy}, {fail: Busy}, {return: 1}]
        - fail: {error: NoPrice}
    expect:
      output_includes: {prices: [1, 0]}
      path: [Each: [[Price], [Price, Free]], Both, Check, End]
      states: {Price: {entered: 2, called: 4}}
      elapsed: {at_least: 3d 3m, at_most: 3d 3m}
  - name: a failure and its cause
    input: {name: Eve, items: []}
    expect: {error: Unknown, cause: {who: nobody}, cause_includes: nobody, elapsed: 3d}
  - name: a mock file of Step Functions Local
    mock_config: {file: MockConfigFile.json, test_case: Slow}
    expect: {output_includes: {prices: [4, 4]}, states: {Price: {called: 3}}, elapsed: 3d 1m}
  - name: by entry and by item
    mocks:
      Price: {by: item, answers: [{return: first}, {return: second}]}
      Mail: [{when: "$.Message", return: told}, {never: true}]
    expect: {output_includes: {prices: [first, second]}, states: {Mail: {output: told}}}
  - name: the context and the clock
    input: {name: Ada, items: []}
    context: {Execution: {Name: e-1, StartTime: "2026-01-05T09:00:00Z"}, StateMachine: {Name: orders}}
    expect: {elapsed: 3d}
  - name: somebody stops it
    stop: {after: 1d, error: Stopped, cause: too long}
    expect: {status: ABORTED, error: Stopped, cause: too long, elapsed: 1d}
"#,
    );
}

#[test]
fn each_thing_that_differs_is_named() {
    differs("    expect: {status: FAILED}", &["status"]);
    differs("    expect: {output: {name: Ada}}", &["output"]);
    differs("    expect: {output_includes: {prices: [5, 6]}}", &["output_includes"]);
    differs("    expect: {error: Unknown}", &["status"]);
    differs("    expect: {path: [Each, Both, Check]}", &["path"]);
    differs("    expect: {path: [Each: [[Price]], Both, Check, End]}", &["path"]);
    differs(
        "    expect: {states: {Price: {called: 3, input: 1}}}",
        &["states.Price.called", "states.Price.input"],
    );
    differs("    expect: {states: {Free: {output: 0}}}", &["states.Free.output"]);
    differs("    expect: {variables: {count: 3, more: 1}}", &["variables.count", "variables.more"]);
    differs("    expect: {elapsed: 1d}", &["elapsed"]);
    differs("    expect: {timeline: true}", &["timeline"]);
    differs(
        "    input: {name: Eve, items: []}\n    expect: {error: Else, cause: else}",
        &["error", "cause"],
    );
}

#[test]
fn a_task_without_a_mock_and_a_mock_without_a_task_are_named() {
    let results = run(
        "defaults: {input: {name: Ada, items: [1]}}\ncases:\n  - name: one\n    mocks: {Price: {when: 2, return: 1}}\n  \
         - name: two\n    input: {name: Ada, items: []}\n    mocks: {Price: {return: 1}, Mail: {return: {}}}\n",
    );
    let unmocked = &results[0].unmocked[0];
    assert_eq!(
        (unmocked.state.as_str(), unmocked.why.as_str()),
        ("Price", "no case of its mock fits the input")
    );
    assert!(!results[0].passed());
    assert!(results[1].passed());
    assert_eq!(results[1].unused, ["Price"]);
}

#[test]
fn snapshots_are_compared_line_by_line() {
    let text = "defaults: {input: {name: Ada, items: []}, mocks: mocks.yaml}\ncases:\n  - name: A timeline!\n    expect: {timeline: true}\n";
    let file = file(text);
    let first = file.run(&file.cases[0], &NoFunctions, &|_| None);
    assert_eq!(first.snapshots[0].file, "order.test.snapshots/a-timeline.timeline");
    let kept = first.snapshots[0].text.clone();
    assert!(file.run(&file.cases[0], &NoFunctions, &|_| Some(kept.clone())).passed());
    let changed = kept.replace("Mail", "Post");
    assert!(!file.run(&file.cases[0], &NoFunctions, &|_| Some(changed.clone())).passed());
}

#[test]
fn coverage_counts_rules_that_lead_to_the_same_state_apart() {
    let file = file(
        r"
defaults: {mocks: mocks.yaml}
cases:
  - {name: bob, input: {name: Bob, items: []}}
  - name: caught by the second
    input: {name: Bob, items: [1]}
    mocks: {Price: {fail: Else}}
",
    );
    let mut hits = Hits::new(&file.program);
    for case in &file.cases {
        hits.add(&file.run(case, &NoFunctions, &|_| None).hits);
    }
    let coverage = Coverage::of(&file.program, &hits);
    assert_eq!(
        coverage.missed,
        [
            "`Check`: rule 1 (to `End`) never applies",
            "`Check`: the default is never taken",
            "`Unknown` is never entered",
            "`Price`: retrier 1 (Busy) never tries again",
            "`Price`: catcher 1 (NoPrice) never catches",
        ]
    );
}

/// The complaints about a test file: the text that each points at, and its words.
fn complaints(text: &str) -> Vec<(String, String)> {
    let found = load("order.test.yaml", text, &read).expect_err("the file is bad");
    found
        .iter()
        .map(|complaint| {
            let diagnostic = &complaint.diagnostic;
            let span = diagnostic.span.expect("it points somewhere");
            let marked = complaint.text[span.start as usize..span.end as usize].to_owned();
            let help = diagnostic.help.clone().unwrap_or_default();
            (marked, format!("{} {help}", diagnostic.message))
        })
        .collect()
}

#[track_caller]
fn refuses(text: &str, at: &str, words: &str) {
    let found = complaints(text);
    let hit = found.iter().any(|(marked, said)| marked.starts_with(at) && said.contains(words));
    assert!(hit, "{found:?}");
}

#[test]
fn bad_files_are_pointed_at() {
    let case = |rest: &str| format!("cases:\n  - name: a\n    {rest}\n");
    refuses("[]", "[", "a test file is an object");
    refuses("cass: []", "cass", "did you mean `cases`");
    refuses("cases: []", "[", "at least one");
    refuses("definition: nowhere.json\ncases: [{name: a}]", "nowhere", "no such file");
    refuses("cases: [{nme: a}]", "nme", "did you mean `name`");
    refuses("cases: [{name: a}, {name: a}]", "a", "two cases are named");
    refuses(&case("mocks: {Prize: {return: 1}}"), "Prize", "did you mean `Price`");
    refuses(&case("mocks: {Wait: {return: 1}}"), "Wait", "a Wait state, which calls nothing");
    refuses(&case("mocks: {Price: {retrun: 1}}"), "retrun", "did you mean `return`");
    refuses(&case("mocks: nowhere.yaml"), "nowhere", "cannot be read");
    refuses(&case("clock: soon"), "soon", "a moment like");
    refuses(&case("context: {Execution: {Nme: x}}"), "Nme", "did you mean `Name`");
    refuses(&case("expect: {status: DONE}"), "DONE", "it is one of");
    refuses(&case("expect: {path: [Eacg]}"), "Eacg", "did you mean `Each`");
    refuses(&case("expect: {path: [{Each: [[Price]], Both: []}]}"), "{Each", "a path holds names");
    refuses(&case("expect: {states: {Wait: {called: 1}}}"), "called", "never called");
    refuses(&case("expect: {states: {Price: {called: often}}}"), "often", "a number");
    refuses(&case("expect: {elapsed: long}"), "long", "a number of seconds");
    refuses(&case("expect: {elapsed: {at_lest: 1}}"), "at_lest", "did you mean `at_least`");
    refuses(&case("expect: {timeline: 3}"), "3", "`true` or the name of a file");
    refuses(&case("stop: {error: X}"), "{error", "needs `after`");
    refuses(&case("limits: none"), "none", "`aws` or `extended`");
    refuses(&case("input: 1\n    input_file: x"), "input_file", "either");
    refuses(&case("mock_config: {file: a}"), "{file", "`file` and `test_case`");
    refuses(
        &case("mock_config: {file: MockConfigFile.json, test_case: Slw}"),
        "Slw",
        "did you mean `Slow`",
    );
    refuses("cases: [{name: a}\n", "", "");
}

#[test]
fn a_bad_definition_is_complained_about_in_its_own_text() {
    let text = "definition: {StartAt: A, States: {A: {Type: Pass, Next: B}}}\ncases: [{name: a}]\n";
    let found = load("order.test.yaml", text, &read).expect_err("B is missing");
    assert!(found.iter().any(|c| c.file == "order.test.yaml" && c.diagnostic.span.is_some()));
}
