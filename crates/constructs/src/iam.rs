//! IAM: statements, roles, policies.

use crate::text::Text;
use crate::value::Value;
use stepwright_json::{Json, Object};

/// One statement of an IAM policy: it allows actions on resources.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    pub(crate) actions: Vec<String>,
    pub(crate) resources: Vec<Text>,
    pub(crate) conditions: Option<Value>,
    sid: Option<&'static str>,
}

impl Statement {
    /// Allows `actions` on `resources`.
    pub fn allow<A: Into<String>, R: Into<Text>>(
        actions: impl IntoIterator<Item = A>,
        resources: impl IntoIterator<Item = R>,
    ) -> Self {
        Self {
            actions: actions.into_iter().map(Into::into).collect(),
            resources: resources.into_iter().map(Into::into).collect(),
            conditions: None,
            sid: None,
        }
    }

    /// Adds conditions: `object! {"StringLike": {"kms:ViaService": "…"}}`.
    #[must_use]
    pub fn when(mut self, conditions: Value) -> Self {
        self.conditions = Some(conditions);
        self
    }

    /// Sets its id within the policy.
    pub(crate) fn sid(mut self, sid: &'static str) -> Self {
        self.sid = Some(sid);
        self
    }

    /// The statement in readable JSON, with `${Name}` for what CloudFormation fills in.
    pub fn to_json(&self) -> Json {
        self.write(
            |text| text.readable().into(),
            |conditions| conditions.to_json(crate::QueryLanguage::Jsonata),
        )
    }

    /// The statement as JSON for a template.
    pub fn to_cloudformation(&self) -> Json {
        self.write(Text::to_cloudformation, Value::to_cloudformation)
    }

    fn write(&self, text: impl Fn(&Text) -> Json, conditions: impl Fn(&Value) -> Json) -> Json {
        let mut statement = Object::new();
        let actions = self.actions.iter().map(|action| action.as_str().into()).collect();
        statement.insert("Action", one_or_list(actions));
        if let Some(value) = &self.conditions {
            statement.insert("Condition", conditions(value));
        }
        statement.insert("Effect", "Allow".into());
        statement.insert("Resource", one_or_list(self.resources.iter().map(text).collect()));
        if let Some(sid) = self.sid {
            statement.insert("Sid", sid.into());
        }
        statement.into()
    }
}

/// A policy document with these statements, without repetitions.
pub(crate) fn document(statements: &[Statement]) -> Json {
    let statements = distinct(statements).iter().map(Statement::to_cloudformation).collect();
    document_of(statements)
}

pub(crate) fn document_of(statements: Vec<Json>) -> Json {
    let mut document = Object::new();
    document.insert("Statement", statements.into());
    document.insert("Version", "2012-10-17".into());
    document.into()
}

/// The statements without repetitions.
pub(crate) fn distinct(statements: &[Statement]) -> Vec<Statement> {
    let mut kept: Vec<Statement> = Vec::new();
    for statement in statements {
        if !kept.contains(statement) {
            kept.push(statement.clone());
        }
    }
    kept
}

fn one_or_list(mut items: Vec<Json>) -> Json {
    if items.len() == 1 { items.remove(0) } else { items.into() }
}
