use crate::error::{Fault, Result};
use crate::number;
use stepwright_json::{Json, Str};
use stepwright_source::Span;

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Lexeme {
    Name(Str),
    Variable(Str),
    Operator(&'static str),
    Text(Str),
    Number(Json),
    Value(Json),
    Regex { pattern: Str, flags: Str },
    End,
}

#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) lexeme: Lexeme,
    /// From its first byte to the byte after its last, which is where jsonata-js says it is.
    pub(crate) span: Span,
}

impl Token {
    /// Its value in errors.
    pub(crate) fn shown(&self) -> String {
        match &self.lexeme {
            Lexeme::Name(text) | Lexeme::Variable(text) | Lexeme::Text(text) => text.to_string(),
            Lexeme::Operator(operator) => (*operator).to_owned(),
            Lexeme::Number(value) | Lexeme::Value(value) => {
                let mut out = String::new();
                crate::text::write_json(value, &mut out);
                out
            }
            Lexeme::Regex { pattern, flags } => format!("/{pattern}/{flags}"),
            Lexeme::End => "(end)".to_owned(),
        }
    }
}

const DOUBLE: [&str; 7] = ["..", ":=", "!=", ">=", "<=", "**", "~>"];
const NEWER: [&str; 2] = ["?:", "??"];

/// The operator that is one character, or ends a name.
fn single(byte: u8) -> Option<&'static str> {
    Some(match byte {
        b'.' => ".",
        b'[' => "[",
        b']' => "]",
        b'{' => "{",
        b'}' => "}",
        b'(' => "(",
        b')' => ")",
        b',' => ",",
        b'@' => "@",
        b'#' => "#",
        b';' => ";",
        b':' => ":",
        b'?' => "?",
        b'+' => "+",
        b'-' => "-",
        b'*' => "*",
        b'/' => "/",
        b'%' => "%",
        b'|' => "|",
        b'=' => "=",
        b'<' => "<",
        b'>' => ">",
        b'^' => "^",
        b'&' => "&",
        b'!' => "!",
        b'~' => "~",
        _ => return None,
    })
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b)
}

pub(crate) struct Lexer<'t> {
    text: &'t str,
    position: usize,
    newer: bool,
}

impl<'t> Lexer<'t> {
    pub(crate) fn new(text: &'t str, newer: bool) -> Self {
        Self { text, position: 0, newer }
    }

    fn byte(&self, at: usize) -> Option<u8> {
        self.text.as_bytes().get(at).copied()
    }

    fn fault(code: &'static str, start: usize, at: usize) -> Box<Fault> {
        Fault::new(code).at(at as u32, Span::new(start, at.max(start)))
    }

    /// The next token. A slash begins a regular expression unless `infix`.
    pub(crate) fn next(&mut self, infix: bool) -> Result<Token> {
        loop {
            while self.byte(self.position).is_some_and(is_space) {
                self.position += 1;
            }
            if !self.text[self.position..].starts_with("/*") {
                break;
            }
            let start = self.position;
            match self.text[start + 2..].find("*/") {
                Some(end) => self.position = start + 2 + end + 2,
                None => {
                    return Err(
                        Fault::new("S0106").at(start as u32, Span::new(start, self.text.len()))
                    );
                }
            }
        }
        let start = self.position;
        let lexeme = self.lexeme(infix)?;
        Ok(Token { lexeme, span: Span::new(start, self.position) })
    }

    fn lexeme(&mut self, infix: bool) -> Result<Lexeme> {
        let start = self.position;
        let rest = &self.text[start..];
        let Some(first) = self.byte(start) else { return Ok(Lexeme::End) };
        if first == b'/' && !infix {
            return self.regex();
        }
        let newer: &[&'static str] = if self.newer { &NEWER } else { &[] };
        if let Some(operator) = DOUBLE.iter().chain(newer).find(|double| rest.starts_with(**double))
        {
            self.position += 2;
            return Ok(Lexeme::Operator(operator));
        }
        if let Some(operator) = single(first) {
            self.position += 1;
            return Ok(Lexeme::Operator(operator));
        }
        match first {
            b'"' | b'\'' => self.string(first),
            b'0'..=b'9' => self.number(),
            b'`' => match rest[1..].find('`') {
                Some(end) => {
                    self.position = start + end + 2;
                    Ok(Lexeme::Name(rest[1..=end].into()))
                }
                None => Err(Self::fault("S0105", start, self.text.len())),
            },
            _ => Ok(self.word()),
        }
    }

    fn word(&mut self) -> Lexeme {
        let rest = &self.text[self.position..];
        let end = rest
            .bytes()
            .position(|byte| is_space(byte) || single(byte).is_some())
            .unwrap_or(rest.len());
        let word = &rest[..end];
        self.position += end;
        if let Some(name) = word.strip_prefix('$') {
            return Lexeme::Variable(name.into());
        }
        match word {
            "or" => Lexeme::Operator("or"),
            "in" => Lexeme::Operator("in"),
            "and" => Lexeme::Operator("and"),
            "true" => Lexeme::Value(Json::Bool(true)),
            "false" => Lexeme::Value(Json::Bool(false)),
            "null" => Lexeme::Value(Json::Null),
            name => Lexeme::Name(name.into()),
        }
    }

    fn number(&mut self) -> Result<Lexeme> {
        let start = self.position;
        let digits = |mut at: usize| {
            while self.byte(at).is_some_and(|byte| byte.is_ascii_digit()) {
                at += 1;
            }
            at
        };
        let mut end = if self.byte(start) == Some(b'0') { start + 1 } else { digits(start) };
        if self.byte(end) == Some(b'.') && digits(end + 1) > end + 1 {
            end = digits(end + 1);
        }
        if matches!(self.byte(end), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(self.byte(end + 1), Some(b'+' | b'-')));
            let from = end + 1 + sign;
            if digits(from) > from {
                end = digits(from);
            }
        }
        let text = &self.text[start..end];
        self.position = end;
        match text.parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(Lexeme::Number(number::to_json(value))),
            _ => Err(Fault::new("S0102")
                .at(start as u32, Span::new(start, end))
                .token(text.to_owned())),
        }
    }

    fn string(&mut self, quote: u8) -> Result<Lexeme> {
        let start = self.position;
        let mut out = String::new();
        let mut at = start + 1;
        let mut plain = at;
        // The first half of a surrogate pair, waiting for its second.
        let mut high: Option<u16> = None;
        while let Some(byte) = self.byte(at) {
            if byte == quote {
                out.push_str(&self.text[plain..at]);
                if high.is_some() {
                    out.push(char::REPLACEMENT_CHARACTER);
                }
                self.position = at + 1;
                return Ok(Lexeme::Text(out.into()));
            }
            if byte != b'\\' {
                if high.take().is_some() {
                    out.push(char::REPLACEMENT_CHARACTER);
                }
                at += 1;
                continue;
            }
            out.push_str(&self.text[plain..at]);
            at += 1;
            let escaped = self.byte(at);
            if escaped != Some(b'u') && high.take().is_some() {
                out.push(char::REPLACEMENT_CHARACTER);
            }
            match escaped {
                Some(b'"') => out.push('"'),
                Some(b'\\') => out.push('\\'),
                Some(b'/') => out.push('/'),
                Some(b'b') => out.push('\u{8}'),
                Some(b'f') => out.push('\u{c}'),
                Some(b'n') => out.push('\n'),
                Some(b'r') => out.push('\r'),
                Some(b't') => out.push('\t'),
                Some(b'u') => {
                    let octets: String = self.text[at + 1..].chars().take(4).collect();
                    if octets.is_empty() || !octets.bytes().all(|b| b.is_ascii_hexdigit()) {
                        return Err(Self::fault("S0104", start, at));
                    }
                    let unit = u16::from_str_radix(&octets, 16).unwrap_or_default();
                    push_unit(unit, &mut high, &mut out);
                    at += octets.len();
                }
                _ => {
                    let token: String = self.text[at..].chars().take(1).collect();
                    return Err(Self::fault("S0103", start, at).token(token));
                }
            }
            at += 1;
            plain = at;
        }
        Err(Self::fault("S0101", start, self.text.len()))
    }

    fn regex(&mut self) -> Result<Lexeme> {
        self.position += 1;
        let start = self.position;
        let bytes = self.text.as_bytes();
        let mut depth = 0i32;
        let mut at = start;
        while at < bytes.len() {
            let slashes = bytes[..at].iter().rev().take_while(|byte| **byte == b'\\').count();
            match bytes[at] {
                b'/' if depth == 0 && slashes % 2 == 0 => {
                    if at == start {
                        return Err(Self::fault("S0301", start, at));
                    }
                    let mut end = at + 1;
                    while matches!(bytes.get(end), Some(b'i' | b'm')) {
                        end += 1;
                    }
                    self.position = end;
                    return Ok(Lexeme::Regex {
                        pattern: self.text[start..at].into(),
                        flags: self.text[at + 1..end].into(),
                    });
                }
                b'(' | b'[' | b'{' if at == 0 || bytes[at - 1] != b'\\' => depth += 1,
                b')' | b']' | b'}' if at == 0 || bytes[at - 1] != b'\\' => depth -= 1,
                _ => {}
            }
            at += 1;
        }
        Err(Self::fault("S0302", start, bytes.len()))
    }
}

/// Adds a UTF-16 unit: a pair becomes its character, half a pair the replacement character.
fn push_unit(unit: u16, high: &mut Option<u16>, out: &mut String) {
    let units = high.take().into_iter().chain([unit]);
    for decoded in char::decode_utf16(units) {
        match decoded {
            Ok(char) => out.push(char),
            Err(error)
                if (0xD800..0xDC00).contains(&error.unpaired_surrogate())
                    && error.unpaired_surrogate() == unit
                    && high.is_none() =>
            {
                *high = Some(unit);
            }
            Err(_) => out.push(char::REPLACEMENT_CHARACTER),
        }
    }
}
