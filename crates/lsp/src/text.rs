//! The text of a document, and places in it as editors count them.

use stepwright_source::Span;

/// A place: a line, and UTF-16 units in it. Both count from zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line.
    pub line: u32,
    /// The unit within the line.
    pub character: u32,
}

/// A text that is edited.
#[derive(Clone, Debug, Default)]
pub struct Text {
    content: String,
    /// Where each line begins.
    starts: Vec<u32>,
}

impl Text {
    /// A text.
    pub fn new(content: String) -> Self {
        let starts = line_starts(&content);
        Self { content, starts }
    }

    /// The whole text.
    pub fn as_str(&self) -> &str {
        &self.content
    }

    /// The byte at a position. What is behind the end of a line is its end; what is within a
    /// character is its beginning.
    pub fn offset(&self, position: Position) -> usize {
        let line = position.line as usize;
        let Some(&start) = self.starts.get(line) else { return self.content.len() };
        let end = self.starts.get(line + 1).map_or(self.content.len(), |&end| end as usize);
        let written = self.content[start as usize..end].trim_end_matches(['\r', '\n']);
        let mut left = position.character as usize;
        for (at, c) in written.char_indices() {
            if c.len_utf16() > left {
                return start as usize + at;
            }
            left -= c.len_utf16();
        }
        start as usize + written.len()
    }

    /// The position of a byte.
    pub fn position(&self, offset: usize) -> Position {
        let offset = self.content.floor_char_boundary(offset);
        let line = self.starts.partition_point(|&start| start as usize <= offset) - 1;
        let written = &self.content[self.starts[line] as usize..offset];
        let character = if written.is_ascii() {
            written.len()
        } else {
            written.chars().map(char::len_utf16).sum()
        };
        Position { line: line as u32, character: character as u32 }
    }

    /// The positions of a span.
    pub fn range(&self, span: Span) -> (Position, Position) {
        let start = self.position(span.start as usize);
        (start, self.position(span.end as usize).max(start))
    }

    /// Replaces what stands between two positions.
    pub fn replace(&mut self, from: Position, to: Position, text: &str) {
        let start = self.offset(from);
        let end = self.offset(to).max(start);
        self.content.replace_range(start..end, text);
        self.starts = line_starts(&self.content);
    }

    /// The end of the text.
    pub fn end(&self) -> Position {
        self.position(self.content.len())
    }
}

fn line_starts(text: &str) -> Vec<u32> {
    let bytes = text.as_bytes();
    let mut starts = vec![0];
    for (at, byte) in bytes.iter().enumerate() {
        // A carriage return alone ends a line, too.
        if *byte == b'\n' || *byte == b'\r' && bytes.get(at + 1) != Some(&b'\n') {
            starts.push(at as u32 + 1);
        }
    }
    starts
}
