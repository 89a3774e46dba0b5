//! Dates, times and integers by `XPath`'s pictures.

pub(crate) mod calendar;
mod format;
pub(crate) mod integer;
mod iso;
mod parse;
mod picture;
mod words;

pub(crate) use format::format;
pub(crate) use iso::parse_iso;
pub(crate) use parse::parse;
