//! What holds for every text.

use proptest::prelude::*;
use stepwright_json::parse;
use stepwright_jsonpath::{Path, ReferencePath};

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_panics(text in r#"\$?[\[\]().?@$*,:'"!=<>&|~/\\ a0-9ä{}\-]{0,40}"#) {
        let document = parse(r#"{"a":[{"a":1,"ä":[1,2,{"a":"x"}]},[[]],null,"a"],"ä":{}}"#).expect("JSON");
        if let Ok(path) = Path::parse(&text) {
            let found = path.evaluate(&document);
            if let Some(value) = path.get(&document) {
                prop_assert_eq!(found.as_ref(), Ok(value));
            }
            if let (false, Ok(found)) = (path.is_definite(), found) {
                prop_assert!(found.as_array().is_some());
            }
        }
        let _ = Path::parse_variable(&text);
        if let Ok(path) = ReferencePath::parse(&text)
            && let Ok(changed) = path.set(document, true.into())
        {
            prop_assert_eq!(path.get(&changed), Some(&true.into()));
        }
    }

    #[test]
    fn filters_do_not_panic(text in r#"[()@$.a=!<>&|'"/~ 0-9\[\]{}i:,n\-]{0,30}"#) {
        let document = parse(r#"[{"a":1},{"a":"x"},[1,"a"],null,"a",2.5]"#).expect("JSON");
        if let Ok(path) = Path::parse(&format!("$[?({text})]")) {
            let _ = path.evaluate(&document);
        }
    }
}
