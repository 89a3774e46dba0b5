use crate::object;
use crate::resources::{Handle, Key, RemovalPolicy, Resource, logical_id};
use crate::text::{Text, Token, local_arn, text};
use crate::value::Value;

/// A CloudWatch log group.
#[derive(Clone, Debug, PartialEq)]
pub struct LogGroup {
    handle: Handle,
    defined: Option<Defined>,
    /// Settings that a log group that exists already cannot be given.
    useless: Vec<&'static str>,
}

#[derive(Clone, Debug, PartialEq)]
struct Defined {
    logical_id: String,
    name: Option<Text>,
    retention: Option<u32>,
    key: Option<Key>,
    removal: RemovalPolicy,
    tags: Vec<(String, Text)>,
}

/// The numbers of days that CloudWatch accepts.
const DAYS: [u32; 22] = [
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922,
    3288, 3653,
];

impl LogGroup {
    /// Defines a log group. As in the CDK, entries are kept for two years, and the log group is
    /// kept when the stack is deleted.
    pub fn new(id: &str) -> Self {
        let mut path: Vec<&str> = id.split('/').filter(|part| !part.is_empty()).collect();
        path.push("Resource");
        let logical = logical_id(&path);
        let handle = Handle::known(
            Token::attribute(&logical, "Arn").into(),
            Token::reference(&logical).into(),
        );
        let defined = Defined {
            logical_id: logical,
            name: None,
            retention: Some(731),
            key: None,
            removal: RemovalPolicy::Retain,
            tags: Vec::new(),
        };
        Self { defined: Some(defined), ..Self::known(handle) }
    }

    fn known(handle: Handle) -> Self {
        Self { handle, defined: None, useless: Vec::new() }
    }

    /// Refers to the log group with this ARN.
    #[doc(alias = "fromLogGroupArn")]
    pub fn from_arn(arn: impl Into<Text>) -> Self {
        let arn = arn.into();
        let arn = match arn.as_literal() {
            Some(literal) if !literal.ends_with(":*") => text!(literal, ":*"),
            _ => arn,
        };
        let name = match arn.as_literal() {
            Some(literal) => literal.split(':').nth(6).unwrap_or(literal).into(),
            None => Token::part(&arn, ":", 6).into(),
        };
        Self::known(Handle::known(arn, name))
    }

    /// Refers to the log group with this name, in the account and region of the stack.
    #[doc(alias = "fromLogGroupName")]
    pub fn from_name(name: impl Into<Text>) -> Self {
        let name = name.into();
        Self::known(Handle::known(local_arn("logs", text!("log-group:", &name, ":*")), name))
    }

    /// A parameter of the template: the ARN of a log group, which ends with `:*`.
    pub fn parameter(name: &str) -> Self {
        Self::from_arn(Token::parameter(name))
    }

    /// Its name in AWS. By default, CloudFormation chooses one.
    #[must_use]
    pub fn log_group_name(self, name: impl Into<Text>) -> Self {
        let name = name.into();
        self.change("log_group_name", |defined| defined.name = Some(name))
    }

    /// How many days entries are kept. AWS allows certain numbers only.
    #[doc(alias = "retention")]
    #[must_use]
    pub fn retention_days(self, days: u32) -> Self {
        self.change("retention_days", |defined| defined.retention = Some(days))
    }

    /// Keeps entries forever.
    #[doc(alias = "INFINITE")]
    #[must_use]
    pub fn retention_forever(self) -> Self {
        self.change("retention_forever", |defined| defined.retention = None)
    }

    /// The key with which it is encrypted.
    #[must_use]
    pub fn encryption_key(self, key: impl Into<Key>) -> Self {
        let key = key.into();
        self.change("encryption_key", |defined| defined.key = Some(key))
    }

    /// What becomes of it when the stack is deleted.
    #[doc(alias = "applyRemovalPolicy")]
    #[must_use]
    pub fn removal_policy(self, policy: RemovalPolicy) -> Self {
        self.change("removal_policy", |defined| defined.removal = policy)
    }

    /// Adds a tag.
    #[must_use]
    pub fn tag(self, key: impl Into<String>, value: impl Into<Text>) -> Self {
        let tag = (key.into(), value.into());
        self.change("tag", |defined| defined.tags.push(tag))
    }

    fn change(mut self, name: &'static str, change: impl FnOnce(&mut Defined)) -> Self {
        match &mut self.defined {
            Some(defined) => change(defined),
            None => self.useless.push(name),
        }
        self
    }

    /// Its ARN. Wherever it is used, the template has the log group.
    pub fn arn(&self) -> Text {
        self.handle.arn.clone().carrying(&self.resources())
    }

    /// Its name.
    pub fn name(&self) -> Text {
        self.handle.name.clone().carrying(&self.resources())
    }

    pub(crate) fn resources(&self) -> Vec<Resource> {
        let subject = self.handle.name.readable();
        let Some(defined) = &self.defined else {
            let given: Vec<_> = self.useless.iter().map(|name| (*name, true)).collect();
            let what = "a log group that exists already";
            return Resource::useless(&subject, what, "LogGroup::new", &given)
                .into_iter()
                .collect();
        };
        let mut resources = Vec::new();
        let mut properties = Vec::new();
        if let Some(key) = &defined.key {
            properties.push(("KmsKeyId".to_owned(), Value::from(key.arn())));
        }
        if let Some(name) = &defined.name {
            properties.push(("LogGroupName".to_owned(), Value::from(name)));
        }
        if let Some(days) = defined.retention {
            if !DAYS.contains(&days) {
                let message = format!(
                    "CloudWatch keeps entries for certain numbers of days only, and {days} is none \
                     of them: {}",
                    DAYS.map(|days| days.to_string()).join(", "),
                );
                resources.push(Resource::misused(crate::Misuse { subject, message }));
            }
            properties.push(("RetentionInDays".to_owned(), days.into()));
        }
        let group =
            Resource::new(&defined.logical_id, "AWS::Logs::LogGroup", Value::Object(properties));
        resources.push(group.removal_policy(defined.removal).tagged(&defined.tags));
        resources
    }
}

impl From<&LogGroup> for LogGroup {
    fn from(group: &LogGroup) -> Self {
        group.clone()
    }
}

/// How much is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// Nothing.
    Off,
    /// Every event.
    All,
    /// Errors, including those that are caught.
    Error,
    /// Only errors that end an execution.
    Fatal,
}

/// Where a state machine logs, and how much.
#[derive(Clone, Debug, PartialEq)]
pub struct LogOptions {
    pub(crate) group: Option<LogGroup>,
    level: LogLevel,
    include_execution_data: Option<bool>,
}

impl LogOptions {
    /// Logs errors.
    pub fn new(group: impl Into<LogGroup>) -> Self {
        Self { group: Some(group.into()), level: LogLevel::Error, include_execution_data: None }
    }

    /// Logs nothing, and says so.
    pub fn off() -> Self {
        Self { group: None, level: LogLevel::Off, include_execution_data: None }
    }

    /// How much is logged.
    #[must_use]
    pub fn level(mut self, level: LogLevel) -> Self {
        self.level = level;
        self
    }

    /// Whether inputs and outputs are logged.
    #[must_use]
    pub fn include_execution_data(mut self, include: bool) -> Self {
        self.include_execution_data = Some(include);
        self
    }

    /// What is wrong with it.
    pub(crate) fn problem(&self) -> Option<&'static str> {
        (self.group.is_none() && self.level != LogLevel::Off)
            .then_some("a level other than `LogLevel::Off` requires a log group: `LogOptions::new`")
    }

    pub(crate) fn to_value(&self) -> Value {
        let level = match self.level {
            LogLevel::Off => "OFF",
            LogLevel::All => "ALL",
            LogLevel::Error => "ERROR",
            LogLevel::Fatal => "FATAL",
        };
        let mut value = Vec::new();
        if let Some(group) = &self.group {
            let group = object! {"CloudWatchLogsLogGroup": {"LogGroupArn": group.arn()}};
            value.push(("Destinations".to_owned(), Value::List(vec![group])));
        }
        if let Some(include) = self.include_execution_data {
            value.push(("IncludeExecutionData".to_owned(), include.into()));
        }
        value.push(("Level".to_owned(), level.into()));
        Value::Object(value)
    }
}
