//! Executions past their retention: archived, then forgotten, whatever breaks off in between.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use stepwright_functions::{Functions, Place};
use stepwright_json::{Json, json};
use stepwright_server::config::{ArchiveConfig, ArchiveFormat, ObjectsConfig, ServerConfig};
use stepwright_server::{Api, Assembly, AssemblyError};
use stepwright_store::{Keyring, TableWriter, open_file, table_lines};

const MACHINE: &str = "arn:aws:states:us-east-1:123456789012:stateMachine:m";

async fn open(data: &Path, archive: ArchiveConfig) -> Api {
    let archive = Some(archive);
    let place = Place { account: "123456789012".to_owned(), region: "us-east-1".to_owned() };
    let functions = Functions::new(BTreeMap::new(), PathBuf::new(), place).expect("there are none");
    let server = ServerConfig {
        data: Some(data.to_owned()),
        search: Some(false),
        ..ServerConfig::default()
    };
    let objects = ObjectsConfig { folder: Some(data.join("buckets")) };
    let opened = async || {
        let (server, objects) = (server.clone(), objects.clone());
        let functions = functions.clone();
        let assembly =
            Assembly { server, archive: archive.clone(), objects, ..Assembly::new(functions) };
        assembly.assemble().await
    };
    for _ in 0..100 {
        match opened().await {
            Ok(assembled) => return assembled.api,
            // What the engine before has begun ends soon.
            Err(AssemblyError::Store(_)) => tokio::time::sleep(Duration::from_millis(50)).await,
            Err(error) => panic!("{error}"),
        }
    }
    panic!("the store stays open")
}

fn folder(path: &Path) -> ArchiveConfig {
    let format = ArchiveFormat::Jsonl;
    ArchiveConfig { folder: Some(path.to_owned()), bucket: None, prefix: None, format }
}

async fn run(api: &Api, count: usize) {
    let definition = r#"{"StartAt":"P","States":{"P":{"Type":"Pass","End":true}}}"#;
    let role = "arn:aws:iam::123456789012:role/any";
    let machine = json!({"name": "m", "definition": definition, "roleArn": role});
    api.call("CreateStateMachine", machine).await.expect("it is made");
    for index in 0..count {
        let (name, input) = (format!("e{index}"), format!("{{\"n\":{index}}}"));
        let start = json!({"stateMachineArn": MACHINE, "name": name, "input": input});
        api.call("StartExecution", start).await.expect("it starts");
    }
    let waiting = r#"{"StartAt":"W","States":{"W":{"Type":"Wait","Seconds":3600,"End":true}}}"#;
    let machine = json!({"name": "w", "definition": waiting, "roleArn": role});
    api.call("CreateStateMachine", machine).await.expect("it is made");
    let start = json!({"stateMachineArn": (MACHINE.replace(":m", ":w")), "name": "waits"});
    api.call("StartExecution", start).await.expect("it starts");
}

async fn left(api: &Api) -> usize {
    let listed = api.call("ListExecutions", json!({"stateMachineArn": MACHINE})).await;
    let listed = listed.expect("they are listed");
    listed.get("executions").and_then(Json::as_array).map_or(0, |all| all.len())
}

/// The lines of an archive, by the ARNs of their executions. No execution may be there twice.
fn archived(folder: &Path) -> BTreeMap<String, Json> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).expect("it is there").flatten() {
        let path = entry.path();
        if path.extension().is_none_or(|ending| ending != "jsonl") {
            continue;
        }
        for line in std::fs::read_to_string(&path).expect("it is text").lines() {
            let json = stepwright_json::parse(line).expect("it is JSON");
            let arn = json.get("execution").and_then(|one| one.get("executionArn"));
            let arn = arn.and_then(Json::as_str).expect("it has an ARN").to_owned();
            assert!(found.insert(arn.clone(), json).is_none(), "{arn} is there twice");
        }
    }
    found
}

const LATE: i64 = i64::MAX / 2;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_forgotten_is_in_the_archive_with_all_that_was_known() {
    let (data, kept) = (tempfile::tempdir().expect("made"), tempfile::tempdir().expect("made"));
    let api = open(data.path(), folder(kept.path())).await;
    run(&api, 5).await;
    let arn = "arn:aws:states:us-east-1:123456789012:execution:m:e3";
    let history = api.call("GetExecutionHistory", json!({"executionArn": arn})).await;
    let history = history.expect("it is there");
    assert_eq!(api.engine().forget_ended(LATE).await.ok(), Some(5));
    assert_eq!(left(&api).await, 0);
    let lines = archived(kept.path());
    assert_eq!(lines.len(), 5);
    let line = &lines[arn];
    assert_eq!(line.get("events"), history.get("events"));
    let member = |of: &str, key: &str| line.get(of).and_then(|one| one.get(key)).cloned();
    assert_eq!(member("execution", "input"), Some("{\"n\":3}".into()));
    assert_eq!(member("execution", "status"), Some("SUCCEEDED".into()));
    assert_eq!(member("machine", "stateMachineArn"), Some(MACHINE.into()));
    // What runs is not touched, and there is nothing left to do.
    assert_eq!(api.engine().forget_ended(LATE).await.ok(), Some(0));
    assert_eq!(archived(kept.path()).len(), 5);
    let waits = json!({"executionArn": "arn:aws:states:us-east-1:123456789012:execution:w:waits"});
    let waits = api.call("DescribeExecution", waits).await.expect("it is there");
    assert_eq!(waits.get("status"), Some(&"RUNNING".into()));
    api.engine().shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_have_what_lines_have_or_are_refused_by_name() {
    let data = tempfile::tempdir().expect("a directory can be made");
    let archive =
        ArchiveConfig { format: ArchiveFormat::Parquet, ..folder(&data.path().join("archive")) };
    let keys = || Keyring::new([[7; 32]]);
    let assembly = Assembly { archive: Some(archive), ..assembly(data.path(), keys()) };
    if let Err(why) = TableWriter::check() {
        // This build has not the feature.
        let refused = assembly.assemble().await.expect_err("it is refused").to_string();
        assert!(refused.contains("[archive]") && refused.contains(&why), "{refused}");
        return;
    }
    let api = assembly.assemble().await.expect("it opens").api;
    run(&api, 5).await;
    let mut expected = BTreeMap::new();
    for index in 0..5 {
        let arn = format!("arn:aws:states:us-east-1:123456789012:execution:m:e{index}");
        let history = api.call("GetExecutionHistory", json!({"executionArn": (arn.as_str())}));
        let history = history.await.expect("it is there");
        expected.insert(arn, history.get("events").expect("it has some").clone());
    }
    assert_eq!(api.engine().forget_ended(LATE).await.ok(), Some(5));
    api.engine().shutdown().await;
    let all = files(&data.path().join("archive"));
    let [file] = &all[..] else { panic!("{all:?}") };
    assert!(file.to_str().is_some_and(|name| name.ends_with(".parquet.sealed")), "{file:?}");
    let opened = open_file(std::fs::File::open(file).expect("it is there"), keys().as_ref());
    let mut text = String::new();
    let mut lines = table_lines(opened.expect("it is opened")).expect("it is a table");
    lines.read_to_string(&mut text).expect("it is read");
    let mut found = BTreeMap::new();
    for line in text.lines() {
        let json = stepwright_json::parse(line).expect("it is JSON");
        let execution = json.get("execution").expect("it is there");
        let arn = execution.get("executionArn").and_then(Json::as_str).expect("it has one");
        assert_eq!(execution.get("status"), Some(&"SUCCEEDED".into()));
        assert!(json.get("machine").is_some_and(|machine| machine.get("definition").is_some()));
        found.insert(arn.to_owned(), json.get("events").expect("they are there").clone());
    }
    assert_eq!(found, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_that_cannot_be_written_forgets_nothing() {
    let (data, kept) = (tempfile::tempdir().expect("made"), tempfile::tempdir().expect("made"));
    let file = kept.path().join("file");
    let api = open(data.path(), folder(&file)).await;
    std::fs::remove_dir(&file).expect("it was made, and nothing is left in it");
    std::fs::write(&file, "in the way").expect("it can be written");
    run(&api, 3).await;
    let refused = api.engine().forget_ended(LATE).await.expect_err("it cannot be written");
    assert!(refused.what.contains("archive"), "{refused}");
    assert_eq!(left(&api).await, 3);
    api.engine().shutdown().await;
    drop(api);
    // The next start has a place for it, and goes on with the batch that was begun.
    let place = kept.path().join("archive");
    let api = open(data.path(), folder(&place)).await;
    assert_eq!(api.engine().forget_ended(LATE).await.ok(), Some(3));
    assert_eq!((left(&api).await, archived(&place).len()), (0, 3));
    api.engine().shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_breaks_off_is_neither_lost_nor_archived_twice() {
    let (data, kept) = (tempfile::tempdir().expect("made"), tempfile::tempdir().expect("made"));
    let api = open(data.path(), folder(kept.path())).await;
    run(&api, 4).await;
    let store = api.engine().options().store.clone();
    let ended = store.ended(LATE, 100).await.expect("they are found");
    let ids: Vec<Json> = ended.iter().map(|row| Json::Int(row.id.0 as i64)).collect();
    let batch = |is_archived: bool| {
        let text = json!({
            "name": "batch", "executions": (ids.clone()), "endedBefore": LATE, "isArchived": is_archived
        });
        vec![("archive/batch".to_owned(), Some(text.to_string().into_bytes()))]
    };
    // It died while it wrote: half of the file is there under its name, as an object store may have it.
    store.put(batch(false)).await.expect("it is kept");
    std::fs::write(kept.path().join("batch.jsonl"), "{\"execution\":{\"exec").expect("written");
    assert_eq!(api.engine().forget_ended(LATE).await.ok(), Some(4));
    let lines = archived(kept.path());
    assert_eq!((left(&api).await, lines.len()), (0, 4));

    // It died while it forgot: two are gone, and the file stays as it was.
    for index in 4..8 {
        let start = json!({"stateMachineArn": MACHINE, "name": (format!("e{index}"))});
        api.call("StartExecution", start).await.expect("it starts");
    }
    let ended = store.ended(LATE, 100).await.expect("they are found");
    let all: Vec<_> = ended.iter().map(|row| row.id).collect();
    let ids: Vec<Json> = all.iter().map(|id| Json::Int(id.0 as i64)).collect();
    let text = json!({"name": "batch", "executions": ids, "endedBefore": LATE, "isArchived": true});
    let put = vec![("archive/batch".to_owned(), Some(text.to_string().into_bytes()))];
    store.put(put).await.expect("it is kept");
    store.forget(all[..2].to_vec(), LATE).await.expect("they are forgotten");
    api.engine().forget_ended(LATE).await.expect("it goes on");
    assert_eq!(left(&api).await, 0);
    assert_eq!(archived(kept.path()), lines, "nothing was written again");
    api.engine().shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_is_an_archive() {
    let data = tempfile::tempdir().expect("made");
    let bucket = Some("kept".to_owned());
    let config = ArchiveConfig {
        folder: None,
        bucket,
        prefix: Some("executions/".to_owned()),
        format: ArchiveFormat::Jsonl,
    };
    let api = open(data.path(), config).await;
    run(&api, 2).await;
    // A bucket that is not there refuses; the local S3 has its buckets as folders.
    let buckets = data.path().join("buckets");
    std::fs::create_dir_all(buckets.join("kept")).expect("it can be made");
    assert_eq!(api.engine().forget_ended(LATE).await.ok(), Some(2));
    let found = archived(&buckets.join("kept/executions"));
    assert_eq!(found.len(), 2);
    api.engine().shutdown().await;
}

/// Damages what is stored of executions whose names are like this, in all or from an event on.
fn damage(data: &Path, name: &str, from: u32) {
    let database = rusqlite::Connection::open(data.join("stepwright.db")).expect("it opens");
    let query = format!(
        "UPDATE chunks SET bytes = x'00FF' WHERE len > {from} AND execution IN \
         (SELECT id FROM executions WHERE arn LIKE '%:m:{name}')"
    );
    assert!(database.execute(&query, []).expect("it can be changed") > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_stays_and_keeps_nothing_else_from_the_archive() {
    let (data, kept) = (tempfile::tempdir().expect("made"), tempfile::tempdir().expect("made"));
    let api = open(data.path(), folder(kept.path())).await;
    run(&api, 5).await;
    // One is so long that its damage shows in the midst of its line.
    let items = format!("[{}0]", "0,".repeat(2_500));
    let definition = r#"{"StartAt":"M","States":{"M":{"Type":"Map","End":true,"ItemProcessor":{"StartAt":"P",
        "States":{"P":{"Type":"Pass","End":true}}}}}}"#;
    let update = json!({"stateMachineArn": MACHINE, "definition": definition});
    api.call("UpdateStateMachine", update).await.expect("it is changed");
    let start = json!({"stateMachineArn": MACHINE, "name": "long", "input": items});
    api.call("StartExecution", start).await.expect("it starts");
    let arn = "arn:aws:states:us-east-1:123456789012:execution:m:long";
    api.engine().ended(arn).await.expect("it ends");
    api.engine().shutdown().await;
    drop(api);
    damage(data.path(), "e0", 0);
    damage(data.path(), "e1", 0);
    damage(data.path(), "long", 5_000);
    let api = open(data.path(), folder(kept.path())).await;
    let page =
        |is_last: bool| json!({"executionArn": arn, "maxResults": 1_000, "reverseOrder": is_last});
    api.call("GetExecutionHistory", page(false)).await.expect("its beginning can be read");
    api.call("GetExecutionHistory", page(true)).await.expect_err("its end cannot");
    assert_eq!(api.engine().forget_ended(LATE).await.ok(), Some(3));
    let names: Vec<String> = archived(kept.path()).into_keys().collect();
    let named = |name: &str| format!("arn:aws:states:us-east-1:123456789012:execution:m:{name}");
    assert_eq!(names, ["e2", "e3", "e4"].map(named));
    assert_eq!(left(&api).await, 3);
    assert_eq!(api.engine().metrics().archive_failures.get(), 3);
    // They are not tried again and again, and what ends later is archived.
    let start = json!({"stateMachineArn": MACHINE, "name": "later", "input": "[]"});
    api.call("StartExecution", start).await.expect("it starts");
    api.engine().ended(&named("later")).await.expect("it ends");
    assert_eq!(api.engine().forget_ended(LATE).await.ok(), Some(1));
    assert_eq!(api.engine().metrics().archive_failures.get(), 3);
    let files = std::fs::read_dir(kept.path()).expect("it is there").count();
    assert_eq!((left(&api).await, archived(kept.path()).len(), files), (3, 4, 2));
    api.engine().shutdown().await;
    drop(api);
    // The next start tries them once, and leaves no file of nothing.
    let api = open(data.path(), folder(kept.path())).await;
    assert_eq!(api.engine().forget_ended(LATE).await.ok(), Some(0));
    assert_eq!(api.engine().metrics().archive_failures.get(), 3);
    assert_eq!(std::fs::read_dir(kept.path()).expect("it is there").count(), 2);
    api.engine().shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_cannot_be_written_to_refuses_the_start() {
    let (data, kept) = (tempfile::tempdir().expect("made"), tempfile::tempdir().expect("made"));
    let file = kept.path().join("file");
    std::fs::write(&file, "in the way").expect("it can be written");
    let place = Place { account: "123456789012".to_owned(), region: "us-east-1".to_owned() };
    let functions = Functions::new(BTreeMap::new(), PathBuf::new(), place).expect("there are none");
    let server = ServerConfig { data: Some(data.path().to_owned()), ..ServerConfig::default() };
    let archive = Some(folder(&file));
    let assembly = Assembly { server, archive, ..Assembly::new(functions) };
    let Err(error) = assembly.assemble().await else { panic!("it is refused") };
    let error = error.to_string();
    let expected = format!("the `folder` of `[archive]` cannot be written to: {}", file.display());
    assert!(error.starts_with(&expected), "{error}");
}

/// The files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

/// A server that keeps everything in a folder, with a key or without.
fn assembly(data: &Path, keys: Option<Keyring>) -> Assembly {
    let place = Place { account: "123456789012".to_owned(), region: "us-east-1".to_owned() };
    let functions = Functions::new(BTreeMap::new(), PathBuf::new(), place).expect("there are none");
    Assembly {
        server: ServerConfig { data: Some(data.to_owned()), ..ServerConfig::default() },
        archive: Some(folder(&data.join("archive"))),
        encryption: keys,
        ..Assembly::new(functions)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_payload_is_on_the_disk_in_clear() {
    const WORD: &str = "tapestry-of-secrets";
    for is_encrypted in [false, true] {
        let data = tempfile::tempdir().expect("a directory can be made");
        let keys = Keyring::new([[7; 32]]).filter(|_| is_encrypted);
        // An index that was written before would stay in clear.
        std::fs::write(data.path().join("search.db"), WORD).expect("it can be written");
        let api = assembly(data.path(), keys.clone()).assemble().await.expect("it opens").api;
        for (name, state) in [("m", r#""Type":"Pass""#), ("w", r#""Type":"Wait","Seconds":3600"#)] {
            let definition = format!(
                r#"{{"Comment":"{WORD}","StartAt":"P","States":{{"P":{{{state},"End":true}}}}}}"#
            );
            let role = "arn:aws:iam::123456789012:role/any";
            let machine = json!({"name": name, "definition": definition, "roleArn": role});
            api.call("CreateStateMachine", machine).await.expect("it is made");
            let machine = MACHINE.replace(":m", &format!(":{name}"));
            let input = format!("{{\"in\":\"{WORD}\"}}");
            let start = json!({"stateMachineArn": machine, "name": "one", "input": input});
            api.call("StartExecution", start).await.expect("it starts");
        }
        let ended = async || api.engine().forget_ended(LATE).await.expect("it is archived");
        while ended().await == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        api.engine().shutdown().await;
        drop(api);
        let all = files(data.path());
        let has_word = |file: &&PathBuf| {
            let bytes = std::fs::read(file).expect("it can be read");
            bytes.windows(WORD.len()).any(|part| part == WORD.as_bytes())
        };
        let readable: Vec<&PathBuf> = all.iter().filter(has_word).collect();
        assert_eq!(readable.is_empty(), is_encrypted, "{readable:?}");
        let is_sealed = |file: &&PathBuf| file.extension().is_some_and(|ending| ending == "sealed");
        let (Some(keys), Some(archive)) = (keys, all.iter().find(is_sealed)) else {
            assert!(!is_encrypted, "{all:?}");
            continue;
        };
        let mut text = String::new();
        let file = std::fs::File::open(archive).expect("it is there");
        let mut opened = open_file(file, Some(&keys)).expect("it can be opened");
        opened.read_to_string(&mut text).expect("it is whole");
        assert!(stepwright_json::parse(&text).is_ok() && text.contains(WORD), "{text}");
        // It does not open without the key, and says so. With another one first, it goes on.
        let refused = loop {
            match assembly(data.path(), None).assemble().await {
                Err(AssemblyError::Store(error)) if !error.what.contains("another process") => {
                    break error;
                }
                Err(AssemblyError::Store(_)) => tokio::time::sleep(Duration::from_millis(20)).await,
                other => panic!("{other:?}"),
            }
        };
        let name = keys.names().remove(0);
        assert!(refused.what.contains(&format!("encrypted with the key {name}")), "{refused}");
        let both = Keyring::new([[8; 32], [7; 32]]);
        let api = loop {
            match assembly(data.path(), both.clone()).assemble().await {
                Ok(assembled) => break assembled.api,
                Err(AssemblyError::Store(_)) => tokio::time::sleep(Duration::from_millis(20)).await,
                Err(error) => panic!("{error}"),
            }
        };
        let arn = "arn:aws:states:us-east-1:123456789012:execution:w:one";
        let described = api.call("DescribeExecution", json!({"executionArn": arn})).await;
        let described = described.expect("it is there");
        assert_eq!(described.get("input"), Some(&Json::from(format!("{{\"in\":\"{WORD}\"}}"))));
        let stopped = api.call("StopExecution", json!({"executionArn": arn})).await;
        stopped.expect("it is stopped");
        api.engine().shutdown().await;
    }
}
