//! How many turns a second a store in PostgreSQL takes, and where its time goes.
//!
//! `cargo run --release --bin store-appends URL [SECONDS [AT-ONCE]]`. The database must be one that may be
//! written to; executions are left in it.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use stepwright_store::{About, Append, ExecutionId, Postgres, Shards, Status, Store};

/// The turns of an execution: its start, those in the middle, its end.
const TURNS: u64 = 6;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let Some(url) = arguments.next() else {
        eprintln!("usage: store-appends URL [SECONDS [AT-ONCE]]");
        return ExitCode::from(2);
    };
    let mut number = |or: u64| arguments.next().and_then(|text| text.parse().ok()).unwrap_or(or);
    let (seconds, at_once) = (number(15), number(1_024));
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.enable_all().build().expect("threads can be started");
    runtime.block_on(measure(&url, Duration::from_secs(seconds), at_once));
    ExitCode::SUCCESS
}

async fn measure(url: &str, lasts: Duration, at_once: u64) {
    let store = Arc::new(Postgres::open(url, "bench").await.expect("it opens"));
    let nodes = store.membership().expect("it has one");
    let claimed = nodes.claim(Shards::ALL).await.expect("it answers");
    assert!(claimed.are_all(), "another node uses the database");
    let (turns, executions) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let (begun, end) = (Instant::now(), Instant::now() + lasts);
    let mut tasks = Vec::new();
    for _ in 0..at_once {
        let (store, turns, executions) = (store.clone(), turns.clone(), executions.clone());
        tasks.push(tokio::spawn(async move {
            while Instant::now() < end {
                let id = store.new_id();
                for len in 0..TURNS {
                    store.append(turn(id, len)).await.expect("it is written");
                    turns.fetch_add(1, Ordering::Relaxed);
                }
                executions.fetch_add(1, Ordering::Relaxed);
            }
        }));
    }
    for task in tasks {
        task.await.expect("it does not panic");
    }
    let took = begun.elapsed().as_secs_f64();
    let rate = |count: &AtomicU64| count.load(Ordering::Relaxed) as f64 / took;
    println!("{:.0} turns/s, {:.0} executions/s, {at_once} at once", rate(&turns), rate(&executions));
    store.close().await;
}

fn turn(execution: ExecutionId, before: u64) -> Append {
    let is_last = before + 1 == TURNS;
    let machine = "arn:aws:states:us-east-1:123456789012:stateMachine:bench".to_owned();
    let about = || About {
        arn: format!("arn:aws:states:us-east-1:123456789012:execution:bench:{}", execution.0),
        machine,
        started_at: 1_700_000_000_000,
        more: vec![7; 60],
        ..About::default()
    };
    Append {
        execution,
        expected_len: before * 3,
        len: before * 3 + 3,
        chunk: vec![before as u8; 300],
        about: (before == 0).then(|| Box::new(about())),
        status: if is_last { Status::Succeeded } else { Status::Running },
        stopped_at: is_last.then_some(1_700_000_001_000),
        wake_at: (!is_last).then_some(1_700_000_000_500),
        is_owed: !is_last,
        redriven: None,
        map_runs: Vec::new(),
    }
}
