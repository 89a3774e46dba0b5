use crate::Json;
use crate::tree::{self, Node};
use std::fmt;
use stepwright_source::Span;

/// How much a parser takes in before it refuses.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of text.
    pub bytes: usize,
    /// Arrays and objects within each other.
    pub depth: usize,
}

impl Default for Limits {
    /// 64 MiB of text, 1,000 deep (as Jackson, which AWS reads with).
    fn default() -> Self {
        Self { bytes: 64 << 20, depth: 1_000 }
    }
}

/// Which JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Syntax {
    /// RFC 8259.
    #[default]
    Strict,
    /// With `//` and `/* */` comments and trailing commas.
    Comments,
}

/// A text is not JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// What was found, and what would have been right.
    pub message: String,
    /// Where.
    pub span: Span,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.message, self.span.start)
    }
}

impl std::error::Error for ParseError {}

/// Reads strict JSON within the default limits. A key that comes twice takes its last value.
pub fn parse(text: &str) -> Result<Json, ParseError> {
    parse_with(text, Syntax::Strict, Limits::default())
}

/// As [`parse`], from bytes that may not be UTF-8.
pub fn parse_bytes(bytes: &[u8]) -> Result<Json, ParseError> {
    let text = std::str::from_utf8(bytes).map_err(|error| ParseError {
        message: "the text is not UTF-8".to_owned(),
        span: Span::new(error.valid_up_to(), error.valid_up_to() + 1),
    })?;
    parse(text)
}

/// As [`parse`], with a choice of syntax and limits.
pub fn parse_with(text: &str, syntax: Syntax, limits: Limits) -> Result<Json, ParseError> {
    tree::parse(text, syntax, limits).map(|node: Node| node.to_json())
}
