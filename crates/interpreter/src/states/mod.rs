//! What each state type does. One file each.

mod choice;
mod fail;
mod map;
mod map_run;
mod parallel;
mod pass;
mod succeed;
mod task;
mod wait;

pub(crate) use map_run::past_tolerance;
