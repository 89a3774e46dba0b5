//! Opens stores that earlier releases wrote. Each file is as its release left it, and is never
//! edited.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use stepwright_store::{Filter, Page, Shards, Sqlite, Status, Store};

/// A copy of a store, which can be opened.
fn copied(layout: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a directory can be made");
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(layout);
    let data = folder.path().to_owned();
    std::fs::copy(corpus.join("stepwright.db"), data.join("stepwright.db")).expect("it is there");
    (folder, data)
}

#[test]
fn a_store_of_layout_1_is_read_counted_and_goes_on() {
    let (_folder, data) = copied("layout-1");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("it can be built").block_on(async {
        // The second time, the store already has the new layout.
        for _ in 0..2 {
            let store = Sqlite::open(&data).expect("it opens");
            let machine = |name: &str| {
                Some(format!("arn:aws:states:us-east-1:123456789012:stateMachine:{name}"))
            };
            let count = async |machine: &str, status: Option<Status>| {
                let machine = Some(machine.to_owned());
                let filter = Filter { machine, status, ..Filter::default() };
                let listed = store.list(filter.clone(), Page { after: None, most: 1_000 }).await;
                let counted = store.count(filter).await.expect("they can be counted");
                let counted: u64 = counted.into_iter().map(|(_, count)| count).sum();
                assert_eq!(listed.expect("they can be listed").len() as u64, counted);
                counted
            };
            let of = |name: &str| machine(name).expect("it is a name");
            assert_eq!(count(&of("order"), None).await, 10);
            assert_eq!(count(&of("order"), Some(Status::Succeeded)).await, 10);
            assert_eq!(count(&of("order"), Some(Status::Failed)).await, 0);
            assert_eq!(count(&of("fail"), Some(Status::Failed)).await, 3);
            assert_eq!(count(&of("late"), Some(Status::TimedOut)).await, 1);
            assert_eq!(count(&of("wait"), Some(Status::Running)).await, 2);
            assert_eq!(count(&of("wait"), Some(Status::Aborted)).await, 1);
            assert_eq!(count(&of("task"), None).await, 2);
            assert_eq!(count(&of("many"), None).await, 1, "children are not the machine's");
            let version = Filter {
                machine: machine("order"),
                version: machine("order:1"),
                ..Filter::default()
            };
            let rows = store.list(version, Page { after: None, most: 100 }).await;
            assert_eq!(rows.expect("they can be listed").len(), 5);
            let alias = Filter { alias: machine("order:live"), ..Filter::default() };
            let rows = store.list(alias, Page { after: None, most: 100 }).await;
            assert_eq!(rows.expect("they can be listed").len(), 2);
            let live = store.live(&Shards::ALL, None, 100).await.expect("they can be read");
            assert_eq!(live.len(), 3);
            let all = store.count(Filter::default()).await.expect("they can be counted");
            let all: u64 = all.into_iter().map(|(_, count)| count).sum();
            assert_eq!(all, 25);
            let recorded = store.recorded(0..u64::MAX >> 1, usize::MAX).await;
            let recorded = recorded.expect("they can be read");
            assert_eq!(recorded.len(), 25);
            let run = recorded.iter().find_map(|one| one.row.about.map_run.clone());
            let run = run.expect("there is a child");
            for (status, expected) in [(Status::Succeeded, 3), (Status::Failed, 2)] {
                let filter = Filter {
                    map_run: Some(run.clone()),
                    status: Some(status),
                    ..Filter::default()
                };
                assert_eq!(store.count(filter).await.ok(), Some(vec![(status, expected)]));
            }
            assert_eq!(store.documents("machine/").await.expect("they can be read").len(), 6);
            let wrong = store.verify(Arc::new(AtomicBool::new(false))).await;
            assert_eq!(wrong.expect("it can be checked"), Vec::<String>::new());
            store.close().await;
        }
    });
}

#[test]
fn a_store_of_a_later_layout_is_refused_by_its_number() {
    let (_folder, data) = copied("layout-1");
    let database = rusqlite::Connection::open(data.join("stepwright.db")).expect("it opens");
    database.pragma_update(None, "user_version", 77).expect("it can be changed");
    drop(database);
    let error = Sqlite::open(&data).expect_err("it is refused");
    assert!(error.what.contains("layout 77"), "{error}");
}
