//! Texts that are being typed, made whole so that they can be read.

use crate::assembled::Assembled;
use crate::load::Format;
use crate::yaml;
use stepwright_json::tree::Node;
use stepwright_source::Span;

/// A text that can be read, and where its parts stand in the text that cannot.
#[derive(Clone, Debug)]
pub struct Repaired(Assembled);

impl Repaired {
    /// The text that can be read.
    pub fn text(&self) -> &str {
        &self.0.text
    }

    /// The place in the original text.
    pub fn source(&self, span: Span) -> Span {
        self.0.source(span)
    }

    /// Makes the places of a tree those of the original text.
    pub fn move_spans(&self, root: &mut Node) {
        self.0.move_spans(root);
    }
}

/// Completes a text in JSON or YAML that has mistakes, as texts have that are being typed. Missing
/// quotes, values, commas and brackets are added; what fits nowhere is left out.
pub fn repair(text: &str, file: &str) -> Repaired {
    match Format::of(file, text) {
        Format::Yaml => Repaired(repair_yaml(text)),
        Format::Json | Format::Comments => {
            let mut repairer = Repairer {
                text,
                at: 0,
                out: Assembled::default(),
                open: Vec::new(),
                comma: None,
                is_done: false,
            };
            repairer.whole();
            Repaired(repairer.out)
        }
    }
}

/// What an open array or object waits for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Open {
    Array { is_empty: bool },
    Key { is_empty: bool },
    Colon,
    Value,
}

struct Repairer<'t> {
    text: &'t str,
    at: usize,
    out: Assembled,
    open: Vec<Open>,
    /// Where the comma stands that has not been written yet.
    comma: Option<usize>,
    is_done: bool,
}

/// As deep as a tree can be.
const DEPTH: usize = 900;

impl Repairer<'_> {
    fn whole(&mut self) {
        while let Some(first) = self.text[self.at..].chars().next() {
            let start = self.at;
            match first {
                '{' | '[' => {
                    self.at += 1;
                    if self.open.len() >= DEPTH || !self.before_value(start) {
                        continue;
                    }
                    self.copy(start);
                    self.open.push(if first == '{' {
                        Open::Key { is_empty: true }
                    } else {
                        Open::Array { is_empty: true }
                    });
                }
                '}' | ']' => {
                    self.at += 1;
                    self.close(first, start);
                }
                ':' => {
                    self.at += 1;
                    if let Some(last @ Open::Colon) = self.open.last_mut() {
                        *last = Open::Value;
                        self.copy(start);
                    }
                }
                ',' => {
                    self.at += 1;
                    self.complete_member(start);
                    self.comma = Some(start);
                }
                '"' => self.string(start),
                '/' => self.comment(start),
                _ if first.is_whitespace() => {
                    let rest = &self.text[start..];
                    self.at += rest.len() - rest.trim_start().len();
                    self.copy(start);
                }
                _ => self.word(start),
            }
        }
        let end = self.text.len();
        while let Some(last) = self.open.last() {
            let bracket = if matches!(last, Open::Array { .. }) { ']' } else { '}' };
            self.close(bracket, end);
        }
    }

    fn copy(&mut self, start: usize) {
        self.out.push_verbatim(&self.text[start..self.at], start);
    }

    fn add(&mut self, text: &str, at: usize) {
        self.out.push_fixed(text, Span::new(at, at));
    }

    /// Writes the comma before another item or key.
    fn separate(&mut self, is_empty: bool, at: usize) {
        let comma = self.comma.take();
        if is_empty {
            return;
        }
        match comma {
            Some(comma) => self.out.push_fixed(",", Span::new(comma, comma + 1)),
            None => self.add(",", at),
        }
    }

    /// Prepares for a value. Whether there is a place for one.
    fn before_value(&mut self, at: usize) -> bool {
        match self.open.last().copied() {
            None => !std::mem::replace(&mut self.is_done, true),
            Some(Open::Array { is_empty }) => {
                self.separate(is_empty, at);
                self.set(Open::Array { is_empty: false });
                true
            }
            Some(Open::Key { is_empty }) => {
                // A value without a key.
                self.separate(is_empty, at);
                self.add("\"\":", at);
                self.set(Open::Key { is_empty: false });
                true
            }
            Some(Open::Colon) => {
                self.add(":", at);
                self.set(Open::Key { is_empty: false });
                true
            }
            Some(Open::Value) => {
                self.set(Open::Key { is_empty: false });
                true
            }
        }
    }

    fn set(&mut self, state: Open) {
        if let Some(last) = self.open.last_mut() {
            *last = state;
        }
    }

    /// Gives a key its value.
    fn complete_member(&mut self, at: usize) {
        match self.open.last() {
            Some(Open::Colon) => self.add(":null", at),
            Some(Open::Value) => self.add("null", at),
            _ => return,
        }
        self.set(Open::Key { is_empty: false });
    }

    fn close(&mut self, bracket: char, at: usize) {
        let is_array = |open: &Open| matches!(open, Open::Array { .. });
        let wanted = bracket == ']';
        if !self.open.iter().any(|open| is_array(open) == wanted) {
            return;
        }
        loop {
            self.complete_member(at);
            self.comma = None;
            let Some(last) = self.open.pop() else { return };
            let here = if is_array(&last) { "]" } else { "}" };
            if is_array(&last) == wanted {
                let is_written = self.text[at..].starts_with(bracket);
                self.out.push_fixed(here, Span::new(at, at + usize::from(is_written)));
                return;
            }
            self.add(here, at);
        }
    }

    /// A string: a key or a value. One that does not end, ends with its line.
    fn string(&mut self, start: usize) {
        let rest = &self.text[start + 1..];
        let (mut end, mut is_escaped, mut is_closed) = (rest.len(), false, false);
        for (at, c) in rest.char_indices() {
            match c {
                '\n' | '\r' => {
                    end = at;
                    break;
                }
                _ if is_escaped => is_escaped = false,
                '\\' => is_escaped = true,
                '"' => {
                    end = at;
                    is_closed = true;
                    break;
                }
                _ => {}
            }
        }
        self.at = start + 1 + end + usize::from(is_closed);
        let written = &self.text[start..self.at];
        let is_whole = is_closed && stepwright_json::parse(written).is_ok();
        self.element(start, |repairer| {
            if is_whole {
                repairer.copy(start);
            } else {
                let mut inner = &rest[..end];
                if !is_closed {
                    // What ends a member ends a text that has no end of its own.
                    inner = inner.trim_end().trim_end_matches([',', '}', ']']);
                }
                let text = stepwright_json::Json::from(inner).to_string();
                repairer.out.push_fixed(&text, Span::new(start, start + 1 + inner.len()));
            }
        });
    }

    /// Writes something that may be a key.
    fn element(&mut self, start: usize, write: impl FnOnce(&mut Self)) {
        if let Some(Open::Colon) = self.open.last() {
            // Two texts in a row: the first was a key without a value, if a colon follows.
            let is_key = self.text[self.at..].trim_start().starts_with(':');
            if is_key {
                self.complete_member(start);
            }
        }
        if let Some(Open::Value) = self.open.last()
            && self.text[self.at..].trim_start().starts_with(':')
        {
            self.complete_member(start);
        }
        if let Some(Open::Key { is_empty }) = self.open.last().copied() {
            self.separate(is_empty, start);
            write(self);
            self.set(Open::Colon);
        } else if self.before_value(start) {
            write(self);
        }
    }

    fn comment(&mut self, start: usize) {
        let rest = &self.text[start..];
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |at| at + 2)
        } else {
            1
        };
        self.at += length;
    }

    /// A number, a word, `${name}`, or anything else.
    fn word(&mut self, start: usize) {
        let rest = &self.text[start..];
        let end = if rest.starts_with("${") {
            rest.find(['}', '\n']).map_or(rest.len(), |at| at + 1)
        } else {
            let ends = |c: char| c.is_whitespace() || "{}[]:,\"".contains(c);
            rest.find(ends).unwrap_or(rest.len())
        };
        self.at = start + end;
        let word = &self.text[start..self.at];
        let span = Span::new(start, self.at);
        let is_value = !matches!(self.open.last(), Some(Open::Key { .. }));
        if is_value && stepwright_json::parse(word).is_ok() {
            if self.before_value(start) {
                self.copy(start);
            }
            return;
        }
        let quoted = stepwright_json::Json::from(word).to_string();
        self.element(start, |repairer| repairer.out.push_fixed(&quoted, span));
    }
}

/// How many lines of YAML are mended.
const LINES: usize = 20;

fn repair_yaml(text: &str) -> Assembled {
    let mut whole = Assembled::default();
    whole.push_verbatim(text, 0);
    for _ in 0..LINES {
        let Err(error) = yaml::parse(&whole.text) else { return whole };
        let at = (error.span.start as usize).min(whole.text.len());
        let Some(mended) = mend_line(&whole, at) else { break };
        whole = mended;
    }
    whole
}

/// The text without the line at `at`, or with what is missing in it.
fn mend_line(whole: &Assembled, at: usize) -> Option<Assembled> {
    let text = &whole.text;
    let line = |at: usize| {
        let start = text[..at].rfind('\n').map_or(0, |at| at + 1);
        let end = text[at..].find('\n').map_or(text.len(), |found| at + found);
        (start, end)
    };
    // The scanner complains at the mistake, or at the beginning of the next line.
    let (start, end) = line(text.floor_char_boundary(at));
    let before = start.checked_sub(1).map(|at| line(text.floor_char_boundary(at)));
    let mut candidates = Vec::new();
    for (start, end) in [Some((start, end)), before].into_iter().flatten() {
        let written = &text[start..end];
        if written.trim().is_empty() || written.trim().starts_with('#') {
            continue;
        }
        let quotes = written.matches('"').count();
        if quotes % 2 == 1 {
            candidates.push(replaced(whole, start, end, "", "\""));
        }
        if !written.contains(':') {
            candidates.push(replaced(whole, start, end, "", ":"));
        }
        candidates.push(replaced(whole, start, end, "#", ""));
    }
    let further = |candidate: &Assembled| match yaml::parse(&candidate.text) {
        Ok(_) => usize::MAX,
        Err(error) => candidate.source(error.span).start as usize,
    };
    let (reached, best) = candidates
        .into_iter()
        .map(|candidate| (further(&candidate), candidate))
        .reduce(|best, other| if other.0 > best.0 { other } else { best })?;
    let here = whole.source(Span::new(at, at)).start as usize;
    if reached > here {
        return Some(best);
    }
    // Nothing helps here: the line is left out.
    let written = text[start..end].trim_start();
    (!written.is_empty() && !written.starts_with('#')).then(|| replaced(whole, start, end, "#", ""))
}

/// The text with something before what a line says, and after it.
fn replaced(whole: &Assembled, start: usize, end: usize, before: &str, after: &str) -> Assembled {
    let text = &whole.text;
    let written = &text[start..end];
    let first = start + written.len() - written.trim_start().len();
    let last = start + written.trim_end().len();
    let mut out = Assembled::default();
    out.push_part(whole, 0..first);
    let place = |at| whole.source(Span::new(at, at));
    out.push_fixed(before, place(first));
    out.push_part(whole, first..last.max(first));
    out.push_fixed(after, place(last.max(first)));
    out.push_part(whole, last.max(first)..text.len());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let repaired = repair(text, "a.json");
        let without_space = |text: &str| text.replace([' ', '\n'], "");
        assert_eq!(without_space(repaired.text()), without_space(expected));
        stepwright_json::parse(repaired.text()).unwrap();
    }

    #[test]
    fn what_is_missing_is_added() {
        check(r#"{"a": 1, "b"}"#, r#"{"a": 1, "b":null}"#);
        check(r#"{"a": {"b": [1, 2"#, r#"{"a": {"b": [1, 2]}}"#);
        check(r#"{"a": , "b": 2,}"#, r#"{"a": null, "b": 2}"#);
        check(r#"{"a": 1 "b": 2}"#, r#"{"a": 1 ,"b": 2}"#);
        check("{\"a\": \"un\n\"b\": 2}", "{\"a\": \"un\"\n,\"b\": 2}");
        check(r#"{"a": {"b": 1]}}"#, r#"{"a": {"b": 1}}"#);
        check(r#"{"a": ${x}, Next: "B"}"#, r#"{"a": "${x}", "Next": "B"}"#);
    }

    #[test]
    fn lines_of_yaml_are_completed() {
        #[track_caller]
        fn check(text: &str, expected: &str) {
            assert_eq!(repair(text, "a.yaml").text(), expected);
        }
        check("A:\n  Type: Pass\n  Ne\nB: 1\n", "A:\n  Type: Pass\n  Ne:\nB: 1\n");
        check("A: \"x\nB: 1\n", "A: \"x\"\nB: 1\n");
    }

    #[test]
    fn any_text_becomes_json() {
        let pieces =
            ["{", "}", "[", "]", ":", ",", "\"", "a", "\\", "\n", "1", "${", "é", "/", " "];
        let mut seed = 7u64;
        for _ in 0..20_000 {
            let mut text = String::new();
            for _ in 0..12 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                text.push_str(pieces[(seed >> 33) as usize % pieces.len()]);
            }
            let repaired = repair(&format!("{{{text}"), "a.json");
            let read = stepwright_json::parse(repaired.text());
            assert!(read.is_ok(), "{text:?} → {:?}", repaired.text());
        }
    }
}
