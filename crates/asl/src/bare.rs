//! `${name}` where a value must stand, as templates of Terraform have it: `"Seconds": ${wait}`.

use crate::substitute::placeholders;
use stepwright_json::{Limits, Syntax, tree};
use stepwright_source::{Diagnostic, Span};

/// How many are put into quotes.
const MOST: usize = 1_000;

/// What is to be said of each of them, if the text is JSON but for them.
pub(crate) fn complaints(text: &str) -> Option<Vec<Diagnostic>> {
    let found = find(text)?;
    let complaint = |(name, span): (String, Span)| {
        let message = format!("`${{{name}}}` stands where a value must stand");
        Diagnostic::error("INVALID_JSON_DESCRIPTION", message)
            .span(span)
            .help(format!("give it a value: --set '{name}=…'"))
    };
    Some(found.into_iter().map(complaint).collect())
}

/// The placeholders outside of texts, if the text is JSON but for them.
pub(crate) fn find(text: &str) -> Option<Vec<(String, Span)>> {
    let mut found = Vec::new();
    let mut replaced = String::new();
    let mut done = 0;
    let mut quotes = Quotes::default();
    for (name, at) in placeholders(text) {
        let end = at + name.len() + 3;
        if quotes.are_open_at(text, at) {
            continue;
        }
        replaced.push_str(&text[done..at]);
        replaced.push_str("null");
        done = end;
        quotes.at = end;
        found.push((name.to_owned(), Span::new(at, end)));
        if found.len() > MOST {
            return None;
        }
    }
    replaced.push_str(&text[done..]);
    let is_json =
        !found.is_empty() && tree::parse(&replaced, Syntax::Comments, Limits::default()).is_ok();
    is_json.then_some(found)
}

/// Follows the quotes of a text from its beginning on.
#[derive(Default)]
struct Quotes {
    at: usize,
    is_open: bool,
    is_escaped: bool,
}

impl Quotes {
    /// Whether a place, behind the last one that was asked for, is within quotes.
    fn are_open_at(&mut self, text: &str, at: usize) -> bool {
        for letter in text.as_bytes().get(self.at..at).unwrap_or_default() {
            match letter {
                _ if self.is_escaped => self.is_escaped = false,
                b'\\' if self.is_open => self.is_escaped = true,
                b'"' => self.is_open = !self.is_open,
                _ => {}
            }
        }
        self.at = self.at.max(at);
        self.is_open
    }
}
