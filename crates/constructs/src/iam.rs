//! IAM: statements, roles, policies.

use crate::text::{Text, Token, arn, text};
use crate::value::Value;
use stepwright_json::Json;

/// One statement of an IAM policy: it allows actions on resources.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    pub(crate) actions: Vec<String>,
    pub(crate) resources: Vec<Text>,
    pub(crate) conditions: Option<Value>,
    sid: Option<String>,
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
    #[must_use]
    pub fn sid(mut self, sid: impl Into<String>) -> Self {
        self.sid = Some(sid.into());
        self
    }

    /// The statement in readable JSON, with `${Name}` for what CloudFormation fills in.
    pub fn to_json(&self) -> Json {
        self.to_value().to_json(crate::QueryLanguage::Jsonata)
    }

    /// The statement as JSON for a template.
    pub fn to_cloudformation(&self) -> Json {
        self.to_value().to_cloudformation()
    }

    pub(crate) fn to_value(&self) -> Value {
        let mut statement: Vec<(String, Value)> = Vec::new();
        let mut put = |key: &str, value: Value| statement.push((key.to_owned(), value));
        put("Action", one_or_list(self.actions.iter().map(Value::from).collect()));
        if let Some(conditions) = &self.conditions {
            put("Condition", conditions.clone());
        }
        put("Effect", "Allow".into());
        put("Resource", one_or_list(self.resources.iter().map(Value::from).collect()));
        if let Some(sid) = &self.sid {
            put("Sid", sid.into());
        }
        Value::Object(statement)
    }
}

/// Who may assume a role. Text converts into it: the name of a service, or an ARN.
///
/// ```
/// use stepwright_constructs::prelude::*;
///
/// let by_service = Role::new("Runner", "sagemaker.amazonaws.com");
/// let by_account = Role::new("Deployer", Principal::account_root());
/// # let _ = (by_service, by_account);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub enum Principal {
    /// A service of AWS: `states.amazonaws.com`.
    Service(String),
    /// An account, user or role, by its ARN.
    Arn(Text),
}

impl Principal {
    /// The account of the stack: everybody in it who has the permission to assume roles.
    #[doc(alias = "AccountRootPrincipal")]
    pub fn account_root() -> Self {
        Self::account(Token::account())
    }

    /// Another account, by its number.
    #[doc(alias = "AccountPrincipal")]
    pub fn account(id: impl Into<Text>) -> Self {
        Self::Arn(arn(text!("iam::", id, ":root")))
    }

    /// A service: `states.amazonaws.com`.
    #[doc(alias = "ServicePrincipal")]
    pub fn service(name: impl Into<String>) -> Self {
        Self::Service(name.into())
    }

    /// An account, user or role, by its ARN.
    #[doc(alias = "ArnPrincipal")]
    pub fn arn(arn: impl Into<Text>) -> Self {
        Self::Arn(arn.into())
    }

    pub(crate) fn to_value(&self) -> Value {
        match self {
            Self::Service(name) => crate::object! {"Service": name},
            Self::Arn(arn) => crate::object! {"AWS": arn},
        }
    }
}

impl From<&str> for Principal {
    fn from(name: &str) -> Self {
        if name.starts_with("arn:") { Self::Arn(name.into()) } else { Self::service(name) }
    }
}

impl From<Text> for Principal {
    fn from(arn: Text) -> Self {
        Self::Arn(arn)
    }
}

/// A policy document with these statements, without repetitions.
pub(crate) fn document(statements: &[Statement]) -> Value {
    document_of(distinct(statements).iter().map(Statement::to_value).collect())
}

pub(crate) fn document_of(statements: Vec<Value>) -> Value {
    crate::object! {"Statement": Value::List(statements), "Version": "2012-10-17"}
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

fn one_or_list(mut items: Vec<Value>) -> Value {
    if items.len() == 1 { items.remove(0) } else { Value::List(items) }
}
