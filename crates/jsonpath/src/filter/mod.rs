//! `[?(…)]`: the condition, how it is read, and when it holds.

mod compile;
mod operand;
mod operator;

pub(crate) use compile::compile;
pub(crate) use operand::Operand;
pub(crate) use operator::Operator;

use crate::error::Fault;
use crate::evaluate::Scope;
use stepwright_json::Json;

/// A condition.
#[derive(Clone, Debug)]
pub(crate) enum Expression {
    Or(Vec<Expression>),
    And(Vec<Expression>),
    Not(Box<Expression>),
    Relation {
        left: Operand,
        operator: Operator,
        right: Operand,
    },
    /// Whether the path of the operand leads anywhere is to be this.
    Exists {
        path: Operand,
        expected: bool,
    },
}

impl Expression {
    /// Whether `item` is accepted. What does not fit is a no.
    pub(crate) fn accepts(&self, item: &Json, scope: &Scope<'_>) -> Result<bool, Fault> {
        match self.holds(item, scope) {
            Err(Fault::Invalid(_)) => Ok(false),
            result => result,
        }
    }

    fn holds(&self, item: &Json, scope: &Scope<'_>) -> Result<bool, Fault> {
        match self {
            Self::Or(all) => {
                for one in all {
                    if one.holds(item, scope)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Self::And(all) => {
                for one in all {
                    if !one.holds(item, scope)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Self::Not(inner) => Ok(!inner.holds(item, scope)?),
            Self::Exists { path, expected } => Ok(path.exists(item, scope)? == *expected),
            Self::Relation { left, operator, right } => {
                if let Some(found) = left.simple(item, scope)
                    && let Some(answer) = operator.holds_simply(found, right)
                {
                    return Ok(answer);
                }
                let left = left.resolve(item, scope)?;
                let right = right.resolve(item, scope)?;
                let (left, right) = (left.value(), right.value());
                scope.meter().spend(operator.cost(&left, &right))?;
                operator.holds(&left, &right)
            }
        }
    }
}
