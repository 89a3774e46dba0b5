//! State machine definitions as people write them.
//!
//! A [`Definition`] is the text and its tree: every value knows where it stands, so that whatever
//! is said about it later can point. What the values mean is the business of `stepwright-program`.
//!
//! [`load`] reads a file: a definition as JSON, JSON with comments or YAML, or a template of
//! CloudFormation, SAM or the Serverless Framework with state machines in it. `${Name}` is replaced
//! by the values given. [`print()`] is the canonical form of a JSON definition.
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
mod data;
mod definition;
mod load;
mod print;
mod resolve;
mod substitute;
mod template;
mod yaml;

pub use data::read_data;
pub use definition::Definition;
pub use load::{Complaint, LoadOptions, Loaded, MachineArn, NamedDefinition, ReadFile, load};
pub use print::{PrintError, print};
