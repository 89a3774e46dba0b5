//! Lambda functions as local processes.
//!
//! [`Functions`] holds the functions of one configuration and invokes them as Lambda does. A
//! function with a `runtime` or a `bootstrap` is a warm process that speaks the [Lambda Runtime
//! API](https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html), so Amazon's own runtime
//! clients work unchanged; others are a command for each call, an HTTP endpoint, a function at an
//! AWS endpoint, or a fixed answer. [`lambda_api`] serves the `Invoke` operation of Lambda's API.

mod answer;
mod aws;
mod bootstraps;
mod code;
mod command;
mod concurrency;
mod config;
mod duration;
mod error;
mod evaluate;
mod fixed;
mod functions;
mod http_endpoint;
mod lambda_api;
mod logs;
mod memory;
mod name;
mod pool;
mod process;
mod runtime_api;
mod sandbox;

pub use answer::MOST_PAYLOAD;
pub use config::{AwsFunction, ConfigError, Function};
pub use error::Error;
pub use functions::Functions;
pub use lambda_api::{INVOCATIONS, lambda_api, serve_invocation};
pub use logs::{LogLine, LogSink};
pub use pool::MOST_PROCESSES;

use bytes::Bytes;

/// Where functions pretend to be.
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
    /// Its name in any form that Lambda takes: see [`Functions::has`].
    pub function: String,
    /// A version or an alias, if it is not in the name.
    pub qualifier: Option<String>,
    /// JSON. Nothing at all is taken for `{}`, as Lambda does.
    pub payload: Bytes,
    /// Whether the answer is waited for.
    pub kind: InvocationType,
    /// The client context as the header carries it: JSON in Base64.
    pub client_context: Option<String>,
    /// The X-Ray trace header.
    pub trace_header: Option<String>,
    /// Whether the reply carries the end of the log.
    pub log_tail: bool,
    /// Whether a fixed answer is given without the wait that it is configured with: for those whose
    /// time is virtual.
    pub is_instant: bool,
}

/// Whether the answer of an invocation is waited for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InvocationType {
    /// It is.
    #[default]
    RequestResponse,
    /// It is not: the function runs behind the answer, and again when it fails.
    Event,
    /// The function is not run; the request alone is checked.
    DryRun,
}

/// What came of an invocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// 200, or 202 for an event, 204 for a dry run.
    pub status: u16,
    /// The version that ran.
    pub executed_version: String,
    /// `Unhandled` where the function failed; the payload then says how.
    pub function_error: Option<String>,
    /// What the function returned, byte for byte; JSON unless a custom runtime sent something else.
    pub payload: Bytes,
    /// The last 4 KB of the log in Base64, where it was asked for.
    pub log_tail: Option<String>,
    /// The request's id.
    pub request_id: String,
}
