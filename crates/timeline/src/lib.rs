//! What happened to an execution, for a person.
//!
//! [`Timeline`] turns events into [`Line`]s, one by one as they come, and knows where the execution
//! stands and why it failed. [`paint`] writes a line within the width of a terminal. [`recorded`]
//! reads the events that AWS's `GetExecutionHistory` shows, so that an execution on a server is told
//! like one that runs here.

mod fit;
mod frame;
mod line;
mod paint;
mod progress;
pub mod recorded;
mod timeline;
mod why;

pub use fit::{columns, fit, plain};
pub use frame::{Doing, Items, Standing};
pub use line::{ItemPath, Line, Weight};
pub use paint::{Layout, paint, text, text_with_why};
pub use progress::Progress;
pub use timeline::Timeline;
pub use why::{Culprit, explain, state_span};
