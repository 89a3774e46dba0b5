//! A scripted client: it opens, types, completes, renames and fixes.

mod client;
mod corpus;
mod edits;
mod formats;
mod samples;
mod session;
