//! JavaScript's regular expressions on engines that match in linear time where the expression
//! allows it, and else with a bounded number of attempts.

use crate::error::{Fault, Result};
use regex_syntax::hir::{Hir, HirKind};
use std::sync::OnceLock;
use stepwright_json::Str;

#[derive(Debug)]
pub(crate) struct Regex {
    /// The expression as the engines read it.
    text: String,
    backtracks: bool,
    /// Made when it is first searched with: a definition may have many that never are.
    engine: OnceLock<Option<Engine>>,
    /// How much of an expression it is: a character counts for one, and as often as it is repeated.
    states: usize,
    /// Whether something in it repeats without end.
    is_unbounded: bool,
}

#[derive(Debug)]
enum Engine {
    Linear(regex::Regex),
    Backtracking(fancy_regex::Regex),
}

/// How often an expression may backtrack in one search.
const BACKTRACKS: usize = 200_000;
/// How many states times bytes of text one search may come to. An engine that is linear in the text
/// looks at every state for every byte where nothing better helps.
const MOST_WORK: usize = 1 << 28;
/// How long a text may be in which an expression backtracks that repeats without end: it may look
/// through the rest of the text from every place.
const MOST_BACKTRACKED: usize = 16 << 10;
/// How large an expression may become.
const SIZE: usize = 1 << 20;
/// How many states it may have.
const MOST_STATES: usize = 50_000;

/// A search in a text, from where the last match ended.
#[derive(Clone, Debug)]
pub(crate) struct Matcher<'a> {
    pub(crate) regex: &'a Regex,
    pub(crate) text: Str,
    /// The byte to go on from.
    pub(crate) from: usize,
}

/// A match: bytes of the text.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) groups: Vec<Option<(usize, usize)>>,
}

impl Regex {
    pub(crate) fn new(pattern: &str, flags: &str) -> Result<Self> {
        let translated = Translator::new(pattern).translate();
        let mut text = String::new();
        for (flag, inline) in [('i', "(?i)"), ('m', "(?m)")] {
            if flags.contains(flag) {
                text.push_str(inline);
            }
        }
        text.push_str(&translated.text);
        let invalid = |error: String| Fault::new("S0303").text(error);
        if translated.backtracks {
            fancy_regex::Expr::parse_tree(&text).map_err(|error| invalid(error.to_string()))?;
        } else {
            regex_syntax::Parser::new().parse(&text).map_err(|error| invalid(error.to_string()))?;
        }
        let states = states(&translated.text);
        if states > MOST_STATES {
            return Err(invalid("it is too large".to_owned()));
        }
        let is_unbounded = translated.text.contains(['*', '+']) || translated.text.contains(",}");
        let (backtracks, engine) = (translated.backtracks, OnceLock::new());
        Ok(Self { text, backtracks, engine, states, is_unbounded })
    }

    /// What searches; `None` if there is too much of it.
    fn engine(&self) -> Result<&Engine> {
        let made = self.engine.get_or_init(|| {
            if self.backtracks {
                let builder = fancy_regex::RegexBuilder::new(&self.text)
                    .backtrack_limit(BACKTRACKS)
                    .delegate_size_limit(SIZE)
                    .build();
                builder.ok().map(Engine::Backtracking)
            } else {
                let builder = regex::RegexBuilder::new(&self.text)
                    .size_limit(SIZE)
                    .dfa_size_limit(SIZE)
                    .build();
                builder.ok().map(Engine::Linear)
            }
        });
        made.as_ref().ok_or_else(|| Fault::new("U1003"))
    }

    /// How many steps the first search of an evaluation counts for beforehand: it may have to make
    /// the engine.
    pub(crate) fn preparation(&self) -> usize {
        2_000 + self.states * 4
    }

    /// Whether a search in so many bytes ends in time whatever they are.
    pub(crate) fn can_search(&self, bytes: usize) -> bool {
        if self.backtracks {
            !self.is_unbounded || bytes <= MOST_BACKTRACKED
        } else {
            bytes.saturating_mul(self.states) <= MOST_WORK
        }
    }

    /// How many steps a search in so many bytes counts for.
    pub(crate) fn steps(&self, bytes: usize) -> usize {
        if self.backtracks {
            bytes / 4 + 200
        } else {
            bytes / 32 + bytes.saturating_mul(self.states) / 1_024 + 1
        }
    }

    /// The first match in `text` that begins at the byte `from` or after it.
    pub(crate) fn find(&self, text: &str, from: usize) -> Result<Option<Found>> {
        match self.engine()? {
            Engine::Linear(regex) => Ok(regex.captures_at(text, from).map(|captures| {
                let whole = captures.get(0).map_or((from, from), |m| (m.start(), m.end()));
                Found {
                    start: whole.0,
                    end: whole.1,
                    groups: captures
                        .iter()
                        .skip(1)
                        .map(|group| group.map(|group| (group.start(), group.end())))
                        .collect(),
                }
            })),
            Engine::Backtracking(regex) => match regex.captures_from_pos(text, from) {
                Ok(captures) => Ok(captures.map(|captures| {
                    let whole = captures.get(0).map_or((from, from), |m| (m.start(), m.end()));
                    Found {
                        start: whole.0,
                        end: whole.1,
                        groups: captures
                            .iter()
                            .skip(1)
                            .map(|group| group.map(|group| (group.start(), group.end())))
                            .collect(),
                    }
                })),
                Err(_) => Err(Fault::new("U1003")),
            },
        }
    }
}

/// The size of an expression. One that cannot be read for itself counts by its length.
fn states(pattern: &str) -> usize {
    fn of(hir: &Hir) -> usize {
        match hir.kind() {
            HirKind::Empty | HirKind::Look(_) => 1,
            HirKind::Literal(literal) => literal.0.len(),
            // A class beyond ASCII is several bytes wide.
            HirKind::Class(_) if hir.properties().maximum_len() == Some(1) => 1,
            HirKind::Class(_) => 8,
            HirKind::Repetition(repeated) => {
                let times = repeated.max.unwrap_or(repeated.min.saturating_add(1)).max(1);
                of(&repeated.sub).saturating_mul(times as usize)
            }
            HirKind::Capture(capture) => of(&capture.sub).saturating_add(2),
            HirKind::Concat(parts) | HirKind::Alternation(parts) => {
                parts.iter().map(of).fold(1, usize::saturating_add)
            }
        }
    }
    match regex_syntax::Parser::new().parse(pattern) {
        Ok(hir) => of(&hir),
        Err(_) => pattern.len(),
    }
}

struct Translator<'p> {
    chars: Vec<char>,
    pattern: &'p str,
    at: usize,
    out: String,
    backtracks: bool,
}

struct Translated {
    text: String,
    backtracks: bool,
}

/// What JavaScript takes for white space.
const SPACE: &str = r"\t\n\x0B\x0C\r \x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}\x{feff}";

impl<'p> Translator<'p> {
    fn new(pattern: &'p str) -> Self {
        Self {
            chars: pattern.chars().collect(),
            pattern,
            at: 0,
            out: String::new(),
            backtracks: false,
        }
    }

    fn translate(mut self) -> Translated {
        self.backtracks = self.looks_around();
        while let Some(char) = self.next() {
            match char {
                '\\' => self.escape(),
                '[' => self.class(),
                '.' => self.out.push_str(r"[^\n\r\x{2028}\x{2029}]"),
                '{' if !self.is_quantifier() => self.out.push_str(r"\{"),
                '{' => {
                    self.out.push('{');
                    while let Some(char) = self.next() {
                        self.out.push(char);
                        if char == '}' {
                            break;
                        }
                    }
                }
                '}' => self.out.push_str(r"\}"),
                ']' => self.out.push_str(r"\]"),
                '#' | '&' | '~' | ' ' => self.literal(char),
                other => self.out.push(other),
            }
        }
        Translated { text: self.out, backtracks: self.backtracks }
    }

    fn next(&mut self) -> Option<char> {
        let char = self.chars.get(self.at).copied();
        self.at += usize::from(char.is_some());
        char
    }

    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn groups(&self) -> usize {
        let mut count = 0;
        let mut in_class = false;
        let mut at = 0;
        while at < self.chars.len() {
            match self.chars[at] {
                '\\' => at += 1,
                '[' => in_class = true,
                ']' => in_class = false,
                '(' if !in_class => {
                    let named = self.chars.get(at + 1) == Some(&'?')
                        && self.chars.get(at + 2) == Some(&'<')
                        && !matches!(self.chars.get(at + 3), Some('=' | '!'));
                    if self.chars.get(at + 1) != Some(&'?') || named {
                        count += 1;
                    }
                }
                _ => {}
            }
            at += 1;
        }
        count
    }

    fn looks_around(&self) -> bool {
        if ["(?=", "(?!", "(?<=", "(?<!", "\\k<"].iter().any(|look| self.pattern.contains(look)) {
            return true;
        }
        let groups = self.groups();
        self.chars.windows(2).enumerate().any(|(at, pair)| {
            let slashes = self.chars[..at].iter().rev().take_while(|c| **c == '\\').count();
            pair[0] == '\\'
                && slashes % 2 == 0
                && pair[1].to_digit(10).is_some_and(|digit| digit > 0 && digit as usize <= groups)
        })
    }

    fn is_quantifier(&self) -> bool {
        let rest: String = self.chars[self.at..].iter().take_while(|char| **char != '}').collect();
        let closed = self.chars[self.at..].contains(&'}');
        let (least, most) = rest.split_once(',').unwrap_or((&rest, ""));
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        closed && !least.is_empty() && digits(least) && digits(most)
    }

    fn literal(&mut self, char: char) {
        self.out.push_str(&regex::escape(char.encode_utf8(&mut [0; 4])));
    }

    fn hex(&mut self, digits: usize) -> Option<char> {
        let text: String = self.chars[self.at..].iter().take(digits).collect();
        if text.len() != digits || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        self.at += digits;
        u32::from_str_radix(&text, 16)
            .ok()
            .map(|unit| char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    /// An escape that stands for one character, inside a class and outside.
    fn escaped_char(&mut self, char: char) -> Option<char> {
        Some(match char {
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\u{b}',
            'f' => '\u{c}',
            '0' => '\0',
            'x' => self.hex(2).unwrap_or('x'),
            'u' => self.hex(4).unwrap_or('u'),
            'c' => match self.peek() {
                Some(letter) if letter.is_ascii_alphabetic() => {
                    self.at += 1;
                    char::from(letter as u8 % 32)
                }
                _ => return None,
            },
            'd' | 'D' | 'w' | 'W' | 's' | 'S' | 'b' | 'B' => return None,
            other => other,
        })
    }

    fn escape(&mut self) {
        let Some(char) = self.next() else {
            self.out.push('\\');
            return;
        };
        match char {
            'd' => self.out.push_str("[0-9]"),
            'D' => self.out.push_str("[^0-9]"),
            'w' => self.out.push_str("[0-9A-Za-z_]"),
            'W' => self.out.push_str("[^0-9A-Za-z_]"),
            's' => self.out.extend(["[", SPACE, "]"]),
            'S' => self.out.extend(["[^", SPACE, "]"]),
            'b' if self.backtracks => self.out.push_str(r"\b"),
            'B' if self.backtracks => self.out.push_str(r"\B"),
            'b' => self.out.push_str(r"(?-u:\b)"),
            'B' => self.out.push_str(r"(?-u:\B)"),
            'k' if self.backtracks && self.peek() == Some('<') => self.out.push_str(r"\k"),
            '1'..='9' if self.backtracks => {
                self.out.push('\\');
                self.out.push(char);
            }
            'c' if !self.peek().is_some_and(|c| c.is_ascii_alphabetic()) => {
                self.out.push_str(r"\\c");
            }
            other => {
                if let Some(char) = self.escaped_char(other) {
                    self.literal(char);
                }
            }
        }
    }

    fn class(&mut self) {
        let negated = self.peek() == Some('^');
        self.at += usize::from(negated);
        if self.peek() == Some(']') {
            self.at += 1;
            self.out.push_str(if negated { r"[\s\S]" } else { r"[a&&b]" });
            return;
        }
        self.out.push_str(if negated { "[^" } else { "[" });
        // After `\d` and its like a dash makes no range.
        let mut after_set = false;
        while let Some(char) = self.next() {
            let dash_is_literal = std::mem::take(&mut after_set);
            match char {
                ']' => break,
                '-' if dash_is_literal => self.out.push_str(r"\-"),
                '\\' => {
                    let Some(escaped) = self.next() else { break };
                    after_set = matches!(escaped, 'd' | 'D' | 'w' | 'W' | 's' | 'S');
                    match escaped {
                        'd' => self.out.push_str("0-9"),
                        'D' => self.out.push_str("[^0-9]"),
                        'w' => self.out.push_str("0-9A-Za-z_"),
                        'W' => self.out.push_str("[^0-9A-Za-z_]"),
                        's' => self.out.push_str(SPACE),
                        'S' => self.out.extend(["[^", SPACE, "]"]),
                        'b' => self.out.push_str(r"\x08"),
                        'B' => self.out.push('B'),
                        other => {
                            if let Some(char) = self.escaped_char(other) {
                                self.class_literal(char);
                            }
                        }
                    }
                }
                // A dash that stands for itself is first or last.
                '-' => {
                    let first = self.out.ends_with('[') || self.out.ends_with("[^");
                    if first || self.peek() == Some(']') {
                        self.out.push_str(r"\-");
                    } else {
                        self.out.push('-');
                    }
                }
                other => self.class_literal(other),
            }
        }
        self.out.push(']');
    }

    fn class_literal(&mut self, char: char) {
        if matches!(char, '\\' | '[' | ']' | '^' | '-' | '&' | '~') {
            self.out.push('\\');
            self.out.push(char);
        } else {
            self.literal(char);
        }
    }
}
