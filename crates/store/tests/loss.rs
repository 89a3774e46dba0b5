//! What was acknowledged and is gone is told, whatever `SQLite` makes of the files that are left.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use stepwright_store::{About, Append, ExecutionId, Sqlite, Status, Store};

const LOG: &str = "stepwright.db-wal";

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("it can be built")
}

async fn put(store: &Sqlite, number: u32) {
    let document = (format!("document/{number:03}"), Some(vec![7; 500]));
    store.put(vec![document]).await.expect("it is kept");
}

/// The files of a store in a new folder, as a killed process leaves them behind: 200 documents were
/// acknowledged, and none has left the log.
fn killed() -> tempfile::TempDir {
    let (before, after) = (tempfile::tempdir(), tempfile::tempdir());
    let (before, after) = (before.expect("a directory"), after.expect("a directory"));
    let store = Sqlite::open(before.path()).expect("it opens");
    runtime().block_on(async {
        for number in 0..200 {
            put(&store, number).await;
        }
    });
    for name in ["stepwright.db", LOG, "acknowledged"] {
        std::fs::copy(before.path().join(name), after.path().join(name)).expect("it is there");
    }
    after
}

fn documents(folder: &Path) -> usize {
    let store = Sqlite::open(folder).expect("it opens");
    runtime().block_on(store.documents("document/")).expect("they can be read").len()
}

fn damage(folder: &Path, damage: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let path = folder.join(LOG);
    let mut bytes = std::fs::read(&path).expect("there is a log");
    damage(&mut bytes);
    std::fs::write(&path, &bytes).expect("it can be written");
    bytes
}

#[test]
fn a_log_that_is_whole_is_read() {
    let folder = killed();
    assert_eq!(documents(folder.path()), 200);
    // What a transaction cut off by the end of the process has left behind was never acknowledged.
    let folder = killed();
    damage(folder.path(), |log| log.extend_from_within(log.len() - 3_000..));
    assert_eq!(documents(folder.path()), 200);
}

#[test]
fn a_damaged_log_is_told_and_left_as_it_is() {
    let cases: [fn(&mut Vec<u8>); 5] = [
        |log| {
            let middle = log.len() / 10;
            log[middle] ^= 1;
        },
        |log| {
            let late = log.len() - 100;
            log[late] ^= 0x80;
        },
        |log| log.truncate(log.len() / 2),
        |log| log[20] ^= 1,
        Vec::clear,
    ];
    for (number, case) in cases.into_iter().enumerate() {
        let folder = killed();
        let damaged = damage(folder.path(), case);
        for _ in 0..2 {
            let refused = Sqlite::open(folder.path()).expect_err("something is missing").what;
            assert!(refused.contains("has lost the last"), "case {number}: {refused}");
            assert!(refused.contains("of 200 are there"), "case {number}: {refused}");
            let to = folder.path().join("backup");
            let refused = Sqlite::copy(folder.path(), &to).expect_err("something is missing").what;
            assert!(refused.contains("has lost the last"), "case {number}: {refused}");
            assert!(!to.join("stepwright.db").exists());
        }
        assert_eq!(std::fs::read(folder.path().join(LOG)).expect("it stays"), damaged);
        // Those who want to go on with the rest can, and the damaged log is kept.
        let store = Sqlite::open_despite_loss(folder.path()).expect("it opens");
        runtime().block_on(async {
            let left = store.documents("document/").await.expect("they can be read").len();
            assert!(left < 200, "case {number}");
            let wrong = store.verify(Arc::new(AtomicBool::new(false))).await;
            assert_eq!(wrong.expect("it can be checked"), Vec::<String>::new());
            put(&store, 900).await;
        });
        drop(store);
        if !damaged.is_empty() {
            let kept = std::fs::read(folder.path().join("stepwright.db-wal.damaged"));
            assert_eq!(kept.expect("it is kept"), damaged);
        }
        assert!(documents(folder.path()) > 0);
    }
}

/// A turn of an execution, which has this many events after it.
async fn append(store: &Sqlite, len: u64) {
    let about =
        (len == 1).then(|| Box::new(About { arn: "execution".to_owned(), ..About::default() }));
    let turn = Append {
        execution: ExecutionId(7),
        expected_len: len - 1,
        len,
        chunk: vec![1; 500],
        about,
        status: Status::Running,
        stopped_at: None,
        wake_at: None,
        is_owed: false,
        redriven: None,
        map_runs: Vec::new(),
    };
    store.append(turn).await.expect("it is kept");
}

#[test]
fn turns_that_are_lost_are_told() {
    let (before, after) = (tempfile::tempdir(), tempfile::tempdir());
    let (before, after) = (before.expect("a directory"), after.expect("a directory"));
    let store = Sqlite::open(before.path()).expect("it opens");
    runtime().block_on(async {
        for len in 1..=50 {
            append(&store, len).await;
        }
    });
    for name in ["stepwright.db", LOG, "acknowledged"] {
        std::fs::copy(before.path().join(name), after.path().join(name)).expect("it is there");
    }
    damage(after.path(), |log| log.truncate(log.len() / 2));
    let refused = Sqlite::open(after.path()).expect_err("something is missing").what;
    assert!(refused.contains("of 50 events of execution number 7 are there"), "{refused}");
    // What is whole is opened, and goes on.
    drop(store);
    let store = Sqlite::open(before.path()).expect("it opens");
    runtime().block_on(append(&store, 51));
}

#[test]
fn a_database_that_was_replaced_by_an_older_one_is_told() {
    let folder = tempfile::tempdir().expect("a directory");
    let store = Sqlite::open(folder.path()).expect("it opens");
    runtime().block_on(put(&store, 1));
    let backup = folder.path().join("backup");
    runtime().block_on(store.backup(&backup)).expect("it is copied");
    runtime().block_on(put(&store, 2));
    drop(store);
    assert_eq!(documents(&backup), 1);
    assert_eq!(documents(folder.path()), 2);
    std::fs::copy(backup.join("stepwright.db"), folder.path().join("stepwright.db"))
        .expect("copied");
    let refused = Sqlite::open(folder.path()).expect_err("something is missing").what;
    assert!(refused.contains("has lost the last 1 transactions"), "{refused}");
}

#[test]
fn an_interrupted_backup_is_no_store() {
    let folder = tempfile::tempdir().expect("a directory");
    let store = Sqlite::open(folder.path()).expect("it opens");
    runtime().block_on(put(&store, 1));
    let to = folder.path().join("backup");
    std::fs::create_dir(&to).expect("it can be made");
    std::fs::write(to.join("stepwright.db.partial"), b"SQLite format 3\0 and little else")
        .expect("ok");
    let interrupted = |result: Result<(), String>| {
        let error = result.expect_err("it is no store");
        assert!(error.contains("a backup that was interrupted"), "{error}");
    };
    interrupted(Sqlite::open(&to).map(drop).map_err(|error| error.what));
    interrupted(Sqlite::copy(&to, &folder.path().join("other")).map_err(|error| error.what));
    // Made again, it is whole.
    runtime().block_on(store.backup(&to)).expect("it is copied");
    assert!(!to.join("stepwright.db.partial").exists());
    assert_eq!(documents(&to), 1);
}

#[test]
fn nobody_else_can_read_a_store() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().expect("a directory");
    let (data, backup) = (folder.path().join("data"), folder.path().join("backup"));
    let store = Sqlite::open(&data).expect("it opens");
    runtime().block_on(put(&store, 1));
    runtime().block_on(store.backup(&backup)).expect("it is copied");
    for folder in [data, backup] {
        let mut files = vec![folder.clone()];
        files.extend(std::fs::read_dir(&folder).expect("it is there").flatten().map(|f| f.path()));
        for file in files {
            let mode = std::fs::metadata(&file).expect("it is there").permissions().mode();
            assert_eq!(mode & 0o077, 0, "{}: {mode:o}", file.display());
        }
    }
}
