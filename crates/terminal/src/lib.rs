//! What a person sees: executions as they happen, and why something could not be done.

pub mod report;
mod screen;

pub use screen::{Happening, KnownMachine, Screen, Shown, width};
