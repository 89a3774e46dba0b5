use crate::error::Refusal;

/// A place in a text, and the questions the compilers ask about what is around it.
///
/// Everything that has a meaning in a path is ASCII, so the text is looked at as bytes.
#[derive(Clone, Debug)]
pub(crate) struct Cursor<'t> {
    text: &'t str,
    /// Where `text` begins in the whole path, for messages.
    base: usize,
    pub(crate) at: usize,
    /// One past the last byte that counts. Bytes behind it can still be peeked at.
    pub(crate) end: usize,
}

type Read<T> = Result<T, Refusal>;

impl<'t> Cursor<'t> {
    pub(crate) fn new(text: &'t str, base: usize) -> Self {
        Self { text, base, at: 0, end: text.len() }
    }

    /// Where a byte of this text stands in the whole path.
    pub(crate) fn place(&self, at: usize) -> usize {
        self.base + at.min(self.text.len())
    }

    pub(crate) fn text(&self) -> &'t str {
        self.text
    }

    pub(crate) fn in_bounds(&self) -> bool {
        self.at < self.end
    }

    pub(crate) fn is_tail(&self) -> bool {
        self.at + 1 >= self.end
    }

    pub(crate) fn peek(&self, at: usize) -> Option<u8> {
        self.text.as_bytes().get(at).copied()
    }

    /// The byte at `at`; past the end of the text is an error.
    pub(crate) fn byte(&self, at: usize) -> Read<u8> {
        self.peek(at).ok_or_else(|| {
            Refusal::Other("the path ends too early".to_owned(), self.place(self.text.len()))
        })
    }

    pub(crate) fn current(&self) -> Read<u8> {
        self.byte(self.at)
    }

    pub(crate) fn current_is(&self, byte: u8) -> bool {
        self.peek(self.at) == Some(byte)
    }

    pub(crate) fn slice(&self, start: usize, end: usize) -> Read<&'t str> {
        self.text
            .get(start..end)
            .ok_or_else(|| Refusal::Other("the path ends too early".to_owned(), self.place(start)))
    }

    pub(crate) fn trim(&mut self) {
        self.skip_blanks();
        while self.at + 1 < self.end && self.peek(self.end - 1) == Some(b' ') {
            self.end -= 1;
        }
    }

    /// Skips spaces, but stays on the last byte.
    pub(crate) fn skip_blanks(&mut self) {
        while self.at + 1 < self.end && self.current_is(b' ') {
            self.at += 1;
        }
    }

    /// The index of the next byte after `from` that is not a space.
    fn next_significant_at(&self, from: usize) -> usize {
        let mut at = from + 1;
        while at < self.end && self.peek(at) == Some(b' ') {
            at += 1;
        }
        at
    }

    /// The next byte after `from` that is not a space; a space when there is none.
    pub(crate) fn next_significant(&self, from: usize) -> u8 {
        let at = self.next_significant_at(from);
        if at < self.end { self.peek(at).unwrap_or(b' ') } else { b' ' }
    }

    /// Where `byte` stands, if it is the next significant one after `from`.
    pub(crate) fn find_next_significant(&self, from: usize, byte: u8) -> Read<Option<usize>> {
        let at = self.next_significant_at(from);
        Ok((self.byte(at)? == byte).then_some(at))
    }

    /// Where the last byte before `from` that is not a space stands.
    pub(crate) fn previous_significant_at(&self, from: usize) -> Option<usize> {
        self.text.as_bytes()[..from.min(self.end)].iter().rposition(|&byte| byte != b' ')
    }

    pub(crate) fn find(&self, from: usize, byte: u8) -> Option<usize> {
        let bytes = self.text.as_bytes().get(from..self.end)?;
        bytes.iter().position(|&found| found == byte).map(|at| from + at)
    }

    /// Where `byte` stands next at or after `from` without a backslash before it.
    pub(crate) fn find_unescaped(&self, from: usize, byte: u8) -> Option<usize> {
        let mut escaped = false;
        for at in from..self.end {
            let found = self.peek(at)?;
            if escaped {
                escaped = false;
            } else if found == b'\\' {
                escaped = true;
            } else if found == byte {
                return Some(at);
            }
        }
        None
    }

    /// Where what opens at `from` closes. Quoted texts (and with `patterns` regexes) are skipped.
    pub(crate) fn find_close(
        &self,
        from: usize,
        open: u8,
        close: u8,
        patterns: bool,
    ) -> Read<Option<usize>> {
        let mut depth = 1;
        let mut at = from + 1;
        while at < self.end {
            let byte = self.byte(at)?;
            if byte == b'\'' || byte == b'"' {
                let Some(end) = self.find_unescaped(at + 1, byte) else {
                    let message = format!(
                        "Could not find matching close quote for {} when parsing : {}",
                        byte as char, self.text
                    );
                    return Refusal::invalid(message, self.place(at));
                };
                at = end + 1;
            }
            if patterns && self.byte(at)? == b'/' {
                let Some(end) = self.find_unescaped(at + 1, b'/') else {
                    let message = format!(
                        "Could not find matching close for / when parsing regex in : {}",
                        self.text
                    );
                    return Refusal::invalid(message, self.place(at));
                };
                at = end + 1;
            }
            let byte = self.byte(at)?;
            if byte == open {
                depth += 1;
            }
            if byte == close {
                depth -= 1;
                if depth == 0 {
                    return Ok(Some(at));
                }
            }
            at += 1;
        }
        Ok(None)
    }

    /// Steps over `text` if it is next after spaces.
    pub(crate) fn take(&mut self, text: &str) -> bool {
        self.skip_blanks();
        let there = self.at + text.len() <= self.end && self.text[self.at..].starts_with(text);
        if there {
            self.at += text.len();
        }
        there
    }

    /// Steps over `byte`, which must be next after spaces.
    pub(crate) fn expect(&mut self, byte: u8) -> Read<()> {
        self.skip_blanks();
        if self.current()? != byte {
            let message = format!("Expected character: {}", byte as char);
            return Refusal::invalid(message, self.place(self.at));
        }
        self.at += 1;
        Ok(())
    }
}
