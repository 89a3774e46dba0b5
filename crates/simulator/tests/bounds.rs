//! What an execution computes is bounded while it is computed: in depth, in size and in steps. A
//! value that outgrows its bounds fails its state, and nothing else.

#![expect(clippy::disallowed_methods, reason = "what takes how long is what is tested")]

use std::time::{Duration, Instant};
use stepwright_asl::Definition;
use stepwright_history::EventKind;
use stepwright_json::{DEEPEST, Json, Syntax, json};
use stepwright_program::{Limits, Program};
use stepwright_simulator::{Answer, Call, MemoryObjects, Run, Simulation, Status};

fn program(text: &str) -> Program {
    let definition = Definition::parse(text, Syntax::Strict).expect("JSON");
    stepwright_program::compile(&definition).unwrap_or_else(|error| panic!("{text}: {error:?}"))
}

fn run_with(program: &Program, input: Json, answer: &Json) -> Run {
    Simulation::new(program)
        .input(input)
        .most_turns(2_000_000)
        .run(&mut |_: &Call<'_>| Answer::returns(answer.clone()))
}

fn run(text: &str, input: Json) -> Run {
    run_with(&program(text), input, &Json::Null)
}

fn failure(run: &Run) -> (String, String) {
    let Status::Failed { failure } = &run.status else { panic!("{:?}", run.status.name()) };
    (failure.name().to_owned(), failure.cause.as_deref().unwrap_or_default().to_owned())
}

fn nested(levels: usize) -> Json {
    (0..levels).fold(Json::Int(1), |inner, _| json!([inner]))
}

/// Every event's data is no deeper than it may be.
fn assert_shallow(run: &Run) {
    for event in &run.events {
        let value = match &event.kind {
            EventKind::StateEntered { input, .. } => input,
            EventKind::StateExited { output, .. } => output,
            EventKind::TaskScheduled { call, .. } => &call.parameters,
            EventKind::MapIterationStarted { input, .. } => input,
            EventKind::ParallelStarted { input, .. } => input,
            _ => continue,
        };
        assert!(value.measure().is_some(), "an event holds a value that is too deep");
    }
}

/// A loop that makes its value deeper at each round, forever if it may.
fn grows(step: &str) -> Run {
    let text = format!(r#"{{"StartAt": "Grow", "States": {{"Grow": {step}}}}}"#);
    let mut program = program(&text);
    program.limits.payload_bytes = 1 << 20;
    program.limits.evaluation_bytes = 1 << 20;
    let ended = run_with(&program, json!({"v": 1, "list": [1]}), &Json::Null);
    assert_shallow(&ended);
    ended
}

#[test]
fn no_way_of_building_a_value_goes_past_the_deepest() {
    let pass = |fields: &str| format!(r#"{{"Type": "Pass", {fields}, "Next": "Grow"}}"#);
    let jsonata = |fields: &str| {
        format!(r#"{{"Type": "Pass", "QueryLanguage": "JSONata", {fields}, "Next": "Grow"}}"#)
    };
    let scoped = |kind: &str, scope: &str, fields: &str| {
        let inner = r#"{"StartAt": "I", "States": {"I": {"Type": "Pass", "End": true}}}"#;
        let scope = scope.replace("INNER", &inner.replace("\"I\"", "\"X\""));
        format!(r#"{{"Type": "{kind}", {scope}, {fields}"Next": "Grow"}}"#)
    };
    let ways = [
        pass(r#""Parameters": {"v.$": "States.Array(States.Array(States.Array($.v)))"}"#),
        pass(r#""Parameters": {"v": {"a": {"b.$": "$.v"}}}"#),
        pass(r#""Parameters": {"v": {"a.$": "$"}}"#),
        pass(
            r#""Parameters": {"x.$": "States.ArrayPartition(States.Array($.v), 1)"}, "ResultPath": "$.v""#,
        ),
        pass(r#""ResultPath": "$.v", "InputPath": "$""#),
        pass(r#""InputPath": "$..v", "ResultPath": "$.v""#),
        pass(r#""ResultSelector": {"v.$": "$"}, "Parameters": {"w.$": "$"}"#)
            .replace(r#""ResultSelector": {"v.$": "$"}, "#, ""),
        jsonata(r#""Output": {"v": "{% [[$states.input.v]] %}"}"#),
        jsonata(r#""Output": {"v": "{% {'a': {'b': $states.input.v}} %}"}"#),
        jsonata(
            r#""Output": {"v": "{% $reduce([1..30], function($a, $i) {[[$a]]}, $states.input.v) %}"}"#,
        ),
        jsonata(r#""Output": "{% $merge([$states.input, {'v': [[$states.input]]}]) %}""#),
        jsonata(r#""Output": "{% $states.input ~> |$|{'v': [[$]]}| %}""#),
        jsonata(r#""Assign": {"w": "{% [[$exists($w) ? $w : 1]] %}"}"#),
        jsonata(r#""Output": "{% {'v': $spread({'a': $states.input})} %}""#),
        jsonata(r#""Output": "{% {'v': $zip([[$states.input]], [1])} %}""#),
        jsonata(r#""Output": "{% {'v': $partition([[$states.input], 1], 1)} %}""#),
        scoped("Parallel", r#""Branches": [INNER]"#, ""),
        scoped("Map", r#""ItemProcessor": INNER, "ItemsPath": "$.v""#, r#""ResultPath": "$.v", "#)
            .replace(
                "ItemsPath\": \"$.v\"",
                "ItemSelector\": {\"a.$\": \"$\"}, \"ItemsPath\": \"$.list\"",
            ),
    ];
    for way in &ways {
        let ended = grows(way);
        let (error, cause) = failure(&ended);
        let too_deep = cause.contains("nested too deeply") || cause.contains("Stack overflow");
        // What is found again and again may become too large before it is too deep.
        let too_large = way.contains("$..") && cause.contains("maximum number of bytes");
        assert!(too_deep || too_large, "{way}: {error}: {cause}");
        assert!(
            ["States.Runtime", "States.QueryEvaluationError"].contains(&error.as_str()),
            "{error}"
        );
    }
}

#[test]
fn the_loop_that_overflowed_the_stack_fails_its_state() {
    let (error, cause) = failure(&run(
        r#"{"StartAt": "W", "States": {
          "I": {"Type": "Pass", "Next": "C", "Parameters": {"n.$": "States.MathAdd($.n,1)", "m.$": "$.m",
            "v.$": "States.Array(States.Array(States.Array(States.Array(States.Array(States.Array(States.Array(States.Array(States.Array(States.Array($.v))))))))))"}},
          "C": {"Type": "Choice", "Default": "F", "Choices": [{"Variable": "$.n", "NumericLessThanPath": "$.m", "Next": "I"}]},
          "F": {"Type": "Succeed"}, "W": {"Type": "Wait", "Seconds": 1, "Next": "I"}}}"#,
        json!({"n": 0, "m": 6000, "v": 1}),
    ));
    assert_eq!(error, "States.Runtime");
    assert!(cause.contains("state 'I'") && cause.contains("at most 1000"), "{cause}");
}

#[test]
fn a_path_of_a_million_steps_puts_nothing_anywhere() {
    let path = format!("${}", ".a".repeat(400_000));
    let text = format!(
        r#"{{"StartAt": "P", "States": {{"P": {{"Type": "Pass", "Result": 1, "ResultPath": "{path}", "End": true}}}}}}"#
    );
    let (error, cause) = failure(&run(&text, json!({})));
    assert!(error == "States.Runtime" && cause.contains("nested too deeply"), "{error}: {cause}");
}

#[test]
fn what_comes_from_outside_is_no_deeper() {
    let task = program(
        r#"{"StartAt": "T", "States": {"T": {"Type": "Task", "Resource": "arn:aws:lambda:us-east-1:1:function:f",
          "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Caught"}], "End": true}, "Caught": {"Type": "Succeed"}}}"#,
    );
    let fits = run_with(&task, json!({}), &nested(DEEPEST));
    assert!(matches!(fits.status, Status::Succeeded { .. }));
    let Status::Succeeded { output } = run_with(&task, json!({}), &nested(1_000_000)).status else {
        panic!("it is caught")
    };
    assert_eq!(output.get("Error"), Some(&json!("States.DataLimitExceeded")));
    let text = format!("{}{}", "[".repeat(DEEPEST + 1), "]".repeat(DEEPEST + 1));
    let parse = r#"{"StartAt": "P", "States": {"P": {"Type": "Pass", "Parameters": {"v.$": "States.StringToJson($.t)"}, "End": true}}}"#;
    let (error, _) = failure(&run(parse, json!({"t": text})));
    assert_eq!(error, "States.Runtime");
    let parse = r#"{"QueryLanguage": "JSONata", "StartAt": "P", "States": {"P": {"Type": "Pass", "Output": "{% $parse($states.input.t) %}", "End": true}}}"#;
    let million = "[".repeat(1_000_000);
    let (error, _) = failure(&run(parse, json!({"t": million})));
    assert_eq!(error, "States.QueryEvaluationError");
}

/// A state whose fields would come to much more than memory holds, were they written. It fails with
/// `error`, and soon.
#[track_caller]
fn check_size(fields: &str, error: &str) {
    let text = format!(
        r#"{{"StartAt": "S", "States": {{"S": {{{fields}}}, "E": {{"Type": "Succeed"}}}}}}"#
    );
    let begun = Instant::now();
    let ended = run(&text, json!({"big": ("x".repeat(200_000)), "list": [1, 2]}));
    let (found, cause) = failure(&ended);
    assert_eq!(found, error, "{}: {cause}", &fields[..fields.len().min(200)]);
    assert!(cause.len() <= 300_000, "the cause has {} bytes", cause.len());
    assert!(begun.elapsed() < Duration::from_secs(20), "it took {:?}", begun.elapsed());
}

#[test]
fn a_payload_is_added_up_before_it_is_written() {
    const LIMIT: &str = "States.DataLimitExceeded";
    let paths = vec!["$.big"; 20_000].join(", ");
    let holes = "{}".repeat(20_000);
    let members: Vec<String> = (0..20_000).map(|at| format!(r#""m{at}.$": "$.big""#)).collect();
    let members = members.join(", ");
    let literals: Vec<String> =
        (0..20_000).map(|at| format!(r#""m{at}": "{{% $states.input.big %}}""#)).collect();
    let literals = literals.join(", ");
    let pass = r#""Type": "Pass", "End": true"#;
    check_size(
        &format!(r#"{pass}, "Parameters": {{"t.$": "States.Format('{holes}', {paths})"}}"#),
        LIMIT,
    );
    check_size(&format!(r#"{pass}, "Parameters": {{"t.$": "States.Array({paths})"}}"#), LIMIT);
    check_size(&format!(r#"{pass}, "Parameters": {{{members}}}"#), LIMIT);
    check_size(&format!(r#"{pass}, "Assign": {{{members}}}"#), LIMIT);
    let jsonata = r#""QueryLanguage": "JSONata", "Type": "Pass", "End": true"#;
    check_size(&format!(r#"{jsonata}, "Output": {{{literals}}}"#), LIMIT);
    check_size(&format!(r#"{jsonata}, "Assign": {{{literals}}}"#), LIMIT);
    let task =
        r#""Type": "Task", "Resource": "arn:aws:lambda:us-east-1:1:function:f", "End": true"#;
    check_size(&format!(r#"{task}, "Parameters": {{{members}}}"#), LIMIT);
    check_size(
        &format!(r#"{task}, "QueryLanguage": "JSONata", "Arguments": {{{literals}}}"#),
        LIMIT,
    );
    let processor = r#"{"StartAt": "I", "States": {"I": {"Type": "Pass", "End": true}}}"#;
    let map = format!(r#""Type": "Map", "ItemProcessor": {processor}, "End": true"#);
    check_size(&format!(r#"{map}, "ItemsPath": "$.list", "ItemSelector": {{{members}}}"#), LIMIT);
    let parallel = format!(r#""Type": "Parallel", "Branches": [{processor}], "End": true"#);
    check_size(&format!(r#"{parallel}, "Parameters": {{{members}}}"#), LIMIT);
    check_size(
        &format!(r#"{parallel}, "ResultSelector": {{"x.$": "States.Format('{holes}', {paths})"}}"#)
            .replace("$.big", "$$.Execution.Input.big"),
        LIMIT,
    );
}

#[test]
fn arguments_of_intrinsics_are_added_up_while_they_are_computed() {
    // Each path makes a list of its own, of a thousand values and some twenty kilobytes.
    let paths = vec!["$..*"; 8_000].join(", ");
    for call in [
        format!("States.ArrayLength(States.Array({paths}))"),
        format!("States.Format('{{}}', {paths})"),
    ] {
        let text = format!(
            r#"{{"StartAt": "S", "States": {{"S": {{"Type": "Pass", "End": true, "Parameters": {{"t.$": "{call}"}}}}}}}}"#
        );
        let list: Vec<Json> = (0..1_000).map(Json::Int).collect();
        let (error, cause) = failure(&run(&text, json!({"list": list})));
        assert_eq!(error, "States.DataLimitExceeded", "{cause}");
    }
}

#[test]
fn errors_and_causes_are_no_larger_than_payloads() {
    let fail = r#""Type": "Fail", "QueryLanguage": "JSONata""#;
    let doubled = "$reduce([1..4], function($a, $i) {$a & $a}, $states.input.big)";
    check_size(&format!(r#"{fail}, "Cause": "{{% {doubled} %}}""#), "States.DataLimitExceeded");
    check_size(&format!(r#"{fail}, "Error": "{{% {doubled} %}}""#), "States.DataLimitExceeded");
    let path = r#""Type": "Fail", "CausePath": "States.Format('{}{}', $.big, $.big)""#;
    check_size(path, "States.DataLimitExceeded");
    // What a message shows of a value is cut.
    check_size(
        r#""Type": "Wait", "QueryLanguage": "JSONata", "End": true, "Seconds": "{% $map([1..20], function($i) {$states.input.big}) %}""#,
        "States.QueryEvaluationError",
    );
}

#[test]
fn texts_of_expressions_grow_no_further_than_a_value_may() {
    const QUERY: &str = "States.QueryEvaluationError";
    for expression in [
        "$pad('', 2000000000)",
        "$join($map([1..100000], function($i) {$states.input.big}))",
        "$string($map([1..100000], function($i) {$states.input.big}))",
        "$map([1..800000], function($i) {$states.input.big})",
        "$replace($states.input.big, 'x', $states.input.big)",
        "$replace($states.input.big, /x/, $states.input.big)",
        "$replace($states.input.big, /x+/, '$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0')",
        "$reduce([1..60], function($a, $i) {[$a, $a]}, $states.input.big)",
        "$reduce([1..60], function($a, $i) {{'a': $a, 'b': $a}}, $states.input.big)",
        "$reduce([1..60], function($a, $i) {$append($a, $a)}, [1])",
        "$split($join($map([1..30], function($i) {$states.input.big})), '')",
        "$base64encode($join($map([1..30], function($i) {$states.input.big})))",
        "$join($map([1..34], function($i) {$states.input.big}), ' ') & ' ' & $states.input.big",
    ] {
        let expression = expression.replace('"', "\\\"");
        check_size(
            &format!(r#""QueryLanguage": "JSONata", "Type": "Pass", "End": true, "Output": "{{% $count({expression}) > 0 %}}""#)
                .replace("$count(", "(").replace(") > 0 %}", ") %}"),
            QUERY,
        );
    }
}

#[test]
fn a_states_evaluations_take_so_long_and_no_longer() {
    // Each expression may take as many steps; all of them together may not.
    let fields: Vec<String> = (0..150)
        .map(|at| {
            format!(r#""f{at}": "{{% $reduce([1..800000], function($a, $b) {{$a + $b}}) %}}""#)
        })
        .collect();
    let text = format!(
        r#"{{"QueryLanguage": "JSONata", "StartAt": "P", "States": {{"P": {{"Type": "Pass", "Output": {{{}}}, "End": true}}}}}}"#,
        fields.join(", ")
    );
    let mut program = program(&text);
    assert_eq!(program.limits.state_steps, 3 * program.limits.evaluation_steps);
    program.limits.state_steps /= 4;
    let (error, cause) = failure(&run_with(&program, json!({}), &Json::Null));
    assert_eq!(error, "States.QueryEvaluationError");
    assert!(cause.contains("timeout"), "{cause}");
}

/// Computes with a fiftieth of the steps that there are otherwise. Whatever takes long in it has to
/// count as so many steps that it is over soon, in an unoptimised build on a busy machine, too.
#[track_caller]
fn check_time(text: &str, input: &Json) {
    let mut program = program(text);
    program.limits.evaluation_steps /= 50;
    program.limits.state_steps /= 50;
    let begun = Instant::now();
    run_with(&program, input.clone(), &Json::Null);
    let taken = begun.elapsed();
    assert!(taken < Duration::from_secs(10), "{taken:?}: {}", &text[..text.len().min(400)]);
}

#[test]
fn unique_values_are_found_in_linear_time() {
    let unique = r#"{"StartAt": "P", "States": {"P": {"Type": "Pass", "Parameters": {"n.$": "States.ArrayLength(States.ArrayUnique($.list))"}, "End": true}}}"#;
    // Fractions whose hash in Java is the same, and texts: "Aa" and "BB" have one hash.
    let floats: Json = (0..40_000u64)
        .map(|at| Json::Float(f64::from_bits((0x4000_0000 | at) << 32 | (0x4000_0000 | at))))
        .collect::<Vec<_>>()
        .into();
    let texts: Json = (0..1u32 << 14)
        .map(|bits| {
            let text = (0..14).map(|at| if bits >> at & 1 == 0 { "Aa" } else { "BB" });
            Json::from(text.collect::<String>())
        })
        .collect::<Vec<_>>()
        .into();
    for (list, count) in [(floats, 40_000), (texts, 1 << 14)] {
        let begun = Instant::now();
        let mut program = program(unique);
        program.limits = Limits::EXTENDED;
        let ended = run_with(&program, json!({"list": list}), &Json::Null);
        let Status::Succeeded { output } = ended.status else { panic!("it succeeds") };
        assert_eq!(output.get("n"), Some(&Json::Int(count)));
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    }
}

#[test]
fn what_is_quadratic_is_counted() {
    let list: Json = (0..20_000).map(Json::Int).collect::<Vec<_>>().into();
    let text = "ab ".repeat(60_000);
    let input = json!({"list": list, "text": text});
    let jsonata = |expression: &str| {
        format!(
            r#"{{"QueryLanguage": "JSONata", "StartAt": "P", "States": {{"P": {{"Type": "Pass", "Output": "{{% $string($count({expression})) %}}", "End": true}}}}}}"#
        )
    };
    for expression in [
        "$states.input.list[$ in $states.input.list]",
        "$distinct($states.input.list)",
        "$states.input.list{$string($): $}",
        "$reduce($states.input.list, $append)",
        "$spread($states.input.list.{'a': $})",
        "$states.input.list.$states.input.list",
        "$map($states.input.list, function($v, $i, $a) {$sum($a)})",
        "$map($states.input.list, function($v, $i, $a)<nna<n>:n> {1})",
        "$map($states.input.list, function($v, $i, $a) {$a[]})",
        "$filter($states.input.list, function($v, $i, $a) {$states.input.text < $states.input.text})",
        "$map($states.input.list, function($v) {$substringAfter($states.input.text, 'zz')})",
        "$map($states.input.list, function($v) {$contains($states.input.text, 'zz')})",
        "$map($states.input.list, function($v) {$length($states.input.text)})",
        "$map($states.input.list, function($v) {$number($substringBefore($states.input.text, ' '))})",
        "$match($states.input.text, /b/)",
        "$match($states.input.text & 'ä', /b/)",
        "$split($states.input.text & 'ä', /b/)",
        "$map($states.input.list, function($v) {$toMillis('2020', '[Y0001]')})",
        "$map($states.input.list, function($v) {$formatNumber($v, '#,##0.00')})",
        "$match($states.input.text, /([ab]*a[ab]{1000} )+/)",
        "$match($states.input.text, /(?=.*zz)b/)",
        "($m := $merge($map($states.input.list, function($v) {{'k' & $v: $v}})); $m ~> |$|{}, $keys($m)|)",
        "($states.input.list^(>$string($)))",
        "$sort($states.input.list, function($a, $b) {$string($a) > $string($b)})",
    ] {
        let definition = jsonata(&expression.replace('"', "\\\""));
        check_time(&definition, &input);
    }
    let path = |path: &str| {
        format!(
            r#"{{"StartAt": "P", "States": {{"P": {{"Type": "Pass", "InputPath": "{path}", "ResultPath": null, "End": true}}}}}}"#
        )
    };
    for filter in [
        "$.list[?(@ in $.list)]",
        "$.list[?($.list contains @)]",
        "$.list[?($.list subsetof $.list)]",
        "$.list[?($.text =~ /(a?b?){500} .*z/)]",
        "$..*..*..*",
        "$.list[?(@..* == 1)]",
        "$.list[?($.text contains 'zz')]",
    ] {
        check_time(&path(filter), &input);
    }
    let matches = format!(
        r#"{{"StartAt": "C", "States": {{"C": {{"Type": "Choice", "Default": "E", "Choices": [{{"Variable": "$.text", "StringMatches": "{}z", "Next": "E"}}]}}, "E": {{"Type": "Succeed"}}}}}}"#,
        "*a".repeat(20_000)
    );
    check_time(&matches, &json!({"text": ("a".repeat(200_000))}));
}

#[test]
fn items_are_no_larger_than_they_may_be() {
    use stepwright_interpreter::items::read;
    let headers: Vec<String> = (0..5_000).map(|at| format!("header{at}")).collect();
    let files = [
        ("CSV", format!("{}\n{}", headers.join(","), "1\n".repeat(250_000))),
        ("CSV", format!("a,a\n{}", "1,2\n".repeat(1_000_000))),
        ("JSON", format!("[{}[]]", "[],".repeat(2_000_000))),
        ("JSONL", "[[],[],[],[]]\n".repeat(500_000)),
        ("JSON", format!("[{}{}]", "[".repeat(2_000), "]".repeat(2_000))),
    ];
    for (kind, content) in files {
        let objects = MemoryObjects::default();
        let objects = objects.with("in", "key", content.into_bytes());
        let request = json!({
            "Resource": "arn:aws:states:::s3:getObject",
            "Parameters": {"Bucket": "in", "Key": "key"},
            "ReaderConfig": {"InputType": kind}
        });
        let begun = Instant::now();
        let failure = read(&request, &objects).expect_err("it is too much");
        assert_eq!(failure.name(), "States.ItemReaderFailed");
        assert!(begun.elapsed() < Duration::from_secs(20), "{kind}: {:?}", begun.elapsed());
    }
    // The last field of a header that comes twice counts, as ever.
    let objects = MemoryObjects::default();
    let objects = objects.with("in", "key", *b"a,b,a\n1,2,3\n4");
    let request = json!({
        "Resource": "arn:aws:states:::s3:getObject",
        "Parameters": {"Bucket": "in", "Key": "key"},
        "ReaderConfig": {"InputType": "CSV"}
    });
    let items = read(&request, &objects).expect("it is small");
    assert_eq!(Json::from(items.values).to_string(), r#"[{"a":"3","b":"2"},{"a":"","b":""}]"#);
}

#[test]
fn an_execution_takes_so_much_memory_and_no_more() {
    // Each iteration holds 30,000 numbers while it waits; together they would take gigabytes.
    let (error, cause) = failure(&run(
        r#"{"QueryLanguage": "JSONata", "StartAt": "M", "States": {"M": {"Type": "Map", "Items": "{% [1..3000] %}", "End": true,
          "ItemProcessor": {"StartAt": "P", "States": {"P": {"Type": "Pass", "Output": "{% [1..30000] %}", "Next": "W"}, "W": {"Type": "Wait", "Seconds": 1, "End": true}}}}}}"#,
        json!({}),
    ));
    assert_eq!(error, "States.DataLimitExceeded");
    assert!(cause.contains("bytes of memory"), "{cause}");
}

/// The pages of a map run: how many items each has, and the inputs that came of it.
fn pages(run: &Run) -> Vec<(u32, Vec<Json>)> {
    let page = |kind: &EventKind| match kind {
        EventKind::MapRunPage(page) => Some((page.items, page.inputs.clone().into_vec())),
        _ => None,
    };
    run.events.iter().filter_map(|event| page(&event.kind)).collect()
}

#[test]
fn what_all_children_have_in_common_makes_pages_smaller() {
    // Each level of the array takes a byte of text on each side, and much more in memory.
    let common = json!({"deep": (nested(700)), "text": ("x".repeat(20_000))});
    let numbers: Vec<Json> = (0..1_000).map(Json::Int).collect();
    let machine = |fields: &str| {
        program(&format!(
            r#"{{"StartAt": "M", "States": {{"M": {{"Type": "Map", "Label": "L", {fields}, "ResultPath": null,
               "ItemProcessor": {{"ProcessorConfig": {{"Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS"}},
                 "StartAt": "I", "States": {{"I": {{"Type": "Pass", "End": true}}}}}}, "End": true}}}}}}"#
        ))
    };
    let reader = r#""ItemReader": {"Resource": "arn:aws:states:::s3:getObject", "ReaderConfig": {"InputType": "JSON"},
        "Parameters": {"Bucket": "b", "Key": "k"}}"#;
    let selector = r#""ItemSelector": {"c.$": "$$.Execution.Input.common", "n.$": "$$.Map.Item.Value", "at.$": "$$.Map.Item.Index"}"#;
    let batcher = r#""ItemBatcher": {"MaxItemsPerBatch": 3, "BatchInput": {"c.$": "$.common"}}"#;
    for fields in [
        format!(r#""ItemsPath": "$.numbers", {selector}"#),
        format!(r#""ItemsPath": "$.numbers", {batcher}"#),
        format!("{reader}, {selector}"),
        format!("{reader}, {batcher}"),
    ] {
        let objects =
            MemoryObjects::default().with("b", "k", Json::from(numbers.clone()).to_string());
        let ended = Simulation::new(&machine(&fields))
            .input(json!({"numbers": (numbers.clone()), "common": (common.clone())}))
            .objects(objects)
            .run(&mut |_: &Call<'_>| Answer::returns(Json::Null));
        assert!(matches!(ended.status, Status::Succeeded { .. }), "{fields}: {:?}", ended.status);
        let pages = pages(&ended);
        assert!((3..200).contains(&pages.len()), "{fields}: {} pages", pages.len());
        let mut seen = Vec::new();
        for (items, inputs) in &pages {
            let weight: usize =
                inputs.iter().map(|input| input.measure().expect("not deep").weight()).sum();
            assert!(weight <= 1 << 20, "{fields}: a page of {items} items weighs {weight}");
            for input in inputs {
                match input.get("Items").and_then(Json::as_array) {
                    Some(items) => seen.extend(items.iter().cloned()),
                    None => {
                        assert_eq!(input.get("n"), input.get("at"));
                        seen.extend(input.get("n").cloned());
                    }
                }
            }
        }
        assert_eq!(seen, numbers, "{fields}: each item once, in order");
        let items: u32 = pages.iter().map(|(items, _)| items).sum();
        assert_eq!(items, 1_000);
    }
}

#[test]
fn the_share_that_has_failed_is_known_however_many_pages_there_are() {
    let numbers: Vec<Json> = (0..1_000).map(Json::Int).collect();
    let text = r#"{"StartAt": "M", "States": {"M": {"Type": "Map", "Label": "L", "ItemsPath": "$.numbers",
        "ItemSelector": {"c.$": "$.common"}, "MaxConcurrency": 1, "ToleratedFailurePercentage": 5,
        "ItemProcessor": {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS"},
          "StartAt": "I", "States": {"I": {"Type": "Fail"}}}, "End": true}}}"#;
    let input = json!({"numbers": numbers, "common": ("x".repeat(40_000))});
    let ended = run(text, input);
    let (error, _) = failure(&ended);
    assert_eq!(error, "States.ExceedToleratedFailureThreshold");
    let failed = ended.events.iter();
    let failed = failed.filter(|event| matches!(event.kind, EventKind::ChildFinished { .. }));
    assert_eq!(failed.count(), 51, "the fifty-first of a thousand is one too many");
    assert!(pages(&ended).len() < 6, "nothing is made that is not needed");
}
