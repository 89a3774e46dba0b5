use crate::lex::Lexer;
use crate::shape::{Next, Shape, Shapes};
use crate::{Json, Object};
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
    check_length(text, limits)?;
    let lexer = Lexer { text, at: 0, syntax };
    let mut parser = Parser {
        lexer,
        depth: limits.depth,
        values: Vec::new(),
        open: Vec::new(),
        shapes: Shapes::new(),
    };
    parser.text()
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
}

/// An array or object that has begun.
enum Open {
    Array {
        /// Where in `values` its own begin.
        start: usize,
    },
    Object {
        start: usize,
        keys: Keys,
        /// Where the value goes whose key comes again.
        again: Option<usize>,
    },
}

/// The keys of an object so far.
enum Keys {
    Shared(u32),
    Own(Box<Shape>),
}

impl Parser<'_> {
    fn text(&mut self) -> Result<Json, ParseError> {
        self.lexer.space()?;
        loop {
            let Some(value) = self.value()? else { continue };
            if let Some(whole) = self.put(value)? {
                self.lexer.space()?;
                if self.lexer.at < self.lexer.text.len() {
                    return Err(self.lexer.unexpected("the end of the text"));
                }
                return Ok(whole);
            }
        }
    }

    /// Reads a value; `None` when one has only been opened.
    #[inline]
    fn value(&mut self) -> Result<Option<Json>, ParseError> {
        let first = self.lexer.peek();
        if first != Some(b'{') && first != Some(b'[') {
            return self.lexer.scalar().map(Some);
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
                return Ok(Some(Json::from(Vec::new())));
            }
            self.open.push(Open::Array { start });
        } else {
            if self.lexer.peek() == Some(b'}') {
                self.lexer.at += 1;
                return Ok(Some(Json::Object(Object::new())));
            }
            self.open.push(Open::Object { start, keys: Keys::Shared(Shapes::ROOT), again: None });
            self.key()?;
        }
        Ok(None)
    }

    /// Reads a key and its colon.
    #[inline]
    fn key(&mut self) -> Result<(), ParseError> {
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
        let Some(Open::Object { keys, again, .. }) = self.open.last_mut() else { return Ok(()) };
        if let Keys::Shared(node) = keys {
            match self.shapes.next(*node, &name) {
                Next::Node(next) => {
                    *node = next;
                    return Ok(());
                }
                Next::Duplicate(at) => {
                    *again = Some(at);
                    return Ok(());
                }
                Next::Full => *keys = Keys::Own(Box::new(self.shapes.build(*node))),
            }
        }
        if let Keys::Own(shape) = keys {
            *again = shape.position(&name);
            if again.is_none() {
                shape.push(name.into());
            }
        }
        Ok(())
    }

    /// Puts a value where it belongs, and closes what closes after it. The whole value, when that
    /// is what closed; else the text goes on with another value.
    #[inline]
    fn put(&mut self, mut value: Json) -> Result<Option<Json>, ParseError> {
        loop {
            let close = match self.open.last_mut() {
                None => return Ok(Some(value)),
                Some(Open::Object { start, again, .. }) => {
                    match again.take() {
                        Some(at) => self.values[*start + at] = value,
                        None => self.values.push(value),
                    }
                    b'}'
                }
                Some(Open::Array { .. }) => {
                    self.values.push(value);
                    b']'
                }
            };
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
                        return Ok(None);
                    }
                }
                Some(byte) if byte == close => {}
                _ if close == b'}' => return Err(self.lexer.unexpected("`,` or `}`")),
                _ => return Err(self.lexer.unexpected("`,` or `]`")),
            }
            self.lexer.at += 1;
            value = match self.open.pop() {
                Some(Open::Object { start, keys, .. }) => {
                    let shape = match keys {
                        Keys::Shared(node) => self.shapes.shape(node),
                        Keys::Own(shape) => Arc::new(*shape),
                    };
                    Json::Object(Object::of(shape, self.values.split_off(start)))
                }
                Some(Open::Array { start }) => Json::from(self.values.split_off(start)),
                None => return Ok(None),
            };
        }
    }
}
