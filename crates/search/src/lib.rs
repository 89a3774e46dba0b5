//! Finds executions by what is in them.
//!
//! An index is written beside the store, after the commit, by a thread of low priority: whoever starts
//! executions does not wait for it, and it says [how far behind](Search::behind) it is. It holds the words
//! of inputs, outputs, errors and their causes, names of states and variables, without what is
//! [redacted](Redaction). It can be thrown away at any time: what it lacks is found by comparing it
//! with the store, which is done after a crash, and whenever it has more than the store.
//!
//! | file | what |
//! |---|---|
//! | `query` | what is asked: `order-17 status:failed after:yesterday` |
//! | `words` | what of an execution is in the index |
//! | `redaction` | paths whose values are neither indexed nor shown |
//! | `index` | the index itself, in SQLite's FTS5 |
//! | `others` | what nodes that share a store ask each other |
//! | `indexer` | what is to be indexed, when, and the comparison with the store |

mod index;
mod indexer;
mod others;
mod query;
mod redaction;
mod words;

pub use index::IndexError;
pub use indexer::{Behind, Found, Search};
pub use query::{Query, QueryError};
pub use redaction::{Redaction, RedactionError};
