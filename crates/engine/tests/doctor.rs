//! What an examination finds, the progress it reports, and that it can be stopped.

#[path = "../../store/tests/support/cluster.rs"]
mod cluster;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use stepwright_engine::{
    Call, Engine, Machine, Options, Progress, Report, Revision, StartRequest, Tasks,
};
use stepwright_json::json;
use stepwright_program::{Limits, Vintage};
use stepwright_store::{Memory, Postgres, Sqlite, Store};

/// A task runner for tests in which no task runs.
struct Nobody;

impl Tasks for Nobody {
    fn run(&self, _call: Call, _report: Report) {}
}

async fn engine(store: Arc<dyn Store>) -> Engine {
    let options = Options::new(store, Arc::new(Nobody));
    Engine::closed(options).await.expect("the store can be read")
}

/// A copy of the store that a server of layout 1 left behind: 25 executions, 3 of them running.
fn left_behind() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a directory can be made");
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../store/tests/corpus/layout-1");
    let file = folder.path().join("stepwright.db");
    std::fs::copy(corpus.join("stepwright.db"), &file).expect("it is there");
    (folder, file)
}

/// The findings in a store that was damaged by this SQL: in SQLite, or in PostgreSQL if a database is given.
async fn findings(database: Option<&str>, damage: &str) -> Vec<String> {
    let (folder, file) = left_behind();
    drop(Sqlite::open(folder.path()).expect("it opens"));
    let store: Arc<dyn Store> = if let Some(url) = database {
        let from = folder.path().to_str().expect("it is text");
        stepwright_store::copy(from, url, [None, None], drop).await.expect("it is copied");
        let cluster = cluster::cluster().expect("it is there");
        cluster.sql(url, &format!("SET search_path = stepwright; {damage}"));
        Arc::new(Postgres::open_to_read(url).await.expect("it opens"))
    } else {
        let database = rusqlite::Connection::open(file).expect("it opens");
        database.execute_batch(damage).expect("it can be changed");
        Arc::new(Sqlite::open(folder.path()).expect("it opens"))
    };
    let found = engine(store.clone()).await.doctor().await.expect("it can be read");
    store.close().await;
    let text =
        |arn: Option<String>| arn.map(|arn| arn.rsplit(':').next().unwrap_or_default().to_owned());
    found
        .into_iter()
        .map(|finding| format!("{}: {}", text(finding.arn).unwrap_or_default(), finding.what))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_wrong_with_what_a_former_release_left_behind() {
    let (folder, _) = left_behind();
    let store = Sqlite::open(folder.path()).expect("it opens");
    let last = Arc::new(AtomicU64::new(0));
    let told = last.clone();
    let watch = move |progress: Progress| {
        assert_eq!(progress.total, 25);
        told.fetch_max(progress.examined, Ordering::Relaxed);
    };
    let examination = engine(Arc::new(store)).await.examine(Arc::default(), watch).await;
    let examination = examination.expect("it can be read");
    assert_eq!(examination.findings, []);
    assert_eq!(examination.progress, Progress { examined: 25, total: 25 });
    assert!(examination.is_whole);
    assert_eq!(last.load(Ordering::Relaxed), 25);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_damaged_is_found_and_named() {
    const ARN: &str = "'arn:aws:states:us-east-1:123456789012";
    let id =
        |name: &str| format!("(SELECT id FROM executions WHERE arn = {ARN}:execution:{name}')");
    let unset = "SET wake_at = NULL WHERE";
    for is_postgres in [false, true] {
        if is_postgres && cluster::cluster().is_none() {
            return;
        }
        let findings = async |damage: &str| {
            let database = if is_postgres { cluster::database() } else { None };
            findings(database.as_deref(), damage).await
        };
        // How each of them writes bytes, and where it has the next timer.
        let (bytes, timers) =
            if is_postgres { ("'\\x00FF'", "chunks") } else { ("x'00FF'", "executions") };
        let key = if is_postgres { "execution" } else { "id" };

        let at = id("order:plain-3");
        let found =
            findings(&format!("UPDATE chunks SET bytes = {bytes} WHERE execution = {at}")).await;
        assert!(
            found.len() == 1 && found[0].starts_with("plain-3: its history cannot be read"),
            "{found:?}"
        );
        let found =
            findings(&format!("DELETE FROM chunks WHERE execution = {}", id("wait:wait-1"))).await;
        if is_postgres {
            // Its length was with its history.
            assert_eq!(found, [": 1 executions have no history", "wait-1: its history is gone"]);
        } else {
            let general = "another length than their history";
            assert!(found.iter().any(|line| line.contains(general)), "{found:?}");
            assert!(
                found.iter().any(|line| line.starts_with("wait-1: it has 0 events")),
                "{found:?}"
            );
        }
        let found =
            findings(&format!("UPDATE {timers} {unset} {key} = {}", id("wait:wait-0"))).await;
        assert_eq!(found, ["wait-0: its next timer would not be set after a restart"]);
        let found = findings("UPDATE counts SET number = 9 WHERE owner LIKE '%:fail'").await;
        let expected = ": arn:aws:states:us-east-1:123456789012:stateMachine:fail has 3 executions \
                        FAILED, and 9 are counted";
        assert_eq!(found, [expected]);
        let found =
            findings(&format!("DELETE FROM executions WHERE id = {}", id("order:plain-0"))).await;
        assert!(found.iter().any(|line| line.contains("belong to no execution")), "{found:?}");
        // Findings come in the order of the executions' numbers, however many workers there are.
        let found = findings(&format!("UPDATE chunks SET bytes = {bytes}")).await;
        assert_eq!(found.len(), 25, "{found:?}");
        assert!(found[0].starts_with("plain-0:") && found[9].starts_with("alias-1:"), "{found:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_stops_when_it_is_told_to() {
    let engine = engine(Arc::new(Memory::new())).await;
    let definition = r#"{"StartAt":"P","States":{"P":{"Type":"Pass","End":true}}}"#;
    let program = Revision::compile(definition, Limits::default(), Vintage::TODAY);
    let revision = Arc::new(Revision::new(
        "revision".to_owned(),
        definition.to_owned(),
        String::new(),
        program.expect("it is a definition"),
    ));
    let machine = Arc::new(Machine::new(
        "arn:aws:states:us-east-1:123456789012:stateMachine:many".to_owned(),
        &revision,
    ));
    engine.put_machine((*machine).clone(), Some(revision.clone())).await.expect("it is kept");
    for n in 0..5_000 {
        let (machine, revision) = (machine.clone(), revision.clone());
        let name = format!("execution-{n}");
        let request = StartRequest::new(machine, revision, name, json!({}));
        engine.start(request).await.expect("it is started");
    }
    let stop = Arc::new(AtomicBool::new(false));
    let stopping = stop.clone();
    let watch = move |_| stopping.store(true, Ordering::Relaxed);
    let examination = engine.examine(stop, watch).await.expect("it can be read");
    assert!(!examination.is_whole);
    assert_eq!(examination.progress.total, 5_000);
    assert!((500..5_000).contains(&examination.progress.examined), "{examination:?}");
    assert_eq!(examination.findings, []);

    let stopped = Arc::new(AtomicBool::new(true));
    let examination = engine.examine(stopped, |_| {}).await.expect("it can be read");
    assert_eq!((examination.progress.examined, examination.is_whole), (0, false));
}
