use crate::StateMachine;
use crate::misuse::Misuse;
use crate::resources::{Handle, RemovalPolicy, Resource, ResourceBody};
use crate::text::{Text, Token, arn, local_arn, text};
use crate::{Value, object};

/// Defines types of handles: how their ARNs are made, and which attribute of a defined resource is
/// the ARN (`""` for `Ref`).
macro_rules! handles {
    ($($(#[$doc:meta])* $name:ident: $kind:literal, $attribute:literal, $separators:expr, |$by_name:ident| $arn:expr;)*) => {$(
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
                Self(Handle::known(arn, $by_name))
            }

            #[doc = concat!("A parameter of the template: the ARN of a ", $kind, ".")]
            pub fn parameter(name: &str) -> Self {
                Self(Handle::of_parameter(name, $kind, &$separators))
            }

            #[doc = concat!("The ", $kind, " that a resource defines, which is written as in a template. The stack then has it.")]
            pub fn from_resource(resource: Resource) -> Self {
                let attribute = Some($attribute).filter(|attribute: &&str| !attribute.is_empty());
                Self(Handle::of_resource(resource, attribute))
            }

            /// Its ARN.
            pub fn arn(&self) -> Text {
                self.0.arn()
            }

            /// Its name.
            pub fn name(&self) -> Text {
                self.0.name()
            }

            /// What becomes of it when the stack is deleted.
            #[doc(alias = "applyRemovalPolicy")]
            #[must_use]
            pub fn removal_policy(mut self, policy: RemovalPolicy) -> Self {
                self.0 = self.0.removed_by(policy, concat!("a ", $kind, " that is not defined here"));
                self
            }

            #[allow(dead_code, reason = "of some, only the tokens are used")]
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
    Topic: "topic", "", [':'], |name| local_arn("sns", name.clone());
    /// An SQS queue. Its `name` is its URL if the queue is defined here.
    Queue: "queue", "Arn", [':'], |name| local_arn("sqs", name.clone());
    /// A DynamoDB table.
    Table: "table", "Arn", ['/'], |name| local_arn("dynamodb", text!("table/", &name));
    /// An S3 bucket.
    Bucket: "bucket", "Arn", [':'], |name| arn(text!("s3:::", &name));
    /// An ECS or EKS cluster.
    Cluster: "cluster", "Arn", ['/'], |name| local_arn("ecs", text!("cluster/", &name));
    /// An ECS task definition.
    TaskDefinition: "task definition", "", ['/'], |name| local_arn("ecs", text!("task-definition/", &name));
    /// A CodeBuild project.
    BuildProject: "CodeBuild project", "Arn", ['/'], |name| local_arn("codebuild", text!("project/", &name));
    /// An EventBridge event bus.
    EventBus: "event bus", "Arn", ['/'], |name| local_arn("events", text!("event-bus/", &name));
    /// A KMS key.
    Key: "key", "Arn", ['/'], |name| local_arn("kms", text!("key/", &name));
    /// An ECR repository of images.
    Repository: "repository", "Arn", ['/'], |name| local_arn("ecr", text!("repository/", &name));
    /// A state machine that exists already, or that a task starts. `&StateMachine` converts into it.
    Machine: "state machine", "", [':', ':'], |name| local_arn("states", text!("stateMachine:", &name));
}

impl Topic {
    /// Defines a topic.
    pub fn new(id: &str) -> Self {
        Self(Handle::defined(id, None, "AWS::SNS::Topic", object! {}))
    }

    /// Defines a FIFO topic, which keeps the order of its messages.
    pub fn fifo(id: &str) -> Self {
        let name = format!("{}.fifo", id.replace('/', ""));
        Self(Handle::defined(
            id,
            None,
            "AWS::SNS::Topic",
            object! {"FifoTopic": true, "TopicName": name},
        ))
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
        Self(
            Handle::defined(id, Some("Arn"), "AWS::SQS::Queue", properties)
                .removed_by(RemovalPolicy::Destroy, ""),
        )
    }

    /// The URL of the queue.
    pub fn url(&self) -> Text {
        if self.0.is_defined() {
            return self.name();
        }
        let arn = self.arn();
        let (region, account) = match arn.as_literal() {
            Some(arn) if arn.split(':').count() >= 6 => {
                let parts: Vec<&str> = arn.split(':').collect();
                (parts[3].into(), parts[4].into())
            }
            _ => (text!(Token::region()), text!(Token::account())),
        };
        text!("https://sqs.", region, ".", Token::url_suffix(), "/", account, "/", self.name())
    }
}

impl Bucket {
    /// Defines a bucket. It is kept when the stack is deleted.
    pub fn new(id: &str) -> Self {
        Self(
            Handle::defined(id, Some("Arn"), "AWS::S3::Bucket", object! {})
                .removed_by(RemovalPolicy::Retain, ""),
        )
    }

    /// The ARN of its objects whose keys fit a pattern: `reports/*`.
    #[doc(alias = "arnForObjects")]
    pub fn objects(&self, pattern: impl Into<Text>) -> Text {
        text!(self.arn(), "/", pattern.into())
    }
}

impl Table {
    /// Defines a table with a partition key of type text, billed by request. It is kept when the
    /// stack is deleted.
    pub fn new(id: &str, partition_key: &str) -> Self {
        let properties = object! {
            "AttributeDefinitions": [{"AttributeName": partition_key, "AttributeType": "S"}],
            "BillingMode": "PAY_PER_REQUEST",
            "KeySchema": [{"AttributeName": partition_key, "KeyType": "HASH"}],
        };
        Self(
            Handle::defined(id, Some("Arn"), "AWS::DynamoDB::Table", properties)
                .removed_by(RemovalPolicy::Retain, ""),
        )
    }
}

impl Cluster {
    /// Defines an ECS cluster.
    pub fn new(id: &str) -> Self {
        Self(Handle::defined(id, Some("Arn"), "AWS::ECS::Cluster", object! {}))
    }
}

impl Key {
    /// Defines a key that the account administers. It is kept when the stack is deleted.
    pub fn new(id: &str) -> Self {
        let account = crate::iam::Principal::account_root().to_value();
        let statement = object! {
            "Action": "kms:*", "Effect": "Allow", "Principal": account, "Resource": "*",
        };
        let properties = object! {
            "KeyPolicy": crate::iam::document_of(vec![statement]),
        };
        Self(
            Handle::defined(id, Some("Arn"), "AWS::KMS::Key", properties)
                .removed_by(RemovalPolicy::Retain, ""),
        )
    }
}

impl Key {
    /// Permissions to encrypt with it.
    pub(crate) fn encrypting(&self) -> crate::Statement {
        let actions = ["kms:Encrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*"];
        crate::Statement::allow(actions, [self.arn()])
    }
}

/// The ARN of a key, or its id.
impl From<&str> for Key {
    fn from(key: &str) -> Self {
        if key.starts_with("arn:") { Self::from_arn(key) } else { Self::from_name(key) }
    }
}

impl From<Key> for Value {
    fn from(key: Key) -> Self {
        key.arn().into()
    }
}

impl Repository {
    /// Defines a repository. It is kept when the stack is deleted.
    pub fn new(id: &str) -> Self {
        Self(
            Handle::defined(id, Some("Arn"), "AWS::ECR::Repository", object! {})
                .removed_by(RemovalPolicy::Retain, ""),
        )
    }

    /// The URI of an image in it, by its tag.
    pub(crate) fn uri(&self, tag: &str) -> Text {
        let arn = self.arn();
        let (account, region) = match arn.as_literal() {
            Some(arn) if arn.split(':').count() >= 6 => {
                let parts: Vec<&str> = arn.split(':').collect();
                (parts[4].into(), parts[3].into())
            }
            _ => (text!(Token::account()), text!(Token::region())),
        };
        let host = text!(account, ".dkr.ecr.", region, ".", Token::url_suffix(), "/");
        text!(host, self.name(), ":", tag)
    }
}

impl BuildProject {
    /// Refers to a project that another part of the stack defines, by its logical id.
    pub fn of_template(logical_id: &str) -> Self {
        let arn = Token::attribute(logical_id, "Arn").into();
        let name = Token::reference(logical_id).into();
        Self(Handle::known(arn, name))
    }
}

impl EventBus {
    /// Defines an event bus.
    pub fn new(id: &str, name: &str) -> Self {
        Self(Handle::defined(id, Some("Arn"), "AWS::Events::EventBus", object! {"Name": name}))
    }
}

impl From<&StateMachine> for Machine {
    fn from(machine: &StateMachine) -> Self {
        Self(Handle {
            arn: machine.arn(),
            name: Token::part(&machine.arn(), ":", 6).into(),
            resources: vec![Resource::machine(machine.clone())],
        })
    }
}

impl From<StateMachine> for Machine {
    fn from(machine: StateMachine) -> Self {
        (&machine).into()
    }
}

impl Handle {
    /// What becomes of the resource that it defines when the stack is deleted. If it defines none,
    /// that is reported when the template is made.
    fn removed_by(mut self, policy: RemovalPolicy, of_what: &str) -> Self {
        let mut is_defined = false;
        for resource in &mut self.resources {
            if let ResourceBody::Plain(plain) = resource.0.as_mut() {
                plain.removal = Some(policy);
                is_defined = true;
            }
        }
        if !is_defined {
            self.resources.push(Resource::misused(Misuse {
                subject: self.name.readable(),
                message: format!("`removal_policy` has no effect on {of_what}"),
            }));
        }
        self
    }
}
