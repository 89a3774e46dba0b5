//! `stepwright compile`, and the use of projects with other commands.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const PROJECT: &str = "class Foo(Task):\n    async def run(event, context):\n        return 1\n\n\
                       def main(data):\n    data['a'] = Foo()\n";

fn file(name: &str, text: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&folder).expect("the folder for tests can be written to");
    let path = folder.join("project.py");
    std::fs::write(&path, text).expect("the folder for tests can be written to");
    path
}

fn stepwright(arguments: &[&str], file: &Path) -> Output {
    let command = Command::new(env!("CARGO_BIN_EXE_stepwright")).args(arguments).arg(file).output();
    command.expect("the binary runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn machines_are_printed_by_name_or_one_alone() {
    let project = file("good", PROJECT);
    let all = stepwright(&["compile"], &project);
    assert_eq!(all.status.code(), Some(0), "{}", text(&all.stderr));
    let all = stepwright_json::parse_bytes(&all.stdout).expect("it is JSON");
    let one = stepwright(&["compile", "--machine", "main"], &project);
    let one = stepwright_json::parse_bytes(&one.stdout).expect("it is JSON");
    assert_eq!(all.get("main"), Some(&one));
    assert_eq!(one.get("StartAt").and_then(|name| name.as_str()), Some("Foo"));
    let compat = stepwright(&["compile", "--compat", "--machine", "main"], &project);
    let compat = stepwright_json::parse_bytes(&compat.stdout).expect("it is JSON");
    let start = compat.get("StartAt").and_then(|name| name.as_str()).unwrap_or_default();
    assert!(start.starts_with("Foo-") && start.len() == "Foo-".len() + 32, "{start}");
    let none = stepwright(&["compile", "--machine", "mian"], &project);
    assert_eq!(none.status.code(), Some(2));
    assert!(text(&none.stderr).contains("it has main"), "{}", text(&none.stderr));
}

#[test]
fn a_project_that_is_wrong_is_refused_with_its_places() {
    let project = file("bad", "def main(data):\n    Fooo()\n    del data['a']\n");
    for arguments in [&["compile"][..], &["compile", "--compat"], &["check"]] {
        let output = stepwright(arguments, &project);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let said = text(&output.stderr) + &text(&output.stdout);
        assert!(said.contains("project.py:2:5"), "{said}");
    }
    let garbage = file("garbage", "def main(data:\n");
    let output = stepwright(&["compile"], &garbage);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("this is not Python"), "{}", text(&output.stderr));
}

#[test]
fn other_commands_take_a_project() {
    let project = file("others", PROJECT);
    let checked = stepwright(&["check"], &project);
    assert_eq!(checked.status.code(), Some(0), "{}", text(&checked.stdout));
    assert!(text(&checked.stdout).contains("1 state machine checked"));
    let graph = stepwright(&["graph", "--format", "mermaid"], &project);
    assert!(text(&graph.stdout).contains("Foo"), "{}", text(&graph.stdout));
}

#[test]
fn json_is_printed_as_it_is() {
    let odd = "\u{7f}\u{9b}x \u{1b}[1m";
    let project = file(
        "odd",
        &format!("def main(data):\n    data['a'] = {odd:?}\n")
            .replace("\\u{7f}", "\\x7f")
            .replace("\\u{9b}", "\\x9b")
            .replace("\\u{1b}", "\\x1b"),
    );
    let printed = stepwright(&["compile"], &project);
    let printed = stepwright_json::parse_bytes(&printed.stdout).expect("it is JSON");
    let state = printed.get("main").and_then(|main| main.get("States")?.get("Set a"));
    let result = state.and_then(|state| state.get("Result")?.as_str());
    assert_eq!(result, Some(odd), "{printed}");
    let run = stepwright(&["run", "--input", "{}"], &project);
    let run = stepwright_json::parse_bytes(&run.stdout).expect("it is JSON");
    assert_eq!(run.get("a").and_then(|value| value.as_str()), Some(odd));
}
