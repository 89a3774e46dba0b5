//! Map and Parallel states that a mock answers as a whole.

use std::sync::Arc;
use stepwright_asl::{Definition, read_data};
use stepwright_history::EventKind;
use stepwright_interpreter::Execution;
use stepwright_json::{Json, json};
use stepwright_program::Program;
use stepwright_simulator::{DEFAULT_START, Mocks, Run, Simulation, Status};
use stepwright_timeline::Timeline;

const MACHINE: &str = r#"
StartAt: Each
TimeoutSeconds: 86400
States:
  Each:
    Type: Map
    ItemsPath: $.items
    ItemSelector: {value.$: $$.Map.Item.Value}
    ResultSelector: {prices.$: "$[*].price"}
    ResultPath: $.each
    Retry: [{ErrorEquals: [Busy], IntervalSeconds: 60}]
    Catch:
      - {ErrorEquals: [NoPrice], ResultPath: $.why, Next: Both}
      - {ErrorEquals: [States.ALL], Next: Sorry}
    ItemProcessor:
      MODE
      StartAt: Price
      States: {Price: {Type: Task, Resource: "arn:aws:lambda:us-east-1:123456789012:function:price", End: true}}
    Next: Both
  Both:
    Type: Parallel
    ResultPath: $.both
    Branches:
      - StartAt: Left
        States: {Left: {Type: Task, Resource: "arn:aws:lambda:us-east-1:123456789012:function:left", End: true}}
      - StartAt: Right
        States: {Right: {Type: Pass, End: true}}
    End: true
  Sorry: {Type: Fail, Error: Sorry}
"#;

const DISTRIBUTED: &str = "ProcessorConfig: {Mode: DISTRIBUTED, ExecutionType: STANDARD}";

fn program(mode: &str) -> Arc<Program> {
    let root = read_data(&MACHINE.replace("MODE", mode), "machine.yaml").unwrap();
    Arc::new(stepwright_program::compile(&Definition::from_json(&root.to_json())).unwrap())
}

fn mocks(text: &str) -> Mocks {
    Mocks::parse(&read_data(text, "mocks.yaml").unwrap()).unwrap()
}

fn run(program: &Arc<Program>, text: &str) -> Run {
    let mut mocks = mocks(text);
    assert_eq!(mocks.check(program), []);
    let program = mocks.applied_to(program);
    let run = Simulation::new(&program).input(json!({"items": [1, 2]})).run(&mut mocks);
    let folded = Execution::replay(&run.events).unwrap();
    assert_eq!(*folded.status(), run.status, "the history folds to the execution");
    assert_eq!(mocks.unused(), Vec::<&str>::new());
    run
}

/// The types of the events that AWS shows, without the `State` in them.
fn shown(run: &Run) -> Vec<String> {
    let history = run.history();
    let types = history.iter().map(|event| event.get("type").and_then(Json::as_str).unwrap());
    types.map(|kind| kind.replace("State", "")).collect()
}

#[test]
fn a_map_and_a_parallel_are_entered_and_answered() {
    let answers =
        "Each: {return: [{price: 3}, {price: 4}], after: 2h}\nBoth: {return: [left, right]}";
    for (mode, map_run) in [("", &[][..]), (DISTRIBUTED, &["MapRunStarted", "MapRunSucceeded"])] {
        let run = run(&program(mode), answers);
        let output =
            json!({"items": [1, 2], "each": {"prices": [3, 4]}, "both": ["left", "right"]});
        assert_eq!(run.status, Status::Succeeded { output });
        assert_eq!(run.elapsed_millis(), 7_200_000);
        let mut expected = vec!["ExecutionStarted", "MapEntered", "MapStarted"];
        expected.extend(map_run);
        expected.extend(["MapSucceeded", "MapExited", "ParallelEntered", "ParallelStarted"]);
        expected.extend(["ParallelSucceeded", "ParallelExited", "ExecutionSucceeded"]);
        assert_eq!(shown(&run), expected);
        let started = &run.history()[2];
        let length = started.get("mapStateStartedEventDetails").and_then(|d| d.get("length"));
        assert_eq!(length, Some(&json!(2)), "the items are counted as ever");
    }
}

#[test]
fn retriers_and_catchers_of_the_state_hold() {
    for mode in ["", DISTRIBUTED] {
        let program = program(mode);
        let twice =
            "Each: [{fail: Busy, after: 1s}, {return: [{price: 1}]}]\nBoth: {return: [1, 2]}";
        let tried = run(&program, twice);
        assert!(matches!(tried.status, Status::Succeeded { .. }), "{:?}", tried.status);
        assert_eq!(tried.elapsed_millis(), 61_000);
        let caught = "Each: {fail: {error: NoPrice, cause: none}}\nBoth: {return: [1, 2]}";
        let caught = run(&program, caught);
        let why = json!({"Error": "NoPrice", "Cause": "none"});
        let output = json!({"items": [1, 2], "why": why, "both": [1, 2]});
        assert_eq!(caught.status, Status::Succeeded { output });
        let mut ends = shown(&caught);
        ends.retain(|kind| kind.ends_with("Failed"));
        let expected: &[&str] =
            if mode.is_empty() { &["MapFailed"] } else { &["MapRunFailed", "MapFailed"] };
        assert_eq!(ends, expected);
        let failed = run(&program, "Each: {fail: Other}");
        assert_eq!(failed.status.name(), "FAILED");
    }
}

#[test]
fn conditions_and_counts_are_those_of_tasks() {
    let each = "Each: {by: attempt, answers: [{fail: Busy}, {return: [{price: 9}]}]}";
    let both = "Both: [{when: {each: {prices: [9]}}, return: [1, 2]}, {fail: NotAsked}]";
    let ran = run(&program(""), &format!("{each}\n{both}"));
    assert!(matches!(ran.status, Status::Succeeded { .. }), "{:?}", ran.status);
    let never = run(&program(DISTRIBUTED), "Each: {never: true}");
    assert_eq!(never.status.name(), "TIMED_OUT");
    assert_eq!(never.elapsed_millis(), 86_400_000);
}

#[test]
fn what_no_iteration_could_begin_with_fails_all_the_same() {
    for mode in ["", DISTRIBUTED] {
        let machine = MACHINE.replace("MODE", mode).replace("$$.Map.Item.Value", "$.nothing");
        let root = read_data(&machine, "machine.yaml").unwrap();
        let program = stepwright_program::compile(&Definition::from_json(&root.to_json())).unwrap();
        let mut mocks = mocks("Each: {return: []}");
        let program = mocks.applied_to(&Arc::new(program));
        let run = Simulation::new(&program).input(json!({"items": [1]})).run(&mut mocks);
        assert_eq!(run.status.name(), "FAILED", "{mode}");
        assert_eq!(mocks.unused(), ["Each"]);
        let is_asked = |kind: &EventKind| matches!(kind, EventKind::WholeAsked { .. });
        assert!(!run.events.iter().any(|event| is_asked(&event.kind)));
    }
}

#[test]
fn what_a_state_cannot_come_to_is_said() {
    let said = |mode: &str, text: &str| -> Vec<String> {
        mocks(text).check(&program(mode)).into_iter().map(|error| error.message).collect()
    };
    assert_eq!(said("", "Each: {return: {a: 1}}"), ["the result of a Map state is a list"]);
    assert_eq!(
        said("", "Both: [{return: [1, 2]}, {return: [1]}]"),
        ["the result of this Parallel state is a list of 2"]
    );
    assert_eq!(said("", "Both: {function: true}"), ["a Parallel state calls no function"]);
    assert_eq!(
        said("", "Both: {fail: X, heartbeat: 3s}"),
        ["`heartbeat` is for tasks, and this is a Parallel state"]
    );
    // What nobody has checked fails the execution in AWS's words.
    let mut unchecked = mocks("Each: {return: 3}");
    let program = unchecked.applied_to(&program(""));
    let run = Simulation::new(&program).input(json!({"items": [1]})).run(&mut unchecked);
    let Status::Failed { failure } = run.status else { panic!("{:?}", run.status) };
    assert_eq!(failure.name(), "States.Runtime");
    assert_eq!(failure.cause.as_deref(), Some("Mocked result must be an array."));
}

#[test]
fn a_written_result_is_an_object() {
    let machine = MACHINE.replace("MODE", DISTRIBUTED).replace(
        "    ResultSelector: {prices.$: \"$[*].price\"}\n",
        "    ResultWriter: {Resource: \"arn:aws:states:::s3:putObject\", Parameters: {Bucket: b, Prefix: p}}\n",
    );
    let root = read_data(&machine, "machine.yaml").unwrap();
    let definition = Definition::from_json(&root.to_json());
    let program = Arc::new(stepwright_program::compile(&definition).unwrap());
    assert_eq!(
        mocks("Each: {return: []}").check(&program)[0].message,
        "the result of a Map state with a ResultWriter is an object"
    );
    let written = "{ResultWriterDetails: {Bucket: b, Key: p/manifest.json}}";
    let ran = run(&program, &format!("Each: {{return: {written}}}\nBoth: {{return: [1, 2]}}"));
    let Status::Succeeded { output } = &ran.status else { panic!("{:?}", ran.status) };
    let each = output.get("each").and_then(|each| each.get("ResultWriterDetails"));
    assert_eq!(each, Some(&json!({"Bucket": "b", "Key": "p/manifest.json"})));
    assert!(ran.objects.objects.is_empty(), "nothing is written");
}

#[test]
fn the_branch_beside_it_gives_it_up() {
    let text = r#"
StartAt: Both
States:
  Both:
    Type: Parallel
    Branches:
      - StartAt: Inner
        States:
          Inner:
            Type: Map
            ItemProcessor: {StartAt: P, States: {P: {Type: Pass, End: true}}}
            End: true
      - StartAt: Breaks
        States: {Breaks: {Type: Task, Resource: "arn:aws:lambda:us-east-1:123456789012:function:b", End: true}}
    Catch: [{ErrorEquals: [States.ALL], Next: Done}]
    End: true
  Done: {Type: Succeed}
"#;
    let definition = Definition::from_json(&read_data(text, "m.yaml").unwrap().to_json());
    let mut mocks = mocks("Inner: {never: true}\nBreaks: {fail: Broken, after: 5s}");
    let program = mocks.applied_to(&Arc::new(stepwright_program::compile(&definition).unwrap()));
    let run = Simulation::new(&program).input(json!([1])).run(&mut mocks);
    assert_eq!(run.status.name(), "SUCCEEDED");
    assert_eq!(run.elapsed_millis(), 5_000);
    assert!(shown(&run).contains(&"MapAborted".to_owned()), "{:?}", shown(&run));
}

#[test]
fn whoever_looks_sees_what_it_waits_for() {
    let mut mocks = mocks("Each: {return: [], after: 2h}");
    let program = mocks.applied_to(&program(""));
    let simulation = Simulation::new(&program).input(json!({"items": [1, 2]}));
    let end = DEFAULT_START.after_millis(3_600_000);
    let run = simulation.end(end).run(&mut mocks);
    assert_eq!(run.status, Status::Running);
    let mut timeline = Timeline::of(program);
    let lines = run.events.iter().filter_map(|event| timeline.line(event)).count();
    assert_eq!(lines, 4, "start, enter, map, mocked");
    let waits = timeline.waits(end);
    assert_eq!(waits, ["Each: waits for the mock of all that is within it, for 1h now"]);
}
