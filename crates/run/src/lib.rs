//! One execution on this machine, as `stepwright run` starts it.
//!
//! In real time, it runs on an engine that keeps everything in memory, with the tasks of a server.
//! In virtual time, it is a simulation whose tasks are answered by the same code. In both cases its
//! events can be watched as they happen.

mod machines;
mod outcome;
mod plan;

pub use machines::{Machines, Runnable};
pub use outcome::Outcome;
pub use plan::{Plan, RunError, Watch};

use stepwright_history::Identity;

/// The name of the execution.
pub const NAME: &str = "local";

/// The role of machines that run here.
const ROLE: &str = "arn:aws:iam::123456789012:role/stepwright";

/// The identity of a machine's execution.
pub fn identity(machine_arn: &str) -> Identity {
    let execution = machine_arn.replacen(":stateMachine:", ":execution:", 1);
    Identity {
        execution_arn: format!("{execution}:{NAME}").into(),
        name: NAME.into(),
        role_arn: ROLE.into(),
        state_machine_arn: machine_arn.into(),
        state_machine_name: machine_arn.rsplit(':').next().unwrap_or_default().into(),
        region: machine_arn.split(':').nth(3).unwrap_or_default().into(),
    }
}
