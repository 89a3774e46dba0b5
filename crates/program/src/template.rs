use crate::expression::Expression;
use crate::scope::{EvaluationError, Scope};
use stepwright_json::{Json, Object, Str};

/// A payload: JSON whose leaves may be expressions.
#[derive(Clone, Debug)]
pub enum Template {
    /// A value without expressions.
    Literal(Json),
    /// An expression.
    Expression(Expression),
    /// An object with expressions somewhere inside. Members in the order they are put out.
    Object(Vec<(Str, Template)>),
    /// An array with expressions somewhere inside.
    Array(Vec<Template>),
}

impl Template {
    /// Computes the payload.
    pub fn evaluate(&self, scope: &dyn Scope) -> Result<Json, EvaluationError> {
        match self {
            Self::Literal(value) => Ok(value.clone()),
            Self::Expression(expression) => expression.evaluate(scope),
            Self::Object(members) => {
                let mut object = Object::new();
                for (key, member) in members {
                    object.insert(key.clone(), member.evaluate(scope)?);
                }
                Ok(Json::Object(object))
            }
            Self::Array(items) => items
                .iter()
                .map(|item| item.evaluate(scope))
                .collect::<Result<Vec<_>, _>>()
                .map(Json::from),
        }
    }
}
