//! Paths and what they find.

use stepwright_json::{Json, Limits, Syntax, parse, parse_with};
use stepwright_jsonpath::{Path, ReferencePath};

const STORE: &str = r#"{
  "store": {
    "book": [
      {"category": "reference", "author": "Nigel Rees", "price": 8.95, "tags": ["a", "b"]},
      {"category": "fiction", "author": "Evelyn Waugh", "price": 12.99, "tags": []},
      {"category": "fiction", "author": "Herman Melville", "isbn": "0-553", "price": 8.99},
      {"category": "fiction", "author": "J. R. R. Tolkien", "isbn": "0-395", "price": 22.99}
    ],
    "bicycle": {"color": "red", "dash-ed": 1, "it's": 2}
  },
  "limit": 10, "numbers": [3, 1, 2], "nothing": null, "text": "hello", "empty": [], "one": [7]
}"#;

/// `path` finds `expected`; an error is written `! message`.
#[track_caller]
fn check(path: &str, expected: &str) {
    let document = parse(STORE).expect("the store");
    let found = match Path::parse(path) {
        Ok(path) => match path.evaluate(&document) {
            Ok(found) => found.to_string(),
            Err(error) => format!("! {error}"),
        },
        Err(error) => format!("! {error}"),
    };
    assert_eq!(found, expected, "{path}");
}

#[test]
fn definite_paths() {
    check("$.text", r#""hello""#);
    check("$['text']", r#""hello""#);
    check("$[\"text\"]", r#""hello""#);
    check("$.store.bicycle.dash-ed", "1");
    check(r"$.store.bicycle['it\'s']", "2");
    check("$.numbers[-1]", "2");
    check("$.numbers[ 1 ]", "1");
    check("$.nothing", "null");
    check(" $.limit ", "10");
    check("limit", "10");
    check("$['limit', 'text']", r#"{"limit":10,"text":"hello"}"#);
}

#[test]
fn what_is_missing() {
    check("$.a.b", "! Missing property in path $['a']");
    check("$.store.nope", "! No results for path: $['store']['nope']");
    check("$.numbers[5]", "! No results for path: $['numbers'][5]");
    check("$.nothing[0]", "! The path $['nothing'] is null");
    check("$.text[0]", "! Filter: [0] can only be applied to arrays. Current context is: hello");
    check(
        "$.text.b",
        "! Expected to find an object with property ['b'] in path $['text'] but found \
         'java.lang.String'. This is not a json object according to the JsonProvider: \
         'com.jayway.jsonpath.spi.json.JsonSmartJsonProvider'.",
    );
    check(
        "$.text[?(@.x)]",
        "! Filter: [?] can not be applied to primitives. Current context is: hello",
    );
    check("$.text.nope()", "! Function with name: nope does not exist.");
}

#[test]
fn indefinite_paths() {
    check("$.numbers[*]", "[3,1,2]");
    check("$.numbers[0,2]", "[3,2]");
    check("$.numbers[1:]", "[1,2]");
    check("$.numbers[:-1]", "[3,1]");
    check("$.numbers[-2:]", "[1,2]");
    check("$.numbers[0:9]", "[3,1,2]");
    check("$.numbers[-2:1]", "[1,2,3]");
    check("$..price", "[8.95,12.99,8.99,22.99]");
    check("$.store.book[*].isbn", r#"["0-553","0-395"]"#);
    check("$..book[0]['author','price']", r#"[{"author":"Nigel Rees","price":8.95}]"#);
    check("$..nope", "[]");
    check("$.empty[*]", "[]");
    check("$..['color']", r#"["red"]"#);
    check("$.store.book[0].tags.*", r#"["a","b"]"#);
}

#[test]
fn filters() {
    let authors = |filter: &str, expected: &str| {
        check(&format!("$.store.book[?({filter})].author"), expected);
    };
    authors("@.price < 9", r#"["Nigel Rees","Herman Melville"]"#);
    authors("@.price<9&&@.isbn", r#"["Herman Melville"]"#);
    // Without a space before them, the operators are taken for part of the name.
    authors("@.isbn&&@.price", "[]");
    authors("@.price < 9 && @.isbn", r#"["Herman Melville"]"#);
    authors("@.price >= 12.99", r#"["Evelyn Waugh","J. R. R. Tolkien"]"#);
    authors("@.price > $.limit", r#"["Evelyn Waugh","J. R. R. Tolkien"]"#);
    authors("!@.isbn", r#"["Nigel Rees","Evelyn Waugh"]"#);
    authors("!(@.isbn || @.price < 9)", r#"["Evelyn Waugh"]"#);
    authors("@.category == 'reference'", r#"["Nigel Rees"]"#);
    authors("'reference' == @['category']", r#"["Nigel Rees"]"#);
    authors("@.category != 'fiction'", r#"["Nigel Rees"]"#);
    authors("@.category in ['reference', 'x']", r#"["Nigel Rees"]"#);
    authors("@.category nin ['fiction']", r#"["Nigel Rees"]"#);
    authors("@.tags contains 'a'", r#"["Nigel Rees"]"#);
    authors("@.author contains 'ea'", "[]");
    authors("@.author contains 'Waugh'", r#"["Evelyn Waugh"]"#);
    authors("@.tags size 2", r#"["Nigel Rees"]"#);
    authors("@.tags empty true", r#"["Evelyn Waugh"]"#);
    authors("@.tags EMPTY false", r#"["Nigel Rees"]"#);
    authors("@.tags subsetof ['a','b','c']", r#"["Nigel Rees","Evelyn Waugh"]"#);
    authors("@.tags anyof ['b','z']", r#"["Nigel Rees"]"#);
    authors("@.tags noneof ['b','z']", r#"["Evelyn Waugh"]"#);
    authors("@.tags == ['a','b']", r#"["Nigel Rees"]"#);
    authors("@.author =~ /.*(rees|waugh)/i", r#"["Nigel Rees","Evelyn Waugh"]"#);
    authors("@.author =~ /.*waugh/i && @.price > 1", r#"["Evelyn Waugh"]"#);
    authors("@.price == '8.95'", r#"["Nigel Rees"]"#);
    authors("@.price === '8.95'", "[]");
    authors("@.isbn == null", "[]");
    authors("@.tags.length() == 2", r#"["Nigel Rees"]"#);
    authors("@.tags[?(@ == 'b')]", r#"["Nigel Rees","Evelyn Waugh"]"#);
    authors(
        "@.price > 8.95 && (@.price < 10 || @.isbn == '0-395')",
        r#"["Herman Melville","J. R. R. Tolkien"]"#,
    );
    check("$.numbers[?(@ >= 2)]", "[3,2]");
    check("$.numbers[?( @ in $.numbers[?(@ < 3)] )]", "[1,2]");
}

#[test]
fn functions() {
    check("$.numbers.sum()", "6.0");
    check("$.numbers.avg()", "2.0");
    check("$.numbers.min()", "1.0");
    check("$.numbers.max()", "3.0");
    check("$.numbers.length()", "3");
    check("$.numbers.size()", "3");
    check("$.text.length()", "null");
    check("$.numbers.first()", "3");
    check("$.numbers.last()", "2");
    check("$.numbers.index(1)", "1");
    check("$.one.last()", "! Target index:-1 larger than object count:1");
    check("$.numbers.append(4)", "[3,1,2,4]");
    check("$.numbers.append(4).sum()", "10.0");
    check("$.store.bicycle.keys()", r#"["color","dash-ed","it's"]"#);
    check(r#"$.concat($.text, " world")"#, r#""hello world""#);
    check("$.sum($.numbers)", "6.0");
    check("$.avg($.numbers.min(), $.numbers.max())", "2.0");
    check("$..price.sum()", "53.92");
    check("$..book.length()", "4");
    check("$.empty.sum()", "! Aggregation function attempted to calculate value using empty array");
}

#[test]
fn not_paths() {
    check("", "! json can not be null or empty");
    check("$a", "! Illegal character at position 1 expected '.' or '['");
    check("$.", "! Path must not end with a '.' or '..'");
    check("$...a", "! Character '.' on position 3 is not valid.");
    check(
        "$.a b",
        "! Use bracket notion ['my prop'] if your property contains blank characters. position: 2",
    );
    check(
        "$['a'",
        "! Property must be separated by comma or Property must be terminated close square bracket at index 4",
    );
    check("$[?]", "! Not enough predicates supplied for filter [?] at position 1");
    check("$[1,]", "! Failed to parse token in ArrayIndexOperation: ");
    check("$[::2]", "! Failed to parse SliceOperation: ::2");
    check("$.sum(", "! Arguments to function: 'sum' are not closed properly.");
    let error = Path::parse("$.ok[?(@.a == )]").expect_err("no operand");
    assert!(error.span.start >= 4 && error.span.end as usize <= 16, "{error:?}");
}

#[test]
fn nothing_overflows() {
    for open in ["(", "[", "[?(", "!", "{", "$.sum(", "[?(@.a[?(", "[?(@", "$..", "['a'", "f(("] {
        let _ = Path::parse(&format!("$.a{}", open.repeat(10_000)));
        let _ = Path::parse(&format!("$.a[?({}", open.repeat(10_000)));
        let _ = Path::parse(&format!("$.a[?({}@.b)]", open.repeat(10_000)));
        let _ = ReferencePath::parse(&format!("$.a{}", open.repeat(10_000)));
    }
    let nested = format!("$.a{}{}", "[?(@.b".repeat(3_000), ")]".repeat(3_000));
    assert!(Path::parse(&nested).is_err());
    let parens = format!("$.a[?({}@.b{})]", "(".repeat(10_000), ")".repeat(10_000));
    assert!(Path::parse(&parens).is_err());
    let steps = Path::parse(&format!("${}", "[*]".repeat(200))).expect("not that many");
    let depth = 100_000;
    let limits = Limits { depth, ..Limits::default() };
    let text = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let deep = parse_with(&text, Syntax::Strict, limits).expect("deep");
    assert!(steps.evaluate(&deep).is_ok());
    let scan = Path::parse("$..[0]").expect("a path").evaluate(&deep).expect("a list");
    assert_eq!(scan.as_array().map(|found| found.len()), Some(depth - 1));
}

#[test]
fn scans_within_scans_are_bounded() {
    let document = parse(&format!("{}{}", "[[],".repeat(300), "]".repeat(300)).replace(",]", "]"));
    let document = document.expect("JSON");
    for path in ["$..*..*..*..*", "$..[*]..[*]..[*]..nope", "$..[?(@..[?(@..[?(@..a)])])]"] {
        let path = Path::parse(path).expect("a path");
        let _ = path.evaluate(&document);
    }
    let path = Path::parse("$..*..*..*..*").expect("a path");
    let error = path.evaluate(&document).expect_err("too much");
    assert_eq!(error.to_string(), "the path leads to more than 1000000 values");
}

#[test]
fn what_paths_in_filters_have_found_counts_together() {
    let document = parse(r#"{"a": [1, 2], "b": [1, 1, 1, 1, 1, 2], "c": [1, 1, 1, 1, 1, 2]}"#);
    let document = document.expect("JSON");
    let path = Path::parse("$.a[?(@ in $.b[*] && @ in $.c[*])]").expect("a path");
    let within = |results| {
        let limits =
            stepwright_jsonpath::Limits { results, ..stepwright_jsonpath::Limits::default() };
        path.evaluate_within(&document, limits)
    };
    assert_eq!(within(14).expect("few enough").to_string(), "[1,2]");
    let error = within(11).expect_err("twelve are found in the filter alone");
    assert_eq!(error.to_string(), "the path leads to more than 11 values");
}

#[test]
fn variables() {
    let variable = Path::parse_variable("$item.a[0]").expect("a name").expect("a path");
    assert_eq!((&*variable.name, variable.path.text()), ("item", "$.a[0]"));
    let variable = Path::parse_variable("$größe").expect("a name").expect("a path");
    assert_eq!((&*variable.name, variable.path.text()), ("größe", "$"));
    assert!(Path::parse_variable("$.a").is_none());
    assert!(Path::parse_variable("$$.a").is_none());
    assert!(Path::parse_variable("$").is_none());
    assert!(Path::parse_variable("$a-b").expect("a name").is_err());
}

/// Puts `7` at `path` of `before`.
#[track_caller]
fn check_set(path: &str, before: &str, expected: &str) {
    let path = ReferencePath::parse(path).expect(path);
    let root = parse(before).expect(before);
    let found = match path.set(root, Json::from(7)) {
        Ok(after) => {
            assert_eq!(path.get(&after), Some(&Json::from(7)));
            after.to_string()
        }
        Err(error) => format!("! {error}"),
    };
    assert_eq!(found, expected);
}

#[test]
fn reference_paths_put() {
    check_set("$", r#"{"a":1}"#, "7");
    check_set("$.a", r#"{"a":1,"b":2}"#, r#"{"a":7,"b":2}"#);
    check_set("$.b.c.d", r#"{"a":1}"#, r#"{"a":1,"b":{"c":{"d":7}}}"#);
    check_set("$['b']['c d']", "{}", r#"{"b":{"c d":7}}"#);
    check_set("$.a[1]", r#"{"a":[1,2]}"#, r#"{"a":[1,7]}"#);
    check_set("$.a[-1].b", r#"{"a":[1,{}]}"#, r#"{"a":[1,{"b":7}]}"#);
    check_set(
        "$.a[2]",
        r#"{"a":[1,2]}"#,
        r#"! Unable to apply ReferencePath $.a[2] to input {"a":[1,2]}"#,
    );
    check_set("$.a.b", r#"{"a":1}"#, r#"! Unable to apply ReferencePath $.a.b to input {"a":1}"#);
    check_set("$.x[0]", "{}", "! Unable to apply ReferencePath $.x[0] to input {}");
    check_set("$.a", "[1]", "! Unable to apply ReferencePath $.a to input [1]");
}

#[test]
fn reference_paths_read() {
    let steps = |text: &str| match ReferencePath::parse(text) {
        Ok(path) => format!("{:?}", path.steps()),
        Err(error) => format!("! {error}"),
    };
    assert_eq!(steps("$"), "[]");
    assert_eq!(steps(r"$.store\.book"), r#"[Member("store.book")]"#);
    assert_eq!(steps("$.a[0]['b c']"), r#"[Member("a"), Index(0), Member("b c")]"#);
    assert_eq!(steps("a"), "! Reference path didn't start with '$'");
    for text in [
        "$.a[*]",
        "$..a",
        "$.a.",
        "$.a[0:1]",
        "$.a[0,1]",
        "$.a.length()",
        "$.a[?(@.b)]",
        "$a",
        "$.a['b",
        "$.a[0",
    ] {
        assert!(ReferencePath::parse(text).is_err(), "{text}");
    }
    let document = parse(STORE).expect("the store");
    let path = ReferencePath::parse("$.store.book[1].author").expect("a path");
    assert_eq!(path.get(&document).and_then(Json::as_str), Some("Evelyn Waugh"));
}

#[test]
fn paths_are_shared_between_threads() {
    fn check<T: Send + Sync + Clone + std::fmt::Debug>() {}
    check::<Path>();
    check::<ReferencePath>();
}
