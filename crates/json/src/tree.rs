//! JSON that knows where it stands in its text.

use crate::{Json, Limits, Object, ParseError, Str, Syntax};
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
    /// A node for a value that stands nowhere: every span is `span`.
    pub fn from_json(value: &Json, span: Span) -> Self {
        let value = match value {
            Json::Array(items) => {
                Value::Array(items.iter().map(|item| Self::from_json(item, span)).collect())
            }
            Json::Object(members) => Value::Object(
                members
                    .iter()
                    .map(|(key, value)| Member {
                        key: key.clone(),
                        key_span: span,
                        value: Self::from_json(value, span),
                    })
                    .collect(),
            ),
            scalar => Value::Scalar(scalar.clone()),
        };
        Self { span, value }
    }

    /// The value without its places. A key that comes twice takes its last value.
    pub fn to_json(&self) -> Json {
        match &self.value {
            Value::Scalar(scalar) => scalar.clone(),
            Value::Array(items) => Json::Array(items.iter().map(Self::to_json).collect()),
            Value::Object(members) => Json::Object(
                members
                    .iter()
                    .map(|member| (member.key.clone(), member.value.to_json()))
                    .collect::<Object>(),
            ),
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

/// Reads a text.
pub fn parse(text: &str, syntax: Syntax, limits: Limits) -> Result<Node, ParseError> {
    if text.len() > limits.bytes {
        return Err(ParseError {
            message: format!("the text is longer than {} bytes", limits.bytes),
            span: Span::new(limits.bytes, text.len()),
        });
    }
    let mut parser = Parser { text, at: 0, syntax, depth: limits.depth };
    parser.space()?;
    let node = parser.value()?;
    parser.space()?;
    if parser.at < text.len() {
        return Err(parser.unexpected("the end of the text"));
    }
    Ok(node)
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
    syntax: Syntax,
    depth: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn error(&self, message: impl Into<String>, start: usize) -> ParseError {
        ParseError { message: message.into(), span: Span::new(start, self.at.max(start)) }
    }

    fn unexpected(&self, wanted: &str) -> ParseError {
        let found = match self.text[self.at..].chars().next() {
            Some(c) => format!("unexpected `{c}`, expected {wanted}"),
            None => format!("unexpected end of the text, expected {wanted}"),
        };
        ParseError { message: found, span: Span::new(self.at, self.at + 1) }
    }

    fn space(&mut self) -> Result<(), ParseError> {
        loop {
            match self.peek() {
                Some(b' ' | b'\t' | b'\n' | b'\r') => self.at += 1,
                Some(b'/') if self.syntax == Syntax::Comments => {
                    let start = self.at;
                    let rest = &self.text[self.at..];
                    let length = if rest.starts_with("//") {
                        rest.find('\n').unwrap_or(rest.len())
                    } else if rest.starts_with("/*") {
                        rest.find("*/")
                            .map(|end| end + 2)
                            .ok_or_else(|| self.error("this comment has no end", start))?
                    } else {
                        return Ok(());
                    };
                    self.at += length;
                }
                _ => return Ok(()),
            }
        }
    }

    fn value(&mut self) -> Result<Node, ParseError> {
        let start = self.at;
        let value = match self.peek() {
            Some(b'{') => self.nested(Self::object)?,
            Some(b'[') => self.nested(Self::array)?,
            Some(b'"') => Value::Scalar(Json::String(self.string()?)),
            Some(b'-' | b'0'..=b'9') => Value::Scalar(self.number()?),
            Some(b't') => self.word("true", Json::Bool(true))?,
            Some(b'f') => self.word("false", Json::Bool(false))?,
            Some(b'n') => self.word("null", Json::Null)?,
            _ => return Err(self.unexpected("a value")),
        };
        Ok(Node { span: Span::new(start, self.at), value })
    }

    fn nested(
        &mut self,
        read: fn(&mut Self) -> Result<Value, ParseError>,
    ) -> Result<Value, ParseError> {
        if self.depth == 0 {
            return Err(self.error("arrays and objects are nested too deeply", self.at));
        }
        self.depth -= 1;
        let value = read(self)?;
        self.depth += 1;
        Ok(value)
    }

    fn word(&mut self, word: &str, value: Json) -> Result<Value, ParseError> {
        if !self.text[self.at..].starts_with(word) {
            return Err(self.unexpected("a value"));
        }
        self.at += word.len();
        Ok(Value::Scalar(value))
    }

    fn object(&mut self) -> Result<Value, ParseError> {
        self.at += 1;
        let mut members = Vec::new();
        loop {
            self.space()?;
            match self.peek() {
                Some(b'}') if members.is_empty() || self.syntax == Syntax::Comments => break,
                Some(b'"') => {}
                _ => return Err(self.unexpected("a key in double quotes")),
            }
            let start = self.at;
            let key = self.string()?;
            let key_span = Span::new(start, self.at);
            self.space()?;
            if self.peek() != Some(b':') {
                return Err(self.unexpected("`:`"));
            }
            self.at += 1;
            self.space()?;
            let value = self.value()?;
            members.push(Member { key, key_span, value });
            self.space()?;
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => break,
                _ => return Err(self.unexpected("`,` or `}`")),
            }
        }
        self.at += 1;
        Ok(Value::Object(members))
    }

    fn array(&mut self) -> Result<Value, ParseError> {
        self.at += 1;
        let mut items = Vec::new();
        loop {
            self.space()?;
            if self.peek() == Some(b']') && (items.is_empty() || self.syntax == Syntax::Comments) {
                break;
            }
            items.push(self.value()?);
            self.space()?;
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => break,
                _ => return Err(self.unexpected("`,` or `]`")),
            }
        }
        self.at += 1;
        Ok(Value::Array(items))
    }

    fn number(&mut self) -> Result<Json, ParseError> {
        let start = self.at;
        let mut float = false;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        let digits = |parser: &mut Self| {
            let from = parser.at;
            while matches!(parser.peek(), Some(b'0'..=b'9')) {
                parser.at += 1;
            }
            parser.at - from
        };
        let leading_zero = self.peek() == Some(b'0');
        match digits(self) {
            0 => return Err(self.unexpected("a digit")),
            1 => {}
            _ if leading_zero => return Err(self.error("a number may not begin with 0", start)),
            _ => {}
        }
        if self.peek() == Some(b'.') {
            float = true;
            self.at += 1;
            if digits(self) == 0 {
                return Err(self.unexpected("a digit"));
            }
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            float = true;
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            if digits(self) == 0 {
                return Err(self.unexpected("a digit"));
            }
        }
        let text = &self.text[start..self.at];
        if float {
            let value: f64 = text.parse().expect("checked above");
            if value.is_infinite() {
                return Err(self.error("this number is too large", start));
            }
            return Ok(Json::Float(value));
        }
        Ok(text.parse().map_or_else(|_| Json::BigInt(text.into()), Json::Int))
    }

    fn string(&mut self) -> Result<Str, ParseError> {
        let start = self.at;
        self.at += 1;
        let mut plain = self.at;
        let mut out = String::new();
        loop {
            match self.peek() {
                None => return Err(self.error("this string has no end", start)),
                Some(b'"') => break,
                Some(b'\\') => {
                    out.push_str(&self.text[plain..self.at]);
                    out.push(self.escape()?);
                    plain = self.at;
                }
                Some(0..0x20) => {
                    return Err(self.error("control characters must be escaped", self.at));
                }
                Some(_) => self.at += 1,
            }
        }
        let rest = &self.text[plain..self.at];
        self.at += 1;
        if out.is_empty() {
            return Ok(rest.into());
        }
        out.push_str(rest);
        Ok(out.into())
    }

    /// One escape, from its backslash. A lone surrogate becomes U+FFFD.
    fn escape(&mut self) -> Result<char, ParseError> {
        let start = self.at;
        self.at += 2;
        Ok(match self.text.as_bytes().get(start + 1) {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                let high = self.hex(start)?;
                if (0xD800..0xDC00).contains(&high) && self.text[self.at..].starts_with("\\u") {
                    let back = self.at;
                    self.at += 2;
                    let low = self.hex(start)?;
                    if (0xDC00..0xE000).contains(&low) {
                        let code = 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
                        return Ok(char::from_u32(code).expect("a surrogate pair"));
                    }
                    self.at = back;
                }
                char::from_u32(high).unwrap_or(char::REPLACEMENT_CHARACTER)
            }
            _ => {
                self.at = (start + 1).min(self.text.len());
                return Err(self.error("no such escape in a string", start));
            }
        })
    }

    fn hex(&mut self, start: usize) -> Result<u32, ParseError> {
        let digits = self.text.get(self.at..self.at + 4);
        let code = digits
            .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
            .and_then(|digits| u32::from_str_radix(digits, 16).ok());
        match code {
            Some(code) => {
                self.at += 4;
                Ok(code)
            }
            None => Err(self.error("`\\u` takes four hexadecimal digits", start)),
        }
    }
}
