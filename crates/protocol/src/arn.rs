use crate::ApiError;

/// An ARN of Step Functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arn<'a> {
    /// The whole text.
    pub text: &'a str,
    /// `aws`
    pub partition: &'a str,
    /// `us-east-1`
    pub region: &'a str,
    /// `123456789012`
    pub account: &'a str,
    /// `stateMachine`, `execution`, `express`, `activity`, `mapRun`.
    pub kind: &'a str,
    /// Everything after the kind.
    pub rest: &'a str,
}

/// What follows the name in a state machine's ARN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Qualifier<'a> {
    /// Nothing.
    None,
    /// The number of a version.
    Version(u64),
    /// The name of an alias.
    Alias(&'a str),
}

impl<'a> Arn<'a> {
    /// Parses an ARN. The error is AWS's for an ARN that is not one of Step Functions.
    pub fn parse(text: &'a str) -> Result<Self, ApiError> {
        let prefix = || invalid(format!("Invalid ARN prefix: {text}"));
        let mut parts = text.splitn(7, ':');
        if parts.next() != Some("arn") {
            return Err(prefix());
        }
        let mut part = || parts.next().ok_or_else(prefix);
        let (partition, service) = (part()?, part()?);
        if partition.is_empty() || service != "states" {
            return Err(prefix());
        }
        let (region, account, kind, rest) = (part()?, part()?, part()?, part()?);
        if region.is_empty() || account.is_empty() || kind.is_empty() || rest.is_empty() {
            return Err(prefix());
        }
        Ok(Self { text, partition, region, account, kind, rest })
    }

    /// Parses an ARN, which must be of one of these kinds.
    pub fn parse_kind(text: &'a str, kinds: &[&str]) -> Result<Self, ApiError> {
        let arn = Self::parse(text)?;
        if !kinds.contains(&arn.kind) {
            return Err(invalid(format!("Resource type not valid in this context: {}", arn.kind)));
        }
        Ok(arn)
    }

    /// Splits the ARN of a state machine into the machine's own ARN and the qualifier.
    pub fn machine(&self) -> (String, Qualifier<'a>) {
        let (name, qualifier) = match self.rest.split_once(':') {
            None => (self.rest, Qualifier::None),
            Some((name, qualifier)) => match qualifier.parse() {
                Ok(number) => (name, Qualifier::Version(number)),
                Err(_) => (name, Qualifier::Alias(qualifier)),
            },
        };
        let Self { partition, region, account, .. } = self;
        (format!("arn:{partition}:states:{region}:{account}:stateMachine:{name}"), qualifier)
    }
}

fn invalid(what: impl std::fmt::Display) -> ApiError {
    ApiError::new("InvalidArn", format!("Invalid Arn: '{what}'"))
}
