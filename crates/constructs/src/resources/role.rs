use crate::iam::{Statement, document, document_of};
use crate::resources::{Resource, logical_id};
use crate::text::{Text, Token, arn, text};
use crate::value::Value;
use crate::{jsonata, object};
use stepwright_json::Json;

/// An IAM role.
#[derive(Clone, Debug, PartialEq)]
pub struct Role {
    pub(crate) arn: Value,
    pub(crate) name: Option<Text>,
    id: Option<String>,
    services: Vec<String>,
    managed: Vec<Text>,
    statements: Vec<Statement>,
    own_name: Option<String>,
}

impl Role {
    /// Refers to the role with this ARN.
    pub fn from_arn(arn: impl Into<Text>) -> Self {
        Self::of(Value::Text(arn.into()))
    }

    /// A role whose ARN is computed when the state runs: a path, or JSONata.
    pub fn at(arn: impl Into<Value>) -> Self {
        Self::of(arn.into())
    }

    /// A role whose ARN is the value of a JSONata expression.
    pub fn jsonata(expression: &str) -> Self {
        Self::of(jsonata(expression).into())
    }

    fn of(arn: Value) -> Self {
        Self {
            arn,
            name: None,
            id: None,
            services: Vec::new(),
            managed: Vec::new(),
            statements: Vec::new(),
            own_name: None,
        }
    }

    /// Defines a role that a service may assume: `Role::new("Runner", "sagemaker.amazonaws.com")`.
    pub fn new(id: &str, service: &str) -> Self {
        let logical = role_id(id);
        Self {
            arn: Text::from(Token::attribute(&logical, "Arn")).into(),
            name: Some(Token::reference(&logical).into()),
            id: Some(id.to_owned()),
            services: vec![service.to_owned()],
            managed: Vec::new(),
            statements: Vec::new(),
            own_name: None,
        }
    }

    /// Allows another service to assume it as well.
    #[must_use]
    pub fn also_assumed_by(mut self, service: &str) -> Self {
        self.services.push(service.to_owned());
        self
    }

    /// Its name, if it is known before the state runs.
    pub(crate) fn name_text(&self) -> Option<Text> {
        self.name.clone().or_else(|| {
            let arn = self.arn_text();
            let name = arn.as_literal()?.rsplit('/').next()?;
            (name != "*").then(|| name.into())
        })
    }

    /// Adds one of AWS's managed policies, by name: `AWSLambda_FullAccess`.
    #[must_use]
    pub fn managed_policy(mut self, name: &str) -> Self {
        self.managed.push(arn(text!("iam::aws:policy/", name)));
        self
    }

    /// Adds a managed policy by ARN.
    #[must_use]
    pub fn managed_policy_arn(mut self, arn: impl Into<Text>) -> Self {
        self.managed.push(arn.into());
        self
    }

    /// Adds a permission.
    #[must_use]
    pub fn allow(mut self, statement: Statement) -> Self {
        self.statements.push(statement);
        self
    }

    /// Its name in IAM. By default, CloudFormation chooses one.
    #[must_use]
    pub fn role_name(mut self, name: impl Into<String>) -> Self {
        self.own_name = Some(name.into());
        self
    }

    /// Its ARN, if it is known before the state runs.
    pub(crate) fn arn_text(&self) -> Text {
        match &self.arn {
            Value::Text(text) if crate::value::jsonata_expression(&text.readable()).is_none() => {
                text.clone()
            }
            _ => "*".into(),
        }
    }

    /// Its logical id, if it is defined here.
    pub(crate) fn logical_id(&self) -> Option<String> {
        self.id.as_ref().map(|id| role_id(id))
    }

    /// The construct path of the policy of a machine with this role. If several machines share the
    /// role, each has its own policy.
    pub(crate) fn policy_path(&self, machine: &str, shared: bool) -> Vec<String> {
        let id = self.id.as_deref().unwrap_or_default();
        let mut path: Vec<String> = id.split('/').map(str::to_owned).collect();
        if shared {
            path.push(machine.to_owned());
        }
        path.extend(["DefaultPolicy".to_owned(), "Resource".to_owned()]);
        path
    }

    pub(crate) fn resources(&self) -> Vec<Resource> {
        if self.id.is_none() {
            return Vec::new();
        }
        let logical = self.logical_id().unwrap_or_default();
        let mut properties =
            vec![("AssumeRolePolicyDocument".to_owned(), assume_by_all(&self.services))];
        if !self.managed.is_empty() {
            properties.push(("ManagedPolicyArns".into(), self.managed.clone().into()));
        }
        if let Some(name) = &self.own_name {
            properties.push(("RoleName".into(), name.into()));
        }
        if !self.statements.is_empty() {
            let policy = object! {
                "PolicyDocument": Raw(document(&self.statements)),
                "PolicyName": "default",
            };
            properties.push(("Policies".into(), Value::List(vec![policy])));
        }
        vec![Resource::new(&logical, "AWS::IAM::Role", Value::Object(properties))]
    }

    /// Its own permissions.
    pub(crate) fn statements(&self) -> &[Statement] {
        &self.statements
    }
}

fn role_id(id: &str) -> String {
    let mut path: Vec<&str> = id.split('/').collect();
    path.push("Resource");
    logical_id(&path)
}

impl From<&Role> for Role {
    fn from(role: &Role) -> Self {
        role.clone()
    }
}

/// A role's policy, as a separate resource.
pub(crate) fn policy_resource(path: &[&str], role: &str, statements: &[Statement]) -> Resource {
    let logical = logical_id(path);
    let properties = object! {
        "PolicyDocument": Raw(document(statements)),
        "PolicyName": logical.as_str(),
        "Roles": [Text::from(Token::reference(role))],
    };
    Resource::new(logical, "AWS::IAM::Policy", properties)
}

/// JSON of a template as a value, which may already contain intrinsic functions.
pub(crate) struct Raw(pub(crate) Json);

impl From<Raw> for Value {
    fn from(raw: Raw) -> Self {
        Value::Scalar(raw.0)
    }
}

/// The trust policy that allows a service to assume a role.
pub(crate) fn assume_by(service: &str) -> Value {
    assume_by_all(&[service.to_owned()])
}

/// The trust policy that allows several services to assume a role. Step Functions may do so on
/// behalf of this account only.
fn assume_by_all(services: &[String]) -> Value {
    let statements = services.iter().map(|service| {
        let mut statement = stepwright_json::Object::new();
        statement.insert("Action", "sts:AssumeRole".into());
        if service == "states.amazonaws.com" {
            let machines = crate::text::local_arn("states", "stateMachine:*");
            let conditions = object! {
                "ArnLike": {"aws:SourceArn": machines},
                "StringEquals": {"aws:SourceAccount": Token::account()},
            };
            statement.insert("Condition", conditions.to_cloudformation());
        }
        statement.insert("Effect", "Allow".into());
        let service = service.as_str();
        statement.insert("Principal", stepwright_json::json!({"Service": service}));
        Json::from(statement)
    });
    Raw(document_of(statements.collect())).into()
}
