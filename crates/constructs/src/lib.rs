//! State machines written in Rust, in the style of the CDK.
//!
//! States are values. A chain owns its states, and a [`StateMachine`] owns the chain. From it come
//! the definition (ASL), the least-privilege policy, and a CloudFormation template. The names are
//! those of the CDK's `aws-stepfunctions` and `aws-stepfunctions-tasks`.
//!
//! ```
//! use stepwright_constructs::prelude::*;
//!
//! let submit_function = Function::from_name("submit-job");
//! let check_function = Function::from_name("check-job");
//!
//! let submit = LambdaInvoke::new("Submit Job", &submit_function).payload_response_only().result_path("$.guid");
//! let wait = Wait::new("Wait X Seconds", WaitTime::seconds_path("$.wait_time"));
//! let check = LambdaInvoke::new("Get Job Status", &check_function)
//!     .payload_response_only().input_path("$.guid").result_path("$.status");
//! let failed = Fail::new("Job Failed").cause("AWS Batch Job Failed").error("DescribeJob returned FAILED");
//! let last = LambdaInvoke::new("Get Final Job Status", &check_function).payload_response_only().input_path("$.guid");
//!
//! let definition = submit.next(wait).next(check).next(Choice::new("Job Complete?")
//!     .when("$.status == 'FAILED'", failed)
//!     .when("$.status == 'SUCCEEDED'", last)
//!     .otherwise(go_to("Wait X Seconds")));
//! let machine = StateMachine::new("StateMachine", definition).timeout(minutes(5));
//!
//! assert_eq!(machine.policy()?.len(), 2);
//! assert!(machine.template()?.to_json().get("Resources").is_some());
//! # Ok::<(), Misuses>(())
//! ```

// What only states and tasks use is left as it is where these are left out.
#![cfg_attr(
    not(feature = "states"),
    allow(
        dead_code,
        unreachable_pub,
        unused_imports,
        unused_macros,
        reason = "a part of the crate"
    )
)]

mod chain;
mod common;
mod condition;
mod condition_parser;
mod duration;
pub mod evaluate;
mod fields;
#[cfg(feature = "states")]
mod fragment;
#[cfg(feature = "states")]
pub mod fragments;
mod grant;
mod iam;
pub mod json_path;
mod logs;
mod metrics;
mod misuse;
mod node;
mod param;
pub mod policy;
pub mod resources;
mod retry;
mod scope;
mod state_machine;
#[cfg(feature = "states")]
pub mod states;
#[cfg(feature = "states")]
pub mod tasks;
mod template;
mod text;
mod value;

pub use chain::{Chain, Chainable, Nextable, go_to};
pub use common::{
    DataPath, IntegrationPattern, State, TaskState, WithData, WithErrors, WithResultPath,
    WithVariables,
};
pub use condition::Condition;
pub use duration::{
    Gibibytes, Mebibytes, Minutes, Seconds, Size, Timeout, days, gibibytes, hours, mebibytes,
    minutes, seconds,
};
#[cfg(feature = "states")]
pub use fragment::Fragment;
pub use grant::{Grant, Grantee};
pub use iam::{Principal, Statement};
pub use json_path::DISCARD;
pub use logs::{LogGroup, LogLevel, LogOptions};
#[cfg(feature = "states")]
pub use metrics::TaskWithMetrics;
pub use metrics::{Alarm, Comparison, Metric, TaskMetrics};
pub use misuse::{Misuse, Misuses};
pub use param::{At, Flag, Input, Items, Jsonata, Num, Param, PathOrText, Str, jsonata, kind};
pub use resources::{RemovalPolicy, logical_id};
pub use retry::{Catch, Jitter, Retry, errors};
pub use state_machine::{DefinitionBody, Encryption, StateMachine};
#[cfg(feature = "states")]
pub use states::{
    Choice, CustomState, DistributedMap, Fail, Map, Parallel, Pass, Succeed, Wait, WaitTime,
};
pub use template::{Stack, Template, template_from_definition};
pub use text::{Text, Token};
pub use value::{QueryLanguage, Value};

/// Everything that is needed to write state machines.
#[cfg(feature = "states")]
pub mod prelude {
    pub use crate::json_path::*;
    pub use crate::resources::*;
    pub use crate::states::*;
    pub use crate::tasks::*;
    pub use crate::{
        Alarm, Catch, Chain, Chainable, Comparison, Condition, DefinitionBody, Encryption, Flag,
        Fragment, Grant, Grantee, Input, IntegrationPattern, Items, Jitter, LogGroup, LogLevel,
        LogOptions, Metric, Misuses, Nextable, Num, PathOrText, Principal, QueryLanguage, Retry,
        Stack, State, StateMachine, Statement, Str, TaskState, TaskWithMetrics, Template, Text,
        Timeout, Token, Value, WithData, WithErrors, WithResultPath, WithVariables, days, errors,
        gibibytes, go_to, hours, jsonata, mebibytes, minutes, object, seconds, value,
    };
}

/// The chapters of the manual. Their examples are compiled as doctests.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/src/constructs.md")]
#[doc = include_str!("../../../docs/src/from-the-cdk.md")]
#[doc = include_str!("../../../docs/src/side-by-side.md")]
#[doc = include_str!("../../../docs/src/aibs.md")]
#[doc = include_str!("../../../docs/src/aibs-fragments.md")]
struct Chapter;
