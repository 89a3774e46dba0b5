use crate::object;
use crate::resources::{Handle, Resource, logical_id};
use crate::text::{Text, Token, text};
use crate::value::Value;

/// A CloudWatch log group.
#[derive(Clone, Debug, PartialEq)]
pub struct LogGroup {
    handle: Handle,
    defined: Option<(String, Option<Text>, Option<u32>)>,
}

impl LogGroup {
    /// Defines a log group. It is kept when the stack is deleted.
    pub fn new(id: &str) -> Self {
        let mut path: Vec<&str> = id.split('/').filter(|part| !part.is_empty()).collect();
        path.push("Resource");
        let logical = logical_id(&path);
        let handle = Handle {
            arn: Token::attribute(&logical, "Arn").into(),
            name: Token::reference(&logical).into(),
            resources: Vec::new(),
        };
        Self { handle, defined: Some((logical, None, None)) }
    }

    /// Refers to the log group with this ARN.
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
        Self { handle: Handle { arn, name, resources: Vec::new() }, defined: None }
    }

    /// Its name in AWS. By default, CloudFormation chooses one.
    #[must_use]
    pub fn log_group_name(mut self, name: impl Into<Text>) -> Self {
        if let Some((_, own_name, _)) = &mut self.defined {
            *own_name = Some(name.into());
        }
        self
    }

    /// How many days entries are kept. AWS allows certain numbers only. By default they are kept
    /// forever.
    #[must_use]
    pub fn retention_days(mut self, days: u32) -> Self {
        if let Some((_, _, retention)) = &mut self.defined {
            *retention = Some(days);
        }
        self
    }

    /// Its name.
    pub fn name(&self) -> Text {
        self.handle.name.clone()
    }

    pub(crate) fn resources(&self) -> Vec<Resource> {
        let Some((logical, name, retention)) = &self.defined else { return Vec::new() };
        let mut properties = Vec::new();
        if let Some(name) = name {
            properties.push(("LogGroupName".to_owned(), Value::from(name)));
        }
        if let Some(days) = retention {
            properties.push(("RetentionInDays".to_owned(), (*days).into()));
        }
        vec![Resource::new(logical, "AWS::Logs::LogGroup", Value::Object(properties)).retained()]
    }
}

/// How much is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
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
    pub(crate) group: LogGroup,
    level: LogLevel,
    include_execution_data: Option<bool>,
}

impl LogOptions {
    /// Logs errors.
    pub fn new(group: LogGroup) -> Self {
        Self { group, level: LogLevel::Error, include_execution_data: None }
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

    pub(crate) fn to_value(&self) -> Value {
        let level = match self.level {
            LogLevel::All => "ALL",
            LogLevel::Error => "ERROR",
            LogLevel::Fatal => "FATAL",
        };
        let group = object! {"CloudWatchLogsLogGroup": {"LogGroupArn": &self.handle_arn()}};
        let mut value = vec![("Destinations".to_owned(), Value::List(vec![group]))];
        if let Some(include) = self.include_execution_data {
            value.push(("IncludeExecutionData".to_owned(), include.into()));
        }
        value.push(("Level".to_owned(), level.into()));
        Value::Object(value)
    }

    fn handle_arn(&self) -> Text {
        self.group.handle.arn.clone()
    }
}
