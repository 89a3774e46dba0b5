//! `init` and `upgrade-check`, as a person calls them.

#![expect(clippy::print_stdout, reason = "a test that skips says so")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn stepwright(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stepwright"));
    command.args(arguments).current_dir(folder).env("NO_COLOR", "1").output().expect("it runs")
}

fn said(output: &Output) -> String {
    let (out, error) = (&output.stdout, &output.stderr);
    format!("{}{}", String::from_utf8_lossy(out), String::from_utf8_lossy(error))
}

/// What it says, with the exit code that it must have.
fn with_code(folder: &Path, arguments: &[&str], code: i32) -> String {
    let output = stepwright(folder, arguments);
    let said = said(&output);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
    said
}

#[test]
fn what_is_made_is_well_passes_its_tests_and_runs() {
    for language in ["python", "node", "command", "none"] {
        let program = match language {
            "python" => "python3",
            "node" => "node",
            _ => "sh",
        };
        if Command::new(program).args(["-c", ""]).output().is_err() {
            println!("{program} is not there");
            continue;
        }
        let folder = tempfile::tempdir().expect("a directory can be made");
        let made = with_code(folder.path(), &["init", "orders", "--language", language], 0);
        assert!(made.contains("stepwright test orders"), "{made}");
        let machine = "orders/orders.asl.yaml";
        with_code(folder.path(), &["check", machine, "--deny-warnings"], 0);
        let tested =
            with_code(folder.path(), &["test", "orders", "--coverage-threshold", "100"], 0);
        assert!(tested.contains("4 passed"), "{tested}");
        let ran = with_code(folder.path(), &["run", machine, "--virtual-time", "-o", "json"], 0);
        assert!(ran.contains("Hello, Ada!"), "{ran}");
        // A second time, nothing is replaced.
        let before = fs::read_to_string(folder.path().join(machine)).expect("it is there");
        fs::remove_file(folder.path().join("orders/orders.test.yaml")).expect("it is there");
        let refused = with_code(folder.path(), &["init", "orders"], 2);
        assert!(refused.contains("nothing is replaced"), "{refused}");
        assert!(!folder.path().join("orders/orders.test.yaml").exists());
        assert_eq!(fs::read_to_string(folder.path().join(machine)).ok(), Some(before));
    }
    let folder = tempfile::tempdir().expect("a directory can be made");
    let refused = with_code(folder.path(), &["init", "order flow"], 2);
    assert!(refused.contains("--name"), "{refused}");
    with_code(folder.path(), &["init", ".", "--name", "flow"], 0);
    assert!(folder.path().join("flow.asl.yaml").is_file());
}

/// A store that an earlier release wrote.
fn old_store(folder: &Path) -> PathBuf {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../store/tests/corpus/layout-1");
    let data = folder.join("data");
    fs::create_dir(&data).expect("a directory can be made");
    fs::copy(corpus.join("stepwright.db"), data.join("stepwright.db")).expect("it is there");
    data
}

#[test]
fn an_upgrade_is_checked_and_rehearsed_without_a_change() {
    let folder = tempfile::tempdir().expect("a directory can be made");
    let none = with_code(folder.path(), &["upgrade-check"], 0);
    assert!(none.contains("holds no store") && none.contains("no configuration"), "{none}");

    let data = old_store(folder.path());
    let before = fs::read(data.join("stepwright.db")).expect("it is there");
    let said = with_code(folder.path(), &["upgrade-check", "--data", "data", "--rehearse"], 0);
    let present = stepwright_store::Sqlite::LAYOUT;
    let expected = format!("has layout 1: this release migrates it to {present}");
    assert!(said.contains(&expected), "{said}");
    assert!(said.contains("Nothing is wrong with"), "{said}");
    assert_eq!(fs::read(data.join("stepwright.db")).ok(), Some(before));
    let left = fs::read_dir(folder.path()).expect("it is there").count();
    assert_eq!(left, 1, "the rehearsal leaves nothing");

    // Once it is migrated, it is this release's own; what a later one wrote is refused by its number.
    with_code(folder.path(), &["doctor", "--data", "data"], 0);
    let said = with_code(folder.path(), &["upgrade-check", "--data", "data"], 0);
    assert!(said.contains(&format!("has the layout of this release, {present}")), "{said}");
    let database = rusqlite::Connection::open(data.join("stepwright.db")).expect("it opens");
    database.pragma_update(None, "user_version", 77).expect("it can be changed");
    drop(database);
    let said = with_code(folder.path(), &["upgrade-check", "--data", "data"], 1);
    assert!(said.contains("layout 77, which a later release has made"), "{said}");
    let said = with_code(folder.path(), &["doctor", "--data", "data"], 2);
    assert!(said.contains("layout 77"), "{said}");
}

#[test]
fn every_option_that_is_not_known_is_named_with_its_line() {
    let folder = tempfile::tempdir().expect("a directory can be made");
    let text = "[server]\nlisten = \"127.0.0.1:0\"\nretention_weeks = 3\n\n[telepathy]\nrange = 7\n\n\
                [functions.f]\necho = true\nechoes = 2\n";
    fs::write(folder.path().join("stepwright.toml"), text).expect("it can be written");
    let said = with_code(folder.path(), &["upgrade-check"], 1);
    for expected in [
        "stepwright.toml:3: unknown field `retention_weeks`",
        "stepwright.toml:5: unknown field `telepathy`",
        "stepwright.toml:10: unknown field `echoes`",
    ] {
        assert!(said.contains(expected), "{said}");
    }
    let known = "[server]\nretention_days = 3\n";
    fs::write(folder.path().join("stepwright.toml"), known).expect("it can be written");
    let said = with_code(folder.path(), &["upgrade-check"], 0);
    assert!(said.contains("knows every option"), "{said}");
}
