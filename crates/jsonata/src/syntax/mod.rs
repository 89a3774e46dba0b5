//! From text to tree: tokens, then operators by binding power, then paths.

pub(crate) mod ancestry;
pub(crate) mod ast;
mod lexer;
mod parser;
mod process;

pub(crate) use parser::{Parsed, parse};
