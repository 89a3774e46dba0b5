//! Compiles Fluxio projects, workflows written in Python, to Amazon States Language.
//!
//! A project is one file. Its classes are tasks and its functions are state machines. They are
//! read, but never run. [`compile`] returns the definition of each machine, and for each task what
//! is needed to deploy or run it.
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

mod attributes;
mod checked;
mod compat;
mod conditions;
mod data;
mod definitions;
mod documented;
mod errors;
mod graph;
mod keys;
mod literal;
mod local;
mod machines;
mod names;
mod options;
mod printer;
mod project;
mod refused;
mod states;
mod syntax;
mod tasks;
mod text;
mod unsupported;

pub use definitions::{Decorators, RunMethod, SERVICES, Task};
pub use local::{Site, load, template};
pub use machines::TaskState;
pub use project::{EventProcessor, Machine, Project, compile, read};
pub use stepwright_aws::schedule::Schedule;

/// Which semantics a project has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// As the documentation of Fluxio describes.
    #[default]
    Documented,
    /// As the original, `fluxio_parser` 1.0.0, does it, including state keys and oddities.
    Compat,
}
