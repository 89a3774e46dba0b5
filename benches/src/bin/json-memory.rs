//! The memory a JSON value takes. On its own because counting slows every allocation down.

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;
use stepwright_benches::{document, row};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() {
    let text = document();
    let (ours, our_bytes) = memory(|| stepwright_json::parse(&text).expect("JSON"));
    let (theirs, their_bytes) =
        memory(|| serde_json::from_str::<serde_json::Value>(&text).expect("JSON"));
    assert_eq!(ours.to_string(), theirs.to_string());
    let per_byte = |bytes: usize| bytes as f64 / text.len() as f64;
    row(&["measure", "ours", "floor", "serde_json", "ratio"].map(str::to_owned));
    row(&[
        "memory, times the text".to_owned(),
        format!("{:.2}", per_byte(our_bytes)),
        format!("{}3.00", if per_byte(our_bytes) <= 3.0 { "" } else { "MISSED " }),
        format!("{:.2}", per_byte(their_bytes)),
        format!("{:.1}", their_bytes as f64 / our_bytes as f64),
    ]);
}

/// Bytes that `make` leaves allocated.
fn memory<T>(make: impl FnOnce() -> T) -> (T, usize) {
    let region = Region::new(ALLOCATOR);
    let made = make();
    let change = region.change();
    let bytes = change.bytes_allocated as isize - change.bytes_deallocated as isize;
    (made, usize::try_from(bytes).unwrap_or_default())
}
