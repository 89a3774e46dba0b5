//! `stepwright synth project.py`.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

const PROJECT: &str = "\
class Greet(Task):
    async def run(event, context):
        from words import hello

        return hello(event)


def main(data):
    data[\"greeting\"] = Greet()
";

/// A folder with a project in `shop`.
fn shop(project: &str) -> TempDir {
    let folder = tempfile::tempdir().expect("there is a temporary folder");
    write(folder.path().join("shop/project.py"), project);
    folder
}

fn write(path: PathBuf, text: &str) {
    let parent = path.parent().expect("a file is in a folder");
    std::fs::create_dir_all(parent).expect("a folder can be made");
    std::fs::write(path, text).expect("a file can be written");
}

fn synth(folder: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = Command::new(env!("CARGO_BIN_EXE_stepwright"))
        .arg("synth")
        .args(arguments)
        .current_dir(folder)
        .output()
        .expect("the binary runs");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (status.code(), text(stdout), text(stderr))
}

#[test]
fn a_folder_is_written() {
    let folder = shop(PROJECT);
    write(folder.path().join("shop/words/__init__.py"), "from .greetings import hello\n");
    write(folder.path().join("shop/words/greetings.py"), "import more\n");
    write(folder.path().join("shop/words/__pycache__/x.pyc"), "");
    write(folder.path().join("shop/more.py"), "");
    write(folder.path().join("shop/other.py"), "");
    write(folder.path().join("shop/requirements.txt"), "numpy\n");
    let (code, shown, said) = synth(folder.path(), &["shop/project.py"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.starts_with("note: what requirements.txt names is not in the folders"), "{said}");
    let out = Path::new("stepwright.out");
    let lines: Vec<String> =
        ["MainStateMachineStack.template.json", "tasks/Greet/", "template.json"]
            .iter()
            .map(|path| out.join(path).display().to_string())
            .collect();
    assert_eq!(shown.lines().collect::<Vec<_>>(), lines);
    let task = folder.path().join(out).join("tasks/Greet");
    for file in
        ["fluxio_task.py", "words/__init__.py", "words/greetings.py", "more.py", "requirements.txt"]
    {
        assert!(task.join(file).is_file(), "{file}");
    }
    assert!(!task.join("other.py").exists());
    assert!(!task.join("words/__pycache__").exists());
    let root = std::fs::read_to_string(folder.path().join(out).join("template.json"))
        .expect("it is there");
    assert!(root.contains("${Environment}-shop-Greet"), "{root}");
}

#[test]
fn a_second_run_leaves_nothing_of_the_first() {
    let folder = shop(PROJECT);
    synth(folder.path(), &["shop/project.py", "--out", "build"]);
    // A file that somebody else has put there stays.
    write(folder.path().join("build/tasks/Greet/numpy.py"), "");
    write(folder.path().join("shop/project.py"), &PROJECT.replace("Greet", "Salute"));
    let (code, _, said) = synth(folder.path(), &["shop/project.py", "--out", "build"]);
    assert_eq!((code, said.as_str()), (Some(0), ""));
    let build = folder.path().join("build/tasks");
    assert!(build.join("Salute/fluxio_task.py").is_file());
    assert!(build.join("Greet/numpy.py").is_file());
    assert!(!build.join("Greet/fluxio_task.py").exists());
    assert!(!build.join("Greet/stepwright_fluxio").exists());
}

#[test]
fn a_run_does_not_take_up_what_another_has_written() {
    let folder = shop(PROJECT);
    write(folder.path().join("shop/words/__init__.py"), "");
    let mut counts = Vec::new();
    for _ in 0..2 {
        let (code, _, said) =
            synth(folder.path(), &["shop/project.py", "--out", "shop/words/build"]);
        assert_eq!(code, Some(0), "{said}");
        let marker = folder.path().join("shop/words/build/.stepwright-synth");
        counts.push(std::fs::read_to_string(marker).expect("it is there").lines().count());
    }
    assert_eq!(counts[0], counts[1]);
}

#[test]
fn folders_of_others_are_left_alone() {
    let folder = shop(PROJECT);
    write(folder.path().join("build/precious"), "");
    write(folder.path().join("file"), "");
    for out in ["build", "file", "shop"] {
        let (code, _, said) = synth(folder.path(), &["shop/project.py", "--out", out]);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains("holds something that `stepwright synth` did not write"), "{said}");
    }
    assert!(!folder.path().join("build/template.json").exists());
    // A marker cannot be used to delete files elsewhere.
    write(folder.path().join("marked/.stepwright-synth"), "../build/precious\n/etc/hostname\n");
    let (code, _, said) = synth(folder.path(), &["shop/project.py", "--out", "marked"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(folder.path().join("build/precious").exists());
}

#[test]
fn what_cannot_be_deployed_is_refused_with_its_place() {
    let folder = shop(&PROJECT.replace("    async", "    memory = 100\n\n    async"));
    let (code, shown, said) = synth(folder.path(), &["shop/project.py"]);
    assert_eq!((code, shown.as_str()), (Some(2), ""));
    assert!(said.contains("the attribute `memory` of the task `Greet`"), "{said}");
    assert!(said.contains("project.py:2:14"), "{said}");
    assert!(!folder.path().join("stepwright.out").exists());
    write(
        folder.path().join("shop/project.py"),
        "def main(data):\n    for x in data:\n        pass\n",
    );
    let (code, _, said) = synth(folder.path(), &["shop/project.py"]);
    assert_eq!(code, Some(2), "{said}");
}

#[test]
fn options_are_for_what_they_are_for() {
    let folder = shop(PROJECT);
    for options in
        [["--id", "Foo"], ["--set", "A=b"], ["--values", "v.json"], ["--state-machine", "main"]]
    {
        let (code, _, said) = synth(folder.path(), &[&["shop/project.py"], &options[..]].concat());
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains(&format!("`{}` is for definitions", options[0])), "{said}");
    }
    write(
        folder.path().join("flow.asl.json"),
        r#"{"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}"#,
    );
    let (code, _, said) = synth(folder.path(), &["flow.asl.json", "--out", "build"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("`--out` is for projects"), "{said}");
}

#[test]
fn texts_of_definitions_keep_their_characters() {
    let folder = shop(PROJECT);
    let definition = "{\"StartAt\": \"A\", \"States\": {\"A\": {\"Type\": \"Pass\", \"Result\": \"a\u{7f}b\\u001b[1mc\", \"End\": true}}}";
    write(folder.path().join("flow.asl.json"), definition);
    let (code, shown, said) = synth(folder.path(), &["flow.asl.json"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(shown.contains("a\u{7f}b"), "{shown}");
}
