#![no_main]
//! Any expression has a value, none, or an error, within its limits.

use libfuzzer_sys::fuzz_target;
use stepwright_json::json;
use stepwright_jsonata::{Bindings, Dialect, Environment, Expression, Limits};

fuzz_target!(|text: &str| {
    let Ok(expression) = Expression::compile(text, Dialect::Latest) else { return };
    let input = json!({"a": [1, 2.5, "x", null, [true]], "b": {"c": "text", "d": {"a": 3}}});
    let bindings = Bindings::new().bind("states", &input);
    let limits = Limits { steps: 50_000, bytes: 8 << 20, depth: 200, ..Limits::default() };
    let result = expression.evaluate(Some(&input), &bindings, &Environment::default(), &limits);
    if let Err(error) = result {
        assert!(error.span.end as usize <= text.len());
    }
});
