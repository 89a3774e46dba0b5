//! An encrypted store: what is written is nowhere to be read, and is read back with its keys only.

use std::path::Path;
use std::sync::Arc;
use stepwright_store::{
    About, Append, Copied, ExecutionId, HistoryPart, KeyChange, Keyring, Memory, Sqlite, Status,
    Store, copy, sealed, sealed_to_read,
};

const SECRET: &[u8] = b"what nobody may read";

fn keys(numbers: &[u8]) -> Option<Keyring> {
    Keyring::new(numbers.iter().map(|number| [*number; 32]))
}

/// A turn of an execution.
fn turn(execution: ExecutionId, before: u64) -> Append {
    let arn = format!("execution-{}", execution.0);
    Append {
        execution,
        expected_len: before,
        len: before + 1,
        chunk: [SECRET, &before.to_le_bytes()].concat(),
        about: (before == 0).then(|| Box::new(About { arn, ..About::default() })),
        status: Status::Running,
        stopped_at: None,
        wake_at: None,
        is_owed: false,
        redriven: None,
        map_runs: Vec::new(),
    }
}

/// Writes an execution of three turns and a document.
async fn write(store: &dyn Store, document: &str) -> ExecutionId {
    let id = store.new_id();
    for before in 0..3 {
        store.append(turn(id, before)).await.expect("it fits");
    }
    let documents = vec![
        (document.to_owned(), Some(SECRET.to_vec())),
        (format!("{document}/empty"), Some(Vec::new())),
    ];
    store.put(documents).await.expect("they are kept");
    id
}

/// Checks what was written.
async fn check(store: &dyn Store, id: ExecutionId, document: &str) {
    let expected: Vec<Vec<u8>> =
        (0..3_u64).map(|before| [SECRET, &before.to_le_bytes()].concat()).collect();
    let bytes = |chunks: Vec<stepwright_store::Chunk>| -> Vec<Vec<u8>> {
        chunks.into_iter().map(|chunk| chunk.bytes).collect()
    };
    let read = store.history(id, HistoryPart::After(0), 1 << 20).await.expect("it can be read");
    assert_eq!(bytes(read), expected);
    let read = store.history(id, HistoryPart::UpTo(2), 1 << 20).await.expect("it can be read");
    assert_eq!(bytes(read), [expected[1].clone(), expected[0].clone()]);
    let read = store.recorded(id.0..id.0 + 1, 1 << 20).await.expect("it can be read");
    assert_eq!(bytes(read.into_iter().next().expect("it is there").chunks), expected);
    let found = store.documents(document).await.expect("they can be read");
    let kept = [(document.to_owned(), SECRET.to_vec()), (format!("{document}/empty"), Vec::new())];
    assert_eq!(found, kept);
}

/// Whether some file of a folder has the secret in it.
fn is_readable(folder: &Path) -> bool {
    let files = std::fs::read_dir(folder).expect("it is there").flatten();
    files.filter(|file| file.path().is_file()).any(|file| {
        let bytes = std::fs::read(file.path()).expect("it can be read");
        bytes.windows(SECRET.len()).any(|part| part == SECRET)
    })
}

fn open(folder: &Path) -> Arc<dyn Store> {
    Arc::new(Sqlite::open(folder).expect("it opens"))
}

async fn refusal(store: Arc<dyn Store>, keys: Option<Keyring>) -> String {
    let refused = sealed(store.clone(), keys.clone()).await.err().expect("it is refused").what;
    let to_read = sealed_to_read(store, keys).await.err().expect("it is refused").what;
    assert_eq!(refused, to_read);
    refused
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_can_be_read_without_the_key() {
    let folder = tempfile::tempdir().expect("a directory can be made");
    let store = sealed(open(folder.path()), keys(&[1])).await.expect("it opens");
    let id = write(&*store, "machine/a").await;
    check(&*store, id, "machine/a").await;
    let all = store.documents("").await.expect("they can be read");
    assert_eq!(all.len(), 2, "what says how it is encrypted is no document: {all:?}");
    store.close().await;
    drop(store);
    assert!(!is_readable(folder.path()));
    let name = keys(&[1]).expect("there is one").names().remove(0);
    let names = Sqlite::key_names(folder.path()).expect("it can be read");
    assert_eq!(names, std::slice::from_ref(&name));
    let raw = open(folder.path());
    for without in [None, keys(&[2])] {
        let refused = refusal(raw.clone(), without).await;
        assert!(refused.contains(&name) && refused.contains("[encryption]"), "{refused}");
    }
    check(&*sealed(raw, keys(&[2, 1])).await.expect("it opens"), id, "machine/a").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_in_clear_is_encrypted_from_then_on_and_keys_are_changed() {
    let memory: Arc<dyn Store> = Arc::new(Memory::new());
    let first = write(&*memory, "machine/a").await;
    let store = sealed(memory.clone(), keys(&[1])).await.expect("it opens");
    check(&*store, first, "machine/a").await;
    let second = write(&*store, "machine/b").await;
    let raw = memory.history(second, HistoryPart::After(0), 1 << 20).await.expect("it is there");
    assert!(raw.iter().all(|chunk| !chunk.bytes.starts_with(SECRET)));
    // The new key comes first, and the old one is kept as long as something needs it.
    let store = sealed(memory.clone(), keys(&[2, 1])).await.expect("it opens");
    let third = write(&*store, "machine/c").await;
    for (id, document) in [(first, "machine/a"), (second, "machine/b"), (third, "machine/c")] {
        check(&*store, id, document).await;
    }
    let refused = refusal(memory.clone(), keys(&[2])).await;
    assert!(refused.contains(&keys(&[1]).expect("there is one").names()[0]), "{refused}");
    // A chunk in another's place, and one that is damaged, are not opened. They are no errors of the store,
    // so that the other executions are read.
    let fourth = memory.new_id();
    let moved = Append { chunk: raw[0].bytes.clone(), ..turn(fourth, 0) };
    memory.append(moved).await.expect("it fits");
    let read = store.history(fourth, HistoryPart::After(0), 1 << 20).await.expect("it is read");
    assert_eq!(read[0].bytes, raw[0].bytes);
    let stolen = memory.documents("machine/b").await.expect("it is there").remove(0).1;
    memory.put(vec![("machine/d".to_owned(), Some(stolen))]).await.expect("it is kept");
    let refused = store.documents("machine/d").await.expect_err("it is another's").what;
    assert!(refused.contains("machine/d"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_changed_while_a_store_is_used() {
    let memory: Arc<dyn Store> = Arc::new(Memory::new());
    let held = keys(&[1]).expect("there is one");
    let change = KeyChange::new(memory.clone(), held.clone());
    let store = sealed(memory.clone(), Some(held.clone())).await.expect("it opens");
    let first = write(&*store, "machine/a").await;
    let both = keys(&[2, 1]).expect("there are two");
    change.change(&both).await.expect("all are there");
    assert_eq!(held.names(), both.names());
    let second = write(&*store, "machine/b").await;
    check(&*store, first, "machine/a").await;
    check(&*store, second, "machine/b").await;
    let raw = memory.history(second, HistoryPart::After(0), 1 << 20).await.expect("it is there");
    let name =
        |bytes: &[u8]| bytes.iter().fold(String::new(), |text, one| format!("{text}{one:02x}"));
    assert!(raw.iter().all(|chunk| name(&chunk.bytes[4..12]) == both.names()[0]));
    // One that something was encrypted with cannot go, and what is refused changes nothing.
    let without = keys(&[2]).expect("there is one");
    let refused = change.change(&without).await.expect_err("the first is missing").what;
    assert!(refused.contains(&both.names()[1]), "{refused}");
    assert_eq!(held.names(), both.names());
    // A restart needs both.
    assert!(refusal(memory.clone(), keys(&[1])).await.contains(&both.names()[0]));
    check(&*sealed(memory, keys(&[1, 2])).await.expect("it opens"), second, "machine/b").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_has_keys_of_its_own() {
    let folder = tempfile::tempdir().expect("a directory can be made");
    let [clear, old, new, again] =
        ["clear", "old", "new", "again"].map(|name| folder.path().join(name));
    let path = |path: &Path| path.to_str().expect("it is text").to_owned();
    let store = open(&clear);
    let id = write(&*store, "machine/a").await;
    store.close().await;
    drop(store);
    let all = Copied { executions: 1, documents: 2 };
    for (from, to, keys) in [
        (&clear, &old, [None, keys(&[1])]),
        (&old, &new, [keys(&[2, 1]), keys(&[2, 1])]),
        (&new, &again, [keys(&[2]), None]),
    ] {
        let copied = copy(&path(from), &path(to), keys, |_| ()).await.expect("it is copied");
        assert_eq!(copied, all);
    }
    assert_eq!([&clear, &old, &new, &again].map(|of| is_readable(of)), [true, false, false, true]);
    // Nothing needs the old key any more.
    check(&*sealed(open(&new), keys(&[2])).await.expect("it opens"), id, "machine/a").await;
    check(&*sealed(open(&again), None).await.expect("it opens"), id, "machine/a").await;
    let to = folder.path().join("refused");
    let refused = copy(&path(&old), &path(&to), [None, None], |_| ()).await;
    assert!(refused.expect_err("it needs a key").what.contains("encrypted with the key"));
    // A backup is encrypted as the store is.
    let backup = folder.path().join("backup");
    Sqlite::copy(&old, &backup).expect("it is copied");
    assert!(!is_readable(&backup));
    check(&*sealed(open(&backup), keys(&[1])).await.expect("it opens"), id, "machine/a").await;
}
