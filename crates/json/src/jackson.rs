//! What Jackson says of a text that is not JSON: AWS hands its words on.

use std::fmt;

/// Jackson's complaint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// What is wrong, on one line.
    pub message: String,
    /// Where: `[Source: (String)"…"; line: 1, column: 4]`.
    pub location: String,
}

impl fmt::Display for Complaint {
    /// Message and location as an exception of Jackson's shows them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n at {}", self.message, self.location)
    }
}

/// What Jackson says of `text`; `None` when it has nothing against it. It does not look at what
/// follows the first value.
pub fn complaint(text: &str) -> Option<Complaint> {
    Reader { text, at: 0, open: Vec::new(), redacted: false }.complaint()
}

/// What newer versions of Jackson say of `text`: as [`complaint`], but they do not show the text.
pub fn redacted_complaint(text: &str) -> Option<Complaint> {
    Reader { text, at: 0, open: Vec::new(), redacted: true }.complaint()
}

/// Characters of the source that are shown.
const SHOWN: usize = 500;
const VALUES: &str = "(JSON String, Number, Array, Object or token 'null', 'true' or 'false')";

struct Reader<'t> {
    text: &'t str,
    /// Behind the last character read.
    at: usize,
    /// What is open, and where it began.
    open: Vec<(char, usize)>,
    /// Whether locations leave the text out.
    redacted: bool,
}

type Read<T> = Result<T, String>;

impl Reader<'_> {
    fn complaint(mut self) -> Option<Complaint> {
        let message = self.whole().err()?;
        let location = self.location(self.at);
        Some(Complaint { message, location })
    }

    fn location(&self, at: usize) -> String {
        let at = self.text.floor_char_boundary(at.min(self.text.len()));
        let before = &self.text[..at];
        let line = before.matches('\n').count() + 1;
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let column = before[start..].encode_utf16().count() + 1;
        if self.redacted {
            return format!(
                "[Source: REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled); \
                 line: {line}, column: {column}]"
            );
        }
        let cut = self.text.char_indices().nth(SHOWN).map_or(self.text.len(), |(at, _)| at);
        let shown = &self.text[..cut];
        let rest = self.text[cut..].encode_utf16().count();
        let rest = if rest == 0 { String::new() } else { format!("[truncated {rest} chars]") };
        format!("[Source: (String)\"{shown}\"{rest}; line: {line}, column: {column}]")
    }

    fn next(&mut self) -> Option<char> {
        let next = self.text[self.at..].chars().next()?;
        self.at += next.len_utf8();
        Some(next)
    }

    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    /// The next character that is not a space.
    fn significant(&mut self) -> Option<char> {
        loop {
            match self.next()? {
                ' ' | '\t' | '\n' | '\r' => {}
                other => return Some(other),
            }
        }
    }

    fn unexpected<T>(char: char, comment: &str) -> Read<T> {
        Err(format!("Unexpected character ({}): {comment}", describe(char)))
    }

    fn unclosed<T>(&self) -> Read<T> {
        let Some(&(open, start)) = self.open.last() else {
            return Err("No content to map due to end-of-input".to_owned());
        };
        let kind = if open == '{' { "Object" } else { "Array" };
        Err(format!(
            "Unexpected end-of-input: expected close marker for {kind} (start marker at {})",
            self.location(start)
        ))
    }

    fn between<T>(&self) -> Read<T> {
        let kind = if matches!(self.open.last(), Some(('[', _))) { "Array" } else { "Object" };
        Err(format!("Unexpected end-of-input within/between {kind} entries"))
    }

    fn whole(&mut self) -> Read<()> {
        let Some(first) = self.significant() else { return self.unclosed() };
        self.value(first)?;
        while let Some(&(open, _)) = self.open.last() {
            let (close, entries) = if open == '{' { ('}', "Object") } else { (']', "Array") };
            match self.significant() {
                None => return self.unclosed(),
                Some(char) if char == close => {
                    self.open.pop();
                }
                Some(',') => {
                    let Some(char) = self.significant() else { return self.between() };
                    self.entry(open, char)?;
                }
                Some(char @ ('}' | ']')) => {
                    return Err(format!(
                        "Unexpected close marker '{char}': expected '{close}' (for {entries} \
                         starting at {})",
                        self.location(self.open.last().map_or(0, |(_, start)| *start))
                    ));
                }
                Some(char) => {
                    return Self::unexpected(
                        char,
                        &format!("was expecting comma to separate {entries} entries"),
                    );
                }
            }
        }
        Ok(())
    }

    /// An element, or a key with its value.
    fn entry(&mut self, open: char, first: char) -> Read<()> {
        if open == '[' {
            return self.value(first);
        }
        if first != '"' {
            return Self::unexpected(first, "was expecting double-quote to start field name");
        }
        self.string(" in field name", "name")?;
        match self.significant() {
            None => return self.between(),
            Some(':') => {}
            Some(char) => {
                return Self::unexpected(
                    char,
                    "was expecting a colon to separate field name and value",
                );
            }
        }
        let Some(first) = self.significant() else { return self.between() };
        self.value(first)
    }

    /// A value, or what it begins with as far as its first member.
    fn value(&mut self, mut first: char) -> Read<()> {
        loop {
            match first {
                '{' | '[' => {
                    let close = if first == '{' { '}' } else { ']' };
                    self.open.push((first, self.at - 1));
                    let inner = self.at;
                    match self.significant() {
                        None => return self.unclosed(),
                        Some(char) if char == close => {
                            self.open.pop();
                            return Ok(());
                        }
                        Some(char) if first == '[' => first = char,
                        Some('"') => {
                            self.string(" in field name", "name")?;
                            match self.significant() {
                                None => return self.between(),
                                Some(':') => {}
                                Some(char) => {
                                    return Self::unexpected(
                                        char,
                                        "was expecting a colon to separate field name and value",
                                    );
                                }
                            }
                            match self.significant() {
                                None => return self.between(),
                                Some(char) => first = char,
                            }
                        }
                        Some(char) => {
                            debug_assert!(self.at > inner);
                            return Self::unexpected(
                                char,
                                "was expecting double-quote to start field name",
                            );
                        }
                    }
                }
                '"' => {
                    return self.string(
                        ": was expecting closing quote for a string value",
                        "string value",
                    );
                }
                '-' | '0'..='9' => return self.number(first),
                _ => return self.word(first),
            }
        }
    }

    fn string(&mut self, unclosed: &str, kind: &str) -> Read<()> {
        loop {
            match self.next() {
                None => return Err(format!("Unexpected end-of-input{unclosed}")),
                Some('"') => return Ok(()),
                Some('\\') => match self.next() {
                    None => {
                        return Err(
                            "Unexpected end-of-input in character escape sequence".to_owned()
                        );
                    }
                    Some('"' | '\\' | '/' | 'b' | 'f' | 'n' | 'r' | 't') => {}
                    Some('u') => self.hex()?,
                    Some(char) => {
                        return Err(format!("Unrecognized character escape {}", describe(char)));
                    }
                },
                Some(char) if char < ' ' => {
                    return Err(format!(
                        "Illegal unquoted character ({}): has to be escaped using backslash to be \
                         included in {kind}",
                        describe(char)
                    ));
                }
                Some(_) => {}
            }
        }
    }

    fn hex(&mut self) -> Read<()> {
        for _ in 0..4 {
            match self.next() {
                None => {
                    return Err("Unexpected end-of-input in character escape sequence".to_owned());
                }
                Some(char) if char.is_ascii_hexdigit() => {}
                Some(char) => {
                    return Self::unexpected(
                        char,
                        "expected a hex-digit for character escape sequence",
                    );
                }
            }
        }
        Ok(())
    }

    fn number(&mut self, first: char) -> Read<()> {
        let mut first = first;
        if first == '-' {
            first = match self.next() {
                Some(digit @ '0'..='9') => digit,
                other => return in_number(other, "No digit following minus sign"),
            };
        }
        if first == '0' && self.peek().is_some_and(|char| char.is_ascii_digit()) {
            return Err("Invalid numeric value: Leading zeroes not allowed".to_owned());
        }
        self.digits();
        if self.peek() == Some('.') {
            self.at += 1;
            if !self.digits() {
                return in_number(self.next(), "Decimal point not followed by a digit");
            }
        }
        if matches!(self.peek(), Some('e' | 'E')) {
            self.at += 1;
            if matches!(self.peek(), Some('+' | '-')) {
                self.at += 1;
            }
            if !self.digits() {
                return in_number(self.next(), "Exponent indicator not followed by a digit");
            }
        }
        match self.peek() {
            Some(char) if self.open.is_empty() && !char.is_ascii_whitespace() => {
                self.next();
                Self::unexpected(char, "Expected space separating root-level values")
            }
            _ => Ok(()),
        }
    }

    fn digits(&mut self) -> bool {
        let start = self.at;
        while self.peek().is_some_and(|char| char.is_ascii_digit()) {
            self.at += 1;
        }
        self.at > start
    }

    fn word(&mut self, first: char) -> Read<()> {
        let start = self.at - first.len_utf8();
        if !(first.is_alphabetic() || first == '_' || first == '$') {
            return Self::unexpected(first, &format!("expected a valid value {VALUES}"));
        }
        while self.peek().is_some_and(|char| char.is_alphanumeric() || char == '_' || char == '$') {
            self.next();
        }
        let word = &self.text[start..self.at];
        if matches!(word, "null" | "true" | "false") {
            return Ok(());
        }
        let shown: String = word.chars().take(256).collect();
        let rest = if shown.len() < word.len() { "..." } else { "" };
        Err(format!("Unrecognized token '{shown}{rest}': was expecting {VALUES}"))
    }
}

fn in_number<T>(char: Option<char>, comment: &str) -> Read<T> {
    Err(match char {
        Some(char) => {
            format!("Unexpected character ({}) in numeric value: {comment}", describe(char))
        }
        None => format!("Unexpected end-of-input in numeric value: {comment}"),
    })
}

/// How Jackson shows a character.
fn describe(char: char) -> String {
    let code = char as u32;
    if code < 0x20 {
        format!("(CTRL-CHAR, code {code})")
    } else if code > 255 {
        format!("'{char}' (code {code} / 0x{code:x})")
    } else {
        format!("'{char}' (code {code})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, message: &str, column: usize) {
        let found = complaint(text).expect(text);
        assert_eq!(found.message, message);
        let place = format!("[Source: (String)\"{text}\"; line: 1, column: {column}]");
        assert_eq!(found.location, place);
    }

    #[test]
    fn as_recorded() {
        check(
            "not a definition",
            "Unrecognized token 'not': was expecting (JSON String, Number, Array, Object or token \
             'null', 'true' or 'false')",
            4,
        );
        check(
            "{'a': 1}",
            "Unexpected character (''' (code 39)): was expecting double-quote to start field name",
            3,
        );
    }

    #[test]
    fn as_jackson_words_it() {
        check(
            "{",
            "Unexpected end-of-input: expected close marker for Object (start marker at \
             [Source: (String)\"{\"; line: 1, column: 1])",
            2,
        );
        check(
            r#"{"a":1 "b":2}"#,
            "Unexpected character ('\"' (code 34)): was expecting comma to separate Object entries",
            9,
        );
        check(r#"{"a""#, "Unexpected end-of-input within/between Object entries", 5);
        check(
            r#"{"a" 1}"#,
            "Unexpected character ('1' (code 49)): was expecting a colon to separate field name and \
             value",
            7,
        );
        check(
            r#"["a"#,
            "Unexpected end-of-input: was expecting closing quote for a string value",
            4,
        );
        check("", "No content to map due to end-of-input", 1);
        check("[01]", "Invalid numeric value: Leading zeroes not allowed", 3);
    }

    #[test]
    fn newer_versions_do_not_show_the_text() {
        let found = redacted_complaint("undefined").expect("no JSON");
        assert_eq!(
            found.to_string(),
            "Unrecognized token 'undefined': was expecting (JSON String, Number, Array, Object or \
             token 'null', 'true' or 'false')\n at [Source: REDACTED \
             (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled); line: 1, column: 10]"
        );
    }

    #[test]
    fn nothing_to_complain_of() {
        for text in ["{}", " [1, -2.5e3, \"\\u00e4\", {\"a\": null}] ", "1", "{} trailing"] {
            assert_eq!(complaint(text), None, "{text}");
        }
    }

    #[test]
    fn long_sources_are_cut() {
        let found = complaint(&"x".repeat(600)).expect("no JSON");
        assert!(found.location.contains("\"[truncated 100 chars]; line: 1, column: 601]"));
    }
}
