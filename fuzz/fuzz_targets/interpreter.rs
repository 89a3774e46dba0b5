//! Any definition that compiles, run with answers that chance decides: bounded, never a panic, and
//! its history folds to where it stands.
#![no_main]

use libfuzzer_sys::fuzz_target;
use stepwright_asl::Definition;
use stepwright_history::Failure;
use stepwright_interpreter::Execution;
use stepwright_json::{Json, Syntax};
use stepwright_simulator::{Answer, Call, Outcome, Simulation};

fuzz_target!(|bytes: &[u8]| {
    let Some((chance, rest)) = bytes.split_first_chunk::<8>() else { return };
    let Ok(text) = std::str::from_utf8(rest) else { return };
    let (definition, input) = text.split_once('\0').unwrap_or((text, "{}"));
    let Ok(definition) = Definition::parse(definition, Syntax::Strict) else { return };
    let Ok(program) = stepwright_program::compile(&definition) else { return };
    let input = stepwright_json::parse(input).unwrap_or(Json::Null);
    let mut calls = 0usize;
    let run =
        Simulation::new(&program).input(input.clone()).most_turns(500).run(&mut |call: &Call<
            '_,
        >| {
            calls += 1;
            match chance[calls % 8] % 4 {
                0 => Answer::returns(call.call.parameters.clone()),
                1 => Answer::returns(input.clone()).after(i64::from(chance[calls % 8])),
                2 => Answer::new(Outcome::Never),
                _ => Answer::new(Outcome::Fails(
                    Failure::new("Chance", "by chance"),
                    Default::default(),
                )),
            }
        });
    let replayed = Execution::replay(&run.events).expect("a history can be folded");
    assert_eq!(*replayed.status(), run.status);
});
