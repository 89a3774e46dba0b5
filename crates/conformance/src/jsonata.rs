//! The official JSONata suite, and answers of the reference implementation on other inputs.

use crate::Verdict;
use crate::case::{lines, read};
use std::collections::BTreeSet;
use std::path::Path;
use stepwright_json::{Json, Object};
use stepwright_jsonata::{Bindings, Dialect, Environment, Error, Expression, Limits};

/// Cases whose texts have half a surrogate pair, which text here cannot have.
pub const SURROGATES: [&str; 2] =
    ["function-encodeUrl/case002.json", "function-encodeUrlComponent/case002.json"];

/// Runs the suite in both versions, and the other inputs.
pub fn run_all(data: &Path) -> Result<Vec<Verdict>, String> {
    let data = data.join("conformance/jsonata");
    let datasets = read(&data.join("datasets.json"))?;
    let datasets = datasets.as_object().cloned().unwrap_or_default();
    let ids = read(&data.join("ids-2.0.6.json"))?;
    let ids: BTreeSet<&str> =
        ids.as_array().into_iter().flatten().filter_map(Json::as_str).collect();
    let mut verdicts = Vec::new();
    for row in lines(&data.join("cases.jsonl"))? {
        let id = text(&row, "id").to_owned();
        if SURROGATES.contains(&id.as_str()) {
            continue;
        }
        let mut verdict = Verdict::new("jsonata", id.clone());
        verdict.measure("suite 2.2.2", suite(&row, &datasets, Dialect::Latest));
        if ids.contains(id.as_str()) {
            verdict.measure("suite 2.0.6", suite(&row, &datasets, Dialect::V2_0_6));
        }
        verdicts.push(verdict);
    }
    for (at, row) in lines(&data.join("cross-inputs.jsonl"))?.iter().enumerate() {
        let mut verdict = Verdict::new("jsonata", format!("{}~{at}", text(row, "id")));
        verdict.measure("other inputs", other_input(row));
        verdicts.push(verdict);
    }
    Ok(verdicts)
}

fn text<'j>(row: &'j Json, key: &str) -> &'j str {
    row.get(key).and_then(Json::as_str).unwrap_or_default()
}

fn limits() -> Limits<'static> {
    Limits { steps: 200_000_000, bytes: 2 << 30, depth: 4_000, ..Limits::default() }
}

fn evaluate(
    row: &Json,
    dialect: Dialect,
    input: Option<&Json>,
    limits: &Limits<'_>,
) -> Result<Option<Json>, Error> {
    let bound = row.get("bindings").and_then(Json::as_object);
    let mut bindings = Bindings::new();
    for (name, value) in bound.into_iter().flat_map(Object::iter) {
        bindings = bindings.bind(name, value);
    }
    let environment = Environment { now_millis: 1_700_000_000_123, seed: 1 };
    Expression::compile(text(row, "expr"), dialect)?.evaluate(
        input,
        &bindings,
        &environment,
        limits,
    )
}

fn suite(row: &Json, datasets: &Object, dialect: Dialect) -> Result<(), String> {
    let input = row.get("input").cloned().unwrap_or_default();
    let input = match input.get("dataset").and_then(Json::as_str) {
        Some(name) => datasets.get(name),
        None => input.get("data"),
    };
    let mut limits = limits();
    if let Some(depth) = row.get("depth").and_then(Json::as_i64) {
        limits.depth = depth as usize;
        // The suite stops after a time; steps are what we have for that.
        limits.steps = 60_000_000;
    }
    let result = evaluate(row, dialect, input, &limits);
    let expect = row.get("expect").cloned().unwrap_or_default();
    let right = match (text(&expect, "kind"), &result) {
        ("undefined", Ok(None)) => true,
        ("undefined", Err(error)) => error.code == Error::FUNCTION_RESULT,
        ("result", Ok(Some(value))) => expect.get("result").is_some_and(|wanted| {
            value.same(wanted)
                || (row.get("unordered").is_some() && sorted(value).same(&sorted(wanted)))
        }),
        ("error", Err(error)) => {
            error.code == text(&expect, "code")
                && expect
                    .get("message")
                    .is_none_or(|message| message.as_str() == Some(error.message.as_str()))
                && expect.get("token").is_none_or(|token| token.as_str() == error.token.as_deref())
        }
        _ => false,
    };
    if right { Ok(()) } else { Err(format!("{expect} but is {result:?}")) }
}

fn other_input(row: &Json) -> Result<(), String> {
    let result = evaluate(row, Dialect::Latest, row.get("data"), &limits());
    // A row tells a value as a list of one, as the recorder wrapped it.
    let right = match &result {
        Ok(Some(value)) => row.get("v").is_some_and(|wanted| value.same(wanted)),
        Ok(None) => row.get("u").is_some(),
        Err(error) if error.code == Error::FUNCTION_RESULT => row.get("u").is_some(),
        Err(error) => row.get("e").and_then(Json::as_str) == Some(error.code),
    };
    if right { Ok(()) } else { Err(format!("{row} but is {result:?}")) }
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
