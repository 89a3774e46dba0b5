//! JSONPath in Jayway's dialect, the one AWS Step Functions speaks.
//!
//! A [`Path`] is compiled once and evaluated many times. It is *definite* when it can only ever
//! give one value (`$.a[0].b`): evaluating it gives that value. Otherwise (`$..a`, `$.a[*]`,
//! `$.a[?(@.b)]`) evaluating it gives an array of everything found, possibly empty.
//!
//! A [`ReferencePath`] has members and indexes only. It is what `ResultPath` and the fields that
//! end in `Path` take, and can put a value as well as get one.
//!
//! The dialect is followed to its corners: a stray character at the end is not looked at, a deep
//! scan followed by two steps looks into every element of an array, `max()` of negative numbers is
//! the smallest positive float. What it refuses when compiling is a [`ParseError`]; what it refuses
//! when evaluating is an [`EvaluationError`].

mod compile;
mod cursor;
mod error;
mod evaluate;
mod filter;
mod function;
mod lenient;
mod limits;
mod number;
mod path;
mod pattern;
mod program;
mod reference;
mod unescape;

pub use error::{EvaluationError, ParseError, SetError};
pub use limits::Limits;
pub use path::{Path, Variable};
pub use reference::{ReferencePath, Step};
