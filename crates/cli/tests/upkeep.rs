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
    // A server has nobody who answers the task, so it is not offered.
    let made = with_code(folder.path(), &["init", "none", "--language", "none"], 0);
    assert!(made.contains("stepwright run ") && !made.contains("stepwright dev"), "{made}");
    let made = with_code(folder.path(), &["init", "it's orders", "--name", "orders"], 0);
    for command in ["run", "test"] {
        let start = format!("stepwright {command} ");
        let line = made.lines().find_map(|line| line.trim().strip_prefix(&start)).expect("it is");
        let script = format!("\"$0\" {command} {line}");
        let mut shell = Command::new("sh");
        shell.args(["-c", &script, env!("CARGO_BIN_EXE_stepwright")]).current_dir(folder.path());
        let output = shell.output().expect("it runs");
        assert!(output.status.success(), "{script}: {}", said(&output));
    }
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

#[test]
fn errors_are_in_the_order_of_lines() {
    let folder = tempfile::tempdir().expect("a directory can be made");
    let text = "[functions.f]\necho = true\nechoes = 2\n[telepathy]\nrange = 7\n[server]\nlistens = 1\n\
                [functions.g]\necho = true\nechoes = 2\n";
    fs::write(folder.path().join("stepwright.toml"), text).expect("it can be written");
    let said = with_code(folder.path(), &["upgrade-check"], 1);
    let lines = said.lines().filter_map(|line| line.strip_prefix("stepwright.toml:"));
    let lines: Vec<&str> = lines.filter_map(|line| line.split(':').next()).collect();
    assert_eq!(lines, ["3", "4", "7", "10"], "{said}");
}

#[test]
fn the_store_is_the_one_that_the_configuration_names() {
    let folder = tempfile::tempdir().expect("a directory can be made");
    let within = folder.path().join("etc");
    fs::create_dir(&within).expect("a directory can be made");
    old_store(&within);
    let write = |text: &str| fs::write(within.join("stepwright.toml"), text).expect("written");
    let check = ["upgrade-check", "--config", "etc/stepwright.toml"];
    write("[server]\ndata = \"data\"\n");
    let said = with_code(folder.path(), &check, 0);
    assert!(said.contains("the store in etc/data has layout 1"), "{said}");
    // What is named and not there is not well.
    write("[server]\ndata = \"dada\"\n");
    let said = with_code(folder.path(), &check, 1);
    assert!(said.contains("etc/dada is not there"), "{said}");
    let said = with_code(folder.path(), &["upgrade-check", "--data", "etc/dta"], 1);
    assert!(said.contains("etc/dta is not there"), "{said}");
    // A database is asked, and is not copied.
    write("[server]\nstore = \"postgres://nobody@127.0.0.1:1/none\"\ndata = \"data\"\n");
    let said = with_code(folder.path(), &check, 1);
    assert!(said.contains("the store in the database cannot be used"), "{said}");
    let rehearsed = [&check[..], &["--rehearse"]].concat();
    let said = with_code(folder.path(), &rehearsed, 1);
    assert!(said.contains("nothing is rehearsed"), "{said}");
    // A configuration that cannot be read names none.
    write("[server\n");
    let said = with_code(folder.path(), &check, 1);
    assert!(said.contains("no store is looked at"), "{said}");
}

#[test]
fn a_store_whose_log_is_lost_is_in_the_way() {
    let folder = tempfile::tempdir().expect("a directory can be made");
    let data = old_store(folder.path());
    with_code(folder.path(), &["doctor", "--data", "data"], 0);
    let set = |number: u32| {
        let database = rusqlite::Connection::open(data.join("stepwright.db")).expect("it opens");
        let set = database.execute("UPDATE transactions SET number = ?1", [number]);
        assert_eq!(set.expect("it can be changed"), 1);
    };
    // It acknowledges five transactions, of which three are there later.
    set(5);
    with_code(folder.path(), &["doctor", "--data", "data"], 0);
    let said = with_code(folder.path(), &["upgrade-check", "--data", "data"], 0);
    assert!(said.contains("has the layout of this release"), "{said}");
    set(3);
    let said = with_code(folder.path(), &["upgrade-check", "--data", "data"], 1);
    assert!(said.contains("has lost") && said.contains("--accept-loss"), "{said}");
}

#[test]
fn an_encrypted_store_is_examined_copied_and_checked_with_its_keys() {
    let folder = tempfile::tempdir().expect("a directory can be made");
    old_store(folder.path());
    fs::write(folder.path().join("one.key"), "11".repeat(32)).expect("it can be written");
    fs::write(folder.path().join("two.key"), "22".repeat(32)).expect("it can be written");
    let config = |name: &str, text: &str| {
        fs::write(folder.path().join(name), text).expect("it can be written");
    };
    config("one.toml", "[encryption]\nkeys = [{ file = \"one.key\" }]\n");
    config(
        "both.toml",
        "[server]\nlisten = \"127.0.0.1:0\"\n[encryption]\nkeys = [{ file = \"two.key\" }, { file = \"one.key\" }]\n",
    );
    config("two.toml", "[encryption]\nkeys = [{ file = \"two.key\" }]\n");
    config("none.toml", "[encryption]\nkeys = [{ file = \"three.key\" }]\n");
    let run = |arguments: &str, code: i32| {
        let arguments: Vec<&str> = arguments.split(' ').collect();
        with_code(folder.path(), &arguments, code)
    };
    let said = run("store copy data sealed --config one.toml", 0);
    assert!(said.contains("Copied 25 executions"), "{said}");
    for without in ["doctor --data sealed", "doctor --data sealed --config two.toml"] {
        let said = run(without, 2);
        assert!(
            said.contains("the store is encrypted with the key") && said.contains("[encryption]"),
            "{said}"
        );
    }
    let said = run("doctor --data sealed --config one.toml", 0);
    assert!(said.contains("Nothing is wrong"), "{said}");
    let said = run("doctor --data sealed --config none.toml", 2);
    assert!(said.contains("three.key"), "{said}");
    // A backup is what the store is, and needs the same keys.
    run("backup --data sealed kept", 0);
    assert!(run("doctor --data kept", 2).contains("encrypted"));
    run("doctor --data kept --config both.toml", 0);
    // An upgrade needs them, too.
    let said = run("upgrade-check --data sealed --config one.toml --rehearse", 0);
    assert!(said.contains("encrypted, and the keys are there"), "{said}");
    assert!(said.contains("Nothing is wrong"), "{said}");
    let said = run("upgrade-check --data sealed --config two.toml --rehearse", 1);
    assert!(said.contains("the store is encrypted with the key"), "{said}");
    let said = run("upgrade-check --data data --config none.toml", 1);
    assert!(said.contains("three.key"), "{said}");
    run("doctor --data data", 0);
    let said = run("upgrade-check --data data --config one.toml", 0);
    assert!(said.contains("what is written from now on is encrypted"), "{said}");
    // A copy has the first key alone, or none.
    run("store copy sealed new --config both.toml", 0);
    run("doctor --data new --config two.toml", 0);
    run("store copy new clear --config two.toml --in-clear", 0);
    run("doctor --data clear", 0);
}

#[test]
fn values_are_checked_as_a_server_checks_them_and_all_are_named() {
    let folder = tempfile::tempdir().expect("a directory can be made");
    let write =
        |text: &str| fs::write(folder.path().join("stepwright.toml"), text).expect("written");
    // What is no value at all, each with its line, and what is unknown besides.
    write(
        "[server]\nretention_days = \"many\"\nlimits = \"none\"\nsearch = 3\nhost = 1\n\
         [oidc]\nissuer = \"https://login.example.com\"\n[functions.f]\necho = \"yes\"\n",
    );
    let said = with_code(folder.path(), &["upgrade-check"], 1);
    for expected in [
        "stepwright.toml:2: invalid type",
        "stepwright.toml:3: unknown variant `none`",
        "stepwright.toml:4: invalid type",
        "stepwright.toml:5: unknown field `host`",
        "stepwright.toml:6: missing field `client_id`",
        "stepwright.toml:9: ",
    ] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    // Values that cannot be used, all at once.
    write(
        "[server]\nhosts = [\"https://a\"]\nredact = [\"card\"]\nmetrics_token = \"sha256:12\"\n\
         [server.tls]\ncertificate = \"none.pem\"\nkey = \"none.key\"\n\
         [server.nodes]\naddress = \"http://10.0.0.5\"\nkey = \"a key of all the nodes\"\n\
         [archive]\nprefix = \"p\"\n[encryption]\nkeys = [{ file = \"none.key\" }]\n\
         [services.sqs]\nendpoint = \"nowhere\"\n[functions.f]\n",
    );
    let said = with_code(folder.path(), &["upgrade-check"], 1);
    for expected in [
        "`https://a` in `hosts`",
        "metrics_token",
        "[server.tls]",
        "none.pem",
        "[server.nodes]",
        "[archive]",
        "none.key",
        "nowhere",
        "card",
        "`f`",
    ] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    assert!(!said.contains("knows every option"), "{said}");
    write(
        "[server]\nhosts = [\"a.example.com\"]\n[[credentials]]\naccess_key_id = \"A\"\nsecret_access_key = \"s\"\naccount = \"12\"\n",
    );
    let said = with_code(folder.path(), &["upgrade-check"], 1);
    assert!(said.contains("the account `12`"), "{said}");
}

/// Somebody who is not root.
const NOBODY: u32 = 65_534;

#[test]
fn what_root_examines_stays_its_owners() {
    use std::os::unix::fs::{MetadataExt as _, chown};
    use std::os::unix::process::CommandExt as _;
    let folder = tempfile::tempdir().expect("a directory can be made");
    let data = old_store(folder.path());
    for path in [folder.path().to_owned(), data.clone(), data.join("stepwright.db")] {
        if chown(path, Some(NOBODY), Some(NOBODY)).is_err() {
            println!("only root can give files away");
            return;
        }
    }
    let mut asked = Command::new(env!("CARGO_BIN_EXE_stepwright"));
    if asked.arg("--version").uid(NOBODY).output().is_err() {
        println!("nobody but root can run what is compiled here");
        return;
    }
    let said = with_code(folder.path(), &["doctor", "--data", "data"], 0);
    assert!(said.contains("Nothing is wrong with data"), "{said}");
    let mut files = 0;
    for entry in fs::read_dir(&data).expect("it is there").flatten() {
        let owner = entry.metadata().expect("it is there").uid();
        assert_eq!(owner, NOBODY, "{:?}", entry.path());
        files += 1;
    }
    assert!(files >= 3, "{files}");
}
