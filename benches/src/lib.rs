//! What the benches share: a document that is always the same, a stopwatch, and a table.

use std::hint::black_box;
use std::time::{Duration, Instant};

/// About 200 KB: orders as a workflow would hand them on, the same on every machine.
pub fn document() -> String {
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = move |below: u64| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed % below
    };
    let names = ["Ada Lovelace", "Grace Hopper", "Alan Turing", "Barbara Liskov", "Niklaus Wirth"];
    let notes = [
        "leave at the door",
        "call \\\"before\\\" delivery, second floor on the left, please",
        "größer als gedacht",
        "",
    ];
    let mut out = String::from(
        r#"{"meta":{"id":"batch-2024-11-21","source":{"region":"eu-west-1","account":{"id":"123456789012","owner":{"name":"ops","level":3}}},"count":700,"dry":false},"orders":["#,
    );
    for at in 0..700 {
        if at > 0 {
            out.push(',');
        }
        out += &format!(
            r#"{{"id":"ord-{:08}","customer":{{"name":"{}","vip":{},"email":"customer{}@example.com"}},"lines":["#,
            at * 7919 % 1_000_003,
            names[random(5) as usize],
            random(4) == 0,
            random(100_000),
        );
        for line in 0..1 + random(2) {
            if line > 0 {
                out.push(',');
            }
            out += &format!(
                r#"{{"sku":"SKU-{:05}","quantity":{},"price":{}.{}{}}}"#,
                random(100_000),
                1 + random(9),
                random(500),
                random(10),
                1 + random(9)
            );
        }
        out += &format!(
            r#"],"total":{},"status":"{}","note":"{}","tags":["a{}","b"],"parent":null}}"#,
            random(100_000),
            ["open", "paid", "sent"][random(3) as usize],
            notes[random(4) as usize],
            random(50)
        );
    }
    out += "]}";
    out
}

/// The best mean of several runs, in nanoseconds.
pub fn time<T>(mut run: impl FnMut() -> T) -> f64 {
    let start = Instant::now();
    let mut warm = 0u32;
    while start.elapsed() < Duration::from_millis(50) {
        black_box(run());
        warm += 1;
    }
    let rounds = warm.clamp(1, 10_000_000);
    let mut best = f64::MAX;
    for _ in 0..7 {
        let start = Instant::now();
        for _ in 0..rounds {
            black_box(run());
        }
        best = best.min(start.elapsed().as_nanos() as f64 / f64::from(rounds));
    }
    best
}

/// As [`time`], but dropping what `run` makes is not counted.
pub fn time_kept<T>(mut run: impl FnMut() -> T) -> f64 {
    let mut best = f64::MAX;
    for _ in 0..50 {
        let mut kept = Vec::with_capacity(10);
        let start = Instant::now();
        for _ in 0..10 {
            kept.push(black_box(run()));
        }
        best = best.min(start.elapsed().as_nanos() as f64 / 10.0);
    }
    best
}

/// Nanoseconds as a person reads them.
pub fn duration(nanoseconds: f64) -> String {
    if nanoseconds < 1_000.0 {
        format!("{nanoseconds:.1} ns")
    } else {
        format!("{:.1} µs", nanoseconds / 1_000.0)
    }
}

/// One line of a table.
pub fn row(cells: &[String]) {
    let (first, rest) = cells.split_first().expect("a first cell");
    print!("{first:<44}");
    rest.iter().for_each(|cell| print!("{cell:>16}"));
    println!();
}
