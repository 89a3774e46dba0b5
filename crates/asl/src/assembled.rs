use stepwright_json::tree::{Node, Value};
use stepwright_source::Span;

/// A text assembled from pieces of a source. It remembers where each piece came from.
#[derive(Clone, Debug, Default)]
pub(crate) struct Assembled {
    pub(crate) text: String,
    pieces: Vec<Piece>,
}

#[derive(Clone, Copy, Debug)]
struct Piece {
    /// The position in the assembled text.
    at: usize,
    /// The place in the source.
    source: Span,
    /// Whether the piece was copied byte for byte.
    verbatim: bool,
}

impl Assembled {
    /// Appends a piece of the source unchanged.
    pub(crate) fn push_verbatim(&mut self, text: &str, start: usize) {
        let source = Span::new(start, start + text.len());
        self.push_piece(text, source, true);
    }

    /// Appends a text that replaces the source at `source`.
    pub(crate) fn push_fixed(&mut self, text: &str, source: Span) {
        self.push_piece(text, source, false);
    }

    fn push_piece(&mut self, text: &str, source: Span, verbatim: bool) {
        if !text.is_empty() {
            self.pieces.push(Piece { at: self.text.len(), source, verbatim });
            self.text.push_str(text);
        }
    }

    /// Appends the part `range` of another assembled text.
    pub(crate) fn push_part(&mut self, other: &Self, range: std::ops::Range<usize>) {
        let mut at = range.start;
        let first = other.pieces.partition_point(|piece| piece.at <= at).saturating_sub(1);
        for (index, piece) in other.pieces.iter().enumerate().skip(first) {
            if at >= range.end {
                break;
            }
            let end = other.pieces.get(index + 1).map_or(other.text.len(), |next| next.at);
            let end = end.min(range.end);
            let text = &other.text[at..end];
            if piece.verbatim {
                self.push_verbatim(text, piece.source.start as usize + (at - piece.at));
            } else {
                self.push_fixed(text, piece.source);
            }
            at = end;
        }
    }

    /// Appends a decoded string that stands at `span` in `source`. Lines that occur unchanged in
    /// the source, as in block texts of YAML, are mapped one by one.
    pub(crate) fn push_decoded(&mut self, text: &str, source: &str, span: Span) {
        let written = source.get(span.range()).unwrap_or_default();
        let mut from = 0;
        for line in text.split_inclusive('\n') {
            let wanted = line.trim_end_matches('\n');
            let found = if wanted.trim().is_empty() { None } else { written[from..].find(wanted) };
            match found {
                Some(at) => {
                    let start = span.start as usize + from + at;
                    self.push_verbatim(wanted, start);
                    from += at + wanted.len();
                    let here = Span::new(start + wanted.len(), start + wanted.len());
                    self.push_fixed(&line[wanted.len()..], here);
                }
                None => self.push_fixed(line, span),
            }
        }
    }

    /// The place in the source that a span of the text comes from.
    pub(crate) fn source(&self, span: Span) -> Span {
        let (start, end) = (span.start as usize, span.end as usize);
        let Some(first) = self.piece(start) else { return span };
        let from = if first.verbatim {
            first.source.start + (start - first.at) as u32
        } else {
            first.source.start
        };
        let last = end.max(start + 1) - 1;
        let to = match self.piece(last) {
            Some(piece) if piece.verbatim => piece.source.start + (last - piece.at) as u32 + 1,
            Some(piece) => piece.source.end,
            None => from,
        };
        let to = if end == start { from } else { to };
        Span { start: from, end: to.max(from) }
    }

    fn piece(&self, at: usize) -> Option<Piece> {
        let after = self.pieces.partition_point(|piece| piece.at <= at);
        self.pieces.get(after.checked_sub(1)?).copied()
    }

    /// Converts the places of a tree that was parsed from this text to places in the source.
    pub(crate) fn move_spans(&self, node: &mut Node) {
        node.span = self.source(node.span);
        match &mut node.value {
            Value::Scalar(_) => {}
            Value::Array(items) => items.iter_mut().for_each(|item| self.move_spans(item)),
            Value::Object(members) => {
                for member in members {
                    member.key_span = self.source(member.key_span);
                    self.move_spans(&mut member.value);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_lead_back() {
        let source = "abcdef";
        let mut text = Assembled::default();
        text.push_verbatim("abc", 0);
        text.push_fixed("LONGER", Span::new(3, 4));
        text.push_verbatim("ef", 4);
        assert_eq!(text.text, "abcLONGERef");
        let place = |start, end| &source[text.source(Span::new(start, end)).range()];
        assert_eq!(place(1, 3), "bc");
        assert_eq!(place(4, 6), "d");
        assert_eq!(place(9, 11), "ef");
        assert_eq!(place(2, 10), "cde");
    }

    #[test]
    fn block_texts_are_found_line_by_line() {
        let source = "a: |\n  one\n  two\n";
        let mut text = Assembled::default();
        text.push_decoded("one\ntwo\n", source, Span::new(3, 17));
        assert_eq!(&source[text.source(Span::new(4, 7)).range()], "two");
    }
}
