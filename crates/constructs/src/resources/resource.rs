use crate::StateMachine;
use crate::iam::Statement;
use crate::misuse::Misuse;
use crate::resources::logical_id;
use crate::text::{Text, Token, text};
use crate::value::Value;

/// A resource or parameter of a template.
#[derive(Clone, Debug, PartialEq)]
pub struct Resource(pub(crate) Box<ResourceBody>);

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ResourceBody {
    /// A CloudFormation resource.
    Plain(Plain),
    /// A parameter that must be given at deployment.
    Parameter { name: String, description: String },
    /// A state machine with its role.
    Machine(Box<StateMachine>),
    /// Permissions of a role. Those of the same role become one policy.
    Policy(PolicyPart),
    /// A setting that has no effect, which is reported when the template is made.
    Misused(Misuse),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Plain {
    pub(crate) logical_id: String,
    pub(crate) kind: String,
    pub(crate) properties: Value,
    pub(crate) depends_on: Vec<String>,
    pub(crate) removal: Option<RemovalPolicy>,
    pub(crate) tags: Vec<(String, Text)>,
    /// The role whose policy must be attached before, and whether it has others' as well.
    pub(crate) after_policies_of: Option<Text>,
}

/// The types of resources that have tags, in the form that most have.
const WITH_TAGS: [&str; 14] = [
    "AWS::CloudWatch::Alarm",
    "AWS::DynamoDB::Table",
    "AWS::ECS::Cluster",
    "AWS::Events::EventBus",
    "AWS::Events::Rule",
    "AWS::IAM::Role",
    "AWS::KMS::Key",
    "AWS::Lambda::Function",
    "AWS::Logs::LogGroup",
    "AWS::S3::Bucket",
    "AWS::SNS::Topic",
    "AWS::SQS::Queue",
    "AWS::StepFunctions::Activity",
    "AWS::StepFunctions::StateMachine",
];

impl Plain {
    /// Its tags, together with those of the whole stack, as the template has them.
    pub(crate) fn tags(&self, of_stack: &[(String, Text)]) -> Option<Value> {
        let mut tags: Vec<(&String, &Text)> =
            self.tags.iter().map(|(key, value)| (key, value)).collect();
        if WITH_TAGS.contains(&self.kind.as_str()) {
            for (key, value) in of_stack {
                if !tags.iter().any(|(known, _)| *known == key) {
                    tags.push((key, value));
                }
            }
        }
        let tags: Vec<Value> = tags
            .into_iter()
            .map(|(key, value)| crate::object! {"Key": key, "Value": value})
            .collect();
        (!tags.is_empty()).then_some(Value::List(tags))
    }
}

/// Permissions of a role.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PolicyPart {
    /// The name of the role.
    pub(crate) role: Text,
    /// The path of constructs of the role.
    pub(crate) path: String,
    /// The id of the state machine that needs them.
    pub(crate) owner: Option<String>,
    pub(crate) statements: Vec<Statement>,
}

/// What becomes of a resource when it is removed from the stack, or the stack is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RemovalPolicy {
    /// It is deleted.
    Destroy,
    /// It is kept.
    Retain,
    /// It is kept, unless it was created by the deployment that failed.
    RetainOnUpdateOrDelete,
    /// It is deleted after a snapshot was taken, for resources that have snapshots.
    Snapshot,
}

impl RemovalPolicy {
    /// `DeletionPolicy` and `UpdateReplacePolicy`.
    pub(crate) fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Destroy => ("Delete", "Delete"),
            Self::Retain => ("Retain", "Retain"),
            Self::RetainOnUpdateOrDelete => ("RetainExceptOnCreate", "Retain"),
            Self::Snapshot => ("Snapshot", "Snapshot"),
        }
    }
}

impl Resource {
    /// A CloudFormation resource, written as in a template.
    #[doc(alias = "CfnResource")]
    pub fn new(logical_id: impl Into<String>, kind: impl Into<String>, properties: Value) -> Self {
        Self(Box::new(ResourceBody::Plain(Plain {
            logical_id: logical_id.into(),
            kind: kind.into(),
            properties,
            depends_on: Vec::new(),
            removal: None,
            tags: Vec::new(),
            after_policies_of: None,
        })))
    }

    /// What becomes of it when the stack is deleted.
    #[doc(alias = "applyRemovalPolicy")]
    #[must_use]
    pub fn removal_policy(self, policy: RemovalPolicy) -> Self {
        self.removed_by(Some(policy))
    }

    /// Creates it after another resource of the stack.
    #[doc(alias = "addDependency")]
    #[must_use]
    pub fn depends_on(self, logical_id: &str) -> Self {
        self.after(logical_id)
    }

    /// The value of `Ref`, with which other resources refer to it. The template then has it.
    pub fn reference(&self) -> Text {
        self.token(Token::reference)
    }

    /// An attribute. The template of whatever uses it has the resource as well.
    pub fn attribute(&self, name: &str) -> Text {
        self.token(|id| Token::attribute(id, name))
    }

    fn token(&self, of: impl FnOnce(&str) -> Token) -> Text {
        Text::from(of(self.id())).carrying(std::slice::from_ref(self))
    }

    pub(crate) fn id(&self) -> &str {
        match self.0.as_ref() {
            ResourceBody::Plain(plain) => &plain.logical_id,
            ResourceBody::Parameter { name, .. } => name,
            ResourceBody::Machine(machine) => machine.id(),
            ResourceBody::Policy(part) => &part.path,
            ResourceBody::Misused(misuse) => &misuse.subject,
        }
    }

    fn change(mut self, change: impl FnOnce(&mut Plain)) -> Self {
        if let ResourceBody::Plain(plain) = self.0.as_mut() {
            change(plain);
        }
        self
    }

    pub(crate) fn removed_by(self, policy: Option<RemovalPolicy>) -> Self {
        self.change(|plain| plain.removal = policy.or(plain.removal))
    }

    pub(crate) fn after(self, other: &str) -> Self {
        self.change(|plain| plain.depends_on.push(other.to_owned()))
    }

    pub(crate) fn tagged(self, tags: &[(String, Text)]) -> Self {
        self.change(|plain| plain.tags.extend(tags.iter().cloned()))
    }

    /// Creates it after the policies of a role.
    pub(crate) fn after_policies_of(self, role: Text) -> Self {
        self.change(|plain| plain.after_policies_of = Some(role))
    }

    pub(crate) fn parameter(name: &str, description: String) -> Self {
        Self(Box::new(ResourceBody::Parameter { name: name.to_owned(), description }))
    }

    pub(crate) fn machine(machine: StateMachine) -> Self {
        Self(Box::new(ResourceBody::Machine(Box::new(machine))))
    }

    pub(crate) fn misused(misuse: Misuse) -> Self {
        Self(Box::new(ResourceBody::Misused(misuse)))
    }

    /// A report of settings that have no effect on `what`, but on one made with `instead`.
    pub(crate) fn useless(
        subject: &str,
        what: &str,
        instead: &str,
        given: &[(&str, bool)],
    ) -> Option<Self> {
        let names: Vec<String> =
            given.iter().filter(|(_, given)| *given).map(|(name, _)| format!("`{name}`")).collect();
        (!names.is_empty()).then(|| {
            let message =
                format!("{} has no effect on {what}: define it with `{instead}`", names.join(", "));
            Self::misused(Misuse { subject: subject.to_owned(), message })
        })
    }
}

/// A resource from the point of view of a task.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Handle {
    pub(crate) arn: Text,
    pub(crate) name: Text,
    pub(crate) resources: Vec<Resource>,
}

impl Handle {
    pub(crate) fn known(arn: Text, name: Text) -> Self {
        Self { arn, name, resources: Vec::new() }
    }

    /// A handle from an ARN. The name is what follows the last separator, `/` or `:`. If only
    /// CloudFormation knows the ARN, the number of `:` in `separators` tells which part is the
    /// name: two if the resource part contains a `:`, otherwise one.
    pub(crate) fn of_arn(arn: Text, separators: &[char]) -> Self {
        let name = match arn.as_literal() {
            Some(arn) => arn.rsplit(separators).next().unwrap_or(arn).into(),
            None if separators == ['/'] => {
                text!(Token::part(&text!(Token::part(&arn, ":", 5)), "/", 1))
            }
            None => text!(Token::part(&arn, ":", separators.len() + 4)),
        };
        Self::known(arn, name)
    }

    /// A handle of a resource that is defined here. Its ARN is an attribute, or the value of `Ref`.
    pub(crate) fn defined(id: &str, arn: Option<&str>, kind: &str, properties: Value) -> Self {
        let mut path: Vec<&str> = id.split('/').collect();
        path.push("Resource");
        Self::of_resource(Resource::new(logical_id(&path), kind, properties), arn)
    }

    pub(crate) fn of_resource(resource: Resource, arn: Option<&str>) -> Self {
        let name: Text = Token::reference(resource.id()).into();
        let arn =
            arn.map_or_else(|| name.clone(), |part| Token::attribute(resource.id(), part).into());
        Self { arn, name, resources: vec![resource] }
    }

    pub(crate) fn of_parameter(name: &str, kind: &str, separators: &[char]) -> Self {
        let logical: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
        let resource = Resource::parameter(&logical, format!("The ARN of the {kind}"));
        let arn = Text::from(Token::reference(&logical)).carrying(std::slice::from_ref(&resource));
        Self { resources: vec![resource], ..Self::of_arn(arn, separators) }
    }

    /// Its ARN. Wherever it is used, the template has what the handle defines.
    pub(crate) fn arn(&self) -> Text {
        self.arn.clone().carrying(&self.resources)
    }

    /// Its name, likewise.
    pub(crate) fn name(&self) -> Text {
        self.name.clone().carrying(&self.resources)
    }

    pub(crate) fn is_defined(&self) -> bool {
        self.resources.iter().any(|resource| matches!(*resource.0, ResourceBody::Plain(_)))
    }
}
