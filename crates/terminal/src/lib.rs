//! What a person sees: executions as they happen, and why something could not be done.

mod bar;
pub mod report;
mod screen;

pub use screen::{Happening, KnownMachine, Screen, Shown, width};
