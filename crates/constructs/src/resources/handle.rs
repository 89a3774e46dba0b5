use crate::resources::logical_id;
use crate::text::{Text, Token, arn, local_arn, text};
use crate::value::Value;
use crate::{StateMachine, object};

/// A resource or parameter of a template.
#[derive(Clone, Debug, PartialEq)]
pub struct Resource(pub(crate) Box<ResourceBody>);

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ResourceBody {
    /// A CloudFormation resource.
    Plain {
        logical_id: String,
        kind: &'static str,
        properties: Value,
        depends_on: Vec<String>,
        /// Whether it is kept when the stack is deleted, because it holds data.
        retain: bool,
    },
    /// A parameter that must be given at deployment.
    Parameter { name: String, description: String },
    /// A state machine with its role.
    Machine(Box<StateMachine>),
}

impl Resource {
    /// A CloudFormation resource, written as in a template.
    pub fn new(logical_id: impl Into<String>, kind: &'static str, properties: Value) -> Self {
        Self(Box::new(ResourceBody::Plain {
            logical_id: logical_id.into(),
            kind,
            properties,
            depends_on: Vec::new(),
            retain: false,
        }))
    }

    pub(crate) fn retained(mut self) -> Self {
        if let ResourceBody::Plain { retain, .. } = self.0.as_mut() {
            *retain = true;
        }
        self
    }

    pub(crate) fn after(mut self, other: &str) -> Self {
        if let ResourceBody::Plain { depends_on, .. } = self.0.as_mut() {
            depends_on.push(other.to_owned());
        }
        self
    }

    pub(crate) fn parameter(name: &str, description: String) -> Self {
        Self(Box::new(ResourceBody::Parameter { name: name.to_owned(), description }))
    }

    pub(crate) fn machine(machine: StateMachine) -> Self {
        Self(Box::new(ResourceBody::Machine(Box::new(machine))))
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
        Self { arn, name, resources: Vec::new() }
    }

    /// A handle of a resource that is defined here. Its ARN is an attribute, or the value of `Ref`.
    fn defined(id: &str, arn: Option<&str>, make: impl FnOnce(String) -> Resource) -> Self {
        let logical = logical_id(&[id, "Resource"]);
        let reference: Text = Token::reference(&logical).into();
        let arn =
            arn.map_or_else(|| reference.clone(), |name| Token::attribute(&logical, name).into());
        Self { arn, name: reference, resources: vec![make(logical)] }
    }

    pub(crate) fn of_parameter(name: &str, kind: &str, separators: &[char]) -> Self {
        let logical = logical_id(&[name]);
        let logical: String = logical.chars().filter(char::is_ascii_alphanumeric).collect();
        let resource = Resource::parameter(&logical, format!("The ARN of the {kind}"));
        Self {
            resources: vec![resource],
            ..Self::of_arn(Token::reference(&logical).into(), separators)
        }
    }
}

/// Defines types of handles: how their ARNs are made, and which resource they define.
macro_rules! handles {
    ($($(#[$doc:meta])* $name:ident: $kind:literal, $separators:expr, |$by_name:ident| $arn:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name(pub(crate) Handle);

        impl $name {
            #[doc = concat!("The ", $kind, " with this ARN.")]
            pub fn from_arn(arn: impl Into<Text>) -> Self {
                Self(Handle::of_arn(arn.into(), &$separators))
            }

            #[doc = concat!("The ", $kind, " with this name, in the account and region of the stack.")]
            pub fn from_name(name: impl Into<Text>) -> Self {
                let $by_name: Text = name.into();
                let arn = $arn;
                Self(Handle { arn, name: $by_name, resources: Vec::new() })
            }

            #[doc = concat!("A parameter of the template: the ARN of a ", $kind, ".")]
            pub fn parameter(name: &str) -> Self {
                Self(Handle::of_parameter(name, $kind, &$separators))
            }

            /// Its ARN.
            pub fn arn(&self) -> Text {
                self.0.arn.clone()
            }

            /// Its name.
            pub fn name(&self) -> Text {
                self.0.name.clone()
            }

            pub(crate) fn resources(&self) -> Vec<Resource> {
                self.0.resources.clone()
            }
        }

        impl From<&$name> for $name {
            fn from(handle: &$name) -> Self {
                handle.clone()
            }
        }
    )*};
}

handles! {
    /// An SNS topic.
    Topic: "topic", [':'], |name| local_arn("sns", name.clone());
    /// An SQS queue. Its `name` is its URL if the queue is defined here.
    Queue: "queue", [':'], |name| local_arn("sqs", name.clone());
    /// A DynamoDB table.
    Table: "table", ['/'], |name| local_arn("dynamodb", text!("table/", &name));
    /// An S3 bucket.
    Bucket: "bucket", [':'], |name| arn(text!("s3:::", &name));
    /// An ECS or EKS cluster.
    Cluster: "cluster", ['/'], |name| local_arn("ecs", text!("cluster/", &name));
    /// An ECS task definition.
    TaskDefinition: "task definition", ['/'], |name| local_arn("ecs", text!("task-definition/", &name));
    /// A CodeBuild project.
    BuildProject: "CodeBuild project", ['/'], |name| local_arn("codebuild", text!("project/", &name));
    /// An EventBridge event bus.
    EventBus: "event bus", ['/'], |name| local_arn("events", text!("event-bus/", &name));
    /// A KMS key.
    Key: "key", ['/'], |name| local_arn("kms", text!("key/", &name));
    /// A state machine that a task starts. `&StateMachine` converts into it.
    Machine: "state machine", [':', ':'], |name| local_arn("states", text!("stateMachine:", &name));
}

impl Topic {
    /// Defines a topic.
    pub fn new(id: &str) -> Self {
        Self(Handle::defined(id, None, |logical| {
            Resource::new(logical, "AWS::SNS::Topic", object! {})
        }))
    }
}

impl Queue {
    /// Defines a queue.
    pub fn new(id: &str) -> Self {
        Self::with(id, object! {})
    }

    /// Defines a FIFO queue, which keeps the order of its messages.
    pub fn fifo(id: &str) -> Self {
        Self::with(id, object! {"FifoQueue": true})
    }

    fn with(id: &str, properties: Value) -> Self {
        Self(Handle::defined(id, Some("Arn"), |logical| {
            Resource::new(logical, "AWS::SQS::Queue", properties).retained()
        }))
    }

    /// The URL of the queue.
    pub fn url(&self) -> Text {
        let is_defined = self.0.name.as_literal().is_none() && !self.0.resources.is_empty();
        let is_parameter = self.0.arn.as_literal().is_none()
            && self.0.resources.iter().any(|r| matches!(*r.0, ResourceBody::Parameter { .. }));
        if is_defined && !is_parameter {
            return self.0.name.clone();
        }
        let (region, account) = match self.0.arn.as_literal() {
            Some(arn) if arn.split(':').count() >= 6 => {
                let parts: Vec<&str> = arn.split(':').collect();
                (parts[3].into(), parts[4].into())
            }
            _ => (text!(Token::region()), text!(Token::account())),
        };
        text!("https://sqs.", region, ".", Token::url_suffix(), "/", account, "/", &self.0.name)
    }
}

impl Bucket {
    /// Defines a bucket. It is kept when the stack is deleted.
    pub fn new(id: &str) -> Self {
        Self(Handle::defined(id, Some("Arn"), |logical| {
            Resource::new(logical, "AWS::S3::Bucket", object! {}).retained()
        }))
    }
}

impl Table {
    /// Defines a table with a partition key of type text, billed by request. It is kept when the
    /// stack is deleted.
    pub fn new(id: &str, partition_key: &str) -> Self {
        Self(Handle::defined(id, Some("Arn"), |logical| {
            let properties = object! {
                "AttributeDefinitions": [{"AttributeName": partition_key, "AttributeType": "S"}],
                "BillingMode": "PAY_PER_REQUEST",
                "KeySchema": [{"AttributeName": partition_key, "KeyType": "HASH"}],
            };
            Resource::new(logical, "AWS::DynamoDB::Table", properties).retained()
        }))
    }
}

impl BuildProject {
    /// Refers to a project that another part of the template defines, by its logical id.
    pub fn of_template(logical_id: &str) -> Self {
        let arn = Token::attribute(logical_id, "Arn").into();
        let name = Token::reference(logical_id).into();
        Self(Handle { arn, name, resources: Vec::new() })
    }
}

impl EventBus {
    /// Defines an event bus.
    pub fn new(id: &str, name: &str) -> Self {
        Self(Handle::defined(id, Some("Arn"), |logical| {
            Resource::new(logical, "AWS::Events::EventBus", object! {"Name": name})
        }))
    }
}

impl From<&StateMachine> for Machine {
    fn from(machine: &StateMachine) -> Self {
        let logical = machine.logical_id();
        Self(Handle {
            arn: Token::reference(&logical).into(),
            name: Token::part(&Token::reference(&logical).into(), ":", 6).into(),
            resources: vec![Resource::machine(machine.clone())],
        })
    }
}

impl From<StateMachine> for Machine {
    fn from(machine: StateMachine) -> Self {
        (&machine).into()
    }
}
