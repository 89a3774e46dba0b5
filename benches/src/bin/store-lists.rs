//! A store with very many executions of one machine: what its lists, its counts and an examination
//! of it take.
//!
//! `cargo run --release --bin store-lists [EXECUTIONS [DIRECTORY]]`. A directory that is there is
//! measured as it is; without one, a store is made and removed again.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use stepwright_engine::{Call, Engine, Machine, Options, Report, Revision, StartRequest, Tasks};
use stepwright_json::json;
use stepwright_program::{Limits, Vintage};
use stepwright_store::{Filter, Page, Sorted, Sqlite, Status, Store};

const MACHINE: &str = "arn:aws:states:us-east-1:123456789012:stateMachine:many";

/// Ten states, and an end that the input chooses.
fn definition() -> String {
    let mut states = String::new();
    for n in 0..9 {
        states += &format!("\"S{n}\":{{\"Type\":\"Pass\",\"Next\":\"S{}\"}},", n + 1);
    }
    format!(
        r#"{{"StartAt":"S0","States":{{{states}
            "S9":{{"Type":"Choice","Default":"Done","Choices":[
                {{"Variable":"$.end","StringEquals":"fail","Next":"Fail"}},
                {{"Variable":"$.end","StringEquals":"wait","Next":"Wait"}}]}},
            "Wait":{{"Type":"Wait","Seconds":31000000,"Next":"Done"}},
            "Fail":{{"Type":"Fail","Error":"Broken"}},
            "Done":{{"Type":"Succeed"}}}}}}"#
    )
}

/// No task is run here.
struct Nobody;

impl Tasks for Nobody {
    fn run(&self, _call: Call, _report: Report) {}
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let count = arguments.next().map_or(Ok(1_000_000), |text| text.parse());
    let Ok(count) = count else {
        eprintln!("the number of executions is no number");
        return ExitCode::from(2);
    };
    let given = arguments.next().map(PathBuf::from);
    let made = std::env::temp_dir().join(format!("stepwright-lists-{}", std::process::id()));
    let folder = given.clone().unwrap_or_else(|| made.clone());
    let is_there = folder.join("stepwright.db").is_file();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("threads can be started");
    runtime.block_on(measure(&folder, count, is_there));
    if given.is_none() {
        std::fs::remove_dir_all(made).expect("it was made here");
    }
    ExitCode::SUCCESS
}

async fn measure(folder: &Path, count: u64, is_there: bool) {
    let began = Instant::now();
    let store = Arc::new(Sqlite::open(folder).expect("the store can be opened"));
    line("opening", began.elapsed(), "");
    let engine = Engine::closed(Options::new(store.clone(), Arc::new(Nobody)))
        .await
        .expect("the store can be read");
    if !is_there {
        let began = Instant::now();
        fill(&engine, count).await;
        let took = began.elapsed();
        let rate = format!("{:.0} a second", count as f64 / took.as_secs_f64());
        line(&format!("filling with {count}"), took, &rate);
    }
    let size = format!("{} MB", store.size() >> 20);
    line("size", Duration::ZERO, &size);

    let machine = || Filter { machine: Some(MACHINE.to_owned()), ..Filter::default() };
    let statuses = [Status::Running, Status::Succeeded, Status::Failed, Status::Aborted];
    for status in statuses {
        let filter = Filter { status: Some(status), ..machine() };
        for most in [100, 1_000] {
            list(&*store, &format!("{most} {}", status.name()), &filter, most).await;
        }
    }
    list(&*store, "100 of any status", &machine(), 100).await;
    list(&*store, "1000 of any status", &machine(), 1_000).await;
    list(&*store, "the 50 latest of all", &Filter::default(), 50).await;
    let orders = [
        ("50 that began first", Sorted::Oldest { filter: machine(), after: None }),
        (
            "50 that failed first",
            Sorted::Oldest {
                filter: Filter { status: Some(Status::Failed), ..machine() },
                after: None,
            },
        ),
        (
            "50 by name",
            Sorted::Named { machine: MACHINE.to_owned(), prefix: String::new(), after: None },
        ),
        (
            "50 whose names begin with a",
            Sorted::Named { machine: MACHINE.to_owned(), prefix: "a".to_owned(), after: None },
        ),
        ("500 that ended last", Sorted::Ended { after: None }),
    ];
    for (what, sorted) in orders {
        let most = if what.starts_with("500") { 500 } else { 51 };
        let took = median(async || store.sorted(sorted.clone(), most).await).await;
        line(what, took, "");
    }
    let took = median(async || store.count(machine()).await).await;
    line("counts of the machine", took, "");

    // As a page of a console asks.
    let took = median(async || {
        store.count(machine()).await?;
        store.list(Filter::default(), Page { after: None, most: 50 }).await
    })
    .await;
    line("what the first page asks", took, "");

    let last = Arc::new(AtomicU64::new(0));
    let told = last.clone();
    let began = Instant::now();
    let examination = engine
        .examine(Arc::default(), move |progress| {
            let tenth = progress.examined * 10 / progress.total.max(1);
            if told.fetch_max(tenth, Ordering::Relaxed) < tenth {
                let took = began.elapsed();
                line(&format!("doctor, {} %", tenth * 10), took, "");
            }
        })
        .await
        .expect("the store can be read");
    let found = format!(
        "{} examined, {} findings",
        examination.progress.examined,
        examination.findings.len()
    );
    line("doctor", began.elapsed(), &found);
    store.close().await;
}

/// Mostly successes; one in a thousand fails, one in ten thousand waits.
async fn fill(engine: &Engine, count: u64) {
    let program = Revision::compile(&definition(), Limits::default(), Vintage::TODAY);
    let revision = Revision::new(
        "revision".to_owned(),
        definition(),
        "arn:aws:iam::123456789012:role/any".to_owned(),
        program.expect("it is a definition"),
    );
    let machine = Machine::new(MACHINE.to_owned(), &revision);
    let (machine, revision) = (Arc::new(machine), Arc::new(revision));
    let put = engine.put_machine((*machine).clone(), Some(revision.clone())).await;
    put.expect("the machine is kept");
    let next = Arc::new(AtomicU64::new(0));
    let mut clients = Vec::new();
    for _ in 0..256 {
        let (engine, next) = (engine.clone(), next.clone());
        let (machine, revision) = (machine.clone(), revision.clone());
        clients.push(tokio::spawn(async move {
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if n >= count {
                    return;
                }
                let end = match n {
                    n if n % 10_000 == 77 => "wait",
                    n if n % 1_000 == 500 => "fail",
                    _ => "well",
                };
                let pad = format!("{n:0300}");
                let name = format!("{:016x}", n.wrapping_mul(0x9E37_79B9_7F4A_7C15));
                let input = json!({"end": end, "pad": (pad.as_str())});
                let (machine, revision) = (machine.clone(), revision.clone());
                let request = StartRequest::new(machine, revision, name, input);
                engine.start(request).await.expect("it is started");
            }
        }));
    }
    for client in clients {
        client.await.expect("no client panics");
    }
}

async fn list(store: &dyn Store, what: &str, filter: &Filter, most: usize) {
    let page = Page { after: None, most: most + 1 };
    let took = median(async || store.list(filter.clone(), page).await).await;
    let first = store.list(filter.clone(), page).await.expect("they can be listed");
    let found = format!("{} found", first.len().min(most));
    line(what, took, &found);
}

/// What one of many takes.
async fn median<T, E: std::fmt::Debug>(mut ask: impl AsyncFnMut() -> Result<T, E>) -> Duration {
    let mut took = Vec::new();
    for _ in 0..21 {
        let began = Instant::now();
        ask().await.expect("it can be read");
        took.push(began.elapsed());
    }
    took.sort();
    took[took.len() / 2]
}

fn line(what: &str, took: Duration, more: &str) {
    println!("{what:<32} {:>12.3} ms  {more}", took.as_secs_f64() * 1_000.0);
}
