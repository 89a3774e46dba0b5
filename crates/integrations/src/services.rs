//! AWS's services: where each of them is called, as `[services]` of `stepwright.toml` says.

mod aws_sdk;
mod bedrock;
mod credentials;
mod ecs;
mod emr;
mod failure;
mod jobs;
mod objects;
mod optimised;
mod wire;

pub use objects::ServiceObjects;

pub(crate) use aws_sdk::run as run_aws_sdk;
pub(crate) use optimised::{Row, known as knows_integration, run as run_optimised};

use credentials::Keys;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::atomic::AtomicI64;
use std::time::Duration;
use stepwright_aws::table::{self, Operation, Service};
use stepwright_engine::Denied;
use stepwright_json::Json;

/// `[services.NAME]` of `stepwright.toml`: where a service is called. The name is the one that AWS
/// SDK integrations have for it; `default` stands for all services without a section of their own.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct ServiceConfig {
    /// The URL of an emulator, or of anything else that answers as the service does.
    pub endpoint: Option<String>,
    /// Whether the service is called on AWS.
    #[serde(default)]
    pub aws: bool,
    /// The region, if it is not the one of the state machine.
    pub region: Option<String>,
    /// The profile of AWS's configuration files that has the credentials.
    pub profile: Option<String>,
    /// How long one attempt of a call may take; 60 seconds if left out.
    pub timeout_seconds: Option<u64>,
}

/// Where AWS's services are called. By default, none of them is.
#[derive(Default)]
pub struct AwsServices {
    places: BTreeMap<String, Place>,
    client: wire::Client,
    keys: Keys,
    /// How far the services' clocks are ahead of ours, in milliseconds, as far as that matters.
    ahead: AtomicI64,
}

impl std::fmt::Debug for AwsServices {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AwsServices").field("places", &self.places).finish_non_exhaustive()
    }
}

/// Where a service is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// A URL without a slash at its end; `None` is AWS.
    endpoint: Option<String>,
    region: Option<String>,
    profile: Option<String>,
    limit: Duration,
}

/// The section for services without one of their own.
const DEFAULT: &str = "default";

/// How long one attempt of a call may take, unless the configuration says otherwise.
const LIMIT: Duration = Duration::from_mins(1);

/// `[services]` cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServicesError(String);

impl std::fmt::Display for ServicesError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ServicesError {}

impl AwsServices {
    /// Checks the sections of `[services]`.
    pub fn new(configured: &BTreeMap<String, ServiceConfig>) -> Result<Self, ServicesError> {
        let mut places = BTreeMap::new();
        for (name, config) in configured {
            let wrong = |problem: String| ServicesError(format!("`[services.{name}]`: {problem}"));
            if name == "sfn" {
                let problem = "Step Functions itself is served here and cannot be elsewhere";
                return Err(wrong(problem.to_owned()));
            }
            if name != DEFAULT {
                table::service(name).map_err(|unknown| wrong(unknown.to_string()))?;
            }
            places.insert(name.clone(), Place::read(config).map_err(wrong)?);
        }
        Ok(Self { places, ..Self::default() })
    }

    /// Whether a service is called.
    pub fn calls(&self, service: &str) -> bool {
        self.place(service).is_some()
    }

    /// Where the service is called, if it has a section of its own.
    pub(crate) fn own_place(&self, service: &str) -> Option<&Place> {
        self.places.get(service)
    }

    /// Where the service is called that AWS SDK integrations know by this name.
    pub(crate) fn place(&self, service: &str) -> Option<&Place> {
        self.places.get(service).or_else(|| self.places.get(DEFAULT))
    }
}

impl Place {
    fn read(config: &ServiceConfig) -> Result<Self, String> {
        let endpoint = match (&config.endpoint, config.aws) {
            (Some(_), true) => return Err("has `endpoint` and `aws = true`: give one".to_owned()),
            (None, false) => {
                return Err(
                    "says not where: give `endpoint = \"http://…\"`, or `aws = true`".into()
                );
            }
            (None, true) => None,
            (Some(url), false) => Some(read_url(url)?),
        };
        let is_region = |region: &str| {
            !region.is_empty() && region.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
        };
        if let Some(region) = config.region.as_deref().filter(|region| !is_region(region)) {
            return Err(format!("`{region}` is not the name of a region"));
        }
        if config.timeout_seconds == Some(0) {
            return Err("`timeout_seconds` is at least 1".to_owned());
        }
        Ok(Self {
            endpoint,
            region: config.region.clone(),
            profile: config.profile.clone(),
            limit: config.timeout_seconds.map_or(LIMIT, Duration::from_secs),
        })
    }
}

fn read_url(text: &str) -> Result<String, String> {
    let wrong = |problem: &str| format!("the endpoint `{text}` {problem}");
    let url = reqwest::Url::parse(text).map_err(|error| wrong(&format!("is no URL: {error}")))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(wrong("is no URL that begins with http:// or https://"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("has a user in it; credentials come from the environment or a profile"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("has a query or a fragment"));
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

/// Checks that a task's execution may call an operation.
fn authorize(
    task: &crate::Task,
    service: &Service,
    operation: &Operation,
    value: &Json,
) -> Result<(), Denied> {
    let resource = resource_arn(task, service, value);
    let (actions, _) = service.iam_actions(operation);
    actions.iter().try_for_each(|action| task.authorize(action, &resource))
}

/// The ARN of what a request is about, where it is clear from one member; otherwise `*`.
fn resource_arn(task: &crate::Task, service: &Service, value: &Json) -> String {
    let text = |key: &str| value.get(key).and_then(Json::as_str).filter(|text| !text.is_empty());
    // The account is the one of the machine.
    let machine = task.call.facts.about.machine.as_str();
    let account = machine.split(':').nth(4).unwrap_or_default();
    let region = &task.call.call.region;
    let arn = |kind: &str, name: &str| {
        if name.starts_with("arn:") {
            return name.to_owned();
        }
        format!("arn:aws:{}:{region}:{account}:{kind}{name}", service.iam_prefix)
    };
    let found = match &*service.name {
        "sqs" => text("QueueUrl").and_then(|url| url.rsplit('/').next()).map(|name| arn("", name)),
        "dynamodb" => text("TableName").map(|name| arn("table/", name)),
        "s3" => text("Bucket").map(|bucket| match text("Key") {
            Some(key) => format!("arn:aws:s3:::{bucket}/{key}"),
            None => format!("arn:aws:s3:::{bucket}"),
        }),
        "sns" => text("TopicArn").or_else(|| text("TargetArn")).map(str::to_owned),
        "lambda" => text("FunctionName").map(|name| arn("function:", name)),
        _ => None,
    };
    found.unwrap_or_else(|| "*".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, config: ServiceConfig) -> Result<AwsServices, String> {
        AwsServices::new(&BTreeMap::from([(name.to_owned(), config)])).map_err(|e| e.to_string())
    }

    fn at(endpoint: &str) -> ServiceConfig {
        ServiceConfig { endpoint: Some(endpoint.to_owned()), ..ServiceConfig::default() }
    }

    #[test]
    fn a_service_is_where_its_section_says() {
        let services = read("sqs", at("http://127.0.0.1:4566/")).unwrap();
        let place = services.place("sqs").unwrap();
        assert_eq!(place.endpoint.as_deref(), Some("http://127.0.0.1:4566"));
        assert_eq!(services.place("sns"), None);
        let aws = ServiceConfig { aws: true, ..ServiceConfig::default() };
        let services = read("default", aws).unwrap();
        assert_eq!(services.place("sns").unwrap().endpoint, None);
    }

    #[test]
    fn wrong_sections_are_refused() {
        let cases = [
            ("events", at("http://a"), "did you mean `eventbridge`?"),
            ("sfn", at("http://a"), "is served here"),
            ("sqs", ServiceConfig::default(), "says not where"),
            ("sqs", ServiceConfig { aws: true, ..at("http://a") }, "give one"),
            ("sqs", at("ftp://a"), "begins with http"),
            ("sqs", at("http://me:secret@a"), "has a user in it"),
            ("sqs", at("http://a/?b"), "has a query"),
            ("sqs", ServiceConfig { region: Some("a/b".into()), ..at("http://a") }, "region"),
            ("sqs", ServiceConfig { timeout_seconds: Some(0), ..at("http://a") }, "at least 1"),
        ];
        for (name, config, expected) in cases {
            let error = read(name, config).unwrap_err();
            assert!(error.contains(expected) && error.contains(name), "{error}");
        }
    }
}
