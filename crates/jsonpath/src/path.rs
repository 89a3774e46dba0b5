use crate::ParseError;
use crate::compile::{self, Budget};
use crate::error::EvaluationError;
use crate::evaluate::{Scope, Shared};
use crate::limits::Limits;
use crate::program::{Program, Token};
use std::fmt;
use std::sync::Arc;
use stepwright_json::{Json, Str};
use stepwright_source::Span;

/// A path, compiled.
#[derive(Clone, Debug)]
pub struct Path {
    text: Str,
    program: Arc<Program>,
}

/// A path that begins at a variable: `$name.rest`.
#[derive(Clone, Debug)]
pub struct Variable {
    /// The name, without `$`.
    pub name: Str,
    /// The rest, as a path from the value of the variable.
    pub path: Path,
}

/// Bytes the text of a path may have.
const LONGEST: usize = 1 << 16;

impl Path {
    /// Compiles a path. As in Jayway, a text that begins neither with `$` nor with `@` is taken as
    /// if `$.` stood before it; Step Functions itself asks for the `$`.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let error = |message: String, at: usize| {
            let start = text.floor_char_boundary(at.min(text.len()));
            let end = text[start..].chars().next().map_or(start, |char| start + char.len_utf8());
            ParseError { message, span: Span::new(start, end) }
        };
        if text.is_empty() {
            return Err(error("json can not be null or empty".to_owned(), 0));
        }
        if text.len() > LONGEST {
            return Err(error(format!("the path is longer than {LONGEST} bytes"), LONGEST));
        }
        match compile::compile(text, 0, &mut Budget::new()) {
            Ok(program) => Ok(Self { text: text.into(), program: Arc::new(program) }),
            Err(refusal) => {
                let (message, at) = refusal.into_parts();
                Err(error(message, at))
            }
        }
    }

    /// Compiles `$name`, `$name.rest` or `$name[…]`. `None` when no name follows the `$`: then it
    /// is a path from the input (`$.a`) or the context (`$$.a`). Spans are those of `text`.
    pub fn parse_variable(text: &str) -> Option<Result<Variable, ParseError>> {
        let name = text.strip_prefix('$')?;
        let is_start = |char: char| char.is_alphabetic() || char == '_';
        if !name.starts_with(is_start) {
            return None;
        }
        let is_part = |char: char| char.is_alphanumeric() || char == '_';
        let end = name.find(|char| !is_part(char)).unwrap_or(name.len());
        let (name, rest) = name.split_at(end);
        let path = Self::parse(&format!("${rest}")).map_err(|mut error| {
            let moved = |offset: u32| if offset == 0 { 0 } else { offset + end as u32 };
            error.span = Span { start: moved(error.span.start), end: moved(error.span.end) };
            error
        });
        Some(path.map(|path| Variable { name: name.into(), path }))
    }

    /// The text it was compiled from.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it gives one value at most, and that value itself instead of an array.
    pub fn is_definite(&self) -> bool {
        self.program.is_definite()
    }

    /// Whether it has only members and indexes.
    pub fn is_reference(&self) -> bool {
        self.program.simple
    }

    /// Whether a function is called somewhere on it.
    pub fn has_function(&self) -> bool {
        self.program.tokens.iter().any(|token| matches!(token, Token::Function(_)))
    }

    /// What the path finds in `root`: the value for a definite path, else an array of all it
    /// finds, possibly empty.
    pub fn evaluate(&self, root: &Json) -> Result<Json, EvaluationError> {
        self.evaluate_within(root, Limits::default())
    }

    /// As [`Self::evaluate`], within other limits than the default.
    pub fn evaluate_within(
        &self,
        root: &Json,
        limits: Limits<'_>,
    ) -> Result<Json, EvaluationError> {
        if let Some(found) = self.get(root) {
            return Ok(found.clone());
        }
        let shared = Shared::new(limits);
        let result = self.program.evaluate(root, &Scope::new(root, &shared));
        shared.meter.report()?;
        Ok(result?)
    }

    /// What a path of members and indexes leads to. `None` for other paths, and when there is
    /// nothing.
    pub fn get<'j>(&self, root: &'j Json) -> Option<&'j Json> {
        if self.program.simple { self.program.get(root) } else { None }
    }

    /// Whether a path of members and indexes leads to an array and then, with its last step, past
    /// the array's ends.
    pub fn is_past_end(&self, root: &Json) -> bool {
        self.program.simple && self.program.is_past_end(root)
    }
}

impl PartialEq for Path {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Path {}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
