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

    /// Appends a decoded string that stands at `span` in `source`. What stands between the escapes
    /// of a string in quotes is mapped piece by piece; lines that occur unchanged in the source, as
    /// in block texts of YAML, are mapped one by one.
    pub(crate) fn push_decoded(&mut self, text: &str, source: &str, span: Span) {
        let written = source.get(span.range()).unwrap_or_default();
        if let Some(pieces) = between_escapes(text, written) {
            for (decoded, from, to) in pieces {
                let place = Span::new(span.start as usize + from, span.start as usize + to);
                self.push_piece(decoded, place, decoded.len() == to - from);
            }
            return;
        }
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

/// The pieces of a string that is written in quotes on one line: what each is decoded, and where it
/// stands between the quotes and including them. `None` if it is written in another way.
fn between_escapes<'t>(text: &'t str, written: &str) -> Option<Vec<(&'t str, usize, usize)>> {
    let quote = written.chars().next().filter(|quote| ['"', '\''].contains(quote))?;
    let inner = written.strip_prefix(quote)?.strip_suffix(quote)?;
    let mut pieces = Vec::new();
    let (mut rest, mut at) = (text, 0);
    while at < inner.len() {
        let here = &inner[at..];
        let escape = match quote {
            '"' => here.find('\\'),
            _ => here.find("''"),
        };
        let plain = escape.unwrap_or(here.len());
        if plain > 0 {
            rest.starts_with(&here[..plain]).then_some(())?;
            pieces.push((&rest[..plain], at + 1, at + 1 + plain));
            rest = &rest[plain..];
            at += plain;
            continue;
        }
        let decoded = rest.chars().next()?;
        let length = escape_length(here, decoded)?;
        let (one, more) = rest.split_at(decoded.len_utf8());
        pieces.push((one, at + 1, at + 1 + length));
        rest = more;
        at += length;
    }
    rest.is_empty().then_some(pieces)
}

/// How long an escape of JSON or YAML is, which stands for a single character.
fn escape_length(written: &str, decoded: char) -> Option<usize> {
    let length = match written.as_bytes() {
        [b'\'', ..] => 2,
        [_, b'x', ..] => 4,
        [_, b'u', ..] if decoded.len_utf8() == 4 => 12,
        [_, b'u', ..] => 6,
        [_, b'U', ..] => 10,
        // A line that goes on stands for nothing, or for a space.
        [_, b'\n' | b'\r', ..] => return None,
        _ => 1 + written[1..].chars().next()?.len_utf8(),
    };
    written.is_char_boundary(length).then_some(length)
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

    #[test]
    fn escaped_texts_are_found_between_their_escapes() {
        #[track_caller]
        fn check(decoded: &str, source: &str, word: &str, expected: &str) {
            let mut text = Assembled::default();
            text.push_decoded(decoded, source, Span::new(0, source.len()));
            assert_eq!(text.text, decoded);
            let at = decoded.find(word).unwrap();
            let span = text.source(Span::new(at, at + word.len()));
            assert_eq!(&source[span.range()], expected);
        }
        check(r#"{"a":"b"}"#, r#""{\"a\":\"b\"}""#, r#""b""#, r#"\"b\""#);
        check("ä\u{1F600}x\ny", r#""\u00e4\ud83d\ude00x\ny""#, "x", "x");
        check("ä\u{1F600}x", r#""\u00e4\ud83d\ude00x""#, "\u{1F600}", r"\ud83d\ude00");
        check("it's \\ so", "'it''s \\ so'", "so", "so");
        // A text over several lines has the place of the whole.
        check("a b", "\"a\n b\"", "b", "\"a\n b\"");
    }
}
