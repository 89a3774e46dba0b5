//! Places in a text, and complaints about them.
//!
//! A [`Span`] is a range of bytes of one source text; a [`LineIndex`] turns it into lines and
//! columns; a [`Diagnostic`] says what is wrong there, and how to mend it; [`render`] shows it to
//! people.

mod allow;
mod diagnostic;
mod fix;
mod line_index;
mod render;
mod suggest;

pub use allow::is_allowed;
pub use diagnostic::{Diagnostic, Label, Severity};
pub use fix::{Change, Edit, Fix};
pub use line_index::{LineColumn, LineIndex};
pub use render::render;
pub use suggest::did_you_mean;

/// A range of bytes in one source text: `start` included, `end` excluded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    /// The first byte.
    pub start: u32,
    /// The byte after the last.
    pub end: u32,
}

impl Span {
    /// The span from `start` to `end`. Offsets past `u32::MAX` are cut to it: no parser here takes
    /// a text that long.
    pub fn new(start: usize, end: usize) -> Self {
        let cut = |offset: usize| u32::try_from(offset).unwrap_or(u32::MAX);
        Self { start: cut(start), end: cut(end) }
    }

    /// The smallest span that holds both.
    #[must_use]
    pub fn to(self, other: Self) -> Self {
        Self { start: self.start.min(other.start), end: self.end.max(other.end) }
    }

    /// Its bytes as a range of `usize`.
    pub fn range(self) -> std::ops::Range<usize> {
        self.start as usize..self.end as usize
    }
}
