use crate::filter::Expression;
use crate::function::Function;
use std::fmt::{self, Write as _};
use stepwright_json::Str;

/// A compiled path.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    /// `$` or `@`.
    pub(crate) root: char,
    pub(crate) tokens: Box<[Token]>,
    /// How many tokens from the front lead to one value at most.
    pub(crate) definite: usize,
    /// Whether there are only members and indexes.
    pub(crate) simple: bool,
}

/// One step of a path.
#[derive(Clone, Debug)]
pub(crate) enum Token {
    Key { name: Str, quote: char },
    Keys { names: Box<[Str]>, quote: char },
    Index(i32),
    Indexes(Box<[i32]>),
    Slice(Slice),
    Wildcard,
    Scan,
    Filter(Box<Expression>),
    Function(Box<Function>),
}

/// `[from:to]`, of which one side may be left out.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Slice {
    From(i32),
    To(i32),
    Between(i32, i32),
}

impl Program {
    pub(crate) fn new(root: char, tokens: Vec<Token>) -> Self {
        let (root, tokens) = invert_scan(root, tokens);
        let last = tokens.len().saturating_sub(1);
        let definite = tokens
            .iter()
            .enumerate()
            .position(|(at, token)| !token.is_definite(at == last))
            .unwrap_or(tokens.len());
        let simple =
            tokens.iter().all(|token| matches!(token, Token::Key { .. } | Token::Index(_)));
        Self { root, tokens: tokens.into(), definite, simple }
    }

    pub(crate) fn is_definite(&self) -> bool {
        self.definite == self.tokens.len()
    }

    /// Whether everything before token `at` leads to one value at most.
    pub(crate) fn is_definite_before(&self, at: usize) -> bool {
        at <= self.definite
    }

    pub(crate) fn ends_in_function(&self) -> bool {
        matches!(self.tokens.last(), Some(Token::Function(_)))
    }

    /// The text of the tokens from `at` on, as Jayway prints them.
    pub(crate) fn rest(&self, at: usize) -> String {
        self.tokens[at..].iter().map(Token::to_string).collect()
    }

    /// How a message names the place before token `at`.
    pub(crate) fn place(&self, at: usize) -> String {
        let mut place = self.root.to_string();
        for token in &self.tokens[..at] {
            match token {
                Token::Key { name, .. } => {
                    place.push_str("['");
                    place.push_str(name);
                    place.push_str("']");
                }
                Token::Index(index) => {
                    let _ = write!(place, "[{index}]");
                }
                _ => {}
            }
        }
        place
    }
}

/// A path that begins with a deep scan and ends in a function is the function of everything the
/// scan finds: `$..a.sum()` is `$.sum($..a)`.
fn invert_scan(root: char, mut tokens: Vec<Token>) -> (char, Vec<Token>) {
    let inverts = matches!(tokens.first(), Some(Token::Scan))
        && matches!(tokens.last(), Some(Token::Function(_)));
    let function = tokens.iter().position(|token| matches!(token, Token::Function(_)));
    let (true, Some(at)) = (inverts, function) else { return (root, tokens) };
    let mut rest = tokens.split_off(at);
    if let Some(Token::Function(function)) = rest.first_mut() {
        function.take_scan(Program::new(root, tokens));
    }
    ('$', rest)
}

impl Token {
    fn is_definite(&self, last: bool) -> bool {
        match self {
            Self::Key { .. } | Self::Index(_) | Self::Function(_) => true,
            // At the end, several members become one object.
            Self::Keys { .. } => last,
            Self::Indexes(_) | Self::Slice(_) | Self::Wildcard | Self::Scan | Self::Filter(_) => {
                false
            }
        }
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.root, self.rest(0))
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = |f: &mut fmt::Formatter<'_>, names: &[Str], quote: char| {
            f.write_str("[")?;
            for (at, name) in names.iter().enumerate() {
                let comma = if at > 0 { "," } else { "" };
                let name = name.replace('\\', "\\\\").replace('\'', "\\'");
                write!(f, "{comma}{quote}{name}{quote}")?;
            }
            f.write_str("]")
        };
        match self {
            Self::Key { name, quote } => names(f, std::slice::from_ref(name), *quote),
            Self::Keys { names: all, quote } => names(f, all, *quote),
            Self::Index(index) => write!(f, "[{index}]"),
            Self::Indexes(indexes) => {
                let indexes: Vec<String> = indexes.iter().map(i32::to_string).collect();
                write!(f, "[{}]", indexes.join(","))
            }
            Self::Slice(Slice::From(from)) => write!(f, "[{from}:]"),
            Self::Slice(Slice::To(to)) => write!(f, "[:{to}]"),
            Self::Slice(Slice::Between(from, to)) => write!(f, "[{from}:{to}]"),
            Self::Wildcard => f.write_str("[*]"),
            Self::Scan => f.write_str(".."),
            Self::Filter(_) => f.write_str("[?]"),
            Self::Function(function) => write!(f, ".{function}"),
        }
    }
}
