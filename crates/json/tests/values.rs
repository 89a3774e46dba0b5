//! What is read, printed, compared and changed.

use stepwright_json::tree::{self, offset_in_string, parse_in_string};
use stepwright_json::{Json, Limits, Object, Pointer, Syntax, json, parse, parse_with};
use stepwright_source::Span;

/// `input` is read and printed as `expected`.
#[track_caller]
fn check(input: &str, expected: &str) {
    let value = parse(input).unwrap_or_else(|error| panic!("{input}: {error}"));
    assert_eq!(value.to_string(), expected);
    let node = tree::parse(input, Syntax::Strict, Limits::default()).expect("the tree, too");
    assert_eq!(node.to_json(), value);
}

#[track_caller]
fn check_error(input: &str, expected: &str) {
    let error = parse(input).expect_err(input);
    assert_eq!(error.to_string(), expected);
    let same = tree::parse(input, Syntax::Strict, Limits::default()).expect_err(input);
    assert_eq!(same, error);
}

#[test]
fn a_value_is_small() {
    assert_eq!(size_of::<Json>(), 24);
}

#[test]
fn integers_and_floats_stay_apart() {
    check("1", "1");
    check("1.0", "1.0");
    check("-0", "0");
    check("-0.0", "-0.0");
    check("9223372036854775807", "9223372036854775807");
    check("-9223372036854775808", "-9223372036854775808");
    check("9223372036854775808", "9223372036854775808");
    check("123456789012345678901234567890", "123456789012345678901234567890");
    check("999999999999999999", "999999999999999999");
}

#[test]
fn floats_print_as_java_prints_them() {
    check("1e10", "1.0E10");
    check("0.00001", "1.0E-5");
    check("0.001", "0.001");
    check("100.0", "100.0");
    check("12345678.0", "1.2345678E7");
    check("1234567.5", "1234567.5");
}

#[test]
fn texts() {
    check(r#""ä \u00e4 \ud83d\ude00 \/ \" \\ \n\t\b\f\r""#, r#""ä ä 😀 / \" \\ \n\t\b\f\r""#);
    check(r#""\u001f\u0000""#, r#""\u001F\u0000""#);
    check(r#""\ud800x""#, "\"\u{fffd}x\"");
    let long = "x".repeat(100);
    check(&format!("\"{long}\\n{long}\""), &format!("\"{long}\\n{long}\""));
}

#[test]
fn objects_keep_their_order() {
    check(r#"{"b":1,"a":{"b":[],"c":{}}}"#, r#"{"b":1,"a":{"b":[],"c":{}}}"#);
    check(r#"{"a":1,"b":2,"a":3}"#, r#"{"a":3,"b":2}"#);
    check(
        r#"[{"a":1,"b":2,"a":3},{"a":1,"b":2},{"b":1,"a":2}]"#,
        r#"[{"a":3,"b":2},{"a":1,"b":2},{"b":1,"a":2}]"#,
    );
    // More keys than are looked through one by one, and more than are shared.
    for count in [17, 65, 300] {
        let members: Vec<String> = (0..count).map(|at| format!("\"key {at}\":{at}")).collect();
        let text = format!("{{{},\"key 5\":\"again\"}}", members.join(","));
        let value = parse(&text).expect("an object");
        assert_eq!(value.as_object().map(Object::len), Some(count));
        assert_eq!(value.get("key 5"), Some(&json!("again")));
        assert_eq!(value.get(&format!("key {}", count - 1)), Some(&json!(count - 1)));
        assert_eq!(value.get("key"), None);
    }
}

#[test]
fn errors_point() {
    check_error("", "unexpected end of the text, expected a value at byte 0");
    check_error("{", "unexpected end of the text, expected a key in double quotes at byte 1");
    check_error("{'a':1}", "unexpected `'`, expected a key in double quotes at byte 1");
    check_error("[1,]", "unexpected `]`, expected a value at byte 3");
    check_error("[1 2]", "unexpected `2`, expected `,` or `]` at byte 3");
    check_error("{\"a\" 1}", "unexpected `1`, expected `:` at byte 5");
    check_error("01", "a number may not begin with 0 at byte 0");
    check_error("1.", "unexpected end of the text, expected a digit at byte 2");
    check_error("-", "unexpected end of the text, expected a digit at byte 1");
    check_error("1e400", "this number is too large at byte 0");
    check_error("\"a", "this string has no end at byte 0");
    check_error("\"\\x\"", "no such escape in a string at byte 1");
    check_error("\"\n\"", "control characters must be escaped at byte 1");
    check_error("1 x", "unexpected `x`, expected the end of the text at byte 2");
    check_error("nul", "unexpected `n`, expected a value at byte 0");
}

#[test]
fn comments_where_the_syntax_has_them() {
    let text = "// a\n{/**/\"a\": [1, /* b */ 2,], }";
    let value = parse_with(text, Syntax::Comments, Limits::default()).expect("with comments");
    assert_eq!(value.to_string(), r#"{"a":[1,2]}"#);
    let node = tree::parse(text, Syntax::Comments, Limits::default()).expect("with comments");
    assert_eq!(node.to_json(), value);
    assert!(parse(text).is_err());
    assert!(parse_with("/*/ 1", Syntax::Comments, Limits::default()).is_err());
}

#[test]
fn writing_leaves_other_holders_alone() {
    let original = parse(r#"[{"a":1,"b":2},{"a":3,"b":4}]"#).expect("an array");
    let mut changed = original.clone();
    let Json::Array(items) = &mut changed else { panic!("an array") };
    let Some(Json::Object(first)) = items.make_mut().first_mut() else { panic!("an object") };
    assert_eq!(first.insert("a", json!("new")), Some(json!(1)));
    assert_eq!(first.insert("c", json!([null])), None);
    assert_eq!(first.remove("b"), Some(json!(2)));
    assert_eq!(first.remove("b"), None);
    assert_eq!(changed.to_string(), r#"[{"a":"new","c":[null]},{"a":3,"b":4}]"#);
    assert_eq!(original.to_string(), r#"[{"a":1,"b":2},{"a":3,"b":4}]"#);
    let mut big: Object = (0..40).map(|at| (format!("k{at}"), json!(at))).collect();
    big.remove("k3");
    assert_eq!(big.get("k39"), Some(&json!(39)));
    assert_eq!(big.get("k3"), None);
    assert_eq!(big.len(), 39);
}

#[test]
fn equality() {
    let read = |text| parse(text).expect("JSON");
    assert_eq!(read(r#"{"a":1,"b":[1,{"c":2}]}"#), read(r#"{"b":[1,{"c":2}],"a":1}"#));
    assert_ne!(read(r#"{"a":1}"#), read(r#"{"a":1.0}"#));
    assert!(read(r#"{"a":[1]}"#).same(&read(r#"{"a":[1.0]}"#)));
    assert_ne!(read(r#"{"a":1}"#), read(r#"{"b":1}"#));
    assert_ne!(read("[1]"), read("[1,2]"));
    assert_eq!(Json::Object(Object::new()), read("{}"));
}

#[test]
fn depth_does_not_matter() {
    const DEEP: usize = 100_000;
    let limits = Limits { depth: DEEP, ..Limits::default() };
    let text =
        format!("{}{}", "[{\"a\":".repeat(DEEP / 2), "1".to_owned() + &"}]".repeat(DEEP / 2));
    let value = parse_with(&text, Syntax::Strict, limits).expect("deep");
    assert_eq!(value.to_string(), text);
    assert!(value.pretty().len() > text.len());
    assert!(format!("{value:?}") == text);
    let other = parse_with(&text, Syntax::Strict, limits).expect("deep");
    assert!(value == other && value.same(&other));
    let copy = value.clone();
    drop(value);
    drop(copy);
    assert!(parse_with(&text, Syntax::Strict, Limits::default()).is_err());
    assert!(tree::parse(&text, Syntax::Strict, limits).is_err());
    let node = tree::Node::from_json(&other, Span::default());
    assert!(node.to_json().to_string().len() < text.len());
    let thousand = format!("{}{}", "[".repeat(1_000), "]".repeat(1_000));
    check(&thousand, &thousand);
}

#[test]
fn places_inside_a_string() {
    let source = r#"  "a\n\u00e4 \ud83d\ude00b" "#;
    let span = Span::new(2, source.len() - 1);
    let decoded = "a\nä 😀b";
    for (found, wanted) in
        [(0, "a"), (1, "\\n"), (2, "\\u00e4"), (4, " "), (5, "\\ud83d"), (9, "b"), (10, "\"")]
    {
        let place = offset_in_string(source, span, found) as usize;
        assert!(source[place..].starts_with(wanted), "{found}: {place}");
    }
    assert_eq!(decoded.len(), 10);
    assert_eq!(offset_in_string("", Span::default(), 5), 0);
}

#[test]
fn json_inside_a_string() {
    let source = r#"{"body": "{\"a\": [1, \"x\"]}"}"#;
    let outer = tree::parse(source, Syntax::Strict, Limits::default()).expect("JSON");
    let body = outer.get("body").expect("a member");
    let inner =
        parse_in_string(source, body.span, body.as_str().expect("a text"), Limits::default())
            .expect("JSON");
    let item = &inner.get("a").expect("a member").items()[0];
    assert_eq!(&source[item.span.range()], "1");
    assert_eq!(&source[inner.span.range()], r#"{\"a\": [1, \"x\"]}"#);
    let error =
        parse_in_string(r#""{\"a\" 1}""#, Span::new(0, 11), r#"{"a" 1}"#, Limits::default())
            .expect_err("no colon");
    assert_eq!(error.span.start, 8);
}

#[test]
fn pretty() {
    let value = parse(r#"{"a":[1,{}],"b":{"c":[]}}"#).expect("JSON");
    assert_eq!(
        value.pretty(),
        "{\n  \"a\": [\n    1,\n    {}\n  ],\n  \"b\": {\n    \"c\": []\n  }\n}"
    );
}

#[test]
fn pointers() {
    let value = parse(r#"{"a/b":[{"~":1}]}"#).expect("JSON");
    let pointer = Pointer::parse("/a~1b/0/~0").expect("a pointer");
    assert_eq!(pointer.find(&value), Some(&json!(1)));
    assert_eq!(pointer.to_string(), "/a~1b/0/~0");
}
