//! `stepwright dev`: a server whose state machines, functions and resources are as their files say.
//!
//! [`files::here`] finds the files of a folder. [`Follower`] deploys them, and again when they, or what
//! they name, have changed. [`Teller`] says what executions and functions do.

pub mod files;
mod follower;
mod machines;
mod stacks;
mod teller;

pub use follower::{Configured, Follower, Read, Surroundings};
pub use stacks::name as stack_name;
pub use teller::{Level, Teller};
