//! Facts about AWS's services: what their operations take and answer and how that is written on the
//! wire, their names in Step Functions and in IAM, where they are, the optimised integrations, the
//! parameters that are refused before a service is called, and the signing of requests.
//!
//! Everything here is a fact about AWS. The rules, the policy writer, the mocks and the callers of
//! services look it up here, and none of them keeps a list of its own.

pub mod arn;
pub mod codec;
mod cron;
pub mod endpoint;
pub mod http;
pub mod iam;
pub mod integrations;
pub mod metadata;
pub mod names;
pub mod parameters;
pub mod responses;
pub mod rights;
pub mod schedule;
pub mod sdk;
pub mod shapes;
pub mod signing;
pub mod table;
