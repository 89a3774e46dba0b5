//! The floors of what is shown of the recorded behaviour. Skipped, saying so, where the recordings
//! are not at hand.

#[path = "../../store/tests/support/stores.rs"]
mod stores;

use std::path::PathBuf;
use stepwright_conformance::{KINDS, Verdict, summary};

/// Kind, measure, and how many in a hundred cases must reach it.
const FLOORS: &[(&str, &str, f64)] = &[
    ("execution", "status", 100.0),
    ("execution", "output", 99.0),
    ("execution", "error", 98.9),
    ("execution", "cause", 98.9),
    ("execution", "event types", 98.0),
    ("execution", "history", 98.0),
    ("recorded", "status", 99.0),
    ("recorded", "output", 99.0),
    ("recorded", "error", 99.0),
    ("recorded", "refusal", 99.0),
    ("recorded", "cause", 97.0),
    ("recorded", "cause, built", 97.0),
    ("recorded", "message", 97.0),
    ("noted", "status", 97.0),
    ("noted", "output", 97.0),
    ("noted", "error", 97.0),
    ("noted", "refusal", 97.0),
    ("noted", "cause", 97.0),
    ("mock config", "answer", 100.0),
    ("replay", "as recorded", 100.0),
    ("replay", "as exported", 100.0),
    ("replay", "changed", 100.0),
    ("served", "status", 100.0),
    ("served", "output", 99.0),
    ("served", "error", 98.9),
    ("served", "cause", 98.9),
    ("served", "event types", 98.0),
    ("served", "history", 98.0),
    ("wire", "status", 100.0),
    // Two call a queue at a host that does not exist, one has a header in small letters.
    ("wire", "output", 95.0),
    ("wire", "error", 100.0),
    ("wire", "cause", 90.0),
    ("wire", "event types", 100.0),
    ("wire", "history", 95.0),
    ("api", "step", 97.0),
    ("teststate", "exact", 99.0),
    ("rows", "answer", 100.0),
    ("rows", "history", 100.0),
    ("allma", "scenario", 100.0),
    ("validation", "recorded", 100.0),
    ("validation", "measured", 97.0),
    ("validation", "message", 97.0),
    ("validation", "fixtures", 85.0),
    ("corpus", "accepted", 96.0),
    ("corpus", "simulated", 96.0),
    ("corpus", "explored", 96.0),
    ("jsonpath", "answer", 100.0),
    ("jsonata", "suite 2.2.2", 100.0),
    ("jsonata", "suite 2.0.6", 100.0),
    ("jsonata", "other inputs", 99.9),
];

#[test]
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn recorded_behaviour_is_shown() {
    let data = std::env::var_os("STEPWRIGHT_SHARED").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
        PathBuf::from,
    );
    if !data.join("conformance").is_dir() {
        eprintln!("skipped: the recordings are not at hand");
        return;
    }
    for (kind, run) in KINDS {
        // In PostgreSQL a part of what an engine with a store runs; `cargo xtask conformance --store
        // postgres` has it all.
        if stores::is_postgres() && *kind != "api" {
            continue;
        }
        if !FLOORS.iter().any(|(known, ..)| *known == kind.replace('-', " ")) {
            continue;
        }
        let verdicts = run(&data).expect("the cases can be read");
        disagreements_are_explained(&verdicts);
        for (kind, measure, reached, all) in summary(&verdicts) {
            let share = 100.0 * reached as f64 / all as f64;
            let floor = FLOORS.iter().find(|(k, m, _)| *k == kind && *m == measure);
            let floor = floor.map_or(100.0, |(.., floor)| *floor);
            assert!(share >= floor, "{kind} {measure}: {reached} of {all} is below {floor} %");
        }
    }
}

/// A validator's fixture that we judge otherwise is listed in the manual with the reason, and no
/// other is.
fn disagreements_are_explained(verdicts: &[Verdict]) {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/src/validator-disagreements.md");
    let listed = std::fs::read_to_string(page).expect("the manual has the page");
    for verdict in verdicts {
        for (measure, result) in &verdict.measures {
            if *measure == "fixtures" {
                let explained = listed.contains(&format!("`{}`", verdict.name));
                assert_eq!(result.is_err(), explained, "{}: {result:?}", verdict.name);
            }
        }
    }
}
