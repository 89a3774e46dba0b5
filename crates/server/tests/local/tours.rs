//! Tours with boto3: against the local services all of it holds, against moto all but what is listed.

use crate::python::MOTO;
use crate::server::{key, start};
use std::path::Path;
use std::process::Command;

/// Runs a tour, and returns what it said.
async fn tour(python: &Path, name: &str, url: &str, peer: &str) -> Result<String, String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/local/{name}.py"));
    let mut command = Command::new(python);
    command.arg(script).arg(url).arg(peer);
    let ran = tokio::task::spawn_blocking(move || command.output()).await.expect("it runs");
    let ran = ran.expect("there is Python");
    let said = String::from_utf8_lossy(&ran.stdout).into_owned();
    if ran.status.success() {
        Ok(said)
    } else {
        Err(format!("{said}{}", String::from_utf8_lossy(&ran.stderr)))
    }
}

async fn compare(name: &str) {
    let Some(python) = MOTO.python() else {
        println!("skipped: moto cannot be installed here");
        return;
    };
    let folder = tempfile::tempdir().expect("a directory");
    // With a key, so that every signature is checked.
    let server = start(Some(folder.path()), vec![key(&["*"], &["*"])]).await;
    match tour(&python, name, &server.url, "local").await {
        Ok(said) => println!("{name}, local: {said}"),
        Err(said) => panic!("{said}"),
    }
    let (_moto, url) = MOTO.start(&python).await.expect("moto starts");
    match tour(&python, name, &url, "moto").await {
        Ok(said) => println!("{name}, moto: {said}"),
        Err(said) => panic!("{said}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqs() {
    compare("sqs").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s3() {
    compare("s3").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events() {
    compare("events").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parameters() {
    compare("parameters").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dynamodb() {
    compare("dynamodb").await;
}

/// What runs jobs is not compared: moto runs them in containers.
async fn alone(name: &str) {
    let Some(python) = MOTO.python() else {
        println!("skipped: boto3 cannot be installed here");
        return;
    };
    let folder = tempfile::tempdir().expect("a directory");
    let server = start(Some(folder.path()), vec![key(&["*"], &["*"])]).await;
    match tour(&python, name, &server.url, "local").await {
        Ok(said) => println!("{name}, local: {said}"),
        Err(said) => panic!("{said}"),
    }
    let logs = folder.path().join("jobs");
    let mut open = vec![logs];
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(
                std::fs::read_dir(&path).expect("a directory").map(|one| one.unwrap().path()),
            );
        } else {
            // A job that prints without end fills no disk.
            let length = path.metadata().expect("it is there").len();
            assert!(length < 300 << 10, "{} has {length} bytes", path.display());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batch() {
    alone("batch").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ecs() {
    alone("ecs").await;
}
