//! State machine definitions in the formats in which people write them.
//!
//! A [`Definition`] is a text and its tree. Every value knows its place in the text, so that later
//! diagnostics can point at it. What the values mean is up to `stepwright-program`.
//!
//! [`load`] reads a file: a definition in JSON, JSON with comments or YAML, or a template of
//! CloudFormation, SAM or the Serverless Framework that contains state machines. `${Name}` is
//! replaced by the values given. [`print()`] writes the canonical form of a JSON definition.
//!
//! ```
//! use stepwright_asl::{LoadOptions, load};
//!
//! let text = b"StartAt: Greet\nStates:\n  Greet: {Type: Pass, Result: Hello, End: true}\n";
//! let loaded = load(text, &LoadOptions { file: "hello.asl.yaml", ..LoadOptions::default() });
//! assert_eq!(loaded.complaints, []);
//! let root = &loaded.definitions[0].definition.root;
//! assert_eq!(root.get("StartAt").and_then(|node| node.as_str()), Some("Greet"));
//! ```

mod assembled;
mod bare;
mod data;
mod definition;
mod load;
mod print;
mod repair;
mod resolve;
mod resources;
mod serverless;
mod substitute;
mod template;
mod terraform;
mod writing;
mod yaml;

pub use data::read_data;
pub use definition::Definition;
pub use load::{
    Complaint, LoadOptions, Loaded, MachineArn, NamedDefinition, ReadFile, beside, load,
};
pub use print::{PrintError, print};
pub use repair::{Repaired, repair};
pub use resources::{Resource, Template};
pub use writing::{apply, edits, first_edits, rewritten};
