//! The example of the AIBS fragments on `stepwright dev`: its jobs are Python processes that read and write
//! objects with boto3.

use crate::support::{Client, Server, text};
use std::path::{Path, PathBuf};
use std::time::Duration;
use stepwright_json::{Json, json};

/// The Python with boto3 that `cargo xtask clients` installs.
fn python() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/clients/venv/bin");
    folder.join("aws").is_file().then_some(folder)
}

/// Runs a machine of the example to its end, which must be good. Returns its output.
#[track_caller]
fn run(client: &Client, machine: &str, input: &Json) -> Json {
    let arn = format!("arn:aws:states:us-east-1:123456789012:stateMachine:dev-aibs-{machine}");
    let ended = client.end(&client.start(&arn, &input.to_string()));
    assert_eq!(text(&ended, "status"), "SUCCEEDED", "{machine}: {ended}");
    stepwright_json::parse(&text(&ended, "output")).expect("it is JSON")
}

#[test]
fn the_fragments_run_with_real_jobs() {
    let Some(python) = python() else {
        eprintln!("skipped: target/clients/venv is not there; `cargo xtask clients` installs it");
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/aibs");
    for name in ["template.json", "stepwright.toml", "pipeline.py"] {
        let text = std::fs::read_to_string(example.join(name)).expect("it is there");
        // The file systems are folders of the test.
        let own = folder.join("files").display().to_string();
        std::fs::write(folder.join(name), text.replace("/tmp/stepwright-aibs", &own))
            .expect("it can be written");
    }
    let (shared, scratch) = (folder.join("files"), folder.join("files-scratch"));
    for made in [&shared, &scratch, &folder.join("tmp")] {
        std::fs::create_dir(made).expect("it can be made");
    }
    let path = std::env::join_paths(
        std::iter::once(python)
            .chain(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())),
    );
    let (server, lines) = Server::dev_with(
        &[("PATH", &path.expect("no folder has a colon"))],
        &["template.json", "--data", "data"],
        folder,
    );
    for _ in 0..100 {
        let line = lines.recv_timeout(Duration::from_secs(30)).expect("the machines are created");
        if line.starts_with("created dev-aibs-clean") {
            break;
        }
    }
    let client = server.client();
    let image = "aibs/informatics:latest";

    let input =
        json!({"image": image, "handler": "pipeline.count_words", "payload": {"text": "a b c"}});
    assert_eq!(run(&client, "function", &input), json!({"words": 3}));
    assert_eq!(run(&client, "executor", &json!({"text": "a b"})), json!({"words": 2}));

    // Files that are copied into the folder of a bucket are its objects.
    let data = folder.join("data/buckets/dev-aibs-data");
    std::fs::create_dir_all(data.join("in")).expect("it can be made");
    for number in 0..3 {
        let lines = "line\n".repeat(number);
        std::fs::write(data.join(format!("in/{number}.txt")), lines).expect("it can be written");
    }
    let place = |path: &Path| format!("{}/", path.display());
    let input = json!({"source_path": "s3://dev-aibs-data/in/", "destination_path": (place(&shared.join("in")))});
    assert_eq!(run(&client, "data-sync", &input), json!({"files": 3}));
    assert_eq!(
        std::fs::read_to_string(shared.join("in/2.txt")).ok().as_deref(),
        Some("line\nline\n")
    );
    let input = json!({"source_path": (place(&shared.join("in"))), "destination_path": "s3://dev-aibs-data/copy/"});
    run(&client, "distributed-data-sync", &input);
    assert_eq!(std::fs::read_dir(data.join("copy")).map(Iterator::count).ok(), Some(3));

    let count = "mkdir -p $OUT && cat $IN_lines/* | wc -l > $OUT/count";
    let demand = json!({
        "execution_id": "d-1", "execution_image": "demand/wc", "command": ["sh", "-c", count],
        "inputs": {"lines": "s3://dev-aibs-data/in/"}, "output": "s3://dev-aibs-data/results/",
        "execution_metadata": {"user": "me"}
    });
    run(&client, "demand", &demand);
    let counted = std::fs::read_to_string(data.join("results/count")).expect("it is there");
    assert_eq!(counted.trim(), "3");
    assert_eq!(std::fs::read_dir(&scratch).map(Iterator::count).ok(), Some(0), "it is cleaned up");

    let old = shared.join("old");
    std::fs::create_dir(&old).expect("it can be made");
    for name in ["read", "unread"] {
        std::fs::write(old.join(name), name).expect("it can be written");
    }
    let long_ago = std::time::SystemTime::UNIX_EPOCH;
    let times = std::fs::FileTimes::new().set_accessed(long_ago).set_modified(long_ago);
    let file = std::fs::File::options().write(true).open(old.join("unread")).expect("it is there");
    file.set_times(times).expect("it is ours");
    let input = json!({"path": (old.display().to_string()), "days_since_last_accessed": 3});
    run(&client, "clean", &input);
    assert!(old.join("read").exists() && !old.join("unread").exists());
    assert!(server.stop());
}
