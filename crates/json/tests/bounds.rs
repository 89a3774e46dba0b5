//! Depth and size: no walk over a value recurses as deep as the value is, and what is measured is
//! measured once.

use proptest::prelude::*;
use stepwright_json::{DEEPEST, Json, Limits, Object, java, json, parse, parse_with, tree};
use stepwright_source::Span;

const DEEP: usize = 1_000_000;

/// A value with so many arrays or objects within each other.
fn nested(levels: usize, object: impl Fn(usize) -> bool) -> Json {
    (0..levels).fold(
        Json::Int(1),
        |inner, level| {
            if object(level) { json!({"a": inner}) } else { json!([inner]) }
        },
    )
}

#[test]
fn a_million_levels_are_walked_compared_written_and_dropped() {
    let deep = nested(DEEP, |level| level % 3 == 0);
    let same = nested(DEEP, |level| level % 3 == 0);
    assert_eq!(deep.measure(), None, "it is too deep");
    assert!(!deep.is_within(usize::MAX));
    assert!(deep == same && deep.same(&same));
    let text = deep.to_string();
    assert_eq!(text.matches('[').count() + text.matches('{').count(), DEEP);
    assert_eq!(java::hash(&deep), java::hash(&same));
    let mut printed = String::new();
    java::write_text(&deep, &mut printed);
    assert_eq!(printed.matches('[').count() + printed.matches('{').count(), DEEP);
    let node = tree::Node::from_json(&deep, Span::default());
    assert!(node.to_json().measure().is_some(), "a tree is cut");
    assert!(parse(&text).expect_err("too deep").message.contains("nested too deeply"));
    let limits = Limits { depth: usize::MAX, bytes: usize::MAX };
    let read = parse_with(&text, stepwright_json::Syntax::Strict, limits).expect("JSON");
    assert_eq!(read, deep);
}

#[test]
fn the_deepest_value_is_the_deepest_that_is_read() {
    let fits = nested(DEEPEST, |_| false);
    let measure = fits.measure().expect("as deep as may be");
    assert_eq!((measure.depth, measure.bytes), (DEEPEST, 2 * DEEPEST + 1));
    assert!(measure.memory >= 64 * DEEPEST, "each level takes memory: {}", measure.memory);
    assert!(parse(&fits.to_string()).is_ok());
    let deeper = json!([fits]);
    assert_eq!(deeper.measure(), None);
    assert!(parse(&deeper.to_string()).is_err());
    // What is within it is no deeper than before.
    assert_eq!(deeper.at(0).and_then(Json::measure), Some(measure));
}

#[test]
fn shared_values_count_each_time_and_cost_once() {
    // Written out it would have 2^200 bytes.
    let doubled = (0..200).fold(json!("text"), |value, _| json!([(value.clone()), value]));
    let measure = doubled.measure().expect("it is not deep");
    assert!(measure.bytes > 1 << 37);
    assert_eq!(measure.depth, 200);
    assert!(!doubled.is_within(1 << 37));
}

#[test]
fn a_measure_is_forgotten_when_something_is_written_within() {
    let mut value = json!({"a": {"b": [1]}});
    let before = value.measure().expect("not deep");
    let kept = value.clone();
    let Json::Object(object) = &mut value else { panic!("an object") };
    let Some(Json::Object(inner)) = object.get_mut("a") else { panic!("an object") };
    let Some(Json::Array(items)) = inner.get_mut("b") else { panic!("an array") };
    items.push("a longer text".into());
    assert_eq!(value.measure().map(|measure| measure.bytes), Some(value.to_string().len()));
    assert_eq!(kept.measure(), Some(before));
    let mut object = Object::new();
    assert_eq!(Json::from(object.clone()).measure().map(|measure| measure.bytes), Some(2));
    object.insert("k", Json::Null);
    object.remove("k");
    assert_eq!(Json::from(object).measure().map(|measure| measure.bytes), Some(2));
}

fn values() -> impl Strategy<Value = Json> {
    let scalars = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<f64>().prop_filter("finite", |value| value.is_finite()).prop_map(Json::from),
        "[a-zä ]{0,40}".prop_map(Json::from),
    ];
    scalars.prop_recursive(6, 64, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Json::from),
            prop::collection::vec(("[a-z]{0,9}", inner), 0..6)
                .prop_map(|members| Json::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn a_measure_is_the_length_of_the_text(value in values()) {
        let measure = value.measure().expect("not deep");
        prop_assert_eq!(measure.bytes, value.to_string().len());
    }
}
