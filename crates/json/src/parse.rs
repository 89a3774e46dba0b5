use crate::lex::{Lexer, Read};
use crate::shape::{Next, Shape, Shapes};
use crate::{DEEPEST, Json, Object, Str};
use std::fmt;
use std::sync::Arc;
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
        Self { bytes: 64 << 20, depth: DEEPEST }
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

/// Reads strict JSON within the default limits. A key that comes twice takes its last value and
/// keeps its first place. Integers are kept exactly however long; `-0` is the integer 0; a float
/// too large for 64 bits is an error.
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
    parse_counting(text, syntax, limits, &mut { usize::MAX })
}

/// As [`parse_with`], with `values` at most in the text, of which those that it has are taken off. A
/// value takes more memory than text: two bytes make one of 24.
pub fn parse_counting(
    text: &str,
    syntax: Syntax,
    limits: Limits,
    values: &mut usize,
) -> Result<Json, ParseError> {
    check_length(text, limits)?;
    let lexer = Lexer { text, at: 0, syntax };
    let mut parser = Parser {
        lexer,
        depth: limits.depth,
        values: Vec::new(),
        open: Vec::new(),
        shapes: Shapes::new(),
        left: *values,
    };
    let value = parser.text().map_err(|error| *error);
    *values = parser.left;
    value
}

pub(crate) fn check_length(text: &str, limits: Limits) -> Result<(), ParseError> {
    // Spans hold 32 bits.
    let most = limits.bytes.min(u32::MAX as usize);
    if text.len() <= most {
        return Ok(());
    }
    Err(ParseError {
        message: format!("the text is longer than {most} bytes"),
        span: Span::new(most, text.len()),
    })
}

/// Reads without recursion: what is open is on a stack, and so are the values read so far.
struct Parser<'t> {
    lexer: Lexer<'t>,
    depth: usize,
    values: Vec<Json>,
    open: Vec<Open>,
    shapes: Shapes,
    /// How many values may still come.
    left: usize,
}

/// An array or object that has begun.
struct Open {
    /// Where in `values` its own begin.
    start: usize,
    keys: Keys,
    /// Where the value goes whose key comes again.
    again: usize,
}

const NEVER: usize = usize::MAX;

/// The keys of an object so far.
enum Keys {
    /// It is an array.
    None,
    Shared(u32),
    Own(Box<Shape>),
}

impl Parser<'_> {
    fn text(&mut self) -> Read<Json> {
        self.lexer.space()?;
        loop {
            self.value()?;
            if self.close()? {
                break;
            }
        }
        self.lexer.space()?;
        match self.values.pop() {
            Some(value) if self.lexer.at == self.lexer.text.len() => Ok(value),
            _ => Err(self.lexer.unexpected("the end of the text")),
        }
    }

    /// Reads a value, and opens the arrays and objects it begins with.
    #[inline]
    fn value(&mut self) -> Read<()> {
        loop {
            let Some(left) = self.left.checked_sub(1) else {
                return Err(self.lexer.error("there are too many values", self.lexer.at));
            };
            self.left = left;
            let first = self.lexer.peek();
            if first == Some(b'"') {
                // Made where it stays: a text is the largest of the values to move.
                let text = self.lexer.string()?;
                self.values.push(Json::String(Str::new(text)));
                return Ok(());
            }
            if first != Some(b'{') && first != Some(b'[') {
                let value = self.lexer.scalar()?;
                self.values.push(value);
                return Ok(());
            }
            if self.open.len() >= self.depth {
                return Err(self.lexer.too_deep());
            }
            self.lexer.at += 1;
            self.lexer.space()?;
            let start = self.values.len();
            if first == Some(b'[') {
                if self.lexer.peek() == Some(b']') {
                    self.lexer.at += 1;
                    self.values.push(Json::from(Vec::new()));
                    return Ok(());
                }
                self.open.push(Open { start, keys: Keys::None, again: NEVER });
            } else {
                if self.lexer.peek() == Some(b'}') {
                    self.lexer.at += 1;
                    self.values.push(Json::Object(Object::new()));
                    return Ok(());
                }
                self.open.push(Open { start, keys: Keys::Shared(Shapes::ROOT), again: NEVER });
                self.key()?;
            }
        }
    }

    /// Reads a key and its colon.
    #[inline]
    fn key(&mut self) -> Read<()> {
        if self.lexer.peek() != Some(b'"') {
            return Err(self.lexer.unexpected("a key in double quotes"));
        }
        let name = self.lexer.string()?;
        self.lexer.space()?;
        if self.lexer.peek() != Some(b':') {
            return Err(self.lexer.unexpected("`:`"));
        }
        self.lexer.at += 1;
        self.lexer.space()?;
        let Some(open) = self.open.last_mut() else { return Ok(()) };
        if let Keys::Shared(node) = &mut open.keys {
            match self.shapes.next(*node, &name) {
                Next::Node(next) => {
                    *node = next;
                    return Ok(());
                }
                Next::Duplicate(at) => {
                    open.again = at;
                    return Ok(());
                }
                Next::Full => open.keys = Keys::Own(Box::new(self.shapes.build(*node))),
            }
        }
        if let Keys::Own(shape) = &mut open.keys {
            match shape.position(&name) {
                Some(at) => open.again = at,
                None => shape.push(name.into()),
            }
        }
        Ok(())
    }

    /// Closes what closes after a value. Whether everything is closed; else another value follows.
    #[inline]
    fn close(&mut self) -> Read<bool> {
        loop {
            let Some(open) = self.open.last_mut() else { return Ok(true) };
            let close = if matches!(open.keys, Keys::None) { b']' } else { b'}' };
            if open.again != NEVER {
                let at = open.start + std::mem::replace(&mut open.again, NEVER);
                let last = self.values.len() - 1;
                self.values.swap(at, last);
                self.values.truncate(last);
            }
            self.lexer.space()?;
            match self.lexer.peek() {
                Some(b',') => {
                    self.lexer.at += 1;
                    self.lexer.space()?;
                    let trailing =
                        self.lexer.syntax == Syntax::Comments && self.lexer.peek() == Some(close);
                    if !trailing {
                        if close == b'}' {
                            self.key()?;
                        }
                        return Ok(false);
                    }
                }
                Some(byte) if byte == close => {}
                _ if close == b'}' => return Err(self.lexer.unexpected("`,` or `}`")),
                _ => return Err(self.lexer.unexpected("`,` or `]`")),
            }
            self.lexer.at += 1;
            let Some(Open { start, keys, .. }) = self.open.pop() else { return Ok(true) };
            let values = self.values.split_off(start);
            let value = match keys {
                Keys::None => Json::from(values),
                Keys::Shared(node) => Json::Object(Object::of(self.shapes.shape(node), values)),
                Keys::Own(shape) => Json::Object(Object::of(Arc::new(*shape), values)),
            };
            self.values.push(value);
        }
    }
}
