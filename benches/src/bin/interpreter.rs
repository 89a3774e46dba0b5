//! What a transition costs: chains of Pass and Choice, a loop, a Map, start-up.

use std::time::{Duration, Instant};
use stepwright_asl::Definition;
use stepwright_json::{Json, Syntax};
use stepwright_program::{Limits, Program};
use stepwright_simulator::{Answer, Call, Simulation, Status};

/// As the binary does.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    println!("{:<44} {:>14} {:>14}", "interpreter", "ours", "floor");
    let chain = compile(&chain_definition());
    let input = stepwright_json::parse(&order(1_000)).expect("the input is JSON");
    let (took, transitions) = best(|| run(&chain, &input), 10);
    row(
        "10-state Pass/Choice chain, 1 KB: transitions/s",
        format!("{:.2} M/s", transitions as f64 / took.as_secs_f64() / 1e6),
        "1.00 M/s",
    );
    for transitions in [10_000u32, 20_000, 40_000] {
        let looped = compile(&loop_definition(transitions / 2));
        let (took, done) = best(|| run(&looped, &Json::from(stepwright_json::Object::new())), 5);
        row(
            &format!("loop of {done} transitions (States.MathAdd)"),
            format!("{:.2} ms, {:.0} ns each", ms(took), took.as_nanos() as f64 / done as f64),
            if transitions == 10_000 { "20 ms" } else { "" },
        );
    }
    for items in [1_000u32, 10_000, 100_000] {
        let map = compile(&map_definition());
        let input = stepwright_json::parse(&format!(
            "[{}]",
            (0..items).map(|item| item.to_string()).collect::<Vec<_>>().join(",")
        ))
        .expect("the input is JSON");
        let (took, _) = best(|| run(&map, &input), 5);
        row(
            &format!("inline Map over {items} items with a Pass"),
            format!("{:.2} ms", ms(took)),
            if items == 10_000 { "60 ms" } else { "" },
        );
    }
}

fn row(name: &str, ours: String, floor: &str) {
    println!("{name:<48} {ours:>22} {floor:>10}");
}

fn ms(took: Duration) -> f64 {
    took.as_secs_f64() * 1e3
}

/// The best of some runs, each long enough to be measured.
fn best(mut run: impl FnMut() -> u64, times: usize) -> (Duration, u64) {
    run();
    (0..times)
        .map(|_| {
            let start = Instant::now();
            let (mut transitions, mut rounds) = (0, 0u32);
            while rounds == 0 || start.elapsed() < Duration::from_millis(100) {
                transitions += run();
                rounds += 1;
            }
            (start.elapsed() / rounds, transitions / u64::from(rounds))
        })
        .min()
        .expect("there are runs")
}

/// Runs to the end and counts the transitions.
fn run(program: &Program, input: &Json) -> u64 {
    let run = Simulation::new(program)
        .input(input.clone())
        .run(&mut |_: &Call<'_>| Answer::returns(Json::Null));
    assert!(matches!(run.status, Status::Succeeded { .. }), "{:?}", run.status);
    let entered = |event: &&stepwright_history::Event| {
        matches!(event.kind, stepwright_history::EventKind::StateEntered { .. })
    };
    run.events.iter().filter(entered).count() as u64
}

fn compile(text: &str) -> Program {
    let definition = Definition::parse(text, Syntax::Strict).expect("the definition is JSON");
    let mut program = stepwright_program::compile(&definition).expect("the definition compiles");
    program.limits = Limits::EXTENDED;
    program
}

fn order(bytes: usize) -> String {
    let filler = "x".repeat(bytes.saturating_sub(60));
    format!(r#"{{"id":7,"status":"NEW","amount":12.5,"note":"{filler}"}}"#)
}

fn chain_definition() -> String {
    let mut states = Vec::new();
    for at in 0..10 {
        let next =
            if at == 9 { r#""End":true"#.to_owned() } else { format!(r#""Next":"S{}""#, at + 1) };
        states.push(if at % 2 == 0 {
            format!(r#""S{at}":{{"Type":"Pass","Result":{at},"ResultPath":"$.last",{next}}}"#)
        } else if at == 9 {
            format!(r#""S{at}":{{"Type":"Pass",{next}}}"#)
        } else {
            format!(
                r#""S{at}":{{"Type":"Choice","Choices":[{{"Variable":"$.status","StringEquals":"OLD","Next":"S0"}}],"Default":"S{}"}}"#,
                at + 1
            )
        });
    }
    format!(r#"{{"StartAt":"S0","States":{{{}}}}}"#, states.join(","))
}

fn loop_definition(rounds: u32) -> String {
    format!(
        r#"{{"StartAt":"Init","States":{{
        "Init":{{"Type":"Pass","Result":{{"n":0}},"Next":"Add"}},
        "Add":{{"Type":"Pass","Parameters":{{"n.$":"States.MathAdd($.n, 1)"}},"Next":"More"}},
        "More":{{"Type":"Choice","Choices":[{{"Variable":"$.n","NumericLessThan":{rounds},"Next":"Add"}}],"Default":"Done"}},
        "Done":{{"Type":"Succeed"}}}}}}"#
    )
}

fn map_definition() -> String {
    r#"{"StartAt":"Each","States":{"Each":{"Type":"Map","ItemProcessor":{"StartAt":"P",
    "States":{"P":{"Type":"Pass","End":true}}},"End":true}}}"#
        .to_owned()
}
