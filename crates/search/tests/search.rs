//! Executions are found by what is in them, as soon as they are committed or a little later, after a
//! restart, and after a crash.

#[path = "../../store/tests/support/stores.rs"]
mod stores;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use stepwright_engine::{Call, Engine, Machine, Options, Report, Revision, StartRequest, Tasks};
use stepwright_json::{Json, json};
use stepwright_program::{Limits, Vintage};
use stepwright_search::{Query, Redaction, Search};
use stepwright_store::{Sqlite, Store};

struct Nobody;

impl Tasks for Nobody {
    fn run(&self, _call: Call, _report: Report) {}
}

const DEFINITION: &str = r#"{"StartAt": "Check", "QueryLanguage": "JSONata", "States": {
    "Check": {"Type": "Choice", "Choices": [
        {"Condition": "{% $states.input.wait = true %}", "Next": "Later"},
        {"Condition": "{% $states.input.bad = true %}", "Next": "Refuse"}
    ], "Default": "Keep"},
    "Keep": {"Type": "Pass", "Assign": {"colour": "{% $exists($states.input.colour) ? $states.input.colour : 'none' %}"}, "Output": {"receipt": "{% 'r-' & $states.input.order %}"}, "End": true},
    "Later": {"Type": "Wait", "Seconds": 3600, "Next": "Keep"},
    "Refuse": {"Type": "Fail", "Error": "CardDeclined", "Cause": "the card has expired"}}}"#;

/// An engine with a search.
struct Server {
    engine: Engine,
    search: Arc<Search>,
}

impl Server {
    async fn new(store: Arc<dyn Store>, folder: Option<&Path>, redacted: &[&str]) -> Self {
        let redaction = Redaction::new(redacted.iter().copied()).expect("they are paths");
        let search = Search::open(folder, redaction).expect("it opens");
        let mut options = Options::new(store, Arc::new(Nobody));
        options.observer = search.clone();
        let engine = Engine::open(options).await.expect("the store can be read");
        search.begin(engine.downgrade());
        Self { engine, search }
    }

    async fn start(&self, machine: &str, name: &str, input: Json) -> String {
        let role = "arn:aws:iam::123456789012:role/role".to_owned();
        let program = Revision::compile(DEFINITION, Limits::default(), Vintage::TODAY);
        let program = program.expect("it compiles");
        let id = format!("{machine}-revision");
        let revision = Arc::new(Revision::new(id, DEFINITION.to_owned(), role, program));
        let arn = format!("arn:aws:states:us-east-1:123456789012:stateMachine:{machine}");
        let machine = match self.engine.catalogue().machine(&arn) {
            Some(machine) => machine,
            None => {
                let made = Machine::new(arn, &revision);
                let put = self.engine.put_machine(made.clone(), Some(revision.clone()));
                put.await.expect("it is kept");
                Arc::new(made)
            }
        };
        let request = StartRequest::new(machine, revision, name.to_owned(), input);
        self.engine.start(request).await.expect("it begins").arn
    }

    /// The names of the executions that a query finds.
    async fn names(&self, query: &str) -> Vec<String> {
        let query = Query::parse(query, self.engine.now().0).expect("it can be read");
        let found = self.search.find(&self.engine, &query, None, 50, |_| true).await;
        let found = found.expect("it is found");
        let last = |arn: &str| arn.rsplit(':').next().expect("it has a name").to_owned();
        found.rows.iter().map(|row| last(&row.about.arn)).collect()
    }

    /// Waits until a query finds these executions, and no others.
    async fn finds(&self, query: &str, expected: &[&str]) {
        let end = Instant::now() + Duration::from_secs(30);
        loop {
            let found = self.names(query).await;
            if found == expected {
                return;
            }
            assert!(Instant::now() < end, "{query} finds {found:?} instead of {expected:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until a query finds so many executions, of which a page has 50.
    async fn finds_so_many(&self, query: &str, expected: usize) {
        let end = Instant::now() + Duration::from_secs(30);
        while self.names(query).await.len() != expected {
            assert!(Instant::now() < end, "{query} does not find {expected}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until nothing is behind.
    async fn up_to_date(&self) {
        let end = Instant::now() + Duration::from_secs(30);
        loop {
            tokio::time::sleep(Duration::from_millis(20)).await;
            let behind = self.search.behind();
            if behind.executions == 0 && !behind.is_comparing {
                return;
            }
            assert!(Instant::now() < end, "the index stays behind: {behind:?}");
        }
    }

    async fn close(self) {
        let search = self.search.clone();
        tokio::task::spawn_blocking(move || search.close()).await.expect("it does not panic");
        self.engine.shutdown().await;
    }
}

/// Opens a store. Tasks of the engine that had it before may hold it for a moment.
async fn opened(folder: &Path) -> Arc<Sqlite> {
    let end = Instant::now() + Duration::from_secs(30);
    loop {
        match Sqlite::open(folder) {
            Ok(store) => return Arc::new(store),
            Err(error) => assert!(Instant::now() < end, "it does not open: {error}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn settled(server: &Server) {
    // What has begun to gather counts as behind.
    tokio::time::sleep(Duration::from_millis(100)).await;
    server.up_to_date().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn executions_are_found_by_what_is_in_them() {
    let server = Server::new(stores::empty(), None, &["$.card", "$..pin"]).await;
    let input =
        json!({"order": "order-17", "colour": "dark blue", "card": 4711, "a": {"pin": 815}});
    server.start("shop", "one", input).await;
    server.start("shop", "two", json!({"order": "order-18", "bad": true})).await;
    server.start("shop", "three", json!({"order": "order-17", "wait": true})).await;
    server.start("other", "four", json!({"order": "17 orders"})).await;
    settled(&server).await;
    for (query, expected) in [
        ("order-17", &["three", "one"][..]),
        ("order-17 status:running", &["three"]),
        ("output:r-order-17", &["one"]),
        ("error:CardDeclined", &["two"]),
        ("expired", &["two"]),
        ("input:expired", &[]),
        ("state:Refuse", &["two"]),
        ("variable:\"dark blue\"", &["one"]),
        ("machine:other", &["four"]),
        ("machine:shop status:succeeded", &["one"]),
        ("name:three", &["three"]),
        ("blu*", &["one"]),
        ("\"17 order\"", &[]),
        ("order-17 after:today", &["three", "one"]),
        ("before:yesterday", &[]),
        ("status:failed after:1h", &["two"]),
        ("4711", &[]),
        ("pin", &["one"]),
        ("815", &[]),
        ("nowhere", &[]),
    ] {
        server.finds(query, expected).await;
    }
    server.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_execution_that_goes_on_is_found_and_then_as_what_it_became() {
    let server = Server::new(stores::empty(), None, &[]).await;
    let arn = server.start("shop", "one", json!({"wait": true, "order": 5})).await;
    settled(&server).await;
    server.finds("status:running state:Later", &["one"]).await;
    let failure = stepwright_history::Failure::new("Enough", "nobody waits");
    server.engine.stop(&arn, failure).await.expect("it is stopped");
    settled(&server).await;
    server.finds("status:running", &[]).await;
    server.finds("status:aborted enough", &["one"]).await;
    server.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_index_lacks_is_found_after_a_restart() {
    let folder = tempfile::tempdir().expect("a directory can be made");
    let server = Server::new(opened(folder.path()).await, Some(folder.path()), &[]).await;
    for number in 0..600 {
        server.start("shop", &format!("n{number}"), json!({"order": number})).await;
    }
    settled(&server).await;
    server.finds_so_many("input:order output:receipt", 50).await;
    server.close().await;

    // A clean end leaves a whole index: nothing is compared, and all is there.
    let server = Server::new(opened(folder.path()).await, Some(folder.path()), &[]).await;
    assert!(!server.search.behind().is_comparing);
    server.finds("input:599", &["n599"]).await;
    server.close().await;

    // What is said to be doubtful is compared.
    Search::compare_later(folder.path()).expect("it is noted");
    let search = Search::open(Some(folder.path()), Redaction::default()).expect("it opens");
    assert!(search.behind().is_comparing);
    drop(search);

    // The index is gone, and so are some executions.
    Search::remove(folder.path());
    let server = Server::new(opened(folder.path()).await, Some(folder.path()), &[]).await;
    server.up_to_date().await;
    server.finds("input:0", &["n0"]).await;
    server.finds("input:599", &["n599"]).await;
    let machine = "arn:aws:states:us-east-1:123456789012:stateMachine:shop";
    let forgotten = server.engine.options().store.forget_machine(machine).await;
    assert_eq!(forgotten.expect("it forgets"), 600);
    server.finds("input:599", &[]).await;
    server.close().await;

    // An index that cannot be read is made anew.
    std::fs::write(folder.path().join("search.db"), "no database").expect("it can be written");
    let server = Server::new(opened(folder.path()).await, Some(folder.path()), &[]).await;
    server.start("shop", "last", json!({"order": 7})).await;
    settled(&server).await;
    server.finds("input:7", &["last"]).await;
    server.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_follow_one_another() {
    let server = Server::new(stores::empty(), None, &[]).await;
    for number in 0..25 {
        server.start("shop", &format!("n{number}"), json!({"order": number})).await;
    }
    settled(&server).await;
    server.finds_so_many("order", 25).await;
    let query = Query::parse("order", 0).expect("it can be read");
    // Every second one is not meant for who asks.
    let is_meant = |row: &stepwright_store::ExecutionRow| row.id.0.is_multiple_of(2);
    let (mut below, mut numbers) = (None, Vec::new());
    loop {
        let page = server.search.find(&server.engine, &query, below, 5, is_meant).await;
        let page = page.expect("it is found");
        assert!(page.rows.len() <= 5);
        numbers.extend(page.rows.iter().map(|row| row.id.0));
        below = page.next;
        if below.is_none() {
            break;
        }
    }
    let mut expected: Vec<u64> = numbers.clone();
    expected.sort_unstable_by(|a, b| b.cmp(a));
    expected.dedup();
    assert_eq!(numbers, expected);
    assert!((12..=13).contains(&numbers.len()), "{numbers:?}");
    server.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_map_runs_children_those_are_found_that_have_failed() {
    let store: Arc<dyn Store> = stores::empty();
    let server = Server::new(store, None, &[]).await;
    let role = "arn:aws:iam::123456789012:role/role".to_owned();
    let definition = r#"{"StartAt": "Each", "States": {"Each": {"Type": "Map", "End": true,
        "ToleratedFailurePercentage": 100, "ItemProcessor": {
            "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
            "StartAt": "Look", "States": {
                "Look": {"Type": "Choice", "Choices": [{"Variable": "$.bad", "IsPresent": true, "Next": "Bad"}], "Default": "Good"},
                "Good": {"Type": "Pass", "End": true}, "Bad": {"Type": "Fail", "Error": "Broken"}}}}}}"#;
    let program = Revision::compile(definition, Limits::default(), Vintage::TODAY);
    let program = program.expect("it compiles");
    let id = server.engine.new_uuid();
    let revision = Arc::new(Revision::new(id, definition.to_owned(), role, program));
    let arn = "arn:aws:states:us-east-1:123456789012:stateMachine:import".to_owned();
    let machine = Machine::new(arn, &revision);
    let put = server.engine.put_machine(machine.clone(), Some(revision.clone()));
    put.await.expect("it is kept");
    let items = json!([{"item": "one"}, {"item": "two", "bad": 1}, {"item": "three"}]);
    let request = StartRequest::new(Arc::new(machine), revision, "all".to_owned(), items);
    let started = server.engine.start(request).await.expect("it begins");
    server.engine.ended(&started.arn).await.expect("it ends");
    settled(&server).await;
    server.finds_so_many("status:failed two", 1).await;
    // The input of the whole has all of them.
    server.finds("one", &["all"]).await;
    server.finds("status:succeeded", &["all"]).await;
    server.close().await;
}
