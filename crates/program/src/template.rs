use crate::expression::Expression;
use crate::scope::{EvaluationError, Scope};
use stepwright_json::{DEEPEST, Json, Object, Str};

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
    /// Computes a payload, which is held to the size of one.
    pub fn evaluate(&self, scope: &dyn Scope) -> Result<Json, EvaluationError> {
        self.evaluate_within(scope, scope.limits().payload_bytes)
    }

    /// Computes a payload of `most` bytes at most. What would be written is added up as it is
    /// computed; what stands in several places counts each time.
    pub fn evaluate_within(&self, scope: &dyn Scope, most: usize) -> Result<Json, EvaluationError> {
        Room { scope, bytes: most }.fill(self, DEEPEST)
    }
}

/// How much there is still room for.
struct Room<'s> {
    scope: &'s dyn Scope,
    bytes: usize,
}

impl Room<'_> {
    /// What a template comes to, when it may be nested `levels` deep.
    fn fill(&mut self, template: &Template, levels: usize) -> Result<Json, EvaluationError> {
        let inner = || levels.checked_sub(1).ok_or_else(EvaluationError::too_deep);
        match template {
            Template::Literal(value) => self.hold(value.clone(), levels),
            Template::Expression(expression) => {
                let value = expression.evaluate(self.scope)?;
                self.hold(value, levels)
            }
            Template::Object(members) => {
                let inner = inner()?;
                self.take(members.len().max(1) + 1)?;
                let mut object = Object::new();
                for (key, member) in members {
                    self.take(key.len() + 3)?;
                    object.insert(key.clone(), self.fill(member, inner)?);
                }
                Ok(Json::Object(object))
            }
            Template::Array(items) => {
                let inner = inner()?;
                self.take(items.len().max(1) + 1)?;
                let mut values = Vec::with_capacity(items.len());
                for item in items {
                    values.push(self.fill(item, inner)?);
                }
                Ok(Json::from(values))
            }
        }
    }

    fn hold(&mut self, value: Json, levels: usize) -> Result<Json, EvaluationError> {
        match value.measure() {
            Some(measure) if measure.depth <= levels => self.take(measure.bytes)?,
            _ => return Err(EvaluationError::too_deep()),
        }
        Ok(value)
    }

    fn take(&mut self, bytes: usize) -> Result<(), EvaluationError> {
        self.bytes = self.bytes.checked_sub(bytes).ok_or_else(EvaluationError::too_large)?;
        Ok(())
    }
}
