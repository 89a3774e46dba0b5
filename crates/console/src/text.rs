//! Texts of others, on a page.
//!
//! maud escapes what HTML would read as markup. What is left are characters that nobody sees and that
//! change how others are read: they are shown by their names.

use maud::{Markup, Render, html};
use std::borrow::Cow;
use std::fmt::Write as _;

/// A text that somebody else has written.
pub(crate) struct Foreign<'t>(pub(crate) &'t str);

impl Render for Foreign<'_> {
    fn render(&self) -> Markup {
        html! { bdi { (visible(self.0)) } }
    }
}

/// A text in which every character can be seen.
pub(crate) fn visible(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\u{0}'..='\u{1f}' if is_hidden(c) => {
                shown.push(char::from_u32(0x2400 + u32::from(c)).unwrap_or('\u{fffd}'));
            }
            '\u{7f}' => shown.push('\u{2421}'),
            c if is_hidden(c) => write!(shown, "⟨U+{:04X}⟩", u32::from(c)).expect("text grows"),
            c => shown.push(c),
        }
    }
    Cow::Owned(shown)
}

/// Whether a character cannot be seen, or changes how others are seen. Line ends and tabs are none.
pub(crate) fn is_hidden(c: char) -> bool {
    match c {
        '\n' | '\t' => false,
        '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{61c}'
        | '\u{ad}'
        | '\u{180e}'
        | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}' => true,
        c => c.is_control(),
    }
}

/// JSON as text that can be seen and read back: hidden characters are escaped as JSON does it.
pub(crate) fn json(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_hidden(c) {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                write!(shown, "\\u{unit:04x}").expect("text grows");
            }
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
}

/// The beginning of a text, on one line.
pub(crate) fn short(text: &str, most: usize) -> String {
    let mut chars = text.chars();
    let mut cut: String = chars.by_ref().take(most).collect();
    if chars.next().is_some() {
        cut.push('…');
    }
    visible(&cut).replace(['\n', '\t'], " ")
}

/// The last part of an ARN, which is the name of what it names.
pub(crate) fn name(arn: &str) -> &str {
    arn.rsplit(':').next().unwrap_or(arn)
}

/// A text without what colours it on a terminal.
pub(crate) fn uncoloured(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("\u{1b}[") {
        plain.push_str(before);
        let end = after.find(|c: char| c.is_ascii_alphabetic()).map_or(after.len(), |at| at + 1);
        rest = &after[end..];
    }
    plain.push_str(rest);
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_characters_are_shown() {
        for (text, expected) in [
            ("plain é 漢", "plain é 漢"),
            ("a\0b\u{1b}[31m\r", "a␀b␛[31m␍"),
            ("\u{7f}\u{85}", "␡⟨U+0085⟩"),
            ("evil\u{202e}txt\u{2066}", "evil⟨U+202E⟩txt⟨U+2066⟩"),
            ("two\nlines\t", "two\nlines\t"),
        ] {
            assert_eq!(visible(text), expected);
        }
        let html = html! { (Foreign("<script>\"'&\u{202e}")) }.into_string();
        assert_eq!(html, "<bdi>&lt;script&gt;&quot;'&amp;⟨U+202E⟩</bdi>");
    }

    #[test]
    fn json_is_read_back() {
        let value = stepwright_json::json!({"a": "\u{202e}x\u{e0041}\u{7f}"});
        let text = value.to_string();
        let shown = json(&text);
        assert!(!shown.chars().any(is_hidden), "{shown}");
        assert_eq!(stepwright_json::parse(&shown).expect("it is JSON"), value);
    }

    #[test]
    fn colours_are_left_out() {
        assert_eq!(uncoloured("\u{1b}[1m\u{1b}[31merror\u{1b}[0m: x"), "error: x");
        assert_eq!(uncoloured("cut \u{1b}[3"), "cut ");
        assert_eq!(short("abc\ndef", 5), "abc d…");
    }
}
