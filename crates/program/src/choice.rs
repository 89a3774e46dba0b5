use crate::expression::{Expression, PathExpression};
use crate::scope::{EvaluationError, Scope};
use crate::time;
use std::borrow::Cow;
use std::cmp::Ordering;
use stepwright_json::{Json, Str};

/// When a choice rule applies.
#[derive(Clone, Debug)]
pub enum Condition {
    /// All must hold.
    And(Vec<Condition>),
    /// One must hold.
    Or(Vec<Condition>),
    /// It must not hold.
    Not(Box<Condition>),
    /// One comparison.
    Test(Test),
    /// A JSONata expression.
    Jsonata(Expression),
}

/// One comparison of a variable.
#[derive(Clone, Debug)]
pub struct Test {
    /// `Variable`
    pub variable: PathExpression,
    /// What is asked about it.
    pub comparison: Comparison,
}

/// What is asked about a variable.
#[derive(Clone, Debug)]
pub enum Comparison {
    /// `StringEquals`, `StringLessThan`, … and their `…Path`: the orderings that count as true.
    String(Orderings, Operand),
    /// `NumericEquals` …
    Numeric(Orderings, Operand),
    /// `TimestampEquals` …
    Timestamp(Orderings, Operand),
    /// `BooleanEquals`
    Boolean(Operand),
    /// `StringMatches`
    Matches(Str),
    /// `IsNull`
    IsNull(bool),
    /// `IsPresent`
    IsPresent(bool),
    /// `IsString`
    IsString(bool),
    /// `IsNumeric`
    IsNumeric(bool),
    /// `IsBoolean`
    IsBoolean(bool),
    /// `IsTimestamp`
    IsTimestamp(bool),
}

/// The orderings for which a comparison holds.
pub type Orderings = &'static [Ordering];

/// What a variable is compared with.
#[derive(Clone, Debug)]
pub enum Operand {
    /// A value.
    Literal(Json),
    /// The path of an `…EqualsPath` and the like.
    Path(PathExpression),
}

impl Comparison {
    /// The comparison that the field `name` makes with `operand`; `None` when there is none of
    /// that name. A name ending in `Path` needs an [`Operand::Path`], any other a literal.
    pub fn named(name: &str, operand: Operand) -> Option<Self> {
        let flag = || match &operand {
            Operand::Literal(Json::Bool(flag)) => Some(*flag),
            _ => None,
        };
        Some(match name {
            "IsNull" => Self::IsNull(flag()?),
            "IsPresent" => Self::IsPresent(flag()?),
            "IsString" => Self::IsString(flag()?),
            "IsNumeric" => Self::IsNumeric(flag()?),
            "IsBoolean" => Self::IsBoolean(flag()?),
            "IsTimestamp" => Self::IsTimestamp(flag()?),
            "StringMatches" => match &operand {
                Operand::Literal(Json::String(pattern)) => Self::Matches(pattern.clone()),
                _ => return None,
            },
            _ => {
                let plain = name.strip_suffix("Path").unwrap_or(name);
                if (plain.len() < name.len()) != matches!(operand, Operand::Path(_)) {
                    return None;
                }
                if plain == "BooleanEquals" {
                    return Some(Self::Boolean(operand));
                }
                let (kind, relation) = ["String", "Numeric", "Timestamp"]
                    .iter()
                    .find_map(|kind| Some((*kind, plain.strip_prefix(kind)?)))?;
                let orderings: Orderings = match relation {
                    "Equals" => &[Ordering::Equal],
                    "LessThan" => &[Ordering::Less],
                    "GreaterThan" => &[Ordering::Greater],
                    "LessThanEquals" => &[Ordering::Less, Ordering::Equal],
                    "GreaterThanEquals" => &[Ordering::Greater, Ordering::Equal],
                    _ => return None,
                };
                match kind {
                    "String" => Self::String(orderings, operand),
                    "Numeric" => Self::Numeric(orderings, operand),
                    _ => Self::Timestamp(orderings, operand),
                }
            }
        })
    }
}

impl Condition {
    /// Whether the condition holds.
    pub fn holds(&self, scope: &dyn Scope) -> Result<bool, EvaluationError> {
        match self {
            Self::And(all) => {
                for condition in all {
                    if !condition.holds(scope)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Self::Or(any) => {
                for condition in any {
                    if condition.holds(scope)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Self::Not(condition) => Ok(!condition.holds(scope)?),
            Self::Test(test) => test.holds(scope),
            Self::Jsonata(expression) => match expression.evaluate(scope)? {
                Json::Bool(holds) => Ok(holds),
                other => Err(expression.unexpected("boolean", &other)),
            },
        }
    }
}

impl Test {
    fn holds(&self, scope: &dyn Scope) -> Result<bool, EvaluationError> {
        let found = self.variable.find(scope);
        if let Comparison::IsPresent(wanted) = self.comparison {
            return Ok(found.is_ok() == wanted);
        }
        let Ok(value) = found else { return Err(invalid(&self.variable)) };
        let value: &Json = &value;
        let operand = |operand: &Operand| -> Result<Json, EvaluationError> {
            match operand {
                Operand::Literal(value) => Ok(value.clone()),
                Operand::Path(path) => {
                    path.find(scope).map(Cow::into_owned).map_err(|_| invalid(path))
                }
            }
        };
        Ok(match &self.comparison {
            Comparison::IsPresent(_) => unreachable!("answered above"),
            Comparison::IsNull(wanted) => value.is_null() == *wanted,
            Comparison::IsString(wanted) => value.as_str().is_some() == *wanted,
            Comparison::IsNumeric(wanted) => value.is_number() == *wanted,
            Comparison::IsBoolean(wanted) => value.as_bool().is_some() == *wanted,
            Comparison::IsTimestamp(wanted) => {
                value.as_str().is_some_and(|text| time::parse(text).is_some()) == *wanted
            }
            Comparison::Matches(pattern) => match value.as_str() {
                Some(text) => {
                    // A star may have to be tried at each place of the text.
                    let work = (pattern.len() as u64).saturating_mul(text.len() as u64);
                    let stars = u64::from(pattern.contains('*'));
                    if !scope.burn((work * stars + text.len() as u64) / 4 + 1) {
                        return Err(EvaluationError::too_long());
                    }
                    matches(pattern, text)
                }
                None => false,
            },
            Comparison::Boolean(other) => match (value, operand(other)?) {
                (Json::Bool(a), Json::Bool(b)) => *a == b,
                _ => false,
            },
            Comparison::String(orderings, other) => {
                match (value.as_str(), operand(other)?.as_str()) {
                    (Some(a), Some(b)) => {
                        orderings.contains(&a.encode_utf16().cmp(b.encode_utf16()))
                    }
                    _ => false,
                }
            }
            Comparison::Numeric(orderings, other) => {
                let other = match operand(other)? {
                    number if number.is_number() => number,
                    // AWS asks only the variable whether it is a number: what a path leads to
                    // counts as 0 if it is none.
                    _ => Json::Int(0),
                };
                compare_numbers(value, &other).is_some_and(|o| orderings.contains(&o))
            }
            Comparison::Timestamp(orderings, other) => {
                let nanos = |value: &Json| value.as_str().and_then(time::parse_nanos);
                match (nanos(value), nanos(&operand(other)?)) {
                    (Some(a), Some(b)) => orderings.contains(&a.cmp(&b)),
                    _ => false,
                }
            }
        })
    }
}

fn invalid(path: &PathExpression) -> EvaluationError {
    EvaluationError::runtime(format!(
        "Invalid path '{}': The choice state's condition path references an invalid value.",
        path.text
    ))
}

fn compare_numbers(a: &Json, b: &Json) -> Option<Ordering> {
    match (a, b) {
        (Json::Int(a), Json::Int(b)) => Some(a.cmp(b)),
        _ => a.as_f64()?.partial_cmp(&b.as_f64()?),
    }
}

/// Whether `text` fits `pattern`, where `*` stands for any characters and `\` takes the meaning
/// from the character after it. Linear in the text for each star, without backtracking further.
pub(crate) fn matches(pattern: &str, text: &str) -> bool {
    #[derive(PartialEq)]
    enum Piece {
        Star,
        Char(char),
    }
    let mut pieces = Vec::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        pieces.push(match c {
            '*' => Piece::Star,
            '\\' => Piece::Char(chars.next().unwrap_or('\\')),
            c => Piece::Char(c),
        });
    }
    let text: Vec<char> = text.chars().collect();
    let (mut piece, mut at, mut star) = (0, 0, None);
    while at < text.len() {
        match pieces.get(piece) {
            Some(Piece::Star) => {
                star = Some((piece, at));
                piece += 1;
            }
            Some(Piece::Char(c)) if *c == text[at] => {
                piece += 1;
                at += 1;
            }
            _ => match star {
                Some((star_piece, star_at)) => {
                    star = Some((star_piece, star_at + 1));
                    piece = star_piece + 1;
                    at = star_at + 1;
                }
                None => return false,
            },
        }
    }
    pieces[piece..].iter().all(|piece| *piece == Piece::Star)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, text: &str, expected: bool) {
        assert_eq!(matches(pattern, text), expected, "{pattern} against {text}");
    }

    #[test]
    fn stars_match_any_characters() {
        check("foo*.log", "foo23.log", true);
        check("*.log", "zebra.log", true);
        check("foo*.*", "foobar.zebra", true);
        check("*", "", true);
        check("a", "ab", false);
        check("a*b*c", "aXbYbZc", true);
        check("a*b*c", "aXbYbZ", false);
        check("a\\*", "a*", true);
        check("a\\*", "ab", false);
        check("", "", true);
    }
}
