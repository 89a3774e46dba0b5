//! Lenses: what can be done with a machine or a test, above the line where it begins.

use crate::analysis::{Analysis, ReadFile};
use crate::commands::{RUN, TEST};
use crate::samples::{self, Samples};
use crate::text::Position;
use crate::values::range_between;
use std::rc::Rc;
use stepwright_json::{Json, json};

pub(crate) fn lenses(
    uri: &str,
    analysis: &Analysis,
    read: &ReadFile<'_>,
    samples: &dyn Fn() -> Rc<Samples>,
) -> Json {
    if samples::is_test(&analysis.path) {
        return of_tests(uri, analysis, read).into();
    }
    let samples = samples();
    let mut found = Vec::new();
    for machine in analysis.own() {
        let name = machine.name.as_deref();
        let tests: Vec<_> = samples.of(name).collect();
        let cases: usize = tests.iter().map(|tested| tested.file.cases.len()).sum();
        let Some(first) = tests.iter().find_map(|tested| tested.file.cases.first()) else {
            continue;
        };
        let at = analysis.text.position(machine.root.span.start as usize);
        let tests = if cases == 1 { "Run 1 test".to_owned() } else { format!("Run {cases} tests") };
        let machine = name.map(Json::from).unwrap_or_default();
        found.push(lens(at, &tests, TEST, json!([uri, (machine.clone())])));
        let title = format!("Run in virtual time: {}", first.name);
        found.push(lens(at, &title, RUN, json!([uri, machine])));
    }
    found.into()
}

/// The lenses of a test file: one for all cases, and one for each.
fn of_tests(uri: &str, analysis: &Analysis, read: &ReadFile<'_>) -> Vec<Json> {
    let Ok(file) = samples::load_text(analysis.text.as_str(), &analysis.path, read) else {
        return Vec::new();
    };
    let mut found = vec![lens(Position::default(), "Run all tests", TEST, json!([uri, null]))];
    for case in &file.cases {
        let line = u32::try_from(case.line.saturating_sub(1)).unwrap_or(u32::MAX);
        let arguments = json!([uri, null, (case.name.as_str())]);
        found.push(lens(Position { line, character: 0 }, "Run this test", TEST, arguments));
    }
    found
}

fn lens(at: Position, title: &str, command: &str, arguments: Json) -> Json {
    json!({
        "range": (range_between(at, at)),
        "command": {"title": title, "command": command, "arguments": arguments}
    })
}
