//! Runs state machines in virtual time.
//!
//! A [`Simulation`] drives the same interpreter as the durable server: tasks are answered by
//! whoever implements [`Tasks`] (the [`Mocks`] file, a closure, a recording), waiting costs
//! nothing, and the same input with the same answers always gives the same history.
//!
//! ```
//! use stepwright_asl::Definition;
//! use stepwright_json::json;
//! use stepwright_simulator::{Answer, Simulation, Status};
//!
//! let definition = Definition::from_json(&json!({
//!     "StartAt": "Nap",
//!     "States": {
//!         "Nap": {"Type": "Wait", "Seconds": 86400, "Next": "Work"},
//!         "Work": {"Type": "Task", "Resource": "arn:aws:lambda:us-east-1:1:function:work", "End": true}
//!     }
//! }));
//! let program = stepwright_program::compile(&definition).unwrap();
//! let run = Simulation::new(&program)
//!     .input(json!({"name": "you"}))
//!     .run(&mut |_: &stepwright_simulator::Call<'_>| Answer::returns(json!("done")));
//! assert_eq!(run.status, Status::Succeeded { output: json!("done") });
//! assert_eq!(run.elapsed_millis(), 86_400_000);
//! ```
//!
//! The answers may come from a [`Mocks`] file instead, by attempt, by item, or on a condition:
//!
//! ```
//! use stepwright_asl::{Definition, read_data};
//! use stepwright_json::json;
//! use stepwright_simulator::{Mocks, Simulation, Status};
//!
//! let definition = Definition::from_json(&json!({
//!     "StartAt": "Work",
//!     "States": {"Work": {
//!         "Type": "Task", "Resource": "arn:aws:lambda:us-east-1:1:function:work", "End": true,
//!         "Retry": [{"ErrorEquals": ["Busy"], "IntervalSeconds": 60}]
//!     }}
//! }));
//! let program = stepwright_program::compile(&definition).unwrap();
//! let text = "Work: {by: attempt, answers: [{fail: Busy}, {return: done}]}";
//! let mut mocks = Mocks::parse(&read_data(text, "mocks.yaml").unwrap()).unwrap();
//! assert!(mocks.check(&program).is_empty(), "every mock is of a task of the program");
//! let run = Simulation::new(&program).run(&mut mocks);
//! assert_eq!(run.status, Status::Succeeded { output: json!("done") });
//! assert_eq!(run.elapsed_millis(), 60_000);
//! ```
//!
//! Whole test files, with expectations and coverage, are the crate `stepwright-testkit`'s.

mod compare;
mod mock_config;
mod mocks;
mod nested;
mod objects;
mod simulation;
mod state_test;

pub use compare::{Difference, Extent, differences};
pub use mock_config::{MockCase, MockConfig, MockConfigError};
pub use mocks::{Mocks, MocksError, Reply};
pub use nested::{Form, Nested, Nesting, input_of, machine_of, refused, started, starts_execution};
pub use objects::MemoryObjects;
pub use simulation::{
    Answer, Call, DEFAULT_START, Entries, MOST_TURNS, Outcome, Run, Simulation, Tasks,
};
pub use state_test::{
    Evaluation, Mock, StateConfiguration, StateOutcome, StateReport, StateTest, StateTestError,
    Testing,
};
pub use stepwright_aws::responses::{FieldValidation, check as check_response};
pub use stepwright_history::{duration, parse_duration};
pub use stepwright_interpreter::Seen;
pub use stepwright_interpreter::Status;
