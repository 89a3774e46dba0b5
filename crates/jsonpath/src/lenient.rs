use stepwright_json::{Array, Json, Object, Str};

/// How deep a literal may nest.
const DEPTH: usize = 64;

/// Reads a literal inside a path the way Jayway's own reader does: quotes may be single or left
/// out, a comma too many does no harm, and what follows the value is not looked at.
pub(crate) fn parse(text: &str) -> Option<Json> {
    let mut reader = Reader { text, at: 0 };
    reader.value(DEPTH, b"")
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_whitespace()) {
            self.at += 1;
        }
    }

    /// A value; without quotes it ends before any byte of `stops`.
    fn value(&mut self, depth: usize, stops: &[u8]) -> Option<Json> {
        self.skip_space();
        match self.peek()? {
            b'[' => self.array(depth.checked_sub(1)?),
            b'{' => self.object(depth.checked_sub(1)?),
            quote @ (b'"' | b'\'') => Some(Json::String(self.quoted(quote)?)),
            _ => Some(bare(self.until(stops).trim_end())),
        }
    }

    fn array(&mut self, depth: usize) -> Option<Json> {
        self.at += 1;
        let mut items = Vec::new();
        loop {
            self.skip_space();
            match self.peek()? {
                b']' => {
                    self.at += 1;
                    return Some(Json::Array(Array::from(items)));
                }
                b',' => self.at += 1,
                b':' | b'}' => return None,
                _ => items.push(self.value(depth, b",]}:")?),
            }
        }
    }

    fn object(&mut self, depth: usize) -> Option<Json> {
        self.at += 1;
        let mut object = Object::new();
        loop {
            self.skip_space();
            match self.peek()? {
                b'}' => {
                    self.at += 1;
                    return Some(Json::Object(object));
                }
                b',' => self.at += 1,
                b':' | b']' | b'[' | b'{' => return None,
                quote => {
                    let key = if quote == b'"' || quote == b'\'' {
                        self.quoted(quote)?
                    } else {
                        self.until(b":").trim_end().into()
                    };
                    self.skip_space();
                    if self.peek()? != b':' {
                        return None;
                    }
                    self.at += 1;
                    let value = self.value(depth, b",}")?;
                    object.insert(key, value);
                }
            }
        }
    }

    fn until(&mut self, stops: &[u8]) -> &str {
        let rest = &self.text.as_bytes()[self.at..];
        let len = rest.iter().position(|byte| stops.contains(byte)).unwrap_or(rest.len());
        let start = self.at;
        self.at += len;
        &self.text[start..self.at]
    }

    fn quoted(&mut self, quote: u8) -> Option<Str> {
        let start = self.at + 1;
        let mut at = start;
        loop {
            match *self.text.as_bytes().get(at)? {
                b'\\' => at += 2,
                byte if byte == quote => break,
                _ => at += 1,
            }
        }
        self.at = at + 1;
        Some(crate::unescape::unescape(self.text.get(start..at)?)?.as_ref().into())
    }
}

/// What a text without quotes stands for.
fn bare(text: &str) -> Json {
    match text {
        "null" => Json::Null,
        "true" => Json::Bool(true),
        "false" => Json::Bool(false),
        _ => match stepwright_json::parse(text) {
            Ok(number) if number.is_number() => number,
            _ => Json::String(text.into()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<&str>) {
        assert_eq!(parse(text).map(|json| json.to_string()).as_deref(), expected);
    }

    #[test]
    fn literals() {
        check("['a', \"b\", c d, 1, 1.5, true, null,]", Some(r#"["a","b","c d",1,1.5,true,null]"#));
        check("{a: 'x', 'b': {c: [1,2]}}", Some(r#"{"a":"x","b":{"c":[1,2]}}"#));
        check("[1", None);
        check(r"['it\'s']", Some(r#"["it's"]"#));
        check(&"[".repeat(10_000), None);
    }
}
