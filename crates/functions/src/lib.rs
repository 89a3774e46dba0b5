//! Lambda functions as local processes.
//!
//! [`Functions`] holds the functions of one configuration and invokes them as Lambda does. A
//! function with a `runtime` or a `bootstrap` is a warm process that speaks the [Lambda Runtime
//! API](https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html), so Amazon's own runtime
//! clients work unchanged. Other functions are a command for each call, an HTTP endpoint, a
//! function at an AWS endpoint, or a fixed answer. [`lambda_api`] serves the `Invoke` operation of
//! Lambda's API.

mod answer;
mod aws;
mod bootstraps;
mod code;
mod command;
mod concurrency;
mod config;
mod connection;
mod duration;
mod error;
mod evaluate;
mod fixed;
mod functions;
#[cfg(target_os = "linux")]
mod guardian;
mod http_endpoint;
mod job;
mod lambda_api;
mod logs;
mod name;
mod peer;
mod pool;
mod process;
mod recent;
mod runtime_api;
mod sandbox;
#[cfg(target_os = "linux")]
mod sock_diag;
mod tree;
mod unzip;

pub use answer::MOST_PAYLOAD;
pub use config::{AwsFunction, ConfigError, Function};
pub use error::Error;
pub use evaluate::evaluate_if_asked;
pub use fixed::json as json_of_toml;
pub use functions::Functions;
#[cfg(target_os = "linux")]
pub use guardian::guard_if_asked;
pub use job::{Ended, Process, clean_up};
pub use lambda_api::{FUNCTIONS, INVOCATIONS, lambda_api, serve_invocation};
pub use logs::{Ending, LogLine, LogSink};
pub use peer::is_of_another_user;
pub use pool::MOST_PROCESSES;
pub use recent::Printed;

use bytes::Bytes;

/// Does nothing: functions have guardians on Linux only.
#[cfg(not(target_os = "linux"))]
pub fn guard_if_asked() -> Option<std::process::ExitCode> {
    None
}

/// The account and region that functions are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The account, twelve digits.
    pub account: String,
    /// The region, such as `us-east-1`.
    pub region: String,
}

impl Default for Place {
    fn default() -> Self {
        Self { account: "123456789012".to_owned(), region: "us-east-1".to_owned() }
    }
}

/// A request to run a function.
#[derive(Clone, Debug, Default)]
pub struct Invocation {
    /// The function's name in any form that Lambda accepts: see [`Functions::has`].
    pub function: String,
    /// A version or an alias, if it is not in the name.
    pub qualifier: Option<String>,
    /// The payload, as JSON. An empty payload counts as `{}`, as on Lambda.
    pub payload: Bytes,
    /// Whether the caller waits for the answer.
    pub kind: InvocationType,
    /// The client context as in the HTTP header: JSON in Base64.
    pub client_context: Option<String>,
    /// The X-Ray trace header.
    pub trace_header: Option<String>,
    /// Whether the reply contains the end of the log.
    pub log_tail: bool,
    /// The request's id, a UUID; without one it gets one that nobody had.
    pub request_id: Option<String>,
    /// Whether a fixed answer is given without its configured delay, for callers whose time is
    /// virtual.
    pub is_instant: bool,
}

/// Whether the caller of an invocation waits for its answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InvocationType {
    /// The caller waits for the answer.
    #[default]
    RequestResponse,
    /// The caller does not wait: the function runs in the background, and is retried if it fails.
    Event,
    /// The function is not run. Only the request is checked.
    DryRun,
}

/// The result of an invocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// 200, or 202 for an event, 204 for a dry run.
    pub status: u16,
    /// The version that ran.
    pub executed_version: String,
    /// `Unhandled` if the function failed. The payload then describes the failure.
    pub function_error: Option<String>,
    /// The function's answer, byte for byte. It is JSON, unless a custom runtime sent something
    /// else.
    pub payload: Bytes,
    /// The last 4 KB of the log in Base64, if the caller asked for it.
    pub log_tail: Option<String>,
    /// The request's id.
    pub request_id: String,
}
