//! Whatever comes in, an error comes out: with code and place, in bounded time and memory, on the
//! small stack of a test's thread.

use stepwright_json::{Json, json};
use stepwright_jsonata::{Bindings, Dialect, Environment, Error, Expression, Limits};

fn evaluate(text: &str, limits: &Limits<'_>) -> Result<Option<Json>, Error> {
    let input = json!({"a": [1, 2, 3], "b": {"a": {"b": [1, 2]}}, "text": "aaaa"});
    Expression::compile(text, Dialect::Latest)?.evaluate(
        Some(&input),
        &Bindings::new(),
        &Environment::default(),
        limits,
    )
}

#[track_caller]
fn check(text: &str, code: &str) {
    check_within(text, code, &Limits::default());
}

#[track_caller]
fn check_within(text: &str, code: &str, limits: &Limits<'_>) {
    let error = evaluate(text, limits).expect_err("it goes wrong");
    let start: String = text.chars().take(60).collect();
    assert_eq!(error.code, code, "{start}: {error}");
    assert!(!error.message.is_empty(), "{start}");
    assert!(error.span.end as usize <= text.len(), "{start}");
    assert!(error.span.start < error.span.end || text.is_empty(), "{start}");
}

fn nested(open: &str, inner: &str, close: &str, depth: usize) -> String {
    format!("{}{inner}{}", open.repeat(depth), close.repeat(depth))
}

#[test]
fn nesting_has_an_end() {
    for (open, close) in [
        ("(", ")"),
        ("[", "]"),
        ("{'a':", "}"),
        ("a[", "]"),
        ("$not(", ")"),
        ("-", ""),
        ("a.(", ")"),
        ("true ? ", " : 1"),
        ("function(){", "}"),
        ("1 + (", ")"),
        ("$x := ", ""),
        ("|a|", "|"),
        ("a ~> $f(", ")"),
        ("x ?? ", ""),
    ] {
        check(&nested(open, "1", close, 10_000), "S0501");
    }
    for row in ["1+", "a.b~>", "a&", "a or ", "a^(b).", "a@$v.", "1 in "] {
        check(&format!("{}1", row.repeat(10_000)), "S0501");
    }
    check(&"(".repeat(10_000), "S0501");
}

#[test]
fn what_is_nested_as_deep_as_allowed_works() {
    for depth in [100, 300, 480] {
        for (open, inner, close) in [
            ("(", "1", ")"),
            ("[", "1", "]"),
            ("{'a':", "1", "}"),
            ("a[", "0", "]"),
            ("$not(", "1", ")"),
            ("$.(", "1", ")"),
            ("a[$ = (", "1", ")]"),
            ("true ? ", "1", " : 2"),
            ("1 + (", "1", ")"),
            ("$x := ", "1", ""),
            ("x ?? ", "1", ""),
            ("$map(a, function($v){", "$v", "})"),
            ("a^(", "$", ")"),
            ("a{'k':", "1", "}"),
        ] {
            let text = nested(open, inner, close, depth / 2);
            let limits = Limits { steps: 200_000, ..Limits::default() };
            match evaluate(&text, &limits) {
                Ok(_) => {}
                Err(error) => assert!(
                    ["U1001", "U1002", "S0501", "S0215", "S0216", "D1009", "S0210"]
                        .contains(&error.code),
                    "{open}: {error}"
                ),
            }
        }
        let chain = vec!["1"; depth].join("+");
        assert_eq!(evaluate(&chain, &Limits::default()), Ok(Some(Json::Int(depth as i64))));
    }
}

#[test]
fn recursion_has_an_end() {
    check("($f := function($n) { 1 + $f($n + 1) }; $f(0))", "U1001");
    check("($f := function($n) { [$f($n + 1)] }; $f(0))", "U1001");
    check("($f := function($n) { a[$f($n)] }; $f(0))", "U1001");
    check("($f := function($n) { a.($f($n)) }; $f(0))", "U1001");
    check("($f := function($n) { $map([1], $f) }; $f(0))", "U1001");
    check("($f := function($n) { a^($f($)) }; $f(0))", "U1001");
    check("($f := function($n) { {'k': $f($n)} }; $f(0))", "U1001");
    check("($f := function($n) { $n ~> $f ~> $f }; $f(0))", "U1001");
    check("($f := function($n) { $n ~> |$|{'x': $f($)}| }; $f({'c': 1}))", "U1001");
    check("($f := function($n) { $reduce([1, 2], function($a, $b) { $f($b) }) }; $f(0))", "U1001");
    check("($f := function($n) { $sort([1, 2], function($a, $b) { $f($a) }) }; $f(0))", "U1001");
    check("($f := function($n) { $eval('$f(1)') + 1 }; $f(0))", "U1001");
    check("($f := function($n) { $replace('aa', /a/, $f) & 'x' }; $f(0))", "U1001");
}

#[test]
fn tail_calls_take_no_stack_but_time() {
    check("($f := function() { $f() }; $f())", "U1001");
    check("($e := function() { $o() }; $o := function() { $e() }; $e())", "U1001");
    let sum = "($s := function($n, $t) { $n = 0 ? $t : $s($n - 1, $t + $n) }; $s(100000, 0))";
    assert_eq!(evaluate(sum, &Limits::default()), Ok(Some(Json::Int(5_000_050_000))));
}

#[test]
fn memory_has_an_end() {
    // An eighth of what is allowed otherwise, which takes an eighth of the time.
    let limits = Limits { bytes: 32 << 20, ..Limits::default() };
    let check = |text: &str, code: &str| check_within(text, code, &limits);
    check("$pad('x', 2e8 * 2)", "U1002");
    check("$length($pad('x', -3e9))", "U1002");
    check("$reduce([1..60], function($t, $i) { $t & $t }, 'x')", "U1002");
    check("$reduce([1..60], function($t, $i) { $append($t, $t) }, [1])", "U1002");
    check("$reduce([1..60], function($t, $i) { [$t, $t] }, [1])", "U1002");
    check("$reduce([1..60], function($t, $i) { {'a': $t, 'b': $t} }, 1) ~> $string", "U1002");
    check("($f := function($t) { $f([$t, $t]) }; $f('x'))", "U1002");
    check("[1..9000000].[1..9000000]", "U1002");
    check("$join([1..1000000].('0123456789abcdef'), $pad('', 500))", "U1002");
    check("$replace($pad('', 100000, 'a'), /a/, $pad('', 10000))", "U1002");
    check("$split($pad('', 90000000, 'ab'), '')", "U1002");
    check("($f := function($g) { $f(function() { $g }) }; $f(1))", "U1002");
    check("$formatInteger(1, $pad('', 100000000, '0'))", "U1002");
}

/// What stands in many places is made once, however often it stands there, and what would not be
/// taken is not made.
#[test]
fn what_doubles_costs_its_levels() {
    let doubling = |body: &str, levels: u32| {
        let text = format!("$reduce([1..{levels}], function($a, $level) {{{body}}}, [1])");
        let burnt = std::cell::Cell::new(0);
        let burn = |steps| {
            burnt.set(burnt.get() + steps);
            true
        };
        let limits = Limits { value_bytes: 6_990_256, burn: Some(&burn), ..Limits::default() };
        let result = evaluate(&text, &limits);
        assert!(burnt.get() < 5_000, "{text}: {} steps", burnt.get());
        result
    };
    for body in [
        "[[$a], [$a]]",
        "{'k': $a, 'l': $a}",
        "[{'k': $a}, {'k': $a}]",
        "$map([1, 2], function() {{'k': $a}})",
    ] {
        let made = doubling(body, 16).expect("it is small enough").expect("it is something");
        let measure = made.measure().expect("it is not deep");
        assert!(measure.bytes > 1 << 16 && measure.bytes < 6_990_256, "{body}: {measure:?}");
        let refused = doubling(body, 60).expect_err("it is too large");
        assert_eq!(refused.code, "U1002", "{body}: {refused}");
    }
}

/// What is left out of a result does not count.
#[test]
fn a_result_may_be_as_long_as_it_is_written() {
    let members: Vec<String> = (0..20).map(|at| format!("'f{at}': function() {{1}}")).collect();
    let text = format!("{{{}, 'k': 12345}}", members.join(", "));
    let all = evaluate(&text, &Limits::default());
    assert_eq!(all, Ok(Some(json!({"k": 12345}))), "{text}");
    let within = |value_bytes| evaluate(&text, &Limits { value_bytes, ..Limits::default() });
    assert_eq!(within(11), Ok(Some(json!({"k": 12345}))), "{text}");
    assert_eq!(within(5).expect_err("it is too long").code, "U1002");
}

#[test]
fn ranges_have_an_end() {
    check("[1..1e9]", "D2014");
    check("[-1e15..1e15]", "D2014");
    check("[1..10000000].[1..10000000]", "U1002");
}

#[test]
fn regular_expressions_are_bounded() {
    let limits = Limits::default();
    let text = "$contains($pad('', 100000, 'a'), /^(a+)+$/)";
    assert_eq!(evaluate(text, &limits), Ok(Some(Json::Bool(true))));
    let text = "$contains($pad('', 50000, 'a') & 'b', /^(a|a)*c$/)";
    assert_eq!(evaluate(text, &limits), Ok(Some(Json::Bool(false))));
    check("$contains($pad('', 5000, 'a'), /^(?:(a+)+)\\1b$/)", "U1003");
    check("$contains('a', /(a{1000}){1000}/)", "S0303");
    check("/[z-a]/", "S0303");
    check("/(/", "S0302");
}

#[test]
fn values_are_not_nested_without_end() {
    check("$reduce([1..100000], function($t, $i) { [[$t]] }, 1)", "U1001");
    check("$reduce([1..100000], function($t, $i) { {'a': $t} }, 1)", "U1001");
    check("($f := function($n, $t) { $f($n + 1, [[$t]]) }; $f(0, 1))", "U1001");
    check("($f := function($g) { $f($g ~> $string) }; $f($string))", "U1001");
    check("($f := function($g) { $f($append(?, $g)) }; $f($string))", "U1001");
}

#[test]
fn the_interrupt_is_asked() {
    let asked = std::cell::Cell::new(0);
    let interrupt = || {
        asked.set(asked.get() + 1);
        asked.get() > 3
    };
    let limits = Limits { interrupt: Some(&interrupt), ..Limits::default() };
    let error = evaluate("($f := function() { $f() }; $f())", &limits).expect_err("interrupted");
    assert_eq!((error.code, asked.get()), ("U1001", 4));
}

#[test]
fn steps_are_the_same_every_time() {
    let text = "$sum($map([1..1000], function($i) { $i * 2 }))";
    let enough = (1..200)
        .map(|k| k * 500)
        .find(|steps| evaluate(text, &Limits { steps: *steps, ..Limits::default() }).is_ok());
    let again = (1..200)
        .map(|k| k * 500)
        .find(|steps| evaluate(text, &Limits { steps: *steps, ..Limits::default() }).is_ok());
    assert!(enough.is_some());
    assert_eq!(enough, again);
}

/// A row of random numbers, the same in every run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }
}

#[test]
fn random_text_does_no_harm() {
    let mut chance = Chance(7);
    let limits = Limits { steps: 20_000, bytes: 4 << 20, ..Limits::default() };
    for _ in 0..20_000 {
        let length = chance.below(30);
        let bytes: Vec<u8> = (0..length).map(|_| chance.below(256) as u8).collect();
        let _ = evaluate(&String::from_utf8_lossy(&bytes), &limits);
    }
}

#[test]
fn random_expressions_do_no_harm() {
    const PARTS: [&str; 74] = [
        "a",
        "b",
        "$",
        "$$",
        "%",
        "*",
        "**",
        "text",
        "$x",
        "1",
        "2.5",
        "-1",
        "'s'",
        "\"t\"",
        "`q`",
        "null",
        "true",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        ".",
        ",",
        ";",
        ":",
        "?",
        ":=",
        "~>",
        "@$x",
        "#$i",
        "^(",
        "<",
        ">",
        "=",
        "!=",
        "<=",
        ">=",
        "+",
        "-",
        "*",
        "/",
        "%",
        "&",
        " and ",
        " or ",
        " in ",
        "..",
        "??",
        "?:",
        "|",
        "function($x){",
        "λ($y)<s-:s>{",
        "/a+/",
        "/(a)|b/i",
        "$sum(",
        "$map(",
        "$string(",
        "$sort(",
        "$match(",
        "$replace(",
        "$split(",
        "$each(",
        "$sift(",
        "$merge(",
        "$eval(",
        "$formatNumber(",
        "$fromMillis(",
        "$toMillis(",
        "$distinct(",
        "$reduce(",
        "$spread(",
        "$zip(",
    ];
    let mut chance = Chance(11);
    let limits = Limits { steps: 20_000, bytes: 4 << 20, depth: 200, ..Limits::default() };
    for _ in 0..60_000 {
        let count = 1 + chance.below(14);
        let mut text: String = (0..count).map(|_| PARTS[chance.below(PARTS.len())]).collect();
        let mut open = Vec::new();
        for char in text.chars() {
            match char {
                '(' => open.push(')'),
                '[' => open.push(']'),
                '{' => open.push('}'),
                ')' | ']' | '}' => drop(open.pop()),
                _ => {}
            }
        }
        text.extend(open.iter().rev());
        let _ = evaluate(&text, &limits);
    }
}
