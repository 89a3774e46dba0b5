use crate::Span;

/// Where a byte stands for a person: both count from one, the column in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LineColumn {
    /// The line, from 1.
    pub line: u32,
    /// The character within the line, from 1.
    pub column: u32,
}

/// Finds the line and column of a byte without reading the text from its start each time.
#[derive(Clone, Debug)]
pub struct LineIndex {
    starts: Vec<u32>,
}

impl LineIndex {
    /// Reads `text` once and notes where its lines begin.
    pub fn new(text: &str) -> Self {
        let newlines = text.bytes().enumerate().filter(|&(_, byte)| byte == b'\n');
        let starts = std::iter::once(0).chain(newlines.map(|(at, _)| at as u32 + 1)).collect();
        Self { starts }
    }

    /// The line and column of byte `offset` of `text`, which must be the text of [`Self::new`].
    /// An offset past the end, or inside a character, is taken back to the nearest place before.
    pub fn line_column(&self, text: &str, offset: u32) -> LineColumn {
        let mut offset = (offset as usize).min(text.len());
        while !text.is_char_boundary(offset) {
            offset -= 1;
        }
        let line = self.starts.partition_point(|&start| start as usize <= offset) - 1;
        let start = self.starts[line] as usize;
        let column = text[start..offset].chars().count() as u32 + 1;
        LineColumn { line: line as u32 + 1, column }
    }

    /// The first and last place of `span`.
    pub fn span(&self, text: &str, span: Span) -> (LineColumn, LineColumn) {
        (self.line_column(text, span.start), self.line_column(text, span.end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, offset: u32, line: u32, column: u32) {
        let found = LineIndex::new(text).line_column(text, offset);
        assert_eq!(found, LineColumn { line, column });
    }

    #[test]
    fn lines_and_columns_count_from_one() {
        check("ab\ncd", 0, 1, 1);
        check("ab\ncd", 2, 1, 3);
        check("ab\ncd", 3, 2, 1);
        check("ab\ncd", 99, 2, 3);
    }

    #[test]
    fn columns_count_characters() {
        check("äö!", 4, 1, 3);
        check("äö!", 3, 1, 2);
    }
}
