//! JSON that knows where it stands in its text.

use crate::lex::{Lexer, Read};
use crate::parse::check_length;
use crate::{DEEPEST, Json, Limits, Object, ParseError, Str, Syntax};
use stepwright_source::Span;

/// A value and its place.
#[derive(Clone, Debug)]
pub struct Node {
    /// From the first byte of the value to its last, quotes and brackets included.
    pub span: Span,
    /// What stands there.
    pub value: Value,
}

/// What stands at a [`Node`].
#[derive(Clone, Debug)]
pub enum Value {
    /// `null`, a boolean, a number or a string: never an array or object.
    Scalar(Json),
    /// A list.
    Array(Vec<Node>),
    /// Members in order; a key may come more than once.
    Object(Vec<Member>),
}

/// A key and its value.
#[derive(Clone, Debug)]
pub struct Member {
    /// The key.
    pub key: Str,
    /// Where the key stands, quotes included.
    pub key_span: Span,
    /// The value.
    pub value: Node,
}

impl Node {
    /// A node for a value that stands nowhere: every span is `span`. What is nested deeper than
    /// a tree can be (1,000) is left out.
    pub fn from_json(value: &Json, span: Span) -> Self {
        Self::from_json_within(value, span, DEEPEST)
    }

    fn from_json_within(value: &Json, span: Span, depth: usize) -> Self {
        let value = match (value, depth.checked_sub(1)) {
            (Json::Array(_) | Json::Object(_), None) => Value::Scalar(Json::Null),
            (Json::Array(values), Some(depth)) => {
                let mut items = Vec::with_capacity(values.len());
                for value in values {
                    items.push(Self::from_json_within(value, span, depth));
                }
                Value::Array(items)
            }
            (Json::Object(object), Some(depth)) => {
                let mut members = Vec::with_capacity(object.len());
                for (key, value) in object.iter() {
                    let value = Self::from_json_within(value, span, depth);
                    members.push(Member { key: key.clone(), key_span: span, value });
                }
                Value::Object(members)
            }
            (scalar, _) => Value::Scalar(scalar.clone()),
        };
        Self { span, value }
    }

    /// The value without its places. A key that comes twice takes its last value.
    pub fn to_json(&self) -> Json {
        match &self.value {
            Value::Scalar(scalar) => scalar.clone(),
            Value::Array(items) => {
                let mut values = Vec::with_capacity(items.len());
                for item in items {
                    values.push(item.to_json());
                }
                Json::from(values)
            }
            Value::Object(members) => {
                let mut object = Object::new();
                for member in members {
                    object.insert(member.key.clone(), member.value.to_json());
                }
                Json::Object(object)
            }
        }
    }

    /// The last member named `key`.
    pub fn member(&self, key: &str) -> Option<&Member> {
        self.members().iter().rev().find(|member| member.key == key)
    }

    /// The value of the last member named `key`.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.member(key).map(|member| &member.value)
    }

    /// The members of an object; none for anything else.
    pub fn members(&self) -> &[Member] {
        match &self.value {
            Value::Object(members) => members,
            _ => &[],
        }
    }

    /// The items of an array; none for anything else.
    pub fn items(&self) -> &[Node] {
        match &self.value {
            Value::Array(items) => items,
            _ => &[],
        }
    }

    /// The text of a string.
    pub fn as_str(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar(scalar) => scalar.as_str(),
            _ => None,
        }
    }

    /// The scalar standing here.
    pub fn as_scalar(&self) -> Option<&Json> {
        match &self.value {
            Value::Scalar(scalar) => Some(scalar),
            _ => None,
        }
    }

    /// Whether an object stands here.
    pub fn is_object(&self) -> bool {
        matches!(self.value, Value::Object(_))
    }

    /// Whether an array stands here.
    pub fn is_array(&self) -> bool {
        matches!(self.value, Value::Array(_))
    }
}

/// Reads a text. However high the limits are, a tree is no deeper than [`DEEPEST`].
pub fn parse(text: &str, syntax: Syntax, limits: Limits) -> Result<Node, ParseError> {
    check_length(text, limits)?;
    let lexer = Lexer { text, at: 0, syntax };
    whole(lexer, limits.depth.min(DEEPEST)).map_err(|error| *error)
}

fn whole(mut lexer: Lexer<'_>, depth: usize) -> Read<Node> {
    lexer.space()?;
    let node = read(&mut lexer, depth)?;
    lexer.space()?;
    if lexer.at < lexer.text.len() {
        return Err(lexer.unexpected("the end of the text"));
    }
    Ok(node)
}

/// Reads the JSON written inside a string. `span` is where the string stands in `source`, quotes
/// included; the spans of the result are places in `source`, too, and so is that of an error.
pub fn parse_in_string(
    source: &str,
    span: Span,
    decoded: &str,
    limits: Limits,
) -> Result<Node, ParseError> {
    let places = Places::new(source, span);
    match parse(decoded, Syntax::Strict, limits) {
        Ok(mut node) => {
            move_spans(&mut node, &places);
            Ok(node)
        }
        Err(error) => Err(ParseError { span: places.span(error.span), ..error }),
    }
}

/// Where in `source` the byte `decoded_offset` of a string's text comes from, `span` being where
/// the string stands with its quotes. A byte past the end comes from the closing quote.
pub fn offset_in_string(source: &str, span: Span, decoded_offset: usize) -> u32 {
    let found = walk_string(source, span).find(|&(decoded, _, len)| decoded_offset < decoded + len);
    let end = (span.end as usize).min(source.len()).saturating_sub(1).max(span.start as usize);
    found.map_or(end, |(_, raw, _)| raw) as u32
}

/// The characters of a string: where each begins in its text and in `source`, and how many bytes
/// of the text it makes.
fn walk_string(source: &str, span: Span) -> impl Iterator<Item = (usize, usize, usize)> {
    let text = source.get(..(span.end as usize).saturating_sub(1)).unwrap_or(source);
    let mut lexer = Lexer { text, at: span.start as usize + 1, syntax: Syntax::Strict };
    let mut decoded = 0;
    std::iter::from_fn(move || {
        let raw = lexer.at;
        let char = if lexer.peek()? == b'\\' {
            lexer.escape().ok()?
        } else {
            let char = lexer.text.get(raw..)?.chars().next()?;
            lexer.at += char.len_utf8();
            char
        };
        let here = decoded;
        decoded += char.len_utf8();
        Some((here, raw, char.len_utf8()))
    })
}

/// The places in the source of every byte of a string's text.
struct Places(Vec<u32>);

impl Places {
    fn new(source: &str, span: Span) -> Self {
        let mut places = Vec::new();
        for (_, raw, len) in walk_string(source, span) {
            places.extend(std::iter::repeat_n(raw as u32, len));
        }
        places.push(span.end.saturating_sub(1).max(span.start));
        Self(places)
    }

    fn span(&self, span: Span) -> Span {
        let last = self.0.len() - 1;
        let place = |offset: u32| self.0[(offset as usize).min(last)];
        Span { start: place(span.start), end: place(span.end).max(place(span.start)) }
    }
}

fn move_spans(node: &mut Node, places: &Places) {
    node.span = places.span(node.span);
    match &mut node.value {
        Value::Scalar(_) => {}
        Value::Array(items) => {
            for item in items {
                move_spans(item, places);
            }
        }
        Value::Object(members) => {
            for member in members {
                member.key_span = places.span(member.key_span);
                move_spans(&mut member.value, places);
            }
        }
    }
}

/// An array or object that has begun.
enum Open {
    Array { start: usize, items: Vec<Node> },
    Object { start: usize, members: Vec<Member>, key: Str, key_span: Span },
}

/// Reads a value without recursion.
fn read(lexer: &mut Lexer<'_>, depth: usize) -> Read<Node> {
    let mut open: Vec<Open> = Vec::new();
    loop {
        let start = lexer.at;
        let first = lexer.peek();
        let mut node = if first == Some(b'[') || first == Some(b'{') {
            if open.len() >= depth {
                return Err(lexer.too_deep());
            }
            lexer.at += 1;
            lexer.space()?;
            let close = if first == Some(b'[') { b']' } else { b'}' };
            if lexer.peek() != Some(close) {
                open.push(if close == b']' {
                    Open::Array { start, items: Vec::new() }
                } else {
                    let (key, key_span) = read_key(lexer)?;
                    Open::Object { start, members: Vec::new(), key, key_span }
                });
                continue;
            }
            lexer.at += 1;
            let array = close == b']';
            let value = if array { Value::Array(Vec::new()) } else { Value::Object(Vec::new()) };
            Node { span: Span::new(start, lexer.at), value }
        } else {
            let value = Value::Scalar(lexer.scalar()?);
            Node { span: Span::new(start, lexer.at), value }
        };
        loop {
            let close = match open.last_mut() {
                None => return Ok(node),
                Some(Open::Array { items, .. }) => {
                    items.push(node);
                    b']'
                }
                Some(Open::Object { members, key, key_span, .. }) => {
                    let key = std::mem::take(key);
                    members.push(Member { key, key_span: *key_span, value: node });
                    b'}'
                }
            };
            lexer.space()?;
            match lexer.peek() {
                Some(b',') => {
                    lexer.at += 1;
                    lexer.space()?;
                    if lexer.syntax != Syntax::Comments || lexer.peek() != Some(close) {
                        if let Some(Open::Object { key, key_span, .. }) = open.last_mut() {
                            (*key, *key_span) = read_key(lexer)?;
                        }
                        break;
                    }
                }
                Some(byte) if byte == close => {}
                _ if close == b'}' => return Err(lexer.unexpected("`,` or `}`")),
                _ => return Err(lexer.unexpected("`,` or `]`")),
            }
            lexer.at += 1;
            let (start, value) = match open.pop() {
                Some(Open::Array { start, items }) => (start, Value::Array(items)),
                Some(Open::Object { start, members, .. }) => (start, Value::Object(members)),
                None => return Err(lexer.unexpected("the end of the text")),
            };
            node = Node { span: Span::new(start, lexer.at), value };
        }
    }
}

/// Reads a key and its colon.
fn read_key(lexer: &mut Lexer<'_>) -> Read<(Str, Span)> {
    if lexer.peek() != Some(b'"') {
        return Err(lexer.unexpected("a key in double quotes"));
    }
    let start = lexer.at;
    let key = lexer.string()?.into();
    let span = Span::new(start, lexer.at);
    lexer.space()?;
    if lexer.peek() != Some(b':') {
        return Err(lexer.unexpected("`:`"));
    }
    lexer.at += 1;
    lexer.space()?;
    Ok((key, span))
}
