//! Whatever cannot become a state machine is refused when it is built, with the name of the state.

use stepwright_constructs::prelude::*;

#[track_caller]
fn refused(machine: &StateMachine, subject: &str, message: &str) {
    let Err(misuses) = machine.asl() else { panic!("it is refused: {message}") };
    let found = misuses
        .0
        .iter()
        .any(|misuse| misuse.subject == subject && misuse.message.contains(message));
    assert!(found, "`{subject}`: {message}\nnot in\n{misuses}");
}

fn machine(definition: impl Chainable) -> StateMachine {
    StateMachine::new("Machine", definition)
}

#[test]
fn names_are_unique() {
    refused(&machine(Pass::new("A").next(Pass::new("A"))), "A", "");
}

#[test]
fn a_loop_leads_to_a_state_that_exists() {
    let definition = Pass::new("Wait here").next(Pass::new("B")).next(go_to("Wait heer"));
    refused(&machine(definition), "B", "Wait here");
}

#[test]
fn a_choice_has_rules_and_one_otherwise() {
    refused(&machine(Choice::new("C")), "C", "`when`");
    let twice = Choice::new("C")
        .when("$.a == 1", Pass::new("A"))
        .otherwise(Pass::new("B"))
        .otherwise(Pass::new("D"));
    refused(&machine(twice), "C", "already has an `otherwise`");
}

#[test]
fn containers_hold_something() {
    refused(&machine(Parallel::new("P")), "P", "`branch`");
    refused(&machine(Map::new("M")), "M", "`item_processor`");
}

#[test]
fn nothing_follows_an_end() {
    let ended = Choice::new("C").when("$.a == 1", Succeed::new("S")).otherwise(Fail::new("F"));
    refused(&machine(Chain::start(ended).next(Pass::new("After"))), "C", "");
}

#[test]
fn names_are_short() {
    let long = "x".repeat(81);
    refused(&machine(Pass::new(&long)), &long, "80 characters");
}

#[test]
fn query_languages_do_not_mix() {
    let jsonata = machine(Pass::new("A").result_path("$.x")).query_language(QueryLanguage::Jsonata);
    refused(&jsonata, "A", "not known in JSONata");
}

#[test]
fn retries_make_sense() {
    let task = LambdaInvoke::new("L", Function::from_name("work"));
    refused(&machine(task.clone().retry(Retry::all().backoff_rate(0.5))), "L", "`backoff_rate`");
    let mixed = Retry::on([errors::ALL, errors::TIMEOUT]);
    refused(&machine(task.retry(mixed)), "L", "`States.ALL` has to stand alone");
}

#[test]
fn a_token_is_passed_on() {
    let silent = LambdaInvoke::new("L", Function::from_name("work"))
        .integration_pattern(IntegrationPattern::WaitForTaskToken);
    refused(&machine(silent), "L", "token");
}

#[test]
fn patterns_are_those_of_the_service() {
    let task = LambdaInvoke::new("L", Function::from_name("work"))
        .integration_pattern(IntegrationPattern::RunJob);
    refused(&machine(task), "L", "");
}

#[test]
fn fails_say_a_thing_once() {
    let fail = Fail::new("F").cause("said").cause_path("$.cause");
    refused(&machine(fail), "F", "either");
}

#[test]
fn everything_is_said_at_once() {
    let definition = Pass::new("A").next(Parallel::new("P")).next(go_to("Nowhere"));
    let misuses = machine(definition).asl().expect_err("it is refused");
    assert!(misuses.0.len() >= 2, "{misuses}");
}
