//! Texts and values that are cut to a width.

use std::fmt::Write as _;
use stepwright_json::Json;
use unicode_width::UnicodeWidthChar as _;

/// A text on one line: what is no printable character does not reach the terminal.
pub fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut was_space = false;
    for c in text.chars() {
        let is_space = matches!(c, '\n' | '\r' | '\t');
        match c {
            _ if is_space => {
                if !was_space {
                    out.push(' ');
                }
            }
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
        was_space = is_space || c == ' ';
    }
    out
}

/// The number of columns that a text takes on a terminal.
pub fn columns(text: &str) -> usize {
    text.chars().map(|c| c.width().unwrap_or(0)).sum()
}

/// The first characters of a text that take at most `width` columns.
fn first(text: impl Iterator<Item = char>, width: usize) -> Vec<char> {
    let mut left = width;
    let mut taken = Vec::new();
    for c in text {
        let Some(after) = left.checked_sub(c.width().unwrap_or(0)) else { break };
        left = after;
        taken.push(c);
    }
    taken
}

/// Cuts a text in its middle, so that it takes at most `width` columns.
pub(crate) fn middle(text: &str, width: usize) -> String {
    if columns(text) <= width {
        return text.to_owned();
    }
    let Some(kept) = width.checked_sub(1) else { return String::new() };
    let tail = first(text.chars().rev(), kept / 3);
    let head = first(text.chars(), kept - kept / 3);
    head.into_iter().chain(['…']).chain(tail.into_iter().rev()).collect()
}

/// A value as JSON in at most `width` columns. Long texts are cut in their middle, and of long
/// lists the first members are shown, with the number of the others.
pub fn fit(value: &Json, width: usize) -> String {
    // From showing everything to showing little: the length of texts, the number of members, and how
    // deep they may lie.
    let ways = [
        (usize::MAX, usize::MAX, 32),
        (48, 24, 8),
        (40, 12, 4),
        (32, 12, 2),
        (24, 12, 1),
        (20, 8, 1),
        (16, 6, 1),
        (14, 5, 1),
        (12, 4, 1),
        (10, 3, 1),
        (10, 2, 1),
        (10, 1, 1),
    ];
    for (most, members, deepest) in ways {
        let mut writer = Writer { out: String::new(), left: width, most, members, deepest };
        if writer.value(value, 0).is_some() {
            return writer.out;
        }
    }
    // What is left is not enough for the structure.
    let left = width.saturating_sub(1);
    let mut writer = Writer { out: String::new(), left, most: 12, members: 4, deepest: 1 };
    if writer.value(value, 0).is_none() {
        writer.out.push('…');
    }
    writer.out
}

/// Writes as long as there is room.
struct Writer {
    out: String,
    /// How many columns may follow.
    left: usize,
    most: usize,
    members: usize,
    deepest: usize,
}

impl Writer {
    fn put(&mut self, text: &str) -> Option<()> {
        let count = columns(text);
        if count > self.left {
            self.out.extend(first(text.chars(), self.left));
            self.left = 0;
            return None;
        }
        self.left -= count;
        self.out.push_str(text);
        Some(())
    }

    fn value(&mut self, value: &Json, depth: usize) -> Option<()> {
        match value {
            Json::String(text) => self.string(text),
            Json::Array(items) if depth >= self.deepest && !items.is_empty() => {
                self.put(&format!("[…{}]", items.len()))
            }
            Json::Object(members) if depth >= self.deepest && !members.is_empty() => {
                self.put("{…}")
            }
            Json::Array(items) => {
                self.put("[")?;
                for (at, item) in items.iter().enumerate() {
                    if at == self.members {
                        let more = items.len() - at;
                        self.put(&format!(", …{more} more"))?;
                        break;
                    }
                    self.put(if at == 0 { "" } else { "," })?;
                    self.value(item, depth + 1)?;
                }
                self.put("]")
            }
            Json::Object(members) => {
                self.put("{")?;
                for (at, (key, value)) in members.iter().enumerate() {
                    if at == self.members {
                        let more = members.len() - at;
                        self.put(&format!(", …{more} more"))?;
                        break;
                    }
                    self.put(if at == 0 { "" } else { "," })?;
                    self.key(key)?;
                    self.put(":")?;
                    self.value(value, depth + 1)?;
                }
                self.put("}")
            }
            other => self.put(&other.to_string()),
        }
    }

    /// Names are what a reader looks for, and are hardly cut.
    fn key(&mut self, text: &str) -> Option<()> {
        let most = self.most;
        self.most = most.max(24);
        let put = self.string(text);
        self.most = most;
        put
    }

    fn string(&mut self, text: &str) -> Option<()> {
        if text.len() > self.left.saturating_add(2).saturating_mul(4) && self.most == usize::MAX {
            // There is no room for it, and it may be long.
            return None;
        }
        let cut = middle(text, self.most);
        let mut quoted = String::new();
        write!(quoted, "{}", Json::from(cut.as_str())).expect("strings grow");
        self.put(&quoted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stepwright_json::json;

    #[track_caller]
    fn check(value: Json, width: usize, expected: &str) {
        let fitted = fit(&value, width);
        assert_eq!(fitted, expected);
        assert!(fitted.chars().count() <= width, "{fitted}");
    }

    #[test]
    fn values_are_cut_in_their_middle() {
        let arn = "arn:aws:states:us-east-1:123456789012:stateMachine:orders";
        check(json!({"arn": arn, "n": 1}), 80, &format!("{{\"arn\":\"{arn}\",\"n\":1}}"));
        check(
            json!({"arn": arn, "n": 1}),
            50,
            "{\"arn\":\"arn:aws:states:us-eas…ine:orders\",\"n\":1}",
        );
        let numbers: Vec<Json> = (0..100).map(Json::Int).collect();
        check(numbers.into(), 30, "[0,1,2,3,4,5,6,7, …92 more]");
        check(json!({"a": {"b": {"c": "a text of some length"}}}), 9, "{\"a\":{…}}");
        check(json!({"orderIdentifier": "x", "b": [1, 2]}), 16, "{\"orderIdentifi…");
    }

    #[test]
    fn texts_stay_on_their_line() {
        assert_eq!(plain("a\nb\r\n  c\u{1b}[31m"), "a b   c\u{fffd}[31m");
        assert_eq!(middle("abcdefghij", 6), "abcd…j");
        // Some characters take two columns.
        assert_eq!(middle("数据数据数据", 8), "数据…据");
        assert_eq!(columns("数据…据"), 7);
    }
}
