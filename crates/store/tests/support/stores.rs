//! The store that a test runs on: memory, or PostgreSQL with `STEPWRIGHT_TEST_STORE=postgres`.
//! Included by the tests of several crates.

#![allow(dead_code, reason = "each test uses a part")]

#[path = "cluster.rs"]
pub(crate) mod cluster;

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, OnceLock};
use stepwright_store::{
    Append, AppendError, Chunk, DocumentChanges, Documents, ExecutionId, ExecutionRow, Filter,
    HistoryPart, MapRunRow, Memory, Page, Pending, Postgres, Recorded, Shards, Sorted, Status,
    Store, StoreError,
};
use tokio::runtime::Runtime;

/// Whether the store under test is PostgreSQL.
pub(crate) fn is_postgres() -> bool {
    std::env::var("STEPWRIGHT_TEST_STORE").is_ok_and(|store| store == "postgres")
}

/// How many stores are used at the same time: each has eight connections in PostgreSQL.
pub(crate) fn most_at_once() -> usize {
    if is_postgres() { 8 } else { 1_000 }
}

/// A store without anything in it, which one engine has for itself.
pub(crate) fn empty() -> Arc<dyn Store> {
    if is_postgres() { Arc::new(Alone::new()) } else { Arc::new(Memory::new()) }
}

/// A store in PostgreSQL that works in real time, in threads of its own, whatever the time of the
/// test is. A clock that is paused stands while the store works.
pub(crate) struct Alone(Arc<Lent>);

/// A store in a database, and its URL.
type Database = (Postgres, String);

/// Databases that nobody uses. They are emptied before they are used again, which takes a tenth of the time
/// that a new one takes.
static FREE: Mutex<Vec<Database>> = Mutex::new(Vec::new());

/// A database while it is used.
struct Lent(Option<Database>);

impl Drop for Lent {
    fn drop(&mut self) {
        FREE.lock().expect("nobody panics").extend(self.0.take());
    }
}

/// The threads in which stores work.
fn there() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(2).enable_all().build().expect("threads can be started")
    })
}

impl Alone {
    fn new() -> Self {
        let used = FREE.lock().expect("nobody panics").pop();
        let database = match used {
            Some(database) => {
                let cluster = cluster::cluster().expect("it was there");
                let tables = ["executions", "chunks", "map_runs", "counts", "documents"];
                let tables = tables.map(|table| format!("stepwright.{table}")).join(", ");
                cluster.sql(&database.1, &format!("TRUNCATE {tables}"));
                database
            }
            None => {
                let url = cluster::database().expect("PostgreSQL is there if it is asked for");
                // The caller may be in a runtime of its own.
                let opened = std::thread::spawn(|| there().block_on(Self::open(url)));
                opened.join().expect("it opens")
            }
        };
        Self(Arc::new(Lent(Some(database))))
    }

    async fn open(url: String) -> Database {
        let store = Postgres::open(&url, "here").await.expect("it opens");
        let nodes = store.membership().expect("it has one");
        assert!(nodes.claim(Shards::ALL).await.expect("nobody has them").are_all());
        (store, url)
    }

    fn store(&self) -> &Postgres {
        &self.0.0.as_ref().expect("it is lent").0
    }

    fn ask<T: Send + 'static>(&self, work: impl FnOnce(&Postgres) -> Pending<T>) -> Pending<T> {
        let pending = {
            let _there = there().enter();
            work(self.store())
        };
        let lent = self.0.clone();
        // While a blocking task runs, a paused clock is not advanced.
        let working = tokio::task::spawn_blocking(move || {
            let answer = there().block_on(pending);
            drop(lent);
            answer
        });
        Box::pin(async move {
            match working.await {
                Ok(answer) => answer,
                Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                // The runtime of the test ends.
                Err(_) => std::future::pending().await,
            }
        })
    }
}

impl Store for Alone {
    fn new_id(&self) -> ExecutionId {
        let _there = there().enter();
        self.store().new_id()
    }

    fn append(&self, append: Append) -> Pending<Result<(), AppendError>> {
        self.ask(|store| store.append(append))
    }

    fn put(&self, documents: DocumentChanges) -> Pending<Result<(), StoreError>> {
        self.ask(|store| store.put(documents))
    }

    fn documents(&self, prefix: &str) -> Pending<Result<Documents, StoreError>> {
        self.ask(|store| store.documents(prefix))
    }

    fn execution(&self, id: ExecutionId) -> Pending<Result<Option<ExecutionRow>, StoreError>> {
        self.ask(|store| store.execution(id))
    }

    fn execution_by_arn(&self, arn: &str) -> Pending<Result<Option<ExecutionRow>, StoreError>> {
        self.ask(|store| store.execution_by_arn(arn))
    }

    fn history(
        &self,
        id: ExecutionId,
        part: HistoryPart,
        most_bytes: usize,
    ) -> Pending<Result<Vec<Chunk>, StoreError>> {
        self.ask(|store| store.history(id, part, most_bytes))
    }

    fn first_from(&self, id: ExecutionId) -> Pending<Result<Option<ExecutionId>, StoreError>> {
        self.ask(|store| store.first_from(id))
    }

    fn recorded(
        &self,
        numbers: std::ops::Range<u64>,
        most_bytes: usize,
    ) -> Pending<Result<Vec<Recorded>, StoreError>> {
        self.ask(|store| store.recorded(numbers, most_bytes))
    }

    fn live(
        &self,
        shards: &Shards,
        after: Option<&ExecutionRow>,
        most: usize,
    ) -> Pending<Result<Vec<ExecutionRow>, StoreError>> {
        self.ask(|store| store.live(shards, after, most))
    }

    fn list(&self, filter: Filter, page: Page) -> Pending<Result<Vec<ExecutionRow>, StoreError>> {
        self.ask(|store| store.list(filter, page))
    }

    fn count(&self, filter: Filter) -> Pending<Result<Vec<(Status, u64)>, StoreError>> {
        self.ask(|store| store.count(filter))
    }

    fn map_run(&self, arn: &str) -> Pending<Result<Option<MapRunRow>, StoreError>> {
        self.ask(|store| store.map_run(arn))
    }

    fn map_runs(&self, execution: ExecutionId) -> Pending<Result<Vec<MapRunRow>, StoreError>> {
        self.ask(|store| store.map_runs(execution))
    }

    fn latest_map_runs(
        &self,
        after: Option<(i64, String)>,
        most: usize,
    ) -> Pending<Result<Vec<MapRunRow>, StoreError>> {
        self.ask(|store| store.latest_map_runs(after, most))
    }

    fn sorted(
        &self,
        sorted: Sorted,
        most: usize,
    ) -> Pending<Result<Vec<ExecutionRow>, StoreError>> {
        self.ask(|store| store.sorted(sorted, most))
    }

    fn ended(&self, before: i64, most: usize) -> Pending<Result<Vec<ExecutionRow>, StoreError>> {
        self.ask(|store| store.ended(before, most))
    }

    fn forget(
        &self,
        executions: Vec<ExecutionId>,
        ended_before: i64,
    ) -> Pending<Result<u64, StoreError>> {
        self.ask(|store| store.forget(executions, ended_before))
    }

    fn forget_machine(&self, machine: &str) -> Pending<Result<u64, StoreError>> {
        self.ask(|store| store.forget_machine(machine))
    }

    fn backup(&self, folder: &Path) -> Pending<Result<(), StoreError>> {
        self.ask(|store| store.backup(folder))
    }

    fn verify(&self, stop: Arc<AtomicBool>) -> Pending<Result<Vec<String>, StoreError>> {
        self.ask(|store| store.verify(stop))
    }

    fn close(&self) -> Pending<()> {
        // Another test uses the connections.
        Box::pin(std::future::ready(()))
    }

    fn size(&self) -> u64 {
        self.store().size()
    }
}
