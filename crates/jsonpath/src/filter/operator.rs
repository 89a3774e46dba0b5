use super::operand::{Items, Operand, Value};
use crate::error::Fault;
use std::cmp::Ordering;
use stepwright_json::Json;

/// What relates two operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Equal,
    NotEqual,
    SameTypeAndEqual,
    NotSameTypeOrEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Matches,
    In,
    NotIn,
    Contains,
    Size,
    Empty,
    SubsetOf,
    AnyOf,
    NoneOf,
    Exists,
    /// `ALL`, `TYPE`, `MATCHES`: read, but nothing that can be written in a path satisfies them.
    Never,
}

impl Operator {
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Some(match name.to_ascii_uppercase().as_str() {
            "==" => Self::Equal,
            "!=" => Self::NotEqual,
            "===" => Self::SameTypeAndEqual,
            "!==" => Self::NotSameTypeOrEqual,
            "<" => Self::Less,
            "<=" => Self::LessOrEqual,
            ">" => Self::Greater,
            ">=" => Self::GreaterOrEqual,
            "=~" => Self::Matches,
            "IN" => Self::In,
            "NIN" => Self::NotIn,
            "CONTAINS" => Self::Contains,
            "SIZE" => Self::Size,
            "EMPTY" => Self::Empty,
            "SUBSETOF" => Self::SubsetOf,
            "ANYOF" => Self::AnyOf,
            "NONEOF" => Self::NoneOf,
            "EXISTS" => Self::Exists,
            "ALL" | "TYPE" | "MATCHES" => Self::Never,
            _ => return None,
        })
    }

    /// The answer for the common pairs, found without wrapping the operands up.
    #[inline]
    pub(crate) fn holds_simply(self, left: &Json, right: &Operand) -> Option<bool> {
        let ordering = match (left, right) {
            (Json::Int(a), Operand::Int(b)) => a.cmp(b),
            (Json::String(a), Operand::Text(b)) if self.is_equality() => {
                if a == b {
                    Ordering::Equal
                } else {
                    Ordering::Less
                }
            }
            (Json::Bool(a), Operand::Bool(b)) if self.is_equality() => a.cmp(b),
            (Json::Null, Operand::Null) if self.is_equality() => Ordering::Equal,
            _ => return None,
        };
        Some(match self {
            Self::Equal | Self::SameTypeAndEqual => ordering.is_eq(),
            Self::NotEqual | Self::NotSameTypeOrEqual => ordering.is_ne(),
            Self::Less => ordering.is_lt(),
            Self::LessOrEqual => ordering.is_le(),
            Self::Greater => ordering.is_gt(),
            Self::GreaterOrEqual => ordering.is_ge(),
            _ => return None,
        })
    }

    fn is_equality(self) -> bool {
        matches!(
            self,
            Self::Equal | Self::NotEqual | Self::SameTypeAndEqual | Self::NotSameTypeOrEqual
        )
    }

    /// How many visits the decision counts for: what is long takes long to look at.
    pub(crate) fn cost(self, left: &Value<'_>, right: &Value<'_>) -> u64 {
        match self {
            // Each item of one list is compared with each of the other.
            Self::SubsetOf | Self::AnyOf | Self::NoneOf => (left.length() + right.length())
                .saturating_add(left.count().saturating_mul(right.count())),
            _ => left.length() + right.length(),
        }
    }

    pub(crate) fn holds(self, left: &Value<'_>, right: &Value<'_>) -> Result<bool, Fault> {
        Ok(match self {
            Self::Equal => left.equals_exactly(right),
            Self::NotEqual => !left.equals_exactly(right),
            Self::SameTypeAndEqual => left.same_type(right) && left.equals_exactly(right),
            Self::NotSameTypeOrEqual => !(left.same_type(right) && left.equals_exactly(right)),
            Self::Less => left.compare(right).is_some_and(Ordering::is_lt),
            Self::LessOrEqual => left.compare(right).is_some_and(Ordering::is_le),
            Self::Greater => left.compare(right).is_some_and(Ordering::is_gt),
            Self::GreaterOrEqual => left.compare(right).is_some_and(Ordering::is_ge),
            Self::Matches => matches(left, right)?,
            Self::In => is_in(left, right)?,
            Self::NotIn => !is_in(left, right)?,
            Self::Contains => contains(left, right)?,
            Self::Size => match right {
                Value::Number(size) => {
                    left.size().is_some_and(|found| found == i64::from(size.as_i32()))
                }
                _ => false,
            },
            Self::Empty => match left.is_empty() {
                Some(empty) => empty == boolean(right)?,
                None => false,
            },
            Self::SubsetOf => match (right.list()?, left.list()?) {
                (Some(right), Some(left)) => {
                    every(left, |item| some(right, |other| Ok(item.equals(other))))?
                }
                _ => false,
            },
            Self::AnyOf => match (right.list()?, left.list()?) {
                (Some(right), Some(left)) => {
                    some(left, |item| some(right, |other| Ok(item.equals(other))))?
                }
                _ => false,
            },
            Self::NoneOf => match (right.list()?, left.list()?) {
                (Some(right), Some(left)) => {
                    !some(left, |item| some(right, |other| Ok(item.equals(other))))?
                }
                _ => false,
            },
            Self::Exists => boolean(left)? == boolean(right)?,
            Self::Never => return Err(Fault::Invalid("Expected value list node".to_owned())),
        })
    }
}

fn boolean(value: &Value<'_>) -> Result<bool, Fault> {
    match value {
        Value::Bool(value) => Ok(*value),
        _ => Err(Fault::Invalid("Expected boolean node".to_owned())),
    }
}

fn matches(left: &Value<'_>, right: &Value<'_>) -> Result<bool, Fault> {
    let (pattern, input) = match (left, right) {
        (Value::Pattern(_), Value::Pattern(_)) => return Ok(false),
        (Value::Pattern(pattern), input) | (input, Value::Pattern(pattern)) => (pattern, input),
        _ => return Ok(false),
    };
    match input.items() {
        Some(items) => some(items, |item| Ok(pattern.matches(&item.input()))),
        None => Ok(pattern.matches(&input.input())),
    }
}

fn is_in(left: &Value<'_>, right: &Value<'_>) -> Result<bool, Fault> {
    match right.list()? {
        Some(items) => some(items, |item| Ok(left.equals(item))),
        None => Ok(false),
    }
}

fn contains(left: &Value<'_>, right: &Value<'_>) -> Result<bool, Fault> {
    if let (Value::Text(left), Value::Text(right)) = (left, right) {
        return Ok(left.contains(&**right));
    }
    match left.items() {
        Some(items) => some(items, |item| Ok(right.equals(item))),
        None => Ok(false),
    }
}

fn some(
    items: Items<'_>,
    mut test: impl FnMut(&Value<'_>) -> Result<bool, Fault>,
) -> Result<bool, Fault> {
    items.check()?;
    for item in items.iter() {
        if test(&item?)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn every(
    items: Items<'_>,
    mut test: impl FnMut(&Value<'_>) -> Result<bool, Fault>,
) -> Result<bool, Fault> {
    Ok(!some(items, |item| Ok(!test(item)?))?)
}
