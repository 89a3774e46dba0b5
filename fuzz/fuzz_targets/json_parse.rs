#![no_main]
//! Both JSON parsers agree on every text, and what is printed reads back.

use libfuzzer_sys::fuzz_target;
use stepwright_json::{Limits, Syntax, jackson, parse, parse_bytes, parse_with, tree};

fuzz_target!(|bytes: &[u8]| {
    let _ = parse_bytes(bytes);
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let _ = jackson::complaint(text).map(|complaint| complaint.to_string());
    for syntax in [Syntax::Strict, Syntax::Comments] {
        let plain = parse_with(text, syntax, Limits::default());
        let node = tree::parse(text, syntax, Limits::default());
        assert_eq!(plain, node.map(|node| node.to_json()));
        if let Ok(value) = plain {
            assert_eq!(parse(&value.to_string()).as_ref(), Ok(&value));
            assert_eq!(parse(&value.pretty()).as_ref(), Ok(&value));
        }
    }
});
