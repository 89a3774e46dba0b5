use crate::iam::{Principal, Statement, document, document_of};
use crate::object;
use crate::param::PathOrText;
use crate::resources::{PolicyPart, RemovalPolicy, Resource, ResourceBody, logical_id};
use crate::text::{Text, Token, arn, text};
use crate::value::Value;

/// An IAM role.
#[derive(Clone, Debug, PartialEq)]
pub struct Role {
    source: Source,
    principals: Vec<Principal>,
    managed: Vec<Text>,
    statements: Vec<Statement>,
    inline: Vec<(String, Vec<Statement>)>,
    own_name: Option<Text>,
    description: Option<String>,
    removal: Option<RemovalPolicy>,
    mutable: bool,
    tags: Vec<(String, Text)>,
    for_this_account: bool,
}

#[derive(Clone, Debug, PartialEq)]
enum Source {
    /// Defined here, with this id.
    Defined(String),
    /// Exists already.
    Known { arn: Text, name: Text },
    /// Computed when the state runs.
    Computed(Value),
}

impl Role {
    /// Refers to the role with this ARN. Permissions that a task or a state machine gives to the
    /// role are attached to it as a policy, unless [`Role::without_policy_updates`] says otherwise.
    #[doc(alias = "fromRoleArn")]
    pub fn from_arn(arn: impl Into<Text>) -> Self {
        let arn = arn.into();
        let name = match arn.as_literal() {
            Some(literal) => literal.rsplit('/').next().unwrap_or(literal).into(),
            None => text!(Token::part(&text!(Token::part(&arn, ":", 5)), "/", 1)),
        };
        Self::of(Source::Known { arn, name })
    }

    /// Refers to the role with this name, in the account of the stack.
    #[doc(alias = "fromRoleName")]
    pub fn from_name(name: impl Into<Text>) -> Self {
        let name = name.into();
        let arn = arn(text!("iam::", Token::account(), ":role/", &name));
        Self::of(Source::Known { arn, name })
    }

    /// A parameter of the template: the ARN of a role.
    pub fn parameter(name: &str) -> Self {
        Self::from_arn(Token::parameter(name))
    }

    /// A role whose ARN is computed when the state runs: a path, or JSONata.
    #[doc(alias = "fromRoleArnJsonPath")]
    pub fn at(arn: impl Into<PathOrText>) -> Self {
        let value = arn.into().0;
        match value.known() {
            Some(text) => Self::from_arn(text),
            None => Self::of(Source::Computed(value)),
        }
    }

    /// A role whose ARN is the value of a JSONata expression.
    pub fn jsonata(expression: &str) -> Self {
        Self::of(Source::Computed(crate::jsonata(expression).into()))
    }

    /// Defines a role that a service may assume: `Role::new("Runner", "sagemaker.amazonaws.com")`.
    pub fn new(id: &str, assumed_by: impl Into<Principal>) -> Self {
        let mut role = Self::of(Source::Defined(id.to_owned()));
        role.principals.push(assumed_by.into());
        role
    }

    fn of(source: Source) -> Self {
        Self {
            source,
            principals: Vec::new(),
            managed: Vec::new(),
            statements: Vec::new(),
            inline: Vec::new(),
            own_name: None,
            description: None,
            removal: None,
            mutable: true,
            tags: Vec::new(),
            for_this_account: false,
        }
    }

    /// Allows another service, account or role to assume it as well.
    #[must_use]
    pub fn also_assumed_by(mut self, principal: impl Into<Principal>) -> Self {
        self.principals.push(principal.into());
        self
    }

    /// Adds a managed policy by its name, or by its ARN if it is not known before it is deployed.
    pub(crate) fn with_policy(self, policy: &Text) -> Self {
        match policy.as_literal() {
            Some(name) => self.managed_policy(name),
            None => self.managed_policy_arn(policy.clone()),
        }
    }

    /// Adds one of AWS's managed policies by name, `AWSLambda_FullAccess`, or any by its ARN.
    #[must_use]
    pub fn managed_policy(mut self, name: &str) -> Self {
        let policy = if name.starts_with("arn:") {
            name.into()
        } else {
            arn(text!("iam::aws:policy/", name))
        };
        self.managed.push(policy);
        self
    }

    /// Adds a managed policy by ARN.
    #[must_use]
    pub fn managed_policy_arn(mut self, arn: impl Into<Text>) -> Self {
        self.managed.push(arn.into());
        self
    }

    /// Adds a permission.
    #[doc(alias = "addToPolicy")]
    #[doc(alias = "addToPrincipalPolicy")]
    #[must_use]
    pub fn allow(mut self, statement: Statement) -> Self {
        self.statements.push(statement);
        self
    }

    /// Adds a policy with a name, which is written into the role itself.
    #[doc(alias = "inlinePolicies")]
    #[must_use]
    pub fn inline_policy(
        mut self,
        name: impl Into<String>,
        statements: impl IntoIterator<Item = Statement>,
    ) -> Self {
        self.inline.push((name.into(), statements.into_iter().collect()));
        self
    }

    /// Adds a tag.
    #[must_use]
    pub fn tag(mut self, key: impl Into<String>, value: impl Into<Text>) -> Self {
        self.tags.push((key.into(), value.into()));
        self
    }

    /// Lets services assume it on behalf of the machines of this account only.
    pub(crate) fn for_this_account(mut self) -> Self {
        self.for_this_account = true;
        self
    }

    /// Its name in IAM. By default, CloudFormation chooses one.
    #[must_use]
    pub fn role_name(mut self, name: impl Into<Text>) -> Self {
        self.own_name = Some(name.into());
        self
    }

    /// What it is for.
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// What becomes of it when the stack is deleted.
    #[doc(alias = "applyRemovalPolicy")]
    #[must_use]
    pub fn removal_policy(mut self, policy: RemovalPolicy) -> Self {
        self.removal = Some(policy);
        self
    }

    /// Leaves the role as it is: no policy is attached to it. Whoever maintains the role gives it
    /// the permissions that [`StateMachine::policy`](crate::StateMachine::policy) lists.
    #[doc(alias = "mutable")]
    #[must_use]
    pub fn without_policy_updates(mut self) -> Self {
        self.mutable = false;
        self
    }

    /// Its ARN, or `*` if it is computed when the state runs.
    pub fn arn(&self) -> Text {
        match &self.source {
            Source::Defined(id) => {
                Text::from(Token::attribute(&role_id(id), "Arn")).carrying(&self.resources())
            }
            Source::Known { arn, .. } => arn.clone(),
            Source::Computed(_) => "*".into(),
        }
    }

    /// Its name, if it is known before the state runs.
    pub fn name(&self) -> Option<Text> {
        match &self.source {
            Source::Defined(id) => {
                Some(Text::from(Token::reference(&role_id(id))).carrying(&self.resources()))
            }
            Source::Known { name, .. } => Some(name.clone()),
            Source::Computed(_) => None,
        }
    }

    /// Its ARN as a state has it.
    pub(crate) fn value(&self) -> Value {
        match &self.source {
            Source::Computed(value) => value.clone(),
            _ => self.arn().into(),
        }
    }

    /// Its logical id, if it is defined here.
    pub(crate) fn logical_id(&self) -> Option<String> {
        match &self.source {
            Source::Defined(id) => Some(role_id(id)),
            _ => None,
        }
    }

    /// Its name as policies have it, if policies may be attached to it.
    pub(crate) fn attachment(&self) -> Option<Text> {
        match &self.source {
            Source::Defined(id) if self.mutable => Some(Text::from(Token::reference(&role_id(id)))),
            Source::Known { name, .. } if self.mutable => Some(name.clone()),
            _ => None,
        }
    }

    /// Permissions for the role that are attached to it as a policy. `owner` is the machine that
    /// needs them, or `None` if they are the role's own.
    pub(crate) fn attached(
        &self,
        owner: Option<&str>,
        statements: Vec<Statement>,
    ) -> Option<Resource> {
        let role = self.attachment()?;
        if statements.is_empty() {
            return None;
        }
        let path = match (&self.source, owner) {
            (Source::Defined(id), _) => id.clone(),
            (_, Some(owner)) => format!("{owner}/Role"),
            (_, None) => format!("Role{}", role.readable()),
        };
        Some(Resource(Box::new(ResourceBody::Policy(PolicyPart {
            role,
            path,
            owner: owner.map(str::to_owned),
            statements,
        }))))
    }

    pub(crate) fn resources(&self) -> Vec<Resource> {
        let Source::Defined(id) = &self.source else {
            let mut resources: Vec<Resource> = match &self.source {
                Source::Known { arn, .. } => arn.defined().cloned().collect(),
                _ => Vec::new(),
            };
            resources.extend(self.attached(None, self.statements.clone()));
            resources.extend(self.useless());
            return resources;
        };
        let mut properties = vec![("AssumeRolePolicyDocument".to_owned(), self.trust())];
        if let Some(description) = &self.description {
            properties.push(("Description".into(), description.into()));
        }
        if !self.managed.is_empty() {
            properties.push(("ManagedPolicyArns".into(), self.managed.clone().into()));
        }
        if let Some(name) = &self.own_name {
            properties.push(("RoleName".into(), name.into()));
        }
        let inline = self.inline.iter().filter(|(_, statements)| !statements.is_empty());
        let inline: Vec<Value> = inline
            .map(|(name, statements)| {
                object! {"PolicyDocument": document(statements), "PolicyName": name}
            })
            .collect();
        if !inline.is_empty() {
            properties.push(("Policies".into(), Value::List(inline)));
        }
        let role = Resource::new(role_id(id), "AWS::IAM::Role", Value::Object(properties));
        let mut resources = vec![role.removed_by(self.removal).tagged(&self.tags)];
        resources.extend(self.attached(None, self.statements.clone()));
        resources
    }

    /// A report of settings that a role which exists already cannot be given.
    fn useless(&self) -> Option<Resource> {
        let given = [
            ("also_assumed_by", !self.principals.is_empty()),
            ("managed_policy", !self.managed.is_empty()),
            ("inline_policy", !self.inline.is_empty()),
            ("role_name", self.own_name.is_some()),
            ("description", self.description.is_some()),
            ("removal_policy", self.removal.is_some()),
            ("tag", !self.tags.is_empty()),
            ("allow", !self.statements.is_empty() && self.name().is_none()),
        ];
        let subject = self.name().map_or_else(|| "Role::at".to_owned(), |name| name.readable());
        Resource::useless(&subject, "a role that exists already", "Role::new", &given)
    }

    /// The trust policy, which says who may assume it.
    fn trust(&self) -> Value {
        let statements = self.principals.iter().map(|principal| {
            let mut statement = vec![("Action".to_owned(), Value::from("sts:AssumeRole"))];
            if self.for_this_account {
                let machines = crate::text::local_arn("states", "stateMachine:*");
                let conditions = object! {
                    "ArnLike": {"aws:SourceArn": machines},
                    "StringEquals": {"aws:SourceAccount": Token::account()},
                };
                statement.push(("Condition".to_owned(), conditions));
            }
            statement.push(("Effect".to_owned(), "Allow".into()));
            statement.push(("Principal".to_owned(), principal.to_value()));
            Value::Object(statement)
        });
        document_of(statements.collect())
    }

    /// Its own permissions.
    pub(crate) fn statements(&self) -> Vec<Statement> {
        let inline = self.inline.iter().flat_map(|(_, statements)| statements);
        inline.chain(&self.statements).cloned().collect()
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
