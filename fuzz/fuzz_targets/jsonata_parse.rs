#![no_main]
//! Any text is an expression or an error with a place in the text.

use libfuzzer_sys::fuzz_target;
use stepwright_jsonata::{Dialect, Expression};

fuzz_target!(|text: &str| {
    for dialect in [Dialect::StepFunctions, Dialect::Latest] {
        if let Err(error) = Expression::compile(text, dialect) {
            assert!(error.span.end as usize <= text.len());
            assert!(!error.code.is_empty());
        }
    }
});
