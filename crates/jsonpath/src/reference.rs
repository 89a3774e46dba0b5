use crate::error::{ParseError, SetError};
use crate::unescape::unescape;
use std::fmt;
use stepwright_json::{Json, Object, Str};
use stepwright_source::Span;

/// A path of members and indexes from `$`: it names one place, and a value can be put there.
///
/// Its syntax is that of the Amazon States Language: `$.a.b`, `$['a'][0]`, and in names without
/// quotes a backslash before a character that would otherwise mean something (`$.store\.book`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReferencePath {
    text: Str,
    steps: Box<[Step]>,
}

/// One step of a [`ReferencePath`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A member of an object.
    Member(Str),
    /// An element of an array; negative from the end.
    Index(i32),
}

impl ReferencePath {
    /// Reads a reference path.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let mut reader = Reader { text, at: 0 };
        let steps = reader.steps()?;
        Ok(Self { text: text.into(), steps: steps.into() })
    }

    /// The text it was read from.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The steps from the outside in. None for `$`.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// What stands there.
    pub fn get<'j>(&self, root: &'j Json) -> Option<&'j Json> {
        self.steps.iter().try_fold(root, |value, step| match (step, value) {
            (Step::Member(name), Json::Object(object)) => object.get(name),
            (Step::Index(index), Json::Array(array)) => array.get(position(*index, array.len())?),
            _ => None,
        })
    }

    /// Puts `value` there. Objects that are missing on the way are made; an element must be there
    /// already. Everything else in the way is an error.
    pub fn set(&self, mut root: Json, value: Json) -> Result<Json, SetError> {
        if let Some(place) = self.place(&mut root) {
            *place = value;
            return Ok(root);
        }
        Err(SetError { path: self.text.to_string(), input: root.to_string() })
    }

    /// The place in `root`, which stays as it is when there is none.
    fn place<'j>(&self, root: &'j mut Json) -> Option<&'j mut Json> {
        let mut place = root;
        let mut steps = self.steps.iter();
        while let Some(step) = steps.next() {
            place = match (step, place) {
                (Step::Member(name), Json::Object(object)) => {
                    let only_members =
                        || steps.as_slice().iter().all(|step| matches!(step, Step::Member(_)));
                    if !only_members() && !object.contains_key(name) {
                        return None;
                    }
                    object.get_or_insert_with(name, || Json::Object(Object::new()))
                }
                (Step::Index(index), Json::Array(array)) => {
                    let at = position(*index, array.len())?;
                    array.make_mut().get_mut(at)?
                }
                _ => return None,
            };
        }
        Some(place)
    }
}

impl fmt::Display for ReferencePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn position(index: i32, len: usize) -> Option<usize> {
    if index < 0 { len.checked_sub(index.unsigned_abs() as usize) } else { Some(index as usize) }
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
}

type Read<T> = Result<T, ParseError>;

impl Reader<'_> {
    fn error<T>(&self, message: impl Into<String>, start: usize) -> Read<T> {
        let start = self.text.floor_char_boundary(start.min(self.text.len()));
        let end = self.text[start..].chars().next().map_or(start, |char| start + char.len_utf8());
        Err(ParseError { message: message.into(), span: Span::new(start, end) })
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn steps(&mut self) -> Read<Vec<Step>> {
        if !self.text.starts_with('$') {
            return self.error("Reference path didn't start with '$'", 0);
        }
        self.at = 1;
        let mut steps = Vec::new();
        while let Some(byte) = self.peek() {
            let step = match byte {
                b'.' => {
                    self.at += 1;
                    if self.peek() == Some(b'[') { self.bracket()? } else { self.name()? }
                }
                b'[' => self.bracket()?,
                _ => return self.error("expected `.` or `[`", self.at),
            };
            steps.push(step);
        }
        Ok(steps)
    }

    /// A name without quotes, up to the next `.` or `[`.
    fn name(&mut self) -> Read<Step> {
        let start = self.at;
        while let Some(byte) = self.peek() {
            match byte {
                b'.' | b'[' => break,
                b'\\' => self.at += 2,
                b'*' | b'@' | b',' | b':' | b'?' | b'(' | b')' | b']' | b' ' => {
                    let operator = char::from(byte);
                    return self.error(
                        format!(
                            "a reference path names one place: `{operator}` cannot be part of it"
                        ),
                        self.at,
                    );
                }
                _ => self.at += 1,
            }
        }
        self.at = self.text.ceil_char_boundary(self.at);
        match unescape(&self.text[start..self.at]) {
            Some(name) if !name.is_empty() => Ok(Step::Member(name.as_ref().into())),
            Some(_) => self.error("a name is missing", start),
            None => self.error("`\\u` takes four hexadecimal digits", start),
        }
    }

    /// `['name']`, `["name"]`, `[0]`
    fn bracket(&mut self) -> Read<Step> {
        let open = self.at;
        self.at += 1;
        self.skip_blanks();
        let step = match self.peek() {
            Some(quote @ (b'\'' | b'"')) => self.quoted(quote)?,
            Some(b'0'..=b'9' | b'-') => {
                let start = self.at;
                self.at += 1;
                while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
                    self.at += 1;
                }
                match self.text[start..self.at].parse() {
                    Ok(index) => Step::Index(index),
                    Err(_) => return self.error("an index is a whole number", start),
                }
            }
            _ => {
                return self.error(
                    "a reference path names one place: an index or a quoted name is wanted",
                    self.at,
                );
            }
        };
        self.skip_blanks();
        if self.peek() != Some(b']') {
            return self.error("the bracket is not closed", open);
        }
        self.at += 1;
        Ok(step)
    }

    fn quoted(&mut self, quote: u8) -> Read<Step> {
        let start = self.at + 1;
        let mut at = start;
        loop {
            match self.text.as_bytes().get(at) {
                Some(b'\\') => at += 2,
                Some(&byte) if byte == quote => break,
                Some(_) => at += 1,
                None => return self.error("the quote is not closed", self.at),
            }
        }
        self.at = at + 1;
        match unescape(&self.text[start..at]) {
            Some(name) => Ok(Step::Member(name.as_ref().into())),
            None => self.error("`\\u` takes four hexadecimal digits", start),
        }
    }

    fn skip_blanks(&mut self) {
        while self.peek() == Some(b' ') {
            self.at += 1;
        }
    }
}
