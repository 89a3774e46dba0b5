//! Errors of projects that cannot be compiled.

use ruff_text_size::{Ranged, TextRange};
use stepwright_source::{Diagnostic, Span};

/// The rule name of all errors in Fluxio projects.
pub(crate) const CODE: &str = "fluxio";

pub(crate) type Result<T> = std::result::Result<T, Box<Diagnostic>>;

/// An error at a place.
pub(crate) fn refused<T>(at: impl Ranged, message: impl Into<String>) -> Result<T> {
    Err(complaint(at, message))
}

/// An error at a place, with what to write instead.
pub(crate) fn refused_with<T>(
    at: impl Ranged,
    message: impl Into<String>,
    help: impl Into<String>,
) -> Result<T> {
    let mut complaint = complaint(at, message);
    complaint.help = Some(help.into());
    Err(complaint)
}

pub(crate) fn complaint(at: impl Ranged, message: impl Into<String>) -> Box<Diagnostic> {
    Box::new(Diagnostic::error(CODE, message).span(span(at.range())))
}

/// The span of a place in the text.
pub(crate) fn span(range: TextRange) -> Span {
    Span::new(range.start().to_usize(), range.end().to_usize())
}
