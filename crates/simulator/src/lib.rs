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

mod compare;
mod mock_config;
mod mocks;
mod objects;
mod simulation;
mod state_test;
mod timeline;

pub use compare::{Difference, Extent, differences};
pub use mock_config::{MockCase, MockConfig, MockConfigError};
pub use mocks::{Mocks, MocksError, Reply};
pub use objects::MemoryObjects;
pub use simulation::{Answer, Call, DEFAULT_START, Entries, Outcome, Run, Simulation, Tasks};
pub use state_test::{StateOutcome, StateTest, StateTestError};
pub use stepwright_interpreter::Status;
pub use timeline::{Line, Timeline, duration, parse_duration};
