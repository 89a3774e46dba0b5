//! AWS's services: where each of them is called, as `[services]` of `stepwright.toml` says.

mod aws_sdk;
mod bedrock;
mod credentials;
mod ecs;
mod emr;
mod failure;
mod jobs;
mod local;
mod objects;
mod optimised;
mod section;
mod wire;

pub use objects::ServiceObjects;

pub(crate) use aws_sdk::run as run_aws_sdk;
pub(crate) use jobs::{FIRST_PAUSE, LONGEST_PAUSE, MOST_FAULTS};
pub(crate) use optimised::{Row, earlier, known as knows_integration, run as run_optimised};
pub(crate) use wire::{CONNECT, Trouble, chain, exchange};

pub use section::ServiceConfig;

use crate::http::{ConnectionConfig, Http, HttpConfig};
use credentials::Keys;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicI64};
use std::time::Duration;
use stepwright_aws::rights::{self, Home};
use stepwright_aws::table::{self, Operation, Service};
use stepwright_engine::Denied;
use stepwright_json::Json;
use stepwright_services::{Services, has};

/// Where AWS's services are called. By default, none of them is.
#[derive(Default)]
pub struct AwsServices {
    places: BTreeMap<String, Place>,
    client: wire::Client,
    keys: Keys,
    http: Http,
    /// How far the services' clocks are ahead of ours, in milliseconds, as far as that matters.
    ahead: AtomicI64,
    /// The services of this machine.
    local: OnceLock<Services>,
    is_local_by_default: AtomicBool,
}

impl std::fmt::Debug for AwsServices {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AwsServices").field("places", &self.places).finish_non_exhaustive()
    }
}

/// Where a service is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Whether it is the service of this machine.
    is_local: bool,
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

/// `[services]`, `[http]` or `[connections]` cannot be used.
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
            if config.local && name != DEFAULT && !has(name) {
                return Err(wrong("there is no local service with this name".to_owned()));
            }
            places.insert(name.clone(), Place::read(config).map_err(wrong)?);
        }
        Ok(Self { places, ..Self::default() })
    }

    /// The same with connections for HTTP tasks. Paths are relative to `folder`.
    pub fn with_connections(
        self,
        http: &HttpConfig,
        connections: &BTreeMap<String, ConnectionConfig>,
        folder: &Path,
    ) -> Result<Self, ServicesError> {
        let http = Http::new(http, connections, folder).map_err(ServicesError)?;
        Ok(Self { http, ..self })
    }

    /// The client for endpoints.
    pub(crate) fn client(&self) -> Result<reqwest::Client, String> {
        self.client.http().cloned()
    }

    /// What HTTP tasks are called with.
    pub(crate) fn http(&self) -> &Http {
        &self.http
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
        // What is local by default has to be here.
        let default = || self.places.get(DEFAULT).filter(|one| !one.is_local || has(service));
        self.places.get(service).or_else(default).or_else(|| self.usual_place(service))
    }
}

impl Place {
    /// The URL of an emulator; `None` is AWS, or this machine.
    pub(crate) fn endpoint(&self) -> Option<&str> {
        self.endpoint.as_deref()
    }

    pub(crate) fn region(&self) -> Option<&str> {
        self.region.as_deref()
    }

    /// How long one attempt of a call may take.
    pub(crate) fn limit(&self) -> Duration {
        self.limit
    }

    fn read(config: &ServiceConfig) -> Result<Self, String> {
        let endpoint = match (&config.endpoint, config.aws) {
            (None, false) if config.local => None,
            (_, _) if config.local => {
                return Err("has `local = true` and another place: give one".to_owned());
            }
            (Some(_), true) => return Err("has `endpoint` and `aws = true`: give one".to_owned()),
            (None, false) => {
                return Err("says not where: give `endpoint = \"http://…\"`, `aws = true`, or \
                            `local = true`"
                    .into());
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
            is_local: config.local,
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
    // The account is the one of the machine.
    let machine = task.call.facts.about.machine.as_str();
    let account = machine.split(':').nth(4).unwrap_or_default();
    let home = Home { region: &task.call.call.region, account };
    let needed = rights::needed(service, operation, value, home);
    needed.iter().try_for_each(|(action, resource)| task.authorize(action, resource))
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
