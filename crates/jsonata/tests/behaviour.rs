//! The language by example: an expression, and what it gives on one small document.

use stepwright_json::{Json, json, parse};
use stepwright_jsonata::{Bindings, Dialect, Environment, Error, Expression, Limits};

const NOW: Environment = Environment { now_millis: 1_521_801_216_617, seed: 42 };

fn run(text: &str, dialect: Dialect) -> Result<Option<Json>, Error> {
    let input = json!({
        "name": "Ada",
        "age": 36,
        "exact": 1.0,
        "phones": [
            {"kind": "home", "number": "1"},
            {"kind": "work", "number": "2"},
            {"kind": "work", "number": "3"}
        ],
        "empty": [],
        "orders": [
            {"id": "a", "lines": [{"price": 2.5, "count": 2}, {"price": 1, "count": 4}]},
            {"id": "b", "lines": [{"price": 10, "count": 1}]}
        ]
    });
    let states = json!({"input": {"n": 2, "list": [3, 1, 2]}});
    let lookup = |name: &str| (name == "looked").then(|| json!({"up": [1, 2]}));
    let bindings = Bindings::new().bind("states", &states).or_lookup(&lookup);
    Expression::compile(text, dialect)?.evaluate(Some(&input), &bindings, &NOW, &Limits::default())
}

fn check(text: &str, wanted: &str) {
    let value = match run(text, Dialect::StepFunctions) {
        Ok(Some(value)) => value.to_string(),
        Ok(None) => "undefined".to_owned(),
        Err(error) => format!("{error} @{}", error.position),
    };
    let parsed = (parse(wanted), parse(&value));
    let same = match parsed {
        (Ok(wanted), Ok(value)) => value == wanted,
        _ => false,
    };
    assert!(same || value == wanted, "{text}\n  wanted {wanted}\n  but is {value}");
}

#[test]
fn paths() {
    check("name", r#""Ada""#);
    check("exact", "1.0");
    check("exact + 1", "2");
    check("missing.further", "undefined");
    check("phones.number", r#"["1","2","3"]"#);
    check("phones[kind = 'home'].number", r#""1""#);
    check("phones[kind = 'home'].number[]", r#"["1"]"#);
    check("phones[-1].number", r#""3""#);
    check("phones[[0, 2]].number", r#"["1","3"]"#);
    check("empty", "[]");
    check("empty.x", "undefined");
    check("orders.lines.(price * count)", "[5,4,10]");
    check("orders.{id: $sum(lines.(price * count))}", r#"[{"a":9},{"b":10}]"#);
    check("orders{id: $count(lines)}", r#"{"a":2,"b":1}"#);
    check("orders.lines^(>price).price", "[10,2.5,1]");
    check(
        "orders.lines.{'id': %.id, 'p': price}[p > 2]",
        r#"[{"id":"a","p":2.5},{"id":"b","p":10}]"#,
    );
    check("orders@$o.phones@$p[$o.id = 'a' and $p.number = '3'].($o.id & $p.number)", r#""a3""#);
    check(
        "orders#$i.lines.{'i': $i, 'c': count}",
        r#"[{"i":0,"c":2},{"i":0,"c":4},{"i":1,"c":1}]"#,
    );
    check("**.price", "[2.5,1,10]");
    check("phones.*[0]", r#"["home","work","work"]"#);
}

#[test]
fn operators_and_numbers() {
    check("1 + 2 * 3 - 4 / 2", "5");
    check("7 % 4 & 'x'", r#""3x""#);
    check("9007199254740992 + 1", "9007199254740992");
    check("0.1 + 0.2 & ''", r#""0.3""#);
    check("1e21 & ' ' & 1e-7 & ' ' & 123456789.125", r#""1e+21 1e-7 123456789.125""#);
    check("[1..3, 5]", "[1,2,3,5]");
    check("2 in [1, 2] and not_there = 1 or true", "true");
    check("{'a': 1, 'b': [2]} = {'b': [2], 'a': 1}", "true");
    check("age >= 36 ? 'old' : 'young'", r#""old""#);
    check("$states.input.n * $looked.up[1]", "4");
}

#[test]
fn functions() {
    check("$map([1, 2, 3], function($v, $i) { $v * $i })", "[0,2,6]");
    check("$reduce([1..5], function($a, $b) { $a * $b })", "120");
    // JSON has no functions: a member that is one is missing, and one can be called before that.
    check("{'a': $sum, 'b': function($x) { $x }, 'c': 1}", r#"{"c":1}"#);
    check("[1, 2].{'a': $sum, 'n': $}", r#"[{"n":1},{"n":2}]"#);
    check("{'a': $sum, 'n': 1}.a([4, 5])", "9");
    check("($double := $map(?, function($x) { $x * 2 }); $double([1, 2]))", "[2,4]");
    check("(($trim ~> $uppercase)(' ada '))", r#""ADA""#);
    check("$sort($states.input.list, function($a, $b) { $a < $b })", "[3,2,1]");
    check(
        "$ ~> |phones[kind = 'work']|{'w': true}, 'kind'| ~> $lookup('phones')",
        r#"[{"kind":"home","number":"1"},{"number":"2","w":true},{"number":"3","w":true}]"#,
    );
    check("$replace('John Smith', /(\\w+)\\s(\\w+)/, '$2, $1')", r#""Smith, John""#);
    check("$match('ababb', /a(b+)/).groups", r#"["b","bb"]"#);
    check("$split('a, b,c', /,\\s*/)", r#"["a","b","c"]"#);
    check("$contains('aXbx', /x$/i) and $contains('foofoo', /(foo)\\1/)", "true");
    check("$formatNumber(1234.5, '#,##0.00')", r#""1,234.50""#);
    check("$formatInteger(2789, 'w')", r#""two thousand, seven hundred and eighty-nine""#);
    check("$formatInteger(1999, 'I') & $formatInteger(28, 'A')", r#""MCMXCIXAB""#);
    check("$parseInteger('twelve thousand and five', 'w')", "12005");
    check(
        "$fromMillis(1510067557121, '[D1o] [MNn] [Y] [h]:[m01] [P]')",
        r#""7th November 2017 3:12 pm""#,
    );
    check("$toMillis('2017-11-07T15:12:37.121Z')", "1510067557121");
    check("$toMillis('7 Nov 2017', '[D] [MNn,3-3] [Y]')", "1510012800000");
    check("$now()", r#""2018-03-23T10:33:36.617Z""#);
    check("$millis()", "1521801216617");
    check("$merge([{'a': 1}, {'b': 2, 'a': 3}])", r#"{"a":3,"b":2}"#);
    check("$distinct([1, '1', 1, {'a': [1]}, {'a': [1]}])", r#"[1,"1",{"a":[1]}]"#);
    check("$encodeUrlComponent('ä b/c') & $decodeUrl('%C3%A4%2F')", r#""%C3%A4%20b%2Fcä%2F""#);
    check("$base64decode($base64encode('grün'))", r#""grün""#);
    check("$string({'a': [1, 'x']})", r#""{\"a\":[1,\"x\"]}""#);
    check("$formatBase(255, 16) & $number('0x1F')", r#""ff31""#);
    check("$pad('x', -3, '#') & $substring('hello', -3, 2)", r###""##xll""###);
}

#[test]
fn what_step_functions_adds() {
    check("$partition([1..5], 2)", "[[1,2],[3,4],[5]]");
    check("$range(0, 10, 4)", "[0,4,8]");
    check("$hash('abc', 'SHA-1')", r#""a9993e364706816aba3e25717850c26c9cd0d89d""#);
    check("$parse('{\"a\": [1, 2.0]}').a", "[1,2.0]");
    check("$random(7) = $random(7)", "true");
    check("$length($uuid())", "36");
    check("$uuid() = $uuid()", "false");
    check("$eval('1')", "T1006: Attempted to invoke a non-function @6");
    assert_eq!(run("$eval('1 + 1')", Dialect::V2_0_6), Ok(Some(Json::Int(2))));
    assert!(run("$parse('1')", Dialect::V2_0_6).is_err());
}

#[test]
fn newer_syntax_is_behind_a_flag() {
    assert_eq!(run("missing ?? 'x'", Dialect::StepFunctionsLatest), Ok(Some("x".into())));
    assert_eq!(run("empty ?: 'x'", Dialect::Latest), Ok(Some("x".into())));
    let error = run("missing ?? 'x'", Dialect::StepFunctions).expect_err("not in 2.0.6");
    assert_eq!(error.code, "S0211");
}

#[test]
fn errors() {
    check("1 + 'a'", "T2002: The right side of the \"+\" operator must evaluate to a number @3");
    check("1 +", "S0207: Unexpected end of expression @3");
    check("a b", "S0201: Syntax error: \"b\" @3");
    check("(1", "S0203: Expected \")\" before end of expression @2");
    check("'abc", "S0101: String literal must be terminated by a matching quote @4");
    check(
        "phones^(kind = 'a')",
        "T2008: The expressions within an order-by clause must evaluate to numeric or string \
         values @7",
    );
    check("$sum('a')", "T0412: Argument 1 of function \"sum\" must be an array of \"numbers\" @5");
    check("sum(1)", "T1005: Attempted to invoke a non-function. Did you mean $sum? @4");
    check("$error('so')", "D3137: so @7");
    check(
        "%",
        "S0217: The object representing the 'parent' cannot be derived from this expression @1",
    );
    let error = run("'ä' & (1 < 'x')", Dialect::StepFunctions).expect_err("types differ");
    assert_eq!((error.position, error.span.range()), (10, 8..15));
    let error = run("$uppercase", Dialect::StepFunctions).expect_err("a function is no value");
    assert_eq!(error.code, Error::FUNCTION_RESULT);
}

#[test]
fn expressions_go_from_thread_to_thread() {
    fn is_shared<T: Send + Sync + Clone + 'static>(_: &T) {}
    let expression = Expression::compile("$sum([1..10])", Dialect::default()).expect("compiles");
    is_shared(&expression);
    is_shared(&Error::clone(&Expression::compile("(", Dialect::default()).expect_err("open")));
}

#[test]
fn references() {
    let text = "$states.input.a[$x > b].c & phone & $map($list, function($v) { $v.d }) & $$.e & $";
    let expression = Expression::compile(text, Dialect::StepFunctions).expect("compiles");
    let found = expression.references();
    let at = |span: stepwright_source::Span| &text[span.range()];
    let variables: Vec<(String, Vec<String>)> = found
        .variables
        .iter()
        .map(|v| (at(v.span).into(), v.fields.iter().map(|f| f.name.to_string()).collect()))
        .collect();
    assert_eq!(
        variables,
        [
            ("$states".to_owned(), vec!["input".to_owned(), "a".to_owned()]),
            ("$x".to_owned(), vec![]),
            ("$list".to_owned(), vec![])
        ]
    );
    let fields: Vec<&str> = found.fields.iter().map(|field| at(field.span)).collect();
    assert_eq!(fields, ["phone"]);
    assert_eq!(found.root.iter().map(|span| at(*span)).collect::<Vec<_>>(), ["$$"]);
    assert_eq!(found.context.iter().map(|span| at(*span)).collect::<Vec<_>>(), ["$"]);
    assert_eq!(found.functions.iter().map(|f| f.name.as_str()).collect::<Vec<_>>(), ["map"]);
}
