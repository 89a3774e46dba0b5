//! JSONata expressions as states evaluate them, against npm `jsonata` and the crate
//! `jsonata-core`: compiled once, `$states` bound, one document of 158 KB.
//!
//! Every peer is measured at its best of many rounds in the same run. The exit code says whether
//! all gave the same answers, never how fast they were.

use jsonata_core::evaluator::{Context, Evaluator};
use jsonata_core::value::JValue;
use std::hint::black_box;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};
use stepwright_json::{Json, json};
use stepwright_jsonata::{Bindings, Dialect, Environment, Expression, Limits};

const EXPRESSIONS: [(&str, &str); 9] = [
    ("field", "$states.input.customer.address.city"),
    (
        "condition",
        "$states.input.total > 1000 and $states.input.customer.tier = 'gold' ? 'review' : 'ship'",
    ),
    (
        "construct",
        "{'id': $states.input.id, 'city': $states.input.customer.address.city, \
         'total': $states.input.total * 1.2, 'urgent': $states.input.priority > 3}",
    ),
    (
        "concat",
        "'Order ' & $states.input.id & ' of ' & $states.input.customer.name & ': ' & \
         $states.input.total",
    ),
    ("$merge", "$merge([$states.input.customer, {'id': $states.input.id, 'tier': 'silver'}])"),
    (
        "filter+map of 1,000",
        "$states.input.items[price > 50].{'sku': sku, 'cost': price * quantity}",
    ),
    (
        "$map/$filter of 1,000",
        "$map($filter($states.input.items, function($i) { $i.price > 50 }), \
         function($i) { $i.price * $i.quantity })",
    ),
    ("$sum of 1,000", "$sum($states.input.items.price)"),
    ("sort of 1,000", "$states.input.items^(price).sku"),
];

const SECONDS: f64 = 1.5;

fn main() -> ExitCode {
    let states = document();
    let text = states.to_string();
    println!("document: {} KB", text.len() / 1000);
    let npm = match npm(&text) {
        Ok(npm) => Some(npm),
        Err(error) => {
            println!("npm jsonata is left out: {error}");
            None
        }
    };
    println!(
        "{:<22} {:>12} {:>12} {:>14} {:>9} {:>9}",
        "", "ours ns", "npm ns", "core ns", "npm ÷", "core ÷"
    );
    let mut equal = true;
    let (mut npm_log, mut core_log) = (0.0, 0.0);
    for (index, (name, expression)) in EXPRESSIONS.iter().enumerate() {
        let (value, ours) = ours(expression, &states);
        let (core_value, core) = core(expression, &text);
        let npm = npm.as_ref().map(|npm| &npm[index]);
        equal &= same(name, "jsonata-core", &value, &core_value);
        if let Some((npm_value, _)) = npm {
            equal &= same(name, "npm jsonata", &value, npm_value);
        }
        let npm = npm.map_or(f64::NAN, |(_, nanoseconds)| *nanoseconds);
        npm_log += (npm / ours).ln();
        core_log += (core / ours).ln();
        println!(
            "{name:<22} {ours:>12.0} {npm:>12.0} {core:>14.0} {:>9.1} {:>9.1}",
            npm / ours,
            core / ours
        );
    }
    let count = EXPRESSIONS.len() as f64;
    println!(
        "{:<22} {:>12} {:>12} {:>14} {:>9.1} {:>9.1}",
        "geometric mean",
        "",
        "",
        "",
        (npm_log / count).exp(),
        (core_log / count).exp()
    );
    if equal { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn same(name: &str, peer: &str, ours: &Json, theirs: &Json) -> bool {
    let same = ours.same(theirs);
    if !same {
        println!("{name}: {peer} gives another answer: {theirs}");
    }
    same
}

/// The time of one round of `once`, the best of many.
fn measure(mut once: impl FnMut()) -> f64 {
    let warm_until = Instant::now() + Duration::from_secs_f64(SECONDS * 0.2);
    let mut warm = 0u32;
    while Instant::now() < warm_until {
        once();
        warm += 1;
    }
    let count = (warm / 50).max(1);
    let mut best = f64::INFINITY;
    let end = Instant::now() + Duration::from_secs_f64(SECONDS * 0.8);
    while Instant::now() < end {
        let start = Instant::now();
        for _ in 0..count {
            once();
        }
        best = best.min(start.elapsed().as_nanos() as f64 / f64::from(count));
    }
    best
}

fn ours(expression: &str, states: &Json) -> (Json, f64) {
    let expression = Expression::compile(expression, Dialect::StepFunctions).expect("it compiles");
    let environment = Environment::default();
    let limits = Limits::default();
    let once = || {
        let bindings = Bindings::new().bind("states", states);
        expression
            .evaluate(None, &bindings, &environment, &limits)
            .expect("it has a value")
            .expect("it is defined")
    };
    let value = once();
    (value, measure(|| drop(black_box(once()))))
}

fn core(expression: &str, states: &str) -> (Json, f64) {
    let ast = jsonata_core::parser::parse(expression).expect("it compiles");
    let states = JValue::from_json_str(states).expect("the document is JSON");
    let mut context = Context::new();
    context.bind("states".to_owned(), states);
    let mut evaluator = Evaluator::with_context(context);
    let input = JValue::from(serde_json::json!({}));
    let mut once = || evaluator.evaluate(&ast, &input).expect("it has a value");
    let value = once().to_json_string().expect("the value is JSON");
    let value = stepwright_json::parse(&value).expect("the value is JSON");
    (value, measure(|| drop(black_box(once()))))
}

fn npm(states: &str) -> Result<Vec<(Json, f64)>, String> {
    let peers = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers");
    let fail = |what: &'static str| move |error: std::io::Error| format!("{what}: {error}");
    if !peers.join("node_modules/jsonata").is_dir() {
        let installed = Command::new("npm")
            .args(["install", "--no-audit", "--no-fund", "--no-package-lock"])
            .current_dir(&peers)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .map_err(fail("npm"))?;
        if !installed.success() {
            return Err("npm install failed".to_owned());
        }
    }
    let expressions: Vec<Json> = EXPRESSIONS.iter().map(|(_, text)| Json::from(*text)).collect();
    let request = format!(
        "{{\"states\":{states},\"seconds\":{SECONDS},\"expressions\":{}}}",
        Json::from(expressions)
    );
    let mut node = Command::new("node")
        .arg("jsonata.js")
        .current_dir(&peers)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(fail("node"))?;
    if let Some(mut stdin) = node.stdin.take() {
        stdin.write_all(request.as_bytes()).map_err(fail("node"))?;
    }
    let output = node.wait_with_output().map_err(fail("node"))?;
    let output = stepwright_json::parse_bytes(&output.stdout).map_err(|error| error.to_string())?;
    output
        .as_array()
        .filter(|results| results.len() == EXPRESSIONS.len())
        .ok_or_else(|| "node gave no results".to_owned())?
        .iter()
        .map(|result| {
            let value = result.get("value").cloned().unwrap_or_default();
            let nanoseconds = result.get("nanoseconds").and_then(Json::as_f64);
            nanoseconds.map(|nanoseconds| (value, nanoseconds)).ok_or_else(|| "no time".to_owned())
        })
        .collect()
}

/// What a state sees: an order with a thousand items, the same in every run.
fn document() -> Json {
    let mut chance = 42u64;
    let mut next = |below: u64| {
        chance =
            chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (chance >> 33) % below
    };
    let items: Vec<Json> = (0..1_000)
        .map(|index| {
            let price = next(10_000) as f64 / 100.0;
            let quantity = next(9) as i64 + 1;
            let number = next(1_000_000);
            let category = ["tools", "garden", "kitchen", "office"][next(4) as usize];
            json!({
                "sku": (format!("SKU-{number:08}")),
                "name": (format!("Product number {index} of our catalogue")),
                "category": category,
                "price": price,
                "quantity": quantity,
                "stock": {"warehouse": (format!("W{}", next(20))), "amount": (next(500) as i64)}
            })
        })
        .collect();
    json!({
        "input": {
            "id": "ord-20260101-0042",
            "priority": 4,
            "total": 1234.5,
            "customer": {
                "name": "Ada Lovelace",
                "tier": "gold",
                "email": "ada@example.com",
                "address": {"street": "12 St James's Square", "city": "London", "zip": "SW1Y"}
            },
            "items": items
        },
        "context": {
            "Execution": {"Name": "run-1", "StartTime": "2026-01-01T00:00:00Z"},
            "State": {"Name": "Review", "EnteredTime": "2026-01-01T00:00:01Z"}
        }
    })
}
