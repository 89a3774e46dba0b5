//! Makes definitions and inputs that want too much: deep, wide, doubling, shared, quadratic. The
//! same seed always makes the same.

use stepwright_json::{Json, Object, json};

/// Numbers that look like chance.
pub(super) struct Chance(pub(super) u64);

impl Chance {
    pub(super) fn below(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (bits ^ (bits >> 31)) % below.max(1)
    }

    pub(super) fn pick<'t, T>(&mut self, things: &'t [T]) -> &'t T {
        &things[self.below(things.len() as u64) as usize]
    }

    fn one_in(&mut self, chances: u64) -> bool {
        self.below(chances) == 0
    }
}

/// What is sent to the server.
pub(super) struct Case {
    pub(super) express: bool,
    /// Whether the state is tested instead of being run in a machine.
    pub(super) tested: bool,
    pub(super) definition: String,
    pub(super) input: String,
}

pub(super) fn case(chance: &mut Chance) -> Case {
    let definition = match chance.below(12) {
        0 => deep(chance),
        1 => wide(chance),
        2 => doubling(chance),
        3 | 4 => json_path(chance),
        5..=7 => jsonata(chance),
        8 => map(chance),
        9 => reader(chance),
        10 => expression(chance),
        _ => broken(chance),
    };
    let tested = chance.one_in(10);
    let definition = if tested { single(&definition) } else { definition };
    Case { express: !chance.one_in(3), tested, definition, input: input(chance) }
}

/// The first state of a machine, as `TestState` wants it.
fn single(definition: &str) -> String {
    let Ok(machine) = stepwright_json::parse(definition) else { return definition.to_owned() };
    let states = machine.get("States").and_then(Json::as_object);
    let Some(Json::Object(mut state)) = states.and_then(|states| states.values().next().cloned())
    else {
        return definition.to_owned();
    };
    if let Some(language) = machine.get("QueryLanguage") {
        state.insert("QueryLanguage", language.clone());
    }
    Json::from(state).to_string()
}

/// An input with something large of every kind, near the largest that is accepted.
fn input(chance: &mut Chance) -> String {
    if chance.one_in(40) {
        let levels = *chance.pick(&[200, 999, 1_000, 1_001, 100_000]);
        return format!("{{\"deep\":{}1{}}}", "[".repeat(levels), "]".repeat(levels));
    }
    let size = *chance.pick(&[10, 300, 1_000, 3_000]);
    let numbers: Vec<Json> = (0..size as i64).map(Json::Int).collect();
    let words: Vec<Json> = (0..size).map(|at| Json::from(format!("w{at}"))).collect();
    let objects: Vec<Json> = (0..size / 4).map(|at| json!({"k": at, "v": [at, "x"]})).collect();
    let wide: Object = (0..size).map(|at| (format!("k{at}"), Json::Bool(true))).collect();
    let deep = (0..chance.below(900)).fold(Json::Int(1), |inner, _| json!([inner]));
    let big = chance.pick(&["x", "ab ", "ä", "\\u0001", "Aa"]).repeat(size * 12);
    let collisions: Vec<Json> = (0..size as u64)
        .map(|bits| {
            let text: String =
                (0..12).map(|at| if bits >> at & 1 == 0 { "Aa" } else { "BB" }).collect();
            text.into()
        })
        .collect();
    json!({
        "n": 0, "m": (chance.below(10_000) as i64), "v": 1,
        "numbers": numbers, "words": words, "objects": objects, "wide": (Json::from(wide)),
        "deep": deep, "big": big, "collisions": collisions
    })
    .to_string()
}

fn machine(language: &str, states: &str) -> String {
    format!(r#"{{"QueryLanguage": "{language}", "StartAt": "A", "States": {{{states}}}}}"#)
}

/// A state `C` that leads back forever, and the end that a machine must have.
fn again(state: &str) -> String {
    format!(
        r#""C": {{"Type": "Choice", "Choices": [{{"Variable": "$.never", "IsPresent": true, "Next": "E"}}], "Default": "{state}"}}, "E": {{"Type": "Succeed"}}"#
    )
}

fn quoted(text: &str) -> String {
    Json::from(text).to_string()
}

/// Loops that put a value into itself.
fn deep(chance: &mut Chance) -> String {
    let step = *chance.pick(&[
        r#""Type": "Pass", "Parameters": {"v.$": "States.Array(States.Array(States.Array(States.Array($.v))))"}"#,
        r#""Type": "Pass", "Parameters": {"v": {"a": {"b": {"c.$": "$.v"}}}}"#,
        r#""Type": "Pass", "ResultPath": "$.v""#,
        r#""Type": "Pass", "ResultPath": "$.v.a", "Parameters": {"x.$": "$"}"#,
        r#""Type": "Pass", "InputPath": "$..v", "ResultPath": "$.v""#,
        r#""Type": "Pass", "Assign": {"w.$": "States.Array($)"}, "Parameters": {"v.$": "$"}"#,
        r#""Type": "Pass", "QueryLanguage": "JSONata", "Output": {"v": "{% [[[$states.input.v]]] %}"}"#,
        r#""Type": "Pass", "QueryLanguage": "JSONata", "Output": "{% $states.input ~> |$|{'v': [[$]]}| %}""#,
        r#""Type": "Pass", "QueryLanguage": "JSONata", "Output": {"v": "{% $reduce([1..90], function($a, $i) {{'a': $a}}, $states.input.v) %}"}"#,
        r#""Type": "Parallel", "Branches": [{"StartAt": "X", "States": {"X": {"Type": "Pass", "End": true}}}]"#,
        r#""Type": "Map", "ItemsPath": "$.list", "ResultPath": "$.list", "ItemProcessor": {"StartAt": "Y", "States": {"Y": {"Type": "Pass", "Parameters": {"x.$": "$$.Map"}, "End": true}}}"#,
    ]);
    let path = format!("${}", ".a".repeat(*chance.pick(&[900, 1_100, 30_000])));
    let start = if chance.one_in(4) {
        format!(r#""A": {{"Type": "Pass", "Result": 1, "ResultPath": "{path}", "Next": "B"}}"#)
    } else {
        r#""A": {"Type": "Pass", "Parameters": {"v.$": "$.v", "list.$": "$.words[0:2]"}, "Next": "B"}"#
            .to_owned()
    };
    machine("JSONPath", &format!(r#"{start}, "B": {{{step}, "Next": "C"}}, {}"#, again("B")))
}

/// Payloads of many fields that all are large.
fn wide(chance: &mut Chance) -> String {
    let count = *chance.pick(&[50, 1_000, 8_000]);
    let jsonata = chance.one_in(2);
    let path = *chance.pick(&["$.big", "$", "$.numbers", "$$", "$.deep", "$..*"]);
    let expression = match path {
        "$" => "$states.input".to_owned(),
        "$$" => "$states.context".to_owned(),
        "$..*" => "$states.input.**".to_owned(),
        path => path.replacen('$', "$states.input", 1),
    };
    let fields: Vec<String> = (0..count)
        .map(|at| {
            if jsonata {
                format!(r#""f{at}": "{{% {expression} %}}""#)
            } else {
                format!(r#""f{at}.$": "{path}""#)
            }
        })
        .collect();
    let fields = format!("{{{}}}", fields.join(", "));
    let holes = "{}".repeat(count);
    let paths = vec![path; count].join(", ");
    let processor = r#"{"StartAt": "I", "States": {"I": {"Type": "Pass", "End": true}}}"#;
    let lambda =
        r#""Type": "Task", "Resource": "arn:aws:lambda:us-east-1:123456789012:function:f""#;
    let state = if jsonata {
        match chance.below(6) {
            0 => format!(r#""Type": "Pass", "Output": {fields}"#),
            1 => format!(r#""Type": "Pass", "Assign": {fields}"#),
            2 => format!(r#"{lambda}, "Arguments": {fields}"#),
            3 => format!(r#""Type": "Parallel", "Branches": [{processor}], "Output": {fields}"#),
            4 => format!(
                r#""Type": "Map", "Items": [1, 2], "ItemSelector": {fields}, "ItemProcessor": {processor}"#
            ),
            _ => format!(
                r#""Type": "Map", "Items": {{"x": {fields}}}, "ItemProcessor": {processor}"#
            ),
        }
    } else {
        match chance.below(7) {
            0 => format!(r#""Type": "Pass", "Parameters": {fields}"#),
            1 => format!(r#""Type": "Pass", "Assign": {fields}"#),
            2 => format!(r#"{lambda}, "Parameters": {fields}"#),
            3 => format!(
                r#""Type": "Parallel", "Branches": [{processor}], "ResultSelector": {fields}"#
            ),
            4 => format!(
                r#""Type": "Map", "ItemsPath": "$.words", "ItemSelector": {fields}, "ItemProcessor": {processor}"#
            ),
            5 => format!(
                r#""Type": "Pass", "Parameters": {{"t.$": "States.Format('{holes}', {paths})"}}"#
            ),
            _ => format!(r#""Type": "Pass", "Parameters": {{"t.$": "States.Array({paths})"}}"#),
        }
    };
    let language = if jsonata { "JSONata" } else { "JSONPath" };
    machine(language, &format!(r#""A": {{{state}, "End": true}}"#))
}

/// Loops that double something.
fn doubling(chance: &mut Chance) -> String {
    let step = *chance.pick(&[
        r#""Parameters": {"big.$": "States.Format('{}{}', $.big, $.big)"}"#,
        r#""Parameters": {"big.$": "States.Array($.big, $.big)"}"#,
        r#""Parameters": {"big.$": "States.JsonToString(States.Array($.big, $.big))"}"#,
        r#""Parameters": {"big.$": "States.Base64Encode($.big)"}"#,
        r#""Parameters": {"a.$": "$", "b.$": "$"}"#,
        r#""QueryLanguage": "JSONata", "Output": {"big": "{% $states.input.big & $states.input.big %}"}"#,
        r#""QueryLanguage": "JSONata", "Output": {"big": "{% [$states.input.big, $states.input.big] %}"}"#,
        r#""QueryLanguage": "JSONata", "Output": {"big": "{% $reduce([1..60], function($a, $i) {[$a, $a]}, $states.input) %}"}"#,
        r#""QueryLanguage": "JSONata", "Output": {"big": "{% $reduce([1..60], function($a, $i) {{'a': $a, 'b': $a}}, $states.input) %}"}"#,
        r#""QueryLanguage": "JSONata", "Output": {"big": "{% $reduce([1..60], function($a, $i) {$append($a, $a)}, $states.input.words) %}"}"#,
        r#""QueryLanguage": "JSONata", "Assign": {"x": "{% $exists($x) ? [$x, $x] : $states.input.big %}"}"#,
        r#""QueryLanguage": "JSONata", "Output": {"big": "{% $string($states.input) %}"}"#,
    ]);
    machine("JSONPath", &format!(r#""A": {{"Type": "Pass", {step}, "Next": "C"}}, {}"#, again("A")))
}

const PATHS: &[&str] = &[
    "$.numbers",
    "$.words",
    "$.objects",
    "$.wide",
    "$.deep",
    "$.big",
    "$.collisions",
    "$",
    "$$",
    "$..*",
    "$..k",
    "$.objects[*].v[*]",
    "$..*..*",
    "$..*..*..*",
    "$.objects[?(@.k > 3)]",
    "$.numbers[?(@ in $.numbers)]",
    "$.words[?($.words contains @)]",
    "$.words[?($.words subsetof $.words)]",
    "$.objects[?(@..v)]",
    "$..[?(@..[?(@..v)])]",
    "$.words[?(@ =~ /(w?[0-9]?){300}z/)]",
    "$.numbers.sum()",
    "$.words.concat($.big, $.big, $.big)",
    "$..*.length()",
    "$.numbers[-1:]",
    "$.n",
    "$.m",
];

const INTRINSICS: &[&str] = &[
    "Array",
    "ArrayContains",
    "ArrayGetItem",
    "ArrayLength",
    "ArrayPartition",
    "ArrayRange",
    "ArrayUnique",
    "Base64Decode",
    "Base64Encode",
    "Format",
    "Hash",
    "JsonMerge",
    "JsonToString",
    "MathAdd",
    "MathRandom",
    "StringSplit",
    "StringToJson",
    "UUID",
];

fn intrinsic(chance: &mut Chance, levels: u64) -> String {
    let name = *chance.pick(INTRINSICS);
    let mut arguments = Vec::new();
    let count = *chance.pick(&[1, 2, 2, 3, 3, 40]);
    if name == "Format" && chance.below(3) > 0 {
        arguments.push(format!("'{}'", "{}".repeat(count)));
    }
    for _ in 0..count {
        arguments.push(match chance.below(8) {
            0 => "1".to_owned(),
            1 => "-2147483648".to_owned(),
            2 => "'SHA-512'".to_owned(),
            3 => "'a'".to_owned(),
            4 if levels > 0 => intrinsic(chance, levels - 1),
            _ => (*chance.pick(PATHS)).to_owned(),
        });
    }
    format!("States.{name}({})", arguments.join(", "))
}

/// Every intrinsic function and many paths, in every field that takes one.
fn json_path(chance: &mut Chance) -> String {
    let mut any = || {
        if chance.one_in(3) { (*chance.pick(PATHS)).to_owned() } else { intrinsic(chance, 3) }
    };
    let (first, second) = (quoted(&any()), quoted(&any()));
    let path: &&str = chance.pick(PATHS);
    let path = quoted(path);
    let state = match chance.below(9) {
        0 => format!(r#""Type": "Pass", "InputPath": {path}, "Parameters": {{"x.$": {first}}}"#),
        1 => format!(r#""Type": "Pass", "Assign": {{"x.$": {first}, "y.$": {second}}}"#),
        2 => format!(
            r#""Type": "Pass", "Parameters": {{"x": [{{"y.$": {first}}}, {{"z.$": {second}}}]}}, "ResultPath": "$.v""#
        ),
        3 => format!(r#""Type": "Pass", "OutputPath": {path}"#),
        4 => format!(
            r#""Type": "Choice", "Default": "E", "Choices": [{{"And": [{{"Variable": {path}, "IsPresent": true}}, {{"Variable": {path}, "StringMatches": "{}z"}}], "Next": "E"}}]"#,
            "*a".repeat(*chance.pick(&[1, 100, 5_000]))
        ),
        5 => format!(r#""Type": "Wait", "SecondsPath": {path}"#),
        6 => {
            return machine(
                "JSONPath",
                &format!(r#""A": {{"Type": "Fail", "CausePath": {first}, "ErrorPath": {second}}}"#),
            );
        }
        7 => format!(
            r#""Type": "Parallel", "Branches": [{{"StartAt": "X", "States": {{"X": {{"Type": "Pass", "End": true}}}}}}], "ResultSelector": {{"x.$": {first}}}, "ResultPath": "$.a.b.c""#
        ),
        _ => format!(
            r#""Type": "Task", "Resource": "arn:aws:lambda:us-east-1:123456789012:function:none", "Parameters": {{"x.$": {first}}}, "Catch": [{{"ErrorEquals": ["States.ALL"], "Next": "E", "Assign": {{"y.$": {second}}}}}]"#
        ),
    };
    let next = if state.contains("Choice\"") { "" } else { r#", "Next": "E""# };
    machine("JSONPath", &format!(r#""A": {{{state}{next}}}, "E": {{"Type": "Succeed"}}"#))
}

const FUNCTIONS: &[&str] = &[
    "sum",
    "count",
    "max",
    "min",
    "average",
    "string",
    "substring",
    "substringBefore",
    "substringAfter",
    "lowercase",
    "uppercase",
    "length",
    "trim",
    "pad",
    "match",
    "contains",
    "replace",
    "split",
    "join",
    "formatNumber",
    "formatBase",
    "formatInteger",
    "parseInteger",
    "number",
    "floor",
    "ceil",
    "round",
    "abs",
    "sqrt",
    "power",
    "boolean",
    "not",
    "map",
    "zip",
    "filter",
    "single",
    "reduce",
    "sift",
    "keys",
    "lookup",
    "append",
    "exists",
    "spread",
    "merge",
    "reverse",
    "each",
    "error",
    "assert",
    "type",
    "sort",
    "shuffle",
    "distinct",
    "base64encode",
    "base64decode",
    "encodeUrlComponent",
    "encodeUrl",
    "decodeUrlComponent",
    "decodeUrl",
    "toMillis",
    "fromMillis",
    "clone",
    "now",
    "millis",
    "partition",
    "range",
    "hash",
    "random",
    "uuid",
    "parse",
];

const VALUES: &[&str] = &[
    "$states.input",
    "$states.context",
    "$states.input.numbers",
    "$states.input.words",
    "$states.input.objects",
    "$states.input.wide",
    "$states.input.deep",
    "$states.input.big",
    "$states.input.collisions",
    "[1..800000]",
    "[1..1000]",
    "[1..20000]",
    "1",
    "-1",
    "0",
    "1e9",
    "'a'",
    "''",
    "'SHA-256'",
    "'#,##0.00'",
    "'[Y0001]-[M01]-[D01]'",
    "/a/",
    "/(a*)*b/i",
    "/[ab]*a[ab]{500}/",
    "/(?=.*b)a/",
    "$states.input.**",
    "$states.input.objects.v",
    "$states.input.objects.$states.input.numbers",
    "function($a, $b) {$a}",
    "function($a, $b) {[$a, $b]}",
    "function($a, $b) {$a & $b}",
    "function($a) {$states.input.big}",
    "function($a, $i, $all) {$all}",
    "function($a, $i, $all) {$count($all[$ = $a])}",
    "function($a, $b) {$append($a, $b)}",
    "($f := function($n) {$n > 0 ? $f($n - 1) : 0}; $f(1000000))",
    "($f := function($n) {$f($n) + 1}; $f(1))",
    "$string",
    "$sum",
    "$uppercase",
];

fn value(chance: &mut Chance, levels: u64) -> String {
    if levels > 0 && chance.one_in(3) {
        let name = *chance.pick(FUNCTIONS);
        let count = *chance.pick(&[1, 2, 2, 2, 3, 4]);
        let arguments: Vec<String> = (0..count).map(|_| value(chance, levels - 1)).collect();
        return format!("${name}({})", arguments.join(", "));
    }
    if levels > 0 && chance.one_in(4) {
        let (a, b) = (value(chance, levels - 1), value(chance, levels - 1));
        return match chance.below(14) {
            0 => format!("({a} & {b})"),
            1 => format!("[{a}, {b}]"),
            2 => format!("{{'a': {a}, 'b': {b}}}"),
            3 => format!("$map({a}, function($v, $i, $all) {{{b}}})"),
            4 => format!("$filter({a}, function($v, $i, $all) {{$v in {b}}})"),
            5 => format!("$reduce({a}, function($x, $y) {{[$x, {b}]}})"),
            6 => format!("$sort({a}, function($x, $y) {{$string($x) > $string({b})}})"),
            7 => format!("({a})[$ in {b}]"),
            8 => format!("({a}){{$string($): {b}}}"),
            9 => format!("({a})^($string($))"),
            10 => format!("({a}) ~> |$|{{'x': {b}}}|"),
            11 => format!("({a}).({b})"),
            12 => format!("({a} = {b})"),
            _ => format!("($x := {a}; $y := {b}; [$x, $y, $x])"),
        };
    }
    (*chance.pick(VALUES)).to_owned()
}

/// Every function of JSONata, in every field that takes an expression.
fn jsonata(chance: &mut Chance) -> String {
    let expression = |chance: &mut Chance| {
        let levels = 1 + chance.below(4);
        quoted(&format!("{{% {} %}}", value(chance, levels)))
    };
    let (first, second) = (expression(chance), expression(chance));
    let processor = r#"{"StartAt": "I", "States": {"I": {"Type": "Pass", "End": true}}}"#;
    let state = match chance.below(10) {
        0..=2 => format!(r#""Type": "Pass", "Output": {first}"#),
        3 => format!(r#""Type": "Pass", "Assign": {{"x": {first}, "y": {second}}}"#),
        4 => format!(r#""Type": "Pass", "Output": {{"x": [{first}, {{"y": {second}}}]}}"#),
        5 => format!(
            r#""Type": "Map", "Items": {first}, "ItemSelector": {{"x": {second}}}, "ItemProcessor": {processor}"#
        ),
        6 => format!(r#""Type": "Wait", "Seconds": {first}"#),
        7 => {
            return machine(
                "JSONata",
                &format!(r#""A": {{"Type": "Fail", "Cause": {first}, "Error": {second}}}"#),
            );
        }
        8 => format!(
            r#""Type": "Task", "Resource": "arn:aws:lambda:us-east-1:123456789012:function:none", "Arguments": {{"x": {first}}}, "TimeoutSeconds": {second}, "Catch": [{{"ErrorEquals": ["States.ALL"], "Next": "E", "Output": {second}}}]"#
        ),
        _ => {
            let choice = format!(
                r#""A": {{"Type": "Choice", "Default": "E", "Choices": [{{"Condition": {first}, "Next": "E", "Output": {second}}}]}}"#
            );
            return machine("JSONata", &format!(r#"{choice}, "E": {{"Type": "Succeed"}}"#));
        }
    };
    machine("JSONata", &format!(r#""A": {{{state}, "Next": "E"}}, "E": {{"Type": "Succeed"}}"#))
}

/// Maps of many iterations that hold much, or that compute much for each.
fn map(chance: &mut Chance) -> String {
    let each = *chance.pick(&[
        r#""Type": "Pass", "Output": "{% $join($map([1..20000], function($i) {'0123456789'})) %}", "End": true"#,
        r#""Type": "Pass", "Output": "{% $reduce([1..100000], function($a, $b) {$a + $b}) %}", "End": true"#,
        r#""Type": "Pass", "Output": "{% [1..30000] %}", "Next": "W""#,
        r#""Type": "Pass", "Output": "{% $map([1..60000], function($i) {[]}) %}", "Next": "W""#,
        r#""Type": "Pass", "Output": "{% $states.context %}", "Next": "W""#,
    ]);
    let wait = if each.contains(r#""W""#) {
        r#", "W": {"Type": "Wait", "Seconds": 2, "End": true}"#
    } else {
        ""
    };
    // Most are small, because one of the largest takes as long as a hundred of others.
    let count = *chance.pick(&[10, 10, 10, 10, 10, 10, 10, 10, 10, 300, 3_000, 100_000]);
    let mode = if chance.one_in(3) {
        r#""ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS"}, "#
    } else {
        ""
    };
    machine(
        "JSONata",
        &format!(
            r#""A": {{"Type": "Map", "Items": "{{% [1..{count}] %}}", "MaxConcurrency": {}, "ItemProcessor": {{{mode}"StartAt": "X", "States": {{"X": {{{each}}}{wait}}}}}, "Output": 1, "End": true}}"#,
            chance.pick(&[0, 5])
        ),
    )
}

/// Distributed Maps that read what grows when it is read.
fn reader(chance: &mut Chance) -> String {
    let (kind, key) = *chance.pick(&[
        ("CSV", "headers.csv"),
        ("CSV", "rows.csv"),
        ("JSON", "empty.json"),
        ("JSON", "numbers.json"),
        ("JSON", "deep.json"),
        ("JSONL", "lines.jsonl"),
        ("CSV", "none.csv"),
    ]);
    let selector =
        *chance.pick(&["", r#""ItemSelector": {"a.$": "$$", "b.$": "$$.Map.Item.Value"}, "#]);
    let batcher = *chance
        .pick(&["", r#""ItemBatcher": {"MaxItemsPerBatch": 1, "BatchInput": {"x.$": "$.big"}}, "#]);
    let config = if kind == "CSV" {
        r#""InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW""#.to_owned()
    } else {
        format!(r#""InputType": "{kind}""#)
    };
    machine(
        "JSONPath",
        &format!(
            r#""A": {{"Type": "Map", "Label": "L", "ItemReader": {{"Resource": "arn:aws:states:::s3:getObject", "ReaderConfig": {{{config}}}, "Parameters": {{"Bucket": "in", "Key": "{key}"}}}}, {selector}{batcher}"ToleratedFailurePercentage": 100, "MaxConcurrency": 20, "ItemProcessor": {{"ProcessorConfig": {{"Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS"}}, "StartAt": "Q", "States": {{"Q": {{"Type": "Fail"}}}}}}, "End": true}}"#
        ),
    )
}

/// What the readers of [`reader`] find.
pub(super) fn objects() -> Vec<(&'static str, String)> {
    let headers: Vec<String> = (0..5_000).map(|at| format!("h{at}")).collect();
    let rows = format!("{}\n{}", headers.join(","), "1\n".repeat(250_000));
    vec![
        ("headers.csv", rows),
        ("rows.csv", format!("a,b\n{}", "1,2\n".repeat(400_000))),
        ("empty.json", format!("[{}[]]", "[],".repeat(3_000_000))),
        ("numbers.json", format!("[{}0]", "0,".repeat(5_000_000))),
        ("deep.json", format!("[{}{}]", "[".repeat(200_000), "]".repeat(200_000))),
        ("lines.jsonl", "[[],[],[],[]]\n".repeat(700_000)),
    ]
}

/// Expressions of the CDK.
fn expression(chance: &mut Chance) -> String {
    let script = *chance.pick(&[
        "let a=[];a[4294967294]=1;a.join('x')",
        "for(;;){}",
        "let x=['a'];for(;;)x=x.concat(x)",
        "'a'.repeat(500000000)",
        "new Array(1e9).fill(0)",
        "(function f(){return f()+f()})()",
        "JSON.stringify($.words)",
        "$.big$.big$.big$.big",
        "/(a+)+$/.test('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab')",
        "1 + 1",
    ]);
    machine(
        "JSONPath",
        &format!(
            r#""A": {{"Type": "Task", "Resource": "arn:aws:lambda:us-east-1:123456789012:function:Eval", "Parameters": {{"expression": {}, "expressionAttributeValues": {{"$.big.$": "$.big", "$.words.$": "$.words"}}}}, "End": true}}"#,
            quoted(script)
        ),
    )
}

/// Definitions that were good before somebody changed a few bytes.
fn broken(chance: &mut Chance) -> String {
    let good = match chance.below(3) {
        0 => json_path(chance),
        1 => jsonata(chance),
        _ => map(chance),
    };
    let mut bytes = good.into_bytes();
    for _ in 0..=chance.below(4) {
        let at = chance.below(bytes.len() as u64) as usize;
        match chance.below(4) {
            0 => {
                bytes.remove(at);
            }
            1 => bytes[at] = *chance.pick(b"{}[]\"\\:,$.x0%@*"),
            2 => {
                let piece =
                    bytes[at..(at + 40).min(bytes.len())].repeat(1 + chance.below(50) as usize);
                bytes.splice(at..at, piece);
            }
            _ => bytes.truncate(at.max(1)),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
