#![no_main]
//! No path panics, neither when it is read nor when it is evaluated.

use libfuzzer_sys::fuzz_target;
use stepwright_json::{Json, json};
use stepwright_jsonpath::{Path, ReferencePath};

fuzz_target!(|text: &str| {
    let document = json!({
        "a": [{"a": 1, "b": [1, 2.5, {"a": "x"}]}, [[]], null, "a", true],
        "b": {"a": {}, "": "$.a"}
    });
    if let Ok(path) = Path::parse(text) {
        let found = path.evaluate(&document);
        if let Some(value) = path.get(&document) {
            assert_eq!(found.as_ref(), Ok(value));
        }
    }
    let _ = Path::parse(&format!("$..[?({text})]")).map(|path| path.evaluate(&document));
    let _ = Path::parse_variable(text);
    if let Ok(path) = ReferencePath::parse(text)
        && let Ok(changed) = path.set(document, Json::Bool(true))
    {
        assert_eq!(path.get(&changed), Some(&Json::Bool(true)));
    }
});
