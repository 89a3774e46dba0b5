//! Any bytes as a definition: a complaint or a program, never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use stepwright_asl::{LoadOptions, load};

fuzz_target!(|bytes: &[u8]| {
    let file = match bytes.first() {
        Some(b'a') => "a.asl.yaml",
        Some(b'b') => "a.jsonc",
        _ => "a.asl.json",
    };
    let loaded = load(bytes, &LoadOptions { file, ..LoadOptions::default() });
    for named in &loaded.definitions {
        let sound = stepwright_program::check(&named.definition)
            .iter()
            .all(|diagnostic| !diagnostic.is_error());
        let compiled = stepwright_program::compile(&named.definition);
        assert!(!sound || compiled.is_ok(), "a definition without errors compiles");
    }
});
