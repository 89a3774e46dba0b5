//! Fluxio projects, workflows written in Python, compiled to Amazon States Language.
//!
//! A project is one file. Its classes are tasks, its functions state machines: they are read, never
//! run. [`compile`] gives the definition of each machine, and of each task what it takes to deploy
//! or run it.
//!
//! ```
//! use stepwright_fluxio::{Mode, compile};
//!
//! let project = compile(
//!     "class Greet(Task):\n    async def run(event, context):\n        return 'hello'\n\n\
//!      def main(data):\n    data['greeting'] = Greet()\n",
//!     Mode::Documented,
//! )
//! .unwrap();
//! let main = &project.machines["main"];
//! let definition = main.definition.as_ref().unwrap();
//! assert_eq!(definition.get("StartAt").and_then(|name| name.as_str()), Some("Greet"));
//! assert_eq!(main.task_states[0].task, "Greet");
//! ```

mod compat;
mod conditions;
mod data;
mod definitions;
mod documented;
mod errors;
mod graph;
mod keys;
mod literal;
mod machines;
mod options;
mod printer;
mod project;
mod refused;
mod schedule;
mod syntax;
mod tasks;
mod text;
mod unsupported;

pub use definitions::{Decorators, RunMethod, SERVICES, Task};
pub use machines::TaskState;
pub use project::{EventProcessor, Machine, Project, compile};
pub use schedule::Schedule;

/// Whose meaning a project has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// What the documentation of Fluxio promises.
    #[default]
    Documented,
    /// What the original, `fluxio_parser` 1.0.0, makes of it: state keys and oddities included.
    Compat,
}
