//! The language server: what `stepwright check` knows, in every editor.
//!
//! [`serve`] speaks the Language Server Protocol over a pair of pipes. A document is read by the
//! same loader and checked by the same rules as a file of `check`; a text that cannot be read
//! because it is being typed is repaired first (`stepwright_asl::repair`). Each kind of request has
//! a file of its own.
//!
//! | file | what |
//! |---|---|
//! | `server` | the loop: messages in, answers out, diagnostics once the typing rests |
//! | `wire`, `uri`, `text` | messages, addresses, positions in UTF-16 |
//! | `analysis` | what is known of a document |
//! | `outline` | the states of a tree and what refers to them; what stands at a place |
//! | `samples` | what states see in the tests that stand beside a definition |
//! | `words` | what fields, types, errors and functions mean |

mod actions;
mod analysis;
mod commands;
mod completion;
mod definition;
mod diagnostics;
mod drawing;
mod folding;
mod formatting;
mod hover;
mod lenses;
mod links;
mod outline;
mod references;
mod rename;
mod samples;
mod server;
mod services;
mod symbols;
mod text;
mod uri;
mod values;
mod wire;
mod words;

pub use server::serve;
pub use text::{Position, Text};
