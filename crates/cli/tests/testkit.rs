//! The commands `test`, `replay`, `explore` and `run --mock-config`.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use stepwright_json::Json;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn stepwright(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_stepwright"))
        .args(arguments)
        .current_dir(folder)
        .env_remove("AWS_ENDPOINT_URL_SFN")
        .output()
        .expect("the binary runs")
}

#[track_caller]
fn run(folder: &Path, arguments: &[&str], code: i32) -> String {
    let output = stepwright(folder, arguments);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let more = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}\n{more}");
    said + &more
}

#[track_caller]
fn json(folder: &Path, arguments: &[&str], code: i32) -> Json {
    let output = stepwright(folder, arguments);
    assert_eq!(output.status.code(), Some(code), "{}", String::from_utf8_lossy(&output.stderr));
    stepwright_json::parse_bytes(output.stdout.trim_ascii()).expect("it prints JSON")
}

const MACHINE: &str = "
StartAt: Work
States:
  Work:
    Type: Task
    Resource: arn:aws:lambda:us-east-1:123456789012:function:work
    Retry: [{ErrorEquals: [Busy], IntervalSeconds: 3600, MaxAttempts: 2}]
    Next: Which
  Which:
    Type: Choice
    Choices: [{Variable: $.ok, BooleanEquals: true, Next: Good}]
    Default: Bad
  Good: {Type: Succeed}
  Bad: {Type: Fail, Error: Bad}
";

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

#[test]
fn the_quickstart_is_green_and_covered() {
    let said = run(&root(), &["test", "examples/quickstart", "--coverage-threshold", "100"], 0);
    assert!(said.contains("5 passed, 0 failed"), "{said}");
    let root = root();
    let report = json(&root, &["test", "examples", "--format", "json"], 0);
    assert_eq!(report.get("failed"), Some(&Json::Int(0)));
}

#[test]
fn exit_codes_tell_a_failed_test_from_a_bad_file() {
    let cases = "cases:\n  - {name: good, mocks: {Work: {return: {ok: true}}}}\n  - {name: bad, mocks: {Work: {return: {ok: false}}}}\n";
    let folder = folder(&[
        ("a.asl.yaml", MACHINE),
        ("a.test.yaml", cases),
        (
            "b.test.json",
            r#"{"definition": "a.asl.yaml", "cases": [{"name": "x", "mocks": {"Wrk": {"return": 1}}}]}"#,
        ),
    ]);
    let path = folder.path();
    let said = run(path, &["test", "a.test.yaml"], 1);
    assert!(said.contains("1 passed, 1 failed") && said.contains("FAIL  bad"), "{said}");
    assert!(said.contains("expected  SUCCEEDED"), "{said}");
    run(path, &["test", "a.test.yaml", "--filter", "good"], 0);
    run(path, &["test", "a.test.yaml", "--filter", "nothing"], 2);
    let said = run(path, &["test"], 2);
    assert!(said.contains("b.test.json:1:64") && said.contains("did you mean `Work`?"), "{said}");
    assert!(said.contains("1 passed, 1 failed"), "the good file is run all the same: {said}");
    run(path, &["test", "nowhere"], 2);
    let said = run(
        path,
        &["test", "a.test.yaml", "--filter", "good", "--coverage", "--coverage-threshold", "90"],
        1,
    );
    assert!(said.contains("`Which`: the default is never taken"), "{said}");
    assert!(said.contains("below 90 %"), "{said}");
}

#[test]
fn reports_are_written() {
    let cases = "cases:\n  - {name: 'a & b', mocks: {Work: {return: {ok: false}}}}\n  - {name: c, mocks: {Work: {return: {ok: true}}}}\n";
    let folder = folder(&[("a.asl.yaml", MACHINE), ("a.test.yaml", cases)]);
    let path = folder.path();
    run(path, &["test", "--junit", "out/results.xml", "--coverage-graph", "out/coverage.svg"], 1);
    let xml = std::fs::read_to_string(path.join("out/results.xml")).unwrap();
    assert!(
        xml.contains("tests=\"2\" failures=\"1\"") && xml.contains("name=\"a &amp; b\""),
        "{xml}"
    );
    assert!(xml.contains("<failure type=\"mismatch\" message=\"status\">"), "{xml}");
    assert!(!xml.contains('\u{1b}'), "no colours in XML");
    let svg = std::fs::read_to_string(path.join("out/coverage.svg")).unwrap();
    assert!(svg.contains("entered 2 times") && svg.contains("not used"), "{svg}");
    assert!(xml.contains("file=\"a.test.yaml\" line=\"3\""), "{xml}");
    run(path, &["test", "--lcov", "out/lcov.info", "--cobertura", "out/cobertura.xml"], 1);
    let lcov = std::fs::read_to_string(path.join("out/lcov.info")).unwrap();
    // `Which` is on line 9, was entered twice, and both ways out of it were taken.
    for part in ["SF:a.asl.yaml", "DA:9,2", "BRDA:9,0,0,1", "BRDA:9,0,1,1", "LF:4", "LH:4"] {
        assert!(lcov.contains(part), "{part} is not in {lcov}");
    }
    let cobertura = std::fs::read_to_string(path.join("out/cobertura.xml")).unwrap();
    let line = "<line number=\"9\" hits=\"2\" branch=\"true\" condition-coverage=\"100% (2/2)\"/>";
    assert!(
        cobertura.contains(line) && cobertura.contains("filename=\"a.asl.yaml\""),
        "{cobertura}"
    );
    let report = json(path, &["test", "--format", "json"], 1);
    let case = report.get("files").and_then(|f| f.at(0)?.get("cases")?.at(0)).unwrap();
    assert_eq!(case.get("error").and_then(Json::as_str), Some("Bad"));
}

#[test]
fn a_snapshot_is_blessed_and_kept() {
    let cases = "cases:\n  - name: hours\n    mocks: {Work: [{fail: Busy}, {return: {ok: true}}]}\n    expect: {timeline: true, elapsed: 1h}\n";
    let folder = folder(&[("a.asl.yaml", MACHINE), ("a.test.yaml", cases)]);
    let path = folder.path();
    let said = run(path, &["test"], 1);
    assert!(said.contains("--bless"), "{said}");
    run(path, &["test", "--bless"], 0);
    let kept = std::fs::read_to_string(path.join("a.test.snapshots/hours.timeline")).unwrap();
    assert!(kept.contains("retry Work in 1h (attempt 2 of 3)"), "{kept}");
    run(path, &["test"], 0);
    // One changed delay is one changed line.
    std::fs::write(path.join("a.asl.yaml"), MACHINE.replace("3600", "7200")).unwrap();
    std::fs::write(path.join("a.test.yaml"), cases.replace("elapsed: 1h", "elapsed: 2h")).unwrap();
    run(path, &["test", "--bless"], 0);
    let other = std::fs::read_to_string(path.join("a.test.snapshots/hours.timeline")).unwrap();
    let changed = kept.lines().zip(other.lines()).filter(|(before, now)| before != now);
    assert_eq!(changed.count(), 1, "{kept}\n{other}");
    std::fs::write(path.join("a.test.yaml"), cases.replace("{ok: true}", "{ok: true, n: 1}"))
        .unwrap();
    let said = run(path, &["test"], 1);
    assert!(said.contains("- ") && said.contains("\"n\":1"), "{said}");
}

#[test]
fn mocks_pass_calls_on_to_real_functions() {
    let config = "[functions.work]\nreturn = { ok = true }\nafter = \"2s\"\n\n[functions.other]\nreturn = { ok = false }\n";
    let cases = "cases:\n  - {name: real, mocks: {Work: {function: true}}, expect: {elapsed: 2s}}\n  - {name: other, mocks: {Work: {function: other}}, expect: {error: Bad}}\n  - {name: none, mocks: {Work: {function: nothing}}}\n";
    let folder =
        folder(&[("a.asl.yaml", MACHINE), ("a.test.yaml", cases), ("stepwright.toml", config)]);
    let said = run(folder.path(), &["test"], 1);
    assert!(said.contains("2 passed, 1 failed"), "{said}");
    assert!(said.contains("`nothing` cannot be called"), "{said}");
}

#[test]
fn unused_mocks_are_named() {
    let machine = MACHINE.replace("Default: Bad", "Default: More")
        + "  More: {Type: Task, Resource: 'arn:aws:states:::sns:publish', Next: Bad}\n";
    let cases = "defaults: {mocks: {Work: {return: {ok: true}}, More: {return: 2}}}\ncases:\n  - {name: a}\n";
    let own = cases.replace("{name: a}", "{name: a, mocks: {More: {return: 3}}}");
    let folder =
        folder(&[("a.asl.yaml", &machine), ("a.test.yaml", cases), ("own.test.yaml", &own)]);
    std::fs::copy(folder.path().join("a.asl.yaml"), folder.path().join("own.asl.yaml")).unwrap();
    let path = folder.path();
    let said = run(path, &["test", "a.test.yaml"], 0);
    assert!(said.contains("the mock of `More` in `defaults` was used by no case"), "{said}");
    let said = run(path, &["test", "own.test.yaml"], 0);
    assert!(said.contains("the mock of `More` was not used"), "{said}");
    run(path, &["test", "own.test.yaml", "--deny-unused"], 1);
    run(path, &["test", "a.test.yaml", "--deny-unused"], 1);
}

#[test]
fn a_mock_file_of_step_functions_local_answers() {
    let config = r#"{"StateMachines": {"M": {"TestCases": {
        "Happy": {"Work": "Fine"}, "Retried": {"Work": "Busy"}}}},
        "MockedResponses": {
          "Fine": {"0": {"Return": {"StatusCode": 200, "Payload": {"ok": true}}}},
          "Busy": {"0-1": {"Throw": {"Error": "Busy", "Cause": "x"}}, "2": {"Return": {"ok": true}}}}}"#;
    let folder = folder(&[("a.asl.yaml", MACHINE), ("MockConfigFile.json", config)]);
    let path = folder.path();
    let base = [
        "run",
        "a.asl.yaml",
        "--mock-config",
        "MockConfigFile.json",
        "--virtual-time",
        "-o",
        "json",
    ];
    let happy = json(path, &[&base[..], &["--test-case", "Happy"]].concat(), 0);
    assert_eq!(happy.get("output").and_then(|o| o.get("ok")), Some(&Json::Bool(true)));
    let retried = json(path, &[&base[..], &["--test-case", "Retried"]].concat(), 0);
    assert_eq!(retried.get("elapsedMillis"), Some(&Json::Int(3 * 3_600_000)));
    let said = run(path, &[&base[..], &["--test-case", "Hapy"]].concat(), 2);
    assert!(said.contains("did you mean `Happy`?"), "{said}");
    run(path, &base, 2);
}

#[test]
fn a_run_is_replayed_and_a_changed_definition_is_pointed_at() {
    let mocks = "Work: [{fail: Busy}, {return: {ok: true}}]\n";
    let changed = MACHINE.replace("IntervalSeconds: 3600, MaxAttempts: 2", "MaxAttempts: 0");
    let folder = folder(&[
        ("a.asl.yaml", MACHINE),
        ("a.mocks.yaml", mocks),
        ("changed.asl.yaml", &changed),
        (
            "last.asl.yaml",
            &MACHINE.replace("Good: {Type: Succeed}", "Good: {Type: Pass, End: true}"),
        ),
    ]);
    let path = folder.path();
    let output = stepwright(path, &["run", "a.asl.yaml", "--virtual-time", "-o", "json"]);
    std::fs::write(path.join("history.json"), &output.stdout).unwrap();
    let replay = ["replay", "history.json", "--definition"];
    let said = run(path, &[&replay[..], &["a.asl.yaml"]].concat(), 0);
    assert!(said.contains("reproduces all"), "{said}");
    let said = run(path, &[&replay[..], &["last.asl.yaml"]].concat(), 1);
    assert!(said.contains("last.asl.yaml:13:3"), "{said}");
    assert!(
        said.contains("SucceedStateEntered Good") && said.contains("PassStateEntered Good"),
        "{said}"
    );
    let report = json(path, &[&replay[..], &["changed.asl.yaml", "--format", "json"]].concat(), 1);
    let departure = report.get("departure").unwrap();
    assert_eq!(departure.get("expected").and_then(Json::as_str), Some("LambdaFunctionScheduled"));
    assert_eq!(departure.get("actual").and_then(Json::as_str), Some("ExecutionFailed"));
    assert_eq!(departure.get("state").and_then(Json::as_str), Some("Work"));
    run(path, &["replay", "history.json"], 2);
    run(path, &["replay", "a.asl.yaml", "--definition", "a.asl.yaml"], 2);
}

#[test]
fn what_is_explored_is_saved_as_tests_that_pass() {
    let folder = folder(&[("a.asl.yaml", MACHINE)]);
    let path = folder.path();
    let said = run(path, &["explore", "a.asl.yaml", "--save", "tests/found"], 1);
    assert!(said.contains("unhandled-error") && said.contains("a.asl.yaml:4:3"), "{said}");
    assert!(said.contains("reached 4 of 4 states"), "{said}");
    let said = run(path, &["test", "tests"], 0);
    assert!(said.contains("1 passed"), "{said}");
    let report = json(path, &["explore", "a.asl.yaml", "--format", "json"], 1);
    let found = report.get("findings").and_then(|list| list.at(0)).unwrap();
    assert_eq!(found.get("state").and_then(Json::as_str), Some("Work"));
    assert_eq!(found.get("line"), Some(&Json::Int(4)));
}

#[test]
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn the_package_for_python_runs_test_files() {
    let venv = root().join("target/clients/venv/bin/python");
    let python = if venv.is_file() { venv } else { PathBuf::from("python3") };
    let tests = root().join("python/stepwright-pytest/tests");
    let output = Command::new(&python)
        .args(["-m", "unittest", "-v", "test_runner"])
        .current_dir(tests)
        .env("STEPWRIGHT_BIN", env!("CARGO_BIN_EXE_stepwright"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output();
    let Ok(output) = output else {
        eprintln!("skipped: there is no Python");
        return;
    };
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("test_the_quickstart_passes"), "{said}");
}

#[test]
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn the_package_for_node_runs_definitions_and_test_files() {
    let package = root().join("node/stepwright-testing");
    let output = Command::new("node")
        .arg("--test")
        .current_dir(package)
        .env("STEPWRIGHT_BIN", env!("CARGO_BIN_EXE_stepwright"))
        .output();
    let Ok(output) = output else {
        eprintln!("skipped: there is no Node.js");
        return;
    };
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("any exception fails the task") && said.contains("pass 11"), "{said}");
}

#[test]
fn a_failed_case_shows_what_happened_and_the_mock_that_never_matched() {
    let cases = "cases:\n  - name: bad\n    input: {n: 1}\n    mocks:\n      Work:\n        - {when: {n: 2}, answers: [{return: {ok: true}}]}\n        - {answers: [{fail: Busy}, {return: {ok: false}}]}\n";
    let folder = folder(&[("a.asl.yaml", MACHINE), ("a.test.yaml", cases)]);
    let said = run(folder.path(), &["test"], 1);
    for part in [
        "what happened:",
        "in 1h (attempt 2 of 3)",
        "→ Bad, by default",
        "no call of `Work` fits the mock with `when: {\"n\":2}`",
    ] {
        assert!(said.contains(part), "{part} is not in {said}");
    }
    std::fs::write(folder.path().join("a.test.yaml"), cases.replace("{ok: false}", "{ok: true}"))
        .unwrap();
    let said = run(folder.path(), &["test"], 0);
    assert!(!said.contains("what happened"), "a case that passes is one line: {said}");
}

#[test]
fn watching_follows_the_code_of_functions() {
    use std::io::{BufRead as _, BufReader};
    let code = "import json, sys\nprint(json.dumps({'ok': OK}))\n";
    let cases = "cases:\n  - {name: real, mocks: {Work: {function: true}}}\n";
    let config = "[functions.work]\ncommand = [\"python3\", \"work.py\"]\n";
    let folder = folder(&[
        ("a.asl.yaml", MACHINE),
        ("a.test.yaml", cases),
        ("stepwright.toml", config),
        ("work.py", &code.replace("OK", "False")),
    ]);
    let mut child = Command::new(env!("CARGO_BIN_EXE_stepwright"))
        .args(["test", "--watch"])
        .current_dir(folder.path())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("the binary runs");
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut sums = lines.filter(|line| line.contains(" passed, "));
    let first = sums.next().unwrap();
    std::fs::write(folder.path().join("work.py"), code.replace("OK", "True")).unwrap();
    let second = sums.next().unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(first.contains("0 passed, 1 failed"), "{first}");
    assert!(second.contains("1 passed, 0 failed"), "{second}");
}

#[test]
fn replaying_ignores_placeholders_that_nobody_has_set() {
    let machine = |table: &str| {
        format!(
            r#"{{"StartAt": "Put", "States": {{"Put": {{"Type": "Task", "Resource": "arn:aws:states:::dynamodb:putItem",
            "Parameters": {{"TableName": "{table}", "Item": {{"id": {{"S": "1"}}}}}}, "End": true}}}}}}"#
        )
    };
    let folder = folder(&[
        ("now.asl.json", &machine("prod-orders-v2")),
        ("written.asl.json", &machine("${Stage}-orders-${Version}")),
        ("other.asl.json", &machine("${Stage}-invoices")),
        ("mocks.yaml", "Put: {return: {}}\n"),
    ]);
    let path = folder.path();
    let ran =
        json(path, &["run", "now.asl.json", "-m", "mocks.yaml", "-o", "json", "--virtual-time"], 0);
    std::fs::write(path.join("history.json"), ran.to_string()).unwrap();
    let said = run(path, &["replay", "history.json", "-d", "written.asl.json"], 0);
    assert!(said.contains("reproduces all"), "{said}");
    let said = run(path, &["replay", "history.json", "-d", "other.asl.json"], 1);
    assert!(said.contains("prod-orders-v2"), "{said}");
}

/// A template with a machine that starts another one, and goes over items.
const ORDERS: &str = "
Resources:
  Orders:
    Type: AWS::StepFunctions::StateMachine
    Properties:
      DefinitionSubstitutions: {Billing: !GetAtt Billing.Arn}
      Definition:
        StartAt: Prices
        States:
          Prices:
            Type: Map
            ItemProcessor:
              StartAt: Price
              States: {Price: {Type: Task, Resource: 'arn:aws:lambda:us-east-1:123456789012:function:price', End: true}}
            Next: Bill
          Bill:
            Type: Task
            Resource: arn:aws:states:::states:startExecution.sync:2
            Parameters: {StateMachineArn: '${Billing}', Input: {prices.$: $}}
            OutputPath: $.Output
            Next: Which
          Which:
            Type: Choice
            Choices: [{Variable: $.paid, BooleanEquals: true, Next: Good}]
            Default: Bad
          Good: {Type: Succeed}
          Bad: {Type: Fail, Error: Bad}
  Billing:
    Type: AWS::StepFunctions::StateMachine
    Properties:
      Definition:
        StartAt: Nap
        States:
          Nap: {Type: Wait, Seconds: 3600, Next: Charge}
          Charge: {Type: Task, Resource: 'arn:aws:lambda:us-east-1:123456789012:function:charge', End: true}
";

#[test]
fn whole_machines_are_tested_together() {
    let cases = "
definition: app/template.yaml
state_machine: Orders
cases:
  - name: it is paid
    input: [lamp, desk]
    mocks: {Prices: {return: [5, 60], after: 2s}}
    machine_mocks: {Billing: {Charge: {return: {paid: true}}}}
    expect:
      elapsed: 1h 2s
      output: {paid: true}
      timeline: true
      graph: true
      executions: [{machine: Billing, input: {prices: [5, 60]}, path: [Nap, Charge]}]
";
    let folder = folder(&[("orders.test.yaml", cases)]);
    let path = folder.path();
    std::fs::create_dir(path.join("app")).unwrap();
    std::fs::write(path.join("app/template.yaml"), ORDERS).unwrap();
    run(path, &["test"], 1);
    let said = run(path, &["test", "--bless"], 0);
    assert_eq!(said.matches("wrote ").count(), 2, "{said}");
    let kept = |ending: &str| {
        std::fs::read_to_string(path.join(format!("orders.test.snapshots/it-is-paid.{ending}")))
            .unwrap()
    };
    let timeline = kept("timeline");
    assert!(timeline.contains("            wait Nap 1h\n"), "{timeline}");
    assert!(timeline.contains("+2s  returns Prices [5,60]"), "{timeline}");
    let drawn = kept("mmd");
    assert!(drawn.contains("s2 ==>|\"$.paid\"| s3"), "{drawn}");
    assert!(drawn.contains("s2 -->|\"Default\"| s4"), "{drawn}");
    let said = run(path, &["test", "--coverage", "--coverage-graph", "c.svg"], 0);
    assert!(said.contains("app/template.yaml (Billing): 100.0 %"), "{said}");
    assert!(said.contains("app/template.yaml (Orders)") && path.join("c-2-template.svg").exists());
    assert!(said.contains("`Price` is never entered"), "{said}");
    // Another way is another drawing.
    let other = cases.replace("paid: true}", "paid: false}").replace("output:", "error: Bad #");
    std::fs::write(path.join("orders.test.yaml"), other).unwrap();
    let said = run(path, &["test"], 1);
    let is_drawn =
        |line: &str| line.trim_start().starts_with('+') && line.contains("\"Default\"| s4");
    assert!(said.lines().any(is_drawn), "{said}");
}

#[test]
fn a_run_and_a_replay_take_mocks_of_whole_states() {
    let mocks = "Prices: {return: [1]}\nBill: {return: {Output: {paid: true}}}\n";
    let folder = folder(&[("template.yaml", ORDERS), ("m.yaml", mocks)]);
    let path = folder.path();
    let base = ["run", "template.yaml", "--state-machine", "Orders", "-m", "m.yaml", "-o", "json"];
    let more = ["--input", "[3]"];
    for flags in [&["--virtual-time"][..], &[]] {
        let ran = json(path, &[&base[..], &more, flags].concat(), 0);
        let types = ran.get("events").unwrap().to_string();
        assert!(types.contains("MapStateSucceeded") && !types.contains("MapIteration"), "{types}");
        std::fs::write(path.join("history.json"), ran.to_string()).unwrap();
        let replay = ["replay", "history.json", "-d", "template.yaml", "--state-machine", "Orders"];
        run(path, &[&replay[..], &["-m", "m.yaml"]].concat(), 0);
        let said = run(path, &replay, 1);
        assert!(said.contains("recorded: MapStateSucceeded"), "{said}");
    }
}

#[test]
fn a_replay_says_which_wait_has_another_length() {
    let machine = "StartAt: Nap\nStates: {Nap: {Type: Wait, Seconds: 60, End: true}}\n";
    let folder = folder(&[
        ("a.asl.yaml", machine),
        ("b.asl.yaml", &machine.replace("60", "90")),
        ("c.asl.yaml", &machine.replace("60", "61")),
    ]);
    let path = folder.path();
    let output = stepwright(path, &["run", "a.asl.yaml", "--virtual-time", "-o", "json"]);
    std::fs::write(path.join("history.json"), &output.stdout).unwrap();
    let said = run(path, &["replay", "history.json", "-d", "b.asl.yaml"], 1);
    assert!(said.contains("seconds since event 2"), "{said}");
    assert!(said.contains("recorded: 60.0") && said.contains("now:      90.0"), "{said}");
    run(path, &["replay", "history.json", "-d", "c.asl.yaml"], 0);
}
