//! Any input gives a diagnostic in reasonable time, and never a panic.

use std::collections::BTreeMap;
use stepwright_asl::{LoadOptions, Loaded, load};

fn read(bytes: &[u8], file: &str) -> Loaded {
    load(bytes, &LoadOptions { file, ..LoadOptions::default() })
}

#[track_caller]
fn refused(bytes: &[u8], file: &str, code: &str) {
    let loaded = read(bytes, file);
    let codes: Vec<_> = loaded.complaints.iter().map(|c| c.diagnostic.code).collect();
    assert!(codes.contains(&code), "{file}: {codes:?}");
    assert!(loaded.has_errors(), "{file}");
    for complaint in &loaded.complaints {
        let span = complaint.diagnostic.span.unwrap_or_default();
        assert!(span.start <= span.end, "{file}: {span:?}");
    }
}

#[test]
fn not_utf_8() {
    for file in ["a.json", "a.yaml", "a.jsonc", "a"] {
        refused(b"{\"a\": \"\xff\xfe\"}", file, "INVALID_JSON_DESCRIPTION");
    }
}

#[test]
fn too_deep() {
    let deep = 100_000;
    let json = format!("{}{}", "[".repeat(deep), "]".repeat(deep));
    refused(json.as_bytes(), "a.json", "INVALID_JSON_DESCRIPTION");
    refused(json.as_bytes(), "a.jsonc", "INVALID_JSON_DESCRIPTION");
    refused(json.as_bytes(), "a.yaml", "invalid-yaml");
    refused("- ".repeat(deep).as_bytes(), "a.yaml", "invalid-yaml");
    refused("{a: ".repeat(deep).as_bytes(), "a.yaml", "invalid-yaml");
    let objects = format!("{}1{}", "{\"a\":".repeat(deep), "}".repeat(deep));
    refused(objects.as_bytes(), "a.json", "INVALID_JSON_DESCRIPTION");
}

#[test]
fn large() {
    // A definition with ten megabytes of states.
    let state =
        |at: usize| format!("\"state {at}\": {{\"Type\": \"Pass\", \"Next\": \"state 0\"}}");
    let states: Vec<String> = (0..200_000).map(state).collect();
    let json = format!("{{\"StartAt\": \"state 0\", \"States\": {{{}}}}}", states.join(",\n"));
    assert!(json.len() > 10_000_000);
    for file in ["a.json", "a.yaml"] {
        let loaded = read(json.as_bytes(), file);
        assert!(!loaded.has_errors(), "{file}");
        assert_eq!(loaded.definitions.len(), 1, "{file}");
    }
}

#[test]
fn duplicate_keys() {
    refused(b"StartAt: a\nStartAt: b\n", "a.yaml", "duplicate-key");
    let loaded = read(b"{\"a\": 1, \"a\": 2}", "a.json");
    assert_eq!(loaded.complaints[0].diagnostic.code, "duplicate-key");
}

#[test]
fn odd_texts_do_no_harm() {
    let pieces = [
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "\"",
        "'",
        "- ",
        "\n",
        "  ",
        "\t",
        "&a ",
        "*a",
        "!Sub ",
        "${",
        "}",
        "a",
        "ä",
        "\u{e000}",
        "|",
        ">",
        "#",
        "%",
        "---",
        "Resources",
        "Fn::Join",
        "<<: ",
        "\r",
        "\u{feff}",
        "States",
        "0x",
        "1e9",
        "{%",
        "%}",
        "? ",
        "!!str ",
        "\\u",
        "//",
    ];
    // A small random number generator with a fixed seed.
    let mut seed = 0x2545_F491_u64;
    let mut next = |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed % below as u64) as usize
    };
    let values = BTreeMap::from([("a".to_owned(), "${b}".to_owned())]);
    for _ in 0..20_000 {
        let text: String = (0..next(24)).map(|_| pieces[next(pieces.len())]).collect();
        for file in ["a.json", "a.yaml", "a.jsonc", ""] {
            let options = LoadOptions { file, values: Some(&values), ..LoadOptions::default() };
            let loaded = load(text.as_bytes(), &options);
            assert!(
                loaded.has_errors()
                    || !loaded.definitions.is_empty()
                    || !loaded.complaints.is_empty(),
                "{text:?}"
            );
            for found in &loaded.definitions {
                let _ = &found.definition.text[found.definition.root.span.range()];
            }
        }
    }
}
