//! What comes from outside is held to bounds: files that a template names, definitions with more
//! mistakes than anybody reads, drawings and explorations without end.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

fn stepwright(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stepwright"));
    command.args(arguments).current_dir(folder).output().expect("the binary runs")
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[&*output.stdout, &output.stderr].concat()).into_owned()
}

const FLOW: &str = r#"{"StartAt": "A", "States": {"A": {"Type": "Succeed", "Comment": "secret"}}}"#;

fn template(uri: &str) -> String {
    format!(
        "Resources:\n  M:\n    Type: AWS::Serverless::StateMachine\n    Properties:\n      \
         DefinitionUri: {uri}\n"
    )
}

#[test]
fn a_template_names_only_regular_files_in_its_folder() {
    let root = tempfile::tempdir().expect("a directory");
    let folder = root.path().join("project");
    std::fs::create_dir_all(folder.join("flows")).expect("it can be made");
    std::fs::write(root.path().join("outside.asl.json"), FLOW).expect("it is written");
    std::fs::write(folder.join("flows/inside.asl.json"), FLOW).expect("it is written");
    let link = folder.join("link.asl.json");
    std::os::unix::fs::symlink(root.path().join("outside.asl.json"), link).expect("it is made");
    let fifo = Command::new("mkfifo").arg(folder.join("fifo")).status().expect("mkfifo runs");
    assert!(fifo.success());
    let absolute = root.path().join("outside.asl.json").display().to_string();
    let check = |uri: &str, more: &[&str]| {
        std::fs::write(folder.join("template.yaml"), template(uri)).expect("it is written");
        let began = Instant::now();
        let output = stepwright(&folder, &[&["check", "template.yaml"], more].concat());
        assert!(began.elapsed() < Duration::from_secs(20), "{uri}");
        output
    };
    assert!(check("flows/inside.asl.json", &[]).status.success());
    for uri in ["../outside.asl.json", "flows/../../outside.asl.json", &absolute, "link.asl.json"] {
        let refused = check(uri, &[]);
        assert_eq!(refused.status.code(), Some(2), "{uri}");
        assert!(text(&refused).contains("--allow-outside"), "{uri}: {}", text(&refused));
        let allowed = check(uri, &["--allow-outside"]);
        assert!(allowed.status.success(), "{uri}: {}", text(&allowed));
    }
    for uri in ["/etc/passwd", "/proc/self/environ", "../../../../../../etc/passwd"] {
        let refused = check(uri, &[]);
        assert!(!refused.status.success() && !text(&refused).contains("root:"), "{uri}");
    }
    for (uri, more) in [("/dev/zero", &["--allow-outside"][..]), ("fifo", &[]), ("flows", &[])] {
        let refused = check(uri, more);
        assert!(text(&refused).contains("is not a regular file"), "{uri}: {}", text(&refused));
    }
    let missing = text(&check("flows/missing.asl.json", &[]));
    assert!(missing.contains("No such file"), "{missing}");
}

#[test]
fn of_many_mistakes_the_first_hundred_are_printed() {
    let folder = tempfile::tempdir().expect("a directory");
    let mut states = String::new();
    for number in 0..5_000 {
        write!(states, "\"S{number}\": {{\"Type\": \"Pass\", \"Bogus\": 1, \"End\": true}},\n")
            .expect("text grows");
    }
    let definition = format!(
        "{{\"StartAt\": \"S\", \"States\": {{\n{states}\"S\": {{\"Type\": \"Pass\", \"End\": true}}}}}}"
    );
    std::fs::write(folder.path().join("many.asl.json"), definition).expect("it is written");
    for command in ["check", "graph", "explore"] {
        let output = stepwright(folder.path(), &[command, "many.asl.json"]);
        assert_eq!(output.status.code(), Some(2), "{command}");
        let printed = text(&output);
        assert_eq!(printed.matches("many.asl.json:").count(), 101, "{command}");
        assert!(printed.contains("more of"), "{command}");
    }
    let output = stepwright(folder.path(), &["check", "many.asl.json", "--format", "json"]);
    let printed = String::from_utf8(output.stdout).expect("it is text");
    assert!(printed.matches("\"file\"").count() >= 5_000, "scripts get all of them");
}

/// A definition in which every state leads to five others, far away.
fn tangle(count: usize) -> String {
    let mut states = String::new();
    for state in 0..count {
        let choices: Vec<String> = (0..4)
            .map(|way| {
                let next = (state * 7 + way * 13) % count;
                format!(r#"{{"Variable": "$.a", "NumericEquals": {way}, "Next": "S{next}"}}"#)
            })
            .collect();
        let default = if state + 1 < count { format!("S{}", state + 1) } else { "End".to_owned() };
        let choices = choices.join(", ");
        write!(
            states,
            r#""S{state}": {{"Type": "Choice", "Choices": [{choices}], "Default": "{default}"}}, "#
        )
        .expect("text grows");
    }
    format!(r#"{{"StartAt": "S0", "States": {{{states} "End": {{"Type": "Succeed"}}}}}}"#)
}

#[test]
fn a_large_tangle_is_drawn() {
    let folder = tempfile::tempdir().expect("a directory");
    std::fs::write(folder.path().join("tangle.asl.json"), tangle(3_000)).expect("it is written");
    let output = stepwright(folder.path(), &["graph", "tangle.asl.json"]);
    assert!(output.status.success());
    let picture = String::from_utf8(output.stdout).expect("it is text");
    // Before there was a bound, a third of this took 56 MB.
    assert!(picture.len() < 20 << 20, "{}", picture.len());
    for state in ["S0", "S1499", "S2999", "End"] {
        assert!(picture.contains(&format!(">{state}<")), "{state}");
    }
}

#[test]
fn an_exploration_stops_when_its_time_is_over_and_says_so() {
    let folder = tempfile::tempdir().expect("a directory");
    std::fs::write(folder.path().join("tangle.asl.json"), tangle(300)).expect("it is written");
    let arguments = ["explore", "tangle.asl.json", "--seconds", "0"];
    let output = stepwright(folder.path(), &arguments);
    let printed = text(&output);
    assert!(printed.contains("there is more to try after 1 runs"), "{printed}");
}

const MISSPELT: &str = r#"{
  "StartAt": "Work",
  "States": {
    "Work": {"Type": "Task", "Resource": "arn:aws:lambda:us-east-1:123456789012:function:work",
      "Retry": [{"ErrorEquals": ["States.ALL"]}], "Next": "Don"},
    "Done": {"Type": "Succeed"}
  }
}
"#;

#[test]
fn what_check_suggests_is_done_on_request() {
    let root = tempfile::tempdir().expect("a directory");
    let file = root.path().join("flow.asl.json");
    std::fs::write(&file, MISSPELT).expect("it is written");
    let shown = stepwright(root.path(), &["check", "flow.asl.json"]);
    assert_eq!(shown.status.code(), Some(2));
    assert_eq!(std::fs::read_to_string(&file).expect("it is read"), MISSPELT, "it only looks");
    let mended = stepwright(root.path(), &["check", "--fix", "flow.asl.json"]);
    assert!(mended.status.success(), "{}", text(&mended));
    let now = std::fs::read_to_string(&file).expect("it is read");
    assert_eq!(now, MISSPELT.replace("\"Don\"", "\"Done\""), "all else is left as it is");
    // A warning that somebody allows is left out here as in an editor.
    let allowed = "# stepwright: allow unhandled-error\nStartAt: A\nStates:\n  A: {Type: Task, Resource: \
                   arn:aws:states:::sns:publish, Parameters: {Message: m, TopicArn: t}, End: true} \
                   # stepwright: allow unhandled-error\n";
    std::fs::write(root.path().join("flow.asl.yaml"), allowed).expect("it is written");
    let quiet = stepwright(root.path(), &["check", "flow.asl.yaml"]);
    assert!(!text(&quiet).contains("unhandled-error"), "{}", text(&quiet));
}

#[test]
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn an_editor_shows_mends_renames_and_completes() {
    let there = Command::new("nvim").arg("--version").output();
    if !there.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: Neovim is not there; `cargo xtask clients` installs it");
        return;
    }
    let root = tempfile::tempdir().expect("a directory");
    let file = root.path().join("flow.asl.json");
    std::fs::write(&file, MISSPELT).expect("it is written");
    let tests = "cases:\n  - name: it is done\n    input: {a: 1}\n    mocks: {Labour: {return: {b: 2}}}\n    \
                 expect: {output: {b: 2}}\n";
    std::fs::write(root.path().join("flow.test.yaml"), tests).expect("it is written");
    let session = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../editors/neovim/session.lua");
    let output = Command::new("nvim")
        .args(["--headless", "-u", "NONE", "-i", "NONE", "-S"])
        .arg(session)
        .current_dir(root.path())
        .env("STEPWRIGHT", env!("CARGO_BIN_EXE_stepwright"))
        .env("XDG_CACHE_HOME", root.path())
        .env("XDG_STATE_HOME", root.path())
        .output()
        .expect("Neovim runs");
    let said = text(&output);
    assert!(output.status.success(), "{said}");
    for line in [
        "error: MISSING_TRANSITION_TARGET",
        "line: 5",
        "fix: Change to `Done`",
        "renamed: 2",
        "offered: Done Labour",
        "hover: true",
        "value: In the test *it is done* it gets `{\"b\":2}`",
        "lens: Run 1 test",
        "passed: 1",
        "done: true",
    ] {
        assert!(said.lines().any(|one| one.trim_end() == line), "{line}: {said}");
    }
    let now = std::fs::read_to_string(&file).expect("it is read");
    assert!(now.contains("\"StartAt\": \"Labour\"") && now.contains("\"Next\": \"Done\""), "{now}");
    let formatted = stepwright(root.path(), &["fmt", "--check", "flow.asl.json"]);
    assert!(formatted.status.success(), "{}", text(&formatted));
}
