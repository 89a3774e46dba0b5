//! Pictures of what a person sees: on a terminal, by tmux, into `target/pictures`; and of the console, by
//! Chromium, into `target/pictures/console`, three of which are in the manual.
//!
//! The tests hold what is printed into a pipe (`crates/cli/tests/pictures`); these show what only a
//! terminal has: colours, the bar of long work, Ctrl-C.

use crate::{cargo, run};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

/// A machine that ships each item of its input, and charges first.
const SHOP: &str = r"
StartAt: Charge
States:
  Charge:
    Type: Task
    Resource: arn:aws:lambda:us-east-1:123456789012:function:charge
    Retry: [{ErrorEquals: [Busy], IntervalSeconds: 1, MaxAttempts: 2}]
    ResultPath: null
    Next: Each
  Each:
    Type: Map
    ItemsPath: $.items
    MaxConcurrency: 20
    ItemProcessor:
      StartAt: Ship
      States:
        Ship: {Type: Task, Resource: 'arn:aws:lambda:us-east-1:123456789012:function:ship', End: true}
    End: true
";

const FUNCTIONS: &str = "[functions.charge]\nreturn = 1\nafter = \"200ms\"\n\n[functions.ship]\nreturn = { shipped = true }\nafter = \"200ms\"\n";

const FAILS: &str = "Charge: [{fail: Busy}, {fail: {error: Declined, cause: '{\"errorType\": \"Declined\", \"errorMessage\": \"no money\", \"stackTrace\": [\"line 7\", \"line 3\"]}'}}]\n";

/// The scenes: a name, what is typed, and after how many milliseconds the picture is taken.
const SCENES: [(&str, &str, u64); 6] = [
    ("success", "stepwright run quickstart/order.asl.yaml --virtual-time", 1_500),
    (
        "retry",
        "stepwright run quickstart/order.asl.yaml -m quickstart/refund.mocks.yaml --virtual-time",
        1_500,
    ),
    (
        "failure",
        "stepwright run shop.asl.yaml -m fails.yaml --virtual-time -i '{\"items\": []}'",
        1_500,
    ),
    ("map", "stepwright run shop.asl.yaml --input-file many.json", 5_000),
    ("nested", "stepwright run template.yaml --state-machine Outer", 2_500),
    ("ctrl-c", "stepwright run shop.asl.yaml --input-file many.json", 2_500),
];

const TEMPLATE: &str = r"
Resources:
  Inner:
    Type: AWS::StepFunctions::StateMachine
    Properties:
      StateMachineName: inner
      Definition: {StartAt: Pass, States: {Pass: {Type: Pass, End: true}}}
  Outer:
    Type: AWS::StepFunctions::StateMachine
    Properties:
      Definition:
        StartAt: Nest
        States:
          Nest:
            Type: Task
            Resource: arn:aws:states:::states:startExecution.sync:2
            Parameters: {StateMachineArn: !Ref Inner, Input: {a: 1}}
            End: true
";

pub(crate) fn draw() -> Result<(), String> {
    cargo(&["build", "--package", "stepwright"])?;
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let target =
        std::env::var("CARGO_TARGET_DIR").map_or_else(|_| root.join("target"), PathBuf::from);
    let folder = target.join("pictures");
    let failed = |error: std::io::Error| format!("the pictures cannot be drawn: {error}");
    std::fs::create_dir_all(folder.join("scenes")).map_err(failed)?;
    let write = |name: &str, text: &str| {
        std::fs::write(folder.join("scenes").join(name), text).map_err(failed)
    };
    write("shop.asl.yaml", SHOP)?;
    write("stepwright.toml", FUNCTIONS)?;
    write("fails.yaml", FAILS)?;
    write("template.yaml", TEMPLATE)?;
    let items: Vec<String> = (0..1_000).map(|item| item.to_string()).collect();
    write("many.json", &format!("{{\"items\": [{}]}}", items.join(",")))?;
    run(Command::new("cp")
        .arg("-r")
        .arg(root.join("examples/quickstart"))
        .arg(folder.join("scenes")))?;
    for columns in ["80", "120", "200"] {
        for (scene, typed, millis) in SCENES {
            let picture = picture(&folder, &target, (scene, columns), typed, millis)?;
            let file = folder.join(format!("{scene}-{columns}.txt"));
            std::fs::write(&file, &picture).map_err(failed)?;
            println!("\n── {scene}, {columns} columns ──\n{}", picture.trim_end());
        }
    }
    console(&root, &folder.join("console"))?;
    println!("\nthe pictures are in {}", folder.display());
    Ok(())
}

/// The pages of the console in both themes, as its test sees them.
fn console(root: &Path, folder: &Path) -> Result<(), String> {
    crate::clients::install();
    run(Command::new("cargo")
        .args(["test", "--package", "stepwright", "--test", "server", "the_console_works"])
        .args(["--", "--nocapture"])
        .env("STEPWRIGHT_CONSOLE_PICTURES", std::path::absolute(folder).unwrap_or_default()))?;
    for name in ["console-waiting.jpg", "console-failed.jpg", "console-fork.jpg"] {
        std::fs::copy(folder.join(name), root.join("docs/src").join(name))
            .map_err(|error| format!("{name} was not drawn: {error}"))?;
    }
    Ok(())
}

/// What the screen shows some time after a command was typed.
fn picture(
    folder: &Path,
    target: &Path,
    (scene, columns): (&str, &str),
    typed: &str,
    millis: u64,
) -> Result<String, String> {
    // A server of tmux for each, because one that is going away takes no sessions.
    let name = format!("stepwright-{}-{scene}-{columns}", std::process::id());
    let tmux = |arguments: &[&str]| {
        let output = Command::new("tmux").args(["-L", &name]).args(arguments).output();
        let output = output.map_err(|error| format!("tmux is needed: {error}"))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() {
            return Ok(text(&output.stdout));
        }
        Err(format!("tmux {arguments:?}: {}", text(&output.stderr)))
    };
    let path = std::env::var("PATH").unwrap_or_default();
    let shell = format!(
        "cd '{}' && PATH='{}:{path}' PS1='$ ' exec bash --norc",
        folder.join("scenes").display(),
        target.join("debug").display()
    );
    tmux(&["new-session", "-d", "-x", columns, "-y", "60", &shell])?;
    sleep(Duration::from_millis(300));
    tmux(&["send-keys", &format!("clear; {typed}"), "Enter"])?;
    sleep(Duration::from_millis(millis));
    if scene == "ctrl-c" {
        tmux(&["send-keys", "C-c"])?;
        sleep(Duration::from_millis(700));
    }
    let picture = tmux(&["capture-pane", "-p", "-e"]);
    tmux(&["kill-server"])?;
    picture
}
