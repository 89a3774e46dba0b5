use crate::{Json, ParseError, Syntax};
use std::borrow::Cow;
use stepwright_source::Span;

/// Reads the words of JSON: what both parsers have in common.
#[derive(Debug)]
pub(crate) struct Lexer<'t> {
    pub(crate) text: &'t str,
    pub(crate) at: usize,
    pub(crate) syntax: Syntax,
}

/// Errors are boxed so that what is right stays small.
pub(crate) type Read<T> = Result<T, Box<ParseError>>;

#[expect(clippy::unnecessary_box_returns, reason = "errors are boxed everywhere in here")]
impl<'t> Lexer<'t> {
    #[inline]
    pub(crate) fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// An error from `start` to where the lexer is.
    #[cold]
    pub(crate) fn error(&self, message: impl Into<String>, start: usize) -> Box<ParseError> {
        let span = Span::new(start, self.at.max(start));
        Box::new(ParseError { message: message.into(), span })
    }

    #[cold]
    pub(crate) fn unexpected(&self, wanted: &str) -> Box<ParseError> {
        let found = match self.text.get(self.at..).and_then(|rest| rest.chars().next()) {
            Some(c) => format!("unexpected `{c}`, expected {wanted}"),
            None => format!("unexpected end of the text, expected {wanted}"),
        };
        Box::new(ParseError { message: found, span: Span::new(self.at, self.at + 1) })
    }

    #[cold]
    pub(crate) fn too_deep(&self) -> Box<ParseError> {
        self.error("arrays and objects are nested too deeply", self.at)
    }

    /// Steps over spaces and, where the syntax has them, comments.
    #[inline(always)]
    #[expect(
        clippy::inline_always,
        reason = "mostly there is no space, and it is asked everywhere"
    )]
    pub(crate) fn space(&mut self) -> Read<()> {
        match self.peek() {
            Some(byte) if byte > b' ' && byte != b'/' => Ok(()),
            _ => self.some_space(),
        }
    }

    #[inline(never)]
    fn some_space(&mut self) -> Read<()> {
        loop {
            match self.peek() {
                Some(b' ' | b'\t' | b'\n' | b'\r') => self.at += 1,
                Some(b'/') if self.syntax == Syntax::Comments => {
                    if !self.comment()? {
                        return Ok(());
                    }
                }
                _ => return Ok(()),
            }
        }
    }

    fn comment(&mut self) -> Read<bool> {
        let start = self.at;
        let rest = &self.text[self.at..];
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if let Some(inner) = rest.strip_prefix("/*") {
            let end = inner.find("*/");
            end.ok_or_else(|| self.error("this comment has no end", start))? + 4
        } else {
            return Ok(false);
        };
        self.at += length;
        Ok(true)
    }

    /// A value that is neither array nor object.
    #[inline]
    pub(crate) fn scalar(&mut self) -> Read<Json> {
        match self.peek() {
            Some(b'"') => Ok(Json::String(self.string()?.into())),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true", Json::Bool(true)),
            Some(b'f') => self.word("false", Json::Bool(false)),
            Some(b'n') => self.word("null", Json::Null),
            _ => Err(self.unexpected("a value")),
        }
    }

    fn word(&mut self, word: &str, value: Json) -> Read<Json> {
        if !self.text.as_bytes()[self.at..].starts_with(word.as_bytes()) {
            return Err(self.unexpected("a value"));
        }
        self.at += word.len();
        Ok(value)
    }

    fn number(&mut self) -> Read<Json> {
        let bytes = &self.text.as_bytes()[self.at..];
        let sign = usize::from(bytes.first() == Some(&b'-'));
        let mut value = 0i64;
        let mut len = sign;
        // Eighteen digits always fit.
        while len < sign + 18 {
            match bytes.get(len) {
                Some(digit @ b'0'..=b'9') => value = value * 10 + i64::from(digit - b'0'),
                _ => break,
            }
            len += 1;
        }
        let plain = !matches!(bytes.get(len), Some(b'0'..=b'9' | b'.' | b'e' | b'E'));
        if plain && len > sign && (bytes[sign] != b'0' || len == sign + 1) {
            self.at += len;
            return Ok(Json::Int(if sign == 1 { -value } else { value }));
        }
        self.long_number()
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        self.at - start
    }

    fn long_number(&mut self) -> Read<Json> {
        let start = self.at;
        let mut float = false;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        let leading_zero = self.peek() == Some(b'0');
        match self.digits() {
            0 => return Err(self.unexpected("a digit")),
            1 => {}
            _ if leading_zero => return Err(self.error("a number may not begin with 0", start)),
            _ => {}
        }
        if self.peek() == Some(b'.') {
            float = true;
            self.at += 1;
            if self.digits() == 0 {
                return Err(self.unexpected("a digit"));
            }
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            float = true;
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            if self.digits() == 0 {
                return Err(self.unexpected("a digit"));
            }
        }
        let text = &self.text[start..self.at];
        if !float {
            return Ok(text.parse().map_or_else(|_| Json::BigInt(text.into()), Json::Int));
        }
        match text.parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(Json::Float(value)),
            _ => Err(self.error("this number is too large", start)),
        }
    }

    /// A text in double quotes, without them.
    #[inline]
    pub(crate) fn string(&mut self) -> Read<Cow<'t, str>> {
        let start = self.at;
        self.at = plain_until(self.text.as_bytes(), start + 1);
        if self.peek() == Some(b'"') {
            let text = &self.text[start + 1..self.at];
            self.at += 1;
            return Ok(Cow::Borrowed(text));
        }
        self.escaped_string(start)
    }

    fn escaped_string(&mut self, start: usize) -> Read<Cow<'t, str>> {
        let mut out = self.text[start + 1..self.at].to_owned();
        loop {
            match self.peek() {
                None => return Err(self.error("this string has no end", start)),
                Some(b'"') => {
                    self.at += 1;
                    return Ok(Cow::Owned(out));
                }
                Some(b'\\') => out.push(self.escape()?),
                Some(0..0x20) => {
                    return Err(self.error("control characters must be escaped", self.at));
                }
                Some(_) => {
                    let plain = self.at;
                    self.at = plain_until(self.text.as_bytes(), plain);
                    out.push_str(&self.text[plain..self.at]);
                }
            }
        }
    }

    /// One escape, from its backslash. A lone surrogate becomes U+FFFD.
    pub(crate) fn escape(&mut self) -> Read<char> {
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
                        return Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
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

    fn hex(&mut self, start: usize) -> Read<u32> {
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

/// Where, at or after `from`, a quote, a backslash or a control character stands next; the end if
/// none does. Eight bytes at a time.
#[inline]
pub(crate) fn plain_until(bytes: &[u8], from: usize) -> usize {
    const LOW: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    // The high bit of each byte that is zero; bytes after the first such may be marked wrongly.
    let zeros = |word: u64| word.wrapping_sub(LOW) & !word & HIGH;
    let Some(rest) = bytes.get(from..) else { return bytes.len() };
    let (chunks, tail) = rest.as_chunks::<8>();
    for (at, chunk) in chunks.iter().enumerate() {
        let word = u64::from_le_bytes(*chunk);
        let quote = zeros(word ^ (LOW * u64::from(b'"')));
        let backslash = zeros(word ^ (LOW * u64::from(b'\\')));
        let control = word.wrapping_sub(LOW * 0x20) & !word & HIGH;
        let found = quote | backslash | control;
        if found != 0 {
            return from + at * 8 + (found.trailing_zeros() / 8) as usize;
        }
    }
    let special = |&byte: &u8| byte == b'"' || byte == b'\\' || byte < 0x20;
    bytes.len() - tail.len() + tail.iter().position(special).unwrap_or(tail.len())
}
