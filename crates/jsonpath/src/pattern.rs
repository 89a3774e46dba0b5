use regex::{Regex, RegexBuilder};

/// A regular expression of a filter: Java's syntax as far as it can be matched in linear time.
#[derive(Clone, Debug)]
pub(crate) struct Pattern(Regex);

/// Bytes a compiled expression may take.
const SIZE: usize = 1 << 20;

impl Pattern {
    pub(crate) fn is_flag(byte: u8) -> bool {
        b"dixmsuU".contains(&byte)
    }

    pub(crate) fn new(pattern: &str, flags: &str) -> Result<Self, String> {
        let has = |flag: char| flags.contains(flag);
        let unix = has('d');
        let text = translate(pattern, has('s'), unix, has('U'));
        // A comment of the `x` flag would swallow a bracket on the same line.
        let text = format!("\\A(?:{text}\n)\\z");
        let text = if has('x') { text } else { text.replacen("\n)\\z", ")\\z", 1) };
        RegexBuilder::new(&text)
            .case_insensitive(has('i'))
            .multi_line(has('m'))
            .dot_matches_new_line(true)
            .ignore_whitespace(has('x'))
            .size_limit(SIZE)
            .dfa_size_limit(SIZE)
            .nest_limit(64)
            .build()
            .map(Self)
            .map_err(|error| format!("the pattern cannot be used: {error}"))
    }

    /// Whether the whole of `input` matches.
    pub(crate) fn matches(&self, input: &str) -> bool {
        self.0.is_match(input)
    }
}

/// Rewrites what Java means differently: the classes are ASCII, the dot leaves out every line end.
fn translate(pattern: &str, dot_all: bool, unix: bool, unicode: bool) -> String {
    let mut out = String::with_capacity(pattern.len() + 16);
    let mut in_class = 0usize;
    let mut chars = pattern.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            '\\' => match chars.next() {
                Some('Q') => quote(&mut chars, &mut out),
                Some(class @ ('d' | 'D' | 'w' | 'W' | 's' | 'S')) if !unicode => {
                    out.push_str(ascii_class(class));
                }
                Some('h') => out.push_str(
                    r"[ \t\x{a0}\x{1680}\x{180e}\x{2000}-\x{200a}\x{202f}\x{205f}\x{3000}]",
                ),
                Some('R') => out.push_str(r"(?:\r\n|[\n\x0b\x0c\r\x{85}\x{2028}\x{2029}])"),
                Some('Z') => out.push_str(r"(?:\r?\n)?\z"),
                Some('e') => out.push_str(r"\x1b"),
                Some(other @ ('<' | '>')) => out.push(other),
                Some(other) => {
                    out.push('\\');
                    out.push(other);
                }
                None => out.push('\\'),
            },
            '[' => {
                in_class += 1;
                out.push('[');
                if chars.next_if_eq(&'^').is_some() {
                    out.push('^');
                }
            }
            ']' => {
                in_class = in_class.saturating_sub(1);
                out.push(']');
            }
            '.' if in_class == 0 && !dot_all => {
                out.push_str(if unix { r"[^\n]" } else { r"[^\n\r\x{85}\x{2028}\x{2029}]" });
            }
            other => out.push(other),
        }
    }
    out
}

fn ascii_class(class: char) -> &'static str {
    match class {
        'd' => "[0-9]",
        'D' => "[^0-9]",
        'w' => "[0-9A-Za-z_]",
        'W' => "[^0-9A-Za-z_]",
        's' => r"[ \t\n\x0b\x0c\r]",
        _ => r"[^ \t\n\x0b\x0c\r]",
    }
}

/// Everything up to `\E` stands for itself.
fn quote(chars: &mut std::iter::Peekable<std::str::Chars<'_>>, out: &mut String) {
    let mut quoted = String::new();
    while let Some(char) = chars.next() {
        if char == '\\' && chars.next_if_eq(&'E').is_some() {
            break;
        }
        quoted.push(char);
    }
    out.push_str(&regex::escape(&quoted));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, flags: &str, input: &str, expected: bool) {
        let found = Pattern::new(pattern, flags).expect(pattern).matches(input);
        assert_eq!(found, expected, "/{pattern}/{flags} {input}");
    }

    #[test]
    fn the_whole_input_must_match() {
        check(".*rees", "i", "Nigel Rees", true);
        check("rees", "i", "Nigel Rees", false);
        check("&&|it", "", "it", true);
        check("a|b", "", "ab", false);
        check("^a$", "", "a", true);
    }

    #[test]
    fn java_means_it_differently() {
        check(r"\d+", "", "١", false);
        check(r"\d+", "U", "١", true);
        check(r"[\w-]+", "", "a-b_9", true);
        check("a.b", "", "a\rb", false);
        check("a.b", "s", "a\rb", true);
        check(r"a\/b", "", "a/b", true);
        check(r"\Qa.b\E.", "", "a.bc", true);
        check("a b # c", "x", "ab", true);
    }

    #[test]
    fn what_cannot_be_bounded_is_refused() {
        assert!(Pattern::new("(a)\\1", "").is_err());
        assert!(Pattern::new("a{1000}{1000}{1000}", "").is_err());
        assert!(Pattern::new(&"(".repeat(10_000), "").is_err());
    }
}
