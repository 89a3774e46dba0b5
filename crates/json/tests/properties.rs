//! What holds for every value and every text.

use proptest::prelude::*;
use stepwright_json::tree;
use stepwright_json::{Json, Limits, Object, Syntax, parse, parse_bytes, parse_with};

fn value() -> impl Strategy<Value = Json> {
    let scalar = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::Bool),
        any::<i64>().prop_map(Json::Int),
        any::<f64>()
            .prop_filter("JSON has no such number", |f| f.is_finite())
            .prop_map(Json::Float),
        "[1-9][0-9]{19,40}".prop_map(|digits| Json::BigInt(digits.into())),
        any::<String>().prop_map(Json::from),
    ];
    scalar.prop_recursive(6, 256, 24, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..24).prop_map(Json::from),
            prop::collection::vec(("[a-e]{1,2}|.*", inner), 0..24)
                .prop_map(|members| Json::Object(members.into_iter().collect::<Object>())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_printed_reads_back(value in value()) {
        let text = value.to_string();
        prop_assert_eq!(&parse(&text).expect("own text"), &value);
        prop_assert_eq!(&parse(&value.pretty()).expect("own text"), &value);
        let node = tree::parse(&text, Syntax::Strict, Limits::default()).expect("own text");
        prop_assert_eq!(&node.to_json(), &value);
        prop_assert_eq!(parse(&text).expect("own text").to_string(), text);
    }

    #[test]
    fn floats_are_as_short_as_can_be(thousandths in -9_999_999_999i64..9_999_999_999, other in any::<f64>()) {
        for value in [thousandths as f64 / 1e3, (thousandths / 100) as f64 / 10.0, other] {
            let text = Json::Float(value).to_string();
            if value == 0.0 || (1e-3..1e7).contains(&value.abs()) {
                prop_assert_eq!(text, format!("{value:?}"));
            } else if value.is_finite() {
                prop_assert_eq!(text.replace(".0E", "E"), format!("{value:E}"));
            }
        }
    }

    #[test]
    fn both_parsers_agree(text in r#"[\[\]{}:,"a0-9.eE+\-\\u nultrfs/*]{0,40}"#) {
        for syntax in [Syntax::Strict, Syntax::Comments] {
            let plain = parse_with(&text, syntax, Limits::default());
            let tree = tree::parse(&text, syntax, Limits::default());
            prop_assert_eq!(plain, tree.map(|node| node.to_json()));
        }
    }

    #[test]
    fn nothing_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse_bytes(&bytes);
    }
}
