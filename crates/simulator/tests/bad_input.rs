//! What nobody should send, and somebody will: bounded, and said clearly.

use stepwright_asl::{Definition, LoadOptions, load};
use stepwright_json::{Json, Syntax, json};
use stepwright_program::{Limits, Program};
use stepwright_simulator::{Answer, Call, Run, Simulation, Status};

fn program(text: &str) -> Program {
    let definition = Definition::parse(text, Syntax::Strict).unwrap();
    stepwright_program::compile(&definition).unwrap()
}

fn run(program: &Program, input: Json) -> Run {
    Simulation::new(program)
        .input(input)
        .most_turns(1_000)
        .run(&mut |_: &Call<'_>| Answer::returns(Json::Null))
}

#[track_caller]
fn failed(run: &Run, error: &str, part: &str) {
    let Status::Failed { failure } = &run.status else { panic!("{:?}", run.status) };
    assert_eq!(failure.name(), error);
    let cause = failure.cause.as_deref().unwrap_or_default();
    assert!(cause.contains(part), "{cause}");
}

#[test]
fn a_cycle_of_pass_states_ends_as_on_aws() {
    let mut cycle = program(
        r#"{"StartAt":"A","States":{"A":{"Type":"Pass","Next":"B"},"B":{"Type":"Pass","Next":"A"}}}"#,
    );
    let ended = run(&cycle, json!({}));
    failed(&ended, "States.Runtime", "maximum number of history events (25000)");
    assert!(ended.history().len() <= 25_000);
    cycle.limits = Limits::EXTENDED;
    assert_eq!(run(&cycle, json!({})).status, Status::Running, "cut off by its turns");
}

#[test]
fn a_map_over_a_million_items_is_bounded() {
    let mut map = program(
        r#"{"StartAt":"Each","States":{"Each":{"Type":"Map","End":true,"ItemProcessor":{"StartAt":"P","States":{"P":{"Type":"Pass","End":true}}}}}}"#,
    );
    let items: Json = (0..1_000_000i64).map(Json::Int).collect::<Vec<_>>().into();
    failed(&run(&map, items.clone()), "States.Runtime", "history events");
    map.limits = Limits { history_events: Some(100_000), ..Limits::EXTENDED };
    failed(&run(&map, items), "States.Runtime", "history events");
}

#[test]
fn a_payload_that_grows_without_end_is_stopped() {
    let double = program(
        r#"{"StartAt":"Twice","States":{"Twice":{"Type":"Pass","Parameters":{"t.$":"States.Array($.t, $.t)"},"Next":"Twice"},"Never":{"Type":"Succeed"}}}"#,
    );
    let ended = run(&double, json!({"t": "xxxxxxxx"}));
    failed(&ended, "States.DataLimitExceeded", "exceeding the maximum number of bytes");
}

#[test]
fn numbers_past_every_width_stay_what_they_are() {
    let pass = program(r#"{"StartAt":"A","States":{"A":{"Type":"Pass","End":true}}}"#);
    let text = r#"{"big":123456789012345678901234567890,"small":-9223372036854775808,"one":1.0}"#;
    let input = stepwright_json::parse(text).unwrap();
    let Status::Succeeded { output } = run(&pass, input).status else { panic!("it succeeds") };
    assert_eq!(output.to_string(), text);
    assert!(stepwright_json::parse(r#"{"huge":1e999}"#).is_err(), "no float is that large");
}

#[test]
fn files_that_are_no_definitions_are_complained_about() {
    let deep = "[".repeat(100_000);
    let nested = format!(r#"{{"StartAt":{}1{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    let large = format!(r#"{{"Comment":"{}"#, "x".repeat(10 << 20));
    for (bytes, part) in [
        (&b"\xff\xfe{}"[..], "UTF-8"),
        (deep.as_bytes(), "end-of-input"),
        (nested.as_bytes(), ""),
        (large.as_bytes(), "end-of-input"),
        (&br#"{"StartAt":"A","StartAt":"B","States":{}}"#[..], ""),
        (&b"null"[..], ""),
    ] {
        let loaded = load(bytes, &LoadOptions { file: "a.asl.json", ..LoadOptions::default() });
        let checked = loaded
            .definitions
            .iter()
            .flat_map(|named| stepwright_program::check(&named.definition));
        let messages: Vec<String> = loaded
            .complaints
            .iter()
            .map(|complaint| complaint.diagnostic.clone())
            .chain(checked)
            .map(|diagnostic| diagnostic.message)
            .collect();
        assert!(!messages.is_empty(), "nothing is said of {} bytes", bytes.len());
        assert!(messages.iter().any(|message| message.contains(part)), "{messages:?}");
    }
}
