//! A suite of 1,000 tests over one machine of 20 states, each with days of waiting, as
//! `stepwright test` runs it: the file is read, the definition compiled once, the cases run on as
//! many threads as there are processors.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use stepwright_testkit::{NoFunctions, load};

/// As the binary does.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const TESTS: usize = 1_000;

fn main() {
    let (machine, tests) = (machine(), tests());
    let mut best = Duration::MAX;
    let mut days = 0;
    for _ in 0..5 {
        let begun = Instant::now();
        days = suite(&machine, &tests);
        best = best.min(begun.elapsed());
    }
    println!("{:<48} {:>22} {:>10}", "testkit", "ours", "floor");
    println!(
        "{:<48} {:>22} {:>10}",
        format!("{TESTS} tests, 20 states, {days} days of waiting"),
        format!("{:.1} ms", best.as_secs_f64() * 1e3),
        "1000 ms"
    );
}

/// Runs the suite and says how many virtual days it took.
fn suite(machine: &str, tests: &str) -> i64 {
    let read = |_: &str| Ok(machine.as_bytes().to_vec());
    let file = load("order.test.yaml", tests, &read).expect("the suite can be read");
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let next = AtomicUsize::new(0);
    let work = || {
        let mut millis = 0;
        while let Some(case) = file.cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            let result = file.run(case, &NoFunctions, &|_| None);
            assert!(result.passed(), "{}: {:?}", result.name, result.mismatches);
            millis += result.elapsed_millis;
        }
        millis
    };
    let millis: i64 = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let own = work();
        own + others.into_iter().map(|thread| thread.join().expect("it ends")).sum::<i64>()
    });
    millis / 86_400_000
}

/// A task that is tried again, a choice, a wait of a day, and so on: 20 states.
fn machine() -> String {
    let mut states = String::new();
    for at in 0..4 {
        let next = if at == 3 { "\"Done\"".to_owned() } else { format!("\"Task{}\"", at + 1) };
        write!(
            states,
            r#""Task{at}": {{"Type": "Task", "Resource": "arn:aws:lambda:us-east-1:123456789012:function:f{at}",
                "ResultPath": "$.r{at}", "Next": "Note{at}",
                "Retry": [{{"ErrorEquals": ["Busy"], "IntervalSeconds": 3600, "MaxAttempts": 3}}],
                "Catch": [{{"ErrorEquals": ["States.ALL"], "Next": "Failed"}}]}},
            "Note{at}": {{"Type": "Pass", "Parameters": {{"at": {at}, "id.$": "$.id", "ok.$": "$.r{at}.ok"}}, "Next": "Which{at}"}},
            "Which{at}": {{"Type": "Choice", "Choices": [{{"Variable": "$.ok", "BooleanEquals": true, "Next": "Wait{at}"}}], "Default": "Failed"}},
            "Wait{at}": {{"Type": "Wait", "Seconds": 86400, "Next": {next}}},"#
        )
        .expect("strings grow");
    }
    format!(
        r#"{{"StartAt": "First", "States": {{"First": {{"Type": "Pass", "Next": "Second"}},
        "Second": {{"Type": "Pass", "Next": "Task0"}}, {states}
        "Done": {{"Type": "Succeed"}}, "Failed": {{"Type": "Fail", "Error": "Failed"}}}}}}"#
    )
}

fn tests() -> String {
    let mut text = String::from(
        "definition: order.asl.json\ndefaults:\n  mocks:\n    Task0: {return: {ok: true}}\n    \
         Task1: {by: attempt, answers: [{fail: Busy}, {return: {ok: true}}]}\n    \
         Task2: {return: {ok: true}, after: 30s}\n    Task3: {return: {ok: true}}\ncases:\n",
    );
    for at in 0..TESTS {
        write!(
            text,
            "  - name: order {at}\n    input: {{id: {at}}}\n    expect:\n      output: {{at: 3, id: {at}, ok: true}}\n      \
             states: {{Task1: {{called: 2}}, Failed: {{entered: 0}}}}\n      elapsed: 4d 1h 30s\n"
        )
        .expect("strings grow");
    }
    text
}
