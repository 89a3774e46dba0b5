//! The official suite, and answers of jsonata-js to its expressions on other inputs.
//!
//! The data is beside the repository and not part of it; without it these tests do nothing.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "tests read files and say what they skip"
)]

use std::collections::BTreeSet;
use std::path::PathBuf;
use stepwright_json::{Json, Object};
use stepwright_jsonata::{Bindings, Dialect, Environment, Error, Expression, Limits};

/// Cases whose texts have half a surrogate pair, which text in Rust cannot have.
const SURROGATES: [&str; 2] =
    ["function-encodeUrl/case002.json", "function-encodeUrlComponent/case002.json"];

fn shared() -> Option<PathBuf> {
    let shared = std::env::var_os("STEPWRIGHT_SHARED").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
        PathBuf::from,
    );
    let data = shared.join("conformance/jsonata");
    if data.is_dir() {
        return Some(data);
    }
    println!("skipped: no conformance data at {}", data.display());
    None
}

fn lines(data: &std::path::Path, name: &str) -> Vec<Json> {
    let text = std::fs::read_to_string(data.join(name)).expect("the data is complete");
    text.lines()
        .filter(|line| !line.trim().is_empty())
        .map(|line| stepwright_json::parse(&unpaired(line)).expect("the data is JSON"))
        .collect()
}

/// Half a surrogate pair is not in JSON as we read it.
fn unpaired(line: &str) -> String {
    if line.contains("\"surrogate\":true") {
        line.replace("\\ud800", "\\ufffd")
    } else {
        line.to_owned()
    }
}

fn text<'j>(row: &'j Json, key: &str) -> &'j str {
    row.get(key).and_then(Json::as_str).unwrap_or_default()
}

fn bindings(bound: Option<&Object>) -> Bindings<'_> {
    let mut bindings = Bindings::new();
    for (name, value) in bound.into_iter().flat_map(Object::iter) {
        bindings = bindings.bind(name, value);
    }
    bindings
}

fn run(
    expression: &str,
    dialect: Dialect,
    input: Option<&Json>,
    bound: Option<&Object>,
    limits: &Limits<'_>,
) -> Result<Option<Json>, Error> {
    let environment = Environment { now_millis: 1_700_000_000_123, seed: 1 };
    Expression::compile(expression, dialect)?.evaluate(
        input,
        &bindings(bound),
        &environment,
        limits,
    )
}

fn check(row: &Json, datasets: &Object, dialect: Dialect) -> Result<(), String> {
    let input = row.get("input").and_then(Json::as_object).expect("a case has an input");
    let input = match input.get("dataset") {
        Some(name) => datasets.get(name.as_str().unwrap_or_default()),
        None => input.get("data"),
    };
    let mut limits =
        Limits { steps: 200_000_000, bytes: 2 << 30, depth: 4_000, ..Limits::default() };
    if let Some(depth) = row.get("depth").and_then(Json::as_i64) {
        limits.depth = depth as usize;
        // The suite stops after a time; steps are what we have for that.
        limits.steps = 60_000_000;
    }
    let bound = row.get("bindings").and_then(Json::as_object);
    let result = run(text(row, "expr"), dialect, input, bound, &limits);
    let expect = row.get("expect").expect("a case expects something");
    let right = match (text(expect, "kind"), &result) {
        ("undefined", Ok(None)) => true,
        ("undefined", Err(error)) => error.code == Error::FUNCTION_RESULT,
        ("result", Ok(Some(value))) => {
            let wanted = expect.get("result").expect("a result");
            value.same(wanted)
                || (row.get("unordered").is_some() && sorted(value).same(&sorted(wanted)))
        }
        ("error", Err(error)) => {
            error.code == text(expect, "code")
                && expect
                    .get("message")
                    .is_none_or(|message| message.as_str() == Some(error.message.as_str()))
                && expect.get("token").is_none_or(|token| token.as_str() == error.token.as_deref())
        }
        _ => false,
    };
    if right { Ok(()) } else { Err(format!("{expect} but is {result:?}")) }
}

fn sorted(value: &Json) -> Json {
    match value.as_array() {
        Some(items) => {
            let mut items: Vec<Json> = items.iter().cloned().collect();
            items.sort_by_key(Json::to_string);
            items.into()
        }
        None => value.clone(),
    }
}

fn suite(dialect: Dialect, wanted: impl Fn(&str) -> bool) {
    let Some(data) = shared() else { return };
    let datasets = std::fs::read_to_string(data.join("datasets.json")).expect("the datasets");
    let datasets = stepwright_json::parse(&datasets).expect("JSON");
    let datasets = datasets.as_object().expect("an object");
    let (mut right, mut wrong) = (0, Vec::new());
    for row in lines(&data, "cases.jsonl") {
        let id = text(&row, "id");
        if !wanted(id) || SURROGATES.contains(&id) {
            continue;
        }
        match check(&row, datasets, dialect) {
            Ok(()) => right += 1,
            Err(what) => wrong.push(format!("{id}: {}\n    {what}", text(&row, "expr"))),
        }
    }
    println!("{dialect:?}: {right} right, {} wrong", wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(right > 1_600, "only {right} cases");
}

#[test]
fn official_suite() {
    suite(Dialect::Latest, |_| true);
}

#[test]
fn official_suite_of_2_0_6() {
    let Some(data) = shared() else { return };
    let ids = std::fs::read_to_string(data.join("ids-2.0.6.json")).expect("the ids");
    let ids = stepwright_json::parse(&ids).expect("JSON");
    let ids: BTreeSet<String> = ids
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|id| id.as_str().map(str::to_owned))
        .collect();
    suite(Dialect::V2_0_6, |id| ids.contains(id));
}

#[test]
fn other_inputs() {
    let Some(data) = shared() else { return };
    let limits = Limits { steps: 200_000_000, bytes: 2 << 30, depth: 4_000, ..Limits::default() };
    let (mut right, mut wrong) = (0, Vec::new());
    for row in lines(&data, "cross-inputs.jsonl") {
        let bound = row.get("bindings").and_then(Json::as_object);
        let result = run(text(&row, "expr"), Dialect::Latest, row.get("data"), bound, &limits);
        let fine = match &result {
            Ok(Some(value)) => row.get("v").is_some_and(|wanted| value.same(wanted)),
            Ok(None) => row.get("u").is_some(),
            Err(error) if error.code == Error::FUNCTION_RESULT => row.get("u").is_some(),
            Err(error) => row.get("e").and_then(Json::as_str) == Some(error.code),
        };
        if fine {
            right += 1;
        } else {
            wrong.push(format!("{row}\n    but is {result:?}"));
        }
    }
    let share = f64::from(right) / (f64::from(right) + wrong.len() as f64);
    println!("other inputs: {right} right, {} wrong ({:.2} %)", wrong.len(), share * 100.0);
    assert!(share >= 0.999, "{}", wrong.join("\n"));
}
