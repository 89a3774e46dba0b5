//! What many callers put into the store at once is there when it is acknowledged, and still there
//! after the store is closed.

use std::sync::Arc;
use stepwright_store::{About, Append, AppendError, ExecutionId, Sqlite, Status, Store};

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .build()
        .expect("threads can be started")
}

/// The first turn of an execution.
fn append(execution: ExecutionId) -> Append {
    let about = About { arn: format!("execution-{}", execution.0), ..About::default() };
    Append {
        execution,
        expected_len: 0,
        len: 1,
        chunk: vec![1],
        about: Some(Box::new(about)),
        status: Status::Running,
        stopped_at: None,
        wake_at: None,
        is_owed: false,
        redriven: None,
        map_runs: Vec::new(),
    }
}

#[test]
fn many_at_once_and_one_after_another_are_kept() {
    let folder = tempfile::tempdir().expect("a directory can be made");
    let store: Arc<dyn Store> = Arc::new(Sqlite::open(folder.path()).expect("it opens"));
    runtime().block_on(async {
        let mut tasks = Vec::new();
        for task in 0..16 {
            let store = store.clone();
            tasks.push(tokio::spawn(async move {
                for number in 0..100 {
                    let key = format!("many/{task:02}/{number:03}");
                    store.put(vec![(key.clone(), Some(vec![task]))]).await.expect("it is kept");
                    if number % 10 == 0 {
                        let found = store.documents(&key).await.expect("it can be read");
                        assert_eq!(found, [(key, vec![task])]);
                    }
                }
            }));
        }
        for task in tasks {
            task.await.expect("no task panics");
        }
        for number in 0..200 {
            let key = format!("one/{number:03}");
            store.put(vec![(key, Some(Vec::new()))]).await.expect("it is kept");
        }
        store.close().await;
        assert!(store.put(vec![("late".to_owned(), None)]).await.is_err());
        let late = store.append(append(store.new_id())).await;
        assert!(matches!(late, Err(AppendError::NotWritten(_))), "{late:?}");
    });
    drop(store);
    let store = Sqlite::open(folder.path()).expect("it opens again");
    runtime().block_on(async {
        assert_eq!(store.documents("many/").await.expect("they can be read").len(), 1_600);
        assert_eq!(store.documents("one/").await.expect("they can be read").len(), 200);
    });
}

#[test]
fn what_waits_when_it_is_closed_is_still_kept() {
    let folder = tempfile::tempdir().expect("a directory can be made");
    let store: Arc<dyn Store> = Arc::new(Sqlite::open(folder.path()).expect("it opens"));
    let kept = runtime().block_on(async {
        let puts: Vec<_> = (0..2_000)
            .map(|number| store.put(vec![(format!("{number:04}"), Some(vec![0; 100]))]))
            .collect();
        store.close().await;
        let mut kept = 0;
        for put in puts {
            put.await.expect("it was taken before the end");
            kept += 1;
        }
        kept
    });
    drop(store);
    let store = Sqlite::open(folder.path()).expect("it opens again");
    let found = runtime().block_on(store.documents("")).expect("they can be read");
    assert_eq!(found.len(), kept);
}
