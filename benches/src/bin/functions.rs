//! Invocations of a trivial function (crate `lambda_runtime`) over the Lambda Runtime API: how many
//! in a second, and how long each takes.
//!
//! Build both programs first: `cargo build --release --bins`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use stepwright_functions::{Function, Functions, Invocation, Place};

/// How long each row is measured.
const TIME: Duration = Duration::from_secs(4);

const PAYLOAD: &str =
    r#"{"order":"ord-00000001","lines":[{"sku":"A-1","count":2},{"sku":"B-2","count":1}]}"#;

#[tokio::main]
async fn main() {
    let program = std::env::current_exe().expect("a path").with_file_name("trivial-function");
    assert!(program.is_file(), "run `cargo build --release --bins` first");
    println!("| clients | processes | invocations/s | p50 µs | p99 µs |");
    println!("|--:|--:|--:|--:|--:|");
    for (clients, processes) in [(1, 1), (4, 4), (16, 4), (16, 16), (64, 4), (64, 64)] {
        let function = Function {
            bootstrap: Some(vec![program.to_str().expect("UTF-8").to_owned()]),
            ..Function::default()
        };
        // A function of its own for each process, so that clients share processes by waiting.
        let functions: BTreeMap<_, _> =
            (0..processes).map(|number| (format!("f{number}"), function.clone())).collect();
        let functions = Functions::new(functions, ".".into(), Place::default()).expect("usable");
        measure(&functions, clients, processes).await;
        functions.shutdown().await;
    }
}

async fn measure(functions: &Functions, clients: usize, processes: usize) {
    let turns: Arc<Vec<_>> =
        Arc::new((0..processes).map(|_| tokio::sync::Mutex::new(())).collect());
    let is_over = Arc::new(AtomicBool::new(false));
    let client = |number: usize| {
        let (functions, turns, is_over) = (functions.clone(), turns.clone(), is_over.clone());
        async move {
            let at = number % processes;
            let mut times = Vec::new();
            while !is_over.load(Ordering::Relaxed) {
                let turn = turns[at].lock().await;
                let began = Instant::now();
                let invocation = Invocation {
                    function: format!("f{at}"),
                    payload: PAYLOAD.into(),
                    ..Invocation::default()
                };
                let reply = functions.invoke(invocation).await.expect("an answer");
                times.push(began.elapsed());
                drop(turn);
                assert_eq!(reply.payload, PAYLOAD.as_bytes());
            }
            times
        }
    };
    // The processes start before the clock does.
    let warm = (0..processes).map(|number| {
        let functions = functions.clone();
        let function = format!("f{number}");
        tokio::spawn(async move {
            let invocation = Invocation { function, ..Invocation::default() };
            functions.invoke(invocation).await.expect("an answer");
        })
    });
    for start in warm.collect::<Vec<_>>() {
        start.await.expect("no panic");
    }
    let began = Instant::now();
    let running: Vec<_> = (0..clients).map(|number| tokio::spawn(client(number))).collect();
    tokio::time::sleep(TIME).await;
    is_over.store(true, Ordering::Relaxed);
    let mut times = Vec::new();
    for client in running {
        times.extend(client.await.expect("no panic"));
    }
    let rate = times.len() as f64 / began.elapsed().as_secs_f64();
    times.sort_unstable();
    let at = |part: usize| times[(times.len() - 1) * part / 100].as_micros();
    println!("| {clients} | {processes} | {rate:.0} | {} | {} |", at(50), at(99));
}
